"""How fast the page answers: a frame from stroke to all maps drawn, the time until it can be used, and torch beside it.

python -m benchmarks.inside    # about 10 seconds; leave the machine alone meanwhile
"""

import os
import platform
import statistics
import time

import torch

from course import browser
from course.page import PAGE
from mnist_lib.model.pretrained import recorded_net

# A stroke of 200 moves. Each frame ends when one pixel of every canvas has been read back: then it is really drawn.
FRAMES = """async () => {
  const {pad: {canvas}, maps: {rows}} = inside, box = canvas.getBoundingClientRect(), all = [], forward = [];
  const send = (type, x, y) => canvas.dispatchEvent(new PointerEvent(type,
    {clientX: box.left + x, clientY: box.top + y, bubbles: true, pointerId: 1, isPrimary: true}));
  const run = inside.net.run;
  inside.net.run = function (...given) {
    const start = performance.now(), maps = run.apply(this, given);
    forward.push(performance.now() - start);
    return maps;
  };
  canvas.setPointerCapture = () => {};
  inside.pad.clear();
  send("pointerdown", 80, 60);
  for (let i = 0; i < 200; i++) {
    await new Promise(requestAnimationFrame);
    const start = performance.now();
    send("pointermove", 140 + 80 * Math.sin(i / 9), 140 + 90 * Math.cos(i / 7));
    inside.draw();
    for (const {canvas} of rows) canvas.getContext("2d").getImageData(0, 0, 1, 1);
    all.push(performance.now() - start);
  }
  send("pointerup", 0, 0);
  return [all, forward];
}"""


def frames() -> tuple[list[float], list[float], list[float]]:
    """-> milliseconds of each frame, of the forward pass in each, and until the page had its first answer, five times."""
    ready = []
    with browser.launched() as chromium:
        for _ in range(5):
            page = chromium.new_page(viewport={"width": 1440, "height": 900})
            page.goto(PAGE.as_uri())
            page.wait_for_function("() => window.inside?.logits", polling=5)
            ready.append(page.evaluate("performance.getEntriesByName('answered')[0].startTime"))
        return *page.evaluate(FRAMES), ready


def in_torch(repeat: int = 200) -> list[float]:
    """Milliseconds of each forward pass of one image."""
    net, image, took = recorded_net(), torch.rand(1, 1, 28, 28), []
    with torch.inference_mode():
        for _ in range(repeat):
            start = time.perf_counter()
            net(image)
            took.append(1000 * (time.perf_counter() - start))
    return took


def main() -> None:
    whole, forward, ready = frames()
    print(f"{platform.machine()}, {os.cpu_count()} cores, Chromium without GPU, torch {torch.__version__}")
    for what, times in {
        "a frame, stroke to all maps drawn": whole,
        "  of it the forward pass": forward,
        f"the same in torch, {torch.get_num_threads()} threads": in_torch(),
        "page opened to first answer": ready,
    }.items():
        tenths = statistics.quantiles(times, n=10)
        print(f"{what:<36} {statistics.median(times):7.1f} ms median   ({tenths[0]:.1f} to {tenths[-1]:.1f}, n = {len(times)})")


if __name__ == "__main__":
    main()
