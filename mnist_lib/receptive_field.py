"""Which pixels can a unit see? The receptive fields of any network, computed by formula and proven by measurement.

    >>> fields = receptive_fields(model, input_size=(28, 28))   # one row per layer, functional calls included
    >>> fields["conv2"].size, fields["conv2"].box(0, 0)         # pixels; top, left, bottom, right, inclusive
    >>> measure_field(model, "conv2", (0, 0), method="poison")  # bool (28, 28): what that unit really sees

The formula runs an empty copy of the model once (meta tensors: shapes without numbers) and watches every operation of
torch, so modules, functional calls and branches are all alike to it. Along each axis it keeps, for every unit, the window
of the recurrence, padding counted (k = kernel, d = dilation, s = stride, p = padding):
    size += (k - 1) * d * jump;    start += ((k - 1) * d / 2 - p) * jump;    jump *= s
and the set of real pixels. The recurrence: Araujo, Norris & Sim, "Computing Receptive Fields of Convolutional Neural
Networks", Distill 2019. An operation without a rule is refused in one sentence; `rule` teaches it.
"""

import copy
import html
import math
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial, reduce
from operator import or_

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

__all__ = [
    "EVERYTHING",
    "POINTWISE",
    "ReceptiveField",
    "ReceptiveFields",
    "UnknownLayer",
    "UnknownName",
    "Window",
    "effective_field",
    "measure_field",
    "receptive_fields",
    "rule",
]
aten = torch.ops.aten


class UnknownLayer(NotImplementedError):
    """The formula has no rule for an operation; `measure_field` may still see through it."""


class UnknownName(KeyError, ValueError):
    """No layer has this name."""

    __str__ = Exception.__str__  # KeyError would print the sentence in quotes


# ------------------------------------------------------------------------------------------ one axis, then two


@dataclass(frozen=True)
class _Axis:
    """What the units along one axis see. Unit i has the window lo[i]..hi[i]; unit i + len(lo), the same `shift` further."""

    lo: tuple
    hi: tuple
    shift: int | None  # None: nothing repeats (branches that do not align), and units past the ends copy the end unit
    masks: tuple  # one int per unit: bit p is set when pixel p of the image reaches it

    def window(self, i):
        if self.shift is None:
            i = min(max(i, 0), len(self.lo) - 1)
            return self.lo[i], self.hi[i]
        turns, i = divmod(i, len(self.lo))
        return self.lo[i] + turns * self.shift, self.hi[i] + turns * self.shift

    def through(self, taps, n, period=1, advance=1, real=None):
        """The axis of n units of which unit o reads units taps(o), where taps(o + period) = taps(o) + advance.

        real(o): the units read in truth, where taps(o) only says where they stand (padding by reflection).
        """
        steps, shift = n, None
        if self.shift is not None:
            steps = period * (len(self.lo) // math.gcd(len(self.lo), advance))
            shift = self.shift * advance * steps // (period * len(self.lo))
        windows = [_hull([self.window(i) for i in taps(o)]) for o in range(steps)]
        reads = ([self.masks[i] for i in (real or taps)(o) if 0 <= i < len(self.masks)] for o in range(n))
        return _axis(windows, shift, tuple(reduce(or_, masks, 0) for masks in reads))

    def spread(self, n):
        """One unit in n places."""
        return self if len(self.masks) == n else self.through(lambda o: [0], n, advance=0)

    def mixed(self):
        """Every unit sees what any unit sees."""
        return self.through(lambda o: range(len(self.masks)), len(self.masks), advance=0)

    def merged(self):
        """One unit, a window over the whole axis."""
        n = len(self.masks)
        return self if n == 1 else self.through(lambda o: range(o * n, o * n + n), 1, advance=n)

    def union(self, other):
        """-> (the axis that sees what either sees, what does not line up or None)."""
        masks = tuple(a | b for a, b in zip(self.masks, other.masks))
        mine, theirs = ([axis.window(i) for i in range(len(masks))] for axis in (self, other))
        both = [_hull(pair) for pair in zip(mine, theirs)]
        if None not in (self.shift, other.shift) and self.shift * len(other.lo) == other.shift * len(self.lo):
            steps = math.lcm(len(self.lo), len(other.lo))
            both = [_hull([self.window(i), other.window(i)]) for i in range(steps)]
            apart = sum(mine[0]) != sum(theirs[0])
            why = f"centres {_number(self.start)} and {_number(other.start)}" if apart else None
            return _axis(both, self.shift * steps // len(self.lo), masks), why
        for axis, windows in ((self, mine), (other, theirs)):
            if windows == both:
                return replace(axis, masks=masks), None
        return _axis(both, None, masks), f"jumps {_number(self.jump)} and {_number(other.jump)}"

    @property
    def size(self):
        return max(hi - lo + 1 for lo, hi in map(self.window, range(len(self.masks))))

    @property
    def jump(self):
        if self.shift is not None:
            return self.shift / len(self.lo)
        return (sum(self.window(len(self.lo))) - sum(self.window(0))) / 2 / max(len(self.lo) - 1, 1)

    @property
    def start(self):
        return sum(self.window(0)) / 2

    def box(self, i, pixels):
        """Outside the image padding counts; inside it, only pixels that really reach the unit do."""
        (lo, hi), mask = self.window(i), self.masks[i]
        if not mask:
            return (lo, hi) if hi < 0 or lo >= pixels else (lo, lo - 1)
        first, last = (mask & -mask).bit_length() - 1, mask.bit_length() - 1
        return (lo if max(lo, 0) == first else first), (hi if min(hi, pixels - 1) == last else last)


def _axis(windows, shift, masks):
    """An _Axis whose pattern is as short as can be: one window, if every unit's is the first one moved."""
    (lo, hi), steps = windows[0], len(windows)
    if shift is not None and shift % steps == 0:
        jump = shift // steps
        if all(w == (lo + i * jump, hi + i * jump) for i, w in enumerate(windows)):
            return _Axis((lo,), (hi,), jump, masks)
    return _Axis(*zip(*windows), shift, masks)


def _hull(windows):
    full = [w for w in windows if w[0] <= w[1]] or [(w[0], w[0] - 1) for w in windows[:1]] or [(0, -1)]
    return min(lo for lo, _ in full), max(hi for _, hi in full)


@dataclass(frozen=True)
class _Grid:
    """What a tensor's units see: a vertical and a horizontal axis, and the tensor's dimensions they lie along."""

    axes: tuple
    dims: tuple  # None: the axis is gone, its units merged into one
    loose: bool = False  # rows or columns were flattened into values that are not mixed yet: only the whole is known
    rectangle: bool = True  # every field is rows x columns; False after branches of different shapes (a cross)
    parts: bool = False  # channels come from branches that see different pixels
    notes: tuple = ()

    def along(self, dims, how):
        """The axes that lie along these dimensions, changed by how(axis)."""
        return replace(self, axes=tuple(how(a) if d in dims else a for a, d in zip(self.axes, self.dims)))

    def move(self, to):
        """Each dimension d becomes to(d)."""
        return replace(self, dims=tuple(None if d is None else to(d) for d in self.dims))

    def union(self, other):
        """Two branches meet, place by place; one may be a single unit, spread over the other's places."""
        if self == other:
            return self
        dims = tuple(b if a is None else a for a, b in zip(self.dims, other.dims))
        if any(None not in pair and pair[0] != pair[1] for pair in zip(self.dims, other.dims)):
            raise UnknownLayer("joins tensors whose rows and columns lie along different dimensions")
        if (self.loose or other.loose) and dims != (None, None):
            raise UnknownLayer("joins a flattened image with rows and columns")
        sizes = [max(len(a.masks), len(b.masks)) for a, b in zip(self.axes, other.axes)]
        pairs = [(a.spread(n), b.spread(n)) for a, b, n in zip(self.axes, other.axes, sizes)]
        axes, whys = zip(*(a.union(b) for a, b in pairs))
        notes = self.notes + other.notes
        notes += tuple(f"branches do not align ({why}); the box holds them all" for why in whys if why)
        mine, theirs = ([pair[i].masks == u.masks for pair, u in zip(pairs, axes)] for i in (0, 1))
        one_axis = any(a.masks == b.masks for a, b in pairs) and self.rectangle and other.rectangle
        rectangle = one_axis or (all(mine) and self.rectangle) or (all(theirs) and other.rectangle)
        if not rectangle and any(0 in a.masks for pair in pairs for a in pair):
            notes += ("some units of a branch see only padding; the box holds the field but may exceed it",)
        return _Grid(axes, dims, self.loose or other.loose, rectangle, self.parts or other.parts, _once(notes))


def _once(notes):
    return tuple(dict.fromkeys(notes))


# ------------------------------------------------------------------------------------------ effects
# An effect says what an operation's output sees: effect(grid of the input, shape of the input, shape of the output).


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
    return grid.along(grid.dims, _Axis.mixed)


def _pair(v):
    return (v, v) if isinstance(v, int) else tuple(v) * (2 // len(v))


def _tuple(v):
    return (v,) if isinstance(v, int) else tuple(v)


def _resample(grid, before, after, how):
    """New axes along the last two dimensions; how(i, inputs, outputs): the arguments of _Axis.through for axis i."""
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
        grid = grid.along(gone, _Axis.merged)
        return grid if keepdim else grid.move(lambda d: None if d in gone else d - sum(g < d for g in gone))

    return effect


def _across(dims):
    """Softmax and norms: along these dimensions every unit reads every unit."""
    return lambda grid, before, after: grid.along([d % len(before) for d in _tuple(dims)], _Axis.mixed)


def _linear(grid, before, after):
    last = len(before) - 1
    grid = replace(grid.along([last], _Axis.merged), loose=grid.loose and last > 1, parts=False)
    return grid.move(lambda d: None if d == last else d)


def _reshaped(grid, before, after):
    """A dimension survives where as many values lie before it as there were; rows or columns that do not are merged."""
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
    return replace(grid.along(gone, _Axis.merged), dims=tuple(dims), loose=loose)


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
        return replace(grid, notes=_once(grid.notes + notes)).move(lambda d: d - (drop and d > at))

    return effect


def _joined(dim, new=False):
    def effect(grid, before, after):
        at = dim % len(after)
        if at in grid.dims and not new:
            raise UnknownLayer("joins tensors side by side along the image's rows or columns")
        return grid.move(lambda d: d + (new and d >= at))

    effect.joins = True
    return effect


# ------------------------------------------------------------------------------------------ rules

_RULES = {}


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
        _RULES.update(dict.fromkeys(targets, function))
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
    "clone _to_copy detach alias copy_ lift_fresh hardswish _prelu_kernel log_sigmoid_forward channel_shuffle "
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


def _rule_of(module):
    return next((_RULES[c] for c in type(module).__mro__ if c in _RULES), None)


# ------------------------------------------------------------------------------------------ watching a model run


class _Calls(TorchFunctionMode):
    """Runs a copy of a model and names its calls in order: leaf modules by path, functions by name, repeats with #2, #3.

    A subclass says in `row` what to do with each call's outputs. Calls inside a leaf have no row of their own.
    """

    def __init__(self, model):
        super().__init__()
        self.model, self.open, self.leaves, self.names = model, [], 0, Counter()
        for path, module in model.named_modules():
            inner = type(module).__module__.startswith("torch.nn.") and "container" not in type(module).__module__
            leaf = bool(path) and (inner or not any(module.children()) or _rule_of(module) is not None)
            module.register_forward_pre_hook(partial(self.enter, path, leaf))
            module.register_forward_hook(partial(self.leave, path, leaf), with_kwargs=True)

    def enter(self, path, leaf, module, args):
        self.open.append(path)
        self.leaves += leaf

    def leave(self, path, leaf, module, args, kwargs, out):
        self.open.pop()
        self.leaves -= leaf
        if path and not self.leaves:
            self.named(path, type(module).__name__, out, leaf)

    def __torch_function__(self, function, types, args=(), kwargs=None):
        out = self.call(function, args, kwargs or {})
        name = getattr(function, "__name__", "").strip("_")
        name = name[1:] if name[1:] in ("add", "sub", "mul", "truediv") else name  # a += b and 1 + a are "add" too
        if not self.leaves and name != "get":  # "get": an attribute, such as x.shape
            self.named(name, "function", out, True)
        return out

    def call(self, function, args, kwargs):
        return function(*args, **kwargs)

    def named(self, name, kind, out, leaf):
        tensors = _tensors(out)
        if tensors:
            self.names[name] += 1
            self.row(name if self.names[name] == 1 else f"{name}#{self.names[name]}", kind, tensors, leaf)

    def run(self, image):
        try:
            with self:
                return self.model(image)
        except (_Done, UnknownLayer):
            raise
        except Exception as error:
            path = next((path for path in reversed(self.open) if path), None)
            where, why = f"in layer {path!r}, " if path else "", str(error).strip().split("\n")[0]
            if image.is_meta and "meta" in why:
                raise UnknownLayer(f"{where}{_VALUES} ({why})") from error
            shape = " x ".join(map(str, image.shape[1:]))
            raise ValueError(
                f"the model does not run on an image of {shape} (channels, height, width): {where}torch says "
                f"{why!r}; choose another input_size or channels"
            ) from error


_VALUES = "the model looks at the values of its input, so its path cannot be known beforehand; measure_field still works"


class _Done(Exception):
    """The layer asked for has run; the rest of the model need not."""


class _Formula(_Calls):
    """Carries a _Grid on every tensor that the image reaches (as its attribute `grid`)."""

    def __init__(self, model, pixels):
        super().__init__(model)
        self.pixels, self.rows, self.blocks, self.taught, self.alive, self.viewed = pixels, [], {}, 0, [], set()

    def row(self, name, kind, tensors, leaf):
        grid = next((t.grid for t in tensors if hasattr(t, "grid")), None)
        if grid is not None:
            row = _row(name, kind, grid, self.pixels)
            self.rows.append(row) if leaf else self.blocks.update({name: row})

    def enter(self, path, leaf, module, args):
        super().enter(path, leaf, module, args)
        self.taught += _rule_of(module) is not None

    def leave(self, path, leaf, module, args, kwargs, out):
        if _rule_of(module) is not None:
            self.taught -= 1
            if not self.taught:
                self.give(partial(_rule_of(module), module), _seen((args, kwargs)), out)
        super().leave(path, leaf, module, args, kwargs, out)

    def call(self, function, args, kwargs):
        if function not in _RULES or self.taught:
            return function(*args, **kwargs)
        self.taught, seen = 1, _seen((args, kwargs))
        out = function(*args, **kwargs)
        self.taught = 0
        self.give(partial(_RULES[function], *args, **kwargs), seen, out)
        return out

    def operation(self, watch, op, args, kwargs):
        """Run one operation of torch, and give its outputs their grids."""
        packet = op.overloadpacket
        seen = _seen(args[1:] if packet is aten.copy_ else (args, kwargs))  # what a copy overwrites does not count
        known = _RULES.get(packet) or _RULES.get(getattr(aten, packet.__name__.removesuffix("_"), None))
        if not known and torch.Tag.pointwise in op.tags:
            known = _RULES[aten.clone]
        if seen and {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape} & {*op.tags}:
            raise UnknownLayer(self.sentence(_VALUES, teach=False))
        if seen and not known and not self.taught:
            with watch:  # a composite operation is known by its parts
                out = op.decompose(*args, **kwargs)
            if out is NotImplemented:
                raise UnknownLayer(self.sentence(f"there is no rule for {packet}", f"torch.ops.{packet}"))
            return out
        out = op(*args, **kwargs)
        outs, stores, mutable = _tensors(out), set(map(_store, _tensors((args, kwargs)))), op._schema.is_mutable
        self.alive += outs  # no address is used twice
        self.viewed.update(_store(t) for t in outs if not mutable and _store(t) in stores)
        if seen and not self.taught:
            old = [getattr(t, "grid", None) for t in outs]
            self.give(partial(known, **_by_name(op, args, kwargs)), seen, outs)
            if mutable and any(o != t.grid and _store(t) in self.viewed for o, t in zip(old, outs)):
                raise UnknownLayer(self.sentence(f"{packet} writes into a part of a tensor, which cannot be followed"))
        return out

    def give(self, rule, seen, out):
        """The outputs' grids: the rule's effect on what the inputs see; where several are seen, branches meet."""
        if not seen:
            return
        try:
            effect = rule()
            if effect is None:
                return
            if len(seen) > 1 and effect is not POINTWISE and not hasattr(effect, "joins"):
                raise UnknownLayer("combines tensors that the image reaches, other than place by place")
            for t in _tensors(out):
                grids = [effect(grid, shape, t.shape) for grid, shape in seen]
                parts = effect is not POINTWISE and any(g.axes != grids[0].axes for g in grids)
                grid = reduce(_Grid.union, grids)
                t.grid = replace(grid, parts=True) if parts else grid
        except UnknownLayer as problem:
            raise UnknownLayer(self.sentence(str(problem))) from None

    def sentence(self, problem, target=None, teach=True):
        path = next((p for p in reversed(self.open) if p), "")
        layer = type(self.model.get_submodule(path)).__name__
        rules = " or ".join(f"@rule({t})" for t in (target, layer) if t)
        return f"layer {path or 'forward'!r} ({layer}): {problem}" + teach * f"; teach it with {rules}, see help(rule)"


def _tensors(values):
    return [t for t in tree_leaves(values) if isinstance(t, Tensor)]


def _seen(values):
    return [(t.grid, t.shape) for t in _tensors(values) if hasattr(t, "grid")]


def _store(tensor):
    return tensor.untyped_storage()._cdata


def _by_name(op, args, kwargs):
    names = {a.name: a.default_value for a in op._schema.arguments if a.has_default_value()}
    return names | dict(zip((a.name for a in op._schema.arguments), args)) | kwargs


class _Watch(TorchDispatchMode):
    def __init__(self, formula):
        super().__init__()
        self.formula = formula

    def __torch_dispatch__(self, op, types, args=(), kwargs=None):
        return self.formula.operation(self, op, args, kwargs or {})


# ------------------------------------------------------------------------------------------ the answer


@dataclass(frozen=True)
class ReceptiveField:
    """One layer. Every pair is (vertical, horizontal), in pixels of the image but for output_size, in units."""

    name: str  # the module's path as named_modules() gives it, or the function's name; #2, #3 when called again
    kind: str  # the module's class, or "function"
    output_size: tuple  # rows and columns of units; 1 where they were pooled, flattened or mixed into one
    size: tuple  # pixels that a unit sees, padding included; the largest, where units differ
    jump: tuple  # pixels between neighbouring units; the mean, where it varies; 0: all see the same
    start: tuple  # centre of the first unit's field; pixel 0 has its centre at 0
    uniform: bool  # every unit's field is the first one, moved by jump
    rectangle: bool  # a field is rows x columns, perhaps with holes; if not (a cross), only its box is known
    note: str  # what the numbers do not say
    dims: tuple  # the dimensions of the output along which rows and columns lie; None: merged into one
    _axes: tuple = field(repr=False)
    _pixels: tuple = field(repr=False)

    def box(self, row, col):
        """-> (top, left, bottom, right) of the pixels that this unit sees, inclusive; exact, unless the note says otherwise.

        Not clipped: beyond the image's edges padding counts. Clipped to the image, it is the smallest box around the
        pixels that reach the unit; empty, bottom < top or right < left, when none does.
        """
        _check_unit(self.name, (row, col), self.output_size)
        (top, bottom), (left, right) = (a.box(i, n) for a, i, n in zip(self._axes, (row, col), self._pixels))
        return top, left, bottom, right

    def mask(self, row, col):
        """-> bool (H, W): the pixels that reach this unit, holes left out (where not .rectangle: rows x columns of it)."""
        _check_unit(self.name, (row, col), self.output_size)
        rows, cols = ([a.masks[i] >> p & 1 > 0 for p in range(n)] for a, i, n in zip(self._axes, (row, col), self._pixels))
        return torch.tensor(rows)[:, None] & torch.tensor(cols)


def _check_unit(name, unit, size):
    if not (0 <= unit[0] < size[0] and 0 <= unit[1] < size[1]):
        raise IndexError(
            f"layer {name!r} has {size[0]} x {size[1]} units: choose a row in 0..{size[0] - 1} "
            f"and a column in 0..{size[1] - 1}, not {tuple(unit)}"
        )


def _row(name, kind, grid, pixels):
    uniform, notes = all(len(a.lo) == 1 for a in grid.axes), list(grid.notes)
    notes += ["units differ: field is the largest, jump the mean"] * (not uniform)
    notes += ["flattened: one unit stands for all"] * grid.loose
    notes += ["not a rectangle: field is its box"] * (not grid.rectangle)
    units, size, jump, start = zip(*((len(a.masks), a.size, _whole(a.jump), _whole(a.start)) for a in grid.axes))
    note = "; ".join(notes)
    return ReceptiveField(name, kind, units, size, jump, start, uniform, grid.rectangle, note, grid.dims, grid.axes, pixels)


def _whole(x):
    return int(x) if x == int(x) else x


def _number(x):
    return f"{x:.4g}" if x != int(x) else str(int(x))


class ReceptiveFields(Sequence):
    """The layers in execution order: an immutable sequence that prints as a table.

    fields[0], fields[2:5], fields["conv1"] (or a block, such as "layer4": its output), fields.only("conv1", "pool1").
    """

    def __init__(self, rows, blocks=None):
        self._rows, self._blocks = tuple(rows), dict(blocks or {})

    def __len__(self):
        return len(self._rows)

    def __getitem__(self, key):
        if isinstance(key, slice):
            return ReceptiveFields(self._rows[key], self._blocks)
        if not isinstance(key, str):
            return self._rows[key]
        found = next((row for row in self._rows if row.name == key), None) or self._blocks.get(key)
        if found is None:
            raise UnknownName(_unknown(key, (row.name for row in self)))
        return found

    def only(self, *names):
        """The named layers, in the order asked for."""
        return ReceptiveFields((self[name] for name in names), self._blocks)

    def to_dicts(self):
        """-> a list of dicts of plain values, one per layer."""
        return [{k: v for k, v in vars(row).items() if not k.startswith("_")} for row in self]

    def _cells(self):
        def cross(pair):
            return "x".join(map(_number, pair))

        yield "layer", "kind", "output", "field", "jump", "first centre", "note"
        for row in self:
            start = dict.fromkeys(map(_number, row.start))  # one number where both axes agree
            yield (row.name, row.kind, cross(row.output_size), cross(row.size), cross(row.jump), ", ".join(start), row.note)

    def __repr__(self):
        cells = list(self._cells())
        widths = [max(map(len, column)) for column in zip(*cells)]
        lines = ["  ".join(f"{c:{a}{w}}" for c, a, w in zip(row, "<<>>>><", widths)).rstrip() for row in cells]
        return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])

    def _repr_html_(self):
        head, *rows = ([html.escape(cell) for cell in row] for row in self._cells())
        lines = ["<tr>" + "".join(f"<th>{cell}</th>" for cell in head) + "</tr>"]
        lines += ["<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows]
        return "<table>\n" + "\n".join(lines) + "\n</table>"


def _unknown(name, names):
    return f"no layer is called {name!r}; the layers are {', '.join(names)}"


def receptive_fields(model, input_size=(28, 28), channels=None):
    """Every layer's receptive field, by formula -> ReceptiveFields.

    model: any nn.Module that takes one batch of images (N, C, H, W). It is not touched: an empty copy runs, in eval mode.
    input_size: (H, W) in pixels. channels: C; that of the first convolution unless given.
    Channels are not told apart: a unit is all the channels of one place.
    UnknownLayer: an operation has no rule. ValueError: the model does not run on such images.
    Time grows linearly with the number of layers, about a millisecond each, and with the side of the image; the first call
    in a process also waits for torch to import what it knows of meta tensors, as long as `import torch` itself.
    """
    size, channels = _image(model, input_size, channels)
    with torch.inference_mode(), torch.random.fork_rng(devices=[]), torch.device("meta"):
        formula = _Formula(_copy(model, "meta", torch.float32), size)
        image = torch.zeros(2, channels, *size)  # two images, so that squeeze() and batch statistics have a batch
        image.grid = _Grid(tuple(_Axis((0,), (0,), 1, tuple(1 << i for i in range(n))) for n in size), (2, 3))
        with _Watch(formula):
            formula.run(image)
    return ReceptiveFields(formula.rows, formula.blocks)


def _image(model, input_size, channels):
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be an nn.Module, not {type(model).__name__}")
    size = (input_size,) * 2 if isinstance(input_size, int) else tuple(input_size)
    if len(size) != 2 or not all(isinstance(n, int) and n > 0 for n in size):
        raise ValueError(f"input_size must be (height, width) in pixels, such as (28, 28), not {input_size!r}")
    if channels is None:
        convs = (m for m in model.modules() if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d)))
        channels = next((m.in_channels for m in convs), None)
    if channels is None:
        raise ValueError("the model has no convolution that tells how many channels its images have: pass channels=...")
    return size, channels


def _copy(model, device, dtype=None):
    """A copy in eval mode, without the hooks that others hung on the model. On "meta" it costs no memory."""
    memo = {}
    for module in model.modules():
        for t in [*module._parameters.values(), *module._buffers.values(), *vars(module).values()]:
            if isinstance(t, Tensor):
                if isinstance(t, nn.parameter.UninitializedTensorMixin):
                    raise ValueError("the model has lazy layers without weights yet: run it once on an image")
                moved = t.detach().to(device, dtype if t.is_floating_point() else None, copy=True)
                memo[id(t)] = nn.Parameter(moved, requires_grad=False) if isinstance(t, nn.Parameter) else moved
    twin = copy.deepcopy(model, memo).eval()
    for module in twin.modules():
        module._forward_hooks.clear()
        module._forward_pre_hooks.clear()
    return twin


# ------------------------------------------------------------------------------------------ witnesses
# Nothing of the formula is used below: only the names of the calls.


class _Reach(_Calls):
    """Keeps one layer's output and stops there. swap: functions of torch to run instead of others."""

    def __init__(self, model, layer, dims=None, swap=None):
        super().__init__(model)
        self.layer, self.dims, self.swap, self.out = layer, dims, swap or {}, None

    def row(self, name, kind, tensors, leaf):
        if name == self.layer:
            self.out = tensors[0]
            raise _Done

    def call(self, function, args, kwargs):
        return self.swap.get(function, function)(*args, **kwargs)

    def unit(self, images, unit):
        """-> (N, values of the unit), the layer's output at this place for every image."""
        self.out, self.open, self.leaves, self.names = None, [], 0, Counter()
        with suppress(_Done):
            self.run(images)
        if self.out is None:
            raise UnknownName(_unknown(self.layer, self.names))
        out, place = self.out, [slice(None)] * self.out.dim()
        dims = self.dims or ((out.dim() - 2, out.dim() - 1) if out.dim() > 3 else (None, None))
        _check_unit(self.layer, unit, [1 if d is None else out.shape[d] for d in dims])
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
    - "gradient": is the unit's derivative to the pixel not zero? Made so that nothing cancels or saturates: positive random
      weights, small positive images, max pools that add up their window, norms whose output is lifted above zero.
    - "poison": set the pixel to NaN and run the model, unchanged: is the unit NaN? One run a pixel; rows and columns go
      first, then the pixels where they cross. A tap of weight zero counts (0 * NaN is NaN): bilinear resizing has such.
    - "poison-lines": whole rows and columns only: H + W runs, right for fields that are rows x columns.
    """
    size, channels = _image(model, input_size, channels)
    if method not in ("gradient", "poison", "poison-lines"):
        raise ValueError(f'method must be "gradient", "poison" or "poison-lines", not {method!r}')
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        twin = _copy(model, "cpu", torch.float64)
        images = torch.rand(2, channels, *size, dtype=torch.float64) + 0.5
        if method == "gradient":
            _make_positive(twin)
            reach = _Reach(twin, layer, dims, _PASSES)
            # The first image's unit alone: with batch statistics, the second image reaches it too.
            return _gradient(reach, images * 1e-3, unit, lambda v: v[0] @ (torch.rand_like(v[0]) + 0.5))[0].ne(0).any(0)
        reach, every = _Reach(twin, layer, dims), slice(None)
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
        return _gradient(_Reach(_copy(model, images.device), layer), images, unit, Tensor.sum).abs().mean((0, 1))


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
    """Max pooling's window, every pixel of it passing the gradient (max pooling's own passes one pixel's)."""
    rows, cols = F.max_pool2d(x.detach(), kernel_size, stride, padding, dilation, ceil_mode).shape[-2:]
    k, s, p = (_pair(v) for v in (kernel_size, stride or kernel_size, padding))
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
