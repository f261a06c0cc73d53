"""Exercises of notebook 01: each wrong implementation is refused by name, right ones of any make are taken."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from course.exercises import check
from mnist_lib.model import DigitNet

BIASES = [f"conv{i}.bias" for i in range(1, 8)]


# 1a
def places(image, weight):
    k = weight.shape[1]
    for r in range(image.shape[1] - k + 1):
        for c in range(image.shape[2] - k + 1):
            yield r, c, image[:, r : r + k, c : c + k]


def filled(image, weight, value):
    """An output of the right size whose value at each place is value(the patch there)."""
    k = weight.shape[1]
    out = torch.zeros(image.shape[1] - k + 1, image.shape[2] - k + 1, dtype=image.dtype)
    for r, c, patch in places(image, weight):
        out[r, c] = value(patch)
    return out


def by_patches(image, weight, bias):
    return filled(image, weight, lambda patch: (patch * weight).sum() + bias)


def by_five_loops(image, weight, bias):
    (channels, height, width), k = image.shape, weight.shape[1]
    out = [[float(bias)] * (width - k + 1) for _ in range(height - k + 1)]
    for r in range(height - k + 1):
        for c in range(width - k + 1):
            for m in range(channels):
                for i in range(k):
                    for j in range(k):
                        out[r][c] += float(image[m, r + i, c + j] * weight[m, i, j])
    return out


def in_float32(image, weight, bias):
    return by_patches(image.float(), weight.float(), torch.tensor(bias).float())


def range_too_short(image, weight, bias, rows=1, columns=1):
    out, k = torch.zeros(image.shape[1] - weight.shape[1] + 1, image.shape[2] - weight.shape[1] + 1), weight.shape[1]
    for r in range(len(out) - rows):
        for c in range(out.shape[1] - columns):
            out[r, c] = (image[:, r : r + k, c : c + k] * weight).sum() + bias
    return out


def always_three(image, weight, bias, given=True):
    out = torch.zeros(image.shape[1] - (weight.shape[1] if given else 3) + 1, image.shape[2] - weight.shape[1] + 1)
    for r in range(len(out)):
        for c in range(out.shape[1]):
            out[r, c] = (image[:, r : r + 3, c : c + 3] * weight).sum() + bias
    return out


def convolve_in_place(image, weight, bias):
    image *= 1.5
    return by_patches(image / 1.5, weight, bias)


def with_numpy(image, weight, bias):
    image, weight = image.numpy(), weight.numpy()
    windows = np.lib.stride_tricks.sliding_window_view(image, weight.shape[1:], axis=(1, 2))
    return np.einsum("chwij,cij->hw", windows, weight) + bias


def lists_of_tensors(image, weight, bias):
    return [list(row) for row in by_patches(image, weight, bias)]


def square(image, weight, bias, side):
    size = image.shape[side] - weight.shape[1] + 1
    out, k = torch.zeros(size, size, dtype=image.dtype), weight.shape[1]
    for r in range(size):
        for c in range(size):
            out[r, c] = (image[:, r : r + k, c : c + k] * weight).sum() + bias
    return out


def cropped(image, weight, bias):
    size = image.shape[1] - weight.shape[1] + 1
    return by_patches(image, weight, bias)[:size, :size]


def padded(image, weight, bias):
    p = weight.shape[1] // 2
    return by_patches(F.pad(image, (p, p, p, p)), weight, bias)


WRONG_CONVOLVE = [
    ("the kernel is flipped", lambda x, w, b: by_patches(x, torch.from_numpy(w.numpy()[:, ::-1, ::-1].copy()), b)),
    ("rows and columns of the kernel are swapped", lambda x, w, b: by_patches(x, w.permute(0, 2, 1), b)),
    ("only the first map is read", lambda x, w, b: filled(x, w, lambda patch: (patch[0] * w[0]).sum() + b)),
    (
        "the maps are kept apart",
        lambda x, w, b: torch.stack([by_patches(x[m : m + 1], w[m : m + 1], b) for m in range(len(w))]),
    ),
    ("the first map's weights are used for every map", lambda x, w, b: filled(x, w, lambda patch: (patch * w[0]).sum() + b)),
    (
        "the bias is added once for each weight of a map, k × k times",
        lambda x, w, b: filled(x, w, lambda p: ((p * w).sum(0) + b).sum()),
    ),
    ("the bias is added once for each map", lambda x, w, b: filled(x, w, lambda p: ((p * w).sum((1, 2)) + b).sum())),
    ("the bias is added once for each weight", lambda x, w, b: filled(x, w, lambda p: (p * w + b).sum())),
    ("the bias is missing", lambda x, w, b: filled(x, w, lambda p: (p * w).sum())),
    ("the mean of the products", lambda x, w, b: filled(x, w, lambda p: (p * w).mean() + b)),
    ("the mean over a map's", lambda x, w, b: filled(x, w, lambda p: (p * w).mean((1, 2)).sum() + b)),
    ("the mean over the maps", lambda x, w, b: filled(x, w, lambda p: (p * w).mean(0).sum() + b)),
    ("a square output", cropped),
    ("a square output", lambda x, w, b: square(x, w, b, 1)),
    ("a square output", lambda x, w, b: square(x, w, b, 2)),
    ("the last row and the last column are missing", lambda x, w, b: by_patches(x[:, :-1, :-1], w, b)),
    ("the image is padded", padded),
    ("the last row and the last column stay 0: range(H - k)", range_too_short),
    ("the last row stays 0: range(H - k)", lambda *case: range_too_short(*case, columns=0)),
    ("the last column stays 0: range(W - k)", lambda *case: range_too_short(*case, rows=0)),
    ("k is taken to be 3", always_three),
    ("image is changed in place", convolve_in_place),
    ("It calls conv2d, which does the exercise for you", lambda x, w, b: F.conv2d(x[None], w[None])[0, 0] + b),
]


# 1b
def by_modules(c_in, c_out, k, norm):
    layers = nn.Sequential(nn.Conv2d(c_in, c_out, (k, k)), nn.BatchNorm2d(c_out) if norm else nn.Identity())
    return sum(p.numel() for p in layers.parameters())


def by_filters(c_in, c_out, k, norm):
    total = 0
    for _ in range(c_out):
        total += c_in * k * k + 1
        if norm:
            total += 2
    return total


def with_statistics(c_in, c_out, k, norm):
    layers = [nn.Conv2d(c_in, c_out, k), *([nn.BatchNorm2d(c_out)] if norm else [])]
    return sum(v.numel() for layer in layers for name, v in layer.state_dict().items() if "num_batches" not in name)


WRONG_COUNT = [
    ("the biases are missing", lambda i, o, k, n: i * o * k**2 + (2 * o if n else 0)),
    ("one bias for the whole layer", lambda i, o, k, n: i * o * k**2 + 1 + (2 * o if n else 0)),
    ("a bias for each map that is read", lambda i, o, k, n: (k**2 + 1) * i * o + (2 * o if n else 0)),
    ("c_in is missing", lambda i, o, k, n: (k**2 + 1) * o + (2 * o if n else 0)),
    ("c_out is missing", lambda i, o, k, n: i * k**2 + 1 + (2 * o if n else 0)),
    ("k is not squared", lambda i, o, k, n: (i * k + 1) * o + (2 * o if n else 0)),
    ("running statistics are counted", with_statistics),
    ("BatchNorm is not counted", lambda i, o, k, n: by_filters(i, o, k, False)),
    ("BatchNorm is counted where there is none", lambda i, o, k, n: by_filters(i, o, k, True)),
    ("BatchNorm has two numbers per map", lambda i, o, k, n: by_filters(i, o, k, False) + (o if n else 0)),
    ("not for the whole layer", lambda i, o, k, n: by_filters(i, o, k, False) + (2 if n else 0)),
    ("not those that go in", lambda i, o, k, n: by_filters(i, o, k, False) + (2 * i if n else 0)),
]


# 1c
def normalised(x, gamma, beta, axes=(0, 2, 3), correction=0, inside=1e-5, outside=0.0):
    x = x.numpy()
    spread = np.sqrt(x.var(axis=axes, ddof=correction, keepdims=True) + inside) + outside
    return (x - x.mean(axis=axes, keepdims=True)) / spread * gamma.numpy()[:, None, None] + beta.numpy()[:, None, None]


def by_broadcasting(x, gamma, beta, eps=1e-5):
    mean = x.mean((0, 2, 3), keepdim=True)
    variance = ((x - mean) ** 2).mean((0, 2, 3), keepdim=True)
    return gamma.view(1, -1, 1, 1) * (x - mean) / torch.sqrt(variance + eps) + beta.view(1, -1, 1, 1)


def with_a_gradient(x, gamma, beta):
    return by_broadcasting(x, nn.Parameter(gamma), beta)


def in_place(x, gamma, beta):
    result = by_broadcasting(x, gamma, beta)
    x -= x.mean((0, 2, 3), keepdim=True)
    return result


def by_variance(x, gamma, beta):
    mean, variance = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), correction=0, keepdim=True)
    return gamma[:, None, None] * (x - mean) / (variance + 1e-5) + beta[:, None, None]


WRONG_BATCH_NORM = [
    ("each image is normalised by itself; the mean", lambda x, g, b: normalised(x, g, b, axes=(2, 3))),
    ("each image is normalised by itself, over all its maps", lambda x, g, b: normalised(x, g, b, axes=(1, 2, 3))),
    ("mean and variance over the batch axis only", lambda x, g, b: normalised(x, g, b, axes=0)),
    ("all maps are normalised together", lambda x, g, b: normalised(x, g, b, axes=None)),
    ("the variance divides by n - 1", lambda x, g, b: normalised(x, g, b, correction=1)),
    ("eps is outside the root", lambda x, g, b: normalised(x, g, b, inside=0.0, outside=1e-5)),
    ("n - 1, and eps is outside the root", lambda x, g, b: normalised(x, g, b, correction=1, inside=0.0, outside=1e-5)),
    ("give it the shape (1, C, 1, 1)", lambda x, g, b: x * g + b),
    ("a mean without keepdim=True", lambda x, g, b: x - x.mean((0, 2, 3))),
    ("eps is missing", lambda x, g, b: normalised(x, g, b, inside=0.0)),
    ("no affine step", lambda x, g, b: normalised(x, g * 0 + 1, b * 0)),
    ("beta is missing", lambda x, g, b: normalised(x, g, b * 0)),
    ("gamma is missing", lambda x, g, b: normalised(x, g * 0 + 1, b)),
    ("gamma and beta are swapped", lambda x, g, b: normalised(x, b, g)),
    (
        "beta is added before gamma scales",
        lambda x, g, b: normalised(x, g * 0 + 1, b) * g.numpy()[:, None, None],
    ),
    ("it divides by the variance, not by its root", by_variance),
    ("x is changed in place", in_place),
    ("It calls batch_norm, which does", lambda x, g, b: F.batch_norm(x, None, None, g, b, training=True)),
]


# 1d
WRONG_IDLE = [
    ("conv8's bias: no BatchNorm follows", [*BIASES, "conv8.bias"]),
    ("BatchNorm's shift", [*BIASES, "bn4.bias"]),
    ("BatchNorm's scale", ["bn7.weight", *BIASES]),
    ("weights: they decide", [*BIASES, "conv5.weight"]),
    ("weights: they decide", "conv8.weight"),
    ("BatchNorm's shift", [name for name, _ in DigitNet().named_parameters() if name.endswith("bias")][:-1]),
    ("do nothing, but there are more.", BIASES[:-1]),
    ("It is true that these 10 numbers do nothing, but there are more.", ["conv3.bias"] * 3),
    ("is measured, not learned", [*BIASES, "bn1.running_mean"]),
    ("'conv9.bias' is not a parameter", ["conv9.bias"]),
    ("is not a parameter", [DigitNet().conv1.bias]),
    ("The list is empty", []),
    ("could not be checked", 122),
]
RIGHT = {
    "1a": [by_patches, by_five_loops, in_float32, with_numpy, lists_of_tensors],
    "1b": [
        by_filters,
        by_modules,
        lambda i, o, k, n: np.int64(o * (i * k * k + 1 + 2 * n)),
        lambda *case: float(by_modules(*case)),
    ],
    "1c": [
        normalised,
        by_broadcasting,
        with_a_gradient,
        lambda *case: by_broadcasting(*(one.float() for one in case)),
    ],
    "1d": [BIASES, tuple(reversed(BIASES)), set(BIASES), BIASES + BIASES, (name for name in BIASES)],
}
WRONG = {"1a": WRONG_CONVOLVE, "1b": WRONG_COUNT, "1c": WRONG_BATCH_NORM, "1d": WRONG_IDLE}


def test_a_gamma_without_its_shape_is_told_the_shape(capsys):
    assert not check("1c", lambda x, gamma, beta: x * gamma + beta)
    said = capsys.readouterr().out
    assert "got: The size of tensor a" in said and "Print the shapes of mean and gamma" in said
    assert "\n  line " in said and "x * gamma + beta" in said and "\n  input: x of shape (2, 3, 4, 5)" in said


def test_a_single_number_is_shown_as_one(capsys):
    check("1b", lambda c_in, c_out, k, norm: 7)
    assert "\n  got: 7\n" in capsys.readouterr().out


def test_what_1d_asks_for_is_what_gradients_find():
    """An independent witness: in training those numbers, and no others, have no gradient."""
    torch.manual_seed(0)
    net = DigitNet(dropout=(0.0, 0.0)).double().train()
    F.cross_entropy(net(torch.randn(16, 1, 28, 28).double()), torch.arange(16) % 10).backward()
    still = {name for name, p in net.named_parameters() if p.grad.abs().max() < 1e-12}
    assert still == set(BIASES) and sum(dict(net.named_parameters())[name].numel() for name in still) == 122
