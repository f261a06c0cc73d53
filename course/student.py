"""The notebooks without answers, to hand out: questions, stubs and the opening pictures stay."""

import ast
import json
import re
from pathlib import Path

from course.outline import NOTEBOOKS, source
from mnist_lib.support.paths import write_whole

BECAUSE = "*Because* (write it in your own words):"
MEASURED = "*What you measured* (write it in your own words):"


def write_student_version(out: Path) -> list[Path]:
    """Every notebook without its answers, and the glossary, into a folder -> the files written.

    Raises:
        ValueError: one sentence, for the notebooks' own folder.
    """
    if out.resolve() == NOTEBOOKS:
        raise ValueError("The version without answers would take the place of the notebooks: choose another folder with --out.")
    written = []
    for path in sorted(NOTEBOOKS.glob("[0-9]*.ipynb")):
        notebook = without_answers(json.loads(path.read_text(encoding="utf-8")))
        write_whole(out / path.name, (json.dumps(notebook, indent=1, ensure_ascii=False) + "\n").encode())
        written.append(out / path.name)
    write_whole(out / "glossary.md", (NOTEBOOKS / "glossary.md").read_bytes())
    return [*written, out / "glossary.md"]


def without_answers(notebook: dict) -> dict:
    """The same notebook, of which no output is left but the first picture, no folded text, and no link to a solution."""
    cells, pictured, ended = [], False, False
    for cell in notebook["cells"]:
        cell = dict(cell)
        if cell["cell_type"] == "code":
            pictures = [output for output in cell["outputs"] if "image/png" in output.get("data", {})]
            cell["outputs"] = [] if pictured else [uncounted(output) for output in pictures[:1]]
            pictured |= bool(pictures)
            cell["execution_count"] = None
            cell["source"] = without_because(source(cell))
            ended |= "guesses.summary()" in source(cell)
        elif cell["cell_type"] == "markdown":
            cell["source"] = ending(source(cell)) if ended else questions_only(source(cell))
        cells.append(cell)
    return {**notebook, "cells": cells}


def uncounted(output: dict) -> dict:
    return {key: None if key == "execution_count" else value for key, value in output.items()}


def without_because(code: str) -> str:
    """A cell whose guesses.reveal(...) say what was measured, and not why: their third argument, where it is text, is gone."""
    if "guesses.reveal(" not in code:
        return code
    lines = [line.encode() for line in code.splitlines(keepends=True)]  # ast counts columns in bytes
    starts = [sum(map(len, lines[:number])) for number in range(len(lines))]
    whole = b"".join(lines)
    calls = [
        node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call) and ast.unparse(node.func) == "guesses.reveal"
    ]
    told = [call.args[2] for call in calls if len(call.args) > 2]
    told += [word.value for call in calls for word in call.keywords if word.arg == "because"]
    for node in sorted(told, key=lambda node: node.lineno, reverse=True):
        if isinstance(node, ast.JoinedStr | ast.Constant):
            first, last = starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset
            whole = whole[:first] + b'""' + whole[last:]
    return whole.decode()


def questions_only(text: str) -> str:
    """Markdown whose folds are replaced by a line for the student's own because, without sentences that lead to solutions."""
    text = re.sub(r"<details>.*?</details>", BECAUSE, text, flags=re.DOTALL)
    text = re.sub(r"\s*[^.?!\n]*\[[^\]]*\]\([^)]*solutions/[^)]*\)[^.\n]*\.?", "", text)
    return text.strip("\n")


def ending(text: str) -> str:
    """What follows the summary, where answers are told in words: only further reading and what comes next stay."""
    found = re.search(r"^(?:\*\*|#+ )?Further reading.*", text, re.MULTILINE | re.DOTALL)
    return f"{MEASURED}\n\n{questions_only(found[0])}" if found else MEASURED
