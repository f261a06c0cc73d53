"""The pages say what the committed records and notebooks say, and only a true card run may stand there."""

import copy
import io
import json
from pathlib import Path

import pytest
import torch

from course.__main__ import main
from course.report import ReportError
from course.report import pages as report
from course.report.pages import fill
from mnist_lib import data
from mnist_lib.model import DigitNet
from mnist_lib.model.pretrained import recorded_net
from mnist_lib.studies import records
from mnist_lib.support.paths import ROOT
from mnist_lib.trainer.evaluation import Score, evaluate

WEIGHTS, TABLE = ((ROOT / "records" / name).read_bytes() for name in ("card-seed-0.pt", "readings.jsonl"))


def test_pages_are_what_the_records_and_notebooks_say():
    for page, parts in report.pages(report.studies_on_record()).items():
        text = (ROOT / page).read_text()
        assert fill(text, parts, page) == text, f"{page} disagrees with the records or notebooks: run `make report`"


def test_fill_wants_each_pair_of_markers_once():
    assert fill("a\n<!-- X -->\nold\n<!-- END_X -->\nb", {"X": "new"}) == "a\n<!-- X -->\nnew\n<!-- END_X -->\nb"
    with pytest.raises(ReportError, match="markers of X"):
        fill("no markers", {"X": "new"})
    with pytest.raises(ReportError, match="not 2 times"):
        fill(2 * "<!-- X -->\nold\n<!-- END_X -->\n", {"X": "new"})


@pytest.fixture
def record() -> dict:
    return copy.deepcopy(records.runs("card")[0])


@pytest.fixture(scope="module")
def recorded_score(mnist) -> Score:
    return evaluate(recorded_net(), mnist.test_images, mnist.test_labels)


def test_recorded_net_reaches_the_recorded_accuracy(record, recorded_score):
    """The committed network, evaluated anew. Another processor may round a logit differently: two images of slack."""
    assert abs(recorded_score.correct - record["test"]["correct"]) <= 2


@pytest.fixture
def evaluated_once(mnist, recorded_score, monkeypatch):
    """MNIST is read and the recorded network evaluated once for all these tests; of another network 500 answers tell enough."""
    known = recorded_net().state_dict()

    def evaluated(net, images, labels):
        if all(value.equal(known[name]) for name, value in net.state_dict().items()):
            return recorded_score
        return evaluate(net, images[:500], labels[:500])

    monkeypatch.setattr(report, "load", lambda: mnist)
    monkeypatch.setattr(report, "evaluate", evaluated)


@pytest.fixture
def written(monkeypatch) -> dict[Path, bytes]:
    """What write_report would write, by path; nothing is."""
    bodies = {}
    monkeypatch.setattr(report, "write_changed", lambda path, body: bodies.update({path: body}))
    monkeypatch.setattr("course.page.write_page", lambda dataset: bodies.update({ROOT / "docs": b""}))
    return bodies


def given(folder: Path, record: dict, weights: bytes | None = None) -> str:
    """record.json, and model.pt beside it, as a run leaves them."""
    (folder / "record.json").write_text(json.dumps(record))
    if weights is not None:
        (folder / "model.pt").write_bytes(weights)
    return str(folder / "record.json")


def refused(arguments: list[str], capsys, written) -> str:
    """The one sentence with which the command ends; nothing may be written."""
    assert main(arguments) == 1 and not written
    said = capsys.readouterr().err.strip()
    assert "\n" not in said and said.endswith(".")
    return said


def test_report_takes_no_run_of_another_machine(record, evaluated_once, tmp_path, capsys, written):
    record["machine"]["device"] = "another machine"
    assert "several machines" in refused(["report", "--record", given(tmp_path, record, WEIGHTS)], capsys, written)


def test_report_takes_seed_0_with_its_weights_or_not_at_all(record, evaluated_once, tmp_path, capsys, written):
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
def test_report_takes_no_weights_that_read_more_or_less_than_recorded(record, evaluated_once, tmp_path, capsys, written, off):
    record["test"]["correct"] += off
    record["test"]["accuracy"] = record["test"]["correct"] / 10_000
    said = refused(["report", "--record", given(tmp_path, record, WEIGHTS)], capsys, written)
    assert "model.pt beside record.json reads 9,956 correctly, but the record says" in said


def test_report_writes_nothing_without_mnist(record, tmp_path, capsys, written, monkeypatch):
    monkeypatch.setattr(report, "load", lambda: data.load("digits"))
    assert "The figures show MNIST" in refused(["report", "--record", given(tmp_path, record, WEIGHTS)], capsys, written)
    assert "The figures show MNIST" in refused(["report"], capsys, written)


def test_report_takes_a_run_with_all_that_follows_from_it(record, evaluated_once, tmp_path, written, monkeypatch):
    """Seed 0 brings its weights, any other seed none; README, figures and notebooks come with it."""
    readme, results = ((ROOT / name).read_text() for name in ("README.md", "RESULTS.md"))
    assert main(["report", "--record", given(tmp_path, record, WEIGHTS)]) == 0
    names = {path.relative_to(ROOT).as_posix(): body for path, body in written.items()}
    assert names["records/card-seed-0.pt"] == WEIGHTS and names["records/readings.jsonl"] == TABLE
    assert names["README.md"].decode() == readme and names["RESULTS.md"].decode() == results
    assert {"figures/architecture-dark.png", "figures/training-light.png", "notebooks/04_training.ipynb"} <= names.keys()
    for name in ("notebooks/04_training.ipynb", "CITATION.cff"):  # which have the address already
        assert names[name] == (ROOT / name).read_bytes()
    assert list(names)[-1] == "docs"  # the page is made of the weights that are written before it
    written.clear()
    monkeypatch.setattr(report, "figures", lambda net, dataset, studied: {})  # as above
    record["config"]["seed"], record["test"]["correct"], record["test"]["accuracy"] = 5, 9_990, 0.999
    assert main(["report", "--record", given(tmp_path, record, WEIGHTS)]) == 0
    names = {path.relative_to(ROOT).as_posix(): body for path, body in written.items()}
    assert not [name for name in names if name.endswith(".pt")]
    *before, new = names["records/readings.jsonl"].splitlines(keepends=True)
    assert b"".join(before) == TABLE and json.loads(new) == record | {"variant": "card"}
    assert "the mean of 6 runs (seeds 0 to 5" in names["RESULTS.md"].decode()
    assert "the mean of 6 trainings" in names["README.md"].decode()


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("https://github.com/a/b.git", "](https://colab.research.google.com/github/a/b/blob/main/notebooks/01.ipynb)"),
        ("https://github.com/a/b/", "](https://colab.research.google.com/github/a/b/blob/main/notebooks/01.ipynb)"),
        ("https://gitlab.com/a/b", ""),
    ],
)
def test_addresses_give_right_links_or_none(address, said, tmp_path, monkeypatch):
    from course.report import course_tables

    (tmp_path / "pyproject.toml").write_text(f'[project.urls]\nRepository = "{address}"\n')
    monkeypatch.setattr(course_tables, "ROOT", tmp_path)
    badge = course_tables.badge("01")
    assert badge.endswith(said) and bool(badge) == bool(said)


def test_write_changed_leaves_what_is_so_already(tmp_path):
    path = tmp_path / "page.md"
    report.write_changed(path, b"one")
    before = path.stat().st_ino, path.stat().st_mtime_ns
    report.write_changed(path, b"one")
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == before
    report.write_changed(path, b"two")
    assert path.read_bytes() == b"two"
