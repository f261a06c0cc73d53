"""What each operation of torch does to a receptive field, and how to teach another.

An effect says what an operation's output sees: effect(grid of the input, shape of the input, shape of the output).
A rule gives an operation's effect, from its arguments.
"""

import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import nn

from mnist_lib.receptive_field.geometry import Axis, UnknownLayer, once

aten = torch.ops.aten


@dataclass(frozen=True)
class Window:
    """Each output unit reads kernel x kernel input units. Every number may be a (vertical, horizontal) pair."""

    kernel: int | tuple
    stride: int | tuple = 1
    padding: int | tuple = 0
    dilation: int | tuple = 1
    transposed: bool = False  # each input unit writes kernel x kernel output units
    mixes: bool = True  # every output channel reads every input channel

    def __call__(self, grid, before, after):
        def how(i, n, m):
            k, s, p, d = (_pair(v)[i] for v in (self.kernel, self.stride, self.padding, self.dilation))
            if self.transposed:
                writes = range(0, k * d, d)
                return (lambda o: [(o + p - t) // s for t in writes if (o + p - t) % s == 0]), s, 1
            return (lambda o: range(o * s - p, o * s - p + k * d, d)), 1, s

        return replace(_resample(grid, before, after, how), parts=grid.parts and not self.mixes)


def POINTWISE(grid, before, after):
    """Each output unit reads the input unit in the same place; a single unit is read by all."""
    return grid.move(lambda d: d + len(after) - len(before))


def EVERYTHING(grid, before, after):
    """Every output unit reads every input unit."""
    return grid.along(grid.dims, Axis.mixed)


def _pair(v):
    return (v, v) if isinstance(v, int) else tuple(v) * (2 // len(v))


def _tuple(v):
    return (v,) if isinstance(v, int) else tuple(v)


def _resample(grid, before, after, how):
    """New axes along the last two dimensions; how(i, inputs, outputs): the arguments of Axis.through for axis i."""
    here = (len(before) - 2, len(before) - 1)
    if grid.dims != here:
        if grid.loose or any(d is not None and before[d] > 1 for d in grid.dims):
            raise UnknownLayer("slides a window over dimensions that are not the image's rows and columns")
        grid = replace(grid, dims=here, axes=tuple(a.spread(n) for a, n in zip(grid.axes, before[-2:])))

    def new(i):
        taps, *rest = how(i, before[i - 2], after[i - 2])
        return grid.axes[i].through(taps, after[i - 2], *rest)

    return replace(grid, axes=(new(0), new(1)))


def _adaptive(grid, before, after):
    def how(i, n, m):
        common = math.gcd(n, m)
        return (lambda o: range(o * n // m, -(-(o + 1) * n // m))), m // common, n // common

    return _resample(grid, before, after, how)


def _resize(kind):
    """Interpolation by an integer factor, up or down."""
    if kind == "corners":
        raise UnknownLayer("interpolates with align_corners=True")

    def how(i, n, m):
        up, down = max(m // n, 1), max(n // m, 1)
        if n * up != m * down:
            raise UnknownLayer(f"resizes {n} to {m} units, which is not an integer factor")

        def taps(o):
            if kind in ("nearest", "nearest-exact"):
                return [(2 * o + (kind != "nearest")) * down // (2 * up)]
            at, between = divmod((2 * o + 1) * down - up, 2 * up)  # the source of unit o, in exact arithmetic
            return (range(at, at + 2) if kind == "linear" else range(at - 1, at + 3)) if between else [at]

        return taps, up, down

    return lambda grid, before, after: _resample(grid, before, after, how)


def _pad(mode, padding):
    def effect(grid, before, after):
        if any(padding[4:]):
            raise UnknownLayer("pads dimensions other than rows and columns")

        def how(i, n, m):
            first = (padding[2] if len(padding) > 2 else 0, padding[0])[i]
            shows = {
                "constant": lambda t: t,
                "circular": lambda t: t % n,
                "replicate": lambda t: min(max(t, 0), n - 1),
                "reflect": lambda t: n - 1 - abs(n - 1 - abs(t)),
            }[mode]
            return (lambda o: [o - first]), 1, 1, (lambda o: [shows(o - first)])

        return _resample(grid, before, after, how)

    return effect


def _reduced(dim, keepdim):
    """Mean, sum, maximum... over dimensions."""

    def effect(grid, before, after):
        gone = [d % len(before) for d in (range(len(before)) if dim is None or dim == [] else _tuple(dim))]
        grid = grid.along(gone, Axis.merged)
        return grid if keepdim else grid.move(lambda d: None if d in gone else d - sum(g < d for g in gone))

    return effect


def _across(dims):
    """Softmax and norms: along these dimensions every unit reads every unit."""
    return lambda grid, before, after: grid.along([d % len(before) for d in _tuple(dims)], Axis.mixed)


def _linear(grid, before, after):
    last = len(before) - 1
    grid = replace(grid.along([last], Axis.merged), loose=grid.loose and last > 1, parts=False)
    return grid.move(lambda d: None if d == last else d)


def _reshaped(grid, before, after):
    """A dimension survives if as many values precede it as before; rows or columns that do not survive are merged."""
    if grid.loose and len(after) > len(before):
        raise UnknownLayer("gives a flattened image rows and columns again")

    def same(d, e):
        return after[e] == before[d] and math.prod(after[:e]) == math.prod(before[:d])

    dims = []
    for d in grid.dims:
        fits = [e for e in range(len(after)) if d is not None and e not in dims and same(d, e)]
        fits.sort(key=lambda e: len(after) - e != len(before) - d)  # where a 1 could be several, the same from the end
        dims.append(fits[0] if fits else None)
    gone = [d for d, e in zip(grid.dims, dims) if e is None and d is not None]
    loose = grid.loose or any(before[d] > 1 for d in gone)
    return replace(grid.along(gone, Axis.merged), dims=tuple(dims), loose=loose)


def _moved(order):
    """Dimension order[e] becomes dimension e."""
    return lambda grid, before, after: grid.move(lambda d: [o % len(before) for o in order].index(d))


def _swapped(a, b):
    def effect(grid, before, after):
        swap = {a % len(before): b % len(before), b % len(before): a % len(before)}
        return grid.move(lambda d: swap.get(d, d))

    return effect


def _cut(dim, start=None, step=1, drop=False):
    """Part of a dimension, from index start (None: several parts); drop: one index is left, and no dimension."""

    def effect(grid, before, after):
        at = dim % len(before)
        if at in grid.dims and start is not None:
            first = max(start + before[at], 0) if start < 0 else start
            return grid.along([at], lambda a: a.through(lambda o: [first + o * step], after[at], advance=step))
        if at in grid.dims or (grid.loose and at > 0):
            raise UnknownLayer("takes the image's rows or columns apart")
        notes = ("some channels of joined branches: the box is that of all",) if grid.parts and at > 0 else ()
        return replace(grid, notes=once(grid.notes + notes)).move(lambda d: d - (drop and d > at))

    return effect


def _joined(dim, new=False):
    def effect(grid, before, after):
        at = dim % len(after)
        if at in grid.dims and not new:
            raise UnknownLayer("joins tensors side by side along the image's rows or columns")
        return grid.move(lambda d: d + (new and d >= at))

    effect.joins = True
    return effect


RULES = {}


def rule(*targets):
    """Teach the calculator a layer: `@rule(MyLayer)`, or a Python function of torch, or an operation in torch.ops.aten.

    The decorated function returns the effect: a Window, POINTWISE or EVERYTHING. It gets the module (of that class or a
    subclass), the arguments of the Python function, or those of the operation by the names in its schema. What is inside
    a module or function that has a rule is not looked at.

        @rule(Blur)
        def blur(layer):
            return Window(kernel=layer.width, padding=layer.width // 2)
    """
    for target in targets or [None]:
        if not callable(target):
            raise TypeError(f"rule() takes classes of modules, functions and torch.ops.aten operations, not {target!r}")

    def register(function):
        RULES.update(dict.fromkeys(targets, function))
        return function

    return register


def _rules(names, function):
    rule(*(getattr(aten, name) for name in names.split()))(function)


def _convolution(weight, stride, padding, dilation, transposed, groups, **_):
    if len(stride) != 2:
        raise UnknownLayer("is not a convolution over rows and columns")
    return Window(weight.shape[-2:], stride, padding, dilation, transposed, mixes=groups == 1)


def _pool(kernel_size, stride, padding, dilation=1, **_):
    return Window(kernel_size, stride or kernel_size, padding, dilation, mixes=False)


# A short list is enough: torch itself tags the pointwise operations, and splits composite ones into those below.
_rules(
    "clone _to_copy detach alias copy_ lift_fresh hardswish hardtanh _prelu_kernel log_sigmoid_forward channel_shuffle "
    "dropout feature_dropout alpha_dropout feature_alpha_dropout _native_batch_norm_legit_no_training",
    lambda **_: POINTWISE,
)
_rules("zeros_like ones_like empty_like full_like new_zeros new_ones new_empty new_full", lambda **_: None)  # see no pixel
_rules("convolution", _convolution)
_rules("max_pool2d max_pool2d_with_indices avg_pool2d", _pool)
_rules("adaptive_avg_pool2d _adaptive_avg_pool2d adaptive_max_pool2d", lambda **_: _adaptive)
_rules("upsample_nearest2d", lambda **_: _resize("nearest"))
_rules("_upsample_nearest_exact2d", lambda **_: _resize("nearest-exact"))
_rules("upsample_bilinear2d", lambda align_corners, **_: _resize("corners" if align_corners else "linear"))
_rules("upsample_bicubic2d", lambda align_corners, **_: _resize("corners" if align_corners else "cubic"))
_rules("pixel_shuffle", lambda **_: _resize("nearest"))
_rules("pixel_unshuffle", lambda downscale_factor, **_: Window(downscale_factor, downscale_factor))
_rules("pad", lambda pad, mode, **_: _pad(mode, pad))
_rules("constant_pad_nd", lambda pad, **_: _pad("constant", pad))
_rules("reflection_pad2d", lambda padding, **_: _pad("reflect", padding))
_rules("replication_pad2d", lambda padding, **_: _pad("replicate", padding))
_rules(
    "mean sum logsumexp std var std_mean var_mean amax amin max min linalg_vector_norm norm",
    lambda dim=None, keepdim=False, other=None, **_: POINTWISE if other is not None else _reduced(dim, keepdim),
)
_rules("softmax _softmax log_softmax _log_softmax", lambda dim, **_: _across(dim))
_rules("layer_norm rms_norm native_layer_norm", lambda normalized_shape, **_: _across(range(-len(normalized_shape), 0)))
_rules("batch_norm native_batch_norm", lambda training, **_: EVERYTHING if training else POINTWISE)
_rules("instance_norm", lambda use_input_stats, **_: EVERYTHING if use_input_stats else POINTWISE)
_rules("group_norm native_group_norm", lambda **_: EVERYTHING)
_rules("linear mm addmm", lambda **_: _linear)
_rules("view _unsafe_view _reshape_alias squeeze unsqueeze", lambda **_: _reshaped)
_rules("permute", lambda dims, **_: _moved(dims))
_rules("transpose", lambda dim0, dim1, **_: _swapped(dim0, dim1))
_rules("t", lambda **_: _swapped(0, -1))
_rules("slice", lambda dim, start, step, **_: _cut(dim, start or 0, step))
_rules("select unbind", lambda dim, **_: _cut(dim, drop=True))
_rules("split split_with_sizes glu", lambda dim, **_: _cut(dim))
_rules("cat", lambda dim, **_: _joined(dim))
_rules("stack", lambda dim, **_: _joined(dim, new=True))
rule(nn.LocalResponseNorm, F.local_response_norm)(lambda *_, **__: POINTWISE)  # across channels only


def rule_of(module):
    return next((RULES[c] for c in type(module).__mro__ if c in RULES), None)
