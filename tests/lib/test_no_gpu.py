"""A GPU that is not there: a training step on stand-ins for its tensors, which have shapes and a device but no values.

What would wait for the GPU (reading a value) or mix it with the CPU is an error there.
"""

from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from mnist_lib.model import DigitNet
from mnist_lib.model.layers import memory_order
from mnist_lib.trainer.batches import augments, batches, epoch_order
from mnist_lib.trainer.config import TrainConfig
from mnist_lib.trainer.fast.engine import Engine
from mnist_lib.trainer.ingredients import Coarse, Hardest, Muon, Settle
from mnist_lib.trainer.loop import one_step, train
from mnist_lib.trainer.optimizer import optimizer_of
from mnist_lib.trainer.recipes import QUICK
from mnist_lib.trainer.schedule import one_cycle

CUDA = torch.device("cuda:0")


class Devices(TorchDispatchMode):
    """Notes every operation that touches a tensor of values on another device than the GPU."""

    def __init__(self):
        super().__init__()
        self.elsewhere, self.kernels = [], 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        # PyTorch has no stand-in for this kernel, which changes weights in place: its arguments are looked at all the same
        result = func(*args, **(kwargs or {})) if "_fused_sgd_" not in str(func) else None
        self.kernels += 1
        for value in torch.utils._pytree.tree_leaves((args, kwargs, result)):
            if isinstance(value, torch.Tensor) and value.device != CUDA:
                self.elsewhere.append(str(func))
        return result


@pytest.fixture
def stand_ins() -> None:
    """Where PyTorch has them: older versions ask for a GPU's driver all the same."""
    try:
        with FakeTensorMode():
            torch.empty(3, device=CUDA).uniform_()
    except RuntimeError as error:
        pytest.skip(
            f"torch {torch.__version__} has no stand-ins for a GPU's tensors without its driver ({error})".split("\n")[0]
        )


@pytest.mark.parametrize("recipe", [TrainConfig(), replace(QUICK, dropout=(0.1, 0.1))], ids=["card", "quick"])
def test_a_step_neither_waits_for_a_gpu_nor_leaves_it(recipe, monkeypatch, stand_ins):
    """Its forward pass, augmentation, optimizer and ingredients. (PyTorch runs a backward pass only where a GPU is.)"""

    def backward(_loss):
        for weight in model.parameters():
            weight.grad = torch.empty_like(weight) if weight.requires_grad else None

    monkeypatch.setattr(torch.Tensor, "backward", backward)
    step_by_step = tuple(ingredient for ingredient in recipe.ingredients if type(ingredient) in STEP_BY_STEP)
    recipe, engine = replace(recipe, batch_size=64, ingredients=step_by_step), Engine(CUDA, "float32", compiled=False)
    with FakeTensorMode(allow_non_fake_inputs=False):
        with CUDA:
            model = DigitNet(recipe.dropout).train()
        optimizer = optimizer_of(model, recipe)
        scheduler = one_cycle(optimizer, recipe, 100)
        images = torch.empty(200, 1, 28, 28, dtype=torch.uint8, device=CUDA)
        labels = torch.empty(200, dtype=torch.int64, device=CUDA)
        memory, forward = {}, engine.forward(model)
        with Devices() as watch:
            for epoch in range(2):
                order = epoch_order(recipe, 200, memory, CUDA).split(64)
                plan = augments(recipe, 98 * epoch, 98 * epoch + 2, 100)
                for indices, (batch, targets) in zip(order, batches(images, labels, order, plan, engine.to_input_format)):
                    for ingredient in recipe.ingredients:
                        ingredient.adapt(model, epoch)
                    losses, right = one_step(forward, optimizer, batch, targets)
                    for ingredient in recipe.ingredients:
                        ingredient.after_step(indices, losses, memory)
                    assert losses.shape == right.shape == indices.shape == (len(batch),)
                    assert isinstance(losses, FakeTensor) and losses.device == CUDA
                    scheduler.step()
    assert watch.kernels > 100 and not watch.elsewhere


STEP_BY_STEP = (Muon, Hardest, Settle, Coarse)  # Whiten makes first weights, on the CPU, before the run


def test_reading_a_value_would_be_found(stand_ins):
    """The test above can fail: this is what it looks for."""
    with FakeTensorMode(), pytest.raises(Exception, match=r"_local_scalar_dense|data-dependent"):
        float(torch.empty(3, device=CUDA).sum())
    with FakeTensorMode(), Devices() as watch:
        torch.empty(3, device=CUDA) * 2 + torch.empty(()).mul(2).to(CUDA)
    assert watch.elsewhere


def test_memory_lies_as_each_device_reads_it_fastest():
    assert memory_order(torch.device("cpu")) is torch.channels_last
    for device in ("mps", "cuda"):
        assert memory_order(torch.device(device)) is torch.contiguous_format


def test_nothing_on_mps_lies_channels_last():
    """On the meta device, which like MPS is neither CPU nor CUDA."""
    engine = Engine(torch.device("meta"), "float32", compiled=False)
    model = engine.prepare(DigitNet())
    batch = engine.to_input_format(torch.empty(4, 3, 28, 28).contiguous(memory_format=torch.channels_last))
    assert batch.is_contiguous() and all(p.is_contiguous() for p in model.parameters())


def test_a_gpu_that_emulates_bfloat16_is_not_asked_for_it(monkeypatch):
    monkeypatch.setattr("mnist_lib.trainer.fast.engine.choose_device", torch.device)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _device: "Old GPU")
    for capability, refused in (((7, 5), pytest.raises(ValueError, match="only emulated on Old GPU")), ((8, 0), nullcontext())):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _device, capability=capability: capability)
        with refused:
            Engine.choose("cuda", "bfloat16")
        assert Engine.choose("cuda").precision == "float32"


@pytest.mark.gpu
def test_on_a_gpu_training_is_that_of_a_cpu(digits):
    config = replace(QUICK, epochs=3, batch_size=64, max_lr=0.01, dropout=(0.0, 0.0), augment=None, precision="float32")
    on_gpu, on_cpu = (train(replace(config, device=device), digits.head(1500, 100)) for device in ("cuda", "cpu"))
    for ours, theirs in zip(on_gpu.history, on_cpu.history, strict=True):
        assert ours["train_loss"] == pytest.approx(theirs["train_loss"], rel=0.05)


@pytest.mark.gpu
def test_on_a_gpu_quick_learns(digits):
    assert train(replace(QUICK, epochs=40, batch_size=64, device="cuda"), digits).record["test"]["accuracy"] > 0.9
