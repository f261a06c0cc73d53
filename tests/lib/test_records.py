"""Only a record that is whole, adds up and is what it says may be read, and nothing else is written."""

import copy
import json
import math
import re

import pytest

from course.__main__ import main
from mnist_lib.studies import records
from mnist_lib.studies.records import RecordError
from mnist_lib.trainer import train
from mnist_lib.trainer.config import TrainConfig
from mnist_lib.trainer.recipes import QUICK


@pytest.fixture
def record() -> dict:
    return copy.deepcopy(records.runs("card")[0])


BROKEN = {
    "a seed that is a path": lambda r: r["config"].update(seed="/../../x"),
    "a negative seed": lambda r: r["config"].update(seed=-5),
    "a seed that makes another file's name": lambda r: r["config"].update(seed=0.0),
    "a seed that is no whole number": lambda r: r["config"].update(seed=0.5),
    "accuracy above 1": lambda r: r["test"].update(accuracy=1.5, correct=15_000),
    "accuracy unlike correct": lambda r: r["test"].update(accuracy=0.9999),
    "no configuration": lambda r: r.update(config=None),
    "an unknown setting": lambda r: r["config"].update(muon=0.3),
    "a setting that is missing": lambda r: r["config"].pop("ingredients"),
    "an epoch twice": lambda r: r["history"][1].update(epoch=1),
    "no history": lambda r: r.update(history=[]),
    "another last epoch": lambda r: r["test"].update(epoch=19),
    "a date that is none": lambda r: r.update(date="today"),
    "a date of no month": lambda r: r.update(date="2026-13-01"),
    "a date with a line more": lambda r: r.update(date="2026-11-01\n"),
    "a machine of two lines": lambda r: r["machine"].update(device="a machine\n"),
    "a machine with markup in its name": lambda r: r["machine"].update(device="<script>"),
    "no machine": lambda r: r.pop("machine"),
    "images of none": lambda r: r["dataset"].update(sha256=""),
    "nobody knows how many images": lambda r: r["dataset"].pop("trained_on"),
    "a last epoch that would be printed as 20.0": lambda r: r["test"].update(epoch=20.0),
    "parameters that would be printed as 13,960.0": lambda r: r.update(parameters=13_960.0),
    "judged by nothing": lambda r: r.update(test=None),
    "judged by test images, though some were held out": lambda r: r["config"].update(validation=5_000),
    "an epoch that was judged by others": lambda r: r["history"][3].update(validation_accuracy=0.9),
    "images held out that no setting asks for": lambda r: r["dataset"].update(validated_on=5_000),
}


@pytest.mark.parametrize("change", BROKEN.values(), ids=BROKEN)
def test_a_record_that_is_not_whole_or_does_not_add_up_is_one_sentence(record, change, tmp_path, capsys):
    records.check_run(record)
    change(record)
    path = tmp_path / "record.json"
    path.write_text(json.dumps(record))
    with pytest.raises(RecordError, match=r"^record\.json [^\n]+\.$"):
        records.read(path)
    with pytest.raises(RecordError):
        records.write(tmp_path / "card-seed-0.json", record)
    assert main(["report", "--record", str(path)]) == 1 and len(capsys.readouterr().err.strip().splitlines()) == 1
    assert [one.name for one in tmp_path.iterdir()] == ["record.json"]


NONE = ["half of a rec", "{}", "[]", "3", "[" * 100_000, "null"]
NO_NUMBERS = [f'{{"loss": {number}}}' for number in ("NaN", "1e999", "9" * 400, "9" * 5_000)]


@pytest.mark.parametrize("text", NONE + NO_NUMBERS)
def test_a_file_that_is_no_record_is_one_sentence(tmp_path, text):
    path = tmp_path / "record.json"
    path.write_text(text)
    with pytest.raises(RecordError, match=r"^[^\n]+\.$") as caught:
        records.read(path)
    assert "loss" not in text or "it holds" in str(caught.value)


OTHER_RUNS = {
    "other images": lambda r: r["dataset"].update(name="digits", sha256="3c" * 32),
    "part of the images": lambda r: r["dataset"].update(trained_on=55_000),
    "another learning rate": lambda r: r["config"].update(max_lr=0.2),
    "Nesterov": lambda r: r["config"].update(nesterov=True),
    "no augmentation": lambda r: r["config"].update(augment=None),
    "an ingredient": lambda r: r["config"].update(ingredients={"Settle": {"last": 0.2}}),
    "other test images": lambda r: r["test"].update(n=5_000, correct=4_978, accuracy=4_978 / 5_000),
    "fewer epochs": lambda r: (r.update(history=r["history"][:2]), r["test"].update(epoch=2)),
}


@pytest.mark.parametrize("change", OTHER_RUNS.values(), ids=OTHER_RUNS)
def test_no_other_run_may_stand_as_the_cards(record, change):
    assert records.require_recipe(record) is record
    change(record)
    with pytest.raises(RecordError, match=r"^The run is [^\n]+\.$"):
        records.require_recipe(record)


def test_quicks_records_are_not_the_cards_nor_the_other_way_round(record):
    records.require_recipe(records.runs("quick")[0], QUICK, "quick")
    with pytest.raises(RecordError, match="The run is not quick"):
        records.require_recipe(record, QUICK, "quick")


def test_a_mean_over_seeds_is_of_one_machine(record):
    record["machine"]["precision"] = "float32"
    with pytest.raises(RecordError, match="several machines"):
        records.runs("card", new=record)
    versions = copy.deepcopy(records.runs("card")[1])
    versions["versions"]["torch"] = "2.6.0"
    with pytest.raises(RecordError, match="several machines"):
        records.runs("card", new=versions)


@pytest.mark.parametrize("name", ["card-seed-9.json", "card-seed-0 (copy).json"])
def test_a_copy_of_a_record_does_not_count_twice(record, tmp_path, name):
    for file in ("card-seed-0.json", name):
        (tmp_path / file).write_text(json.dumps(record))
    with pytest.raises(RecordError, match=rf"^{re.escape(name)} is of seed 0: name it so, or remove it\.$"):
        records.runs("card", tmp_path)


HELD_OUT = {
    "other images": lambda r: r["dataset"].update(sha256="3c" * 32),
    "fewer images held out": lambda r: (r["config"].update(validation=100), r["dataset"].update(validated_on=100)),
    "another seed": lambda r: r["config"].update(seed=1),
    "another learning rate": lambda r: r["config"].update(max_lr=0.2),
    "fewer epochs": lambda r: r.update(history=r["history"][:19]),
}


@pytest.mark.parametrize("change", HELD_OUT.values(), ids=HELD_OUT)
def test_the_run_with_images_held_out_is_the_cards(change, tmp_path):
    made = records.held_out()
    change(made)
    (tmp_path / "validation-seed-0.json").write_text(json.dumps(made))
    with pytest.raises(RecordError, match=r"^validation-seed-0\.json is not the card's 20 epochs [^\n]+\.$"):
        records.held_out(tmp_path)


def test_a_new_run_takes_the_place_of_its_seeds(record):
    record["config"]["seed"], record["seconds"] = 1, 1.0
    card = records.runs("card", new=record)
    assert [one["config"]["seed"] for one in card] == [0, 1, 2, 3, 4] and card[1]["seconds"] == 1.0


def test_what_a_run_records_is_written_and_read_back(digits, tmp_path):
    """The schema and the trainer agree, on validated runs, several seeds and a recipe with ingredients, too."""
    small = digits.head(150, 30)
    for config, seeds in (
        (TrainConfig(epochs=1, batch_size=64), ()),
        (TrainConfig(epochs=1, batch_size=64, validation=20, augment=None), (3, 4)),
        (QUICK, ()),
    ):
        for made in train(config, small, seeds=seeds).records:
            records.write(tmp_path / "run.json", made)
            assert records.read(tmp_path / "run.json") == json.loads(json.dumps(made))


def test_no_record_holds_what_is_no_json(record, tmp_path):
    record["history"][3]["train_loss"] = math.nan
    with pytest.raises(ValueError):
        records.write(tmp_path / "card-seed-0.json", record)
    assert not list(tmp_path.iterdir())


NO_SPEED = {
    "no machine": lambda r: r.update(machine={}),
    "no torchvision": lambda r: r["versions"].pop("torchvision"),
    "no workers": lambda r: r.update(workers={}),
    "no classic epochs": lambda r: r["epochs"].pop("classic"),
    "no classic rung": lambda r: r.update(ladder={}),
    "no profile": lambda r: r.update(profile={}),
    "a profile of words": lambda r: r["profile"]["ours"].update(convolution="much"),
}


@pytest.mark.parametrize("change", NO_SPEED.values(), ids=NO_SPEED)
def test_a_benchmark_has_all_that_the_pages_quote(change, tmp_path):
    record = records.benchmark("speed")
    change(record)
    (tmp_path / "speed.json").write_text(json.dumps(record))
    with pytest.raises(RecordError, match=r"^speed\.json is no whole record [^\n]+`python -m benchmarks\.speed`\.$"):
        records.benchmark("speed", tmp_path)


@pytest.mark.parametrize("name", ["speed", "ingredients"])
def test_half_a_benchmark_or_one_of_other_images_or_settings_is_refused(name, tmp_path):
    whole = records.benchmark(name)
    part, other = (copy.deepcopy(whole) for _ in range(2))
    part.pop("date")
    other["dataset"]["sha256"] = "3c" * 32
    for record in (part, other, whole | {"quick": whole["quick"] | {"epochs": 8}}):
        (tmp_path / f"{name}.json").write_text(json.dumps(record))
        with pytest.raises(RecordError, match=rf"^{name}\.json is [^\n]+`python -m benchmarks\.{name}`\.$"):
            records.benchmark(name, tmp_path)
