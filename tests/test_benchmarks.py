"""The benchmarks run, and what they compare is comparable. What they measure is no test."""

import torch
from conftest import NIGHT

from benchmarks import speed
from benchmarks.classic import Classic, network
from mnist_lib.model import DigitNet


def test_the_classic_network_is_the_cards():
    torch.manual_seed(0)
    classic, ours = network().eval(), DigitNet().eval()
    values = list(ours.state_dict().values())
    classic.load_state_dict(dict(zip(classic.state_dict(), values, strict=True)))
    x = torch.randn(3, 1, 28, 28)
    assert torch.allclose(classic(x), ours(x), atol=1e-5)


def test_every_rung_trains(digits):
    torch.manual_seed(0)
    small = digits.head(64, 20)
    for name, way in list(speed.ladder(small, workers=0).items())[:: 1 if NIGHT else 2]:
        if name != "compiled":  # its parts are tested in test_engine
            losses = [loss.item() for _ in range(10) for loss in speed.epoch(way)]
            assert sum(losses[-3:]) < 0.95 * sum(losses[:3]), name
            assert speed.stretch_seconds(way, 4, skip=1) > 0  # more steps than an epoch has


def test_a_profile_tells_where_most_of_the_time_goes(digits):
    took = speed.profiled(Classic(digits.head(300, 100), 0), steps=4, warm_up=2)
    assert {"making images", "convolution", "BatchNorm", "dropout", "ReLU", "pooling", "the rest"} == set(took)
    assert took["the rest"] < 0.5 * sum(took.values())
