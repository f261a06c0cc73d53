"""Exercises of notebook 02: the recurrence written out, a field measured by poison, a network designed to a field."""

import copy
import random
from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor, nn

from course.exercises.checking import NotYet, attempted, case, on, refused, slip_of, to_tensor
from mnist_lib.receptive_field import measure_field, receptive_fields

Layer = tuple[int, int, int, int]  # kernel, stride, padding, dilation
CARD: list[Layer] = [  # conv1 to conv8, with pool1 and gap
    *((3, 1, 0, 1), (3, 1, 0, 1), (1, 1, 0, 1), (2, 2, 0, 1)),
    *((3, 1, 0, 1), (3, 1, 0, 1), (3, 1, 0, 1), (3, 1, 1, 1), (6, 6, 0, 1), (1, 1, 0, 1)),
]

COLUMNS, IMAGE = ("field", "jump", "first centre"), (1.0, 1.0, 0.0)  # IMAGE: the image's own row, before any layer


# 2a
def _by_library(layers: list[Layer]) -> Tensor:
    """(field, jump, first centre) of each layer, (n, 3), from windows that the library follows unit by unit."""
    side = 2  # units of the last layer; how many pixels the layers need for it
    for k, t, _, d in reversed(layers):
        side = (side - 1) * t + (k - 1) * d + 1
    net = nn.Sequential(*(nn.Conv2d(1, 1, k, t, p, d, device="meta") for k, t, p, d in layers))
    rows = receptive_fields(net, (side, side))
    return torch.tensor([(row.size[0], row.jump[0], row.start[0]) for row in rows], dtype=torch.float64)


def _recurrence(layers: list[Layer], column: str, slip: str, way: int) -> Tensor:
    """The recurrence (n, 3) in which one column is worked out in one of the ways to make a slip."""
    r, j, s = IMAGE
    rows = []
    for k, t, p, d in layers:
        right = (r + (k - 1) * d * j, j * t, s + ((k - 1) * d / 2 - p) * j)
        wrong = _wrong_columns(r, j, s, k, t, p, d)[column][slip][way]
        r, j, s = (wrong if name == column else value for name, value in zip(COLUMNS, right))
        rows.append((r, j, s))
    return torch.tensor(rows, dtype=torch.float64)


def _wrong_columns(r: float, j: float, s: float, k: int, t: int, p: int, d: int) -> dict[str, dict[str, list[float]]]:
    """{column: {slip: its new value, in each of the ways to make it}}. The jump comes first: the other two depend on it."""
    return {
        "jump": {
            "the jump is the layer's own stride: it should be the product of all strides so far": [t],
            "the strides are added: they should be multiplied": [j + t, j + t - 1],
            "the jump never changes: a stride multiplies it": [j],
            "the dilation lengthens the jump: it spreads the kernel, but leaves the units where they were": [j * t * d],
        },
        "field": {
            "both sides are counted: a kernel of k takes k - 1 steps in all, not on each side": [r + 2 * (k - 1) * d * j],
            "the kernel multiplies the field: the boxes of neighbours overlap, and each step adds one jump": [r * k],
            "the stride multiplies the field: it makes the steps of the next layers longer, and leaves this field alone": [
                (r + (k - 1) * d * j) * t,
                r * t + (k - 1) * d * j,
                r * t if t > 1 else r + (k - 1) * d * j,
                r * t + (k - 1) * d,
            ],
            "the jump is updated before the field: the kernel steps over the units below, whose jump is the old one": [
                r + (k - 1) * d * j * t
            ],
            "the jump is left out: a step is as long as the distance between the units below": [r + (k - 1) * d],
            "the dilation is left out: a step is d jumps long": [r + (k - 1) * j],
            "padding widens the field: it only moves the box": [
                r + (k - 1) * d * j + 2 * p * j,
                r + (k - 1) * d * j + 2 * p,
                r + (k - 1) * d * j + p * j,
                r + (k - 1) * d * j + p,
            ],
            "padding is taken off the field: it only moves the box": [r + ((k - 1) * d - 2 * p) * j, r + ((k - 1) * d - p) * j],
            "k * d in place of (k - 1) * d: between k weights there are k - 1 steps": [r + k * d * j],
            "k * d - 1 in place of (k - 1) * d: the dilation stretches the steps, not the kernel": [r + (k * d - 1) * j],
        },
        "first centre": {
            "padding does not move the centre: it lets the first unit start p units earlier": [s + (k - 1) * d / 2 * j],
            "padding moves the centre the wrong way: the first unit starts p units earlier": [s + ((k - 1) * d / 2 + p) * j],
            "the jump is updated before the centre: the centre moves over the units below, whose jump is the old one": [
                s + ((k - 1) * d / 2 - p) * j * t
            ],
            "the jump is left out of the centre": [s + (k - 1) * d / 2 - p],
            "padding is counted in pixels: it is p units of the layer below, each a jump apart": [s + (k - 1) * d / 2 * j - p],
            "the centre is rounded: between two pixels it ends in .5": [
                s + ((k - 1) * d // 2 - p) * j,
                s + (k // 2 * d - p) * j,
            ],
            "the centre moves by the whole kernel: it should move by half of it": [s + ((k - 1) * d - p) * j],
            "the dilation is left out of the centre": [s + ((k - 1) / 2 - p) * j],
            "the first pixel of the box in place of its centre": [s - p * j],
        },
    }


def _stacks() -> list[list[Layer]]:
    """Stacks of layers, from the plainest on, so that the first that fails says most; then random ones."""
    plain, draw = (3, 1, 0, 1), random.Random(0)
    stacks = [[plain], [plain, plain], [plain, (2, 2, 0, 1)], [(2, 2, 0, 1), plain], [(2, 2, 0, 1), (3, 1, 1, 1)]]
    stacks += [[(3, 1, 0, 2)], [(3, 2, 1, 1), (5, 2, 1, 1), (3, 1, 0, 2)], CARD]
    for _ in range(12):
        depth, ranges = draw.randint(2, 4), ((1, 5), (1, 3), (0, 2), (1, 3))
        stacks.append([tuple(draw.randint(*ends) for ends in ranges) for _ in range(depth)])
    return stacks


@cache
def _expected() -> list[tuple[list[Layer], Tensor]]:
    return [(layers, _by_library(layers)) for layers in _stacks()]


def _fields(answer: Callable) -> bool:
    """Each column against the library. A slip is named if it gives the answer's own column in every stack."""
    results = []
    for layers, want in _expected():
        got = to_tensor(on(answer, _stack(layers), list(layers)))
        if got.shape != want.shape:
            wanted = "Return a row of (field, jump, first centre) for each layer"
            raise NotYet(f"{wanted}.{case(_stack(layers), f'shape {tuple(want.shape)}', f'shape {tuple(got.shape)}')}")
        results.append((layers, want, got))
    for name, slips in _wrong_columns(*IMAGE, 1, 1, 0, 1).items():
        column = COLUMNS.index(name)
        wrong = next((result for result in results if not _alike(*result[1:], column)), None)
        if wrong is None:
            continue
        layers, want, got = wrong
        shown = case(_stack(layers), _row(want[:, column]), _row(got[:, column]))
        for slip, way in ((slip, way) for slip, ways in slips.items() for way in range(len(ways))):
            if all(_alike(_recurrence(stack, name, slip, way), got, column) for stack, _, got in results):
                raise NotYet(f"The {name} is not right yet. It looks like this slip: {slip}.{shown}")
        moved = got[0, column] - want[0, column]
        if all(_alike(want + moved, got, column) for _, want, got in results):
            shifted = f"All are shifted alike: the image itself has {name} {IMAGE[column]:g}."
            raise NotYet(f"The {name} is not right yet. {shifted}{shown}")
        raise NotYet(f"The {name} is not right yet.{shown}")
    return True


def _alike(a: Tensor, b: Tensor, column: int) -> bool:
    return torch.allclose(a[:, column], b[:, column], atol=1e-6)


def _stack(layers: list[Layer]) -> str:
    return f"layers = {layers}, each (kernel, stride, padding, dilation)"


def _row(numbers: Tensor) -> str:
    return ", ".join(f"{number:g}" for number in numbers.tolist())


# 2b
class _Skip(nn.Module):
    """Two dilated convolutions, and a way around them."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 2, 3, padding=2, dilation=2), nn.ReLU(), nn.Conv2d(2, 1, 3, padding=3, dilation=3)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) + x


class _Cross(nn.Module):
    """A row and a column, added: what a unit sees is not a rectangle."""

    def __init__(self):
        super().__init__()
        self.flat, self.tall = nn.Conv2d(1, 2, (1, 5), padding=(0, 2)), nn.Conv2d(1, 2, (3, 1), padding=(1, 0))

    def forward(self, x: Tensor) -> Tensor:
        return self.flat(x) + self.tall(x)


class _Apart(nn.Module):
    """Two maps that see different pixels."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x[:, :, :-2, :-1], x[:, :, 2:, 1:]], 1)


def _nets() -> list[tuple[str, nn.Module, tuple[int, int], tuple[int, int]]]:
    """(in words, network, unit, image size); the first three have neither ReLU nor max pooling."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(2)
        nets = [
            ("a 3x3 convolution", nn.Conv2d(1, 3, 3), (2, 1), (7, 6)),
            ("a 3x3 convolution with dilation 2", nn.Conv2d(1, 2, 3, dilation=2), (0, 3), (8, 9)),
            ("two maps that see different pixels", _Apart(), (1, 2), (6, 7)),
            ("convolution, ReLU, max pooling", nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.MaxPool2d(2)), (1, 0), (10, 8)),
            (
                "a stride, BatchNorm, padding",
                nn.Sequential(
                    nn.Conv2d(1, 4, 3, stride=2), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 3, padding=1), nn.ReLU()
                ),
                (0, 2),
                (9, 11),
            ),
            ("two dilated convolutions with a skip around them", _Skip(), (5, 4), (10, 13)),
            ("a row and a column, added: a cross", _Cross(), (2, 4), (6, 9)),
            (
                "three padded 5x5 convolutions, whose field of 13 is larger than the image",
                nn.Sequential(*(nn.Conv2d(1, 1, 5, padding=2) for _ in range(3))),
                (1, 3),
                (7, 8),
            ),
        ]
    return [(words, net.eval(), unit, size) for words, net, unit, size in nets]


def _box(net: nn.Module, unit: tuple[int, int], size: tuple[int, int], holes=False) -> Tensor:
    """What the formula says: its box, or its mask."""
    field = receptive_fields(net, size, channels=1)[-1]
    if holes:
        return field.mask(*unit)
    seen, (top, left, bottom, right) = torch.zeros(size, dtype=torch.bool), field.box(*unit)
    seen[max(top, 0) : bottom + 1, max(left, 0) : right + 1] = True
    return seen


def _deaths(net: nn.Module, size: tuple[int, int]) -> Tensor:
    """Which outputs die of which pixel, bool (pixels, maps, rows, columns): an image for each, in which it is nan."""
    poisoned = torch.eye(size[0] * size[1], dtype=torch.bool).view(-1, 1, *size)
    with torch.no_grad():
        return net(torch.zeros(poisoned.shape).masked_fill(poisoned, float("nan"))).isnan()


def _wrong_fields(net: nn.Module, unit: tuple[int, int], size: tuple[int, int]) -> dict[str, Tensor]:
    dead, (row, column) = _deaths(net, size), unit
    maps = dead[:, :, row, column]  # of the unit
    seen = maps.any(1).view(size)
    return {
        "the formula in disguise: its box is not a measurement and has no holes": _box(net, unit, size),
        "the formula in disguise: it is not a measurement, and knows only rows and columns": _box(net, unit, size, True),
        "these are the units that one pixel kills; the pixels that kill one unit are asked for": (
            dead[row * size[1] + column].any(0)
        ),
        "the poison stays in the image: put the pixel back, or begin with a clean image each time": (
            maps.any(1).cumsum(0).view(size) > 0
        ),
        "only map 0 is looked at: the unit is dead if it is nan in any map": maps[:, 0].view(size),
        "all maps must die: the unit is dead if it is nan in any map": maps.all(1).view(size),
        "the whole output is looked at, not the one unit that is asked about": dead.flatten(1).any(1).view(size),
        "true and false are swapped": ~seen,
        "row and column of the pixels are swapped": seen.T,
        "row and column of the unit are swapped: a map is indexed [row, column]": dead[:, :, column, row].any(1).view(size),
        "== float('nan') is never true, not even for nan itself: use .isnan()": torch.zeros_like(seen),
        "!= float('nan') is always true, even for nan itself: use .isnan()": torch.ones_like(seen),
    }


def _measure(answer: Callable) -> bool:
    """On small networks, pixel by pixel; the network must be left as it was."""
    results = []
    for words, net, unit, size in _nets():
        kept = {name: value.clone() for name, value in net.state_dict().items()}
        words = f"{words}; unit {unit}, image {size}"
        try:
            got = to_tensor(on(answer, words, net, unit, size)) != 0
        except (IndexError, RuntimeError):
            square = attempted(answer, _nets()[0][1], (2, 1), (7, 7)) if size[0] != size[1] else None
            if square is not None and square.shape == (7, 7):
                slip = (
                    "it works on a square image only: row and column are swapped somewhere. An image is indexed [row, column]"
                )
                raise refused(slip, f"\n  input: {words}") from None
            raise
        changed = [name for name, value in net.state_dict().items() if not torch.equal(value, kept[name])]
        if changed or net.training:
            what = f"{changed[0]} has changed" if changed else "it is in training mode"
            raise refused("it changes what it was given", case(words, "the network as it was", what))
        results.append((words, (net, unit, size), _deaths(net, size)[:, :, unit[0], unit[1]].any(1).view(size), got))
    failed = [(words, want, got) for words, _, want, got in results if not torch.equal(want, got)]
    if not failed:
        return True
    words, want, got = failed[0]
    shown = case(words, _pixels(want), _pixels(got))
    wrong = [_wrong_fields(*inputs) for _, inputs, *_ in results]
    if slip := slip_of(wrong, [got for *_, got in results], torch.equal):
        raise refused(slip, shown)
    if want.shape != got.shape:
        raise NotYet(f"The result should have one value for each pixel of the image.{shown}")
    plain = all(torch.equal(want, got) for *_, want, got in results[:3])
    if plain and not any((got & ~want).any() for *_, want, got in results if want.shape == got.shape):
        hidden = "a small change or a gradient in place of poison: ReLU and max pooling can hide those, but not nan"
        raise refused(hidden, shown)
    raise NotYet(shown)


def _pixels(seen: Tensor) -> str:
    """A small bool tensor (H, W), drawn."""
    if seen.dim() != 2 or seen.numel() > 400:
        return f"shape {tuple(seen.shape)}"
    rows = ("".join("#" if pixel else "." for pixel in row) for row in seen.tolist())
    return f"shape {tuple(seen.shape)}, {int(seen.sum())} pixels" + "".join(f"\n    {row}" for row in rows)


# 2c
LIMIT, SIDE, WIDEST = 3_000, 28, 5


def _design(net: nn.Module) -> bool:
    """What is handed in runs on 28x28, keeps to the budget, and its last units see 28 pixels across."""
    if not isinstance(net, nn.Module):
        raise NotYet(f"Hand in the network itself, an nn.Module, not {type(net).__name__}.")
    if any(isinstance(module, nn.Linear) for module in net.modules()):
        raise NotYet("nn.Linear reads the whole image at once: use convolutions and pooling only.")
    convolutions = sum(isinstance(module, nn.Conv2d) for module in net.modules())
    numbers = sum(p.numel() for p in net.parameters())
    net = copy.deepcopy(net).eval()
    try:
        with torch.no_grad():
            out = net(torch.zeros(2, 1, SIDE, SIDE))
    except (RuntimeError, ValueError) as error:
        raise NotYet(f"It does not run on {SIDE}x{SIDE}: {str(error).splitlines()[0]}") from None
    if out.dim() < 2 or out.flatten(1).shape != (2, 10):
        raise NotYet(f"Two images should give (2, 10) or (2, 10, 1, 1), ten numbers each, not {tuple(out.shape)}.")
    if not 1 <= convolutions <= 4:
        raise NotYet(f"It has {convolutions} convolutions: one to four are asked for.")
    field = receptive_fields(net, (SIDE, SIDE))[-1].size
    if field != (SIDE, SIDE):
        almost = min(field) == max(field) in (27, 29)
        fit = "almost: an even field needs an even kernel somewhere" if almost else "not the image's 28x28"
        raise NotYet(f"The field of its last units is {field[0]}x{field[1]}, {fit}.")
    if numbers > LIMIT:
        raise NotYet(f"It has {numbers:,} numbers: {numbers - LIMIT:,} over the budget of {LIMIT:,}.")
    if wide := _wide(net):
        raise NotYet(f"{wide}: kernels and windows of at most {WIDEST}×{WIDEST} are allowed, so that the field has to grow.")
    return True


def _wide(net: nn.Module) -> str:
    """What reads more than WIDEST rows or columns at once, in words; empty if nothing does."""
    for name, module in net.named_modules():
        if isinstance(module, nn.modules.pooling._AdaptiveAvgPoolNd | nn.modules.pooling._AdaptiveMaxPoolNd):
            return f"{name} ({type(module).__name__}) reads whole maps at once"
        size = getattr(module, "kernel_size", 1)
        if max(size if isinstance(size, tuple) else (size,)) > WIDEST:
            return f"{name} ({type(module).__name__}) has the kernel size {size}"
    return ""


# What the card's table of fields was computed with
STACK = dict(zip(("conv1", "conv2", "conv3", "pool1", "conv4", "conv5", "conv6", "conv7", "gap", "conv8"), CARD))


def growth_rules(kernel: int, jump: int) -> dict[str, int]:
    """By how much a convolution's kernel widens the field: the right rule, and three wrong ones."""
    return {
        "k - 1 jumps": (kernel - 1) * jump,
        "k jumps": kernel * jump,
        "k - 1 jumps on each side": 2 * (kernel - 1) * jump,
        "k jumps on each side": 2 * kernel * jump,
    }


def with_slips(
    convolution: str = "k - 1 jumps", pooling_multiplies: bool = False, average_adds_nothing: bool = False
) -> dict[str, int]:
    """{layer: its field} of the network, with slips or without."""
    field, jump, fields = 1, 1, {}
    for name, (kernel, stride, _, _) in STACK.items():
        if name == "pool1" and pooling_multiplies:
            field *= stride
        elif name.startswith("conv"):
            field += growth_rules(kernel, jump)[convolution] if kernel > 1 else 0
        elif not (name == "gap" and average_adds_nothing):
            field += (kernel - 1) * jump
        jump *= stride
        fields[name] = field
    return fields


EXERCISES = {
    "2a": (
        _fields,
        "do the smallest failing case on paper: draw the pixels, the units of the layer below, and one unit above them. How "
        "long is one step of the kernel, and does this layer's own stride already count?",
    ),
    "2b": (
        _measure,
        "how many images does your function show the network? It takes one for each pixel, with only that pixel poisoned. "
        "Which of the outputs do you look at, and how do you tell that it is nan?",
    ),
    "2c": (
        _design,
        "how much does a 5×5 add before a pooling, and how much after it? Work back from 28, and give the layers few maps.",
    ),
}

LIBRARY = {"2a": (receptive_fields,), "2b": (measure_field,)}
