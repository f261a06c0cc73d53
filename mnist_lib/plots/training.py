"""Pictures of a training: rates, steps, curves."""

import math
from collections.abc import Callable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import display
from matplotlib.figure import Figure
from torch import Tensor

from mnist_lib.plots.style import BLUE, GREEN, ORANGE, PURPLE, SKY, YELLOW, new_figure, plain_numbers, reference_line
from mnist_lib.trainer import Callback, Run


def learning_rates(rates: Sequence[float], steps_per_epoch: int, title: str = "Learning rate, step by step") -> Figure:
    """The learning rate of every step of a run."""
    figure, ((axis,),) = new_figure(1, 1, (7.5, 3))
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
    panels: Mapping[str, Mapping[str, Sequence[float]]],
    title: str,
    log: Sequence[str] = (),
    along: str = "step",
    goals: Mapping[str, float] | None = None,
) -> Figure:
    """What changes along the steps (or epochs): a panel for each {what it is: {name: its values}}, a log scale if it is in log.

    A name has one colour in all panels. goals: {what it is: a value to be reached}, a dashed line.
    """
    figure, (axes,) = new_figure(1, len(panels), (10.5 if len(panels) > 1 else 7.5, 3.2), title)
    names = list(dict.fromkeys(name for lines in panels.values() for name in lines))
    colours = dict(zip(names, (BLUE, ORANGE, GREEN, SKY, PURPLE, YELLOW), strict=False))
    for axis, (what, lines) in zip(axes, panels.items()):
        for name, values in lines.items():
            marker = "o" if len(values) <= 30 else None  # few are seen one by one
            ends = f"{name}: {values[-1]:.3f} at the end" if what in log and len(names) > 2 else name  # lines that lie close
            axis.plot(range(1, len(values) + 1), values, marker=marker, ms=4, color=colours[name], label=ends)
        axis.set(xlabel=along, ylabel=f"{what} (log scale)" if what in log else what, yscale="log" if what in log else "linear")
        if goals and what in goals:
            reference_line(axis, goals[what], f"{goals[what]:g}")
        plain_numbers(axis)
        axis.grid(axis="y", color=plt.rcParams["axes.edgecolor"], alpha=0.25, lw=0.8)
    if len(names) > 1:
        axes[-1].legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=9)
    return figure


def valley(height: Callable[[Tensor], Tensor], paths: Mapping[str, Tensor], title: str) -> Figure:
    """The paths (steps, 2) of some walkers down one valley, a panel each; height: places (..., 2) -> (...)."""
    figure, axes = new_figure(len(paths), 1, (9, 1.75 * len(paths) + 0.5), title)
    reach = torch.cat(list(paths.values())).abs().amax(0) * 1.15
    x, y = (torch.linspace(-float(end), float(end), 200) for end in reach)
    heights = height(torch.stack(torch.meshgrid(x, y, indexing="xy"), -1))
    for axis, (name, path) in zip(axes.flat, paths.items()):
        levels = float(heights.max()) * np.array((0.01, 0.04, 0.1, 0.2, 0.35, 0.55, 0.8))
        axis.contour(x, y, heights, levels, colors=plt.rcParams["axes.edgecolor"], linewidths=0.7)
        axis.plot(*path.T, "o-", ms=3, lw=1.2, color=BLUE)
        axis.plot(*path[0], "o", ms=9, mfc="none", mew=2, color=ORANGE)
        axis.annotate("start", path[0].tolist(), (9, -4), textcoords="offset points", fontsize=9)
        axis.plot(0, 0, "*", ms=13, color=GREEN)
        axis.set(title=name, ylabel="y (steep)")
    axes.flat[-1].set_xlabel("x (gentle)")
    return figure


def curves(history: Sequence[dict], title: str, epochs: int | None = None, final: dict | None = None) -> Figure:
    """Loss and error by epoch, from Run.history; final, a record's "test" entry, adds the one reading of the test set."""

    def errors(entries: Sequence[dict], name: str) -> np.ndarray:
        return 100 * (1 - np.array([entry[name] for entry in entries]))  # (epochs,)

    figure, ((left, right),) = new_figure(1, 2, (10.5, 3.4), title)
    at = [entry["epoch"] for entry in history]
    last = epochs or max(at)
    left.plot(at, [entry["train_loss"] for entry in history], "o-", ms=4, color=BLUE)
    left.set(yscale="log", xlabel="epoch", ylabel="training loss (log scale)")
    shown = right.plot(at, errors(history, "train_accuracy"), "o-", ms=4, color=BLUE)
    shown[0].set_label("training images, augmented, with dropout")
    held_out = [entry for entry in history if "validation_accuracy" in entry]
    if held_out:
        epochs_seen = [entry["epoch"] for entry in held_out]
        shown = right.plot(epochs_seen, errors(held_out, "validation_accuracy"), "s-", ms=4, color=ORANGE)
        shown[0].set_label("held-out training images")
    if final:
        error = 100 * (1 - final["accuracy"])
        label = f"test images, read once, at the end: {error:.2f} %"
        right.plot(last + 0.06 * last + 0.2, error, "*", ms=15, color=GREEN, label=label, zorder=3)  # beside the curve
    reference_line(right, 0.6, " 99.4 % right", at_start=True)
    right.set(yscale="log", xlabel="epoch", ylabel="wrong answers (%, log scale)")
    right.legend(fontsize=9)
    for axis in (left, right):
        axis.set_xlim(0.5, last + 0.5 + (0.06 * last if final else 0))
        plain_numbers(axis)
        axis.grid(axis="y", color=plt.rcParams["axes.edgecolor"], alpha=0.25, lw=0.8)
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


def line(
    x: Sequence[float],
    y: Sequence[float],
    title: str,
    xlabel: str,
    ylabel: str,
    shaded: float | None = None,
    wanted: float | None = None,
    ticks: Sequence[float] | None = None,
) -> Figure:
    """One curve; x up to `shaded` is what the network was trained for, on both sides of 0 if the curve has two.

    wanted: y in %, a dashed line; the scale is then 0 to 100. ticks: of x.
    """
    figure, ((axis,),) = new_figure(1, 1, (7.5, 3))
    if shaded is not None:
        axis.axvspan(max(-shaded, min(x)), shaded, color=SKY, alpha=0.2, lw=0)
        middle = (max(-shaded, min(x)) + shaded) / 2
        low = min(y) if wanted is None else 3
        axis.text(middle, low, "trained for", ha="center", color=plt.rcParams["xtick.color"], fontsize=9)
    if wanted is not None:
        reference_line(axis, wanted, f"{wanted:g} %")
        axis.set_ylim(0, 100)
    axis.plot(x, y, "o-", ms=4, clip_on=False, zorder=3)
    axis.set(title=title, xlabel=xlabel, ylabel=ylabel, xlim=(min(x), max(x)))
    if ticks is not None:
        axis.set_xticks(ticks)
    axis.grid(axis="y", color=plt.rcParams["axes.edgecolor"], alpha=0.25, lw=0.8)
    return figure
