"""Which images each step takes, and how they are changed."""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

import torch
from torch import Tensor

from mnist_lib.trainer.config import TrainConfig
from mnist_lib.transforms import Augment, normalise, to_float


def epoch_seed(seed: int, epoch: int) -> int:
    """The seed of an epoch's random numbers; epoch 0 is the first weights. No two seeds share one within 100,003 epochs.

    So epoch 7 draws the same numbers whether or not the run was interrupted before it.
    """
    return (seed * 100_003 + epoch) % 2**63


def epoch_order(config: TrainConfig, n: int, memory: dict[str, Tensor], device: torch.device) -> Tensor:
    """The images of the epoch that begins, by index (m,): all n in random order, unless an ingredient picks some.

    memory: what the ingredients remember (Run.memory).
    """
    for ingredient in config.ingredients:
        order = ingredient.sampler(n, config.batch_size, memory, device)
        if order is not None:
            return order
    return torch.randperm(n, device=device)


def augments(config: TrainConfig, first: int, last: int, steps: int) -> list[Augment | None]:
    """What changes the images of each step from first up to, but without, last, in a run of this many steps."""
    made = []
    for step in range(first, last):
        augment = config.augment
        for ingredient in config.ingredients:
            augment = ingredient.augment(augment, step / steps)
        made.append(augment)
    return made


def batches(
    images: Tensor,
    labels: Tensor,
    order: Sequence[Tensor],
    augment_at: Sequence[Augment | None],
    to_input_format: Callable[[Tensor], Tensor] = torch.Tensor.contiguous,
    together: int = 8,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches, augmented and normalised, with their labels: (batch, 1, 28, 28) and (batch,).

    images: uint8 (N, 1, 28, 28). order: the images of each batch, by index (batch,). Batch number b is changed by
    augment_at[b]; they end with the shorter list. to_input_format: how they lie in memory in the end. Neighbouring batches
    that are changed in the same way, up to `together` of them, are made in one go.
    """
    for first in range(0, len(order), together):
        group = zip(augment_at[first : first + together], order[first:])
        for augment, alike in groupby(group, key=lambda pair: pair[0]):
            picked = [indices for _, indices in alike]
            changed = to_float(images[torch.cat(picked)])
            changed = normalise(augment(changed) if augment else changed)
            sizes = [len(indices) for indices in picked]
            yield from zip(to_input_format(changed).split(sizes), (labels[indices] for indices in picked))
