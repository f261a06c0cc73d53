"""Exercises of notebook 05."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from course.exercises.checking import NotYet, alike, case, compare
from mnist_lib import interpret
from mnist_lib.model import DigitNet
from mnist_lib.receptive_field import receptive_fields
from mnist_lib.transforms import normalise


def _some_net(seed: int, **settings) -> DigitNet:
    """A DigitNet with random weights and BatchNorms that shift and scale, so that no slip goes unseen."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = DigitNet(**settings).eval()
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                for values, (low, high) in (
                    (module.weight, (0.5, 1.5)),
                    (module.bias, (-0.3, 0.7)),
                    (module.running_mean, (-0.3, 0.3)),
                    (module.running_var, (0.2, 0.6)),
                ):
                    nn.init.uniform_(values, low, high)
        return net


def _some_images(n: int, seed: int) -> Tensor:
    """(n, 1, 28, 28), noise with MNIST's mean and standard deviation once normalised."""
    return torch.randn(n, 1, 28, 28, generator=torch.Generator().manual_seed(seed))


def _evidence(answer: Callable) -> bool:
    """The map whose mean, with the bias, is the logit."""

    def weigh(maps: Tensor, net: DigitNet, digit: int) -> Tensor:
        return torch.einsum("c,chw->hw", net.conv8.weight.detach()[digit, :, 0, 0], maps)

    def raw(net: DigitNet, image: Tensor, stop: str) -> Tensor:
        """conv7's maps as the module `stop` gives them, before what follows it."""
        kept: list[Tensor] = []
        with torch.no_grad(), net.get_submodule(stop).register_forward_hook(lambda *passed: kept.append(passed[2])):
            net(image[None])
        return kept[0][0]

    slips = {
        "ReLU on the evidence: what speaks against the digit is lost": lambda n, x, d: interpret.evidence(n, x, d).relu(),
        "the sum over the places is the logit: it should be their mean": lambda n, x, d: interpret.evidence(n, x, d) / 36,
        "the 16 products are averaged; they should be added up": lambda n, x, d: interpret.evidence(n, x, d) / 16,
        "the bias is added at every place; it should be added once, after the mean": lambda n, x, d: (
            interpret.evidence(n, x, d) + n.conv8.bias[d]
        ),
        "conv6's maps in place of conv7's": lambda n, x, d: weigh(interpret.maps(n, "conv6", x[None])[0], n, d),
        "conv7's maps before BatchNorm": lambda n, x, d: weigh(raw(n, x, "conv7"), n, d),
        "conv7's maps before ReLU": lambda n, x, d: weigh(raw(n, x, "bn7"), n, d),
        "the weights of the digit that the network answers, not of the digit asked about": lambda n, x, d: interpret.evidence(
            n, x, int(n(x[None]).argmax())
        ),
    }
    for step in range(1, 10):
        slip = f"the weights of another digit, {step} further on"
        slips[slip] = lambda n, x, d, step=step: interpret.evidence(n, x, (d + step) % 10)
    cases = []
    for seed, digit in enumerate((3, 0, 9, 5, 3)):
        net, image = _some_net(seed), _some_images(1, seed)[0]
        with torch.no_grad():
            logit, bias = float(net(image[None])[0, digit]), float(net.conv8.bias[digit])
        words = f"a random network, a random image, digit {digit}; the logit is {logit:.4f}, conv8's bias {bias:.4f}"
        cases.append((words, (net, image, digit)))
    return compare(answer, interpret.evidence, slips, cases)


def _top_patches(answer: Callable) -> bool:
    """The strongest unit's field in each of the k strongest images."""
    fields = receptive_fields(_some_net(0), (28, 28))

    def cut(net, layer, images, chosen, moved=lambda box, field, unit: box, fill=0.0) -> Tensor:
        """The patches of the chosen (image, row, column), with boxes moved as a slip would move them."""
        field = fields[layer]
        wide = nn.functional.pad(images, (60,) * 4, value=fill)
        boxes = [(i, *moved(field.box(row, col), field, (row, col))) for i, row, col in chosen]
        return torch.stack([wide[i, :, t + 60 : b + 61, left + 60 : r + 61] for i, t, left, b, r in boxes])

    def ranked(net, layer, map, images, k, key=lambda said: said.amax((1, 2)), largest=True):
        said = interpret.maps(net, layer, images)[:, map]
        order = key(said).argsort(descending=largest)[:k].tolist()
        return [(i, *divmod(int(said[i].argmax()), said.shape[2])) for i in order]

    def several(net, layer, map, images, k):
        said = interpret.maps(net, layer, images)[:, map]
        best = said.flatten().argsort(descending=True)[:k].tolist()
        return [(i // said[0].numel(), *divmod(i % said[0].numel(), said.shape[2])) for i in best]

    def at(offset: Callable) -> Callable:
        """A box of the field's size whose top and left are offset(field, row or column)."""

        def moved(_box, field, unit):
            (top, left), side = (offset(field, u) for u in unit), field.size[0] - 1
            return top, left, top + side, left + side

        return moved

    def first(field) -> int:
        return field.box(0, 0)[0]

    wrong_box = {
        "the jump is ignored: units are jump pixels apart": at(lambda field, u: first(field) + u),
        "the first unit's box is taken to begin at pixel 0": at(lambda field, u: int(u * field.jump[0])),
        "the unit is taken for the middle of its box": at(lambda field, u: int(u * field.jump[0]) - field.size[0] // 2),
        "row and column are swapped": lambda box, field, unit: field.box(*reversed(unit)),
        "at the border the box is pushed back into the image": at(
            lambda field, u: min(max(first(field) + int(u * field.jump[0]), 0), 28 - field.size[0])
        ),
    }
    slips = {
        "the last row and column are missing: a box includes both ends, so a slice ends one later": lambda n, y, m, x, k: cut(
            n, y, x, ranked(n, y, m, x, k)
        )[:, :, :-1, :-1],
        "images are ranked by the mean over the map, not by its strongest unit": lambda n, y, m, x, k: cut(
            n, y, x, ranked(n, y, m, x, k, key=lambda said: said.mean((1, 2)))
        ),
        "several patches of one image: each image gives only its strongest": lambda n, y, m, x, k: cut(
            n, y, x, several(n, y, m, x, k)
        ),
        "the weakest images instead of the strongest": lambda n, y, m, x, k: cut(n, y, x, ranked(n, y, m, x, k, largest=False)),
        "the strongest comes last": lambda n, y, m, x, k: interpret.top_patches(n, y, m, x, k).patches.flip(0),
        "another map: they are counted from 0": lambda n, y, m, x, k: interpret.top_patches(n, y, m - 1, x, k).patches,
        "beyond the border there is paper, but the network pads with 0": lambda n, y, m, x, k: cut(
            n, y, x, ranked(n, y, m, x, k), fill=float(normalise(torch.zeros(1)))
        ),
    }
    for slip, moved in wrong_box.items():
        slips[slip] = lambda n, y, m, x, k, moved=moved: cut(n, y, x, ranked(n, y, m, x, k), moved)
    cases = []
    for seed, (layer, k) in enumerate((("conv2", 3), ("conv5", 4), ("conv7", 6))):
        net, images = _some_net(seed + 10), _some_images(8, seed + 10)
        border = [_at_the_border(said) for said in interpret.maps(net, layer, images).transpose(0, 1)]
        map = border.index(max(border[1:]), 1)  # the more units at the border, the better
        best = interpret.top_patches(net, layer, map, images, k)
        row, col = best.units[0].tolist()
        words = (
            f"8 random images, {layer}, map {map}, k = {k}; the strongest unit is ({row}, {col}) of image "
            f"{int(best.images[0])}, its box (top, left, bottom, right) {fields[layer].box(row, col)}"
        )
        cases.append((words, (net, layer, map, images, k)))

    def attempt(*arguments):
        try:
            return answer(*arguments)
        except RuntimeError as error:
            if "stack expects each tensor to be equal size" not in str(error):
                raise
            raise NotYet(
                "It looks like this slip: at the border a patch is cut off, so the patches differ in size. What lies beyond "
                "the image is 0: pad it first."
                + case(next(words for words, given in cases if given[1:3] == arguments[1:3]), "patches of one size", f"{error}")
            ) from None

    return compare(attempt, lambda *case: interpret.top_patches(*case).patches, slips, cases)


def _at_the_border(said: Tensor) -> int:
    """In how many of a map's (N, h, w) images the strongest unit lies at the border of the map."""
    return int((said[:, 1:-1, 1:-1].amax((1, 2)) < said.amax((1, 2))).sum())


def _silence(answer: Callable) -> bool:
    """Inside the block, one map is off; afterwards the network is as it was, even after an error."""
    for seed, (layer, map) in enumerate((("conv3", 4), ("conv1", 0), ("conv7", 15))):
        words, images = f"a random network, {layer}, map {map}, four random images", _some_images(4, seed + 20)

        @torch.no_grad()
        def said(net: DigitNet, images: Tensor = images) -> Tensor:
            return net(images)

        net = _some_net(seed + 20)
        whole, kept = said(net), {name: value.clone() for name, value in net.state_dict().items()}
        with interpret.ablate_channel(net, layer, map):
            expected = said(net)
        context = answer(net, layer, map)
        if not (hasattr(context, "__enter__") and hasattr(context, "__exit__")):
            raise NotYet("It should be a context manager: write @contextmanager above it, and yield once.")
        with context:
            got = said(net)
        after = said(net)
        if not alike(expected, got):
            slips = {
                "nothing is switched off": whole,
                "the map is 0 before BatchNorm, which shifts it away from 0 again": _hooked(
                    _some_net(seed + 20), layer, map, said
                ),
                "the whole layer is off, not one map": _hooked(
                    _some_net(seed + 20), layer.replace("conv", "bn"), slice(None), said
                ),
            }
            slip = next((f" It looks like this slip: {slip}." for slip, one in slips.items() if alike(one, got)), "")
            raise NotYet(f"{slip.strip()}{case(words, expected, got)}")
        for when, now in (("afterwards", after), ("after an error inside", None)):
            if now is None:
                try:
                    with answer(net, layer, map):
                        raise _Stop
                except _Stop:
                    pass
                else:
                    raise NotYet("An error inside the block is swallowed: let it through, after restoring the network.")
                now = said(net)
            changed = [name for name, value in net.state_dict().items() if not torch.equal(value, kept[name])]
            if changed:
                slip = f"weights are edited and not put back {when}"
                raise NotYet(f"It looks like this slip: {slip}.{case(words, 'no number changed', f'{changed[0]} changed')}")
            if not alike(whole, now):
                slip = f"the hook is left on {when}"
                raise NotYet(f"It looks like this slip: {slip}.{case(f'{words}, {when}', whole, now)}")
    return True


class _Stop(Exception):
    """Raised inside a learner's context manager, to see what it leaves behind."""


def _hooked(net: DigitNet, module: str, maps, said: Callable) -> Tensor:
    """The logits when some maps of one module's output are 0."""

    def off(_module, _inputs, output):
        output = output.clone()
        output[:, maps] = 0
        return output

    with net.get_submodule(module).register_forward_hook(off):
        return said(net)


EXERCISES = {
    "5a": (_evidence, "do with the 16 maps, at each place, what conv8 does with the 16 averages; the average comes later."),
    "5b": (
        _top_patches,
        "first find one unit per image, then the k images; a box can begin before the image does, and both its ends belong "
        "to it.",
    ),
    "5c": (
        _silence,
        "which module comes last before ReLU? Change a copy of its output. And what if the block ends in an error?",
    ),
}
LIBRARY = {"5a": (interpret.evidence,), "5b": (interpret.top_patches,), "5c": (interpret.ablate_channel,)}
