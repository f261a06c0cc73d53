"""The one look of every picture: colours, themes, and what several pictures draw alike."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import colormaps
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

# Okabe and Ito's colours, which colour-blind readers tell apart
BLUE, ORANGE, GREEN, PURPLE, SKY, YELLOW = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00"
LEAF = "#66C2A4"  # a lighter green
PARAMETERS, MULTIPLICATIONS = BLUE, SKY  # one quantity, one colour in all pictures
Box = tuple[int, int, int, int]  # top, left, bottom, right, inclusive
LIGHT = {"ink": "#1f2328", "quiet": "#6e7781", "paper": "#ffffff"}
DARK = {"ink": "#e6edf3", "quiet": "#8b949e", "paper": "#0d1117"}


def use_theme(colours: dict[str, str]) -> None:
    """One look for every picture; LIGHT unless told. Two scales of colours: "signs" of weights, "strength" of maps."""
    ink, quiet, paper = colours["ink"], colours["quiet"], colours["paper"]
    for name, ends in (("signs", [ORANGE, paper, BLUE]), ("strength", [paper, BLUE, ink])):
        colormaps.unregister(name)  # of the theme before
        colormaps.register(LinearSegmentedColormap.from_list(name, ends))
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


def image_frame(axis, width: float = 0.8) -> None:
    axis.add_patch(Rectangle((-0.5, -0.5), 28, 28, fill=False, ec=plt.rcParams["axes.edgecolor"], lw=width))


def box_patch(box: Box, colour) -> Rectangle:
    top, left, bottom, right = box
    return Rectangle((left - 0.5, top - 0.5), right - left + 1, bottom - top + 1, fill=False, ec=colour, lw=1.8)


def new_figure(
    rows: int, columns: int, size: tuple[float, float], title: str | None = None, **ratios
) -> tuple[Figure, np.ndarray]:
    """Figure and its array of axes, closed to pyplot: shown where it is named, and only there. title: above all axes."""
    figure, axes = plt.subplots(rows, columns, figsize=size, layout="constrained", squeeze=False, **ratios)
    if title is not None:
        figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    plt.close(figure)
    return figure, axes


def gallery(
    n: int, columns: int, cell: tuple[float, float], title: str, around: tuple[float, float] = (0, 0.35)
) -> tuple[Figure, np.ndarray]:
    """A figure and its n axes, so many in a row. cell: width and height of each in inches, around: what comes on top."""
    rows = max(1, -(-n // columns))
    figure, axes = new_figure(rows, columns, (columns * cell[0] + around[0], rows * cell[1] + around[1]), title)
    for axis in axes.flat[n:]:
        axis.axis("off")
    return figure, axes.flat[:n]


def plain_numbers(axis) -> None:
    """Whole numbers of steps or epochs below, 0.05 and not a power of ten at the side, also on a log scale."""
    axis.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.yaxis.set_minor_formatter(lambda value, _: f"{value:g}" if f"{value:e}"[0] in "25" else "")
    axis.tick_params(which="minor", labelsize=8)
    axis.xaxis.get_major_locator().set_params(integer=True)


def reference_line(axis, value: float, label: str = "", across: bool = True, at_start: bool = False) -> None:
    """A dashed line at a value of y with its label above the right end (or the left one); if not across, at a value of x."""
    look = {"textcoords": "offset points", "fontsize": 9, "color": plt.rcParams["xtick.color"]}
    (axis.axhline if across else axis.axvline)(value, color=look["color"], lw=1, ls="--", zorder=1)
    if across:
        place, align, aside = ((0, value), "left", 4) if at_start else ((1, value), "right", 0)
        axis.annotate(label, place, (aside, 3), xycoords=axis.get_yaxis_transform(), ha=align, va="bottom", **look)
    else:
        axis.annotate(label, (value, 1), (-4, -3), xycoords=axis.get_xaxis_transform(), ha="right", va="top", **look)


def show_image(axis, image: Tensor) -> None:
    axis.imshow(image.squeeze().numpy(), vmin=0, vmax=1)
    frame(axis)


def frame(axis) -> None:
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set(visible=True, linewidth=0.6)
