"""Run a recipe with several seeds, one after the other, and keep the records that README's means are made from.

python -m benchmarks.seeds quick --to 20           # seeds 0 to 19 -> records/quick-seed-N.json
python -m benchmarks.seeds card --from 1 --to 5    # seed 0 of the card is that of `make run`

Leave the machine alone meanwhile: the records hold times.
"""

from dataclasses import replace

import torch

from benchmarks.common import arguments, mnist
from mnist_lib import records
from mnist_lib.recipes import RECIPES
from mnist_lib.trainer import train


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("recipe", choices=RECIPES)
    parser.add_argument("--from", type=int, default=0, dest="first")
    parser.add_argument("--to", type=int, required=True)
    options = parser.parse_args()
    dataset = mnist(parser)
    torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1)  # the first optimizer of a process waits seconds for imports
    for seed in range(options.first, options.to):
        record = train(replace(RECIPES[options.recipe], seed=seed), dataset).record
        records.write(records.RECORDS / f"{options.recipe}-seed-{seed}.json", record)
        print(f"seed {seed}: {record['test']['accuracy']:.2%} in {record['seconds_in_all']:.1f} s", flush=True)


if __name__ == "__main__":
    main()
