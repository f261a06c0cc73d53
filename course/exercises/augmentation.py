"""Exercises of notebook 03."""

import math
from collections.abc import Callable
from itertools import combinations, product

import torch
import torch.nn.functional as F
from torch import Tensor

from course.exercises.checking import NotYet, alike, case, on, refused, slip_of, to_tensor, untouched
from mnist_lib.transforms import affine

SIDE, MIDDLE = 28, 13.5


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _noise(seed: int) -> Tensor:
    """(28, 28), float32 between 0.1 and 1: no pixel can be taken for an empty one, and no two are alike."""
    return 0.1 + 0.9 * torch.rand(SIDE, SIDE, generator=_generator(seed))


def _require_out_of_bounds(error: IndexError) -> None:
    """Raises any other IndexError again, such as that of an index that is not a whole number."""
    if "out of" not in str(error):  # "out of bounds" in torch and numpy, "out of range" in Python
        raise error


# 3a

ANGLES = (90, 180, 0, 20, -20, 33, -137)  # at none of these does a source lie half-way between two pixels

# {slip: what it changes in _turned}
TURN_SLIPS = {
    "turned about 14: the pixels are 0 to 27, and their middle is 13.5": {"centre": 14.0},
    "turned about 13: the pixels are 0 to 27, and their middle is 13.5": {"centre": 13.0},
    "turned about the corner: measure x and y from the centre, and add it again at the end": {"centre": 0.0},
    "it turns the other way, anticlockwise: the angle's sign is wrong, or x and y are swapped": {"way": -1},
    "the forward map: each pixel is sent on, and some places get none (holes). Ask of each place where it comes from": {
        "forward": True
    },
    "degrees are taken for radians: sine and cosine expect radians": {"radians": True},
    "positions are cut off, not rounded: 4.9 is nearest to 5": {"whole": torch.trunc},
    "positions are rounded down: 4.9 is nearest to 5": {"whole": torch.floor},
    "int(position + 0.5) turns -0.7 into 0, because int cuts towards 0: use round": {"whole": lambda at: torch.trunc(at + 0.5)},
    "row and column are swapped where the image is read: it is indexed [row, column]": {"swapped": True},
    "outside the image the border is repeated: it should be 0 there": {"outside": "border"},
    "negative positions wrap round: in Python, index -1 is the last pixel. Outside the image it is 0": {"outside": "negative"},
    "what leaves on one side comes back on the other: outside the image it is 0": {"outside": "wrap"},
}


def _turned(
    image: Tensor,
    degrees: float,
    centre: float = MIDDLE,
    way: int = 1,
    forward: bool = False,
    radians: bool = False,
    whole: Callable = torch.round,
    outside: str = "zero",
    swapped: bool = False,
) -> Tensor:
    """The image (28, 28) turned clockwise, nearest pixel; each argument puts a slip in."""
    image = image.T if swapped else image
    angle = way * (degrees if radians else math.radians(degrees))
    cos, sin = math.cos(angle), math.sin(angle if forward else -angle)
    row, column = torch.meshgrid(*[torch.arange(SIDE, dtype=torch.float64)] * 2, indexing="ij")
    x, y = column - centre, row - centre
    x, y = (whole(place + centre).long() for place in (x * cos - y * sin, x * sin + y * cos))
    inside = (x >= 0) & (x < SIDE) & (y >= 0) & (y < SIDE)
    if forward:
        turned = torch.zeros_like(image)
        turned[y[inside], x[inside]] = image[inside]
        return turned
    if outside == "wrap":
        return image[y % SIDE, x % SIDE]
    found = image[y.clamp(0, SIDE - 1), x.clamp(0, SIDE - 1)]
    if outside == "border":
        return found
    if outside == "negative":
        behind = (x < SIDE) & (y < SIDE) & (x >= -SIDE) & (y >= -SIDE)
        return torch.where(behind, image[y % SIDE, x % SIDE], 0)
    return torch.where(inside, found, 0)


def _turn(answer: Callable) -> bool:
    """Each place takes the pixel nearest to where it comes from."""
    cases, got, answer = [(_noise(seed), degrees) for seed, degrees in enumerate(ANGLES)], [], untouched(answer)
    for image, degrees in cases:
        words = f"a random image (28, 28), degrees = {degrees}"
        try:
            got.append(to_tensor(on(answer, words, image.clone(), degrees)))
        except IndexError as error:
            _require_out_of_bounds(error)
            slip = "it reads a pixel outside the image (IndexError). A place that comes from outside is 0"
            raise refused(slip, case(words, "0 where a place comes from outside", "IndexError")) from None
    failed = [i for i, turn in enumerate(cases) if not alike(_turned(*turn), got[i])]
    if not failed:
        return True
    two_at_once = {f"{a}; and also: {b}": TURN_SLIPS[a] | TURN_SLIPS[b] for a, b in combinations(TURN_SLIPS, 2)}
    wrong = [{slip: _turned(*turn, **change) for slip, change in (TURN_SLIPS | two_at_once).items()} for turn in cases]
    raise refused(slip_of(wrong, got, alike), _first_difference(*cases[failed[0]], got[failed[0]]))


def _first_difference(image: Tensor, degrees: float, got: Tensor) -> str:
    """The first place, row by row, that is wrong, with where it comes from."""
    words, expected = f"a random image (28, 28), degrees = {degrees}", _turned(image, degrees)
    if got.shape != expected.shape:
        return case(words, f"shape {tuple(expected.shape)}", f"shape {tuple(got.shape)}")
    row, column = (~torch.isclose(expected.double(), got, rtol=1e-4, atol=1e-4)).nonzero()[0].tolist()
    angle, x, y = math.radians(degrees), column - MIDDLE, row - MIDDLE
    from_x, from_y = (x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle))
    source = f"row {from_y + MIDDLE:.2f}, column {from_x + MIDDLE:.2f}"
    words += f"; look at row {row}, column {column}, which comes from {source}"
    return case(words, f"{expected[row, column]:.4f}", f"{got[row, column]:.4f}")


# 3b

POINTS = {  # (x, y); none lies half-way between two pixels, where "the nearest" has two meanings
    "on a pixel": [(5.0, 9.0), (0.0, 0.0)],
    "between pixels": [(10.25, 3.75), (2.6, 20.0), (7.0, 13.9), (13.4, 13.3)],
    "on the last row or column": [(27.0, 4.4), (11.3, 27.0), (27.0, 27.0)],
    "partly outside": [(-0.25, 6.0), (27.75, 8.4), (14.2, -0.6), (3.0, 27.4)],
    "outside": [(-2.0, 5.0), (12.0, 31.6), (40.0, 40.0), (-1.6, -1.6)],
}


def _blended(image: Tensor, x: float, y: float) -> Tensor:
    """The value at (x, y) by PyTorch's own grid_sample; what is outside counts as 0."""
    place = torch.tensor([[[[x, y]]]], dtype=torch.float64) * 2 / (SIDE - 1) - 1  # -1 and 1 are the outermost pixels' centres
    return F.grid_sample(image.double()[None, None], place, padding_mode="zeros", align_corners=True).flatten()[0]


def _pixel(image: Tensor, column: int, row: int) -> Tensor:
    return image[row, column] if 0 <= column < SIDE and 0 <= row < SIDE else image.new_tensor(0.0)


def _repeated(image: Tensor, column: int, row: int) -> Tensor:
    return image[min(max(row, 0), SIDE - 1), min(max(column, 0), SIDE - 1)]


def _from_behind(image: Tensor, column: int, row: int) -> Tensor:
    inside = -SIDE <= column < SIDE and -SIDE <= row < SIDE
    return image[row, column] if inside else image.new_tensor(0.0)


def _mixed(image: Tensor, x: float, y: float, whole: Callable = math.floor, pixel: Callable = _pixel) -> Tensor:
    """The value at (x, y), written out, with another way to round or to read a pixel."""
    left, top = whole(x), whole(y)
    upper = torch.lerp(pixel(image, left, top), pixel(image, left + 1, top), x - left)
    lower = torch.lerp(pixel(image, left, top + 1), pixel(image, left + 1, top + 1), x - left)
    return torch.lerp(upper, lower, y - top)


def _bilinear_slips(image: Tensor, x: float, y: float) -> dict[str, Tensor]:
    right, nothing = _mixed(image, x, y), image.new_tensor(0.0)
    left, top = math.floor(x), math.floor(y)
    on_a_pixel, all_inside = x == left or y == top, 0 <= left < SIDE - 1 and 0 <= top < SIDE - 1
    inside = 0 <= x <= SIDE - 1 and 0 <= y <= SIDE - 1
    mirrored = 2 * left + 1 - x, 2 * top + 1 - y  # its weights are the swapped ones
    around = [_pixel(image, left + i, top + j) for i, j in product((0, 1), repeat=2)]
    return {
        "the nearest pixel alone, where the four around the position should be blended": _pixel(image, round(x), round(y)),
        "x and y are swapped: x is the column, and image[row, column] takes the row first": _mixed(image, y, x),
        "the weights are swapped: the nearer a pixel lies, the more it weighs": _mixed(image, *mirrored),
        "the upper right and the lower left pixel have each other's weight": _mixed(image, left + y - top, top + x - left),
        "blended along x only: do the same along y": _mixed(image, x, round(y)),
        "blended along y only: do the same along x": _mixed(image, round(x), y),
        "0 on a whole x or y: there ceil(x) is floor(x), and both weights are 0. Use floor(x) + 1": (
            nothing if on_a_pixel else right
        ),
        "an error at the last pixel: at x = 27 only the right neighbour lies outside and counts as 0, not the whole value": (
            right if all_inside else nothing
        ),
        "a position just outside gives 0 at once: a neighbour that lies inside still counts": right if inside else nothing,
        "outside the image the border is repeated: it should be 0 there": _mixed(image, x, y, pixel=_repeated),
        "negative positions wrap round: in Python, index -1 is the last pixel. Outside the image it is 0": (
            _mixed(image, x, y, pixel=_from_behind)
        ),
        "int() cuts towards 0, so that -0.25 becomes 0: use math.floor": _mixed(image, x, y, whole=math.trunc),
        "the plain mean of the four neighbours: the nearer a pixel lies, the more it weighs": sum(around) / 4,
    }


def _bilinear(answer: Callable) -> bool:
    """A number for each position: inside, at the edge, outside."""
    image, got, answer = _noise(20), {}, untouched(answer)
    for kind, points in POINTS.items():
        for x, y in points:
            try:
                value = to_tensor(on(answer, _at(image, kind, x, y), image.clone(), x, y))
            except IndexError as error:
                _require_out_of_bounds(error)
                last = 27 in (x, y) or kind == "partly outside"
                slip = "an error at the last pixel" if last else "an error outside the image"
                slip += ": a neighbour that lies outside counts as 0; check that it lies inside before you index"
                shown = case(_at(image, kind, x, y), f"{_blended(image, x, y):.4f}", "IndexError")
                raise refused(slip, shown) from None
            if value.numel() != 1:
                raise NotYet(case(_at(image, kind, x, y), "one number", f"shape {tuple(value.shape)}"))
            got[kind, x, y] = value.reshape(())
    failed = [place for place, value in got.items() if not alike(_blended(image, *place[1:]), value)]
    if not failed:
        return True
    kind, x, y = failed[0]
    shown = case(_at(image, kind, x, y), f"{_blended(image, x, y):.4f}", f"{got[failed[0]]:.4f}")
    wrong = [_bilinear_slips(image, x, y) for _, x, y in got]
    raise refused(slip_of(wrong, list(got.values()), alike), shown)


def _at(image: Tensor, kind: str, x: float, y: float) -> str:
    left, top = math.floor(x), math.floor(y)
    upper, lower = (", ".join(f"{_pixel(image, left + i, top + j):.4f}" for i in (0, 1)) for j in (0, 1))
    around = f"; the four around it: {upper}, and below {lower}"
    return f"a random image, x = {x} (column), y = {y} (row), {kind}{around if kind != 'outside' else ''}"


# 3c

FARTHEST = 3
SHIFTS = list(product(range(-FARTHEST, FARTHEST + 1), repeat=2))  # (down, right), 49 of them


def _moved(image: Tensor, down: int, right: int) -> Tensor:
    """What leaves (28, 28) is lost, what comes in is 0."""
    wide = F.pad(image, (SIDE,) * 4)
    return wide[..., SIDE - down : 2 * SIDE - down, SIDE - right : 2 * SIDE - right]


def _shift_batch(answer: Callable) -> bool:
    """A draw for each image, from the generator alone; ink that leaves is lost."""
    images = torch.stack([_noise(seed)[None] for seed in range(30, 36)])  # (6, 1, 28, 28)
    words = "six random images (6, 1, 28, 28), a generator with seed 0"
    given = images.clone()
    with torch.random.fork_rng(devices=[]):
        result = to_tensor(on(answer, words, given, _generator(0)))
        if result.shape != images.shape:
            raise NotYet(case(words, f"shape {tuple(images.shape)}", f"shape {tuple(result.shape)}"))
        if not torch.equal(given, images):
            raise refused("the images are changed in place; write into a new tensor", f"\n  input: {words}")
        for i, moved in enumerate(result):
            _require_a_shift(images[i], moved[0], f"{words}; image {i}")
        torch.manual_seed(1)
        first = to_tensor(answer(images.clone(), _generator(0)))
        torch.manual_seed(2)
        again = to_tensor(answer(images.clone(), _generator(0)))
        many = images[:1].expand(4200, 1, SIDE, SIDE).clone()
        once, other = (to_tensor(answer(many.clone(), _generator(seed))) for seed in (0, 1))
    if not torch.equal(first, again):
        slip = "global random numbers: the same seed in the generator gives a different result; pass generator=generator"
        raise refused(slip, f"\n  input: {words}, twice")
    if all(torch.equal(moved, images.double()) for moved in (result, first)):
        raise refused("nothing is moved", f"\n  input: {words}")
    if torch.equal(once, other):
        slip = "the generator is not used: with another seed it gives the same result"
        raise refused(slip, "\n  input: seeds 0 and 1")
    which = _which(images[0, 0], once[:, 0])
    if -1 in which:
        _require_a_shift(images[0], once[which.index(-1), 0], f"one image 4,200 times; image {which.index(-1)}")
    _require_the_draws(torch.tensor([SHIFTS[i] for i in which]))
    return True


def _which(image: Tensor, results: Tensor) -> list[int]:
    """Which of the 49 shifts of image (28, 28) each result (N, 28, 28) is; -1 for none."""
    wanted = torch.stack([_moved(image, *shift) for shift in SHIFTS]).flatten(1).double()  # (49, 784)
    away, which = torch.cdist(results.flatten(1).double(), wanted, compute_mode="donot_use_mm_for_euclid_dist").min(1)
    return torch.where(away < 1e-3, which, -1).tolist()


def _require_a_shift(image: Tensor, result: Tensor, words: str) -> None:
    """NotYet unless the result (28, 28) is the image (1, 28, 28) moved by whole pixels, at most 3 along each axis."""
    if _which(image[0], result[None]) != [-1]:
        return
    expected = "the image moved by -3 to 3 pixels along each axis, with 0 where nothing moved in"
    for down, right in product(range(-SIDE, SIDE + 1), repeat=2):
        near = max(abs(down), abs(right)) <= FARTHEST
        if near and alike(image[0].roll((down, right), (0, 1)), result):
            slip = "it wraps round: what leaves on one side comes back on the other, but it should be lost"
            raise refused(slip, case(words, expected, f"moved by {down} down and {right} to the right, and round the border"))
        if not near and alike(_moved(image[0], down, right), result):
            slip = "it moves further than 3 pixels: for -3 to 3, torch.randint takes (-3, 4)"
            raise refused(slip, case(words, expected, f"moved by {down} down and {right} to the right"))
    raise NotYet(case(words, expected, "something else: is it moved by whole pixels, and is what comes in 0?"))


def _require_the_draws(draws: Tensor) -> None:
    """NotYet unless the draws (N, 2) differ from image to image, and -3 to 3 come equally often along each axis."""
    words, expected = "one image 4,200 times", "each of -3 to 3 about 600 times, along each axis, independently"
    (down, right), first = draws.T, draws[0].tolist()
    if (draws == draws[0]).all():
        slip = "one draw per batch: each image needs its own"
        raise refused(slip, case(words, expected, f"each time {first[0]} down and {first[1]} to the right"))
    for axis, name in ((down, "up and down"), (right, "to the left and right")):
        if (axis == axis[0]).all():
            got = f"all of them moved by {int(axis[0])}"
            raise refused(f"one draw per batch for the moves {name}: each image needs its own", case(words, expected, got))
    if (down == right).all() or (down == -right).all():
        got = f"the first image moved by {first[0]} down and {first[1]} to the right, and all others by as much in both, too"
        raise refused("one draw for both directions: each needs its own", case(words, expected, got))
    for axis, name in ((down, "down"), (right, "to the right")):
        counts = torch.stack([(axis == move).sum() for move in range(-FARTHEST, FARTHEST + 1)]).tolist()
        got = f"{name}, {', '.join(f'{move}: {count}' for move, count in zip(range(-3, 4), counts))}"
        if not counts[-1] or not counts[0]:
            slip = f"{'3' if not counts[-1] else '-3'} never comes: the upper end of torch.randint is not drawn"
            raise refused(slip, case(words, expected, got))
        if min(counts) < 475:  # 5.5 standard deviations below 600
            slip = "not all moves come equally often, as when a uniform number is rounded: torch.randint draws whole numbers"
            raise refused(slip, case(words, expected, got))


EXERCISES = {
    "3a": (
        _turn,
        "take one place of the result, say row 0, column 20, and a turn by 90°. Where did its ink come from? Which sign in the "
        "formula of the forward turn must change, and what do you loop over now?",
    ),
    "3b": (
        _bilinear,
        "work out the table above once more, with names in place of numbers. What are the weights when x is whole?",
    ),
    "3c": (
        _shift_batch,
        "how many numbers do you need in all, and for how many images? With a wide enough frame of zeros round an image, "
        "all that is left is to cut.",
    ),
}

TORCHVISION = "torchvision.transforms.v2.functional"  # slow to import: by name, for those who have done so
LIBRARY = {"3a": (affine, f"{TORCHVISION}.affine", f"{TORCHVISION}.rotate"), "3b": (F.grid_sample, affine)}
