"""The structure of the code: few public names, imports that run one way, and a size that can be read in one sitting."""

import ast
import re
import tomllib
from pathlib import Path

import pytest
from setuptools import find_packages

from mnist_lib.support.paths import ROOT

FLOORS = (  # each may import from those above it
    "support",
    "receptive_field transforms",
    "model",
    "data interpret",
    "trainer",
    "studies",
    "plots widgets",
)


LINES_OF_THE_CORE = 750  # which CONTRIBUTING gives to be read first


def lines_of(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def imports(path: Path) -> set[str]:
    """The modules of ours that a file imports, wherever in it, by their whole names."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.split(".")[0] in ("mnist_lib", "course")}


def modules(package: str) -> dict[str, Path]:
    """Every file of a package by its module's name."""
    paths = {path: path.relative_to(ROOT).with_suffix("").parts for path in (ROOT / package).rglob("*.py")}
    return {".".join(parts[:-1] if parts[-1] == "__init__" else parts): path for path, parts in paths.items()}


def test_doors_are_few():
    files = [path.name for path in (ROOT / "mnist_lib").iterdir() if path.is_file()]
    folders = [path.name for path in (ROOT / "mnist_lib").iterdir() if path.is_dir() and path.name != "__pycache__"]
    assert sorted(files) == ["__init__.py", "transforms.py"] and len(folders) <= 9


def test_library_knows_nothing_of_the_course():
    for name, path in modules("mnist_lib").items():
        assert not [other for other in imports(path) if other.split(".")[0] == "course"], name


def test_arrows_between_folders_run_one_way():
    floor = {name: number for number, names in enumerate(FLOORS) for name in names.split()}
    for name, path in modules("mnist_lib").items():
        if name == "mnist_lib":
            continue
        room = name.split(".")[1]
        others = {other.split(".")[1] for other in imports(path) if other.count(".")} & floor.keys()
        assert not [other for other in others - {room} if floor[other] >= floor[room]], name


@pytest.mark.parametrize("package", ["mnist_lib", "course"])
def test_modules_import_one_another_in_no_circle(package):
    known = modules(package)
    # A package's __init__ passes on the names of its modules; they do not import them from it
    arrows = {name: imports(path) & known.keys() - {name} for name, path in known.items() if path.name != "__init__.py"}
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, " -> ".join((*above[above.index(name) :], name))
        if name not in done:
            for other in arrows.get(name, ()):
                visit(other, (*above, name))
            done.add(name)

    for name in arrows:
        visit(name, ())


def test_wheel_holds_the_library_alone():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = find_packages(str(ROOT), **project["tool"]["setuptools"]["packages"]["find"])
    assert sorted(packages) == sorted(name for name, path in modules("mnist_lib").items() if path.name == "__init__.py")


def test_core_is_read_in_one_sitting():
    """What CONTRIBUTING gives to be read first, each without those below it."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    core = re.findall(r"^\| `(mnist_lib/[\w/]+\.py)` \|", text.split("Everything else can wait")[0], re.MULTILINE)
    assert len(core) == 5 and int(re.search(r"at most (\d+) lines", text)[1]) == LINES_OF_THE_CORE
    assert sum(lines_of(ROOT / name) for name in core) <= LINES_OF_THE_CORE
    names = [name.removesuffix(".py").replace("/", ".") for name in core]
    for number, name in enumerate(core):
        assert not imports(ROOT / name) & set(names[number + 1 :]), name


def test_loop_fits_a_screen():
    """train, train_epoch and one_step, each from def to its last line."""
    tree = ast.parse((ROOT / "mnist_lib/trainer/loop.py").read_text())
    wanted = ("train", "train_epoch", "one_step")
    lines = {node.name: node.end_lineno - node.lineno + 1 for node in tree.body if getattr(node, "name", "") in wanted}
    assert lines.keys() == set(wanted) and sum(lines.values()) <= 50, lines


def test_contributing_names_every_folder():
    told = (ROOT / "CONTRIBUTING.md").read_text()
    for path in (ROOT / "mnist_lib").iterdir():
        if path.is_dir() and path.name != "__pycache__":
            assert f"mnist_lib/{path.name}/" in told or f"`{path.name}/`" in told, path.name
