"""Every analysis of a trained network against an independent reference: autograd, hooks, loops, or a network cut by hand."""

import copy
import json
import random
from contextlib import ExitStack

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course.exercises.inside import _some_images, _some_net
from mnist_lib import interpret
from mnist_lib.interpret import network
from mnist_lib.interpret.human_labels import label_votes
from mnist_lib.model import DigitNet
from mnist_lib.model.pretrained import recorded_net
from mnist_lib.receptive_field import receptive_fields
from mnist_lib.support.paths import ROOT
from mnist_lib.trainer.evaluation import logits
from mnist_lib.trainer.variants import NoBatchNorm

SMALL = (3, 4, 3, 5, 3, 4, 5)
CONVOLUTIONS = [f"conv{i}" for i in range(1, 8)]


def unchanged(net: DigitNet, before: dict) -> bool:
    hooks = [module for module in net.modules() if module._forward_hooks]
    return not hooks and all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


@pytest.mark.parametrize("layer", CONVOLUTIONS)
def test_maps_are_what_the_next_module_is_given(layer):
    net, images, seen = _some_net(0), _some_images(3, 0), []
    net.get_submodule(layer.replace("conv", "drop")).register_forward_hook(
        lambda module, inputs, output: seen.append(inputs[0])
    )
    with torch.no_grad():
        net(images)
    assert torch.allclose(interpret.maps(net, layer, images), seen[0], atol=1e-6)


def test_the_last_maps_are_the_logits():
    net, images = _some_net(1), _some_images(4, 1)
    with torch.no_grad():
        assert torch.allclose(interpret.maps(net, "conv8", images).flatten(1), net(images), atol=1e-5)


def test_looking_does_not_touch():
    """A network in training is read as in evaluation, and goes on training as it was."""
    net, images = _some_net(2).train(), _some_images(4, 2)
    before = copy.deepcopy(net.state_dict())
    trained = interpret.maps(net, "conv4", images)
    interpret.evidence(net, images[0], 3)
    interpret.channel_ablations(net, images, torch.arange(4))
    assert net.training and unchanged(net, before)
    assert torch.equal(trained, interpret.maps(net.eval(), "conv4", images))


@pytest.mark.parametrize("training", [True, False])
def test_a_network_that_fails_is_left_as_it_was(training):
    net = _some_net(2).train(training)
    with pytest.raises(RuntimeError):
        interpret.maps(net, "conv4", torch.zeros(2, 3, 28, 28))  # it takes one channel
    assert net.training is training and not [module for module in net.modules() if module._forward_hooks]


@pytest.mark.parametrize("net", [recorded_net(), _some_net(3), _some_net(4, widths=SMALL)], ids=["recorded", "random", "small"])
def test_evidence_is_gradient_times_map_and_adds_up_to_the_logit(net):
    image = _some_images(1, 5)
    kept = []
    handle = net.drop7.register_forward_hook(lambda module, inputs, output: kept.append(output))
    scores = net(image)[0]
    handle.remove()
    for digit in range(10):
        found = interpret.evidence(net, image[0], digit)
        (gradient,) = torch.autograd.grad(scores[digit], kept[0], retain_graph=True)
        assert torch.allclose(found, 36 * (gradient * kept[0].detach()).sum(1)[0], atol=1e-4)
        assert float(found.mean() + net.conv8.bias[digit].detach()) == pytest.approx(scores[digit].item(), abs=1e-4)
        assert not found.requires_grad


@pytest.mark.parametrize("layer", ["conv1", "conv2", "conv3", "conv4", "conv6"])
def test_a_patch_alone_gives_the_same_response(layer):
    """Where nothing is padded, a field is all that a unit needs: the patch through the network gives one unit, this one."""
    net, images = _some_net(6), _some_images(9, 6)
    map = random.Random(layer).randrange(net.get_submodule(layer).out_channels)
    found = interpret.top_patches(net, layer, map, images, 4)
    assert found.patches.shape[2:] == receptive_fields(net, (28, 28))[layer].size
    x = found.patches
    with torch.no_grad():
        for name, module in net.named_children():
            x = module(x).relu() if name.startswith("bn") else module(x)
            if name == layer.replace("conv", "bn"):
                break
    assert x.shape[2:] == (1, 1)
    assert torch.allclose(x[:, map, 0, 0], found.responses, atol=1e-5)


@pytest.mark.parametrize("layer", ["conv3", "conv7"])
def test_top_patches_are_those_of_a_loop_over_all_units(layer):
    net, images = _some_net(7), _some_images(6, 7)
    said = interpret.maps(net, layer, images)[:, 2]
    best = []
    for i in range(6):
        units = [(float(said[i, r, c]), i, r, c) for r in range(said.shape[1]) for c in range(said.shape[2])]
        best.append(max(units))
    best.sort(reverse=True)
    found = interpret.top_patches(net, layer, 2, images, 3)
    assert [(i, *place) for i, place in zip(found.images.tolist(), found.units.tolist())] == [one[1:] for one in best[:3]]
    field = receptive_fields(net, (28, 28))[layer]
    for patch, (_, i, r, c) in zip(found.patches, best):
        top, left, bottom, right = field.box(r, c)
        for y in range(top, bottom + 1):
            for x in range(left, right + 1):
                inside = 0 <= y < 28 and 0 <= x < 28
                assert patch[0, y - top, x - left] == (images[i, 0, y, x] if inside else 0)


def test_a_unit_is_a_row_and_a_column_where_images_are_no_squares():
    net, images = _some_net(7), torch.randn(4, 1, 28, 40, generator=torch.Generator().manual_seed(7))
    said, found = interpret.maps(net, "conv2", images)[:, 1], interpret.top_patches(net, "conv2", 1, images, 4)
    assert [said[i, row, col] for i, (row, col) in zip(found.images, found.units)] == found.responses.tolist()


def test_a_patch_at_the_border_is_framed_by_zeros():
    """A bright corner excites the corner unit of conv7, whose field begins two pixels outside."""
    images = torch.ones(1, 1, 28, 28)
    assert torch.equal(network._cut(images[0], (-2, -2, 19, 19)), F.pad(torch.ones(1, 20, 20), (2, 0, 2, 0)))
    assert torch.equal(network._cut(images[0], (8, 8, 29, 29)), F.pad(torch.ones(1, 20, 20), (0, 2, 0, 2)))


@pytest.mark.parametrize("layer", [*CONVOLUTIONS, "conv8"])
def test_silence_is_a_network_without_the_map(layer):
    net, images = _some_net(8), _some_images(5, 8)
    map = random.Random(layer).randrange(net.get_submodule(layer).out_channels)
    without = copy.deepcopy(net)
    last = without.get_submodule(layer if layer == "conv8" else layer.replace("conv", "bn"))
    with torch.no_grad():
        last.weight[map], last.bias[map] = 0, 0  # BatchNorm gives its shift where its scale is 0
        before, state = net(images), copy.deepcopy(net.state_dict())
        with interpret.ablate_channel(net, layer, map):
            assert torch.allclose(net(images), without(images), atol=1e-5)
            assert not torch.allclose(net(images), before, atol=1e-3)
        assert torch.equal(net(images), before) and unchanged(net, state)


def test_silence_ends_with_an_error_and_can_be_nested():
    net, images = _some_net(9), _some_images(3, 9)
    state = copy.deepcopy(net.state_dict())
    with pytest.raises(KeyError), interpret.ablate_channel(net, "conv4", 3):
        raise KeyError
    assert unchanged(net, state)
    with interpret.ablate_channel(net, "conv2", 0), interpret.ablate_channel(net, "conv2", 5):
        said = interpret.maps(net, "conv2", images)
        assert not said[:, [0, 5]].any() and said[:, 1].any()
    assert unchanged(net, state)


def test_the_mean_keeps_a_maps_level_and_says_nothing_of_the_image():
    net, images = _some_net(12, widths=SMALL), _some_images(6, 12)
    for layer in ("conv2", "conv7", "conv8"):
        usual = interpret.maps(net, layer, images)
        with interpret.ablate_channel(net, layer, 1, to="mean"):
            said = interpret.maps(net, layer, images)
        assert torch.allclose(said[:, 1], usual[:, 1].mean().expand_as(said[:, 1]), atol=1e-5)
        others = [map for map in range(usual.shape[1]) if map != 1]
        assert torch.allclose(said[:, others], usual[:, others], atol=1e-5)


def test_several_maps_at_once_and_their_control():
    net, images = _some_net(14), _some_images(300, 14)
    with torch.no_grad():
        labels = net(images).argmax(1)
    chosen = [("conv1", 3), ("conv1", 5), ("conv7", 15)]
    assert interpret.wrong_without(net, images, labels, []) == 0
    with ExitStack() as off, torch.no_grad():
        for layer, map in chosen:
            off.enter_context(interpret.ablate_channel(net, layer, map))
        expected = int((net(images).argmax(1) != labels).sum())
    assert interpret.wrong_without(net, images, labels, chosen) == expected
    sets = interpret.random_channels(net, chosen, sets=20, seed=1)
    assert len(sets) == 20 and len({tuple(one) for one in sets}) > 15
    for one in sets:
        assert [layer for layer, _ in one] == ["conv1", "conv1", "conv7"] and len(set(one)) == 3
        assert all(0 <= map < 16 for _, map in one)
    assert sets == interpret.random_channels(net, chosen, sets=20, seed=1) != interpret.random_channels(net, chosen, 20, seed=2)


@pytest.mark.parametrize("to", ["zero", "mean"])
def test_lesions_are_ablations_one_by_one(to):
    net, images = _some_net(10, widths=SMALL), _some_images(300, 10)  # more than one batch
    with torch.no_grad():
        labels = (net(images).argmax(1) + (torch.arange(300) % 7 == 0)) % 10
    whole, found = interpret.channel_ablations(net, images, labels, to=to)
    assert [(one.layer, one.map) for one in found] == [(f"conv{i + 1}", map) for i in range(7) for map in range(SMALL[i])]
    assert whole.wrong == 43
    for one in found:
        with interpret.ablate_channel(net, one.layer, one.map, to=to), torch.no_grad():
            scores = net(images)
        assert one.wrong == int((scores.argmax(1) != labels).sum())
        assert one.loss == pytest.approx(F.cross_entropy(scores, labels).item(), rel=1e-4)
    assert to == "mean" or max(one.wrong for one in found) > whole.wrong


@pytest.mark.parametrize("images, labels", [(500, 250), (4, 6), (0, 0)])
def test_lesions_are_of_images_with_a_label_each(images, labels):
    with pytest.raises(ValueError, match=rf"^channel_ablations needs [^\n]+, not {labels} and {images}\.$"):
        interpret.channel_ablations(
            _some_net(10, widths=SMALL), _some_images(images, 10), torch.zeros(labels, dtype=torch.int64)
        )


def test_the_card_has_122_maps_to_switch_off():
    _, found = interpret.channel_ablations(recorded_net(), _some_images(2, 0), torch.zeros(2, dtype=torch.int64))
    assert len(found) == 122


def test_what_the_others_know_of_a_map():
    maps = torch.randn(4, 5, 6, 6, generator=torch.Generator().manual_seed(0))
    maps[:, 4] = 2 * maps[:, 0] - maps[:, 1] + 3 + 0.01 * maps[:, 4]
    found = interpret.redundancy(maps)
    values = maps.transpose(0, 1).flatten(1).double().numpy()
    for map in range(5):
        others = np.vstack([np.delete(values, map, 0), np.ones(values.shape[1])]).T
        weights = np.linalg.lstsq(others, values[map], rcond=None)[0]
        left = ((values[map] - others @ weights) ** 2).mean() / values[map].var()
        assert found[map].item() == pytest.approx(1 - left, abs=1e-5)
    assert found[4] > 0.999 and found[2] < 0.2


def test_reliability_by_hand():
    confidence = torch.tensor([0.2, 0.5, 0.6, 0.95, 1.0, 1.0])
    right = torch.tensor([False, True, False, True, True, False])
    low, middle, high = interpret.reliability(confidence, right, edges=(0, 0.5, 0.9, 1))
    assert (low.n, middle.n, high.n) == (1, 2, 3)
    assert (low.right, middle.right, high.right) == (0, 0.5, pytest.approx(2 / 3))
    assert middle.confidence == pytest.approx(0.55)
    assert high.interval == interpret.binomial_interval(2, 3)
    assert [one.n for one in interpret.reliability(confidence[:1], right[:1])] == [1]  # empty bins are left out
    assert sum(one.n for one in interpret.reliability(confidence, right)) == 6


@pytest.mark.parametrize("hits, n", [(0, 10), (10, 10), (3, 7), (6785, 6785), (753, 754)])
def test_the_interval_is_wilsons(hits, n):
    from scipy.stats import binomtest

    expected = binomtest(hits, n).proportion_ci(0.95, method="wilson")
    assert interpret.binomial_interval(hits, n) == pytest.approx((expected.low, expected.high), abs=1e-6)


@pytest.mark.parametrize(
    "attempt, sentence",
    [
        (lambda net, images: interpret.maps(net, "bn3", images), "no convolution 'bn3': choose one of conv1, "),
        (lambda net, images: interpret.maps(net, "conv3", images[0]), r"float \(N, 1, 28, 28\), .* not float32 \(1, 28, 28\)"),
        (lambda net, images: interpret.maps(net, "conv3", images.byte()), r"not uint8 \(2, 1, 28, 28\)"),
        (lambda net, images: interpret.reliability(torch.rand(3), torch.ones(2) > 0), r"same shape, not \(3,\) and \(2,\)"),
        (lambda net, images: interpret.binomial_interval(5, 3), "Of 3 there can't be 5 hits"),
        (lambda net, images: interpret.binomial_interval(0, 0), "Of 0 there can't be 0 hits"),
        (lambda net, images: interpret.evidence(net, images, 3), r"one image \(1, 28, 28\), not \(2, 1, 28, 28\)"),
        (lambda net, images: interpret.evidence(net, images[0], 10), "answers 0 to 9: 10 is none of these"),
        (lambda net, images: interpret.top_patches(net, "conv2", 32, images, 1), "conv2 has the maps 0 to 31"),
        (lambda net, images: interpret.top_patches(net, "conv2", -1, images, 1), "conv2 has the maps 0 to 31"),
        (lambda net, images: interpret.top_patches(net, "conv2", 0, images, 3), "choose 1 to 2, as there are 2 images"),
        (lambda net, images: interpret.ablate_channel(net, "conv9", 0).__enter__(), "no convolution 'conv9'"),
        (lambda net, images: interpret.ablate_channel(net, "conv1", 16).__enter__(), "conv1 has the maps 0 to 15"),
        (lambda net, images: interpret.ablate_channel(net, "conv1", 1, to="half").__enter__(), '"zero" or "mean"'),
        (lambda net, images: interpret.channel_ablations(net, images, torch.zeros(2).long(), to=0), '"zero" or "mean"'),
        (lambda net, images: interpret.random_channels(net, [("conv1", 16)], 2), "conv1 has the maps 0 to 15"),
        (lambda net, images: interpret.reliability(torch.full((1,), 3.0), torch.ones(1) > 0), "give probabilities, not logits"),
    ],
)
def test_errors_are_one_sentence_that_says_what_to_do(attempt, sentence):
    with pytest.raises(ValueError, match=sentence):
        attempt(DigitNet().eval(), torch.zeros(2, 1, 28, 28))


def test_a_network_of_another_kind_is_refused():
    with pytest.raises(TypeError, match=r"^net is a DigitNet, not Sequential\.$"):
        interpret.maps(nn.Sequential(nn.Conv2d(1, 4, 3)), "0", _some_images(3, 11))


def test_silence_needs_no_batchnorm():
    """Without it a convolution has its own last word."""
    net, images = NoBatchNorm().network(_some_net(11)).eval(), _some_images(3, 11)
    with torch.no_grad():
        assert torch.allclose(interpret.maps(net, "conv1", images), net.conv1(images).relu(), atol=1e-6)
    with interpret.ablate_channel(net, "conv1", 1):
        said = interpret.maps(net, "conv1", images)
    assert not said[:, 1].any() and said[:, 0].any()


def test_votes_are_the_published_ones():
    votes = label_votes()
    rejected = [947, 1621, 1901, 2130, 2462, 2597, 2654, 3520, 3558, 5937, 6651, 6783, 8527, 9679, 9729]
    assert len(votes) == 100 and [index for index, one in votes.items() if not one.upheld] == rejected
    for one in votes.values():  # where the model proposed the label itself, a vote for one is a vote for both
        same = one.proposed == one.label
        assert (one.for_label if same else one.for_label + one.for_proposed) + one.for_neither == 5


def test_votes_are_about_the_labels_of_mnist(mnist):
    assert all(int(mnist.test_labels[index]) == one.label for index, one in label_votes().items())


def test_the_notebook_says_what_is_measured(mnist):
    """What notebook 05 shows of the recorded network on the test set, counted again."""
    notebook = json.loads((ROOT / "notebooks" / "05_inside.ipynb").read_text(encoding="utf-8"))
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", [])]
    said = "\n".join("".join(o.get("text", []) or o.get("data", {}).get("text/plain", [])) for o in outputs)
    with torch.no_grad():
        confidence, answers = logits(recorded_net(), mnist.test_images).softmax(1).max(1)
    right, sure, votes = answers == mnist.test_labels, confidence >= 0.99, label_votes()
    wrong = (~right).nonzero().flatten().tolist()
    shared = [index for index in wrong if index in votes and not votes[index].upheld]
    upheld = [index for index in wrong if index in votes and votes[index].upheld]
    for sentence in (
        f"on {int(sure.sum()):,} of 10,000 test images the network is at least 99 % sure",
        f"wrong though 99 % sure: {int((sure & ~right).sum())}.",
        f"By their confidence, {float((1 - confidence[sure]).sum()):.1f} errors were to be expected",
        f"mistakes that people share: {len(shared)}. Of {len(wrong)} mistakes, {len(wrong) - len(shared)} are left",
        f"in {len(upheld)} of these most people see the label, and for {len(wrong) - len(shared) - len(upheld)} nobody",
    ):
        assert sentence in said, sentence
    assert (len(wrong), len(shared)) == (44, 7)
