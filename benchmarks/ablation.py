"""What each ingredient of `quick` is worth: the recipe without it, judged on training images that it does not train on.

python -m benchmarks.ablation          # about ten minutes on 2 cores; writes records/ablation.json

Seed s holds out another 5,000 of the 60,000 training images than seed s + 1 does. All variants take as many steps as `quick`,
and nothing else is tuned again for them. The test images are not read.
"""

from dataclasses import replace

from benchmarks.common import arguments, mnist
from mnist_lib import records
from mnist_lib.config import TrainConfig
from mnist_lib.data import Dataset
from mnist_lib.ingredients import Freeze, Hardest, Muon, Whiten
from mnist_lib.recipes import QUICK
from mnist_lib.trainer import train

HELD_OUT = 5000
LEFT_OUT = {
    "SGD for all weights (no Muon)": Muon,
    "first filters random (not whitened)": Whiten,
    "every epoch all images (not the hardest)": Hardest,
    "first block learns to the end (no freeze)": Freeze,
}


def variants(images: int) -> dict[str, TrainConfig]:
    """`quick`, and `quick` without one ingredient, for so many training images; all take as many steps."""
    made = {"quick": QUICK} | {name: QUICK.without(kind) for name, kind in LEFT_OUT.items()}
    steps = QUICK.steps(images)
    for name, config in made.items():
        if config.steps(images) != steps:
            config = replace(config, epochs=steps / replace(config, epochs=1).steps(images))
        made[name] = replace(config, validation=HELD_OUT)
    assert all(config.steps(images) == steps for config in made.values())
    return made


def holding_out(dataset: Dataset, seed: int, images: int = HELD_OUT) -> Dataset:
    """The same images in another order, so that the last ones, which a run holds out, are others for each of 12 seeds."""
    by = images * (seed + 1)
    return replace(dataset, train_images=dataset.train_images.roll(by, 0), train_labels=dataset.train_labels.roll(by, 0))


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--seeds", type=int, default=5, choices=range(2, 13))
    options = parser.parse_args()
    dataset = mnist(parser)
    recipes = variants(len(dataset.train_labels) - HELD_OUT)
    result = {"quick": QUICK.plain(), "held_out": HELD_OUT, "accuracy": {name: [] for name in recipes}}
    for seed in range(options.seeds):
        for name, config in recipes.items():
            run = train(replace(config, seed=seed), holding_out(dataset, seed))
            result["accuracy"][name].append(run.history[-1]["validation_accuracy"])
            print(f"seed {seed}, {name}: {result['accuracy'][name][-1]:.2%}", flush=True)
    result |= {name: run.record[name] for name in ("dataset", "machine", "versions", "date")}
    records.write(records.RECORDS / "ablation.json", result)


if __name__ == "__main__":
    main()
