"""README's moving picture, made from the page by a browser: a digit is drawn, and the maps respond."""

import io
import math
from pathlib import Path

from course import browser, page
from mnist_lib.data import Dataset
from mnist_lib.support.paths import ROOT, write_whole

FIGURES = ROOT / "figures"
FRAMES, PACE, HOLD = 30, 80, 2200  # pictures of the stroke, milliseconds for each, and for the last
# Only the pad, the answer and the maps, without their controls
STYLE = """header, footer, .in-networks,
.in-see, .in-panel, .in-digits, .in-tools, .in-epochs, .in-learn,
.in-tasks, .in-keep, .in-photos, .in-answer > .in-quiet, .in-maps > p, .in-hint { display: none !important; }
body { padding: 12px 16px !important; width: 900px; box-sizing: border-box; } .in-pad { outline: none !important; }"""
PEN = """([points, done]) => {
  const {pad} = inside;
  for (const point of points) pad.stroke ? pad.extend(point) : pad.begin(point);
  const [x, y] = points.at(-1);
  Object.assign(pad.penMark.style, {left: `${x / 2.8}%`, top: `${y / 2.8}%`});
  pad.penMark.hidden = done;
  if (done) pad.lift();
  inside.draw();
}"""


def renew(dataset: Dataset) -> None:
    """Write the page, and the film again if the page has changed; without a browser the film stays, and a line says so."""
    before = page.PAGE.read_bytes() if page.PAGE.is_file() else b""
    page.write_page(dataset)
    if page.PAGE.read_bytes() != before:
        try:
            write_film()
        except RuntimeError as error:
            print(f"README's film still shows the page as it was before. {error}")


def write_film() -> list[Path]:
    """Write figures/inside-light.webp and inside-dark.webp, and their last pictures as stills, .png; takes some seconds.

    Raises:
        RuntimeError: no browser is installed, or no Playwright.
    """
    from PIL import Image  # imported here: only the film needs it

    written = []
    with browser.launched() as chromium:
        for scheme in ("light", "dark"):
            tab = chromium.new_page(color_scheme=scheme, viewport={"width": 900, "height": 680})
            tab.goto(page.PAGE.as_uri())
            tab.wait_for_function("() => window.inside?.logits")
            tab.add_style_tag(content=STYLE)
            tab.evaluate("() => { inside.maps.mark = () => {}; inside.showTab('turn'); inside.pad.clear(); inside.draw(); }")
            shots = [_shot(tab)]
            for i in range(FRAMES):
                points = [_three((i + k / 4) / FRAMES) for k in range(1 if i else 0, 5)]
                tab.evaluate(PEN, [points, i == FRAMES - 1])
                shots.append(_shot(tab))
            tab.close()
            pictures = [Image.open(io.BytesIO(shot)).convert("RGB") for shot in shots]
            film, paces = io.BytesIO(), [400] + [PACE] * (FRAMES - 1) + [HOLD]
            pictures[0].save(
                film, "WEBP", save_all=True, append_images=pictures[1:], duration=paces, loop=0, quality=82, method=6
            )
            for name, body in ((f"inside-{scheme}.webp", film.getvalue()), (f"inside-{scheme}.png", shots[-1])):
                write_whole(FIGURES / name, body)
                written.append(FIGURES / name)
    return written


def _shot(tab) -> bytes:
    return tab.screenshot(clip={"x": 0, "y": 0, "width": 900, "height": tab.evaluate("document.body.scrollHeight")})


def _three(t: float) -> tuple[float, float]:
    """A handwritten 3 on the pad: two bows, t from 0 to 1."""
    turn, middle = (2 * t, 92) if t < 0.5 else (2 * t - 1, 186)
    radius = 46 if t < 0.5 else 52
    angle = math.radians(-155 + 245 * turn) if t < 0.5 else math.radians(-90 + 245 * turn)
    return 134 + 1.15 * radius * math.cos(angle), middle + radius * math.sin(angle)
