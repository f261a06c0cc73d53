"""Digits are found where they were drawn, prepared as MNIST's are, and read; what shows none is refused in one sentence."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from handwriting import KINDS, enlarging, light, page, pen
from PIL import Image

from mnist_lib.data import pictures
from mnist_lib.data.picture_files import grey_picture
from mnist_lib.data.pictures import read_digits, read_picture
from mnist_lib.model.pretrained import recorded_net
from mnist_lib.plots.pictures import handwriting_steps
from mnist_lib.transforms import normalise

CASES = sorted((Path(__file__).parent / "photos").glob("photo_*.jpg"))


@pytest.fixture(scope="module")
def net():
    return recorded_net()


def answers(net, digits) -> list[int]:
    with torch.no_grad():
        return net(normalise(torch.stack([digit.image for digit in digits]))).argmax(1).tolist()


def drawn(*boxes, shape=(200, 300), paper=230, ink=40) -> np.ndarray:
    """A picture with frames of 10 pixels of ink just inside these boxes (top, left, bottom, right), inclusive."""
    picture = np.full(shape, paper, np.uint8)
    for top, left, bottom, right in boxes:
        picture[top : bottom + 1, left : right + 1] = ink
        if right - left > 20:
            picture[top + 10 : bottom - 9, left + 10 : right - 9] = paper
    return picture


def near(found, expected, pixels=2) -> bool:
    boxes = [digit.box for digit in found]
    return len(boxes) == len(expected) and np.abs(np.array(boxes) - np.array(expected)).max() <= pixels


A, B, C = (30, 40, 109, 89), (28, 120, 105, 130), (33, 170, 112, 219)


# Where digits are


@pytest.mark.parametrize(("paper", "ink"), [(230, 40), (40, 230), (130, 90), (90, 130), (255, 0), (0, 255)])
def test_boxes_and_polarity(paper, ink):
    reading = read_picture(drawn(A, B, C, paper=paper, ink=ink))
    assert near(reading.digits, [A, B, C])
    assert reading.light_ink == (ink > paper)


@pytest.mark.parametrize("kind", ["gradient", "vignette", "shadow"])
@pytest.mark.parametrize("ink", [60, 235])
def test_uneven_light_is_no_ink(kind, ink):
    paper = 220 if ink < 100 else 80
    for seed in range(4):
        shade = light(kind, (200, 300), np.random.default_rng(seed))
        assert near(read_digits((drawn(A, B, C, paper=paper, ink=ink) * shade).astype(np.uint8)), [A, B, C]), seed


def test_lines_are_read_from_the_top_and_from_the_left_even_if_slanted():
    upper = [(30, 40, 89, 80), (45, 120, 104, 160), (60, 200, 119, 240)]
    lower = [(130, 45, 189, 85), (145, 125, 204, 165), (160, 205, 219, 245)]
    mixed = [lower[2], upper[1], lower[0], upper[2], upper[0], lower[1]]
    assert near(read_digits(drawn(*mixed, shape=(260, 300))), upper + lower)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("level", [150, 40])
def test_ruled_lines_are_left_out_and_do_not_cut_what_they_cross(turned, level):
    plain = drawn(A, B, C)
    ruled = plain.copy()
    for at in range(20, 200, 25):
        ruled[at : at + 2] = np.minimum(ruled[at : at + 2], level)
    if turned:
        for at in range(10, 300, 47):
            ruled[:, at : at + 2] = np.minimum(ruled[:, at : at + 2], level)
    reading = read_picture(ruled)
    assert near(reading.digits, [A, B, C], 3)
    ink = read_picture(plain).ink > 0.5
    assert (reading.ink > 0.5)[ink].mean() > 0.97  # nothing is cut
    assert (reading.ink > 0.5)[~ink].mean() < 0.01


def test_shadows_at_the_edge_and_specks_are_left_out():
    picture = drawn(A, B, C)
    picture[:, 290:] = 60
    picture[:25, :30] = 60
    picture[150:154, 60:64] = picture[60:63, 225:228] = 30
    assert near(read_digits(picture), [A, B, C])


def test_a_digit_in_the_corner_is_found():
    assert near(read_digits(drawn((2, 3, 81, 52))), [(2, 3, 81, 52)])


def test_parts_of_one_digit_stay_together():
    five = drawn((50, 40, 59, 100), (66, 40, 129, 90), (40, 150, 129, 200))  # a bar above its body, and a neighbour
    assert near(read_digits(five), [(50, 40, 129, 100), (40, 150, 129, 200)])
    broken = drawn((40, 150, 129, 200))
    broken[70:73], broken[100:102, 180:] = 230, 230
    assert near(read_digits(broken), [(40, 150, 129, 200)])


def test_two_digits_side_by_side_are_two():
    assert near(read_digits(drawn((40, 40, 129, 90), (45, 99, 130, 149))), [(40, 40, 129, 90), (45, 99, 130, 149)])


def test_boxes_are_in_the_pixels_of_the_large_picture():
    expected = [
        tuple(8 * v for v in (top, left)) + tuple(8 * v + 7 for v in (bottom, right)) for top, left, bottom, right in (A, B, C)
    ]
    reading = read_picture(drawn(A, B, C).repeat(8, 0).repeat(8, 1))
    assert reading.size == (1600, 2400) and max(reading.grey.shape) == 1000
    assert near(reading.digits, expected, 8)


def test_a_box_is_what_is_inked_and_no_pixel_more():
    for box in ((20, 30, 79, 69), (11, 12, 60, 41)):
        assert [digit.box for digit in read_digits(drawn(box, shape=(99, 99)))] == [box]


@pytest.mark.parametrize(("side", "smoothed"), [(99, False), (100, True)])
def test_pictures_of_100_pixels_are_smoothed_and_smaller_ones_are_not(side, smoothed):
    grey = read_picture(drawn((20, 20, 79, 59), shape=(side, 120))).grey
    assert (len(np.unique(grey.round(6))) > 2) == smoothed


def test_half_of_the_rows_in_common_make_a_line():
    left, upper = ((10, 0, 19, 9), [1]), ((5, 30, 14, 39), [2])
    assert pictures.in_reading_order([upper, left]) == [left, upper]  # 5 of 10 rows
    higher = ((4, 30, 13, 39), [2])
    assert pictures.in_reading_order([higher, left]) == [higher, left]


@pytest.mark.parametrize("n", [pictures.MOST, pictures.MOST + 1])
def test_a_page_of_text_is_what_has_more_than_so_many_parts(n):
    labels = np.zeros((320, 320), int)
    for i in range(n):
        top, left = 20 * (i // 16), 20 * (i % 16)
        labels[top : top + 10, left : left + 10] = i + 1
    if n <= pictures.MOST:
        assert len(pictures.join_parts(labels)) == n
    else:
        with pytest.raises(ValueError, match=f"shows {n} separate things, as a page of text does"):
            pictures.join_parts(labels)


# What the network is shown


def test_prepared_as_mnists():
    wide, tall = (digit.image for digit in read_digits(drawn((40, 20, 79, 99), (30, 120, 109, 159), shape=(150, 200))))
    for image, shape in ((wide, (10, 20)), (tall, (20, 10))):
        assert image.dtype == torch.uint8 and image.shape == (1, 28, 28) and image.max() == 255 and image[0, 0, 0] == 0
        rows, columns = (image[0] > 0).nonzero().T
        assert abs(int(rows.max() - rows.min()) + 1 - shape[0]) <= 1
        assert abs(int(columns.max() - columns.min()) + 1 - shape[1]) <= 1


def test_the_centre_of_mass_is_where_mnists_is():
    ink = np.zeros((80, 60))
    ink[:3], ink[:, :5] = 1, 1  # heavy at its top left
    image = pictures.fit_digit(ink)[0].double()
    places = torch.arange(28).double()
    for axis in (0, 1):
        assert abs(float(image.sum(1 - axis) @ places / image.sum()) - 14) <= 0.5
    assert (image.sum(1) > 0).sum() == 20 and (image.sum(0) > 0).sum() == 15
    ink[:25] = 1  # so heavy that its lower end would leave the image
    rows = (pictures.fit_digit(ink)[0].sum(1) > 0).nonzero().flatten()
    assert (rows.min(), rows.max()) == (8, 27)


def test_no_centre_of_mass_is_more_than_half_a_pixel_off():
    rng, places = np.random.default_rng(3), np.arange(28)
    for _ in range(20):
        ink = np.zeros((100, 90))
        ink[30:70, 25:65] = 1  # there is room for the rest on every side
        ink[rng.integers(100)] = ink[:, rng.integers(90)] = 1
        ink[0, 40], ink[99, 40], ink[40, 0], ink[40, 89] = 1, 1, 1, 1
        image = pictures.fit_digit(ink)[0].double().numpy()
        centre = [image.sum(1 - axis) @ places / image.sum() for axis in (0, 1)]
        assert np.abs(np.array(centre) - 14).max() <= 0.52, centre  # grey levels are rounded


def test_area_means():
    values = np.random.default_rng(0).random((37, 51))
    for height, width in ((20, 15), (37, 17), (60, 51), (1, 1)):
        tiled = values.repeat(height, 0).repeat(width, 1)  # each pixel in height x width equal pieces
        expected = tiled.reshape(height, 37, width, 51).mean((1, 3))
        assert np.allclose(pictures.area_mean(values, height, width), expected)


def test_mnists_own_images_stay_as_they_are(mnist, net):
    images, labels = mnist.train_images[:200], mnist.train_labels[:200]
    off, right = [], 0
    for image, label in zip(images, labels.tolist(), strict=True):
        for form in (image, image[0].numpy() / 255):
            (digit, *_) = read_digits(form)
            right += answers(net, [digit]) == [label]
        off.append(float((digit.image.float() - image.float()).abs().mean()))
    assert right >= 396
    assert np.median(off) < 6  # grey levels of 255


# Read correctly


@pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])
def test_cases_are_read(path, net):
    assert "".join(map(str, answers(net, read_digits(path)))) == path.stem.split("_")[-1]


@pytest.mark.parametrize("kind", KINDS)
def test_photos_of_this_kind_are_read(kind, net):
    for seed in range(10 if os.environ.get("MNIST_LIB_NIGHTLY") else 1):
        image, digits = page(kind, np.random.default_rng([1, KINDS.index(kind), seed]), pen)
        assert answers(net, read_digits(image)) == digits, seed


def test_enlarged_digits_of_mnist_are_read(mnist, net):
    writer = enlarging(mnist.train_images, mnist.train_labels)
    right = 0
    for i, kind in enumerate(KINDS):
        image, digits = page(kind, np.random.default_rng([2, i]), writer)
        right += answers(net, read_digits(image)) == digits
    assert right >= len(KINDS) - 1


# Files as people have them


def saved(image: Image.Image, ending: str, **options) -> io.BytesIO:
    body = io.BytesIO()
    image.save(body, ending, **options)
    body.seek(0)
    return body


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photos_are_turned_upright(orientation):
    upright = Image.fromarray(drawn(A, B, C))
    lying = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # EXIF's orientation -> the transpose that makes it
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = upright.transpose(lying[orientation]) if orientation > 1 else upright
    reading = read_picture(saved(image, "JPEG", quality=95, exif=exif))
    assert reading.size == (200, 300) and near(reading.digits, [A, B, C])


def test_a_large_jpeg_turned_by_exif():
    exif = Image.Exif()
    exif[0x0112] = 6
    large = Image.fromarray(drawn(A, B, C)).resize((3000, 2000), Image.Resampling.NEAREST)
    reading = read_picture(saved(large.transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif))
    expected = [(10 * top, 10 * left, 10 * bottom + 9, 10 * right + 9) for top, left, bottom, right in (A, B, C)]
    assert reading.size == (2000, 3000) and near(reading.digits, expected, 12)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "I", "I;16", "F"])
def test_all_kinds_of_pixels(mode):
    picture = drawn(A, B, C, paper=255, ink=0)
    if mode in ("I", "I;16"):
        image = Image.fromarray((picture.astype(np.uint16) * 257).astype(np.int32 if mode == "I" else np.uint16))
    else:
        image = Image.fromarray(picture).convert("RGB").convert(mode)
    assert near(read_digits(image), [A, B, C])


@pytest.mark.parametrize(("ink", "light_ink"), [(20, False), (240, True)])
def test_what_is_transparent_is_paper(ink, light_ink):
    pixels = np.zeros((200, 300, 4), np.uint8)
    pixels[..., :3] = ink
    pixels[..., 3] = drawn(A, B, C, paper=0, ink=255)
    reading = read_picture(saved(Image.fromarray(pixels), "PNG"))
    assert near(reading.digits, [A, B, C]) and reading.light_ink == light_ink


@pytest.mark.parametrize("factor", [1 / 255, 1, 257])
@pytest.mark.parametrize("kind", [np.float32, np.float64, torch.tensor])
def test_arrays_of_any_scale(factor, kind):
    assert near(read_digits(kind(drawn(A, B, C).astype(float) * factor)), [A, B, C])


def test_arrays_of_any_layout():
    picture = drawn(A, B, C)
    for form in (picture[None], picture[..., None].repeat(3, 2), torch.from_numpy(picture), picture < 100):
        assert near(read_digits(form), [A, B, C])


# What is told in one sentence


def refused(source) -> str:
    with pytest.raises(ValueError) as told:
        read_digits(source)
    sentence = str(told.value)
    assert sentence.endswith(".") and "\n" not in sentence and len(sentence) < 200
    return sentence


def test_files_that_are_no_pictures(tmp_path):
    (tmp_path / "IMG_1.HEIC").write_bytes(b"\0\0\0\x18ftypheic" + bytes(50))
    (tmp_path / "notes.txt").write_text("7")
    (tmp_path / "empty.png").touch()
    (tmp_path / "half.jpg").write_bytes(saved(Image.fromarray(drawn(A)), "JPEG").getvalue()[:900])
    assert (
        refused(tmp_path / "IMG_1.HEIC")
        == "IMG_1.HEIC is HEIC, which cannot be read here: save it as JPEG or PNG and use that."
    )
    assert refused(tmp_path / "notes.txt") == "notes.txt is not a picture: use a JPEG or PNG file."
    assert refused(tmp_path / "empty.png") == "empty.png is not a picture: use a JPEG or PNG file."
    assert refused(tmp_path / "none.png").startswith("There is no file ")
    assert refused(str(tmp_path)).startswith(f"{tmp_path.name} can't be read (")
    assert refused(tmp_path / "half.jpg").startswith("half.jpg can't be read (")


@pytest.mark.parametrize(
    "values", [np.zeros((0, 5)), np.zeros(9), np.zeros((2, 1, 28, 28)), np.zeros((9, 9, 2)), [["a"]], None, 7]
)
def test_arrays_that_are_no_pictures(values):
    assert refused(values).startswith("An array is a picture if it is (H, W), (1, H, W), (H, W, 3) or (H, W, 4) and not empty")


@pytest.mark.parametrize("values", [np.full((28, 28), -0.4), np.full((9, 9), 1e9), np.full((9, 9), np.nan)])
def test_arrays_on_another_scale(values):
    assert "0..1, 0..255 or 0..65535" in refused(values)


def test_absurdly_large_pictures():
    for side in (10_100, 20_000):  # the larger is refused by Pillow itself
        body = saved(Image.new("1", (side, side)), "PNG")
        assert refused(body) == "The picture has over 100 million pixels: make it smaller, or crop it to the digits."
    assert "100 million" in refused(np.broadcast_to(np.uint8(0), (10_100, 10_100)))


@pytest.mark.parametrize("kind", ["white", "gradient", "shadow"])
@pytest.mark.parametrize("noise", [0, 4, 15])
def test_empty_paper(kind, noise):
    rng = np.random.default_rng(5)
    paper = 200 * light(kind, (240, 320), rng) + rng.normal(0, noise, (240, 320))
    assert refused(paper.clip(0, 255).astype(np.uint8)).startswith("No digit was found in the picture: ")


def test_tiny_pictures_hold_nothing():
    for shape in ((1, 1), (1, 50), (3, 3)):
        assert refused(np.full(shape, 90, np.uint8)).startswith("No digit was found")


def test_a_page_of_text():
    rng = np.random.default_rng(0)
    places = [(top, left + int(rng.integers(4))) for top in range(20, 380, 22) for left in range(20, 470, 16)]
    letters = [(top, left, top + int(rng.integers(9, 13)), left + 7) for top, left in places]
    assert "as a page of text does: crop it to a few digits" in refused(drawn(*letters, shape=(400, 500)))


def test_without_pillow(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "PIL", None)
    with pytest.raises(ImportError, match="needs Pillow: pip install pillow"):
        grey_picture(np.zeros((9, 9)))


# The picture of each step


def test_handwriting_steps_show_what_the_reading_says():
    reading = read_picture(drawn(A, B, C).repeat(5, 0).repeat(5, 1))
    figure = handwriting_steps(reading, ["7", "8", "9"], "3")
    photo, background, ink = figure.subfigs[0].axes
    for axis, values in ((photo, reading.grey), (background, reading.background), (ink, reading.ink)):
        assert np.array_equal(axis.images[0].get_array(), values)
    assert ink.get_title("left") == "the ink, and 3 digits in it"
    for patch, (top, left, bottom, right) in zip(ink.patches, (A, B, C), strict=True):  # the arrays are 1000 pixels wide
        drawn_box = np.array([patch.get_y(), patch.get_x(), patch.get_height(), patch.get_width()]) * 300 / 1000
        assert np.abs(drawn_box - [top, left, bottom - top + 1, right - left + 1]).max() < 2
    shown = [axis for axis in figure.subfigs[1].axes if axis.images]
    assert [axis.get_xlabel() for axis in shown] == ["7", "8", "9", "3"]
    for axis, digit in zip(shown, reading.digits):
        assert np.allclose(axis.images[0].get_array(), digit.image[0] / 255)
    assert np.allclose(shown[-1].images[0].get_array(), pictures.shrunk(reading.grey)[0] / 255)
    assert [axis.get_title("left") for axis in shown] == ["the network\nis shown", "", "", "shrunk alone\nto 28×28"]
