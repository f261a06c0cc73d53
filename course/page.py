"""The page without a kernel, docs/index.html, and the film of it: the view of inside.js on the recorded network."""

import base64
import json
import tomllib
import zlib
from pathlib import Path
from string import Template

from mnist_lib.data import Dataset, load
from mnist_lib.model.pretrained import recorded_epochs, recorded_net
from mnist_lib.support.paths import ROOT, write_whole
from mnist_lib.widgets.bundle import HERE, script
from mnist_lib.widgets.payload import content, read

PAGE = ROOT / "docs" / "index.html"
LEARNING = ROOT / "course" / "page_js"  # the modules with which the page learns
DIGITS = 1000  # the first so many test images, then all others that the network reads wrong


def page(dataset: Dataset) -> str:
    """The whole page as one text: the recorded network, its snapshots and test images are inside, nothing is fetched.

    Raises:
        ValueError: the dataset is not MNIST.
    """
    if dataset.name != "MNIST":
        raise ValueError(f"The page shows MNIST's test images, not those of {dataset.name!r}: set MNIST_LIB_DATA.")
    net = recorded_net()
    labels = dataset.test_labels
    wrong = [i for i, answer in enumerate(read(net, dataset.test_images)) if answer != labels[i]]
    places = [*range(DIGITS), *(i for i in wrong if i >= DIGITS)]
    epochs = recorded_epochs()
    network, weights, digits = content(net, dataset.test_images[places], labels[places], epochs)
    network["places"] = places
    packed = {"network": network, "weights": _packed(weights), "digits": _packed(digits)}
    home = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Repository"]
    about = (
        f"The network is the one recorded with seed 0: trained for {max(epochs)} epochs on MNIST’s 60,000 training images, it "
        f"reads {10_000 - len(wrong):,} of the 10,000 test images right. The snapshots of its training before the last are "
        f"kept in half precision. The first {DIGITS:,} test images are inside this page, and the other {len(places) - DIGITS} "
        f"that it reads wrong. Nothing you draw leaves this page. MNIST: LeCun, Cortes and Burges. "
        f'<a href="{home}">Train your own and look into it</a>.'
    )
    parts = {"css": (HERE / "inside.css").read_text(), "js": script(), "about": about}
    text = json.dumps(packed, separators=(",", ":")).replace("<", "\\u003c")
    return Template((HERE / "page.html").read_text()).substitute(parts, content=text, parameters=f"{network['parameters']:,}")


def write_page(dataset: Dataset | None = None) -> Path:
    """Write docs/index.html; the dataset is MNIST, loaded unless given."""
    write_whole(PAGE, page(dataset or load("MNIST")).encode())
    return PAGE


def _packed(body: bytes) -> str:
    return base64.b64encode(zlib.compress(body, 9)).decode()
