"""Does the fast engine reach what plain PyTorch reaches? Five seeds each way, the card's recipe shortened to two epochs.

python -m benchmarks.engine_accuracy         # about ten minutes on 2 cores; prints, and writes records/engine_accuracy.json

Plain: torch's own modules and SGD in float32, nn.Dropout, no compiler. Fast: `train` with all that the machine has. Both see
the library's augmentation. The test images are read once a run, after the last epoch.
"""

import torch

from benchmarks.classic import network
from benchmarks.common import arguments, mnist
from benchmarks.speed import Rung, epoch
from mnist_lib import records
from mnist_lib.config import TrainConfig
from mnist_lib.data import Dataset
from mnist_lib.draws import epoch_seed
from mnist_lib.engine import Engine, provenance
from mnist_lib.evaluation import evaluate
from mnist_lib.schedule import one_cycle
from mnist_lib.trainer import train


def plain(dataset: Dataset, config: TrainConfig) -> float:
    """The test accuracy of one run with torch's own modules."""
    torch.manual_seed(epoch_seed(config.seed, 0))
    way = Rung(dataset, network())
    steps = config.steps(len(dataset.train_labels))
    scheduler = one_cycle(way.optimizer, config, steps)
    done = 0
    while done < steps:
        for _ in epoch(way):
            done += 1
            if done < steps:
                scheduler.step()
    return evaluate(way.model, dataset.test_images, dataset.test_labels).accuracy


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--seeds", type=int, default=5, choices=range(2, 21))
    parser.add_argument("--epochs", type=int, default=2, choices=range(1, 21))
    options = parser.parse_args()
    dataset, fast, slow = mnist(parser), [], []
    for seed in range(options.seeds):
        config = TrainConfig(epochs=options.epochs, seed=seed, compiled="yes", device="cpu")
        slow.append(plain(dataset, config))
        fast.append(train(config, dataset).record["test"]["accuracy"])
        print(f"seed {seed}: plain {slow[-1]:.2%}, fast {fast[-1]:.2%}", flush=True)
    engine = Engine.choose("cpu", compiled="yes")
    made_with = provenance(engine)
    record = {
        "dataset": {"name": dataset.name, "sha256": dataset.sha256},
        "epochs": options.epochs,
        "plain": slow,
        "fast": fast,
        "engine": str(engine),
        **made_with,
        "machine": made_with["machine"]["device"],
    }
    records.write(records.RECORDS / "engine_accuracy.json", record)


if __name__ == "__main__":
    main()
