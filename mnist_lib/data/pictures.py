"""Digits in a picture of handwriting, each prepared as MNIST's makers prepared theirs.

One function per step: grey picture -> background -> ink -> parts -> digits -> 28x28. First, if the shorter side has 100 pixels
or more, each pixel becomes the mean of 3x3. `size` is the picture's longer side. A window of n has max(3, 2 * floor(n / 2) +
1) pixels, is centred, and what lies outside the picture is left out of it. Neighbours are the eight around a pixel.
Percentiles interpolate linearly; `round` takes halves to the even number.
"""

from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from mnist_lib.data.picture_files import grey_picture

Box = tuple[int, int, int, int]  # top, left, bottom, right, inclusive
Part = tuple[Box, list[int]]  # and its labels
MOST = 200  # parts; a picture with more is a page of text
EIGHT = np.ones((3, 3))


@dataclass(frozen=True, eq=False)
class Digit:
    """A digit. image: uint8 (1, 28, 28), ink 255 on 0. box: top, left, bottom, right in the picture's pixels, inclusive."""

    image: Tensor
    box: Box


@dataclass(frozen=True, eq=False)
class Reading:
    """A picture after each step; the arrays are float (H, W), at most 1,000 pixels long.

    size: height and width of the picture itself, upright. grey: 0 black to 255 white. light_ink: whether ink is lighter
    than paper. background: grey without the ink. ink: 0 paper to 1 ink, without lines and specks. digits: in reading order.
    """

    size: tuple[int, int]
    grey: np.ndarray
    light_ink: bool
    background: np.ndarray
    ink: np.ndarray
    digits: tuple[Digit, ...]


def read_digits(source) -> tuple[Digit, ...]:
    """The digits in a picture, line by line from left to right: `read_picture(source).digits`."""
    return read_picture(source).digits


def read_picture(source) -> Reading:
    """Find the digits in a picture, whatever its size, light, paper and pen.

    Args:
        source: a path or open file, a PIL image, or an array (H, W), (1, H, W), or with colours last (H, W, 3), with
            opacity too (H, W, 4), of 0..1, 0..255 or 0..65535. A photo is turned upright first.

    Raises:
        ValueError: one sentence that says what to do, if this is not a picture, or no digits are found in it.
        ImportError: if Pillow is missing.
    """
    grey, size = grey_picture(source)
    if min(grey.shape) >= 100:  # against noise
        grey = box_mean(grey, 3)
    light_ink = has_light_ink(grey)
    background = estimate_background(grey, light_ink)
    ink = find_ink(grey, background)
    labels = label_parts(ink)
    digits = []
    for _, members in in_reading_order(join_parts(labels)):
        digit_ink = np.isin(labels, members) * ink
        top, left, bottom, right = box = _boxes((digit_ink > 0).astype(int))[0]
        digits.append(Digit(fit_digit(digit_ink[top : bottom + 1, left : right + 1]), _in_picture(box, grey.shape, size)))
    if not digits:
        raise ValueError("No digit was found in the picture: write larger or darker, with plain paper around it.")
    return Reading(size, grey, light_ink, background, ink, tuple(digits))


def has_light_ink(grey: np.ndarray) -> bool:
    """Whether ink is lighter than paper: of what is narrower than size / 3, is more lighter or more darker?

    A pixel counts by the cube of how much lighter it is than the opening (below) or than the mean of a square of size / 2,
    whichever is less; or darker than the closing or the mean.
    """
    level = box_mean(grey, max(grey.shape) / 2)
    light = np.minimum(grey - estimate_background(grey, light_ink=True), np.maximum(grey - level, 0))
    dark = np.minimum(estimate_background(grey, light_ink=False) - grey, np.maximum(level - grey, 0))
    return bool((light**3).sum() > (dark**3).sum())


def estimate_background(grey: np.ndarray, light_ink: bool) -> np.ndarray:
    """Closing by a square of size / 3: the largest value around each pixel, then the smallest of these; opening for light ink.

    Strokes narrower than the square vanish; light that changes slowly and the edges of wide shadows stay as they are.
    """
    operation = ndimage.grey_opening if light_ink else ndimage.grey_closing
    return operation(grey, (_odd(max(grey.shape) / 3),) * 2, mode="nearest")


def find_ink(grey: np.ndarray, background: np.ndarray) -> np.ndarray:
    """How much ink there is, (H, W) from 0 to 1.

    1. contrast = |grey - background| / (background + 32), less its lower quartile Q; what is above
       max(0.08, 5 * (Q - its 5th percentile)) is not noise.
    2. Ruled lines are removed from it, then all that is not free. A part is free if it is 6 pixels long or more (the longer
       side of its box) and touches the picture's edge with at most 3/4 of its length: then it is no shadow and no table.
    3. Full ink is the 90th percentile of what is left. If it is below 1.5 times the threshold of step 1, there is no ink. If
       nothing is left, the percentile is of what the lines leave, and the factor is 3.
    4. Ink is contrast over full ink, at most 1. It is kept where it is above 0.5 and free, and at those neighbours of
       such pixels that the lines leave.
    """
    contrast = np.abs(grey - background) / (background + 32)
    low, quartile = np.percentile(contrast, [5, 25])
    contrast = contrast - quartile
    threshold = max(0.08, 5 * (quartile - low))
    seen = contrast > threshold
    seen &= ~(ruled_lines(seen, contrast) | ruled_lines(seen.T, contrast.T).T)
    free = free_parts(seen)
    known = contrast[free if free.any() else seen]
    full = np.percentile(known, 90) if known.size else 0
    if full < (1.5 if free.any() else 3) * threshold:
        return np.zeros_like(contrast)
    ink = np.clip(contrast / full, 0, 1)
    return ink * (seen & widened(free_parts(seen & (ink > 0.5)), 1, 1))


def free_parts(mask: np.ndarray) -> np.ndarray:
    """The mask (H, W) without the parts that are under 6 pixels long or touch the edge with over 3/4 of their length."""
    labels, n = ndimage.label(mask, EIGHT)
    lengths = np.array([0] + [_length(box) for box in _boxes(labels)])
    border = np.ones_like(mask)
    border[1:-1, 1:-1] = False
    touching = np.bincount(labels[border], minlength=n + 1)
    return ((lengths >= 6) & (touching <= 0.75 * lengths))[labels]


def ruled_lines(seen: np.ndarray, contrast: np.ndarray) -> np.ndarray:
    """Which pixels of the mask `seen` (H, W) lie on a horizontal ruled line, if a little slanted, and not on ink across it.

    1. Thin pixels are in a vertical run of at most size / 60. Of these, long ones are in a horizontal run of W / 40 or more.
    2. Each long run is widened by W / 6 on both sides, and by one pixel up and down. What this joins is a line if it has long
       pixels in half of all columns or more; the thin pixels there belong to it.
    3. What is over 1.5 times as dark as a line's median, or over 1 + 1.5 times as thick, is ink.
    """
    width = seen.shape[1]
    thick = _run_lengths(seen, vertical=True)
    thin = (thick > 0) & (thick <= max(seen.shape) / 60)
    long = _run_lengths(thin, vertical=False) >= max(3, width / 40)
    labels, _ = ndimage.label(widened(long, 1, width // 6), EIGHT)
    lines = np.zeros_like(seen)
    for i, place in enumerate(ndimage.find_objects(labels), 1):
        run = labels[place] == i
        if (long[place] & run).any(0).sum() >= width / 2:
            line = thin[place] & run
            dark, wide = contrast[place], thick[place]
            lines[place] |= line & (dark <= 1.5 * np.median(dark[line])) & (wide <= 1.5 * np.median(wide[line]) + 1)
    return lines


def label_parts(ink: np.ndarray) -> np.ndarray:
    """Whole numbers (H, W): 0 paper, 1 and up the parts, whose pixels touch or are at most half a stroke apart.

    Where ink is over 0.5, it is widened by max(1, round(stroke / 4)) on each side, and neighbours join. stroke is
    2 * area / (pixel edges on paper).
    """
    mask = np.pad(ink > 0.5, 1)
    edges = (mask[1:] != mask[:-1]).sum() + (mask[:, 1:] != mask[:, :-1]).sum()
    reach = max(1, round(0.5 * mask.sum() / max(1, edges)))
    return ndimage.label(widened(ink > 0.5, reach, reach), EIGHT)[0] * (ink > 0)


def join_parts(labels: np.ndarray) -> list[Part]:
    """The digits, as boxes and the labels of their parts. `tall` is the height below which parts hold half of all ink pixels.

    1. Specks are left out: parts whose box is shorter than 0.15 tall in both directions, or than 6 pixels.
    2. From the lowest part up, each joins the nearest that it belongs to (gap: the larger of the boxes' distances in x and y):
       one with which it shares over half of the smaller box; or one at most 0.2 tall away, if it is lower than 0.5 tall itself;
       or 0.05 tall away, if lower than 0.8 tall; or 0.1 tall above or below that shares half of the narrower one's width.
       This is repeated until none joins.
    3. What is still lower than 0.4 tall is not a digit.
    """
    boxes, areas = _boxes(labels), np.bincount(labels.ravel())[1:]
    if not boxes:
        return []
    heights = np.array([_height(box) for box in boxes])
    order = np.argsort(heights, kind="stable")
    tall = heights[order][np.searchsorted(areas[order].cumsum(), areas.sum() / 2)]
    parts = [(box, [i]) for i, box in enumerate(boxes, 1) if _length(box) >= max(6, 0.15 * tall)]
    if len(parts) > MOST:
        raise ValueError(f"The picture shows {len(parts)} separate things, as a page of text does: crop it to a few digits.")
    while pair := _next_pair(parts, tall):
        (box, members), (other, others) = (parts[i] for i in pair)
        joined = (*map(min, box[:2], other[:2]), *map(max, box[2:], other[2:]))
        parts = [part for i, part in enumerate(parts) if i not in pair] + [(joined, members + others)]
    return [part for part in parts if _height(part[0]) >= 0.4 * tall]


def _next_pair(parts: list[Part], tall: float) -> tuple[int, int] | None:
    """The lowest part that belongs to another, and the nearest of those."""
    for i in sorted(range(len(parts)), key=lambda i: _height(parts[i][0])):
        others = [j for j in range(len(parts)) if j != i and _belongs(parts[i][0], parts[j][0], tall)]
        if others:
            return i, min(others, key=lambda j: max(_gaps(parts[i][0], parts[j][0])))
    return None


def _belongs(box: Box, other: Box, tall: float) -> bool:
    down, across = _gaps(box, other)  # negative: how many pixels they share
    gap, smaller = max(down, across), min(_height(part) * _width(part) for part in (box, other))
    return (
        (gap < 0 and down * across > 0.5 * smaller)
        or (_height(box) < 0.5 * tall and gap <= 0.2 * tall)
        or (_height(box) < 0.8 * tall and gap <= 0.05 * tall)
        or (-across >= 0.5 * min(_width(box), _width(other)) and down <= 0.1 * tall)
    )


def in_reading_order(parts: list[Part]) -> list[Part]:
    """Line by line. From the left, each joins the line whose last digit shares most rows with it, if at least half."""
    lines: list[list[Part]] = []
    for part in sorted(parts, key=lambda part: part[0][1]):
        shared = [-_gaps(part[0], line[-1][0])[0] / min(_height(part[0]), _height(line[-1][0])) for line in lines]
        if shared and max(shared) >= 0.5:
            lines[shared.index(max(shared))].append(part)
        else:
            lines.append([part])
    lines.sort(key=lambda line: sum(box[0] + box[2] for box, _ in line) / len(line))
    return [part for line in lines for part in line]


def fit_digit(ink: np.ndarray) -> Tensor:
    """Ink in a digit's box -> uint8 (1, 28, 28): the longer side 20 pixels by area means, the darkest 255, its centre of
    mass, as in MNIST, on pixel (14, 14) of 0..27, rounded to whole pixels, or as near as keeps all of it.
    """
    height, width = (max(1, round(20 * side / max(ink.shape))) for side in ink.shape)
    small = area_mean(ink, height, width)
    small /= small.max()
    down, across = small.sum(1) @ np.arange(height) / small.sum(), small.sum(0) @ np.arange(width) / small.sum()
    top, left = min(max(round(14 - down), 0), 28 - height), min(max(round(14 - across), 0), 28 - width)
    image = np.zeros((28, 28))
    image[top : top + height, left : left + width] = small
    return torch.from_numpy((image * 255).round().astype(np.uint8))[None]


def shrunk(grey: np.ndarray) -> Tensor:
    """The naive way: the whole picture (H, W), 0..255, made 28x28 -> uint8 (1, 28, 28)."""
    return torch.from_numpy(area_mean(grey, 28, 28).round().astype(np.uint8))[None]


def area_mean(values: np.ndarray, height: int, width: int) -> np.ndarray:
    """(H, W) -> (height, width): each pixel is the mean of the area that it covers, parts of pixels by their share."""

    def shares(old: int, new: int) -> np.ndarray:
        ends, pixels = np.arange(new + 1) * old / new, np.arange(old)
        return np.clip(np.minimum(ends[1:, None], pixels + 1) - np.maximum(ends[:-1, None], pixels), 0, 1) * new / old

    return shares(len(values), height) @ values @ shares(values.shape[1], width).T


def box_mean(values: np.ndarray, side: float) -> np.ndarray:
    """The mean of a square window around each pixel, without what lies outside the picture."""
    total, count = (ndimage.uniform_filter(grid, _odd(side), mode="constant") for grid in (values, np.ones_like(values)))
    return total / count


def widened(mask: np.ndarray, down: int, across: int) -> np.ndarray:
    """The mask and all pixels within this many rows and columns of it."""
    return ndimage.maximum_filter(mask, (2 * down + 1, 2 * across + 1), mode="constant")


def _odd(length: float) -> int:
    return max(3, 2 * int(length / 2) + 1)


def _run_lengths(mask: np.ndarray, vertical: bool) -> np.ndarray:
    """For each pixel of the mask, the length of the run that it is in; else 0."""
    line = np.array([[0, vertical, 0], [not vertical, 1, not vertical], [0, vertical, 0]])
    labels, _ = ndimage.label(mask, line)
    return np.bincount(labels.ravel())[labels] * mask


def _boxes(labels: np.ndarray) -> list[Box]:
    return [(y.start, x.start, y.stop - 1, x.stop - 1) for y, x in ndimage.find_objects(labels)]


def _height(box: Box) -> int:
    return box[2] - box[0] + 1


def _width(box: Box) -> int:
    return box[3] - box[1] + 1


def _length(box: Box) -> int:
    return max(_height(box), _width(box))


def _gaps(box: Box, other: Box) -> tuple[int, int]:
    """Rows and columns between two boxes; negative: how many they share."""
    return tuple(max(box[i], other[i]) - min(box[i + 2], other[i + 2]) - 1 for i in (0, 1))


def _in_picture(box: Box, small: tuple[int, int], size: tuple[int, int]) -> Box:
    """The box in the picture's own pixels: all those that the box covers."""
    (top, left, bottom, right), (down, across) = box, (full / few for full, few in zip(size, small))
    return int(top * down), int(left * across), -int(-(bottom + 1) * down // 1) - 1, -int(-(right + 1) * across // 1) - 1
