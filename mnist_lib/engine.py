"""How fast a training step can be on this machine: the choices, all of them here, and the one step that needs new code.

The mathematics is that of DigitNet's own forward pass; tests hold the two together, values and gradients.
"""

import ctypes
import logging
import math
import platform
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mnist_lib.model import DigitNet

COMPILE_PAYS = 4000  # steps: compiling costs about 15 s once and saves about 5 ms a step on the 2-core machine of the records


@dataclass(frozen=True)
class Engine:
    """The means of a run: device, number format of the convolutions, and whether the step is compiled."""

    device: torch.device
    precision: str  # "float32" or "bfloat16"
    compiled: bool

    @classmethod
    def choose(cls, device: str = "auto", precision: str = "auto", compiled: str = "auto", steps: int = 0) -> "Engine":
        """The fastest means that this machine has, for a run of so many steps, unless they are named.

        ValueError in one sentence for a device that is not here.
        """
        place = choose_device(device)
        has_bfloat16 = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
        if precision == "auto":  # on a CPU without instructions for bfloat16 it would be slower, not faster
            precision = "bfloat16" if place.type == "cpu" and has_bfloat16() else "float32"
        wanted = compiled == "yes" or (compiled == "auto" and steps >= COMPILE_PAYS)
        return cls(place, precision, place.type == "cpu" and wanted and can_compile())

    def __str__(self) -> str:
        return f"{self.device.type}, {self.precision}, {'compiled' if self.compiled else 'not compiled'}"

    def prepare(self, model: nn.Module) -> nn.Module:
        """The model on the device, its weights in the order of memory that convolutions read fastest (channels last)."""
        keep_memory()
        return model.to(self.device, memory_format=torch.channels_last)

    def forward(self, model: DigitNet) -> Callable[[Tensor], Tensor]:
        """The model's training pass: normalised images (N, 1, 28, 28) -> logits (N, 10), float32."""
        dtype = getattr(torch, self.precision)

        def plain(images: Tensor) -> Tensor:
            with torch.autocast(self.device.type, torch.bfloat16, enabled=dtype == torch.bfloat16):
                return model(images).float()

        return _Compiled(model, dtype, plain) if self.compiled else plain


class _Compiled:
    """The training pass, compiled as one.

    Compiled for the size of the first batch; a batch of another size, such as an epoch's last, takes the plain way.
    """

    def __init__(self, model: DigitNet, dtype: torch.dtype, plain: Callable[[Tensor], Tensor]):
        self.model, self.dtype, self.plain, self.size = model, dtype, plain, None
        drops = (getattr(model, f"drop{number}").p for number in range(1, 8))
        self.scales = [torch.tensor(1 / (1 - p), dtype=dtype).item() for p in drops]  # rounded as the masks are
        self.compiled = torch.compile(self._pass)

    def __call__(self, images: Tensor) -> Tensor:
        self.size = self.size or len(images)
        if len(images) != self.size:
            return self.plain(images)
        return self.compiled(images, self._masks(images.shape[-1]))

    def _masks(self, side: int) -> list[Tensor | None]:
        """Seven masks, drawn outside of what is compiled; each lies in memory as its map does, channels last."""
        masks = []
        for number in range(1, 8):
            conv, drop = getattr(self.model, f"conv{number}"), getattr(self.model, f"drop{number}")
            side += 2 * conv.padding[0] - conv.kernel_size[0] + 1
            shape = (self.size, side, side, conv.out_channels)
            masks.append(drop.mask(math.prod(shape), self.dtype).view(shape).permute(0, 3, 1, 2) if drop.p else None)
            if number == 3:
                side //= 2
        return masks

    def _pass(self, x: Tensor, masks: list[Tensor | None]) -> Tensor:
        x = x.to(self.dtype)
        for number, mask in enumerate(masks, 1):
            x = self._block(x, number, mask)
            if number == 3:
                x = MaxPool.apply(x)
        x = x.float().mean((2, 3))  # gap
        return F.linear(x, self.model.conv8.weight.flatten(1), self.model.conv8.bias)

    def _block(self, x: Tensor, number: int, mask: Tensor | None) -> Tensor:
        conv, norm = getattr(self.model, f"conv{number}"), getattr(self.model, f"bn{number}")
        y = F.conv2d(x, conv.weight.to(self.dtype), conv.bias.to(self.dtype), padding=conv.padding)
        z, mean, variance = NormReluDrop.apply(y, norm.weight, norm.bias, mask, self.scales[number - 1], norm.eps)
        with torch.no_grad():
            n = y.numel() // y.shape[1]
            norm.running_mean.lerp_(mean, norm.momentum)
            norm.running_var.lerp_(variance * n / (n - 1), norm.momentum)
            norm.num_batches_tracked += 1
        return z


class NormReluDrop(torch.autograd.Function):
    """BatchNorm, ReLU and dropout as one: three passes over the values forward, three back, once it is compiled.

    y (N, C, H, W), gamma and beta (C,), mask of y's shape, 0 or scale (None: scale is 1) -> z like y, y's mean and
    variance (C,).
    What passed both ReLU and dropout is what is above 0, so backward asks z and needs no mask.
    """

    @staticmethod
    def forward(ctx, y: Tensor, gamma: Tensor, beta: Tensor, mask: Tensor | None, scale: float, eps: float):
        n, exact = y.numel() // y.shape[1], torch.promote_types(y.dtype, torch.float32)
        v = y.to(exact)
        mean = v.sum((0, 2, 3)) / n
        variance = ((v * v).sum((0, 2, 3)) / n - mean * mean).clamp(min=0)  # rounding may leave it just below
        inverse = torch.rsqrt(variance + eps)
        # stacked, they are computed once a channel; else the compiler would compute them again for every value
        numbers = torch.stack([mean, inverse, gamma * inverse, beta - mean * gamma * inverse])
        z = F.relu(v * _beside(numbers[2]) + _beside(numbers[3])).to(y.dtype)
        if mask is not None:
            z = z * mask
        ctx.save_for_backward(y, z, numbers)
        ctx.scale = scale
        ctx.mark_non_differentiable(mean, variance)
        return z, mean, variance

    @staticmethod
    def backward(ctx, g: Tensor, _mean, _variance):
        y, z, numbers = ctx.saved_tensors
        mean, inverse, slope, _ = numbers
        n = y.numel() // y.shape[1]
        v, g = y.to(numbers.dtype), (g * torch.sign(z)).to(numbers.dtype) * ctx.scale
        beta_grad = g.sum((0, 2, 3))
        gamma_grad = ((g * v).sum((0, 2, 3)) - mean * beta_grad) * inverse
        # through the mean and the variance, every value reaches every other of its channel
        tilt = slope * inverse * gamma_grad / n
        numbers = torch.stack([tilt, slope * beta_grad / n - tilt * mean])
        y_grad = g * _beside(slope) - (v * _beside(numbers[0]) + _beside(numbers[1]))
        return y_grad.to(y.dtype), gamma_grad, beta_grad, None, None, None


class MaxPool(torch.autograd.Function):
    """2x2 max pooling, in arithmetic that the compiler makes fast: z (N, C, H, W) -> (N, C, H / 2, W / 2).

    Where several of the four are the largest they share the gradient, as in torch.amax; nn.MaxPool2d gives it to the first.
    """

    @staticmethod
    def forward(ctx, z: Tensor) -> Tensor:
        largest = z.unflatten(3, (-1, 2)).unflatten(2, (-1, 2)).amax((3, 5))
        ctx.save_for_backward(z, largest)
        return largest

    @staticmethod
    def backward(ctx, g: Tensor) -> Tensor:
        z, largest = ctx.saved_tensors
        is_largest = [1 - torch.sign(largest - z[:, :, row::2, column::2]) for row in (0, 1) for column in (0, 1)]
        return (1 - torch.sign(_four_times(largest) - z)) * _four_times(g / sum(is_largest))


def _four_times(small: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, C, 2H, 2W), each value four times."""
    n, c, h, w = small.shape
    return small[:, :, :, None, :, None].expand(n, c, h, 2, w, 2).reshape(n, c, 2 * h, 2 * w)


def _beside(numbers: Tensor) -> Tensor:
    return numbers[:, None, None]  # (C,) -> beside (N, C, H, W)


def choose_device(name: str) -> torch.device:
    """ "auto" -> cuda, else mps, else cpu; ValueError in one sentence for a device that is not here."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError, TypeError):
        raise ValueError(f'device {name!r} is not to be had here: use "auto" or "cpu".') from None
    return device


@cache
def can_compile() -> bool:
    """Whether torch.compile works here: it needs a C++ compiler and Python's headers. Tries, and says so if not."""
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)  # it warns where nvcc lies without a GPU
    try:
        return torch.compile(lambda x: x * 2 + 1)(torch.ones(64))[0].item() == 3
    except Exception as error:  # whatever is missing, the run goes on without it
        print(f"torch.compile does not work here ({type(error).__name__}): training goes on without it.")
        return False


def keep_memory() -> None:
    """Have glibc keep, for the whole process, what a step frees for the next one; else it hands large blocks back each time."""
    libc = ctypes.CDLL(None) if platform.system() == "Linux" else None
    if hasattr(libc, "mallopt"):
        trim_threshold, mmap_threshold = -1, -3  # malloc.h
        libc.mallopt(mmap_threshold, 2**25)
        libc.mallopt(trim_threshold, 2**30)
