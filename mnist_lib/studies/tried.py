"""Ingredients that were tried for `best`: the study `best screening`, whose table is in RESULTS.md."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mnist_lib.trainer.config import Ingredient
from mnist_lib.transforms import Augment


@dataclass(frozen=True)
class Smoothing(Ingredient):
    """Label smoothing (Szegedy et al. 2016): this share of each label is spread over all ten classes.

    It adds share / (1 - share) times the mean cross-entropy of the ten classes to the loss. That needs no label, so the
    gradient is added where the logits leave the network. The whole is 1 / (1 - share) times cross_entropy's own option.
    """

    share: float

    compiles = False  # a compiled pass calls no hooks

    def network(self, model: nn.Module) -> nn.Module:
        def smooth(model: nn.Module, inputs: tuple[Tensor], logits: Tensor) -> None:
            if logits.requires_grad:
                excess = (logits.detach().softmax(1) - 1 / 10) * self.share / (1 - self.share) / len(logits)
                logits.register_hook(lambda gradient: gradient + excess)

        model.register_forward_hook(smooth)
        return model


@dataclass(frozen=True)
class Fade(Ingredient):
    """The strength of the augmentation goes from first towards last in twenty equal steps, and ends one step short."""

    first: float
    last: float

    def augment(self, augment: Augment, done: float) -> Augment:
        return augment.scaled(self.first + (self.last - self.first) * int(20 * done) / 20)


@dataclass(frozen=True)
class Then:
    """The augmentation, and one more change to what it gives."""

    augment: Augment
    change: Callable[[Tensor], Tensor]

    def __call__(self, images: Tensor) -> Tensor:
        return self.change(self.augment(images))


@dataclass(frozen=True)
class Elastic(Ingredient):
    """Elastic distortions (Simard et al. 2003), coarse ones: random shifts of about this many pixels on a 5x5 grid."""

    pixels: float

    def augment(self, augment: Augment, done: float) -> Then:
        return Then(augment, self.bend)

    def bend(self, images: Tensor) -> Tensor:
        n, _, height, width = images.shape
        shifts = 2 / width * self.pixels * torch.randn(n, 2, 5, 5)  # grid_sample measures from -1 to 1
        shifts = F.interpolate(shifts, size=(height, width), mode="bicubic", align_corners=True).permute(0, 2, 3, 1)
        grid = F.affine_grid(torch.eye(2, 3).expand(n, 2, 3), (n, 1, height, width), align_corners=False)
        return F.grid_sample(images, grid + shifts, align_corners=False)


@dataclass(frozen=True)
class Erasing(Ingredient):
    """Random erasing (Zhong et al. 2020): a square of this side is blackened at a random place in every second image."""

    side: int

    def augment(self, augment: Augment, done: float) -> Then:
        return Then(augment, self.erase)

    def erase(self, images: Tensor) -> Tensor:
        n, _, height, width = images.shape
        top, left = (torch.randint(0, end - self.side + 1, (n, 1, 1)) for end in (height, width))
        rows, columns = torch.arange(height)[:, None], torch.arange(width)
        square = (rows >= top) & (rows < top + self.side) & (columns >= left) & (columns < left + self.side)
        return images.masked_fill((square & (torch.rand(n, 1, 1) < 0.5))[:, None], 0)


@dataclass(frozen=True)
class DecayFilters(Ingredient):
    """Weight decay on the convolutions' weights alone: not on biases, nor on BatchNorm's factors and shifts."""

    def param_group(self, weight: str) -> dict:
        return {} if weight.startswith("conv") and weight.endswith(".weight") else {"weight_decay": 0.0}


@dataclass(frozen=True)
class LeaveOut(Ingredient):
    """From the eleventh epoch on, this share of the images is left out: those with the highest losses so far.

    Their labels are the most doubtful. "So far" is an average in which each epoch counts four fifths of the next one.
    """

    share: float

    def sampler(self, n: int, batch_size: int, memory: dict[str, Tensor], device: torch.device) -> Tensor:
        memory.setdefault("mean_losses", torch.zeros(n, device=device))
        memory["epochs"] = memory.get("epochs", torch.zeros((), device=device)) + 1
        order = torch.randperm(n, device=device)
        if memory["epochs"] <= 10:
            return order
        doubtful = torch.zeros(n, dtype=torch.bool, device=device)
        doubtful[memory["mean_losses"].topk(round(self.share * n)).indices] = True
        return order[~doubtful[order]]

    def after_step(self, indices: Tensor, losses: Tensor, memory: dict[str, Tensor]) -> None:
        memory["mean_losses"][indices] = 0.8 * memory["mean_losses"][indices] + 0.2 * losses.float()
