"""What was recorded, as texts and tables: the frozen recipes on test images, their speed, and studies on held-out images."""

import statistics
from collections import Counter
from typing import NamedTuple

from course.report import ReportError, markdown_table
from mnist_lib.studies import records
from mnist_lib.studies.catalogue import FEWEST_LONG_STUDY, FRONTIER_STUDY, QUICK_STUDY, SHAPES_STUDY
from mnist_lib.studies.statistics import mean_interval, pairs_needed, ratio
from mnist_lib.studies.study import Records, Row, Study, accuracy, by_seed, table
from mnist_lib.trainer.recipes import CARD, FEW, QUICK, RECIPES

EARLIER = "earlier quick"  # the variant of recorded runs: what `quick` was when `narrow` was chosen


class Spread(NamedTuple):
    """Test accuracies of several runs, in percent: their mean and its 95 % interval, and how far apart they are."""

    mean: float
    low: float
    high: float
    lowest: float
    highest: float
    deviation: float

    @classmethod
    def of(cls, runs: list[dict]) -> "Spread":
        accuracies = [100 * run["test"]["accuracy"] for run in runs]
        return cls(*mean_interval(accuracies), min(accuracies), max(accuracies), statistics.stdev(accuracies))


def made_on(run: dict) -> str:
    """The machine of a run, and what it computed with."""
    return f"{run['machine']['device']}, {run['machine']['precision']}, torch {run['versions']['torch']}"


def latest_result(run: dict) -> str:
    """The lines between the card's LATEST_RESULT markers."""
    records.require_recipe(run)
    test, machine, versions = run["test"], run["machine"], run["versions"]
    return (
        f"Maximum Accuracy: {test['accuracy']:.2%} ({test['correct']:,} of {test['n']:,} MNIST test images, read once, "
        f"after epoch {test['epoch']} of {run['config']['epochs']})\n\n"
        f"seed {run['config']['seed']}; {run['dataset']['trained_on']:,} training images; {run['seconds']:.0f} s of "
        f"training on {machine['device']}, {machine['precision']}; "
        f"Python {versions['python']}, torch {versions['torch']}; {run['date']}"
    )


def result(card: list[dict]) -> str:
    """The one line of result that a visitor reads."""
    spread, seconds = Spread.of(card), statistics.median(run["seconds"] for run in card)
    return (
        f"**{spread.mean:.2f} %** of the 10,000 MNIST test images are read correctly: the mean of {len(card)} trainings of 20 "
        f"epochs that differ only in their random numbers (95 % interval {spread.low:.2f} to {spread.high:.2f}), "
        f"{seconds / 60:.0f} minutes each on {card[0]['machine']['device']}. How it was measured: [RESULTS.md](RESULTS.md)."
    )


def seeds_result(card: list[dict]) -> str:
    """Mean over seeds with its 95 % interval, as two sentences."""
    spread, (first, last) = Spread.of(card), (card[i]["config"]["seed"] for i in (0, -1))
    return (
        f"**{spread.mean:.2f} %** of the 10,000 MNIST test images: the mean of {len(card)} runs (seeds {first} to {last}; "
        f"lowest {spread.lowest:.2f}, highest {spread.highest:.2f}, standard deviation {spread.deviation:.2f}, "
        f"95 % interval of the mean {spread.low:.2f} to {spread.high:.2f}). Each run trains for 20 epochs on all 60,000 "
        f"training images and reads the test images once, after the last epoch. {made_on(card[0])}, "
        f"Python {card[0]['versions']['python']}."
    )


def speed_table(speed: dict) -> str:
    """An epoch of the classic script and of ours, side by side."""
    machine, versions, epochs = speed["machine"], speed["versions"], speed["epochs"]
    workers = min(speed["workers"], key=speed["workers"].get)
    text = (
        "An epoch: 60,000 images with augmentation and dropout, and the evaluation of 10,000. "
        f"Median of {speed['rounds']} rounds, in which the three take turns in one process; "
        f"the ratio is the median of the rounds' ratios (lowest to highest). {machine['device']}; "
        f"Python {versions['python']}, torch {versions['torch']}, torchvision {versions['torchvision']}; {speed['date']}. "
        "On a GPU: not measured."
    )
    titles = {
        "classic": f"[classic script](benchmarks/classic.py), {workers} worker{'' if workers == '1' else 's'} "
        "(the best of 0, 1, 2)",
        "ours, float32": "ours, float32",
        "ours": f"ours, {speed['engine'].split(', ')[1]}",
    }
    rows = []
    for name, title in titles.items():
        seconds, (middle, lowest, highest) = statistics.median(epochs[name]), ratio(epochs["classic"], epochs[name])
        faster = f"{middle:.1f} ({lowest:.1f} to {highest:.1f})" if name != "classic" else "1"
        rows.append((title, f"{seconds:.1f}", f"{60_000 / seconds:,.0f}", faster))
    head = "| | seconds per epoch | images per second | times as fast as the classic script |"
    return f"{text}\n\n{markdown_table(head, rows)}"


def quick_result(quick: list[dict], card: list[dict], speed: dict) -> str:
    """The recipe `quick` over its seeds, and how long 99.4 % takes each way."""
    spread, seconds = Spread.of(quick), [run["seconds_in_all"] for run in quick]
    classic = statistics.median(speed["ladder"]["classic script"])  # training alone, as in the card's record
    return (
        f"The recipe `quick` ({QUICK.steps(60_000)} steps of {QUICK.batch_size} images, where the card takes "
        f"{CARD.steps(60_000):,} of {CARD.batch_size}; chosen on a 55,000 / 5,000 split of the training images): "
        f"**{spread.mean:.2f} %** of the 10,000 test images, the mean of {len(quick)} seeds, last epoch (lowest "
        f"{spread.lowest:.2f}, highest {spread.highest:.2f}, standard deviation {spread.deviation:.2f}, 95 % interval of the "
        f"mean {spread.low:.2f} to {spread.high:.2f}), in {statistics.median(seconds):.1f} s from loaded data to the last test "
        f"image (median; {min(seconds):.1f} to {max(seconds):.1f} s). {made_on(quick[0])}, "
        f"Python {quick[0]['versions']['python']}. "
        f"The card's 20 epochs took {card[0]['seconds']:.0f} s on another day (seed 0, {card[0]['date']}); with the "
        f"classic script they would take about {20 * classic / 60:.0f} minutes (20 times {classic:.1f} s, its epoch without "
        "the evaluation)."
    )


def recipes_table(runs_by_recipe: dict[str, list[dict]]) -> str:
    """The frozen recipes beside one another, each from the records of its seeds."""
    rows = []
    for name, runs in runs_by_recipe.items():
        spread, recipe = Spread.of(runs), RECIPES[name]
        steps = f"{recipe.steps(60_000):,} of {recipe.batch_size}"
        mean = f"**{spread.mean:.2f} %** ({spread.low:.2f} to {spread.high:.2f})"
        extremes = f"{spread.lowest:.2f} to {spread.highest:.2f}"
        rows.append([f"`{name}`", f"{runs[0]['parameters']:,}", steps, len(runs), mean, extremes, made_on(runs[0])])
    head = (
        "| recipe | numbers | steps | seeds | test images read correctly, mean (95 % interval) | lowest to highest | machine |"
    )
    return markdown_table(head, rows)


def readings(read: Counter[str]) -> str:
    """How often recorded runs of each recipe have read the test images."""
    counts = ", ".join(f"{n} of `{name}`" for name, n in read.items())
    return (
        f"The test images were read by {read.total()} recorded runs in all: {counts}. Notebooks 4 and 7 read them once more "
        "for each run that they show."
    )


def trained(read: list[dict], studied: dict[str, Records]) -> str:
    """How much was trained in all; read: the runs that read the test images."""
    judged = [run for runs in studied.values() for seeds in by_seed(runs).values() for run in seeds.values()]
    return (
        f"Besides, {len(judged)} trainings were recorded that only held-out images judged ({hours(judged):.1f} hours in all, "
        f"each on one processor core). The {len(read)} trainings that read the test images, once each, took another "
        f"{hours(read):.1f} hours on one or two cores."
    )


def study_table(study: Study, recorded: Records, timed: dict | None = None) -> str:
    """A study's rows, from its records: n, mean, difference to the first variant by seed; with intervals where n is above 2.

    timed: the benchmark of the variants' seconds, for one more column.
    """
    rows, runs = table(study, recorded), [run for seeds in by_seed(recorded).values() for run in seeds.values()]
    if not runs:
        raise ReportError(f"There are no records of the study {study.name!r}: run `python -m course study '{study.name}'`.")
    columns = {
        study.name: [row.variant for row in rows],
        "numbers": [f"{row.parameters:,}" for row in rows],
        "n": [len(row.values) for row in rows],
        "mean % (95 % interval)": [mean_of(row) for row in rows],
    }
    if any(row.difference is not None for row in rows):
        columns[f"against {next(iter(study.variants))}, points (95 % interval)"] = [difference_of(row) for row in rows]
        if len(rows[0].values) > 7:
            columns["pairs that would settle it"] = [settling_of(row, rows[0]) if row.n_pairs > 7 else "" for row in rows]
    if timed:
        columns["seconds"] = [f"{statistics.median(timed['seconds'][row.variant]):.1f}" for row in rows]
    text = (
        f"{study.name}: {study.held_out:,} held-out training images per run; the test images are not read. {len(runs)} runs, "
        f"{hours_of(runs)}. {'; '.join(sorted({made_on(run) for run in runs}))}."
    )
    if timed:
        text += (
            f" Seconds: whole trainings in turn; median of {timed['rounds']} rounds, "
            f"{timed['machine']['threads']} threads, {timed['machine']['device']}, torch {timed['versions']['torch']}."
        )
    head = f"| {' | '.join(columns)} |"
    return f"{text}\n\n{markdown_table(head, zip(*columns.values()), rule=' --- ')}"


def hours(runs: list[dict]) -> float:
    """How long the runs took in all."""
    return sum(run["seconds"] for run in runs) / 3600


def hours_of(runs: list[dict]) -> str:
    """How long the runs took in all, and on how many cores each ran."""
    threads = max((run["machine"].get("threads") or 0 for run in runs), default=0)
    cores = {0: "", 1: ", on 1 processor core each"}.get(threads, f", on {threads} processor cores each")
    return f"{hours(runs):.1f} hours of training in all{cores}"


def mean_of(row: Row) -> str:
    """A row's mean, with its interval where there are three runs or more."""
    if len(row.values) < 3:
        return f"{row.mean:.2f}"
    return f"{row.mean:.2f} ({row.interval[0]:.2f} to {row.interval[1]:.2f})"


def difference_of(row: Row) -> str:
    """A row's difference to the first; with the number of pairs where that is not its number of runs."""
    if row.difference is None:
        return ""
    around = []
    if row.n_pairs > 2:
        low, high = row.difference_interval
        around.append(f"{low:+.3f} to {high:+.3f}")
    if row.n_pairs < len(row.values):
        around.append(f"n = {row.n_pairs}")
    return f"{row.difference:+.3f} ({'; '.join(around)})" if around else f"{row.difference:+.3f}"


def settling_of(row: Row, first: Row) -> str:
    """For a difference that its interval leaves open: how many pairs would settle it, if it were the true one."""
    if row.difference_interval is None or not row.difference_interval[0] <= 0 <= row.difference_interval[1]:
        return ""
    differences = [value - first.values[seed] for seed, value in row.values.items() if seed in first.values]
    needed = pairs_needed(statistics.stdev(differences), row.difference) if row.difference else 10_000
    return f"{needed}" if needed < 1000 else "over 1,000"


def narrow_result(narrow: list[dict], tested: list[dict], studied: dict[str, Records]) -> str:
    """What small networks were expected to read, from held-out images and `quick`'s test result; what the frozen one reads."""
    known, read = Spread.of([run for run in tested if run["variant"] == EARLIER]).mean, Spread.of(narrow)

    def expected(study: Study, variant: str) -> str:
        """`quick`'s test result and the variant's mean difference to it on the same held-out images, with its interval."""
        differences = differences_to_earlier(studied[study.name], studied[EARLIER], variant)
        mean, low, high = (known + points for points in mean_interval(differences))
        return f"{mean:.2f} % ({low:.2f} to {high:.2f}, n = {len(differences)})"

    chosen = expected(FEWEST_LONG_STUDY, "4872 numbers")
    even, late = (expected(SHAPES_STUDY, name) for name in ("even", "more late"))
    return (
        f"What such a network could be expected to read of the test images: the {known:.2f} % that `quick` read as it was then "
        f"(on record as `{EARLIER}`), plus the network's difference to it on the same held-out images, seed by seed. For "
        f"3,834 numbers (`more late`) that is {late}, for 3,967 (`even`) {even}, and for {narrow[0]['parameters']:,} it is "
        f"{chosen}. The first two intervals contain 99.4, so these seeds cannot tell. The last network was frozen as "
        f"`narrow`, and read the test images, once per seed: **{read.mean:.2f} %** (n = {len(narrow)}, {read.low:.2f} to "
        f"{read.high:.2f})."
    )


def few_result(few: list[dict], frontier: Records) -> str:
    """What the rule of RESULTS.md chose, and what it reads."""
    row = next(row for row in table(FRONTIER_STUDY, frontier) if FRONTIER_STUDY.variants[row.variant] == FEW)
    read = Spread.of(few)
    return (
        f"The smallest network that the rule allows has {row.parameters:,} numbers: {mean_of(row)} % of the held-out images, "
        f"{len(row.values)} seeds. It was frozen as `few`, and ten trainings on all 60,000 images read the test images, once "
        f"each: **{read.mean:.2f} %** ({read.low:.2f} to {read.high:.2f}, n = {len(few)}; lowest {read.lowest:.2f}, highest "
        f"{read.highest:.2f})."
    )


def smaller_read(read: Records) -> list[str]:
    """What networks below the rule's choice read of the test images, each by its size."""
    told = []
    for runs in by_seed(read).values():
        spread, [parameters] = Spread.of([*runs.values()]), {run["parameters"] for run in runs.values()}
        told.append(f"{parameters:,} numbers **{spread.mean:.2f} %** ({spread.low:.2f} to {spread.high:.2f})")
    return told


def smaller(read: Records) -> str:
    """What they read, for README."""
    [trainings] = {len(runs) for runs in by_seed(read).values()}
    told = " and ".join(smaller_read(read))
    return f"Two smaller networks read the test images, too, each in {trainings} trainings: {told} correctly."


def frontier_read(read: Records) -> str:
    """Which networks below the rule's choice were tested, and what they read."""
    return (
        "The rule did not choose them, but two more networks were tested: the one with the highest mean on held-out images "
        "among those with at most 2,500 numbers, and the same with at most 1,000. Both were frozen first. Ten trainings of "
        f"each, on all 60,000 images, read the test images, once each: {' and '.join(smaller_read(read))}."
    )


def earlier_quick() -> Records:
    """What `quick` was when `narrow` was chosen: its runs that held-out images judged."""
    runs: Records = {}
    for _, variant, run in records.read_table(records.RECORDS / QUICK_STUDY.path):
        if variant == EARLIER:
            runs.setdefault(records.machine_of(run), {}).setdefault(EARLIER, {})[run["config"]["seed"]] = run
    return runs


def differences_to_earlier(recorded: Records, earlier: Records, variant: str) -> list[float]:
    """Points between a variant and the earlier `quick`, for each seed that both have on one machine."""
    differences = []
    for machine in recorded.keys() & earlier.keys():
        small, whole = recorded[machine].get(variant, {}), earlier[machine].get(EARLIER, {})
        differences += [100 * (accuracy(small[seed]) - accuracy(whole[seed])) for seed in sorted(small.keys() & whole.keys())]
    return differences
