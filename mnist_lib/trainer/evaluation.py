"""What a network reached, exactly: right answers counted over all images."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mnist_lib.model.layers import evaluating, memory_order
from mnist_lib.support import validation
from mnist_lib.transforms import normalise


@dataclass(frozen=True)
class Score:
    """What a model reached on n images: correct of them, and the mean cross-entropy."""

    correct: int
    n: int
    loss: float

    @property
    def accuracy(self) -> float:
        return self.correct / self.n


def evaluate(model: nn.Module, images: Tensor, labels: Tensor, batch_size: int = 250) -> Score:
    """Count right answers over all images, uint8 or float in [0, 1] (N, 1, 28, 28); labels (N,), whole numbers from 0 to 9.

    ValueError in one sentence for images or labels of another kind or range, which would silently be misread.
    """
    validation.label_each("evaluate", images, labels)
    if not isinstance(labels, Tensor) or labels.dim() != 1 or labels.is_floating_point() or labels.is_complex():
        raise ValueError(f"labels must be a tensor (N,) of whole numbers, not {validation.kind(labels)}.")
    if not 0 <= labels.min() <= labels.max() <= 9:
        raise ValueError(f"labels must be 0 to 9, not {labels.min()} to {labels.max()}.")
    answers, labels = logits(model, images, batch_size), labels.cpu().long()
    correct = (answers.argmax(1) == labels).sum().item()
    return Score(correct, len(labels), F.cross_entropy(answers, labels).item())


def logits(model: nn.Module, images: Tensor, batch_size: int = 250) -> Tensor:
    """Images as for evaluate -> logits (N, 10) on the CPU, in evaluation mode, whatever mode the model is in."""
    if not isinstance(images, Tensor) or images.dim() != 4 or images.shape[1:] != (1, 28, 28):
        raise ValueError(f"images must be a tensor (N, 1, 28, 28), not {validation.kind(images)}: keep all four axes.")
    validation.pixels(images)
    validation.number("batch_size", batch_size, at_least=1, whole=True)
    weight, answers = next(model.parameters()), []
    with evaluating(model):
        for batch in images.split(batch_size):
            batch = normalise(batch.to(weight.device)).to(weight.dtype)
            answers.append(model(batch.contiguous(memory_format=memory_order(weight.device))).cpu())
    return torch.cat(answers)
