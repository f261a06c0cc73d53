"""DigitNet's training pass, compiled as one: the only part of training on a CPU that needs new code.

The mathematics is that of DigitNet's own forward pass; tests hold the two together, values and gradients.
"""

import copy
import logging
import math
from collections.abc import Callable
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from mnist_lib.model.digitnet import Block, DigitNet


class CompiledPass:
    """DigitNet's training pass: normalised images (N, 1, 28, 28) -> logits (N, 10), float32.

    Compiled for the size of the first batch; a batch of another size, such as an epoch's last, is computed eagerly.
    """

    def __init__(self, model: DigitNet, dtype: torch.dtype, eager: Callable[[Tensor], Tensor]):
        self.model, self.blocks, self.dtype, self.eager, self.size = model, list(model.blocks()), dtype, eager, None
        self.scales = [torch.tensor(1 / (1 - block.drop.p), dtype=dtype).item() for block in self.blocks]  # as masks round
        self.compiled = torch.compile(self._pass)

    def __call__(self, images: Tensor) -> Tensor:
        self.size = self.size or len(images)
        if len(images) != self.size:
            return self.eager(images)
        return self.compiled(images, self._masks(images.shape[-1]))

    def works(self, batch: int) -> bool:
        """Compile the pass for this many images, forward and back; says so where that fails. Leaves everything as it was."""
        state, self.size = copy.deepcopy(self.model.state_dict()), batch
        images = torch.zeros(batch, 1, 28, 28).contiguous(memory_format=torch.channels_last)
        with torch.random.fork_rng(devices=[]):
            try:
                self(images).sum().backward()
                return True
            except Exception as error:  # whatever a compiler can run out of
                print(f"torch.compile fails here ({type(error).__name__}): training goes on without it.")
                return False
            finally:
                self.model.load_state_dict(state)
                self.model.zero_grad()
                self.model.train()  # new masks

    def _masks(self, side: int) -> list[Tensor | None]:
        """A mask for each block, drawn outside of what is compiled; each lies in memory as its maps do, channels last."""
        masks = []
        for _, conv, _, drop, pool in self.blocks:
            side += 2 * conv.padding[0] - conv.kernel_size[0] + 1
            shape = (self.size, side, side, conv.out_channels)
            masks.append(drop.mask(math.prod(shape), self.dtype).view(shape).permute(0, 3, 1, 2) if drop.p else None)
            side //= pool.kernel_size if pool else 1
        return masks

    def _pass(self, x: Tensor, masks: list[Tensor | None]) -> Tensor:
        x = x.to(self.dtype)
        for block, mask, scale in zip(self.blocks, masks, self.scales):
            x = self._block(x, block, mask, scale)
        x = x.float().mean((2, 3))  # gap
        return F.linear(x, self.model.conv8.weight.flatten(1), self.model.conv8.bias)

    def _block(self, x: Tensor, block: Block, mask: Tensor | None, scale: float) -> Tensor:
        _, conv, norm, _, pool = block
        y = F.conv2d(x, conv.weight.to(self.dtype), conv.bias.to(self.dtype), padding=conv.padding)
        z, mean, variance = NormReluDrop.apply(y, norm.weight, norm.bias, mask, scale, norm.eps)
        with torch.no_grad():
            n = y.numel() // y.shape[1]
            norm.running_mean.lerp_(mean, norm.momentum)
            norm.running_var.lerp_(variance * n / (n - 1), norm.momentum)
            norm.num_batches_tracked += 1
        return MaxPool.apply(z) if pool else z


class NormReluDrop(torch.autograd.Function):
    """BatchNorm, ReLU and dropout as one: three passes over the values forward, three back, once it is compiled.

    y (N, C, H, W), gamma and beta (C,), mask of y's shape, 0 or scale (None: scale is 1) -> z like y, y's mean and
    variance (C,).
    What passed both ReLU and dropout is exactly what is above 0, so backward looks at z and needs no mask.
    """

    @staticmethod
    def forward(ctx, y: Tensor, gamma: Tensor, beta: Tensor, mask: Tensor | None, scale: float, eps: float):
        n, exact = y.numel() // y.shape[1], torch.promote_types(y.dtype, torch.float32)
        v = y.to(exact)
        mean = v.sum((0, 2, 3)) / n
        variance = ((v * v).sum((0, 2, 3)) / n - mean * mean).clamp(min=0)  # rounding may leave it just below
        inverse = torch.rsqrt(variance + eps)
        # stacked, they are computed once per channel; else the compiler would compute them again for every value
        norm = torch.stack([mean, inverse, gamma * inverse, beta - mean * gamma * inverse])
        z = F.relu(v * _per_channel(norm[2]) + _per_channel(norm[3])).to(y.dtype)
        if mask is not None:
            z = z * mask
        ctx.save_for_backward(y, z, norm)
        ctx.scale = scale
        ctx.mark_non_differentiable(mean, variance)
        return z, mean, variance

    @staticmethod
    def backward(ctx, g: Tensor, _mean, _variance):
        y, z, norm = ctx.saved_tensors
        mean, inverse, slope, _ = norm
        n = y.numel() // y.shape[1]
        v, g = y.to(norm.dtype), (g * torch.sign(z)).to(norm.dtype) * ctx.scale
        beta_grad = g.sum((0, 2, 3))
        gamma_grad = ((g * v).sum((0, 2, 3)) - mean * beta_grad) * inverse
        # through the mean and the variance, every value reaches every other of its channel
        tilt = slope * inverse * gamma_grad / n
        correction = torch.stack([tilt, slope * beta_grad / n - tilt * mean])
        y_grad = g * _per_channel(slope) - (v * _per_channel(correction[0]) + _per_channel(correction[1]))
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


def _per_channel(values: Tensor) -> Tensor:
    return values[:, None, None]  # (C,) -> broadcasts over (N, C, H, W)


@cache
def can_compile() -> bool:
    """Whether torch.compile works here: it needs a C++ compiler and Python's headers. Tries, and says so if not."""
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)  # it warns where nvcc lies without a GPU
    try:
        return torch.compile(lambda x: x * 2 + 1)(torch.ones(64))[0].item() == 3
    except Exception as error:  # whatever is missing, the run goes on without it
        print(f"torch.compile does not work here ({type(error).__name__}): training goes on without it.")
        return False
