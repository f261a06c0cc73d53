"""What the notebooks say of themselves: minutes, goals, predictions with their answers, exercises, further reading.

README's path, INSTRUCTOR.md and the glossary are filled from here, so they cannot disagree with the notebooks.
"""

import json
import re
from pathlib import Path
from typing import NamedTuple

from mnist_lib.files import ROOT

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


class Lesson(NamedTuple):
    name: str  # of the file, without .ipynb
    question: str
    minutes: int
    needs: str
    sections: list[Section]
    predictions: list[Prediction]
    exercises: list[tuple[str, str]]  # "5a", the task's first sentence
    discuss: list[str]
    reading: list[str]  # Markdown list items, without the dash


def read(path: Path) -> Lesson:
    """A notebook's own account of itself.

    Raises:
        ValueError: one sentence, if the title line or the minutes below it are missing.
    """
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    text = "\n\n".join(source(cell) for cell in cells if cell["cell_type"] == "markdown")
    title = re.match(r"# \d+\. (.+)\n+\*(\d+) minutes[.,] ?([^*]*)\*", text)
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
        [one_line(found) for found in re.findall(r"\*\*Discuss\.\*\*\s*(.+?)(?=\n\n|\Z)", text, re.DOTALL)],
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


def exercises(cells: list[dict], text: str) -> list[tuple[str, str]]:
    names = [name for cell in cells for name in re.findall(r'= check\("(\d+[a-z])"', source(cell))]
    return [(name, task(name, text)) for name in names]


def task(name: str, text: str) -> str:
    """The first sentence of an exercise's text: **5a.** The evidence for a digit: ..."""
    found = re.search(rf"\*\*{name}[^*]*\*\*[.:]?\s*(\(optional\))?[.:]?\s*(.+?[.?:])(?=\s|\Z)", text, re.DOTALL)
    return one_line(f"{found[2].rstrip(':.')}{' (optional)' * bool(found[1])}.") if found else ""


def reading(text: str) -> list[str]:
    """The list below the words Further reading, up to the next text that is none of its."""
    found = re.search(
        r"(?:\*\*|^#+ )Further reading[.:]?(?:\*\*)?[^\n]*\n+((?:[-*] .+\n?(?:  .+\n?)*\n?)+)", text, re.MULTILINE
    )
    return [one_line(item) for item in re.findall(r"^[-*] (.+(?:\n  .+)*)", found[1], re.MULTILINE)] if found else []


def one_line(text: str) -> str:
    return " ".join(text.split())
