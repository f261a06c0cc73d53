"""Pictures of what a network learned: evidence, patches, filters, lesions, reliability."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from torch import Tensor

from mnist_lib.plots.style import BLUE, ORANGE, frame, gallery, new_figure, show_image
from mnist_lib.receptive_field import ReceptiveField


def looking_inside(image: Tensor, maps: Mapping[str, Tensor], votes: Tensor, logits: Tensor, field: ReceptiveField) -> Figure:
    """The maps (C, h, w) that some layers make of a digit (1, 28, 28) in [0, 1], and the evidence (10, h, w) for each answer.

    field: of the layer whose places the evidence is about; it is drawn where those places lie on the digit.
    """
    columns = max(len(layer) for layer in maps.values())
    figure = plt.figure(figsize=(11, 0.62 * len(maps) + 1.6))
    plt.close(figure)
    upper, lower = figure.subfigures(2, 1, height_ratios=(0.62 * len(maps), 1.6))
    upper.subplots_adjust(left=0.06, right=0.995, top=0.985, bottom=0.02, wspace=0.06, hspace=0.08)
    for line, (name, layer) in zip(upper.subplots(len(maps), columns, squeeze=False), maps.items()):
        for axis in line[len(layer) :]:
            axis.axis("off")
        for axis, values in zip(line, layer):
            axis.imshow(values.numpy(), cmap="strength", vmin=0, vmax=float(layer.max()))
            frame(axis)
        line[0].set_ylabel(name, rotation=0, ha="right", va="center")
    lower.subplots_adjust(left=0.06, right=0.995, top=0.69, bottom=0.02, wspace=0.08)
    limit, answer = float(votes.abs().max()), int(logits.argmax())
    for digit, axis in enumerate(lower.subplots(1, 10)):
        _places(axis, image, votes[digit], field, limit)
        weight = "bold" if digit == answer else "normal"
        axis.set_title(f"{digit}: {logits[digit]:+.1f}", loc="center", weight=weight, fontsize=10, pad=4)
    lower.text(0.06, 0.94, "each answer's evidence, and the logit it adds up to", va="center")
    lower.legend(handles=_signs(limit), loc="center right", ncols=3, fontsize=9, bbox_to_anchor=(1, 0.94))
    return figure


def evidence(image: Tensor, maps: Mapping[str, Tensor], field: ReceptiveField, title: str) -> Figure:
    """Evidence maps (h, w), each on the digit (1, 28, 28) in [0, 1] it is about, at the places it belongs to.

    All share one scale. field: of the layer that the evidence is read from. Lines part the places, thick ones the quarters.
    A map of zeros shows the places alone.
    """
    figure, (axes,) = new_figure(1, len(maps) + 1, (2.35 * (len(maps) + 1), 3.1), title)
    show_image(axes[0], image)
    axes[0].set_title("what it was shown", loc="center")
    limit = max(float(values.abs().max()) for values in maps.values()) or 1.0
    for axis, (name, values) in zip(axes[1:], maps.items(), strict=True):
        _places(axis, image, values, field, limit, parted=True)
        axis.set_title(name, loc="center")
    if any(values.any() for values in maps.values()):
        figure.legend(handles=_signs(limit), loc="outside lower left", ncols=3, fontsize=9)
    return figure


def _signs(limit: float) -> list[Patch]:
    scale = f"full colour: {limit:.2g} or more (square-root scale)"
    return [Patch(fc=BLUE, label="speaks for it"), Patch(fc=ORANGE, label="speaks against it"), Patch(fc="none", label=scale)]


def _places(axis, image: Tensor, values: Tensor, field: ReceptiveField, limit: float, parted: bool = False) -> None:
    """Values (h, w) of a layer over a digit: each a square, as wide as the layer's jump, around the middle of its field.

    The digit is an outline: what shines through a colour would change it.
    """
    (height, width), (down, across), (first, left) = values.shape, field.jump, field.start
    edges = (left - across / 2, left + across * (width - 0.5), first + down * (height - 0.5), first - down / 2)
    ink, quiet = plt.rcParams["text.color"], plt.rcParams["axes.edgecolor"]
    if values.any():
        root = values.sign() * (values.abs() / limit).sqrt()  # weak evidence should show, too
        axis.imshow(root.numpy(), cmap="signs", vmin=-1, vmax=1, extent=edges, interpolation="nearest")
        if image.max() > 0.5:
            axis.contour(image.squeeze().numpy(), [0.5], colors=[ink], linewidths=0.8)
    else:
        axis.imshow(image.squeeze().numpy(), vmin=0, vmax=3)  # the digit in a pale grey
    if parted:
        axis.vlines([edges[0] + across * i for i in range(1, width)], *edges[2:], colors=quiet, lw=0.5)
        axis.hlines([edges[3] + down * i for i in range(1, height)], *edges[:2], colors=quiet, lw=0.5)
        axis.vlines((edges[0] + edges[1]) / 2, *edges[2:], colors=ink, lw=1.5)
        axis.hlines((edges[2] + edges[3]) / 2, *edges[:2], colors=ink, lw=1.5)
    axis.add_patch(Rectangle((edges[0], edges[3]), edges[1] - edges[0], edges[2] - edges[3], fill=False, ec=quiet, lw=0.8))
    cut = 0 if parted else 2  # a small picture leaves its margin out
    axis.set(xlim=(cut - 0.5, 27.5 - cut), ylim=(27.5 - cut, cut - 0.5))
    frame(axis)


def excited_by(rows: Mapping[str, Tensor], title: str, filters: Sequence[Tensor] = ()) -> Figure:
    """What excites some maps most: a row of patches (k, 1, h, w) for each name, all on one scale.

    filters: weights (h, w), one beside each row; blue where they are above zero, orange where below.
    """
    most = max(len(patches) for patches in rows.values())
    before = 2 if len(filters) else 0
    figure, axes = new_figure(len(rows), most + before, ((most + before) * 0.72 + 1, len(rows) * 0.76 + 0.4), title)
    low, high = min(float(p.min()) for p in rows.values()), max(float(p.max()) for p in rows.values())
    for axis in axes.flat:
        axis.axis("off")
    for line, weights in zip(axes, filters):
        line[0].imshow(weights.numpy(), cmap="signs", vmin=-float(weights.abs().max()), vmax=float(weights.abs().max()))
        line[0].axis("on")
        frame(line[0])
    for line, (name, patches) in zip(axes, rows.items(), strict=True):
        for axis, patch in zip(line[before:], patches):
            axis.axis("on")
            show_image(axis, (patch - low) / (high - low))
        line[0].set_ylabel(name, rotation=0, ha="right", va="center")
    return figure


def filters(weights: Mapping[str, Tensor], title: str, columns: int = 8) -> Figure:
    """Filters (h, w): blue where a weight is above zero, orange where it is below, each to its own largest weight."""
    figure, axes = gallery(len(weights), min(columns, len(weights)), (1.25, 1.5), title, (0.6, 0.35))
    for axis, (name, weight) in zip(axes, weights.items()):
        limit = float(weight.abs().max())
        axis.imshow(weight.numpy(), cmap="signs", vmin=-limit, vmax=limit)
        axis.set_title(name, loc="center", fontsize=10)
        frame(axis)
    return figure


def lesions(
    whole: int, wrong: Mapping[str, Sequence[int]], n: int, title: str, mean: Mapping[str, Sequence[int]] | None = None
) -> Figure:
    """How many more of n images are misread without a map: one dot per map, one line per layer.

    whole: wrong with every map; wrong: for each layer, while each of its maps is 0. mean: the same, while each is its own mean.
    """
    figure, ((axis,),) = new_figure(1, 1, (8.5, 1.1 + (0.72 if mean else 0.52) * len(wrong)))
    kinds = {"set to 0": (wrong, BLUE, 0.0)} | ({"set to its mean": (mean, ORANGE, 0.36)} if mean else {})
    for name, (layers, colour, below) in kinds.items():
        for y, counts in enumerate(layers.values()):
            seen: dict[int, int] = {}
            for more in sorted(count - whole for count in counts):
                place = seen[more] = seen.get(more, -1) + 1
                lift = (place + 1) // 2 * (-1) ** place * (0.022 if mean else 0.058)  # equal ones are stacked
                label = name if mean and y == place == 0 and len(seen) == 1 else None
                height = y - 0.5 * bool(mean) * 0.36 + below + lift
                axis.plot(more, height, "o", ms=4.2, color=colour, alpha=0.8, mew=0, label=label)
    everything = [count - whole for layers, _, _ in kinds.values() for counts in layers.values() for count in counts]
    most, least = max(everything), min(everything)
    quiet = plt.rcParams["xtick.color"]
    axis.axvline(0, color=quiet, lw=1, ls="--")
    axis.set_xscale("symlog", linthresh=5, linscale=1.2)
    if most > 5:
        axis.axvline(5, color=plt.rcParams["axes.edgecolor"], lw=0.8)
        axis.annotate(" from here on logarithmic", (5, len(wrong) - 0.45), fontsize=9, color=quiet, va="bottom")
    ticks = [tick for tick in (0, 1, 2, 3, 4, 5, 10, 20, 50, 100, 200, 500, 1000) if tick <= most]
    axis.set(yticks=range(len(wrong)), yticklabels=[f"{name}, {len(counts)} maps" for name, counts in wrong.items()])
    axis.set(ylim=(len(wrong) - 0.4, -0.6), xlim=(min(least, 0) - 0.5, max(most, 1) * 1.15), title=title)
    axis.set(xticks=ticks, xticklabels=ticks, xlabel=f"more of {n:,} images misread than with every map")
    axis.tick_params(axis="y", length=0)
    axis.minorticks_off()
    if mean:
        axis.legend(loc="upper right", fontsize=9)
    return figure


def reliability(bins: Sequence, title: str) -> Figure:
    """How often answers are right (95 % interval) against their confidence; both scales widen towards 100 %.

    What is nearer to 100 % than the scales go is an open triangle at their end.
    bins: as `interpret.reliability` gives them.
    """
    figure, ((axis,),) = new_figure(1, 1, (6.6, 4.6))
    quiet, least = plt.rcParams["xtick.color"], 1e-5
    ends = (0.75, least)
    axis.plot(ends, ends, color=quiet, lw=1, ls="--", label="as often right as sure")
    for number, each in enumerate(bins):
        x, y = max(1 - each.confidence, least), max(1 - each.right, least)
        low, high = (max(1 - end, least) for end in each.interval)
        label = "95 % interval, and how many images" if number == 0 else None
        axis.plot([x, x], [low, high], color=BLUE, lw=1.6, label=label)
        if min(1 - each.confidence, 1 - each.right) < least:
            label = f"beyond the scale: {100 * each.confidence:.5g} % sure, {100 * each.right:.5g} % right"
            pointed = ">" if 1 - each.right >= least else "^"
            axis.plot(x, y, pointed, ms=9, mfc=plt.rcParams["figure.facecolor"], mew=1.6, color=BLUE, label=label, zorder=3)
        else:
            axis.plot(x, y, "o", ms=7, color=BLUE)
        look = {"textcoords": "offset points", "ha": "center", "va": "top", "fontsize": 9, "color": quiet}
        axis.annotate(f"{each.n:,}", (x, low), (0, -5), **look)
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
    Each square is a person.
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
            show_image(axis, image)
            axis.set_title(f"{label} → {answer}", fontsize=9, loc="center", pad=2)
            for person, colour in enumerate([BLUE] * votes[0] + [ORANGE] * votes[1] if votes else []):
                axis.add_patch(Rectangle((0.4 + 5.5 * person, 29), 4.5, 3, fc=colour, clip_on=False))
    handles = [Patch(fc=BLUE, label="a person who sees the label"), Patch(fc=ORANGE, label="a person who does not")]
    figure.legend(handles=handles, loc="lower left", ncols=2, fontsize=9, bbox_to_anchor=(0, 0))
    return figure
