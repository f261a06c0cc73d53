"""Pictures of time and memory."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import to_rgb, to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import LogLocator, NullFormatter

from mnist_lib.plots.style import (
    BLUE,
    GREEN,
    LEAF,
    MULTIPLICATIONS,
    ORANGE,
    PARAMETERS,
    PURPLE,
    SKY,
    YELLOW,
    new_figure,
    reference_line,
)

CLASSIC, OURS, QUICK = ORANGE, GREEN, "#7B52AB"  # one way of training, one colour
STEP_COLOURS = {  # of a training step's kinds of work; neighbours differ in lightness or from blue to yellow
    "making images": YELLOW,
    "convolution": BLUE,
    "BatchNorm": LEAF,
    "ReLU": SKY,
    "dropout": ORANGE,
    "BatchNorm, ReLU, dropout, pooling compiled": "#E5BAD3",
    "pooling": "#F0E442",
    "the rest": "#57606a",
}


def step_times(profiles: Mapping[str, Mapping[str, float]], title: str) -> Figure:
    """Where each millisecond of a step goes: one bar for each way of training, {kind of work: milliseconds}.

    Every part that has room shows its milliseconds.
    """
    kinds = [kind for kind in STEP_COLOURS if any(kind in parts for parts in profiles.values())]
    figure, ((axis,),) = new_figure(1, 1, (9, 1.1 + 0.55 * len(profiles)))
    longest = max(sum(parts.values()) for parts in profiles.values())
    for y, parts in enumerate(profiles.values()):
        left = 0.0
        for kind in kinds:
            width = max(parts.get(kind, 0), 0)
            axis.barh(y, width, 0.62, left, color=STEP_COLOURS[kind], ec=plt.rcParams["figure.facecolor"], lw=1)
            if width > 0.025 * longest * len(said := f"{width:.0f}"):
                axis.text(left + width / 2, y, said, ha="center", va="center", fontsize=9, color=_ink_on(STEP_COLOURS[kind]))
            left += width
        axis.text(left, y, f" {left:.0f} ms", va="center")
    axis.set(yticks=range(len(profiles)), yticklabels=list(profiles), xlabel="milliseconds per step of 128 images", title=title)
    axis.set_xlim(0, 1.18 * longest)
    axis.invert_yaxis()
    axis.tick_params(axis="y", length=0)
    axis.legend(handles=[Patch(color=STEP_COLOURS[kind], label=kind) for kind in kinds], loc="upper left",
                bbox_to_anchor=(1, 1), fontsize=9)  # fmt: skip
    return figure


def _ink_on(colour) -> str:
    """Black or white, whichever is easier to read on a colour."""
    red, green, blue = (part / 12.92 if part <= 0.04 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(colour))
    return "#000000" if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.18 else "#ffffff"


def ladder(rungs: Mapping[str, Sequence[float]], title: str) -> Figure:
    """Seconds an epoch on each rung: the median of its rounds with the lowest and highest, and the gain over the rung before.

    The gain is the median of the ratios, round by round. Rungs are numbered from 1; the first bar is where the ladder begins.
    """
    figure, ((axis,),) = new_figure(1, 1, (9, 1.2 + 0.42 * len(rungs)), title)
    before = None
    for y, seconds in enumerate(rungs.values()):
        middle = np.median(seconds)
        spread = [[middle - min(seconds)], [max(seconds) - middle]]
        axis.barh(y, middle, 0.62, color=OURS if y else CLASSIC)
        axis.errorbar(middle, y, xerr=spread, color=plt.rcParams["text.color"], lw=1, capsize=3)
        gain = "" if before is None else f", {np.median(np.divide(before, seconds)):.2f} times as fast"
        axis.text(max(seconds), y, f"  {middle:.1f} s{gain}", va="center")
        before = seconds
    numbered = [f"{y}  {name}" if y else name for y, name in enumerate(rungs)]
    axis.set(yticks=range(len(rungs)), yticklabels=numbered)
    axis.set_xlabel("seconds per epoch of training\n(gain over the bar above: median of the rounds' ratios)")
    axis.set_xlim(0, 1.4 * max(max(seconds) for seconds in rungs.values()))
    axis.invert_yaxis()
    axis.tick_params(axis="y", length=0)
    return figure


def accuracy_over_time(points: Mapping[str, Sequence[Mapping[str, float]]], title: str) -> Figure:
    """Accuracy against seconds of training, for each way: [{"seconds", "accuracy"}], one a epoch."""
    figure, ((axis,),) = new_figure(1, 1, (7.5, 3.2))
    colours = {"classic": CLASSIC, "ours": OURS, "quick": QUICK}
    for (name, course), marker in zip(points.items(), "osD^v"):
        errors = [100 * (1 - point["accuracy"]) for point in course]
        axis.plot([point["seconds"] for point in course], errors, marker=marker, color=colours.get(name), label=name)
    reference_line(axis, 0.6, "99.4 % right")
    axis.set(xscale="log", yscale="log", xlabel="seconds of training", ylabel="held-out images wrong (%)", title=title)
    for ticks in (axis.xaxis, axis.yaxis):
        ticks.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ticks.set_major_formatter("{x:g}")
        ticks.set_minor_formatter(NullFormatter())
    axis.legend()
    return figure


def memory_orders(shape: tuple[int, int, int], title: str) -> Figure:
    """Where the values of an image's maps (C, H, W) lie in memory, plain and channels last, each with its map, row, column."""
    channels, height, width = shape
    tints = [BLUE, YELLOW, GREEN, PURPLE, SKY, ORANGE]
    places = [(c, h, w) for c in range(channels) for h in range(height) for w in range(width)]
    orders = {"plain": places, "channels last": sorted(places, key=lambda place: (place[1:], place[0]))}
    figure, ((axis,),) = new_figure(1, 1, (9, 2.2))
    for y, order in enumerate(orders.values()):
        for x, (c, h, w) in enumerate(order):
            axis.add_patch(Rectangle((x, y - 0.35), 0.94, 0.7, fc=to_rgba(tints[c % len(tints)], 0.45), ec="none"))
            axis.text(x + 0.47, y, f"map {c}\n{h},{w}", ha="center", va="center", fontsize=9)
    axis.set(xlim=(-0.1, len(places)), ylim=(1.5, -0.5), title=title, xlabel="address")
    axis.set_xticks([x + 0.47 for x in range(len(places))], range(len(places)))
    axis.set_yticks(range(len(orders)), list(orders))
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    return figure


def layer_shares(shares: Mapping[str, Mapping[str, float]], title: str) -> Figure:
    """shares[of what][layer], each adding up to 1: how parameters, multiplications and time, in this order, are spread."""
    layers = list(next(iter(shares.values())))
    figure, ((axis,),) = new_figure(1, 1, (9, 3.2))
    width = 0.8 / len(shares)
    for i, ((what, of), colour) in enumerate(zip(shares.items(), (PARAMETERS, MULTIPLICATIONS, YELLOW))):
        heights, aside = [100 * of[layer] for layer in layers], (i - (len(shares) - 1) / 2) * width
        bars = axis.bar(np.arange(len(layers)) + aside, heights, width, color=colour, label=what)
        axis.bar_label(bars, ["<1" if 0 < height < 0.5 else f"{height:.0f}" for height in heights], fontsize=8, padding=1)
    axis.set_xticks(range(len(layers)), layers)
    axis.set(ylabel="share (%)", title=title)
    axis.tick_params(axis="x", length=0)
    axis.legend(fontsize=9)
    return figure


def calls(seconds: Sequence[float], title: str) -> Figure:
    """One dot for each call in its order, with their median and their mean."""
    figure, ((axis,),) = new_figure(1, 1, (9, 2.8))
    took = [1000 * call for call in seconds]
    axis.plot(range(1, len(took) + 1), took, "o", ms=4, color=BLUE, label="one call each")
    axis.axhline(float(np.median(took)), color=GREEN, lw=1.5, label=f"median {np.median(took):.2f} ms")
    axis.axhline(float(np.mean(took)), color=ORANGE, lw=1.5, ls="--", label=f"mean {np.mean(took):.2f} ms")
    axis.set(yscale="log", xlabel="call", ylabel="milliseconds", title=title)
    axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.yaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_minor_formatter(NullFormatter())
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=9)
    return figure
