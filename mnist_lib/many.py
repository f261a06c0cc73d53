"""Many runs as one: the networks of several seeds side by side, in grouped convolutions.

One DigitNet is too small to fill a GPU: launching its many small kernels takes longer than what they compute. K of them,
stacked, launch as many kernels for K times the work; and a CUDA graph launches them all at once. The members share nothing
but the clock: each has its own first weights, its own order of images, its own augmentation, dropout and BatchNorm.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mnist_lib.data import Dataset
from mnist_lib.engine import Engine
from mnist_lib.model import DigitNet
from mnist_lib.trainer import (
    Run,
    TrainConfig,
    augmentations,
    epoch_order,
    epoch_seed,
    evaluate,
    learn_first_block,
    make_record,
    optimizer_of,
    rates,
    whiten,
)
from mnist_lib.transforms import Augment, normalise, to_float

WARM_UP = 11  # steps before a CUDA graph is captured: libraries choose their kernels, the optimizer makes its buffers


class ManyNets(nn.Module):
    """K DigitNets: every convolution has K groups, every BatchNorm K times the channels.

    Images (N, K, 28, 28), channel k for member k -> logits (N, K, 10).
    """

    def __init__(self, nets: Sequence[DigitNet]):
        super().__init__()
        self.size = len(nets)
        for name, layer in nets[0].named_children():
            if isinstance(layer, nn.Conv2d):
                wide = nn.Conv2d(
                    layer.in_channels * self.size,
                    layer.out_channels * self.size,
                    layer.kernel_size,
                    padding=layer.padding,
                    groups=self.size,
                )
            elif isinstance(layer, nn.BatchNorm2d):
                wide = nn.BatchNorm2d(layer.num_features * self.size)
            elif isinstance(layer, nn.Dropout):
                wide = nn.Dropout(layer.p)
            else:
                wide = layer
            self.add_module(name, wide)
        states = [net.state_dict() for net in nets]
        stacked = {name: [state[name] for state in states] for name in states[0]}
        self.load_state_dict({name: parts[0] if parts[0].dim() == 0 else torch.cat(parts) for name, parts in stacked.items()})

    def forward(self, x: Tensor) -> Tensor:
        return DigitNet.forward(self, x).unflatten(1, (self.size, 10))

    def member(self, k: int) -> DigitNet:
        """Network k by itself, a copy."""
        state = {
            name: value if value.dim() == 0 else value.chunk(self.size)[k].clone() for name, value in self.state_dict().items()
        }
        net = DigitNet((self.drop1.p, self.drop4.p)).to(self.conv1.weight.device)
        net.load_state_dict(state)
        return net


def train_many(config: TrainConfig, dataset: Dataset, seeds: Sequence[int]) -> list[Run]:
    """One run for each seed, all at once; config.seed is not used. The test images are read once, after the last step.

    The networks are DigitNet's usual ones. On a CPU a member's first weights and its orders of images (with `hardest`, the
    first epoch's) are those of `train` with its seed; its augmentation and dropout are not.
    """
    if len(seeds) == 0 or len(set(seeds)) != len(seeds):
        raise ValueError(f"train_many needs one or more seeds, each once, not {list(seeds)}.")
    if config.validation:
        raise ValueError("train_many holds no images out: use train for a validation set.")
    engine = Engine.choose(config.device, config.precision, "no")
    device, n = engine.device, len(dataset.train_labels)
    images, labels = dataset.train_images.to(device), dataset.train_labels.to(device)
    nets = []
    for seed in seeds:
        torch.manual_seed(epoch_seed(seed, 0))
        nets.append(DigitNet(config.dropout))
        if config.whiten:
            whiten(nets[-1].conv1, dataset.train_images)
    many = engine.prepare(ManyNets(nets))
    optimizer, steps = optimizer_of(many, config, len(seeds)), config.steps(n)
    plan, augment_at = rates(config, n), augmentations(config, 0, steps)

    def step(picked: Tensor, augment: Augment | None, learning: bool) -> Tensor:
        """Indices of images (batch, K) -> their losses (batch, K); learning: whether the first block does."""
        learn_first_block(many, learning)
        batch = to_float(images[picked.flatten()])  # (batch * K, 1, 28, 28)
        if augment:
            batch = augment(batch)
        batch = normalise(batch).unflatten(0, picked.shape).squeeze(2)  # (batch, K, 28, 28)
        with torch.autocast(device.type, torch.bfloat16, enabled=engine.precision == "bfloat16"):
            answers = many(batch.contiguous(memory_format=torch.channels_last)).float()  # (batch, K, 10)
        losses = F.cross_entropy(answers.transpose(1, 2), labels[picked], reduction="none")
        optimizer.zero_grad()
        losses.mean(0).sum().backward()
        optimizer.step()
        return losses.detach()

    steps_done, history, run_step = 0, [], Graphed(step, config.batch_size) if device.type == "cuda" else step
    highest = [group["lr"] for group in optimizer.param_groups]
    if device.type == "cuda":
        for group in optimizer.param_groups:
            group["lr"] = torch.tensor(0.0, device=device)  # a graph reads the rate where it lies
    first_order, losses = torch.zeros(n, len(seeds), dtype=torch.int64), torch.zeros(n, len(seeds), device=device)
    while steps_done < steps:
        epoch = len(history) + 1
        torch.manual_seed(epoch_seed(seeds[0], epoch) ^ 2**62)  # augmentation and dropout, which the members' images share out
        generators = [torch.Generator().manual_seed(epoch_seed(seed, epoch)) for seed in seeds]
        if epoch == 1:
            orders = first_order = torch.stack([torch.randperm(n, generator=generator) for generator in generators], dim=1)
        else:
            members = zip(first_order.unbind(1), losses.cpu().unbind(1), generators)
            orders = torch.stack([epoch_order(order, own, config, generator) for order, own, generator in members], dim=1)
        started, loss_sum, seen = time.perf_counter(), torch.zeros(len(seeds), device=device), 0
        many.train()
        for picked in orders.to(device).split(config.batch_size)[: steps - steps_done]:
            for group, top in zip(optimizer.param_groups, highest):
                rate = plan[steps_done] / config.max_lr * top
                group["lr"] = group["lr"].fill_(rate) if device.type == "cuda" else rate
            learning = steps_done < (1 - config.freeze) * steps
            lost = run_step(picked, augment_at[steps_done], learning)  # (batch, K)
            losses.scatter_(0, picked, lost)
            loss_sum += lost.sum(0)
            seen += len(picked)
            steps_done += 1
        history.append([{"epoch": epoch, "train_loss": loss} for loss in (loss_sum / seen).tolist()])
        for entry in history[-1]:
            entry["seconds"] = round(time.perf_counter() - started, 3)  # of all members together

    runs = []
    for k, seed in enumerate(seeds):
        run = Run(replace(config, seed=seed), dataset, engine, many.member(k), optimizer, None, steps, steps)
        run.history = [entries[k] for entries in history]
        run.record = make_record(run, evaluate(run.model, dataset.test_images, dataset.test_labels))
        run.record["together"] = len(seeds)
        runs.append(run)
    return runs


class Graphed:
    """A training step as a CUDA graph: captured after a few plain steps, then launched as one.

    A batch of another size, such as an epoch's last, takes the plain way. (Written after PyTorch's notes on CUDA graphs;
    it needs a GPU, and the project has had none to run it on.)
    """

    def __init__(self, step: Callable[..., Tensor], size: int):
        self.step, self.size, self.graphs, self.plain_steps = step, size, {}, Counter()
        self.stream = torch.cuda.Stream()  # a capture wants to be warmed up beside the default stream

    def __call__(self, picked: Tensor, *phase) -> Tensor:
        """step(picked, *phase); each phase has its graph."""
        if len(picked) != self.size or self.plain_steps[phase] < WARM_UP:
            self.plain_steps[phase] += 1
            self.stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self.stream):
                losses = self.step(picked, *phase)
            torch.cuda.current_stream().wait_stream(self.stream)
            return losses
        if phase not in self.graphs:
            place, graph = picked.clone(), torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, stream=self.stream):
                losses = self.step(place, *phase)
            self.graphs[phase] = place, graph, losses
        place, graph, losses = self.graphs[phase]
        place.copy_(picked)
        graph.replay()
        return losses
