"""The pages say what the committed records and notebooks say, and only a true card run may stand there."""

import copy
import io
import json
import math
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from scipy import stats

from course import report
from course.__main__ import main
from course.exercises import check
from course.report import COURSE, ReportError, fill, pages, studies_on_record
from mnist_lib import data, plots
from mnist_lib.data import MNIST_SHA256
from mnist_lib.model import DigitNet
from mnist_lib.model.pretrained import recorded_net
from mnist_lib.studies import records
from mnist_lib.studies.study import Row, recorded
from mnist_lib.support.paths import ROOT
from mnist_lib.trainer.evaluation import Score, evaluate

README, RESULTS, INSTRUCTOR, CONTRIBUTING = (
    (ROOT / name).read_text() for name in ("README.md", "RESULTS.md", "INSTRUCTOR.md", "CONTRIBUTING.md")
)


@pytest.fixture
def record() -> dict:
    return copy.deepcopy(records.runs("card")[0])


def test_the_pages_are_what_the_records_and_notebooks_say():
    for page, parts in pages(studies_on_record()).items():
        text = (ROOT / page).read_text()
        assert fill(text, parts, page) == text, f"{page} disagrees with the records or notebooks: run `make report`"


def test_the_numbers_in_readme_are_those_of_the_records_read_by_other_means():
    section = re.search(r"<!-- LATEST_RESULT -->(.*?)<!-- END_LATEST_RESULT -->", README, re.DOTALL)[1]
    record = json.loads((ROOT / "records/card-seed-0.json").read_text())
    correct = record["test"]["correct"]
    assert f"Maximum Accuracy: {correct / 100:.2f}%" in section and f"{correct:,} of 10,000" in section
    for told in ("MNIST", "seed 0", record["machine"]["device"], record["versions"]["torch"], record["date"]):
        assert told in section


def test_every_record_is_of_mnist_and_adds_up():
    card = records.runs("card")
    assert len(card) >= 5
    assert [record["config"]["seed"] for record in card] == list(range(len(card)))
    for record in card:
        assert record["dataset"]["sha256"] == MNIST_SHA256 and record["parameters"] == 13_960
        assert record["test"]["n"] == 10_000 and record["test"]["accuracy"] == record["test"]["correct"] / 10_000
        assert [entry["epoch"] for entry in record["history"]] == list(range(1, 21))


@pytest.fixture(scope="module")
def recorded_score(mnist) -> Score:
    return evaluate(recorded_net(), mnist.test_images, mnist.test_labels)


@pytest.fixture
def asked_once(mnist, recorded_score, monkeypatch):
    """MNIST is read and the recorded network evaluated once for all these tests; of another network 500 answers tell enough."""
    known = recorded_net().state_dict()

    def evaluated(net, images, labels):
        if all(value.equal(known[name]) for name, value in net.state_dict().items()):
            return recorded_score
        return evaluate(net, images[:500], labels[:500])

    monkeypatch.setattr(report, "load", lambda: mnist)
    monkeypatch.setattr(report, "evaluate", evaluated)


def test_the_recorded_weights_reach_the_recorded_accuracy(record, recorded_score):
    """The committed network, evaluated anew. Another processor may round a logit otherwise: two images of slack."""
    assert abs(recorded_score.correct - record["test"]["correct"]) <= 2


@pytest.fixture
def written(monkeypatch) -> dict[Path, bytes]:
    """What write_report would write, by path; nothing is."""
    wanted = {}
    monkeypatch.setattr(report, "write_whole", lambda path, body: wanted.update({path: body}))
    monkeypatch.setattr("course.page.write_page", lambda dataset: wanted.update({report.ROOT / "docs": b""}))
    return wanted


def given(folder: Path, record: dict, weights: bytes | None = None) -> str:
    """record.json, and model.pt beside it, as a run leaves them."""
    (folder / "record.json").write_text(json.dumps(record))
    if weights is not None:
        (folder / "model.pt").write_bytes(weights)
    return str(folder / "record.json")


WEIGHTS = (ROOT / "records/card-seed-0.pt").read_bytes()


def refused(arguments: list[str], capsys, written) -> str:
    """The one sentence with which the command ends; nothing was to be written."""
    assert main(arguments) == 1 and not written
    said = capsys.readouterr().err.strip()
    assert "\n" not in said and said.endswith(".")
    return said


def test_a_run_of_another_machine_is_not_taken(record, asked_once, tmp_path, capsys, written):
    record["machine"]["device"] = "another machine"
    assert "several machines" in refused(["report", "--record", given(tmp_path, record, WEIGHTS)], capsys, written)


def test_seed_0_is_taken_with_its_weights_or_not_at_all(record, asked_once, tmp_path, capsys, written):
    buffer = io.BytesIO()
    torch.save(DigitNet().state_dict(), buffer)
    for weights, said in (
        (None, "FileNotFoundError"),
        (b"half", "model.pt beside"),
        (buffer.getvalue(), "the record says 9,956"),
    ):
        (tmp_path / "model.pt").unlink(missing_ok=True)
        assert said in refused(["report", "--record", given(tmp_path, record, weights)], capsys, written)


@pytest.mark.parametrize("off", [-20, 20])
def test_weights_that_read_more_or_less_than_the_record_says_are_not_taken(record, asked_once, tmp_path, capsys, written, off):
    record["test"]["correct"] += off
    record["test"]["accuracy"] = record["test"]["correct"] / 10_000
    said = refused(["report", "--record", given(tmp_path, record, WEIGHTS)], capsys, written)
    assert "model.pt beside record.json reads 9,956 right" in said


def test_without_mnist_nothing_is_written(record, tmp_path, capsys, written, monkeypatch):
    monkeypatch.setattr(report, "load", lambda: data.load("digits"))
    assert "The figures show MNIST" in refused(["report", "--record", given(tmp_path, record, WEIGHTS)], capsys, written)
    assert "The figures show MNIST" in refused(["report"], capsys, written)


def test_a_run_joins_the_records_with_all_that_follows_from_it(record, asked_once, tmp_path, written, monkeypatch):
    """Seed 0 brings its weights, any other seed none; README, figures and notebooks come with it."""
    assert main(["report", "--record", given(tmp_path, record, WEIGHTS)]) == 0
    names = {path.relative_to(ROOT).as_posix(): body for path, body in written.items()}
    assert names["records/card-seed-0.pt"] == WEIGHTS and json.loads(names["records/card-seed-0.json"]) == record
    assert names["README.md"].decode() == README and names["RESULTS.md"].decode() == RESULTS
    assert {"figures/architecture-dark.png", "figures/training-light.png", "notebooks/04_training.ipynb"} <= names.keys()
    assert list(names)[-1] == "docs"  # the page is made of the weights that are written before it
    written.clear()
    monkeypatch.setattr(report, "figures", lambda net, dataset, studied: {})  # as above
    record["config"]["seed"], record["test"]["correct"], record["test"]["accuracy"] = 5, 9_990, 0.999
    assert main(["report", "--record", given(tmp_path, record, WEIGHTS)]) == 0
    names = {path.relative_to(ROOT).as_posix(): body for path, body in written.items()}
    assert "records/card-seed-5.json" in names and not [name for name in names if name.endswith(".pt")]
    assert "the mean of 6 runs (seeds 0 to 5" in names["RESULTS.md"].decode()
    assert "the mean of 6 trainings" in names["README.md"].decode()


def between(marker: str, text: str) -> str:
    return re.search(rf"<!-- {marker} -->(.*?)<!-- END_{marker} -->", text, re.DOTALL)[1]


def test_the_one_line_of_result_is_the_mean_of_the_records_read_by_other_means():
    card = [json.loads(path.read_text()) for path in (ROOT / "records").glob("card-seed-*.json")]
    mean = sum(record["test"]["correct"] for record in card) / len(card) / 100
    assert f"**{mean:.2f} %**" in between("RESULT", README) and f"the mean of {len(card)} trainings" in between(
        "RESULT", README
    )


def test_readmes_question_is_answered_right():
    pixels = 60_000 * 28 * 28 / sum(p.numel() for p in DigitNet().parameters())
    assert f"about {round(pixels, -1):,.0f} pixels for each number" in " ".join(README.split())
    assert "3,370" not in re.sub(r"<details>.*?</details>", "", README, flags=re.DOTALL)


def test_the_path_says_of_each_notebook_what_its_title_line_says():
    """Minutes and question, read from the files by other means than the report's."""
    rows = [line for line in between("PATH", README).splitlines() if line.startswith("| **")]
    assert len(rows) == len(COURSE)
    total = 0
    for row, name in zip(rows, COURSE):
        first = "".join(json.loads((ROOT / f"notebooks/{name}.ipynb").read_text())["cells"][0]["source"])
        minutes = int(re.search(r"^\*(\d+) minutes", first, re.MULTILINE)[1])
        total += minutes
        assert COURSE[name].question in first.splitlines()[0] and COURSE[name].question in row
        assert f"| {minutes} | {COURSE[name].write} |" in row
    assert f"about {round(total / 60)} hours" in between("START", README)


def test_what_the_card_asks_for_stands_in_readme_folded_where_it_spoils():
    wanted = ("Model architecture", "Model summary", "Receptive field analysis", "Training details", "Latest training results")
    headings = re.findall(r"^## (.+)$", README, re.MULTILINE)
    assert [heading for heading in headings if heading in wanted] == list(wanted) and headings[-1] == "Running locally"
    shown = re.sub(r"<details>.*?</details>", "", README, flags=re.DOTALL)
    assert "figures/architecture" not in shown and "figures/architecture" in README  # it has every layer's numbers
    assert "4,640" not in shown and "22×22" not in shown and "4,640" in README and "22×22" in README
    assert README.index("## Model architecture") < README.index("<!-- LATEST_RESULT -->")


@pytest.mark.parametrize("page", ["README.md", "RESULTS.md", "INSTRUCTOR.md", "CONTRIBUTING.md", "notebooks/glossary.md"])
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)|(?:src|srcset)=\"([^\"]+)\"", (ROOT / page).read_text()):
        target = "".join(target)
        if not re.match(r"https?://|#", target):
            assert ((ROOT / page).parent / target.split("#")[0]).exists(), target


@pytest.mark.parametrize(
    "page", [README, RESULTS, INSTRUCTOR, CONTRIBUTING], ids=["README", "RESULTS", "INSTRUCTOR", "CONTRIBUTING"]
)
def test_commands_and_files_that_are_named_exist(page):
    for name in re.findall(r"benchmarks\.(\w+)", page):
        assert (ROOT / f"benchmarks/{name}.py").is_file(), name
    for target in re.findall(r"`make (\w+)", page):
        assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE), target
    for command in re.findall(r"-m course (\w+)", page):
        with pytest.raises(SystemExit) as ended:
            main([command, "--help"])
        assert ended.value.code == 0, command
    for name in re.findall(r"`((?:mnist_lib|course|tests|notebooks|docs|assignment)/[\w/.]+)`", page):
        assert (ROOT / name).exists(), name


def test_the_citation_is_whole():
    """CITATION.cff 1.2's required keys, and the version, licence and address of pyproject.toml."""
    lines = (ROOT / "CITATION.cff").read_text().splitlines()
    keys = {line.split(":")[0]: line.partition(": ")[2] for line in lines if re.match(r"[a-z-]+:", line)}
    assert {"cff-version", "message", "title", "authors"} <= keys.keys() and keys["cff-version"] == "1.2.0"
    assert f'version = "{keys["version"]}"' in (ROOT / "pyproject.toml").read_text()
    assert keys["license"] in (ROOT / "LICENSE").read_text() and keys["repository-code"] == report.repository()


def test_markers_are_filled_once():
    assert fill("a\n<!-- X -->\nold\n<!-- END_X -->\nb", {"X": "new"}) == "a\n<!-- X -->\nnew\n<!-- END_X -->\nb"
    with pytest.raises(ReportError, match="markers of X"):
        fill("no markers", {"X": "new"})
    with pytest.raises(ReportError, match="not 2 times"):
        fill(2 * "<!-- X -->\nold\n<!-- END_X -->\n", {"X": "new"})


def test_the_address_stands_in_one_place():
    address = report.repository()
    assert re.fullmatch(r"https://github\.com/[^/]+/[^/]+", address)
    owner_and_name = address.removeprefix("https://github.com/")
    assert set(re.findall(r"colab\.research\.google\.com/github/([^/]+/[^/]+)/blob", README)) == {owner_and_name}
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        assert f'REPOSITORY = \\"{address}\\"' in path.read_text(), path.name
    code = [p for p in ROOT.rglob("*.py") if ".venv" not in p.parts and "out" not in p.parts]
    assert not [p.name for p in code if owner_and_name in p.read_text()]


def test_figures_are_small_and_there():
    for name in re.findall(r"figures/[\w-]+\.png", README):
        assert 1_000 < (ROOT / name).stat().st_size < 500_000, name
    assert torch.load(ROOT / "records/card-seed-0.pt", weights_only=True, map_location="cpu")


def test_the_speed_table_and_quicks_numbers_are_those_of_the_records_read_by_other_means():
    speed = json.loads((ROOT / "records/speed.json").read_text())
    section = re.search(r"<!-- SPEED -->(.*?)<!-- END_SPEED -->", RESULTS, re.DOTALL)[1]
    classic, ours = speed["epochs"]["classic"], speed["epochs"]["ours"]
    assert len(classic) == len(ours) == speed["rounds"] >= 5 and speed["dataset"]["sha256"] == MNIST_SHA256
    ratios = sorted(a / b for a, b in zip(classic, ours))
    assert f"{ratios[len(ratios) // 2]:.1f} ({ratios[0]:.1f} to {ratios[-1]:.1f})" in section
    assert speed["machine"]["device"] in section and speed["versions"]["torch"] in section
    quick = [json.loads(path.read_text()) for path in (ROOT / "records").glob("quick-seed-*.json")]
    assert len(quick) >= 20 and len({record["config"]["seed"] for record in quick}) == len(quick)
    right = sum(record["test"]["correct"] for record in quick)
    assert f"**{right / len(quick) / 100:.2f} %**" in re.search(r"<!-- QUICK -->(.*?)<!-- END_QUICK -->", RESULTS, re.DOTALL)[1]
    assert all(record["parameters"] == 13_960 and record["dataset"]["sha256"] == MNIST_SHA256 for record in quick)


def glossary() -> list[tuple[str, str, str]]:
    """(term, notebook's file, what it is) of each entry."""
    text = (ROOT / "notebooks/glossary.md").read_text()
    return re.findall(r"^\*\*(.+?)\*\* \(\[notebook \d\]\((.+?)\)\): (.+)$", text, re.MULTILINE)


def test_the_glossary_is_sorted_and_each_term_occurs_in_its_notebook():
    terms = [term for term, _, _ in glossary()]
    assert len(terms) > 60 and len(set(terms)) == len(terms)
    missing = []
    for term, file, _ in glossary():
        cells = json.loads((ROOT / "notebooks" / file).read_text())["cells"]
        said = " ".join(" ".join("".join(cell["source"]) for cell in cells).casefold().split())
        if not any(word.strip(" )").casefold() in said for word in re.split(r",|\(", term)):
            missing.append((term, file))
    assert not missing


def test_the_workflows_do_what_contributing_says():
    tests, site = ((ROOT / f".github/workflows/{name}.yml").read_text() for name in ("test", "pages"))
    assert re.findall(r'python: "([\d.]+)", versions: (\w+)', tests) == [
        ("3.11", "lowest"),
        ("3.11", "newest"),
        ("3.14", "newest"),
    ]
    assert "Python 3.11 with the lowest and the newest versions and on Python 3.14 with the newest" in " ".join(
        CONTRIBUTING.split()
    )
    assert 'requires-python = ">=3.11"' in (ROOT / "pyproject.toml").read_text()
    makefile = (ROOT / "Makefile").read_text()
    for target in [*re.findall(r"make (?:\$\{\{[^}]*\|\| ')?([.\w/]+)", tests + site), ".venv/.ready", ".venv/.book"]:
        assert re.search(rf"^{re.escape(target)}:|^\.PHONY:.*\b{target}\b", makefile.replace("$(READY)", ".venv/.ready"), re.M)
    for workflow in (tests, site):
        assert "permissions:\n  contents: read\n" in workflow and "timeout-minutes:" in workflow
    assert "schedule:" in tests and "MNIST_LIB_NIGHTLY" in tests and "actions/deploy-pages" in site


def test_what_a_checker_says_in_instructor_is_what_it_says(capsys):
    """An image turned about 14, by loops."""

    def turn(image, degrees):
        angle, turned = math.radians(degrees), torch.zeros_like(image)
        for row in range(28):
            for column in range(28):
                right, down = column - 14, row - 14
                x = round(14 + right * math.cos(angle) + down * math.sin(angle))
                y = round(14 - right * math.sin(angle) + down * math.cos(angle))
                if 0 <= x < 28 and 0 <= y < 28:
                    turned[row, column] = image[y, x]
        return turned

    check("3a", turn)
    assert capsys.readouterr().out == re.search(r"```text\n(3a: .*?)```", INSTRUCTOR, re.DOTALL)[1]


def test_the_tables_of_recipes_and_studies_are_the_records_read_by_other_means():
    rows = re.search(r"<!-- RECIPES -->(.*?)<!-- END_RECIPES -->", README, re.DOTALL)[1]
    for recipe, numbers in {"card": 13_960, "quick": 13_960, "best": 13_960, "few": 4_872}.items():
        own = [json.loads(path.read_text()) for path in (ROOT / "records").glob(f"{recipe}-seed-*.json")]
        mean = sum(record["test"]["correct"] for record in own) / len(own) / 100
        assert re.search(rf"\| `{recipe}` \| {numbers:,} \|[^|]+\| {len(own)} \| \*\*{mean:.2f} %\*\*", rows), recipe
        assert all(record["parameters"] == numbers and record["dataset"]["sha256"] == MNIST_SHA256 for record in own)
    rows = re.search(r"<!-- STUDY_QUICK -->(.*?)<!-- END_STUDY_QUICK -->", RESULTS, re.DOTALL)[1]
    place = next((ROOT / "records/studies/quick").iterdir())
    accuracies = {arm: [] for arm in ("quick", "no hardest", "no freeze")}
    for arm, own in accuracies.items():
        for seed in range(20):
            record = json.loads((place / f"{arm.replace(' ', '-')}-seed-{seed}.json").read_text())
            own.append(100 * record["history"][-1]["validation_accuracy"])
    for arm in ("no hardest", "no freeze"):
        paired = stats.ttest_rel(accuracies[arm], accuracies["quick"])
        low, high = paired.confidence_interval()
        difference = sum(accuracies[arm]) / 20 - sum(accuracies["quick"]) / 20
        assert f"| {arm} | 13,960 | 20 |" in rows and f"{difference:+.3f} ({low:+.3f} to {high:+.3f})" in rows


def test_what_few_was_expected_to_read_is_recorded():
    """From the files, by plain arithmetic and scipy."""

    def shares(study: str, variant: str) -> dict[int, float]:
        runs = [json.loads(path.read_text()) for path in (ROOT / "records/studies" / study).glob(f"*/{variant}-seed-*.json")]
        return {run["config"]["seed"]: 100 * run["history"][-1]["validation_accuracy"] for run in runs}

    told = re.search(r"<!-- FEW -->(.*?)<!-- END_FEW -->", RESULTS, re.DOTALL)[1]
    quick = [json.loads(path.read_text())["test"]["correct"] / 100 for path in (ROOT / "records").glob("quick-seed-*.json")]
    known, held_out = sum(quick) / len(quick), shares("quick", "quick")
    for study, variant in (("fewest long", "4872-numbers"), ("shapes", "even"), ("shapes", "more-late")):
        small = shares(study, variant)
        paired = stats.ttest_rel(list(small.values()), [held_out[seed] for seed in small])
        low, high = paired.confidence_interval()
        mean = known + sum(small[seed] - held_out[seed] for seed in small) / len(small)
        assert f"{mean:.2f} % ({known + low:.2f} to {known + high:.2f}, n = {len(small)})" in told
        assert (known + low > 99.4) == (variant == "4872-numbers")  # so the text may say that the others cannot tell


def test_the_readings_of_the_test_images_are_counted():
    read = [path for path in (ROOT / "records").rglob("*seed-*.json") if json.loads(path.read_text())["test"]]
    told = re.search(r"<!-- READINGS -->(.*?)<!-- END_READINGS -->", RESULTS, re.DOTALL)[1]
    assert f"read by {len(read)} recorded runs in all" in told
    assert {path.parent.name for path in read} == {"records"}  # no study reads them


def test_the_seconds_of_quicks_ingredients_are_the_benchmarks_medians():
    timed = json.loads((ROOT / "records/ingredients.json").read_text())["seconds"]
    rows = re.search(r"<!-- STUDY_QUICK -->(.*?)<!-- END_STUDY_QUICK -->", RESULTS, re.DOTALL)[1]
    for name, seconds in timed.items():
        assert re.search(rf"^\| {name} \|.*\| {sorted(seconds)[len(seconds) // 2]:.1f} \|$", rows, re.MULTILINE)


def test_seeds_trained_side_by_side_take_their_hours_once():
    study = report.SMALL_STUDY
    [own] = recorded(study).values()
    pairs = {name: {seed: run | {"seconds": 3600.0, "together": 2} for seed, run in runs.items()} for name, runs in own.items()}
    assert "10 runs, 5.0 hours of training in all" in report.study_table(study, {"a machine": pairs})


def test_no_number_of_pairs_settles_a_difference_of_nothing():
    first, other = (Row("a", 1, {0: a, 1: b}, 99.5, None, 2, 0.0, (-1.0, 1.0)) for a, b in ((99.0, 100.0), (100.0, 99.0)))
    assert report.settling_of(other, first) == "over 1,000"


def test_the_line_of_the_figure_of_small_networks_is_the_goal_on_held_out_images(monkeypatch):
    """`quick` reads fewer of those than of the test images: by so much the line lies below 99.4."""
    lines, blank = [], SimpleNamespace(savefig=lambda *_, **__: None)
    for name in ("architecture", "curves", "step_times"):
        monkeypatch.setattr(plots, name, lambda *_: blank)
    monkeypatch.setattr(plots, "accuracy_over_parameters", lambda _, title, line, called: lines.append(line) or blank)
    studies = (report.QUICK_STUDY, report.FEWEST_STUDY, report.FEWEST_LONG_STUDY)
    report.figures(DigitNet(), SimpleNamespace(train_images=torch.zeros(16)), {one.name: recorded(one) for one in studies})
    tested, held_out = (
        [json.loads(path.read_text()) for path in (ROOT / "records").glob(files)]
        for files in ("quick-seed-*.json", "studies/quick/*/quick-seed-*.json")
    )
    reads = sum(run["test"]["accuracy"] for run in tested) / len(tested)
    harder = reads - sum(run["history"][-1]["validation_accuracy"] for run in held_out) / len(held_out)
    assert harder > 0 and lines == 2 * [pytest.approx(99.4 - 100 * harder)]


@pytest.mark.parametrize(("mark", "study"), report.SHOWN.items())
def test_every_row_of_a_study_is_the_mean_of_its_files(mark, study):
    """And a difference of fewer seeds than the row has says of how many."""
    table = re.search(rf"<!-- {mark} -->(.*?)<!-- END_{mark} -->", INSTRUCTOR if mark == "ANSWER" else RESULTS, re.DOTALL)[1]
    rows = {row.split(" | ")[0]: row for row in table.split("\n| ")[1:]}
    seeds = {}
    for variant in study.variants:
        files = (ROOT / "records/studies" / study.name).glob(f"*/{variant.replace(' ', '-')}-seed-*.json")
        runs = [json.loads(path.read_text()) for path in files]
        mean = sum(100 * run["history"][-1]["validation_accuracy"] for run in runs) / len(runs)
        seeds[variant] = {run["config"]["seed"] for run in runs}
        told = rows[variant].split(" | ")
        assert told[1:3] == [f"{runs[0]['parameters']:,}", str(len(runs))]
        assert float(told[3].split()[0]) == pytest.approx(mean, abs=0.0051)
        assert all(run["test"] is None and run["dataset"]["sha256"] == MNIST_SHA256 for run in runs)
        first = seeds[next(iter(study.variants))]
        if variant != next(iter(study.variants)) and len(pairs := seeds[variant] & first) > 1:
            assert (f"n = {len(pairs)})" in told[4]) == (len(pairs) < len(runs))
