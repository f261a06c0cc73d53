"""Checkers for the notebooks' exercises. Each works the answer out from the library and tells a wrong one from a right one.

Solutions: notebooks/SOLUTIONS.md.
"""

import random
from collections.abc import Callable

import torch
from torch import nn

from mnist_lib.config import TrainConfig
from mnist_lib.model import DigitNet
from mnist_lib.receptive_field import receptive_fields
from mnist_lib.schedule import rates
from mnist_lib.transforms import Draw, apply


def reveal(guess, truth, unit: str = "") -> None:
    """Your prediction beside what came out."""
    shown = f"{truth:,}" if isinstance(truth, int) else f"{truth:.4g}" if isinstance(truth, float) else str(truth)
    if guess is None:
        print(f"No prediction yet. It is {shown}{unit}.")
    elif guess == truth:
        print(f"You said {guess}: exactly so.")
    else:
        print(f"You said {guess}. It is {shown}{unit}.")


def check(name: str, answer) -> bool:
    """Say whether an answer to exercise `name` is right, and give a hint if it is not."""
    if name not in EXERCISES:
        raise ValueError(f"There is no exercise {name!r}: choose one of {', '.join(EXERCISES)}.")
    if answer is None:
        print(f"{name}: put your answer in place of None, then run the cell again.")
        return False
    judge, hint = EXERCISES[name]
    try:
        right = bool(judge(answer))
    except Exception as error:  # whatever a learner hands in, the notebook goes on
        print(f"{name}: that could not be checked ({type(error).__name__}: {error}). Hint: {hint}")
        return False
    print(f"{name}: right." if right else f"{name}: not yet. Hint: {hint}")
    return right


def _parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def _wider_conv(answer) -> bool:
    return answer == _parameters(nn.Conv2d(16, 24, 3))


def _small_budget(widths) -> bool:
    model = DigitNet(widths=tuple(widths))
    return len(widths) == 7 and 9_500 <= _parameters(model) <= 10_000


def _grown_field(model) -> bool:
    """One convolution of the part before the pooling is changed in one number, and the field there is 5 + 8."""
    ours, theirs = list(DigitNet().children()), [m for m in model.modules() if isinstance(m, nn.Conv2d)]
    convs = [m for m in ours if isinstance(m, nn.Conv2d)]
    settings = ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups")
    changes = sum(getattr(a, s) != getattr(b, s) for a, b in zip(convs, theirs, strict=True) for s in settings)
    fields = receptive_fields(model, (64, 64))
    return changes == 1 and fields["conv3"].size == (13, 13)


def _dilated_field(answer) -> bool:
    dilated = nn.Sequential(nn.Conv2d(1, 1, 3), nn.Conv2d(1, 1, 3, dilation=2), nn.Conv2d(1, 1, 3, dilation=4))
    return answer == receptive_fields(dilated, (28, 28))[-1].size[0]


def _quarter_turn(draw) -> bool:
    images = torch.rand(4, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    return torch.allclose(apply(images, Draw.still(4, **draw)), torch.rot90(images, -1, dims=(2, 3)), atol=1e-3)


def _corner_shift(answer) -> bool:
    """A point 10 pixels from the centre moves along a chord of 2 * 10 * sin(20° / 2)."""
    return abs(float(answer) - 2 * 10 * torch.sin(torch.deg2rad(torch.tensor(10.0))).item()) < 0.06


def _last_rate(answer) -> bool:
    card = rates(TrainConfig(), images=60_000)
    return len(answer) == 2 and all(abs(a / b - 1) < 1e-3 for a, b in zip(answer, (card[0], card[-1])))


def _exact_accuracy(accuracy: Callable) -> bool:
    """Right for uneven batches, where the mean of the batches' accuracies is wrong."""
    draw = random.Random(0)
    for _ in range(20):
        sizes = [draw.randint(1, 200) for _ in range(draw.randint(1, 8))]
        counts = [(draw.randint(0, n), n) for n in sizes]
        if abs(accuracy(counts) - sum(c for c, _ in counts) / sum(sizes)) > 1e-9:
            return False
    return True


def _what_is_left(answer) -> bool:
    """Amdahl: with 42 % of the time made free, the rest is 58 %."""
    return abs(float(answer) - 1 / 0.58) < 0.01


def _speed_up(speed_up: Callable) -> bool:
    draw = random.Random(0)
    cases = [(draw.uniform(0, 1), draw.uniform(1, 50)) for _ in range(20)]
    return all(abs(speed_up(share, factor) - 1 / (1 - share + share / factor)) < 1e-6 for share, factor in cases)


EXERCISES: dict[str, tuple[Callable, str]] = {
    "1a": (_wider_conv, "each filter has 3 × 3 weights for each of 16 input maps, and one bias."),
    "1b": (_small_budget, "seven widths; between 9,500 and 10,000 parameters. Which bar of the picture is the tallest?"),
    "2a": (_grown_field, "with k = 3 a layer adds (k - 1) × dilation × jump; change one number of conv1, conv2 or conv3."),
    "2b": (_dilated_field, "start from 1 and add (k - 1) × dilation for each layer; every jump is 1."),
    "3a": (_corner_shift, "the point moves along a chord: 2 × radius × sin(angle / 2)."),
    "3b": (
        _quarter_turn,
        "clockwise is positive, and the other numbers may stay as they are.",
    ),
    "4a": (_last_rate, "the first is max_lr / div_factor, the last is the first / final_div_factor."),
    "4b": (_exact_accuracy, "count the right answers over all batches before you divide."),
    "7a": (_what_is_left, "a step of 100 ms becomes one of 100 - 42 ms; how many times as fast is that?"),
    "7b": (_speed_up, "start from a step of 1: what is left alone takes 1 - share, the rest share / factor."),
}
