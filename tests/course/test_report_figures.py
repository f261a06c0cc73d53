"""figures/ are there, and drawn from the records."""

import json
import re
from types import SimpleNamespace

import pytest
import torch

from course.report.figures import figures
from mnist_lib import plots
from mnist_lib.model import DigitNet
from mnist_lib.studies.catalogue import FEWEST_LONG_STUDY, FEWEST_STUDY, QUICK_STUDY
from mnist_lib.studies.study import recorded
from mnist_lib.support.paths import ROOT


def test_figures_are_small_and_there():
    for name in re.findall(r"figures/[\w-]+\.png", (ROOT / "README.md").read_text()):
        assert 1_000 < (ROOT / name).stat().st_size < 500_000, name


def test_figures_line_of_small_networks_is_the_goal_on_held_out_images(monkeypatch):
    """`quick` reads fewer of those than of the test images: by so much the line lies below 99.4."""
    lines, blank = [], SimpleNamespace(savefig=lambda *_, **__: None)
    for name in ("architecture", "curves", "step_times"):
        monkeypatch.setattr(plots, name, lambda *_: blank)
    monkeypatch.setattr(plots, "accuracy_over_parameters", lambda _, title, line, called: lines.append(line) or blank)
    studies = (QUICK_STUDY, FEWEST_STUDY, FEWEST_LONG_STUDY)
    figures(DigitNet(), SimpleNamespace(train_images=torch.zeros(16)), {study.name: recorded(study) for study in studies})
    tested, held_out = (
        [json.loads(path.read_text()) for path in (ROOT / "records").glob(files)]
        for files in ("quick-seed-*.json", "studies/quick/*/quick-seed-*.json")
    )
    reads = sum(run["test"]["accuracy"] for run in tested) / len(tested)
    harder = reads - sum(run["history"][-1]["validation_accuracy"] for run in held_out) / len(held_out)
    assert harder > 0 and lines == 2 * [pytest.approx(99.4 - 100 * harder)]
