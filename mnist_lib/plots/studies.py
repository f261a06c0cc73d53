"""Pictures of several runs: their spread, their differences, accuracy over size."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mnist_lib.plots.style import BLUE, GREEN, LEAF, ORANGE, SKY, YELLOW, new_figure, reference_line
from mnist_lib.studies.statistics import mean_interval


def seeds(records: Sequence[dict], title: str) -> Figure:
    """The test accuracy of each run, their mean and its 95 % interval."""
    figure, ((axis,),) = new_figure(1, 1, (7.5, 1.9))
    accuracies = [100 * record["test"]["accuracy"] for record in records]
    mean, low, high = mean_interval(accuracies)
    heights = [0.1 + 0.17 * accuracies[:i].count(accuracy) for i, accuracy in enumerate(accuracies)]  # equal ones are stacked
    axis.plot(accuracies, heights, "o", ms=8, label="one run each")
    axis.errorbar(mean, -0.3, xerr=[[mean - low], [high - mean]], fmt="D", color=ORANGE, capsize=5, label="mean, 95 % interval")
    reference_line(axis, 99.4, "99.4 %", across=False)
    axis.set(ylim=(-0.6, max(heights) + 0.2), yticks=[], xlabel="test images read correctly (%)", title=title)
    axis.xaxis.get_major_locator().set_params(steps=[1, 2, 5, 10])
    axis.spines["left"].set_visible(False)
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=9)
    return figure


def differences(rows: Sequence, title: str, names: Mapping[str, str] | None = None) -> Figure:
    """What each thing that a variant of a study leaves out is worth: the first variant, with it, minus this one, without it.

    In points, seed by seed, and below them the mean with its interval. rows: as `study.table` gives them, the whole recipe
    first. names: what each variant leaves out, {variant: ingredient}.
    """
    first, *others = rows
    figure, ((axis,),) = new_figure(1, 1, (8, 1.2 + 0.55 * len(others)))
    for y, row in enumerate(others):
        each = [round(first.values[seed] - row.values[seed], 6) for seed in row.values if seed in first.values]
        heights = [y - 0.06 - 0.09 * each[:i].count(one) for i, one in enumerate(each)]  # equal ones are stacked
        axis.plot(each, heights, "o", ms=5, color=SKY, mew=0, label="one seed each" if y == 0 else None)
        if row.difference is not None:
            low, high = row.difference_interval
            label = "mean, 95 % interval" if y == 0 else None
            ends = [[high - row.difference], [row.difference - low]]
            axis.errorbar(-row.difference, y + 0.22, xerr=ends, fmt="D", ms=6, color=ORANGE, capsize=4, lw=2, label=label)
    axis.axvline(0, color=plt.rcParams["xtick.color"], lw=1, ls="--")
    called = [(names or {}).get(row.variant, row.variant) for row in others]
    axis.set(yticks=range(len(others)), yticklabels=called, ylim=(len(others) - 0.5, -0.6), title=title)
    axis.set(xlabel="points of accuracy: with it minus without it")
    for x, words, align in ((0, "← better without it", "left"), (1, "worse without it →", "right")):
        at = {"xycoords": "axes fraction", "textcoords": "offset points", "annotation_clip": False}
        axis.annotate(words, (x, 0), (0, -32), ha=align, va="top", fontsize=10, **at)
    axis.tick_params(axis="y", length=0)
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=9)
    return figure


def accuracy_over_parameters(
    studies: Mapping[str, Sequence],
    title: str,
    line: float,
    called: str,
    band: Sequence[float] = (),
    claims: Mapping[str, tuple[int, float]] | None = None,
    easier: float | None = None,
) -> Figure:
    """Accuracy by the number of parameters, seed by seed and on average.

    studies: how each was trained, in words, with its rows as `study.table` gives them; at most three.
    line: an accuracy to compare with, in percent, what it is called, and the two ends of its own interval, if it has one.
    easier: how many points more of the test images are read correctly than of held-out ones; gives an axis on the right.
    claims: single results of the test images, {name: (numbers, %)}: hollow, on that axis, so they need `easier`.
    """
    figure, ((axis,),) = new_figure(1, 1, (8, 4))
    ticks: list[int] = []
    for parameters in sorted({row.parameters for rows in studies.values() for row in rows}):
        if not ticks or parameters > 1.15 * ticks[-1]:  # nearer ones would be written over each other
            ticks.append(parameters)
    looks = (
        (BLUE, SKY, "D", 0.99),
        (ORANGE, YELLOW, "o", 1.01),
        (GREEN, LEAF, "^", 1.03),
    )  # beside one another, not on one another
    for (name, rows), look in zip(studies.items(), looks[: len(studies)], strict=True):
        means_over_parameters(axis, name, rows, *look)
    reference_line(axis, line, called, at_start=True)
    if band:
        axis.axhspan(*band, color=plt.rcParams["axes.edgecolor"], alpha=0.18, lw=0, label="the line's own 95 % interval")
    axis.set(xscale="log", xlabel="numbers in the network", ylabel="held-out images read correctly (%)", title=title)
    axis.set_xticks(ticks, [f"{tick:,}" for tick in ticks], rotation=30, ha="right")
    axis.minorticks_off()
    axis.margins(x=0.08)
    for name, (numbers, percent) in (claims or {}).items():
        axis.plot(numbers, percent - easier, "s", ms=7, mfc="none", mec=plt.rcParams["text.color"], mew=1.3)
        largest = numbers == max(most for most, _ in claims.values())
        x, side = (-4, "left") if largest else (4, "right")  # away from the intervals
        axis.annotate(name, (numbers, percent - easier), (x, -8), textcoords="offset points", fontsize=8, ha=side, va="top")
    if easier is not None:
        right = axis.secondary_yaxis("right", functions=(lambda y: y + easier, lambda y: y - easier))
        right.set_ylabel(f"test images, {easier:.2f} points easier (%)")
    axis.legend(loc="lower right", fontsize=9, title="dots: one seed each", title_fontsize=9, alignment="left")
    return figure


def means_over_parameters(axis: Axes, name: str, rows: Sequence, colour: str, dots: str, marker: str, aside: float) -> None:
    """A dot for each seed, and where there are several, their mean and its interval; aside moves them to one side."""
    each = [(aside**3 * row.parameters, value) for row in rows for value in row.values.values()]
    several = sorted((row for row in rows if len(row.values) > 2), key=lambda row: row.parameters)
    axis.plot(*zip(*each), ".", ms=7 if several else 14, color=dots, mew=0, label=None if several else f"{name}: one run")
    if several:
        x, means = [aside * row.parameters for row in several], [row.mean for row in several]
        ends = [[row.mean - row.interval[0] for row in several], [row.interval[1] - row.mean for row in several]]
        seeds = sorted({len(row.values) for row in several})
        n = f"{seeds[0]} seeds" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]} seeds"
        label = f"{name}, {n}: mean, 95 % interval"
        axis.errorbar(x, means, yerr=ends, fmt=f"{marker}:", ms=6, color=colour, capsize=4, lw=1, elinewidth=2, label=label)
