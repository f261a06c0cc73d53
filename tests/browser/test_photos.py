"""Photos in the page: read by the rules of mnist_lib/data/pictures.py, shown step by step, each digit put on the pad."""

import base64
import io
import json
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from course.page import LEARNING, PAGE
from mnist_lib.data.picture_files import grey_picture
from mnist_lib.data.pictures import read_picture
from mnist_lib.support.paths import ROOT
from mnist_lib.widgets.bundle import script
from tests.browser.opening import SCHEMES, draw, dressed, opened, serious

sys.path.insert(0, str(ROOT / "tests" / "lib"))
from handwriting import KINDS, page, pen

pytestmark = pytest.mark.browser

PHOTOS = sorted((ROOT / "tests/lib/photos").glob("*.jpg")) + sorted((ROOT / "course/photos").glob("*.jpg"))
FOUR = ROOT / "course/photos/four_digits.jpg"
READY = """
const doubles = (text) => new Float64Array(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
const told = (made) => JSON.stringify(made.sentence ?? made.digits.map(({box, image}) => [box, Array.from(image)]));
window.readGrey = ([text, height, width]) => {
  try { return told(readPicture(doubles(text), height, width)); } catch (error) { return JSON.stringify(error.message); } };
window.readBytes = async ([text, name]) =>
  told(await readFile(new File([Uint8Array.from(atob(text), (c) => c.charCodeAt(0))], name)));
"""


@pytest.fixture(scope="module")
def modules(chromium):
    """The page's modules, without the page."""
    tab = chromium.new_page()
    tab.set_content("<title>-</title>")
    tab.add_script_tag(content=script(LEARNING / "photo/reader.js") + READY, type="module")
    tab.wait_for_function("() => window.readBytes")
    yield tab
    tab.close()


def python_s(source) -> list | str:
    """What Python finds: boxes in the pixels of the picture as it is read, at most 1,000, and images; or its sentence."""
    try:
        reading = read_picture(source)
    except ValueError as error:
        return str(error)
    scale = np.array(reading.grey.shape * 2) / np.array(reading.size * 2)
    return [(np.array(digit.box) * scale, digit.image[0].numpy().astype(int)) for digit in reading.digits]


def page_s(tab, call: str, *arguments) -> list | str:
    found = json.loads(tab.evaluate(f"(arguments) => {call}(arguments)", list(arguments)))
    return found if isinstance(found, str) else [(np.array(b), np.array(i).reshape(28, 28)) for b, i in found]


def differences(ours: list, theirs: list) -> tuple[float, float, float]:
    """Of boxes in pixels, of images in grey levels of 255: the largest, and the largest mean of an image."""
    assert not isinstance(ours, str) and len(ours) == len(theirs)
    boxes = max(np.abs(a[0] - b[0]).max() for a, b in zip(ours, theirs))
    images = [np.abs(a[1] - b[1]) for a, b in zip(ours, theirs)]
    return float(boxes), float(max(i.max() for i in images)), float(max(i.mean() for i in images))


def from_grey(tab, source) -> list | str:
    grey, _ = grey_picture(source)
    return page_s(tab, "readGrey", base64.b64encode(grey.astype("<f8").tobytes()).decode(), *grey.shape)


def saved(image: Image.Image, ending: str, **options) -> bytes:
    body = io.BytesIO()
    image.save(body, ending, **options)
    return body.getvalue()


def from_file(tab, body: bytes, name: str) -> list | str:
    return page_s(tab, "readBytes", base64.b64encode(body).decode(), name)


def generated(seeds: range):
    return {f"{kind} {s}": page(kind, np.random.default_rng([1, k, s]), pen)[0] for k, kind in enumerate(KINDS) for s in seeds}


# ---- the same rules ----


@pytest.mark.parametrize(
    "seeds, every", [(range(1), 4), pytest.param(range(6), 1, marks=pytest.mark.nightly)], ids=["day", "night"]
)
def test_the_same_grey_picture_gives_the_same_digits(modules, seeds, every):
    """Boxes to the pixel and images to one grey level; the number's last bit may round the other way."""
    cases = dict(list(({path.stem: path for path in PHOTOS} | generated(seeds)).items())[::every])
    found = {name: differences(from_grey(modules, source), python_s(source)) for name, source in cases.items()}
    boxes, images, _ = (max(column) for column in zip(*found.values()))
    print(f"{len(cases)} pictures: boxes at most {boxes:.2f} pixels apart, images {images:.0f} of 255")
    assert images <= 1
    assert boxes < 1.5  # those of large pictures go to the whole pixels of the picture itself, and back


def scattered(rng: np.random.Generator) -> np.ndarray:
    """Bars and specks of ink, some near one another, some at the edge, now and then on ruled paper."""
    picture = np.full((170, 240), 230, np.uint8)
    if rng.random() < 0.2:
        picture[15 :: int(rng.integers(20, 40))] = 150
    for _ in range(int(rng.integers(2, 9))):
        height, width = (int(v) for v in rng.choice([3, 6, 12, 25, 50, 80], 2))
        top, left = int(rng.integers(0, 170 - height)), int(rng.integers(0, 240 - width))
        picture[top : top + height, left : left + width] = rng.integers(20, 90)
    return picture


@pytest.mark.parametrize("pictures", [30, pytest.param(120, marks=pytest.mark.nightly)])
def test_what_lies_scattered_is_joined_and_put_in_order_alike(modules, pictures):
    """Which parts are one digit, which are none, and in which order: the same boxes, for pictures drawn by chance."""
    rng, counts = np.random.default_rng(0), []
    for i in range(pictures):
        picture = scattered(rng)
        ours, theirs = from_grey(modules, picture), python_s(picture)
        if isinstance(theirs, str):
            assert ours == theirs, i
            continue
        boxes, _, _ = differences(ours, theirs)  # images: a bar's middle lies between two pixels, and rounding decides
        assert boxes < 1e-9, i
        counts.append(len(theirs))
    assert len(counts) > pictures / 2 and len({*counts}) > 3  # one digit, and many


def test_what_holds_no_digit_gets_the_same_sentence(modules):
    rng = np.random.default_rng(0)
    empty = np.clip(200 + rng.normal(0, 4, (240, 320)), 0, 255).astype(np.uint8)
    text = np.full((400, 500), 230, np.uint8)
    for top in range(20, 380, 22):
        for left in range(20, 470, 16):
            text[top : top + 10, left : left + 7] = 40
    for picture in (empty, text, np.full((3, 3), 90, np.uint8)):
        sentence = python_s(picture)
        assert isinstance(sentence, str) and from_grey(modules, picture) == sentence


def files() -> dict[str, tuple[bytes, str]]:
    """Pictures as people have them: JPEG and PNG, large, transparent, lying on their side."""
    image = page("two lines", np.random.default_rng(3), pen)[0].convert("RGB")
    large = image.resize((1400, 1050), Image.Resampling.BICUBIC)
    largest = large.resize((4000, 3000), Image.Resampling.BICUBIC)  # 12 megapixels, as phones have them
    exif = Image.Exif()
    exif[0x0112] = 6
    clear = Image.new("RGBA", image.size, (20, 20, 20, 0))
    clear.putalpha(Image.fromarray(255 - np.asarray(image.convert("L"))).point(lambda v: 255 * (v > 150)))
    made = {path.stem: (path.read_bytes(), path.name) for path in PHOTOS}
    made |= {"PNG": (saved(image, "PNG"), "a.png"), "large PNG": (saved(large, "PNG", compress_level=1), "b.png")}
    made |= {"large JPEG": (saved(largest, "JPEG", quality=85), "c.jpg"), "transparent": (saved(clear, "PNG"), "d.png")}
    turned = image.transpose(Image.Transpose.ROTATE_90)
    return made | {"turned by EXIF": (saved(turned, "JPEG", quality=90, exif=exif), "e.jpg")}


def test_a_file_gives_the_digits_that_python_finds_in_it(modules):
    """The browser decodes a JPEG in its own way, and a large one in whole: so near they are."""
    worst = {}
    for name, (body, file) in files().items():
        worst[name] = differences(from_file(modules, body, file), python_s(io.BytesIO(body)))
        print("{}: boxes {:.1f} pixels apart, images {:.0f} of 255, on average {:.2f}".format(name, *worst[name]))
    for name, (boxes, most, mean) in worst.items():
        assert boxes < 1.5 and most <= 2 and mean < 0.1, name


def test_files_that_are_no_pictures_get_one_sentence(modules):
    half = FOUR.read_bytes()[:300]
    for body, name, said in (
        (b"7", "notes.txt", "notes.txt is not a picture"),
        (b"", "empty.png", "empty.png is not a picture"),
        (half, "half.jpg", "half.jpg is not a picture"),
        (b"\0\0\0\x18ftypheic" + bytes(50), "IMG_1.HEIC", "IMG_1.HEIC is HEIC"),
    ):
        sentence = from_file(modules, body, name)
        assert sentence.startswith(said) and sentence.endswith(".") and len(sentence) < 150


# ---- in the page ----


@pytest.fixture
def view(view):
    yield view
    if (away := view.get_by_role("button", name="Put the photo away")).is_visible():
        away.click()


def read(view, path=FOUR, count: int = 4) -> None:
    view.locator("input[type=file]").first.set_input_files(path)
    view.wait_for_function("(n) => document.querySelectorAll('.in-one').length === n", arg=count, timeout=60_000)
    view.wait_for_function("() => [...document.querySelectorAll('.in-one b')].every((node) => node.textContent)")


def answers(view) -> str:
    return "".join(view.locator(".in-one b").all_text_contents())


def test_every_digit_of_a_photo_is_read_and_can_be_put_on_the_pad(chromium):
    """All that the page shows is of it then; strokes come back by undo; nothing leaves the page."""
    with opened(chromium) as view:
        draw(view)
        read(view)
        assert answers(view) == "5678" and "4 digits found, in dark ink." in view.locator(".in-photos").inner_text()
        expected = [digit.image.flatten().float() / 255 for digit in read_picture(FOUR).digits]
        for i, digit in enumerate((5, 6, 7, 8)):
            view.locator(".in-one").nth(i).click()
            view.evaluate("inside.draw()")
            assert view.evaluate("inside.best") == digit
            shown = torch.tensor(view.evaluate("Array.from(inside.image)"))
            assert (shown - expected[i]).abs().max() <= 2 / 255 and shown.max() == 1
            assert view.locator(".in-one").nth(i).get_attribute("aria-pressed") == "true"
            assert view.locator(".in-prepared").inner_text().endswith("From a picture: it comes prepared.")
        photo = view.locator("canvas.in-photo").bounding_box()
        view.locator("canvas.in-photo").click(position={"x": photo["width"] * 0.14, "y": photo["height"] * 0.5})
        assert view.evaluate("inside.draw(); inside.best") == 5
        painted = view.evaluate("""() => [...document.querySelectorAll(".in-one canvas")].map((canvas) =>
          new Set(canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data).size)""")
        assert len(painted) == 12 and min(painted) > 10  # cropped, fitted, centred: each step is drawn
        view.get_by_role("button", name="Undo").click()
        assert view.evaluate("inside.draw(); inside.best") == 7 and view.evaluate("inside.pad.strokes.length") == 1
        view.locator(".in-one").nth(1).click()
        draw(view, [(60, 60), (220, 220)])
        assert view.evaluate("inside.pad.strokes.length") == 1 and view.evaluate("inside.pad.given") is None
        assert [url for url in view.asked if not url.startswith("blob:")] == [PAGE.as_uri()] and view.complaints == []


def test_the_answers_to_a_photo_follow_the_network(view):
    read(view)
    before = view.locator(".in-one").all_text_contents()
    view.evaluate("inside.setEpoch(0); inside.draw()")
    view.wait_for_function("(text) => document.querySelector('.in-one').textContent !== text", arg=before[0])
    net_s = view.evaluate("inside.net.logits.indexOf(Math.max(...inside.net.logits))")
    assert answers(view)[0] == str(net_s)
    view.evaluate("inside.setEpoch(20); inside.draw()")
    view.wait_for_function("(text) => document.querySelector('.in-one').textContent === text", arg=before[0])


def test_a_link_to_a_digit_of_a_photo_shows_it_again(view):
    read(view)
    view.locator(".in-one").nth(2).click()
    view.get_by_role("button", name="Copy link").click()
    view.wait_for_function("() => location.hash.length > 20")
    address, image = view.evaluate("[location.href, Array.from(inside.image)]")
    with view.context.new_page() as other:
        other.goto(address)
        other.wait_for_function("() => window.inside?.net")
        assert other.evaluate("inside.draw(); Array.from(inside.image)") == image and other.evaluate("inside.best") == 7


def test_a_picture_can_be_pasted_and_dropped(view):
    send = """([text, name, kind]) => {
      const files = new DataTransfer();
      files.items.add(new File([Uint8Array.from(atob(text), (c) => c.charCodeAt(0))], name, {type: "image/jpeg"}));
      const event = kind === "paste" ? new ClipboardEvent(kind, {clipboardData: files, bubbles: true, cancelable: true})
        : new DragEvent(kind, {dataTransfer: files, bubbles: true, cancelable: true});
      return !document.body.dispatchEvent(event); }"""
    body = base64.b64encode(FOUR.read_bytes()).decode()
    for kind in ("paste", "drop"):
        if kind == "drop":
            assert view.evaluate(send, [body, "a.jpg", "dragover"])  # else the browser would leave the page for the file
            assert view.locator(".in-dropping").count() == 1
        view.evaluate(send, [body, "a.jpg", kind])
        view.wait_for_function("() => document.querySelectorAll('.in-one').length === 4", timeout=60_000)
        assert view.locator(".in-dropping").count() == 0
        view.get_by_role("button", name="Put the photo away").click()
        assert view.locator(".in-one").count() == 0 and view.locator("canvas.in-photo").is_hidden()


def test_a_second_photo_takes_the_place_of_the_first(view, tmp_path):
    """With the same digit chosen, the canvas shows the new photo."""
    shown = "() => document.querySelector('canvas.in-photo').toDataURL()"
    pictures = []
    for i, count in enumerate((4, 1)):
        paper = Image.new("L", (300, 200), 230)
        for k in range(count):
            paper.paste(30, (40 + 60 * k, 60, 52 + 60 * k, 140))
        paper.save(tmp_path / f"{i}.png")
        view.locator("input[type=file]").first.set_input_files(tmp_path / f"{i}.png")
        view.wait_for_function(f"() => document.querySelectorAll('.in-one').length === {count}", timeout=60_000)
        view.wait_for_timeout(200)  # a frame
        pictures.append(view.evaluate(shown))
    assert pictures[0] != pictures[1]


def test_what_shows_no_digit_is_told_in_one_sentence_and_takes_nothing_away(view, tmp_path):
    Image.new("L", (300, 200), 230).save(tmp_path / "empty.png")
    (tmp_path / "notes.txt").write_text("7")
    draw(view)
    for name, said in (("empty.png", "No digit was found in the picture: "), ("notes.txt", "notes.txt is not a picture")):
        view.locator("input[type=file]").first.set_input_files(tmp_path / name)
        view.wait_for_function("(said) => document.querySelector('.in-photos p').textContent.startsWith(said)", arg=said)
        assert view.evaluate("inside.best") == 7 and view.locator(".in-one").count() == 0


def test_a_phone_offers_its_camera_and_a_finger_chooses_a_digit(chromium, view):
    phone = {"viewport": {"width": 390, "height": 800}, "has_touch": True, "is_mobile": True, "reduced_motion": "reduce"}
    assert view.get_by_role("button", name="Take a photo").count() == 0
    with opened(chromium, **phone) as view:
        camera = view.locator("input[capture=environment]")
        assert camera.get_attribute("accept") == "image/*" and view.get_by_role("button", name="Take a photo").is_visible()
        assert view.get_by_role("button", name="Take a photo").bounding_box()["y"] < 600  # before the maps
        read(view)
        view.locator(".in-one").nth(3).tap()
        assert view.evaluate("inside.draw(); inside.best") == 8
        assert view.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_photo_by_keyboard(view):
    button = view.get_by_role("button", name="Read a photo")
    button.focus()
    with view.expect_file_chooser() as chooser:
        view.wait_for_timeout(300)  # the browser is told to hand over its choosers
        view.keyboard.press("Enter")
    chooser.value.set_files(FOUR)
    view.wait_for_function("() => document.querySelectorAll('.in-one').length === 4", timeout=60_000)
    view.wait_for_function("() => document.querySelectorAll('.in-one b')[3].textContent === '8'")
    reached = []
    for _ in range(8):
        view.keyboard.press("Tab")
        reached.append(view.evaluate("document.activeElement.ariaLabel || document.activeElement.textContent"))
        if reached[-1].startswith("Digit 4 of the photo: an 8"):
            view.keyboard.press("Enter")
            assert view.evaluate("inside.draw(); inside.best") == 8
            break
    else:
        pytest.fail(str(reached))


def test_axe_finds_nothing_serious_in_a_photo_s_steps(view):
    for scheme, width in SCHEMES:
        dressed(view, scheme, width)
        read(view)
        assert view.evaluate("document.documentElement.scrollWidth") <= width
        assert serious(view) == [], (scheme, width)
        view.get_by_role("button", name="Put the photo away").click()
