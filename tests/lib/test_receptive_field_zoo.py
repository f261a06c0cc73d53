"""torchvision's networks: the formula against both witnesses, and against published tables. No weights are downloaded."""

import pytest
import torch
from torch import nn

from mnist_lib.receptive_field import UnknownLayer, measure_field, receptive_fields

models = pytest.importorskip("torchvision.models")
pytestmark = pytest.mark.usefixtures("one_thread")


def network(name, numbers=False):
    """Without numbers it is all shapes (the formula needs no more), and built in no time."""
    options = {"init_weights": False} if name in ("inception_v3", "vgg16") else {}
    with torch.device("meta"):
        model = getattr(models, name)(weights=None, **options)
    if name == "vgg16":
        model.classifier = nn.Flatten()  # 120 of its 138 million weights, and no field of interest
    if numbers:
        model.to_empty(device="cpu")
        for module in model.modules():
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()
    return model


def bounds(mask):
    rows, cols = mask.any(1).nonzero().flatten().tolist(), mask.any(0).nonzero().flatten().tolist()
    return rows[0], cols[0], rows[-1], cols[-1]


def check(model, fields, name, unit, size, method):
    """The clipped box is the smallest around the measured pixels; where fields are rows x columns, the mask is them."""
    seen, field = measure_field(model, name, unit, size, method=method), fields[name]
    top, left, bottom, right = field.box(*unit)
    assert bounds(seen) == (max(top, 0), max(left, 0), min(bottom, size[0] - 1), min(right, size[1] - 1)), (name, unit)
    assert torch.equal(seen, field.mask(*unit)) if field.rectangle else (seen <= field.mask(*unit)).all(), (name, unit)


NETWORKS = {  # the height of an image, which is 8 less wide; the layer that poison is sent to; others
    "vgg16": (40, "features.9", ["features.16", "features.23"]),
    "resnet18": (72, "layer1", ["layer2", "layer3.1.conv1", "layer4"]),
    "resnet50": (56, "layer1.0.bn3", ["layer2", "layer3.0.relu", "layer4.2.relu#3"]),
    "mobilenet_v2": (64, "features.4", ["features.10", "features.18.2"]),
    "densenet121": (64, "features.transition1.pool", ["features.denseblock2.denselayer9.conv2", "features.norm5"]),
    "inception_v3": (83, "Conv2d_2b_3x3.bn", ["Mixed_5b", "Mixed_6b.branch7x7dbl_3.conv", "cat#15"]),
}


def networks(*by_day):
    return [pytest.param(name, marks=() if name in by_day else pytest.mark.nightly) for name in NETWORKS]


@pytest.mark.parametrize("name", networks("resnet18", "mobilenet_v2", "densenet121"))
def test_formula_agrees_with_the_gradient(name):
    side, poisoned, layers = NETWORKS[name]
    model, size = network(name, numbers=True), (side, side - 8)
    fields = receptive_fields(model, size)
    for layer in [poisoned, *layers]:
        rows, cols = fields[layer].output_size
        for unit in {(rows // 2, cols // 2), (rows - 1, 0)} if layer != layers[-1] else {(0, cols - 1)}:
            check(model, fields, layer, unit, size, "gradient")


@pytest.mark.parametrize("name", networks("resnet18", "mobilenet_v2"))  # a pass for each row and column of pixels
def test_formula_agrees_with_poison(name):
    side, layer, _ = NETWORKS[name]
    model, size = network(name, numbers=True), (side, side - 8)
    fields = receptive_fields(model, size)
    rows, cols = fields[layer].output_size
    check(model, fields, layer, (rows // 2, cols - 1), size, "poison-lines")


@pytest.mark.parametrize(
    "name, layer, field",
    [  # github.com/google-research/receptive_field, the table of Araujo, Norris & Sim (Distill 2019)
        ("alexnet", "features.12", 195),
        ("vgg16", "features.30", 212),
        ("inception_v3", "cat#15", 1311),
    ],
)
def test_published_numbers(name, layer, field):
    row = receptive_fields(network(name), (299, 299))[layer]
    assert row.size == (field, field) and row.jump == (32, 32)


@pytest.mark.parametrize(
    "name, ours, published",
    [
        ("resnet50", 427, 483),
        pytest.param("resnet101", 971, 1027, marks=pytest.mark.nightly),
        pytest.param("resnet152", 1451, 1507, marks=pytest.mark.nightly),
    ],
)
def test_resnets_differ_from_the_published_table_by_where_the_strides_are(name, ours, published):
    """The paper (and the published table) take each stage's stride in its first 1x1 convolution; torchvision takes it in
    the 3x3 after it, which then still reads at the smaller jump: (3 - 1) * (4 + 8 + 16) = 56 pixels less in all."""
    model = network(name)
    row = receptive_fields(model, (224, 224))["layer4"]
    assert row.size == (ours, ours) and row.jump == (32, 32)
    for module in model.modules():
        if isinstance(module, models.resnet.Bottleneck):
            module.conv1.stride, module.conv2.stride = module.conv2.stride, module.conv1.stride
    row = receptive_fields(model, (224, 224))["layer4"]
    assert row.size == (published, published) == (ours + 56, ours + 56)


@pytest.mark.parametrize("name", ["convnext_tiny", "efficientnet_b0", "shufflenet_v2_x0_5", "squeezenet1_0", "mnasnet0_5"])
def test_other_networks_are_known(name):
    """Channels-last norms, squeeze-and-excitation, channel shuffles."""
    fields = receptive_fields(network(name), (64, 64))
    assert fields[-1].output_size == (1, 1) and fields[-1].box(0, 0)[0] <= 0
    first = next(row for row in fields if row.kind == "Conv2d")
    check(network(name, numbers=True), fields, first.name, (3, 5), (64, 64), "gradient")


def test_attention_is_refused_in_one_sentence():
    with pytest.raises(UnknownLayer, match=r"self_attention' \(MultiheadAttention\): .*; teach it with @rule\(MultiheadAtt"):
        receptive_fields(network("vit_b_16"), (224, 224))
