"""The assignment, graded: every submission of a folder is trained on 300 images a seed and judged by 3,400 others.

A submission is data (submission.py). What is trained is this library's code alone, in processes of its own with a limit of
time and memory, and what they measured comes back to this process: nothing that lies in the folder can stand for a result.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from course import submission
from course.spreadsheet import printable, write_csv
from course.submission import HELD_OUT, IMAGES, Submission, SubmissionError
from mnist_lib.data import MNIST_SHA256, Dataset
from mnist_lib.studies import runner
from mnist_lib.studies.statistics import mean_interval
from mnist_lib.support import validation
from mnist_lib.support.paths import OUT
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
    todo = [graded for graded in grades if graded.submission and not graded.same_as]
    print(f"{len(grades)} files, {len(todo)} recipes to train with {SEEDS} seeds each.", flush=True)
    for done, graded in enumerate(trained(todo, range(first, first + SEEDS), data, workers) if todo else [], 1):
        judge(graded)
        left = duration((time.perf_counter() - began) / done * (len(todo) - done))
        print(f"{done} of {len(todo)}, about {left} left; {said(graded)}", flush=True)
        write_csv(out, [each.row() for each in grades])
    by_file = {graded.file: graded for graded in grades}
    for graded in grades:
        if graded.same_as:
            original = by_file[graded.same_as]
            graded.accuracies, graded.missing = original.accuracies, [*original.missing]
    write_csv(out, [graded.row() for graded in grades])
    for graded in grades:
        if graded.same_as or not graded.submission:
            print(said(graded))
    print(f"{sum(graded.passed for graded in grades)} of {len(grades)} passed: {out}. Paragraphs are judged by a human.")
    return [graded.file for graded in grades if not graded.passed]


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
    for graded in grades:
        if graded.submission:
            original = first.setdefault(graded.submission.recipe, graded.file)
            graded.same_as = original if original != graded.file else ""


def trained(grades: list[Grade], seeds: range, data: str, workers: int | None) -> Iterator[Grade]:
    """Each of them as soon as all its seeds are done, with its accuracies or what went wrong."""
    with runner.client_of(workers, None, MEMORY) as client:
        machines = runner.look_at(client, data)
        if machines[0]["sha256"] != MNIST_SHA256:
            raise ValueError("The assignment is judged by MNIST: set MNIST_LIB_DATA, or connect to the network once.")

        def submit(graded: Grade, seed: int):
            key = f"{graded.file} {seed} {time.time_ns()}"
            return client.submit(run_one, graded.submission.recipe, seed, data, key=key, pure=False)

        jobs, left = [(graded, seed) for graded in grades for seed in seeds], {graded.file: len(seeds) for graded in grades}
        for (graded, seed), task in runner.in_turn(jobs, submit, len(machines)):
            if task.status == "finished":
                graded.accuracies.append(task.result())
            else:
                graded.missing.append(f"Seed {seed} failed: {why_not(task).rstrip('.')}.")
            left[graded.file] -= 1
            if not left[graded.file]:
                yield graded


def why_not(task) -> str:
    """What became of a task that was not finished."""
    from distributed import KilledWorker  # here: slow to import

    if task.status != "error":
        return "its worker went away"
    error = task.exception()
    return f"it needed more than {MEMORY} of memory" if isinstance(error, KilledWorker) else submission.sentence(error)


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


def judge(graded: Grade) -> None:
    """Add what is missing after the training."""
    if graded.missing or not graded.interval:
        return
    mean, low, _ = graded.interval
    if low <= GOAL:
        why = "chance among seeds could explain the mean" if mean > GOAL else "the mean itself is not above it"
        graded.missing.append(f"The lower end of the 95 % interval is {low:.2f} %, and must be above {GOAL:g} %: {why}.")


def said(graded: Grade) -> str:
    """A line for the terminal."""
    result = f" {graded.interval[0]:.2f} % ({graded.interval[1]:.2f} to {graded.interval[2]:.2f})," if graded.interval else ""
    same = f" (the same recipe as {printable(graded.same_as)})" if graded.same_as else ""
    return f"{printable(graded.file)}:{result} {'passed' if graded.passed else 'not yet: ' + ' '.join(graded.missing)}{same}"
