"""Exercises of notebook 07: each wrong implementation is refused by name, right ones of any make are taken."""

import statistics
import time
from itertools import pairwise

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from course.exercises import check
from course.exercises.speed import count_multiplications
from mnist_lib.model import DigitNet


# 7a
def share_by_bisection(alone, whole):
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if 1 / (1 - middle + middle / alone) < whole else (low, middle)
    return low


RIGHT_SHARE = [
    lambda alone, whole: (1 - 1 / whole) / (1 - 1 / alone),
    lambda alone, whole: alone * (whole - 1) / (whole * (alone - 1)),
    lambda alone, whole: np.float32((1 - 1 / whole) / (1 - 1 / alone)),
    lambda alone, whole: torch.tensor((whole - 1) / (whole - whole / alone), dtype=torch.float64),
    share_by_bisection,
]
WRONG_SHARE = {
    "1 - 1 / whole is the share of the time that was saved. It ignores the factor": lambda alone, whole: (whole - 1) / whole,
    "whole / alone": lambda alone, whole: whole / alone,
    "(whole - 1) / (alone - 1) is the part's share of the new time": lambda a, w: 1 - w * (1 - RIGHT_SHARE[1](a, w)),
    "1 / whole is the share of the whole time that is left": lambda alone, whole: 1 / whole,
    "this is the share of the time that the part did not take": lambda alone, whole: 1 - RIGHT_SHARE[1](alone, whole),
    "in percent": lambda alone, whole: 100 * RIGHT_SHARE[1](alone, whole),
    "the two arguments are swapped": lambda alone, whole: RIGHT_SHARE[1](whole, alone),
    "Amdahl's law forwards": lambda alone, whole: 1 / (1 - whole + whole / alone),
}


# 7b
def address_by_torch(n, c, h, w, shape):
    numbers = torch.arange(shape[0] * shape[1] * shape[2] * shape[3])
    last = numbers.view(shape[0], shape[2], shape[3], shape[1]).permute(0, 3, 1, 2)  # (N, C, H, W), its memory 0, 1, 2, ...
    return last[n, c, h, w]


def address_by_counting(n, c, h, w, shape):
    images, channels, rows, columns = map(range, shape)
    return [(i, k, j, m) for i in images for j in rows for m in columns for k in channels].index((n, c, h, w))


RIGHT_ADDRESS = [
    lambda n, c, h, w, shape: ((n * shape[2] + h) * shape[3] + w) * shape[1] + c,
    lambda n, c, h, w, shape: float(n * shape[1] * shape[2] * shape[3] + h * shape[3] * shape[1] + w * shape[1] + c),
    lambda n, c, h, w, shape: np.ravel_multi_index((n, h, w, c), (shape[0], shape[2], shape[3], shape[1])),
    address_by_torch,
    address_by_counting,
]
WRONG_ADDRESS = {
    "this is NCHW": lambda n, c, h, w, s: np.ravel_multi_index((n, c, h, w), s),
    "W before H": lambda n, c, h, w, s: n * s[1] * s[2] * s[3] + w * s[2] * s[1] + h * s[1] + c,
    "the images lie side by side": lambda n, c, h, w, s: np.ravel_multi_index((c, h, w, n), (s[1], s[2], s[3], s[0])),
    "the channels come before the image": lambda n, c, h, w, s: ((c * s[0] + n) * s[2] + h) * s[3] + w,
    "the shape is read as (N, H, W, C)": lambda n, c, h, w, s: n * s[1] * s[2] * s[3] + h * s[2] * s[3] + w * s[3] + c,
    "H where W is meant": lambda n, c, h, w, s: n * s[2] * s[2] * s[1] + h * s[2] * s[1] + w * s[1] + c,
    "the image's number is ignored": lambda n, c, h, w, s: h * s[3] * s[1] + w * s[1] + c,
    "counted from 1": lambda n, c, h, w, s: address_by_torch(n, c, h, w, s) + 1,
    "in bytes": lambda n, c, h, w, s: 4 * address_by_torch(n, c, h, w, s),
}


# 7c
def convolutions(net):
    return {name: module for name, module in net.named_modules() if isinstance(module, nn.Conv2d)}


def seen(net):
    """{name: (convolution, side lengths of its input, of its output)}, by replaced forwards instead of hooks."""
    found = {}
    for name, conv in convolutions(net).items():

        def forward(x, conv=conv, name=name):
            y = type(conv).forward(conv, x)
            found[name] = (conv, x.shape[2:], y.shape[2:])
            return y

        conv.forward = forward
    net(torch.rand(1, 1, 28, 28))
    return found


def counting(count):
    return lambda net: {name: count(conv, *sides) for name, (conv, *sides) in seen(net).items()}


def by_loops(conv, _, after):
    total = 0
    for _ in range(conv.out_channels):
        for _ in range(conv.in_channels // conv.groups):
            total += conv.kernel_size[0] * conv.kernel_size[1] * after[0] * after[1]
    return total


def by_the_flop_counter(net):
    """PyTorch's own count of operations, of which half are multiplications."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net(torch.zeros(1, 1, 28, 28))
    counts = counter.get_flop_counts()
    return {name: sum(counts[f"{type(net).__name__}.{name}"].values()) // 2 for name in convolutions(net)}


def unhooked(net):
    """A loop without hooks, whose dict is made anew each time."""
    for name, conv in convolutions(net).items():
        found = {name: conv.weight.numel()}
    return found


def only_the_first(net):
    for name, conv in convolutions(net).items():
        return {name: conv.weight.numel()}


def late_names(net):
    counts, handles = {}, []
    for name, conv in convolutions(net).items():
        handles.append(conv.register_forward_hook(lambda c, i, o: counts.update({name: c.weight.numel() * o[0, 0].numel()})))  # noqa: B023
    net(torch.zeros(1, 1, 28, 28))
    [handle.remove() for handle in handles]
    return counts


def by_a_hook(net, left_on=False):
    counts, handles = {}, []
    for name, conv in convolutions(net).items():
        handle = conv.register_forward_hook(
            lambda c, i, o, name=name: counts.update({name: float(c.weight[0].numel() * o.numel() / o.shape[0])})
        )
        handles.append(handle)
    net(torch.zeros(2, 1, 28, 28))
    for handle in handles[:0] if left_on else handles:
        handle.remove()
    return counts


RIGHT_COUNTS = [
    by_a_hook,
    counting(by_loops),
    lambda net: {name: torch.tensor(n) for name, n in counting(by_loops)(net).items()},
    lambda net: {name: np.float64(n) for name, n in counting(by_loops)(net).items()},
]
WRONG_COUNTS = {
    "this is the number of weights": counting(lambda c, before, after: c.weight.numel()),
    "this is the number of parameters": counting(lambda c, before, after: sum(p.numel() for p in c.parameters())),
    "the side of the input": counting(lambda c, before, after: by_loops(c, None, before)),
    "the side of the image, 28, in every layer": counting(lambda c, before, after: by_loops(c, None, (28, 28))),
    "groups are ignored": counting(lambda c, before, after: by_loops(c, None, after) * c.groups),
    "the bias is counted": counting(
        lambda c, before, after: by_loops(c, None, after) + (0 if c.bias is None else len(c.bias) * after[0] * after[1])
    ),
    "groups are ignored: a filter reads": counting(lambda c, before, after: 2 * by_loops(c, None, after) * c.groups),
    "twice as many": counting(lambda c, before, after: 2 * by_loops(c, None, after)),
    "one side of the output only": counting(lambda c, before, after: c.weight.numel() * after[1]),
    "one side of the kernel only": counting(lambda c, before, after: by_loops(c, None, after) // c.kernel_size[0]),
    "the input's maps are forgotten": counting(
        lambda c, before, after: c.out_channels * c.kernel_size[0] * c.kernel_size[1] * after[0] * after[1]
    ),
    "the number of values that come out": counting(lambda c, before, after: c.out_channels * after[0] * after[1]),
    "every hook uses the loop's last name": late_names,
    "only the last convolution is left": unhooked,
    "only the first convolution is there": only_the_first,
    "hooks are left on": lambda net: by_a_hook(net, left_on=True),
    "It calls count_multiplications": count_multiplications,
    "It calls __enter__": by_the_flop_counter,
    "the kernel is taken to be square: rows": counting(
        lambda c, before, after: c.weight[:, :, 0, 0].numel() * c.kernel_size[0] ** 2 * after[0] * after[1]
    ),
    "the kernel is taken to be square, with its columns": counting(
        lambda c, before, after: c.weight[:, :, 0, 0].numel() * c.kernel_size[1] ** 2 * after[0] * after[1]
    ),
    "The names should be those that named_modules()": lambda net: {"first": 1},
    "It should return a dict": lambda net: list(counting(by_loops)(net).values()),
    "Count only convolutions": lambda net: counting(by_loops)(net) | {"gap": 0},
    "expected: 97,344": counting(lambda c, before, after: 7),
}


# 7d
def times(work, clock, counted=9, warm=1):
    for _ in range(warm):
        work()
    took = []
    for _ in range(counted):
        started = clock()
        work()
        took.append(clock() - started)
    return took


def middle(took):
    return sorted(took)[len(took) // 2]


def by_differences(work, clock):
    readings = [clock()]
    for _ in range(12):
        work()
        readings.append(clock())
    return statistics.median(b - a for a, b in pairwise(readings[1:]))


def for_a_while(work, clock):
    work()
    took, began = [], clock()
    while clock() - began < 2 or len(took) < 7:
        took += times(work, clock, 1, 0)
    return statistics.median(took)


RIGHT_TIMES = [
    *(lambda w, c, n=n, warm=warm: statistics.median(times(w, c, n, warm)) for n in (5, 6, 9, 20, 31) for warm in (1, 2, 3, 5)),
    *(lambda w, c, n=n: middle(times(w, c, n)) for n in (5, 6, 9, 20)),
    lambda w, c: np.median(times(w, c)),
    lambda w, c: torch.tensor(times(w, c, 10), dtype=torch.float64).median(),  # the lower of the two in the middle
    by_differences,
    for_a_while,
]


def total(work, clock, n=10):
    started = clock()
    for _ in range(n):
        work()
    return clock() - started


def warmed(estimate):
    def wrong(work, clock):
        work()
        return estimate(work, clock)

    return wrong


WRONG_TIMES = {
    "the mean": [
        lambda w, c: statistics.mean(times(w, c)),
        lambda w, c: statistics.mean(times(w, c, 9, 3)),
        warmed(lambda w, c: total(w, c) / 10),
        lambda w, c: total(w, c) / 10,
    ],
    "and the first call is in it": [lambda w, c: total(w, c) / 10, lambda w, c: statistics.mean(times(w, c, 20, 0))],
    "no warm-up": [
        *(lambda w, c, n=n: statistics.median(times(w, c, n, 0)) for n in range(3, 40)),
        *(lambda w, c, n=n: middle(times(w, c, n, 0)) for n in range(3, 40)),
    ],
    "the call in the middle of the list": [lambda w, c: times(w, c, 9)[4], lambda w, c: times(w, c, 11, 0)[5]],
    "one run": [lambda w, c: total(w, c, 1), warmed(lambda w, c: total(w, c, 1)), lambda w, c: times(w, c, 9, 0)[-1]],
    "too few calls that count": [lambda w, c, n=n: statistics.median(times(w, c, n)) for n in (3, 4)],
    "the shortest call": [lambda w, c: min(times(w, c)), lambda w, c: min(times(w, c, 9, 0))],
    "the longest call": [lambda w, c: max(times(w, c)), lambda w, c: max(times(w, c, 9, 0))],
    "the sum of all calls": [total, warmed(total)],
    "a reading of the clock": [lambda w, c: (w(), c())[1]],
    "in milliseconds": [lambda w, c: 1000 * statistics.median(times(w, c))],
    "hardly any time passed": [
        lambda w, c: statistics.median(times(w, time.perf_counter)),
        lambda w, c: (w(), w(), 0.0)[2],
    ],
    "The work is never done": [lambda w, c: c() - c()],
    "no work is done in between": [lambda w, c: [c() for _ in iter(int, 1)]],
    "It should return one number": [times],
    "It is not the median of your calls": [lambda w, c: statistics.median(times(w, c)) * 0.9],
}
RIGHT = {"7a": RIGHT_SHARE, "7b": RIGHT_ADDRESS, "7c": RIGHT_COUNTS, "7d": RIGHT_TIMES}
WRONG = {
    "7a": WRONG_SHARE,
    "7b": WRONG_ADDRESS,
    "7c": WRONG_COUNTS,
    "7d": [(slip, wrong) for slip, several in WRONG_TIMES.items() for wrong in several],
}


def test_the_first_case_is_the_one_of_the_text(capsys):
    assert not check("7a", lambda alone, whole: 0.5)
    said = capsys.readouterr().out
    assert "input: the part is 42 times as fast, the whole 1.31 times" in said and f"{share_by_bisection(42, 1.31):.4f}" in said


def test_an_answer_may_leave_the_network_as_it_likes():
    """It may replace a layer's forward, or change its mode: each case has a network of its own."""
    assert check("7c", counting(by_loops)) and check("7c", lambda net: counting(by_loops)(net.train()))


def test_the_networks_own_multiplications():
    net = DigitNet().train()
    counts = count_multiplications(net)
    assert counts == by_a_hook(DigitNet()) and sum(counts.values()) == 3_393_376
    assert net.training and not any(module._forward_hooks for module in net.modules())
