"""What follows a click, and what is said and drawn then. (test_inside_browser.py tells whether the page is current.)"""

import re

import pytest
import torch

from mnist_lib import transforms
from mnist_lib.model.digitnet import ROWS
from mnist_lib.model.pretrained import recorded_net
from mnist_lib.receptive_field import measure_field, receptive_fields
from mnist_lib.transforms import normalise
from tests.browser.opening import draw

pytestmark = pytest.mark.browser


def press(view, name: str):
    view.get_by_role("button", name=name, exact=True).click()
    view.evaluate("inside.draw()")


def chosen(view):
    return view.evaluate("inside.pad.chosen")


# The pad and the test digits


def test_the_digit_before_the_first_is_the_last(view):
    last = view.evaluate("inside.network.labels.length") - 1
    assert chosen(view) == 0
    press(view, "The test digit before")
    assert chosen(view) == last and view.get_by_label("Number of the test digit").input_value() == str(last)
    assert view.evaluate("Array.from(inside.image)") == view.evaluate(f"Array.from(inside.pad.digit({last}))")
    press(view, "The next test digit")
    assert chosen(view) == 0
    press(view, "The next test digit")
    assert chosen(view) == 1
    for button, there in (("The test digit before", last), ("The next test digit", 0)):  # from a drawing on
        view.evaluate("() => { inside.pad.clear(); inside.draw(); }")
        assert chosen(view) is None
        press(view, button)
        assert chosen(view) == there


@pytest.mark.parametrize(("typed", "taken"), [("7", 7), ("99999", -1), ("-3", 0)])
def test_a_number_that_is_typed_is_taken_or_the_nearest_there_is(view, typed, taken):
    number = view.get_by_label("Number of the test digit")
    number.fill(typed)
    number.press("Enter")
    view.evaluate("inside.draw()")
    count = view.evaluate("inside.network.labels.length")
    assert chosen(view) == taken % count and view.evaluate("inside.image.length") == 784
    assert number.input_value() == str(taken % count)


def test_a_new_stroke_is_alone_after_a_test_digit(view):
    press(view, "Clear")
    draw(view, [(40, 40), (40, 240)])
    press(view, "Take a 3")
    draw(view, [(240, 40), (240, 240)])
    assert view.evaluate("inside.pad.strokes.length") == 1 and chosen(view) is None
    ink = "(x) => inside.pad.ink.getImageData(x, 140, 1, 1).data[3]"
    assert view.evaluate(ink, 240) == 255 and view.evaluate(ink, 40) == 0
    press(view, "Undo")
    assert view.evaluate("inside.logits") is None


def test_clear_takes_a_test_digit_away(view):
    press(view, "Take a 3")
    assert chosen(view) is not None and view.evaluate("inside.logits") is not None
    press(view, "Clear")
    assert chosen(view) is None and view.evaluate("inside.logits") is None
    assert view.locator(".in-hint").is_visible() and "no answer" in view.locator(".in-verdict").text_content()
    assert not view.evaluate("inside.image.some((v) => v > 0)")


def test_a_stroke_is_drawn_as_thick_as_the_pen(view):
    press(view, "Clear")
    for thick in (12, 40):
        view.get_by_role("slider", name="Pen").fill(str(thick))
        draw(view, [(140, 40), (140, 240)])
        inked = view.evaluate(
            "inside.pad.ink.getImageData(0, 140, 280, 1).data.filter((v, i) => i % 4 === 3 && v > 127).length"
        )
        assert inked == pytest.approx(thick, abs=2)
        press(view, "Undo")


# The answer


def test_bars_are_as_long_as_the_answers_are_sure(view):
    view.evaluate("inside.take(8); inside.draw()")  # not all of it is one answer's
    logits = torch.tensor(view.evaluate("Array.from(inside.logits)"))
    lengths = view.evaluate(
        """() => [...document.querySelectorAll(".in-bars li")].map((li) =>
          li.querySelector(".in-bar").getBoundingClientRect().width / li.querySelector(".in-track").clientWidth)"""
    )
    assert lengths == pytest.approx(logits.softmax(0).tolist(), abs=0.02)
    said = view.locator(".in-share").all_text_contents()
    assert said[int(logits.argmin())] == "0.0 %" and view.locator(".in-best b").text_content() == str(int(logits.argmax()))


# The maps, and what a unit sees


def test_captions_of_layers_say_how_much_a_unit_sees(view):
    net = recorded_net()
    captions = [text for text in view.locator(".in-maps figcaption").all_text_contents() if "sees" in text]
    fields = receptive_fields(net, (28, 28))
    for name, caption in zip(ROWS, captions, strict=True):
        seen = measure_field(net, name, tuple(size // 2 for size in fields[name].output_size))
        rows, columns = (int(seen.any(axis).sum()) for axis in (1, 0))
        whole = rows == columns == 28
        assert caption.endswith("each sees the whole image" if whole else f"each sees {rows}×{columns} pixels"), caption


def test_what_is_taken_apart_says_how_much_it_sees(view):
    fields = receptive_fields(recorded_net(), (28, 28))
    for layer, name in enumerate(ROWS[:7]):
        view.evaluate("(layer) => { inside.setUnit({layer, map: 0, row: 1, col: 2}); inside.draw(); }", layer)
        top, left, bottom, right = fields[name].box(1, 2)
        assert f"It sees the {bottom - top + 1}×{right - left + 1} pixels" in view.locator(".in-body").text_content()


def test_numbers_of_a_unit_end_at_the_last_one(view):
    for layer, shape in enumerate(view.evaluate("inside.net.layers.map(({shape}) => shape)")):
        view.evaluate("(layer) => { inside.setUnit({layer, map: 999, row: 999, col: 999}); inside.draw(); }", layer)
        for name, count in zip(("map", "row", "column"), shape):
            field = view.locator(".in-body").get_by_label(name, exact=True)
            assert (field.get_attribute("max"), field.input_value()) == (str(count - 1), str(count - 1))


def test_evidence_is_painted_where_its_places_are(view):
    """Each place a square around the middle of what it sees: blue if it speaks for the answer, else orange."""
    view.get_by_role("tab", name="Evidence").click()
    places, painted, blue, orange = view.evaluate(
        """() => { inside.draw();
          const {evidence} = inside.tabs, {theme} = inside, painted = [];
          const context = {strokeRect() {}, fillRect(...box) { painted.push([this.fillStyle, this.globalAlpha, ...box]); }};
          evidence.over(context, 10, theme);
          return [Array.from(evidence.share.places), painted, theme.above, theme.below]; }"""
    )
    field, most = receptive_fields(recorded_net(), (28, 28))["conv7"], max(map(abs, places))
    assert len(places) == len(painted) == 36
    for i, (value, (colour, alpha, x, y, width, height)) in enumerate(zip(places, painted)):
        top, left, bottom, right = field.box(*divmod(i, 6))
        middle = x + width / 2, y + height / 2
        assert middle == pytest.approx((10 * (left + right + 1) / 2, 10 * (top + bottom + 1) / 2)), divmod(i, 6)
        assert colour == (orange if value < 0 else blue) and alpha == pytest.approx(0.85 * abs(value) / most)


# The questions


def test_poison_says_from_which_layer_on_nothing_is_left(view):
    fields = receptive_fields(recorded_net(), (28, 28))
    view.get_by_role("tab", name="Poison").click()
    for pixel in ((13, 14), (0, 0)):
        view.evaluate("([row, col]) => { inside.tabs.poison.set({row, col}); inside.draw(); }", pixel)
        dead = {}
        for name in ROWS:
            rows, columns = fields[name].output_size
            boxes = [fields[name].box(row, column) for row in range(rows) for column in range(columns)]
            dead[name] = sum(b[0] <= pixel[0] <= b[2] and b[1] <= pixel[1] <= b[3] for b in boxes), len(boxes)
        rows = view.locator(".in-dead tbody tr").all()
        assert [tuple(map(int, row.locator("td").all_text_contents())) for row in rows] == list(dead.values())
        first = next(name for name, (some, all_) in dead.items() if some == all_)
        assert f"From {first} on nothing is left" in view.locator(".in-body").text_content()


@pytest.mark.parametrize("map_off", [4, 0])
def test_reading_without_a_map_says_how_many_fewer(view, map_off):
    view.get_by_role("tab", name="Switch off").click()
    view.evaluate("(map) => inside.switchOff({layer: 7, map})", map_off)
    with_it, without = view.evaluate("inside.tabs.off.overMany(200)")
    fewer = with_it - without
    told = f"{fewer} fewer." if fewer > 0 else f"{-fewer} more." if fewer < 0 else "as many."
    assert view.evaluate("inside.tabs.off.tested.textContent").endswith(f"and {without} without it: {told}")


def test_the_answer_s_own_button_undoes_all_changes(view):
    before = view.evaluate("Array.from(inside.logits)")
    view.evaluate("inside.switchOff({layer: 7, map: 4}); inside.setTurned({...inside.turned, angle: 40}); inside.draw()")
    assert view.locator(".in-changes span").text_content() == "conv7, map 4 is off, turned or moved"
    view.locator(".in-changes").get_by_role("button", name="As it was").click()
    view.evaluate("inside.draw()")
    assert view.evaluate("Array.from(inside.logits)") == before and view.locator(".in-changes").is_hidden()


def test_the_turning_curve_is_of_the_network_without_its_map(view, mnist):
    net, angles = recorded_net(), torch.linspace(-180, 180, 41)
    image = mnist.test_images[:1].float() / 255
    turned = torch.cat([transforms.affine(image, transforms.AffineParams.identity(1, angle=float(angle))) for angle in angles])

    def shares() -> torch.Tensor:
        with torch.no_grad():
            return net(normalise(turned)).softmax(1)

    whole = shares()
    net.drop7.register_forward_hook(lambda m, i, out: out.index_fill(1, torch.tensor([7]), 0))
    without = shares()
    answer = int(without[20].argmax())
    assert (without - whole)[:, answer].abs().max() > 0.1  # else there would be nothing to see
    view.get_by_role("tab", name="Turn").click()
    heights = view.evaluate(
        """() => { inside.switchOff({layer: 7, map: 7}); inside.draw();
          const context = inside.tabs.turn.curve.getContext("2d"), heights = [], lineTo = context.lineTo;
          context.lineTo = function (x, y) { heights.push(y); lineTo.call(this, x, y); };
          inside.tabs.turn.drawCurve(inside.theme);
          delete context.lineTo;
          return heights; }"""
    )
    drawn = torch.tensor([(112 - y) / 100 for y in heights])  # 0 % lies at 112 pixels, 100 % at 12
    torch.testing.assert_close(drawn, without[:, answer], rtol=0, atol=2e-3)
    assert re.search(f"How sure it is of a {answer} along “Turn”", view.locator(".in-body").text_content())
