"""Receptive fields: hand-computed cases, DigitNet unit by unit against both witnesses, and what is refused."""

import json

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mnist_lib.model import DigitNet
from mnist_lib.receptive_field import (
    EVERYTHING,
    POINTWISE,
    UnknownLayer,
    Window,
    effective_field,
    measure_field,
    receptive_fields,
    rule,
)

pytestmark = [pytest.mark.usefixtures("one_thread"), pytest.mark.filterwarnings("ignore:Using padding=.same")]


# By hand: r += (k - 1) * d * j; s0 += ((k - 1) * d / 2 - p) * j; j *= s.
CARD = {  # layer: (output, field, jump, first centre)
    "conv1": (26, 3, 1, 1),
    "conv2": (24, 5, 1, 2),
    "conv3": (24, 5, 1, 2),
    "pool1": (12, 6, 2, 2.5),
    "conv4": (10, 10, 2, 4.5),
    "conv5": (8, 14, 2, 6.5),
    "conv6": (6, 18, 2, 8.5),
    "conv7": (6, 22, 2, 8.5),
    "gap": (1, 32, 12, 13.5),
    "conv8": (1, 32, 12, 13.5),
}


class Net(nn.Module):
    """A model from a function of (itself, image), with layers by name."""

    def __init__(self, forward, **layers):
        super().__init__()
        self.function = forward
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, x):
        return self.function(self, x)


def conv(kernel=3, channels=1, **options):
    return nn.Conv2d(channels, channels, kernel, **options)


def clip(box, size):
    top, left, bottom, right = box
    mask = torch.zeros(size, dtype=torch.bool)
    mask[max(top, 0) : max(bottom + 1, 0), max(left, 0) : max(right + 1, 0)] = True
    return mask


def agrees(model, name, unit, size, channels=1):
    """Both witnesses measure the formula's mask, and its box around it."""
    field = receptive_fields(model, size, channels)[name]
    gradient = measure_field(model, name, unit, size, channels)
    poison = measure_field(model, name, unit, size, channels, method="poison")
    assert torch.equal(gradient, poison)
    assert bounds(gradient) == bounds(clip(field.box(*unit), size))
    if field.rectangle:
        assert torch.equal(gradient, field.mask(*unit))
    assert (gradient <= field.mask(*unit)).all()
    return field


def bounds(mask):
    """The first and last row and column of a mask, or two empty lists."""
    rows, cols = mask.any(1).nonzero().flatten().tolist(), mask.any(0).nonzero().flatten().tolist()
    return rows[:1] + rows[-1:], cols[:1] + cols[-1:]


# ---------------------------------------------------------------- DigitNet


def test_digitnet_has_the_ten_rows_of_the_card_corrected():
    fields = receptive_fields(DigitNet())
    got = {row.name: (row.output_size, row.size, row.jump, row.start) for row in fields.only(*CARD)}
    assert got == {name: tuple((number, number) for number in row) for name, row in CARD.items()}
    assert fields["pool1"].box(0, 0) == (0, 0, 5, 5)
    assert fields["conv7"].box(0, 0) == (-2, -2, 19, 19)
    assert fields["conv8"].box(0, 0) == (-2, -2, 29, 29)


def test_every_layer_is_a_row_in_execution_order_functional_calls_too():
    names = [row.name for row in receptive_fields(DigitNet())]
    assert names[:9] == ["conv1", "bn1", "relu", "drop1", "conv2", "bn2", "relu#2", "drop2", "conv3"]
    assert names[-4:] == ["drop7", "gap", "conv8", "flatten"] and len(names) == 32


@pytest.mark.parametrize("side", [28, pytest.param(64, marks=pytest.mark.nightly)])
def test_digitnet_agrees_with_poison_in_every_row_and_unit(side):
    """Poison, with torch alone: one run for every row and column of pixels tells which units of every layer it reaches."""
    model, size, count = DigitNet().double().eval(), (side, side), 0
    fields = receptive_fields(model, size)
    outputs = {}
    for name, module in model.named_modules():
        module.register_forward_hook(lambda m, args, out, name=name: outputs.__setitem__(name, out.isnan().any(1)))
    rows, cols = [], []
    for maps, dim in ((rows, 2), (cols, 3)):
        for i in range(side):
            image = torch.rand(1, 1, side, side, dtype=torch.float64)
            image.select(dim, i)[:] = float("nan")
            with torch.no_grad():
                model(image)
            maps.append({name: outputs[name][0] for name in CARD})
    for name in CARD:
        by_row, by_col = (torch.stack([units[name] for units in maps]) for maps in (rows, cols))  # (side, rows, columns)
        for r in range(by_row.shape[1]):
            for c in range(by_row.shape[2]):
                seen = by_row[:, r, c][:, None] & by_col[:, r, c]
                assert torch.equal(seen, clip(fields[name].box(r, c), size)), (name, r, c)
                assert torch.equal(seen, fields[name].mask(r, c)), (name, r, c)
                count += 1
    assert count == {28: 2210, 64: 14588}[side]  # 26 * 26 + 2 * 24 * 24 + 12 * 12 + ..., 62 * 62 + ...


@pytest.mark.nightly  # by day, poison goes to every unit, and the gradient to one of each layer
@pytest.mark.parametrize("side, every, count", [(28, 12, 409), (64, 0, 90)])
def test_digitnet_agrees_with_the_gradient(side, every, count):
    """Every unit of maps up to `every` units wide; of wider ones the corners, the middle and the middles of the edges."""
    model, size, done = DigitNet(), (side, side), 0
    for field in receptive_fields(model, size).only(*CARD):
        n = field.output_size[0]
        line = range(n) if n <= every else (0, n // 2, n - 1)
        for r in line:
            for c in line:
                assert torch.equal(measure_field(model, field.name, (r, c), size), clip(field.box(r, c), size)), (field, r, c)
                done += 1
    assert done == count


@pytest.mark.parametrize("method", ["gradient", "poison", "poison-lines"])
def test_measure_field_sees_every_layer_of_digitnet(method):
    model = DigitNet()
    for field in receptive_fields(model):
        if method != "poison" or field.name in ("conv1", "pool1", "relu#4", "drop7"):
            unit = (field.output_size[0] - 1, 0)
            assert torch.equal(measure_field(model, field.name, unit, method=method), clip(field.box(*unit), (28, 28))), field


# ---------------------------------------------------------------- single layers, by hand


@pytest.mark.parametrize(
    "layer, size, jump, start, box, holes",
    [  # one layer on a 12 x 12 image: its field, jump, first centre and the box of unit (1, 2)
        (conv((3, 5), stride=(1, 2)), (3, 5), (1, 2), (1, 2), (1, 4, 3, 8), False),
        (conv(3, padding=1), (3, 3), (1, 1), (0, 0), (0, 1, 2, 3), False),
        (conv(3, dilation=2), (5, 5), (1, 1), (2, 2), (1, 2, 5, 6), True),
        (conv(3, dilation=(1, 3), padding="same"), (3, 7), (1, 1), (0, 0), (0, 2, 2, 5), True),
        (conv(2, padding="same"), (2, 2), (1, 1), (0.5, 0.5), (1, 2, 2, 3), False),
        (conv(3, padding=1, padding_mode="reflect"), (3, 3), (1, 1), (0, 0), (0, 1, 2, 3), False),
        (nn.MaxPool2d(3, 2, 1), (3, 3), (2, 2), (0, 0), (1, 3, 3, 5), False),
        (nn.MaxPool2d(2, 1, dilation=3), (4, 4), (1, 1), (1.5, 1.5), (1, 2, 4, 5), True),
        (nn.AvgPool2d(5, ceil_mode=True), (5, 5), (5, 5), (2, 2), (5, 10, 9, 14), False),
        (nn.AdaptiveAvgPool2d(3), (4, 4), (4, 4), (1.5, 1.5), (4, 8, 7, 11), False),
        (nn.Upsample(scale_factor=3), (1, 1), (1 / 3, 1 / 3), (0, 0), (0, 0, 0, 0), False),
        (nn.Upsample(scale_factor=2, mode="bicubic"), (4, 4), (0.5, 0.5), (-0.5, -0.5), (-1, -1, 2, 2), False),
        (nn.PixelUnshuffle(2), (2, 2), (2, 2), (0.5, 0.5), (2, 4, 3, 5), False),
        (nn.ConvTranspose2d(1, 1, 2, 2), (1, 1), (0.5, 0.5), (0, 0), (0, 1, 0, 1), False),
        (nn.ConvTranspose2d(1, 1, 4, 2, 1), (2, 2), (0.5, 0.5), (-0.5, -0.5), (0, 0, 1, 1), False),
        (nn.LayerNorm([12, 12]), (12, 12), (0, 0), (5.5, 5.5), (0, 0, 11, 11), False),
        (nn.InstanceNorm2d(1), (12, 12), (0, 0), (5.5, 5.5), (0, 0, 11, 11), False),
        (nn.InstanceNorm2d(1, track_running_stats=True), (1, 1), (1, 1), (0, 0), (1, 2, 1, 2), False),
        (nn.BatchNorm2d(1, track_running_stats=False), (12, 12), (0, 0), (5.5, 5.5), (0, 0, 11, 11), False),
        (nn.GroupNorm(1, 1), (12, 12), (0, 0), (5.5, 5.5), (0, 0, 11, 11), False),
        (nn.ZeroPad2d((3, 0, 1, 0)), (1, 1), (1, 1), (-1, -3), (0, -1, 0, -1), False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_one_layer_by_hand(layer, size, jump, start, box, holes):
    model = nn.Sequential(layer)
    field = agrees(model, "0", (1, 2), (12, 12))
    assert (field.size, field.jump, field.start) == (size, jump, start)
    assert field.box(1, 2) == box
    assert holes == (not torch.equal(field.mask(1, 2), clip(box, (12, 12))))


def test_units_that_differ_have_exact_boxes_and_say_so():
    model = nn.Sequential(nn.AdaptiveMaxPool2d(4))  # of 10 units: 0..2, 2..4, 5..7, 7..9
    field = receptive_fields(model, (10, 10), 1)[0]
    assert [field.box(i, i)[::2] for i in range(4)] == [(0, 2), (2, 4), (5, 7), (7, 9)]
    assert not field.uniform and "units differ" in field.note and field.jump == (2.5, 2.5)
    for i in range(4):
        assert torch.equal(measure_field(model, "0", (i, i), (10, 10), 1, method="poison"), field.mask(i, i))


def test_box_tells_leftover_pixels_from_padding():
    """conv 1x1, stride 2 on 6 pixels reads 0, 2, 4. Its neighbour 6 is padding, and pixel 5 reaches no unit."""
    model = nn.Sequential(conv(1, stride=2), conv(3, padding=1))
    assert receptive_fields(model, (6, 6))["1"].box(2, 0) == (2, -2, 4, 2)  # the recurrence alone would say ..6, clipped 5
    agrees(model, "1", (2, 0), (6, 6))


def test_a_unit_that_sees_only_padding_has_an_empty_box():
    field = agrees(nn.Sequential(conv(1, padding=2)), "0", (0, 3), (5, 5))
    assert not clip(field.box(0, 3), (5, 5)).any()
    gap = agrees(nn.Sequential(nn.ConvTranspose2d(1, 1, 1, 2)), "0", (1, 2), (5, 5))  # stride 2, kernel 1: every other unit
    top, _, bottom, _ = gap.box(1, 2)
    assert bottom < top


# ---------------------------------------------------------------- branches


def test_residual_sum_and_concatenation_see_the_union():
    model = Net(lambda m, x: torch.cat([m.a(x) + x, m.b(x)], 1), a=conv(3, padding=1), b=conv((1, 5), padding=(0, 2)))
    fields = receptive_fields(model, (9, 9))
    assert [row.name for row in fields] == ["a", "add", "b", "cat"]
    assert fields["add"].size == (3, 3) and fields["add"].rectangle and not fields["add"].note
    assert fields["cat"].size == (3, 5) and "not a rectangle" in fields["cat"].note
    measured = measure_field(model, "cat", (4, 4), (9, 9))
    assert measured.sum() == 3 * 3 + 2  # a cross: 3 x 3 and one pixel to the left and right
    assert torch.equal(measured, measure_field(model, "cat", (4, 4), (9, 9), method="poison"))
    assert fields["cat"].box(4, 4) == (3, 2, 5, 6) and (fields["cat"].mask(4, 4) >= measured).all()


@pytest.mark.parametrize(
    "one, other, why",
    [
        (conv(3, stride=2), nn.AdaptiveAvgPool2d(4), "jumps 2 and 2.5"),
        (conv(2, stride=2), conv(2, stride=2, padding=1), "centres 0.5 and -0.5"),
    ],
)
def test_branches_that_do_not_align_say_so_and_stay_exact(one, other, why):
    model = Net(lambda m, x: m.one(x)[:, :, :4, :4] + m.other(x)[:, :, :4, :4], one=one, other=other)
    fields = receptive_fields(model, (10, 10))
    assert f"branches do not align ({why}); the box holds them all" in fields["add"].note
    for unit in ((0, 0), (3, 1), (3, 3)):
        agrees(model, "add", unit, (10, 10))


@pytest.mark.parametrize("one, other", [(2, 3), (4, 6), (3, 4)])
def test_branches_of_different_patterns_repeat_together(one, other):
    """Every unit of 24, padding beyond the image's end included; by hand: enlarging by k after a stride of k, unit i sees
    the k pixels from i // k * k."""

    def shrunk(k):
        return nn.Sequential(conv(k, stride=k), nn.Upsample(scale_factor=k))

    model = Net(lambda m, x: m.one(x) + m.other(x), one=shrunk(one), other=shrunk(other))
    field = receptive_fields(model, (24, 24))["add"]
    for i in range(24):
        first, last = min(i // one * one, i // other * other), max(i // one * one + one, i // other * other + other) - 1
        assert field.box(i, i) == (first, first, last, last)


def test_squeeze_and_excitation_sees_everything():
    model = Net(lambda m, x: m.a(x) * torch.sigmoid(m.fc(m.a(x).mean((2, 3))))[:, :, None, None], a=conv(), fc=nn.Linear(1, 1))
    field = agrees(model, "mul", (0, 0), (8, 8))
    assert field.box(0, 0) == (0, 0, 7, 7)


def test_channels_last_norm_is_pointwise():
    model = Net(lambda m, x: m.norm(m.a(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2), a=conv(3, 4), norm=nn.LayerNorm(4))
    field = agrees(model, "permute#2", (2, 3), (8, 9), 4)
    assert field.size == (3, 3) and field.output_size == (6, 7)
    norm = receptive_fields(model, (8, 9))["norm"]
    assert norm.dims == (1, 2) and norm.output_size == (6, 7)
    for method in ("gradient", "poison"):
        assert torch.equal(measure_field(model, "norm", (5, 6), (8, 9), method=method, dims=norm.dims), norm.mask(5, 6))


def test_flatten_and_linear_see_everything():
    model = nn.Sequential(conv(3), nn.Flatten(), nn.Linear(16, 3), nn.ReLU())
    fields = receptive_fields(model, (6, 6))
    assert [row.output_size for row in fields] == [(4, 4), (1, 1), (1, 1), (1, 1)]
    assert fields["2"].box(0, 0) == (0, 0, 5, 5)
    assert "one unit stands for all" in fields["1"].note and not fields["2"].note
    agrees(model, "3", (0, 0), (6, 6))


def test_u_net_decoder_agrees():
    def forward(m, x):
        skip = m.down(x)
        return m.out(torch.cat([skip, m.up(m.deep(m.pool(skip)))], 1))

    model = Net(
        forward,
        down=conv(3, padding=1),
        pool=nn.MaxPool2d(2),
        deep=conv(3, padding=1),
        up=nn.ConvTranspose2d(1, 1, 2, 2),
        out=nn.Conv2d(2, 1, 3, padding=1),
    )
    for unit in ((0, 0), (3, 4), (7, 7), (11, 10)):
        agrees(model, "out", unit, (12, 12))
    assert receptive_fields(model, (12, 12))["cat"].size == (8, 8)  # deep: 3x3 at jump 2 on 2x2 of a 3x3, 3 + 1 + 4


# ---------------------------------------------------------------- names, the sequence, printing


def test_shared_modules_blocks_slices_and_names():
    block = nn.Sequential(conv(), nn.ReLU())
    model = nn.Sequential(block, nn.Sequential(nn.Identity(), block))
    fields = receptive_fields(model)
    assert [row.name for row in fields] == ["0.0", "0.1", "1.0", "0.0#2", "0.1#2"]
    assert fields["0"].size == (3, 3) and fields["1"].size == (5, 5)  # blocks, by name only
    assert fields["0.0#2"] is fields[3] and fields[-1].name == "0.1#2"
    assert [row.name for row in fields[1:3]] == ["0.1", "1.0"]
    assert measure_field(model, "0.1#2", (0, 0)).sum() == 25 and measure_field(model, "1", (0, 0)).sum() == 25
    with pytest.raises(TypeError):
        fields[0] = None
    with pytest.raises(AttributeError):
        fields[0].size = (1, 1)


def test_an_operator_has_one_name_whichever_side_the_image_is_on():
    fields = receptive_fields(Net(lambda m, x: 1 / (2 - 3 * (4 + x))), channels=1)
    assert [row.name for row in fields] == ["add", "mul", "sub", "div"]


def test_prints_an_aligned_table_html_and_dicts():
    fields = receptive_fields(DigitNet()).only("conv1", "pool1", "gap")
    assert str(fields).split("\n") == [
        "layer  kind       output  field   jump  first centre  note",
        "----------------------------------------------------------",
        "conv1  Conv2d      26x26    3x3    1x1             1",
        "pool1  MaxPool2d   12x12    6x6    2x2           2.5",
        "gap    AvgPool2d     1x1  32x32  12x12          13.5",
    ]
    page = fields._repr_html_()
    assert page.count("<tr>") == 4 and "<td>pool1</td>" in page and page.startswith("<table>")
    row = json.loads(json.dumps(fields.to_dicts()))[1]
    assert row["name"] == "pool1" and row["size"] == [6, 6] and row["start"] == [2.5, 2.5]


def test_purely_functional_code_and_control_flow():
    class Functional(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(1, 1, 3, 3))

        def forward(self, x):
            for _ in range(2):
                x = F.dropout(torch.tanh(F.conv2d(x, self.weight, padding=1)), 0.5, self.training)
            return F.max_pool2d(x, 2) if x.shape[-1] > 8 else x

    fields = receptive_fields(Functional(), (10, 10), 1)
    names = ["conv2d", "tanh", "dropout", "conv2d#2", "tanh#2", "dropout#2", "max_pool2d"]
    assert [row.name for row in fields] == names and fields[-1].size == (6, 6)
    assert len(receptive_fields(Functional(), (8, 8), 1)) == 6
    agrees(Functional(), "max_pool2d", (1, 2), (10, 10))


def test_a_slice_from_the_end_may_ask_for_more_than_there_is():
    field = agrees(Net(lambda m, x: m.a(x)[:, :, -100:, -3:], a=conv(3)), "getitem", (1, 2), (8, 9))
    assert field.box(1, 2) == (1, 6, 3, 8)


def test_a_norm_across_channels_is_known_as_a_function_too():
    model = Net(lambda m, x: F.local_response_norm(m.a(x), 3), a=conv(3, 4))
    assert agrees(model, "local_response_norm", (1, 2), (6, 7), 4).size == (3, 3)


def test_images_that_share_their_statistics_do_not_poison_each_other():
    model = nn.Sequential(conv(1, stride=2), nn.BatchNorm2d(1, track_running_stats=False))
    seen = measure_field(model, "1", (0, 0), (4, 6), method="poison")
    assert seen.nonzero().tolist() == [[row, col] for row in (0, 2) for col in (0, 2, 4)]  # what a stride of 2 reads


# ---------------------------------------------------------------- the model is left as it was


def test_the_model_is_left_exactly_as_it_was():
    model = DigitNet().train()
    model.conv1.eval()
    calls = []
    model.conv2.register_forward_hook(lambda *_: calls.append(1))
    model(torch.rand(2, 1, 28, 28)).sum().backward()
    calls.clear()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    grads = [parameter.grad.clone() for parameter in model.parameters()]
    modes, state = [module.training for module in model.modules()], torch.random.get_rng_state()
    receptive_fields(model)
    for method in ("gradient", "poison-lines"):
        measure_field(model, "conv3", (0, 0), method=method)
    effective_field(model, "conv3", (0, 0), torch.rand(2, 1, 28, 28, generator=torch.Generator()))
    assert torch.equal(state, torch.random.get_rng_state())
    assert [module.training for module in model.modules()] == modes and not calls
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert all(torch.equal(parameter.grad, grad) for parameter, grad in zip(model.parameters(), grads))
    assert len(model.conv2._forward_hooks) == 1 and not model.conv1._forward_hooks and not model.conv1._forward_pre_hooks
    assert all(parameter.requires_grad and parameter.device.type == "cpu" for parameter in model.parameters())


# ---------------------------------------------------------------- effective fields


class OneOfTwo(nn.Module):
    """Looks at the first channel of two."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 3, 3)

    def forward(self, x):
        return self.conv(x[:, :1])


@pytest.mark.parametrize("method", ["gradient", "poison"])
def test_a_pixel_is_seen_if_one_of_its_channels_is(method):
    seen = measure_field(OneOfTwo(), "conv", (1, 2), (6, 6), channels=2, method=method)
    assert seen.nonzero().tolist() == [[row, column] for row in (1, 2, 3) for column in (2, 3, 4)]


def test_effective_field_is_the_mean_absolute_gradient():
    model = nn.Sequential(nn.Conv2d(2, 1, 3, bias=False))
    weights = model[0].weight.detach()[0]
    got = effective_field(model, "0", (1, 2), torch.rand(5, 2, 8, 8))
    want = torch.zeros(8, 8)
    want[1:4, 2:5] = weights.abs().mean(0)
    assert torch.allclose(got, want) and got.dtype == torch.float32
    images = torch.rand(4, 1, 28, 28)
    digit = DigitNet()
    assert not effective_field(digit, "conv7", (0, 0), images)[20:].any()
    with pytest.raises(ValueError, match=r"images must be a float tensor \(N, channels, height, width\)"):
        effective_field(digit, "conv7", (0, 0), images[0])
    with pytest.raises(ValueError, match="does not run on an image of 3 x 28 x 28"):
        effective_field(digit, "conv7", (0, 0), torch.rand(1, 3, 28, 28))


# ---------------------------------------------------------------- rules, refusals


class Flip(nn.Module):
    def forward(self, x):
        return x.flip(2)


def test_an_unknown_layer_is_one_sentence_and_can_be_taught():
    model = nn.Sequential(conv(), Flip())
    sentence = (
        r"layer '1' \(Flip\): there is no rule for aten.flip; "
        r"teach it with @rule\(torch.ops.aten.flip\) or @rule\(Flip\), see help\(rule\)"
    )
    with pytest.raises(UnknownLayer, match=sentence):
        receptive_fields(model)
    assert measure_field(model, "1", (0, 0), (8, 8)).sum() == 9  # the witnesses need no rule

    class Blur(Flip):
        def forward(self, x):
            return F.conv2d(x, torch.ones(1, 1, 5, 5, dtype=x.dtype, device=x.device), padding=2).roll(1, 1)

    for effect, size in ((Window(5, padding=2), (7, 7)), (POINTWISE, (3, 3)), (EVERYTHING, (28, 28))):
        rule(Blur)(lambda layer, effect=effect: effect)
        fields = receptive_fields(nn.Sequential(conv(), Blur()))
        assert [row.name for row in fields] == ["0", "1"] and fields["1"].size == size
    rule(Blur)(lambda layer: Window(5, padding=2))
    agrees(nn.Sequential(conv(), Blur()), "1", (0, 3), (12, 12))
    with pytest.raises(TypeError, match="classes of modules"):
        rule("conv")


def test_nothing_inside_of_a_taught_layer_is_looked_at():
    class Mirror(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = conv(1)

        def forward(self, x):
            return self.a(x).flip(3)

    rule(Mirror)(lambda layer: EVERYTHING)
    fields = receptive_fields(nn.Sequential(Mirror(), conv(3)), (6, 6))
    assert [row.name for row in fields] == ["0", "1"] and fields["0"].size == (6, 6)


@pytest.mark.parametrize(
    "forward, why",
    [
        (lambda m, x: m.a(x).flip(3), "no rule for aten.flip"),
        (lambda m, x: torch.einsum("nchw,ncwk->nchk", m.a(x), m.a(x)), "combines tensors|no rule"),
        (lambda m, x: torch.cat([m.a(x), x], 2), "side by side|Sizes of tensors"),
        (lambda m, x: torch.cat([x, x], 2), "joins tensors side by side along the image's rows or columns"),
        (lambda m, x: x.view(-1, 1, 16, 49), "flattened|not the image"),
        (lambda m, x: m.a(x.flatten(1).view(-1, 1, 28, 28)), "gives a flattened image rows and columns again"),
        (lambda m, x: m.a(x.transpose(1, 2).transpose(1, 3).transpose(1, 2)), "dimensions that are not|channels"),
        (
            lambda m, x: F.interpolate(x, size=(30, 30)),
            "'forward' .Net.: resizes 28 to 30 units, .* not an integer",
        ),
        (lambda m, x: F.interpolate(x, None, 2, mode="bilinear", align_corners=True), "Net.: interp.* align_corners=True"),
        (lambda m, x: F.conv1d(m.a(x)[:, 0], torch.ones(1, 26, 3)), "is not a convolution over rows and columns"),
        (lambda m, x: F.conv2d(x, m.a(x)[:1, :, :3, :3]), "combines tensors that the image reaches"),
        (lambda m, x: x if x.mean() > 0 else m.a(x), "looks at the values of its input"),
        (lambda m, x: torch.zeros_like(x).index_put((torch.tensor([0]),), x[:1]), "no rule"),
    ],
)
def test_what_the_formula_does_not_know_is_refused(forward, why):
    with pytest.raises((UnknownLayer, ValueError), match=why) as refusal:
        model = Net(forward, a=conv())
        fields = receptive_fields(model)
        model.last = fields[-1]
        raise UnknownLayer(fields[-1].note)  # a view that merges rows and columns says so in its note
    assert "\n" not in str(refusal.value)


def test_writing_into_a_part_of_a_tensor_is_refused():
    def forward(m, x):
        out = torch.zeros_like(x)
        out[:, :, 2:] = x[:, :, 2:]
        return out

    with pytest.raises(UnknownLayer, match="writes into a part of a tensor, which cannot be followed"):
        receptive_fields(Net(forward), channels=1)


def test_parts_of_joined_channels_say_so():
    model = Net(lambda m, x: torch.cat([x, m.a(x)], 1)[:, :1], a=conv(3, padding=1))
    assert "some channels of joined branches" in receptive_fields(model)[-1].note


@pytest.mark.parametrize(
    "call, error, sentence",
    [
        (lambda: receptive_fields(DigitNet())["conv9"], KeyError, "no layer is called 'conv9'; the layers are conv1, bn1, "),
        (lambda: receptive_fields(DigitNet())["conv1"].box(26, 0), IndexError, "choose a row in 0..25 and a column in 0..25"),
        (lambda: receptive_fields(DigitNet())["conv1"].box(0, -1), IndexError, "layer 'conv1' has 26 x 26 units"),
        (lambda: receptive_fields(DigitNet(), (12, 12)), ValueError, "an image of 1 x 12 x 12 .* in layer 'conv"),
        (lambda: receptive_fields(DigitNet(), channels=3), ValueError, "in layer 'conv1', torch says .*choose another"),
        (lambda: receptive_fields(DigitNet(), (28,)), ValueError, "input_size must be .*height, width.* not"),
        (lambda: receptive_fields(DigitNet(), channels="3"), ValueError, "channels must be a whole number above 0, not '3'"),
        (lambda: receptive_fields(DigitNet())["conv1"].box(0.5, 0), TypeError, r"a unit is \(row, column\), .* \(0\.5, 0\)"),
        (lambda: measure_field(DigitNet(), "conv2", 3), TypeError, r"a unit is \(row, column\), two whole numbers, not 3"),
        (lambda: receptive_fields("net"), TypeError, "model must be an nn.Module, not str"),
        (lambda: receptive_fields(nn.ReLU()), ValueError, "pass channels="),
        (lambda: receptive_fields(nn.LazyConv2d(1, 3), channels=1), ValueError, "lazy layers without weights"),
        (lambda: measure_field(DigitNet(), "conv9", (0, 0)), KeyError, "no layer is called 'conv9'"),
        (lambda: measure_field(DigitNet(), "conv2", (24, 0)), IndexError, "choose a row in 0..23"),
        (lambda: measure_field(DigitNet(), "conv2", (0, 0), method="x"), ValueError, 'method must be "gradient"'),
        (lambda: effective_field(DigitNet(), "conv2", (0, 0), [1]), ValueError, "not list"),
    ],
)
def test_bad_input_gets_one_sentence(call, error, sentence):
    with pytest.raises(error, match=sentence) as refusal:
        call()
    assert "\n" not in str(refusal.value) and not str(refusal.value).startswith('"')


@pytest.mark.parametrize("layer", [nn.Conv1d(1, 4, 3), nn.Conv3d(1, 4, 3)], ids=["Conv1d", "Conv3d"])
def test_layers_that_read_no_images_are_refused_by_name(layer):
    with pytest.raises(ValueError, match=rf"^the model has a {type(layer).__name__}, whose input is not an image"):
        receptive_fields(nn.Sequential(layer), (28, 28))


def test_a_network_in_training_mode_is_followed_as_in_evaluation():
    """BatchNorm of one value a channel can't be computed in training mode; one image is shown."""
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1)).train()
    assert receptive_fields(net, (28, 28))["3"].size == (28, 28) and net.training
    assert measure_field(net, "3", (0, 0)).all()
