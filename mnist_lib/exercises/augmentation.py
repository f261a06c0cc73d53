"""Exercises of notebook 03."""

import torch

from mnist_lib.transforms import Draw, apply


def _quarter_turn(draw) -> bool:
    images = torch.rand(4, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    return torch.allclose(apply(images, Draw.still(4, **draw)), torch.rot90(images, -1, dims=(2, 3)), atol=1e-3)


def _corner_shift(answer) -> bool:
    """A point 10 pixels from the centre moves along a chord of 2 * 10 * sin(20° / 2)."""
    return abs(float(answer) - 2 * 10 * torch.sin(torch.deg2rad(torch.tensor(10.0))).item()) < 0.06


EXERCISES = {
    "3a": (_corner_shift, "the point moves along a chord: 2 × radius × sin(angle / 2)."),
    "3b": (_quarter_turn, "clockwise is positive, and the other numbers may stay as they are."),
}
