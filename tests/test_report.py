"""README says what the committed records say, and only a true card run may stand there."""

import copy
import json
import re
from pathlib import Path

import pytest
import torch

from mnist_lib import report
from mnist_lib.__main__ import main
from mnist_lib.checkpoints import recorded_net
from mnist_lib.data import MNIST_SHA256
from mnist_lib.files import ROOT
from mnist_lib.report import ReportError, card_records, fill, latest_result, mean_interval, require_card_run, sections
from mnist_lib.trainer import evaluate

README = (ROOT / "README.md").read_text()


@pytest.fixture
def record() -> dict:
    return copy.deepcopy(card_records()[0])


def test_readme_is_what_the_records_say():
    assert fill(README, sections()) == README, "README and the records disagree: run `make report`"


def test_the_numbers_in_readme_are_those_of_the_records_read_by_other_means():
    section = re.search(r"<!-- LATEST_RESULT -->(.*?)<!-- END_LATEST_RESULT -->", README, re.DOTALL)[1]
    record = json.loads((ROOT / "records/card-seed-0.json").read_text())
    correct = record["test"]["correct"]
    assert f"Maximum Accuracy: {correct / 100:.2f}%" in section and f"{correct:,} of 10,000" in section
    for told in ("MNIST", "seed 0", record["machine"]["device"], record["versions"]["torch"], record["date"]):
        assert told in section


def test_every_record_is_of_mnist_and_adds_up():
    records = card_records()
    assert len(records) >= 5
    assert [record["config"]["seed"] for record in records] == list(range(len(records)))
    for record in records:
        assert record["dataset"]["sha256"] == MNIST_SHA256 and record["parameters"] == 13_960
        assert record["test"]["n"] == 10_000 and record["test"]["accuracy"] == record["test"]["correct"] / 10_000
        assert [entry["epoch"] for entry in record["history"]] == list(range(1, 21))


def test_the_recorded_weights_reach_the_recorded_accuracy(mnist, record):
    """The committed network, evaluated anew. Another processor may round a logit otherwise: two images of slack."""
    score = evaluate(recorded_net(), mnist.test_images, mnist.test_labels)
    assert abs(score.correct - record["test"]["correct"]) <= 2


@pytest.mark.parametrize(
    "change",
    [
        lambda r: r["dataset"].update(name="digits", sha256="3c3d"),
        lambda r: r["dataset"].update(sha256=""),
        lambda r: r["dataset"].update(trained_on=55_000),
        lambda r: r["config"].update(epochs=2),
        lambda r: r["config"].update(max_lr=0.2),
        lambda r: r["config"].update(nesterov=True),
        lambda r: r["config"].update(augment=None),
        lambda r: r.update(test=None),
        lambda r: r["test"].update(epoch=19),
    ],
)
def test_no_other_run_may_stand_as_the_cards(record, change, tmp_path, capsys):
    require_card_run(record)
    change(record)
    with pytest.raises(ReportError, match=r"^The run is [^\n]+\.$"):
        latest_result(record)
    path = tmp_path / "record.json"
    path.write_text(json.dumps(record))
    assert main(["report", "--record", str(path)]) == 1  # and nothing is written
    assert "The run is" in capsys.readouterr().err
    assert (ROOT / "README.md").read_text() == README


def test_a_file_that_is_no_record_is_one_sentence(tmp_path):
    path = tmp_path / "record.json"
    for text in ("half of a rec", "{}", "[]", "3"):
        path.write_text(text)
        with pytest.raises(ReportError, match=r"is no run record[^\n]+\.$"):
            require_card_run(report.read_record(path))


def test_a_mean_over_seeds_is_of_one_machine():
    records = copy.deepcopy(card_records())
    records[1]["machine"]["precision"] = "float32"
    with pytest.raises(ReportError, match="several machines"):
        report.seeds_result(records)


def test_markers_are_filled_once():
    assert fill("a\n<!-- X -->\nold\n<!-- END_X -->\nb", {"X": "new"}) == "a\n<!-- X -->\nnew\n<!-- END_X -->\nb"
    with pytest.raises(ReportError, match="markers of X"):
        fill("no markers", {"X": "new"})


def test_interval_against_a_table():
    """Student's t for 4 degrees of freedom is 2.776 (any statistics book)."""
    mean, low, high = mean_interval([1.0, 2.0, 3.0, 4.0, 5.0])
    margin = 2.776 * (2.5**0.5) / 5**0.5
    assert (mean, low, high) == pytest.approx((3.0, 3.0 - margin, 3.0 + margin), abs=1e-3)


def test_the_address_stands_in_one_place():
    address = report.repository()
    assert re.fullmatch(r"https://github\.com/[^/]+/[^/]+", address)
    owner_and_name = address.removeprefix("https://github.com/")
    assert set(re.findall(r"colab\.research\.google\.com/github/([^/]+/[^/]+)/blob", README)) == {owner_and_name}
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        assert f'REPOSITORY = \\"{address}\\"' in path.read_text(), path.name
    code = [p for p in ROOT.rglob("*.py") if ".venv" not in p.parts and "out" not in p.parts]
    assert not [p.name for p in code if owner_and_name in p.read_text()]


def test_arrows_between_modules_run_one_way():
    """Who may import whom, as the house is drawn."""
    allowed = {
        "files": set(),
        "model": set(),
        "transforms": set(),
        "data": {"files"},
        "engine": {"model"},
        "muon": set(),
        "trainer": {"data", "engine", "model", "muon", "transforms"},
        "many": {"data", "engine", "model", "trainer", "transforms"},
        "checkpoints": {"files", "model", "trainer"},
        "report": {"checkpoints", "data", "files", "model", "plots", "receptive_field", "trainer"},
        "plots": {"receptive_field", "report", "trainer", "transforms"},
        "headless": {"data", "files", "report", "trainer"},
        "widgets": set(),
        "exercises": {"model", "receptive_field", "trainer", "transforms"},
    }
    for path in Path(report.__file__).parent.glob("*.py"):
        if path.stem in allowed:
            found = set(re.findall(r"(?:from|import) mnist_lib\.(\w+)", path.read_text()))
            found |= set(re.findall(r"from mnist_lib import (\w+)", path.read_text()))
            assert found <= allowed[path.stem], path.stem
    for path in (Path(report.__file__).parent / "receptive_field").glob("*.py"):  # stands alone
        assert set(re.findall(r"(?:from|import) mnist_lib\.(\w+)", path.read_text())) <= {"receptive_field"}, path.name


def test_figures_are_small_and_there():
    for name in re.findall(r"figures/[\w-]+\.png", README):
        assert 1_000 < (ROOT / name).stat().st_size < 500_000, name
    assert torch.load(ROOT / "records/card-seed-0.pt", weights_only=True)


def test_the_speed_table_and_quicks_numbers_are_those_of_the_records_read_by_other_means():
    speed = json.loads((ROOT / "records/speed.json").read_text())
    section = re.search(r"<!-- SPEED -->(.*?)<!-- END_SPEED -->", README, re.DOTALL)[1]
    classic, ours = speed["epochs"]["classic"], speed["epochs"]["ours"]
    assert len(classic) == len(ours) == speed["rounds"] >= 5 and speed["dataset"]["sha256"] == MNIST_SHA256
    ratios = sorted(a / b for a, b in zip(classic, ours))
    assert f"{ratios[len(ratios) // 2]:.1f} ({ratios[0]:.1f} to {ratios[-1]:.1f})" in section
    assert speed["machine"]["device"] in section and speed["versions"]["torch"] in section
    quick = [json.loads(path.read_text()) for path in (ROOT / "records").glob("quick-seed-*.json")]
    assert len(quick) >= 20 and len({record["config"]["seed"] for record in quick}) == len(quick)
    right = sum(record["test"]["correct"] for record in quick)
    assert f"**{right / len(quick) / 100:.2f} %**" in re.search(r"<!-- QUICK -->(.*?)<!-- END_QUICK -->", README, re.DOTALL)[1]
    assert all(record["parameters"] == 13_960 and record["dataset"]["sha256"] == MNIST_SHA256 for record in quick)


def test_half_a_benchmark_is_refused(tmp_path):
    (tmp_path / "speed.json").write_text(json.dumps({"dataset": {"sha256": MNIST_SHA256}, "epochs": {}}))
    with pytest.raises(ReportError, match="no whole benchmark"):
        report.speed_record(tmp_path)


@pytest.mark.parametrize("name", ["speed", "choice"])
def test_numbers_of_another_quick_are_refused(name, tmp_path):
    record = json.loads((ROOT / f"records/{name}.json").read_text())
    read = getattr(report, f"{name}_record")
    assert read()["quick"] == record["quick"]
    record["quick"]["epochs"] += 1
    (tmp_path / f"{name}.json").write_text(json.dumps(record))
    with pytest.raises(ReportError, match=f"{name}.json is no "):
        read(tmp_path)


def test_the_accuracies_side_by_side_are_the_records():
    same = json.loads((ROOT / "records/same.json").read_text())
    section = re.search(r"<!-- SAME -->(.*?)<!-- END_SAME -->", README, re.DOTALL)[1]
    assert len(same["fast"]) == len(same["plain"]) >= 5 and same["dataset"]["sha256"] == MNIST_SHA256
    for accuracies in (same["fast"], same["plain"]):
        assert f"{100 * sum(accuracies) / len(accuracies):.2f} %" in section
