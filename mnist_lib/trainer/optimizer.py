"""How weights step: torch's SGD, without its slow start, and each weight's own settings."""

from inspect import unwrap

import torch
from torch import nn
from torch.optim import Optimizer

from mnist_lib.trainer.config import TrainConfig


class SGD(torch.optim.SGD):
    """`torch.optim.SGD`, the same to the bit; but no method first imports torch's compiler, only to tell it to keep out.

    That import takes longer than importing torch itself. A step is not part of a graph: ValueError for differentiable=True.
    """

    def __init__(self, *settings, differentiable: bool = False, **named):
        if differentiable:
            raise ValueError("This SGD's steps have no gradients: for differentiable=True use torch.optim.SGD.")
        super().__init__(*settings, **named)

    step = torch.no_grad()(unwrap(torch.optim.SGD.step))
    add_param_group = unwrap(Optimizer.add_param_group)
    zero_grad = unwrap(Optimizer.zero_grad)
    state_dict = unwrap(Optimizer.state_dict)
    load_state_dict = unwrap(Optimizer.load_state_dict)


def optimizer_of(model: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """SGD, or what an ingredient puts in its place, with each weight's own settings."""
    groups: dict[tuple, list[nn.Parameter]] = {}
    for name, weight in model.named_parameters():
        settings = [item for ingredient in config.ingredients for item in ingredient.param_group(name).items()]
        groups.setdefault(tuple(settings), []).append(weight)
    kinds = [ingredient.optimizer for ingredient in config.ingredients if ingredient.optimizer]
    return (kinds[0] if kinds else SGD)(
        [{"params": weights, **dict(settings)} for settings, weights in groups.items()],
        lr=config.max_lr,
        momentum=config.momentum,
        nesterov=config.nesterov,
        weight_decay=config.weight_decay,
        fused=next(model.parameters()).device.type in ("cpu", "cuda"),  # one pass over all weights
    )
