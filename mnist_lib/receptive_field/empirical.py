"""What a unit sees, measured. This uses nothing of the formula but the names of the calls."""

import math
from collections import Counter
from contextlib import suppress

import torch
import torch.nn.functional as F
from torch import Tensor

from mnist_lib.receptive_field.tracing import Calls, Done, UnknownName, check_unit, copy_of, image_of, unknown_name


class Reach(Calls):
    """Keeps one layer's output and stops there. swap: functions of torch to run instead of others."""

    def __init__(self, model, layer, dims=None, swap=None):
        super().__init__(model)
        self.layer, self.dims, self.swap, self.out = layer, dims, swap or {}, None

    def row(self, name, kind, tensors, leaf):
        if name == self.layer:
            self.out = tensors[0]
            raise Done

    def call(self, function, args, kwargs):
        return self.swap.get(function, function)(*args, **kwargs)

    def unit(self, images, unit):
        """-> (N, values of the unit), the layer's output at this place for every image."""
        self.out, self.open, self.leaves, self.names = None, [], 0, Counter()
        with suppress(Done):
            self.run(images)
        if self.out is None:
            raise UnknownName(unknown_name(self.layer, self.names))
        out, place = self.out, [slice(None)] * self.out.dim()
        dims = self.dims or ((out.dim() - 2, out.dim() - 1) if out.dim() > 3 else (None, None))
        check_unit(self.layer, unit, [1 if d is None else out.shape[d] for d in dims])
        for d, i in zip(dims, unit):
            if d is not None:
                place[d] = i
        return out[tuple(place)].reshape(len(out), -1)


def measure_field(model, layer, unit, input_size=(28, 28), channels=None, method="gradient", dims=None):
    """Which pixels can influence a unit? Measured, not derived -> bool (H, W).

    layer: a name as receptive_fields gives it. unit: (row, col), all channels together.
    dims: the dimensions of the layer's output along which rows and columns lie, as in ReceptiveField.dims; unless given,
    the last two, or none of an output that has fewer than four.
    method: the witness. Each runs a copy in eval mode, in float64 on the CPU:
    - "gradient": is the unit's derivative by the pixel not zero? It is made so that nothing cancels or saturates: positive
      random weights, small positive images, max pools that add up their window, norms whose output is lifted above zero.
    - "poison": set the pixel to NaN and run the model, unchanged: is the unit NaN? One run per pixel: first
      rows and columns, then the pixels where they cross. A weight of zero counts (0 * NaN is NaN), as in bilinear resizing.
    - "poison-lines": whole rows and columns only: H + W runs, right for fields that are rows x columns.
    """
    size, channels = image_of(model, input_size, channels)
    if method not in ("gradient", "poison", "poison-lines"):
        raise ValueError(f'method must be "gradient", "poison" or "poison-lines", not {method!r}')
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        twin = copy_of(model, "cpu", torch.float64)
        images = torch.rand(2, channels, *size, dtype=torch.float64) + 0.5
        if method == "gradient":
            _make_positive(twin)
            reach = Reach(twin, layer, dims, _PASSES)
            # The first image's unit alone: with batch statistics, the second image reaches it too.
            return _gradient(reach, images * 1e-3, unit, lambda v: v[0] @ (torch.rand_like(v[0]) + 0.5))[0].ne(0).any(0)
        reach, every = Reach(twin, layer, dims), slice(None)
        rows = _poisoned(reach, images[0], unit, [(row, every) for row in range(size[0])])
        cols = _poisoned(reach, images[0], unit, [(every, col) for col in range(size[1])])
        seen = rows[:, None] & cols
        if method == "poison":
            seen[seen.clone()] = _poisoned(reach, images[0], unit, seen.nonzero().tolist())
        return seen


def effective_field(model, layer, unit, images):
    """How much does each pixel move a unit? The mean absolute gradient over images (N, C, H, W) -> float (H, W).

    The unit's channels are summed; absolute values are averaged over the images and the channels of a pixel. After Luo,
    Li, Urtasun & Zemel, "Understanding the Effective Receptive Field in Deep Convolutional Neural Networks", NIPS 2016.
    """
    if not (isinstance(images, Tensor) and images.dim() == 4 and images.is_floating_point() and len(images)):
        what = f"{images.dtype} {tuple(images.shape)}" if isinstance(images, Tensor) else type(images).__name__
        raise ValueError(f"images must be a float tensor (N, channels, height, width) with N > 0, not {what}")
    images = images.to(next(model.parameters(), images))  # the model's device and dtype
    with torch.random.fork_rng(devices=[]):
        return _gradient(Reach(copy_of(model, images.device), layer), images, unit, Tensor.sum).abs().mean((0, 1))


def _gradient(reach, images, unit, value):
    with torch.enable_grad():
        images = images.detach().clone().requires_grad_()
        value = value(reach.unit(images, unit))
        if value.requires_grad:
            return torch.autograd.grad(value, images, materialize_grads=True, allow_unused=True)[0]
    return torch.zeros_like(images)


def _poisoned(reach, image, unit, places):
    """-> bool, for every place (row, col) of the image: is the unit NaN if the place is?"""
    found, step = [], 64
    while len(found) < len(places):
        some = places[len(found) : len(found) + step]
        images = image.repeat(len(some) + 1, 1, 1, 1)  # the last one stays clean
        for one, place in zip(images, some):
            one[:, place[0], place[1]] = float("nan")
        with torch.no_grad():
            nan = reach.unit(images, unit).isnan().any(1).tolist()
        if nan.pop() and step > 1:
            step = 1  # batch statistics: images poison each other, so one at a time
        else:
            found += nan
    return torch.tensor(found, dtype=torch.bool)


def _make_positive(model):
    """Random weights around 1, divided by how many meet in a unit; norms that neither shift nor scale; nothing in place."""
    for name, p in model.named_parameters():
        p.uniform_(0.5, 1.5).div_(p[0].numel() if p.dim() > 1 else 1).mul_(1e-3 if name.endswith("bias") else 1)
    for name, b in model.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            b.fill_(name.endswith("var"))
    for module in model.modules():
        if hasattr(module, "inplace"):
            module.inplace = False


def _mean_pool(x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """Max pooling's window, of which every pixel passes the gradient (in max pooling only one does)."""
    rows, cols = F.max_pool2d(x.detach(), kernel_size, stride, padding, dilation, ceil_mode).shape[-2:]
    k, s, p = ((v, v) if isinstance(v, int) else v for v in (kernel_size, stride or kernel_size, padding))
    x = F.pad(x, (p[1], p[1] + s[1], p[0], p[0] + s[0]))  # the last window may hang over, in ceil mode
    return F.conv2d(x, x.new_ones(x.shape[1], 1, *k) / math.prod(k), None, s, 0, dilation, x.shape[1])[..., :rows, :cols]


def _mean_max(x, dim=None, keepdim=False):
    if isinstance(dim, Tensor):
        return x + dim
    return x.mean() if dim is None else torch.return_types.max((x.mean(dim, keepdim), x.argmax(dim, keepdim)))


def _lifted(norm):
    def lifted(*args, **kwargs):
        y = norm(*args, **kwargs)
        return (y / y.detach().abs().max().clamp_min(1e-9) + 2) * (torch.rand_like(y) + 0.5) * 1e-3

    return lifted


_PASSES = {f: _lifted(f) for f in (F.batch_norm, F.instance_norm, F.group_norm, F.layer_norm, F.rms_norm)} | {
    F.max_pool2d: _mean_pool,
    torch.max_pool2d: _mean_pool,
    torch.max: _mean_max,
    Tensor.max: _mean_max,
    F.adaptive_max_pool2d: lambda x, size, return_indices=False: F.adaptive_avg_pool2d(x, size),
    torch.amax: torch.mean,
    Tensor.amax: torch.mean,
    torch.maximum: torch.add,
    Tensor.maximum: torch.add,
}
