"""The learning rate of every step: OneCycleLR, with the configuration's numbers."""

import torch

from mnist_lib.trainer.config import TrainConfig
from mnist_lib.trainer.optimizer import SGD


def one_cycle(optimizer: torch.optim.Optimizer, config: TrainConfig, steps: int) -> torch.optim.lr_scheduler.OneCycleLR:
    """Every step's learning rate: up from max_lr / div_factor to max_lr, then down to the first one / final_div_factor."""
    at_once = config.pct_start * steps == 1  # the first step is the peak: torch would divide by zero
    return torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=[group["lr"] for group in optimizer.param_groups],
        total_steps=steps,
        pct_start=config.pct_start * (1 - 1e-9) if at_once else float(config.pct_start),
        div_factor=config.div_factor,
        final_div_factor=config.final_div_factor,
        cycle_momentum=False,
    )


def rates(config: TrainConfig, images: int) -> list[float]:
    """The learning rate of every step of a run over this many training images."""
    optimizer = SGD([torch.zeros(1, requires_grad=True)], lr=config.max_lr)
    steps = config.steps(images)
    scheduler, seen = one_cycle(optimizer, config, steps), []
    for _ in range(steps):
        seen.append(scheduler.get_last_lr()[0])
        optimizer.step()
        if len(seen) < steps:
            scheduler.step()
    return seen
