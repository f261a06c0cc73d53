"""Muon: a step that goes as far in the gradient's weak directions as in its strong ones. Knows nothing of our models.

Source: Keller Jordan and others, "Muon: An optimizer for hidden layers in neural networks" (2024),
https://kellerjordan.github.io/posts/muon. torch.optim.Muon (torch 2.9 on) takes matrices only; this one takes
convolutions.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from mnist_lib.trainer.optimizer import SGD


class MuonSGD(SGD):
    """SGD, except that groups with "muon" in them step by Muon.

    Such a group holds convolution weights (out, in, k, k), each read as a matrix (out, in * k * k). Its step is the
    Nesterov momentum with its singular values made about 1, times lr (and times sqrt(out / (in * k * k)) where that is above
    1). Its weight decay is not used.
    """

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            learning = [p for p in group["params"] if p.grad is not None]
            if "muon" not in group or not learning:
                continue
            aheads = []
            for p in learning:
                if "momentum_buffer" not in self.state[p]:
                    self.state[p]["momentum_buffer"] = torch.zeros_like(p)
                momentum = self.state[p]["momentum_buffer"]
                momentum.mul_(group["momentum"]).add_(p.grad)
                ahead = p.grad.add(momentum, alpha=group["momentum"])
                aheads.append(ahead.flatten(1))  # (out, in * k * k)
                p.grad = None  # so that SGD leaves it alone
            for p, matrix in zip(learning, orthogonal(aheads)):
                rate = group["lr"] * max(1, matrix.shape[0] / matrix.shape[1]) ** 0.5
                p.sub_(matrix.reshape(p.shape) * rate)
        super().step()


def orthogonal(matrices: list[Tensor], steps: int = 5) -> list[Tensor]:
    """Matrices, each (rows, columns) -> the same singular vectors; all singular values but the smallest near 1.

    Newton-Schulz iterations x -> a x + b x^3 + c x^5 on the singular values, with Jordan's coefficients: matrix products only,
    and so much faster than a singular value decomposition. All are done at once, padded with zeros to the same size.
    """
    rows, columns = (max(m.shape[side] for m in matrices) for side in (0, 1))
    x = torch.stack([F.pad(m, (0, columns - m.shape[1], 0, rows - m.shape[0])) for m in matrices])
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(steps):
        square = x @ x.mT
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    return [done[: m.shape[0], : m.shape[1]] for m, done in zip(matrices, x)]
