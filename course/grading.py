"""The assignment, graded: every submission of a folder is trained on 300 images a seed and judged by 3,400 others.

A submission is data (submission.py). What is trained is this library's code alone, in processes of its own with a limit of
time and memory, and what they measured comes back to this process: nothing that lies in the folder can stand for a result.
"""

import csv
import io
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from course import submission
from course.submission import HELD_OUT, IMAGES, Submission, SubmissionError
from mnist_lib.data import MNIST_SHA256, Dataset
from mnist_lib.studies import runner
from mnist_lib.studies.statistics import mean_interval
from mnist_lib.support import validation
from mnist_lib.support.paths import OUT, write_whole
from mnist_lib.trainer import Callback, Run, TrainingError, train
from mnist_lib.trainer.config import TrainConfig
from mnist_lib.trainer.progress import duration

GOAL, SEEDS, MINIMUM = 95.0, 8, 2  # percent; MINIMUM seeds make an interval
SECONDS, MEMORY = 90, "3GB"  # of processor time a seed; of a worker
SHARES = 60_000 // (IMAGES + HELD_OUT)  # no two of these seeds share an image


@dataclass
class Grade:
    """What became of a file."""

    file: str
    submission: Submission | None = None
    missing: list[str] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)  # in percent, a seed each
    same_as: str = ""

    @property
    def interval(self) -> tuple[float, float, float] | None:
        return mean_interval(self.accuracies) if len(self.accuracies) >= MINIMUM else None

    @property
    def passed(self) -> bool:
        return not self.missing

    def row(self) -> dict:
        mean, low, high = (f"{number:.2f}" for number in self.interval) if self.interval else ("", "", "")
        return {
            "file": self.file,
            "parameters": self.submission.parameters if self.submission else "",
            "steps": self.submission.steps if self.submission else "",
            "seeds": len(self.accuracies),
            "mean": mean,
            "low": low,
            "high": high,
            "passed": "yes" if self.passed else "no",
            "missing": " ".join(self.missing),
            "same recipe as": self.same_as,
        }


def grade(
    folder: Path, out: Path = OUT / "grades.csv", first: int = 0, data: str = "auto", workers: int | None = None
) -> list[str]:
    """Grade all files of a folder, or one file, into a CSV -> the names of those that did not pass.

    first: the first seed. Students try with 0; with 8 other images judge.

    Raises:
        ValueError, StudyError, DataError: one sentence, if nothing can be graded.
    """
    validation.number("first", first, at_least=0, at_most=SHARES - SEEDS, whole=True)
    began, grades = time.perf_counter(), [read(path) for path in files_of(folder)]
    mark_same_recipes(grades)
    todo = [one for one in grades if one.submission and not one.same_as]
    print(f"{len(grades)} files, {len(todo)} recipes to train with {SEEDS} seeds each.", flush=True)
    for done, one in enumerate(trained(todo, range(first, first + SEEDS), data, workers) if todo else [], 1):
        judge(one)
        left = duration((time.perf_counter() - began) / done * (len(todo) - done))
        print(f"{done} of {len(todo)}, about {left} left; {said(one)}", flush=True)
        write_csv(grades, out)
    for one in grades:
        if one.same_as:
            original = next(other for other in grades if other.file == one.same_as)
            one.accuracies, one.missing = original.accuracies, [*original.missing]
    write_csv(grades, out)
    for one in grades:
        if one.same_as or not one.submission:
            print(said(one))
    print(f"{sum(one.passed for one in grades)} of {len(grades)} passed: {out}. Paragraphs are judged by a human.")
    return [one.file for one in grades if not one.passed]


def files_of(folder: Path) -> list[Path]:
    """The submissions that are named; ValueError if there are none."""
    if folder.is_file():
        return [folder]
    if not folder.is_dir():
        raise ValueError(f"There is no file or folder {folder}: correct the path.")
    files = sorted(path for path in folder.iterdir() if not path.name.startswith(".") and not path.is_dir())
    if not files:
        raise ValueError(f"There are no submissions in {folder}: each is a .toml file.")
    return files


def read(path: Path) -> Grade:
    try:
        return Grade(path.name, submission.read(path))
    except SubmissionError as error:
        return Grade(path.name, missing=error.sentences)


def mark_same_recipes(grades: list[Grade]) -> None:
    """Say of each recipe that another file has, too, which the first of them is."""
    first = {}
    for one in grades:
        if one.submission:
            one.same_as = first.setdefault(one.submission.recipe, one.file)
            one.same_as = "" if one.same_as == one.file else one.same_as


def trained(grades: list[Grade], seeds: range, data: str, workers: int | None) -> Iterator[Grade]:
    """Each of them as soon as all its seeds are done, with its accuracies or what went wrong."""
    from distributed import KilledWorker, as_completed  # here: slow to import

    with runner.client_of(workers, None, MEMORY) as client:
        machines = runner.look_at(client, data)
        if machines[0]["sha256"] != MNIST_SHA256:
            raise ValueError("The assignment is judged by MNIST: set MNIST_LIB_DATA, or connect to the network once.")
        waiting = [(one, seed) for one in grades for seed in seeds]
        tasks, left = {}, {one.file: len(seeds) for one in grades}

        def submit():
            one, seed = waiting.pop(0)
            task = client.submit(
                run_one, one.submission.recipe, seed, data, key=f"{one.file} {seed} {time.time_ns()}", pure=False
            )
            tasks[task] = one, seed
            return task

        running = as_completed([submit() for _ in machines[: len(waiting)]])
        for task in running:
            one, seed = tasks.pop(task)
            if waiting:
                running.add(submit())
            if task.status == "finished":
                one.accuracies.append(task.result())
            else:
                error = task.exception() if task.status == "error" else None
                killed = f"it needed more than {MEMORY} of memory"
                why = (
                    killed
                    if isinstance(error, KilledWorker)
                    else submission.sentence(error)
                    if error
                    else "its worker went away"
                )
                one.missing.append(f"Seed {seed} failed: {why.rstrip('.')}.")
            left[one.file] -= 1
            if not left[one.file]:
                yield one


def run_one(recipe: TrainConfig, seed: int, data: str) -> float:
    """On a worker: the share of the held-out images that are read correctly after the last step, in percent."""
    import torch

    torch.set_num_threads(1)
    run = train(replace(recipe, seed=seed), share(runner.images(data), seed), [Limit(SECONDS)])
    return 100 * run.record["test"]["accuracy"]


def share(dataset: Dataset, seed: int) -> Dataset:
    """A seed's own training images: 300 to train on, and 3,400 others in the place of the test images.

    So they are read once, at the end, and the test images of MNIST are not there at all.
    """
    begin = seed % SHARES * (IMAGES + HELD_OUT)
    images, labels = (part[begin : begin + IMAGES + HELD_OUT] for part in (dataset.train_images, dataset.train_labels))
    parts = images[:IMAGES], labels[:IMAGES], images[IMAGES:], labels[IMAGES:]
    return Dataset(f"{dataset.name}, share {seed}", *parts, dataset.origin)


class Limit(Callback):
    """Ends a run that has used so much of the processor's time: the clock on the wall is others', too."""

    def __init__(self, seconds: float):
        self.seconds, self.began = seconds, time.process_time()

    def on_step(self, run: Run) -> None:
        if time.process_time() - self.began > self.seconds:
            raise TrainingError(f"after {run.step} of {run.steps} steps its {self.seconds:g} seconds are over")


def judge(one: Grade) -> None:
    """Add what is missing after the training."""
    if one.missing or not one.interval:
        return
    mean, low, _ = one.interval
    if low <= GOAL:
        why = "chance among seeds could explain the mean" if mean > GOAL else "the mean itself is not above it"
        one.missing.append(f"The lower end of the 95 % interval is {low:.2f} %, and must be above {GOAL:g} %: {why}.")


def said(one: Grade) -> str:
    """A line for the terminal."""
    result = f" {one.interval[0]:.2f} % ({one.interval[1]:.2f} to {one.interval[2]:.2f})," if one.interval else ""
    same = f" (the same recipe as {printable(one.same_as)})" if one.same_as else ""
    return f"{printable(one.file)}:{result} {'passed' if one.passed else 'not yet: ' + ' '.join(one.missing)}{same}"


def printable(text: str) -> str:
    """Without what would steer a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def write_csv(grades: list[Grade], path: Path) -> None:
    body = io.StringIO()
    rows = csv.DictWriter(body, Grade("").row(), lineterminator="\n")
    rows.writeheader()
    for one in grades:
        rows.writerow({name: cell(value) for name, value in one.row().items()})
    write_whole(path, body.getvalue().encode("utf-8-sig"))  # with the mark by which Excel knows the encoding


def cell(value: object) -> object:
    """A spreadsheet takes what begins like this for a formula, so it begins with an apostrophe."""
    if not isinstance(value, str):
        return value
    return "'" + printable(value) if value.startswith(("=", "+", "-", "@")) else printable(value)
