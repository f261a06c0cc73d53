"""Pictures name their data and fit what they show."""

import io
import math

import matplotlib.pyplot as plt
import pytest
import torch
from matplotlib.colors import to_rgba

from mnist_lib import interpret, plots
from mnist_lib.data.pictures import read_picture
from mnist_lib.model import DigitNet
from mnist_lib.model.digitnet import ROWS
from mnist_lib.receptive_field import effective_field, measure_field, receptive_fields
from mnist_lib.studies.study import Row
from mnist_lib.support.paths import ROOT
from mnist_lib.trainer import train
from mnist_lib.trainer.config import TrainConfig

HISTORY = [{"epoch": e, "train_loss": 1 / e, "train_accuracy": 1 - 0.5 / e, "validation_accuracy": 0.9} for e in (1, 2, 3)]
ROWS_OF_A_STUDY = [
    Row("all", 900, {0: 99.0, 1: 98.0, 2: 97.0}, 98.0, (95.5, 100.5)),
    Row("less", 500, {0: 98.9, 2: 97.1, 3: 50.0}, 82.0, (13.1, 150.9), 2, 0.0, (-1.3, 1.3)),
]
RECORDS = [{"test": {"accuracy": accuracy}} for accuracy in (0.9941, 0.9952, 0.9947)]


def pictures() -> dict:
    image, images = torch.rand(1, 28, 28), torch.rand(12, 1, 28, 28)
    model, labels = DigitNet(), torch.arange(12) % 10
    fields = receptive_fields(model, (28, 28))
    units = {name: tuple(size // 2 for size in fields[name].output_size) for name in ROWS}
    boxes = {name: fields[name].box(*units[name]) for name in ROWS}
    measured = {name: measure_field(model, name, units[name]) for name in ROWS}
    timed = [{"seconds": 9, "accuracy": 0.9}, {"seconds": 20, "accuracy": 0.99}]
    votes, maps = torch.randn(10, 6, 6), {"conv1": torch.rand(16, 26, 26), "conv7": torch.rand(9, 6, 6)}
    bins = interpret.reliability(torch.linspace(0.3, 1, 90), torch.arange(90) % 3 > 0)
    lost = {"conv1": [1, 0, 3, 3, 90], "conv2": [2, 2]}
    asked = {"asked": [(image, 3, 5, (2, 3))] * 14, "not asked": [(image, 3, 5, ())]}
    path = torch.tensor([[-3.0, 1.0], [-2.0, -0.5], [-1.0, 0.2]])
    look = {"untrained": {"conv4": effective_field(model, "conv4", (2, 2), images)}}
    return {
        "architecture": lambda: plots.architecture(model, image, "data"),
        "budget": lambda: plots.budget(model, image, beside=DigitNet(widths=(8,) * 7)),
        "number_grids": lambda: plots.number_grids({"a": torch.eye(3), "b": torch.randn(2, 2)}, "data", {"a": (0, 0)}),
        "spreads": lambda: plots.spreads({"before": {"a": image, "b": image}, "after": {"a": image, "b": image}}, "data"),
        "influence": lambda: plots.influence({"a": 1e-14, "b": 0.0, "c": 0.3}, "data"),
        "before_after": lambda: plots.before_after({"a": (image, image), "b": (image, -image)}, "data"),
        "grid": lambda: plots.grid(images, [f"{label} → 5" for label in labels], "data"),
        "fields_on_digit": lambda: plots.fields_on_digit(image, [fields[name] for name in ROWS], "data"),
        "field_disputes": lambda: plots.field_disputes(measured, boxes, dict.fromkeys(ROWS, 9), ROWS),
        "marked_units": lambda: plots.marked_units(image, {"a": torch.rand(10, 10), "b": torch.rand(6, 6)}, "data"),
        "from_the_side": lambda: plots.from_the_side(fields, ROWS[:5], 4, "data"),
        "boxes_in_a_row": lambda: plots.boxes_in_a_row({"pool1": fields["pool1"], "gap": fields["gap"]}, 3, "data"),
        "one_unit": lambda: plots.one_unit(image, fields["conv7"], (0, 5), torch.rand(28, 28), "data", torch.rand(6, 6)),
        "cone": lambda: plots.cone(image, fields, ROWS[:7], (2, 2), "data"),
        "effective": lambda: plots.effective(look, boxes | {"conv4": boxes["conv4"]}, "data"),
        "versions": lambda: plots.versions(image, images, "data"),
        "pairs": lambda: plots.pairs([("a", images), ("b", images)], "data", {"a": list("ABC")}),
        "learning_rates": lambda: plots.learning_rates([0.1, 0.2, 0.05], 1),
        "by_step": lambda: plots.by_step({"rate": {"a": [1, 2]}, "loss": {"a": [2, 1], "b": [3, 1]}}, "data", log=["loss"]),
        "valley": lambda: plots.valley(lambda place: place.square().sum(-1), {"a": path, "b": path / 2}, "data"),
        "curves": lambda: plots.curves(HISTORY, "data", 5, {"accuracy": 0.99, "epoch": 3}),
        "mistakes": lambda: plots.mistakes(images * 255, labels, torch.eye(10)[(labels + (labels == 3)) % 10], "data"),
        "seeds": lambda: plots.seeds(RECORDS, "data"),
        "step_times": lambda: plots.step_times({"a": {"convolution": 9, "the rest": 2}, "b": {"dropout": 3}}, "data"),
        "ladder": lambda: plots.ladder({"a": [9, 8, 10], "b": [3, 4, 3]}, "data"),
        "accuracy_over_time": lambda: plots.accuracy_over_time({"a": timed, "b": timed[:1]}, "data"),
        "memory_orders": lambda: plots.memory_orders((3, 2, 2), "data"),
        "layer_shares": lambda: plots.layer_shares(
            {"a": {"conv1": 0.2, "conv2": 0.8}, "b": {"conv1": 0.5, "conv2": 0.5}}, "data"
        ),
        "calls": lambda: plots.calls([0.02, 0.001, 0.001, 0.004], "data"),
        "looking_inside": lambda: plots.looking_inside(image, maps, votes, votes[:, 0, 0], fields["conv7"]),
        "evidence": lambda: plots.evidence(image, {"for 3": votes[3], "for 5": votes[5]}, fields["conv7"], "data"),
        "filters": lambda: plots.filters({str(i): torch.randn(3, 3) for i in range(10)}, "data"),
        "excited_by": lambda: plots.excited_by({"a": images[:3], "b": images[:2]}, "data", [torch.randn(3, 3)] * 2),
        "lesions": lambda: plots.lesions(1, lost, 1000, "data", {"conv1": [1, 1, 2, 3, 9], "conv2": [2, 1]}),
        "reliability": lambda: plots.reliability(bins, "data"),
        "beside_people": lambda: plots.beside_people(asked, "data"),
        "line": lambda: plots.line([0, 10, 20], [99, 98, 90], "data", "angle", "right", shaded=10),
        "differences": lambda: plots.differences(ROWS_OF_A_STUDY, "data", {"less": "A"}),
        "accuracy_over_parameters": lambda: plots.accuracy_over_parameters(
            {"short": ROWS_OF_A_STUDY, "long": ROWS_OF_A_STUDY[:1]}, "data", 99.4, "the goal", (99.3, 99.5)
        ),
        "two_maps": lambda: plots.two_maps(20),
        "handwriting_steps": lambda: plots.handwriting_steps(
            read_picture(ROOT / "course/photos/four_digits.jpg"), ["5", "6"], "8"
        ),
    }


def test_differences_are_of_one_seed_and_are_called_as_told():
    [axis] = plots.differences(ROWS_OF_A_STUDY, "data", {"less": "A"}).axes
    dots = next(line for line in axis.lines if line.get_label() == "one seed each")
    assert dots.get_xdata() == pytest.approx([0.1, -0.1])  # with minus without, seeds 0 and 2; 1 and 3 have no partner
    assert [label.get_text() for label in axis.get_yticklabels()] == ["A"]


@pytest.mark.parametrize("most, said", [(60, "data"), (5, "data; the 5 most confident of 12")])
def test_mistakes_that_are_not_shown_are_counted(most, said):
    answers = torch.eye(10)[(torch.arange(12) + 1) % 10]
    figure = plots.mistakes(torch.zeros(12, 1, 28, 28), torch.arange(12) % 10, answers, "data", most)
    assert figure.get_suptitle() == said


def test_lesions_say_where_their_scale_changes():
    [axis] = plots.lesions(0, {"conv1": [1, 90]}, 1000, "data").axes
    assert "logarithmic" in axis.texts[0].get_text() and axis.texts[0].xy[0] == 5
    [axis] = plots.lesions(0, {"conv1": [1, 4]}, 1000, "data").axes
    assert not axis.texts


@pytest.mark.parametrize("drawn", [pytest.param(False, marks=pytest.mark.daily), pytest.param(True, marks=pytest.mark.nightly)])
def test_pictures_are_drawn_and_left_closed(drawn):
    """By day they are made here, and drawn by the notebooks, which have them all; by night they are drawn here, too."""
    made = pictures()
    public = {name for name in plots.__all__ if callable(getattr(plots, name))}
    assert set(made) == public - {"LiveCurves", "use_theme"}  # none is forgotten here
    for name, draw in made.items():
        figure = draw()
        if drawn:
            png = io.BytesIO()
            figure.savefig(png)
            assert len(png.getvalue()) > 3_000, name
    assert not plt.get_fignums()  # a notebook shows each once, where it is named


def texts(axis) -> list[str]:
    return [text.get_text() for text in axis.texts]


def test_budget_counts_what_hooks_count():
    """Numbers from the modules, multiplications from what each convolution is given and gives; orange above the limit."""
    widths, kernels = (5, 40, 7, 9, 11, 13, 40), (5, 3, 3, 3, 1, 3, 5)
    net, work = DigitNet(widths=widths, kernels=kernels), {}
    for name, layer in net.named_children():
        if isinstance(layer, torch.nn.Conv2d):
            layer.register_forward_hook(
                lambda m, i, o, name=name: work.update({name: o[0].numel() * i[0].shape[1] * m.kernel_size[0] ** 2})
            )
    figure = plots.budget(net)
    net(torch.zeros(2, 1, 28, 28))
    left, middle, right = figure.axes
    held = {
        f"conv{i}": sum(p.numel() for m in (f"conv{i}", f"bn{i}") for p in net.get_submodule(m).parameters())
        for i in range(1, 8)
    }
    held |= {"pool1": 0, "gap": 0, "conv8": sum(p.numel() for p in net.conv8.parameters())}
    names = [label.get_text().split()[0] for label in left.get_yticklabels()]
    assert texts(left) == [f"{held[name]:,}" for name in names]
    assert texts(middle)[:-1] == [f"{work.get(name, 0) / 1000:,.0f}" for name in names[:-1]]
    assert texts(middle)[-1] == "0.4"  # conv8 multiplies 40 x 10 times: few, and not none
    assert f"{sum(held.values()):,} of 20,000" in left.get_title("left") and "too many" in left.get_title("left")
    assert f"{sum(work.values()) / 1e6:.2f} million" in middle.get_title("left")
    size = receptive_fields(net, (28, 28))["conv7"].size
    assert right.get_title("left").endswith(f"{size[0]}×{size[1]}") and right.patches[-1].get_width() == size[1]
    assert "6,040 left" in plots.budget(DigitNet()).axes[0].get_title("left")
    beside = texts(plots.budget(DigitNet(widths=(16, 32, 10, 12, 12, 12, 12)), beside=DigitNet()).axes[0])
    assert beside[:2] == ["192", "4,704"] and beside[5] == "1,332 (2,352)"


def test_architecture_keeps_its_counts_to_itself_if_told():
    shown = plots.architecture(DigitNet(), torch.rand(1, 28, 28), counts=False)
    said = " ".join(text for axis in shown.axes for text in texts(axis))
    assert "conv2" in said and "32×24×24" in said and "4,704" not in said and "13,960" not in said


def test_logits_are_drawn_with_their_signs():
    model = DigitNet().eval()
    torch.nn.init.zeros_(model.conv8.weight)
    with torch.no_grad():
        model.conv8.bias.copy_(torch.tensor([-2.0, 0, 1, 0, 0, 0, 0, 0, 0, 2.0]))
    cells = plots.architecture(model, torch.rand(1, 28, 28)).axes[0].patches[-10:]
    red, _, blue, _ = zip(*(cell.get_facecolor() for cell in cells))
    assert cells[0].get_facecolor() == to_rgba(plots.ORANGE) and blue[9] > red[9] and blue[2] > red[2]
    assert cells[2].get_facecolor() != cells[9].get_facecolor()


def test_a_step_says_its_milliseconds_where_there_is_room():
    [axis] = plots.step_times({"a": {"convolution": 60, "ReLU": 1, "the rest": 39}}, "data").axes
    assert texts(axis) == ["60", "39", " 100 ms"]


def test_rungs_are_numbered_as_they_are_asked_for():
    [axis] = plots.ladder({"classic": [9, 8, 10], "better": [3, 4, 3]}, "data").axes
    assert [label.get_text() for label in axis.get_yticklabels()] == ["classic", "1  better"]


def test_a_share_that_is_not_nothing_is_not_shown_as_nothing():
    [axis] = plots.layer_shares({"a": {"conv1": 0.998, "conv8": 0.002, "pool": 0.0}}, "data").axes
    assert texts(axis) == ["100", "<1", "0"]


def test_a_group_that_is_always_right_is_no_point_of_the_scale():
    bins = interpret.reliability(torch.tensor([0.6, 0.6, 0.99999]), torch.tensor([True, False, True]))
    [axis] = plots.reliability(bins, "data").axes
    assert [line.get_marker() for line in axis.lines if line.get_marker() in "o^>"] == ["o", "^"]


def test_number_grids_write_every_number_and_frame_the_marked_one():
    grid = torch.tensor([[1.0, -2.0], [0.25, 3.5]])
    left, right = plots.number_grids({"a": grid, "b": grid * 2}, "data", {"b": (1, 0)}).axes
    assert texts(left) == ["1", "-2", "0.25", "3.50"] and texts(right) == ["2", "-4", "0.50", "7"]
    assert not left.patches and (right.patches[0].get_x(), right.patches[0].get_y()) == (-0.5, 0.5)


def test_what_does_not_move_the_logits_is_told_apart():
    [axis] = plots.influence({"a": 1e-14, "b": 0.3, "c": 0.0}, "data").axes
    marks = {line.get_ydata()[0]: line.get_marker() for line in axis.lines if line.get_marker() in ("D", "o")}
    assert marks == {0: "D", 1: "o", 2: "D"}


def test_cone_counts_what_a_unit_is_computed_from():
    model, names = DigitNet().eval(), ROWS[:7]
    fields = receptive_fields(model, (28, 28))
    shown = [text.get_text() for text in plots.cone(torch.rand(1, 28, 28), fields, names, (3, 2), "data").axes[1].texts]
    assert shown[:-1] == ["18 × 18", "16 × 16", "14 × 14", "14 × 14", "7 × 7", "5 × 5", "3 × 3", "1 × 1"]
    [axis] = plots.from_the_side(fields, ROWS[:5], 4, "data").axes
    inked = [patch for patch in axis.patches if patch.get_facecolor()[:3] == to_rgba(plots.ORANGE)[:3]]
    pixels = [patch.get_x() + 0.5 for patch in inked]
    assert pixels == measure_field(model, "conv4", (4, 4)).any(0).nonzero().flatten().tolist()


def test_by_step_gives_a_name_one_colour_and_each_panel_its_scale():
    figure = plots.by_step({"rate": {"b": [1, 2]}, "loss": {"a": [2, 1], "b": [3, 1]}}, "data", log=["loss"])
    rate, loss = figure.axes
    assert (rate.get_yscale(), loss.get_yscale()) == ("linear", "log")
    drawn = {line.get_label(): line for line in loss.lines}
    assert drawn["b"].get_color() == rate.lines[0].get_color() != drawn["a"].get_color()
    assert drawn["a"].get_xdata().tolist() == [1, 2] and list(drawn["a"].get_ydata()) == [2, 1]
    [many] = plots.by_step({"loss": {name: [1, 0.5] for name in "abc"}}, "data", log=["loss"]).axes
    assert [line.get_label() for line in many.lines] == [f"{name}: 0.500 at the end" for name in "abc"]


def test_valley_shows_each_path_as_it_was_walked():
    path = torch.tensor([[-3.0, 1.0], [-2.0, -0.5]])
    axes = plots.valley(lambda place: place.square().sum(-1), {"a": path, "b": path / 2}, "data").axes
    assert [axis.get_title("left") for axis in axes] == ["a", "b"]
    assert axes[1].lines[0].get_xydata().tolist() == (path / 2).tolist()
    assert axes[0].lines[1].get_xydata().tolist() == [[-3.0, 1.0]] and axes[0].texts[0].get_text() == "start"


def test_mistakes_shows_the_wrong_ones_and_only_those():
    labels = torch.tensor([1, 2, 3, 4])
    answers = torch.eye(10)[torch.tensor([1, 7, 3, 9])] * 5
    titles = [axis.get_title("center") for axis in plots.mistakes(torch.zeros(4, 1, 28, 28), labels, answers, "data").axes]
    assert sorted(title for title in titles if title) == ["2 → 7", "4 → 9"]


def test_mistakes_shows_the_surest_first():
    """Sure is a share after softmax: the second's logits are the highest, but two of them are."""
    labels, logits = torch.tensor([0, 0, 0, 0]), torch.zeros(4, 10)
    logits[0, 1], logits[1, 2], logits[1, 5], logits[2, 3], logits[3, 4] = 1.0, 90.0, 89.9, 9.0, 3.0
    for most, wanted in ((60, ["0 → 3", "0 → 4", "0 → 2", "0 → 1"]), (2, ["0 → 3", "0 → 4"])):
        axes = plots.mistakes(torch.zeros(4, 1, 28, 28), labels, logits, "data", most).axes
        assert [axis.get_title("center") for axis in axes if axis.get_title("center")] == wanted


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("picture", ["architecture", "budget"])
def test_a_picture_leaves_the_network_as_it_was(picture, training):
    model = DigitNet().train(training)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    plots.architecture(model, torch.rand(1, 28, 28)) if picture == "architecture" else plots.budget(model)
    assert all(module.training == training for module in model.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_live_curves_redraw_each_epoch_under_the_datasets_name(digits, monkeypatch):
    shown = []

    class Handle:
        def update(self, figure):
            shown.append(figure)

    monkeypatch.setattr(plots.training, "display", lambda figure, display_id: shown.append(figure) or Handle())
    train(TrainConfig(epochs=2), digits.head(200, 50), [plots.LiveCurves()])
    assert len(shown) == 2
    assert all("digits" in figure.get_suptitle() for figure in shown)


def test_the_holes_that_are_drawn_are_the_holes_there_are():
    """Of 10 x 10 pixels turned by 20 degrees: the places whose source lies inside and to which no pixel is sent."""
    angle, wanted = math.radians(20), 0
    at = [(x - 4.5, y - 4.5) for x in range(10) for y in range(10)]
    sent = {
        (round(x * math.cos(angle) - y * math.sin(angle) + 4.5), round(x * math.sin(angle) + y * math.cos(angle) + 4.5))
        for x, y in at
    }
    for x, y in at:
        source = (x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle))
        inside = all(-0.5 <= one + 4.5 <= 9.5 for one in source)
        wanted += inside and (round(x + 4.5), round(y + 4.5)) not in sent
    drawn = [one for one in plots.two_maps(20).axes[0].lines if one.get_marker() == "x"]
    assert len(drawn) == wanted > 0


def test_a_curve_on_both_sides_of_zero_is_shaded_on_both():
    for x, shaded in (([0, 10, 20], (0, 10)), ([-20, 0, 20], (-10, 10))):
        axis = plots.line(x, [1, 2, 3], "data", "angle", "right", shaded=10).axes[0]
        assert axis.get_xlim() == (min(x), max(x))
        assert (axis.patches[0].get_x(), axis.patches[0].get_x() + axis.patches[0].get_width()) == shaded


def test_a_long_title_is_not_cut_off_over_a_single_column():
    one = torch.rand(1, 1, 28, 28)
    figure = plots.pairs([("before", one), ("after", one)], "MNIST: label 7; the network says 7 (confidence 100%)")
    figure.canvas.draw()
    assert figure._suptitle.get_window_extent().x1 <= figure.bbox.x1


def test_a_budget_may_leave_out_what_conv7_sees():
    assert len(plots.budget(DigitNet(), field=False).axes) == 2


def test_spreads_cut_nothing_off():
    values = torch.randn(4, 500)
    [axis] = plots.spreads({"a": {"map 0": values}}, "t").axes
    low, high = axis.get_xlim()
    assert low <= values.min() and values.max() <= high
