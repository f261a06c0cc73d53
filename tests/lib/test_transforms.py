"""The batched augmentation against torchvision's, image by image, and the ranges of what is drawn."""

import math

import pytest
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as TF

from mnist_lib.transforms import AffineParams, Augment, affine, apply, normalise

CARD = Augment()
N = 300


@pytest.fixture
def images() -> torch.Tensor:
    """Noise up to the edges: harder than digits, whose edges are empty."""
    return torch.rand(N, 1, 28, 28, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def draw() -> AffineParams:
    return CARD.draw(N, generator=torch.Generator().manual_seed(1))


def torchvision_affine(image, draw, i, interpolation):
    return TF.affine(
        image,
        angle=draw.angle[i].item(),
        translate=[draw.shift_x[i].item(), draw.shift_y[i].item()],
        scale=draw.scale[i].item(),
        shear=[draw.shear[i].item(), 0.0],
        interpolation=InterpolationMode(interpolation),
    )


@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
@pytest.mark.parametrize("size", [(28, 28), (20, 34)])
def test_affine_equals_torchvision(interpolation, size):
    generator = torch.Generator().manual_seed(2)
    images = torch.rand(N, 1, *size, generator=generator)
    draw = CARD.draw(N, *size, generator=generator)
    ours = affine(images, draw, interpolation)
    for i in range(N):
        theirs = torchvision_affine(images[i], draw, i, interpolation)
        if interpolation == "bilinear":
            assert (ours[i] - theirs).abs().max() < 1e-4
        else:  # two pixels may be equally near: which is taken hangs on the last bit of a sum
            assert ((ours[i] - theirs).abs() >= 1e-4).sum() <= 1
    if interpolation == "nearest":
        stacked = torch.stack([torchvision_affine(images[i], draw, i, interpolation) for i in range(N)])
        assert ((ours - stacked).abs() >= 1e-4).float().mean() < 1e-4


def test_apply_equals_torchvision_in_both_orders(images, draw):
    assert draw.contrast_first.any() and not draw.contrast_first.all()
    ours = apply(images, draw)
    for i in range(N):
        image = torchvision_affine(images[i], draw, i, "bilinear")
        steps = [
            lambda image, i=i: TF.adjust_contrast(image, draw.contrast[i].item()),
            lambda image, i=i: TF.adjust_brightness(image, draw.brightness[i].item()),
        ]
        for step in steps if draw.contrast_first[i] else reversed(steps):
            image = step(image)
        assert (ours[i] - image).abs().max() < 1e-4


def test_draw_fills_the_ranges_of_the_card():
    draw = CARD.draw(100_000, generator=torch.Generator().manual_seed(3))
    ranges = {
        "angle": (-20, 20),
        "shift_x": (-3, 3),  # 2.8 pixels, rounded
        "shift_y": (-3, 3),
        "scale": (0.9, 1.1),
        "shear": (-5, 5),
        "brightness": (0.8, 1.2),
        "contrast": (0.8, 1.2),
    }
    for name, (low, high) in ranges.items():
        numbers = getattr(draw, name)
        span = high - low
        assert low <= numbers.min() < low + 0.001 * span, name
        assert high - 0.001 * span < numbers.max() <= high, name
        assert abs(numbers.mean() - (low + high) / 2) < 0.005 * span, name
        if not name.startswith("shift"):
            assert abs(numbers.std() - span / 12**0.5) < 0.005 * span, name  # uniform
    assert set(draw.shift_x.tolist()) == {-3, -2, -1, 0, 1, 2, 3}
    assert abs((draw.shift_x == 3).float().mean() - 0.3 / 5.6) < 0.005  # 2.5 to 2.8 of ±2.8
    assert abs(draw.contrast_first.float().mean() - 0.5) < 0.01
    stacked = torch.stack([getattr(draw, name).float() for name in (*ranges, "contrast_first")])
    assert (torch.corrcoef(stacked) - torch.eye(len(ranges) + 1)).abs().max() < 0.02  # each number on its own


def test_augment_draws_for_every_image_of_a_batch():
    same = torch.rand(1, 1, 28, 28).expand(16, 1, 28, 28)
    out = CARD(same, torch.Generator().manual_seed(4))
    assert len(torch.unique(out.flatten(1), dim=0)) == 16


def test_augment_goes_by_its_generator_and_leaves_the_global_one_alone(images):
    before = torch.get_rng_state()
    first = CARD(images, torch.Generator().manual_seed(5))
    assert torch.equal(first, CARD(images, torch.Generator().manual_seed(5)))
    assert not torch.equal(first, CARD(images, torch.Generator().manual_seed(6)))
    assert torch.equal(before, torch.get_rng_state())


def test_identity_changes_nothing_but_what_it_is_told(images):
    assert torch.allclose(apply(images, AffineParams.identity(N)), images, atol=1e-5)
    turned = apply(images, AffineParams.identity(N, angle=90.0))
    assert torch.allclose(turned, torch.rot90(images, -1, dims=(2, 3)), atol=1e-3)
    assert AffineParams.identity(2, contrast_first=True).contrast_first.all()
    with pytest.raises(ValueError, match="A draw has no angel"):
        AffineParams.identity(1, angel=90)


def test_augment_of_zeros_changes_nothing(images):
    none = Augment(degrees=0, translate=0, scale=(1, 1), shear=0, brightness=0, contrast=0)
    assert torch.allclose(none(images), images, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "bad"),
    [  # of what is no number: test_validation
        *(("degrees", -0.1), ("translate", 1.1), ("shear", 90), ("brightness", 1.1), ("contrast", 1.1)),
        *(
            ("translate", -0.1),
            ("shear", -0.1),
            ("scale", (1,)),
            ("scale", (0, 1)),
            ("scale", (1.2, 1)),
            ("interpolation", "cubic"),
        ),
    ],
    ids=str,
)
def test_augment_says_in_one_sentence_what_a_setting_must_be(name, bad):
    with pytest.raises(ValueError, match=rf"^[^\n]*{name}[^\n]*\.$"):
        Augment(**{name: bad})


def test_augment_takes_the_extremes_that_have_a_meaning(images):
    for changes in ({"degrees": 720}, {"translate": 1}, {"brightness": 1, "contrast": 1}, {"scale": [0.5, 0.5]}, {"shear": 89}):
        assert Augment(**changes)(images).isfinite().all()


def test_times_is_of_every_range():
    strong = Augment(40, 0.2, (0.8, 1.4), 10, 0.4, 0.3, "nearest")
    assert strong.scaled(0.5) == Augment(20, 0.1, (0.9, 1.2), 5, 0.2, 0.15, "nearest")
    for bad in (-1, math.nan, "x"):
        with pytest.raises(ValueError, match=r"^strength is a number, 0 or more, not [^\n]+\.$"):
            strong.scaled(bad)
    assert strong.scaled(0) == Augment(0, 0, (1, 1), 0, 0, 0, "nearest")


def test_draw_shifts_by_shares_of_each_side():
    """Images 20 high and 40 wide."""
    draw = Augment(translate=0.2).draw(10_000, 20, 40, torch.Generator().manual_seed(7))
    assert (draw.shift_x.abs().max(), draw.shift_y.abs().max()) == (8, 4)


@pytest.mark.parametrize("change", [CARD, lambda images: apply(images, AffineParams.identity(2))])
def test_augment_and_apply_refuse_images_of_the_wrong_kind(change):
    with pytest.raises(ValueError, match="divide"):
        change(torch.zeros(2, 1, 28, 28, dtype=torch.uint8))


@pytest.mark.parametrize(
    "images",
    [torch.full((2, 1, 28, 28), 255.0), torch.zeros(2, 1, 28, 28, dtype=torch.int64), torch.full((28, 28), -0.42), "image"],
    ids=["0 to 255", "whole numbers", "normalised", "text"],
)
def test_normalise_refuses_numbers_of_another_scale(images):
    with pytest.raises(ValueError, match=r"^images must be uint8 \(0 to 255\) or float \(0 to 1\), not [^\n]+\.$"):
        normalise(images)
