"""A network as it is given to JavaScript: its layers, numbers and fields; and what is refused."""

import re

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mnist_lib.model.pretrained import recorded_net
from mnist_lib.receptive_field import measure_field, receptive_fields
from mnist_lib.trainer.variants import SeparableNet
from mnist_lib.widgets.export import Unsupported, describe, numbers


class LeNet(nn.Module):
    """As a reader may write it: functions, a view and dropout between linear layers."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 5, padding=2), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.avg_pool2d(self.conv2(x).relu_(), 2)
        x = torch.relu(self.fc1(x.view(x.size(0), -1)))
        return self.fc3(F.dropout(F.relu(self.fc2(x)), training=self.training))


class Residual(nn.Module):
    """Skips of every kind: of what a ReLU in place left, before BatchNorm, before a ReLU, over two layers, behind the mean."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2, self.conv3 = nn.Conv2d(1, 6, 3), nn.Conv2d(6, 6, 3, padding=1), nn.Conv2d(6, 6, 1)
        self.bn, self.relu = nn.BatchNorm2d(6), nn.ReLU(inplace=True)
        self.fc1, self.fc2 = nn.Linear(6, 6), nn.Linear(6, 10)

    def forward(self, x):
        first = x = self.relu(self.conv1(x))
        x = x + self.conv2(torch.relu(self.bn(x)))
        x = torch.add(self.conv3(x), x).relu()
        x += first
        x = x.mean((2, 3))
        return self.fc2(F.dropout(F.relu(self.fc1(x)), training=self.training) + x)


class Joined(nn.Module):
    """One convolution, `join` of its maps, and the mean; layers that `join` may call."""

    def __init__(self, join):
        super().__init__()
        self.join, self.relu = join, nn.ReLU(inplace=True)
        self.conv, self.same, self.even = (nn.Conv2d(n, 4, k, padding="same", dilation=k) for n, k in ((1, 1), (4, 1), (4, 2)))
        self.sides = nn.Conv2d(4, 4, (1, 2), padding="same", dilation=2)  # reads left and right of a place, not the place

    def forward(self, x):
        return self.join(self, self.conv(x)).mean((2, 3))


class AddsTheImage(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 3, padding=1)

    def forward(self, x):
        return (x + F.relu(self.conv(x))).mean((2, 3))


def test_describe_has_the_boxes_of_receptive_fields():
    net = recorded_net()
    fields = receptive_fields(net)
    for row in describe(net)["layers"]:
        field = fields[row["name"]]
        for r in range(row["shape"][1]):
            for c in range(row["shape"][2]):
                (top, bottom), (left, right) = row["field"]["rows"][r], row["field"]["cols"][c]
                assert (top, left, bottom, right) == field.box(r, c), row["name"]


@pytest.mark.parametrize("unit", [(0, 0), (2, 5), (5, 3)])
def test_describe_has_cones_that_are_fields_of_what_lies_between(unit):
    """conv7's units in pool1: the layers between them alone, as a network of its own, by the witness."""
    net = recorded_net()
    between = nn.Sequential(net.conv4, net.conv5, net.conv6, net.conv7)
    seen = measure_field(between, "3", unit, input_size=(12, 12))
    layers = describe(net)["layers"]
    row = next(row for row in layers if row["name"] == "conv7")
    cone = row["cone"][[row["name"] for row in layers].index("pool1")]
    (top, bottom), (left, right) = cone["rows"][unit[0]], cone["cols"][unit[1]]
    box = torch.zeros(12, 12, dtype=torch.bool)
    box[max(top, 0) : bottom + 1, max(left, 0) : right + 1] = True
    assert torch.equal(seen, box)


def repeated() -> nn.Module:
    """One separable convolution that is used three times, each time with a skip."""
    return SeparableNet(("conv 8 pooled", "sep 24", "again 3"))


def test_describe_has_a_layer_for_each_use_with_the_same_weights():
    net = repeated()
    rows = {row["name"]: row for row in describe(net)["layers"]}
    names = [f"steps.7.separable.{part}{use}" for use in ("", "#2", "#3") for part in ("depth", "point")]
    assert list(rows) == ["steps.0", "steps.1", "steps.4.depth", "steps.4.point", *names, "mean", "answer"]
    adds = [rows[name]["steps"][2:] for name in names if "point" in name]
    assert adds == [[["add", 3]], [["add", 5]], [["add", 7]]]  # the maps before the block, then those of each use
    for name in names[1::2]:
        at = rows[name]["at"]
        assert torch.equal(numbers(net)[at : at + 24 * 24], net.steps[7].separable.point.weight.flatten())


@pytest.mark.parametrize("unit", [(0, 0), (5, 3), (10, 8)])
def test_describe_has_fields_and_cones_of_skips_by_the_witness(unit):
    net = repeated()
    rows = {row["name"]: row for row in describe(net)["layers"]}

    def box(lines: dict, side: int) -> torch.Tensor:
        (top, bottom), (left, right) = lines["rows"][unit[0]], lines["cols"][unit[1]]
        mask = torch.zeros(side, side, dtype=torch.bool)
        mask[max(top, 0) : bottom + 1, max(left, 0) : right + 1] = True
        return mask

    for end, name in {"add": "steps.7.separable.point", "add#3": "steps.7.separable.point#3"}.items():
        assert torch.equal(box(rows[name]["field"], 28), measure_field(net, end, unit, method="poison")), name
    seen = measure_field(nn.Sequential(net.steps[7]), "0", unit, input_size=(11, 11))
    assert torch.equal(box(rows["steps.7.separable.point#3"]["cone"][list(rows).index("steps.4.point")], 11), seen)


def test_describe_follows_functions_and_views():
    rows = describe(LeNet())["layers"]
    assert [row["name"] for row in rows] == ["conv1", "max_pool2d", "conv2", "avg_pool2d", "fc1", "fc2", "fc3"]
    assert [row["steps"] for row in rows] == [["relu"], [], ["relu"], [], ["relu"], ["relu"], []]
    assert rows[4]["kernel"] == (5, 5) and rows[4]["field"] == {"rows": [(-2, 29)], "cols": [(-2, 29)]}


def by_description(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """The answers to one image (1, 28, 28), from nothing but what JavaScript is given: windows, and numbers in a row."""
    values, maps = numbers(model), []
    for row in describe(model)["layers"]:
        (_, rows, cols), at = row["shape"], row["at"]
        parts = list(values[at : at + sum(row["numbers"])].split(row["numbers"])) if row["numbers"] else []
        if row["kind"] == "conv":
            sides = zip((rows, cols), x.shape[1:], *(row[name] for name in ("kernel", "stride", "pad", "dilation")))
            frame = [(pad, (n - 1) * s + d * (k - 1) + 1 - pad - length) for n, length, k, s, pad, d in sides]
            x = F.pad(x, (*frame[1], *frame[0]))  # in front as it is given, behind as far as the last window reaches
            weight = parts.pop(0).view(row["shape"][0], -1, *row["kernel"])
            options = {"stride": row["stride"], "dilation": row["dilation"], "groups": row["groups"]}
            x = F.conv2d(x[None], weight, parts.pop(0), **options)[0]
        elif row["kind"] != "same":
            windows = [[x[:, t:b, left:right].flatten(1) for left, right in row["cols"]] for t, b in row["rows"]]
            if row["kind"] == "max":
                x = torch.stack([torch.stack([one.amax(1) for one in line], 1) for line in windows], 1)
            else:
                sizes = torch.tensor(row["spans"][0])[:, None] * torch.tensor(row["spans"][1])
                x = torch.stack([torch.stack([one.sum(1) for one in line], 1) for line in windows], 1) / sizes
        for step in row["steps"]:
            if step == "relu":
                x = x.relu()
            elif isinstance(step, list):
                x = x + maps[step[1]]
            else:
                x, parts = x * parts[4][:, None, None] + parts[5][:, None, None], parts[6:]
        assert x.shape == row["shape"] and not parts
        maps.append(x)
    return x.flatten()


def odd_ones() -> nn.Module:
    """Every kind of window that may be shown, none of them square and plain."""
    return nn.Sequential(
        nn.Conv2d(1, 4, (4, 2), padding="same"),  # torch puts the odd row and column behind
        nn.ReLU(),
        nn.AvgPool2d(3, 2, padding=1),
        nn.Conv2d(4, 6, 3, stride=(1, 2), dilation=(2, 1), groups=2, padding=(1, 0)),
        nn.BatchNorm2d(6),
        nn.MaxPool2d((2, 3), stride=(2, 1), padding=(1, 1)),
        nn.AvgPool2d(2, padding=1, count_include_pad=False),
        nn.AvgPool2d((3, 2), stride=(2, 1), padding=1, ceil_mode=True),
        nn.AdaptiveAvgPool2d((2, 3)),
        nn.Flatten(),
        nn.Linear(36, 10),
    )


def separable() -> nn.Module:
    """Depthwise convolutions, and a mean that is no module."""
    return SeparableNet(("conv 6 pooled", "sep 10", "sep5 11"))


@pytest.mark.parametrize("make", [recorded_net, LeNet, odd_ones, separable, repeated, Residual])
def test_describe_tells_all_that_an_answer_needs(make):
    torch.manual_seed(0)
    model = make().eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d) and make is not recorded_net:
            for values in (module.running_mean, module.running_var, module.weight.data, module.bias.data):
                values.uniform_(0.5, 2)
    images = torch.rand(3, 1, 28, 28)
    with torch.no_grad():
        for image, expected in zip(images, model(images)):
            torch.testing.assert_close(by_description(model, image), expected, rtol=1e-4, atol=1e-4)


def test_numbers_hold_batchnorm_folded():
    net = recorded_net()
    row, values = describe(net)["layers"][1], numbers(net)
    at = row["at"]
    parts = values[at : at + sum(row["numbers"])].split(row["numbers"])
    x = torch.randn(2, 32, 5, 5)
    torch.testing.assert_close(x * parts[6][:, None, None] + parts[7][:, None, None], net.bn2(x), rtol=1e-4, atol=1e-5)
    assert len(values) == sum(sum(row["numbers"]) for row in describe(net)["layers"])


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (Joined(lambda net, x: net.same(x) + net.even(x)), "chains, with skips or without: 'even' joins branches otherwise"),
        (Joined(lambda net, x: torch.cat([net.same(x), x], 1)), "'cat' joins branches otherwise"),
        (Joined(lambda net, x: torch.add(net.same(x), x, alpha=2)), "'add' joins branches otherwise"),
        (Joined(lambda net, x: net.same(net.relu(x)) + x), "'add' of maps that were changed in place before they are added"),
        (Joined(lambda net, x: x + net.same(F.adaptive_avg_pool2d(x, 1))), "'add' of maps of another shape (those of 'conv')"),
        (Joined(lambda net, x: x + net.even(x)), "can't show what 'even' sees: it is not a rectangle of pixels"),
        (Joined(lambda net, x: x + 1), "can't show 'add': it shows chains of"),
        (AddsTheImage(), "'add' of the image itself: only an earlier layer's maps can be added"),
        (nn.Sequential(nn.Conv2d(1, 10, 28), nn.Flatten(), nn.LogSoftmax(1)), "can't show LogSoftmax (layer '2')"),
        (nn.Sequential(nn.Conv2d(1, 10, 28), nn.Sigmoid()), "can't show Sigmoid (layer '1')"),
        (nn.Sequential(nn.Conv2d(3, 10, 28)), "expected input[1, 1, 28, 28] to have 3 channels"),
        (nn.Sequential(nn.Conv2d(1, 10, 3)), "one number for each answer"),
        (nn.Sequential(nn.Conv2d(1, 10, 28, padding_mode="reflect", padding=1), nn.AvgPool2d(3)), "padding_mode='reflect'"),
        (nn.Sequential(nn.Conv2d(1, 3, 27), nn.BatchNorm2d(3, track_running_stats=False)), "the statistics of a batch"),
        (nn.Sequential(nn.Linear(28, 10)), "maps that are not flattened"),
    ],
)
def test_describe_refuses_by_name_what_cannot_be_shown(model, sentence):
    with pytest.raises(Unsupported, match=re.escape(sentence)) as refused:
        describe(model)
    assert "\n" not in str(refused.value)
