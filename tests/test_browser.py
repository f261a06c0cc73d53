"""JupyterLab in a real browser: a notebook runs, and a slider moved by keyboard changes its picture."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from mnist_lib.files import ROOT

CHROMIUM = next((path for name in ("chromium", "google-chrome", "chromium-browser") if (path := shutil.which(name))), None)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"]
RUN_ALL = """async () => {
  const app = window.jupyterapp, context = app.shell.currentWidget.sessionContext;
  await context.ready;
  while (context.session?.kernel?.connectionStatus !== "connected" || context.session.kernel.status !== "idle")
    await new Promise(done => setTimeout(done, 100));
  return await app.commands.execute("notebook:run-all-cells");
}"""
TOKEN = "a-token-for-this-test"

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs a browser: install chromium or google-chrome")


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """JupyterLab on 127.0.0.1 over a copy of the notebooks, with its own settings; the page of a browser on it."""
    playwright = pytest.importorskip("playwright.sync_api")
    place = tmp_path_factory.mktemp("lab")
    shutil.copytree(ROOT / "mnist_lib", place / "mnist_lib")
    shutil.copytree(ROOT / "records", place / "records")
    (place / "notebooks").mkdir()
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        text = path.read_text().replace('DATA = \\"auto\\"', 'DATA = \\"digits\\"')  # what is tested is the page
        (place / "notebooks" / path.name).write_text(text)
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
            with playwright.sync_playwright() as driver:
                browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
                yield browser.new_page(viewport={"width": 1300, "height": 1000}), address
                browser.close()
        finally:
            server.terminate()


def test_a_slider_moved_by_keyboard_changes_the_picture(lab):
    page, address = lab
    page.goto(f"{address}/lab/tree/notebooks/03_augmentation.ipynb?reset&token={TOKEN}")
    page.wait_for_function("window.jupyterapp?.shell.currentWidget?.sessionContext !== undefined", timeout=60_000)
    assert page.evaluate(RUN_ALL)
    page.evaluate("() => document.querySelector('.widget-slider, .jupyter-widgets').scrollIntoView()")
    picture = page.locator("img.widget-image, .widget-image img, img.jupyter-widgets").first
    before = picture.get_attribute("src")
    handle = page.locator(".widget-hslider .noUi-handle").nth(1)  # the angle
    handle.focus()
    for _ in range(20):
        handle.press("ArrowRight")
    page.wait_for_function("before => document.querySelector('img.widget-image').src !== before", arg=before, timeout=20_000)
