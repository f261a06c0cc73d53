"""Checkers for the notebooks' exercises. Each works the answer out from the library and tells a wrong one from a right one.

Solutions: notebooks/SOLUTIONS.md.
"""

import random
from collections.abc import Callable

import torch
from torch import Tensor, nn

from mnist_lib import interpret
from mnist_lib.config import TrainConfig
from mnist_lib.model import DigitNet
from mnist_lib.receptive_field import receptive_fields
from mnist_lib.schedule import rates
from mnist_lib.transforms import Draw, apply, normalise


class NotYet(Exception):
    """The first case that an answer gets wrong, and the slip that gives just this, if it is a known one."""


def reveal(guess, truth, unit: str = "") -> None:
    """Your prediction beside what came out."""
    shown = f"{truth:,}" if isinstance(truth, int) else f"{truth:.4g}" if isinstance(truth, float) else str(truth)
    if guess is None:
        print(f"No prediction yet. It is {shown}{unit}.")
    elif guess == truth:
        print(f"You said {guess}: exactly so.")
    else:
        print(f"You said {guess}. It is {shown}{unit}.")


def check(name: str, answer) -> bool:
    """Say whether an answer to exercise `name` is right, and give a hint if it is not."""
    if name not in EXERCISES:
        raise ValueError(f"There is no exercise {name!r}: choose one of {', '.join(EXERCISES)}.")
    if answer is None:
        print(f"{name}: put your answer in place of None, then run the cell again.")
        return False
    judge, hint = EXERCISES[name]
    try:
        right = bool(judge(answer))
    except NotYet as why:
        print(f"{name}: not yet. {why}\n  Hint: {hint}")
        return False
    except Exception as error:  # whatever a learner hands in, the notebook goes on
        print(f"{name}: that could not be checked ({type(error).__name__}: {error}). Hint: {hint}")
        return False
    print(f"{name}: right." if right else f"{name}: not yet. Hint: {hint}")
    return right


def _parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def _wider_conv(answer) -> bool:
    return answer == _parameters(nn.Conv2d(16, 24, 3))


def _small_budget(widths) -> bool:
    model = DigitNet(widths=tuple(widths))
    return len(widths) == 7 and 9_500 <= _parameters(model) <= 10_000


def _grown_field(model) -> bool:
    """One convolution of the part before the pooling is changed in one number, and the field there is 5 + 8."""
    ours, theirs = list(DigitNet().children()), [m for m in model.modules() if isinstance(m, nn.Conv2d)]
    convs = [m for m in ours if isinstance(m, nn.Conv2d)]
    settings = ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups")
    changes = sum(getattr(a, s) != getattr(b, s) for a, b in zip(convs, theirs, strict=True) for s in settings)
    fields = receptive_fields(model, (64, 64))
    return changes == 1 and fields["conv3"].size == (13, 13)


def _dilated_field(answer) -> bool:
    dilated = nn.Sequential(nn.Conv2d(1, 1, 3), nn.Conv2d(1, 1, 3, dilation=2), nn.Conv2d(1, 1, 3, dilation=4))
    return answer == receptive_fields(dilated, (28, 28))[-1].size[0]


def _quarter_turn(draw) -> bool:
    images = torch.rand(4, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    return torch.allclose(apply(images, Draw.still(4, **draw)), torch.rot90(images, -1, dims=(2, 3)), atol=1e-3)


def _corner_shift(answer) -> bool:
    """A point 10 pixels from the centre moves along a chord of 2 * 10 * sin(20° / 2)."""
    return abs(float(answer) - 2 * 10 * torch.sin(torch.deg2rad(torch.tensor(10.0))).item()) < 0.06


def _last_rate(answer) -> bool:
    card = rates(TrainConfig(), images=60_000)
    return len(answer) == 2 and all(abs(a / b - 1) < 1e-3 for a, b in zip(answer, (card[0], card[-1])))


def _exact_accuracy(accuracy: Callable) -> bool:
    """Right for uneven batches, where the mean of the batches' accuracies is wrong."""
    draw = random.Random(0)
    for _ in range(20):
        sizes = [draw.randint(1, 200) for _ in range(draw.randint(1, 8))]
        counts = [(draw.randint(0, n), n) for n in sizes]
        if abs(accuracy(counts) - sum(c for c, _ in counts) / sum(sizes)) > 1e-9:
            return False
    return True


def _what_is_left(answer) -> bool:
    """Amdahl: with 42 % of the time made free, the rest is 58 %."""
    return abs(float(answer) - 1 / 0.58) < 0.01


def _speed_up(speed_up: Callable) -> bool:
    draw = random.Random(0)
    cases = [(draw.uniform(0, 1), draw.uniform(1, 50)) for _ in range(20)]
    return all(abs(speed_up(share, factor) - 1 / (1 - share + share / factor)) < 1e-6 for share, factor in cases)


def _compare(answer: Callable, right: Callable, slips: dict[str, Callable], cases: list[tuple[str, tuple]]) -> bool:
    """True, or NotYet with the first failing case; the slip is named whose results are the answer's own in every case.

    cases: (the input in words, the arguments). slips: {name: a wrong implementation}.
    """
    results = [(words, arguments, right(*arguments), _tensor(answer(*arguments))) for words, arguments in cases]
    failed = [(words, expected, got) for words, _, expected, got in results if not _alike(expected, got)]
    if not failed:
        return True
    for slip, wrong in slips.items():
        if all(_alike(_tensor(wrong(*arguments)), got) for _, arguments, _, got in results):
            raise NotYet(f"It looks like this slip: {slip}.{_case(*failed[0])}")
    raise NotYet(_case(*failed[0]))


def _case(words: str, expected, got) -> str:
    return f"\n  input: {words}\n  expected: {_brief(expected)}\n  got: {_brief(got)}"


def _tensor(value) -> Tensor:
    """What a learner returns, a tensor, an array or nested lists, in float64."""
    if value is None:
        raise NotYet("It returns None: is there a return?")
    return torch.as_tensor(value).detach().double()


def _alike(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and torch.allclose(a.double(), b.double(), rtol=1e-4, atol=1e-4)


def _brief(value) -> str:
    """A tensor by its shape and first numbers; words as they are."""
    if isinstance(value, str):
        return value
    first = ", ".join(f"{number:.4f}" for number in value.flatten()[:4].tolist())
    return f"shape {tuple(value.shape)}, {first}{', ...' if value.numel() > 4 else ''}"


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
        "the sum is the logit, where the mean should be": lambda n, x, d: interpret.evidence(n, x, d) / 36,
        "the bias is in every place already; it is added once, after the mean": lambda n, x, d: (
            interpret.evidence(n, x, d) + n.conv8.bias[d]
        ),
        "conv6's maps in place of conv7's": lambda n, x, d: weigh(interpret.maps(n, "conv6", x[None])[0], n, d),
        "conv7's maps before BatchNorm": lambda n, x, d: weigh(raw(n, x, "conv7"), n, d),
        "conv7's maps before ReLU": lambda n, x, d: weigh(raw(n, x, "bn7"), n, d),
        "the weights of the digit that the network answers, not of the one that is asked about": lambda n, x, d: (
            interpret.evidence(n, x, int(n(x[None]).argmax()))
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
    return _compare(answer, interpret.evidence, slips, cases)


def _top_patches(answer: Callable) -> bool:
    """The strongest unit's field in each of the k strongest images."""
    fields = receptive_fields(DigitNet(), (28, 28))

    def cut(net, layer, images, chosen, moved=lambda box, field, unit: box, fill=0.0) -> Tensor:
        """The patches of the chosen (image, row, column), with boxes moved as a slip would have it."""
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
        "images are ranked by the mean over the map, not by its strongest unit": lambda n, y, m, x, k: cut(
            n, y, x, ranked(n, y, m, x, k, key=lambda said: said.mean((1, 2)))
        ),
        "several patches of one image: each image gives its strongest only": lambda n, y, m, x, k: cut(
            n, y, x, several(n, y, m, x, k)
        ),
        "the weakest images instead of the strongest": lambda n, y, m, x, k: cut(n, y, x, ranked(n, y, m, x, k, largest=False)),
        "the strongest comes last": lambda n, y, m, x, k: interpret.top_patches(n, y, m, x, k).patches.flip(0),
        "another map: they are counted from 0": lambda n, y, m, x, k: interpret.top_patches(n, y, m - 1, x, k).patches,
        "beyond the border there is paper, where the network pads with 0": lambda n, y, m, x, k: cut(
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
    return _compare(answer, lambda *case: interpret.top_patches(*case).patches, slips, cases)


def _at_the_border(said: Tensor) -> int:
    """In how many of a map's (N, h, w) images the strongest unit lies at the border of the map."""
    return int((said[:, 1:-1, 1:-1].amax((1, 2)) < said.amax((1, 2))).sum())


def _silence(answer: Callable) -> bool:
    """Inside, one map is off; afterwards the network is as it was, also after an error."""
    for seed, (layer, map) in enumerate((("conv3", 4), ("conv1", 0), ("conv7", 15))):
        words, images = f"a random network, {layer}, map {map}, four random images", _some_images(4, seed + 20)

        @torch.no_grad()
        def said(net: DigitNet, images: Tensor = images) -> Tensor:
            return net(images)

        net = _some_net(seed + 20)
        whole, kept = said(net), {name: value.clone() for name, value in net.state_dict().items()}
        with interpret.silence(net, layer, map):
            expected = said(net)
        context = answer(net, layer, map)
        if not (hasattr(context, "__enter__") and hasattr(context, "__exit__")):
            raise NotYet("It should be a context manager: write @contextmanager above it, and yield once.")
        with context:
            got = said(net)
        after = said(net)
        if not _alike(expected, got):
            slips = {
                "nothing is switched off": whole,
                "the map is 0 before BatchNorm, which shifts it away from 0 again": _hooked(
                    _some_net(seed + 20), layer, map, said
                ),
                "the whole layer is off, not one map": _hooked(
                    _some_net(seed + 20), layer.replace("conv", "bn"), slice(None), said
                ),
            }
            slip = next((f" It looks like this slip: {slip}." for slip, one in slips.items() if _alike(one, got)), "")
            raise NotYet(f"{slip.strip()}{_case(words, expected, got)}")
        for when, now in (("afterwards", after), ("after an error inside", None)):
            if now is None:
                try:
                    with answer(net, layer, map):
                        raise _Stop
                except _Stop:
                    pass
                else:
                    raise NotYet("An error inside is swallowed: let it pass, after putting the network right.")
                now = said(net)
            changed = [name for name, value in net.state_dict().items() if not torch.equal(value, kept[name])]
            if changed:
                slip = f"weights are edited and not put back {when}"
                raise NotYet(f"It looks like this slip: {slip}.{_case(words, 'no number changed', f'{changed[0]} changed')}")
            if not _alike(whole, now):
                slip = f"the hook is left on {when}"
                raise NotYet(f"It looks like this slip: {slip}.{_case(f'{words}, {when}', whole, now)}")
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


EXERCISES: dict[str, tuple[Callable, str]] = {
    "1a": (_wider_conv, "each filter has 3 × 3 weights for each of 16 input maps, and one bias."),
    "1b": (_small_budget, "seven widths; between 9,500 and 10,000 parameters. Which bar of the picture is the tallest?"),
    "2a": (_grown_field, "with k = 3 a layer adds (k - 1) × dilation × jump; change one number of conv1, conv2 or conv3."),
    "2b": (_dilated_field, "start from 1 and add (k - 1) × dilation for each layer; every jump is 1."),
    "3a": (_corner_shift, "the point moves along a chord: 2 × radius × sin(angle / 2)."),
    "3b": (
        _quarter_turn,
        "clockwise is positive, and the other numbers may stay as they are.",
    ),
    "4a": (_last_rate, "the first is max_lr / div_factor, the last is the first / final_div_factor."),
    "4b": (_exact_accuracy, "count the right answers over all batches before you divide."),
    "5a": (
        _evidence,
        "weigh conv7's maps by the digit's row of conv8.weight, and add them up, map by map; do not average yet.",
    ),
    "5b": (_top_patches, "`maps` says what each unit answers, `receptive_fields(net)[layer].box(row, column)` where it looks."),
    "5c": (
        _silence,
        "hook the BatchNorm (`net.bn3` for conv3), set the map to 0 in a copy of its output; remove in `finally`.",
    ),
    "7a": (_what_is_left, "a step of 100 ms becomes one of 100 - 42 ms; how many times as fast is that?"),
    "7b": (_speed_up, "start from a step of 1: what is left alone takes 1 - share, the rest share / factor."),
}
