"""What the pages and figures say of recipes, speed and studies is what the records say, read by other means."""

import json
import re
import statistics
from types import SimpleNamespace

import pytest
import torch
from scipy import stats

from course.report.figures import figures
from course.report.pages import SHOWN
from course.report.results import settling_of, study_table
from mnist_lib import plots
from mnist_lib.data import MNIST_SHA256
from mnist_lib.model import DigitNet
from mnist_lib.studies.catalogue import (
    FEWEST_LONG_STUDY,
    FEWEST_STUDY,
    FRONTIER_STUDY,
    FROZEN_FRONTIER,
    QUICK_STUDY,
    SMALL_STUDY,
)
from mnist_lib.studies.study import Row, recorded
from mnist_lib.support.paths import ROOT

README, RESULTS, INSTRUCTOR = ((ROOT / name).read_text() for name in ("README.md", "RESULTS.md", "INSTRUCTOR.md"))


def between(marker: str, text: str) -> str:
    return re.search(rf"<!-- {marker} -->(.*?)<!-- END_{marker} -->", text, re.DOTALL)[1]


def runs_of(name: str, study: str | None = None) -> list[dict]:
    """By seed: those of a recipe, or of a study's variant."""
    return [run for run in lines_of(f"studies/{study}" if study else "readings") if run["variant"] == name]


def lines_of(table: str) -> list[dict]:
    runs = (json.loads(line) for line in (ROOT / "records" / f"{table}.jsonl").read_text().splitlines())
    return sorted(runs, key=lambda run: run["config"]["seed"])


def mean_of(runs: list[dict]) -> float:
    """Of the test images, in percent."""
    return sum(run["test"]["correct"] for run in runs) / len(runs) / 100


def held_out(runs: list[dict]) -> dict[int, float]:
    """Accuracies in percent, by seed."""
    return {run["config"]["seed"]: 100 * run["history"][-1]["validation_accuracy"] for run in runs}


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
    assert f"**{mean_of(card):.2f} %**" in section and f"the mean of {len(card)} trainings" in section


def test_recipes_table_has_every_recipes_mean():
    rows = between("RECIPES", README)
    for recipe, parameters in {"card": 13_960, "quick": 13_960, "best": 13_960, "narrow": 4_872, "few": 3_502}.items():
        runs = runs_of(recipe)
        assert re.search(rf"\| `{recipe}` \| {parameters:,} \|[^|]+\| {len(runs)} \| \*\*{mean_of(runs):.2f} %\*\*", rows), (
            recipe
        )
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
    assert f"**{mean_of(quick):.2f} %**" in between("QUICK", RESULTS)


def test_readings_count_the_runs_that_read_the_test_images():
    tables = [path.relative_to(ROOT / "records").with_suffix("").as_posix() for path in (ROOT / "records").rglob("*.jsonl")]
    read = {table: sum(run["test"] is not None for run in lines_of(table)) for table in tables}
    assert f"read by {sum(read.values())} recorded runs in all" in between("READINGS", RESULTS)
    assert not any(read[table] for table in tables if table.startswith("studies/"))


@pytest.mark.parametrize(("mark", "study"), SHOWN.items())
def test_study_table_has_the_means_of_all_variants(mark, study):
    """And a difference of fewer seeds than the row has says of how many."""
    table = between(mark, RESULTS)
    rows = {row.split(" | ")[0]: row for row in table.split("\n| ")[1:]}
    seeds = {}
    for variant in study.variants:
        runs = runs_of(variant, study.name)
        assert bool(runs) == (variant in rows), variant
        if not runs:  # not run yet
            continue
        accuracies = held_out(runs)
        seeds[variant] = accuracies.keys()
        told = rows[variant].split(" | ")
        assert told[1:3] == [f"{runs[0]['parameters']:,}", str(len(runs))]
        assert float(told[3].split()[0]) == pytest.approx(sum(accuracies.values()) / len(runs), abs=0.0051)
        assert all(run["test"] is None and run["dataset"]["sha256"] == MNIST_SHA256 for run in runs)
        first = next(iter(study.variants))
        if variant != first and len(pairs := seeds[variant] & seeds.get(first, set())) > 1:
            assert (f"n = {len(pairs)})" in told[4]) == (len(pairs) < len(runs))


def test_study_table_has_the_intervals_of_scipy():
    rows = between("STUDY_QUICK", RESULTS)
    whole = held_out(runs_of("all five", "quick"))
    for variant in ("no hardest", "no coarse"):
        accuracies = held_out(runs_of(variant, "quick"))
        assert list(accuracies) == list(whole) == list(range(20))
        paired = stats.ttest_rel(list(accuracies.values()), list(whole.values()))
        low, high = paired.confidence_interval()
        difference = (sum(accuracies.values()) - sum(whole.values())) / 20
        assert f"| {variant} | 13,960 | 20 |" in rows and f"{difference:+.3f} ({low:+.3f} to {high:+.3f})" in rows


def test_study_table_has_the_benchmarks_median_seconds():
    timed = json.loads((ROOT / "records/ingredients.json").read_text())["seconds"]
    rows = between("STUDY_QUICK", RESULTS)
    for name, seconds in timed.items():
        assert re.search(rf"^\| {name} \|.*\| {sorted(seconds)[len(seconds) // 2]:.1f} \|$", rows, re.MULTILINE)


def test_study_table_adds_up_the_hours():
    [variants] = recorded(SMALL_STUDY).values()
    hours = {variant: {seed: run | {"seconds": 1800.0} for seed, run in runs.items()} for variant, runs in variants.items()}
    assert "10 runs, 5.0 hours of training in all" in study_table(SMALL_STUDY, {"a machine": hours})


def test_settling_of_no_difference_takes_any_number_of_pairs():
    first, other = (Row("a", 1, {0: a, 1: b}, 99.5, None, 2, 0.0, (-1.0, 1.0)) for a, b in ((99.0, 100.0), (100.0, 99.0)))
    assert settling_of(other, first) == "over 1,000"


def test_narrow_result_is_that_of_scipy():
    """What `narrow` was expected to read, by plain arithmetic and scipy."""
    told = between("NARROW", RESULTS)
    known, quick = mean_of(runs_of("earlier quick")), held_out(runs_of("earlier quick", "quick"))
    for study, variant in (("fewest long", "4872 numbers"), ("shapes", "even"), ("shapes", "more late")):
        small = held_out(runs_of(variant, study))
        paired = stats.ttest_rel(list(small.values()), [quick[seed] for seed in small])
        low, high = paired.confidence_interval()
        mean = known + sum(small[seed] - quick[seed] for seed in small) / len(small)
        assert f"{mean:.2f} % ({known + low:.2f} to {known + high:.2f}, n = {len(small)})" in told
        assert (known + low > 99.4) == (variant == "4872 numbers")  # so the text may say that the others cannot tell


def test_figures_line_of_small_networks_is_the_goal_on_held_out_images(monkeypatch):
    """`quick` reads fewer of those than of the test images: by so much the line lies below 99.4."""
    lines, blank = [], SimpleNamespace(savefig=lambda *_, **__: None)
    for name in ("architecture", "curves", "step_times"):
        monkeypatch.setattr(plots, name, lambda *_: blank)
    monkeypatch.setattr(plots, "accuracy_over_parameters", lambda _, title, line, called, **claims: lines.append(line) or blank)
    studies = (QUICK_STUDY, FEWEST_STUDY, FEWEST_LONG_STUDY, FRONTIER_STUDY)
    figures(DigitNet(), SimpleNamespace(train_images=torch.zeros(16)), {study.name: recorded(study) for study in studies})
    accuracies = held_out(runs_of("quick", "quick")).values()
    harder = mean_of(runs_of("quick")) - sum(accuracies) / len(accuracies)
    assert harder > 0 and lines == 4 * [pytest.approx(99.4 - harder)]


def test_line_of_the_frontier_is_what_frozen_recipes_say():
    """By how much the test images are easier than held-out ones: three recipes, weighted by their precision."""
    gaps = []
    for recipe, study, variant in (
        ("earlier quick", "quick", "earlier quick"),
        ("narrow", "fewest long", "4872 numbers"),
        ("card", "card", "card"),
    ):
        tested = [100 * run["test"]["accuracy"] for run in runs_of(recipe)]
        judged = list(held_out(runs_of(variant, study)).values())
        error = sum(statistics.variance(values) / len(values) for values in (tested, judged))
        gaps.append((statistics.mean(tested) - statistics.mean(judged), error))
    weight = sum(1 / error for _, error in gaps)
    gap, error = sum(gap / error for gap, error in gaps) / weight, weight**-0.5
    page = " ".join(RESULTS.split())
    assert f"read {gap:.3f} points more" in page and f"error {error:.3f})" in page
    assert f"99.40 % of the test images corresponds to a line at {99.4 - gap:.3f} %" in page
    assert f"99.00 % to one at {99 - gap:.3f} %" in page


def test_networks_tested_below_the_choice_have_the_highest_held_out_means_of_their_size():
    runs = lines_of("studies/frontier")
    means = {run["variant"]: statistics.mean(held_out(runs_of(run["variant"], "frontier")).values()) for run in runs}
    sizes = {run["variant"]: run["parameters"] for run in runs}
    highest = [max((name for name in means if sizes[name] <= most), key=means.get) for most in (2500, 1000)]
    assert highest == list(FROZEN_FRONTIER.variants)
    for name in highest:
        assert f"{sizes[name]:,} numbers **{mean_of(runs_of(name)):.2f} %**" in between("FRONTIER_READ", RESULTS)
