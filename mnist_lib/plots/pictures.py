"""A picture of how one's own handwriting is read."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from mnist_lib.data.pictures import Reading, shrunk
from mnist_lib.plots.style import ORANGE, box_patch, frame, show_image

MOST = 10  # digits that are shown


def handwriting_steps(reading: Reading, answers: Sequence[object] = (), naive_answer: object = "") -> Figure:
    """Above the photo, its background and its ink; below what the network is shown, and what shrinking alone would show it.

    answers: what the network says to each digit, in a few words. naive_answer: what it says to `shrunk(reading.grey)`.
    """
    shown = reading.digits[:MOST]
    height, width = reading.grey.shape
    tall = min(3.4, 3 * height / width) + 0.3
    figure = plt.figure(figsize=(9, tall + 2), layout="constrained")
    plt.close(figure)
    figure.get_layout_engine().set(h_pad=0.08)
    above, below = figure.subfigures(2, 1, height_ratios=(tall, 2))

    photo, background, ink = above.subplots(1, 3)
    photo.imshow(reading.grey, cmap="gray", vmin=0, vmax=255)
    photo.set_title("your picture, in grey")
    background.imshow(reading.background, cmap="gray", vmin=0, vmax=255)
    background.set_title("its background")
    ink.imshow(reading.ink, vmin=0, vmax=1)
    n = len(reading.digits)
    ink.set_title(f"the ink, and {n} digit{'s' * (n != 1)} in it")
    for digit in reading.digits:
        ink.add_patch(box_patch(in_arrays(digit.box, reading), ORANGE))
    for axis in (photo, background, ink):
        frame(axis)

    columns = max(7, len(shown) + 1)  # the digits, a space, the naive way, and perhaps nothing
    axes = below.subplots(1, columns + 1, width_ratios=[1] * len(shown) + [0.4] + [1] * (columns - len(shown)))
    naive = axes[len(shown) + 1]
    for axis in axes:
        axis.axis("off")
    for axis, digit in zip(axes, shown):
        axis.axis("on")
        show_image(axis, digit.image / 255)
    for axis, answer in zip(axes[: len(shown)], answers):
        axis.set_xlabel(answer, fontsize=9)
    axes[0].set_title("the network\nis shown")
    naive.axis("on")
    show_image(naive, shrunk(reading.grey) / 255)
    naive.set_xlabel(naive_answer, fontsize=9)
    naive.set_title("shrunk alone\nto 28×28", loc="right" if naive is axes[-1] else "left")
    return figure


def in_arrays(box: tuple[int, int, int, int], reading: Reading) -> tuple[float, ...]:
    """A box in the picture's pixels, in those of the smaller arrays."""
    down, across = (full / few for full, few in zip(reading.size, reading.grey.shape))
    return box[0] / down, box[1] / across, (box[2] + 1) / down - 1, (box[3] + 1) / across - 1
