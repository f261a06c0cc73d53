"""The network of the card: 13,960 numbers that read handwriting. Knows nothing of data."""

from collections.abc import Iterator
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from mnist_lib.model.layers import BatchNorm2d, Dropout
from mnist_lib.support import validation

ROWS = ("conv1", "conv2", "conv3", "pool1", "conv4", "conv5", "conv6", "conv7", "gap", "conv8")  # of the card's table


class Block(NamedTuple):
    """A convolution and what follows it: the one place that knows the order. The modules belong to the network."""

    name: str  # of the convolution
    conv: nn.Module
    norm: nn.Module
    drop: nn.Module
    pool: nn.Module | None

    def maps(self, x: Tensor) -> Tensor:
        """The maps below (N, C, H, W) -> this block's, before dropout and pooling."""
        return F.relu(self.norm(self.conv(x)))

    def __call__(self, x: Tensor) -> Tensor:
        """The maps below (N, C, H, W) -> what the next block is given."""
        x = self.drop(self.maps(x))
        return self.pool(x) if self.pool else x


class DigitNet(nn.Module):
    """Seven convolutions, an average over what is left of the image, and a 1x1 convolution to ten classes.

    Each of conv1..conv7 is followed by BatchNorm, ReLU and dropout, in this order. (The card's table fixes the layers
    but has no row for ReLU; before or after BatchNorm would fit it equally.) conv8 stands alone: its output is the answer.

    Args:
        dropout: the share of values set to zero while training, (after conv1..conv3, after conv4..conv7).
        widths, kernels: filters and kernel side of conv1..conv7, to try other budgets; the defaults are the card's.

    Raises:
        ValueError: one sentence, for shares, widths or kernels that have no meaning, or leave nothing of the image.
    """

    def __init__(
        self,
        dropout: tuple[float, float] = (0.07, 0.05),
        widths: tuple[int, ...] = (16, 32, 10, 16, 16, 16, 16),
        kernels: tuple[int, ...] = (3, 3, 1, 3, 3, 3, 3),
    ):
        super().__init__()
        validation.several("dropout", dropout, 2, at_least=0, at_most=1)
        validation.several("widths", widths, 7, at_least=1, whole=True)
        validation.several("kernels", kernels, 7, at_least=1, whole=True)
        if any(kernel % 2 == 0 for kernel in kernels):
            raise ValueError(f"kernels are odd, not {kernels}.")
        (early, late), w, k = dropout, widths, kernels
        side = (28 - sum(k[:3]) + 3) // 2 - sum(k[3:6]) + 3  # of conv6's output; conv7 is padded
        if side < 1:
            raise ValueError(f"The kernels {kernels} leave nothing of a 28x28 image: make some smaller.")
        # image (N, 1, 28, 28)
        self.conv1, self.bn1, self.drop1 = nn.Conv2d(1, w[0], k[0]), BatchNorm2d(w[0]), Dropout(early)  # (16, 26, 26)
        self.conv2, self.bn2, self.drop2 = nn.Conv2d(w[0], w[1], k[1]), BatchNorm2d(w[1]), Dropout(early)  # (32, 24, 24)
        self.conv3, self.bn3, self.drop3 = nn.Conv2d(w[1], w[2], k[2]), BatchNorm2d(w[2]), Dropout(early)  # (10, 24, 24)
        self.pool1 = nn.MaxPool2d(2)  # (10, 12, 12)
        self.conv4, self.bn4, self.drop4 = nn.Conv2d(w[2], w[3], k[3]), BatchNorm2d(w[3]), Dropout(late)  # (16, 10, 10)
        self.conv5, self.bn5, self.drop5 = nn.Conv2d(w[3], w[4], k[4]), BatchNorm2d(w[4]), Dropout(late)  # (16, 8, 8)
        self.conv6, self.bn6, self.drop6 = nn.Conv2d(w[4], w[5], k[5]), BatchNorm2d(w[5]), Dropout(late)  # (16, 6, 6)
        self.conv7 = nn.Conv2d(w[5], w[6], k[6], padding=k[6] // 2)  # (16, 6, 6)
        self.bn7, self.drop7 = BatchNorm2d(w[6]), Dropout(late)
        self.gap = nn.AvgPool2d(side)  # (16, 1, 1)
        self.conv8 = nn.Conv2d(w[6], 10, 1)  # (10, 1, 1)

    def blocks(self) -> Iterator[Block]:
        """conv1 to conv7, each with what follows it."""
        for number in range(1, 8):
            conv, norm, drop = (getattr(self, f"{kind}{number}") for kind in ("conv", "bn", "drop"))
            yield Block(f"conv{number}", conv, norm, drop, self.pool1 if number == 3 else None)

    def head(self, x: Tensor) -> Tensor:
        """The last block's maps (N, 16, 6, 6) -> logits (N, 10)."""
        return self.conv8(self.gap(x)).flatten(1)

    def forward(self, x: Tensor) -> Tensor:
        """Normalised images (N, 1, 28, 28) -> logits (N, 10); ValueError in one sentence for images of another size."""
        validation.network_input(x)
        for block in self.blocks():
            x = block(x)
        return self.head(x)
