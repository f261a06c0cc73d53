"""Only a record that is whole, adds up and is what it says may be read, and nothing else is written; no run is lost."""

import copy
import json
import math
import multiprocessing
import os
import random
import time
from dataclasses import replace
from pathlib import Path

import pytest

from course.__main__ import main
from course.report.results import EARLIER
from mnist_lib.studies import records
from mnist_lib.studies.catalogue import STUDIES
from mnist_lib.studies.records import RecordError, append, read_table
from mnist_lib.trainer import train
from mnist_lib.trainer.config import TrainConfig
from mnist_lib.trainer.recipes import QUICK


@pytest.fixture
def record() -> dict:
    return records.runs("card")[0]


BROKEN = {
    "a seed that is a path": lambda r: r["config"].update(seed="/../../x"),
    "a negative seed": lambda r: r["config"].update(seed=-5),
    "a seed that makes another file's name": lambda r: r["config"].update(seed=0.0),
    "accuracy above 1": lambda r: r["test"].update(accuracy=1.5, correct=15_000),
    "accuracy unlike correct": lambda r: r["test"].update(accuracy=0.9999),
    "no configuration": lambda r: r.update(config=None),
    "an unknown setting": lambda r: r["config"].update(muon=0.3),
    "a setting that is missing": lambda r: r["config"].pop("ingredients"),
    "an epoch twice": lambda r: r["history"][1].update(epoch=1),
    "no history": lambda r: r.update(history=[]),
    "another last epoch": lambda r: r["test"].update(epoch=19),
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
def test_record_that_is_not_whole_or_does_not_add_up_is_one_sentence(record, change, tmp_path, capsys):
    records.check_run(record)
    change(record)
    path = tmp_path / "record.json"
    path.write_text(json.dumps(record))
    with pytest.raises(RecordError, match=r"^record\.json [^\n]+\.$"):
        records.read(path)
    with pytest.raises(RecordError):
        append(tmp_path / "card.jsonl", record)
    assert main(["report", "--record", str(path)]) == 1 and len(capsys.readouterr().err.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == [path]


def with_seed(record: dict, seed: int) -> dict:
    return record | {"config": record["config"] | {"seed": seed}}


def seeds_in(table: Path) -> list[int]:
    return [record["config"]["seed"] for _, _, record in read_table(table)]


NO_NUMBERS = [b'{"loss": %b}' % number for number in (b"NaN", b"1e999", 400 * b"9", 5_000 * b"9")]
NONE = [b" ", b"half of a rec", b"{}", b"[]", b"3", 100_000 * b"[", b"null", b"<<<<<<< HEAD", bytes(100), b"\xff", *NO_NUMBERS]


@pytest.mark.parametrize("text", NONE)
def test_record_that_is_none_is_one_sentence_and_no_other_run_is_lost_for_it(record, tmp_path, text):
    path, table = tmp_path / "record.json", tmp_path / "studies" / records.READINGS
    path.write_bytes(text)
    with pytest.raises(RecordError, match=r"^[^\n]+\.$") as caught:
        records.read(path)
    assert b"loss" not in text or "it holds" in str(caught.value)
    append(table, record)
    table.write_bytes(table.read_bytes() + text)  # torn: without an end
    for read in (read_table, lambda table: records.runs("card", table.parent)):
        with pytest.raises(RecordError, match=r"^Line 2 of studies/readings\.jsonl is not a [^\n]+\.$"):
            read(table)
    append(table, with_seed(record, 1))
    first, _, last = table.read_bytes().splitlines()
    table.write_bytes(first + b"\r\n" + last)  # mended, as an editor may write it
    assert seeds_in(table) == [0, 1]


@pytest.mark.parametrize("change", [{}, {"variant": "card"}, {"seconds": 1.0}])
def test_table_with_a_run_twice_is_refused(record, tmp_path, change):
    table = tmp_path / "card.jsonl"
    assert read_table(table) == []
    append(table, record)
    append(table, with_seed(record, 1))
    append(table, record | {"machine": record["machine"] | {"threads": 9}})  # of another machine: another run
    assert seeds_in(table) == [0, 1, 0]
    append(table, record | change)
    said = rf"^Line 4 of {tmp_path.name}/card\.jsonl is of the same run as line 1 \(card, seed 0\): remove one of the two\.$"
    with pytest.raises(RecordError, match=said):
        read_table(table)


def writer(table: Path, record: dict, seeds: range) -> tuple[multiprocessing.Process, int]:
    """A process that appends runs, and where it tells of each that is on record, by a byte."""
    told, tells = os.pipe()

    def work():
        for seed in seeds:
            append(table, with_seed(record, seed))
            os.write(tells, b".")

    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    os.close(tells)
    return process, told


@pytest.mark.parametrize("kills", [pytest.param(20, marks=pytest.mark.nightly), pytest.param(8, marks=pytest.mark.daily)])
def test_table_is_whole_and_has_all_that_was_done_when_its_writer_is_killed(record, tmp_path, kills):
    table, n = tmp_path / "card.jsonl", 0
    for _ in range(kills):
        process, told = writer(table, record, range(n, n + 1000))
        done = len(os.read(told, 1))
        time.sleep(random.uniform(0, 0.02))
        process.kill()
        process.join()
        while more := len(os.read(told, 1000)):
            done += more
        os.close(told)
        assert seeds_in(table) in ([*range(n + done)], [*range(n + done + 1)])  # the last may be done, and not told
        n = len(seeds_in(table))
    assert n >= kills


def test_table_has_all_runs_of_two_processes_that_write_at_the_same_time(record, tmp_path):
    table = tmp_path / "card.jsonl"
    processes = [writer(table, record, range(first, first + 30)) for first in (0, 30)]
    for process, told in processes:
        process.join(timeout=60)
        os.close(told)
    assert sorted(seeds_in(table)) == [*range(60)]


def test_committed_records_are_few_files_each_of_its_study():
    """But for those of the recipe that `quick` was once."""
    files = [path for path in records.RECORDS.rglob("*") if path.is_file() and not path.name.startswith(".")]
    assert len(files) <= 20
    tables, frozen = [path for path in files if path.suffix == ".jsonl"], [s for s in STUDIES.values() if not s.held_out]
    assert len(tables) >= 9
    for table in tables:
        for place, variant, record in read_table(table):
            if table.name == records.READINGS:
                assert record["test"] and (variant == EARLIER or any(variant in study.variants for study in frozen)), place
            else:
                assert record["study"] == table.stem and (
                    variant in STUDIES[table.stem].variants or (table.stem, variant) == ("quick", EARLIER)
                ), place
                assert table.stem != "frontier" or record["config"]["seed"] >= 2, place  # the first two chose


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
def test_recipe_of_the_card_is_no_other_runs(record, change):
    assert records.require_recipe(record) is record
    change(record)
    with pytest.raises(RecordError, match=r"^The run is [^\n]+\.$"):
        records.require_recipe(record)


def test_recipe_quick_is_not_the_cards_nor_the_other_way_round(record):
    records.require_recipe(records.runs("quick")[0], QUICK, "quick")
    with pytest.raises(RecordError, match="The run is not quick"):
        records.require_recipe(record, QUICK, "quick")


def test_runs_of_a_recipe_are_of_one_machine(record):
    record["machine"]["precision"] = "float32"
    with pytest.raises(RecordError, match="several machines"):
        records.runs("card", new=record)
    versions = records.runs("card")[1]
    versions["versions"]["torch"] = "2.6.0"
    with pytest.raises(RecordError, match="several machines"):
        records.runs("card", new=versions)


HELD_OUT = {
    "other images": lambda r: r["dataset"].update(sha256="3c" * 32),
    "fewer images held out": lambda r: (r["config"].update(validation=100), r["dataset"].update(validated_on=100)),
    "another seed": lambda r: r["config"].update(seed=1),
    "another learning rate": lambda r: r["config"].update(max_lr=0.2),
    "fewer epochs": lambda r: r.update(history=r["history"][:19]),
}


@pytest.mark.parametrize("change", HELD_OUT.values(), ids=HELD_OUT)
def test_held_out_run_is_the_cards(change, tmp_path):
    made = records.held_out()
    change(made)
    (tmp_path / "validation-seed-0.json").write_text(json.dumps(made))
    with pytest.raises(RecordError, match=r"^validation-seed-0\.json is not the card's 20 epochs [^\n]+\.$"):
        records.held_out(tmp_path)


def test_runs_with_a_new_one_have_it_in_its_seeds_place(record):
    record["config"]["seed"], record["seconds"] = 1, 1.0
    card = records.runs("card", new=record)
    assert [run["config"]["seed"] for run in card] == [0, 1, 2, 3, 4] and card[1]["seconds"] == 1.0


def test_record_of_a_run_is_written_and_read_back(digits, tmp_path):
    """The schema and the trainer agree, on validated runs and a recipe with ingredients, too."""
    small, made = digits.head(150, 30), []
    held_out = TrainConfig(epochs=1, batch_size=64, validation=20, augment=None, seed=3)
    for config in (TrainConfig(epochs=1, batch_size=64), held_out, replace(QUICK, seed=1)):
        made.append(train(config, small).record | {"variant": "mine"})
        append(tmp_path / "runs.jsonl", made[-1])
    assert [record for _, _, record in read_table(tmp_path / "runs.jsonl")] == json.loads(json.dumps(made))


def test_record_with_what_is_no_json_is_not_written(record, tmp_path):
    record["history"][3]["train_loss"] = math.nan
    with pytest.raises(ValueError):
        append(tmp_path / "card.jsonl", record)
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
def test_benchmark_has_all_that_the_pages_quote(change, tmp_path):
    record = records.benchmark("speed")
    change(record)
    (tmp_path / "speed.json").write_text(json.dumps(record))
    with pytest.raises(RecordError, match=r"^speed\.json is not a whole record [^\n]+`python -m benchmarks\.speed`\.$"):
        records.benchmark("speed", tmp_path)


@pytest.mark.parametrize("name", ["speed", "ingredients"])
def test_benchmark_that_is_half_or_of_other_images_or_settings_is_refused(name, tmp_path):
    whole = records.benchmark(name)
    part, other = (copy.deepcopy(whole) for _ in range(2))
    part.pop("date")
    other["dataset"]["sha256"] = "3c" * 32
    for record in (part, other, whole | {"quick": whole["quick"] | {"epochs": 8}}):
        (tmp_path / f"{name}.json").write_text(json.dumps(record))
        with pytest.raises(RecordError, match=rf"^{name}\.json is [^\n]+`python -m benchmarks\.{name}`\.$"):
            records.benchmark(name, tmp_path)
