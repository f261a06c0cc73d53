"""What goes over to the view: the network, its weights and images, as bytes."""

import json

import torch

from mnist_lib.model import DigitNet
from mnist_lib.model.pretrained import recorded_epochs
from mnist_lib.widgets.export import layers_of, numbers
from mnist_lib.widgets.payload import content


def test_content_rounds_images_from_floats():
    ramp = torch.arange(256, dtype=torch.uint8).repeat(4)[:784].view(1, 1, 28, 28)
    for beside in (-0.4, 0, 0.4):
        _, _, digits = content(DigitNet(), ((ramp.float() + beside) / 255).clamp(0, 1))
        assert digits == ramp.numpy().tobytes()


def test_content_puts_epochs_in_their_order():
    first, last = DigitNet(), DigitNet()
    network, weights, _ = content(last, epochs={7: last.state_dict(), 0: first.state_dict()})
    assert network["epochs"] == [0, 7] and network["epoch"] == 7
    assert weights == b"".join(numbers(model).numpy().astype("<f4").tobytes() for model in (first, last))


def test_content_holds_weights_and_epochs_once_as_bytes():
    network, weights, digits = content(DigitNet(), epochs=recorded_epochs())
    assert network["epochs"] == [0, 1, 2, 3, 5, 10, 15, 20] and network["epoch"] == 20
    assert len(weights) == 8 * 4 * network["numbers"] and digits == b"" and network["parameters"] == 13_960
    json.dumps(network)  # plain values only
    assert [layer.name for layer in layers_of(DigitNet())][:2] == ["conv1", "conv2"]
