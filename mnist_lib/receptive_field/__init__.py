"""Which pixels can a unit see? The receptive fields of any network, computed by formula and proven by measurement.

    >>> fields = receptive_fields(model, input_size=(28, 28))   # one row per layer, functional calls included
    >>> fields["conv2"].size, fields["conv2"].box(0, 0)         # pixels; top, left, bottom, right, inclusive
    >>> measure_field(model, "conv2", (0, 0), method="poison")  # bool (28, 28): what that unit really sees

The formula runs an empty copy of the model once (meta tensors: shapes without numbers) and watches every operation of
torch, so it treats modules, functional calls and branches alike. Along each axis it keeps, for every unit, the window
of the recurrence, padding counted (k = kernel, d = dilation, s = stride, p = padding):
    size += (k - 1) * d * jump;    start += ((k - 1) * d / 2 - p) * jump;    jump *= s
and the set of real pixels. The recurrence: Araujo, Norris & Sim, "Computing Receptive Fields of Convolutional Neural
Networks", Distill 2019. An operation without a rule is refused in one sentence; `rule` teaches it.
"""

from mnist_lib.receptive_field.empirical import effective_field, measure_field
from mnist_lib.receptive_field.formula import ReceptiveField, ReceptiveFields, receptive_fields
from mnist_lib.receptive_field.geometry import UnknownLayer
from mnist_lib.receptive_field.propagation import EVERYTHING, POINTWISE, Window, rule
from mnist_lib.receptive_field.tracing import UnknownName

__all__ = [
    "EVERYTHING",
    "POINTWISE",
    "ReceptiveField",
    "ReceptiveFields",
    "UnknownLayer",
    "UnknownName",
    "Window",
    "effective_field",
    "measure_field",
    "receptive_fields",
    "rule",
]
