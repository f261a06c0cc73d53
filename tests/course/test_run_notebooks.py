"""The headless way in: kernels, papermill, parameters, record and weights; and what may come between."""

import errno
import io
import json
import os
import re
import signal
import subprocess
import sys
import time

import nbformat
import papermill
import pytest
import torch

from course import run_notebooks
from course.__main__ import main
from course.report.course_tables import COURSE
from mnist_lib.model import DigitNet
from mnist_lib.studies import records
from mnist_lib.support.paths import ROOT
from mnist_lib.trainer.recipes import QUICK
from tests.lib.idx_files import write_folder

RECORD = records.runs("card")[1]
RECORD["dataset"]["name"] = "digits"
REACHED = f"{RECORD['test']['accuracy']:.2%}"
# A course of one short notebook, in place of the real one: {before} happens, then it writes its record
SHORT = """import json, os, pathlib, time
{before}
record = {record}
record["config"] |= {{"epochs": EPOCHS, "seed": SEED}}
pathlib.Path(OUT, "record.json").write_text(json.dumps(record))"""
# Of two runs into the folders 1 and 2, each waits until the other is here
MEETING = """here = pathlib.Path(OUT)
(here / "here").write_text(" ".join(os.listdir()))
other = here.parent / str(3 - int(here.name)) / "here"
for _ in range(3000):
    if other.is_file():
        break
    time.sleep(0.02)"""
# The command over the notebooks of another folder
ELSEWHERE = """import pathlib, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a process in the background is started without
from course import __main__
from course import run_notebooks
run_notebooks.NOTEBOOKS[:] = sorted(pathlib.Path(sys.argv[1]).glob("[0-9]*.ipynb"))
sys.exit(__main__.main(sys.argv[2:]))"""


CLOSED = () if sys.platform == "win32" else ("sh", "-c", '"$@" >&-', "sh")  # a shell's way of closing the output
SLOW = {name: value for name, value in os.environ.items() if name != "MNIST_LIB_FAST"}  # whose profile is nbval's


@pytest.fixture
def short(tmp_path, monkeypatch):
    """Makes the course one short notebook; gives its folder."""

    def make(before: str = "", name: str = "course"):
        cells = [nbformat.v4.new_code_cell('EPOCHS = 20\nSEED = 0\nOUT = ""'), nbformat.v4.new_code_cell()]
        cells[0].metadata["tags"] = ["parameters"]
        cells[1].source = SHORT.format(before=before, record=RECORD)
        notebook = nbformat.v4.new_notebook(cells=cells)
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)
        nbformat.write(notebook, folder / "04_short.ipynb")
        folder.chmod(0o555)  # the project need not be writable
        monkeypatch.setattr(run_notebooks, "NOTEBOOKS", [folder / "04_short.ipynb"])
        return folder

    return make


@pytest.fixture
def ten(tmp_path) -> str:
    """A folder with ten images as MNIST's files have them, which are read sooner than the digits."""
    return str(write_folder(tmp_path / "ten", 10))


@pytest.fixture
def start(ten):
    """`run` over the notebooks of a folder, on ten images, in a process of its own that may be interrupted."""

    def process(folder, *arguments: str, before: tuple[str, ...] = ()) -> subprocess.Popen:
        words, pipe = [sys.executable, "-c", ELSEWHERE, str(folder), "run", "--data", ten, *arguments], subprocess.PIPE
        return subprocess.Popen([*before, *words], cwd=ROOT, stdout=pipe, stderr=pipe, text=True, env=SLOW)

    return process


@pytest.fixture
def notebooks_write(monkeypatch, tmp_path):
    """No kernel: what the notebooks write is given, as a change to their record's settings; None writes nothing.

    Gives a list, to which each notebook's parameters are added.
    """

    def make(changed: dict | None, error: str = "") -> list[dict]:
        given = []

        def execute(path, target, parameters, progress):
            given.append(parameters)
            if error:
                raise RuntimeError(error)
            if changed is not None:
                config = RECORD["config"] | {"epochs": 20, "seed": 0} | changed
                (target.parent / "record.json").write_text(json.dumps(RECORD | {"config": config}))

        monkeypatch.setattr(run_notebooks, "NOTEBOOKS", [tmp_path / "04_short.ipynb"])
        monkeypatch.setattr(run_notebooks, "execute", execute)
        return given

    return make


def run(*arguments: str, data: str = "digits") -> int:
    return main(["run", "--data", data, *arguments])


@pytest.mark.nightly
def test_run_executes_the_whole_course(tmp_path):
    words = [sys.executable, "-m", "course", "run", "--epochs", "2", "--seed", "7", "--data", "digits", "--out", tmp_path]
    done = check_run(tmp_path, subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=600, env=SLOW))
    assert [line[:10] for line in done.stdout.splitlines() if line.startswith("epoch  ") and "loss" in line] == [
        "epoch  1/2",
        "epoch  2/2",
        *(f"epoch  {epoch}/{QUICK.epochs}" for epoch in range(1, QUICK.epochs + 1)),  # in notebook 07
    ]
    for name in COURSE:
        notebook = nbformat.read(tmp_path / f"{name}.ipynb", as_version=4)
        assert not [o for cell in notebook.cells for o in cell.get("outputs", []) if o.output_type == "error"]
        titles = "".join(str(cell.get("outputs", "")) for cell in notebook.cells)
        assert "MNIST: 60,000" not in titles  # nothing of the stand-in is shown as MNIST


def test_run_gives_notebook_04_its_parameters(ten, tmp_path, monkeypatch, capsys):
    """The real notebook's setup, and the cells that train and show the record; what lies between takes them no further."""
    monkeypatch.delenv("MNIST_LIB_FAST", raising=False)  # nbval's profile, which trains less
    folder, out = tmp_path / "course", tmp_path / "out"
    folder.mkdir()
    notebook = nbformat.read(ROOT / "notebooks/04_training.ipynb", as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    [training] = [cell for cell in code if "= train(" in cell.source]
    [showing] = [cell for cell in code if cell.source.startswith("{name: run.record[name]")]
    notebook.cells = [*code[:3], training, showing]
    nbformat.write(notebook, folder / "04_training.ipynb")
    for package in ("mnist_lib", "course"):  # what the setup cell looks for
        (folder / package).symlink_to(ROOT / package)
    monkeypatch.setattr(run_notebooks, "NOTEBOOKS", [folder / "04_training.ipynb"])
    status = run("--epochs", "2", "--seed", "7", "--out", str(out), data=ten)
    done = check_run(out, subprocess.CompletedProcess([], status, *capsys.readouterr()), "unverified", 10)
    assert [line[:10] for line in done.stdout.splitlines() if line.startswith("epoch")] == ["epoch  1/2", "epoch  2/2"]
    assert "04_training (1 of 1) ..." in done.stdout
    shown = "".join(str(cell.get("outputs", "")) for cell in nbformat.read(out / "04_training.ipynb", as_version=4).cells)
    assert "unverified" in shown and "MNIST: 60,000" not in shown


def check_run(out, done: subprocess.CompletedProcess, name: str = "digits", n: int = 297) -> subprocess.CompletedProcess:
    assert done.returncode == 0, done.stdout + done.stderr
    record = json.loads((out / "record.json").read_text())
    assert record["config"]["epochs"] == 2 and record["config"]["seed"] == 7 and record["dataset"]["name"] == name
    last = done.stdout.split("\n\n")[-1]
    assert f"{record['test']['accuracy']:.2%} of {n} {name} test images" in last and "seed 7" in last
    assert "not MNIST" in last and "record.json" in last and "model.pt" in last
    DigitNet().load_state_dict(torch.load(out / "model.pt", weights_only=True))
    return done


@pytest.mark.parametrize("data", ["ten", "./ten", "~/ten"])
def test_run_hands_its_folder_on_as_a_whole_path(data, ten, tmp_path, monkeypatch, notebooks_write):
    """A kernel runs in its notebook's folder, from where a path that is meant from here leads elsewhere."""
    given = notebooks_write({})
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert run("--out", "out", data=data) == 0
    assert [parameters["DATA"] for parameters in given] == [ten]


def test_run_leaves_another_from_the_same_clone_alone(short, start, tmp_path, capsys):
    """This process's and another's at the same time; that one needs no open output, as services start it."""
    folder, outs = short(MEETING), [tmp_path / "1", tmp_path / "2"]
    process = start(folder, "--seed", "1", "--out", str(outs[0]), before=CLOSED)
    while not (outs[0] / "here").is_file():
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    assert run("--seed", "2", "--out", str(outs[1])) == 0 and "seed 2;" in capsys.readouterr().out
    complaints = process.communicate(timeout=120)[1]
    assert process.returncode == 0 and complaints == "", complaints
    for seed, out in enumerate(outs, 1):
        assert (out / "here").read_text() == "04_short.ipynb"  # no kernel's socket lies in the project
        assert json.loads((out / "record.json").read_text())["config"]["seed"] == seed


def test_run_speaks_with_kernels_on_this_machine_alone(short, tmp_path):
    """By TCP on 127.0.0.1, with a key that stands in a file of this user's; nothing of the kernel listens elsewhere."""
    short(
        "import psutil\n"
        "from ipykernel.connect import get_connection_file, get_connection_info\n"
        "info = get_connection_info(unpack=True)\n"
        "mode = oct(os.stat(get_connection_file()).st_mode & 0o777)\n"
        "process = psutil.Process()\n"
        "ports = getattr(process, 'net_connections', None) or process.connections\n"
        "listening = sorted({port.laddr.ip for port in ports(kind='inet') if port.status == 'LISTEN'})\n"
        "spoken = [info['transport'], info['ip'], bool(info['key']), mode, listening]\n"
        "json.dump(spoken, open(f'{OUT}/spoken', 'w'))"
    )
    assert run("--out", str(tmp_path / "out")) == 0
    spoken = json.loads((tmp_path / "out/spoken").read_text())
    assert spoken[:3] == ["tcp", "127.0.0.1", True] and spoken[4] == ["127.0.0.1"]
    assert spoken[3] == "0o600" or sys.platform == "win32"


def test_run_takes_names_of_folders_as_they_are(short, tmp_path, capsys):
    """Papermill would fill in what stands in braces."""
    out = tmp_path / "it's {1} out, %d ü"
    short("assert os.getcwd().endswith('my {cöurse}')", name="my {cöurse}")
    assert run("--out", str(out)) == 0, capsys.readouterr().err
    assert {"04_short.ipynb", "record.json"} <= {path.name for path in out.iterdir()}


def test_run_has_its_folder_for_itself(notebooks_write, tmp_path, capsys):
    out = tmp_path / "out"
    notebooks_write({})
    with run_notebooks.alone_in(out):
        assert run("--out", str(out)) == 1
        assert (
            capsys.readouterr().err == f"Another run is writing into {out}: wait for it to end, or choose another with --out.\n"
        )
    assert run("--out", str(out)) == 0


@pytest.mark.parametrize(
    ("changed", "told"), [({"seed": 2}, "seed 2, epochs 20"), ({"seed": 1, "epochs": 3}, "seed 1, epochs 3")]
)
def test_run_does_not_give_out_another_runs_record(notebooks_write, tmp_path, capsys, changed, told):
    """A notebook open in JupyterLab may write into the same folder."""
    notebooks_write(changed)
    assert run("--seed", "1", "--out", str(tmp_path / "out")) == 1
    complaint = capsys.readouterr().err
    assert complaint.startswith("Meanwhile another run wrote ") and told in complaint and complaint.count("\n") == 1


def test_run_keeps_the_last_result_until_there_is_a_new_one(notebooks_write, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    for name in ("record.json", "model.pt"):
        (out / name).write_text(json.dumps(RECORD))
    notebooks_write({}, error="no ink left")
    assert run("--out", str(out)) == 1
    notebooks_write(None)
    assert run("--out", str(out)) == 1  # and is never given out as the new one
    said = capsys.readouterr()
    assert "of an earlier run" in said.err and REACHED not in said.out
    assert all(json.loads((out / name).read_text()) == RECORD for name in ("record.json", "model.pt"))
    notebooks_write({})
    assert run("--out", str(out)) == 0 and REACHED in capsys.readouterr().out


def test_run_interrupted_says_one_sentence(short, start, tmp_path):
    folder = short("for epoch in range(1, 99):\n    print(f'epoch {epoch:2}/99', flush=True); time.sleep(0.1)")
    process = start(folder, "--out", str(tmp_path / "out"))
    while not process.stdout.readline().startswith("epoch"):
        assert process.poll() is None, process.communicate()
    process.send_signal(signal.SIGINT)
    complaints = process.communicate(timeout=60)[1]
    assert complaints.endswith("\nInterrupted. The same command continues after the last complete epoch.\n")
    assert process.returncode == 130 and not re.search("Traceback|Error|ERROR", complaints)


@pytest.mark.parametrize(
    ("mishap", "sentence"),
    [
        ("raise ValueError('no ink left')", r"ValueError: no ink left \(see .*04_short\.ipynb\)"),
        ("os.kill(os.getpid(), 9)", r"its kernel was killed .* memory .* continues after the last complete epoch\."),
        ("raise OSError(28, os.strerror(28))", r"OSError: .*No space.*; free some space and give the same command again.*\)"),
    ],
)
def test_run_of_a_notebook_that_fails_says_one_sentence(short, mishap, sentence, tmp_path, capsys):
    short(mishap)
    assert run("--out", str(tmp_path / "out")) == 1
    assert re.fullmatch(rf"04_short\.ipynb stopped: {sentence}\n", capsys.readouterr().err)
    assert (tmp_path / "out" / "04_short.ipynb").is_file()


def test_run_on_a_full_disk_says_one_sentence(short, tmp_path, capsys, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    short()
    monkeypatch.setattr(papermill, "execute_notebook", full)
    assert run("--out", str(tmp_path / "out")) == 1
    complaint = capsys.readouterr().err
    assert re.fullmatch(r"04_short\.ipynb stopped: .* can't be written \(No space left.*\); free some space .*\.\n", complaint)


def test_run_into_a_folder_that_cant_be_written_says_one_sentence(short, tmp_path, capsys):
    (tmp_path / "file").write_text("no folder")
    short()
    assert run("--out", str(tmp_path / "file")) == 1
    assert re.fullmatch(r".*file can't be written \(.*\): choose another folder with --out\.\n", capsys.readouterr().err)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("kind", [Terminal, io.StringIO])
def test_progress_tells_a_terminal_how_far_and_how_long_still(kind, monkeypatch):
    monkeypatch.setattr(sys, "stdout", kind())
    progress = run_notebooks.Progress(5)
    with progress.of("01_first"):
        progress.write("nothing of how it gets on\n")
    with progress.of("02_second"):
        progress.write("On cpu\nepoch  3/20  loss 0.1  training accuracy 90.00%  12.0 s\n")
        shown = sys.stdout.getvalue()
        progress.write("\rstep 100 of 469")
        updated = sys.stdout.getvalue()[len(shown) :]
    lines = [line.split("\r")[-1].strip() for line in sys.stdout.getvalue().split("\n")]
    assert [re.sub(r": \d+ s$", "", line) for line in lines] == [
        "01_first (1 of 5) ...",
        "01_first",
        "02_second (2 of 5) ...",
        "epoch  3/20  loss 0.1  training accuracy 90.00%  12.0 s",
        "02_second",
        "",
    ]
    if kind is Terminal:
        assert re.search(r"\r02_second \(2 of 5\): 00:0\d, epoch 3 of 20, 03:24 to go", shown)
        assert re.search(r"\r02_second \(2 of 5\): 00:0\d, step 100 of 469", updated) and "\n" not in updated
    else:
        assert "\r" not in sys.stdout.getvalue() and updated == ""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGPIPE")
def test_run_ends_in_silence_when_its_reader_goes_away(short, start, tmp_path):
    """As `| head -1` does."""
    folder = short("time.sleep(0.2)")
    process = start(folder, "--out", str(tmp_path / "out"))
    assert process.stdout.readline().startswith("unverified")
    process.stdout.close()
    complaints = process.stderr.read()
    process.wait(60)
    assert not re.search("Traceback|Error|Exception|Errno", complaints), complaints
