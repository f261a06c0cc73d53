"""Exercises of notebook 01."""

from torch import nn

from mnist_lib.model import DigitNet


def _parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def _wider_conv(answer) -> bool:
    return answer == _parameters(nn.Conv2d(16, 24, 3))


def _small_budget(widths) -> bool:
    model = DigitNet(widths=tuple(widths))
    return len(widths) == 7 and 9_500 <= _parameters(model) <= 10_000


EXERCISES = {
    "1a": (_wider_conv, "each filter has 3 × 3 weights for each of 16 input maps, and one bias."),
    "1b": (_small_budget, "seven widths; between 9,500 and 10,000 parameters. Which bar of the picture is the tallest?"),
}
