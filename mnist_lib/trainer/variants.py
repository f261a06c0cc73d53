"""The card's network with one part taken out, or with other widths: ingredients for studies that ask what a part is worth."""

from dataclasses import dataclass

import torch
from torch import nn

from mnist_lib.model import DigitNet
from mnist_lib.trainer.ingredients import Ingredient


@dataclass(frozen=True)
class Widths(Ingredient):
    """A DigitNet with these filters, and kernel sides, of conv1..conv7."""

    widths: tuple[int, ...]
    kernels: tuple[int, ...] = (3, 3, 1, 3, 3, 3, 3)

    def __post_init__(self):
        with torch.device("meta"):  # without numbers, so none are drawn
            DigitNet(widths=self.widths, kernels=self.kernels)  # says what is wrong with them

    def network(self, model: DigitNet) -> DigitNet:
        """A new network in place of a DigitNet; ValueError if another ingredient has changed that one already."""
        with torch.device("meta"):
            new = DigitNet((model.drop1.p, model.drop4.p))
        if layers(model) != layers(new):
            raise ValueError("Widths makes a new network, without the changes made before: name it first of the ingredients.")
        return DigitNet((model.drop1.p, model.drop4.p), self.widths, self.kernels)


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
    """No BatchNorm anywhere: the convolutions' own biases have to do."""

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
    """No global average pooling: conv7's maps are flattened, and a linear layer makes the ten answers.

    It is written as a convolution whose kernel is as large as the maps, which is the same sum.
    """

    compiles = False

    def network(self, model: DigitNet) -> DigitNet:
        side = model.gap.kernel_size
        model.gap = nn.Identity()
        model.conv8 = nn.Conv2d(model.conv8.in_channels, model.conv8.out_channels, side)
        return model
