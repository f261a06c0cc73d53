"""Several DigitNets as one network that computes them side by side. They share nothing but the clock.

One DigitNet is too small to fill a GPU: launching its many small kernels takes longer than what they compute. K of them launch
as many kernels for K times the work.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mnist_lib.model import DigitNet
from mnist_lib.model.layers import BatchNorm2d, Dropout
from mnist_lib.support.rng import Stream


class SideBySide(nn.Module):
    """K DigitNets of one shape: every convolution has K groups, every BatchNorm K times the channels.

    Images (N, K, 28, 28), channel k for member k -> logits (N, 10, K).
    """

    def __init__(self, nets: Sequence[DigitNet]):
        super().__init__()
        self.nets = list(nets)  # a plain list: their weights are not counted as this module's
        for name, layer in nets[0].named_children():
            if isinstance(layer, nn.Conv2d):
                wide = nn.Conv2d(
                    layer.in_channels * len(nets),
                    layer.out_channels * len(nets),
                    layer.kernel_size,
                    padding=layer.padding,
                    groups=len(nets),
                )
            elif isinstance(layer, nn.BatchNorm2d):
                wide = BatchNorm2d(layer.num_features * len(nets))
            elif isinstance(layer, nn.Dropout):
                wide = _Dropouts([net.get_submodule(name) for net in nets])
            else:
                wide = layer
            self.add_module(name, wide)
        states = [net.state_dict() for net in nets]
        stacked = {name: [state[name] for state in states] for name in states[0]}
        self.load_state_dict({name: parts[0] if parts[0].dim() == 0 else torch.cat(parts) for name, parts in stacked.items()})

    def __len__(self) -> int:
        return len(self.nets)

    def forward(self, x: Tensor) -> Tensor:
        return DigitNet.forward(self, x).unflatten(1, (len(self), 10)).mT

    def draw_from(self, draws: Sequence[Stream]) -> None:
        """Have each member's dropout draw from its own stream."""
        for layer in self.children():
            if isinstance(layer, _Dropouts):
                for drop, draw in zip(layer.drops, draws, strict=True):
                    drop.generator = draw

    def members(self) -> list[DigitNet]:
        """The networks, each by itself: DigitNets with the weights as they are now."""
        state = self.state_dict()
        for k, net in enumerate(self.nets):
            own = {name: value if value.dim() == 0 else value.chunk(len(self))[k] for name, value in state.items()}
            net.to(self.conv1.weight).load_state_dict(own)
        return self.nets


class _Dropouts(nn.Module):
    """Each member's dropout on its own channels; on a GPU, one for all (whose masks are then not the lone network's)."""

    def __init__(self, drops: Sequence[Dropout]):
        super().__init__()
        self.drops = nn.ModuleList(drops)

    def forward(self, x: Tensor) -> Tensor:
        p = self.drops[0].p
        if not self.training or p == 0:
            return x
        if x.device.type != "cpu":
            return F.dropout(x, p)
        parts = (part.contiguous(memory_format=torch.channels_last) for part in x.chunk(len(self.drops), dim=1))
        return torch.cat([drop(part) for drop, part in zip(self.drops, parts)], dim=1)
