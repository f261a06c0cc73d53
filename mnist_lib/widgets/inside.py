"""`Inside(model)`: draw a digit, see every map of the network answer, and take any number in it apart.

Its numbers go over to the browser once; there inside.js computes and draws. What the reader draws comes back.
"""

from collections.abc import Mapping
from pathlib import Path

import anywidget
import torch
import traitlets
from torch import Tensor, nn

from mnist_lib.receptive_field.tracing import copy_of
from mnist_lib.support.paths import write_whole
from mnist_lib.transforms import MEAN, STD
from mnist_lib.widgets.bundle import HERE, script
from mnist_lib.widgets.export import SIDE, layers_of, numbers
from mnist_lib.widgets.page import about_of, heading_of, page, title_of
from mnist_lib.widgets.payload import content, read


class Inside(anywidget.AnyWidget):
    """A network to look into, on what the reader draws or chooses.

    Args:
        model: any chain of the layers that `mnist_lib.widgets.export` knows, with skips or without, for one-channel images of
            28x28 pixels. It is read as in evaluation mode, on the CPU, and left as it is.
        images, labels: test digits to choose from, uint8 or float in [0, 1] (N, 1, 28, 28), and what they are (N,).
        epochs: {epoch: state dict} of the same model, for the slider over epochs.
        unit: the unit that is taken apart first, {"layer": "conv5", "map": 0, "row": 4, "col": 4}; what is left out is map 0,
            or the middle of the map.
        mean, std: the network is shown (image - mean) / std; MNIST's figures unless told.

    Afterwards, and whenever the reader draws: `.image` is what the network is shown, float (1, 28, 28) in [0, 1]; `.logits`
    are its answers, float (10,), or None for an empty drawing; `.chosen` is the number of the chosen image, or None for a
    drawing. `.unit`, as above, `.epoch` and `.chosen` can be set as well, and the view follows.

    Raises:
        ValueError: one sentence, for a network that can't be shown (it names the layer), for wrong images, labels or epochs,
            and for a unit, epoch or image that is not there.
    """

    _esm = script()
    _css = HERE / "inside.css"
    network = traitlets.Dict().tag(sync=True)  # see payload.py
    weights = traitlets.Bytes().tag(sync=True)  # float32, one row of numbers for each epoch
    digits = traitlets.Bytes().tag(sync=True)  # uint8, 784 for each image
    unit = traitlets.Dict().tag(sync=True)
    epoch = traitlets.Int(allow_none=True, default_value=None).tag(sync=True)
    chosen = traitlets.Int(allow_none=True, default_value=None).tag(sync=True)
    shown = traitlets.CBytes().tag(sync=True)  # float32; what JavaScript fills, CBytes reads and Bytes would not
    answers = traitlets.CBytes().tag(sync=True)

    def __init__(
        self,
        model: nn.Module,
        images: Tensor | None = None,
        labels: Tensor | None = None,
        epochs: Mapping[int, Mapping[str, Tensor]] | None = None,
        unit: Mapping[str, int | str] | None = None,
        mean: float = MEAN,
        std: float = STD,
    ):
        _let_colab_show_widgets()
        network, weights, digits = content(model, images, labels, epochs, mean, std)
        super().__init__(network=network, weights=weights, digits=digits)
        self.epoch, self.chosen = network["epoch"], 0 if digits else None
        self.unit = unit or {}

    def __repr__(self) -> str:
        return f"Inside: {len(self.network['layers'])} layers, {len(self.network['labels'])} images to choose from"

    @traitlets.validate("unit")
    def _unit_there(self, proposal) -> dict:
        """The unit with its map, row and column; {}, where the view is to choose, stays as it is."""
        if not (unit := dict(proposal["value"])):
            return unit
        shapes = {layer["name"]: layer["shape"] for layer in self.network["layers"]}
        if unit.get("layer") not in shapes:
            raise ValueError(f"The network has no layer {unit.get('layer')!r}: choose one of {', '.join(shapes)}.")
        maps, rows, cols = shapes[unit["layer"]]
        unit = {"map": 0, "row": rows // 2, "col": cols // 2} | unit
        for key, count in (("map", maps), ("row", rows), ("col", cols)):
            if not 0 <= unit[key] < count:
                raise ValueError(f"{unit['layer']} has the {key}s 0 to {count - 1}: {unit[key]} is none of these.")
        return unit

    @traitlets.validate("epoch")
    def _epoch_there(self, proposal) -> int | None:
        if (epochs := self.network["epochs"]) and proposal["value"] not in epochs:
            raise ValueError(f"The epochs are {', '.join(map(str, epochs))}: {proposal['value']} is none of these.")
        return proposal["value"]

    @traitlets.validate("chosen")
    def _chosen_there(self, proposal) -> int | None:
        if proposal["value"] is not None and not 0 <= proposal["value"] < (count := len(self.network["labels"])):
            raise ValueError(f"There are {count} images to choose from: no. {proposal['value']} is none of them.")
        return proposal["value"]

    @property
    def image(self) -> Tensor:
        """What the network is shown: float (1, 28, 28) in [0, 1]; all 0 before anything is drawn."""
        return _floats(self.shown, SIDE * SIDE).reshape(1, SIDE, SIDE)

    @property
    def logits(self) -> Tensor | None:
        """The answers to `.image`, float (classes,), as the browser computed them; None while there is no ink."""
        return _floats(self.answers, 0) if self.answers else None

    def add_epoch(self, epoch: int, model: nn.Module) -> None:
        """Show the network as it is after this epoch, and give it a place on the slider. model has the layers of the first.

        Raises:
            ValueError: one sentence, for a model with other layers.
        """
        row, size = numbers(copy_of(model, "cpu", torch.float32)).numpy().astype("<f4").tobytes(), 4 * self.network["numbers"]
        shapes = [layer["shape"] for layer in self.network["layers"]]
        if shapes != [layer.shape for layer in layers_of(model)] or len(row) != size:
            raise ValueError("This network has other layers than the one that Inside was made of: give Inside one like it.")
        epochs = self.network["epochs"]
        rows = {known: self.weights[i * size : (i + 1) * size] for i, known in enumerate(epochs)} | {epoch: row}
        network = self.network | {"epochs": sorted(rows), "epoch": epoch}
        if self.digits:
            images = torch.frombuffer(bytearray(self.digits), dtype=torch.uint8).reshape(-1, 1, SIDE, SIDE)
            network["reads"] = read(model, images, network["mean"], network["std"])
        with self.hold_sync():  # one message
            self.network, self.weights = network, b"".join(rows[known] for known in sorted(rows))
            self.epoch = epoch

    def save(self, path: str | Path) -> Path:
        """Write the view as a page of its own, for any browser: one file that needs neither Python nor the internet.

        Raises:
            ValueError: the name does not end in .html.
        """
        if (path := Path(path).expanduser()).suffix not in (".html", ".htm"):
            raise ValueError(f"A page's name ends in .html, not {path.name!r}.")
        network = self.network | {"epoch": self.epoch}
        parts = {"title": title_of(network), "heading": heading_of(network), "about": about_of(network)}
        write_whole(path, page(network, self.weights, self.digits, **parts).encode())
        return path


def _floats(body: bytes, otherwise: int) -> Tensor:
    return torch.frombuffer(bytearray(body), dtype=torch.float32) if body else torch.zeros(otherwise)


def _let_colab_show_widgets() -> None:
    try:
        from google.colab import output
    except ImportError:
        return
    output.enable_custom_widget_manager()
