"""What the notebooks say of themselves: minutes, goals, predictions with their answers, exercises, further reading.

README's path, INSTRUCTOR.md and the glossary are filled from here, so they cannot disagree with the notebooks.
"""

import json
import re
from pathlib import Path
from typing import NamedTuple

from mnist_lib.support.paths import ROOT

NOTEBOOKS = ROOT / "notebooks"


class Section(NamedTuple):
    """A `## Title` with the line below it: *10 minutes. You will ...*"""

    title: str
    minutes: int
    goal: str


class Prediction(NamedTuple):
    """A question of the notebook's, and what stands in the stored output of its answer."""

    name: str
    answer: str


class Exercise(NamedTuple):
    name: str  # "5a"
    handed: str  # the name of what is handed in: a function, or a value
    what: str  # the first line of the function's docstring; of a value, the first sentence of the task
    optional: bool


class Lesson(NamedTuple):
    name: str  # of the file, without .ipynb
    question: str
    minutes: int
    needs: str  # what the title line says after the minutes
    sections: list[Section]
    predictions: list[Prediction]
    exercises: list[Exercise]
    reading: list[str]  # Markdown list items, without the dash


def read(path: Path) -> Lesson:
    """A notebook's own account of itself.

    Raises:
        ValueError: one sentence, if the title line or the minutes below it are missing.
    """
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    text = "\n\n".join(source(cell) for cell in cells if cell["cell_type"] == "markdown")
    title = re.match(r"# \d+\. (.+)\n+\*(\d+) minutes([.,] [^*]*)\*", text)
    if not title:
        raise ValueError(f"{path.name} must open with `# N. Question?` and, below it, *45 minutes. What it needs.*")
    return Lesson(
        path.stem,
        title[1].strip(),
        int(title[2]),
        one_line(title[3]),
        sections(text),
        predictions(cells),
        exercises(cells, text),
        reading(text),
    )


def source(cell: dict) -> str:
    """A cell's text, which a file may keep as a list of lines."""
    return "".join(cell["source"])


def sections(text: str) -> list[Section]:
    found = re.findall(r"^## (.+)\n+\*(\d+) minutes?[.,] ?([^*]*)\*", text, re.MULTILINE)
    return [Section(title.strip(), int(minutes), one_line(goal)) for title, minutes, goal in found]


def predictions(cells: list[dict]) -> list[Prediction]:
    found = []
    for cell in cells:
        for name in re.findall(r'guesses\.reveal\(\s*"([^"]+)"', source(cell)):
            shown = ["".join(output.get("data", {}).get("text/plain", "")) for output in cell.get("outputs", [])]
            answer = next((text for text in shown if text.startswith(f"{name}: ")), "")
            found.append(Prediction(name, one_line(answer.removeprefix(f"{name}: "))))
    return found


def exercises(cells: list[dict], text: str) -> list[Exercise]:
    found = []
    for cell in cells:
        for name, handed in re.findall(r'\bcheck\("(\d+[a-z])", (\w+)\)', source(cell)):
            docstring = re.search(rf'^def {handed}\(.*?"""(.+?)(?:\n|""")', source(cell), re.DOTALL | re.MULTILINE)
            first, optional = task(name, text)
            found.append(Exercise(name, handed, docstring[1].strip() if docstring else first, optional))
    return found


def task(name: str, text: str) -> tuple[str, bool]:
    """The first sentence of an exercise's text, **Exercise 5a.** Write ..., and whether it is optional; "" if there is none."""
    head = rf"^(?:\*\*|###? )[^\n*]*?\b{name}\b([^\n*]*)(?:\*\*|\n)"
    found = re.search(rf"{head}\s*(\([^)]*\))?[.:]?\s*(.+?[.?:])(?=\s|\Z)", text, re.DOTALL | re.MULTILINE)
    return (one_line(found[3]), "optional" in f"{found[1]} {found[2]}") if found else ("", False)


def reading(text: str) -> list[str]:
    """The list below the words Further reading."""
    found = re.search(r"^(?:\*\*|#+ )?Further reading[.:]?(?:\*\*)?:?\n+((?:[-*] .+\n?(?:  .+\n?)*)+)", text, re.MULTILINE)
    return [one_line(item) for item in re.findall(r"^[-*] (.+(?:\n  .+)*)", found[1], re.MULTILINE)] if found else []


def one_line(text: str) -> str:
    return " ".join(text.split())
