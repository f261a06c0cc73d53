"""DigitNet against the card's table."""

import pytest
import torch
from torch import nn

from course.report.course_tables import summary_table
from mnist_lib.model.digitnet import DigitNet
from mnist_lib.support.paths import ROOT

CARD = (ROOT / "course/card.txt").read_text()  # the specification's own text


def cells(table: str) -> list[list[str]]:
    """The words of each row, without rules and spacing."""
    return [line.split() for line in table.splitlines() if line.strip() and set(line.strip()) - set("-=")]


def test_digitnet_has_the_rows_of_the_card_by_torchinfo():
    ours, theirs = cells(summary_table(DigitNet())), cells(CARD)
    assert len([row for row in theirs if "[-1," in row]) == 24
    assert ours == theirs


def test_digitnet_has_the_cards_order_in_a_block_and_dropout_shares():
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


def test_digitnet_takes_other_widths_and_kernels():
    model = DigitNet(widths=(8, 8, 8, 8, 8, 8, 12), kernels=(5, 3, 1, 3, 3, 1, 1))
    assert model(torch.zeros(2, 1, 28, 28)).shape == (2, 10)


@pytest.mark.parametrize(
    "bad",
    [
        *({"kernels": wrong} for wrong in ((7,) * 7, (2, 3, 1, 3, 3, 3, 3), 3)),
        *({"widths": (0, 1, 1, 1, 1, 1, 1)}, {"dropout": (0.1, 1.5)}),
    ],
    ids=str,
)
def test_digitnet_says_in_one_sentence_what_a_setting_must_be(bad):
    with pytest.raises(ValueError, match=r"^[^\n]+\.$"):
        DigitNet(**bad)


def test_an_image_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"^DigitNet takes normalised images \(N, 1, 28, 28\), not float32 [^\n]+\.$"):
        DigitNet().eval()(torch.zeros(1, 1, 280, 280))


def test_kernels_of_one_pixel_leave_conv7s_size():
    """Its padding goes with its kernel: all that is padded is looked at."""
    net = DigitNet(kernels=(3, 3, 1, 3, 3, 3, 1)).eval()
    assert net.conv7.padding == (0, 0) and net.gap.kernel_size == 6
    maps = []
    net.conv7.register_forward_hook(lambda module, inputs, output: maps.append(output))
    assert net(torch.zeros(2, 1, 28, 28)).shape == (2, 10) and maps[0].shape == (2, 16, 6, 6)
