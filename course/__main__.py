"""The commands of the course: `python -m course --help` lists them."""

import argparse
import os
import sys
from pathlib import Path
from pkgutil import resolve_name

from mnist_lib.support.paths import OUT, ROOT, committed


def whole(path: str | Path) -> Path:
    return Path(path).expanduser().resolve()


def parameter(name: str, **settings) -> tuple[str, dict]:
    """What argparse's add_argument takes; the command's function has a parameter of this name."""
    return name, settings


DATA = parameter("--data", default="auto", help='"auto", "MNIST", "digits" or a folder with the four MNIST files')
WORKERS = parameter("--workers", type=int, help="processes on this machine (default: one per core)")
COMMANDS = {  # help, the function, which is imported when it is called, and its parameters
    "run": (
        "execute the notebooks in order: the card's training, 20 epochs on MNIST",
        "course.run_notebooks:run_notebooks",
        parameter("--epochs", type=int, default=20, help="epochs of the training in notebook 04 (default 20)"),
        parameter("--seed", type=int, default=0, help="its seed (default 0)"),
        DATA,
        parameter(
            "--out", type=whole, default=whole(OUT), help="where executed notebooks, record and weights go (default out)"
        ),
    ),
    "study": (
        "run what is missing of a study, on this machine or a Dask cluster, and print its table",
        "course.study:run_named_study",
        parameter("name", help="of the study, as in mnist_lib/studies/catalogue.py"),
        parameter("--seeds", type=int, help="how many seeds, from 0 on (default: as many as the study says)"),
        WORKERS,
        parameter("--scheduler", help="a Dask scheduler, tcp://HOST:8786, whose workers are used instead"),
        DATA,
    ),
    "page": (
        "write a page with a run's own network: one file, to draw on and to pass on",
        "course.page:page_of_run",
        parameter("path", type=Path, help="the run's weights, such as out/model.pt"),
        parameter("--out", type=whole, default=whole(OUT / "page.html"), help="the page (default out/page.html)"),
    ),
    "report": (
        "write README's numbers and the figures from the records",
        "course.report.pages:write_report",
        parameter("--record", type=Path, help="a card run's record.json, to be added to the records first"),
    ),
    "publish": ("replace the committed notebooks with the executed ones of the last plain run", "course.publish:publish"),
    "student": (
        "write the handout: a project without answers",
        "course.student:write_handout",
        parameter("--out", type=whole, default=whole(OUT / "student"), help="into this folder (default out/student)"),
        parameter("--address", help="of the repository that will hold it, https://github.com/YOU/NAME, for Colab"),
    ),
    "exercises": (
        "run notebooks that were handed in, and say which exercises pass",
        "course.run_exercises:run_exercises",
        parameter("folder", type=Path, help="with the notebooks, in any subfolders"),
        parameter("--out", type=whole, default=whole(OUT / "exercises.csv"), help="the table (default out/exercises.csv)"),
        parameter("--seconds", type=int, default=900, help="at most, for each notebook (default 900)"),
        WORKERS,
    ),
    "grade": (
        "train and check submissions to the assignment (see assignment/README.md)",
        "course.grading:grade",
        parameter("folder", type=Path, help="with a .toml file for each submission; or one such file"),
        parameter("--out", type=whole, default=whole(OUT / "grades.csv"), help="the table (default out/grades.csv)"),
        parameter("--first", type=int, default=0, help="the first seed (default 0, as students use; 8 holds out other images)"),
        WORKERS,
        DATA,
    ),
    "book": (
        "write the notebooks and the pages around them as one site",
        "course.book.build:build",
        parameter("--out", type=whole, default=whole(OUT / "book"), help="into this folder (default out/book)"),
        parameter("--student", action="store_true", help="without answers, solutions and results"),
    ),
}


def is_here(function: str) -> bool:
    """Whether a command's module is here: the handout has only some."""
    return (ROOT / f"{function.split(':')[0].replace('.', '/')}.py").is_file()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m course", description="A network of 13,960 numbers that reads handwriting.")
    commands = parser.add_subparsers(dest="command", required=True)
    for command, (about, function, *parameters) in COMMANDS.items():
        if not is_here(function):
            continue
        subparser = commands.add_parser(command, help=about)
        for name, settings in parameters:
            subparser.add_argument(name, **settings)
    options = vars(parser.parse_args(arguments))
    function = COMMANDS[options.pop("command")][1]
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        if getattr(sys, name) is None:  # it was closed, as by a service; kernels inherit it, and start only with an open one
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, descriptor)
            os.set_inheritable(descriptor, True)
            setattr(sys, name, open(descriptor, "w", encoding="utf-8"))  # noqa: SIM115
    try:
        committed("notebooks")
        return 1 if resolve_name(function)(**options) else 0  # what is returned is what failed
    except BrokenPipeError:  # the reader of the output went away, as `| head` does
        sys.stdout = None  # else Python would try to write the rest to it, and complain
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted. The same command continues after the last complete epoch.", file=sys.stderr)
        return 130
    except (ValueError, RuntimeError, OSError) as error:
        print(f"{error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        print(f"{error.name} is missing: install what requirements.txt names (`make run` does).", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
