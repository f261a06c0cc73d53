"""Exercises of notebook 01."""

import copy
from collections.abc import Callable
from fnmatch import fnmatch

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course.exercises.checking import NotYet, alike, attempted, case, compare, refused, untouched
from mnist_lib.model import DigitNet

STILL = 1e-9  # a logit that moves by less has not moved: that is rounding in float64


def _convolved(image: Tensor, weight: Tensor, bias: float) -> Tensor:
    """(C, H, W), (C, k, k), a number -> (H - k + 1, W - k + 1)."""
    return F.conv2d(image[None], weight[None])[0, 0] + bias


def _convolve(answer: Callable) -> bool:
    """One filter at every place of an image, for any number of maps, any sides and any kernel."""

    def slips(x: Tensor, w: Tensor, b: float) -> dict[str, Tensor]:
        right, unbiased = _convolved(x, w, b), _convolved(x, w, 0.0)
        rows, columns = torch.ones_like(right), torch.ones_like(right)
        rows[-1], columns[:, -1] = 0, 0
        stretched = w.expand(-1, 3, 3) if w.shape[1] == 1 else w  # over nine places, if 3 is written in place of k
        return {
            "the kernel is flipped, left to right and top to bottom": _convolved(x, w.flip(1, 2), b),
            "rows and columns of the kernel are swapped": _convolved(x, w.transpose(1, 2), b),
            "only the first map is read; a filter reads them all": _convolved(x[:1], w[:1], b),
            "the maps are kept apart; a filter adds them up into one": F.conv2d(x[None], w[:, None], groups=len(w))[0] + b,
            "the first map's weights are used for every map": _convolved(x, w[:1].expand_as(w), b),
            "the bias is added once for each weight of a map, k × k times": unbiased + b * w[0].numel(),
            "the bias is added once for each map": unbiased + b * len(w),
            "the bias is added once for each weight": unbiased + b * w.numel(),
            "the bias is missing": unbiased,
            "the mean of the products in place of their sum": unbiased / w.numel() + b,
            "the mean over a map's k × k products in place of their sum": unbiased / w[0].numel() + b,
            "the mean over the maps in place of their sum": unbiased / len(w) + b,
            "a square output: there may be more rows than columns, or fewer": right[:, : x.shape[1] - w.shape[1] + 1],
            "the last row and the last column are missing": right[:-1, :-1],
            "the last row and the last column stay 0: range(H - k) ends one place too early": right * rows * columns,
            "the last row stays 0: range(H - k) ends one place too early": right * rows,
            "the last column stays 0: range(W - k) ends one place too early": right * columns,
            "k is taken to be 3, whatever the kernel is: read it from the shape of weight": _convolved(x, stretched, b),
            "the image is padded: without padding, the output is smaller than the image": (
                F.conv2d(x[None], w[None], padding="same")[0, 0] + b
            ),
        }

    def attempt(image: Tensor, weight: Tensor, bias: float):
        try:
            return answer(image, weight, bias)
        except NotYet:
            raise
        except Exception:
            three = torch.randn(len(image), 3, 3, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
            at_three = attempted(answer, image, three, bias) if weight.shape[1] != 3 else None
            if at_three is not None and alike(at_three, _convolved(image, three, bias)):
                slip = "k is taken to be 3, whatever the kernel is: read it from the shape of weight"
                shown = f"weights of shape {tuple(weight.shape)}, but a 3×3 kernel works"
                raise refused(slip, f"\n  input: {shown}") from None
            side = min(image.shape[1:])
            if attempted(answer, image[:, :side, :side], weight, bias) is not None:
                slip = "a square output: there may be more rows than columns, or fewer"
                raise refused(slip, f"\n  input: an image of shape {tuple(image.shape)}, but a square one works") from None
            raise

    answer = untouched(answer)
    generator, cases = torch.Generator().manual_seed(1), []
    for shape, k in (((3, 5, 7), 3), ((1, 4, 6), 3), ((2, 5, 6), 1), ((2, 8, 9), 5), ((4, 9, 6), 3)):
        sizes = (shape, (shape[0], k, k), ())
        image, weight, bias = (torch.randn(size, generator=generator, dtype=torch.float64) for size in sizes)
        words = f"an image of shape {shape}, weights of shape {(shape[0], k, k)}, bias {bias:.4f}, all random"
        cases.append((words, (image, weight, float(bias))))
    return compare(attempt, _convolved, slips, cases)


def _count(answer: Callable) -> bool:
    """The learned numbers of a convolution, and of the BatchNorm after it if there is one."""

    def right(c_in: int, c_out: int, k: int, norm: bool) -> int:
        with torch.random.fork_rng(devices=[]):  # a new module draws random numbers
            modules = [nn.Conv2d(c_in, c_out, k), *([nn.BatchNorm2d(c_out)] if norm else [])]
        return sum(p.numel() for module in modules for p in module.parameters())

    def slips(i: int, o: int, k: int, norm: bool) -> dict[str, int]:
        convolution = o * (i * k * k + 1)
        return {
            "the biases are missing, one per filter": i * o * k * k + 2 * o * norm,
            "one bias for the whole layer; each filter has its own": i * o * k * k + 1 + 2 * o * norm,
            "a bias for each map that is read; there is one per filter": i * o * (k * k + 1) + 2 * o * norm,
            "c_in is missing: a filter has k × k weights for every map it reads": o * (k * k + 1) + 2 * o * norm,
            "c_out is missing: there are c_out filters": i * k * k + 1 + 2 * o * norm,
            "k is not squared": o * (i * k + 1) + 2 * o * norm,
            "running statistics are counted; they are measured, not learned": convolution + 4 * o * norm,
            "BatchNorm is not counted": convolution,
            "BatchNorm is counted where there is none": convolution + 2 * o,
            "BatchNorm has two numbers per map, a scale and a shift, not one": convolution + o * norm,
            "BatchNorm has two numbers for every map it normalises, not for the whole layer": convolution + 2 * norm,
            "BatchNorm normalises the maps that come out, not those that go in": convolution + 2 * i * norm,
        }

    generator, cases = torch.Generator().manual_seed(2), []
    for k, norm in ((3, False), (3, True), (5, True), (1, False), (7, False), (1, True)):
        c_in, c_out = torch.randint(2, 40, (2,), generator=generator).tolist()
        cases.append((f"c_in={c_in}, c_out={c_out}, k={k}, norm={norm}", (c_in, c_out, k, norm)))
    return compare(answer, right, slips, cases)


def _batch_norm(answer: Callable) -> bool:
    """What BatchNorm makes of a batch in training; the cases' means lie far from 0, their spread is small."""
    eps = 1e-5

    def right(x: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
        return F.batch_norm(x, None, None, gamma, beta, training=True, eps=eps)

    def slips(x: Tensor, gamma: Tensor, beta: Tensor) -> dict[str, Tensor]:
        def over(*axes: int, unbiased: bool = False, outside: bool = False) -> Tensor:
            variance = x.var(axes, unbiased=unbiased, keepdim=True)
            spread = variance.sqrt() + eps if outside else (variance + eps).sqrt()
            return _affine((x - x.mean(axes, keepdim=True)) / spread, gamma, beta)

        variance, centred = x.var((0, 2, 3), unbiased=False, keepdim=True), x - x.mean((0, 2, 3), keepdim=True)
        values = centred / (variance + eps).sqrt()
        return {
            "each image is normalised by itself; the mean and variance of a map are over all images of the batch": over(2, 3),
            "each image is normalised by itself, over all its maps": over(1, 2, 3),
            "mean and variance over the batch axis only; they should also run over a map's rows and columns": over(0),
            "all maps are normalised together; each map should have its own mean and variance": over(0, 1, 2, 3),
            "the variance divides by n - 1; BatchNorm's divides by n": over(0, 2, 3, unbiased=True),
            "eps is outside the root; it should be added to the variance": over(0, 2, 3, outside=True),
            "the variance divides by n - 1, and eps is outside the root": over(0, 2, 3, unbiased=True, outside=True),
            "eps is missing": _affine(centred / variance.sqrt(), gamma, beta),
            "it divides by the variance, not by its root": _affine(centred / (variance + eps), gamma, beta),
            "no affine step: gamma scales the normalised values and beta shifts them": values,
            "beta is missing": values * gamma[:, None, None],
            "gamma is missing": values + beta[:, None, None],
            "gamma and beta are swapped": _affine(values, beta, gamma),
            "beta is added before gamma scales": (values + beta[:, None, None]) * gamma[:, None, None],
        }

    def attempt(x: Tensor, gamma: Tensor, beta: Tensor):
        try:
            return untouched(answer)(x, gamma, beta)
        except RuntimeError as error:
            if "size of tensor" not in str(error):
                raise
            slip = (
                "what has one number per map (gamma, beta, or a mean without keepdim=True) does not lie along x's axis of "
                "maps: give it the shape (1, C, 1, 1)"
            )
            words = f"x of shape {tuple(x.shape)}, gamma and beta of shape {tuple(gamma.shape)}"
            raise refused(slip, case(words, "a tensor of x's shape", f"{error}")) from None

    generator, cases = torch.Generator().manual_seed(3), []
    for shape, mean, spread in (((2, 3, 4, 5), 7.0, 0.02), ((4, 2, 3, 5), 7.0, 0.02), ((3, 4, 2, 6), -2.0, 3.0)):
        x = torch.randn(shape, generator=generator, dtype=torch.float64)
        x = mean + spread * (x + torch.arange(shape[1])[:, None, None] + torch.arange(shape[0])[:, None, None, None] / 2)
        gamma, beta = torch.randn(2, shape[1], generator=generator, dtype=torch.float64)
        words = f"x of shape {shape}, a map's values about {mean:g}, standard deviation about {spread:g}; random gamma, beta"
        cases.append((words, (x, gamma, beta)))
    return compare(attempt, right, slips, cases)


def _affine(x: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
    return x * gamma[:, None, None] + beta[:, None, None]


def _idle(answer) -> bool:
    """The names of DigitNet's parameters that have no effect in training; adding noise to just those decides."""
    net, images = _training_net(), torch.randn(3, 1, 28, 28, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    numel = {name: p.numel() for name, p in net.named_parameters()}
    names = [answer] if isinstance(answer, str) else list(dict.fromkeys(answer))
    buffers = {name for name, _ in net.named_buffers()}
    for name in names:
        if name in buffers:
            raise NotYet(f"{name} is measured, not learned, so it is not among the 13,960.")
        if name not in numel:
            raise NotYet(f"{name!r} is not a parameter; names look like 'conv3.weight' or 'bn3.bias' (net.named_parameters()).")
    if not names:
        raise NotYet("The list is empty: name at least one parameter.")
    if _moves(net, names, images) > STILL:
        guilty = {name: moved for name in names if (moved := _moves(net, [name], images)) > STILL}
        name, moved = max(guilty.items(), key=lambda entry: entry[1])
        slip = next(why for pattern, why in _WHY if fnmatch(name, pattern))
        words = f"noise added to {name} alone (of the {len(names)} that you named, {len(guilty)} do something)"
        shown = case(words, f"logits that move by less than {STILL:g}", f"a logit that moves by {moved:.2g}")
        raise refused(slip, shown)
    idle = sum(numel[name] for name in names)
    if any(_moves(net, [name], images) <= STILL for name in set(numel) - set(names)):
        raise NotYet(f"It is true that these {idle} numbers do nothing, but there are more.")
    return True


_WHY = (  # the first pattern that fits a parameter's name
    ("conv8.bias", "conv8's bias: no BatchNorm follows conv8, so nothing takes it away again"),
    ("bn*bias", "BatchNorm's shift: it is added after the mean is subtracted, and stays"),
    ("bn*", "BatchNorm's scale: it is applied after the division by the standard deviation, and stays"),
    ("*", "weights: they decide what the map looks like, not only its mean"),
)


def _training_net() -> DigitNet:
    """Random weights, float64, in training mode; no dropout, so that two passes differ only by what was changed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        return DigitNet(dropout=(0.0, 0.0)).double().train()


@torch.no_grad()
def _moves(net: DigitNet, names: list[str], images: Tensor) -> float:
    """By how much some logit moves when noise is added to the named parameters."""
    generator, noisy = torch.Generator().manual_seed(6), copy.deepcopy(net)
    for name in names:
        weight = noisy.get_parameter(name)
        weight += torch.randn(weight.shape, generator=generator, dtype=torch.float64)
    return float((noisy(images) - net(images)).abs().max())


EXERCISES = {
    "1a": (
        _convolve,
        "first work out one place on paper: which numbers of the image lie under the filter there, in how many maps, and how "
        "many products do you add up? How many places are there along a row, if the filter has to fit in whole?",
    ),
    "1b": (
        _count,
        "count what one filter needs, as you did for conv2. How many filters are there, and what does BatchNorm learn for "
        "each map?",
    ),
    "1c": (
        _batch_norm,
        "each map has one mean: which of the four axes does it run over? Print the shapes of mean and gamma beside that of x: "
        "the number for each map must be on the axis where x has its maps.",
    ),
    "1d": (
        _idle,
        "add 5 to every value of a map. What does BatchNorm, which comes next, do to it?",
    ),
}

LIBRARY = {
    "1a": (F.conv2d, nn.Conv2d.forward),
    "1c": (F.batch_norm, nn.BatchNorm2d.forward),
}
