"""The studies of this project, each under its name."""

from dataclasses import replace

import torch

from mnist_lib.model import DigitNet
from mnist_lib.studies.study import Study
from mnist_lib.studies.tried import DecayFilters, Elastic, Erasing, Fade, LeaveOut, Smoothing
from mnist_lib.trainer.config import TrainConfig
from mnist_lib.trainer.ingredients import Coarse, Hardest, Muon, Settle, Whiten
from mnist_lib.trainer.recipes import BEST, CARD, FEW, LONG, NARROW, QUICK, TINY
from mnist_lib.trainer.variants import Flatten, NoBatchNorm, NoBottleneck, Separable, TorchModules, Widths
from mnist_lib.transforms import Augment


def with_equal_steps(variants: dict[str, TrainConfig], images: int = 55_000) -> dict[str, TrainConfig]:
    """The same recipes, with epochs such that each takes as many steps as the first.

    Raises:
        ValueError: one sentence, for a recipe with `Hardest` that takes another number of steps.
    """
    steps = next(iter(variants.values())).steps(images)
    equal = {}
    for name, config in variants.items():
        if config.steps(images) != steps:
            config = replace(config, epochs=steps / replace(config, epochs=1).steps(images))
        if config.steps(images) != steps:
            raise ValueError(f"{name!r} can't be made to take {steps:,} steps: its later epochs are shorter than its first.")
        equal[name] = config
    return equal


def constant(rate: float) -> TrainConfig:
    """The card at one learning rate from the first step to the last."""
    return replace(CARD, max_lr=rate, div_factor=1, final_div_factor=1)


def numbers(widths: tuple[int, ...]) -> int:
    """How many numbers a DigitNet of these widths has."""
    with torch.device("meta"):  # draws no random number
        return sum(weight.numel() for weight in DigitNet(widths=widths).parameters())


def narrower(recipe: TrainConfig, widths: tuple[int, ...], **kernels: tuple[int, ...]) -> TrainConfig:
    """The recipe for a DigitNet of these widths, and kernels."""
    return replace(recipe, ingredients=(Widths(widths, **kernels), *recipe.ingredients))


CARD_STUDY = Study(
    "card",
    {
        "card": CARD,
        "no dropout": replace(CARD, dropout=(0.0, 0.0)),
        "no augmentation": replace(CARD, augment=None),
        "no affine map": replace(CARD, augment=Augment(degrees=0, translate=0, scale=(1, 1), shear=0)),
        "no jitter": replace(CARD, augment=Augment(brightness=0, contrast=0)),
        "no batchnorm": replace(CARD, ingredients=(NoBatchNorm(),)),
        "constant rate 0.01": constant(0.01),
        "constant rate 0.03": constant(0.03),
        "constant rate 0.1": constant(0.1),
        "flatten, no global average": replace(CARD, ingredients=(Flatten(),)),
        "no 1x1 convolution": replace(CARD, ingredients=(NoBottleneck(),)),
    },
)
ALL_FIVE = replace(QUICK, ingredients=(Whiten(), *QUICK.ingredients, Settle(0.25)))
QUICK_STUDY = Study(  # what each ingredient that was tried for `quick` is worth, and the recipe that was made of it
    "quick",
    with_equal_steps(
        {"all five": ALL_FIVE}
        | {f"no {kind.__name__.lower()}": ALL_FIVE.without(kind) for kind in (Muon, Whiten, Hardest, Coarse, Settle)}
        | {"quick": QUICK}
    ),
    seeds=20,
)
BEST_STUDY = Study(  # what BEST was chosen from: one thing changed in each
    "best",
    {
        "settled 0.5": BEST,
        "weaker augmentation": replace(BEST, augment=Augment().scaled(0.7)),
        "rate 0.3": replace(BEST, max_lr=0.3),
        "muon 0.1": replace(BEST, ingredients=(Whiten(), Muon(0.1), Settle(0.5))),
    },
    seeds=2,
)
BEST_SCREENING_STUDY = Study(  # what else was tried, on two folds
    "best screening",
    {"best": BEST}
    | {
        name: replace(BEST, ingredients=ingredients)
        for name, ingredients in {
            "label smoothing 0.05": (Settle(0.5), Smoothing(0.05)),
            "elastic": (Settle(0.5), Elastic(0.7)),
            "erasing": (Settle(0.5), Erasing(6)),
            "augmentation from x1.3 to x0.3": (Fade(1.3, 0.3),),
            "augmentation from x1.2 to none": (Fade(1.2, 0.0),),
            "decay of filters alone": (Settle(0.5), DecayFilters()),
            "0.2 % doubtful left out": (Settle(0.5), LeaveOut(0.002)),
            "muon 0.1, settled 0.75": (Whiten(), Muon(0.1), Settle(0.75)),
        }.items()
    },
    seeds=2,
)
FEWER = (  # filters of conv1..conv7, each about a fifth fewer numbers than the one before
    (16, 32, 10, 16, 16, 16, 16),  # the card's
    (13, 24, 9, 14, 14, 14, 14),
    (12, 18, 8, 12, 12, 12, 12),
    (10, 14, 8, 11, 11, 11, 11),
    (9, 13, 7, 10, 10, 10, 10),
    (8, 12, 6, 9, 9, 9, 9),
    (7, 10, 6, 8, 8, 8, 8),
    (6, 8, 5, 7, 7, 7, 7),
    (5, 7, 5, 6, 6, 6, 6),
)
FEWEST_STUDY = Study("fewest", {f"{numbers(widths)} numbers": narrower(QUICK, widths) for widths in FEWER})
SMALL = FEWER[5]  # 3,967 numbers
SMALL_STUDY = Study(  # how small networks are best trained
    "small",
    {
        "best": narrower(BEST, SMALL),
        "weaker augmentation": narrower(replace(BEST, augment=Augment().scaled(0.7)), SMALL),
        "weaker, whiten, muon 0.1": narrower(
            replace(BEST, augment=Augment().scaled(0.7), ingredients=(Whiten(), Muon(0.1), Settle(0.5))), SMALL
        ),
        "long": narrower(LONG, SMALL),
        "long, 60 epochs": narrower(replace(LONG, epochs=60), SMALL),
    },
    seeds=2,
)
FEWEST_LONG_STUDY = Study(
    "fewest long", {f"{numbers(widths)} numbers": narrower(LONG, widths) for widths in (FEWER[0], *FEWER[2:8])}, seeds=6
)
SHAPES_STUDY = Study(  # where about 3,900 numbers do most
    "shapes",
    {
        "even": narrower(LONG, SMALL),
        "more early": narrower(LONG, (8, 16, 8, 8, 8, 8, 8)),
        "more late": narrower(LONG, (6, 10, 6, 8, 9, 10, 11)),
        "wider 1x1": narrower(LONG, (6, 12, 10, 9, 8, 8, 8)),
        "conv7 1x1": narrower(LONG, (8, 12, 6, 10, 10, 10, 12), kernels=(3, 3, 1, 3, 3, 3, 1)),
    },
    seeds=4,
)
ENGINE_STUDY = Study(  # does what makes a step fast cost accuracy?
    "engine",
    {
        "fast": replace(CARD, epochs=2, compiled="yes"),
        "plain": replace(CARD, epochs=2, precision="float32", compiled="no", ingredients=(TorchModules(),)),
    },
)
PLAIN = TrainConfig(  # for networks of few numbers: all images in every epoch
    max_lr=0.3,
    pct_start=0.3,
    final_div_factor=1e4,
    nesterov=True,
    weight_decay=1e-4,
    dropout=(0.0, 0.0),
    augment=Augment().scaled(0.7),
    ingredients=(Whiten(), Settle(0.3)),
)
HARD = replace(TINY, augment=PLAIN.augment)  # as many images as in 12.8 epochs


def separable(recipe: TrainConfig, *steps: str) -> TrainConfig:
    """The recipe for a SeparableNet of these steps."""
    return replace(recipe, ingredients=(Separable(steps), *recipe.ingredients))


EVEN = {  # a convolution with pooling, four separable ones about as wide; named by how many numbers they have
    "510": ("conv 4 pooled", "sep 6", "sep 6", "sep 6", "sep 7"),
    "678": ("conv 5 pooled", "sep 7", "sep 8", "sep 8", "sep 8"),
    "994": ("conv 6 pooled", "sep 10", "sep 10", "sep 11", "sep 11"),
    "1492": ("conv 7 pooled", "sep 14", "sep 14", "sep 14", "sep 15"),
    "1786": ("conv 8 pooled", "sep 16", "sep 16", "sep 16", "sep 16"),
    "2478": ("conv 10 pooled", "sep 20", "sep 20", "sep 20", "sep 19"),
    "3502": ("conv 12 pooled", "sep 24", "sep 25", "sep 25", "sep 25"),
    "5354": ("conv 16 pooled", "sep 32", "sep 32", "sep 32", "sep 32"),
    "10714": ("conv 24 pooled", "sep 48", "sep 48", "sep 48", "sep 48"),
}
LATER = {  # a separable convolution more, and pooled after the first of them
    "990, pooled later": ("conv 4", "sep 6 pooled", "sep 10", "sep 10", "sep 10", "sep 10"),
    "1773, pooled later": ("conv 6", "sep 10 pooled", "sep 15", "sep 15", "sep 15", "sep 14"),
    "2332, pooled later": ("conv 6", "sep 12 pooled", "sep 18", "sep 18", "sep 18", "sep 18"),
    "3186, pooled later": ("conv 8", "sep 14 pooled", "sep 22", "sep 22", "sep 22", "sep 22"),
}
SLIM = ("conv 6 pooled", "sep 10", "sep 10", "sep 10", "sep 10")
SCREENING_STUDY = Study(  # which shape and recipe: seeds 0 and 1 choose, and do not count later (the row 2478 has 2 and 3)
    "frontier screening",
    {
        "1786, all images": separable(PLAIN, *EVEN["1786"]),
        "1786, all images, rate 0.1": separable(replace(PLAIN, max_lr=0.1), *EVEN["1786"]),
        "1786, all images, 40 epochs": separable(replace(PLAIN, epochs=40), *EVEN["1786"]),
        "1786": separable(HARD, *EVEN["1786"]),
        "1786, 120 epochs": separable(replace(HARD, epochs=120), *EVEN["1786"]),
        "1726, 5x5, all images": separable(PLAIN, "conv 8 pooled", "sep5 14", "sep5 14", "sep5 14"),
        "1784, five, all images": separable(PLAIN, "conv 8 pooled", "sep 12", "sep 14", "sep 14", "sep 14", "sep 14"),
        "1634, one used 4 times, all images": separable(PLAIN, "conv 8 pooled", "sep 24 pooled", "again 4"),
        "1586, one used 3 times": separable(HARD, "conv 8 pooled", "sep 24", "again 3"),
        "2478": separable(HARD, *EVEN["2478"]),
        "1810, three": separable(HARD, "conv 8 pooled", "sep 20", "sep 20", "sep 20"),
        "940, all images": separable(PLAIN, *SLIM),
        "940, x0.4": separable(TINY, *SLIM),
        "940, x0.4, 120 epochs": separable(replace(TINY, epochs=120), *SLIM),
        "988, three": separable(HARD, "conv 6 pooled", "sep 13", "sep 13", "sep 13"),
        "988, three, x0.4": separable(TINY, "conv 6 pooled", "sep 13", "sep 13", "sep 13"),
    }
    | {f"{name}, x0.4": separable(TINY, *EVEN[name]) for name in ("994", "1786", "2478")}
    | {f"{name}, x0.4": separable(TINY, *steps) for name, steps in LATER.items()},
    seeds=1,
)
FRONTIER_STUDY = Study(  # seeds 2 to 7 count, and 8 to 13 of those near a line
    "frontier",
    {name: separable(TINY, *(EVEN | LATER)[name]) for name in ("3502", *EVEN, *LATER)},  # the first: `few`
    seeds=8,
)
CLAIMS = {  # what others report of networks of few numbers: single results of test images, {who and when: (numbers, %)}
    "J. Warn 2023": (697, 99.03),  # github.com/JoshWarn/Parameter-Efficient-MNIST: the best epoch of the best of some 700 runs
    "Grimov 2018": (1936, 99.13),  # github.com/ruslangrimov/mnist-minimal-model: best epochs
    "Grimov 2017": (3197, 99.25),  # the same
}
FROZEN = Study("frozen", {"card": CARD, "quick": QUICK}, seeds=20, held_out=0)
FROZEN_FEW = Study("frozen few", {"few": FEW}, seeds=10, held_out=0)
FROZEN_FRONTIER = Study(  # the highest held-out means with at most 2,500 and at most 1,000 numbers; frozen before any reading
    "frozen frontier",
    {name: FRONTIER_STUDY.variants[name] for name in ("2332, pooled later", "990, pooled later")},
    seeds=10,
    held_out=0,
)
FROZEN_NARROW = Study("frozen narrow", {"narrow": NARROW}, seeds=10, held_out=0)
FROZEN_BEST = Study("frozen best", {"best": BEST}, seeds=20, held_out=0)
STUDIES = {
    study.name: study
    for study in (
        CARD_STUDY,
        QUICK_STUDY,
        BEST_STUDY,
        BEST_SCREENING_STUDY,
        FEWEST_STUDY,
        FEWEST_LONG_STUDY,
        SMALL_STUDY,
        SHAPES_STUDY,
        ENGINE_STUDY,
        SCREENING_STUDY,
        FRONTIER_STUDY,
        FROZEN,
        FROZEN_BEST,
        FROZEN_FEW,
        FROZEN_FRONTIER,
        FROZEN_NARROW,
    )
}
