"""The headless way in: papermill over the notebooks, and the report.

python -m mnist_lib run [--epochs 20] [--seed 0] [--data auto] [--out out]
python -m mnist_lib report [--record out/record.json]
python -m mnist_lib publish
"""

import argparse
import logging
import re
import sys
import tempfile
import time
from pathlib import Path

from traitlets.config import Config

from mnist_lib.files import OUT, ROOT, write_whole

# The kernel speaks through files that only this user can open, where the system has such sockets and their names fit
IPC = sys.platform != "win32" and len(tempfile.gettempdir()) < 60
LOCAL = Config(KernelManager={"transport": "ipc"}) if IPC else Config()
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m mnist_lib", description="A network of 13,960 numbers that reads handwriting."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="execute the notebooks in order: the card's training, 20 epochs on MNIST")
    run.add_argument("--epochs", type=int, default=20, help="of the training in notebook 04 (default 20)")
    run.add_argument("--seed", type=int, default=0, help="of the same (default 0)")
    run.add_argument("--data", default="auto", help='"auto", "MNIST", "digits" or a folder with the four MNIST files')
    run.add_argument("--out", type=Path, default=OUT, help="where executed notebooks, record and weights go (default out)")
    report = commands.add_parser("report", help="write README's numbers and the figures from the records")
    report.add_argument("--record", type=Path, help="a card run's record.json to be taken among the records first")
    commands.add_parser("publish", help="take the executed notebooks of the last plain run as the committed ones")
    options = parser.parse_args(arguments)
    try:
        if options.command == "run":
            run_notebooks(options.epochs, options.seed, options.data, options.out.expanduser().resolve())
        elif options.command == "report":
            from mnist_lib.report import write_report

            write_report(options.record)
        else:
            publish()
    except KeyboardInterrupt:
        print("\nInterrupted. The same command goes on after the last whole epoch.", file=sys.stderr)
        return 130
    except (ValueError, RuntimeError, OSError) as error:
        print(f"{error}", file=sys.stderr)
        return 1
    return 0


def run_notebooks(epochs: int, seed: int, data: str, out: Path) -> None:
    """Execute the notebooks in order into out, and say what was reached and where to look."""
    from mnist_lib import records
    from mnist_lib.config import TrainConfig
    from mnist_lib.data import load

    TrainConfig(epochs=epochs, seed=seed)  # a bad value is one sentence now, not a notebook's error later
    dataset = load(data)
    source = dataset.name if dataset.name == "digits" else data  # so that a missing network is waited for once
    if data not in ("auto", "MNIST", "digits"):
        source = str(Path(data).expanduser().resolve())
    chosen = {"DATA": source, "EPOCHS": epochs, "SEED": seed, "OUT": str(out)}
    usual = {"DATA": "auto", "EPOCHS": 20, "SEED": 0, "OUT": str(OUT)}  # as the notebooks say themselves
    parameters = {name: value for name, value in chosen.items() if value != usual[name]}
    for name in ("record.json", "model.pt"):
        (out / name).unlink(missing_ok=True)  # of an earlier run; what is there at the end is of this one
    for path in NOTEBOOKS:
        execute(path, out / path.name, parameters)
    record, shown = records.read(out / "record.json"), _shown(out)
    test, name = record["test"], record["dataset"]["name"]
    print(
        f"\n{test['accuracy']:.2%} of {test['n']:,} {name} test images after epoch {test['epoch']}, seed {seed}; "
        f"training took {record['seconds']:.0f} s on {record['machine']['device']}."
    )
    if name != "MNIST":
        print(f"The images were {name}, not MNIST: these numbers say nothing about MNIST.")
    print(f"Look at {shown}/04_training.ipynb (the run), {shown}/record.json (its record), {shown}/model.pt (the weights).")


def execute(path: Path, target: Path, parameters: dict) -> None:
    """One notebook, headless; how its training gets on appears as it is printed."""
    import papermill
    from papermill.exceptions import PapermillExecutionError

    logging.getLogger("papermill").setLevel(logging.ERROR)
    accepted = papermill.inspect_notebook(str(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    print(f"{path.stem} ...", flush=True)
    started = time.perf_counter()
    try:
        papermill.execute_notebook(
            str(path),
            str(target),
            {name: value for name, value in parameters.items() if name in accepted},
            kernel_name="python3",
            cwd=str(path.parent),
            progress_bar=False,
            stdout_file=TrainingLines(),
            config=LOCAL,
        )
    except PapermillExecutionError as error:
        raise RuntimeError(f"{path.name} stopped: {error.ename}: {error.evalue} (see {_shown(target)})") from None
    print(f"{path.stem}: {time.perf_counter() - started:.0f} s", flush=True)


class TrainingLines:
    """Of all that a notebook prints, a terminal is shown how the training gets on: one line an epoch."""

    def write(self, text: str) -> None:
        for line in text.splitlines():
            if re.match(r"epoch +\d+/|Resumed|The checkpoint", line):
                print(line)

    def flush(self) -> None:
        sys.stdout.flush()


def publish() -> None:
    """Take the executed notebooks of the last plain `make run` as the committed ones, without what GitHub can't show."""
    import nbformat

    from mnist_lib import records
    from mnist_lib.report import ReportError

    record = records.require_recipe(records.read(OUT / "record.json"))
    if record["config"]["seed"] != 0:
        raise ReportError("The committed notebooks show seed 0: give `make run` without parameters first.")
    for path in NOTEBOOKS:
        notebook = nbformat.read(OUT / path.name, as_version=4)
        sources = [[cell.source for cell in one.cells] for one in (notebook, nbformat.read(path, as_version=4))]
        if sources[0] != sources[1]:
            raise ReportError(f"{path.name} in out is another than in notebooks: give `make run` without parameters first.")
        kernel, language = notebook.metadata["kernelspec"], notebook.metadata["language_info"]["name"]
        notebook.metadata = {"kernelspec": kernel, "language_info": {"name": language}}
        for cell in notebook.cells:
            tags = cell.metadata.get("tags", [])
            cell.metadata = {"tags": tags} if tags else {}
            if cell.cell_type == "code":
                live = "application/vnd.jupyter.widget-view+json"
                cell.outputs = [output for output in cell.outputs if live not in output.get("data", {})]
                for output in cell.outputs:
                    if output.output_type == "stream":
                        output.text = settled(output.text)
        write_whole(path, (nbformat.writes(notebook) + "\n").encode())


def settled(text: str) -> str:
    """What a terminal shows in the end of lines that were written over."""
    return re.sub(r"[^\n]*\r", "", text)


def _shown(path: Path) -> Path:
    """A path as short as it can be said from here."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


if __name__ == "__main__":
    sys.exit(main())
