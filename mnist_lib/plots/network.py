"""Pictures of the network: its layers, its budget of numbers, what flows through it."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor, nn

from mnist_lib.model import DigitNet
from mnist_lib.model.layers import evaluating
from mnist_lib.plots.style import BLUE, MULTIPLICATIONS, ORANGE, PARAMETERS, SKY, box_patch, frame, new_figure, reference_line
from mnist_lib.receptive_field import receptive_fields
from mnist_lib.transforms import normalise


def architecture(model: nn.Module, image: Tensor, title: str = "", counts: bool = True) -> Figure:
    """What a DigitNet makes of a digit (1, 28, 28) in [0, 1], step by step, above the numbers that each step has.

    Maps are drawn to scale, the one with most contrast in front of a hint of the others; a layer of 1x1 maps is a column of
    its values, and the logits of conv8 are blue above zero and orange below.
    counts: whether the numbers are shown, or left for the reader to find.
    """
    steps = _steps(model, image)
    upper, lower, above = 1.8, 1.3 if counts else 0.0, 0.3 if title else 0.0  # inches
    tall = upper + lower + above
    figure = plt.figure(figsize=(len(steps) + 1, tall))
    plt.close(figure)
    figure.text(0.005, 1 - 0.08 / tall, title, va="top", fontsize=11)
    top = figure.add_axes([0, lower / tall, 1, upper / tall])
    ink, quiet = plt.rcParams["text.color"], plt.rcParams["xtick.color"]
    for x, (name, maps, _) in enumerate([("image", image, 0), *steps]):
        channels, height, width = maps.shape
        strongest = maps[maps.flatten(1).std(1).argmax()] if height > 1 else maps
        side, sheets = 0.78 * height / 28, min(6, 1 + channels // 6)
        if height == 1:
            values, cell = maps.flatten() / maps.abs().max(), 1.06 / channels
            for i, shade in enumerate(values.tolist()):
                y = (channels / 2 - i - 1) * cell
                face = plt.get_cmap("signs")((shade + 1) / 2) if name == "conv8" else plt.get_cmap("strength")(shade)
                top.add_patch(Rectangle((x - 0.06, y), 0.12, cell, fc=face, ec=quiet, lw=0.5))
                if name == "conv8":
                    top.text(x + 0.1, y + cell / 2, str(i), va="center_baseline", fontsize=9, color=ink)
        else:
            for sheet in reversed(range(1, sheets if name != "image" else 1)):
                corner = (x - side / 2 + 0.03 * sheet, -side / 2 + 0.03 * sheet)
                face = plt.rcParams["figure.facecolor"]
                top.add_patch(Rectangle(corner, side, side, fc=face, ec=quiet, lw=0.6, zorder=3 - sheet * 0.1))
            extent = (x - side / 2, x + side / 2, -side / 2, side / 2)
            top.imshow(strongest.squeeze().numpy(), extent=extent, cmap=None if name == "image" else "strength", zorder=3.1)
            top.add_patch(Rectangle(extent[::2], side, side, fill=False, ec=quiet, lw=0.6, zorder=3.2))
        top.text(x, -0.65, name, ha="center", va="center", weight="bold")
        top.text(x, -0.83, f"{channels}×{height}×{width}", ha="center", va="center", color=quiet, fontsize=9)
    limits = (-0.5, len(steps) + 0.5)
    top.set(xlim=limits, ylim=(-0.95, 0.59), aspect="equal")
    top.axis("off")
    if not counts:
        return figure
    bottom, held = figure.add_axes([0, 0.1 / tall, 1, (lower - 0.2) / tall]), [count for _, _, count in steps]
    bars = bottom.bar(range(1, len(steps) + 1), held, width=0.6, color=BLUE)
    bottom.bar_label(bars, [f"{count:,}" for count in held], padding=2, color=ink, fontsize=9)
    bottom.set(xlim=limits, ylim=(0, max(held) * 1.25), yticks=[], xticks=[])
    bottom.spines["left"].set_visible(False)
    bottom.text(0, max(held) * 0.62, f"{sum(held):,}\nnumbers", ha="center", va="center", fontsize=13, weight="bold")
    bottom.text(0, 0, "convolution\nand BatchNorm", ha="center", va="bottom", fontsize=8, color=quiet)
    return figure


def _steps(model: DigitNet, image: Tensor) -> list[tuple[str, Tensor, int]]:
    """(name, output maps after BatchNorm and ReLU, parameters) of each convolution and each pooling."""

    def count(*modules: nn.Module) -> int:
        return sum(p.numel() for module in modules for p in module.parameters())

    steps = []
    with evaluating(model):
        x = normalise(image.unsqueeze(0))
        for block in model.blocks():
            x = block.maps(x)
            steps.append((block.name, x[0], count(block.conv, block.norm)))
            if block.pool:
                x = block.pool(x)
                steps.append(("pool1", x[0], 0))
        for name, module in (("gap", model.gap), ("conv8", model.conv8)):
            x = module(x)
            steps.append((name, x[0], count(module)))
    return steps


def budget(
    model: nn.Module, image: Tensor | None = None, limit: int = 20_000, beside: nn.Module | None = None, field: bool = True
) -> Figure:
    """What a DigitNet of any widths and kernels spends on each layer: numbers, multiplications, and what conv7 sees in return.

    Above limit the bars of the numbers are orange. image: a digit (1, 28, 28) in [0, 1] for the field of conv7's middle unit.
    beside: another network, outlined, its amounts in brackets where they differ. field=False leaves out what conv7 sees.
    """
    steps = _steps(model, torch.zeros(1, 28, 28))
    counts, work = _spent(model, steps)
    total = sum(counts)
    ratios = [1, 1, 0.62] if field else [1, 1]
    figure, ((left, middle, *right),) = new_figure(1, len(ratios), (4.4 * sum(ratios), 3.9), width_ratios=ratios)
    others = _spent(beside, _steps(beside, torch.zeros(1, 28, 28))) if beside else (counts, work)
    for axis, spent, other, name, colour in (
        (left, counts, others[0], "numbers", PARAMETERS if total <= limit else ORANGE),
        (middle, work, others[1], "multiplications per image, in thousands", MULTIPLICATIONS),
    ):
        axis.barh(range(len(steps)), spent, color=colour)
        if beside:
            axis.barh(range(len(steps)), other, fill=False, ec=plt.rcParams["text.color"], lw=1, ls=":")
        longer = [max(pair) for pair in zip(spent, other)]
        for y, (end, one, there) in enumerate(zip(longer, spent, other)):
            said = _amount(one) if one == there else f"{_amount(one)} ({_amount(there)})"
            axis.annotate(said, (end, y), (4, 0), textcoords="offset points", va="center", fontsize=9)
        axis.invert_yaxis()
        axis.set(xlabel=name, yticks=[], xlim=(0, max(longer) * (1.4 if beside else 1.2)))
    left.set_yticks(range(len(steps)), [f"{name}   {'×'.join(map(str, maps.shape))}" for name, maps, _ in steps])
    verdict = f"{limit - total:,} left" if total <= limit else f"{total - limit:,} too many"
    left.set_title(f"{total:,} of {limit:,} numbers: {verdict}")
    middle.set_title(f"{sum(work) / 1000:,.2f} million multiplications")
    if field:
        _seen_by_conv7(right[0], model, image)
    return figure


def _seen_by_conv7(right: Axes, model: nn.Module, image: Tensor | None) -> None:
    field = receptive_fields(model, (28, 28))["conv7"]
    box = field.box(*(size // 2 for size in field.output_size))
    right.imshow((torch.zeros(28, 28) if image is None else image.squeeze()).numpy(), vmin=0, vmax=1)
    right.add_patch(Rectangle((-0.5, -0.5), 28, 28, fill=False, ec=plt.rcParams["axes.edgecolor"], lw=0.8))
    right.add_patch(box_patch(box, ORANGE))
    edges = [min(-3.5, *(low - 1.5 for low in box[:2])), max(30.5, *(high + 1.5 for high in box[2:]))]
    right.set(xlim=edges, ylim=edges[::-1], title=f"a unit of conv7 sees {field.size[0]}×{field.size[1]}")
    right.axis("off")


def _amount(number: float) -> str:
    return f"{number:,.0f}" if number >= 1 or number == 0 else f"{number:.1g}"


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
    figure, (axes,) = new_figure(
        1,
        len(grids),
        (0.62 * sum(widths) + 0.5, 0.5 * max(len(grid) for grid in grids.values()) + 0.9),
        title,
        width_ratios=widths,
    )
    for axis, (name, grid) in zip(axes, grids.items()):
        limit = 2 * float(grid.abs().max()) or 1.0  # pale, so that the numbers can be read
        axis.imshow(grid.numpy(), cmap="signs", vmin=-limit, vmax=limit)
        for (row, column), value in np.ndenumerate(grid.numpy()):
            said = f"{value:g}" if float(value).is_integer() else f"{value:.2f}"
            axis.text(column, row, said, ha="center", va="center", fontsize=9)
        axis.set_title(name, loc="center", fontsize=10)
        frame(axis)
        if marked and name in marked:
            row, column = marked[name]
            axis.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, ec=plt.rcParams["text.color"], lw=2))
    return figure


def spreads(stages: Mapping[str, Mapping[str, Tensor]], title: str) -> Figure:
    """How the values of some maps are spread, stage by stage: {stage: {map: its values, any shape}}, one panel per stage.

    All panels have one scale. Each map is a line that is high where many values lie; its dot is the mean, its bar one
    standard deviation each way.
    """
    figure, (axes,) = new_figure(1, len(stages), (3.5 * len(stages), 3.3), title)
    everything = np.concatenate([values.flatten().numpy() for maps in stages.values() for values in maps.values()])
    low, high = everything.min(), everything.max()  # nothing is cut off at the edges
    low, high = low - 0.02 * (high - low), high + 0.02 * (high - low)
    for axis, (stage, maps) in zip(axes, stages.items()):
        for y, values in enumerate(maps.values()):
            values = values.flatten()
            counts, edges = np.histogram(values.numpy(), bins=60)
            shape = 0.75 * np.sqrt(counts / counts.max())  # the root: thin tails should show, too
            axis.fill_between((edges[:-1] + edges[1:]) / 2, y, y - shape, step="mid", color=SKY, alpha=0.6, lw=0)
            mean, spread = float(values.mean()), float(values.std(correction=0))
            axis.plot([mean - spread, mean + spread], [y, y], color=BLUE, lw=3)
            axis.plot(mean, y, "o", ms=7, color=ORANGE, zorder=3)
        axis.axvline(0, color=plt.rcParams["xtick.color"], lw=1, ls="--", zorder=0)
        axis.set(yticks=range(len(maps)), yticklabels=maps if axis is axes[0] else [], title=stage)
        axis.set(ylim=(len(maps) - 0.7, -0.95), xlim=(low, high))
        axis.tick_params(axis="y", length=0)
    return figure


def influence(moved: Mapping[str, float], title: str, still: float = 1e-9) -> Figure:
    """How far the logits move when one kind of number is changed, by name; below `still` they have not moved."""
    figure, ((axis,),) = new_figure(1, 1, (8.5, 0.19 * len(moved) + 1))
    least = 1e-16  # what is nearer to 0 is drawn at the edge
    for y, value in enumerate(moved.values()):
        axis.plot([least, max(value, least)], [y, y], color=plt.rcParams["axes.edgecolor"], lw=0.8, alpha=0.5)
        axis.plot(max(value, least), y, "D" if value < still else "o", ms=6, color=ORANGE if value < still else BLUE)
    reference_line(axis, still, "left of this line: not moved", across=False)
    axis.set(xscale="log", xlim=(least, max(moved.values()) * 5), title=title, xlabel="largest change of a logit")
    axis.set_yticks(range(len(moved)), moved, fontsize=8)
    axis.set_ylim(len(moved) - 0.4, -1.8)  # above the first, the line's label
    axis.tick_params(axis="y", length=0)
    axis.minorticks_off()
    return figure


def before_after(groups: Mapping[str, tuple[Tensor, Tensor]], title: str) -> Figure:
    """Numbers before (x) and after training (y), a panel for each group; what stays as it was lies on the diagonal."""
    figure, (axes,) = new_figure(1, len(groups), (3.5 * len(groups), 3.9), title)
    for axis, (name, (before, after)) in zip(axes, groups.items()):
        limit = 1.1 * float(torch.cat([before.flatten(), after.flatten()]).abs().max())
        axis.plot([-limit, limit], [-limit, limit], color=plt.rcParams["xtick.color"], lw=1, ls="--")
        size, alpha = (1.6, 0.35) if before.numel() > 500 else (4, 0.6)  # else many would run into one blob
        axis.plot(before.flatten().numpy(), after.flatten().numpy(), "o", ms=size, alpha=alpha, color=BLUE, mew=0)
        axis.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal", xlabel="before training")
        axis.set_title(name, fontsize=10)
    axes[0].set_ylabel("after training")
    return figure
