"""One training step, launched as one: a GPU waits less for Python than for a hundred small kernels launched one by one."""

from collections import Counter
from collections.abc import Callable

import torch
from torch import Tensor, nn

WARM_UP = 11  # steps before a graph is captured: libraries choose their kernels, the optimizer makes its buffers


class Graphed:
    """A training step as a CUDA graph: captured after a few plain steps, then launched as one.

    Each size of a batch, and each set of weights that learn, has its own graph. (Written after PyTorch's notes on CUDA graphs;
    it needs a GPU, and the project has had none to run it on.)
    """

    def __init__(self, step: Callable[..., tuple], model: nn.Module, device: torch.device):
        self.step, self.model, self.device, self.graphs, self.plain_steps = step, model, device, {}, Counter()
        self.stream = torch.cuda.Stream(device)  # a capture wants to be warmed up beside the default stream

    def __call__(self, images: Tensor, targets: Tensor) -> tuple:
        """What step returns; it is overwritten by the next call."""
        phase = (images.shape, *(p.requires_grad for p in self.model.parameters()))
        with torch.cuda.device(self.device):
            if self.plain_steps[phase] < WARM_UP:
                self.plain_steps[phase] += 1
                self.stream.wait_stream(torch.cuda.current_stream())
                with torch.cuda.stream(self.stream):
                    result = self.step(images, targets)
                torch.cuda.current_stream().wait_stream(self.stream)
                return result
            if phase not in self.graphs:
                places, graph = (images.clone(), targets.clone()), torch.cuda.CUDAGraph()
                with torch.cuda.graph(graph, stream=self.stream):
                    result = self.step(*places)
                self.graphs[phase] = places, graph, result
            places, graph, result = self.graphs[phase]
            places[0].copy_(images)
            places[1].copy_(targets)
            graph.replay()
            return result
