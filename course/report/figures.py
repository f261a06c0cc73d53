"""The pictures of figures/, drawn from records and the recorded network."""

import io
from pathlib import Path

from course.report.results import Spread
from mnist_lib.data import Dataset
from mnist_lib.model import DigitNet
from mnist_lib.studies import records
from mnist_lib.studies.catalogue import CLAIMS, FEWEST_LONG_STUDY, FEWEST_STUDY, FRONTIER_STUDY, LATER, QUICK_STUDY
from mnist_lib.studies.study import Records, table
from mnist_lib.support.paths import ROOT
from mnist_lib.trainer.recipes import LONG, QUICK


def figures(net: DigitNet, dataset: Dataset, studied: dict[str, Records]) -> dict[Path, bytes]:
    """figures/: each picture for GitHub's light and dark pages."""
    from mnist_lib import plots  # imported here: matplotlib is slow to import, and only this needs it

    validated, speed, pngs = records.held_out(), records.benchmark("speed"), {}
    quick = next(row for row in table(QUICK_STUDY, studied["quick"]) if row.variant == "quick")
    easier = Spread.of(records.runs("quick")).mean - quick.mean  # than held-out images
    sizes = {
        f"{recipe.steps(55_000):,} steps": table(study, studied[study.name])
        for recipe, study in ((QUICK, FEWEST_STUDY), (LONG, FEWEST_LONG_STUDY))
    }
    frontier = table(FRONTIER_STUDY, studied["frontier"])
    shapes = {
        "the card's shape": table(FEWEST_LONG_STUDY, studied["fewest long"]),
        "separable": [row for row in frontier if row.variant not in LATER],
        "pooled later": [row for row in frontier if row.variant in LATER],
    }
    for theme, colours in (("light", plots.LIGHT), ("dark", plots.DARK)):
        plots.use_theme(colours)
        pictures = {
            "architecture": plots.architecture(net, dataset.train_images[15] / 255),
            "training": plots.curves(
                validated["history"],
                "MNIST: 55,000 training images, 5,000 held out, seed 0; the test images are not read",
            ),
            "fewest": plots.accuracy_over_parameters(
                sizes,
                "MNIST: networks with fewer filters; 5,000 held-out images per seed",
                99.4 - easier,
                "99.4 % on\ntest images",
            ),
            "frontier": plots.accuracy_over_parameters(
                shapes,
                "MNIST: 5,000 held-out images per seed; hollow: what others report for the test images",
                99.4 - easier,
                "99.4 % on\ntest images",
                claims=CLAIMS,
                easier=easier,
            ),
            "speed": plots.step_times(speed["profile"], "MNIST: where the time of a training step goes"),
        }
        for name, figure in pictures.items():
            png = io.BytesIO()
            figure.savefig(png, dpi=150)
            pngs[ROOT / "figures" / f"{name}-{theme}.png"] = png.getvalue()
    plots.use_theme(plots.LIGHT)
    return pngs
