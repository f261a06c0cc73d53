"""SGD as torch has it, ready at once."""

from inspect import unwrap

import torch
from torch.optim import Optimizer


class SGD(torch.optim.SGD):
    """`torch.optim.SGD`, the same to the bit; but no method imports torch's compiler first, only to tell it to keep out.

    That import takes longer than the one of torch itself. A step is no part of a graph: ValueError for differentiable=True.
    """

    def __init__(self, *settings, differentiable: bool = False, **named):
        if differentiable:
            raise ValueError("This SGD's steps have no gradients: for differentiable=True take torch.optim.SGD.")
        super().__init__(*settings, **named)

    step = torch.no_grad()(unwrap(torch.optim.SGD.step))
    add_param_group = unwrap(Optimizer.add_param_group)
    zero_grad = unwrap(Optimizer.zero_grad)
    state_dict = unwrap(Optimizer.state_dict)
    load_state_dict = unwrap(Optimizer.load_state_dict)
