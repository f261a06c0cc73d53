"""The notebooks without answers, to hand out: questions, stubs and the opening pictures stay."""

import ast
import copy
import re
from pathlib import Path

import nbformat
from nbconvert.preprocessors import ClearOutputPreprocessor
from nbformat import NotebookNode

from mnist_lib.support.paths import ROOT, write_whole

FOLDER = ROOT / "notebooks"
BECAUSE = "*Because* (write it in your own words):"
MEASURED = "*What you measured* (write it in your own words):"


def write_student_version(out: Path) -> None:
    """Every notebook without its answers, and the glossary, into a folder.

    Raises:
        ValueError: one sentence, for the notebooks' own folder.
    """
    if out.resolve() == FOLDER:
        raise ValueError("The version without answers would take the place of the notebooks: choose another folder with --out.")
    paths = sorted(FOLDER.glob("[0-9]*.ipynb"))
    for path in paths:
        notebook = without_answers(nbformat.read(path, as_version=4))
        write_whole(out / path.name, (nbformat.writes(notebook) + "\n").encode())
    write_whole(out / "glossary.md", (FOLDER / "glossary.md").read_bytes())
    print(f"{len(paths) + 1} files without answers in {out}.")


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
            cell.source = without_because(cell.source)
        elif cell.cell_type == "markdown":
            cell.source = ending(cell.source) if ended else questions_only(cell.source)
    return handed


def without_because(code: str) -> str:
    """A cell whose guesses.reveal(...) say what was measured, and not why: their third argument, where it is text, is gone."""
    if "guesses.reveal(" not in code:
        return code
    shorter = code
    for call in ast.walk(ast.parse(code)):
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "guesses.reveal":
            for node in [*call.args[2:3], *(word.value for word in call.keywords if word.arg == "because")]:
                if isinstance(node, ast.JoinedStr | ast.Constant):
                    shorter = shorter.replace(ast.get_source_segment(code, node), '""')
    return shorter


def questions_only(text: str) -> str:
    """Markdown whose folds are replaced by a line for the student's own because, without sentences that lead to solutions."""
    text = re.sub(r"<details>.*?</details>", BECAUSE, text, flags=re.DOTALL)
    text = re.sub(r"\s*[^.?!\n]*\[[^\]]*\]\([^)]*solutions/[^)]*\)[^.\n]*\.?", "", text)
    return text.strip("\n")


def ending(text: str) -> str:
    """What follows the summary, where answers are told in words: only further reading and what comes next stay."""
    reading = re.search(r"^(?:\*\*|#+ )?Further reading.*", text, re.MULTILINE | re.DOTALL)
    return f"{MEASURED}\n\n{questions_only(reading[0])}" if reading else MEASURED
