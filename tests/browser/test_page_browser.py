"""The page as a place to learn, to keep and to share, in a real browser: what test_inside_browser.py does not ask."""

import re

import pytest
import torch

from course.page import PAGE, save_run
from mnist_lib.model import DigitNet
from mnist_lib.model.pretrained import recorded_epochs, recorded_net
from mnist_lib.receptive_field import receptive_fields
from mnist_lib.transforms import normalise
from mnist_lib.widgets import Inside
from tests.browser.opening import SCHEMES, SEVEN, draw, dressed, opened, serious
from tests.lib.test_export import LeNet

pytestmark = pytest.mark.browser

QUICK = """Object.defineProperty(learning.settings, 'values',
  {configurable: true, get: () => ({rate: %s, batch: 8, digits: 200, augment: true, steps: %d})})"""
STATE = "state => learning.state === state && learning.waiting === null"


def begin(page, steps: int, rate: float = 0.1) -> None:
    page.evaluate(QUICK % (rate, steps))
    page.get_by_role("button", name=re.compile("Start from nothing|Again with another seed")).first.click()


def test_it_learns_from_nothing_and_can_be_stopped(chromium):
    """Maps and answer follow; pause, go on; its past; another seed; back. No request leaves the page."""
    with opened(chromium) as page:
        draw(page)
        trained = page.evaluate("Array.from(inside.logits)")
        begin(page, 60)
        page.get_by_role("button", name="Pause").wait_for()
        # clicked in the page itself: on a busy machine all steps may be done before a click from here arrives
        page.wait_for_function("() => learning.losses.length > 8 && (learning.button.click(), true)", timeout=120_000)
        page.wait_for_function(STATE, arg="paused")
        page.wait_for_timeout(300)
        stood = page.evaluate("learning.losses.length")
        page.wait_for_timeout(300)
        assert page.evaluate("learning.losses.length") == stood < 60
        assert page.evaluate("inside.draw(); Array.from(inside.logits)") != trained
        page.get_by_role("button", name="Go on").click()
        page.wait_for_function(STATE, arg="over", timeout=120_000)
        losses, judged = page.evaluate("[learning.losses, learning.judged.map(({step, accuracy}) => [step, accuracy])]")
        assert len(losses) == 60 and sum(losses[-10:]) < 0.8 * sum(losses[:10])
        assert judged[0][0] == 0 and judged[-1][0] == 60 and judged[-1][1] > max(0.2, judged[0][1])
        assert "done: now take it apart" in page.locator(".in-learn p").first.text_content()
        page.get_by_label("Its past").focus()
        page.keyboard.press("Home")
        page.wait_for_function("() => learning.at === 0")
        first = page.evaluate("inside.draw(); Array.from(inside.logits)")
        page.keyboard.press("End")
        assert page.evaluate("inside.draw(); Array.from(inside.logits)") != first
        weights = page.evaluate("Array.from(learning.judged[0].numbers.subarray(0, 5))")
        page.get_by_role("button", name="Again with another seed").click()
        page.wait_for_function("() => learning.judged.length", timeout=120_000)
        assert page.evaluate("Array.from(learning.judged[0].numbers.subarray(0, 5))") != weights
        page.get_by_role("button", name="Back to the trained network").click()
        assert page.evaluate("inside.draw(); Array.from(inside.logits)") == trained
        assert [url for url in page.asked if not url.startswith("blob:")] == [PAGE.as_uri()] and page.complaints == []


def test_a_training_that_diverges_says_so(chromium):
    with opened(chromium) as page:
        page.evaluate("""() => { const worker = learning.code; // numbers that no learning rate offered would bring about
          learning.code = worker.replace("descend(this.net.learnt,", "descend(this.net.learnt, this.step > 3 ? NaN :"); }""")
        begin(page, 60, 10)
        page.wait_for_function(STATE, arg="diverged", timeout=120_000)
        assert "It diverged at step" in page.locator(".in-learn p").first.text_content()
        page.evaluate("inside.draw()")
        assert "No answer: all of its numbers are NaN" in page.locator(".in-verdict").text_content()
        assert page.get_by_role("button", name="Again with another seed").is_visible()


def test_a_rate_that_overshoots_says_that_nothing_is_learnt(chromium):
    """With the largest rate offered BatchNorm keeps the numbers finite: the loss rises, and ends where guessing is."""
    with opened(chromium) as page:
        assert page.locator(".in-settings select").first.locator("option").last.get_attribute("value") == "10"
        begin(page, 60, 10)
        page.wait_for_function(STATE, arg="over", timeout=120_000)
        most, loss, accuracy = page.evaluate(
            "[Math.max(...learning.losses), learning.judged.at(-1).loss, learning.judged.at(-1).accuracy]"
        )
        assert most > 4.7 and loss > 2.1 and accuracy < 0.25
        told = page.locator(".in-learn p").first.text_content()
        assert "it has learnt nothing" in told and f"the loss rose to {most:.1f}: choose a smaller rate" in told
        begin(page, 60)
        page.wait_for_function(STATE, arg="over", timeout=120_000)
        assert "done: now take it apart" in page.locator(".in-learn p").first.text_content()


@pytest.mark.nightly
def test_it_reads_97_of_100_within_500_steps(chromium):
    with opened(chromium) as page:
        page.get_by_role("button", name="Start from nothing").click()
        page.wait_for_function(STATE, arg="over", timeout=600_000)
        assert page.evaluate("learning.judged.at(-1).accuracy") >= 0.965


def test_a_poisoned_answer_is_no_answer(view):
    view.evaluate("inside.showTab('poison'); inside.draw()")
    assert "No answer" in view.locator(".in-verdict").text_content()
    assert set(view.locator(".in-share").all_text_contents()) == {"–"}


def test_answers_are_honest(view):
    """A close rival is named; strokes far apart are more than one digit; a tap leaves the hint; it is an 8."""
    share = view.evaluate("""() => { const draw = inside.answer.draw.bind(inside.answer);
      const shares = [0.5, 0, 0, 0.4, 0.1, 0, 0, 0, 0, 0];
      const {theme, image, logits} = inside;
      draw(theme, {image, logits, shares, best: 0, label: null, changes: [], advice: ""});
      return inside.answer.verdict.textContent; }""")
    assert "or a 3, 40.0 %" in share
    draw(view)
    assert "can only say 0 to 9" in view.locator(".in-answer").text_content()
    view.evaluate("inside.pad.clear()")
    draw(view, [(40, 60), (40, 200)])
    draw(view, [(220, 60), (220, 200)])
    assert "one digit at a time" in view.locator(".in-answer").text_content()
    view.evaluate("inside.pad.clear()")
    draw(view, [(140, 140)])
    assert view.locator(".in-hint").is_visible()
    assert view.get_by_role("button", name="Take an 8").count() == 1
    view.get_by_label("Number of the test digit").fill("5000")
    view.keyboard.press("Enter")
    assert f"The last one here has the number {view.evaluate('inside.network.labels.length') - 1}." in view.content()


def test_a_map_of_zeros_has_an_outline(view):
    drawn = view.evaluate("""() => { inside.switchOff({layer: 0, map: 3}); inside.draw(); inside.off = null;
      const {canvas} = inside.maps.rows[0], ratio = canvas.width / inside.maps.rows[0].size[0];
      const [x, y] = inside.maps.corner(inside.maps.rows[0], 3);
      return canvas.getContext("2d").getImageData(Math.round((x + 9) * ratio), Math.round(y * ratio), 1, 1).data[3]; }""")
    assert drawn > 0


MARKED = """(canvas, [x, y]) => {  // how much of the mark's colour is within a pixel and a half of here
  const ratio = canvas.width / canvas.clientWidth, context = canvas.getContext("2d");
  const mark = [1, 3, 5].map((i) => parseInt(inside.theme.mark.slice(i, i + 2), 16));
  const {data} = context.getImageData(Math.round((x - 1.5) * ratio), Math.round((y - 1.5) * ratio), Math.ceil(3 * ratio), Math.ceil(3 * ratio));
  let near = 0;
  for (let i = 0; i < data.length; i += 4)
    near += data[i + 3] > 60 && mark.every((v, k) => Math.abs(v - data[i + k]) < 40);
  return near; }"""  # noqa: E501


def shows_what_it_is_made_of(page, unit: dict) -> None:
    """The box of the unit's field on the digit, and in every map before it a box around its inputs, as torch's layers say."""
    name = page.evaluate("(layer) => inside.net.layers[layer].name", unit["layer"])
    top, left, bottom, right = receptive_fields(recorded_net(), (28, 28))[name].box(unit["row"], unit["col"])
    digit, scale = page.locator(".in-closers canvas").nth(1), 132 / 28
    for corner, inward in (((left, top), 1), ((right + 1, bottom + 1), -1)):
        assert digit.evaluate(MARKED, [min(max(v, 0), 28) * scale + inward for v in corner]) > 0
    assert digit.evaluate(MARKED, [(left + right + 1) / 2 * scale, (max(top, 0) + bottom + 1) / 2 * scale]) == 0
    places = page.evaluate(
        """({layer, row, col}) => { const {maps, net} = inside, before = layer - 1, one = maps.rows[before];
          const {kernel, stride, pad} = net.layers[layer], [n, rows, cols] = net.layers[before].shape;
          return Array.from({length: n}, (_, map) => { const [x, y] = maps.corner(one, map);
            return [one.canvas.offsetLeft + x + (col * stride[1] - pad[1]) * one.tile / cols,
              one.canvas.offsetTop + y + (row * stride[0] - pad[0]) * one.high / rows,
              kernel[1] * one.tile / cols, kernel[0] * one.high / rows]; }); }""",
        unit,
    )
    lines = page.locator(".in-lines")
    for x, y, wide, high in places:
        assert lines.evaluate(MARKED, [x, y]) > 0 and lines.evaluate(MARKED, [x + wide, y + high / 2]) > 0
    above = page.evaluate("(layer) => inside.maps.rows[layer - 2].canvas.offsetTop + 4", unit["layer"])
    assert lines.evaluate(MARKED, [places[0][0], above]) == 0  # not what those are made of


@pytest.mark.parametrize("width", [1440, 1024])
def test_a_unit_under_the_mouse_is_enlarged_with_what_it_sees_and_is_made_of(view, width):
    view.set_viewport_size({"width": width, "height": 900})
    view.locator(".in-maps > figure canvas").nth(4).hover(position={"x": 30, "y": 20})
    told = view.locator(".in-closer").inner_text()
    unit = view.evaluate("([clientX, clientY]) => inside.maps.unitAt(4, {clientX, clientY})", hovered(view))
    shape, out = view.evaluate("[inside.net.layers[4].shape, Array.from(inside.net.layers[4].out)]")
    value = out[(unit["map"] * shape[1] + unit["row"]) * shape[2] + unit["col"]]
    assert "conv4, map 0" in told and f"row {unit['row']}, column {unit['col']}: {value:.4f}".replace("-", "−") in told
    shows_what_it_is_made_of(view, unit)
    closer, maps = (view.locator(part).bounding_box() for part in (".in-closer", ".in-maps > figure:nth-of-type(4) canvas"))
    beside = closer["x"] >= maps["x"] + maps["width"] or closer["x"] + closer["width"] <= maps["x"]
    assert beside or closer["y"] >= maps["y"] + maps["height"]  # the lines stay in sight
    view.mouse.move(2, 2)
    assert view.locator(".in-closer").is_hidden() and view.locator(".in-lines").is_hidden()


def test_a_unit_reached_by_keyboard_is_enlarged_too(view):
    view.evaluate("inside.setUnit({layer: 4, map: 2, row: 3, col: 4}); inside.draw()")
    view.locator(".in-play").focus()
    for _ in range(12):
        view.keyboard.press("Tab")
        if (view.evaluate("document.activeElement.ariaLabel") or "").startswith("conv4:"):
            break
    assert "conv4, map 2" in view.locator(".in-closer").inner_text()
    view.keyboard.press("ArrowRight")
    view.evaluate("inside.draw()")
    assert "row 3, column 5: " in view.locator(".in-closer").inner_text()
    shows_what_it_is_made_of(view, {"layer": 4, "map": 2, "row": 3, "col": 5})
    view.keyboard.press("Tab")
    assert "conv5, map 0" in view.locator(".in-closer").inner_text()  # the first unit there, which Enter would choose
    view.evaluate("document.activeElement.blur()")
    assert view.locator(".in-closer").is_hidden() and view.locator(".in-lines").is_hidden()


def hovered(page) -> list[float]:
    box = page.locator(".in-maps > figure canvas").nth(4).bounding_box()
    return [box["x"] + 30, box["y"] + 20]


def test_on_a_phone_pad_and_answer_stay_in_view_above_the_maps(chromium):
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True, "reduced_motion": "reduce"}

    def boxes(*parts):
        return [page.locator(part).first.bounding_box() for part in parts]

    with opened(chromium, **phone) as page:
        draw(page)
        for width, height in ((390, 844), (360, 740)):
            page.set_viewport_size({"width": width, "height": height})
            for layer in (0, 4, 9):
                canvas = page.locator(".in-maps > figure canvas").nth(layer)
                canvas.evaluate("(node) => node.scrollIntoView({block: 'center'})")
                page.wait_for_timeout(150)
                pad, verdict, bars, maps = boxes(
                    ".in-pad", ".in-verdict b", ".in-bars", f".in-maps > figure:nth-of-type({layer + 1})"
                )
                for part in (pad, verdict, bars):
                    assert part["y"] >= 0 and part["y"] + part["height"] <= height / 2, (width, layer)
                    assert part["x"] >= 0 and part["x"] + part["width"] <= width
                assert pad["width"] >= 160 and height > maps["y"] + maps["height"]
                assert maps["y"] > pad["y"] + pad["height"], (width, layer)
            page.locator(".in-maps > figure canvas").nth(4).tap(position={"x": 20, "y": 20})
            page.wait_for_timeout(300)
            top, seen, pad = boxes(".in-top", ".in-see h3", ".in-pad")
            assert pad["y"] >= 0 and top["y"] + top["height"] <= seen["y"] < height / 2
            page.get_by_role("button", name="Back to the maps").tap()
            page.wait_for_timeout(300)
            top, heading = boxes(".in-top", ".in-maps h3")
            assert top["y"] + top["height"] <= heading["y"] < height / 2


def test_a_small_drawing_with_a_thick_pen_gets_a_hint(view):
    small = [(120 + x / 5, 120 + y / 5) for x, y in SEVEN]
    draw(view, small)
    assert "Draw it larger, or with a thinner pen" in view.locator(".in-advice").text_content()
    view.evaluate("inside.pad.clear(); inside.pad.thick = 10")
    draw(view, [(100 + x / 3, 100 + y / 3) for x, y in SEVEN])
    assert "larger" not in view.locator(".in-advice").text_content()


def test_the_call_to_draw_covers_nothing_of_the_pad(view):
    for width in (1440, 390):
        view.set_viewport_size({"width": width, "height": 844})
        parts = (".in-pad", ".in-hint", ".in-draw .in-tools")
        pad, hint, tools = (view.locator(part).first.bounding_box() for part in parts)
        assert pad["y"] + pad["height"] <= hint["y"] and hint["y"] + hint["height"] <= tools["y"] + 1


def test_the_turning_curve_names_its_axes(view):
    for key, axis in (("angle", "Turn (degrees)"), ("scale", "Scale (times)"), ("right", "Move right (pixels)")):
        written = view.evaluate(
            """(key) => { inside.showTab("turn"); inside.draw(); const {turn} = inside.tabs; turn.along = key;
              const context = turn.curve.getContext("2d"), written = [], fill = context.fillText;
              context.fillText = function (text, ...place) { written.push(text); fill.call(this, text, ...place); };
              turn.drawCurve(inside.theme);
              delete context.fillText;
              return written; }""",
            key,
        )
        assert axis in written and "100 % sure of a 7" in written and "0 %" in written


def test_each_epoch_says_how_many_test_digits_it_reads_right(view, mnist):
    for epoch in (0, 1, 20):
        view.evaluate("(epoch) => { inside.setEpoch(epoch); inside.draw(); }", epoch)
        net = recorded_net()
        net.load_state_dict(recorded_epochs()[epoch])
        with torch.no_grad():
            right = net(normalise(mnist.test_images[:1000])).argmax(1).eq(mnist.test_labels[:1000]).float().mean()
        assert view.locator(".in-score").text_content() == f"{100 * right:.1f}\xa0% of 1,000 test digits right"


def test_play_runs_over_the_epochs(view):
    view.get_by_role("button", name="Play").click()
    assert view.evaluate("inside.epoch") == 0
    view.wait_for_function("() => inside.epoch === 1")
    view.get_by_role("button", name="Stop").click()
    assert view.get_by_role("button", name="Play").count() == 1


@pytest.mark.parametrize("width", [800, 1024])
def test_what_was_clicked_and_its_maps_are_in_view(view, width):
    view.set_viewport_size({"width": width, "height": 768})
    assert view.evaluate("document.documentElement.scrollWidth") <= width
    view.locator(".in-maps > figure canvas").nth(3).click(position={"x": 30, "y": 20})
    view.wait_for_timeout(300)
    for part in (".in-see", ".in-maps", ".in-panel"):
        box = view.locator(part).bounding_box()
        assert box["y"] < 600 and box["y"] + box["height"] > 100, part


def test_a_link_shows_the_same_again(view):
    """Strokes, unit, tab and epoch; a link that is cut short, or nonsense, breaks nothing."""
    draw(view)
    view.evaluate(
        "inside.setEpoch(5); inside.setUnit({layer: 5, map: 3, row: 2, col: 1}); inside.showTab('off'); inside.draw()"
    )
    view.get_by_role("button", name="Copy link").click()
    view.wait_for_function("() => location.hash.length > 20")
    address, image = view.evaluate("[location.href, Array.from(inside.image)]")
    with view.context.new_page() as other:
        for hash, same in (
            (address.split("#")[1], True),
            (address.split("#")[1][:-3], False),
            ("strokes=%%&unit=x&tab=toString&epoch=7", False),
        ):
            other.goto("about:blank")
            other.goto(f"{PAGE.as_uri()}#{hash}")
            other.wait_for_function("() => window.inside?.net")
            seen = other.evaluate(
                "inside.draw(); [inside.epoch, inside.unit, inside.tab, inside.best, Array.from(inside.image)]"
            )
            if same:
                assert seen[:4] == [5, {"layer": 5, "map": 3, "row": 2, "col": 1}, "off", view.evaluate("inside.best")]
                assert (torch.tensor(seen[4]) - torch.tensor(image)).abs().mean() < 0.03


def test_a_picture_can_be_kept(view):
    draw(view, SEVEN)
    with view.expect_download() as download:
        view.get_by_role("button", name="Save picture").click()
    body = download.value.path().read_bytes()
    assert body[:4] == b"\x89PNG" and 10_000 < len(body) < 1_000_000


def test_a_reader_s_network_is_a_page_of_its_own(chromium, digits, tmp_path):
    """Any network that can be shown: its title, footer and numbers; opened as a file it answers as torch does."""
    torch.manual_seed(0)
    net = LeNet().eval()
    images = torch.nn.functional.interpolate(digits.test_images[:20].float() / 255, (28, 28))
    path = Inside(net, images, digits.test_labels[:20]).save(tmp_path / "mine.html")
    with opened(chromium, path=path) as page:
        count = sum(p.numel() for p in net.parameters())
        assert f"{count:,}" in page.title() and f"{count:,}" in page.locator("h1").text_content()
        assert "conv1, max_pool2d" in page.locator("footer").text_content() and page.locator(".in-learn").count() == 0
        assert page.asked == [path.as_uri()] and page.complaints == []
        assert page.evaluate("inside.best") == Inside(net, images, digits.test_labels[:20]).network["reads"][0]
    with pytest.raises(ValueError, match=r"ends in \.html"):
        Inside(net).save(tmp_path / "mine.txt")


def test_a_run_is_a_page_of_its_own(chromium, mnist, tmp_path):
    torch.manual_seed(3)
    torch.save(DigitNet(widths=(4, 4, 4, 4, 4, 4, 4)).state_dict(), tmp_path / "model.pt")
    path = save_run(tmp_path / "model.pt", tmp_path / "mine.html", mnist)
    with opened(chromium, path=path) as page:
        assert "10,000 test images correctly" in page.locator("footer").text_content()
        assert page.evaluate("learning.state") == "idle" and "13,960" not in page.locator("body").inner_text()
    (tmp_path / "other.pt").write_bytes(b"none")
    for name in ("other.pt", "missing.pt"):
        with pytest.raises(ValueError, match=name):
            save_run(tmp_path / name, tmp_path / "out.html", mnist)


def test_axe_finds_nothing_serious_while_it_learns(chromium):
    with opened(chromium, reduced_motion="reduce") as page:
        draw(page)
        page.locator(".in-settings summary").click()
        begin(page, 20)
        page.wait_for_function(STATE, arg="over", timeout=120_000)
        for scheme, width in SCHEMES:
            dressed(page, scheme, width)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert serious(page) == [], (scheme, width)
