"""The checks of notebooks: functions that take one and tell what is wrong with it, in words.

test_notebooks.py applies them to the committed notebooks; test_checks.py shows that each sees its fault in one made for it.
"""

import ast
import json
import re

import nbformat

from course import outline
from course.exercises import EXERCISES
from course.report.course_tables import repository

SETUP = """#@title Setup: finds the project; on Colab, fetches it first
import importlib.util, subprocess, sys
from pathlib import Path

REPOSITORY = "ADDRESS"
if "google.colab" in sys.modules and not Path("project/mnist_lib").is_dir():
    subprocess.run(["git", "clone", "--quiet", "--depth=1", REPOSITORY, "project"], check=True, timeout=120)
places = [place for place in (Path("project").resolve(), Path.cwd(), *Path.cwd().parents) if (place / "mnist_lib").is_dir()]
if places:
    sys.path.insert(0, str(places[0]))
elif not importlib.util.find_spec("course"):  # nor is it installed
    sys.exit(f"SENTENCE")
import course.colab  # before torch; installs what Colab lacks, never torch"""
SETUP = SETUP.replace("ADDRESS", repository()).replace(
    "SENTENCE", "This notebook needs its project: clone {REPOSITORY} and open it there."
)


def code(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tagged(notebook, tag: str) -> list:
    return [cell for cell in notebook.cells if tag in cell.metadata.get("tags", [])]


def markdown(notebook) -> str:
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def printed(notebook) -> str:
    return "".join(o.text for cell in code(notebook) for o in cell.outputs if o.output_type == "stream")


def opening(notebook, question: str) -> list[str]:
    """What is wrong with a notebook's first four cells, in words."""
    wrong, (title, setup, parameters, picture) = [], notebook.cells[:4]
    if not re.match(rf"# \d+\. {re.escape(question)}\n\n\*\d+ minutes[.,] [^*]+\*\n", title.source):
        wrong.append("title, and minutes below it")
    if not re.search(r"^- ", title.source, re.MULTILINE):
        wrong.append("what the reader will be able to do")
    if setup.source != SETUP:
        wrong.append("setup")
    if parameters.metadata.get("tags") != ["parameters"] or len(tagged(notebook, "parameters")) != 1:
        wrong.append("parameters")
    if not picture.source.startswith("#@title The picture\n"):
        wrong.append("picture's title")
    if not all(one.metadata.get("jupyter") == {"source_hidden": True} for one in (setup, picture)):
        wrong.append("setup and picture are folded in JupyterLab")
    if not all(one.metadata.get("cellView") == "form" for one in (setup, picture)):
        wrong.append("setup and picture are forms in Colab")
    shown = [
        i for i, cell in enumerate(notebook.cells) if any("image/png" in o.get("data", {}) for o in cell.get("outputs", []))
    ]
    if shown[:1] != [3] or setup.get("outputs"):
        wrong.append("the picture comes first")
    return wrong


def sections(notebook) -> list[str]:
    """What is wrong with a notebook's sections and their minutes."""
    whole = int(re.search(r"^\*(\d+) minutes", notebook.cells[0].source, re.MULTILINE)[1])
    titles = re.findall(r"^## (.+)$", markdown(notebook), re.MULTILINE)
    timed = re.findall(r"^## (.+)\n\n\*(\d+) minutes?[.,] ([^*]+)\*$", markdown(notebook), re.MULTILINE)
    named = [name for name, _, _ in timed]
    wrong = [f"no minutes: {title}" for title in titles if title not in [*named, "You against the measurement"]]
    if (together := sum(int(minutes) for _, minutes, _ in timed)) != whole:
        wrong.append(f"the sections take {together} minutes, the title says {whole}")
    return wrong


def ending(notebook) -> list[str]:
    """What is wrong with a notebook's last section: the reader against the measurement, then what to read."""
    wrong, last = [], notebook.cells[-6:]
    if re.findall(r"^## (.+)$", markdown(notebook), re.MULTILINE)[-1:] != ["You against the measurement"]:
        wrong.append("the last section's title")
    if "guesses.summary()" not in [cell.source for cell in last]:
        wrong.append("no summary of the guesses")
    if "Further reading" not in last[-1].source:
        wrong.append("nothing to read further")
    if not 2 <= (links := len(re.findall(r"\]\(https?://[^)]+\)", last[-1].source))) <= 6:
        wrong.append(f"{links} links at the end")
    if "**Discuss.**" not in markdown(notebook):
        wrong.append("nothing to discuss")
    return wrong


def spoilers(notebook) -> list[str]:
    """Predictions that are no predictions: asked with a guess, never asked or revealed, or answered before that in the open."""
    wrong, asked, seen = [], {}, ""
    for cell in notebook.cells:
        if cell.cell_type != "code":
            seen += re.sub(r"<details>.*?</details>", "", cell.source, flags=re.DOTALL)
            continue
        for name, guess in re.findall(r'guesses\.ask\(\s*"([^"]+)",\s*([^,)]+)', cell.source):
            asked[name] = False
            if guess != "None":
                wrong.append(f"asked with {guess}: {name}")
        for name in re.findall(r'guesses\.reveal\(\s*"([^"]+)"', cell.source):
            if name not in asked:
                wrong.append(f"revealed before it was asked: {name}")
            asked[name] = True
            answers = [o.data for o in cell.outputs if str(o.get("data", {}).get("text/plain", "")).startswith(f"{name}: ")]
            if len(answers) != 1 or "text/html" not in answers[0]:
                wrong.append(f"not what the cell shows: {name}")
                continue
            if outside(answers[0]["text/html"]):
                wrong.append(f"not folded: {name}")
            if any("image/png" in o.get("data", {}) for o in cell.outputs) or any(
                o.output_type == "stream" for o in cell.outputs
            ):
                wrong.append(f"something else is shown beside the folded answer: {name}")
            sentence = answers[0]["text/plain"].removeprefix(f"{name}: ")
            if sentence in seen or answers[0]["text/plain"] in seen:
                wrong.append(f"told before: {name}")
        for output in cell.outputs:
            data = output.get("data", {})
            seen += output.get("text", "") + ("" if "text/html" in data else data.get("text/plain", ""))
            if "text/html" in data and "guesses." in cell.source and outside(data["text/html"]):
                wrong.append(f"in the open: {data['text/plain'][:40]}")
    if len(asked) < 3:
        wrong.append(f"{len(asked)} predictions")
    return wrong + [f"never revealed: {name}" for name, revealed in asked.items() if not revealed]


def outside(html: str) -> str:
    """The text of a cell's HTML that is in sight before anything is opened, but for the words to click on."""
    return re.sub(r"<[^>]+>", "", re.sub(r"<details>.*?</details>", "", html, flags=re.DOTALL)).strip()


def folds(notebook) -> list[str]:
    """Cells whose folds do not open and close, or lack the empty line that Markdown needs below a summary."""
    tags = ("<details>", "</details>", "</summary>\n\n")
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    return [f"a fold: {source[:40]}" for source in cells if len({source.count(tag) for tag in tags}) > 1]


def exercises(notebook, number: str, solutions: str, told: list) -> list[str]:
    """What is wrong with a notebook's exercises: stubs with types, each ending in its check and solved elsewhere.

    number: the notebook's; solutions: the page that solves them; told: what outline.read says of them.
    """
    wrong = []
    tasks = [(cell, name) for cell in code(notebook) for name in re.findall(r'check\("(\d[a-z])"', cell.source)]
    if [one.name for one in told] != [name for _, name in tasks]:
        wrong.append("the outline names other exercises")
    if sum(not one.optional for one in told) < 2 or not any(one.optional for one in told):
        wrong.append("two exercises are required and one is optional")
    for cell, name in tasks:
        if name not in EXERCISES or name[0] != number:
            wrong.append(f"no such exercise: {name}")
        if f'check("{name}"' not in solutions:
            wrong.append(f"not solved: {name}")
        if not outline.task(name, markdown(notebook))[0]:
            wrong.append(f"no task: {name}")
        stubs = [node for node in ast.parse(cell.source).body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
        functions = [stub for stub in stubs[-1:] if isinstance(stub, ast.FunctionDef)]
        if any(not ast.get_docstring(stub) or not all(one.annotation for one in stub.args.args) for stub in functions):
            wrong.append(f"a stub without docstring or types: {name}")
        if f"{name}: right" in "".join(o.get("text", "") for o in cell.outputs):
            wrong.append(f"solved in the committed notebook: {name}")
    return wrong


def outputs(notebook) -> list[str]:
    """What shows that a notebook was not run from top to bottom, without error, on MNIST."""
    wrong, said = [], printed(notebook)
    if [cell.execution_count for cell in code(notebook)] != list(range(1, len(code(notebook)) + 1)):
        wrong.append("not run from top to bottom")
    if [o for cell in code(notebook) for o in cell.outputs if o.output_type == "error" or o.get("name") == "stderr"]:
        wrong.append("an error, or something on stderr")
    if "MNIST: 60,000 training and 10,000 test images" not in said or "digits:" in said or "stand-in" in said:
        wrong.append("not run on MNIST")
    return wrong


def shown_by_github(notebook) -> list[str]:
    """What GitHub could not show, or should not."""
    text, wrong = nbformat.writes(notebook), []
    if len(text) >= 1_000_000:
        wrong.append("too large")
    if "widgets" in notebook.metadata or "widget-view" in text:
        wrong.append("a widget")
    if not all(cell.metadata.keys() <= {"tags", "jupyter", "cellView"} for cell in notebook.cells):
        wrong.append("a cell's metadata")
    shown = json.dumps([cell.get("outputs", []) for cell in notebook.cells])
    if found := re.search(r"(?<![\w.:/])/(?:home|root|work|tmp|usr|Users|content)/", shown):
        wrong.append(f"a path of one machine: {found[0]}")
    return wrong


def checked_outputs(notebook) -> list[str]:
    """Cells whose outputs nbval compares although they depend on the data, or that have none; or no such cell at all."""
    cells = tagged(notebook, "nbval-check-output")
    bad = [cell for cell in cells if re.search(r"(?<![\w\"])dataset\b(?!\")", cell.source) or not cell.outputs]
    return [f"depends on the data: {cell.source[:40]}" for cell in bad] + ([] if cells else ["no output is compared"])


def links(notebook, folder) -> list[str]:
    """Links to files that are not there, seen from a folder."""
    targets = re.findall(r"\]\(([^)\s]+)\)", markdown(notebook))
    return [to for to in targets if not re.match(r"https?://|#", to) and not (folder / to.split("#")[0]).exists()]
