"""The notebooks without a browser: papermill runs them in order, and a terminal shows how far they are."""

import errno
import logging
import os
import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mnist_lib.support.paths import OUT, ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
AGAIN = "give the same command again: it continues after the last complete epoch"


def run_notebooks(epochs: int, seed: int, data: str, out: Path) -> None:
    """Execute the notebooks in order into out, and say what was reached and where to look.

    Raises:
        ValueError, RuntimeError, OSError: one sentence that says what to do.
    """
    from mnist_lib.data import load
    from mnist_lib.studies import records
    from mnist_lib.trainer.config import TrainConfig

    TrainConfig(epochs=epochs, seed=seed)  # a bad value is one sentence now, not a notebook's error later
    if out == ROOT / "notebooks":
        raise ValueError("The executed notebooks would overwrite the notebooks: choose another folder with --out.")
    dataset = load(data)
    source = dataset.name if dataset.name == "digits" else data  # so that a missing network is waited for once
    if data not in ("auto", "MNIST", "digits"):
        source = str(Path(data).expanduser().resolve())
    chosen = {"DATA": source, "EPOCHS": epochs, "SEED": seed, "OUT": str(out)}
    usual = {"DATA": "auto", "EPOCHS": 20, "SEED": 0, "OUT": str(OUT)}  # as the notebooks say themselves
    parameters = {name: value for name, value in chosen.items() if value != usual[name]}
    with alone_in(out):
        before = written(out / "record.json")  # of an earlier run; it stays until this one has its own
        progress = Progress(len(NOTEBOOKS))
        for path in NOTEBOOKS:
            execute(path, out / path.name, parameters, progress)
        record, place = records.read(out / "record.json"), shown(out)
        if written(out / "record.json") == before:
            raise RuntimeError(f"The notebooks wrote no new record: {place}/record.json is of an earlier run.")
    config, test, name = record["config"], record["test"], record["dataset"]["name"]
    if (config["epochs"], config["seed"]) != (epochs, seed):
        raise RuntimeError(
            f"Meanwhile another run wrote {place}/record.json (seed {config['seed']}, epochs {config['epochs']}): "
            f"what this run reached is in {place}/04_training.ipynb; give each run a folder of its own with --out."
        )
    print(
        f"\n{test['accuracy']:.2%} of {test['n']:,} {name} test images after epoch {test['epoch']}, seed {config['seed']}; "
        f"training took {record['seconds']:.0f} s on {record['machine']['device']}."
    )
    if name != "MNIST":
        print(f"The images were {name}, not MNIST: these numbers say nothing about MNIST.")
    print(f"Look at {place}/04_training.ipynb (the run), {place}/record.json (its record), {place}/model.pt (the weights).")


def execute(path: Path, target: Path, parameters: dict, progress: "Progress") -> None:
    """One notebook, headless; the progress of its training appears as it is printed."""
    import papermill
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    logging.getLogger("papermill").setLevel(logging.ERROR)
    accepted = papermill.inspect_notebook(_literal(path))
    with progress.of(path.stem):
        try:
            papermill.execute_notebook(
                _literal(path),
                _literal(target),
                {name: value for name, value in parameters.items() if name in accepted},
                kernel_name="python3",
                cwd=str(path.parent),
                progress_bar=False,
                stdout_file=progress,
                extra_arguments=["--log-level=ERROR"],  # no warning of unencrypted TCP: it stays on 127.0.0.1
                shutdown_kernel="immediate",  # its results are all written, and asked politely it complains on stderr
            )
        except PapermillExecutionError as error:
            full = f"; free some space and {AGAIN}" if os.strerror(errno.ENOSPC) in str(error.evalue) else ""
            why = f"{error.ename}: {error.evalue}{full} (see {shown(target)})"
        except DeadKernelError:
            why = f"its kernel was killed from outside, as systems do when memory runs out; close other programs and {AGAIN}."
        except OSError as error:
            why = f"{shown(target)} can't be written ({error.strerror or error}); "
            why += f"free some space or choose another folder with --out, and {AGAIN}."
        except RuntimeError as error:  # of a kernel that does not start
            why = f"{str(error).rstrip('.')}; {AGAIN}."
        else:
            return
        raise RuntimeError(f"{path.name} stopped: {why}")


def _literal(path: Path) -> str:
    """The path of a notebook for papermill, which fills in what is in braces."""
    return str(path).replace("{", "{{").replace("}", "}}")


@contextmanager
def alone_in(out: Path) -> Iterator[None]:
    """Hold the folder for this run; RuntimeError, one sentence, while another run has it or if it can't be written."""
    from filelock import FileLock, Timeout

    try:
        out.mkdir(parents=True, exist_ok=True)
        held = FileLock(out / ".running").acquire(timeout=0)
    except Timeout:
        where = shown(out)
        raise RuntimeError(f"Another run is writing into {where}: wait for it to end, or choose another with --out.") from None
    except OSError as error:
        raise RuntimeError(f"{shown(out)} can't be written ({error.strerror}): choose another folder with --out.") from None
    with held:
        yield


class Progress:
    """What is shown of a run: a line for each notebook and each epoch; and in a terminal, below them, one that is updated.

    A notebook says how far it is by printing a line that starts with a carriage return.
    """

    EPOCH = re.compile(r"epoch +(\d+)/(\d+).* ([\d.]+) s$")

    def __init__(self, notebooks: int):
        self.notebooks, self.started = notebooks, 0

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """While this notebook runs."""
        from tqdm import tqdm

        self.started += 1
        began, over = time.perf_counter(), threading.Event()
        place = f"{name} ({self.started} of {self.notebooks})"
        print(f"{place} ...", flush=True)
        self.bar = tqdm(bar_format="{desc}: {elapsed}{postfix}", desc=place, leave=False, disable=None, file=sys.stdout)
        threading.Thread(target=self._tick, args=(over,), daemon=True).start()
        try:
            yield
        finally:
            over.set()
            self.bar.close()
        print(f"{name}: {time.perf_counter() - began:.0f} s", flush=True)

    def _tick(self, over: threading.Event) -> None:
        while not over.wait(1):
            self.bar.refresh()

    def write(self, text: str) -> None:
        """Pick the progress of the training from all that a notebook prints."""
        for written_over in text.split("\n"):
            line = written_over.split("\r")[-1].rstrip()
            if re.match(r"epoch +\d+/|epoch-\d|Resumed", line):
                self.bar.write(line, file=sys.stdout)
                if epoch := self.EPOCH.match(line):
                    left = (int(epoch[2]) - int(epoch[1])) * float(epoch[3])
                    self.bar.set_postfix_str(f"epoch {epoch[1]} of {epoch[2]}, {self.bar.format_interval(left)} to go")
            elif "\r" in written_over:
                self.bar.set_postfix_str(line)

    def flush(self) -> None:
        sys.stdout.flush()


def written(path: Path) -> tuple[int, int] | None:
    """What changes whenever write_whole writes this file; None if there is none."""
    with suppress(FileNotFoundError):
        about = path.stat()
        return about.st_ino, about.st_mtime_ns
    return None


def shown(path: Path) -> Path:
    """A path, as short as possible from here."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
