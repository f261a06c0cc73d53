"""Controls beside a picture: it follows them."""

import ipywidgets as widgets
import pytest
from ipywidgets import Image, Label

from mnist_lib import plots
from mnist_lib.widgets import explorer, slider


def test_explorer_follows_its_controls_and_says_what_is_wrong():
    def draw(width):
        if width > 8:
            raise ValueError("Too wide.")
        return plots.line([0, width], [0, 1], "data", "x", "y")

    control = slider("width", 3, 1, 10)
    room = explorer(draw, width=control)
    picture, sentence = room.children[1].children
    assert isinstance(picture, Image) and isinstance(sentence, Label) and control in room.children[0].children
    first = picture.value
    control.value = 5
    assert picture.value != first and sentence.value == ""
    second = picture.value
    control.value = 9
    assert sentence.value == "Too wide." and picture.value == second
    control.value = 2
    assert sentence.value == ""


@pytest.mark.parametrize(("numbers", "kind"), [((1, 0, 5, 1), widgets.IntSlider), ((1.0, 0.5, 2.0, 0.1), widgets.FloatSlider)])
def test_slider_waits_until_it_is_let_go(numbers, kind):
    one = slider("x", *numbers)
    assert isinstance(one, kind) and not one.continuous_update
