"""SGD that doesn't wait for torch's compiler. (That none is imported: tests/repo/test_install.py.)"""

import pytest
import torch

from mnist_lib.trainer.muon import MuonSGD
from mnist_lib.trainer.optimizer import SGD


@pytest.mark.parametrize(
    "settings", [{}, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}, {"fused": True, "momentum": 0.9}]
)
def test_it_is_torchs_to_the_bit(settings):
    torch.manual_seed(0)
    start, gradients = torch.randn(5, 4), torch.randn(6, 5, 4)
    ends = []
    for kind in (SGD, torch.optim.SGD):
        weight = torch.nn.Parameter(start.clone())
        optimizer = kind([{"params": [weight], "lr": 0.3}], lr=0.1, **settings)
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2)
        for step, gradient in enumerate(gradients):
            if step == 3:  # is saved, and goes on in a new one
                saved = optimizer.state_dict()
                optimizer.zero_grad()
                assert weight.grad is None
                optimizer.load_state_dict(saved)
            weight.grad = gradient.clone()
            optimizer.step()
            scheduler.step()
        ends.append((weight.detach(), optimizer.state_dict()))
    assert ends[0][0].equal(ends[1][0]) and not ends[0][0].equal(start)
    assert ends[0][1]["param_groups"] == ends[1][1]["param_groups"]


@pytest.mark.parametrize("kind", [SGD, MuonSGD])
def test_a_step_within_a_graph_is_refused(kind):
    weight = torch.nn.Parameter(torch.ones(2))
    with pytest.raises(ValueError, match=r"for differentiable=True use torch\.optim\.SGD"):
        kind([weight], lr=0.1, differentiable=True)
    assert not kind([weight], lr=0.1, differentiable=False).param_groups[0]["differentiable"]
