"""What has no meaning is one sentence, which names it and says what it must be; what has one is taken in silence."""

import math
import re
from fractions import Fraction

import numpy as np
import pytest
import torch

from mnist_lib.support import validation
from mnist_lib.support.validation import finite, kind

NO_NUMBERS = (
    *(math.nan, math.inf, -math.inf, 10**400, "5", None, True, (1, 2), []),
    *(Fraction(3, 2), np.float32(2), torch.tensor(2), torch.tensor([1.0, 2.0])),
)


@pytest.mark.parametrize("value", NO_NUMBERS, ids=repr)
def test_finite_is_of_plain_numbers_only(value):
    assert not finite(value) and finite(0) and finite(-1.5) and finite(10**300)


@pytest.mark.parametrize(
    ("value", "bounds"), [(0, {"at_least": 0}), (1, {"at_most": 1}), (0.1, {"above": 0}), (3, {"whole": True})]
)
def test_number_takes_what_lies_within_its_bounds(value, bounds):
    validation.number("x", value, **bounds)


@pytest.mark.parametrize(
    ("value", "bounds", "sentence"),
    [
        *((value, {}, f"x is a number, not {value!r}.") for value in NO_NUMBERS),
        (-1, {"at_least": 0}, "x is a number, 0 or more, not -1."),
        (0, {"above": 0}, "x is a number above 0, not 0."),
        (1, {"below": 1}, "x is a number below 1, not 1."),
        (2, {"at_most": 1}, "x is a number at most 1, not 2."),
        (1, {"at_least": 0, "below": 1}, "x is a number, 0 or more, below 1, not 1."),
        (0, {"at_least": 1, "at_most": 10_000}, "x is a number, 1 or more, at most 10,000, not 0."),
        (1.5, {"whole": True}, "x is a whole number, not 1.5."),
        (2.0, {"whole": True, "at_least": 1}, "x is a whole number, 1 or more, not 2.0."),
    ],
    ids=repr,
)
def test_number_says_what_it_must_be(value, bounds, sentence):
    with pytest.raises(ValueError) as said:
        validation.number("x", value, **bounds)
    assert str(said.value) == sentence


@pytest.mark.parametrize("value", [-0.1, 1, math.nan, "half", None])
def test_share_is_0_or_more_and_below_1(value):
    validation.share("x", 0)
    with pytest.raises(ValueError, match=r"^x is a number, 0 or more, below 1, not [^\n]+\.$"):
        validation.share("x", value)


@pytest.mark.parametrize("value", ["d", "ab", "", None, 1, ["a"]])
def test_choice_names_all_there_are(value):
    validation.choice("x", "b", ("a", "b", "c"))
    with pytest.raises(ValueError, match=r'^x is "a", "b" or "c", not [^\n]+\.$'):
        validation.choice("x", value, ("a", "b", "c"))


def test_kind_is_a_tensors_type_and_shape_or_anything_elses_type():
    assert kind(torch.zeros(2, 3)) == "float32 (2, 3)" and kind(np.zeros(4, np.uint8)) == "uint8 (4,)"
    assert kind([1]) == "list" and kind(None) == "NoneType"


IMAGES, LABELS = torch.zeros(6, 1, 28, 28, dtype=torch.uint8), torch.arange(6)


@pytest.mark.parametrize(
    ("images", "labels", "sentence"),
    [
        (IMAGES.float(), LABELS, "x_images must be uint8 (N, 1, 28, 28), not float32 (6, 1, 28, 28)."),
        (IMAGES[:, 0], LABELS, "x_images must be uint8 (N, 1, 28, 28), not uint8 (6, 28, 28)."),
        (IMAGES[..., 2:], LABELS, "x_images must be uint8 (N, 1, 28, 28), not uint8 (6, 1, 28, 26)."),
        (IMAGES.tolist(), LABELS, "x_images must be uint8 (N, 1, 28, 28), not list."),
        (IMAGES, LABELS[:5], "x_labels must be int64 (6,), one for each image, not int64 (5,)."),
        (IMAGES, LABELS[:, None], "x_labels must be int64 (6,), one for each image, not int64 (6, 1)."),
        (IMAGES, LABELS.int(), "x_labels must be int64 (6,), one for each image, not int32 (6,)."),
        (IMAGES, LABELS + 5, "x_labels must be 0 to 9, not 5 to 10."),
        (IMAGES, LABELS - 1, "x_labels must be 0 to 9, not -1 to 4."),
    ],
)
def test_labelled_tells_images_and_labels_of_another_kind(images, labels, sentence):
    """They would be trained on and mean something else: floats from 0 to 255 are not divided again."""
    validation.labelled("x", IMAGES, LABELS)
    validation.labelled("x", IMAGES[:0], LABELS[:0])
    with pytest.raises(ValueError) as said:
        validation.labelled("x", images, labels)
    assert str(said.value) == sentence


@pytest.mark.parametrize("counts", [(0, 0), (2, 1), (0, 1)])
def test_label_each_wants_as_many_labels_as_images_and_one_at_least(counts):
    images, labels = (torch.zeros(n) for n in counts)
    validation.label_each("x", torch.zeros(2), torch.zeros(2))
    with pytest.raises(ValueError, match=rf"^x needs as many labels as images [^\n]+ {counts[1]} and {counts[0]}\.$"):
        validation.label_each("x", images, labels)


@pytest.mark.parametrize(
    ("images", "found"),
    [
        (IMAGES, r"uint8 \(6, 1, 28, 28\)"),
        (torch.zeros(1, 28, 28), r"float32 \(1, 28, 28\)"),
        (torch.zeros(2, 3, 28, 28), r"float32 \(2, 3, 28, 28\)"),
        ([0.5, 0.5], "list"),
        (None, "NoneType"),
    ],
)
def test_in_unit_range_says_what_the_images_are(images, found):
    for right in (torch.ones(2, 1, 20, 34), torch.zeros(0, 1, 28, 28), torch.ones(1, 1, 5, 5, dtype=torch.bfloat16)):
        validation.in_unit_range(right)
    with pytest.raises(
        ValueError, match=rf"^images must be float [^\n]+, not {found}: divide uint8 images by 255 and [^\n]+\.$"
    ):
        validation.in_unit_range(images)
    with pytest.raises(ValueError, match=r"not float32 \(2, 1, 28, 28\) from 0 to 255: divide "):  # clipped, all would be ink
        validation.in_unit_range(torch.linspace(0, 255, 2 * 784).view(2, 1, 28, 28))


@pytest.mark.parametrize(
    ("images", "found"),
    [
        (torch.tensor([0.0, 255.0]), "float32 (2,) from 0 to 255"),
        (torch.tensor([-0.42, 2.8]), "float32 (2,) from -0.42 to 2.8"),
        (torch.zeros(3, dtype=torch.int64), "int64 (3,)"),
        ("image", "str"),
    ],
)
def test_pixels_are_bytes_or_shares(images, found):
    for right in (torch.zeros(2, 3, dtype=torch.uint8), torch.rand(4), torch.ones(1, dtype=torch.bfloat16), torch.zeros(0)):
        validation.pixels(right)
    with pytest.raises(ValueError, match=rf"^images must be uint8 \(0 to 255\) or float \(0 to 1\), not {re.escape(found)}: "):
        validation.pixels(images)


def test_network_input_is_a_batch_of_one_channel():
    validation.network_input(torch.zeros(2, 1, 28, 28))
    for wrong in (torch.zeros(1, 28, 28), torch.zeros(2, 1, 64, 64)):
        with pytest.raises(ValueError, match=r"^DigitNet takes normalised images \(N, 1, 28, 28\), not float32 "):
            validation.network_input(wrong)
        with validation.any_size():
            validation.network_input(wrong)


@pytest.mark.parametrize("value", ["abacus", "", None, 3.5, torch.device("cpu")])
def test_device_is_a_name_that_torch_knows(value):
    for right in ("auto", "cpu", "cuda:99", "mps"):  # a name alone: the device may be elsewhere
        validation.device(right)
    with pytest.raises(ValueError, match=r'^device is "auto" or the name of a torch device [^\n]+\.$'):
        validation.device(value)


@pytest.mark.parametrize(
    "values", [0.1, [0.1, 0.1], (0.1,), (0.1,) * 3, None, "ab", (0.1, 1.5), (None, 0.1), ("3", 0.1)], ids=repr
)
def test_several_is_a_tuple_of_so_many_numbers(values):
    validation.several("x", (0, 0.1), 2, at_least=0, below=1)
    with pytest.raises(ValueError, match=r"^x is a (tuple of 2 numbers|number, 0 or more, below 1), not [^\n]+\.$"):
        validation.several("x", values, 2, at_least=0, below=1)


@pytest.mark.parametrize("values", [5, 5.0, int, [5, "x"], None], ids=repr)
def test_listed_is_several_each_of_the_type(values):
    validation.listed("x", (n for n in (1, 2)), int, "(1, 2)")
    with pytest.raises(TypeError, match=r"^x is a list such as \(1, 2\), not [^\n]+\.$"):
        validation.listed("x", values, int, "(1, 2)")


def test_instance_names_both_types():
    validation.instance("x", 5, int)
    with pytest.raises(TypeError, match=r"^x is a int, not str\.$"):
        validation.instance("x", "5", int)
