"""The network of the card: 13,960 numbers that read handwriting. Knows nothing of data."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class DigitNet(nn.Module):
    """Seven convolutions, an average over what is left of the image, and a 1x1 convolution to ten classes.

    Each of conv1..conv7 is followed by BatchNorm, ReLU and dropout, in this order. (The card's table fixes the layers
    but has no row for ReLU; before or after BatchNorm would fit it equally.) conv8 stands alone: its output is the answer.

    Args:
        dropout: the share of values set to zero while training, (after conv1..conv3, after conv4..conv7).
        widths, kernels: filters and kernel side of conv1..conv7, to try other budgets; the defaults are the card's.

    Raises:
        ValueError: one sentence, for an even kernel or kernels that leave nothing of the image.
    """

    def __init__(
        self,
        dropout: tuple[float, float] = (0.07, 0.05),
        widths: tuple[int, ...] = (16, 32, 10, 16, 16, 16, 16),
        kernels: tuple[int, ...] = (3, 3, 1, 3, 3, 3, 3),
    ):
        super().__init__()
        (early, late), w, k = dropout, widths, kernels
        side = (28 - sum(k[:3]) + 3) // 2 - sum(k[3:6]) + 3  # of conv6's output; conv7 is padded
        if min(widths) < 1 or any(kernel % 2 == 0 for kernel in kernels):
            raise ValueError(f"widths are 1 or more and kernels odd, not {widths} and {kernels}.")
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

    def forward(self, x: Tensor) -> Tensor:
        """Normalised images (N, 1, 28, 28) -> logits (N, 10)."""
        x = self.drop1(F.relu(self.bn1(self.conv1(x))))
        x = self.drop2(F.relu(self.bn2(self.conv2(x))))
        x = self.drop3(F.relu(self.bn3(self.conv3(x))))
        x = self.pool1(x)
        x = self.drop4(F.relu(self.bn4(self.conv4(x))))
        x = self.drop5(F.relu(self.bn5(self.conv5(x))))
        x = self.drop6(F.relu(self.bn6(self.conv6(x))))
        x = self.drop7(F.relu(self.bn7(self.conv7(x))))
        x = self.conv8(self.gap(x))
        return x.flatten(1)


class BatchNorm2d(nn.BatchNorm2d):
    """`nn.BatchNorm2d`, but channels-last maps are reordered where it is slow: unless 16 divides their number (conv3: 10)."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape and order of memory."""
        last = x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()
        if not self.training or x.device.type != "cpu" or not last or x.shape[1] % 16 == 0:
            return super().forward(x)
        return super().forward(x.contiguous()).contiguous(memory_format=torch.channels_last)


class Dropout(nn.Dropout):
    """`nn.Dropout`, with cheaper random numbers on a CPU.

    `nn.Dropout` draws a random number for each of the 38,784 values an image has here, anew for every batch. On a CPU that
    can take longer than the convolutions. This one draws a stock, twice as many masks as a batch needs; each batch takes a
    stretch of it, from a random place on. After `LASTS` batches, and whenever `train()` is called, the stock is drawn anew.
    So the values of one batch are dropped independently, with probability `p` rounded to 1/65,536; what repeats, shifted to
    other values, is the stretches of different batches.
    """

    LASTS = 100

    def __init__(self, p: float = 0.5):
        super().__init__(p)
        self.stock, self.used = None, 0

    def train(self, mode: bool = True) -> "Dropout":
        self.stock = None  # an epoch that begins with train() depends on its own random numbers only
        return super().train(mode)

    def mask(self, n: int, dtype: torch.dtype) -> Tensor:
        """(n,): 0 with probability p, else 1 / (1 - p), rounded to the dtype."""
        if self.stock is None or len(self.stock) < 2 * n or self.stock.dtype != dtype or self.used == self.LASTS:
            draws = torch.empty((n + 1) // 2, dtype=torch.int64).random_(-(2**63), None)  # each decides four values
            kept = draws.view(torch.int16).ge_(round(self.p * 2**16) - 2**15)  # 0 or 1; comparing in place is fast
            self.stock, self.used = kept.to(dtype).mul_(1 / (1 - self.p)), 0
        self.used += 1
        start = int(torch.randint(len(self.stock) - n + 1, ()))
        return self.stock[start : start + n]

    def forward(self, x: Tensor) -> Tensor:
        """Any shape -> the same shape."""
        dense = x.is_contiguous() or (x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last))
        if not self.training or self.p in (0, 1) or x.device.type != "cpu" or not dense:
            return super().forward(x)
        return x * self.mask(x.numel(), x.dtype).as_strided(x.shape, x.stride())  # in the memory order of x
