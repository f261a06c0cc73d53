"""Every layer's receptive field by formula: one empty run of the model, watched operation by operation."""

import html
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial, reduce

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from mnist_lib.receptive_field.geometry import Axis, Grid, UnknownLayer, number, whole
from mnist_lib.receptive_field.propagation import POINTWISE, RULES, aten, rule_of
from mnist_lib.receptive_field.tracing import (
    LOOKS_AT_VALUES,
    Calls,
    UnknownName,
    check_unit,
    copy_of,
    image_of,
    tensors_in,
    unknown_name,
)


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
        check_unit(self.name, (row, col), self.output_size)
        (top, bottom), (left, right) = (a.box(i, n) for a, i, n in zip(self._axes, (row, col), self._pixels))
        return top, left, bottom, right

    def mask(self, row, col):
        """-> bool (H, W): the pixels that reach this unit, holes left out (where not .rectangle: rows x columns of it)."""
        check_unit(self.name, (row, col), self.output_size)
        rows, cols = ([a.masks[i] >> p & 1 > 0 for p in range(n)] for a, i, n in zip(self._axes, (row, col), self._pixels))
        return torch.tensor(rows)[:, None] & torch.tensor(cols)


def _row(name, kind, grid, pixels):
    uniform, notes = all(len(a.lo) == 1 for a in grid.axes), list(grid.notes)
    notes += ["units differ: field is the largest, jump the mean"] * (not uniform)
    notes += ["flattened: one unit stands for all"] * grid.loose
    notes += ["not a rectangle: field is its box"] * (not grid.rectangle)
    units, size, jump, start = zip(*((len(a.masks), a.size, whole(a.jump), whole(a.start)) for a in grid.axes))
    note = "; ".join(notes)
    return ReceptiveField(name, kind, units, size, jump, start, uniform, grid.rectangle, note, grid.dims, grid.axes, pixels)


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
            raise UnknownName(unknown_name(key, (row.name for row in self)))
        return found

    def only(self, *names):
        """The named layers, in the order asked for."""
        return ReceptiveFields((self[name] for name in names), self._blocks)

    def to_dicts(self):
        """-> a list of dicts of plain values, one per layer."""
        return [{k: v for k, v in vars(row).items() if not k.startswith("_")} for row in self]

    def _cells(self):
        def cross(pair):
            return "x".join(map(number, pair))

        yield "layer", "kind", "output", "field", "jump", "first centre", "note"
        for row in self:
            start = dict.fromkeys(map(number, row.start))  # one number where both axes agree
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


def receptive_fields(model, input_size=(28, 28), channels=None):
    """Every layer's receptive field, by formula -> ReceptiveFields.

    model: any nn.Module that takes one batch of images (N, C, H, W). It is not touched: an empty copy runs, in eval mode.
    input_size: (H, W) in pixels. channels: C; that of the first convolution unless given.
    Channels are not told apart: a unit is all the channels of one place.
    UnknownLayer: an operation has no rule. ValueError: the model does not run on such images.
    Time grows linearly with the number of layers, about a millisecond each, and with the side of the image; the first call
    in a process also waits for torch to import what it knows of meta tensors, which takes as long as `import torch`.
    """
    size, channels = image_of(model, input_size, channels)
    with torch.inference_mode(), torch.random.fork_rng(devices=[]), torch.device("meta"):
        formula = Formula(copy_of(model, "meta", torch.float32), size)
        image = torch.zeros(2, channels, *size)  # two images, so that squeeze() and batch statistics have a batch
        image.grid = Grid(tuple(Axis((0,), (0,), 1, tuple(1 << i for i in range(n))) for n in size), (2, 3))
        with Watch(formula):
            formula.run(image)
    return ReceptiveFields(formula.rows, formula.blocks)


class Formula(Calls):
    """Carries a Grid on every tensor that the image reaches (as its attribute `grid`)."""

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
        self.taught += rule_of(module) is not None

    def leave(self, path, leaf, module, args, kwargs, out):
        if rule_of(module) is not None:
            self.taught -= 1
            if not self.taught:
                self.give(partial(rule_of(module), module), _seen((args, kwargs)), out)
        super().leave(path, leaf, module, args, kwargs, out)

    def call(self, function, args, kwargs):
        if function not in RULES or self.taught:
            return function(*args, **kwargs)
        self.taught, seen = 1, _seen((args, kwargs))
        out = function(*args, **kwargs)
        self.taught = 0
        self.give(partial(RULES[function], *args, **kwargs), seen, out)
        return out

    def operation(self, watch, op, args, kwargs):
        """Run one operation of torch, and give its outputs their grids."""
        packet = op.overloadpacket
        seen = _seen(args[1:] if packet is aten.copy_ else (args, kwargs))  # what a copy overwrites does not count
        known = RULES.get(packet) or RULES.get(getattr(aten, packet.__name__.removesuffix("_"), None))
        if not known and torch.Tag.pointwise in op.tags:
            known = RULES[aten.clone]
        if seen and {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape} & {*op.tags}:
            raise UnknownLayer(self.sentence(LOOKS_AT_VALUES, teach=False))
        if seen and not known and not self.taught:
            with watch:  # a composite operation is known by its parts
                out = op.decompose(*args, **kwargs)
            if out is NotImplemented:
                raise UnknownLayer(self.sentence(f"there is no rule for {packet}", f"torch.ops.{packet}"))
            return out
        out = op(*args, **kwargs)
        outs, stores, mutable = tensors_in(out), set(map(_store, tensors_in((args, kwargs)))), op._schema.is_mutable
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
            for t in tensors_in(out):
                grids = [effect(grid, shape, t.shape) for grid, shape in seen]
                parts = effect is not POINTWISE and any(g.axes != grids[0].axes for g in grids)
                grid = reduce(Grid.union, grids)
                if not all(axis.masks for axis in grid.axes):  # which older versions of torch compute with
                    raise ValueError("nothing is left of the image")
                t.grid = replace(grid, parts=True) if parts else grid
        except UnknownLayer as problem:
            raise UnknownLayer(self.sentence(str(problem))) from None

    def sentence(self, problem, target=None, teach=True):
        path = next((p for p in reversed(self.open) if p), "")
        layer = type(self.model.get_submodule(path)).__name__
        rules = " or ".join(f"@rule({t})" for t in (target, layer) if t)
        return f"layer {path or 'forward'!r} ({layer}): {problem}" + teach * f"; teach it with {rules}, see help(rule)"


def _seen(values):
    return [(t.grid, t.shape) for t in tensors_in(values) if hasattr(t, "grid")]


def _store(tensor):
    return tensor.untyped_storage()._cdata


def _by_name(op, args, kwargs):
    names = {a.name: a.default_value for a in op._schema.arguments if a.has_default_value()}
    return names | dict(zip((a.name for a in op._schema.arguments), args)) | kwargs


class Watch(TorchDispatchMode):
    def __init__(self, formula):
        super().__init__()
        self.formula = formula

    def __torch_dispatch__(self, op, types, args=(), kwargs=None):
        return self.formula.operation(self, op, args, kwargs or {})
