"""Exercises of notebook 01."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course.exercises.checking import NotYet, alike, case, compare, to_tensor, untouched
from mnist_lib.model import DigitNet

STILL = 1e-9  # a logit that moves by less has not moved: that is rounding in float64


def _convolved(image: Tensor, weight: Tensor, bias: float) -> Tensor:
    """(C, H, W), (C, k, k), a number -> (H - k + 1, W - k + 1)."""
    return F.conv2d(image[None], weight[None])[0, 0] + bias


def _convolve(answer: Callable) -> bool:
    """One filter at every place of an image, for any number of maps, any sides and any kernel."""

    def unbiased(image: Tensor, weight: Tensor) -> Tensor:
        return _convolved(image, weight, 0.0)

    def unfilled(rows: int, columns: int) -> Callable:
        """The last row or column is left at 0, as after range(H - k)."""

        def wrong(image: Tensor, weight: Tensor, bias: float) -> Tensor:
            out = _convolved(image, weight, bias).clone()
            if rows:
                out[-1] = 0
            if columns:
                out[:, -1] = 0
            return out

        return wrong

    slips = {
        "the kernel is flipped, left to right and top to bottom": lambda x, w, b: _convolved(x, w.flip(1, 2), b),
        "rows and columns of the kernel are swapped": lambda x, w, b: _convolved(x, w.transpose(1, 2), b),
        "only the first map is read; a filter reads them all": lambda x, w, b: _convolved(x[:1], w[:1], b),
        "the maps are kept apart; a filter adds them up into one": lambda x, w, b: (
            F.conv2d(x[None], w[:, None], groups=len(w))[0] + b
        ),
        "the first map's weights are used for every map": lambda x, w, b: _convolved(x, w[:1].expand_as(w), b),
        "the bias is added once for each weight of a map, k × k times": lambda x, w, b: _convolved(x, w, b * w[0].numel()),
        "the bias is added once for each map": lambda x, w, b: _convolved(x, w, b * len(w)),
        "the bias is added once for each weight": lambda x, w, b: _convolved(x, w, b * w.numel()),
        "the bias is missing": lambda x, w, b: unbiased(x, w),
        "the mean of the products in place of their sum": lambda x, w, b: unbiased(x, w) / w.numel() + b,
        "the mean over a map's k × k products in place of their sum": lambda x, w, b: unbiased(x, w) / w[0].numel() + b,
        "the mean over the maps in place of their sum": lambda x, w, b: unbiased(x, w) / len(w) + b,
        "a square output: there may be more rows than columns, or fewer": lambda x, w, b: _convolved(x, w, b)[
            :, : x.shape[1] - w.shape[1] + 1
        ],
        "the last row and the last column are missing": lambda x, w, b: _convolved(x, w, b)[:-1, :-1],
        "the last row and the last column stay 0: range(H - k) ends one place too early": unfilled(1, 1),
        "the last row stays 0: range(H - k) ends one place too early": unfilled(1, 0),
        "the last column stays 0: range(W - k) ends one place too early": unfilled(0, 1),
        "k is taken to be 3, whatever the kernel is: read it from the shape of weight": _as_if_three,
        "the image is padded: without padding, the output is smaller than the image": lambda x, w, b: (
            F.conv2d(x[None], w[None], padding="same")[0, 0] + b
        ),
    }

    def attempt(image: Tensor, weight: Tensor, bias: float):
        try:
            return answer(image, weight, bias)
        except NotYet:
            raise
        except Exception:
            if weight.shape[1] != 3 and _right_at_three(answer, image, bias):
                raise NotYet(
                    "It looks like this slip: k is taken to be 3, whatever the kernel is: read it from the shape of weight.\n"
                    f"  input: weights of shape {tuple(weight.shape)}, but a 3×3 kernel works"
                ) from None
            side = min(image.shape[1:])
            if _works(answer, image[:, :side, :side], weight, bias):
                raise NotYet(
                    "It looks like this slip: a square output: there may be more rows than columns, or fewer.\n"
                    f"  input: an image of shape {tuple(image.shape)}, but a square one works"
                ) from None
            raise

    answer = untouched(answer)
    generator, cases = torch.Generator().manual_seed(1), []
    for shape, k in (((3, 5, 7), 3), ((1, 4, 6), 3), ((2, 5, 6), 1), ((2, 8, 9), 5), ((4, 9, 6), 3)):
        image, weight, bias = (
            torch.randn(size, generator=generator, dtype=torch.float64) for size in (shape, (shape[0], k, k), ())
        )
        words = f"an image of shape {shape}, weights of shape {(shape[0], k, k)}, bias {bias:.4f}, all random"
        cases.append((words, (image, weight, float(bias))))
    return compare(attempt, _convolved, slips, cases)


def _as_if_three(image: Tensor, weight: Tensor, bias: float) -> Tensor:
    """The result of 3 written in place of k, where that runs: a 1×1 kernel is stretched over nine places."""
    k = weight.shape[1]
    return _convolved(image, weight.expand(-1, 3, 3) if k == 1 else weight, bias)


def _right_at_three(answer: Callable, image: Tensor, bias: float) -> bool:
    weight = torch.randn(len(image), 3, 3, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    try:
        return alike(to_tensor(answer(image, weight, bias)), _convolved(image, weight, bias))
    except Exception:
        return False


def _works(answer: Callable, *arguments) -> bool:
    try:
        return answer(*arguments) is not None
    except Exception:
        return False


def _count(answer: Callable) -> bool:
    """The learned numbers of a convolution, and of the BatchNorm after it if there is one."""

    def right(c_in: int, c_out: int, k: int, norm: bool) -> Tensor:
        with torch.random.fork_rng(devices=[]):  # a new module draws random numbers
            modules = [nn.Conv2d(c_in, c_out, k), *([nn.BatchNorm2d(c_out)] if norm else [])]
        return torch.tensor(sum(p.numel() for module in modules for p in module.parameters()))

    slips = {
        "the biases are missing, one per filter": lambda i, o, k, n: i * o * k * k + 2 * o * n,
        "one bias for the whole layer; each filter has its own": lambda i, o, k, n: i * o * k * k + 1 + 2 * o * n,
        "a bias for each map that is read; there is one per filter": lambda i, o, k, n: i * o * (k * k + 1) + 2 * o * n,
        "c_in is missing: a filter has k × k weights for every map it reads": lambda i, o, k, n: o * (k * k + 1) + 2 * o * n,
        "c_out is missing: there are c_out filters": lambda i, o, k, n: i * k * k + 1 + 2 * o * n,
        "k is not squared": lambda i, o, k, n: o * (i * k + 1) + 2 * o * n,
        "running statistics are counted; they are measured, not learned": lambda i, o, k, n: o * (i * k * k + 1) + 4 * o * n,
        "BatchNorm is not counted": lambda i, o, k, n: o * (i * k * k + 1),
        "BatchNorm is counted where there is none": lambda i, o, k, n: o * (i * k * k + 1) + 2 * o,
        "BatchNorm has two numbers per map, a scale and a shift, not one": lambda i, o, k, n: o * (i * k * k + 1) + o * n,
        "BatchNorm has two numbers for every map it normalises, not for the whole layer": lambda i, o, k, n: (
            o * (i * k * k + 1) + 2 * n
        ),
        "BatchNorm normalises the maps that come out, not those that go in": lambda i, o, k, n: o * (i * k * k + 1) + 2 * i * n,
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

    def over(axes: tuple[int, ...], unbiased: bool = False, outside: bool = False, root: bool = True) -> Callable:
        def wrong(x: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
            variance = x.var(axes, unbiased=unbiased, keepdim=True)
            spread = variance.sqrt() + eps if outside else (variance + eps).sqrt() if root else variance + eps
            return _affine((x - x.mean(axes, keepdim=True)) / spread, gamma, beta)

        return wrong

    whole = over((0, 2, 3))
    slips = {
        "each image is normalised by itself; the mean and variance of a map are over all images of the batch": over((2, 3)),
        "each image is normalised by itself, over all its maps": over((1, 2, 3)),
        "mean and variance over the batch axis only; they should also run over a map's rows and columns": over((0,)),
        "all maps are normalised together; each map should have its own mean and variance": over((0, 1, 2, 3)),
        "the variance divides by n - 1; BatchNorm's divides by n": over((0, 2, 3), unbiased=True),
        "eps is outside the root; it should be added to the variance": over((0, 2, 3), outside=True),
        "the variance divides by n - 1, and eps is outside the root": over((0, 2, 3), unbiased=True, outside=True),
        "eps is missing": lambda x, g, b: _affine(
            (x - x.mean((0, 2, 3), keepdim=True)) / x.var((0, 2, 3), unbiased=False, keepdim=True).sqrt(), g, b
        ),
        "it divides by the variance, not by its root": over((0, 2, 3), root=False),
        "no affine step: gamma scales the normalised values and beta shifts them": lambda x, g, b: whole(
            x, torch.ones_like(g), torch.zeros_like(b)
        ),
        "beta is missing": lambda x, g, b: whole(x, g, torch.zeros_like(b)),
        "gamma is missing": lambda x, g, b: whole(x, torch.ones_like(g), b),
        "gamma and beta are swapped": lambda x, g, b: whole(x, b, g),
        "beta is added before gamma scales": lambda x, g, b: whole(x, g, g * b),
    }

    def attempt(x: Tensor, gamma: Tensor, beta: Tensor):
        try:
            return untouched(answer)(x, gamma, beta)
        except RuntimeError as error:
            if "size of tensor" not in str(error):
                raise
            raise NotYet(
                "It looks like this slip: what has one number per map (gamma, beta, or a mean without keepdim=True) does not "
                "lie along x's axis of maps: give it the shape (1, C, 1, 1)."
                + case(
                    f"x of shape {tuple(x.shape)}, gamma and beta of shape {tuple(gamma.shape)}",
                    "a tensor of x's shape",
                    f"{error}",
                )
            ) from None

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
        slip = next(words for fits, words in _WHY if fits(name))
        words = f"noise added to {name} alone (of the {len(names)} that you named, {len(guilty)} do something)"
        shown = case(words, f"logits that move by less than {STILL:g}", f"a logit that moves by {moved:.2g}")
        raise NotYet(f"It looks like this slip: {slip}.{shown}")
    found = sum(numel[name] for name in names)
    if any(_moves(net, [name], images) <= STILL for name in set(numel) - set(names)):
        raise NotYet(f"It is true that these {found} numbers do nothing, but there are more.")
    return True


_WHY = (
    (lambda name: name == "conv8.bias", "conv8's bias: no BatchNorm follows conv8, so nothing takes it away again"),
    (
        lambda name: name.startswith("bn") and name.endswith("bias"),
        "BatchNorm's shift: it is added after the mean is subtracted, and stays",
    ),
    (
        lambda name: name.startswith("bn"),
        "BatchNorm's scale: it is applied after the division by the standard deviation, and stays",
    ),
    (lambda name: True, "weights: they decide what the map looks like, not only its mean"),
)


def _training_net() -> DigitNet:
    """Random weights, float64, in training mode; no dropout, so that two passes differ only by what was changed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        return DigitNet(dropout=(0.0, 0.0)).double().train()


@torch.no_grad()
def _moves(net: DigitNet, names: list[str], images: Tensor) -> float:
    """By how much some logit moves when noise is added to the named parameters, which are put back."""
    generator, parameters = torch.Generator().manual_seed(6), dict(net.named_parameters())
    kept, before = {name: parameters[name].clone() for name in names}, net(images)
    for name in names:
        parameters[name] += torch.randn(parameters[name].shape, generator=generator, dtype=torch.float64)
    after = net(images)
    for name in names:
        parameters[name].copy_(kept[name])
    return float((after - before).abs().max())


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
