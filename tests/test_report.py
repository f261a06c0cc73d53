"""README says what the committed records say, and only a true card run may stand there."""

import copy
import io
import json
import re
from pathlib import Path

import pytest
import torch

from mnist_lib import data, records, report
from mnist_lib.__main__ import main
from mnist_lib.checkpoints import recorded_net
from mnist_lib.data import MNIST_SHA256
from mnist_lib.evaluation import evaluate
from mnist_lib.files import ROOT
from mnist_lib.model import DigitNet
from mnist_lib.report import ReportError, fill, sections

README = (ROOT / "README.md").read_text()


@pytest.fixture
def record() -> dict:
    return copy.deepcopy(records.runs("card")[0])


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
    card = records.runs("card")
    assert len(card) >= 5
    assert [record["config"]["seed"] for record in card] == list(range(len(card)))
    for record in card:
        assert record["dataset"]["sha256"] == MNIST_SHA256 and record["parameters"] == 13_960
        assert record["test"]["n"] == 10_000 and record["test"]["accuracy"] == record["test"]["correct"] / 10_000
        assert [entry["epoch"] for entry in record["history"]] == list(range(1, 21))


def test_the_recorded_weights_reach_the_recorded_accuracy(mnist, record):
    """The committed network, evaluated anew. Another processor may round a logit otherwise: two images of slack."""
    score = evaluate(recorded_net(), mnist.test_images, mnist.test_labels)
    assert abs(score.correct - record["test"]["correct"]) <= 2


@pytest.fixture
def written(monkeypatch) -> dict[Path, bytes]:
    """What write_report would write, by path; nothing is."""
    wanted = {}
    monkeypatch.setattr(report, "write_whole", lambda path, body: wanted.update({path: body}))
    monkeypatch.setattr("mnist_lib.widgets.page.write_page", lambda dataset: wanted.update({report.ROOT / "docs": b""}))
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


def test_a_run_of_another_machine_is_not_taken(record, mnist, tmp_path, capsys, written):
    record["machine"]["device"] = "another machine"
    assert "several machines" in refused(["report", "--record", given(tmp_path, record, WEIGHTS)], capsys, written)


def test_seed_0_is_taken_with_its_weights_or_not_at_all(record, mnist, tmp_path, capsys, written):
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
def test_weights_that_read_more_or_less_than_the_record_says_are_not_taken(record, mnist, tmp_path, capsys, written, off):
    record["test"]["correct"] += off
    record["test"]["accuracy"] = record["test"]["correct"] / 10_000
    said = refused(["report", "--record", given(tmp_path, record, WEIGHTS)], capsys, written)
    assert "model.pt beside record.json reads 9,956 right" in said


def test_without_mnist_nothing_is_written(record, tmp_path, capsys, written, monkeypatch):
    monkeypatch.setattr(report, "load", lambda: data.load("digits"))
    assert "The figures show MNIST" in refused(["report", "--record", given(tmp_path, record, WEIGHTS)], capsys, written)
    assert "The figures show MNIST" in refused(["report"], capsys, written)


def test_a_run_joins_the_records_with_all_that_follows_from_it(record, mnist, tmp_path, written):
    """Seed 0 brings its weights, any other seed none; README, figures and notebooks come with it."""
    assert main(["report", "--record", given(tmp_path, record, WEIGHTS)]) == 0
    names = {path.relative_to(ROOT).as_posix(): body for path, body in written.items()}
    assert names["records/card-seed-0.pt"] == WEIGHTS and json.loads(names["records/card-seed-0.json"]) == record
    assert names["README.md"].decode() == README
    assert {"figures/architecture-dark.png", "figures/training-light.png", "notebooks/04_training.ipynb"} <= names.keys()
    written.clear()
    record["config"]["seed"], record["test"]["correct"], record["test"]["accuracy"] = 5, 9_990, 0.999
    assert main(["report", "--record", given(tmp_path, record, WEIGHTS)]) == 0
    names = {path.relative_to(ROOT).as_posix(): body for path, body in written.items()}
    assert "records/card-seed-5.json" in names and not [name for name in names if name.endswith(".pt")]
    assert "the mean of 6 runs (seeds 0 to 5" in names["README.md"].decode()


def test_markers_are_filled_once():
    assert fill("a\n<!-- X -->\nold\n<!-- END_X -->\nb", {"X": "new"}) == "a\n<!-- X -->\nnew\n<!-- END_X -->\nb"
    with pytest.raises(ReportError, match="markers of X"):
        fill("no markers", {"X": "new"})


def test_the_address_stands_in_one_place():
    address = report.repository()
    assert re.fullmatch(r"https://github\.com/[^/]+/[^/]+", address)
    owner_and_name = address.removeprefix("https://github.com/")
    assert set(re.findall(r"colab\.research\.google\.com/github/([^/]+/[^/]+)/blob", README)) == {owner_and_name}
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        assert f'REPOSITORY = \\"{address}\\"' in path.read_text(), path.name
    code = [p for p in ROOT.rglob("*.py") if ".venv" not in p.parts and "out" not in p.parts]
    assert not [p.name for p in code if owner_and_name in p.read_text()]


ROOMS = (  # each may import those above it
    "files checks colab",
    "layers muon receptive_field transforms statistics idx",
    "model download votes",
    "data draws compiled graphed interpret",
    "side_by_side engine ingredients",
    "config evaluation surgery",
    "schedule batches",
    "trainer",
    "progress recipes checkpoints",
    "records",
    "study",
    "cluster studies plots widgets predictions exercises",
    "report headless",
    "__main__",
)


def test_arrows_between_modules_run_one_way():
    """As the house is drawn: no room imports one of its own floor or of one below it in this list."""
    floor = {name: number for number, names in enumerate(ROOMS) for name in names.split()}
    package = Path(report.__file__).parent
    for path in package.rglob("*.py"):
        room = path.relative_to(package).parts[0].removesuffix(".py")
        if room == "__init__":
            continue
        text = path.read_text()
        found = set(re.findall(r"(?:from|import) mnist_lib\.(\w+)", text))
        for names in re.findall(r"from mnist_lib import ([\w, ]+)", text):
            found |= {name.strip() for name in names.split(",")}
        assert room in floor, f"{room} has no floor yet"
        assert not [other for other in found - {room} if floor[other] >= floor[room]], room


def test_figures_are_small_and_there():
    for name in re.findall(r"figures/[\w-]+\.png", README):
        assert 1_000 < (ROOT / name).stat().st_size < 500_000, name
    assert torch.load(ROOT / "records/card-seed-0.pt", weights_only=True, map_location="cpu")


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


def test_the_accuracies_side_by_side_are_the_records():
    same = json.loads((ROOT / "records/engine_accuracy.json").read_text())
    section = re.search(r"<!-- ENGINE_ACCURACY -->(.*?)<!-- END_ENGINE_ACCURACY -->", README, re.DOTALL)[1]
    assert len(same["fast"]) == len(same["plain"]) >= 5 and same["dataset"]["sha256"] == MNIST_SHA256
    for accuracies in (same["fast"], same["plain"]):
        assert f"{100 * sum(accuracies) / len(accuracies):.2f} %" in section
