"""Pictures of receptive fields, on digits and from the side."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.colors import ListedColormap, to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from torch import Tensor

from mnist_lib.plots.style import BLUE, GREEN, ORANGE, PURPLE, SKY, Box, box_patch, gallery, image_frame, new_figure
from mnist_lib.receptive_field import ReceptiveField


def fields_on_digit(image: Tensor, fields: Sequence[ReceptiveField], title: str) -> Figure:
    """For each layer the box that one unit, the one nearest the middle, sees of a digit (1, 28, 28)."""
    figure, axes = gallery(len(fields), min(5, len(fields)), (1.8, 2.2), title, (0, 0.3))
    for axis, field in zip(axes, fields):
        row, column = (size // 2 for size in field.output_size)
        top, left, bottom, right = field.box(row, column)
        axis.imshow(image.squeeze().numpy(), vmin=0, vmax=1, extent=(-0.5, 27.5, 27.5, -0.5))
        image_frame(axis, 0.6)
        box = Rectangle((left - 0.5, top - 0.5), right - left + 1, bottom - top + 1, fc=to_rgba(ORANGE, 0.15), ec=ORANGE, lw=2)
        axis.add_patch(box)
        axis.set(xlim=(-3.5, 31), ylim=(31, -3.5))
        axis.axis("off")
        axis.set_title(f"{field.name}\n{field.size[0]}×{field.size[1]}", fontsize=10, loc="center")
    return figure


def field_disputes(measured: dict[str, Tensor], boxes: dict[str, Box], printed: dict[str, int], names: Sequence[str]) -> Figure:
    """The pixels (28, 28) that were measured to reach one unit of each layer, the formula's box, and the printed width."""
    figure, axes = new_figure(2, -(-len(names) // 2), (11, 5))
    for axis, name in zip(axes.flat, names):
        top, left, bottom, right = boxes[name]
        axis.imshow(measured[name].numpy(), cmap=ListedColormap([plt.rcParams["figure.facecolor"], SKY]), vmin=0, vmax=1)
        image_frame(axis)
        half = printed[name] / 2
        corner = ((left + right) / 2 - half, (top + bottom) / 2 - half)
        axis.add_patch(Rectangle(corner, 2 * half, 2 * half, fill=False, ec=ORANGE, lw=1.8, ls="--"))
        axis.add_patch(box_patch(boxes[name], BLUE))
        axis.set(xlim=(-15, 42), ylim=(42, -19))
        axis.axis("off")
        over = min(corner[1], top, -0.5) - 1.5
        said = f"{name}: {right - left + 1}, card {printed[name]}"
        axis.text((left + right) / 2, over, said, fontsize=10, ha="center", va="bottom")
    handles = [
        Patch(fc=SKY, label="pixels that reach the unit, measured"),
        Patch(fill=False, ec=BLUE, lw=2, label="formula"),
        Patch(fill=False, ec=ORANGE, lw=2, ls="--", label="the card's table"),
        Patch(fill=False, ec=plt.rcParams["axes.edgecolor"], label="the image"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
    return figure


def cone(
    image: Tensor, fields: Mapping[str, ReceptiveField], names: Sequence[str], unit: tuple[int, int], title: str
) -> Figure:
    """The unit (row, column) of the last named layer, and all that it is computed from, layer by layer, down to a digit.

    Left, from above: for each layer the square that holds the centres of those units. Right, from the side: a dot is a unit,
    at the column of its centre. names: the layers in order, without branches.
    """
    figure, ((left, right),) = new_figure(1, 2, (9.5, 4.6), title, width_ratios=(1, 1.45))
    top, first, bottom, last = fields[names[-1]].box(*unit)
    left.imshow(image.squeeze().numpy(), vmin=0, vmax=4)  # the digit in a pale grey
    left.add_patch(box_patch((top, first, bottom, last), ORANGE))
    left.text(first, top - 1, "the field", color=ORANGE, ha="left", fontsize=9)
    image_frame(left)
    shades = plt.get_cmap("cividis")(np.linspace(0.62, 0, len(names)))
    frames: dict[tuple[float, ...], tuple[str, tuple]] = {}  # left, top, right, bottom: names and colour; some layers share one
    for name, shade in zip(names, shades):
        rows, columns = (_within(fields[name], axis, span) for axis, span in ((0, (top, bottom)), (1, (first, last))))
        sides = (columns[0] - 0.25, rows[0] - 0.25, columns[-1] + 0.25, rows[-1] + 0.25)
        frames[sides] = (f"{frames[sides][0]}, {name}" if sides in frames else name, shade)
    for i, ((x, y, end, bottom_side), (said, shade)) in enumerate(frames.items()):
        left.add_patch(Rectangle((x, y), end - x, bottom_side - y, fill=False, ec=shade, lw=1.5))
        at = (28.5, top + (i + 0.5) * (bottom + 1 - top) / len(frames))  # beside the image, one under the other
        left.annotate(
            said,
            (end, y + (bottom_side - y) * (i + 0.5) / len(frames)),
            at,
            va="center",
            fontsize=9,
            color=shade,
            weight="bold",
            arrowprops={"arrowstyle": "-", "color": shade, "lw": 0.8, "shrinkA": 1, "shrinkB": 0},
        )
    left.set(xlim=(-1.5, 36.5), ylim=(30, -3), xlabel="column", ylabel="row", title="from above: a frame for each layer")
    counts = _side(right, fields, names, unit[1])
    for label, shade in zip(right.get_yticklabels()[1:], shades):
        label.set(color=shade, weight="bold")
    right.spines[:].set_visible(False)
    rows = [len(_within(fields[name], 0, (top, bottom))) for name in names]
    rows = [min(bottom, 27) - max(top, 0) + 1, *rows]
    for height, count in enumerate(zip(rows, counts)):
        right.text(30, height, "{} × {}".format(*count), ha="left", va="center", fontsize=9)
    right.text(30, len(names) + 0.55, "units", ha="left", va="center", fontsize=9, color=plt.rcParams["xtick.color"])
    right.set(xlim=(-1.5, 35), xlabel="column of the image", title="from the side: read it from the top")
    for axis in (left, right):
        axis.set_xticks(range(0, 26, 5))
    return figure


def from_the_side(fields: Mapping[str, ReceptiveField], names: Sequence[str], unit: int, title: str) -> Figure:
    """One unit of the last named layer and the units that it is computed from, along one row, down to the pixels.

    A dot is a unit, at the middle of what it sees; a line leads to what it reads. names: layers in order, without branches.
    """
    figure, ((axis,),) = new_figure(1, 1, (8.5, 0.75 * len(names) + 1.5))
    _side(axis, fields, names, unit)
    _, left, _, right = fields[names[-1]].box(0, unit)
    axis.spines[:].set_visible(False)
    axis.set(xlim=(left - 4.5, right + 4.5), xlabel="column of the image", title=title)
    axis.xaxis.get_major_locator().set_params(integer=True)
    return figure


def _side(axis, fields: Mapping[str, ReceptiveField], names: Sequence[str], unit: int) -> list[int]:
    """Draws what one unit is computed from, seen from the side -> how many pixels, and how many units of each layer."""
    quiet = plt.rcParams["axes.edgecolor"]
    _, first, _, last = fields[names[-1]].box(0, unit)
    for pixel in range(fields[names[0]].output_size[1] + fields[names[0]].size[1] - 1):
        seen = first <= pixel <= last
        colour = to_rgba(ORANGE, 0.55) if seen else plt.rcParams["figure.facecolor"]
        axis.add_patch(Rectangle((pixel - 0.5, -0.2), 1, 0.4, fc=colour, ec=quiet, lw=0.8, zorder=2))
    below = {float(p): (p, p) for p in range(max(first, 0), min(last, 27) + 1)}  # centre: what it sees
    counts = [len(below)]
    for height, name in enumerate(names, 1):
        spans = [fields[name].box(0, i)[1::2] for i in range(fields[name].output_size[1])]
        axis.plot([(a + b) / 2 for a, b in spans], [height] * len(spans), "o", ms=4, color=quiet, alpha=0.35, mew=0)
        here = {(a + b) / 2: (a, b) for a, b in spans if first <= a and b <= last}
        for centre, (a, b) in here.items():
            for under, (c, d) in below.items():
                if a <= c and d <= b:
                    axis.plot([centre, under], [height, height - (0.8 if height == 1 else 1)], color=SKY, lw=0.9, zorder=1)
        axis.plot(list(here), [height] * len(here), "o", ms=6, color=BLUE, zorder=3)
        below = here
        counts.append(len(here))
    axis.set(yticks=range(len(names) + 1), yticklabels=["image", *names], ylim=(-0.6, len(names) + 0.9))
    axis.tick_params(axis="y", length=0)
    return counts


def _within(field: ReceptiveField, axis: int, span: tuple[int, int]) -> list[float]:
    """Centres, along one axis, of the units that see nothing beyond a span of pixels."""
    centres = [field.start[axis] + i * field.jump[axis] for i in range(field.output_size[axis])]
    reach = (field.size[axis] - 1) / 2
    return [centre for centre in centres if span[0] <= centre - reach and centre + reach <= span[1]]


def boxes_in_a_row(rows: Mapping[str, ReceptiveField], units: int, title: str) -> Figure:
    """The boxes of each layer's first few units along one axis, with their centres, over the image's pixels."""
    bars = sum(min(units, field.output_size[1]) for field in rows.values())
    figure, ((axis,),) = new_figure(1, 1, (8.5, 0.34 * bars + 0.3 * len(rows) + 1.3))
    quiet, ink = plt.rcParams["axes.edgecolor"], plt.rcParams["text.color"]
    y, ticks, ends = 0.0, {}, []
    for (name, field), colour in zip(rows.items(), (BLUE, ORANGE, GREEN, PURPLE)):
        for i in range(min(units, field.output_size[1])):
            _, left, _, right = field.box(0, i)
            axis.barh(y, right - left + 1, 0.62, left - 0.5, color=to_rgba(colour, 0.35), ec=colour, lw=1.2)
            axis.plot((left + right) / 2, y, "o", ms=6, color=colour)
            axis.text((left + right) / 2 + 0.4, y, f"{(left + right) / 2:g}", va="center", fontsize=9, color=ink)
            axis.text(left - 0.7, y, f"{left}", va="center", ha="right", fontsize=9, color=quiet)
            axis.text(right + 0.7, y, f"{right}", va="center", ha="left", fontsize=9, color=quiet)
            ticks[y] = f"{name}, unit {i}"
            ends += [left, right]
            y += 1
        y += 0.5
    for pixel in range(28):
        axis.add_patch(Rectangle((pixel - 0.5, y), 1, 0.5, fill=False, ec=quiet, lw=0.8))
    ticks[y + 0.25] = "the image"
    axis.set(yticks=list(ticks), yticklabels=list(ticks.values()), ylim=(y + 0.8, -0.7), title=title)
    axis.set(xlim=(min(ends) - 2.5, max(max(ends) + 2.5, 12)), xlabel="pixel")
    axis.tick_params(axis="y", length=0)
    axis.spines["left"].set_visible(False)
    axis.xaxis.get_major_locator().set_params(integer=True)
    return figure


def marked_units(image: Tensor, maps: Mapping[str, Tensor], title: str) -> Figure:
    """A digit (1, 28, 28) in [0, 1], and of each layer the map (h, w) with its middle unit marked; to scale."""
    figure, (axes,) = new_figure(1, len(maps) + 1, (1.5 * (len(maps) + 1), 2.2), title)
    axes[0].imshow(image.squeeze().numpy(), vmin=0, vmax=1, extent=(-14, 14, 14, -14))
    axes[0].set_title("image\n28×28", loc="center", fontsize=10)
    for axis, (name, values) in zip(axes[1:], maps.items()):
        height, width = values.shape
        axis.imshow(values.numpy(), cmap="strength", extent=(-width / 2, width / 2, height / 2, -height / 2))
        row, column = height // 2, width // 2
        axis.add_patch(Rectangle((column - width / 2, row - height / 2), 1, 1, fc=to_rgba(ORANGE, 0.9), ec=ORANGE, lw=2.5))
        axis.set_title(f"{name}\n{height}×{width}", loc="center", fontsize=10)
    for axis, side in zip(axes, (28, *map(len, maps.values()))):
        axis.add_patch(Rectangle((-side / 2, -side / 2), side, side, fill=False, ec=plt.rcParams["axes.edgecolor"], lw=0.8))
        axis.set(xlim=(-14.5, 14.5), ylim=(14.5, -14.5))
        axis.axis("off")
    return figure


def one_unit(
    image: Tensor, field: ReceptiveField, place: tuple[int, int], look: Tensor, title: str, values: Tensor | None = None
) -> Figure:
    """A unit (row, column) in its map (h, w), its box on a digit (1, 28, 28), and its sensitivity to each pixel (28, 28).

    values: of that map.
    """
    height, width = field.output_size
    figure, (axes,) = new_figure(1, 3, (9.5, 3.4), title)
    axes[0].imshow((torch.zeros(height, width) if values is None else values).numpy(), cmap="strength")
    axes[0].add_patch(box_patch((*place, *place), ORANGE))
    axes[0].set_title(f"row {place[0]}, column {place[1]} of {height}×{width}", loc="center")
    axes[0].set(xticks=[], yticks=[])
    axes[1].imshow(image.squeeze().numpy(), vmin=0, vmax=1)
    axes[1].set_title("what it can see", loc="center")
    axes[2].imshow((look / look.max()).numpy(), cmap="cividis", vmin=0, vmax=1)
    axes[2].set_title("its sensitivity: bright is high", loc="center")
    for axis in axes[1:]:
        axis.add_patch(box_patch(field.box(*place), ORANGE))
        image_frame(axis)
        axis.set(xlim=(-3.5, 30.5), ylim=(30.5, -3.5), xticks=[], yticks=[])
    for axis in axes:
        axis.spines[:].set_visible(False)
    axes[0].add_patch(Rectangle((-0.5, -0.5), width, height, fill=False, ec=plt.rcParams["axes.edgecolor"], lw=0.8))
    return figure


def effective(looks: dict[str, dict[str, Tensor]], boxes: dict[str, Box], data: str) -> Figure:
    """looks[when][layer]: how much each pixel (28, 28) moves one unit, each to its own maximum, with the field's box."""
    title = f"{data}: sensitivity of one unit, all maps added up, to each pixel\n"
    title += "bright is much, dark is little; the box is its field"
    figure, axes = new_figure(len(looks), len(boxes), (2.6 * len(boxes) + 1, 2.6 * len(looks) + 0.6), title)
    for line, (when, layers) in zip(axes, looks.items()):
        for axis, (name, look) in zip(line, layers.items()):
            axis.imshow((look / look.max()).numpy(), cmap="cividis", vmin=0, vmax=1)
            axis.add_patch(box_patch(boxes[name], ORANGE))
            axis.set(xlim=(-3.5, 30.5), ylim=(30.5, -3.5), xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
            axis.set_title(name, loc="center")
        line[0].set_ylabel(when)
    return figure
