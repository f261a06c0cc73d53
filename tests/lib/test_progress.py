"""What a run says of itself: a line an epoch, and in between one line that is written over."""

from dataclasses import replace

import pytest

from mnist_lib.trainer import progress, train
from mnist_lib.trainer.checkpoints import Checkpoints
from mnist_lib.trainer.config import TrainConfig
from mnist_lib.trainer.progress import PrintEpochs, duration
from tests.lib.watching import Watch, stop


@pytest.fixture
def clock(monkeypatch):
    """A clock that advances by a second whenever it is read."""
    now = [0.0]

    def tick() -> float:
        now[0] += 1
        return now[0]

    monkeypatch.setattr(progress.time, "perf_counter", tick)
    return now


def test_print_epochs_says_how_far_and_how_long_still(digits, capsys, clock):
    config = TrainConfig(epochs=2, batch_size=16, compiled="no", precision="float32")
    train(replace(config, validation=20), digits.head(180, 20), [PrintEpochs()])
    said = capsys.readouterr().out
    lines = [line.split("\r")[-1].rstrip() for line in said.rstrip("\n").split("\n")]  # as a terminal shows them in the end
    assert lines[0].startswith("On cpu, ") and len(lines) == 3 and "\r" in said
    assert all(line.startswith(f"epoch  {n}/2  loss ") and "validation accuracy" in line for n, line in enumerate(lines[1:], 1))
    shown = [part for part in said.replace("\n", "\r").split("\r") if part.startswith("step ")]
    assert shown[0].rstrip() == "step 1 of 20, about 38 s left"  # of two seconds a step, by this clock
    widths = [len(part) for part in said.split("\n")[1].split("\r")]
    assert widths == sorted(widths)  # each covers the one before


def test_print_epochs_knows_how_long_the_rest_of_a_resumed_run_takes(digits, tmp_path, capsys, clock):
    """By its own steps: those of the run before it took it no time."""
    config, small = TrainConfig(epochs=2, batch_size=16, compiled="no", precision="float32"), digits.head(160, 20)
    with pytest.raises(KeyboardInterrupt):
        train(config, small, [Checkpoints(tmp_path), Watch(epoch=stop)])
    train(config, small, [PrintEpochs(), Checkpoints(tmp_path)])
    shown = [part for part in capsys.readouterr().out.replace("\n", "\r").split("\r") if part.startswith("step ")]
    assert shown[0].rstrip() == "step 11 of 20, about 18 s left"  # two seconds a step, nine steps left


def test_print_epochs_shows_whole_epochs_only_of_a_short_run(digits, capsys):
    PrintEpochs.EVERY, usual = 60, PrintEpochs.EVERY
    try:
        train(TrainConfig(epochs=2, batch_size=64, compiled="no"), digits.head(130, 20), [PrintEpochs()])
    finally:
        PrintEpochs.EVERY = usual
    assert "\r" not in (said := capsys.readouterr().out) and len(said.splitlines()) == 3


@pytest.mark.parametrize(("seconds", "said"), [(3.4, "3 s"), (89, "89 s"), (200, "3 min"), (5399, "90 min"), (9000, "2.5 h")])
def test_duration_is_in_the_unit_a_person_would_choose(seconds, said):
    assert duration(seconds) == said
