"""The page without a kernel, docs/index.html, or of a reader's own run: the view of inside.js, and a network that learns."""

import copy
import re
from pathlib import Path

import torch

from course.report.course_tables import repository
from mnist_lib.data import Dataset, load
from mnist_lib.model import DigitNet
from mnist_lib.model.pretrained import recorded_epochs, recorded_net
from mnist_lib.support.paths import ROOT, committed, write_whole
from mnist_lib.trainer.recipes import FEW
from mnist_lib.trainer.variants import Separable, SeparableNet
from mnist_lib.widgets.bundle import HERE, script
from mnist_lib.widgets.page import about_of, heading_of, packed, title_of
from mnist_lib.widgets.page import page as whole
from mnist_lib.widgets.payload import content, read

PAGE = ROOT / "docs" / "index.html"
LEARNING = ROOT / "course" / "page_js"  # the modules with which the page learns
DIGITS = 1000  # the first so many test images, then all others that the network misreads
LESSONS = 2000  # the first so many training images, for the network that learns in the page
LEARNS = f"The network that learns in the page gets the first {LESSONS:,} training images, and no dropout."
START = """const { view, learning } = await open(document.getElementById("inside"), packed);
Object.assign(window, { inside: view, learning });"""


def page(dataset: Dataset) -> str:
    """The whole page as one text: the recorded network, its snapshots and test images are inside, nothing is fetched.

    Raises:
        ValueError: the dataset is not MNIST.
    """
    net, epochs = recorded_net(), recorded_epochs()
    network, *rest = shown(net, dataset, epochs)
    wrong = sum(answer != label for answer, label in zip(network["reads"], network["labels"]))
    about = (
        f"The network is the one recorded with seed 0: trained for {max(epochs)} epochs on MNIST’s 60,000 training images, it "
        f"reads {10_000 - wrong:,} of the 10,000 test images correctly. The snapshots of its training before the last are "
        f"kept in half precision. The first {DIGITS:,} test images are inside this page, and the other "
        f"{len(network['labels']) - DIGITS} that it misreads. {LEARNS} Nothing you draw leaves this page. "
        f'MNIST: LeCun, Cortes and Burges. <a href="{repository()}">Train your own and look into it</a>.'
    )
    return _page(network, *rest, dataset, about, {"few": _few(dataset, network["places"])})


def few_net() -> SeparableNet:
    """The network of the recorded run of `few` with seed 0, in evaluation mode."""
    steps = next(ingredient.steps for ingredient in FEW.ingredients if isinstance(ingredient, Separable))
    net = SeparableNet(steps)
    net.load_state_dict(torch.load(committed("records/few-seed-0.pt"), weights_only=True, map_location="cpu"))
    return net.eval()


def _few(dataset: Dataset, places: list[int]) -> dict:
    """The network with fewer numbers, for the same digits: its layers are named as the card's are."""
    net = few_net()
    network, weights, _ = content(net, dataset.test_images[places], dataset.test_labels[places])
    block = 0
    for layer in network["layers"]:
        kind = layer["name"].rsplit(".")[-1]
        block += kind in ("0", "depth", "answer")
        layer["name"] = {"0": "conv", "1": "pool", "answer": "conv"}.get(kind, kind) + (str(block) if kind != "mean" else "")
    right = sum(answer == label for answer, label in zip(read(net, dataset.test_images), dataset.test_labels.tolist()))
    about = (
        f"This is the network recorded with seed 0 of the recipe <i>few</i>, {network['parameters']:,} numbers: each of its "
        "convolutions but the first and the last takes two steps, 3×3 for each map by itself (depth), then 1×1 over all maps "
        f"(point). Trained on MNIST’s 60,000 training images, it reads {right:,} of the 10,000 test images correctly. The "
        "digits inside this page are those of the larger network. Nothing you draw leaves this page. MNIST: LeCun, Cortes and "
        f'Burges. <a href="{repository()}">Train your own and look into it</a>.'
    )
    named = {"title": title_of(network), "heading": heading_of(network), "about": about}
    return {"network": network | {"places": places}, "weights": packed(weights)} | named


def save_run(path: Path | str, out: Path | str, dataset: Dataset | None = None) -> Path:
    """Write a page of a run's own network: path is its model.pt; the dataset is MNIST, loaded unless given.

    Raises:
        ValueError: one sentence, where the file holds no weights of a DigitNet, or the dataset is not MNIST.
    """
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
        widths, kernels = zip(*(state[f"conv{i}.weight"].shape[::2] for i in range(1, 8)))
        net = DigitNet(widths=widths, kernels=kernels)
        net.load_state_dict(state)
    except FileNotFoundError:
        raise ValueError(f"There is no {path}: train first, or give the path of a run's model.pt.") from None
    except Exception:  # whatever the bytes are; nothing of them is executed
        raise ValueError(f"{path} holds no weights of a DigitNet: give the model.pt that a run has written.") from None
    dataset = dataset or load("MNIST")
    network, *rest = shown(net.eval(), dataset)
    wrong = sum(answer != label for answer, label in zip(network["reads"], network["labels"]))
    about = about_of(network | {"labels": []}).replace("Nothing you draw", f"{LEARNS} Nothing you draw")
    about = f"It reads {10_000 - wrong:,} of MNIST’s 10,000 test images correctly. {about} MNIST: LeCun, Cortes and Burges."
    write_whole(Path(out), _page(network, *rest, dataset, about).encode())
    return Path(out)


def page_of_run(path: Path, out: Path) -> None:
    """save_run, and where it is."""
    print(f"Open {save_run(path, out)} in a browser, or send it to a friend: it is one file.")


def shown(net: DigitNet, dataset: Dataset, epochs: dict | None = None) -> tuple[dict, bytes, bytes]:
    """The payload of a network with the test images that its page shows."""
    if dataset.name != "MNIST":
        raise ValueError(f"The page shows MNIST's test images, not those of {dataset.name!r}: set MNIST_LIB_DATA.")
    labels = dataset.test_labels
    wrong = [i for i, answer in enumerate(read(net, dataset.test_images)) if answer != labels[i]]
    places = [*range(DIGITS), *(i for i in wrong if i >= DIGITS)]
    network, weights, digits = content(net, dataset.test_images[places], labels[places], epochs)
    return network | {"places": places, "right": _right(net, dataset, epochs or {})}, weights, digits


def _right(net: DigitNet, dataset: Dataset, epochs: dict) -> list[dict[str, int]]:
    """How many of the first test images the network read correctly after each epoch; the slider says it."""
    twin, told = copy.deepcopy(net), []
    for epoch in sorted(epochs):
        twin.load_state_dict(epochs[epoch])
        answers = torch.tensor(read(twin, dataset.test_images[:DIGITS]))
        told.append({"right": int((answers == dataset.test_labels[:DIGITS]).sum()), "of": DIGITS})
    return told


def write_page(dataset: Dataset | None = None) -> Path:
    """Write docs/index.html; the dataset is MNIST, loaded unless given."""
    write_whole(PAGE, page(dataset or load("MNIST")).encode())
    return PAGE


def _page(network: dict, weights: bytes, digits: bytes, dataset: Dataset, about: str, others: dict | None = None) -> str:
    """A page with all that it needs to learn. others: networks to show in place of the first, by the name in the address."""
    images, labels = dataset.train_images[:LESSONS], dataset.train_labels[:LESSONS].tolist()
    lessons = {"images": packed(images.contiguous().numpy().tobytes()), "labels": labels, "test": DIGITS}
    parts = {"title": title_of(network), "heading": heading_of(network), "about": about, "start": START}
    parts |= {"css": "".join(file.read_text() for file in (HERE / "inside.css", LEARNING / "page.css"))}
    # What the workers run is text in the page: a file of its own could not be opened from a page that is a file
    worker = re.sub(r"^export ", "", script(LEARNING / "worker.js"), flags=re.MULTILINE)
    parts |= {"js": script(LEARNING / "page.js"), "scripts": f'<script type="text/plain" id="worker">\n{worker}</script>\n'}
    parts |= {"head": f'<meta property="og:image" content="{repository()}/raw/main/figures/inside-light.png">'}
    return whole(network, weights, digits, more={"training": lessons} | ({"others": others} if others else {}), **parts)
