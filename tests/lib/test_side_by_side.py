"""Several networks as one: each member is exactly the network that it would be alone."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from mnist_lib.model import DigitNet
from mnist_lib.model.layers import Dropout
from mnist_lib.plots import curves
from mnist_lib.trainer.checkpoints import Checkpoints
from mnist_lib.trainer.config import TrainConfig
from mnist_lib.trainer.evaluation import evaluate
from mnist_lib.trainer.ingredients import Freeze, Hardest, Muon, Settle, Whiten
from mnist_lib.trainer.loop import Callback, optimizer_of, train
from mnist_lib.trainer.progress import PrintEpochs
from mnist_lib.trainer.side_by_side import SideBySide

SEEDS = (3, 8, 11)
# float64, where rounding hides nothing; augmentation and dropout as the card has them
EXACT = TrainConfig(epochs=2.5, batch_size=8, max_lr=0.02, precision="float64", device="cpu")
ALL = (Whiten(), Muon(0.01), Hardest(0.6), Settle(0.4), Freeze(0.3))


@pytest.fixture(scope="module")
def small(digits):
    return digits.head(36, 8)  # four batches of 8 and one of 4


class Losses(Callback):
    """The loss of each step, of one network or of each of several."""

    def __init__(self):
        self.seen = []

    def on_step(self, run):
        self.seen.append(run.loss.clone())


def assert_equal_runs(together, alone) -> None:
    """Weights, running statistics and history, of each member and its lone run."""
    for model, record, run in zip(together.models, together.records, alone, strict=True):
        for (name, a), b in zip(model.state_dict().items(), run.model.state_dict().values(), strict=True):
            assert torch.allclose(a, b, rtol=0, atol=1e-10), name
        for entry, other in zip(record["history"], run.record["history"], strict=True):
            assert {k: v for k, v in entry.items() if k != "seconds"} == pytest.approx(
                {k: v for k, v in other.items() if k != "seconds"}, rel=1e-10
            )
        ours, theirs = (
            {k: v for k, v in one.items() if "seconds" not in k and k not in ("history", "together", "test")}
            for one in (record, run.record)
        )
        assert ours == theirs and (record["test"] is None) == (run.record["test"] is None)
        assert record["test"] is None or record["test"] == pytest.approx(run.record["test"], rel=1e-9)


SETS = {"card": (), "first weights and optimizer": ALL[:2], "images": ALL[2:4], "all": ALL}


@pytest.mark.parametrize("ingredients", SETS.values(), ids=SETS)
def test_a_member_of_three_is_the_lone_run_step_by_step(small, ingredients):
    """Also its order of images, its augmentation and its dropout; with validation, and watched from outside."""
    config = replace(EXACT, ingredients=ingredients, validation=8, nesterov=bool(ingredients))
    watch = Losses()
    together, alone = train(config, small, [watch], seeds=SEEDS), []
    for k, seed in enumerate(SEEDS):
        own = Losses()
        alone.append(train(replace(config, seed=seed), small, [own]))
        assert [loss[k].item() for loss in watch.seen] == pytest.approx([loss.item() for loss in own.seen], rel=1e-10)
    assert_equal_runs(together, alone)
    assert not torch.equal(together.models[0].conv1.weight, together.models[1].conv1.weight)


def test_a_member_resumed_from_a_checkpoint_is_the_lone_run(small, tmp_path):
    class StopAfter(Callback):
        def on_epoch(self, run):
            if len(run.history) == 1:
                raise KeyboardInterrupt

    config = replace(EXACT, ingredients=ALL)
    with pytest.raises(KeyboardInterrupt):
        train(config, small, [StopAfter(), Checkpoints(tmp_path)], seeds=SEEDS)
    resumed = train(config, small, [Checkpoints(tmp_path)], seeds=SEEDS)
    assert len(resumed.history) == 3 and "seconds_in_all" not in resumed.record
    assert_equal_runs(resumed, [train(replace(config, seed=seed), small) for seed in SEEDS])
    for seed, model, record in zip(SEEDS, resumed.models, resumed.records):
        saved = torch.load(tmp_path / f"model-seed-{seed}.pt", weights_only=True)
        assert all(torch.equal(a, b) for a, b in zip(saved.values(), model.state_dict().values(), strict=True))
        assert record["config"]["seed"] == seed and (tmp_path / f"record-seed-{seed}.json").is_file()


def test_each_member_has_its_record_and_its_curve(small, capsys):
    run = train(replace(EXACT, epochs=2, validation=8), small, [PrintEpochs()], seeds=SEEDS)
    assert [record["together"] for record in run.records] == [3, 3, 3] and run.record is run.records[0]
    said = capsys.readouterr().out.replace("\r", "\n").splitlines()
    assert said[0].endswith("steps for each of 3 networks.")
    assert [line[:16] for line in said if "epoch" in line] == ["epoch  1/2  loss", "epoch  2/2  loss"]
    left = curves(run.history, "data").axes[0]
    assert len(left.lines) == 3  # a line for each member
    assert left.lines[1].get_ydata().tolist() == [entry["train_loss"] for entry in run.records[1]["history"]]
    tested = train(replace(EXACT, epochs=1), small, seeds=SEEDS)
    for model, record in zip(tested.models, tested.records):
        assert record["test"]["correct"] == evaluate(model, small.test_images, small.test_labels).correct


def nets(k: int, dropout: float = 0.0) -> list[DigitNet]:
    made = []
    for seed in range(k):
        torch.manual_seed(seed)
        made.append(DigitNet((dropout, dropout)))
    return made


def test_the_gradients_are_those_of_each_network_alone():
    """On other batches and targets for each, written out without the trainer."""
    alone, together = [net.double() for net in nets(3)], SideBySide(nets(3)).double()
    together.train()
    config = replace(EXACT, max_lr=0.05)
    optimizers, optimizer = [optimizer_of(net, config) for net in alone], optimizer_of(together, config, 3)
    torch.manual_seed(7)
    for _ in range(5):
        images, targets = torch.randn(8, 3, 28, 28, dtype=torch.float64), torch.randint(0, 10, (8, 3))
        optimizer.zero_grad()
        answers = together(images)  # (32, 10, 3)
        F.cross_entropy(answers, targets, reduction="none").mean(0).sum().backward()
        optimizer.step()
        for k, (net, own) in enumerate(zip(alone, optimizers)):
            own.zero_grad()
            loss = F.cross_entropy(net(images[:, k : k + 1]), targets[:, k])
            assert F.cross_entropy(answers[..., k], targets[:, k]).item() == pytest.approx(loss.item(), rel=1e-10)
            loss.backward()
            own.step()
    for net, member in zip(alone, together.members()):
        assert all(torch.allclose(a, b, atol=1e-10) for a, b in zip(net.state_dict().values(), member.state_dict().values()))


def test_stacking_and_taking_apart_changes_no_bit():
    alone = nets(3)
    before = [{name: value.clone() for name, value in net.state_dict().items()} for net in alone]
    together = SideBySide(alone)
    assert sum(p.numel() for p in together.parameters()) == 3 * 13_960
    for state, member in zip(before, together.members(), strict=True):
        assert all(torch.equal(a, b) for a, b in zip(state.values(), member.state_dict().values(), strict=True))


def test_each_members_dropout_draws_from_its_own_stream():
    together, images = SideBySide(nets(2, 0.5)).train(), torch.randn(8, 1, 28, 28).expand(8, 2, 28, 28)
    masks = []
    together.drop1.register_forward_hook(lambda _m, _i, out: masks.append(out == 0))
    for draws in ((1, 2), (1, 3)):
        together.train()
        together.draw_from([torch.Generator().manual_seed(seed) for seed in draws])
        together(images)
    torch.manual_seed(1)
    drop = Dropout(0.5).train()
    (first, second), (again, other) = (mask.chunk(2, dim=1) for mask in masks)
    expected = drop(torch.ones(8, 16, 26, 26).contiguous(memory_format=torch.channels_last)) == 0
    assert (first & expected).sum() == expected.sum() and torch.equal(first & expected, again & expected)
    assert not torch.equal(second, other)
    assert not together.eval()(images).isnan().any()
