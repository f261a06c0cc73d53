"""The widget without a browser: what it tells the reader's kernel, and what it refuses."""

import re
import subprocess
import sys

import pytest
import torch

from mnist_lib.model import DigitNet
from mnist_lib.model.pretrained import recorded_epochs
from mnist_lib.support.paths import ROOT
from mnist_lib.trainer import TrainConfig, train
from mnist_lib.transforms import normalise
from mnist_lib.widgets import Following, Inside
from mnist_lib.widgets.export import numbers
from tests.lib.watching import Watch


def test_inside_reads_a_model_as_in_evaluation_and_leaves_it_in_training():
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
        (torch.zeros(0, 1, 28, 28), None, "N > 0"),
        (torch.full((2, 1, 28, 28), float("nan")), None, "in [0, 1]"),
        (torch.zeros(2, 1, 28, 28, dtype=torch.int64), None, "images must be uint8"),
        (torch.zeros(2, 1, 28, 28), torch.zeros(3), "labels must be (2,)"),
        (None, torch.zeros(3), "labels belong to images"),
        (torch.zeros(2, 1, 28, 28), torch.zeros(2), "labels must be whole numbers, not float32"),
        (torch.zeros(2, 1, 28, 28), [1, 2], "labels must be a tensor, not list"),
        (torch.zeros(2, 1, 28, 28).numpy(), None, "images must be a tensor, not ndarray"),
    ],
)
def test_inside_refuses_wrong_images_in_one_sentence(images, labels, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        Inside(DigitNet(), images, labels)


def test_inside_gives_what_the_reader_drew_as_a_tensor():
    widget = Inside(DigitNet())
    assert widget.image.shape == (1, 28, 28) and not widget.image.any() and widget.logits is None
    image, logits = torch.rand(1, 28, 28), torch.randn(10)
    widget.set_state({"shown": memoryview(image.numpy().tobytes()), "answers": memoryview(logits.numpy().tobytes())})
    assert torch.equal(widget.image, image) and torch.equal(widget.logits, logits)


def test_inside_takes_a_unit_by_its_layers_name():
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
def test_inside_refuses_a_choice_that_is_not_there(name, value, sentence):
    widget = Inside(DigitNet(), torch.rand(3, 1, 28, 28), epochs=recorded_epochs())
    before = getattr(widget, name)
    with pytest.raises(ValueError, match=re.escape(sentence)):
        setattr(widget, name, value)
    assert getattr(widget, name) == before and widget.epoch == 20


def test_inside_refuses_epochs_of_another_model():
    with pytest.raises(ValueError, match=r"epochs\[3\] does not fit the model: .*conv8.weight") as refused:
        Inside(DigitNet(), epochs={3: DigitNet(widths=(16, 32, 10, 16, 16, 16, 12)).state_dict()})
    assert "\n" not in str(refused.value)


def test_widgets_load_nothing_before_a_name_is_used():
    """Nothing of a notebook is loaded before a name is used; the view knows neither training, plots nor report."""
    code = "import mnist_lib.widgets, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert not {"anywidget", "ipywidgets", "matplotlib", "torch"} & set(loaded)
    for path in (ROOT / "mnist_lib/widgets").glob("*.py"):
        found = set(re.findall(r"(?:from|import) mnist_lib\.(\w+)", path.read_text()))
        if path.name == "following.py":  # what a training is given, so that it is watched
            found -= {"trainer"}
        assert found <= {"widgets", "receptive_field", "transforms", "support", "data", "model"}, path.name


# A run that is followed


def test_a_run_is_followed_epoch_by_epoch_and_comes_out_the_same(digits):
    """Every epoch's numbers are the run's own after it, the slider ends at the last, and watching changes no bit."""
    config = TrainConfig(epochs=2, seed=3)
    data = digits.head(256, 50)
    view, states = Inside(DigitNet(), data.train_images[:20], data.train_labels[:20]), {}

    keep = Watch(epoch=lambda run: states.update({len(run.history): numbers(run.model)}))
    run = train(config, data, [Following(view), keep])
    assert view.network["epochs"] == [0, 1, 2] and view.epoch == view.network["epoch"] == 2
    rows = torch.frombuffer(bytearray(view.weights), dtype=torch.float32).reshape(3, -1)
    for epoch, state in states.items():
        assert torch.equal(rows[epoch], state)
    assert not torch.equal(rows[0], rows[1]) and not torch.equal(rows[1], rows[2])
    with torch.no_grad():
        answers = run.model.eval()(normalise(data.train_images[:20] / 255)).argmax(1)
    assert view.network["reads"] == answers.tolist()
    alone = train(config, data)
    assert all(torch.equal(a, b) for a, b in zip(alone.model.state_dict().values(), run.model.state_dict().values()))


def test_a_run_of_another_network_is_refused_before_it_begins(digits):
    steps = []
    view = Inside(DigitNet(widths=(4, 4, 4, 4, 4, 4, 4)))
    with pytest.raises(ValueError, match="This network has other layers than the one that Inside was made of"):
        train(TrainConfig(epochs=1), digits.head(256, 50), [Following(view), Watch(step=lambda run: steps.append(run.step))])
    assert not steps and view.network["epochs"] == []
