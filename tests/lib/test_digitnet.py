"""DigitNet against the card's table, and its dropout against PyTorch's."""

import pytest
import torch
from torch import nn

from course.report import summary_table
from mnist_lib.model.digitnet import DigitNet, Dropout
from mnist_lib.support.paths import ROOT

CARD = (ROOT / "course/card.txt").read_text()  # the specification's own text


def cells(table: str) -> list[list[str]]:
    """The words of each row, without rules and spacing."""
    return [line.split() for line in table.splitlines() if line.strip() and set(line.strip()) - set("-=")]


def test_torchinfo_counts_the_rows_of_the_card():
    ours, theirs = cells(summary_table(DigitNet())), cells(CARD)
    assert len([row for row in theirs if "[-1," in row]) == 24
    assert ours == theirs


def test_order_inside_a_block_and_dropout_shares():
    model = DigitNet()
    shares = [layer.p for layer in model.modules() if isinstance(layer, nn.Dropout)]
    assert shares == [0.07] * 3 + [0.05] * 4
    x = torch.randn(4, 1, 28, 28)
    model.eval()
    by_hand = torch.relu(model.bn1(model.conv1(x)))
    seen = {}
    model.conv2.register_forward_hook(lambda _module, inputs, _output: seen.update(x=inputs[0]))
    assert model(x).shape == (4, 10)
    assert torch.equal(seen["x"], by_hand)  # conv -> BatchNorm -> ReLU -> dropout, which rests in eval mode


def test_widths_and_kernels_can_be_spent_otherwise():
    model = DigitNet(widths=(8, 8, 8, 8, 8, 8, 12), kernels=(5, 3, 1, 3, 3, 1, 1))
    assert model(torch.zeros(2, 1, 28, 28)).shape == (2, 10)


@pytest.mark.parametrize(
    "bad",
    [
        *({"kernels": wrong} for wrong in ((7,) * 7, (2, 3, 1, 3, 3, 3, 3), 3)),
        *({"widths": wrong} for wrong in ((0, 1, 1, 1, 1, 1, 1), (1.5,) * 7, (1,) * 6)),
        *({"dropout": wrong} for wrong in (0.1, (0.1, 1.5))),
    ],
    ids=str,
)
def test_digitnet_says_in_one_sentence_what_a_setting_must_be(bad):
    with pytest.raises(ValueError, match=r"^[^\n]+\.$"):
        DigitNet(**bad)


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
