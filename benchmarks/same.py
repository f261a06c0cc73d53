"""Does the fast engine reach what plain PyTorch reaches? Five seeds each way, the card's recipe shortened to two epochs.

python -m benchmarks.same                    # about ten minutes on 2 cores; prints, and writes records/same.json

Plain: torch's own modules and SGD in float32, nn.Dropout, no compiler. Fast: `train` with all that the machine has. Both see
the library's augmentation. The test images are read once a run, after the last epoch.
"""

import argparse
import json
import platform
from datetime import date
from pathlib import Path

import torch

from benchmarks.classic import network
from benchmarks.speed import Rung, epoch
from mnist_lib.data import MNIST_SHA256, Dataset, load
from mnist_lib.engine import Engine
from mnist_lib.files import ROOT, write_whole
from mnist_lib.trainer import TrainConfig, device_name, epoch_seed, evaluate, one_cycle, train


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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5, choices=range(2, 21))
    parser.add_argument("--epochs", type=int, default=2, choices=range(1, 21))
    parser.add_argument("--out", type=Path, default=ROOT / "records" / "same.json")
    options = parser.parse_args()
    dataset, fast, slow = load(), [], []
    if dataset.sha256 != MNIST_SHA256:
        parser.error(f"the record is of MNIST, not of {dataset.name}: set MNIST_LIB_DATA to a folder with its four files.")
    for seed in range(options.seeds):
        config = TrainConfig(epochs=options.epochs, seed=seed, compiled="yes", device="cpu")
        slow.append(plain(dataset, config))
        fast.append(train(config, dataset).record["test"]["accuracy"])
        print(f"seed {seed}: plain {slow[-1]:.2%}, fast {fast[-1]:.2%}", flush=True)
    record = {
        "dataset": {"name": dataset.name, "sha256": dataset.sha256},
        "epochs": options.epochs,
        "plain": slow,
        "fast": fast,
        "engine": str(Engine.choose("cpu", compiled="yes")),
        "machine": device_name(torch.device("cpu")),
        "versions": {"python": platform.python_version(), "torch": str(torch.__version__)},
        "date": date.today().isoformat(),
    }
    write_whole(options.out, json.dumps(record, indent=1).encode() + b"\n")


if __name__ == "__main__":
    main()
