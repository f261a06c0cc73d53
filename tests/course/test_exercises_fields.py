"""Exercises of notebook 02: each wrong implementation is refused by name, right ones of any make are taken."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from course.exercises import check
from course.exercises.fields import with_slips
from mnist_lib.model import DigitNet
from mnist_lib.receptive_field import measure_field, receptive_fields


# 2a
def recurrence(layers):
    rows, field, jump, centre = [], 1, 1, 0
    for kernel, stride, padding, dilation in layers:
        reach = (kernel - 1) * dilation * jump
        field, centre, jump = field + reach, centre + reach / 2 - padding * jump, jump * stride
        rows.append((field, jump, centre))
    return rows


def by_ends(layers):
    """The first and second unit's first and last pixel, layer by layer; nothing of the recurrence."""
    ends = {unit: (unit, unit) for unit in range(-4000, 4000)}
    rows = []
    for kernel, stride, padding, dilation in layers:
        taps = {u: [u * stride - padding + i * dilation for i in range(kernel)] for u in range(-600, 600)}
        ends = {u: (ends[t[0]][0], ends[t[-1]][1]) for u, t in taps.items() if t[0] in ends and t[-1] in ends}
        (low, high), (next_low, _) = ends[0], ends[1]
        rows.append((high - low + 1, next_low - low, (low + high) / 2))
    return rows


def in_float32(layers):
    return torch.tensor(recurrence(layers), dtype=torch.float32)


def as_array(layers):
    return np.array(recurrence(layers), dtype=np.float64)


def as_lists(layers):
    return [list(row) for row in recurrence(layers)]


def slip(field="r + (k - 1) * d * j", jump="j * t", centre="s + ((k - 1) * d / 2 - p) * j", begin=(1, 1, 0), first=False):
    """The recurrence with other formulas in it; first: the jump before the two that stand on it."""

    def wrong(layers):
        r, j, s = begin
        rows = []
        for k, t, p, d in layers:
            old = {"r": r, "j": j, "s": s, "k": k, "t": t, "p": p, "d": d}
            if first:
                old["j"] = eval(jump, old)
            r, s = eval(field, old), eval(centre, old)
            j = old["j"] if first else eval(jump, old)
            rows.append((r, j, s))
        return rows

    return wrong


WRONG_FIELDS = [
    ("both sides are counted", slip("r + 2 * (k - 1) * d * j")),
    ("the kernel multiplies the field", slip("r * k")),
    ("the stride multiplies the field", slip("(r + (k - 1) * d * j) * t")),
    ("the stride multiplies the field", slip("r * t + (k - 1) * d * j")),
    ("the stride multiplies the field", slip("r * t if t > 1 else r + (k - 1) * d * j")),
    ("the jump is updated before the field", slip(first=True)),
    ("the jump is left out", slip("r + (k - 1) * d")),
    ("the dilation is left out", slip("r + (k - 1) * j", centre="s + ((k - 1) / 2 - p) * j")),
    ("padding widens the field", slip("r + ((k - 1) * d + 2 * p) * j")),
    ("padding widens the field", slip("r + (k - 1) * d * j + 2 * p")),
    ("padding is taken off the field", slip("r + ((k - 1) * d - 2 * p) * j")),
    ("k * d in place of (k - 1) * d", slip("r + k * d * j")),
    ("k * d - 1 in place of (k - 1) * d", slip("r + (k * d - 1) * j")),
    ("All are shifted alike: the image itself has field 1", slip(begin=(0, 1, 0))),
    ("the jump is the layer's own stride", slip("r + (k - 1) * d * j", "t")),
    ("padding does not move the centre", slip(centre="s + (k - 1) * d / 2 * j")),
    ("padding moves the centre the wrong way", slip(centre="s + ((k - 1) * d / 2 + p) * j")),
    ("the jump is updated before the centre", slip(centre="s + ((k - 1) * d / 2 - p) * j * t")),
    ("the jump is left out of the centre", slip(centre="s + (k - 1) * d / 2 - p")),
    ("padding is counted in pixels", slip(centre="s + (k - 1) * d / 2 * j - p")),
    ("the centre is rounded", slip(centre="s + ((k - 1) * d // 2 - p) * j")),
    ("the centre moves by the whole kernel", slip(centre="s + ((k - 1) * d - p) * j")),
    ("the dilation is left out of the centre", slip(centre="s + ((k - 1) / 2 - p) * j")),
    ("the first pixel of the box", slip(centre="s - p * j")),
    ("All are shifted alike: the image itself has first centre 0", slip(begin=(1, 1, 0.5))),
]
WRONG_JUMPS = [  # alone, with a field and centre that are right
    ("strides are added", lambda j, t, d: j + t),
    ("the jump never changes", lambda j, t, d: j),
    ("the dilation lengthens the jump", lambda j, t, d: j * t * d),
]


def with_jump(rule):
    def wrong(layers):
        rows, jump = [], 1
        for (field, _, centre), (_, t, _, d) in zip(recurrence(layers), layers):
            jump = rule(jump, t, d)
            rows.append((field, jump, centre))
        return rows

    return wrong


# 2b
def by_pixels(net, unit, size):
    seen = torch.zeros(size, dtype=torch.bool)
    for row in range(size[0]):
        for column in range(size[1]):
            image = torch.zeros(1, 1, *size)
            image[0, 0, row, column] = float("nan")
            seen[row, column] = net(image)[0, :, unit[0], unit[1]].isnan().any()
    return seen


def in_one_batch(net, unit, size):
    """Every image of the batch has its own poisoned pixel."""
    images = torch.rand(size[0] * size[1], 1, *size)
    images.flatten(1).fill_diagonal_(float("nan"))
    return net(images)[:, :, unit[0], unit[1]].isnan().any(1).reshape(size)


def as_nested_lists(net, unit, size):
    return by_pixels(net, unit, size).tolist()


def as_numbers(net, unit, size):
    return by_pixels(net, unit, size).numpy().astype(np.float64)


def as_library(net, unit, size):
    """The library's, on a network that has a name for its output."""
    return measure_field(nn.Sequential(net, nn.Identity()), "1", unit, size, 1, "poison", (2, 3))


def box(net, unit, size):
    top, left, bottom, right = receptive_fields(net, size, channels=1)[-1].box(*unit)
    rows, columns = torch.arange(size[0])[:, None], torch.arange(size[1])
    return (rows >= top) & (rows <= bottom) & (columns >= left) & (columns <= right)


def dying(net, unit, size):
    image = torch.rand(1, 1, *size)
    image[:, :, unit[0], unit[1]] = float("nan")
    return net(image).isnan().any(1)[0]


def poison_stays(net, unit, size):
    seen, image = torch.zeros(size), torch.zeros(1, 1, *size)
    for place in range(size[0] * size[1]):
        image.view(-1)[place] = float("nan")
        seen.view(-1)[place] = net(image)[0, :, unit[0], unit[1]].isnan().any()
    return seen


def changed(net, unit, size):
    """Add to a pixel and look: what ReLU and max pooling hide is missed."""
    plain, seen = torch.zeros(1, 1, *size), torch.zeros(size, dtype=torch.bool)
    before = net(plain)[0, :, unit[0], unit[1]]
    for place in range(size[0] * size[1]):
        image = plain.clone()
        image.view(-1)[place] += 1e-3
        seen.view(-1)[place] = (net(image)[0, :, unit[0], unit[1]] != before).any()
    return seen


def gradient(net, unit, size):
    image = (torch.arange(size[0] * size[1]).float().sin()).reshape(1, 1, *size).requires_grad_()
    net(image)[0, :, unit[0], unit[1]].sum().backward()
    return image.grad[0, 0] != 0


def one_map(net, unit, size):
    images = torch.eye(size[0] * size[1]).reshape(-1, 1, *size)
    return net(images.where(images == 0, torch.nan))[:, 0, unit[0], unit[1]].isnan().reshape(size)


def all_maps(net, unit, size):
    images = torch.eye(size[0] * size[1]).reshape(-1, 1, *size)
    return net(images.where(images == 0, torch.nan))[:, :, unit[0], unit[1]].isnan().all(1).reshape(size)


def left_in_training(net, unit, size):
    seen = by_pixels(net, unit, size)
    net.train()
    return seen


def weights_of_one(net, unit, size):
    for weight in net.parameters():
        nn.init.ones_(weight)
    return by_pixels(net, unit, size)


def with_nan(net, unit, size, dead, whole=False):
    seen = torch.zeros(size, dtype=torch.bool)
    for row in range(size[0]):
        for column in range(size[1]):
            image = torch.zeros(1, 1, *size)
            image[0, 0, row, column] = float("nan")
            seen[row, column] = dead(net(image) if whole else net(image)[0, :, unit[0], unit[1]]).any()
    return seen


def rows_for_columns(net, unit, size):
    seen = torch.zeros(size, dtype=torch.bool)
    for y in range(size[0]):
        for x in range(size[1]):
            image = torch.zeros(1, 1, *size)
            image[0, 0, x, y] = float("nan")
            seen[x, y] = net(image)[0, :, unit[0], unit[1]].isnan().any()
    return seen


WRONG_MEASURES = [
    ("its box is not a measurement", box),
    ("knows only rows and columns", lambda n, u, s: receptive_fields(n, s, channels=1)[-1].mask(*u)),
    ("these are the units that one pixel kills", dying),
    ("the poison stays in the image", poison_stays),
    ("a small change or a gradient in place of poison", changed),
    ("a small change or a gradient in place of poison", gradient),
    ("the whole output is looked at", lambda n, u, s: with_nan(n, u, s, torch.isnan, whole=True)),
    ("only map 0 is looked at", one_map),
    ("all maps must die", all_maps),
    ("true and false are swapped", lambda *case: ~by_pixels(*case)),
    ("row and column of the pixels are swapped", lambda *case: by_pixels(*case).T),
    ("it changes what it was given", left_in_training),
    ("it changes what it was given", weights_of_one),
    ("row and column of the unit are swapped", lambda n, u, s: by_pixels(n, u[::-1], s)),
    ("== float('nan') is never true", lambda n, u, s: with_nan(n, u, s, lambda unit: unit == float("nan"))),
    ("!= float('nan') is always true", lambda n, u, s: with_nan(n, u, s, lambda unit: unit != float("nan"))),
    ("it works on a square image only: row and column are swapped", rows_for_columns),
    ("It calls measure_field, which does the exercise for you", as_library),
    ("one value for each pixel", lambda *case: by_pixels(*case)[None]),
]


# 2c
def chain(*layers):
    return nn.Sequential(*layers, nn.Flatten())


class Functional(nn.Module):
    """Without modules for what has no numbers; 3, 4, 12, 20, 28."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 5)
        self.third, self.last = nn.Conv2d(4, 4, 5), nn.Conv2d(4, 10, 5)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.first(x)), 2)
        return self.last(F.relu(self.third(F.relu(self.second(x)))))


DESIGNS = [  # the fields: 3, 4, 12, 20, 28; 4, 12, 20, 28; 5, 6, 10, 12, 28
    chain(nn.Conv2d(1, 5, 3), nn.MaxPool2d(2), nn.Conv2d(5, 5, 5), nn.Conv2d(5, 5, 5), nn.BatchNorm2d(5), nn.Conv2d(5, 10, 5)),
    chain(nn.Conv2d(1, 5, 4, stride=2), nn.Conv2d(5, 5, 5), nn.Conv2d(5, 5, 5), nn.Conv2d(5, 10, 5)),
    chain(nn.Conv2d(1, 10, 5), nn.MaxPool2d(2), nn.Conv2d(10, 10, 3), nn.MaxPool2d(2), nn.AvgPool2d(5), nn.ReLU()),
    Functional(),
]
WRONG_DESIGNS = [
    (
        "27x27, almost: an even field needs",
        chain(nn.Conv2d(1, 2, 9), nn.Conv2d(2, 2, 9), nn.Conv2d(2, 10, 11), nn.MaxPool2d(1, 2)),
    ),
    (
        "29x29, almost: an even field",
        chain(nn.Conv2d(1, 1, 9), nn.Conv2d(1, 1, 9), nn.Conv2d(1, 10, 13, padding=1), nn.MaxPool2d(1, 2)),
    ),
    ("5x5, not the image's", chain(nn.Conv2d(1, 10, 5), nn.MaxPool2d(1, 24))),
    ("28x5, not the image's", chain(nn.Conv2d(1, 10, (28, 5)), nn.MaxPool2d(1, 24))),
    ("It does not run on 28x28", chain(nn.Conv2d(1, 5, 3, dilation=8), nn.Conv2d(5, 10, 3, dilation=8))),
    ("It does not run on 28x28", chain(nn.Conv2d(1, 5, 3), nn.MaxPool2d(2), nn.Conv2d(4, 10, 13))),
    (
        "2,723 over the budget",
        chain(nn.Conv2d(1, 5, 19), nn.MaxPool2d(10), *(nn.Conv2d(a, b, 1) for a, b in ((5, 10), (10, 183), (183, 10)))),
    ),
    ("It has 5 convolutions", chain(nn.Conv2d(1, 10, 28), *(nn.Conv2d(10, 10, 1) for _ in range(4)))),
    ("It has 0 convolutions", chain(nn.AvgPool2d(28), nn.Upsample(size=(2, 5)))),
    ("nn.Linear reads the whole image", nn.Sequential(nn.Flatten(), nn.Linear(784, 3), nn.Linear(3, 10))),
    ("has the kernel size (28, 28)", chain(nn.Conv2d(1, 3, 28), nn.Conv2d(3, 10, 1))),
    ("(AvgPool2d) has the kernel size 26", chain(nn.Conv2d(1, 10, 3), nn.AvgPool2d(26))),
    ("(AdaptiveMaxPool2d) reads whole maps at once", chain(nn.Conv2d(1, 10, 3), nn.AdaptiveMaxPool2d(1))),
    ("(AdaptiveAvgPool2d) reads whole maps at once", chain(nn.Conv2d(1, 10, 3), nn.AdaptiveAvgPool2d(1))),
    ("ten numbers each, not (2, 9)", chain(nn.Conv2d(1, 9, 28))),
    ("ten numbers each, not (2, 10, 2, 2)", nn.Conv2d(1, 10, 27)),
    ("an nn.Module, not type", nn.Conv2d),
    ("an nn.Module, not list", [nn.Conv2d(1, 10, 28)]),
]
RIGHT = {
    "2a": [recurrence, by_ends, in_float32, as_array, as_lists],
    "2b": [by_pixels, in_one_batch, as_nested_lists, as_numbers],
    "2c": DESIGNS,
}
WRONG = {
    "2a": WRONG_FIELDS + [(name, with_jump(rule)) for name, rule in WRONG_JUMPS],
    "2b": WRONG_MEASURES,
    "2c": WRONG_DESIGNS,
}


def test_the_first_case_that_fails_is_the_plainest(capsys):
    check("2a", slip(first=True))
    said = capsys.readouterr().out
    assert "layers = [(3, 1, 0, 1), (2, 2, 0, 1)]" in said and "expected: 3, 4" in said and "got: 3, 5" in said
    check("2b", box)
    said = capsys.readouterr().out
    assert "dilation 2" in said and "#.#.#" in said and "#####" in said


def test_an_unknown_slip_is_shown_with_its_case(capsys):
    assert not check("2a", slip("r + (k - 1) * d * j + 7"))
    said = capsys.readouterr().out
    assert "The field is not right yet" in said and "looks like" not in said and "got: 10" in said
    assert not check("2b", lambda net, unit, size: torch.ones(size).tril())
    said = capsys.readouterr().out
    assert "looks like" not in said and "expected: shape (7, 6), 9 pixels" in said


def test_the_cards_table_comes_from_three_slips():
    plain = with_slips()
    net = receptive_fields(DigitNet(), (28, 28))
    assert plain == {name: net[name].size[0] for name in plain}
    rule = "k - 1 jumps on each side"
    assert list(with_slips(rule, True, True).values()) == [5, 9, 9, 18, 26, 34, 42, 50, 50, 50]
    assert list(with_slips(rule).values()) == [5, 9, 9, 10, 18, 26, 34, 42, 52, 52]


def test_the_network_handed_in_is_left_alone():
    net = DESIGNS[0].train()
    kept = {name: value.clone() for name, value in net.state_dict().items()}
    assert check("2c", net)
    assert net.training and all(torch.equal(value, kept[name]) for name, value in net.state_dict().items())
