"""The assignment, run and checked: beat 99.0 % on held-out images with at most 5,000 numbers, and say why it works.

A submission is a Python file with a RECIPE, a TrainConfig, and a PARAGRAPH. See assignment/README.md.
"""

import ast
import hashlib
import json
import runpy
from dataclasses import dataclass
from pathlib import Path

from mnist_lib.data import MNIST_SHA256
from mnist_lib.model import DigitNet
from mnist_lib.studies.runner import run_study
from mnist_lib.studies.statistics import mean_interval
from mnist_lib.studies.study import Study, accuracy, by_seed
from mnist_lib.support.paths import OUT
from mnist_lib.trainer.config import TrainConfig

PARAMETERS, GOAL, SEEDS, EPOCHS, WORDS, HELD_OUT = 5_000, 99.0, 5, 20, 50, 5_000
FORBIDDEN = {"test_images", "test_labels"}  # a Dataset's fields that choose nothing here


class AssignmentError(ValueError):
    """A submission that can't be run; the message says why."""


@dataclass(frozen=True)
class Submission:
    recipe: TrainConfig
    paragraph: str
    code: str

    @classmethod
    def read(cls, path: Path) -> "Submission":
        """A file's RECIPE and PARAGRAPH. The file is run, as any Python file of yours is.

        Raises:
            AssignmentError: one sentence, for a file that is not there, can't be run, or lacks one of the two.
        """
        try:
            code = path.read_text(encoding="utf-8-sig")  # with the mark that Windows' Notepad may put first, or without
            names = runpy.run_path(str(path))
        except (Exception, SystemExit) as error:  # whatever a file of someone else's does
            raise AssignmentError(f"{path.name} can't be run ({type(error).__name__}: {error}).") from None
        recipe, paragraph = names.get("RECIPE"), names.get("PARAGRAPH")
        if not isinstance(recipe, TrainConfig):
            raise AssignmentError(f"{path.name} needs RECIPE = TrainConfig(...), or replace(CARD, ...).")
        if not isinstance(paragraph, str):
            raise AssignmentError(f'{path.name} needs PARAGRAPH = """...""".')
        return cls(recipe, paragraph, code)

    @property
    def parameters(self) -> int:
        """How many parameters the network has that the recipe trains; AssignmentError if its ingredients make none."""
        try:
            network = DigitNet(self.recipe.dropout)
            for ingredient in self.recipe.ingredients:
                network = ingredient.network(network)
            return sum(p.numel() for p in network.parameters())
        except Exception as error:  # whatever an ingredient of someone else's does
            raise AssignmentError(f"The network of RECIPE can't be made ({type(error).__name__}: {error}).") from None


def grade(
    file: Path, data: str = "auto", folder: Path = OUT / "assignment", held_out: int = HELD_OUT, workers: int | None = None
) -> list[str]:
    """Check a submission, train it with five seeds if it may be, check that, and say all of it -> what is missing.

    folder: where its records go, below a name made of the recipe, so that a recipe that has been run is not run again.

    Raises:
        AssignmentError, StudyError, DataError: one sentence, if it can't be run.
    """
    submission = Submission.read(file)
    print(f"{file.name}: {submission.parameters:,} numbers, {submission.recipe.epochs:g} epochs.", flush=True)
    missing = before_training(submission)
    if not missing:
        settings = json.dumps(submission.recipe.to_dict(), sort_keys=True)
        place = folder / hashlib.sha256(settings.encode()).hexdigest()[:12]
        study = Study("assignment", {"submission": submission.recipe}, SEEDS, held_out)
        recorded = run_study(study, SEEDS, data, place, place / "scratch", workers)
        runs = [run for seed, run in sorted(by_seed(recorded)["submission"].items()) if seed < SEEDS]
        missing = after_training(runs)
        print(result(runs))
    for sentence in missing:
        print(f"Not yet: {sentence}")
    if not missing:
        print("Passed. The paragraph is judged by a human.")
    return missing


def before_training(submission: Submission) -> list[str]:
    """What is missing that shows without training, a sentence each."""
    missing, recipe, words = [], submission.recipe, len(submission.paragraph.split())
    if submission.parameters > PARAMETERS:
        missing.append(f"The network has {submission.parameters:,} numbers, at most {PARAMETERS:,} are allowed: see Widths.")
    if recipe.epochs > EPOCHS:
        missing.append(f"It trains for {recipe.epochs:g} epochs, at most {EPOCHS} are allowed.")
    if words < WORDS:
        missing.append(f"The paragraph has {words} words, at least {WORDS} are asked for.")
    for node in ast.walk(ast.parse(submission.code)):
        names = (getattr(node, field, None) for field in ("id", "attr", "value"))
        for name in FORBIDDEN & {name for name in names if isinstance(name, str)}:
            missing.append(f"Line {node.lineno} names {name}: the test images have no part in this.")
    return missing


def after_training(runs: list[dict]) -> list[str]:
    """What the records of the five runs lack, a sentence each."""
    missing = []
    if any(run["dataset"]["sha256"] != MNIST_SHA256 for run in runs):
        missing.append(f"The images were {runs[0]['dataset']['name']}, not MNIST: set MNIST_LIB_DATA, or go on line once.")
    if any(run["test"] for run in runs):
        missing.append("A run has read the test images: they have no part in this.")
    if any(run["parameters"] > PARAMETERS for run in runs):
        missing.append(f"A network had {max(run['parameters'] for run in runs):,} numbers, at most {PARAMETERS:,} are allowed.")
    if len({run["config"]["seed"] for run in runs}) < SEEDS:
        return [*missing, f"There are {len(runs)} runs, with {SEEDS} seeds there should be {SEEDS}."]
    mean, low, _ = interval(runs)
    if low <= GOAL:
        missing.append(
            f"The lower end of the 95 % interval is {low:.2f} %, and must be above {GOAL} %: "
            + ("chance among seeds could explain the mean." if mean > GOAL else "the mean itself is not above it.")
        )
    return missing


def interval(runs: list[dict]) -> tuple[float, float, float]:
    """Mean and 95 % interval of the held-out accuracy, in percent."""
    return mean_interval([100 * accuracy(run) for run in runs])


def result(runs: list[dict]) -> str:
    mean, low, high = interval(runs)
    each = ", ".join(f"{100 * accuracy(run):.2f}" for run in runs)
    judged = runs[0]["dataset"]["validated_on"]
    return (
        f"{mean:.2f} % of held-out {runs[0]['dataset']['name']} images (95 % interval {low:.2f} to {high:.2f}; "
        f"{len(runs)} seeds, {judged:,} images each: {each})."
    )
