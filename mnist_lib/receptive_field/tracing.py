"""Running a copy of a model and naming its calls in order: what formula and witnesses have in common."""

import copy
from collections import Counter
from collections.abc import Sequence
from functools import partial
from numbers import Integral
from operator import index

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from mnist_lib.receptive_field.geometry import UnknownLayer
from mnist_lib.receptive_field.propagation import rule_of
from mnist_lib.support import validation


class UnknownName(KeyError, ValueError):
    """No layer has this name."""

    __str__ = Exception.__str__  # KeyError would print the sentence in quotes


class Calls(TorchFunctionMode):
    """Runs a copy of a model and names its calls in order: leaf modules by path, functions by name, repeats with #2, #3.

    A subclass says in `row` what to do with each call's outputs. Calls inside a leaf have no row of their own.
    """

    def __init__(self, model):
        super().__init__()
        self.model, self.open, self.leaves, self.names = model, [], 0, Counter()
        for path, module in model.named_modules():
            inner = type(module).__module__.startswith("torch.nn.") and "container" not in type(module).__module__
            leaf = bool(path) and (inner or not any(module.children()) or rule_of(module) is not None)
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
        name = name[1:] if name[1:] in ("add", "sub", "mul", "div") else name  # a += b and 1 + a are "add" too
        if not self.leaves and name != "get":  # "get": an attribute, such as x.shape
            self.named(name, "function", out, True)
        return out

    def call(self, function, args, kwargs):
        return function(*args, **kwargs)

    def named(self, name, kind, out, leaf):
        tensors = tensors_in(out)
        if tensors:
            self.names[name] += 1
            self.row(name if self.names[name] == 1 else f"{name}#{self.names[name]}", kind, tensors, leaf)

    def run(self, image):
        try:
            with self, validation.any_size():
                return self.model(image)
        except (Done, UnknownLayer):
            raise
        except Exception as error:
            path = next((path for path in reversed(self.open) if path), None)
            where, why = f"in layer {path!r}, " if path else "", str(error).strip().split("\n")[0]
            if image.is_meta and "meta" in why:
                raise UnknownLayer(f"{where}{LOOKS_AT_VALUES} ({why})") from error
            shape = " x ".join(map(str, image.shape[1:]))
            raise ValueError(
                f"the model does not run on an image of {shape} (channels, height, width): {where}torch says "
                f"{why!r}; choose another input_size or channels"
            ) from error


LOOKS_AT_VALUES = (
    "the model looks at the values of its input, so its path cannot be known beforehand; measure_field still works"
)


class Done(Exception):
    """The layer asked for has run; the rest of the model need not."""


def tensors_in(values):
    return [t for t in tree_leaves(values) if isinstance(t, Tensor)]


def check_unit(name, unit, size):
    try:
        row, col = map(index, unit)
    except (TypeError, ValueError):
        raise TypeError(f"a unit is (row, column), two whole numbers, not {unit!r}") from None
    if not (0 <= row < size[0] and 0 <= col < size[1]):
        raise IndexError(
            f"layer {name!r} has {size[0]} x {size[1]} units: choose a row in 0..{size[0] - 1} "
            f"and a column in 0..{size[1] - 1}, not {tuple(unit)}"
        )


def unknown_name(name, names):
    return f"no layer is called {name!r}; the layers are {', '.join(names)}"


def image_of(model, input_size, channels):
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be an nn.Module, not {type(model).__name__}")
    size = (input_size,) * 2 if isinstance(input_size, Integral) else input_size
    if not (isinstance(size, Sequence) and len(size) == 2 and all(isinstance(n, Integral) and n > 0 for n in size)):
        raise ValueError(f"input_size must be (height, width) in pixels, such as (28, 28), not {input_size!r}")
    flat = (nn.Conv1d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose3d)
    if other := next((type(m).__name__ for m in model.modules() if isinstance(m, flat)), None):
        raise ValueError(
            f"the model has a {other}, whose input is not an image: only layers that read images, such as Conv2d, have fields"
        )
    if channels is None:
        convs = (m for m in model.modules() if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d)))
        channels = next((m.in_channels for m in convs), None)
    if channels is None:
        raise ValueError("the model has no convolution that says how many channels its images have: pass channels=...")
    if not isinstance(channels, Integral) or channels < 1:
        raise ValueError(f"channels must be a whole number above 0, not {channels!r}")
    return tuple(map(int, size)), int(channels)


def copy_of(model, device, dtype=None):
    """A copy in eval mode, without the hooks that others attached to the model. On "meta" it costs no memory."""
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
