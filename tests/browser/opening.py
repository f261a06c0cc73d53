"""The page in a browser: opened as a visitor finds it, and drawn on."""

import os

import pytest
import torch

from course.page import PAGE

SCHEMES = (("dark", 360), ("light", 1440), ("light", 360), ("dark", 1440))[: 4 if os.environ.get("MNIST_LIB_NIGHTLY") else 2]
SEVEN = [(70, 70), (200, 66), (180, 120), (130, 230)]  # on the pad's 280 x 280
# The page as it was when it was opened, in less time than it takes to open it again
AS_FOUND = """() => {
  const {pad, tabs} = inside;
  history.replaceState(null, "", location.pathname);
  inside.setEpoch(20); inside.asItWas(); inside.prepared = true;
  pad.clear(); pad.cleared = []; pad.thick = 24;
  inside.take(0); inside.setUnit(inside.firstUnit());
  Object.assign(tabs.evidence, {why: null, whyNot: null}); tabs.turn.along = "angle";
  inside.showTab("apart");
  document.activeElement.blur(); scrollTo(0, 0);
  inside.draw(); }"""


class opened:
    """docs/index.html, or another page, as a file in a fresh context; what it asked for and what it complained of are kept."""

    def __init__(self, chromium, path=PAGE, **options):
        self.path = path
        self.context = chromium.new_context(offline=True, **({"viewport": {"width": 1440, "height": 900}} | options))

    def __enter__(self):
        page = self.context.new_page()
        page.asked, page.complaints = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("console", lambda message: page.complaints.append(message.text) if message.type in ("error", "warning") else 0)
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.goto(self.path.as_uri())
        page.wait_for_function("() => window.inside?.logits")
        return page

    def __exit__(self, *_):
        self.context.close()


def stroke(page, box: dict, points) -> None:
    """One stroke by the mouse on a pad that lies there."""
    spots = [(box["x"] + x * box["width"] / 280, box["y"] + y * box["height"] / 280) for x, y in points]
    page.mouse.move(*spots[0])
    page.mouse.down()
    for spot in spots[1:]:
        page.mouse.move(*spot, steps=5)
    page.mouse.up()


def draw(page, points=SEVEN) -> None:
    """One stroke, and what follows from it."""
    pad = page.locator(".in-pad")
    pad.scroll_into_view_if_needed()
    stroke(page, pad.bounding_box(), points)
    page.evaluate("inside.draw()")


def image_of(page) -> torch.Tensor:
    return torch.tensor(page.evaluate("Array.from(inside.image)")).reshape(1, 1, 28, 28)


def dressed(page, scheme: str, width: int) -> None:
    """Light or dark, and so wide."""
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    page.evaluate("inside.draw()")


def serious(page) -> list[tuple[str, str]]:
    """What axe finds that keeps somebody out: (rule, where)."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    found = axe.run(page).response["violations"]
    return [(v["id"], v["nodes"][0]["html"][:200]) for v in found if v["impact"] in ("serious", "critical")]
