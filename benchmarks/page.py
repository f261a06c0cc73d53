"""How long the page takes to learn to read 97 of 100 test digits, how responsive it stays meanwhile, and torch beside it.

python -m benchmarks.page    # about 2 minutes; leave the machine alone meanwhile
"""

import os
import platform
import time

import torch
import torch.nn.functional as F

from course import browser
from course.page import DIGITS, LESSONS, PAGE
from mnist_lib.data import load
from mnist_lib.model import DigitNet
from mnist_lib.transforms import Augment, normalise

STEPS, BATCH, GOAL = 500, 32, 0.97

FRAMES = """() => { window.frames_ = []; const draw = inside.draw;
  inside.draw = function () { const start = performance.now(); draw.call(this); frames_.push(performance.now() - start); }; }"""


def in_page() -> tuple[list[tuple[float, int, float]], list[float]]:
    """-> (seconds, step, accuracy) whenever it was tested; milliseconds of each frame that was drawn while it learned."""
    with browser.launched() as chromium:
        page = chromium.new_page(viewport={"width": 1440, "height": 900})
        page.goto(PAGE.as_uri())
        page.wait_for_function("() => window.learning")
        page.evaluate(FRAMES)
        page.get_by_role("button", name="Start from nothing").click()
        page.wait_for_function("() => learning.state === 'over' && learning.waiting === null", timeout=600_000, polling=500)
        told = page.evaluate("learning.judged.map(({seconds, step, accuracy}) => [seconds, step, accuracy])")
        return [tuple(one) for one in told], page.evaluate("frames_")


def in_torch(every: int = 25) -> list[tuple[float, int, float]]:
    """The same training, without the time that testing takes."""
    data, took, told = load("MNIST"), 0.0, []
    images, labels = data.train_images[:LESSONS].float() / 255, data.train_labels[:LESSONS]
    tests, right = normalise(data.test_images[:DIGITS]), data.test_labels[:DIGITS]
    torch.manual_seed(1)
    model, augment = DigitNet(dropout=(0, 0)), Augment(brightness=0, contrast=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 0.1, total_steps=STEPS, pct_start=0.4, div_factor=10, final_div_factor=100, cycle_momentum=False
    )
    order = torch.cat([torch.randperm(LESSONS) for _ in range(STEPS * BATCH // LESSONS + 1)])
    for step in range(1, STEPS + 1):
        start = time.perf_counter()
        some = order[(step - 1) * BATCH : step * BATCH]
        model.train()
        optimizer.zero_grad()
        F.cross_entropy(model(normalise(augment(images[some]))), labels[some]).backward()
        optimizer.step()
        if step < STEPS:
            schedule.step()
        took += time.perf_counter() - start
        if step % every == 0:
            model.eval()
            with torch.inference_mode():
                told.append((took, step, float(model(tests).argmax(1).eq(right).float().mean())))
    return told


def main() -> None:
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, torch {torch.__version__}")
    page, frames = in_page()
    for name, told in (("the page in Chromium", page), (f"torch, {torch.get_num_threads()} threads", in_torch())):
        reached = next((f"{s:.0f} s, step {step}" for s, step, accuracy in told if accuracy >= GOAL), "not reached")
        print(f"{name:<24} {GOAL:.0%}: {reached}; {told[-1][2]:.1%} after {told[-1][1]} steps, {told[-1][0]:.0f} s")
    frames.sort()
    print(
        f"a frame while it learns: {frames[len(frames) // 2]:.1f} ms median, {frames[int(0.95 * len(frames))]:.1f} ms for 95 %"
    )


if __name__ == "__main__":
    main()
