"""Networks of other shapes: counted by hand, computed by plain convolutions, their fields measured."""

import pytest
import torch
import torch.nn.functional as F

from mnist_lib.model import DigitNet
from mnist_lib.receptive_field import measure_field, receptive_fields
from mnist_lib.studies.catalogue import EVEN
from mnist_lib.trainer.ingredients import Settle
from mnist_lib.trainer.variants import NoBatchNorm, Repeated, Separable, SeparableConv2d, SeparableNet


@pytest.mark.parametrize(("name", "steps"), EVEN.items())
def test_separable_net_has_the_numbers_that_its_name_says(name, steps):
    first, *others = (int(step.split()[1]) for step in steps)
    widths = [first, *others]
    numbers = 9 * first + 2 * first  # the convolution; scale and shift of its BatchNorm
    numbers += sum(9 * before + before * after + 2 * after for before, after in zip(widths, others))
    assert numbers + 10 * widths[-1] + 10 == int(name)
    assert sum(p.numel() for p in SeparableNet(steps).parameters()) == int(name)


def test_separable_conv_is_a_convolution_of_products():
    layer, x = SeparableConv2d(3, 5), torch.randn(2, 3, 9, 9)
    dense = layer.point.weight * layer.depth.weight.view(1, 3, 3, 3)  # (5, 3, 1, 1) times a filter for each map below
    assert torch.allclose(layer(x), F.conv2d(x, dense), atol=1e-5)


def test_repeated_shares_its_weights_and_not_its_norms():
    layer, x = Repeated(4, 3).eval(), torch.randn(2, 4, 6, 6)
    expected = x
    for norm in layer.norms:
        expected = expected + norm(layer.separable(expected)).relu()
    assert torch.allclose(layer(x), expected)
    assert sum(p.numel() for p in layer.parameters()) == 4 * 9 + 4 * 4 + 3 * 2 * 4


@pytest.mark.parametrize("steps", [EVEN["994"], ("conv 4", "sep5 6 pooled", "again 2")], ids=["even", "repeated"])
def test_separable_nets_fields_are_measured(steps):
    torch.manual_seed(0)
    net = SeparableNet(steps).eval()
    fields = receptive_fields(net, (28, 28))
    assert net(torch.zeros(3, 1, 28, 28)).shape == (3, 10)
    for name in ("steps.0", "steps.4", next(reversed([field.name for field in fields if field.name.startswith("steps")]))):
        field = fields[name]
        unit = tuple(size // 2 for size in field.output_size)
        top, left, bottom, right = field.box(*unit)
        seen = measure_field(net, name, unit, (28, 28)).nonzero()
        assert [*seen.amin(0).tolist(), *seen.amax(0).tolist()] == [max(0, top), max(0, left), min(27, bottom), min(27, right)]


@pytest.mark.parametrize("step", ["conv", "conv x", "pool", "sep 8 pulled", "sep -3", "conv 8 pooled pooled"])
def test_separable_says_what_a_step_is_like(step):
    with pytest.raises(ValueError, match=r'^A step is like "conv 8"[^\n]+\.$'):
        Separable((step,))


def test_separable_comes_first_of_the_ingredients():
    assert isinstance(Separable(EVEN["678"]).network(DigitNet()), SeparableNet)
    assert Settle(0.3).network(DigitNet())  # which changes nothing
    with pytest.raises(ValueError, match=r"^Separable makes a new network, [^\n]+\.$"):
        Separable(EVEN["678"]).network(NoBatchNorm().network(DigitNet()))
