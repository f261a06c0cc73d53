"""Exercises of notebook 07."""

import copy
import math
import random
import statistics
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from course.exercises.checking import NotYet, Unwritten, case, compare, noted, on, refused, slip_of
from mnist_lib.model import DigitNet


def _share(answer: Callable) -> bool:
    """Amdahl's law, solved for the share: a round trip from a share to the gain of the whole and back."""

    def whole_of(share: float, alone: float) -> float:
        return 1 / (1 - share + share / alone)

    def share(alone: float, whole: float) -> float:
        return (1 - 1 / whole) / (1 - 1 / alone)

    def slips(alone: float, whole: float) -> dict[str, float]:
        return {
            "1 - 1 / whole is the share of the time that was saved. It ignores the factor, as if the part now took no time": (
                1 - 1 / whole
            ),
            "whole / alone: gains of parts cannot be added up. Add up times instead": whole / alone,
            "(whole - 1) / (alone - 1) is the part's share of the new time. Its share of the old time is asked for": (
                (whole - 1) / (alone - 1)
            ),
            "1 / whole is the share of the whole time that is left": 1 / whole,
            "this is the share of the time that the part did not take": 1 - share(alone, whole),
            "in percent: a share lies between 0 and 1": 100 * share(alone, whole),
            "the two arguments are swapped: alone comes first": share(whole, alone),
            "Amdahl's law forwards, with the gain of the whole in place of the share": whole_of(whole, alone),
        }

    draw = random.Random(0)
    settings = [(draw.uniform(0.05, 0.95), draw.uniform(1.5, 60)) for _ in range(20)]
    cases = [("the part is 42 times as fast, the whole 1.31 times", (42.0, 1.31))]
    for part, alone in settings:
        whole = whole_of(part, alone)
        cases.append((f"the part is {alone:.4f} times as fast, the whole {whole:.4f} times", (alone, whole)))
    return compare(answer, share, slips, cases)


def _address(answer: Callable) -> bool:
    """Where torch itself puts the value, by the strides of a tensor in channels-last order."""

    def right(n: int, c: int, h: int, w: int, shape: tuple[int, int, int, int]) -> int:
        strides = torch.empty(shape, device="meta").contiguous(memory_format=torch.channels_last).stride()
        return sum(index * stride for index, stride in zip((n, c, h, w), strides))

    def slips(n: int, c: int, h: int, w: int, shape: tuple[int, int, int, int]) -> dict[str, int]:
        index, size = dict(zip("NCHW", (n, c, h, w))), dict(zip("NCHW", shape))

        def address(order: str) -> int:
            """When the axes lie in this order, the last one side by side."""
            return int(np.ravel_multi_index([index[axis] for axis in order], [size[axis] for axis in order]))

        return {
            "this is NCHW, the plain order, channel after channel": address("NCHW"),
            "W before H: in channels last, pixels still lie row by row": address("NWHC"),
            "the images lie side by side: they should come whole, one after another": address("CHWN"),
            "H and W are right, but the channels come before the image": address("CNHW"),
            "the shape is read as (N, H, W, C): it is still (N, C, H, W), only the order in memory differs": (
                ((n * shape[1] + h) * shape[2] + w) * shape[3] + c
            ),
            "H where W is meant: a row has W pixels": ((n * shape[2] + h) * shape[2] + w) * shape[1] + c,
            "the image's number is ignored": right(0, c, h, w, shape),
            "counted from 1: the first value has address 0": right(n, c, h, w, shape) + 1,
            "in bytes: count values, not bytes": 4 * right(n, c, h, w, shape),
        }

    draw, cases = random.Random(1), []
    for _ in range(12):
        shape = tuple(draw.sample(range(2, 7), 4))  # all sides different, so that none is taken for another
        for place in (tuple(draw.randrange(size) for size in shape), tuple(size - 1 for size in shape)):
            words = f"n, c, h, w = {', '.join(map(str, place))} in the shape {shape}"
            cases.append((words, (*place, shape)))
    return compare(answer, right, slips, cases)


@torch.random.fork_rng(devices=[])
def _multiplications(answer: Callable) -> bool:
    """Counted by hooks, from each convolution's weights and its actual output."""
    cases = [
        ("DigitNet()", DigitNet),
        ("DigitNet(widths=(4, 6, 3, 5, 5, 5, 5))", lambda: DigitNet(widths=(4, 6, 3, 5, 5, 5, 5))),
        ("a stride, a kernel of 5x3 and a padding", _strided),
        ("groups: each filter reads only some of the maps", _grouped),
    ]
    results = []
    for words, make in cases:
        net, hooked = make().eval(), []
        for name, module in net.named_modules():
            if isinstance(module, nn.Conv2d):
                module.register_forward_hook = noted(hooked, name, module.register_forward_hook)
        got = on(answer, words, net)
        if got is None:
            raise Unwritten
        if not isinstance(got, Mapping):
            raise NotYet(f'It should return a dict such as {{"conv1": 97344}}, not {type(got).__name__}.')
        names = list(_counted(make(), _right))
        if set(map(str, got)) != set(names):
            given, wanted = list(map(str, got)), f"one number for each of {', '.join(names)}"
            shown = case(words, wanted, f"numbers for {', '.join(given) or 'none'}")
            raise NotYet(_about_names(given, names, len(hooked)) + shown)
        if left := [name for name, module in net.named_modules() if module._forward_hooks]:
            slip = "hooks are left on. Keep what register_forward_hook returns, and call its remove() when you have counted"
            raise refused(slip, case(words, "no hook afterwards", f"hooks on {', '.join(left)}"))
        results.append((words, make(), {name: float(got[name]) for name in names}))
    failed = [
        (words, name, expected, got[name])
        for words, net, got in results
        for name, expected in _counted(net, _right).items()
        if got[name] != expected
    ]
    if not failed:
        return True
    words, name, expected, got = failed[0]
    layer = f"layer {name} of a network with {words}" if name.isdigit() else f"{name} of {words}"
    shown = case(layer, f"{expected:,}", f"{got:,.0f}")
    wrong = [_by_slip(_counted(net, _wrong_counts)) for _, net, _ in results]
    raise refused(slip_of(wrong, [got for _, _, got in results]), shown)


def _by_slip(layers: dict[str, dict[str, int]]) -> dict[str, dict[str, int]]:
    """{layer: {slip: count}} -> {slip: {layer: count}}."""
    return {slip: {name: counts[slip] for name, counts in layers.items()} for slip in next(iter(layers.values()))}


def _about_names(got: list[str], names: list[str], hooks: int) -> str:
    if got == names[-1:]:
        slip = "only the last convolution is left: is the dict made anew each time round the loop"
        if hooks > 1:
            slip = "every hook uses the loop's last name. Give each its own: def hook(conv, inputs, output, name=name)"
        return f"It looks like this slip: {slip}{'.' if hooks > 1 else '?'}"
    if got == names[:1]:
        return "It looks like this slip: only the first convolution is there. Is the return inside the loop?"
    if set(names) < set(got):
        return "Count only convolutions."
    return "The names should be those that named_modules() gives the convolutions."


def count_multiplications(net: nn.Module) -> dict[str, int]:
    """{name: how many multiplications a convolution does for one image (1, 28, 28)}: what 7c asks for."""
    return _counted(net, _right)


def _right(conv: nn.Conv2d, _before: Tensor, after: Tensor) -> int:
    """weight.numel() is out x in / groups x k x k: one multiplication each, at every place of the output."""
    return conv.weight.numel() * after.shape[2] * after.shape[3]


def _wrong_counts(conv: nn.Conv2d, before: Tensor, after: Tensor) -> dict[str, int]:
    right, weights, values = _right(conv, before, after), conv.weight.numel(), after[0].numel()
    rows, columns = conv.kernel_size
    slips = {
        "the output's size is ignored: this is the number of weights, and each is used at every place of the output": weights,
        "the output's size is ignored: this is the number of parameters": sum(p.numel() for p in conv.parameters()),
        "the side of the input, where that of the output is meant: the filter is applied once for each place of the output": (
            weights * before.shape[2] * before.shape[3]
        ),
        "the side of the image, 28, in every layer: each layer's own output counts": weights * 28 * 28,
        "groups are ignored: with groups a filter reads in_channels / groups maps": right * conv.groups,
        "the bias is counted: it is added, not multiplied": right + values * (conv.bias is not None),
        "twice as many: additions are counted, too": 2 * right,
        "one side of the output only: a filter moves over its height and its width": weights * after.shape[3],
        "one side of the kernel only: it has k x k weights for each map": right // rows,
        "the kernel is taken to be square: rows times columns, kernel_size[0] * kernel_size[1]": right // columns * rows,
        "the kernel is taken to be square, with its columns for both: kernel_size[0] * kernel_size[1]": right // rows * columns,
        "the input's maps are forgotten: a filter reads all of them": values * rows * columns,
        "this is the number of values that come out: each needs many multiplications": values,
    }
    ignored = "; and also: groups are ignored: a filter reads in_channels / groups maps"
    return slips | {f"{slip}{ignored}": count * conv.groups for slip, count in slips.items()}


def _counted(net: nn.Module, count: Callable) -> dict:
    """{name: count(convolution, its input, its output)} for one image."""
    counts, net = {}, copy.deepcopy(net).eval()
    for name, module in net.named_modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(
                lambda conv, inputs, output, name=name: counts.update({name: count(conv, inputs[0], output)})
            )
    with torch.no_grad():
        net(torch.zeros(1, 1, 28, 28))
    return counts


def _strided() -> nn.Module:
    first = nn.Sequential(nn.Conv2d(1, 6, 3, stride=2), nn.BatchNorm2d(6), nn.ReLU())
    return nn.Sequential(first, nn.Conv2d(6, 8, (5, 3), padding=1, bias=False), nn.Flatten(), nn.LazyLinear(10))


def _grouped() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 8, 3), nn.MaxPool2d(2), nn.Conv2d(8, 12, 3, groups=4), nn.Conv2d(12, 12, 3, groups=12))


class _Machine:
    """Work that takes simulated time, and the clock that shows it: no real second passes.

    The first call is slow or, on one kind of machine, quick; now and then something interrupts the work.
    """

    def __init__(self, seed: int, first: float):
        self.draw, self.first, self.now, self.reads = random.Random(seed), first, 1000.0, 0
        self.took: list[float] = []

    def work(self) -> None:
        seconds = self.first if not self.took else 0.1 * self.draw.uniform(0.9, 1.1)
        if self.took and self.draw.random() < 0.15:
            seconds *= self.draw.uniform(4, 9)
        self.took.append(seconds)
        self.now += seconds
        self.reads = 0

    def clock(self) -> float:
        self.reads += 1
        if self.reads > 10_000:
            raise NotYet("The clock is read again and again, but no work is done in between.")
        return self.now


_ENOUGH = 5  # calls that count: with fewer, two interruptions move the median


def _time_it(answer: Callable) -> bool:
    """The median of the calls after the first, whichever of them an answer chooses to count."""
    runs = []
    for seed, first in enumerate((2.0, 0.7, 0.01, 3.0, 0.02)):
        machine = _Machine(seed, first)
        started = machine.now
        got = on(answer, "a function work and a clock, in which no real second passes", machine.work, machine.clock)
        if got is None:
            raise Unwritten
        if not isinstance(got, (int, float)) and getattr(got, "shape", None) != ():  # numpy's and torch's numbers pass
            raise NotYet(f"It should return one number, the seconds of a call, not {type(got).__name__}.")
        if not machine.took:
            raise NotYet("The work is never done: call work() between two readings of clock().")
        runs.append((machine.took, float(got), started))
    took, got, started = runs[0]
    fewest = min(len(took) for took, _, _ in runs)

    def fits(estimate: Callable[[list[float]], float], skip: int) -> bool:
        """Whether one way of estimating, after this many calls that do not count, gives the answer on every machine."""
        return all(len(t) > skip and math.isclose(estimate(t[skip:]), g, rel_tol=1e-6, abs_tol=1e-9) for t, g, _ in runs)

    middles = (statistics.median, statistics.median_low, statistics.median_high)
    if any(fits(middle, skip) for skip in range(1, fewest - _ENOUGH + 1) for middle in middles):
        return True
    skips = range(fewest)
    fits_one = fewest == 1 or any(fits(lambda t, k=k: t[k], 0) for k in range(fewest)) or fits(lambda t: t[-1], 0)
    mean = "the mean: a single call that was interrupted moves it"
    slips = {
        "a reading of the clock: only the difference of two readings is a time": fits(lambda t: started + sum(t), 0),
        "the call in the middle of the list: the median is the middle one of the sorted times": (
            fewest > _ENOUGH and any(fits(lambda t: t[len(t) // 2], skip) for skip in (0, 1))
        ),
        "one run: if something interrupted it, that time is in the answer, and you cannot tell": fits_one,
        "no warm-up: the first call is counted, and it is not like the others": any(fits(middle, 0) for middle in middles),
        f"{mean}, and the first call is in it": fits(statistics.mean, 0),
        mean: any(fits(statistics.mean, skip) for skip in skips),
        "the sum of all calls: the time of one is asked for": any(fits(sum, skip) for skip in skips),
        "the shortest call: that is the machine's best, not what the work usually takes": any(
            fits(min, skip) for skip in skips
        ),
        "the longest call: that is an interruption, not the work": any(fits(max, skip) for skip in skips),
        f"too few calls that count: with fewer than {_ENOUGH}, two that were interrupted move the median": any(
            fits(middle, skip) for skip in skips for middle in middles
        ),
        "in milliseconds: seconds are asked for": any(fits(lambda t: 1000 * statistics.median(t), skip) for skip in skips),
        "hardly any time passed. Read the clock that is handed in, and do the work between two readings": (
            all(seconds < 1e-3 for _, seconds, _ in runs)
        ),
    }
    slip = next((slip for slip, fitting in slips.items() if fitting), None)
    shown = ", ".join(f"{seconds:.3f}" for seconds in took[:8]) + (", ..." if len(took) > 8 else "")
    expected = f"{statistics.median(took[1:]):.4f}, the median after the first call" if len(took) > _ENOUGH else "more calls"
    words = f"work that you called {len(took)} time{'s' * (len(took) != 1)}; the calls took {shown} s"
    unknown = "It is not the median of your calls, however many are left out at the beginning." if not slip else ""
    raise refused(slip, unknown + case(words, expected, f"{got:.4f}"))


EXERCISES = {
    "7a": (
        _share,
        "let the old time be 1 and write down the new time twice: from `whole`, and as the sum of what was left alone and what "
        "became faster. Then solve for the share.",
    ),
    "7b": (
        _address,
        "how many values lie in memory before this one? Look at the second printed row: which number changes fastest as you go "
        "along, and which changes next?",
    ),
    "7c": (
        _multiplications,
        "how often is one weight used? The layer's weight tensor says how many weights there are; the output that a hook "
        "sees says the rest. (What a hook returns replaces the output: let it return nothing.)",
    ),
    "7d": (
        _time_it,
        "which call is unlike the others, and which value in a list of times does a single interrupted call not move?",
    ),
}

LIBRARY = {"7c": (count_multiplications, FlopCounterMode.__enter__)}
