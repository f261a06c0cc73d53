"""The headless way in: papermill over the notebooks, studies of many runs, and the report.

python -m course run [--epochs 20] [--seed 0] [--data auto] [--out out]
python -m course study NAME [--seeds N] [--workers N] [--scheduler tcp://HOST:8786]
python -m course report [--record out/record.json]
python -m course publish
python -m course student [--out out/student]
python -m course assignment FILE [--workers N]
"""

import argparse
import os
import re
import sys
from pathlib import Path

from course.run_notebooks import NOTEBOOKS, run_notebooks
from mnist_lib.support.paths import OUT, committed, write_whole


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m course", description="A network of 13,960 numbers that reads handwriting.")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="execute the notebooks in order: the card's training, 20 epochs on MNIST")
    run.add_argument("--epochs", type=int, default=20, help="of the training in notebook 04 (default 20)")
    run.add_argument("--seed", type=int, default=0, help="of the same (default 0)")
    run.add_argument("--data", default="auto", help='"auto", "MNIST", "digits" or a folder with the four MNIST files')
    run.add_argument("--out", type=Path, default=OUT, help="where executed notebooks, record and weights go (default out)")
    study = commands.add_parser("study", help="run what a study lacks, on this machine or a Dask cluster, and print its table")
    study.add_argument("name", help="of the study, as mnist_lib/studies/catalogue.py has it")
    study.add_argument("--seeds", type=int, help="how many, from 0 on (default: as many as the study says)")
    study.add_argument("--workers", type=int, help="processes on this machine (default: as many as cores)")
    study.add_argument("--scheduler", help="a Dask scheduler, tcp://HOST:8786, whose workers are taken instead")
    study.add_argument("--data", default="auto", help="as for run")
    report = commands.add_parser("report", help="write README's numbers and the figures from the records")
    report.add_argument("--record", type=Path, help="a card run's record.json to be taken among the records first")
    commands.add_parser("publish", help="take the executed notebooks of the last plain run as the committed ones")
    student = commands.add_parser("student", help="write the notebooks without their answers, to hand out")
    student.add_argument("--out", type=Path, default=OUT / "student", help="into this folder (default out/student)")
    assignment = commands.add_parser("assignment", help="train and check a submission (see assignment/README.md)")
    assignment.add_argument("file", type=Path, help="the submission, such as assignment/submission.py")
    assignment.add_argument("--workers", type=int, help="processes on this machine (default: as many as cores)")
    assignment.add_argument("--data", default="auto", help="as for run")
    options = parser.parse_args(arguments)
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        if getattr(sys, name) is None:  # it was closed, as by a service; kernels inherit it, and start only with an open one
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, descriptor)
            os.set_inheritable(descriptor, True)
            setattr(sys, name, open(descriptor, "w", encoding="utf-8"))  # noqa: SIM115
    try:
        committed("notebooks")
        if options.command == "run":
            run_notebooks(options.epochs, options.seed, options.data, options.out.expanduser().resolve())
        elif options.command == "study":
            run_named_study(options)
        elif options.command == "report":
            from course.report import write_report

            write_report(options.record)
        elif options.command == "assignment":
            from course.grading import grade

            return 1 if grade(options.file, options.data, workers=options.workers) else 0
        elif options.command == "student":
            from course.student import write_student_version

            written = write_student_version(options.out.expanduser().resolve())
            print(f"{len(written)} files without answers in {options.out}.")
        else:
            publish()
    except BrokenPipeError:  # whoever read what is printed went away, as `| head` does
        sys.stdout = None  # else Python would try to write the rest to it, and complain
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted. The same command goes on after the last whole epoch.", file=sys.stderr)
        return 130
    except (ValueError, RuntimeError, OSError) as error:
        print(f"{error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        print(f"{error.name} is missing: install what requirements.txt names (`make run` does).", file=sys.stderr)
        return 1
    return 0


def run_named_study(options: argparse.Namespace) -> None:
    """Run what a study of the project lacks, and print its table."""
    from mnist_lib.studies.catalogue import STUDIES
    from mnist_lib.studies.runner import run_study
    from mnist_lib.studies.study import as_text, table

    if options.name not in STUDIES:
        raise ValueError(f"There is no study {options.name!r}: choose one of {', '.join(STUDIES)}.")
    study = STUDIES[options.name]
    found = run_study(study, options.seeds, options.data, workers=options.workers, scheduler=options.scheduler)
    print(as_text(table(study, found)))


def publish() -> None:
    """Take the executed notebooks of the last plain `make run` as the committed ones, without what GitHub can't show."""
    import nbformat

    from course.report import ReportError
    from mnist_lib.studies import records

    record = records.require_recipe(records.read(OUT / "record.json"))
    if record["config"]["seed"] != 0:
        raise ReportError("The committed notebooks show seed 0: give `make run` without parameters first.")
    made = {}  # all of them, before the first is written
    for path in NOTEBOOKS:
        try:
            notebook = nbformat.read(OUT / path.name, as_version=4)
            kernel, language = notebook.metadata["kernelspec"], notebook.metadata["language_info"]["name"]
        except Exception as error:  # missing, damaged or something else
            why = f"is no executed notebook ({type(error).__name__})"
            raise ReportError(f"{path.name} in out {why}: give `make run` without parameters first.") from None
        sources = [[cell.source for cell in one.cells] for one in (notebook, nbformat.read(path, as_version=4))]
        if sources[0] != sources[1]:
            raise ReportError(f"{path.name} in out is another than in notebooks: give `make run` without parameters first.")
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        if any(not cell.execution_count or any(one.output_type == "error" for one in cell.outputs) for cell in code):
            raise ReportError(f"{path.name} in out was not run to its end: give `make run` without parameters first.")
        notebook.metadata = {"kernelspec": kernel, "language_info": {"name": language}}
        for cell in notebook.cells:
            cell.metadata = {key: cell.metadata[key] for key in ("tags", "jupyter", "cellView") if cell.metadata.get(key)}
            if cell.cell_type == "code":
                live = "application/vnd.jupyter.widget-view+json"
                cell.outputs = one_stream([output for output in cell.outputs if live not in output.get("data", {})])
                for output in cell.outputs:
                    if output.output_type == "stream":
                        output.text = settled(output.text)
        made[path] = (nbformat.writes(notebook) + "\n").encode()
    for path, body in made.items():
        write_whole(path, body)


def one_stream(outputs: list) -> list:
    """What was printed in pieces, as one piece: a line that is written over and the one that writes over it come together."""
    joined: list = []
    for output in outputs:
        if joined and output.output_type == joined[-1].output_type == "stream" and output.name == joined[-1].name:
            joined[-1].text += output.text
        else:
            joined.append(output)
    return joined


def settled(text: str) -> str:
    """What a terminal shows in the end of lines that were written over."""
    return re.sub(r"[^\n]*\r", "", text)


if __name__ == "__main__":
    sys.exit(main())
