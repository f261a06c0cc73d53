"""Which images each step takes, and how they are changed."""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

import torch
from torch import Tensor

from mnist_lib.support.rng import Stream, permutation
from mnist_lib.trainer.config import TrainConfig
from mnist_lib.transforms import Augment, normalise, to_float


def epoch_order(config: TrainConfig, n: int, kept: dict[str, Tensor], draws: Sequence[Stream], device: torch.device) -> Tensor:
    """The images of the epoch that begins, by index: all n in random order, unless an ingredient picks some.

    (m,), or (m, members) for several draws; kept: what the ingredients remember (Run.kept).
    """
    for ingredient in config.ingredients:
        order = ingredient.order(n, config.batch_size, kept, draws, device)
        if order is not None:
            return order
    return permutation(n, draws, device)


def augments(config: TrainConfig, first: int, last: int, steps: int) -> list[Augment | None]:
    """What changes the images of each step from first to before last, of a run of so many steps."""
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
    draws: Sequence[Stream] = (None,),
    lay: Callable[[Tensor], Tensor] = torch.Tensor.contiguous,
    together: int = 8,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches, augmented and normalised, with their labels: (batch, 1, 28, 28) and (batch,).

    images: uint8 (N, 1, 28, 28). order: the images of each batch, by index, (batch,). With several draws, one for each network,
    it is (batch, members), and so are the labels; the images are (batch, members, 28, 28). Batch number b is changed by
    augment_at[b]; they end with the shorter list. lay: how they lie in memory in the end. Neighbouring batches that are changed
    alike, up to `together`, are made in one go.
    """
    for first in range(0, len(order), together):
        group = zip(augment_at[first : first + together], order[first:])
        for augment, alike in groupby(group, key=lambda pair: pair[0]):
            picked, changed = [indices for _, indices in alike], []
            for own, draw in zip(torch.cat(picked).view(-1, len(draws)).unbind(1), draws, strict=True):  # of each network
                one = to_float(images[own])
                changed.append(normalise(augment(one, draw) if augment else one))
            yield from zip(lay(torch.cat(changed, dim=1)).split([len(one) for one in picked]), (labels[one] for one in picked))
