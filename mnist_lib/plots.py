"""Pictures of what the other rooms return. Every function gives a matplotlib Figure; a notebook shows it by naming it."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import display
from matplotlib.colors import LinearSegmentedColormap, ListedColormap, to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import LogLocator, NullFormatter
from torch import Tensor, nn

from mnist_lib.receptive_field import ReceptiveField, receptive_fields
from mnist_lib.statistics import mean_interval
from mnist_lib.trainer import Callback, Run
from mnist_lib.transforms import normalise

# Okabe and Ito's colours, which colour-blind readers tell apart
BLUE, ORANGE, GREEN, PURPLE, SKY, YELLOW = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00"
STEP_COLOURS = {  # of a training step's kinds of work
    "making images": YELLOW,
    "convolution": BLUE,
    "BatchNorm": GREEN,
    "ReLU": SKY,
    "dropout": ORANGE,
    "BatchNorm, ReLU, dropout, pooling compiled": PURPLE,
    "pooling": "#F0E442",
    "the rest": "#8b949e",
}
Box = tuple[int, int, int, int]  # top, left, bottom, right, inclusive
LIGHT = {"ink": "#1f2328", "quiet": "#6e7781", "paper": "#ffffff"}
DARK = {"ink": "#e6edf3", "quiet": "#8b949e", "paper": "#0d1117"}


def use_theme(colours: dict[str, str]) -> None:
    """One look for every picture; LIGHT unless told."""
    ink, quiet, paper = colours["ink"], colours["quiet"], colours["paper"]
    plt.rcParams.update(
        {
            "figure.facecolor": paper,
            "savefig.facecolor": paper,
            "axes.facecolor": paper,
            "axes.edgecolor": quiet,
            "axes.labelcolor": ink,
            "axes.titlecolor": ink,
            "axes.titlesize": 11,
            "axes.titlelocation": "left",
            "axes.labelsize": 10,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.prop_cycle": plt.cycler(color=[BLUE, ORANGE, GREEN, PURPLE, SKY, YELLOW]),
            "xtick.color": quiet,
            "ytick.color": quiet,
            "xtick.labelcolor": ink,
            "ytick.labelcolor": ink,
            "text.color": ink,
            "font.size": 10,
            "legend.frameon": False,
            "lines.linewidth": 2,
            "figure.dpi": 100,
            "savefig.dpi": 150,
            "image.cmap": "gray" if colours is DARK else "gray_r",  # ink in the colour of ink
        }
    )


use_theme(LIGHT)


def architecture(model: nn.Module, image: Tensor, title: str = "", counts: bool = True) -> Figure:
    """What a DigitNet makes of a digit (1, 28, 28) in [0, 1], step by step, over the numbers that each step holds.

    Maps are drawn to scale, the strongest one in front; a layer of 1x1 maps is a column of its values.
    counts: whether the numbers are shown, or left for the reader to find.
    """
    steps = _steps(model, image)
    figure = plt.figure(figsize=(len(steps) + 1, 3.1 if counts else 1.8))
    plt.close(figure)
    top = figure.add_axes([0, 0.42, 1, 0.58] if counts else [0, 0, 1, 1])
    ink, quiet = plt.rcParams["text.color"], plt.rcParams["xtick.color"]
    cmap = LinearSegmentedColormap.from_list("maps", [plt.rcParams["figure.facecolor"], BLUE, ink])
    for x, (name, maps, _) in enumerate([("image", image, 0), *steps]):
        channels, height, width = maps.shape
        strongest = maps[maps.flatten(1).std(1).argmax()] if height > 1 else maps
        side, sheets = 0.78 * height / 28, min(6, 1 + channels // 6)
        if height == 1:
            values, cell = maps.flatten().softmax(0) if name == "conv8" else maps.flatten(), 0.95 / channels
            for i, shade in enumerate(values / values.max()):
                y = (channels / 2 - i - 1) * cell
                top.add_patch(Rectangle((x - 0.06, y), 0.12, cell, fc=cmap(float(shade)), ec=quiet, lw=0.5))
                if name == "conv8":
                    top.text(x + 0.1, y + cell / 2, str(i), va="center", fontsize=7, color=ink)
        else:
            for sheet in reversed(range(1, sheets if name != "image" else 1)):
                corner = (x - side / 2 + 0.03 * sheet, -side / 2 + 0.03 * sheet)
                face = plt.rcParams["figure.facecolor"]
                top.add_patch(Rectangle(corner, side, side, fc=face, ec=quiet, lw=0.6, zorder=3 - sheet * 0.1))
            extent = (x - side / 2, x + side / 2, -side / 2, side / 2)
            top.imshow(strongest.squeeze().numpy(), extent=extent, cmap=None if name == "image" else cmap, zorder=3.1)
            top.add_patch(Rectangle(extent[::2], side, side, fill=False, ec=quiet, lw=0.6, zorder=3.2))
        top.text(x, -0.62, name, ha="center", va="center", weight="bold")
        top.text(x, -0.8, f"{channels}×{height}×{width}", ha="center", va="center", color=quiet, fontsize=9)
    top.text(-0.45, 0.6, title, va="top", fontsize=10)
    limits = (-0.5, len(steps) + 0.5)
    top.set(xlim=limits, ylim=(-0.92, 0.62), aspect="equal")
    top.axis("off")
    if not counts:
        return figure
    bottom, held = figure.add_axes([0, 0.03, 1, 0.36]), [count for _, _, count in steps]
    bars = bottom.bar(range(1, len(steps) + 1), held, width=0.6, color=BLUE)
    bottom.bar_label(bars, [f"{count:,}" for count in held], padding=2, color=ink, fontsize=9)
    bottom.set(xlim=limits, ylim=(0, max(held) * 1.25), yticks=[], xticks=[])
    bottom.spines["left"].set_visible(False)
    bottom.text(0, max(held) * 0.5, f"{sum(held):,}\nnumbers", ha="center", va="center", fontsize=13, weight="bold")
    return figure


def _steps(model: nn.Module, image: Tensor) -> list[tuple[str, Tensor, int]]:
    """(name, output maps after BatchNorm and ReLU, parameters) of each convolution and each pooling."""
    steps: list[tuple[str, Tensor, int]] = []
    was_training = model.training
    model.eval()
    with torch.no_grad():
        x = normalise(image.unsqueeze(0))
        for name, layer in model.named_children():
            if isinstance(layer, nn.Dropout):
                continue
            x, count = layer(x), sum(p.numel() for p in layer.parameters())
            if isinstance(layer, nn.BatchNorm2d):
                x = x.relu()
                name, _, convolution = steps.pop()
                count += convolution
            steps.append((name, x[0], count))
    model.train(was_training)
    return steps


def budget(model: nn.Module, image: Tensor | None = None, limit: int = 20_000, beside: nn.Module | None = None) -> Figure:
    """What a DigitNet of any widths and kernels spends on each layer: numbers, multiplications, and what conv7 sees for it.

    Under limit the bars are blue, above it orange. image: a digit (1, 28, 28) in [0, 1] for the field of conv7's middle
    unit. beside: another network, outlined.
    """
    steps, fields = _steps(model, torch.zeros(1, 28, 28)), receptive_fields(model, (28, 28))
    counts, work = _spent(model, steps)
    total, colour = sum(counts), BLUE if sum(counts) <= limit else ORANGE
    figure, ((left, middle, right),) = _figure(1, 3, (11.5, 3.9), width_ratios=[1, 1, 0.62])
    others = _spent(beside, _steps(beside, torch.zeros(1, 28, 28))) if beside else (counts, work)
    for axis, spent, other, name in (
        (left, counts, others[0], "numbers"),
        (middle, work, others[1], "multiplications an image, in thousands"),
    ):
        axis.barh(range(len(steps)), spent, color=colour)
        if beside:
            axis.barh(range(len(steps)), other, fill=False, ec=plt.rcParams["text.color"], lw=1, ls=":")
        longer = [max(pair) for pair in zip(spent, other)]
        for y, (end, one) in enumerate(zip(longer, spent)):
            axis.annotate(f"{one:,.0f}", (end, y), (4, 0), textcoords="offset points", va="center", fontsize=9)
        axis.invert_yaxis()
        axis.set(xlabel=name, yticks=[], xlim=(0, max(longer) * 1.2))
    left.set_yticks(range(len(steps)), [f"{name}   {'×'.join(map(str, maps.shape))}" for name, maps, _ in steps])
    verdict = f"{limit - total:,} left" if total <= limit else f"{total - limit:,} too many"
    left.set_title(f"{total:,} of {limit:,} numbers: {verdict}")
    middle.set_title(f"{sum(work) / 1000:,.2f} million multiplications")
    field = fields["conv7"]
    box = field.box(*(size // 2 for size in field.output_size))
    right.imshow((torch.zeros(28, 28) if image is None else image.squeeze()).numpy(), vmin=0, vmax=1)
    right.add_patch(Rectangle((-0.5, -0.5), 28, 28, fill=False, ec=plt.rcParams["axes.edgecolor"], lw=0.8))
    right.add_patch(_box(box, ORANGE))
    edges = [min(-3.5, *(low - 1.5 for low in box[:2])), max(30.5, *(high + 1.5 for high in box[2:]))]
    right.set(xlim=edges, ylim=edges[::-1], title=f"a unit of conv7 sees {field.size[0]}×{field.size[1]}")
    right.axis("off")
    return figure


def _spent(model: nn.Module, steps: list[tuple[str, Tensor, int]]) -> tuple[list[int], list[float]]:
    """Each step's numbers, and the multiplications of its convolution for one image, in thousands."""
    weights = {name: layer.weight.numel() for name, layer in model.named_children() if isinstance(layer, nn.Conv2d)}
    work = [weights.get(name, 0) * maps[0].numel() / 1000 for name, maps, _ in steps]
    return [count for _, _, count in steps], work


def number_grids(grids: Mapping[str, Tensor], title: str, marked: Mapping[str, tuple[int, int]] | None = None) -> Figure:
    """Small grids (h, w) of numbers, written out and shaded: blue above zero, orange below, each to its own largest.

    marked: {name: (row, column)}, a cell to frame.
    """
    widths = [max(grid.shape[1], 2) for grid in grids.values()]
    figure, (axes,) = _figure(
        1, len(grids), (0.62 * sum(widths) + 0.5, 0.5 * max(len(grid) for grid in grids.values()) + 0.9), width_ratios=widths
    )
    signs = LinearSegmentedColormap.from_list("signs", [ORANGE, plt.rcParams["figure.facecolor"], BLUE])
    for axis, (name, grid) in zip(axes, grids.items()):
        limit = 2 * float(grid.abs().max()) or 1.0  # pale, so that the numbers can be read
        axis.imshow(grid.numpy(), cmap=signs, vmin=-limit, vmax=limit)
        for (row, column), value in np.ndenumerate(grid.numpy()):
            axis.text(
                column, row, f"{value:g}" if float(value).is_integer() else f"{value:.2f}", ha="center", va="center", fontsize=9
            )
        axis.set_title(name, loc="center", fontsize=10)
        _frame(axis)
        if marked and name in marked:
            row, column = marked[name]
            axis.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, ec=plt.rcParams["text.color"], lw=2))
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure


def spreads(stages: Mapping[str, Mapping[str, Tensor]], title: str) -> Figure:
    """How the values of some maps are spread, stage by stage: {stage: {map: its values, any shape}}, one panel a stage.

    All panels have one scale. Each map is a line that is high where many values lie; its dot is the mean, its bar one
    standard deviation each way.
    """
    figure, (axes,) = _figure(1, len(stages), (3.5 * len(stages), 3.3))
    everything = np.concatenate([values.flatten().numpy() for maps in stages.values() for values in maps.values()])
    low, high = np.quantile(everything, (0.001, 0.999))
    for axis, (stage, maps) in zip(axes, stages.items()):
        for y, values in enumerate(maps.values()):
            values = values.flatten()
            counts, edges = np.histogram(values.numpy(), bins=60)
            shape = 0.75 * np.sqrt(counts / counts.max())  # the root: thin tails are to be seen, too
            axis.fill_between((edges[:-1] + edges[1:]) / 2, y, y - shape, step="mid", color=SKY, alpha=0.6, lw=0)
            mean, spread = float(values.mean()), float(values.std(correction=0))
            axis.plot([mean - spread, mean + spread], [y, y], color=BLUE, lw=3)
            axis.plot(mean, y, "o", ms=7, color=ORANGE, zorder=3)
        axis.axvline(0, color=plt.rcParams["xtick.color"], lw=1, ls="--", zorder=0)
        axis.set(
            yticks=range(len(maps)),
            yticklabels=maps if axis is axes[0] else [],
            ylim=(len(maps) - 0.7, -0.95),
            xlim=(low, high),
        )
        axis.set_title(stage)
        axis.tick_params(axis="y", length=0)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure


def influence(moved: Mapping[str, float], title: str, still: float = 1e-9) -> Figure:
    """How far the logits move when one kind of number is changed, by name; below `still` they have not moved."""
    figure, ((axis,),) = _figure(1, 1, (8.5, 0.19 * len(moved) + 1))
    least = 1e-16  # what is nearer to 0 is drawn at the edge
    for y, value in enumerate(moved.values()):
        axis.plot([least, max(value, least)], [y, y], color=plt.rcParams["axes.edgecolor"], lw=0.8, alpha=0.5)
        axis.plot(max(value, least), y, "D" if value < still else "o", ms=6, color=ORANGE if value < still else BLUE)
    axis.axvline(still, color=plt.rcParams["xtick.color"], lw=1, ls="--")
    axis.set(xscale="log", xlim=(least, max(moved.values()) * 5), title=title, xlabel="largest change of a logit")
    axis.set_yticks(range(len(moved)), moved, fontsize=8)
    axis.set_ylim(len(moved) - 0.4, -0.6)
    axis.tick_params(axis="y", length=0)
    axis.minorticks_off()
    return figure


def before_after(groups: Mapping[str, tuple[Tensor, Tensor]], title: str) -> Figure:
    """Numbers before (x) and after training (y), a panel for each group; what stays as it was lies on the diagonal."""
    figure, (axes,) = _figure(1, len(groups), (3.5 * len(groups), 3.9))
    for axis, (name, (before, after)) in zip(axes, groups.items()):
        limit = 1.1 * float(torch.cat([before.flatten(), after.flatten()]).abs().max())
        axis.plot([-limit, limit], [-limit, limit], color=plt.rcParams["xtick.color"], lw=1, ls="--")
        axis.plot(before.flatten().numpy(), after.flatten().numpy(), "o", ms=4, color=BLUE, alpha=0.6, mew=0)
        axis.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal", xlabel="before training")
        axis.set_title(name, fontsize=10)
    axes[0].set_ylabel("after training")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure


def grid(images: Tensor, labels: Tensor, title: str, columns: int = 10) -> Figure:
    """Images (N, 1, 28, 28), paper at their lowest value and ink at their highest, each with its label."""
    rows = -(-len(labels) // columns)
    figure, axes = _figure(rows, columns, (columns * 0.95, rows * 1.15 + 0.35))
    for axis, image, label in zip(axes.flat, images, labels, strict=False):
        _image(axis, (image - images.min()) / (images.max() - images.min()))
        axis.set_title(int(label), fontsize=9, loc="center", pad=2)
    for axis in axes.flat[len(labels) :]:
        axis.axis("off")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure


def fields_on_digit(image: Tensor, fields: Sequence[ReceptiveField], title: str) -> Figure:
    """For each layer the box that one unit, the one nearest the middle, sees of a digit (1, 28, 28)."""
    figure, axes = _figure(1, len(fields), (len(fields) * 1.35, 2.1))
    for axis, field in zip(axes.flat, fields, strict=True):
        row, column = (size // 2 for size in field.output_size)
        top, left, bottom, right = field.box(row, column)
        axis.imshow(image.squeeze().numpy(), vmin=0, vmax=1, extent=(-0.5, 27.5, 27.5, -0.5))
        axis.add_patch(Rectangle((-0.5, -0.5), 28, 28, fill=False, ec=plt.rcParams["axes.edgecolor"], lw=0.6))
        box = Rectangle((left - 0.5, top - 0.5), right - left + 1, bottom - top + 1, fc=to_rgba(ORANGE, 0.15), ec=ORANGE, lw=2)
        axis.add_patch(box)
        axis.set(xlim=(-3.5, 31), ylim=(31, -3.5))
        axis.axis("off")
        axis.set_title(f"{field.name}\n{field.size[0]}×{field.size[1]}", fontsize=10, loc="center")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure


def field_disputes(measured: dict[str, Tensor], boxes: dict[str, Box], printed: dict[str, int], names: Sequence[str]) -> Figure:
    """The pixels (28, 28) that were measured to reach one unit of each layer, the formula's box, and the printed width."""
    figure, axes = _figure(2, -(-len(names) // 2), (11, 5))
    for axis, name in zip(axes.flat, names):
        top, left, bottom, right = boxes[name]
        axis.imshow(measured[name].numpy(), cmap=ListedColormap([plt.rcParams["figure.facecolor"], SKY]), vmin=0, vmax=1)
        axis.add_patch(Rectangle((-0.5, -0.5), 28, 28, fill=False, ec=plt.rcParams["axes.edgecolor"], lw=0.8))
        half = printed[name] / 2
        corner = ((left + right) / 2 - half, (top + bottom) / 2 - half)
        axis.add_patch(Rectangle(corner, 2 * half, 2 * half, fill=False, ec=ORANGE, lw=1.8, ls="--"))
        axis.add_patch(_box(boxes[name], BLUE))
        axis.set(xlim=(-15, 42), ylim=(42, -15))
        axis.axis("off")
        axis.set_title(f"{name}: {right - left + 1}, card {printed[name]}", fontsize=10, loc="center")
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
    figure, ((left, right),) = _figure(1, 2, (12, 4.8), width_ratios=(1, 1.75))
    top, first, bottom, last = fields[names[-1]].box(*unit)
    left.imshow(image.squeeze().numpy(), vmin=0, vmax=1.9)  # the digit in grey
    left.add_patch(_box((top, first, bottom, last), ORANGE))
    left.text(first, top - 1, "the field", color=ORANGE, ha="left", fontsize=9)
    _image_frame(left)
    shades = plt.get_cmap("cividis")(np.linspace(0.62, 0, len(names)))
    for name, shade in zip(names, shades):
        rows, columns = (_within(fields[name], axis, span) for axis, span in ((0, (top, bottom)), (1, (first, last))))
        corner, size = (columns[0] - 0.25, rows[0] - 0.25), (columns[-1] - columns[0] + 0.5, rows[-1] - rows[0] + 0.5)
        left.add_patch(Rectangle(corner, *size, fill=False, ec=shade, lw=1.5))
    left.set(xlim=(-3, 30), ylim=(30, -3), xlabel="column", ylabel="row", title="from above: a frame for each layer")
    counts = _side(right, fields, names, unit[1])
    for label, shade in zip(right.get_yticklabels()[1:], shades):
        label.set(color=shade, weight="bold")
    for spine in right.spines.values():
        spine.set_visible(False)
    rows = [len(_within(fields[name], 0, (top, bottom))) for name in names]
    rows = [min(bottom, 27) - max(top, 0) + 1, *rows]
    for height, count in enumerate(zip(rows, counts)):
        right.text(30, height, "{} × {}".format(*count), ha="left", va="center", fontsize=9)
    right.text(30, len(names) + 0.55, "units", ha="left", va="center", fontsize=9, color=plt.rcParams["xtick.color"])
    right.set(xlim=(-1.5, 33.5), xlabel="column of the image", title="from the side: read it from the top")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure


def from_the_side(fields: Mapping[str, ReceptiveField], names: Sequence[str], unit: int, title: str) -> Figure:
    """One unit of the last named layer and the units that it is computed from, along one row, down to the pixels.

    A dot is a unit, at the middle of what it sees; a line leads to what it reads. names: layers in order, without branches.
    """
    figure, ((axis,),) = _figure(1, 1, (8.5, 0.75 * len(names) + 1.5))
    _side(axis, fields, names, unit)
    _, left, _, right = fields[names[-1]].box(0, unit)
    for spine in axis.spines.values():
        spine.set_visible(False)
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
    figure, ((axis,),) = _figure(1, 1, (8.5, 0.34 * bars + 0.3 * len(rows) + 1.3))
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
    figure, (axes,) = _figure(1, len(maps) + 1, (1.5 * (len(maps) + 1), 2.2))
    cmap = LinearSegmentedColormap.from_list("maps", [plt.rcParams["figure.facecolor"], BLUE, plt.rcParams["text.color"]])
    axes[0].imshow(image.squeeze().numpy(), vmin=0, vmax=1, extent=(-14, 14, 14, -14))
    axes[0].set_title("image\n28×28", loc="center", fontsize=10)
    for axis, (name, one) in zip(axes[1:], maps.items()):
        height, width = one.shape
        axis.imshow(one.numpy(), cmap=cmap, extent=(-width / 2, width / 2, height / 2, -height / 2))
        row, column = height // 2, width // 2
        axis.add_patch(Rectangle((column - width / 2, row - height / 2), 1, 1, fc=to_rgba(ORANGE, 0.9), ec=ORANGE, lw=2.5))
        axis.set_title(f"{name}\n{height}×{width}", loc="center", fontsize=10)
    for axis, side in zip(axes, (28, *(len(one) for one in maps.values()))):
        axis.add_patch(Rectangle((-side / 2, -side / 2), side, side, fill=False, ec=plt.rcParams["axes.edgecolor"], lw=0.8))
        axis.set(xlim=(-14.5, 14.5), ylim=(14.5, -14.5))
        axis.axis("off")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure


def one_unit(
    image: Tensor, field: ReceptiveField, place: tuple[int, int], look: Tensor, title: str, one: Tensor | None = None
) -> Figure:
    """A unit (row, column) in its map (h, w), its box on a digit (1, 28, 28), and how much it looks at each pixel (28, 28)."""
    height, width = field.output_size
    figure, (axes,) = _figure(1, 3, (9.5, 3.4))
    cmap = LinearSegmentedColormap.from_list("maps", [plt.rcParams["figure.facecolor"], BLUE, plt.rcParams["text.color"]])
    axes[0].imshow((torch.zeros(height, width) if one is None else one).numpy(), cmap=cmap)
    axes[0].add_patch(_box((place[0], place[1], place[0], place[1]), ORANGE))
    axes[0].set_title(f"row {place[0]}, column {place[1]} of {height}×{width}", loc="center")
    axes[0].set(xticks=[], yticks=[])
    axes[1].imshow(image.squeeze().numpy(), vmin=0, vmax=1)
    axes[1].set_title("what it can see", loc="center")
    axes[2].imshow((look / look.max()).numpy(), cmap="cividis", vmin=0, vmax=1)
    axes[2].set_title("what it looks at", loc="center")
    for axis in axes[1:]:
        axis.add_patch(_box(field.box(*place), ORANGE))
        _image_frame(axis)
        axis.set(xlim=(-3.5, 30.5), ylim=(30.5, -3.5), xticks=[], yticks=[])
    for spine in [spine for axis in axes for spine in axis.spines.values()]:
        spine.set_visible(False)
    axes[0].add_patch(Rectangle((-0.5, -0.5), width, height, fill=False, ec=plt.rcParams["axes.edgecolor"], lw=0.8))
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure


def _image_frame(axis) -> None:
    axis.add_patch(Rectangle((-0.5, -0.5), 28, 28, fill=False, ec=plt.rcParams["axes.edgecolor"], lw=0.8))


def effective(looks: dict[str, dict[str, Tensor]], boxes: dict[str, Box], data: str) -> Figure:
    """looks[when][layer]: how much each pixel (28, 28) moves one unit, each to its own maximum, with the field's box."""
    figure, axes = _figure(len(looks), len(boxes), (2.6 * len(boxes) + 1, 2.6 * len(looks) + 0.4))
    for line, (when, layers) in zip(axes, looks.items()):
        for axis, (name, look) in zip(line, layers.items()):
            axis.imshow((look / look.max()).numpy(), cmap="cividis", vmin=0, vmax=1)
            axis.add_patch(_box(boxes[name], ORANGE))
            axis.set(xlim=(-3.5, 30.5), ylim=(30.5, -3.5), xticks=[], yticks=[])
            for spine in axis.spines.values():
                spine.set_visible(False)
            axis.set_title(name, loc="center")
        line[0].set_ylabel(when)
    figure.suptitle(f"{data}: how much one unit looks at each pixel; the box is its field", x=0.01, ha="left", fontsize=11)
    return figure


def _box(box: Box, colour) -> Rectangle:
    top, left, bottom, right = box
    return Rectangle((left - 0.5, top - 0.5), right - left + 1, bottom - top + 1, fill=False, ec=colour, lw=1.8)


def versions(original: Tensor, changed: Tensor, title: str, columns: int = 10) -> Figure:
    """A digit (1, 28, 28) in [0, 1], framed, followed by its changed versions (N, 1, 28, 28)."""
    rows = -(-(len(changed) + 1) // columns)
    figure, axes = _figure(rows, columns, (columns * 0.95, rows * 0.98 + 0.35))
    for axis, image in zip(axes.flat, [original, *changed], strict=False):
        _image(axis, image)
    for axis in axes.flat[len(changed) + 1 :]:
        axis.axis("off")
    axes.flat[0].add_patch(Rectangle((-0.5, -0.5), 28, 28, fill=False, ec=ORANGE, lw=4))
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure


def pairs(rows: Sequence[tuple[str, Tensor]], title: str) -> Figure:
    """Rows of images (N, 1, 28, 28) in [0, 1] with a name each, to compare column by column."""
    columns = len(rows[0][1])
    figure, axes = _figure(len(rows), columns, (columns * 0.95 + 1.3, len(rows) * 0.98 + 0.35))
    for line, (name, images) in zip(axes, rows, strict=True):
        for axis, image in zip(line, images, strict=True):
            _image(axis, image)
        line[0].set_ylabel(name, rotation=0, ha="right", va="center")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure


def learning_rates(rates: Sequence[float], steps_per_epoch: int, title: str = "Learning rate, step by step") -> Figure:
    """The learning rate of every step of a run."""
    figure, ((axis,),) = _figure(1, 1, (7.5, 3))
    epochs = np.arange(len(rates)) / steps_per_epoch
    axis.plot(epochs, rates)
    peak = int(np.argmax(rates))
    for step in (0, peak, len(rates) - 1):
        axis.plot(epochs[step], rates[step], "o", color=ORANGE, zorder=3)
        right = step == len(rates) - 1
        offset, align = ((0, 8), "right" if right else "left" if step == 0 else "center")
        axis.annotate(f"{rates[step]:.4g}", (epochs[step], rates[step]), offset, textcoords="offset points", ha=align)
    axis.set(xlabel="epoch", ylabel="learning rate", ylim=(0, max(rates) * 1.2), title=title)
    axis.xaxis.get_major_locator().set_params(integer=True)
    return figure


def by_step(
    panels: Mapping[str, Mapping[str, Sequence[float]]], title: str, log: Sequence[str] = (), along: str = "step"
) -> Figure:
    """What changes along the steps (or epochs): a panel for each {what it is: {name: its values}}, a log scale if it is in log.

    A name has one colour in all panels.
    """
    figure, (axes,) = _figure(1, len(panels), (10.5 if len(panels) > 1 else 7.5, 3.2))
    names = list(dict.fromkeys(name for lines in panels.values() for name in lines))
    colours = dict(zip(names, (SKY, ORANGE, GREEN, BLUE, PURPLE, YELLOW), strict=False))
    for axis, (what, lines) in zip(axes, panels.items()):
        for name, values in lines.items():
            marker = "o" if len(values) <= 30 else None  # few are seen one by one
            axis.plot(range(1, len(values) + 1), values, marker=marker, ms=4, color=colours[name], label=name)
        axis.set(xlabel=along, title=what, yscale="log" if what in log else "linear")
        _plain_numbers(axis)
        axis.grid(axis="y", color=plt.rcParams["axes.edgecolor"], alpha=0.25, lw=0.8)
    if len(names) > 1:
        axes[-1].legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=9)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure


def valley(height: Callable[[Tensor], Tensor], paths: Mapping[str, Tensor], title: str) -> Figure:
    """The paths (steps, 2) of some walkers down one valley, a panel each; height: places (..., 2) -> (...)."""
    figure, axes = _figure(len(paths), 1, (9, 1.75 * len(paths) + 0.5))
    reach = torch.cat(list(paths.values())).abs().amax(0) * 1.15
    x, y = (torch.linspace(-float(end), float(end), 200) for end in reach)
    heights = height(torch.stack(torch.meshgrid(x, y, indexing="xy"), -1))
    for axis, (name, path) in zip(axes.flat, paths.items()):
        levels = float(heights.max()) * np.array((0.01, 0.04, 0.1, 0.2, 0.35, 0.55, 0.8))
        axis.contour(x, y, heights, levels, colors=plt.rcParams["axes.edgecolor"], linewidths=0.7)
        axis.plot(*path.T, "o-", ms=3, lw=1.2, color=BLUE)
        axis.plot(0, 0, "*", ms=13, color=GREEN)
        axis.set(title=name, ylabel="steep")
    axes.flat[-1].set_xlabel("gentle")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure


def curves(history: Sequence[dict], title: str, epochs: int | None = None, final: dict | None = None) -> Figure:
    """Loss and error by epoch, from Run.history, a line for each network; final, a record's "test" entry, adds the one reading
    of the test set.
    """

    def errors(entries: Sequence[dict], name: str) -> np.ndarray:
        return 100 * (1 - np.array([entry[name] for entry in entries]))  # (epochs,) or (epochs, members)

    figure, ((left, right),) = _figure(1, 2, (10.5, 3.4))
    at = [entry["epoch"] for entry in history]
    left.plot(at, [entry["train_loss"] for entry in history], "o-", ms=4, color=BLUE)
    left.set(yscale="log", xlabel="epoch", ylabel="cross-entropy (log scale)", title="training loss")
    shown = right.plot(at, errors(history, "train_accuracy"), "o-", ms=4, color=BLUE)
    shown[0].set_label("training images, augmented, with dropout")
    held_out = [entry for entry in history if "validation_accuracy" in entry]
    if held_out:
        epochs_seen = [entry["epoch"] for entry in held_out]
        shown = right.plot(epochs_seen, errors(held_out, "validation_accuracy"), "s-", ms=4, color=ORANGE)
        shown[0].set_label("held-out training images")
    if final:
        error = 100 * (1 - final["accuracy"])
        right.plot(final["epoch"], error, "*", ms=15, color=GREEN, label=f"test images, read once: {error:.2f} %", zorder=3)
    right.axhline(0.6, color=plt.rcParams["xtick.color"], lw=1, ls="--")
    right.text(0.6, 0.615, "99.4 % right", color=plt.rcParams["xtick.color"], fontsize=9)
    right.set(yscale="log", xlabel="epoch", ylabel="wrong answers (%, log scale)", title="error")
    right.legend(fontsize=9)
    for axis in (left, right):
        axis.set_xlim(0.5, (epochs or max(at)) + 0.5)
        _plain_numbers(axis)
        axis.grid(axis="y", color=plt.rcParams["axes.edgecolor"], alpha=0.25, lw=0.8)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure


class LiveCurves(Callback):
    """Redraws the curves after every epoch, in the output of the cell that trains."""

    def on_start(self, run: Run) -> None:
        self.handle = None

    def on_epoch(self, run: Run) -> None:
        title = f"{run.dataset.name}: {len(run.history)} of {math.ceil(run.config.epochs)} epochs, seed {run.config.seed}"
        figure = curves(run.history, title, math.ceil(run.config.epochs))
        if self.handle is None:
            self.handle = display(figure, display_id=True)
        else:
            self.handle.update(figure)


def mistakes(images: Tensor, labels: Tensor, logits: Tensor, title: str, most: int = 60) -> Figure:
    """The images (N, 1, 28, 28) that the logits (N, 10) get wrong, the surest mistake first: label, then answer."""
    answers, sureness = logits.argmax(1), logits.softmax(1).max(1).values
    wrong = (answers != labels).nonzero().flatten()
    wrong = wrong[sureness[wrong].argsort(descending=True)][:most]
    columns = 12
    rows = max(1, -(-len(wrong) // columns))
    figure, axes = _figure(rows, columns, (columns * 0.85, rows * 1.08 + 0.35))
    for axis in axes.flat[len(wrong) :]:
        axis.axis("off")
    for axis, i in zip(axes.flat, wrong.tolist(), strict=False):
        _image(axis, images[i] / 255)
        axis.set_title(f"{labels[i]} → {answers[i]}", fontsize=9, loc="center", pad=2)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure


def seeds(records: Sequence[dict], title: str) -> Figure:
    """The test accuracy of each run, their mean and its 95 % interval."""
    figure, ((axis,),) = _figure(1, 1, (7.5, 1.9))
    accuracies = [100 * record["test"]["accuracy"] for record in records]
    mean, low, high = mean_interval(accuracies)
    heights = [0.1 + 0.17 * accuracies[:i].count(accuracy) for i, accuracy in enumerate(accuracies)]  # equal ones are stacked
    axis.plot(accuracies, heights, "o", ms=8, label="one run each")
    axis.errorbar(mean, -0.3, xerr=[[mean - low], [high - mean]], fmt="D", color=ORANGE, capsize=5, label="mean, 95 % interval")
    axis.axvline(99.4, color=plt.rcParams["xtick.color"], lw=1, ls="--")
    axis.set(ylim=(-0.6, max(heights) + 0.2), yticks=[], xlabel="test images read right (%)", title=title)
    axis.xaxis.get_major_locator().set_params(steps=[1, 2, 5, 10])
    axis.spines["left"].set_visible(False)
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=9)
    return figure


def differences(rows: Sequence, title: str, names: Mapping[str, str] | None = None) -> Figure:
    """What each variant of a study gains or loses against the first, in points: seed by seed, and the mean with its interval.

    rows: as `study.table` gives them, the first variant first. names: what to call the others, if not as they are called.
    """
    first, *others = rows
    figure, ((axis,),) = _figure(1, 1, (8, 1.3 + 0.36 * len(others)))
    for y, row in enumerate(others):
        each = [row.values[seed] - first.values[seed] for seed in row.values if seed in first.values]
        axis.plot(each, [y] * len(each), "o", ms=5, color=SKY, alpha=0.8, mew=0, label="one seed each" if y == 0 else None)
        if row.difference is not None:
            low, high = row.difference_interval
            label = "mean, 95 % interval" if y == 0 else None
            ends = [[row.difference - low], [high - row.difference]]
            axis.errorbar(row.difference, y, xerr=ends, fmt="D", ms=6, color=ORANGE, capsize=4, lw=2, label=label)
    axis.axvline(0, color=plt.rcParams["xtick.color"], lw=1, ls="--")
    called = [(names or {}).get(row.variant, row.variant) for row in others]
    axis.set(yticks=range(len(others)), yticklabels=called, ylim=(len(others) - 0.5, -0.5), title=title)
    axis.set(xlabel=f"points of accuracy more or less than {first.variant}")
    axis.tick_params(axis="y", length=0)
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=9)
    return figure


def accuracy_over_parameters(rows: Sequence, title: str, wanted: float = 99.4) -> Figure:
    """How well networks of so many numbers read, seed by seed and on average; rows as `study.table` gives them."""
    figure, ((axis,),) = _figure(1, 1, (8, 4))
    for row in rows:
        first = row is rows[0]
        label = "one seed each" if first else None
        axis.plot(
            [row.parameters] * len(row.values), list(row.values.values()), "o", ms=4, color=SKY, alpha=0.8, mew=0, label=label
        )
        if row.interval:
            ends = [[row.mean - row.interval[0]], [row.interval[1] - row.mean]]
            label = "mean, 95 % interval" if first else None
            axis.errorbar(row.parameters, row.mean, yerr=ends, fmt="D", ms=6, color=ORANGE, capsize=4, label=label)
    axis.axhline(wanted, color=plt.rcParams["xtick.color"], lw=1, ls="--")
    ticks = [row.parameters for row in rows]
    axis.set(xscale="log", xlabel="numbers in the network", ylabel="held-out images read right (%)", title=title)
    axis.set_xticks(ticks, [f"{tick:,}" for tick in ticks], rotation=30, ha="right")
    axis.minorticks_off()
    axis.legend(loc="lower right", fontsize=9)
    return figure


def step_times(profiles: Mapping[str, Mapping[str, float]], title: str) -> Figure:
    """Where each millisecond of a step goes: one bar for each way of training, {kind of work: milliseconds}."""
    kinds = [kind for kind in STEP_COLOURS if any(kind in parts for parts in profiles.values())]
    figure, ((axis,),) = _figure(1, 1, (9, 1.1 + 0.55 * len(profiles)))
    for y, parts in enumerate(profiles.values()):
        left = 0.0
        for kind in kinds:
            width = max(parts.get(kind, 0), 0)
            axis.barh(y, width, 0.62, left, color=STEP_COLOURS[kind], ec=plt.rcParams["figure.facecolor"], lw=1)
            left += width
        axis.text(left, y, f" {left:.0f} ms", va="center")
    axis.set(yticks=range(len(profiles)), yticklabels=list(profiles), xlabel="milliseconds a step of 128 images", title=title)
    axis.set_xlim(0, 1.18 * max(sum(parts.values()) for parts in profiles.values()))
    axis.invert_yaxis()
    axis.tick_params(axis="y", length=0)
    axis.legend(handles=[Patch(color=STEP_COLOURS[kind], label=kind) for kind in kinds], loc="upper left",
                bbox_to_anchor=(1, 1), fontsize=9)  # fmt: skip
    return figure


def ladder(rungs: Mapping[str, Sequence[float]], title: str) -> Figure:
    """Seconds an epoch on each rung: the median of its rounds with the lowest and highest, and the gain over the rung before.

    The gain is the median of the ratios, round by round.
    """
    figure, ((axis,),) = _figure(1, 1, (9, 1 + 0.42 * len(rungs)))
    before = None
    for y, seconds in enumerate(rungs.values()):
        middle = np.median(seconds)
        spread = [[middle - min(seconds)], [max(seconds) - middle]]
        axis.barh(y, middle, 0.62, color=SKY if y else YELLOW)
        axis.errorbar(middle, y, xerr=spread, color=plt.rcParams["text.color"], lw=1, capsize=3)
        gain = "" if before is None else f", {np.median(np.divide(before, seconds)):.2f} times as fast"
        axis.text(max(seconds), y, f"  {middle:.1f} s{gain}", va="center")
        before = seconds
    axis.set(yticks=range(len(rungs)), yticklabels=list(rungs), title=title)
    axis.set_xlabel("seconds an epoch of training; how many times as fast as the rung above")
    axis.set_xlim(0, 1.4 * max(max(seconds) for seconds in rungs.values()))
    axis.invert_yaxis()
    axis.tick_params(axis="y", length=0)
    return figure


def accuracy_over_time(points: Mapping[str, Sequence[Mapping[str, float]]], title: str) -> Figure:
    """Accuracy against seconds of training, for each way: [{"seconds", "accuracy"}], one a epoch."""
    figure, ((axis,),) = _figure(1, 1, (7.5, 3.2))
    for (name, course), marker in zip(points.items(), "osD^v"):
        errors = [100 * (1 - point["accuracy"]) for point in course]
        axis.plot([point["seconds"] for point in course], errors, marker=marker, label=name)
    axis.axhline(0.6, color=plt.rcParams["xtick.color"], lw=1, ls="--")
    axis.text(1, 0.6, "99.4 %", transform=axis.get_yaxis_transform(), va="bottom", ha="right", fontsize=9)
    axis.set(xscale="log", yscale="log", xlabel="seconds of training", ylabel="held-out images wrong (%)", title=title)
    for ticks in (axis.xaxis, axis.yaxis):
        ticks.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ticks.set_major_formatter("{x:g}")
        ticks.set_minor_formatter(NullFormatter())
    axis.legend()
    return figure


def memory_orders(shape: tuple[int, int, int], title: str) -> Figure:
    """Where the values (row, column) of an image's maps (C, H, W) lie in memory, plain and channels last; a colour is a map."""
    channels, height, width = shape
    tints = [BLUE, YELLOW, GREEN, PURPLE, SKY, ORANGE]
    places = [(c, h, w) for c in range(channels) for h in range(height) for w in range(width)]
    orders = {"plain": places, "channels last": sorted(places, key=lambda place: (place[1:], place[0]))}
    figure, ((axis,),) = _figure(1, 1, (9, 2.2))
    for y, order in enumerate(orders.values()):
        for x, (c, h, w) in enumerate(order):
            axis.add_patch(Rectangle((x, y - 0.35), 0.94, 0.7, fc=to_rgba(tints[c % len(tints)], 0.45), ec="none"))
            axis.text(x + 0.47, y, f"{h},{w}", ha="center", va="center", fontsize=9)
    axis.set(xlim=(-0.1, len(places)), ylim=(1.5, -0.5), title=title, xlabel="address")
    axis.set_xticks([x + 0.47 for x in range(len(places))], range(len(places)))
    axis.set_yticks(range(len(orders)), list(orders))
    axis.tick_params(length=0)
    for spine in axis.spines.values():
        spine.set_visible(False)
    handles = [Patch(fc=to_rgba(tints[c % len(tints)], 0.45), label=f"map {c}") for c in range(channels)]
    axis.legend(handles=handles, loc="center left", bbox_to_anchor=(1, 0.5), fontsize=9)
    return figure


def layer_shares(shares: Mapping[str, Mapping[str, float]], title: str) -> Figure:
    """shares[of what][layer], each adding up to 1: how differently parameters, work and time are spread over the layers."""
    layers = list(next(iter(shares.values())))
    figure, ((axis,),) = _figure(1, 1, (9, 3.2))
    width = 0.8 / len(shares)
    for i, ((what, of), colour) in enumerate(zip(shares.items(), (SKY, BLUE, ORANGE))):
        heights = [100 * of[layer] for layer in layers]
        bars = axis.bar(
            [x + (i - (len(shares) - 1) / 2) * width for x in range(len(layers))], heights, width, color=colour, label=what
        )
        axis.bar_label(bars, [f"{height:.0f}" for height in heights], fontsize=8, padding=1)
    axis.set_xticks(range(len(layers)), layers)
    axis.set(ylabel="share (%)", title=title)
    axis.tick_params(axis="x", length=0)
    axis.legend(fontsize=9)
    return figure


def calls(seconds: Sequence[float], title: str) -> Figure:
    """One dot for each call in its order, with their median and their mean."""
    figure, ((axis,),) = _figure(1, 1, (9, 2.8))
    took = [1000 * one for one in seconds]
    axis.plot(range(1, len(took) + 1), took, "o", ms=4, color=BLUE, label="one call each")
    axis.axhline(float(np.median(took)), color=GREEN, lw=1.5, label=f"median {np.median(took):.2f} ms")
    axis.axhline(float(np.mean(took)), color=ORANGE, lw=1.5, ls="--", label=f"mean {np.mean(took):.2f} ms")
    axis.set(yscale="log", xlabel="call", ylabel="milliseconds", title=title)
    axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.yaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_minor_formatter(NullFormatter())
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=9)
    return figure


def line(x: Sequence[float], y: Sequence[float], title: str, xlabel: str, ylabel: str, shaded: float | None = None) -> Figure:
    """One curve; x up to `shaded` is what the network was trained for, on both sides of 0 if the curve has two."""
    figure, ((axis,),) = _figure(1, 1, (7.5, 3))
    if shaded is not None:
        axis.axvspan(max(-shaded, min(x)), shaded, color=SKY, alpha=0.2, lw=0)
        middle = (max(-shaded, min(x)) + shaded) / 2
        axis.text(middle, min(y), "trained for", ha="center", color=plt.rcParams["xtick.color"], fontsize=9)
    axis.plot(x, y, "o-", ms=4)
    axis.set(title=title, xlabel=xlabel, ylabel=ylabel, xlim=(min(x), max(x)))
    axis.grid(axis="y", color=plt.rcParams["axes.edgecolor"], alpha=0.25, lw=0.8)
    return figure


def two_maps(degrees: float, side: int = 10) -> Figure:
    """A square of side x side pixels turned clockwise: where its pixels go (left), and where the result's come from (right).

    Left, the squares are places of the result: crossed out is one that nothing reaches, dark one that two pixels reach.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 5), layout="constrained")
    plt.close(figure)
    at, angle = np.arange(side) - (side - 1) / 2, math.radians(degrees)
    x, y = (one.ravel() for one in np.meshgrid(at, at))
    sent = np.stack([x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle)])
    asked = np.stack([x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)])
    reached = Counter(zip(*np.rint(sent - at[0]).astype(int)))
    from_inside = (np.abs(np.rint(asked - at[0]) + at[0]) <= side / 2).all(0)
    edge = plt.rcParams["axes.edgecolor"]
    for px, py, inside in zip(x, y, from_inside):
        times = reached[round(px - at[0]), round(py - at[0])]
        corner = (px - 0.5, py - 0.5)
        face = to_rgba(BLUE, (0, 0.12, 0.5)[min(times, 2)])
        left.add_patch(Rectangle(corner, 1, 1, fc=face, ec=edge, lw=0.5))
        right.add_patch(Rectangle(corner, 1, 1, fc=to_rgba(BLUE, 0.12), ec=edge, lw=0.5))
        if inside and not times:
            left.plot(px, py, "x", ms=11, mew=2.5, color=ORANGE)
    left.plot(*sent, ".", ms=6, color=plt.rcParams["text.color"])
    right.plot(*asked, ".", ms=6, color=plt.rcParams["text.color"])
    left.set_title("forward: squares are places of the result,\ndots the image's pixels, where they arrive")
    right.set_title("backward: squares are the image's pixels,\ndots where the result's places come from")
    for axis in (left, right):
        limit = side / 2 * 1.3
        axis.set(xlim=(-limit, limit), ylim=(limit, -limit), aspect="equal")
        axis.axis("off")
    handles = [
        Line2D([], [], ls="", marker="x", ms=9, mew=2.5, color=ORANGE, label="a hole: no dot"),
        Patch(fc=to_rgba(BLUE, 0.5), ec=edge, label="two dots: one overwrites the other"),
        Patch(fc="none", ec=edge, label="should stay empty: it comes from outside"),
    ]
    figure.legend(handles=handles, loc="outside lower left", ncols=3)
    figure.get_layout_engine().set(h_pad=0.1)
    return figure


def _figure(rows: int, columns: int, size: tuple[float, float], **ratios) -> tuple[Figure, np.ndarray]:
    """Figure and its array of axes, closed to pyplot: shown where it is named, and only there."""
    figure, axes = plt.subplots(rows, columns, figsize=size, layout="constrained", squeeze=False, **ratios)
    plt.close(figure)
    return figure, axes


def _plain_numbers(axis) -> None:
    """Whole numbers of steps or epochs below, 0.05 and not a power of ten at the side, also on a log scale."""
    axis.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.yaxis.set_minor_formatter(lambda value, _: f"{value:g}" if f"{value:e}"[0] in "25" else "")
    axis.tick_params(which="minor", labelsize=8)
    axis.xaxis.get_major_locator().set_params(integer=True)


def _image(axis, image: Tensor) -> None:
    axis.imshow(image.squeeze().numpy(), vmin=0, vmax=1)
    axis.set(xticks=[], yticks=[])
    for spine in axis.spines.values():
        spine.set(visible=True, linewidth=0.6)


def looking_inside(image: Tensor, maps: Mapping[str, Tensor], votes: Tensor, logits: Tensor, field: ReceptiveField) -> Figure:
    """The maps (C, h, w) that some layers make of a digit (1, 28, 28) in [0, 1], and the evidence (10, h, w) for each answer.

    field: of the layer whose places the evidence is about; it is drawn where those places lie on the digit.
    """
    columns = max(len(layer) for layer in maps.values())
    figure = plt.figure(figsize=(11, 0.62 * len(maps) + 1.6))
    plt.close(figure)
    upper, lower = figure.subfigures(2, 1, height_ratios=(0.62 * len(maps), 1.6))
    upper.subplots_adjust(left=0.06, right=0.995, top=0.985, bottom=0.02, wspace=0.06, hspace=0.08)
    cmap = LinearSegmentedColormap.from_list("maps", [plt.rcParams["figure.facecolor"], BLUE, plt.rcParams["text.color"]])
    for line, (name, layer) in zip(upper.subplots(len(maps), columns, squeeze=False), maps.items()):
        for axis in line[len(layer) :]:
            axis.axis("off")
        for axis, one in zip(line, layer):
            axis.imshow(one.numpy(), cmap=cmap, vmin=0, vmax=float(layer.max()))
            _frame(axis)
        line[0].set_ylabel(name, rotation=0, ha="right", va="center")
    lower.subplots_adjust(left=0.06, right=0.995, top=0.69, bottom=0.02, wspace=0.08)
    limit, answer = float(votes.abs().max()), int(logits.argmax())
    for digit, axis in enumerate(lower.subplots(1, 10)):
        _places(axis, image, votes[digit], field, limit)
        weight = "bold" if digit == answer else "normal"
        axis.set_title(f"{digit}: {logits[digit]:+.1f}", loc="center", weight=weight, fontsize=10, pad=4)
    lower.text(0.06, 0.94, "the evidence for each answer, and the logit it adds up to", va="center")
    lower.legend(handles=_signs(), loc="center right", ncols=2, fontsize=9, bbox_to_anchor=(1, 0.94))
    return figure


def evidence(image: Tensor, maps: Mapping[str, Tensor], field: ReceptiveField, title: str) -> Figure:
    """Evidence maps (h, w), each on the digit (1, 28, 28) in [0, 1] it is about, at the places it belongs to.

    All share one scale. field: of the layer that the evidence is read from.
    """
    figure, (axes,) = _figure(1, len(maps) + 1, (2.35 * (len(maps) + 1), 3.1))
    _image(axes[0], image)
    axes[0].set_title("what it was shown", loc="center")
    axes[0].set(xlim=(1.5, 26.5), ylim=(26.5, 1.5))
    limit = max(float(one.abs().max()) for one in maps.values()) or 1.0
    for axis, (name, one) in zip(axes[1:], maps.items(), strict=True):
        _places(axis, image, one, field, limit)
        axis.set_title(name, loc="center")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    if any(one.any() for one in maps.values()):
        figure.legend(handles=_signs(), loc="outside lower right", ncols=2, fontsize=9)
    return figure


def _signs() -> list[Patch]:
    return [Patch(fc=BLUE, label="speaks for it"), Patch(fc=ORANGE, label="speaks against it")]


def _places(axis, image: Tensor, values: Tensor, field: ReceptiveField, limit: float) -> None:
    """Values (h, w) of a layer over a digit: each a square, as wide as the layer's jump, around the middle of its field."""
    axis.imshow(image.squeeze().numpy(), vmin=0, vmax=1.7)  # the digit in grey
    strength = np.sqrt(np.abs(values.numpy()) / limit).clip(0, 1)  # the root: weak evidence is to be seen, too
    colours = np.where(values.numpy()[..., None] > 0, to_rgba(BLUE), to_rgba(ORANGE))
    colours[..., 3] = 0.9 * strength
    (height, width), (down, across), (first, left) = values.shape, field.jump, field.start
    edges = (left - across / 2, left + across * (width - 0.5), first + down * (height - 0.5), first - down / 2)
    axis.imshow(colours, extent=edges, interpolation="nearest", zorder=2)
    corner, quiet = (edges[0], edges[3]), plt.rcParams["axes.edgecolor"]
    axis.add_patch(Rectangle(corner, edges[1] - edges[0], edges[2] - edges[3], fill=False, ec=quiet, lw=0.8, zorder=3))
    axis.set(xlim=(1.5, 26.5), ylim=(26.5, 1.5))
    _frame(axis)


def excited_by(rows: Mapping[str, Tensor], title: str, filters: Sequence[Tensor] = ()) -> Figure:
    """What excites some maps most: a row of patches (k, 1, h, w) for each name, all on one scale.

    filters: weights (h, w), one in front of each row; blue where they are above zero, orange where below.
    """
    most = max(len(patches) for patches in rows.values())
    before = 2 if len(filters) else 0
    figure, axes = _figure(len(rows), most + before, ((most + before) * 0.72 + 1, len(rows) * 0.76 + 0.4))
    low, high = min(float(p.min()) for p in rows.values()), max(float(p.max()) for p in rows.values())
    signs = LinearSegmentedColormap.from_list("signs", [ORANGE, plt.rcParams["figure.facecolor"], BLUE])
    for line in axes:
        for axis in line:
            axis.axis("off")
    for line, weights in zip(axes, filters):
        line[0].imshow(weights.numpy(), cmap=signs, vmin=-float(weights.abs().max()), vmax=float(weights.abs().max()))
        line[0].axis("on")
        _frame(line[0])
    for line, (name, patches) in zip(axes, rows.items(), strict=True):
        for axis, patch in zip(line[before:], patches):
            axis.axis("on")
            _image(axis, (patch - low) / (high - low))
        line[0].set_ylabel(name, rotation=0, ha="right", va="center")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure


def filters(weights: Mapping[str, Tensor], title: str) -> Figure:
    """Filters (h, w): blue where a weight is above zero, orange where it is below, each to its own largest weight."""
    figure, (axes,) = _figure(1, len(weights), (len(weights) * 1.25 + 0.6, 1.85))
    signs = LinearSegmentedColormap.from_list("signs", [ORANGE, plt.rcParams["figure.facecolor"], BLUE])
    for axis, (name, one) in zip(axes, weights.items()):
        limit = float(one.abs().max())
        axis.imshow(one.numpy(), cmap=signs, vmin=-limit, vmax=limit)
        axis.set_title(name, loc="center", fontsize=10)
        _frame(axis)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure


def lesions(whole: int, wrong: Mapping[str, Sequence[int]], n: int, title: str) -> Figure:
    """How many of n images more are read wrong without a map: one dot a map, one line a layer.

    whole: wrong with every map; wrong: for each layer, without each of its maps.
    """
    figure, ((axis,),) = _figure(1, 1, (8.5, 0.9 + 0.52 * len(wrong)))
    for y, counts in enumerate(wrong.values()):
        seen: dict[int, int] = {}
        for more in sorted(count - whole for count in counts):
            place = seen[more] = seen.get(more, -1) + 1
            lift = (place + 1) // 2 * (-1) ** place * 0.058  # equal ones stand above one another
            axis.plot(more, y + lift, "o", ms=4.2, color=BLUE, alpha=0.8, mew=0)
    axis.axvline(0, color=plt.rcParams["xtick.color"], lw=1, ls="--")
    axis.set_xscale("symlog", linthresh=5, linscale=1.2)
    most = max(max(counts) for counts in wrong.values()) - whole
    least = min(min(counts) for counts in wrong.values()) - whole
    ticks = [tick for tick in (0, 1, 2, 3, 4, 5, 10, 20, 50, 100, 200, 500, 1000) if tick <= most]
    axis.set(yticks=range(len(wrong)), yticklabels=[f"{name}, {len(counts)} maps" for name, counts in wrong.items()])
    axis.set(ylim=(len(wrong) - 0.4, -0.6), xlim=(min(least, 0) - 0.5, max(most, 1) * 1.15), title=title)
    axis.set(xticks=ticks, xticklabels=ticks, xlabel=f"more of {n:,} images read wrong than with every map")
    axis.tick_params(axis="y", length=0)
    axis.minorticks_off()
    return figure


def reliability(bins: Sequence, title: str) -> Figure:
    """How often answers are right (95 % interval) against how sure they were; both scales widen towards 100 %.

    bins: as `interpret.reliability` gives them.
    """
    figure, ((axis,),) = _figure(1, 1, (6.6, 4.6))
    quiet, least = plt.rcParams["xtick.color"], 3e-5  # what is nearer to 100 % is drawn at the edge
    ends = (0.75, least)
    axis.plot(ends, ends, color=quiet, lw=1, ls="--", label="as often right as sure")
    for one in bins:
        x, y = max(1 - one.sureness, least), max(1 - one.right, least)
        low, high = (max(1 - end, least) for end in one.interval)
        axis.plot(
            [x, x], [low, high], color=BLUE, lw=1.6, label="95 % interval, and how many images" if one is bins[0] else None
        )
        axis.plot(x, y, "o", ms=7, color=BLUE)
        axis.annotate(
            f"{one.n:,}", (x, low), (0, -5), textcoords="offset points", ha="center", va="top", fontsize=9, color=quiet
        )
    ticks = (0.5, 0.1, 0.01, 0.001, 0.0001)
    labels = [f"{100 * (1 - tick):g} %" for tick in ticks]
    axis.set(xscale="log", yscale="log", xlim=(0.9, least * 0.8), ylim=(1.6, least * 0.8), title=title)
    axis.set_xticks(ticks, labels)
    axis.set_yticks(ticks, labels)
    axis.minorticks_off()
    axis.set(xlabel="how sure the network is", ylabel="how often it is right")
    axis.legend(loc="upper left", fontsize=9)
    return figure


def beside_people(groups: Mapping[str, Sequence[tuple[Tensor, int, int, Sequence[int]]]], title: str) -> Figure:
    """Images that a network got wrong, beside what people said of their labels, group by group.

    groups: {name: [(image (1, 28, 28), label, answer, (votes for the label, against it))]}; no votes: nobody was asked.
    A square stands for a person.
    """
    columns, wide, tall = 12, 0.86, 1.16  # inches of an image with its title and votes
    lines = sum(-(-len(group) // columns) for group in groups.values())
    width, height = columns * wide, lines * tall + 0.4 * len(groups) + 0.75
    figure = plt.figure(figsize=(width, height))
    plt.close(figure)
    figure.text(0.1 / width, 1 - 0.1 / height, title, fontsize=11, va="top")
    y = height - 0.35
    for name, group in groups.items():
        y -= 0.4
        figure.text(0.1 / width, (y + 0.1) / height, f"{name}: {len(group)}", weight="bold")
        for i, (image, label, answer, votes) in enumerate(group):
            if i % columns == 0:
                y -= tall
            axis = figure.add_axes((((i % columns) * wide + 0.1) / width, (y + 0.22) / height, 0.7 / width, 0.7 / height))
            _image(axis, image)
            axis.set_title(f"{label} → {answer}", fontsize=9, loc="center", pad=2)
            for person, colour in enumerate([BLUE] * votes[0] + [ORANGE] * votes[1] if votes else []):
                axis.add_patch(Rectangle((0.4 + 5.5 * person, 29), 4.5, 3, fc=colour, clip_on=False))
    handles = [Patch(fc=BLUE, label="a person who sees the label"), Patch(fc=ORANGE, label="a person who does not")]
    figure.legend(handles=handles, loc="lower left", ncols=2, fontsize=9, bbox_to_anchor=(0, 0))
    return figure


def _frame(axis) -> None:
    axis.set(xticks=[], yticks=[])
    for spine in axis.spines.values():
        spine.set(visible=True, linewidth=0.6)
