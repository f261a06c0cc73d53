"""Two of PyTorch's layers, made fast on a CPU: the same mathematics, with cheaper use of memory and cheaper random numbers.

And memory that a process keeps, and a model in evaluation mode for a while.
"""

import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch
from torch import Tensor, nn

MEMORY = {"cpu": torch.channels_last}  # the order that convolutions read fastest; elsewhere contiguous until it is measured


class BatchNorm2d(nn.BatchNorm2d):
    """`nn.BatchNorm2d`, but faster for channels-last maps whose number 16 does not divide (conv3: 10): they are reordered."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape and order of memory."""
        last = x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()
        if not self.training or x.device.type != "cpu" or not last or x.shape[1] % 16 == 0:
            return super().forward(x)
        return super().forward(x.contiguous()).contiguous(memory_format=torch.channels_last)


class Dropout(nn.Dropout):
    """`nn.Dropout`, with cheaper random numbers on a CPU.

    `nn.Dropout` draws a random number for each of the 38,784 values an image has here, anew for every batch. On a CPU that
    can take longer than the convolutions. This one draws a stock of twice as many masks as a batch needs; each batch takes a
    part of it, starting at a random place. After `LASTS` batches, and whenever `train()` is called, the stock is drawn anew.
    So the values of one batch are dropped independently, with probability `p` rounded to 1/65,536; but different batches
    may use the same masks, shifted to other values.
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


def memory_order(device: torch.device) -> torch.memory_format:
    """The order of memory of images and weights on a device."""
    return MEMORY.get(device.type, torch.contiguous_format)


@cache
def tune_malloc() -> None:
    """Have glibc keep, for the whole process, what one batch frees for the next; else it hands large blocks back each time."""
    libc = ctypes.CDLL(None) if platform.system() == "Linux" else None
    if hasattr(libc, "mallopt"):
        trim_threshold, mmap_threshold = -1, -3  # malloc.h
        libc.mallopt(mmap_threshold, 2**25)
        libc.mallopt(trim_threshold, 2**30)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode, no gradients; the model's own mode afterwards. The process keeps its memory from now on."""
    was_training = model.training
    model.eval()
    tune_malloc()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(was_training)
