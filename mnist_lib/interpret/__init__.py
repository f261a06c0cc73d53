"""What a trained network looks at, and what people say of the digits it gets wrong."""

from mnist_lib.interpret.network import (
    Bin,
    Lesion,
    Patches,
    binomial_interval,
    evidence,
    lesions,
    maps,
    reliability,
    silence,
    told_by_others,
    top_patches,
)

__all__ = [
    "Bin",
    "Lesion",
    "Patches",
    "binomial_interval",
    "evidence",
    "lesions",
    "maps",
    "reliability",
    "silence",
    "told_by_others",
    "top_patches",
]
