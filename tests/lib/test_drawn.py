"""What a picture shows by its places, ends, colours and captions agrees with the numbers that it was given."""

import statistics
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgba

from mnist_lib import plots
from mnist_lib.model import DigitNet
from mnist_lib.plots.style import BLUE, ORANGE
from mnist_lib.receptive_field import measure_field, receptive_fields
from mnist_lib.studies.study import Row


@pytest.fixture(scope="module")
def fields():
    return receptive_fields(DigitNet(), (28, 28))


def ends(container, down: bool = False) -> list[tuple[float, float]]:
    """Where the bars of an errorbar begin and end, along x, or along y."""
    return [tuple(segment[:, int(down)]) for segment in container[2][0].get_segments()]


def box_of(patch) -> tuple[float, ...]:
    """Top, left, bottom, right of a rectangle, in whole pixels that it holds."""
    x, y = patch.get_x(), patch.get_y()
    return y + 0.5, x + 0.5, y + patch.get_height() - 0.5, x + patch.get_width() - 0.5


def shown_at(axis, x: float, y: float) -> float:
    """The number whose colour an axis shows at a place; y is counted downwards there."""
    image = axis.images[0]
    left, right, bottom, top = image.get_extent()
    rows, columns = image.get_array().shape
    low, high = axis.get_ylim()
    assert low > high and image.origin == "upper"
    return image.get_array()[int((y - top) / (bottom - top) * rows), int((x - left) / (right - left) * columns)]


def signs_of(image) -> tuple[tuple, tuple, tuple]:
    """The colours of an image's most negative possible number, of 0 and of the most positive."""
    reach = max(abs(float(image.get_array().min())), abs(float(image.get_array().max())))
    return tuple(image.cmap(float(image.norm(value))) for value in (-reach, 0, reach))


# Studies


def test_differences_have_their_mean_and_its_ends_on_the_side_of_their_dots():
    whole = Row("all", 900, {0: 99.0, 1: 98.0, 2: 98.5}, 98.5, (97.2, 99.8))
    less = Row("less", 500, {0: 98.4, 1: 97.9, 2: 98.0}, 98.1, (97.4, 98.8), 3, -0.4, (-1.1, 0.2))
    more = Row("more", 990, {0: 99.3, 1: 98.4, 2: 98.9}, 98.8, (97.7, 99.9), 3, 0.35, (0.1, 0.7))
    [axis] = plots.differences([whole, less, more], "data").axes
    (missed, better), labels = axis.containers, [label.get_text() for label in axis.get_yticklabels()]
    assert labels == ["less", "more"]
    assert missed[0].get_xdata() == pytest.approx([0.4]) and better[0].get_xdata() == pytest.approx([-0.35])
    assert ends(missed) == [pytest.approx((-0.2, 1.1))] and ends(better) == [pytest.approx((-0.7, -0.1))]
    assert abs(missed[0].get_ydata()[0] - 0) < 0.5 and abs(better[0].get_ydata()[0] - 1) < 0.5
    dots = [line for line in axis.lines if line.get_marker() == "o"]
    assert [list(line.get_xdata()) for line in dots] == [pytest.approx([0.6, 0.1, 0.5]), pytest.approx([-0.3, -0.4, -0.4])]
    assert [text.get_text() for text in sorted(axis.texts, key=lambda text: text.xy[0])] == [
        "← better without it",
        "worse without it →",
    ]
    assert axis.get_xlabel() == "points of accuracy: with it minus without it"


def test_seeds_are_stacked_over_their_mean_and_its_interval():
    records = [{"test": {"accuracy": share}} for share in (0.994, 0.995, 0.994, 0.994)]
    [axis] = plots.seeds(records, "data").axes
    assert list(axis.lines[0].get_xdata()) == pytest.approx([99.4, 99.5, 99.4, 99.4])
    assert list(axis.lines[0].get_ydata()) == pytest.approx([0.1, 0.1, 0.27, 0.44])
    [mean] = axis.containers
    half = 3.182446 * statistics.stdev([99.4, 99.5, 99.4, 99.4]) / 2  # Student's t of 3 degrees of freedom; the root of 4
    assert mean[0].get_xdata() == pytest.approx([99.425])
    assert ends(mean) == [pytest.approx((99.425 - half, 99.425 + half), abs=1e-5)]


def test_accuracy_over_parameters_has_each_mean_between_its_ends():
    rows = [
        Row("a", 1000, {0: 98.0, 1: 99.0, 2: 98.5}, 98.5, (97.0, 99.1)),
        Row("b", 2000, {0: 99.0, 1: 99.4, 2: 99.2}, 99.2, (98.9, 99.3)),
        Row("c", 3000, {0: 99.3, 1: 99.5}, 99.4, (98.1, 100.7)),  # dots, and no interval: two values say too little
    ]
    [axis] = plots.accuracy_over_parameters({"short": rows}, "data", 99.4, "the goal").axes
    [means] = axis.containers
    assert list(means[0].get_ydata()) == [98.5, 99.2] and list(means[0].get_xdata()) == pytest.approx([1000, 2000], rel=0.02)
    assert ends(means, down=True) == [pytest.approx((97.0, 99.1)), pytest.approx((98.9, 99.3))]
    assert means.get_label() == "short, 3 seeds: mean, 95 % interval"
    assert sorted(axis.lines[0].get_ydata()) == [98.0, 98.5, 99.0, 99.0, 99.2, 99.3, 99.4, 99.5]


def test_accuracy_over_parameters_names_a_network_of_one_run():
    rows = [Row("a", 1000, {0: 98.0, 1: 99.0, 2: 98.5}, 98.5, (97.0, 99.1))]
    [axis] = plots.accuracy_over_parameters(
        {"theirs": rows, "yours": [Row("b", 1500, {0: 98.0}, 98.0, None)]}, "data", 99, "99 %"
    ).axes
    assert {"theirs, 3 seeds: mean, 95 % interval", "yours: one run"} <= {text.get_text() for text in axis.get_legend().texts}


def test_accuracy_over_parameters_has_claims_on_the_axis_of_test_images():
    rows = [Row("a", 1000, {0: 98.0, 1: 99.0, 2: 98.5}, 98.5, (97.0, 99.1))]
    figure = plots.accuracy_over_parameters(
        {"short": rows}, "data", 99.2, "the goal", claims={"They": (700, 99.03)}, easier=0.15
    )
    [axis] = figure.axes
    [claim] = [line for line in axis.lines if line.get_marker() == "s"]
    assert claim.get_markerfacecolor() == "none" and (*claim.get_xdata(), *claim.get_ydata()) == (700, pytest.approx(98.88))
    [right] = axis.child_axes
    assert right.get_ylabel() == "test images, 0.15 points easier (%)" and "They" in {text.get_text() for text in axis.texts}
    figure.draw_without_rendering()
    assert right.get_ylim() == pytest.approx([end + 0.15 for end in axis.get_ylim()])


# What a network learned


@pytest.mark.parametrize("picture", ["evidence", "looking_inside"])
def test_evidence_lies_on_the_pixels_that_it_is_about(picture, fields):
    field, votes = fields["conv7"], torch.randn(10, 6, 6, generator=torch.Generator().manual_seed(0))
    image = torch.zeros(1, 28, 28)
    image[0, 3:6, 10:20] = 1  # a bar near the top
    if picture == "evidence":
        shown = plots.evidence(image, {str(i): one for i, one in enumerate(votes)}, field, "data").axes[1:]
    else:
        shown = plots.looking_inside(image, {"conv7": votes}, votes, votes[:, 0, 0], field).axes[-10:]
    limit = votes.abs().max()
    for axis, one in zip(shown, votes, strict=True):
        for row, column in ((0, 0), (0, 5), (2, 4), (5, 0), (5, 5)):
            top, left, bottom, right = field.box(row, column)
            value = shown_at(axis, (left + right) / 2, (top + bottom) / 2)
            assert value == pytest.approx(float(one[row, column].sign() * (one[row, column].abs() / limit).sqrt()), abs=1e-6)
        against, _, speaks = signs_of(axis.images[0])
        assert speaks[2] > speaks[0] and against[0] > against[2]  # blue and orange
        outline = np.concatenate([path.vertices for path in axis.collections[0].get_paths()])
        assert outline.min(0) == pytest.approx([9.5, 2.5]) and outline.max(0) == pytest.approx([19.5, 5.5])


def test_looking_inside_writes_each_logit_and_marks_the_largest(fields):
    logits = torch.tensor([-1.0, 2, 0, 5, -3, 1, 0, 0, 0, 4])
    votes = torch.randn(10, 6, 6)
    shown = plots.looking_inside(torch.rand(1, 28, 28), {"conv7": votes}, votes, logits, fields["conv7"]).axes[-10:]
    assert [axis.get_title("center") for axis in shown][:4] == ["0: -1.0", "1: +2.0", "2: +0.0", "3: +5.0"]
    assert [axis.title.get_fontweight() for axis in shown].index("bold") == 3


@pytest.mark.parametrize("picture", ["filters", "excited_by"])
def test_filters_are_pale_where_they_are_0(picture):
    weights = torch.tensor([[-0.1, 0.0], [0.4, 0.2]])
    if picture == "filters":
        axis = plots.filters({"a": weights, "b": -weights}, "data").axes[0]
    else:
        axis = plots.excited_by({"a": torch.rand(3, 1, 5, 5)}, "data", [weights]).axes[0]
    below, nothing, above = signs_of(axis.images[0])
    assert nothing == pytest.approx(to_rgba(plt.rcParams["figure.facecolor"]), abs=0.02)
    assert above == pytest.approx(to_rgba(BLUE), abs=0.02) and below == pytest.approx(to_rgba(ORANGE), abs=0.02)


def test_lesions_are_so_many_more_images_read_wrong():
    [axis] = plots.lesions(10, {"conv1": [10, 9, 14, 14], "conv2": [60]}, 1000, "data").axes
    dots = [(line.get_xdata()[0], round(line.get_ydata()[0])) for line in axis.lines if line.get_marker() == "o"]
    assert sorted(dots) == [(-1, 0), (0, 0), (4, 0), (4, 0), (50, 1)]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["conv1, 4 maps", "conv2, 1 maps"]


def test_reliability_has_how_sure_to_the_right_and_how_often_right_upwards():
    one = SimpleNamespace(confidence=0.9, right=0.8, interval=(0.7, 0.86), n=1234)
    [axis] = plots.reliability([one], "data").axes
    [dot] = [line for line in axis.lines if line.get_marker() == "o"]
    assert dot.get_xydata().tolist() == [pytest.approx([0.1, 0.2])]
    [bar] = [line for line in axis.lines if str(line.get_label()).startswith("95 %")]
    assert bar.get_xydata().tolist() == [pytest.approx([0.1, 0.3]), pytest.approx([0.1, 0.14])]
    assert "how sure" in axis.get_xlabel() and "how often" in axis.get_ylabel()
    assert axis.get_xlim()[0] > axis.get_xlim()[1] and axis.get_ylim()[0] > axis.get_ylim()[1]  # 100 % is at the far end
    assert axis.texts[0].get_text() == "1,234"


def test_people_who_see_the_label_are_blue():
    figure = plots.beside_people({"asked": [(torch.rand(1, 28, 28), 3, 5, (2, 1)), (torch.rand(1, 28, 28), 1, 7, ())]}, "data")
    asked, not_asked = figure.axes
    assert [patch.get_facecolor() for patch in asked.patches] == [to_rgba(c) for c in (BLUE, BLUE, ORANGE)]
    assert asked.get_title("center") == "3 → 5" and not not_asked.patches
    named = {text.get_text(): patch for text, patch in zip(figure.legends[0].texts, figure.legends[0].get_patches())}
    assert named["a person who sees the label"].get_facecolor() == to_rgba(BLUE)


# The network


def test_before_is_to_the_right_and_after_upwards():
    before, after = torch.tensor([0.0, 1.0]), torch.tensor([3.0, -2.0])
    [axis] = plots.before_after({"a": (before, after)}, "data").axes
    assert axis.lines[-1].get_xydata().tolist() == [[0, 3], [1, -2]]
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("before training", "after training")


def test_spreads_have_their_mean_and_one_standard_deviation_each_way():
    maps = {"a": torch.tensor([[0.0, 4.0], [4.0, 8.0]]), "b": torch.tensor([1.0, 3.0])}
    [axis] = plots.spreads({"before": maps}, "data").axes
    dots = [line.get_xydata().tolist()[0] for line in axis.lines if line.get_marker() == "o"]
    bars = [line.get_xdata() for line in axis.lines if line.get_linewidth() == 3]
    assert dots == [[4, 0], [2, 1]]
    assert bars == [pytest.approx([4 - 8**0.5, 4 + 8**0.5]), pytest.approx([1, 3])]


# Receptive fields


def test_captions_say_how_many_pixels_were_measured(fields):
    model, names = DigitNet().eval(), ["conv1", "pool1", "conv5"]
    axes = plots.fields_on_digit(torch.zeros(1, 28, 28), [fields[name] for name in names], "data").axes
    for axis, name in zip(axes, names):
        seen = measure_field(model, name, tuple(size // 2 for size in fields[name].output_size))
        rows, columns = (int(seen.any(axis).sum()) for axis in (1, 0))
        assert axis.get_title("center") == f"{name}\n{rows}×{columns}"
        where = seen.nonzero()
        assert box_of(axis.patches[-1]) == (*where.amin(0).tolist(), *where.amax(0).tolist())


def test_one_unit_is_marked_in_its_map_and_its_box_on_the_digit(fields):
    field = fields["conv7"]
    units, seen, looked = plots.one_unit(torch.rand(1, 28, 28), field, (0, 5), torch.rand(28, 28), "data").axes
    assert box_of(units.patches[0]) == (0, 5, 0, 5) and units.get_title("center").startswith("row 0, column 5 of 6×6")
    for axis in (seen, looked):
        assert box_of(axis.patches[0]) == field.box(0, 5)


def test_field_disputes_put_the_printed_width_around_the_same_middle():
    measured = torch.zeros(28, 28)
    measured[9:14, 8:13] = 1
    figure = plots.field_disputes({"conv1": measured}, {"conv1": (9, 8, 13, 12)}, {"conv1": 9}, ["conv1"])
    axis = figure.axes[0]
    _, card, formula = axis.patches
    assert box_of(formula) == (9, 8, 13, 12) and "conv1: 5, card 9" in {text.get_text() for text in axis.texts}
    assert (card.get_width(), card.get_height()) == (9, 9)
    assert (card.get_x() + 4.5, card.get_y() + 4.5) == (10, 11)


def test_boxes_in_a_row_begin_and_end_where_the_units_see(fields):
    [axis] = plots.boxes_in_a_row({"pool1": fields["pool1"]}, 2, "data").axes
    for bar, unit, line in zip(axis.patches, (0, 1), axis.lines):
        _, left, _, right = fields["pool1"].box(0, unit)
        assert (bar.get_x(), bar.get_x() + bar.get_width()) == (left - 0.5, right + 0.5)
        assert line.get_xdata()[0] == (left + right) / 2
        said = {text.get_text() for text in axis.texts[3 * unit : 3 * unit + 3]}
        assert said == {f"{left}", f"{right}", f"{(left + right) / 2:g}"}


# Training


def test_learning_rates_are_named_at_the_first_the_highest_and_the_last():
    [axis] = plots.learning_rates([0.1, 0.3, 0.2, 0.05], 2).axes
    assert list(axis.lines[0].get_xdata()) == [0, 0.5, 1, 1.5]
    assert [(text.get_text(), tuple(text.xy)) for text in axis.texts] == [
        ("0.1", (0, 0.1)),
        ("0.3", (0.5, 0.3)),
        ("0.05", (1.5, 0.05)),
    ]


def test_curves_are_the_history():
    history = [
        {"epoch": 1, "train_loss": 0.5, "train_accuracy": 0.8, "validation_accuracy": 0.9},
        {"epoch": 2, "train_loss": 0.2, "train_accuracy": 0.9, "validation_accuracy": 0.97},
    ]
    loss, errors = plots.curves(history, "data", final={"accuracy": 0.98, "epoch": 2}).axes
    assert loss.lines[0].get_xydata().tolist() == [[1, 0.5], [2, 0.2]]
    drawn = {line.get_label(): line.get_xydata().tolist() for line in errors.lines}
    assert drawn["training images, augmented, with dropout"] == [pytest.approx([1, 20]), pytest.approx([2, 10])]
    assert drawn["held-out training images"] == [pytest.approx([1, 10]), pytest.approx([2, 3])]
    assert drawn["test images, read once, at the end: 2.00 %"] == [pytest.approx([2 + 0.06 * 2 + 0.2, 2])]  # beside the curve
    assert errors.get_xlim()[1] > 2.32


def test_the_original_is_framed_before_its_versions():
    axes = plots.versions(torch.ones(1, 28, 28), torch.zeros(12, 1, 28, 28), "data").axes
    assert [i for i, axis in enumerate(axes) if axis.patches] == [0]
    assert axes[0].images[0].get_array().min() == 1 and axes[1].images[0].get_array().max() == 0


# Time and memory


def test_the_gain_of_a_rung_is_the_median_of_its_rounds_ratios():
    [axis] = plots.ladder({"a": [8, 9, 30], "b": [4, 3, 5]}, "data").axes  # 2, 3 and 6 times; the medians' ratio is 2.25
    assert [text.get_text().strip() for text in axis.texts] == ["9.0 s", "4.0 s, 3.00 times as fast"]
    bars = [container for container in axis.containers if not hasattr(container, "patches")]
    assert [ends(bar) for bar in bars] == [[(8, 30)], [(3, 5)]]
    assert [patch.get_width() for patch in axis.patches] == [9, 4]


def test_calls_have_their_median_and_their_mean():
    [axis] = plots.calls([0.001, 0.002, 0.009], "data").axes
    across = {line.get_label(): line.get_ydata()[0] for line in axis.lines}
    assert across["median 2.00 ms"] == 2 and across["mean 4.00 ms"] == 4


def test_memory_orders_are_torch_s_own():
    shape = (3, 2, 2)
    [axis] = plots.memory_orders(shape, "data").axes
    numbered = torch.arange(12).reshape(1, *shape)
    stored = {"plain": numbered, "channels last": numbered.contiguous(memory_format=torch.channels_last)}
    for y, (name, values) in enumerate(stored.items()):
        told = [
            text.get_text()
            for text in sorted(axis.texts, key=lambda text: text.get_position()[0])
            if text.get_position()[1] == y
        ]
        addresses = values.as_strided((12,), (1,)).tolist()
        assert told == [f"map {i // 4}\n{i // 2 % 2},{i % 2}" for i in addresses], name
        assert axis.get_yticklabels()[y].get_text() == name


def test_layer_shares_stand_over_their_layers():
    shares = {"numbers": {"conv1": 0.25, "conv2": 0.75}, "time": {"conv1": 0.6, "conv2": 0.4}}
    [axis] = plots.layer_shares(shares, "data").axes
    assert [label.get_text() for label in axis.get_xticklabels()] == ["conv1", "conv2"]
    for bars, (name, of) in zip(axis.containers, shares.items()):
        assert bars.get_label() == name and [bar.get_height() for bar in bars] == [100 * share for share in of.values()]
        assert [round(bar.get_x() + bar.get_width() / 2) for bar in bars] == [0, 1]


def test_accuracy_over_time_is_what_is_read_wrong():
    [axis] = plots.accuracy_over_time(
        {"ours": [{"seconds": 9, "accuracy": 0.97}, {"seconds": 18, "accuracy": 0.99}]}, "data"
    ).axes
    assert axis.lines[0].get_xydata().tolist() == [pytest.approx([9, 3]), pytest.approx([18, 1])]
