"""Muon against a singular value decomposition, and against PyTorch's own."""

import pytest
import torch
from torch import nn

from mnist_lib.trainer.muon import MuonSGD, orthogonal


def test_orthogonal_keeps_the_singular_vectors_and_levels_the_values():
    torch.manual_seed(0)
    parts = [torch.linalg.svd(torch.randn(shape).double(), full_matrices=False) for shape in ((16, 144), (16, 9), (5, 5))]
    spread = [torch.linspace(1, 0.1, len(values)).double() for _, values, _ in parts]
    out = orthogonal([u @ values.diag() @ v for values, (u, _, v) in zip(spread, parts)])
    for matrix, (u, _, v) in zip(out, parts, strict=True):
        inside = u.mT @ matrix @ v.mT  # diagonal, if the vectors are the same
        levels = inside.diagonal()
        assert torch.allclose(inside, levels.diag(), atol=1e-9)
        assert ((levels > 0.6) & (levels < 1.3)).all()


def steps(weight: torch.Tensor, gradients: torch.Tensor, optimizer_of) -> torch.Tensor:
    weight = nn.Parameter(weight.clone())
    optimizer = optimizer_of(weight)
    for gradient in gradients:
        weight.grad = gradient.clone()
        optimizer.step()
    return weight.detach()


def ours(weight: nn.Parameter) -> MuonSGD:
    return MuonSGD([{"params": [weight], "muon": True}], lr=0.1, momentum=0.6, nesterov=True, weight_decay=0)


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="torch.optim.Muon came with torch 2.9")
@pytest.mark.parametrize("shape", [(16, 10, 3, 3), (32, 1, 3, 3)])  # wide and tall as matrices
def test_a_convolution_steps_as_pytorchs_muon_steps_a_matrix(shape):
    torch.manual_seed(0)
    weight, gradients = torch.randn(shape), torch.randn(4, *shape)
    moved = steps(weight, gradients, ours) - weight
    theirs = steps(
        weight.flatten(1),
        gradients.flatten(2),
        lambda p: torch.optim.Muon([p], lr=0.1, momentum=0.6, nesterov=True, weight_decay=0),
    )
    expected = theirs.view(shape) - weight
    assert (moved - expected).norm() < 0.03 * expected.norm()  # theirs computes in bfloat16


def test_other_groups_are_plain_sgds_and_a_frozen_weight_stays():
    torch.manual_seed(0)
    settings = {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-2}
    start, gradient = torch.randn(5), torch.randn(5)
    ours, plain, frozen = (nn.Parameter(start.clone()) for _ in range(3))
    conv = nn.Parameter(torch.randn(4, 2, 3, 3))
    optimizers = (
        MuonSGD([{"params": [ours]}, {"params": [conv, frozen], "muon": True}], **settings),
        torch.optim.SGD([plain], **settings),
    )
    for _ in range(3):
        ours.grad, plain.grad, conv.grad = gradient.clone(), gradient.clone(), torch.randn_like(conv)
        for optimizer in optimizers:
            optimizer.step()
    assert torch.allclose(ours, plain) and torch.equal(frozen, start)


def test_orthogonal_and_step_leave_zero_gradients_at_zero():
    """As a filter has whose map is 0 for every image; 0 / 0 would be no number."""
    weight = nn.Parameter(torch.randn(4, 2, 3, 3))
    before, optimizer = weight.detach().clone(), ours(weight)
    for _ in range(3):
        weight.grad = torch.zeros_like(weight)
        optimizer.step()
    assert torch.equal(weight, before)
    assert not orthogonal([torch.zeros(4, 18)])[0].any()
