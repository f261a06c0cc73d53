"""Ten digits in twelve handwritings, drawn on the page's pad, and read."""

import numpy as np
import pytest

from tests.browser.twelve_hands import HANDS, strokes

pytestmark = pytest.mark.browser

DRAWN = """([lines, pen]) => {
  const {pad} = inside, {canvas} = pad, box = canvas.getBoundingClientRect(), scale = box.width / 280;
  const send = (type, [x, y]) => canvas.dispatchEvent(new PointerEvent(type,
    {clientX: box.left + x * scale, clientY: box.top + y * scale, bubbles: true, pointerId: 1, pointerType: "pen"}));
  canvas.setPointerCapture = () => {};
  pad.clear();
  pad.thick = pen;
  for (const line of lines) {
    send("pointerdown", line[0]);
    line.slice(1).forEach((point) => send("pointermove", point));
    send("pointerup", line.at(-1));
  }
  delete canvas.setPointerCapture;
  inside.draw();
  return inside.best; }"""


def test_ten_digits_in_twelve_handwritings(view):
    """None was changed after it was read: three of the seven ones with a flag are taken for sevens, nothing else is wrong."""
    wrong = []
    for name, hand in HANDS.items():
        for digit in range(10):
            lines = strokes(digit, hand, np.random.default_rng([len(name), digit]))
            read = view.evaluate(DRAWN, [lines, hand.pen])
            if read != digit:
                wrong.append(f"{name}: a {digit} as {read}")
    count = 10 * len(HANDS)
    print(f"{count - len(wrong)} of {count} read correctly; wrong: {', '.join(wrong) or 'none'}")
    assert len(HANDS) == 12 and len(wrong) <= 3, wrong
    assert len([one for one in wrong if "a 1 as 7" not in one]) <= 1, wrong  # 99 of 100 of the others
