"""The card's network with one part taken out, with other widths, or of another shape: ingredients for studies."""

import re
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mnist_lib.model import DigitNet
from mnist_lib.support import validation
from mnist_lib.trainer.ingredients import Ingredient


@dataclass(frozen=True)
class Widths(Ingredient):
    """A DigitNet with these numbers of filters, and kernel sides, in conv1..conv7."""

    widths: tuple[int, ...]
    kernels: tuple[int, ...] = (3, 3, 1, 3, 3, 3, 3)

    def __post_init__(self):
        with torch.device("meta"):  # without numbers, so none are drawn
            DigitNet(widths=self.widths, kernels=self.kernels)  # says what is wrong with them

    def network(self, model: DigitNet) -> DigitNet:
        """A new network in place of a DigitNet; ValueError if another ingredient has changed that one already."""
        require_unchanged(model, self)
        return DigitNet((model.drop1.p, model.drop4.p), self.widths, self.kernels)


def require_unchanged(model: nn.Module, ingredient: Ingredient) -> None:
    """ValueError unless the model is a DigitNet as it is made: a new network in its place would lose what was changed."""
    with torch.device("meta"):
        new = DigitNet((model.drop1.p, model.drop4.p))
    if layers(model) != layers(new):
        name = type(ingredient).__name__
        raise ValueError(f"{name} makes a new network, without the changes made before: name it first among the ingredients.")


def layers(model: nn.Module) -> tuple[str, list[type]]:
    """What a network consists of; the text alone doesn't tell torch's BatchNorm from that of layers.py."""
    return str(model), [type(layer) for layer in model.modules()]


@dataclass(frozen=True)
class TorchModules(Ingredient):
    """torch's own BatchNorm and dropout in place of those of layers.py, which do the same faster."""

    compiles = False

    def network(self, model: DigitNet) -> DigitNet:
        for number, block in enumerate(model.blocks(), 1):
            setattr(model, f"bn{number}", nn.BatchNorm2d(block.norm.num_features))
            setattr(model, f"drop{number}", nn.Dropout(block.drop.p))
        return model


@dataclass(frozen=True)
class NoBatchNorm(Ingredient):
    """No BatchNorm anywhere: the convolutions' own biases must do."""

    compiles = False

    def network(self, model: DigitNet) -> DigitNet:
        for number in range(1, 8):
            setattr(model, f"bn{number}", nn.Identity())
        return model


@dataclass(frozen=True)
class NoBottleneck(Ingredient):
    """No 1x1 convolution before the pooling: conv4 reads all of conv2's maps."""

    compiles = False

    def network(self, model: DigitNet) -> DigitNet:
        model.conv3, model.bn3, model.drop3 = nn.Identity(), nn.Identity(), nn.Identity()  # ReLU again changes nothing
        old = model.conv4
        model.conv4 = nn.Conv2d(model.conv2.out_channels, old.out_channels, old.kernel_size)
        return model


@dataclass(frozen=True)
class Flatten(Ingredient):
    """No global average pooling: conv7's maps are flattened, and a linear layer gives the ten answers.

    It is written as a convolution whose kernel is as large as the maps, which is the same sum.
    """

    compiles = False

    def network(self, model: DigitNet) -> DigitNet:
        side = model.gap.kernel_size
        model.gap = nn.Identity()
        model.conv8 = nn.Conv2d(model.conv8.in_channels, model.conv8.out_channels, side)
        return model


class SeparableConv2d(nn.Module):
    """Each map by its own k x k filter, then 1x1 over all: (N, before, H, W) -> (N, after, H - k + 1, W - k + 1).

    A 3x3 convolution of 16 maps to 16 has 16 * 16 * 9 = 2,304 weights; these two steps have 16 * 9 + 16 * 16 = 400.
    """

    def __init__(self, before: int, after: int, k: int = 3, padding: int = 0):
        super().__init__()
        self.depth = nn.Conv2d(before, before, k, padding=padding, groups=before, bias=False)
        self.point = nn.Conv2d(before, after, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.point(self.depth(x))


class Repeated(nn.Module):
    """One separable convolution used several times, each with a skip and a BatchNorm of its own: (N, C, H, W) -> the same."""

    def __init__(self, width: int, times: int, k: int = 3):
        super().__init__()
        self.separable = SeparableConv2d(width, width, k, padding=k // 2)
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for _ in range(times))

    def forward(self, x: Tensor) -> Tensor:
        for norm in self.norms:
            x = x + F.relu(norm(self.separable(x)))
        return x


class SeparableNet(nn.Module):
    """Few numbers: named layers, then the mean of each map and a 1x1 convolution: (N, 1, 28, 28) -> logits (N, 10).

    "conv 8": a 3x3 convolution to 8 maps; "sep 16": a separable one to 16; "again 3": one separable convolution used three
    times, with as many maps as before; "sep5 16": 5x5. "conv 8 pooled": with 2x2 max pooling before BatchNorm and ReLU, which
    then have a quarter of the work. BatchNorm and ReLU follow each convolution, so none has a bias.
    """

    def __init__(self, steps: tuple[str, ...]):
        super().__init__()
        self.steps, width = nn.Sequential(), 1
        for step in steps:
            named = re.fullmatch(r"(conv|sep|again)(5?) ([1-9]\d*)( pooled)?", step)
            if not named:
                raise ValueError(f'A step is like "conv 8", "conv 8 pooled", "sep 16" or "again 3", not {step!r}.')
            kind, k, number = named[1], int(named[2] or 3), int(named[3])
            if kind == "again":
                self.steps.append(Repeated(width, number, k))
                continue
            self.steps.append(nn.Conv2d(width, number, k, bias=False) if kind == "conv" else SeparableConv2d(width, number, k))
            if named[4]:
                self.steps.append(nn.MaxPool2d(2))
            self.steps += nn.Sequential(nn.BatchNorm2d(number), nn.ReLU())
            width = number
        self.answer = nn.Conv2d(width, 10, 1)

    @property
    def conv1(self) -> nn.Conv2d:  # which Whiten fills
        return self.steps[0]

    def forward(self, x: Tensor) -> Tensor:
        return self.answer(self.steps(x).mean((2, 3), keepdim=True)).flatten(1)


@dataclass(frozen=True)
class Separable(Ingredient):
    """A SeparableNet of these steps, such as ("conv 8 pooled", "sep 16", "sep 16")."""

    steps: tuple[str, ...]

    compiles = False

    def __post_init__(self):
        validation.listed("steps", self.steps, str, '("conv 8 pooled", "sep 16")')
        with torch.device("meta"):  # without numbers, so none are drawn
            SeparableNet(self.steps)

    def network(self, model: DigitNet) -> SeparableNet:
        """A new network in place of a DigitNet; ValueError if another ingredient has changed that one already."""
        require_unchanged(model, self)
        return SeparableNet(self.steps)
