"""What the pages say of studies is what the records say, read by other means."""

import json
import re

import pytest
from scipy import stats

from course.report.pages import SHOWN
from course.report.studies import settling_of, study_table
from mnist_lib.data import MNIST_SHA256
from mnist_lib.studies.catalogue import SMALL_STUDY
from mnist_lib.studies.study import Row, recorded
from mnist_lib.support.paths import ROOT

RESULTS, INSTRUCTOR = ((ROOT / name).read_text() for name in ("RESULTS.md", "INSTRUCTOR.md"))


def between(marker: str, text: str) -> str:
    return re.search(rf"<!-- {marker} -->(.*?)<!-- END_{marker} -->", text, re.DOTALL)[1]


def runs_of(study: str, variant: str) -> list[dict]:
    files = (ROOT / "records/studies" / study).glob(f"*/{variant.replace(' ', '-')}-seed-*.json")
    return [json.loads(path.read_text()) for path in files]


def held_out(runs: list[dict]) -> dict[int, float]:
    """Accuracies in percent, by seed."""
    return {run["config"]["seed"]: 100 * run["history"][-1]["validation_accuracy"] for run in sorted(runs, key=seed_of)}


def seed_of(run: dict) -> int:
    return run["config"]["seed"]


@pytest.mark.parametrize(("mark", "study"), SHOWN.items())
def test_study_table_has_the_means_of_all_variants(mark, study):
    """And a difference of fewer seeds than the row has says of how many."""
    table = between(mark, INSTRUCTOR if mark == "ANSWER" else RESULTS)
    rows = {row.split(" | ")[0]: row for row in table.split("\n| ")[1:]}
    seeds = {}
    for variant in study.variants:
        runs = runs_of(study.name, variant)
        accuracies = held_out(runs)
        seeds[variant] = accuracies.keys()
        told = rows[variant].split(" | ")
        assert told[1:3] == [f"{runs[0]['parameters']:,}", str(len(runs))]
        assert float(told[3].split()[0]) == pytest.approx(sum(accuracies.values()) / len(runs), abs=0.0051)
        assert all(run["test"] is None and run["dataset"]["sha256"] == MNIST_SHA256 for run in runs)
        first = next(iter(study.variants))
        if variant != first and len(pairs := seeds[variant] & seeds[first]) > 1:
            assert (f"n = {len(pairs)})" in told[4]) == (len(pairs) < len(runs))


def test_study_table_has_the_intervals_of_scipy():
    rows = between("STUDY_QUICK", RESULTS)
    quick = held_out(runs_of("quick", "quick"))
    for variant in ("no hardest", "no freeze"):
        accuracies = held_out(runs_of("quick", variant))
        assert list(accuracies) == list(quick) == list(range(20))
        paired = stats.ttest_rel(list(accuracies.values()), list(quick.values()))
        low, high = paired.confidence_interval()
        difference = (sum(accuracies.values()) - sum(quick.values())) / 20
        assert f"| {variant} | 13,960 | 20 |" in rows and f"{difference:+.3f} ({low:+.3f} to {high:+.3f})" in rows


def test_study_table_has_the_benchmarks_median_seconds():
    timed = json.loads((ROOT / "records/ingredients.json").read_text())["seconds"]
    rows = between("STUDY_QUICK", RESULTS)
    for name, seconds in timed.items():
        assert re.search(rf"^\| {name} \|.*\| {sorted(seconds)[len(seconds) // 2]:.1f} \|$", rows, re.MULTILINE)


def test_study_table_counts_the_hours_of_seeds_trained_side_by_side_once():
    [variants] = recorded(SMALL_STUDY).values()
    pairs = {
        variant: {seed: run | {"seconds": 3600.0, "together": 2} for seed, run in runs.items()}
        for variant, runs in variants.items()
    }
    assert "10 runs, 5.0 hours of training in all" in study_table(SMALL_STUDY, {"a machine": pairs})


def test_settling_of_no_difference_takes_any_number_of_pairs():
    first, other = (Row("a", 1, {0: a, 1: b}, 99.5, None, 2, 0.0, (-1.0, 1.0)) for a, b in ((99.0, 100.0), (100.0, 99.0)))
    assert settling_of(other, first) == "over 1,000"


def test_few_result_is_that_of_scipy():
    """What `few` was expected to read, by plain arithmetic and scipy."""
    told = between("FEW", RESULTS)
    tested = [json.loads(path.read_text())["test"]["correct"] / 100 for path in (ROOT / "records").glob("quick-seed-*.json")]
    known, quick = sum(tested) / len(tested), held_out(runs_of("quick", "quick"))
    for study, variant in (("fewest long", "4872 numbers"), ("shapes", "even"), ("shapes", "more late")):
        small = held_out(runs_of(study, variant))
        paired = stats.ttest_rel(list(small.values()), [quick[seed] for seed in small])
        low, high = paired.confidence_interval()
        mean = known + sum(small[seed] - quick[seed] for seed in small) / len(small)
        assert f"{mean:.2f} % ({known + low:.2f} to {known + high:.2f}, n = {len(small)})" in told
        assert (known + low > 99.4) == (variant == "4872 numbers")  # so the text may say that the others cannot tell
