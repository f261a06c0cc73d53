"""Exercises of notebook 03: each wrong implementation is refused by name, right ones of any make are taken."""

import math
import random

import numpy as np
import torch
import torch.nn.functional as F

from course.exercises import check
from course.exercises.augmentation import ANGLES, POINTS
from mnist_lib.transforms import AffineParams, affine


# 3a
def turn_by_loops(image, degrees, centre=13.5, sign=1, convert=math.radians, pick=round, outside=lambda i, r, c: 0.0):
    """Right as it stands; each argument puts a slip in."""
    cos, sin = math.cos(convert(degrees)), sign * math.sin(convert(degrees))
    turned = torch.zeros(28, 28)
    for row in range(28):
        for column in range(28):
            x, y = column - centre, row - centre
            from_column, from_row = pick(x * cos + y * sin + centre), pick(y * cos - x * sin + centre)
            if 0 <= from_row < 28 and 0 <= from_column < 28:
                turned[row, column] = image[from_row, from_column]
            else:
                turned[row, column] = outside(image, from_row, from_column)
    return turned


def turn_by_the_library(image, degrees):
    return affine(image[None, None].double(), AffineParams.identity(1, angle=float(degrees)), "nearest")[0, 0]


def turn_by_matrix(image, degrees):
    """In numpy, and all places at once."""
    angle = np.deg2rad(degrees)
    rows, columns = np.mgrid[:28, :28] - 13.5
    back = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    x, y = np.rint(back @ np.stack([columns.ravel(), rows.ravel()]) + 13.5).astype(int)
    framed = np.pad(np.asarray(image), 20)
    return framed[y + 20, x + 20].reshape(28, 28)


def turn_in_float32(image, degrees):
    angle, at = torch.deg2rad(torch.tensor(float(degrees))), torch.arange(28) - 13.5
    y, x = at[:, None], at
    from_x, from_y = (x * angle.cos() + y * angle.sin() + 13.5).round(), (y * angle.cos() - x * angle.sin() + 13.5).round()
    inside = (from_x >= 0) & (from_x <= 27) & (from_y >= 0) & (from_y <= 27)
    return image[from_y.long().clamp(0, 27), from_x.long().clamp(0, 27)] * inside


def forward(image, degrees):
    cos, sin, turned = math.cos(math.radians(degrees)), math.sin(math.radians(degrees)), torch.zeros(28, 28)
    for row in range(28):
        for column in range(28):
            x, y = column - 13.5, row - 13.5
            to_column, to_row = round(x * cos - y * sin + 13.5), round(x * sin + y * cos + 13.5)
            if 0 <= to_row < 28 and 0 <= to_column < 28:
                turned[to_row, to_column] = image[row, column]
    return turned


def row_for_x(image, degrees):
    return turn_by_matrix(np.asarray(image).T, degrees).T


def negative_index(image, row, column):
    return image[row, column] if max(row, column) < 28 and min(row, column) >= -28 else 0.0


def turn_in_place(image, degrees):
    image.copy_(turn_by_loops(image, degrees))
    return image


WRONG_TURN = {
    "turned about 14": lambda i, d: turn_by_loops(i, d, centre=14),
    "turned about 13": lambda i, d: turn_by_loops(i, d, centre=13),
    "turned about the corner": lambda i, d: turn_by_loops(i, d, centre=0),
    "it turns the other way": lambda i, d: turn_by_loops(i, d, sign=-1),
    "x and y are swapped": row_for_x,
    "the forward map": forward,
    "It calls affine, which does the exercise for you": turn_by_the_library,
    "image is changed in place": turn_in_place,
    "row and column are swapped where the image is read": lambda i, d: turn_by_loops(i.T.clone(), d),
    "degrees are taken for radians": lambda i, d: turn_by_loops(i, d, convert=float),
    "positions are cut off": lambda i, d: turn_by_loops(i, d, pick=int),
    "positions are rounded down": lambda i, d: turn_by_loops(i, d, pick=math.floor),
    "int(position + 0.5)": lambda i, d: turn_by_loops(i, d, pick=lambda at: int(at + 0.5)),
    "the border is repeated": lambda i, d: turn_by_loops(
        i, d, outside=lambda i, r, c: i[min(max(r, 0), 27), min(max(c, 0), 27)]
    ),
    "negative positions wrap round": lambda i, d: turn_by_loops(i, d, outside=negative_index),
    "comes back on the other": lambda i, d: turn_by_loops(i, d, outside=lambda i, r, c: i[r % 28, c % 28]),
    "turned about 14: the pixels are 0 to 27, and their middle is 13.5; and also: degrees": lambda i, d: turn_by_loops(
        i, d, centre=14, convert=float
    ),
    "it reads a pixel outside the image": lambda i, d: turn_by_loops(i, d, outside=lambda i, r, c: i[r, c]),
}


# 3b
def value(image, column, row):
    return float(image[row, column]) if 0 <= column <= 27 and 0 <= row <= 27 else 0.0


def bilinear_by_four(image, x, y):
    total = 0.0
    for column in (math.floor(x), math.floor(x) + 1):
        for row in (math.floor(y), math.floor(y) + 1):
            total += (1 - abs(x - column)) * (1 - abs(y - row)) * value(image, column, row)
    return total


def bilinear_by_hats(image, x, y):
    """Every pixel of the image weighs by a hat function: 1 at its own place, 0 from the next pixel on."""
    at = torch.arange(28.0, dtype=torch.float64)
    across, down = (1 - (at - x).abs()).clamp(min=0), (1 - (at - y).abs()).clamp(min=0)
    return down @ image.double() @ across


def bilinear_framed(image, x, y):
    """In numpy float32, in two steps, on a frame of zeros; gives an array of one number."""
    framed = np.pad(np.asarray(image), 40)
    left, top = int(np.floor(x)), int(np.floor(y))
    square = framed[top + 40 : top + 42, left + 40 : left + 42]
    lines = square[:, 0] + (x - left) * (square[:, 1] - square[:, 0])
    return np.asarray([lines[0] + (y - top) * (lines[1] - lines[0])], dtype=np.float32)


def grid_sampled(image, x, y):
    place = torch.tensor([[[[(2 * x + 1) / 28 - 1, (2 * y + 1) / 28 - 1]]]])
    return F.grid_sample(image[None, None], place, padding_mode="zeros", align_corners=False)[0, 0, 0, 0]


def blended(image, x, y, of=value, floor=math.floor):
    a, b = x - floor(x), y - floor(y)
    left, top = floor(x), floor(y)
    upper = (1 - a) * of(image, left, top) + a * of(image, left + 1, top)
    return (1 - b) * upper + b * ((1 - a) * of(image, left, top + 1) + a * of(image, left + 1, top + 1))


def stops_at_the_last_pixel(image, x, y):
    return blended(image, x, y, of=lambda i, c, r: float(i[r, c])) if 0 <= x <= 27 and 0 <= y <= 27 else 0.0


def nothing_at_the_last_pixel(image, x, y):
    return blended(image, x, y) if 0 <= x < 27 and 0 <= y < 27 else 0.0


def farther_weighs_more(image, x, y):
    a, b, left, top = x - math.floor(x), y - math.floor(y), math.floor(x), math.floor(y)
    upper = a * value(image, left, top) + (1 - a) * value(image, left + 1, top)
    lower = a * value(image, left, top + 1) + (1 - a) * value(image, left + 1, top + 1)
    return b * upper + (1 - b) * lower


def behind(image, column, row):
    return float(image[row, column]) if -28 <= column <= 27 and -28 <= row <= 27 else 0.0


def crossed(image, x, y):
    a, b, left, top = x - math.floor(x), y - math.floor(y), math.floor(x), math.floor(y)
    upper = (1 - a) * (1 - b) * value(image, left, top) + (1 - a) * b * value(image, left + 1, top)
    return upper + a * (1 - b) * value(image, left, top + 1) + a * b * value(image, left + 1, top + 1)


def between_floor_and_ceil(image, x, y):
    left, right, top, bottom = math.floor(x), math.ceil(x), math.floor(y), math.ceil(y)
    upper = (right - x) * value(image, left, top) + (x - left) * value(image, right, top)
    return (bottom - y) * upper + (y - top) * (
        (right - x) * value(image, left, bottom) + (x - left) * value(image, right, bottom)
    )


WRONG_BILINEAR = {
    "have each other's weight": crossed,
    "0 on a whole x or y": between_floor_and_ceil,
    "blended along x only": lambda i, x, y: blended(i, x, round(y)),
    "blended along y only": lambda i, x, y: blended(i, round(x), y),
    "the nearest pixel alone": lambda i, x, y: value(i, round(x), round(y)),
    "x and y are swapped": lambda i, x, y: bilinear_by_four(i, y, x),
    "the weights are swapped": farther_weighs_more,
    "an error at the last pixel: a neighbour": stops_at_the_last_pixel,
    "an error at the last pixel: at x = 27": nothing_at_the_last_pixel,
    "a position just outside gives 0 at once": lambda i, x, y: blended(i, x, y) if 0 <= x <= 27 and 0 <= y <= 27 else 0.0,
    "the border is repeated": lambda i, x, y: blended(i, x, y, of=lambda i, c, r: i[min(max(r, 0), 27), min(max(c, 0), 27)]),
    "negative positions wrap round": lambda i, x, y: blended(i, x, y, of=behind),
    "int() cuts towards 0": lambda i, x, y: blended(i, x, y, floor=int),
    "the plain mean": lambda i, x, y: sum(value(i, math.floor(x) + a, math.floor(y) + b) for a in (0, 1) for b in (0, 1)) / 4,
    "an error outside the image": lambda i, x, y: (
        bilinear_by_four(i, x, y) if -1 < x < 28 and -1 < y < 28 else float(i[int(y), int(x)])
    ),
    "It calls grid_sample": grid_sampled,
    "one number": lambda i, x, y: torch.zeros(2),
}


# 3c
def place(image, down, right):
    """What leaves is lost, by copying what stays."""
    moved = torch.zeros_like(image)
    here, there = (
        (slice(max(-down, 0), 28 - max(down, 0)), slice(max(-right, 0), 28 - max(right, 0))),
        (slice(max(down, 0), 28 + min(down, 0)), slice(max(right, 0), 28 + min(right, 0))),
    )
    moved[:, there[0], there[1]] = image[:, here[0], here[1]]
    return moved


def shift_by_loops(images, generator):
    result = torch.empty_like(images)
    for i, image in enumerate(images):
        down, right = (int(torch.randint(-3, 4, (), generator=generator)) for _ in range(2))
        result[i] = place(image, down, right)
    return result


def shift_at_once(images, generator):
    """By indexing, float64 in the end."""
    n, draws = len(images), torch.randint(0, 7, (2, len(images)), generator=generator)
    rows = torch.arange(28)[None] + draws[0][:, None]
    columns = torch.arange(28)[None] + draws[1][:, None]
    framed = F.pad(images, (3, 3, 3, 3))[:, 0]
    return framed[torch.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :]][:, None].double()


def shift_in_numpy(images, generator):
    """Uniform numbers cut into seven; rolled, and what came round is wiped out."""
    result = images.numpy().copy()
    for i, (down, right) in enumerate((torch.rand(len(images), 2, generator=generator) * 7).floor().int().sub(3).tolist()):
        one = np.roll(result[i, 0], (down, right), axis=(0, 1))
        if down:
            one[(slice(None, down) if down > 0 else slice(down, None))] = 0
        if right:
            one[:, (slice(None, right) if right > 0 else slice(right, None))] = 0
        result[i, 0] = one
    return result


def drawn(images, generator, draw, move=place):
    return torch.stack([move(image, *draw(generator)) for image in images])


def two(generator, low=-3, high=4):
    return torch.randint(low, high, (2,), generator=generator).tolist()


def one_for_all(images, generator):
    moves = two(generator)
    return torch.stack([place(image, *moves) for image in images])


def one_column_for_all(images, generator):
    right = int(torch.randint(-3, 4, (), generator=generator))
    return drawn(images, generator, lambda g: (two(g)[0], right))


def in_place(images, generator):
    for i in range(len(images)):
        images[i] = place(images[i].clone(), *two(generator))
    return images


def own_seed(images, generator):
    return shift_at_once(images, torch.Generator().manual_seed(7))


def rounded(generator):
    return (torch.rand(2, generator=generator) * 6 - 3).round().int().tolist()


WRONG_SHIFT = {
    "one draw per batch: each image needs its own": one_for_all,
    "one draw per batch for the moves to the left and right": one_column_for_all,
    "one draw for both directions": lambda i, g: drawn(i, g, lambda g: two(g)[:1] * 2),
    "it wraps round": lambda i, g: drawn(i, g, two, move=lambda image, *moves: image.roll(moves, (1, 2))),
    "global random numbers": lambda i, g: drawn(i, None, two),
    "global random numbers: the same seed in the generator": lambda i, g: drawn(
        i, g, lambda g: (random.randint(-3, 3), random.randint(-3, 3))
    ),
    "the generator is not used": own_seed,
    "the images are changed in place": in_place,
    "nothing is moved": lambda i, g: i.clone(),
    "3 never comes": lambda i, g: drawn(i, g, lambda g: two(g, -3, 3)),
    "further than 3 pixels": lambda i, g: drawn(i, g, lambda g: two(g, -14, 15)),
    "not all moves come equally often": lambda i, g: drawn(i, g, rounded),
    "is what comes in 0": lambda i, g: drawn(i, g, two, move=lambda image, *moves: place(image + 1, *moves)),
}

RIGHT = {
    "3a": [turn_by_loops, turn_by_matrix, turn_in_float32],
    "3b": [bilinear_by_four, bilinear_by_hats, bilinear_framed, blended],
    "3c": [shift_by_loops, shift_at_once, shift_in_numpy, lambda i, g: drawn(i, g, two)],
}
WRONG = {"3a": WRONG_TURN, "3b": WRONG_BILINEAR, "3c": WRONG_SHIFT}


def test_a_wrong_turn_is_shown_where_it_goes_wrong(capsys):
    """Three slips at once have no name: the case says which place is wrong, and where it should come from."""
    check("3a", lambda i, d: turn_by_loops(i, d, centre=14, sign=-1, pick=math.floor))
    said = capsys.readouterr().out
    assert "slip" not in said
    assert "degrees = 90; look at row 0, column 0, which comes from row 27.00, column 0.00" in said


def test_no_angle_asks_for_a_coin():
    """A source half-way between two pixels could be rounded either way: at these angles there is none."""
    rows, columns = torch.meshgrid(*[torch.arange(28, dtype=torch.float64) - 13.5] * 2, indexing="ij")
    for degrees in ANGLES:
        cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        for at in (columns * cos + rows * sin, rows * cos - columns * sin):
            assert ((at + 13.5) % 1 - 0.5).abs().min() > 1e-4, degrees
    assert all(at % 1 != 0.5 for points in POINTS.values() for point in points for at in point)
