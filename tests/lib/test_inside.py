"""What a view of a network is made of, without a browser: layers, numbers, fields, and what is refused."""

import json
import re
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course import film
from mnist_lib.model import DigitNet
from mnist_lib.model.pretrained import recorded_epochs, recorded_net
from mnist_lib.receptive_field import measure_field, receptive_fields
from mnist_lib.support.paths import ROOT
from mnist_lib.transforms import normalise
from mnist_lib.widgets import Inside
from mnist_lib.widgets.bundle import script
from mnist_lib.widgets.export import Unsupported, describe, layers_of, numbers
from mnist_lib.widgets.payload import content, read


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
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1)

    def forward(self, x):
        x = self.conv(x)
        return (x + F.relu(x)).mean((2, 3))


def test_boxes_are_those_of_receptive_fields():
    net = recorded_net()
    fields = receptive_fields(net)
    for row in describe(net)["layers"]:
        field = fields[row["name"]]
        for r in range(row["shape"][1]):
            for c in range(row["shape"][2]):
                (top, bottom), (left, right) = row["field"]["rows"][r], row["field"]["cols"][c]
                assert (top, left, bottom, right) == field.box(r, c), row["name"]


@pytest.mark.parametrize("unit", [(0, 0), (2, 5), (5, 3)])
def test_the_cone_between_two_layers_is_the_field_of_what_lies_between(unit):
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


def test_functions_and_views_are_followed():
    rows = describe(LeNet())["layers"]
    assert [row["name"] for row in rows] == ["conv1", "max_pool2d", "conv2", "avg_pool2d", "fc1", "fc2", "fc3"]
    assert [row["steps"] for row in rows] == [["relu"], [], ["relu"], [], ["relu"], ["relu"], []]
    assert rows[4]["kernel"] == (5, 5) and rows[4]["field"] == {"rows": [(-2, 29)], "cols": [(-2, 29)]}


def by_description(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """The answers to one image (1, 28, 28), from nothing but what JavaScript is told: windows, and numbers in a row."""
    values = numbers(model)
    for row in describe(model)["layers"]:
        (_, rows, cols), at = row["shape"], row["at"]
        parts = list(values[at : at + sum(row["numbers"])].split(row["numbers"])) if row["numbers"] else []
        if row["kind"] == "conv":
            sides = zip((rows, cols), x.shape[1:], *(row[name] for name in ("kernel", "stride", "pad", "dilation")))
            frame = [(pad, (n - 1) * s + d * (k - 1) + 1 - pad - length) for n, length, k, s, pad, d in sides]
            x = F.pad(x, (*frame[1], *frame[0]))  # in front as it is told, behind as far as the last window reaches
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
            else:
                x, parts = x * parts[4][:, None, None] + parts[5][:, None, None], parts[6:]
        assert x.shape == row["shape"] and not parts
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


@pytest.mark.parametrize("make", [recorded_net, LeNet, odd_ones])
def test_a_network_as_it_is_described_answers_as_it_does(make):
    torch.manual_seed(0)
    model = make().eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d) and make is odd_ones:
            for values in (module.running_mean, module.running_var, module.weight.data, module.bias.data):
                values.uniform_(0.5, 2)
    images = torch.rand(3, 1, 28, 28)
    with torch.no_grad():
        for image, expected in zip(images, model(images)):
            torch.testing.assert_close(by_description(model, image), expected, rtol=1e-4, atol=1e-4)


def test_images_from_floats_are_rounded():
    ramp = torch.arange(256, dtype=torch.uint8).repeat(4)[:784].view(1, 1, 28, 28)
    for beside in (-0.4, 0, 0.4):
        _, _, digits = content(DigitNet(), ((ramp.float() + beside) / 255).clamp(0, 1))
        assert digits == ramp.numpy().tobytes()


def test_epochs_go_over_in_their_order_whatever_the_order_given():
    first, last = DigitNet(), DigitNet()
    network, weights, _ = content(last, epochs={7: last.state_dict(), 0: first.state_dict()})
    assert network["epochs"] == [0, 7] and network["epoch"] == 7
    assert weights == b"".join(numbers(model).numpy().astype("<f4").tobytes() for model in (first, last))


def test_folded_batchnorm_is_batchnorm():
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
        (Residual(), "'add' joins branches"),
        (nn.Sequential(nn.Conv2d(1, 10, 28), nn.Flatten(), nn.LogSoftmax(1)), "can't show LogSoftmax (layer '2')"),
        (nn.Sequential(nn.Conv2d(1, 10, 28), nn.Sigmoid()), "can't show Sigmoid (layer '1')"),
        (nn.Sequential(nn.Conv2d(3, 10, 28)), "expected input[1, 1, 28, 28] to have 3 channels"),
        (nn.Sequential(nn.Conv2d(1, 10, 3)), "one number for each answer"),
        (nn.Sequential(nn.Conv2d(1, 10, 28, padding_mode="reflect", padding=1), nn.AvgPool2d(3)), "padding_mode='reflect'"),
        (nn.Sequential(nn.Conv2d(1, 3, 27), nn.BatchNorm2d(3, track_running_stats=False)), "the statistics of a batch"),
        (nn.Sequential(nn.Linear(28, 10)), "maps that are not flattened"),
    ],
)
def test_what_it_cannot_show_is_refused_by_name_in_one_sentence(model, sentence):
    with pytest.raises(Unsupported, match=re.escape(sentence)) as refused:
        Inside(model)
    assert "\n" not in str(refused.value)


def test_a_model_in_training_mode_is_read_as_in_evaluation_and_left_as_it_was():
    model = DigitNet().train()
    hooked = []
    model.conv1.register_forward_hook(lambda *_: hooked.append(1))
    before = {name: values.clone() for name, values in model.state_dict().items()}
    images = torch.rand(3, 1, 28, 28)
    widget = Inside(model, images)
    assert not hooked and model.training and all(module.training for module in model.modules())
    assert all(torch.equal(before[name], values) for name, values in model.state_dict().items())
    model.conv1._forward_hooks.clear()
    with torch.no_grad():
        expected = model.eval()(normalise((images * 255).round() / 255)).argmax(1)
    assert widget.network["reads"] == expected.tolist()


@pytest.mark.parametrize(
    ("images", "labels", "sentence"),
    [
        (torch.zeros(2, 28, 28), None, "images must be (N, 1, 28, 28)"),
        (torch.zeros(2, 1, 32, 32), None, "images must be (N, 1, 28, 28)"),
        (torch.zeros(0, 1, 28, 28), None, "N > 0"),
        (torch.full((2, 1, 28, 28), 1.5), None, "in [0, 1]"),
        (torch.full((2, 1, 28, 28), float("nan")), None, "in [0, 1]"),
        (torch.zeros(2, 1, 28, 28, dtype=torch.int64), None, "images must be uint8"),
        (torch.zeros(2, 1, 28, 28), torch.zeros(3), "labels must be (2,)"),
        (None, torch.zeros(3), "labels belong to images"),
        (torch.zeros(2, 1, 28, 28), torch.zeros(2), "labels must be whole numbers, not float32"),
        (torch.zeros(2, 1, 28, 28), [1, 2], "labels must be a tensor, not list"),
        (torch.zeros(2, 1, 28, 28).numpy(), None, "images must be a tensor, not ndarray"),
    ],
)
def test_wrong_images_are_refused_in_one_sentence(images, labels, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        Inside(DigitNet(), images, labels)


def test_what_the_reader_drew_is_a_tensor():
    widget = Inside(DigitNet())
    assert widget.image.shape == (1, 28, 28) and not widget.image.any() and widget.logits is None
    image, logits = torch.rand(1, 28, 28), torch.randn(10)
    widget.set_state({"shown": memoryview(image.numpy().tobytes()), "answers": memoryview(logits.numpy().tobytes())})
    assert torch.equal(widget.image, image) and torch.equal(widget.logits, logits)


def test_a_unit_can_be_chosen_by_name():
    widget = Inside(DigitNet(), torch.rand(3, 1, 28, 28), unit={"layer": "conv5", "map": 3})
    assert widget.unit == {"layer": "conv5", "map": 3, "row": 4, "col": 4} and widget.chosen == 0 and widget.epoch is None
    widget.unit, widget.chosen = {"layer": "gap"}, 2
    assert widget.unit == {"layer": "gap", "map": 0, "row": 0, "col": 0} and widget.chosen == 2
    assert Inside(DigitNet()).unit == {} and Inside(DigitNet()).chosen is None  # the view chooses


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("unit", {"layer": "conv9"}, "no layer 'conv9': choose one of conv1, conv2"),
        ("unit", {"layer": "conv5", "map": 16}, "conv5 has the maps 0 to 15: 16 is none of these."),
        ("unit", {"layer": "conv5", "row": -1}, "conv5 has the rows 0 to 7: -1"),
        ("epoch", 4, "The epochs are 0, 1, 2, 3, 5, 10, 15, 20: 4 is none of these."),
        ("chosen", 3, "There are 3 images to choose from: no. 3"),
    ],
)
def test_what_is_not_there_cannot_be_chosen(name, value, sentence):
    widget = Inside(DigitNet(), torch.rand(3, 1, 28, 28), epochs=recorded_epochs())
    before = getattr(widget, name)
    with pytest.raises(ValueError, match=re.escape(sentence)):
        setattr(widget, name, value)
    assert getattr(widget, name) == before and widget.epoch == 20


def test_epochs_of_another_model_are_refused_in_one_sentence():
    with pytest.raises(ValueError, match=r"epochs\[3\] does not fit the model: .*conv8.weight") as refused:
        Inside(DigitNet(), epochs={3: DigitNet(widths=(16, 32, 10, 16, 16, 16, 12)).state_dict()})
    assert "\n" not in str(refused.value)


def test_the_parts_of_the_view_are_one_module():
    """Each part is there once, none imports any more, and no two give one name to different things: they share a scope."""
    text = script()
    parts = sorted((ROOT / "mnist_lib/widgets/js").glob("*.js"))
    assert all(text.count(f"// -- {path.name}\n") == 1 for path in parts) and len(parts) > 10
    assert "import" not in re.findall(r"^\w+", text, re.MULTILINE) and text.rstrip().endswith("export default { render };")
    names = re.findall(r"^(?:export )?(?:async )?(?:const|let|class|function) (\w+)", text, re.MULTILINE)
    assert len(names) == len(set(names)) > 40


def test_the_kept_epochs_answer_as_the_run_did(mnist):
    """Half precision: the answers to 1,000 test images, but for one at most; the last epoch is the recorded network."""
    epochs, net = recorded_epochs(), recorded_net()
    assert list(epochs) == [0, 1, 2, 3, 5, 10, 15, 20]
    full, kept = read(net, mnist.test_images[:1000]), torch.load(ROOT / "records/card-seed-0-epochs.pt", weights_only=True)
    halves = {name: rows[-1] for name, rows in kept["states"].items()}
    for name, values in net.state_dict().items():
        assert torch.equal(epochs[20][name], values)
        assert torch.equal(halves[name], values.half() if values.is_floating_point() else values), name
    net.load_state_dict(halves)
    assert sum(a != b for a, b in zip(read(net, mnist.test_images[:1000]), full)) <= 1
    right = []
    for epoch in (0, 1, 20):
        net.load_state_dict(epochs[epoch])
        right.append(sum(a == b for a, b in zip(read(net, mnist.test_images[:1000]), mnist.test_labels.tolist())))
    assert right[0] < 300 < 950 < right[1] < right[2]
    assert (ROOT / "records/card-seed-0-epochs.pt").stat().st_size < 300_000


def test_weights_and_epochs_go_over_once_as_bytes():
    network, weights, digits = content(DigitNet(), epochs=recorded_epochs())
    assert network["epochs"] == [0, 1, 2, 3, 5, 10, 15, 20] and network["epoch"] == 20
    assert len(weights) == 8 * 4 * network["numbers"] and digits == b"" and network["parameters"] == 13_960
    json.dumps(network)  # plain values only
    assert [layer.name for layer in layers_of(DigitNet())][:2] == ["conv1", "conv2"]


def test_the_room_is_cheap_to_enter_and_looks_no_way_back():
    """Nothing of a notebook is loaded before a name is used; the view knows neither training, plots nor report."""
    code = "import mnist_lib.widgets, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert not {"anywidget", "ipywidgets", "matplotlib", "torch"} & set(loaded)
    for path in (ROOT / "mnist_lib/widgets").glob("*.py"):
        found = set(re.findall(r"(?:from|import) mnist_lib\.(\w+)", path.read_text()))
        assert found <= {"widgets", "receptive_field", "transforms", "support"}, path.name


def test_the_film_is_small_and_has_its_stills():
    for scheme in ("light", "dark"):
        film, still = (ROOT / f"figures/inside-{scheme}.{end}" for end in ("webp", "png"))
        assert 100_000 < film.stat().st_size < 2_000_000 and 20_000 < still.stat().st_size < 500_000
        assert b"ANIM" in film.read_bytes()[:64]


def test_the_film_is_made_anew_when_the_page_has_changed(tmp_path, monkeypatch, capsys):
    made, path = [], tmp_path / "index.html"
    monkeypatch.setattr(film.page, "PAGE", path)
    monkeypatch.setattr(film.page, "write_page", lambda text: path.write_text(text))
    monkeypatch.setattr(film, "write_film", lambda: made.append(path.read_text()))
    for text in ("a", "a", "b"):
        film.renew(text)
    assert made == ["a", "b"]

    def no_browser():
        raise RuntimeError("This needs a browser: install chromium or google-chrome.")

    monkeypatch.setattr(film, "write_film", no_browser)
    film.renew("c")
    assert "as it was before. This needs a browser" in capsys.readouterr().out
