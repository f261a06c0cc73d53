"""Studies on 5,000 held-out images as a table each, and what they let expect of the test images."""

import statistics

from course.report import ReportError
from course.report.markdown import markdown_table
from course.report.results import Spread, made_on
from mnist_lib.studies.catalogue import FEWEST_LONG_STUDY, SHAPES_STUDY
from mnist_lib.studies.statistics import mean_interval, pairs_needed
from mnist_lib.studies.study import Records, Row, Study, accuracy, by_seed, table


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
    if len(rows) > 1:
        columns[f"against {next(iter(study.variants))}, points (95 % interval)"] = [difference_of(row) for row in rows]
        if len(rows[0].values) > 7:
            columns["pairs that would settle it"] = [settling_of(row, rows[0]) for row in rows]
    if timed:
        columns["seconds"] = [f"{statistics.median(timed['seconds'][row.variant]):.1f}" for row in rows]
    text = (
        f"{study.name}: {study.held_out:,} held-out training images a run, the test images are not read. {len(runs)} runs, "
        f"{hours_of(runs)}. {'; '.join(sorted({made_on(run) for run in runs}))}."
    )
    if timed:
        text += (
            f" Seconds: whole trainings in turn; median of {timed['rounds']} rounds, "
            f"{timed['machine']['threads']} threads, {timed['machine']['device']}, torch {timed['versions']['torch']}."
        )
    head = f"| {' | '.join(columns)} |"
    return f"{text}\n\n{markdown_table(head, zip(*columns.values()), rule=' --- ')}"


def hours_of(runs: list[dict]) -> str:
    """How long the runs took in all, those trained side by side counted once; and on how many cores each."""
    hours = sum(run["seconds"] / run.get("together", 1) for run in runs) / 3600
    threads = max((run["machine"].get("threads") or 0 for run in runs), default=0)
    cores = {0: "", 1: " with 1 processor core each"}.get(threads, f" with {threads} processor cores each")
    return f"{hours:.1f} hours of training in all{cores}"


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


def few_result(few: list[dict], quick: list[dict], studied: dict[str, Records]) -> str:
    """What small networks were expected to read, by held-out images and `quick`'s test result; what the frozen one reads."""
    known, read = Spread.of(quick).mean, Spread.of(few)

    def expected(study: Study, variant: str) -> str:
        """`quick`'s test result and the variant's mean difference to it on the same held-out images, with its interval."""
        differences = differences_to_quick(studied[study.name], studied["quick"], variant)
        mean, low, high = (known + points for points in mean_interval(differences))
        return f"{mean:.2f} % ({low:.2f} to {high:.2f}, n = {len(differences)})"

    chosen = expected(FEWEST_LONG_STUDY, "4872 numbers")
    even, late = (expected(SHAPES_STUDY, name) for name in ("even", "more late"))
    return (
        f"What may be expected of the test images: the difference to `quick` on the same held-out images, seed by seed, added "
        f"to the {known:.2f} % of the test images that `quick` reads. Of 3,834 numbers (`more late`) that is {late}, of 3,967 "
        f"(`even`) {even}; of {few[0]['parameters']:,} numbers it is {chosen}. The first two intervals contain 99.4, so these "
        f"seeds cannot tell. The last one was frozen as `few`, and the test images were read, once per seed: "
        f"**{read.mean:.2f} %** (n = {len(few)}, {read.low:.2f} to {read.high:.2f})."
    )


def differences_to_quick(recorded: Records, quick: Records, variant: str) -> list[float]:
    """Points between a variant and `quick`, for each seed that both have on one machine."""
    differences = []
    for machine in recorded.keys() & quick.keys():
        small, whole = recorded[machine].get(variant, {}), quick[machine].get("quick", {})
        differences += [100 * (accuracy(small[seed]) - accuracy(whole[seed])) for seed in sorted(small.keys() & whole.keys())]
    return differences
