"""A study of the project, by its name: what is missing is run, and its table printed."""

from mnist_lib.studies.catalogue import STUDIES
from mnist_lib.studies.runner import run_study
from mnist_lib.studies.study import as_text, table


def run_named_study(name: str, seeds: int | None, data: str, workers: int | None, scheduler: str | None) -> None:
    """Run what is missing of a study of catalogue.py, and print its table.

    Raises:
        ValueError, RuntimeError: one sentence, if there is no such study or it can't be run.
    """
    if name not in STUDIES:
        raise ValueError(f"There is no study {name!r}: choose one of {', '.join(STUDIES)}.")
    print(as_text(table(STUDIES[name], run_study(STUDIES[name], seeds, data, workers=workers, scheduler=scheduler))))
