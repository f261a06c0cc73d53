"""What a view of the inside of a network is made of: plain values, weights and images, for the widget and the page."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mnist_lib.model.layers import evaluating
from mnist_lib.receptive_field.tracing import copy_of
from mnist_lib.transforms import MEAN, STD, to_float
from mnist_lib.widgets.export import SIDE, describe, numbers


def content(model, images=None, labels=None, epochs=None, mean=MEAN, std=STD) -> tuple[dict, bytes, bytes]:
    """What the view needs: plain values, the weights as float32 bytes, the images as uint8 bytes. Arguments as Inside's."""
    network = describe(model)
    network |= {"mean": mean, "std": std, "epoch": None, "epochs": [], "labels": [], "reads": [], "places": []}
    rows = [numbers(model)]
    if epochs:
        network |= {"epochs": sorted(epochs), "epoch": max(epochs)}
        rows = [numbers(_with(model, epochs[epoch], f"epochs[{epoch}]")) for epoch in sorted(epochs)]
    digits = b""
    if images is None and labels is not None:
        raise ValueError("labels belong to images: give both, or none.")
    if images is not None:
        images, labels = _checked(images, labels)
        network |= {"labels": labels, "reads": read(model, images, mean, std), "places": list(range(len(images)))}
        digits = images.contiguous().numpy().tobytes()
    return network, torch.cat(rows).numpy().astype("<f4").tobytes(), digits


def read(model: nn.Module, images: Tensor, mean: float = MEAN, std: float = STD) -> list[int]:
    """The answers of a model, in evaluation mode on the CPU, to uint8 images (N, 1, 28, 28)."""
    twin = _with(model, model.state_dict())
    shown = (to_float(images) - mean) / std
    with evaluating(twin):
        return torch.cat([twin(some).flatten(1).argmax(1) for some in shown.split(250)]).tolist()


def _with(model: nn.Module, state: Mapping[str, Tensor], name: str = "the state") -> nn.Module:
    """A copy of the model with these weights, on the CPU in evaluation mode."""
    twin = copy_of(model, "cpu", torch.float32)
    try:
        twin.load_state_dict(state)
    except RuntimeError as error:
        why = str(error).strip().split("\n")[-1].strip()
        raise ValueError(f"{name} does not fit the model: {why}") from None
    return twin


def _checked(images: Tensor, labels: Tensor | None) -> tuple[Tensor, list[int]]:
    """uint8 images (N, 1, 28, 28), and a label for each, -1 where none is known."""
    for name, values in (("images", images), ("labels", labels)):
        if values is not None and not isinstance(values, Tensor):
            raise ValueError(f"{name} must be a tensor, not {type(values).__name__}.")
    shape, dtype = tuple(images.shape), str(images.dtype).removeprefix("torch.")
    if images.dim() != 4 or shape[1:] != (1, SIDE, SIDE) or not len(images):
        raise ValueError(f"images must be (N, 1, {SIDE}, {SIDE}) with N > 0, not {shape}: keep all four axes.")
    if images.is_floating_point():
        if not (images.min() >= 0 and images.max() <= 1):
            raise ValueError("Float images must lie in [0, 1]: give them as they are before they are normalised.")
        images = (images * 255).round().to(torch.uint8)
    if images.dtype != torch.uint8:
        raise ValueError(f"images must be uint8, or float in [0, 1], not {dtype}.")
    if labels is not None and tuple(labels.shape) != (len(images),):
        raise ValueError(f"labels must be ({len(images)},), one for each image, not {tuple(labels.shape)}.")
    if labels is not None and labels.is_floating_point():
        raise ValueError(f"labels must be whole numbers, not {str(labels.dtype).removeprefix('torch.')}.")
    return images.cpu(), [-1] * len(images) if labels is None else labels.tolist()
