"""What a trained DigitNet looks at: its maps, what excites them, what each is worth, and how far its confidence can be trusted.

Images are given as the network takes them: normalised, (N, 1, 28, 28). Nothing here learns, and nothing here draws.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from typing import Literal, NamedTuple, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from mnist_lib.model import DigitNet
from mnist_lib.model.layers import evaluating
from mnist_lib.receptive_field import receptive_fields
from mnist_lib.support import validation


def maps(net: DigitNet, layer: str, images: Tensor) -> Tensor:
    """What a layer says of images (N, 1, H, W) -> its maps (N, C, h, w), after the BatchNorm and the ReLU that follow it.

    conv8, which neither follows, is given as it is. Raises ValueError, one sentence, if there is no such convolution.
    """
    _check_layer(net, layer)
    if images.dim() != 4 or not images.is_floating_point():
        raise ValueError(f"images must be float (N, 1, 28, 28), normalised, not {validation.kind(images)}.")
    with evaluating(net):
        batches = images.split(250)
        return torch.cat([_maps(net, layer, x.contiguous(memory_format=torch.channels_last)) for x in batches])


def _maps(net: DigitNet, layer: str, x: Tensor) -> Tensor:
    for block in net.blocks():
        if block.name == layer:
            return block.maps(x)
        x = block(x)
    return net.conv8(net.gap(x))


def evidence(net: DigitNet, image: Tensor, digit: int) -> Tensor:
    """How strongly each place of one image (1, 28, 28) speaks for a digit -> (6, 6).

    conv8 weighs the averages of conv7's maps. Weighing first and averaging after gives the same, because both are sums: so the
    mean of this map, plus conv8's bias, equals the digit's logit. It is an identity, not an approximation. Class activation
    mapping: Zhou, Khosla, Lapedriza, Oliva & Torralba, "Learning Deep Features for Discriminative Localization", CVPR 2016.

    Raises ValueError for anything but one image, or a digit that the network does not know.
    """
    if image.dim() != 3:
        raise ValueError(f"evidence takes one image (1, 28, 28), not {tuple(image.shape)}: choose one, as in images[0].")
    weights = net.conv8.weight.detach()[:, :, 0, 0]  # (10, 16)
    if not 0 <= digit < len(weights):
        raise ValueError(f"The network answers 0 to {len(weights) - 1}: {digit} is none of these.")
    return torch.einsum("c,chw->hw", weights[digit], maps(net, "conv7", image[None])[0])


class Patches(NamedTuple):
    """The k patches to which a map responds most strongly, the strongest first."""

    patches: Tensor  # (k, 1, h, w): the field of the unit, cut out; beyond the image's border 0, as padding is
    responses: Tensor  # (k,): the unit's value
    images: Tensor  # (k,): in which image
    units: Tensor  # (k, 2): row and column of the unit in the map


def top_patches(net: DigitNet, layer: str, map: int, images: Tensor, k: int) -> Patches:
    """What excites one map most: of each image (N, 1, H, W) the strongest unit's receptive field, from the k strongest images.

    Raises ValueError, one sentence, for a layer or map that is not there, or fewer than k images.
    """
    if not 1 <= k <= len(images):
        raise ValueError(f"k = {k}: choose 1 to {len(images)}, as there are {len(images)} images and each gives one patch.")
    _check_map(net, layer, map)
    said = torch.cat([maps(net, layer, batch)[:, map] for batch in images.split(250)])  # (N, h, w)
    responses, units = said.flatten(1).max(1)
    best = responses.argsort(descending=True, stable=True)[:k]
    places = torch.stack([units[best] // said.shape[2], units[best] % said.shape[2]], dim=1)  # (k, 2)
    field = receptive_fields(net, tuple(images.shape[2:]))[layer]
    cut = [_cut(images[i], field.box(*place)) for i, place in zip(best.tolist(), places.tolist())]
    return Patches(torch.stack(cut), responses[best], best, places)


def _cut(image: Tensor, box: tuple[int, int, int, int]) -> Tensor:
    """The box (top, left, bottom, right), inclusive, of an image (1, H, W); beyond its border 0."""
    (top, left, bottom, right), (height, width) = box, image.shape[1:]
    return F.pad(image, (-left, right + 1 - width, -top, bottom + 1 - height))  # a negative number cuts


Constant = Literal["zero", "mean"]  # a map's value while it is off


@contextmanager
def ablate_channel(net: DigitNet, layer: str, map: int, to: Constant = "zero") -> Iterator[None]:
    """Inside the block, one map of a layer has one value everywhere, after BatchNorm and ReLU. Afterwards the network is as it
    was, even if an error ends the block.

        with ablate_channel(net, "conv3", 7):
            net(images)

    to: "zero", or "mean", the map's mean over all places of the images that are read at once. Zero can be far from anything
    that the layers above have seen; the mean takes away what the map says about an image, but keeps its usual level.
    Raises ValueError, one sentence, for a layer or map that is not there, or another `to`.
    """
    _check_map(net, layer, map)
    validation.choice("to", to, get_args(Constant))

    def off(_module, _inputs, output: Tensor) -> Tensor:
        output = output.clone()
        usual = output[:, map] if layer == "conv8" else output[:, map].relu()
        output[:, map] = usual.mean() if to == "mean" else 0  # ReLU leaves either as it is
        return output

    last = {block.name: block.norm for block in net.blocks()} | {"conv8": net.conv8}
    with last[layer].register_forward_hook(off):
        yield


def wrong_without(net: DigitNet, images: Tensor, labels: Tensor, channels: Sequence[tuple[str, int]]) -> int:
    """How many images (N, 1, 28, 28) are misread while several maps, (layer, map) each, are 0 at the same time."""
    validation.label_each("wrong_without", images, labels)
    with evaluating(net), ExitStack() as off:
        for layer, map in channels:
            off.enter_context(ablate_channel(net, layer, map))
        batches = zip(images.split(250), labels.split(250))
        return sum(int((net(x).argmax(1) != truth).sum()) for x, truth in batches)


def random_channels(net: DigitNet, like: Sequence[tuple[str, int]], sets: int, seed: int = 0) -> list[list[tuple[str, int]]]:
    """Random sets of maps, each with as many of every layer as `like` has: the control for a set that was chosen.

    Raises ValueError, one sentence, for a layer or map that is not there.
    """
    for layer, map in like:
        _check_map(net, layer, map)
    draw, counts = torch.Generator().manual_seed(seed), Counter(layer for layer, _ in like)
    return [
        [
            (layer, map)
            for layer, count in counts.items()
            for map in sorted(torch.randperm(net.get_submodule(layer).out_channels, generator=draw)[:count].tolist())
        ]
        for _ in range(sets)
    ]


class ChannelAblation(NamedTuple):
    """How a network does without one map."""

    layer: str
    map: int
    wrong: int  # images misread
    loss: float  # mean cross-entropy


def channel_ablations(
    net: DigitNet, images: Tensor, labels: Tensor, to: Constant = "zero"
) -> tuple[ChannelAblation, list[ChannelAblation]]:
    """Switch the maps of a DigitNet off, one at a time -> the whole network (layer "", map -1), and one for each map.

    images (N, 1, 28, 28), labels (N,). Use training images, so that a choice by the result does not use the test set.
    to: what an ablated map is everywhere, "zero" or "mean", its mean over all of these images.
    Switching a map off does not change what lies below it, so each layer's maps are computed once, and only what
    lies above them is run again. Raises ValueError, one sentence, unless there is a label for each image.
    """
    validation.label_each("channel_ablations", images, labels)
    validation.choice("to", to, get_args(Constant))
    blocks = list(net.blocks())
    constants = [torch.zeros(block.conv.out_channels) for block in blocks]
    if to == "mean":
        constants = [maps(net, block.name, images).mean((0, 2, 3)) for block in blocks]
    names = [("", -1)] + [(block.name, map) for block in blocks for map in range(block.conv.out_channels)]
    counts = torch.zeros(len(names), 2, dtype=torch.float64)
    with evaluating(net):
        for x, truth in zip(images.split(250), labels.split(250)):
            scores, x = [], x.contiguous(memory_format=torch.channels_last)
            for number, block in enumerate(blocks, 1):
                x = block(x)
                for map in range(x.shape[1]):
                    off = x.clone()
                    off[:, map] = constants[number - 1][map]  # pooling leaves a constant as it is
                    for above in blocks[number:]:
                        off = above(off)
                    scores.append(_score(net.head(off), truth))
            counts += torch.stack([_score(net.head(x), truth), *scores])
    whole, *others = [
        ChannelAblation(*name, round(wrong), loss / len(labels))
        for name, (wrong, loss) in zip(names, counts.tolist(), strict=True)
    ]
    return whole, others


def _score(logits: Tensor, labels: Tensor) -> Tensor:
    """(2,): how many are wrong, and the sum of the cross-entropies."""
    wrong, loss = (logits.argmax(1) != labels).sum(), F.cross_entropy(logits, labels, reduction="sum")
    return torch.stack([wrong.double(), loss.double()])


def redundancy(maps: Tensor) -> Tensor:
    """How much of each map the others explain: maps (N, C, h, w) -> (C,), from 0, nothing, to 1, all of it.

    The share of the map's variance, over all images and places, that the best weighted sum of the other maps explains (R²).
    NaN for a map that never changes.
    """
    values = maps.transpose(0, 1).flatten(1).double()  # (C, N * h * w)
    values = values - values.mean(1, keepdim=True)
    explained = []
    for map in range(len(values)):
        target, others = values[map], torch.cat([values[:map], values[map + 1 :]])
        weights = torch.linalg.lstsq(others @ others.T, others @ target, driver="gelsd").solution
        explained.append(1 - (target - weights @ others).square().sum() / target.square().sum())
    return torch.stack(explained).float()


class Bin(NamedTuple):
    """The answers whose confidence lies from low up to high."""

    low: float
    high: float
    n: int
    confidence: float  # their mean
    right: float  # the share of them that is right
    interval: tuple[float, float]  # 95 %, of that share


def reliability(
    confidence: Tensor, right: Tensor, edges: Sequence[float] = (0, 0.5, 0.7, 0.9, 0.99, 0.999, 0.9999, 1)
) -> list[Bin]:
    """Is "99 % sure" right 99 % of the time? Answers (N,) in bins by their confidence, each with the share that is right.

    confidence: (N,), the probability that the network gives its own answer; right: (N,), bool. Empty bins are left out; the
    last bin holds its upper edge. Raises ValueError where a confidence lies outside the edges: it would be lost.
    """
    if confidence.shape != right.shape:
        raise ValueError(
            f"confidence and right must have the same shape, not {tuple(confidence.shape)} and {tuple(right.shape)}."
        )
    if len(confidence) and not (edges[0] <= float(confidence.min()) and float(confidence.max()) <= edges[-1]):
        raise ValueError(f"Every confidence must lie from {edges[0]} to {edges[-1]}: give probabilities, not logits.")
    bins = []
    for low, high in pairwise(edges):
        inside = (confidence >= low) & ((confidence < high) | (high == edges[-1]))
        if n := int(inside.sum()):
            hits = int(right[inside].sum())
            bins.append(Bin(low, high, n, float(confidence[inside].double().mean()), hits / n, binomial_interval(hits, n)))
    return bins


def binomial_interval(hits: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share, from hits of n: Wilson's (1927), which also holds near 0 and 1."""
    from scipy.stats import binomtest  # imported here, because it is slow

    if not 0 <= hits <= n or n == 0:
        raise ValueError(f"Of {n} there can't be {hits} hits.")
    low, high = binomtest(hits, n).proportion_ci(method="wilson")
    return float(low), float(high)


def _check_layer(net: DigitNet, layer: str) -> None:
    validation.instance("net", net, DigitNet)
    if layer not in (names := [*(block.name for block in net.blocks()), "conv8"]):
        raise ValueError(f"The network has no convolution {layer!r}: choose one of {', '.join(names)}.")


def _check_map(net: DigitNet, layer: str, map: int) -> None:
    _check_layer(net, layer)
    count = net.get_submodule(layer).out_channels
    if not 0 <= map < count:
        raise ValueError(f"{layer} has the maps 0 to {count - 1}: {map} is none of these.")
