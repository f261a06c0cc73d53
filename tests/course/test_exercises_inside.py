"""Exercises of notebook 05: each wrong implementation is refused by name, right ones of any make are taken."""

from contextlib import contextmanager
from functools import cache

import torch
import torch.nn.functional as F

from mnist_lib import interpret
from mnist_lib.model import DigitNet
from mnist_lib.receptive_field import receptive_fields


def maps_of(net, layer, images):
    """By a hook on the dropout behind it, not by the library."""
    kept = []
    with torch.no_grad():
        handle = net.get_submodule(layer.replace("conv", "drop")).register_forward_hook(
            lambda m, i, output: kept.append(output)
        )
        net(images)
        handle.remove()
    return kept[0]


def weighed(maps, net, digit):
    return (net.conv8.weight[digit] * maps).sum(0)


# 5a
def by_loops(net, image, digit):
    maps, weights = maps_of(net, "conv7", image[None])[0].tolist(), net.conv8.weight[digit, :, 0, 0].tolist()
    return [[sum(w * one[r][c] for w, one in zip(weights, maps)) for c in range(6)] for r in range(6)]


def by_convolution(net, image, digit):
    return net.conv8(maps_of(net, "conv7", image[None]))[0, digit] - net.conv8.bias[digit]


def in_float64(net, image, digit):
    return weighed(maps_of(net, "conv7", image[None])[0].double(), net, digit)


def as_array(net, image, digit):
    return by_convolution(net, image, digit).detach().numpy()


def raw_conv7(net, image, module):
    kept = []
    handle = net.get_submodule(module).register_forward_hook(lambda m, i, output: kept.append(output))
    net(image[None])
    handle.remove()
    return kept[0][0]


WRONG_EVIDENCE = {
    "It calls evidence, which does the exercise for you": interpret.evidence,
    "ReLU on the evidence": lambda n, x, d: by_convolution(n, x, d).relu(),
    "the weights of the digit that the network answers": lambda n, x, d: by_convolution(n, x, int(n(x[None]).argmax())),
    "the weights of another digit": lambda n, x, d: by_convolution(n, x, d - 1),
    "the sum over the places is the logit": lambda n, x, d: by_convolution(n, x, d) / 36,
    "the 16 products are averaged": lambda n, x, d: by_convolution(n, x, d) / 16,
    "conv6's maps": lambda n, x, d: weighed(maps_of(n, "conv6", x[None])[0], n, d),
    "the bias is added at every place": lambda n, x, d: n.conv8(maps_of(n, "conv7", x[None]))[0, d],
    "before BatchNorm": lambda n, x, d: weighed(raw_conv7(n, x, "conv7"), n, d),
    "before ReLU": lambda n, x, d: weighed(raw_conv7(n, x, "bn7"), n, d),
}


# 5b
@cache
def card_fields():
    with torch.random.fork_rng():
        return receptive_fields(DigitNet(), (28, 28))


def patches(net, layer, map, images, k, rank=lambda one: one.max(), box=None, fill=0.0, all_units=False, last=False):
    """Right as it stands; each argument puts a slip in."""
    said = maps_of(net, layer, images)[:, map]
    field = card_fields()[layer]
    side, jump, start = field.size[0], int(field.jump[0]), int(field.start[0] - (field.size[0] - 1) / 2)
    if all_units:
        order = said.flatten().argsort(descending=True)[:k].tolist()
        chosen = [(i // said[0].numel(), i % said[0].numel()) for i in order]
    else:
        order = sorted(range(len(images)), key=lambda i: float(rank(said[i])), reverse=not last)[:k]
        chosen = [(i, int(said[i].argmax())) for i in order]
    found = []
    for i, place in chosen:
        row, column = divmod(place, said.shape[2])
        top, left = (box or (lambda r, c: (start + jump * r, start + jump * c)))(row, column)
        framed = F.pad(images[i], (40,) * 4, value=fill)
        found.append(framed[:, top + 40 : top + 40 + side, left + 40 : left + 40 + side])
    return torch.stack(found)


def box_of(layer):
    """(start, jump, side) of the card's layers, from its table of fields."""
    return {"conv2": (0, 1, 5), "conv5": (0, 2, 14), "conv7": (-2, 2, 22)}[layer]


def moved(rule):
    def wrong(net, layer, map, images, k):
        start, jump, side = box_of(layer)
        return patches(net, layer, map, images, k, box=lambda r, c: rule(r, c, start, jump, side))

    return wrong


def inside(top, side):
    return min(max(top, 0), 28 - side)


def cut_off(net, layer, map, images, k):
    """Patches whose boxes end at the image's border."""
    start, jump, side = box_of(layer)
    found = []
    for image, said in zip(images, maps_of(net, layer, images)[:, map]):
        row, column = divmod(int(said.argmax()), said.shape[1])
        top, left = start + jump * row, start + jump * column
        found.append(image[:, max(top, 0) : top + side, max(left, 0) : left + side])
    return torch.stack(found[:k])


WRONG_PATCHES = {
    "a patch is cut off, so the patches differ in size": cut_off,
    "It calls top_patches, which does the exercise for you": lambda *case: interpret.top_patches(*case).patches,
    "the last row and column are missing": lambda *case: patches(*case)[:, :, :-1, :-1],
    "ranked by the mean over the map": lambda *case: patches(*case, rank=lambda one: one.mean()),
    "the jump is ignored": moved(lambda r, c, start, jump, side: (start + r, start + c)),
    "pushed back into the image": moved(
        lambda r, c, start, jump, side: (inside(start + jump * r, side), inside(start + jump * c, side))
    ),
    "begin at pixel 0": moved(lambda r, c, start, jump, side: (jump * r, jump * c)),
    "the middle of its box": moved(lambda r, c, start, jump, side: (jump * r - side // 2, jump * c - side // 2)),
    "row and column are swapped": moved(lambda r, c, start, jump, side: (start + jump * c, start + jump * r)),
    "several patches of one image": lambda *case: patches(*case, all_units=True),
    "the weakest images": lambda *case: patches(*case, last=True),
    "the strongest comes last": lambda *case: patches(*case).flip(0),
    "there is paper": lambda *case: patches(*case, fill=-0.1307 / 0.3081),
    "another map": lambda n, layer, map, images, k: patches(n, layer, map - 1, images, k),
}


# 5c
def off(maps):
    def hook(module, inputs, output):
        output = output.clone()
        output[:, maps] = 0
        return output

    return hook


@contextmanager
def by_hook(net, layer, map):
    handle = net.get_submodule(layer.replace("conv", "bn")).register_forward_hook(off(map))
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def by_editing_and_putting_back(net, layer, map):
    norm = net.get_submodule(layer.replace("conv", "bn"))
    kept = norm.weight.data.clone(), norm.bias.data.clone()
    norm.weight.data[map] = norm.bias.data[map] = 0
    try:
        yield
    finally:
        norm.weight.data, norm.bias.data = kept


class AsAClass:
    def __init__(self, net, layer, map):
        self.dropout, self.map = net.get_submodule(layer.replace("conv", "drop")), map

    def __enter__(self):
        self.handle = self.dropout.register_forward_hook(off(self.map))

    def __exit__(self, *error):
        self.handle.remove()


@contextmanager
def edited(net, layer, map):
    norm = net.get_submodule(layer.replace("conv", "bn"))
    norm.weight.data[map] = norm.bias.data[map] = 0
    yield


@contextmanager
def left_on(net, layer, map):
    net.get_submodule(layer.replace("conv", "bn")).register_forward_hook(off(map))
    yield


@contextmanager
def left_on_after_an_error(net, layer, map):
    handle = net.get_submodule(layer.replace("conv", "bn")).register_forward_hook(off(map))
    yield
    handle.remove()


@contextmanager
def edited_after_an_error(net, layer, map):
    norm = net.get_submodule(layer.replace("conv", "bn"))
    kept = norm.weight.data.clone(), norm.bias.data.clone()
    norm.weight.data[map] = norm.bias.data[map] = 0
    yield
    norm.weight.data, norm.bias.data = kept


@contextmanager
def before_batchnorm(net, layer, map):
    handle = net.get_submodule(layer).register_forward_hook(off(map))
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def whole_layer(net, layer, map):
    with by_hook(net, layer, slice(None)):
        yield


@contextmanager
def swallowing(net, layer, map):
    try:
        with by_hook(net, layer, map):
            yield
    except Exception:
        pass


@contextmanager
def nothing(net, layer, map):
    yield


WRONG_SILENCE = {
    "It calls ablate_channel, which does the exercise for you": interpret.ablate_channel,
    "weights are edited and not put back afterwards": edited,
    "weights are edited and not put back after an error": edited_after_an_error,
    "the hook is left on afterwards": left_on,
    "the hook is left on after an error": left_on_after_an_error,
    "the map is 0 before BatchNorm": before_batchnorm,
    "the whole layer is off": whole_layer,
    "nothing is switched off": nothing,
    "An error inside the block is swallowed": swallowing,
    "It should be a context manager": lambda net, layer, map: None,
}
RIGHT = {
    "5a": [by_loops, by_convolution, in_float64, as_array],
    "5b": [patches, lambda *case: patches(*case).double().numpy()],
    "5c": [by_hook, by_editing_and_putting_back, AsAClass],
}
WRONG = {"5a": WRONG_EVIDENCE, "5b": WRONG_PATCHES, "5c": WRONG_SILENCE}
