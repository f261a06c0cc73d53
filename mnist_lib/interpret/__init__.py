"""What a trained network looks at, and what people say of the digits it gets wrong."""

from mnist_lib.interpret.network import (
    Bin,
    ChannelAblation,
    Patches,
    ablate_channel,
    binomial_interval,
    channel_ablations,
    evidence,
    maps,
    random_channels,
    redundancy,
    reliability,
    top_patches,
    wrong_without,
)

__all__ = [
    "Bin",
    "ChannelAblation",
    "Patches",
    "ablate_channel",
    "binomial_interval",
    "channel_ablations",
    "evidence",
    "maps",
    "random_channels",
    "redundancy",
    "reliability",
    "top_patches",
    "wrong_without",
]
