"""The checks of notebooks, on one made here: as it should be, and with each thing wrong."""

from types import SimpleNamespace

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tests.notebooks import checks

ANSWER = "<details><summary>{0}: guess first, then open</summary><p><b>{0}: 1,234.</b> Because.</p></details>"
FOLDED = {"jupyter": {"source_hidden": True}, "cellView": "form"}
STUB = 'def maps(n: int) -> int:\n    """So many."""\n\n\ncheck("1a", maps)'


def predictions(name: str) -> list:
    answer = new_output("execute_result", {"text/html": ANSWER.format(name), "text/plain": f"{name}: 1,234. Because."})
    reveal = new_code_cell(f'guesses.reveal("{name}", 1234, "Because.")', outputs=[answer])
    return [new_code_cell(f'guesses.ask("{name}", None)'), reveal]


def made():
    png = new_output("execute_result", {"image/png": "AAAA", "text/plain": "<Figure>"})
    loaded = new_output("stream", text="MNIST: 60,000 training and 10,000 test images\n")
    cells = [
        new_markdown_cell("# 1. Why?\n\n*15 minutes. You need nothing.*\n\nAfterwards you can\n\n- count.\n\nLook:"),
        new_code_cell(checks.SETUP, metadata=FOLDED),
        new_code_cell('DATA = "auto"', metadata={"tags": ["parameters"]}),
        new_code_cell("#@title The picture\nplot()", metadata=FOLDED, outputs=[png]),
        new_markdown_cell("## Maps\n\n*10 minutes. You will count.*\n\n**Predict.** How many?"),
        *(cell for name in ("maps", "weights", "biases") for cell in predictions(name)),
        new_markdown_cell(
            "## Exercises\n\n*5 minutes. You will write.*\n\n**Exercise 1a.** Count the maps.\n\n[Solved](solved.md)\n\n"
            "<details><summary>A hint</summary>\n\nCount.\n\n</details>"
        ),
        new_code_cell(STUB, outputs=[new_output("stream", text="1a: not yet\n")]),
        new_code_cell("load()", outputs=[loaded]),
        new_code_cell("2 + 2", metadata={"tags": ["nbval-check-output"]}, outputs=[new_output("stream", text="4\n")]),
        new_markdown_cell("## You against the measurement\n\n**Discuss.** Why?"),
        new_code_cell("guesses.summary()"),
        new_markdown_cell("Further reading\n\n- [One](https://one.org)\n- [Two](https://two.org)"),
    ]
    for number, cell in enumerate((cell for cell in cells if cell.cell_type == "code"), 1):
        cell.execution_count = number
    return new_notebook(cells=cells)


def cell_with(notebook, words: str):
    return next(cell for cell in notebook.cells if words in cell.source)


def put(old: str, new: str):
    """A change of the text of the first cell that has the old."""

    def change(notebook):
        cell = cell_with(notebook, old)
        cell.source = cell.source.replace(old, new)

    return change


def add(words: str, **output):
    """A change that adds an output to the first cell with these words."""
    return lambda notebook: cell_with(notebook, words).outputs.append(new_output(**output))


def late_picture(notebook):
    first, later = cell_with(notebook, "plot()"), cell_with(notebook, "2 + 2")
    first.outputs, later.outputs = [], first.outputs


def exercises(notebook, solutions='check("1a"', optional=(False, False, True)) -> list[str]:
    told = [SimpleNamespace(name=name, optional=one) for name, one in zip(("1a", "1b", "1c"), optional, strict=True)]
    for name in ("1b", "1c"):
        notebook.cells += [new_markdown_cell(f"**Exercise {name}.** Count more."), new_code_cell(f'check("{name}", 3)')]
    return checks.exercises(notebook, "1", solutions + ' check("1b" check("1c"', told)


CHECKS = {
    "opening": lambda notebook: checks.opening(notebook, "Why?"),
    "exercises": exercises,
    **{
        check.__name__: check
        for check in (
            *(checks.sections, checks.ending, checks.spoilers, checks.folds),
            *(checks.outputs, checks.shown_by_github, checks.checked_outputs),
        )
    },
}


@pytest.mark.parametrize("check", CHECKS)
def test_a_check_passes_a_notebook_as_it_should_be(check):
    assert CHECKS[check](made()) == []


@pytest.mark.parametrize(
    "check, change, said",
    [
        ("opening", put("*15 minutes.", "15 minutes."), "title, and minutes below it"),
        ("opening", put("- count", "count"), "what the reader will be able to do"),
        ("opening", put("timeout=120", "timeout=1200"), "setup"),
        ("opening", lambda notebook: notebook.cells[2].metadata.update(tags=[]), "parameters"),
        ("opening", put("#@title The picture", "# The picture"), "picture's title"),
        ("opening", lambda notebook: notebook.cells[3].metadata.pop("jupyter"), "setup and picture are folded in JupyterLab"),
        ("opening", lambda notebook: notebook.cells[1].metadata.pop("cellView"), "setup and picture are forms in Colab"),
        ("opening", late_picture, "the picture comes first"),
        ("sections", put("*10 minutes", "*11 minutes"), "the sections take 16 minutes, the title says 15"),
        ("sections", put("*10 minutes. You will count.*\n\n", ""), "no minutes: Maps"),
        ("ending", put("## You against", "## I against"), "the last section's title"),
        ("ending", put("guesses.summary()", "guesses"), "no summary of the guesses"),
        ("ending", put("Further reading", "Further"), "nothing to read further"),
        ("ending", put("- [Two](https://two.org)", ""), "1 links at the end"),
        ("ending", put("**Discuss.**", ""), "nothing to discuss"),
        ("spoilers", put('guesses.ask("maps", None)', 'guesses.ask("maps", 7)'), "asked with 7: maps"),
        ("spoilers", put('guesses.ask("maps", None)', ""), "revealed before it was asked: maps"),
        ("spoilers", put('guesses.reveal("maps"', 'guesses.hide("maps"'), "never revealed: maps"),
        ("spoilers", lambda notebook: notebook.cells.__delitem__(slice(5, 7)), "2 predictions"),
        (
            "spoilers",
            lambda notebook: notebook.cells[6].outputs[0].data.update({"text/html": "<b>maps: 1,234.</b>"}),
            "not folded: maps",
        ),
        (
            "spoilers",
            lambda notebook: notebook.cells[6].outputs[0].data.pop("text/html"),
            "not what the cell shows: maps",
        ),
        (
            "spoilers",
            add('reveal("maps"', output_type="stream", text="1,234"),
            "something else is shown beside the folded answer: maps",
        ),
        ("spoilers", put("How many?", "It is 1,234. Because."), "told before: maps"),
        (
            "spoilers",
            add("guesses.summary()", output_type="execute_result", data={"text/html": "<b>1,234</b>", "text/plain": "1,234"}),
            "in the open: 1,234",
        ),
        ("folds", put("</details>", ""), "a fold: ## Exercises"),
        ("folds", put("</summary>\n\n", "</summary>\n"), "a fold: ## Exercises"),
        ("exercises", put('check("1a"', 'check("7z"'), "no such exercise: 7z"),
        ("exercises", put('check("1a"', 'check("1b"'), "the outline names other exercises"),
        ("exercises", put("**Exercise 1a.**", "**Now.**"), "no task: 1a"),
        ("exercises", put("n: int", "n"), "a stub without docstring or types: 1a"),
        ("exercises", put('    """So many."""', "    return n"), "a stub without docstring or types: 1a"),
        ("exercises", add('check("1a"', output_type="stream", text="1a: right\n"), "solved in the committed notebook: 1a"),
        ("outputs", lambda notebook: notebook.cells.pop(2), "not run from top to bottom"),
        ("outputs", add("2 + 2", output_type="error"), "an error, or something on stderr"),
        ("outputs", add("2 + 2", output_type="stream", name="stderr", text="!"), "an error, or something on stderr"),
        ("outputs", add("2 + 2", output_type="stream", text="digits: 1,500"), "not run on MNIST"),
        ("outputs", lambda notebook: cell_with(notebook, "load()").update(outputs=[]), "not run on MNIST"),
        ("shown_by_github", put("load()", "load()" + 1_000_000 * "#"), "too large"),
        ("shown_by_github", lambda notebook: notebook.metadata.update(widgets={}), "a widget"),
        ("shown_by_github", lambda notebook: notebook.cells[4].metadata.update(collapsed=True), "a cell's metadata"),
        ("shown_by_github", add("2 + 2", output_type="stream", text="/home/me/x"), "a path of one machine: /home/"),
        ("checked_outputs", put("2 + 2", "len(dataset)"), "depends on the data: len(dataset)"),
        ("checked_outputs", lambda notebook: cell_with(notebook, "2 + 2").metadata.pop("tags"), "no output is compared"),
    ],
)
def test_a_check_sees_its_fault(check, change, said):
    notebook = made()
    change(notebook)
    assert any(fault.startswith(said) for fault in CHECKS[check](notebook))


def test_exercises_sees_what_is_not_solved_and_what_is_not_optional():
    assert exercises(made(), solutions="") == ["not solved: 1a"]
    for optional in ((False, False, False), (False, True, True)):
        assert exercises(made(), optional=optional) == ["two exercises are required and one is optional"]


def test_links_sees_a_file_that_is_not_there(tmp_path):
    assert checks.links(made(), tmp_path) == ["solved.md"]
    (tmp_path / "solved.md").touch()
    assert checks.links(made(), tmp_path) == []
