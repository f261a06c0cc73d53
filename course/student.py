"""The handout: a project of its own with the notebooks without answers, what they need, and nothing that is the teacher's.

Questions, stubs and the opening pictures stay. An exercise becomes two cells, the stub and its test, with nbgrader's metadata.
"""

import copy
import re
import shutil
from pathlib import Path

import nbformat
from nbconvert.preprocessors import ClearOutputPreprocessor
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from course.report.course_tables import repository
from mnist_lib.support.paths import ROOT, write_whole

NOTEBOOKS = ROOT / "notebooks"
BECAUSE = "*Because* (double-click this text and write it in your own words):"
MEASURED = "*What you measured* (double-click this text and write it in your own words):"
COPIED = (  # files, and what folders hold
    "LICENSE",
    ".gitignore",
    "requirements.txt",
    "assignment",
    "mnist_lib",
    "notebooks/glossary.md",
    "notebooks/formulas.md",
    *(f"course/{name}" for name in ("__init__.py", "__main__.py", "card.txt", "colab.py", "guesses.py", "exercises")),
    *(f"course/{name}.py" for name in ("grading", "handed_in", "run_exercises", "spreadsheet", "study", "submission")),
    "course/photos",
    *(f"benchmarks/{name}.py" for name in ("__init__", "classic", "common", "speed")),
    "records/readings.jsonl",
    *(f"records/studies/{name}.jsonl" for name in ("card", "quick", "fewest", "fewest long", "frontier")),
    *(f"records/{name}" for name in ("card-seed-0.pt", "card-seed-0-epochs.pt")),
    *(f"records/{name}.json" for name in ("speed", "validation-seed-0")),
)
OWN = {  # the handout's own files, as they lie in course/handout
    "README.md": "README.md",
    "Makefile": "Makefile",
    "nbgrader_config.py": "nbgrader_config.py",
    "exercises.yml": ".github/workflows/exercises.yml",
}
KEPT = {".git", ".venv", "out"}  # of an earlier handout, which the new one takes the place of
NBGRADER = {"schema_version": 3, "solution": False, "grade": False, "locked": False, "task": False}  # a cell's metadata
CHECK = re.compile(r'^(\w+) = check\("(\d+[a-z])", (\w+)\)$', re.MULTILINE)


def write_handout(out: Path, address: str | None = None) -> None:
    """The handout into a folder that is empty, or holds an earlier one.

    address: of the repository that it will be, for Colab; by default this project's.

    Raises:
        ValueError: one sentence, for a folder with other things in it.
    """
    emptied(out)
    for name in COPIED:
        for path in files_of(ROOT / name):
            write_whole(out / path.relative_to(ROOT), path.read_bytes())
    for name, target in OWN.items():
        write_whole(out / target, (ROOT / "course/handout" / name).read_bytes())
    address = (address or repository()).rstrip("/").removesuffix(".git")
    write_whole(out / "pyproject.toml", for_students((ROOT / "pyproject.toml").read_text(encoding="utf-8"), address).encode())
    paths = sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))
    for path in paths:
        notebook = for_nbgrader(without_answers(nbformat.read(path, as_version=4)))
        for cell in notebook.cells:
            cell.source = cell.source.replace(f'REPOSITORY = "{repository()}"', f'REPOSITORY = "{address}"')
        write_whole(out / "notebooks" / path.name, (nbformat.writes(notebook) + "\n").encode())
    for path in out.rglob("*.ipynb"):
        if not KEPT & set(path.relative_to(out).parts):
            notebook = nbformat.read(path, as_version=4)
            for cell in notebook.cells:
                if cell.cell_type == "markdown":
                    cell.source = without_dead_links(cell.source, path.parent)
            write_whole(path, (nbformat.writes(notebook) + "\n").encode())
    print(f"{len(paths)} notebooks without answers, and what they need, in {out}.")


def emptied(out: Path) -> None:
    """Take an earlier handout away, but for what is its reader's; ValueError if the folder holds something else."""
    if not out.exists():
        return
    found = {path.name for path in out.iterdir()} - KEPT if out.is_dir() else {out.name}
    if (found and not (out / "nbgrader_config.py").is_file()) or (out / "course/student.py").exists():
        raise ValueError(f"{out.name} holds other things than an earlier handout: choose another folder with --out.")
    for name in found:
        shutil.rmtree(out / name) if (out / name).is_dir() else (out / name).unlink()


def files_of(place: Path) -> list[Path]:
    """The files of a folder, without what Python keeps beside them; of a file, itself."""
    if place.is_file():
        return [place]
    return sorted(path for path in place.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def for_students(project: str, address: str) -> str:
    """pyproject.toml with another address, without what tests and the site need."""
    project = re.sub(r'^Repository = ".*"$', f'Repository = "{address}"', project, flags=re.MULTILINE)
    project = re.sub(r"^#.*\n", "", project, flags=re.MULTILINE)  # comments are for those who change it
    project = re.sub(r"^test = \[.*?^book = [^\n]*\n", "", project, flags=re.MULTILINE | re.DOTALL)
    return project.split("[tool.ruff]")[0].rstrip() + "\n"


def without_answers(notebook: NotebookNode) -> NotebookNode:
    """The same notebook, of which no output is left but the first picture, no folded text, and no link to a solution."""
    handed = copy.deepcopy(notebook)
    outputs = [(cell, output) for cell in handed.cells for output in cell.get("outputs", [])]
    ClearOutputPreprocessor().preprocess(handed, {})
    for cell, picture in [(cell, output) for cell, output in outputs if "image/png" in output.get("data", {})][:1]:
        cell.outputs = [picture]
        if picture.output_type == "execute_result":
            picture.execution_count = None
    ended = False
    for cell in handed.cells:
        if cell.cell_type == "code":
            ended |= "guesses.summary()" in cell.source
        elif cell.cell_type == "markdown":
            cell.source = ending(cell.source) if ended else questions_only(cell.source)
    return handed


def for_nbgrader(notebook: NotebookNode) -> NotebookNode:
    """The same notebook, each check in a cell of its own, which shows 1 or 0: nbgrader reads it as the points."""
    cells = []
    for cell in notebook.cells:
        cells.append(cell)
        found = CHECK.search(cell.source) if cell.cell_type == "code" else None
        if not found:
            continue
        right, name, handed = found.groups()
        rest = cell.source[found.start() :].rstrip()  # what goes on with the answer
        shown = f'int(check("{name}", {handed}))' if right == "_" else f"{rest}\nint({right})"
        cell.source = cell.source[: found.start()].rstrip()
        cell.metadata["nbgrader"] = NBGRADER | {"grade_id": f"exercise-{name}", "solution": True}
        # imported anew: another check in the notebook gains nothing
        test = new_code_cell(f"from course.exercises import check\n\n{shown}")
        test["id"] = f"test-{name}"
        test.metadata["nbgrader"] = NBGRADER | {"grade_id": f"test-{name}", "grade": True, "locked": True, "points": 1}
        cells.append(test)
    notebook.cells = cells
    return notebook


def questions_only(text: str) -> str:
    """Markdown whose folds are replaced by a line for the student's own because, without sentences that lead to solutions."""
    text = re.sub(r"<details>.*?</details>", BECAUSE, text, flags=re.DOTALL)
    solutions = r"\[[^\]]*\]\([^)]*solutions/[^)]*\)"
    # "Solutions to all exercises:", and the link below it
    text = re.sub(rf"\s*\bSolutions\b[^.?!:\n]*:\s*{solutions}\.?", "", text)
    text = re.sub(rf"\s*(?:(?!\n\n)[^.?!*])*{solutions}[^.\n]*\.?", "", text)  # the sentence, from its first line on
    return text.strip("\n")


def ending(text: str) -> str:
    """What follows the summary, where answers are told in words: only further reading and what comes next stay."""
    reading = re.search(r"^(?:\*\*|#+ )?Further reading.*", text, re.MULTILINE | re.DOTALL)
    return f"{MEASURED}\n\n{questions_only(reading[0])}" if reading else MEASURED


def without_dead_links(text: str, folder: Path) -> str:
    """Markdown in which a link to what is not there, as seen from the folder, is its words alone."""

    def alive(link: re.Match) -> str:
        target = link[2].split("#")[0]
        return link[0] if not target or re.match(r"\w+:", target) or (folder / target).exists() else link[1]

    return re.sub(r"\[([^\]]*)\]\(([^)\s]+)\)", alive, text)
