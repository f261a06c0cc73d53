"""Checks of settings: one sentence says what a value must be, whatever it was."""

import math
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch


def finite(value: object) -> bool:
    """Whether value is a finite plain number: an int or float that JSON can hold, not a bool."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def number(
    name: str,
    value: object,
    *,
    at_least: float = -math.inf,
    above: float = -math.inf,
    below: float = math.inf,
    at_most: float = math.inf,
    whole: bool = False,
) -> None:
    """ValueError unless value is a finite plain number (int or float, not a bool) within the bounds; whole: an int."""
    fits = finite(value) and (isinstance(value, int) or not whole)
    if not fits or not (at_least <= value <= at_most and above < value < below):
        said = (("{:,g} or more", at_least), ("above {:,g}", above), ("below {:,g}", below), ("at most {:,g}", at_most))
        bounds = ", ".join(words.format(bound) for words, bound in said if math.isfinite(bound))
        then = ", " if math.isfinite(at_least) else " " if bounds else ""
        raise ValueError(f"{name} is a {'whole ' if whole else ''}number{then}{bounds}, not {value!r}.")


def share(name: str, value: object) -> None:
    """ValueError unless value is a share: 0 or more, below 1."""
    number(name, value, at_least=0, below=1)


def choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """ValueError unless value is one of the choices."""
    if not isinstance(value, str) or value not in choices:
        *others, last = (f'"{choice}"' for choice in choices)
        raise ValueError(f"{name} is {', '.join(others)} or {last}, not {value!r}.")


def kind(values: object) -> str:
    """What a tensor is, such as "float32 (60000, 28, 28)"; of anything else its type."""
    if not hasattr(values, "dtype") or not hasattr(values, "shape"):
        return type(values).__name__
    return f"{str(values.dtype).removeprefix('torch.')} {tuple(values.shape)}"


def labelled(part: str, images, labels) -> None:
    """ValueError unless images are uint8 (N, 1, 28, 28) and labels int64 (N,), 0 to 9: others would mean something else."""
    if not kind(images).startswith("uint8 (") or images.shape[1:] != (1, 28, 28):
        raise ValueError(f"{part}_images must be uint8 (N, 1, 28, 28), not {kind(images)}.")
    if not kind(labels).startswith("int64 (") or labels.shape != images.shape[:1]:
        raise ValueError(f"{part}_labels must be int64 ({len(images)},), one for each image, not {kind(labels)}.")
    if len(labels) and not 0 <= labels.min() <= labels.max() <= 9:
        raise ValueError(f"{part}_labels must be 0 to 9, not {labels.min()} to {labels.max()}.")


def label_each(needs: str, images, labels) -> None:
    """ValueError unless there are images, and as many labels."""
    if len(images) != len(labels) or len(labels) == 0:
        raise ValueError(f"{needs} needs as many labels as images and at least one, not {len(labels)} and {len(images)}.")


def in_unit_range(images) -> None:
    """ValueError unless images are float (N, 1, H, W) in [0, 1]."""
    if kind(images).startswith(("float", "bfloat")) and images.dim() == 4 and images.shape[1] == 1:
        pixels(images)
    else:
        raise ValueError(
            f"images must be float (N, 1, H, W) in [0, 1], not {kind(images)}: divide uint8 images by 255 and keep all "
            "four axes."
        )


def pixels(images) -> None:
    """ValueError unless images are a tensor, uint8 from 0 to 255 or float from 0 to 1: as they are before `normalise`."""
    what, fits = kind(images), isinstance(images, torch.Tensor) and images.dtype is torch.uint8
    if isinstance(images, torch.Tensor) and images.is_floating_point():
        fits = True
        if images.device.type == "cpu" and images.numel():  # on a GPU, looking at them would mean waiting for it
            low, high = (end.item() for end in images.aminmax())
            what, fits = f"{what} from {low:g} to {high:g}", low >= -0.001 and high <= 1.001
    if not fits:
        raise ValueError(
            f"images must be uint8 (0 to 255) or float (0 to 1), not {what}: divide numbers from 0 to 255 by 255, and "
            "normalise once."
        )


_any_size = ContextVar("any_size", default=False)


@contextmanager
def any_size() -> Iterator[None]:
    """Inside the block, a network takes images of any size, to measure what it looks at."""
    token = _any_size.set(True)
    try:
        yield
    finally:
        _any_size.reset(token)


def network_input(images) -> None:
    """ValueError unless images are (N, 1, 28, 28), as a DigitNet answers them."""
    if isinstance(images, torch.Tensor) and images.shape[1:] != (1, 28, 28) and not _any_size.get():
        raise ValueError(
            f"DigitNet takes normalised images (N, 1, 28, 28), not {kind(images)}: keep all four axes; in a larger picture, "
            "let read_digits of mnist_lib.data.pictures find and fit the digits."
        )


def device(name: object) -> None:
    """ValueError unless name is "auto" or names a torch device. The device is not queried."""
    try:
        if not isinstance(name, str):  # a record holds its name
            raise TypeError
        torch.device("cpu" if name == "auto" else name)
    except (RuntimeError, TypeError):
        raise ValueError(f'device is "auto" or the name of a torch device such as "cpu" or "cuda:1", not {name!r}.') from None


def several(name: str, values: object, n: int, **bounds) -> None:
    """ValueError unless values are a tuple of n numbers within the bounds, as `number` has them."""
    if not isinstance(values, tuple) or len(values) != n:
        raise ValueError(f"{name} is a tuple of {n} numbers, not {values!r}.")
    for value in values:
        number(name, value, **bounds)


def listed(name: str, values: object, of: type, example: str) -> None:
    """TypeError unless values are a list or the like, each of this type."""
    if not isinstance(values, Iterable) or not all(isinstance(value, of) for value in values):
        raise TypeError(f"{name} is a list such as {example}, not {values!r}.")


def instance(name: str, value: object, of: type) -> None:
    """TypeError unless value is of this type."""
    if not isinstance(value, of):
        raise TypeError(f"{name} is a {of.__name__}, not {type(value).__name__}.")
