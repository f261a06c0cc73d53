"""What the notebooks say about themselves: minutes, goals, predictions with their answers, exercises, further reading.

README's path, INSTRUCTOR.md and the glossary are filled from here, so they cannot disagree with the notebooks. It is read
from the words that a learner reads: in the notebooks' metadata it would be written a second time.
"""

import re
from pathlib import Path
from typing import NamedTuple

import nbformat
from nbformat import NotebookNode


class Section(NamedTuple):
    """A `## Title` with the line below it: *10 minutes. You will ...*"""

    title: str
    minutes: int
    goal: str


class Prediction(NamedTuple):
    """A question of the notebook, and the stored output of its answer."""

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
    cells = nbformat.read(path, as_version=4).cells
    text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    title = re.match(r"# \d+\. (.+)\n+\*(\d+) minutes([.,] [^*]*)\*", text)
    if not title:
        raise ValueError(f"{path.name} must open with `# N. Question?` and, below it, *45 minutes. What it needs.*")
    question, minutes, needs = title[1].strip(), int(title[2]), one_line(title[3])
    code = [cell for cell in cells if cell.cell_type == "code"]
    return Lesson(path.stem, question, minutes, needs, sections(text), predictions(code), exercises(code, text), reading(text))


def sections(text: str) -> list[Section]:
    titles = re.findall(r"^## (.+)\n+\*(\d+) minutes?[.,] ?([^*]*)\*", text, re.MULTILINE)
    return [Section(title.strip(), int(minutes), one_line(goal)) for title, minutes, goal in titles]


def predictions(code: list[NotebookNode]) -> list[Prediction]:
    answers = []
    for cell in code:
        shown = [output.get("data", {}).get("text/plain", "") for output in cell.outputs]
        for name in re.findall(r'guesses\.reveal\(\s*"([^"]+)"', cell.source):
            answer = next((text for text in shown if text.startswith(f"{name}: ")), "")
            answers.append(Prediction(name, one_line(answer.removeprefix(f"{name}: "))))
    return answers


def exercises(code: list[NotebookNode], text: str) -> list[Exercise]:
    checked = []
    for cell in code:
        for name, handed in re.findall(r'\bcheck\("(\d+[a-z])", (\w+)\)', cell.source):
            docstring = re.search(rf'^def {handed}\(.*?"""(.+?)(?:\n|""")', cell.source, re.DOTALL | re.MULTILINE)
            first, optional = task(name, text)
            checked.append(Exercise(name, handed, docstring[1].strip() if docstring else first, optional))
    return checked


def task(name: str, text: str) -> tuple[str, bool]:
    """The first sentence of an exercise's text, **Exercise 5a.** Write ..., and whether it is optional; "" if there is none."""
    head = rf"^(?:\*\*|###? )[^\n*]*?\b{name}\b([^\n*]*)(?:\*\*|\n)"
    match = re.search(rf"{head}\s*(\([^)]*\))?[.:]?\s*(.+?[.?:])(?=\s|\Z)", text, re.DOTALL | re.MULTILINE)
    return (one_line(match[3]), "optional" in f"{match[1]} {match[2]}") if match else ("", False)


def reading(text: str) -> list[str]:
    """The list below the words Further reading."""
    items = re.search(r"^(?:\*\*|#+ )?Further reading[.:]?(?:\*\*)?:?\n+((?:[-*] .+\n?(?:  .+\n?)*)+)", text, re.MULTILINE)
    return [one_line(item) for item in re.findall(r"^[-*] (.+(?:\n  .+)*)", items[1], re.MULTILINE)] if items else []


def one_line(text: str) -> str:
    return " ".join(text.split())
