"""Many networks as one: each member is exactly the network that it would be alone."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from mnist_lib.many import Graphed, ManyNets, train_many

from mnist_lib.model import DigitNet
from mnist_lib.trainer import QUICK, Callback, TrainConfig, evaluate, optimizer_of, train

PLAIN = TrainConfig(epochs=2, batch_size=64, dropout=(0.0, 0.0), augment=None, precision="float32", device="cpu")


def nets(k: int) -> list[DigitNet]:
    made = []
    for seed in range(k):
        torch.manual_seed(seed)
        made.append(DigitNet((0.0, 0.0)))
    return made


def test_a_member_is_the_lone_network_step_by_step():
    """From the same first weights and on the same batches: the same losses and weights through ten steps of SGD, in float64."""
    alone, together = [net.double() for net in nets(3)], ManyNets(nets(3)).double()
    together.train()
    optimizers = [optimizer_of(net, PLAIN) for net in alone]
    optimizer = optimizer_of(together, PLAIN)
    torch.manual_seed(7)
    for _ in range(10):
        images, targets = torch.randn(32, 3, 28, 28, dtype=torch.float64), torch.randint(0, 10, (32, 3))
        losses = F.cross_entropy(together(images).transpose(1, 2), targets, reduction="none").mean(0)
        optimizer.zero_grad()
        losses.sum().backward()
        optimizer.step()
        for k, (net, own) in enumerate(zip(alone, optimizers)):
            loss = F.cross_entropy(net(images[:, k : k + 1]), targets[:, k])
            assert losses[k].item() == pytest.approx(loss.item(), rel=1e-9)
            own.zero_grad()
            loss.backward()
            own.step()
    for k, net in enumerate(alone):
        member = together.member(k).state_dict()
        for name, value in net.state_dict().items():
            assert torch.allclose(member[name].float(), value.float(), atol=1e-6), (k, name)


def test_stacking_and_taking_apart_changes_no_bit():
    alone = nets(3)
    together = ManyNets(alone)
    for k, net in enumerate(alone):
        assert all(torch.equal(a, b) for a, b in zip(net.state_dict().values(), together.member(k).state_dict().values()))
    assert sum(p.numel() for p in together.parameters()) == 3 * 13_960


@pytest.mark.parametrize("changes", [{}, {"muon": 0.002, "whiten": True, "hardest": 0.6, "nesterov": True}])
def test_training_many_is_training_each_alone(digits, changes):
    """The whole runs: two seeds together, and each by `train`: the same orders of images, losses and movements of weights."""
    small = digits.head(300, 100)
    gentle = replace(PLAIN, max_lr=0.002, **changes)  # so that rounding stays small over ten steps
    together = train_many(gentle, small, [3, 8])
    for k, seed in enumerate((3, 8)):
        started = DigitNetAtStart()
        alone = train(replace(gentle, seed=seed, compiled="no"), small, [started])
        for a, b in zip(alone.history, together[k].history, strict=True):
            assert b["train_loss"] == pytest.approx(a["train_loss"], rel=1e-3)
        weights, own = dict(together[k].model.named_parameters()), dict(alone.model.named_parameters())
        for name, start in started.weights.items():
            if not name.startswith("conv") or name.endswith("weight"):  # a bias before BatchNorm moves by rounding alone
                moved, expected = weights[name] - start, own[name] - start
                # Muon levels small singular values, rounding's too; other networks' movements would be unrelated
                assert (moved - expected).norm() < (0.3 if gentle.muon else 0.05) * expected.norm(), name


class DigitNetAtStart(Callback):
    """Keeps the first weights of a run."""

    def on_start(self, run):
        self.weights = {name: p.detach().clone() for name, p in run.model.named_parameters()}


def test_each_member_has_its_record(digits):
    small = digits.head(300, 100)
    runs = train_many(TrainConfig(epochs=1, settle=0.5), small, [1, 2])
    for seed, run in zip((1, 2), runs):
        assert run.record["config"]["seed"] == seed and run.record["together"] == 2
        assert run.record["test"]["correct"] == evaluate(run.model, small.test_images, small.test_labels).correct
    assert not torch.equal(runs[0].model.conv1.weight, runs[1].model.conv1.weight)


@pytest.mark.parametrize("seeds", [[], [1, 1]])
def test_seeds_that_make_no_sense_are_one_sentence(digits, seeds):
    with pytest.raises(ValueError, match=r"^train_many needs [^\n]+\.$"):
        train_many(PLAIN, digits, seeds)
    with pytest.raises(ValueError, match="train_many holds no images out"):
        train_many(replace(PLAIN, validation=10), digits, [1])


def test_a_graph_is_captured_once_for_each_phase_and_replayed(monkeypatch):
    """The book-keeping, with stand-ins for CUDA: what is captured does not run, what is replayed reads its batch in place."""
    done, capturing = [], []

    class Stream:
        def wait_stream(self, other):
            pass

    class Graph:
        def replay(self):
            picked, phase = self.recorded
            done.append(("replay", picked.tolist(), phase))

    class Capture:
        def __init__(self, graph, stream=None):
            self.graph = graph

        def __enter__(self):
            capturing.append(self.graph)

        def __exit__(self, *_):
            done.append("captured")
            capturing.pop()

    class Into(Capture):
        __enter__ = __exit__ = lambda *_: None

    def step(picked, phase):
        if capturing:
            capturing[-1].recorded = (picked, phase)
        else:
            done.append(("plain", picked.tolist(), phase))
        return picked.sum()

    for name, stand_in in {"Stream": Stream, "CUDAGraph": Graph, "graph": Capture, "stream": Into}.items():
        monkeypatch.setattr(torch.cuda, name, stand_in)
    monkeypatch.setattr(torch.cuda, "current_stream", Stream)
    monkeypatch.setattr("mnist_lib.many.WARM_UP", 1)
    graphed = Graphed(step, size=2)
    for batch, phase in (([1, 2], "a"), ([3, 4], "a"), ([5, 6], "a"), ([9], "a"), ([1, 2], "b"), ([3, 4], "b"), ([7, 8], "a")):
        graphed(torch.tensor(batch), phase)
    assert done == [
        ("plain", [1, 2], "a"),
        "captured",
        ("replay", [3, 4], "a"),
        ("replay", [5, 6], "a"),
        ("plain", [9], "a"),
        ("plain", [1, 2], "b"),
        "captured",
        ("replay", [3, 4], "b"),
        ("replay", [7, 8], "a"),
    ]


@pytest.mark.parametrize("changes", [{}, {"muon": 0.02, "whiten": True, "hardest": 0.6, "nesterov": True}])
def test_on_a_gpu_the_graph_is_the_plain_step(digits, changes):
    if not torch.cuda.is_available():
        pytest.skip("no cuda here")
    small = digits.head(1500, 100)
    config = replace(PLAIN, epochs=3, settle=0.2, freeze=0.2, max_lr=0.01, **changes)
    on_gpu, on_cpu = (train_many(replace(config, device=device), small, [0, 1]) for device in ("cuda", "cpu"))
    for a, b in zip(on_gpu, on_cpu):
        for entry, other in zip(a.history, b.history, strict=True):
            assert entry["train_loss"] == pytest.approx(other["train_loss"], rel=0.05)


def test_on_a_gpu_quick_learns(digits):
    """With random numbers drawn inside of the graph, and a graph for each phase."""
    if not torch.cuda.is_available():
        pytest.skip("no cuda here")
    runs = train_many(replace(QUICK, epochs=40, batch_size=64, device="cuda"), digits, [0, 1])
    assert all(run.record["test"]["accuracy"] > 0.9 for run in runs)
