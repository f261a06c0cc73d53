"""The handout for the tests that share it: made once, and notebooks of it with solutions put in."""

import re
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from mnist_lib.support.paths import ROOT


def solutions(stem: str) -> dict[str, str]:
    """{exercise: the code that solves it, without its check} of a notebook's page of solutions."""
    page = (ROOT / f"notebooks/solutions/{stem}.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    found = {}
    for block in blocks:
        if check := re.search(r'^check\("(\d+[a-z])", \w+\)\n', block, re.MULTILINE):
            found[check[1]] = block.replace(check[0], "").strip()
    return found


def solved(path: Path, names: list[str] | None = None) -> NotebookNode:
    """A notebook of the handout with the solutions of these exercises, by default all, below their stubs."""
    notebook, code = nbformat.read(path, as_version=4), solutions(path.stem)
    for cell in notebook.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id", "").removeprefix("exercise-")
        if name in code and (names is None or name in names):
            cell.source += f"\n\n\n{code[name]}"
    return notebook
