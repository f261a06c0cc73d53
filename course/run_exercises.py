"""Which exercises pass in notebooks that were handed in: each is run in a process of its own, with a time limit and no network.

A notebook is code that runs. What keeps it in is the process, an empty folder to work in, a clean environment, and on Linux a
network that is not there; it can still read this user's files. `check` runs beside its code: it is no examination.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from pathlib import Path

from course import spreadsheet
from mnist_lib.support import validation
from mnist_lib.support.paths import OUT, ROOT

PASSED_ON = ("PATH", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT", "OMP_NUM_THREADS")  # of this environment; nothing secret


def run_exercises(folder: Path, out: Path = OUT / "exercises.csv", seconds: int = 900, workers: int | None = None) -> list[str]:
    """Run all notebooks below a folder and write a line an exercise -> the notebooks of which some exercise does not pass.

    seconds: for each notebook. They run on the small digits and in the tests' profile: the checkers bring their own inputs.

    Raises:
        ValueError: one sentence, for a folder without notebooks, or a number that makes no sense.
    """
    validation.number("seconds", seconds, at_least=1, whole=True)
    paths = [folder] if folder.is_file() else sorted(folder.rglob("*.ipynb"))
    paths = [path for path in paths if ".ipynb_checkpoints" not in path.parts and not path.is_symlink()]
    if not paths:
        raise ValueError(f"There are no notebooks in {folder}: correct the path.")
    if not cut_off():
        print("Here their network can't be cut off: run notebooks of others where they can do no harm.")
    rows, failed = [], []
    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        for path, (passed, why) in zip(paths, pool.map(lambda path: outcome(path, seconds), paths)):
            name = path.name if path == folder else path.relative_to(folder).as_posix()
            names = expected(path) or list(passed)
            for exercise in names or [""]:
                right = "yes" if passed.get(exercise) else "no"
                rows.append({"notebook": name, "exercise": exercise, "passed": right, "why not run to its end": why})
            right = [exercise for exercise in names if passed.get(exercise)]
            print(f"{spreadsheet.cell(name)}: {len(right)} of {len(names)} pass{f'; {why}' if why else ''}", flush=True)
            if why or len(right) < len(names):
                failed.append(name)
    spreadsheet.write_csv(out, rows)
    print(f"{sum(row['passed'] == 'yes' for row in rows)} of {len(rows)} exercises pass: {out}")
    return failed


def expected(path: Path) -> list[str]:
    """The exercises of the notebook whose name begins with its number, such as 01_architecture.ipynb; of another name, none."""
    from course.exercises import EXERCISES  # here: brings torch

    number = re.match(r"0*(\d+)", path.name)
    return [name for name in EXERCISES if number and name[:-1] == number[1]]


def outcome(path: Path, seconds: float) -> tuple[dict[str, bool], str]:
    """{exercise: whether it passes} of a notebook, run in a process of its own; and why it was not run to its end, or ""."""
    with tempfile.TemporaryDirectory() as place:
        result, work = Path(place, "result.json"), Path(place, "work")
        work.mkdir()
        env = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        env |= {
            "PYTHONPATH": str(ROOT),
            "HOME": place,
            "MNIST_LIB_OUT": str(work / "out"),
            "MNIST_LIB_FAST": "1",
            "MPLBACKEND": "agg",
        }
        command = [*cut_off(), sys.executable, "-m", "course.handed_in", str(path.resolve()), str(result)]
        process = subprocess.Popen(
            command, cwd=work, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            return {}, f"it took longer than {seconds:g} s"
        finally:
            end(process)
        try:
            return json.loads(result.read_text()), ""
        except (OSError, ValueError):
            return {}, "it is no notebook, or its kernel ended"


def end(process: subprocess.Popen) -> None:
    """End a process and all that it started."""
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()


@cache
def cut_off() -> tuple[str, ...]:
    """What to put before a command so that it has no network; () where the system has no means."""
    command = ("unshare", "--map-root-user", "--net")
    if not shutil.which(command[0]):
        return ()
    return command if subprocess.run([*command, "true"], capture_output=True).returncode == 0 else ()
