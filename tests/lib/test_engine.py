"""Every fast piece against the plain PyTorch that it stands for: values, gradients, statistics."""

import copy
import os
import shutil
import statistics
import subprocess
import sys
from dataclasses import replace
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mnist_lib.model import DigitNet
from mnist_lib.model.layers import BatchNorm2d, Dropout
from mnist_lib.support.paths import ROOT
from mnist_lib.trainer.config import TrainConfig
from mnist_lib.trainer.fast import compiled, engine
from mnist_lib.trainer.fast.compiled import CompiledPass, MaxPool, NormReluDrop
from mnist_lib.trainer.fast.engine import COMPILE_PAYS, Engine
from mnist_lib.trainer.loop import train
from mnist_lib.trainer.optimizer import optimizer_of
from mnist_lib.trainer.progress import PrintEpochs
from tests.lib.watching import Watch


@pytest.fixture(params=[True, False], ids=["dropout", "no dropout"])
def block(request):
    """Values in float64, where rounding hides nothing: (y, gamma, beta), mask, scale."""
    torch.manual_seed(0)
    y, gamma, beta = (torch.randn(shape, dtype=torch.float64) for shape in ((6, 4, 5, 5), 4, 4))
    mask = (torch.rand(6, 4, 5, 5) >= 0.3).double() / 0.7 if request.param else None
    return [t.requires_grad_() for t in (y, gamma, beta)], mask, 1 / 0.7 if request.param else 1.0


def plain_block(y, gamma, beta, mask):
    z = F.relu(F.batch_norm(y, None, None, gamma, beta, training=True, eps=1e-5))
    return z if mask is None else z * mask


def test_norm_relu_drop_is_batchnorm_then_relu_then_dropout(block):
    inputs, mask, scale = block
    z, mean, variance = NormReluDrop.apply(*inputs, mask, scale, 1e-5)
    reference = plain_block(*inputs, mask)
    assert torch.allclose(z, reference, atol=1e-12)
    y = inputs[0]
    assert torch.allclose(mean, y.mean((0, 2, 3))) and torch.allclose(variance, y.var((0, 2, 3), correction=0))
    weights = torch.randn_like(z)
    ours = torch.autograd.grad((z * weights).sum(), inputs)
    theirs = torch.autograd.grad((reference * weights).sum(), inputs)
    for a, b in zip(ours, theirs, strict=True):
        assert torch.allclose(a, b, atol=1e-12)


def test_norm_relu_drop_survives_a_large_mean():
    """In float32, where the mean of squares less the square of the mean loses digits."""
    torch.manual_seed(0)
    y = 100 + torch.randn(8, 4, 6, 6)
    y[:, 3] = 100  # no spread at all
    z, _, variance = NormReluDrop.apply(y, torch.ones(4), torch.zeros(4), None, 1.0, 1e-5)
    assert (variance >= 0).all() and torch.isfinite(z).all()
    assert torch.allclose(z[:, :3], plain_block(y, torch.ones(4), torch.zeros(4), None)[:, :3], atol=2e-2)


def test_norm_relu_drops_gradient_is_that_of_finite_differences(block):
    inputs, mask, scale = block
    assert torch.autograd.gradcheck(lambda *three: NormReluDrop.apply(*three, mask, scale, 1e-5)[0], inputs)


def test_max_pooling_is_pytorchs_and_equal_values_share_the_gradient():
    torch.manual_seed(0)
    z = torch.randn(5, 3, 8, 6, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(5, 3, 4, 3, dtype=torch.float64)
    (ours,) = torch.autograd.grad((MaxPool.apply(z) * weights).sum(), z)
    (theirs,) = torch.autograd.grad((F.max_pool2d(z, 2) * weights).sum(), z)
    assert torch.equal(MaxPool.apply(z), F.max_pool2d(z, 2)) and torch.equal(ours, theirs)
    tied = torch.tensor([[[[3.0, 1.0], [3.0, 2.0]]]], requires_grad=True)
    assert torch.autograd.grad(MaxPool.apply(tied).sum(), tied)[0].tolist() == [[[[0.5, 0], [0.5, 0]]]]


@pytest.fixture(params=[pytest.param("compiled", marks=pytest.mark.nightly), pytest.param("traced", marks=pytest.mark.daily)])
def compiled_or_traced(request, monkeypatch):
    """By night all is compiled. By day torch traces pass and gradient in the same way, and leaves out half a minute of C++."""
    if request.param == "compiled":
        return request.getfixturevalue("compiler")
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))


def passes(precision: str, draw: int = 3, n: int = 64):
    """First the plain, then the compiled training pass of equal networks on equal images, masks and targets."""
    torch.manual_seed(draw)
    plain = DigitNet()
    compiled = copy.deepcopy(plain)
    images, targets = torch.randn(n, 1, 28, 28), torch.randint(0, 10, (n,))
    for model, choice in ((plain, "no"), (compiled, "yes")):
        means = Engine.choose("cpu", precision, choice)
        model.train()
        forward = means.forward(means.prepare(model))
        torch.manual_seed(4)
        answers = forward(images.contiguous(memory_format=torch.channels_last))
        F.cross_entropy(answers, targets).backward()
        yield model, answers


def test_the_compiled_pass_is_the_plain_pass(compiled_or_traced):
    """A value that rounding takes across ReLU's zero turns gradients on or off. Of few images' values that is rare, and in each
    of three draws it is not seen. (Of 64 images' values, 2.5 million, about every second draw has one.)"""
    unlike = []
    for draw in (3, 5, 6):
        (plain, expected), (compiled, answers) = passes("float32", draw, 8)
        assert torch.allclose(answers, expected, atol=1e-4)
        for (name, a), b in zip(plain.named_buffers(), compiled.buffers(), strict=True):  # BatchNorm's running numbers
            assert torch.allclose(a, b, rtol=1e-4, atol=1e-5), name
        pairs = zip(plain.named_parameters(), compiled.parameters(), strict=True)
        wrong = [name for (name, p), q in pairs if not torch.allclose(p.grad, q.grad, atol=2e-3 * p.grad.abs().max() + 1e-5)]
        if not wrong:
            return
        unlike.append(wrong)
    pytest.fail(f"the gradients differ in each draw: {unlike}")


def test_the_running_numbers_are_batchnorms_in_a_small_batch_too():
    """Where n / (n - 1) tells. (As it is before it is compiled.)"""
    torch.manual_seed(0)
    plain = DigitNet((0.0, 0.0)).train()
    ours, images = copy.deepcopy(plain), torch.randn(2, 1, 28, 28)
    with torch.no_grad():
        answers = CompiledPass(ours, torch.float32, plain)._pass(images, [None] * 7)
        assert torch.allclose(answers, plain(images), atol=1e-4)
    for (name, a), b in zip(plain.named_buffers(), ours.buffers(), strict=True):
        assert torch.allclose(a, b, rtol=1e-4, atol=1e-6), name


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_backward_scales_by_what_the_masks_hold(dtype, monkeypatch):
    """To the bit: in bfloat16, 1 / 0.93 is 1.078125."""
    monkeypatch.setattr(torch, "compile", lambda function: function)
    model = DigitNet()
    for number, scale in enumerate(CompiledPass(model, dtype, model).scales, 1):
        mask = getattr(model, f"drop{number}").mask(1000, dtype)
        assert mask.double().unique().tolist() == [0, scale]


@pytest.mark.nightly
def test_in_bfloat16_the_compiled_pass_is_as_near_to_float32_as_the_plain_one(compiler):
    exact, expected = next(passes("float32"))
    both = list(passes("bfloat16"))
    distances = [((answers - expected).norm() / expected.norm()).item() for _, answers in both]
    assert distances[0] < 0.05 and distances[1] < 1.3 * distances[0]
    ratios = []
    for name, p in exact.named_parameters():
        if p.grad.norm() > 1e-4:  # a bias before BatchNorm has gradient 0, but for rounding
            errors = [((model.get_parameter(name).grad - p.grad).norm() / p.grad.norm()).item() for model, _ in both]
            assert errors[1] < 2 * errors[0] + 0.01, (name, errors)  # of ten numbers, one may be off by chance
            ratios.append(errors[1] / errors[0])
    assert statistics.median(ratios) < 1.1, ratios


def test_a_short_last_batch_takes_the_plain_way_and_changes_nothing_else():
    """What is compiled is so for one size: compiling again for each would cost more than it saves."""
    torch.manual_seed(0)
    model, images, taken = DigitNet((0.0, 0.0)).train(), torch.randn(72, 1, 28, 28), []
    forward = CompiledPass(model, torch.float32, lambda images: taken.append(("plain", len(images))) or model(images))
    forward.compiled = lambda images, masks: taken.append(("compiled", len(images))) or forward._pass(images, masks)
    for batch in images.split(32):
        before = copy.deepcopy(model)
        with torch.no_grad():
            assert torch.allclose(forward(batch), before(batch), atol=1e-4)
    forward(images[:32])
    assert taken == [("compiled", 32), ("compiled", 32), ("plain", 8), ("compiled", 32)]


def test_a_machine_where_compiling_fails_trains_all_the_same(digits, monkeypatch, capsys):
    def broken(_function):
        def call(*_arguments):
            raise RuntimeError("no compiler")

        return call

    monkeypatch.setattr(compiled.torch, "compile", broken)
    compiled.can_compile.cache_clear()
    run = train(TrainConfig(epochs=1, compiled="yes"), digits.head(300, 100))
    assert "torch.compile does not work here (RuntimeError): training goes on without it." in capsys.readouterr().out
    compiled.can_compile.cache_clear()
    assert run.record["test"]["n"] == 100 and run.record["machine"]["compiled"] is False


def test_a_compiled_run_is_the_run(digits, compiled_or_traced):
    """Ten steps with dropout and augmentation: the same losses, within what a different order of sums allows."""
    losses = {"no": [], "yes": []}
    for choice in losses:
        watch = Watch(step=lambda run: losses[run.config.compiled].append(run.loss.item()))
        few = digits.head(40, 100)  # batches of 8, as in the test of the pass above: compiled once for both, where it is
        train(TrainConfig(epochs=2, batch_size=8, max_lr=0.005, compiled=choice, precision="float32"), few, [watch])
    assert losses["yes"] == pytest.approx(losses["no"], rel=1e-3) and len(losses["no"]) == 10


def test_the_choices_are_made_in_one_place_and_said(monkeypatch, digits, capsys):
    monkeypatch.setattr(engine.torch.cpu, "_is_avx512_bf16_supported", lambda: True, raising=False)
    monkeypatch.setattr(compiled, "can_compile", lambda: True)
    assert str(Engine.choose("cpu", steps=COMPILE_PAYS)) == "cpu, bfloat16, compiled"
    assert str(Engine.choose("cpu", steps=COMPILE_PAYS - 1)) == "cpu, bfloat16, not compiled"
    assert str(Engine.choose("cpu", "float32", "no", steps=10**6)) == "cpu, float32, not compiled"
    monkeypatch.setattr(compiled, "can_compile", lambda: False)
    assert not Engine.choose("cpu", steps=10**6).compiled  # no compiler
    monkeypatch.setattr(engine.torch.cpu, "_is_avx512_bf16_supported", lambda: False, raising=False)
    assert Engine.choose("cpu").precision == "float32"  # never slow a machine without bfloat16
    train(TrainConfig(epochs=1, compiled="no"), digits.head(130, 50), [PrintEpochs()])
    assert capsys.readouterr().out.startswith("On cpu, float32, not compiled: 2 steps.\n")


def test_only_what_can_be_compiled_is(monkeypatch):
    monkeypatch.setattr(compiled, "can_compile", lambda: True)
    assert Engine.choose("cpu", "float32", "yes").compiled
    assert not Engine.choose("cpu", "float64", "yes").compiled


@pytest.mark.parametrize("channels", [10, 16])
def test_batchnorm_is_pytorchs(channels):
    torch.manual_seed(0)
    x = torch.randn(8, channels, 6, 6).contiguous(memory_format=torch.channels_last)
    ours, theirs = BatchNorm2d(channels), nn.BatchNorm2d(channels)
    inputs = [x.clone().requires_grad_() for _ in range(2)]
    out = [layer(image) for layer, image in zip((ours, theirs), inputs)]
    assert out[0].is_contiguous(memory_format=torch.channels_last)
    for z in out:
        (z.square() * torch.arange(z.numel()).view_as(z)).sum().backward()
    assert torch.allclose(*out, atol=1e-5)
    assert torch.allclose(inputs[0].grad, inputs[1].grad, rtol=1e-3, atol=1e-1 * inputs[1].grad.abs().mean())
    for a, b in zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True):
        assert torch.allclose(a.float(), b.float(), atol=1e-5)
    assert torch.allclose(ours.weight.grad, theirs.weight.grad, rtol=1e-3)


def test_the_optimizer_is_fused():
    assert optimizer_of(nn.Linear(7, 5), TrainConfig()).defaults["fused"]


@pytest.mark.parametrize("p", [0.05, 0.07])
def test_dropout_probabilities_are_the_cards_within_half_a_percent(p):
    """Of the stocks of a whole epoch's size: the share dropped, not of one draw but of many."""
    torch.manual_seed(0)
    drop, dropped, n = Dropout(p), 0, 2_000_000
    for _ in range(20):
        drop.train()  # a new stock
        dropped += (drop.mask(n, torch.float32) == 0).sum().item()
    assert abs(dropped / (20 * n) / p - 1) < 0.005


def test_the_masks_of_different_batches_and_layers_are_unrelated():
    torch.manual_seed(0)
    drop, other, n = Dropout(0.5), Dropout(0.5), 200_000
    masks = torch.stack([drop.mask(n, torch.float32) for _ in range(30)] + [other.mask(n, torch.float32)])
    between = torch.corrcoef(masks) - torch.eye(31)
    assert between.abs().max() < 5 / n**0.5  # at the same place of the map


def test_a_stock_of_masks_is_drawn_anew():
    drop, n = Dropout(0.5), 1000
    drop.mask(n, torch.float32)
    first = drop.stock.clone()
    for _ in range(Dropout.LASTS - 1):
        drop.mask(n, torch.float32)
    assert torch.equal(first, drop.stock)
    drop.mask(n, torch.float32)
    assert not torch.equal(first, drop.stock)
    drop.train()
    assert drop.stock is None
    assert len(drop.mask(5 * n, torch.float32)) == 5 * n  # a larger batch than before
    assert drop.mask(n, torch.bfloat16).dtype == torch.bfloat16


FAILING = """#!/bin/bash
# a compiler that has no memory for large programs
for word in "$@"; do case "$word" in *.cpp) [ -f "$word" ] && [ $(stat -c %s "$word") -gt 9000 ] && exit 1;; esac; done
exec {compiler} "$@"
"""


@pytest.mark.nightly
def test_a_compiler_that_fails_on_the_real_step_is_done_without(compiler, digits, tmp_path):
    """It passes the small trial; the run says so and goes on, and its record says that nothing was compiled."""
    script = tmp_path / "c++"
    script.write_text(FAILING.replace("{compiler}", shutil.which("g++")))
    script.chmod(0o755)
    code = """from mnist_lib.data import load
from mnist_lib.trainer import TrainConfig, train
run = train(TrainConfig(epochs=1, compiled="yes"), load("digits").head(300, 100))
print(run.record["machine"]["compiled"], run.engine)"""
    env = os.environ | {"CXX": str(script), "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "cache")}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    *_, said, compiled = done.stdout.splitlines()
    assert said == "torch.compile fails here (InductorError): training goes on without it."
    assert compiled.startswith("False cpu, ") and compiled.endswith(", not compiled")


def test_a_pass_that_cant_be_compiled_leaves_everything_as_it_was(monkeypatch, digits, capsys):
    """The run is the one without a compiler, to the bit."""
    monkeypatch.setattr(compiled, "can_compile", lambda: True)
    monkeypatch.setattr(torch, "compile", lambda function: function)

    def fails(self, x, masks):
        self.blocks[0].norm.running_mean.add_(1)
        raise RuntimeError("out of heap space")

    monkeypatch.setattr(compiled.CompiledPass, "_pass", fails)
    config = TrainConfig(epochs=1, batch_size=64, precision="float32")
    failed, plain = (train(replace(config, compiled=choice), digits.head(300, 100)) for choice in ("yes", "no"))
    assert "torch.compile fails here (RuntimeError)" in capsys.readouterr().out and not failed.engine.compiled
    assert all(torch.equal(a, b) for a, b in zip(failed.model.state_dict().values(), plain.model.state_dict().values()))


@pytest.mark.parametrize("value", [0.0, 0.3, -7.7])
def test_norm_relu_drop_takes_a_constant_channel_as_torch_does(value):
    """Its variance, rounded, must not fall below 0."""
    y = torch.randn(6, 3, 5, 5)
    y[:, 1] = value
    gamma, beta = torch.tensor([1.0, 2, 3]), torch.tensor([0.1, 0.2, 0.3])
    z, mean, variance = NormReluDrop.apply(y, gamma, beta, None, 1.0, 1e-5)
    expected = F.batch_norm(y, None, None, gamma, beta, training=True, eps=1e-5).relu()
    assert torch.allclose(z[:, [0, 2]], expected[:, [0, 2]], atol=1e-5) and z.isfinite().all()
    assert mean[1] == pytest.approx(value, abs=1e-5) and 0 <= variance[1] < 1e-4
