"""What each ingredient of `quick` is worth: the recipe without it, judged on training images that it does not train on.

python -m benchmarks.choice            # about ten minutes on 2 cores; writes records/choice.json

Seed s holds out another 5,000 of the 60,000 training images than seed s + 1 does. All variants take as many steps as `quick`,
and nothing else is tuned again for them. The test images are not read.
"""

import argparse
import json
from dataclasses import asdict, replace

from mnist_lib.data import MNIST_SHA256, Dataset, load
from mnist_lib.files import write_whole
from mnist_lib.report import RECORDS
from mnist_lib.trainer import QUICK, TrainConfig, make_record, train

HELD_OUT = 5000


def variants(images: int) -> dict[str, TrainConfig]:
    """`quick`, and `quick` with one ingredient as the card has it, for so many training images."""
    steps = QUICK.steps(images)
    changes = {
        "quick": {},
        "SGD for all weights (no Muon)": {"muon": 0.0},
        "first filters random (not whitened)": {"whiten": False},
        "every epoch all images (not the hardest)": {"hardest": 1, "epochs": steps / replace(QUICK, epochs=1).steps(images)},
        "first block learns to the end (no freeze)": {"freeze": 0.0},
    }
    made = {name: replace(QUICK, validation=HELD_OUT, **change) for name, change in changes.items()}
    assert all(config.steps(images) == steps for config in made.values())
    return made


def turned(dataset: Dataset, seed: int, held_out: int = HELD_OUT) -> Dataset:
    """The same images in another order, so that the last ones, which a run holds out, are others for each of 12 seeds."""
    by = held_out * (seed + 1)
    return replace(dataset, train_images=dataset.train_images.roll(by, 0), train_labels=dataset.train_labels.roll(by, 0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5, choices=range(2, 13))
    options = parser.parse_args()
    dataset = load()
    if dataset.sha256 != MNIST_SHA256:
        parser.error(f"the record is of MNIST, not of {dataset.name}: set MNIST_LIB_DATA to a folder with its four files.")
    recipes = variants(len(dataset.train_labels) - HELD_OUT)
    result = {"quick": asdict(QUICK), "held_out": HELD_OUT, "accuracy": {name: [] for name in recipes}}
    for seed in range(options.seeds):
        for name, config in recipes.items():
            run = train(replace(config, seed=seed), turned(dataset, seed))
            result["accuracy"][name].append(run.history[-1]["validation_accuracy"])
            print(f"seed {seed}, {name}: {result['accuracy'][name][-1]:.2%}", flush=True)
    record = make_record(run, None)
    result |= {name: record[name] for name in ("dataset", "machine", "versions", "date")}
    write_whole(RECORDS / "choice.json", json.dumps(result, indent=1).encode() + b"\n")


if __name__ == "__main__":
    main()
