"""Exercises of notebook 02."""

from torch import nn

from mnist_lib.model import DigitNet
from mnist_lib.receptive_field import receptive_fields


def _grown_field(model) -> bool:
    """One convolution of the part before the pooling is changed in one number, and the field there is 5 + 8."""
    ours, theirs = list(DigitNet().children()), [m for m in model.modules() if isinstance(m, nn.Conv2d)]
    convs = [m for m in ours if isinstance(m, nn.Conv2d)]
    settings = ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups")
    changes = sum(getattr(a, s) != getattr(b, s) for a, b in zip(convs, theirs, strict=True) for s in settings)
    fields = receptive_fields(model, (64, 64))
    return changes == 1 and fields["conv3"].size == (13, 13)


def _dilated_field(answer) -> bool:
    dilated = nn.Sequential(nn.Conv2d(1, 1, 3), nn.Conv2d(1, 1, 3, dilation=2), nn.Conv2d(1, 1, 3, dilation=4))
    return answer == receptive_fields(dilated, (28, 28))[-1].size[0]


EXERCISES = {
    "2a": (_grown_field, "with k = 3 a layer adds (k - 1) × dilation × jump; change one number of conv1, conv2 or conv3."),
    "2b": (_dilated_field, "start from 1 and add (k - 1) × dilation for each layer; every jump is 1."),
}
