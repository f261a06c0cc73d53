"""What must hold of every committed notebook, beyond running: nbval runs them."""

import ast
import importlib
import json
import re
import subprocess
import sys
import types

import nbformat
import pytest

import course.colab
from course import outline
from course.exercises import EXERCISES
from course.report.course_tables import COURSE, repository
from mnist_lib.studies import records
from mnist_lib.support.paths import ROOT

PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SETUP = """#@title Setup: finds the project; on Colab, fetches it first
import subprocess, sys
from pathlib import Path

REPOSITORY = "ADDRESS"
if "google.colab" in sys.modules and not Path("project/mnist_lib").is_dir():
    subprocess.run(["git", "clone", "--quiet", "--depth=1", REPOSITORY, "project"], check=True, timeout=120)
places = [place for place in (Path("project").resolve(), Path.cwd(), *Path.cwd().parents) if (place / "mnist_lib").is_dir()]
sys.path.insert(0, str(places[0]) if places else sys.exit(f"SENTENCE"))
import course.colab  # before torch; installs what Colab lacks, never torch"""
SETUP = SETUP.replace("ADDRESS", repository()).replace(
    "SENTENCE", "This notebook needs its project: clone {REPOSITORY} and open it there."
)


@pytest.fixture(params=PATHS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture
def notebook(path):
    return nbformat.read(path, as_version=4)


def code(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tagged(notebook, tag: str) -> list:
    return [cell for cell in notebook.cells if tag in cell.metadata.get("tags", [])]


def markdown(notebook) -> str:
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def printed(notebook) -> str:
    return "".join(o.text for cell in code(notebook) for o in cell.outputs if o.output_type == "stream")


def test_the_course_is_complete():
    assert [path.stem for path in PATHS] == list(COURSE)


# How it opens, and its sections


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


def test_it_opens_with_its_question_and_a_picture(notebook, path):
    assert opening(notebook, outline.read(path).question) == []


def test_each_section_says_how_long_it_takes_and_they_add_up(notebook):
    assert sections(notebook) == []


def test_it_ends_with_the_reader_against_the_measurement(notebook):
    last = notebook.cells[-6:]
    titles = re.findall(r"^## (.+)$", markdown(notebook), re.MULTILINE)
    assert titles[-1] == "You against the measurement"
    assert "guesses.summary()" in [cell.source for cell in last] and re.search(r"Further reading", last[-1].source)
    assert 2 <= len(re.findall(r"\]\(https?://[^)]+\)", last[-1].source)) <= 6
    assert "**Discuss.**" in markdown(notebook)


# Predictions


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
    return wrong + [f"never revealed: {name}" for name, revealed in asked.items() if not revealed]


def outside(html: str) -> str:
    """The text of a cell's HTML that is in sight before anything is opened, but for the words to click on."""
    return re.sub(r"<[^>]+>", "", re.sub(r"<details>.*?</details>", "", html, flags=re.DOTALL)).strip()


def test_predictions_come_before_their_answers_and_answers_are_folded(notebook):
    assert spoilers(notebook) == []
    assert len(re.findall(r"guesses\.ask\(", "".join(cell.source for cell in code(notebook)))) >= 3
    assert not re.search(r"my_guess|exercises import reveal", "".join(cell.source for cell in code(notebook)))


def test_folds_open_and_close(notebook):
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            assert cell.source.count("<details>") == cell.source.count("</details>") == cell.source.count("</summary>\n\n")


# Exercises


def test_exercises_are_stubs_with_types_and_have_solutions(notebook, path):
    """Two are required and one is optional; each ends in its check; each is solved elsewhere, and linked."""
    solutions = (ROOT / f"notebooks/solutions/{path.stem}.md").read_text()
    tasks = [(cell, name) for cell in code(notebook) for name in re.findall(r'check\("(\d[a-z])"', cell.source)]
    assert len(tasks) >= 3 and f"](solutions/{path.stem}.md)" in markdown(notebook)
    told = outline.read(path).exercises
    assert [one.name for one in told] == [name for _, name in tasks]
    assert sum(not one.optional for one in told) >= 2 and any(one.optional for one in told)
    for cell, name in tasks:
        assert name in EXERCISES and name[0] == str(int(path.stem[:2]))
        assert f'check("{name}"' in solutions and outline.task(name, markdown(notebook))[0], name
        stubs = [node for node in ast.parse(cell.source).body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
        if stubs and isinstance(stub := stubs[-1], ast.FunctionDef):
            typed = [one.annotation for one in stub.args.args]
            assert ast.get_docstring(stub) and all(typed), name
        assert not any(o.output_type == "error" for o in cell.outputs)
        assert f"{name}: right" not in "".join(o.get("text", "") for o in cell.outputs)  # the committed stub is empty


# Outputs


def test_it_was_run_from_top_to_bottom_without_error(notebook):
    assert [cell.execution_count for cell in code(notebook)] == list(range(1, len(code(notebook)) + 1))
    assert not [o for cell in code(notebook) for o in cell.outputs if o.output_type == "error" or o.get("name") == "stderr"]


def test_it_was_run_on_mnist(notebook):
    said = printed(notebook)
    assert "MNIST: 60,000 training and 10,000 test images" in said
    assert "digits:" not in said and "stand-in" not in said


def test_github_can_show_it(notebook, path):
    text = path.read_text()
    assert len(text) < 1_000_000
    assert "widgets" not in notebook.metadata and "widget-view" not in text
    assert all(cell.metadata.keys() <= {"tags", "jupyter", "cellView"} for cell in notebook.cells)
    shown = json.dumps([cell.get("outputs", []) for cell in notebook.cells])
    assert not re.search(r"(?<![\w.:/])/(?:home|root|work|tmp|usr|Users|content)/", shown)


def test_checked_outputs_do_not_depend_on_the_data(notebook):
    assert tagged(notebook, "nbval-check-output")
    for cell in tagged(notebook, "nbval-check-output"):
        assert not re.search(r"(?<![\w\"])dataset\b(?!\")", cell.source) and cell.outputs


def test_links_lead_somewhere(notebook, path):
    for target in re.findall(r"\]\(([^)\s]+)\)", markdown(notebook)):
        if not re.match(r"https?://|#", target):
            assert (path.parent / target.split("#")[0]).exists(), target


def test_the_committed_runs_are_the_records():
    """What the notebooks show of their own runs, and what they quote of others, is what the records and RESULTS say."""
    card, quick = records.runs("card"), records.runs("quick")
    training, speed = (
        nbformat.read(ROOT / "notebooks" / name, as_version=4) for name in ("04_training.ipynb", "07_speed.ipynb")
    )
    test, history = card[0]["test"], card[0]["history"]
    said = printed(training)
    [recorded] = re.findall(r"^MNIST, seed 0, recorded: (.+)\n    after epoch 20, in \d+ s on (.+)$", said, re.MULTILINE)
    assert recorded == (f"{test['accuracy']:.2%} of {test['n']:,} test images", card[0]["machine"]["device"])
    [(share, machine)] = re.findall(
        r"^MNIST, seed 0, here: ([\d.]+)% of 10,000 test images\n    after epoch 20, in \d+ s on (.+)$", said, re.MULTILINE
    )
    epochs = re.findall(r"epoch +(\d+)/20  loss ([\d.]+)  training accuracy ([\d.]+%)", said)
    assert [int(number) for number, _, _ in epochs] == list(range(1, 21))
    if machine == card[0]["machine"]["device"]:  # the same processor adds up in the same order: the same bits
        assert float(share) == round(100 * test["accuracy"], 2)
        assert [epoch[1:] for epoch in epochs] == [
            (f"{entry['train_loss']:.4f}", f"{entry['train_accuracy']:.2%}") for entry in history
        ]
    else:
        assert abs(float(share) - 100 * test["accuracy"]) < 0.3
    for runs, text, digits in ((card, said, 2), (quick, printed(speed), 3)):
        mean = 100 * sum(record["test"]["correct"] for record in runs) / sum(record["test"]["n"] for record in runs)
        assert f"mean {mean:.{digits}f} %" in text
    assert f"quick, seed 0: {quick[0]['test']['accuracy']:.2%} in" in printed(speed)
    [here] = re.findall(r"quick, seed 0: ([\d.]+)% in [\d.]+ s, here", printed(speed))  # its bits are the machine's
    assert abs(float(here) - 100 * quick[0]["test"]["accuracy"]) < 0.2


# The setup cell


def test_setup_on_colab_never_touches_torch(monkeypatch, tmp_path):
    """The cell, run as on Colab: it clones the one address and installs nothing but what is missing."""
    commands, lacking = [], {"torchinfo"}

    def run(command, **options):
        assert options["check"] and options["timeout"]
        commands.append(command)
        (tmp_path / "project" / "mnist_lib").mkdir(parents=True, exist_ok=True)

    monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))
    monkeypatch.setattr(subprocess, "run", run)
    found = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *rest: None if name in lacking else found(name, *rest))
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    exec(SETUP, {})
    assert sys.path[0] == str(tmp_path / "project")
    assert commands[0] == ["git", "clone", "--quiet", "--depth=1", repository(), "project"]
    importlib.reload(course.colab)  # what the cell's import does in a new kernel
    assert [command[-1] for command in commands[1:]] == ["torchinfo"]
    lacking |= {"torch", "torchvision"}
    importlib.reload(course.colab)
    assert not {"torch", "torchvision"} & {word for command in commands for word in command}
    commands.clear()
    exec(SETUP, {})  # a second time, the project is there
    assert commands == []


def test_setup_elsewhere_only_finds_the_project(monkeypatch, tmp_path):
    monkeypatch.setattr(subprocess, "run", lambda *_: pytest.fail("nothing is to be run here"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(ROOT / "notebooks")
    exec(SETUP, {})
    assert sys.path[0] == str(ROOT)
    importlib.reload(course.colab)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="needs its project: clone"):
        exec(SETUP, {})


# These tests themselves, on a notebook made here: as it should be, and with each thing wrong


FOLDED = "<details><summary>maps: guess first, then open</summary><p><b>maps: 1,234.</b> Because.</p></details>"


def made():
    from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

    folded = {"jupyter": {"source_hidden": True}, "cellView": "form"}
    png = new_output("execute_result", {"image/png": "AAAA", "text/plain": "<Figure>"}, execution_count=3)
    answer = new_output("execute_result", {"text/html": FOLDED, "text/plain": "maps: 1,234. Because."}, execution_count=5)
    return new_notebook(
        cells=[
            new_markdown_cell("# 1. Why?\n\n*15 minutes. You need nothing.*\n\nAfterwards you can\n\n- count.\n\nLook:"),
            new_code_cell(SETUP, metadata=folded),
            new_code_cell('DATA = "auto"', metadata={"tags": ["parameters"]}),
            new_code_cell("#@title The picture\nplot()", metadata=folded, outputs=[png]),
            new_markdown_cell("## Maps\n\n*10 minutes. You will count.*\n\n**Predict.** How many?"),
            new_code_cell('guesses.ask("maps", None)'),
            new_code_cell('guesses.reveal("maps", 1234, "Because.")', outputs=[answer]),
            new_markdown_cell("## Exercises\n\n*5 minutes. You will write.*"),
        ]
    )


def test_a_notebook_as_it_should_be_passes():
    assert opening(made(), "Why?") == sections(made()) == spoilers(made()) == []


@pytest.mark.parametrize(
    "cell, old, new, said",
    [
        (0, "*15 minutes.", "15 minutes.", "title"),
        (0, "- count", "count", "what the reader"),
        (1, "timeout=120", "timeout=1200", "setup"),
        (3, "#@title The picture", "# The picture", "picture's title"),
    ],
)
def test_another_opening_is_seen(cell, old, new, said):
    notebook = made()
    notebook.cells[cell].source = notebook.cells[cell].source.replace(old, new)
    [wrong] = opening(notebook, "Why?")
    assert wrong.startswith(said)


def test_a_cell_that_is_not_folded_or_a_picture_that_comes_late_is_seen():
    notebook = made()
    notebook.cells[3].metadata = {}
    assert len(opening(notebook, "Why?")) == 2
    notebook = made()
    notebook.cells[6].outputs, notebook.cells[3].outputs = notebook.cells[3].outputs, []
    assert opening(notebook, "Why?") == ["the picture comes first"]


def test_minutes_that_do_not_add_up_are_seen():
    notebook = made()
    notebook.cells[4].source = notebook.cells[4].source.replace("*10 minutes", "*11 minutes")
    assert sections(notebook) == ["the sections take 16 minutes, the title says 15"]
    notebook.cells[4].source = notebook.cells[4].source.replace("*11 minutes. You will count.*\n\n", "")
    assert sections(notebook)[0] == "no minutes: Maps"


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda cells: cells[5].update(source='guesses.ask("maps", 7)'), "asked with 7: maps"),
        (lambda cells: cells.pop(5), "revealed before it was asked: maps"),
        (lambda cells: cells.pop(6), "never revealed: maps"),
        (lambda cells: cells[6].outputs[0].data.update({"text/html": "<b>maps: 1,234.</b>"}), "not folded: maps"),
        (lambda cells: cells[6].outputs[0].data.pop("text/html"), "not what the cell shows: maps"),
        (lambda cells: cells[6].outputs.append(cells[3].outputs[0]), "something else is shown beside the folded answer: maps"),
        (lambda cells: cells[4].update(source="It is 1,234. Because."), "told before: maps"),
    ],
)
def test_a_spoiler_is_seen(change, said):
    notebook = made()
    change(notebook.cells)
    assert said in spoilers(notebook)


# Terms


EVERYDAY = {
    "reach",
    "warm-up",
    "worker",
    "across",
    "in turn",
    "error",
}  # words that also mean something else, or are said in passing


def test_no_term_is_used_before_the_notebook_that_introduces_it():
    """By the glossary's credits: in the open text of the notebooks before, no name of the term occurs."""
    glossary = (ROOT / "notebooks/glossary.md").read_text()
    texts = []
    for one in PATHS:
        words = re.sub(r"<summary>.*?</summary>", "", markdown(nbformat.read(one, as_version=4)))
        words = re.split(r"^(?:\*\*)?Further reading", words, flags=re.MULTILINE)[0]
        texts.append(re.sub(r"`[^`]*`|\]\([^)]*\)", " ", words))
    early = []
    for term, number in re.findall(r"^\*\*(.+?)\*\* \(\[notebook (\d)\]", glossary, re.MULTILINE):
        for name in (word.strip(" )") for word in re.split(r",|\(", term)):
            used = [1 + i for i, text in enumerate(texts) if re.search(rf"\b{re.escape(name)}\b", text, re.IGNORECASE)]
            if used and used[0] < int(number) and name not in EVERYDAY:
                early.append((term, f"notebook {number}", f"used in {used[0]}"))
    assert early == []


@pytest.mark.parametrize(
    "name, rule",
    [
        ("02_receptive_field", r"r \leftarrow r + (k - 1)\,j"),
        ("02_receptive_field", r"j \leftarrow j \cdot t"),
        ("02_receptive_field", r"s \leftarrow s + \left(\tfrac{(k - 1)\,d}{2} - p\right) j"),
        ("02_receptive_field", "*dilation* $d$ it reads every $d$-th unit"),
        ("07_speed", r"\frac{1}{1 - s + s/f}"),
    ],
)
def test_a_rule_that_is_needed_later_stands_outside_of_folds(name, rule):
    text = markdown(nbformat.read(ROOT / f"notebooks/{name}.ipynb", as_version=4))
    assert rule in re.sub(r"<details>.*?</details>", "", text, flags=re.DOTALL)


def test_each_notebook_of_the_first_part_says_how_to_use_it():
    for name in ("01_architecture", "02_receptive_field", "03_augmentation", "07_speed"):
        assert "cells from the top" in nbformat.read(ROOT / f"notebooks/{name}.ipynb", as_version=4).cells[0].source
