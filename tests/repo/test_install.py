"""What is installed: the package alone by pip, and everything that requirements.txt names by make."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from mnist_lib.support.paths import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LISTED = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if line and not line.startswith("#")]
OURS = {"mnist_lib", "course", "benchmarks", "tests", "conftest", "handouts", "handwriting"}
OURS |= {"google"}  # google.colab is there, or it is not asked
DISTRIBUTIONS = {"docutils": "sphinx", "xdist": "pytest-xdist", "sklearn": "scikit-learn", "PIL": "pillow"}
DISTRIBUTIONS |= {"IPython": "ipython"}  # where import and package differ in name
FILES_OF_A_TRAINING, LINES_OF_A_TRAINING = 14, 1300  # that `import mnist_lib.trainer` reads of ours
LIGHT = {"torch", "numpy", "scipy", "scikit-learn", "pillow"}


def names(requirements: list[str]) -> set[str]:
    return {re.match(r"[\w-]+", line)[0] for line in requirements}


def imported(folder: str, pattern: str = "*.py") -> set[str]:
    """The distributions that the Python files below a folder import, wherever in a file."""
    found = set()
    for path in (ROOT / folder).rglob(pattern):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add(node.module.split(".")[0])
    return {DISTRIBUTIONS.get(name, name).replace("_", "-") for name in found - OURS - sys.stdlib_module_names}


def test_requirements_and_extras_are_the_same():
    extras = PROJECT["optional-dependencies"]
    assert sorted(LISTED) == sorted(PROJECT["dependencies"] + extras["notebooks"])
    for extra in ("test", "book"):
        listed = (ROOT / f"requirements-{extra}.txt").read_text().splitlines()
        assert sorted(line for line in listed if not line.startswith("#")) == sorted(extras[extra])
    assert names(PROJECT["dependencies"]) == LIGHT


@pytest.mark.parametrize(
    ("folder", "extras"),
    [
        ("mnist_lib", ["notebooks"]),
        ("course", ["notebooks", "book", "test"]),
        ("benchmarks", ["notebooks"]),
        ("tests", ["notebooks", "test"]),
    ],
)
def test_all_that_is_imported_is_named(folder, extras):
    named = names(PROJECT["dependencies"]).union(*(names(PROJECT["optional-dependencies"][extra]) for extra in extras))
    found = imported(folder)
    assert "torch" in found and found <= named


@pytest.mark.parametrize("pattern", ["model/*.py", "data/*.py", "transforms.py", "trainer/*.py", "trainer/fast/*.py"])
def test_the_rooms_for_training_need_only_what_is_light(pattern):
    assert imported("mnist_lib", pattern) <= LIGHT


# What is imported and what is said of it, asked of one process and forks of it: torch takes seconds
SETTINGS = {}, {"GOMP_SPINCOUNT": "5000"}, {"OMP_WAIT_POLICY": "passive"}, {"OMP_NUM_THREADS": "1"}
IMPORTS = f"""
import os, sys, warnings

def forked(work, *arguments):
    if not os.fork():
        work(*arguments)
        sys.stdout.flush()
        os._exit(0)
    os.wait()

def warned(settings):
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "OMP_NUM_THREADS"):
        os.environ.pop(name, None)
    os.environ.update(settings)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        import mnist_lib
    print(len(said), os.environ["GOMP_SPINCOUNT"], *(w.message for w in said), *(w.filename for w in said))

def fields():
    import mnist_lib.receptive_field
    print(*sys.modules)

forked(warned, {{}})
import torch
for settings in {SETTINGS}:
    forked(warned, settings)
forked(fields)
import mnist_lib.trainer
print(*(module.__file__ for name, module in sys.modules.items() if name.split(".")[0] == "mnist_lib"))
from mnist_lib import data, model, trainer, transforms
from course import run_notebooks
print(*sys.modules)
from mnist_lib.trainer.ingredients import Muon
images, labels = torch.randint(0, 256, (40, 1, 28, 28), dtype=torch.uint8), torch.arange(40) % 10
dataset = data.Dataset("noise", images, labels, images, labels, "this test", "0" * 64)
for ingredients in ((), (Muon(0.1),)):
    trainer.train(trainer.TrainConfig(epochs=1, batch_size=20, compiled="no", ingredients=ingredients), dataset)
print(*sys.modules)
"""


@pytest.fixture(scope="module")
def imports() -> dict[str, list[str]]:
    done = subprocess.run([sys.executable, "-c", IMPORTS], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    *warned, fields, files, training, trained = done.stdout.splitlines()
    lists = {"fields": fields, "files": files, "training": training, "trained": trained}
    return {"warned": warned} | {name: line.split() for name, line in lists.items()}


@pytest.mark.skipif(sys.platform != "linux", reason="GOMP_SPINCOUNT is read by libgomp, torch's OpenMP on Linux")
def test_torch_before_the_package_is_said_to_be_slow_where_it_is(imports):
    """libgomp reads how long its threads spin when it is loaded; a reader who wrote the imports the other way is told."""
    package_first, late, *others = imports["warned"]
    assert package_first == "0 10000"
    assert late.startswith("1 10000 torch was imported before mnist_lib: ") and "Import mnist_lib first" in late
    assert late.endswith(" <string>")  # the line that is to be moved
    assert others == ["0 5000", "0 10000", "0 10000"]


def test_importing_the_package_is_cheap(imports):
    """The receptive fields need no other package; those for training need no pictures, Jupyter, scikit-learn, torchvision."""
    alone, training = set(imports["fields"]), set(imports["training"])
    assert "torch" in alone and not {"mnist_lib.model", "torch._dynamo"} & alone
    heavy = {"matplotlib", "IPython", "ipykernel", "ipywidgets", "papermill", "sklearn", "scipy", "torchvision", "torchinfo"}
    assert "mnist_lib.trainer" in training and not heavy & training


def test_importing_the_trainer_reads_little(imports):
    """Because __init__ files import little."""
    lines = [count for file in imports["files"] if (count := len(Path(file).read_text().splitlines()))]  # none in an empty file
    assert len(lines) <= FILES_OF_A_TRAINING and sum(lines) <= LINES_OF_A_TRAINING, lines


def test_a_training_imports_no_compiler(imports):
    assert "mnist_lib.trainer.muon" in imports["trained"] and "torch._dynamo" not in imports["trained"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The folder into which pip would install the package, made without a network; and an empty one to work in."""
    place = tmp_path_factory.mktemp("install")
    shutil.copytree(ROOT / "mnist_lib", place / "source/mnist_lib", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("benchmarks", "notebooks", "records", "figures", "tests"):  # the clone's other folders must not hinder
        (place / "source" / name).mkdir()
        (place / "source" / name / "file.py").touch()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, place / "source")
    build = "from setuptools import build_meta; build_meta.build_wheel('..')"
    done = subprocess.run([sys.executable, "-c", build], cwd=place / "source", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    [wheel] = place.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(place / "site-packages")
    (place / "empty").mkdir()
    return place / "site-packages", place / "empty"


def python(installed, *words: str) -> subprocess.CompletedProcess:
    site_packages, empty = installed
    env = {name: value for name, value in os.environ.items() if not name.startswith("MNIST_LIB")}
    env |= {"PYTHONPATH": str(site_packages)}
    return subprocess.run([sys.executable, *words], cwd=empty, env=env, capture_output=True, text=True, timeout=120)


def test_the_package_is_installed_alone_and_whole(installed):
    site_packages, _ = installed
    assert sorted(path.name for path in site_packages.iterdir()) == ["mnist_lib", f"mnist_lib-{PROJECT['version']}.dist-info"]
    files = {path.relative_to(ROOT) for path in (ROOT / "mnist_lib").rglob("*") if path.is_file()}
    wanted = {path for path in files if "__pycache__" not in path.parts}
    assert {path.relative_to(site_packages) for path in (site_packages / "mnist_lib").rglob("*") if path.is_file()} == wanted


@pytest.mark.parametrize("command", ["run", "study"])
def test_a_command_of_before_says_where_it_went(installed, command):
    done = python(installed, "-m", "mnist_lib", command, "--seed", "1")
    assert done.returncode == 1 and not done.stdout
    assert done.stderr == "The commands of the clone are the course's: python -m course, from its folder.\n"


# What a reader does with it, in one process: it takes seconds to start
READERS = """
import os
from mnist_lib import data
from mnist_lib.model.pretrained import recorded_epochs, recorded_net
from mnist_lib.studies.records import benchmark, held_out, runs
from mnist_lib.support import paths
print(paths.__file__, paths.OUT, data.load("digits"), sep="\\n")
for ask in (lambda: runs("card"), held_out, lambda: benchmark("speed"), recorded_net, recorded_epochs):
    try:
        print("It answered", ask())
    except FileNotFoundError as error:
        print(error)
print("written so far:", os.listdir())

from distributed import Client
from mnist_lib.studies import runner
from mnist_lib.studies.study import Study
from mnist_lib.trainer import TrainConfig
runner.client_of = lambda *_: Client(processes=False, n_workers=1, threads_per_worker=1, dashboard_address=None)  # no process
recipe = TrainConfig(epochs=1, batch_size=20, device="cpu", compiled="no")
for _ in range(2):
    runner.run_study(Study("mine", {"short": recipe}, seeds=1, held_out=20, images=60), source="digits")
"""


def test_what_is_installed_keeps_to_the_readers_folder(installed):
    """What lies in the clone alone is one sentence; a study is recorded where the reader works."""
    site_packages, empty = installed
    done = python(installed, "-c", READERS)
    said = done.stdout.splitlines()
    place = next(i for i, line in enumerate(said) if line.startswith(str(site_packages)))
    assert said[place + 1] == str(empty / "out"), done.stderr
    ends = f" is not installed with mnist_lib: clone {PROJECT['urls']['Repository']} and work there."
    lacking = (*3 * ["records/"], "records/card-seed-0.pt", "records/card-seed-0-epochs.pt")
    assert said[place + 3 : place + 9] == [*(name + ends for name in lacking), "written so far: []"]
    assert said[-1] == "mine: all 1 runs are on record.", done.stderr
    assert [path.relative_to(empty).as_posix() for path in empty.rglob("*.jsonl")] == ["records/studies/mine.jsonl"]
    assert not (site_packages / "records").exists()
