"""The weights in records/."""

import torch

from mnist_lib.model.pretrained import recorded_epochs, recorded_net
from mnist_lib.support.paths import ROOT
from mnist_lib.widgets.payload import read


def test_recorded_epochs_answer_as_the_run_did(mnist):
    """Half precision: the answers to 1,000 test images, but for one at most; the last epoch is the recorded network."""
    epochs, net = recorded_epochs(), recorded_net()
    assert list(epochs) == [0, 1, 2, 3, 5, 10, 15, 20]
    full, kept = read(net, mnist.test_images[:1000]), torch.load(ROOT / "records/card-seed-0-epochs.pt", weights_only=True)
    halves = {name: rows[-1] for name, rows in kept["states"].items()}
    for name, values in net.state_dict().items():
        assert torch.equal(epochs[20][name], values)
        assert torch.equal(halves[name], values.half() if values.is_floating_point() else values), name
    net.load_state_dict(halves)
    assert sum(a != b for a, b in zip(read(net, mnist.test_images[:1000]), full)) <= 1
    right = []
    for epoch in (0, 1, 20):
        net.load_state_dict(epochs[epoch])
        right.append(sum(a == b for a, b in zip(read(net, mnist.test_images[:1000]), mnist.test_labels.tolist())))
    assert right[0] < 300 < 950 < right[1] < right[2]
    assert (ROOT / "records/card-seed-0-epochs.pt").stat().st_size < 300_000
