"""The recorded network of seed 0, and its weights on the way there."""

import torch
from torch import Tensor

from mnist_lib.model.digitnet import DigitNet
from mnist_lib.support.paths import committed


def recorded_net() -> DigitNet:
    """The network of the recorded run with seed 0, trained for 20 epochs on all of MNIST, in evaluation mode.

    Raises:
        FileNotFoundError: one sentence, where the package was installed without its clone.
    """
    model = DigitNet()
    weights = committed("records/card-seed-0.pt")
    model.load_state_dict(torch.load(weights, weights_only=True, map_location="cpu"))
    return model.eval()


def recorded_epochs() -> dict[int, dict[str, Tensor]]:
    """{epoch: state dict}: the first weights (0) and those after epochs 1, 2, 3, 5, 10, 15 and 20 of the run with seed 0.

    They are kept in half precision and read as float32; the last ones are `recorded_net`'s, in full. Raises what it raises.
    """
    kept = torch.load(committed("records/card-seed-0-epochs.pt"), weights_only=True, map_location="cpu")
    states = {name: rows.float() if rows.is_floating_point() else rows for name, rows in kept["states"].items()}
    epochs = {epoch: {name: rows[i] for name, rows in states.items()} for i, epoch in enumerate(kept["epochs"])}
    return epochs | {max(epochs): recorded_net().state_dict()}
