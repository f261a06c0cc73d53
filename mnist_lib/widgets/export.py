"""A network as a list of layers that JavaScript can run: traced by torch.fx, its numbers in one row, its fields looked up."""

from collections import Counter
from dataclasses import dataclass, field

import torch
from torch import Tensor, fx, nn

from mnist_lib.receptive_field import receptive_fields
from mnist_lib.receptive_field.tracing import copy_of

SIDE = 28
KINDS = (nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d)
KINDS += (nn.Flatten, nn.Linear, nn.Dropout, nn.Identity)
STEPS = (nn.BatchNorm2d, nn.ReLU, int)
NAMES = ", ".join(kind.__name__ for kind in KINDS[:-2]) + " and Dropout"
MODULES = {  # of functional calls
    "max_pool2d": nn.MaxPool2d,
    "avg_pool2d": nn.AvgPool2d,
    "adaptive_avg_pool2d": nn.AdaptiveAvgPool2d,
}
RESHAPES = ("flatten", "view", "reshape", "squeeze")


class Unsupported(ValueError):
    """A network that cannot be shown; the message names what stands in the way."""


@dataclass
class Layer:
    """A convolution, a linear layer or a pooling, and the steps that follow it: BatchNorm, ReLU, additions.

    An addition is the place, among the layers, of the earlier one whose maps are added: a skip.
    """

    name: str
    main: nn.Module
    shape: tuple[int, int, int]  # of its maps: (maps, rows, columns)
    inputs: tuple[int, int, int]
    steps: list[nn.Module | int] = field(default_factory=list)


def layers_of(model: nn.Module) -> list[Layer]:
    """The chain of a model's layers, of a float32 copy on the CPU in evaluation mode; one that is used twice is there twice.

    Raises:
        Unsupported: one sentence, for anything but a chain of the known kinds, with skips or without, that takes one-channel
            images of 28x28.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"Inside shows an nn.Module, not {type(model).__name__}.")
    twin = copy_of(model, "cpu", torch.float32)
    layers, inputs, calls = [], (1, SIDE, SIDE), _calls(twin)
    kept = {called for _, called, _ in calls if isinstance(called, int)}  # calls whose maps are added later
    made, open_to_steps = {-1: -1}, False  # call -> layer whose maps it gives; -1: the image
    for call, (name, called, shape) in enumerate(calls):
        if not isinstance(called, (nn.Flatten, nn.Dropout, nn.Identity)):
            shape = shape if len(shape) == 3 else (*shape, 1, 1)
            if isinstance(called, int):
                called = _added(name, layers, made[called], inputs, shape)
            if not isinstance(called, STEPS):
                layers.append(Layer(name, called, shape, inputs))
            elif open_to_steps:
                layers[-1].steps.append(called)
            else:
                layers.append(Layer(name, nn.Identity(), shape, inputs, [called]))
            inputs, open_to_steps = shape, True
        made[call] = len(layers) - 1
        open_to_steps = open_to_steps and call not in kept  # what is added later must be what a layer hands on
    if not layers or layers[-1].shape[1:] != (1, 1):
        raise Unsupported("The network's last layer does not give one number for each answer: end it with Flatten or Linear.")
    return layers


def describe(model: nn.Module) -> dict:
    """What JavaScript needs to know of a network besides its numbers: plain values only. Raises as `layers_of`.

    For each layer: its operation, where its numbers begin in `numbers(model)`, the field of its units in the image, and
    the field of its units in every layer before (all as first and last row or column, not clipped).
    """
    layers, place, out = layers_of(model), 0, []
    fields = [_fields(layers, start) for start in range(len(layers))]
    for i, layer in enumerate(layers):
        numbers = [len(values) for values in _numbers(layer)]
        row = {"name": layer.name, "type": type(layer.main).__name__, "shape": layer.shape, "inputs": layer.inputs}
        row |= _operation(layer) | {"at": place, "numbers": numbers}
        row["steps"] = [_described(step) for step in layer.steps]
        row["field"] = fields[0][i]
        row["cone"] = [fields[before + 1][i] for before in range(i)]
        place += sum(numbers)
        out.append(row)
    return {"layers": out, "numbers": place, "parameters": sum(p.numel() for p in model.parameters())}


def numbers(model: nn.Module) -> Tensor:
    """float32 (n,): for each layer its weights and biases, then of each BatchNorm mean, variance, weight, bias, scale, shift.

    Scale and shift are BatchNorm folded: weight / sqrt(variance + eps), and bias - mean * scale.
    """
    rows = [values for layer in layers_of(model) for values in _numbers(layer)]
    return torch.cat([torch.zeros(0), *rows])


class _Tracer(fx.Tracer):
    def is_leaf_module(self, module, name):
        return isinstance(module, KINDS) or super().is_leaf_module(module, name)


def _calls(model: nn.Module) -> list[tuple[str, nn.Module | int, tuple[int, ...]]]:
    """(name, module, shape of its output without the batch), in the order in which they run.

    In place of a module, an addition has the number of the call whose output is added; -1 is the image.
    """
    try:
        graph = fx.GraphModule(model, _Tracer().trace(model))
        interpreter = fx.Interpreter(graph, garbage_collect_values=False)
        with torch.no_grad():
            interpreter.run(torch.zeros(1, 1, SIDE, SIDE))
    except Exception as error:
        why = str(error).strip().split("\n")[0]
        raise Unsupported(f"The network can't be followed on an image of 1 x {SIDE} x {SIDE}: torch says {why!r}.") from error
    values = {node: value for node, value in interpreter.env.items() if isinstance(value, Tensor)}
    shapes = {node: tuple(value.shape[1:]) for node, value in values.items()}
    chain, places, names, last = [], {}, Counter(), None
    for node in graph.graph.nodes:
        before = [above for above in node.all_input_nodes if above in shapes]
        if node.op == "placeholder" and last is None:
            last, places[node] = node, -1
        elif node.op == "output" and before == [last]:
            return chain
        elif node in shapes:
            what = _name(node)
            adds = what in ("add", "iadd") and len(before) == 2 and "alpha" not in node.kwargs
            if last not in before or (len(before) > 1 and not adds):
                raise Unsupported(f"Inside shows chains, with skips or without: {what!r} joins branches otherwise.")
            names[what] += 1
            name = what if names[what] == 1 else f"{what}#{names[what]}"
            if adds:
                added = before[0] if before[1] is last else before[1]
                called = places[added]
                steps = [above for above, place in places.items() if place > called and isinstance(chain[place][1], STEPS)]
                if values[added].data_ptr() in [values[step].data_ptr() for step in steps]:
                    raise Unsupported(f"Inside can't show {name!r} of maps that were changed in place before they are added.")
            else:
                called = _checked(name, _module(node, graph, shapes), shapes[last])
            places[node] = len(chain)
            chain.append((name, called, shapes[node]))
            last = node
    raise Unsupported("Inside shows chains, layer after layer: this network does not return its last layer's numbers alone.")


def _added(name: str, layers: list[Layer], place: int, inputs: tuple[int, ...], shape: tuple[int, ...]) -> int:
    """The place of the layer whose maps are added to `inputs`, if they can be."""
    if place < 0:
        raise Unsupported(f"Inside can't show {name!r} of the image itself: only an earlier layer's maps can be added.")
    if not layers[place].shape == inputs == shape:
        raise Unsupported(f"Inside can't show {name!r} of maps of another shape (those of {layers[place].name!r}).")
    return place


def _described(step: nn.Module | int):
    """A step as JavaScript knows it: "relu", BatchNorm's eps, or ["add", the place of a layer]."""
    if isinstance(step, int):
        return ["add", step]
    return "relu" if isinstance(step, nn.ReLU) else step.eps


def _name(node) -> str:
    if node.op == "call_module":
        return node.target
    return (node.target if isinstance(node.target, str) else node.target.__name__).strip("_")


def _module(node, graph, shapes) -> nn.Module:
    """The module that a node calls, or the one that does what its function does."""
    if node.op == "call_module":
        return graph.get_submodule(node.target)
    name, args, options = _name(node), node.args[1:], dict(node.kwargs)
    if name in RESHAPES and len(shapes[node]) == 1:
        return nn.Flatten()
    if name == "relu":
        return nn.ReLU()
    if name == "dropout" and not options.get("training", args[1] if len(args) > 1 else True):
        return nn.Identity()
    if name in MODULES:
        return MODULES[name](*args, **options)
    if name == "mean" and {dim % 4 for dim in options.get("dim", args[0] if args else ())} == {2, 3}:
        return nn.AdaptiveAvgPool2d(1)
    raise Unsupported(f"Inside can't show {name!r}: it shows chains of {NAMES}.")


def _checked(name: str, module: nn.Module, inputs: tuple[int, ...]) -> nn.Module:
    """The module, if it is one of the known kinds and set in a way that can be shown."""
    kind, why = type(module).__name__, None
    if not isinstance(module, KINDS):
        raise Unsupported(f"Inside can't show {kind} (layer {name!r}): it shows chains of {NAMES}.")
    if isinstance(module, nn.Conv2d) and module.padding_mode != "zeros":
        why = f"padding_mode={module.padding_mode!r}"
    if isinstance(module, nn.MaxPool2d) and (_pair(module.dilation) != (1, 1) or module.return_indices):
        why = "dilation or return_indices"
    if isinstance(module, nn.AvgPool2d) and module.divisor_override:
        why = "divisor_override"
    if isinstance(module, nn.BatchNorm2d) and module.running_mean is None:
        why = "the statistics of a batch"
    if isinstance(module, nn.Linear) and len(inputs) != 1:
        why = "maps that are not flattened"
    if isinstance(module, nn.Flatten) and module.start_dim != 1:
        why = f"start_dim={module.start_dim}"
    if why:
        raise Unsupported(f"Inside can't show {kind} with {why} (layer {name!r}).")
    return module


def _pair(value) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value)


def _operation(layer: Layer) -> dict:
    """kind "conv", "max", "mean" or "same", with the geometry of its windows in the layer before."""
    main, (_, rows, cols), (_, height, width) = layer.main, layer.shape, layer.inputs
    if isinstance(main, nn.Identity):
        return {"kind": "same"}
    if isinstance(main, nn.Linear):  # a convolution whose kernel is as large as the maps
        return {"kind": "conv", "kernel": (height, width), "stride": (1, 1), "pad": (0, 0), "dilation": (1, 1), "groups": 1}
    if isinstance(main, nn.Conv2d):
        pad = main.padding
        if pad == "same":
            pad = [d * (k - 1) // 2 for d, k in zip(main.dilation, main.kernel_size)]  # torch puts the odd one behind
        pad = (0, 0) if pad == "valid" else tuple(pad)
        shape = {"kernel": main.kernel_size, "stride": main.stride, "pad": pad, "dilation": main.dilation}
        return {"kind": "conv", "groups": main.groups} | shape
    kind = "max" if isinstance(main, nn.MaxPool2d) else "mean"
    if isinstance(main, nn.AdaptiveAvgPool2d):
        windows = [
            [(i * n // out, -(-(i + 1) * n // out)) * 2 for i in range(out)] for out, n in ((rows, height), (cols, width))
        ]
    else:
        kernel = _pair(main.kernel_size)
        sizes = zip((rows, cols), (height, width), kernel, _pair(main.stride or kernel), _pair(main.padding))
        windows = [[_window(i * s - p, k, n, p, main) for i in range(out)] for out, n, k, s, p in sizes]
    rows, cols = ([w[:2] for w in axis] for axis in windows)
    spans = [[w[3] - w[2] for w in axis] for axis in windows]  # how many a mean divides by
    return {"kind": kind, "rows": rows, "cols": cols, "spans": spans}


def _window(first: int, kernel: int, length: int, padding: int, pool: nn.Module) -> tuple[int, int, int, int]:
    """(first, end) inside the maps, and (first, end) of what a mean counts."""
    inside = max(first, 0), min(first + kernel, length)
    counted = (first, min(first + kernel, length + padding)) if getattr(pool, "count_include_pad", False) else inside
    return (*inside, *counted)


def _numbers(layer: Layer) -> list[Tensor]:
    main, out = layer.main, []
    if isinstance(main, (nn.Conv2d, nn.Linear)):
        out += [main.weight.detach().flatten(), torch.zeros(len(main.weight)) if main.bias is None else main.bias.detach()]
    for bn in layer.steps:
        if isinstance(bn, nn.BatchNorm2d):
            mean, var = bn.running_mean.double(), bn.running_var.double()
            weight = torch.ones_like(mean) if bn.weight is None else bn.weight.detach().double()
            bias = torch.zeros_like(mean) if bn.bias is None else bn.bias.detach().double()
            scale = weight / (var + bn.eps).sqrt()
            out += [values.float() for values in (mean, var, weight, bias, scale, bias - mean * scale)]
    return out


def _fields(layers: list[Layer], start: int) -> list[dict | None]:
    """For every layer: the first and last row, and column, of `layers[start]`'s input that its units see."""
    maps, rows, cols = layers[start].inputs
    if (rows, cols) == (1, 1):
        return [{"rows": [[0, 0]], "cols": [[0, 0]]} for _ in layers]
    fields = receptive_fields(_Chain(layers, start), (rows, cols), maps)
    out = [None] * start
    for i in range(start, len(layers)):
        row = fields[f"ends.{i - start}"]
        if start == 0 and not row.rectangle:
            raise Unsupported(f"Inside can't show what {layers[i].name!r} sees: it is not a rectangle of pixels.")
        (height, width) = row.output_size
        lines = [row.box(r, 0)[::2] for r in range(height)], [row.box(0, c)[1::2] for c in range(width)]
        out.append({"rows": lines[0], "cols": lines[1]})
    return out


class _Chain(nn.Module):
    """The layers from `start` on, without the steps that move no field. ends: what each hands on, to be found by name."""

    def __init__(self, layers: list[Layer], start: int):
        super().__init__()
        self.mains = nn.ModuleList(layer.main for layer in layers[start:])
        self.ends = nn.ModuleList(nn.Identity() for _ in self.mains)
        self.added = [[step - start for step in layer.steps if isinstance(step, int)] for layer in layers[start:]]

    def forward(self, x: Tensor) -> Tensor:
        made = {-1: x}  # a skip from before what is asked about brings none of it
        for i, (main, end, added) in enumerate(zip(self.mains, self.ends, self.added)):
            x = main(x.flatten(1) if isinstance(main, nn.Linear) else x)
            for place in added:
                x = x + made[place].reshape(x.shape) if place in made else x
            made[i] = x = end(x)
        return x
