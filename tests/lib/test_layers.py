"""Our dropout against PyTorch's."""

import pytest
import torch
from torch import nn

from mnist_lib.model.layers import Dropout


@pytest.mark.parametrize("p", [0.05, 0.07, 0.5])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_dropout_has_the_statistics_of_pytorchs(p, memory_format, dtype):
    torch.manual_seed(0)
    x = (torch.rand(64, 16, 24, 24) + 0.5).to(dtype).contiguous(memory_format=memory_format).requires_grad_()
    out = Dropout(p)(x)
    out.sum().backward()
    kept = out != 0
    deviation = (p * (1 - p) / x.numel()) ** 0.5
    assert abs((~kept).float().mean() - p) < 4 * deviation  # the share, within chance
    reference = nn.functional.dropout(torch.ones(1000, dtype=dtype), p).max()
    assert torch.equal(out[kept], (x * reference)[kept])  # the values kept, scaled as PyTorch does
    assert torch.equal(x.grad != 0, kept)  # gradients pass where values do
    neighbours = torch.corrcoef(torch.stack([kept.flatten()[:-1].float(), kept.flatten()[1:].float()]))[0, 1]
    assert abs(neighbours) < 0.01  # one draw decides four values, each on its own
    assert abs((~kept).float().mean(dim=(0, 2, 3)) - p).max() < 5 * deviation * 16**0.5  # every channel alike


def test_dropout_rests_in_eval_mode_and_follows_the_seed():
    x = torch.rand(5, 7, 3, 3)
    assert torch.equal(Dropout(0.5).eval()(x), x)
    assert torch.equal(Dropout(0.0)(x), x)
    assert not Dropout(1.0)(x).any()
    torch.manual_seed(1)
    first = Dropout(0.5)(x)
    torch.manual_seed(1)
    assert torch.equal(Dropout(0.5)(x), first)
