"""Random numbers: one stream for each network of a run, begun anew every epoch.

So epoch 7 draws the same numbers whether or not the run was interrupted before it, and a network draws the same whether it
trains alone or beside others.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

Stream = torch.Generator | None  # None: torch's own


def epoch_seed(seed: int, epoch: int) -> int:
    """The seed of an epoch's random numbers; epoch 0 is the first weights. No two seeds share one within 100,003 epochs."""
    return (seed * 100_003 + epoch) % 2**63


def streams(seeds: Sequence[int], epoch: int, device: torch.device) -> list[Stream]:
    """Where each network's numbers of this epoch come from: its images' order, their augmentation, its dropout.

    A lone network draws from torch's own generator, which this seeds.
    """
    torch.manual_seed(epoch_seed(seeds[0], epoch))
    if len(seeds) == 1:
        return [None]
    return [torch.Generator(device).manual_seed(epoch_seed(seed, epoch)) for seed in seeds]


def permutation(n: int, draws: Sequence[Stream], device: torch.device) -> Tensor:
    """0 to n - 1 in random order: (n,), or (n, members), a column for each of several streams."""
    columns = [torch.randperm(n, generator=draw, device=device) for draw in draws]
    return columns[0] if len(columns) == 1 else torch.stack(columns, dim=1)
