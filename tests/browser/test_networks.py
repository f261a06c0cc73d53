"""The page's choice between two networks, in a real browser."""

import pytest
import torch

from course.page import few_net
from mnist_lib.model.pretrained import recorded_net
from mnist_lib.transforms import normalise
from tests.browser.opening import draw, image_of, opened

pytestmark = pytest.mark.browser


def links(page) -> list[tuple[str, str | None]]:
    return [(link.inner_text(), link.get_attribute("aria-current")) for link in page.locator(".in-networks a").all()]


def answers_are_those_of(page, net) -> bool:
    with torch.no_grad():
        logits = net(normalise(image_of(page))).flatten()
    return torch.allclose(torch.tensor(page.evaluate("Array.from(inside.logits)")), logits, atol=1e-3)


def test_choice_shows_the_smaller_network_for_the_same_drawing(chromium):
    with opened(chromium) as page:
        assert links(page) == [("13,960 numbers", "page"), ("3,502 numbers", None)]
        draw(page)
        drawn = image_of(page)
        assert answers_are_those_of(page, recorded_net())
        page.get_by_role("link", name="3,502 numbers").click()
        page.wait_for_function("() => location.search === '?network=few' && window.inside?.logits")
        assert links(page) == [("13,960 numbers", None), ("3,502 numbers", "page")]
        assert "3,502" in page.locator("h1").inner_text() and "3,502" in page.title()
        assert "depth" in page.locator("footer").inner_text()
        assert (image_of(page) - drawn).abs().max() < 0.1  # the link keeps every second pixel of the pad
        assert answers_are_those_of(page, few_net())
        assert page.evaluate("window.learning") is None and not page.locator(".in-learn").count()
        names = page.evaluate("inside.net.layers.map(({name}) => name)")
        assert names == ["conv1", "pool1", *(f"{step}{i}" for i in range(2, 6) for step in ("depth", "point")), "mean", "conv6"]
        page.get_by_role("link", name="13,960 numbers").click()
        page.wait_for_function("() => location.search === '' && window.learning")
        assert (image_of(page) - drawn).abs().max() < 0.1 and answers_are_those_of(page, recorded_net())
        assert not page.complaints and not [
            address for address in page.asked if not address.startswith(("file:", "data:", "blob:"))
        ]


def test_address_of_a_network_that_is_not_there_shows_the_first(chromium):
    with opened(chromium) as page:
        page.goto(page.url + "?network=toString#digit=3")
        page.wait_for_function("() => window.inside?.logits && window.inside.pad.chosen === 3")
        assert links(page)[0] == ("13,960 numbers", "page") and not page.complaints
        page.goto(page.url.replace("toString", "few"))
        page.wait_for_function("() => window.inside?.pad.chosen === 3 && window.inside.net.layers.length === 12")
        assert page.locator("h1").inner_text().count("3,502") == 1
