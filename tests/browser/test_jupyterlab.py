"""JupyterLab in a real browser: a notebook runs, and a slider moved by keyboard changes its picture."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import ipywidgets
import nbformat
import pytest

from course import browser
from mnist_lib.support.paths import ROOT
from tests.browser.opening import SEVEN, stroke

RUN_ALL = """async () => {
  const app = window.jupyterapp, context = app.shell.currentWidget.sessionContext;
  await context.ready;
  while (context.session?.kernel?.connectionStatus !== "connected" || context.session.kernel.status !== "idle")
    await new Promise(done => setTimeout(done, 100));
  return await app.commands.execute("notebook:run-all-cells");
}"""
TOKEN = "a-token-for-this-test"
# a notebook of a reader's own: what notebook 03's sliders need, the widget, and what its drawing is to torch
BEFORE = """import sys; sys.path.insert(0, "..")
from ipywidgets import ToggleButtons
from mnist_lib import plots
from mnist_lib.model.pretrained import recorded_net
from mnist_lib.data import load
from mnist_lib.trainer.evaluation import logits
from mnist_lib.transforms import AffineParams, apply
from mnist_lib.widgets import Inside, explorer, slider
from mnist_lib.model.pretrained import recorded_epochs
dataset, net = load("digits"), recorded_net()
images, labels = dataset.test_images / 255, dataset.test_labels"""
INSIDE = """inside = Inside(net, epochs=recorded_epochs())
inside"""
READ = """import torch
from mnist_lib.model.pretrained import recorded_net
from mnist_lib.transforms import normalise
_net = recorded_net()
with torch.no_grad():
    _logits = _net(normalise(inside.image[None]))[0]
_far = float((_logits - inside.logits).abs().max())
print("torch", int(_logits.argmax()), tuple(inside.image.shape), inside.epoch, inside.unit["layer"], _far < 0.01)"""
ADD_AND_RUN = """async (code) => {
  const {shell, commands} = window.jupyterapp, {content, sessionContext} = shell.currentWidget;
  for (let i = 0; i < 600 && sessionContext.session.kernel.status !== "idle"; i++)
    await new Promise(done => setTimeout(done, 50));
  content.activeCellIndex = content.widgets.length - 1;
  await commands.execute("notebook:insert-cell-below");
  content.activeCell.model.sharedModel.setSource(code);
  const cell = content.activeCell;
  await commands.execute("notebook:run-cell");
  return cell.outputArea.node.textContent;
}"""

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """JupyterLab on 127.0.0.1 over a copy of the notebooks, with its own settings; the page of a browser on it."""
    pytest.importorskip("playwright.sync_api")
    place = tmp_path_factory.mktemp("lab")
    shutil.copytree(ROOT / "mnist_lib", place / "mnist_lib")
    shutil.copytree(ROOT / "records", place / "records")
    shutil.copy(ROOT / "pyproject.toml", place)  # which tells a clone from an installed package
    (place / "notebooks").mkdir()
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        text = path.read_text().replace('DATA = \\"auto\\"', 'DATA = \\"digits\\"')  # what is tested is the page
        (place / "notebooks" / path.name).write_text(text)
    augmentation = nbformat.read(ROOT / "notebooks/03_augmentation.ipynb", as_version=4)
    [sliders] = [cell.source for cell in augmentation.cells if "explorer(\n" in cell.source]
    own = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in (BEFORE, sliders, INSIDE)])
    own.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}  # else the page asks
    nbformat.write(own, place / "notebooks" / "own.ipynb")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = {f"JUPYTER{name}_DIR": str(place / name) for name in ("LAB_SETTINGS", "LAB_WORKSPACES", "_CONFIG", "_RUNTIME")}
    env = os.environ | own | {"MNIST_LIB_FAST": "1", "MNIST_LIB_OUT": str(place / "out")}
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}"]
    command += [f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={place}", "--LabApp.expose_app_in_browser=True"]
    with open(place / "log", "w") as log, subprocess.Popen(command, env=env, stdout=log, stderr=log, cwd=place) as server:
        try:
            address = f"http://127.0.0.1:{port}"
            for _ in range(200):
                try:
                    urllib.request.urlopen(f"{address}/api?token={TOKEN}", timeout=1)
                    break
                except OSError:
                    time.sleep(0.2)
            else:
                pytest.fail(f"JupyterLab did not start: {(place / 'log').read_text()}")
            with browser.launched() as chromium:
                yield chromium.new_page(viewport={"width": 1300, "height": 1000}), address
        finally:
            server.terminate()


def a_slider_changes_the_picture(page) -> None:
    """The angle's, moved by keyboard."""
    page.evaluate("() => document.querySelector('.widget-slider, .jupyter-widgets').scrollIntoView()")
    picture = page.locator("img.widget-image, .widget-image img, img.jupyter-widgets").first
    before = picture.get_attribute("src")
    handle = page.locator(".widget-hslider .noUi-handle").nth(1)  # the angle
    handle.focus()
    for _ in range(20):
        handle.press("ArrowRight")
    page.wait_for_function("before => document.querySelector('img.widget-image').src !== before", arg=before, timeout=20_000)


def strokes_come_back(page) -> None:
    """A 7 drawn by the mouse on the widget: the next cell reads it, and torch gives the same answer."""
    pad = page.locator(".in-pad")
    pad.wait_for(timeout=60_000)
    stroke(page, at_rest(page, pad), SEVEN)
    page.wait_for_function("() => document.querySelector('.in-verdict b')?.textContent === '7'")
    page.wait_for_timeout(500)  # what is drawn is told to the kernel a moment later
    assert "torch 7 (1, 28, 28) 20 conv4 True" in page.evaluate(ADD_AND_RUN, READ)


def at_rest(page, pad) -> dict:
    """Where the pad lies in the window, once the outputs above it have come and it moves no more."""
    boxes = []
    for _ in range(60):
        pad.evaluate("node => node.scrollIntoView({block: 'center'})")
        page.wait_for_timeout(500)
        boxes.append(pad.bounding_box())
        if boxes[-3:] == 3 * [boxes[-1]]:
            return boxes[-1]
    raise AssertionError(f"the page does not come to rest: {boxes[-3:]}")


def opened(lab, name: str):
    page, address = lab
    page.goto(f"{address}/lab/tree/notebooks/{name}.ipynb?reset&token={TOKEN}")
    page.wait_for_function("window.jupyterapp?.shell.currentWidget?.sessionContext !== undefined", timeout=60_000)
    assert page.evaluate(RUN_ALL)
    return page


@pytest.fixture(scope="module")
def own(lab):
    """The reader's own notebook, run: two tests share its kernel."""
    return opened(lab, "own")


with_sliders = pytest.mark.skipif(
    ipywidgets.__version__.startswith("7."), reason="ipywidgets 7 is Colab's; JupyterLab 4 draws those of 8 and later"
)


@with_sliders
def test_a_slider_moved_by_keyboard_changes_the_picture(own):
    """Notebook 03's."""
    a_slider_changes_the_picture(own)


def test_what_is_drawn_comes_back_to_the_kernel(own):
    """And what the kernel chooses is shown, in a view that is made later too."""
    strokes_come_back(own)
    chosen = 'inside.unit = {"layer": "conv6", "map": 2, "row": 1, "col": 3}; inside.epoch = 3; inside'
    own.evaluate(ADD_AND_RUN, chosen)
    for i in range(2):  # the view of before, and a new one
        own.locator(".in-panel").nth(i).get_by_text("conv6, map 2, row 1, column 3 is").wait_for()
        assert own.locator(".in-epochs output").nth(i).text_content() == "after 3 epochs"
    own.wait_for_timeout(500)
    drawn = "print(int(inside.image.gt(0.5).sum()) > 20, inside.chosen)"
    assert "True None" in own.evaluate(ADD_AND_RUN, drawn)  # the new view's empty pad took nothing away


WATCHED = """from mnist_lib.model import DigitNet
watched = Inside(DigitNet())
watched"""
TRAINED = """from mnist_lib.trainer import TrainConfig, train
from mnist_lib.widgets import Following
_run = train(TrainConfig(epochs=2), dataset.head(256, 50), [Following(watched)])
print(len(_run.history), watched.network["epochs"])"""


def test_a_run_is_followed_in_the_view(own):
    """The maps are those of the run's last epoch, and the slider has one place an epoch."""
    own.evaluate(ADD_AND_RUN, WATCHED)
    view = own.locator(".inside").last
    view.locator(".in-pad").wait_for()
    view.locator(".in-epochs").wait_for(state="hidden")  # no epoch yet
    assert "2 [0, 1, 2]" in own.evaluate(ADD_AND_RUN, TRAINED)
    view.get_by_text("after 2 epochs").wait_for()
    assert view.locator(".in-epochs input").get_attribute("max") == "2"
    view.locator(".in-epochs input").fill("0")
    view.get_by_text("before any training").wait_for()


@pytest.mark.nightly  # by day, its sliders alone are moved in the same way, and nbval runs the notebook
@with_sliders
def test_notebook_03_runs_and_its_sliders_change_the_picture(lab):
    a_slider_changes_the_picture(opened(lab, "03_augmentation"))


@pytest.mark.nightly  # by day, the widget alone is drawn on in the same way, and nbval runs the notebook
def test_notebook_05_runs_and_gives_back_what_is_drawn(lab):
    strokes_come_back(opened(lab, "05_inside"))
