"""What the pages say of the frozen recipes and of speed is what the records say, read by other means."""

import json
import re

from mnist_lib.data import MNIST_SHA256
from mnist_lib.studies import records
from mnist_lib.support.paths import ROOT

README, RESULTS = ((ROOT / name).read_text() for name in ("README.md", "RESULTS.md"))


def between(marker: str, text: str) -> str:
    return re.search(rf"<!-- {marker} -->(.*?)<!-- END_{marker} -->", text, re.DOTALL)[1]


def runs_of(recipe: str) -> list[dict]:
    return [json.loads(path.read_text()) for path in (ROOT / "records").glob(f"{recipe}-seed-*.json")]


def mean_of(runs: list[dict]) -> str:
    return f"{sum(run['test']['correct'] for run in runs) / len(runs) / 100:.2f}"


def test_card_records_are_of_mnist_and_add_up():
    card = records.runs("card")
    assert len(card) >= 5
    assert [record["config"]["seed"] for record in card] == list(range(len(card)))
    for record in card:
        assert record["dataset"]["sha256"] == MNIST_SHA256 and record["parameters"] == 13_960
        assert record["test"]["n"] == 10_000 and record["test"]["accuracy"] == record["test"]["correct"] / 10_000
        assert [entry["epoch"] for entry in record["history"]] == list(range(1, 21))


def test_latest_result_is_that_of_seed_0():
    section = between("LATEST_RESULT", README)
    [record] = [run for run in runs_of("card") if run["config"]["seed"] == 0]
    correct = record["test"]["correct"]
    assert f"Maximum Accuracy: {correct / 100:.2f}%" in section and f"{correct:,} of 10,000" in section
    for told in ("MNIST", "seed 0", record["machine"]["device"], record["versions"]["torch"], record["date"]):
        assert told in section


def test_result_is_the_mean_over_seeds():
    card = runs_of("card")
    section = between("RESULT", README)
    assert f"**{mean_of(card)} %**" in section and f"the mean of {len(card)} trainings" in section


def test_recipes_table_has_every_recipes_mean():
    rows = between("RECIPES", README)
    for recipe, parameters in {"card": 13_960, "quick": 13_960, "best": 13_960, "few": 4_872}.items():
        runs = runs_of(recipe)
        assert re.search(rf"\| `{recipe}` \| {parameters:,} \|[^|]+\| {len(runs)} \| \*\*{mean_of(runs)} %\*\*", rows), recipe
        assert all(run["parameters"] == parameters and run["dataset"]["sha256"] == MNIST_SHA256 for run in runs)


def test_speed_table_is_of_the_rounds_pairs():
    speed = json.loads((ROOT / "records/speed.json").read_text())
    section = between("SPEED", RESULTS)
    classic, ours = speed["epochs"]["classic"], speed["epochs"]["ours"]
    assert len(classic) == len(ours) == speed["rounds"] >= 5 and speed["dataset"]["sha256"] == MNIST_SHA256
    ratios = sorted(a / b for a, b in zip(classic, ours))
    assert f"{ratios[len(ratios) // 2]:.1f} ({ratios[0]:.1f} to {ratios[-1]:.1f})" in section
    assert speed["machine"]["device"] in section and speed["versions"]["torch"] in section


def test_quick_result_is_the_mean_over_seeds():
    quick = runs_of("quick")
    assert len(quick) >= 20 and len({run["config"]["seed"] for run in quick}) == len(quick)
    assert f"**{mean_of(quick)} %**" in between("QUICK", RESULTS)
    assert all(run["parameters"] == 13_960 and run["dataset"]["sha256"] == MNIST_SHA256 for run in quick)


def test_readings_count_the_runs_that_read_the_test_images():
    read = [path for path in (ROOT / "records").rglob("*seed-*.json") if json.loads(path.read_text())["test"]]
    assert f"read by {len(read)} recorded runs in all" in between("READINGS", RESULTS)
    assert {path.parent.name for path in read} == {"records"}  # no study reads them
