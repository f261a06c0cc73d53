"""Pictures of images: as they are, changed, and misread."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from torch import Tensor

from mnist_lib.plots.style import BLUE, ORANGE, gallery, new_figure, show_image


def grid(images: Tensor, labels: Tensor | Sequence[str], title: str, columns: int = 10) -> Figure:
    """Images (N, 1, 28, 28), paper at their lowest value and ink at their highest, each with its label or a short caption."""
    figure, axes = gallery(len(labels), columns, (0.95, 1.15), title)
    for axis, image, label in zip(axes, images, labels):
        show_image(axis, (image - images.min()) / (images.max() - images.min()))
        axis.set_title(label if isinstance(label, str) else int(label), fontsize=9, loc="center", pad=2)
    return figure


def versions(original: Tensor, changed: Tensor, title: str, columns: int = 10) -> Figure:
    """A digit (1, 28, 28) in [0, 1], framed, followed by its changed versions (N, 1, 28, 28)."""
    figure, axes = gallery(len(changed) + 1, columns, (0.95, 0.98), title)
    for axis, image in zip(axes, [original, *changed]):
        show_image(axis, image)
    axes[0].add_patch(Rectangle((-0.5, -0.5), 28, 28, fill=False, ec=ORANGE, lw=4))
    return figure


def pairs(rows: Sequence[tuple[str, Tensor]], title: str, headings: Mapping[str, Sequence[str]] | None = None) -> Figure:
    """Rows of images (N, 1, 28, 28) in [0, 1] with a name each, to compare column by column.

    headings: {name of a row: what is written above each of its images}.
    """
    columns, headings = len(rows[0][1]), headings or {}
    height = len(rows) * 0.98 + len(headings) * 0.17 + 0.35
    width = max(columns * 0.95 + 1.3, 0.09 * len(title) + 0.3)  # no title is cut off
    figure, axes = new_figure(len(rows), columns, (width, height), title)
    for line, (name, images) in zip(axes, rows, strict=True):
        for axis, image in zip(line, images, strict=True):
            show_image(axis, image)
        for axis, heading in zip(line, headings.get(name, ())):
            axis.set_title(heading, fontsize=9, loc="center", pad=2)
        line[0].set_ylabel(name, rotation=0, ha="right", va="center")
    return figure


def mistakes(images: Tensor, labels: Tensor, logits: Tensor, title: str, most: int = 60) -> Figure:
    """The images (N, 1, 28, 28) that the logits (N, 10) get wrong, the most confident mistake first: label, then answer.

    At most `most` are shown; the title says so where there are more.
    """
    answers, confidence = logits.argmax(1), logits.softmax(1).max(1).values
    wrong = (answers != labels).nonzero().flatten()
    if len(wrong) > most:
        title += f"; the {most} most confident of {len(wrong):,}"
    wrong = wrong[confidence[wrong].argsort(descending=True)][:most]
    figure, axes = gallery(len(wrong), 12, (0.85, 1.08), title)
    for axis, i in zip(axes, wrong.tolist()):
        show_image(axis, images[i] / 255)
        axis.set_title(f"{labels[i]} → {answers[i]}", fontsize=9, loc="center", pad=2)
    return figure


def two_maps(degrees: float, side: int = 10) -> Figure:
    """A square of side x side pixels turned clockwise: where its pixels go (left), and where the result's come from (right).

    Left, the squares are places of the result: crossed out is one that nothing reaches, dark one that two pixels reach.
    """
    figure, ((left, right),) = new_figure(1, 2, (9, 5))
    at, angle = np.arange(side) - (side - 1) / 2, math.radians(degrees)
    x, y = (places.ravel() for places in np.meshgrid(at, at))
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
