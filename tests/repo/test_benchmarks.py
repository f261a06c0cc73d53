"""The benchmarks run, and what they compare is comparable. What they measure is no test."""

import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from benchmarks import ingredients, speed
from benchmarks.classic import Classic, network
from mnist_lib.model import DigitNet
from mnist_lib.studies import records
from mnist_lib.studies.catalogue import QUICK_STUDY
from mnist_lib.trainer.fast import compiled

BY_DAY = ["classic script", "channels last", "fused SGD", "eight batches changed at once"]


def test_the_classic_network_is_the_cards():
    torch.manual_seed(0)
    classic, ours = network().eval(), DigitNet().eval()
    values = list(ours.state_dict().values())
    classic.load_state_dict(dict(zip(classic.state_dict(), values, strict=True)))
    x = torch.randn(3, 1, 28, 28)
    assert torch.allclose(classic(x), ours(x), atol=1e-5)


@pytest.mark.parametrize(
    "rungs", [pytest.param(BY_DAY, marks=pytest.mark.daily), pytest.param(None, marks=pytest.mark.nightly)]
)
def test_every_rung_trains(digits, monkeypatch, rungs):
    monkeypatch.setattr(compiled, "can_compile", lambda: False)  # what is compiled is tested in test_engine
    torch.manual_seed(0)
    small = digits.head(48, 20)
    ladder = speed.ladder(small, workers=0)
    for name in rungs or ladder:
        losses = [loss.item() for _ in range(10) for loss in speed.epoch(ladder[name])]
        assert sum(losses[-3:]) < 0.95 * sum(losses[:3]), name
        assert speed.stretch_seconds(ladder[name], 4, skip=1) > 0  # more steps than an epoch has


def test_a_profile_finds_each_kind_of_work(digits):
    took = speed.profiled(Classic(digits.head(32, 20), 0), steps=4, warm_up=2)
    assert {"making images", "convolution", "BatchNorm", "dropout", "ReLU", "pooling", "the rest"} == set(took)


def test_what_ingredients_cost_is_measured_on_trainings_of_as_many_steps(digits, tmp_path, monkeypatch):
    """As many as the study's, whose accuracies stand beside the seconds; and the record is one that is read."""
    many = replace(
        digits,
        train_images=torch.zeros(60_000, 1, 28, 28, dtype=torch.uint8),
        train_labels=torch.zeros(60_000, dtype=torch.int64),
        sha256=records.MNIST_SHA256,
    )
    trained = []

    def train(config, dataset):
        trained.append((config, config.steps(len(dataset.train_labels) - config.validation)))
        return SimpleNamespace(record={"seconds_in_all": float(len(trained))})

    monkeypatch.setattr(ingredients, "mnist", lambda parser: many)
    monkeypatch.setattr(ingredients, "train", train)
    monkeypatch.setattr(records, "RECORDS", tmp_path)
    monkeypatch.setattr(sys, "argv", ["ingredients", "--rounds", "2"])
    ingredients.main()
    studied = {config.steps(55_000) for config in QUICK_STUDY.variants.values()}
    assert {steps for _, steps in trained[1:]} == studied == {347}  # the first warms up
    record = records.benchmark("ingredients", tmp_path)
    n = len(QUICK_STUDY.variants)
    assert record["seconds"] == {name: [k + 2, k + 2 + n] for k, name in enumerate(QUICK_STUDY.variants)}
    assert [config.seed for config, _ in trained[1:]] == n * [0] + n * [1]


def test_a_record_without_a_variants_seconds_or_without_its_machine_is_refused(tmp_path):
    whole = records.json.loads((records.RECORDS / "ingredients.json").read_text())
    whole["machine"] |= {"precision": "bfloat16"}
    records.write(tmp_path / "ingredients.json", whole)
    without = {name: took for name, took in whole["seconds"].items() if name != "no settle"}
    for change, said in (({"seconds": without}, "no settle"), ({"machine": {}}, "device"), ({"versions": {}}, "python")):
        with pytest.raises(records.RecordError, match=said):
            records.write(tmp_path / "ingredients.json", whole | change)


def test_a_part_that_needs_another_s_result_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["speed", "--parts", "epochs", "--out", str(tmp_path / "mine.json")])
    with pytest.raises(SystemExit):
        speed.main()
    assert "mine.json does not say how many workers" in capsys.readouterr().err
