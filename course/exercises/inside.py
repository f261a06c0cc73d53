"""Exercises of notebook 05."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from course.exercises.checking import NotYet, alike, case, compare, refused, slip_of
from mnist_lib import interpret
from mnist_lib.model import DigitNet
from mnist_lib.receptive_field import receptive_fields
from mnist_lib.transforms import normalise


@torch.random.fork_rng(devices=[])
def _some_net(seed: int, **settings) -> DigitNet:
    """A DigitNet with random weights and BatchNorms that shift and scale, so that no slip goes unseen."""
    torch.manual_seed(seed)
    net = DigitNet(**settings).eval()
    for block in net.blocks():
        nn.init.uniform_(block.norm.weight, 0.5, 1.5)
        nn.init.uniform_(block.norm.bias, -0.3, 0.7)
        nn.init.uniform_(block.norm.running_mean, -0.3, 0.3)
        nn.init.uniform_(block.norm.running_var, 0.2, 0.6)
    return net


def _some_images(n: int, seed: int) -> Tensor:
    """(n, 1, 28, 28), noise with MNIST's mean and standard deviation once normalised."""
    return torch.randn(n, 1, 28, 28, generator=torch.Generator().manual_seed(seed))


def _evidence(answer: Callable) -> bool:
    """The map whose mean, with the bias, is the logit."""

    @torch.no_grad()
    def slips(net: DigitNet, image: Tensor, digit: int) -> dict[str, Tensor]:
        def weigh(maps: Tensor) -> Tensor:
            return torch.einsum("c,chw->hw", net.conv8.weight[digit, :, 0, 0], maps[0])

        right, answer = interpret.evidence(net, image, digit), int(net(image[None]).argmax())
        beneath = interpret.maps(net, "conv6", image[None])
        convolved = net.conv7(beneath)
        return {
            "ReLU on the evidence: what speaks against the digit is lost": right.relu(),
            "the sum over the places is the logit: it should be their mean": right / 36,
            "the 16 products are averaged; they should be added up": right / 16,
            "the bias is added at every place; it should be added once, after the mean": right + net.conv8.bias[digit],
            "conv6's maps in place of conv7's": weigh(beneath),
            "conv7's maps before BatchNorm": weigh(convolved),
            "conv7's maps before ReLU": weigh(net.bn7(convolved)),
            "the weights of the digit that the network answers, not of the digit asked about": (
                interpret.evidence(net, image, answer)
            ),
        } | {
            f"the weights of another digit, {step} further on": interpret.evidence(net, image, (digit + step) % 10)
            for step in range(1, 10)
        }

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

    def slips(net: DigitNet, layer: str, map: int, images: Tensor, k: int) -> dict[str, Tensor]:
        said, field = interpret.maps(net, layer, images)[:, map], fields[layer]
        side, jump, first = field.size[0], int(field.jump[0]), field.box(0, 0)[0]
        units = torch.stack(torch.unravel_index(said.flatten(1).argmax(1), said.shape[1:]), 1)  # (N, 2), each image's strongest
        by_unit, by_mean = (order.argsort(descending=True) for order in (said.amax((1, 2)), said.mean((1, 2))))
        best = by_unit[:k]
        which, *place = torch.unravel_index(said.flatten().argsort(descending=True)[:k], said.shape)

        def cut(which: Tensor, corners: Tensor, fill: float = 0.0) -> Tensor:
            """The patches of these images whose top and left pixel the corners (k, 2) are."""
            wide = nn.functional.pad(images, (60,) * 4, value=fill)
            places = zip(which.tolist(), (corners + 60).tolist())
            return torch.stack([wide[i, :, top : top + side, left : left + side] for i, (top, left) in places])

        corners, paper = first + jump * units, float(normalise(torch.zeros(1)))
        right = cut(best, corners[best])
        return {
            "the last row and column are missing: a box includes both ends, so a slice ends one later": right[:, :, :-1, :-1],
            "images are ranked by the mean over the map, not by its strongest unit": cut(by_mean[:k], corners[by_mean[:k]]),
            "several patches of one image: each image gives only its strongest": cut(
                which, first + jump * torch.stack(place, 1)
            ),
            "the weakest images instead of the strongest": cut(by_unit.flip(0)[:k], corners[by_unit.flip(0)[:k]]),
            "the strongest comes last": right.flip(0),
            "another map: they are counted from 0": interpret.top_patches(net, layer, map - 1, images, k).patches,
            "beyond the border there is paper, but the network pads with 0": cut(best, corners[best], paper),
            "the jump is ignored: units are jump pixels apart": cut(best, first + units[best]),
            "the first unit's box is taken to begin at pixel 0": cut(best, jump * units[best]),
            "the unit is taken for the middle of its box": cut(best, jump * units[best] - side // 2),
            "row and column are swapped": cut(best, corners[best].flip(1)),
            "at the border the box is pushed back into the image": cut(best, corners[best].clamp(0, 28 - side)),
        }

    cases, expected = [], {}
    for seed, (layer, k) in enumerate((("conv2", 3), ("conv5", 4), ("conv7", 6))):
        net, images = _some_net(seed + 10), _some_images(8, seed + 10)
        said = interpret.maps(net, layer, images)
        at_border = (said[:, :, 1:-1, 1:-1].amax((2, 3)) < said.amax((2, 3))).sum(0).tolist()  # strongest units, by map
        map = at_border.index(max(at_border[1:]), 1)  # the more of them, the better
        best = interpret.top_patches(net, layer, map, images, k)
        expected[layer] = best.patches
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
            slip = "at the border a patch is cut off, so the patches differ in size. "
            slip += "What lies beyond the image is 0: pad it first"
            words = next(words for words, given in cases if given[1:3] == arguments[1:3])
            raise refused(slip, case(words, "patches of one size", f"{error}")) from None

    return compare(attempt, lambda net, layer, *_: expected[layer], slips, cases)


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
            twin = _some_net(seed + 20)  # whatever has been done to the other
            slips = {
                "nothing is switched off": whole,
                "the map is 0 before BatchNorm, which shifts it away from 0 again": _hooked(twin, layer, map, said),
                "the whole layer is off, not one map": _hooked(twin, layer.replace("conv", "bn"), slice(None), said),
            }
            raise refused(slip_of([slips], [got], alike), case(words, expected, got))
        for when in ("afterwards", "after an error inside"):
            if when != "afterwards":
                try:
                    with answer(net, layer, map):
                        raise _Stop
                except _Stop:
                    pass
                else:
                    raise NotYet("An error inside the block is swallowed: let it through, after restoring the network.")
                after = said(net)
            changed = [name for name, value in net.state_dict().items() if not torch.equal(value, kept[name])]
            if changed:
                shown = case(words, "no number changed", f"{changed[0]} changed")
                raise refused(f"weights are edited and not put back {when}", shown)
            if not alike(whole, after):
                raise refused(f"the hook is left on {when}", case(f"{words}, {when}", whole, after))
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
