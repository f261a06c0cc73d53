"""What a recipe may add to the loop of loop.py: one small class each, with the few hooks of `Ingredient` that it needs."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mnist_lib.model import DigitNet
from mnist_lib.support import validation
from mnist_lib.trainer.config import Ingredient
from mnist_lib.trainer.muon import MuonSGD
from mnist_lib.transforms import Augment, to_float


@dataclass(frozen=True)
class Whiten(Ingredient):
    """conv1 starts with the principal directions of 3x3 patches of the training images, and their negatives."""

    def first_weights(self, model: nn.Module, images: Tensor) -> None:
        whiten(model.conv1, images)


@torch.no_grad()
def whiten(conv: nn.Conv2d, images: Tensor, sample: int = 2000) -> None:
    """Set the filters of conv (out, 1, k, k) to the principal directions of the images' patches, the strongest first.

    Each is followed by its negative, for what ReLU would cut off. With fewer filters, the weakest directions are left out;
    with more, the other filters stay as they were drawn.
    images: uint8 (N, 1, H, W). (After Jordan's "94 % on CIFAR-10 in 3.29 seconds", which also makes the
    directions equally strong; here BatchNorm does.)
    """
    k = conv.kernel_size[0]
    patches = F.unfold(to_float(images[:sample].cpu()), k).mT.reshape(-1, k * k)  # not every device has eigh
    directions = torch.linalg.eigh(patches.T.cov())[1].T.flip(0)  # (k * k, k * k), one direction per row
    filters = torch.stack([directions, -directions], dim=1).flatten(0, 1)[: len(conv.weight)]
    conv.weight[: len(filters)] = filters.view(-1, 1, k, k).to(conv.weight)


@dataclass(frozen=True)
class Muon(Ingredient):
    """conv1..conv7 learn by Muon (see muon.py) with this max_lr and momentum and no weight decay; the rest learns by SGD."""

    lr: float
    momentum: float = 0.6  # as in Jordan's runs on CIFAR-10

    optimizer = MuonSGD

    def __post_init__(self):
        validation.number("Muon's lr", self.lr, above=0)
        validation.share("Muon's momentum", self.momentum)

    def param_group(self, weight: str) -> dict:
        if weight not in {f"conv{number}.weight" for number in range(1, 8)}:
            return {}
        return {"lr": self.lr, "momentum": self.momentum, "muon": True}


@dataclass(frozen=True)
class Hardest(Ingredient):
    """From the second epoch on, an epoch takes only this share of the images: those with the highest losses when last seen.

    They are taken from each batch of the first epoch. (An image that is left out keeps its old loss, so it is taken again
    once the others' losses have fallen below it.) The training accuracy of such an epoch is that of these images alone.
    """

    share: float

    def __post_init__(self):
        validation.number("Hardest's share", self.share, above=0, below=1)

    def of(self, images: int) -> int:
        """How many of a batch of the first epoch a later one takes."""
        return math.ceil(self.share * images)

    def later_images(self, n: int, batch_size: int) -> int:
        whole, rest = divmod(n, batch_size)
        return whole * self.of(batch_size) + self.of(rest)

    def sampler(self, n: int, batch_size: int, memory: dict[str, Tensor], device: torch.device) -> Tensor:
        if "first_order" not in memory:
            memory["first_order"] = torch.randperm(n, device=device)
            memory["last_losses"] = torch.zeros(n, device=device)
            return memory["first_order"]
        hardest = []
        for batch in memory["first_order"].split(batch_size):
            losses = memory["last_losses"][batch]
            hardest.append(batch[losses.topk(self.of(len(batch))).indices])
        hardest = torch.cat(hardest)
        return hardest[torch.randperm(len(hardest), device=device)]

    def after_step(self, indices: Tensor, losses: Tensor, memory: dict[str, Tensor]) -> None:
        memory["last_losses"][indices] = losses.to(memory["last_losses"].dtype)


@dataclass(frozen=True)
class Settle(Ingredient):
    """In the last part of the run, this share of its steps, images are changed only half as much."""

    last: float

    def __post_init__(self):
        validation.share("Settle's last", self.last)

    def augment(self, augment: Augment | None, done: float) -> Augment | None:
        return augment.scaled(0.5) if augment and done >= 1 - self.last else augment


@dataclass(frozen=True)
class Coarse(Ingredient):
    """In the first part of the run, this share of its steps, conv2 is computed at every second row and column only.

    Its maps are then as large as those that pool1 hands on, so nothing is pooled, and conv2 and conv3, most of the time, have a
    quarter of their work. The weights are the same; the later steps adjust them to pool1, which takes the largest of four.
    """

    first: float

    compiles = False

    def __post_init__(self):
        validation.share("Coarse's first", self.first)

    def first_weights(self, model: nn.Module, images: Tensor) -> None:
        """Changes none; ValueError for a network in which conv2 can't do pool1's part. (Now no other ingredient changes it.)"""
        if not isinstance(model, DigitNet) or getattr(model.conv3, "kernel_size", (1, 1)) != (1, 1):
            raise ValueError("Coarse is for a DigitNet whose conv3 is 1x1: only then are its maps as large as pooled ones.")

    def adapt(self, model: nn.Module, done: float) -> None:
        stride = 2 if done < self.first else 1
        if model.conv2.stride != (stride, stride):
            model.conv2.stride = stride, stride
            model.pool1 = nn.Identity() if stride == 2 else nn.MaxPool2d(2)
