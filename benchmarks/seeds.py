"""Run a recipe with several seeds, one after the other, and keep the records that README's means are made from.

python -m benchmarks.seeds quick --to 20           # seeds 0 to 19 -> records/quick-seed-N.json
python -m benchmarks.seeds card --from 1 --to 5    # seed 0 of the card is that of `make run`

Leave the machine alone meanwhile: the records hold times.
"""

import argparse
import json
from dataclasses import replace

import torch

from mnist_lib.data import MNIST_SHA256, load
from mnist_lib.files import write_whole
from mnist_lib.report import RECORDS
from mnist_lib.trainer import CARD, QUICK, train


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", choices=("card", "quick"))
    parser.add_argument("--from", type=int, default=0, dest="first")
    parser.add_argument("--to", type=int, required=True)
    options = parser.parse_args()
    dataset, recipe = load(), {"card": CARD, "quick": QUICK}[options.recipe]
    if dataset.sha256 != MNIST_SHA256:
        parser.error(f"the records are of MNIST, not of {dataset.name}: set MNIST_LIB_DATA to a folder with its four files.")
    torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1)  # the first optimizer of a process waits seconds for imports
    for seed in range(options.first, options.to):
        record = train(replace(recipe, seed=seed), dataset).record
        write_whole(RECORDS / f"{options.recipe}-seed-{seed}.json", json.dumps(record, indent=1).encode() + b"\n")
        print(f"seed {seed}: {record['test']['accuracy']:.2%} in {record['seconds_in_all']:.1f} s", flush=True)


if __name__ == "__main__":
    main()
