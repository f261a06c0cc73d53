"""Interrupted runs end as uninterrupted ones do, to the bit; damaged checkpoints are refused; none runs code."""

import multiprocessing
import os
import random
import re
import shutil
import signal
from functools import cache
from pathlib import Path

import pytest
import torch

from mnist_lib.model import DigitNet
from mnist_lib.model.pretrained import recorded_net
from mnist_lib.trainer import checkpoints, loop, train
from mnist_lib.trainer.checkpoints import CheckpointError, Checkpoints
from mnist_lib.trainer.config import TrainConfig
from mnist_lib.trainer.ingredients import Coarse, Hardest, Muon, Settle, Whiten
from tests.lib.watching import Watch, stop

CONFIG = TrainConfig(
    epochs=5.5,
    batch_size=32,
    nesterov=True,
    weight_decay=1e-4,
    ingredients=(Whiten(), Muon(0.1), Hardest(0.7), Settle(0.3), Coarse(0.6)),
)


@pytest.fixture(scope="module")
def small(digits):
    return digits.head(100, 20)


@pytest.fixture(scope="module")
def uninterrupted(small):
    return train(CONFIG, small).model.state_dict()


def same(a, b) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.fixture(scope="module")
def interrupted(small, tmp_path_factory):
    """What a run that was stopped after so many epochs leaves in a folder -> its checkpoints, the newest first."""

    @cache
    def made(epochs: int) -> Path:
        folder = tmp_path_factory.mktemp("interrupted")
        with pytest.raises(KeyboardInterrupt):
            train(CONFIG, small, [Checkpoints(folder), Watch(epoch=lambda run: stop(run, epochs))])
        return folder

    def left(folder: Path, epochs: int) -> list[Path]:
        shutil.copytree(made(epochs), folder, dirs_exist_ok=True)
        return sorted(folder.glob("checkpoints/*/*.pt"), reverse=True)

    return left


def test_an_interrupted_run_goes_on_where_it_was(small, interrupted, uninterrupted, tmp_path, capsys):
    saved = interrupted(tmp_path, 3)
    assert len(saved) == 2  # the last two
    (saved[0].parent / ".epoch-00004-0.pt.1.part").write_bytes(b"half")  # as a kill leaves it
    (tmp_path / ".record.json.1.part").write_bytes(b"half")
    run = train(CONFIG, small, [Checkpoints(tmp_path)])
    assert "Resumed after epoch 3" in capsys.readouterr().out
    assert same(run.model.state_dict(), uninterrupted)
    assert [entry["epoch"] for entry in run.history] == [1, 2, 3, 4, 5, 6]
    assert not list(tmp_path.glob("checkpoints/*"))  # nothing left to resume
    saved = torch.load(tmp_path / "model.pt", weights_only=True)
    assert same(saved, uninterrupted) and (tmp_path / "record.json").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoints", "model.pt", "record.json"]


def test_other_settings_or_data_do_not_resume_it(small, interrupted, tmp_path, capsys):
    interrupted(tmp_path, 2)
    train(TrainConfig(epochs=6, batch_size=32, seed=1), small, [Checkpoints(tmp_path)])
    train(CONFIG, small.head(90, 20), [Checkpoints(tmp_path)])
    assert "Resumed" not in capsys.readouterr().out


@pytest.mark.parametrize("damage", ["a bit", "half", "empty"])
def test_a_damaged_checkpoint_is_refused_and_the_one_before_it_used(
    small, interrupted, uninterrupted, tmp_path, capsys, damage
):
    newest, _before = interrupted(tmp_path, 4)
    body = bytearray(newest.read_bytes())
    body[len(body) // 2] ^= 1
    newest.write_bytes({"a bit": body, "half": body[: len(body) // 2], "empty": b""}[damage])
    with pytest.raises(CheckpointError, match=r"^is damaged: [^\n]+\.$"):
        checkpoints.load(newest)
    run = train(CONFIG, small, [Checkpoints(tmp_path)])
    said = capsys.readouterr().out
    assert "is damaged" in said and "Resumed after epoch 3" in said
    assert same(run.model.state_dict(), uninterrupted)


class Evil:
    """What would create a file on being read."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def test_no_checkpoint_executes_code(tmp_path):
    path = checkpoints.save({"model": Evil(tmp_path / "executed")}, tmp_path, 1)  # whole, by its checksum
    with pytest.raises(CheckpointError, match=r"^is not a checkpoint: [^\n]+\.$") as caught:
        checkpoints.load(path)
    assert not (tmp_path / "executed").exists() and "weights_only" not in str(caught.value)


@pytest.mark.parametrize("kind", ["empty", "text", "a folder", "a refused pickle", "a list"])
def test_a_file_that_only_has_a_checkpoints_name_is_one_sentence_and_blocks_nothing(
    small, interrupted, uninterrupted, tmp_path, capsys, kind
):
    [newest, _] = interrupted(tmp_path, 3)
    fake = newest.with_name("epoch-00009-0123456789abcdef.pt")
    if kind == "a folder":
        fake.mkdir()
    elif kind in ("a refused pickle", "a list"):
        checkpoints.save({"model": Evil(tmp_path / "executed")} if kind != "a list" else [1, 2], newest.parent, 9)
    else:
        fake.write_text("" if kind == "empty" else "not a checkpoint")
    run = train(CONFIG, small, [Checkpoints(tmp_path)])
    said = capsys.readouterr().out.strip().splitlines()
    assert said[0].startswith("epoch-00009-") and said[0].endswith(".") and "weights_only" not in said[0]
    assert said[1] == "Resumed after epoch 3." and len(said) == 2
    assert same(run.model.state_dict(), uninterrupted) and not (tmp_path / "executed").exists()


class Narrow(DigitNet):
    """Another network: other shapes."""

    def __init__(self, dropout):
        super().__init__(dropout, widths=(16, 32, 10, 16, 16, 16, 12))


class Doubled(DigitNet):
    """Another network of the same layers and shapes."""

    def forward(self, x):
        return 2 * super().forward(x)


@pytest.mark.parametrize("network", [Narrow, Doubled])
def test_another_network_starts_over_and_says_so(small, interrupted, tmp_path, capsys, monkeypatch, network):
    interrupted(tmp_path, 2)
    monkeypatch.setattr(loop, "DigitNet", network)
    run = train(CONFIG, small, [Checkpoints(tmp_path)])
    said = capsys.readouterr().out
    assert "is of another network than today's DigitNet: the run starts over." in said and "Resumed" not in said
    assert len(run.history) == 6 and "seconds_in_all" in run.record  # one whole run


def test_another_engine_starts_over_and_says_so(small, interrupted, tmp_path, capsys):
    interrupted(tmp_path, 2)
    made = sorted(tmp_path.glob("checkpoints/*/*.pt"))[-1]
    state = checkpoints.load(made)
    checkpoints.save(state | {"engine": "cuda, float32, not compiled"}, made.parent, 3)
    train(CONFIG, small, [Checkpoints(tmp_path)])
    assert "is of a run on cuda, float32, not compiled: on cpu" in capsys.readouterr().out


OTHER_CODE = {
    "a field less": lambda state: state.pop("memory"),
    "a field more": lambda state: state.update(new=1),
    "other groups of weights": lambda state: state["optimizer"]["param_groups"].pop(),
    "another schedule": lambda state: state["scheduler"].pop("total_steps"),
    "a history of another kind": lambda state: state.update(history=3),
    "more steps than the run has": lambda state: state.update(step=10**6),
    "answers of another kind": lambda state: state.update(first_answers="7210414959"),
}


@pytest.mark.parametrize("change", OTHER_CODE.values(), ids=OTHER_CODE)
def test_a_checkpoint_of_other_code_starts_over_and_says_so(small, interrupted, uninterrupted, tmp_path, capsys, change):
    for path in interrupted(tmp_path, 2):
        state = checkpoints.load(path)
        change(state)
        path.unlink()
        checkpoints.save(state, path.parent, 2)
    run = train(CONFIG, small, [Checkpoints(tmp_path)])
    said = capsys.readouterr().out
    assert re.search("is of another (version of this code|network than today's DigitNet): the run starts over.", said)
    assert "Resumed" not in said and same(run.model.state_dict(), uninterrupted)  # nothing of it stayed behind


def test_a_folder_that_cant_be_written_is_said_before_the_first_step(small, tmp_path):
    """Not after the first epoch, which could then not be kept."""
    steps = []
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(CheckpointError, match=r"file[^\n]* can't be written \([^\n]+\): choose another folder\.$"):
        train(CONFIG, small, [Checkpoints(tmp_path / "file"), Watch(step=lambda run: steps.append(run.step))])
    assert not steps


def test_weights_of_a_gpu_are_read_without_one(small, tmp_path, monkeypatch):
    """Everything that reads a file asks for it on the CPU."""
    asked, load = [], torch.load

    def watched(*arguments, **options):
        asked.append((options.get("map_location"), options.get("weights_only")))
        return load(*arguments, **options)

    monkeypatch.setattr(torch, "load", watched)
    path = checkpoints.save({"step": 1}, tmp_path, 1)
    checkpoints.load(path)
    recorded_net()
    assert asked == [("cpu", True)] * 2


def test_an_epoch_is_saved_before_it_is_said_to_be_done(small, tmp_path):
    """Whatever the order in which they are attached."""
    found = []

    def say(run):
        found.append(max(path.name[:11] for path in tmp_path.glob("checkpoints/*/*.pt")))

    train(TrainConfig(epochs=2, batch_size=32), small, [Watch(epoch=say), Checkpoints(tmp_path)])
    assert found == ["epoch-00001", "epoch-00002"]


def test_the_result_is_there_before_the_checkpoints_go(small, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    def run():
        return train(TrainConfig(epochs=1, batch_size=32), small, [Checkpoints(tmp_path)])

    write = checkpoints.write_whole
    monkeypatch.setattr(checkpoints, "write_whole", lambda path, body: full() if path.suffix == ".json" else write(path, body))
    with pytest.raises(OSError):
        run()
    assert len(list(tmp_path.glob("checkpoints/*/*.pt"))) == 1
    assert (tmp_path / "model.pt").is_file()  # before its record: no record stands beside another run's weights
    monkeypatch.undo()
    assert run().history[-1]["epoch"] == 1 and (tmp_path / "record.json").is_file()


def run_and_tell(folder: Path, small, config: TrainConfig, event) -> None:
    torch.set_num_threads(1)
    train(config, small, [Checkpoints(folder), Watch(step=lambda run: event.set())])  # the first step is done


def kill_at_random_moments(folder: Path, small, config: TrainConfig, kills: int, within: float, after_first_step: bool) -> None:
    """SIGKILL so many runs of one folder: at any moment, mid-epoch and mid-write included; then let one run end."""
    server, draw = multiprocessing.get_context("forkserver"), random.Random(0)
    compiler = ["torch._dynamo"] if config.compiled == "yes" else []
    server.set_forkserver_preload(["mnist_lib.trainer.checkpoints", *compiler])  # imported once for all
    while kills:
        event = server.Event()
        process = server.Process(target=run_and_tell, args=(folder, small, config, event))
        process.start()
        if after_first_step:
            while not event.wait(0.05) and process.is_alive():  # one that finds all epochs done makes no step
                pass
        process.join(draw.uniform(0, within))
        if process.is_alive():
            os.kill(process.pid, signal.SIGKILL)
            kills -= 1
        process.join()
        assert process.exitcode in (0, -signal.SIGKILL)
        if process.exitcode == 0:  # it was quicker than the kill: start over
            (folder / "record.json").unlink()
            (folder / "model.pt").unlink()
    event = server.Event()
    process = server.Process(target=run_and_tell, args=(folder, small, config, event))
    process.start()
    process.join(300)
    assert process.exitcode == 0


@pytest.mark.parametrize("kills", [pytest.param(20, marks=pytest.mark.nightly), pytest.param(4, marks=pytest.mark.daily)])
def test_killed_at_random_moments_it_ends_with_the_same_weights(small, uninterrupted, tmp_path, kills):
    kill_at_random_moments(tmp_path, small, CONFIG, kills, 0.2, after_first_step=True)
    assert same(torch.load(tmp_path / "model.pt", weights_only=True), uninterrupted)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoints", "model.pt", "record.json"]
    assert not list(tmp_path.glob("checkpoints/*"))  # nothing is left behind


@pytest.mark.nightly
def test_killed_while_compiling_it_ends_with_the_same_weights(small, tmp_path, compiler, monkeypatch):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    config = TrainConfig(epochs=2, batch_size=32, compiled="yes", precision="float32")
    kill_at_random_moments(tmp_path / "killed", small, config, 8, 12, after_first_step=False)
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "other"))
    kill_at_random_moments(tmp_path / "whole", small, config, 0, 0, after_first_step=False)
    killed, whole = (torch.load(tmp_path / name / "model.pt", weights_only=True) for name in ("killed", "whole"))
    assert same(killed, whole)
