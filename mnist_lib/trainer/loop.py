"""The card's training: the loop, and the record of what came out. Read `train` first, then `one_step`."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mnist_lib.data import Dataset
from mnist_lib.model import DigitNet
from mnist_lib.support import validation
from mnist_lib.support.rng import epoch_seed, streams
from mnist_lib.trainer.batches import augments, batches, epoch_order
from mnist_lib.trainer.config import TrainConfig
from mnist_lib.trainer.evaluation import Score, evaluate
from mnist_lib.trainer.fast.engine import Engine, keep_memory, provenance
from mnist_lib.trainer.schedule import one_cycle
from mnist_lib.trainer.sgd import SGD
from mnist_lib.trainer.side_by_side import SideBySide


class TrainingError(RuntimeError):
    """A run that can't go on; the message says what to do."""


class Callback:
    """Attach to a run from outside: bars, plots, checkpoints. Every method may be left out."""

    first = False  # True: is called before the others; what keeps a run safe comes before what shows it

    def on_start(self, run: "Run") -> None: ...
    def on_step(self, run: "Run") -> None: ...
    def on_epoch(self, run: "Run") -> None: ...
    def on_end(self, run: "Run") -> None: ...


@dataclass
class Run:
    """A training run: where it stands, and in the end its records. With several seeds, as many networks (members)."""

    config: TrainConfig
    dataset: Dataset
    seeds: tuple[int, ...]
    engine: Engine
    model: nn.Module  # a DigitNet, or several SideBySide
    optimizer: torch.optim.Optimizer
    scheduler: torch.optim.lr_scheduler.LRScheduler
    images: Tensor  # to train on, uint8 (N, 1, 28, 28), and their labels (N,), on the engine's device
    labels: Tensor
    held_out: tuple[Tensor, Tensor]  # images and labels to judge by
    steps: int  # in all
    step: int = 0  # done
    loss: Tensor | None = None  # of the last step: () or (members,)
    kept: dict[str, Tensor] = field(default_factory=dict)  # what ingredients remember
    history: list[dict] = field(default_factory=list)  # an entry an epoch, of numbers, or lists of them for several members
    records: list[dict] = field(default_factory=list)  # one a seed; filled at the end

    @property
    def record(self) -> dict:
        """The record of the (first) seed; empty until the end."""
        return self.records[0] if self.records else {}

    @property
    def models(self) -> list[DigitNet]:
        """The networks, each by itself."""
        return self.model.members() if len(self.seeds) > 1 else [self.model]


def train(config: TrainConfig, dataset: Dataset, callbacks: Sequence[Callback] = (), seeds: Sequence[int] = ()) -> Run:
    """Train a DigitNet. The test images are read once, after the last epoch; never if config holds out a validation set.

    seeds: train one network for each of these side by side (config.seed is then not used); each is, but for rounding, the one
    that it would be alone. Seeds torch's global generator at the start of every epoch.
    """
    called = time.perf_counter()
    validation.instance("config", config, TrainConfig)
    validation.listed("callbacks", callbacks, Callback, "[PrintEpochs()]")
    validation.listed("seeds", seeds, object, "(0, 1, 2)")
    run = begin(config, dataset, tuple(seeds) or (config.seed,))
    callbacks = sorted(callbacks, key=lambda callback: not callback.first)
    for callback in callbacks:
        callback.on_start(run)  # may bring back an interrupted run
    resumed = run.step > 0
    step = run.engine.repeat(partial(one_step, run.engine.forward(run.model), run.optimizer), run.model, run.optimizer)
    while run.step < run.steps:
        began = time.perf_counter()
        entry = {"epoch": len(run.history) + 1} | train_epoch(run, step, callbacks)
        if config.validation:
            entry["validation_accuracy"] = plain([score.accuracy for score in judge(run, *run.held_out)])
        run.history.append(entry | {"seconds": round(time.perf_counter() - began, 3)})
        for callback in callbacks:
            callback.on_epoch(run)
    run.model.requires_grad_(True)
    run.records = make_records(run)
    if not resumed:
        for record in run.records:
            record["seconds_in_all"] = round(time.perf_counter() - called, 1)  # from loaded data to the last test image
    for callback in callbacks:
        callback.on_end(run)
    return run


def train_epoch(run: Run, step: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]], callbacks: Sequence[Callback]) -> dict:
    """All batches of an epoch, or as many as the run still has -> mean loss and accuracy on the images as they were seen."""
    draws = streams(run.seeds, len(run.history) + 1, run.engine.device)
    run.model.train()
    if len(draws) > 1:
        run.model.draw_from(draws)
    order = epoch_order(run.config, len(run.labels), run.kept, draws, run.engine.device).split(run.config.batch_size)
    plan = augments(run.config, run.step, min(run.steps, run.step + len(order)), run.steps)
    loss_sum, right, seen = 0.0, 0, 0
    for picked, (images, targets) in zip(order, batches(run.images, run.labels, order, plan, draws, run.engine.lay)):
        choose_learning(run)
        losses, correct = step(images, targets)  # each (batch,) or (batch, members)
        for ingredient in run.config.ingredients:
            ingredient.seen(picked, losses, run.kept)
        run.step += 1
        if run.step < run.steps:
            run.scheduler.step()  # the next step's learning rate
        run.loss = losses.mean(0)
        loss_sum, right, seen = loss_sum + run.loss * len(targets), right + correct.sum(0), seen + len(targets)
        if run.engine.device.type == "cpu":  # on a GPU, looking at every step would mean waiting for it
            stop_unless_finite(run, run.loss)
        for callback in callbacks:
            callback.on_step(run)
    stop_unless_finite(run, loss_sum)
    return {"train_loss": plain(loss_sum.cpu().double() / seen), "train_accuracy": plain(right.cpu().double() / seen)}


def one_step(
    forward: Callable[[Tensor], Tensor], optimizer: torch.optim.Optimizer, images: Tensor, targets: Tensor
) -> tuple[Tensor, Tensor]:
    """Learn from one batch -> its losses, and which answers were right; each (batch,) or (batch, members), like targets."""
    answers = forward(images)  # (batch, 10) or (batch, 10, members)
    losses = F.cross_entropy(answers, targets, reduction="none")
    optimizer.zero_grad()
    losses.mean(0).sum().backward()  # the sum: members share nothing, so each gets its own gradient
    optimizer.step()
    return losses.detach(), answers.argmax(1) == targets


def begin(config: TrainConfig, dataset: Dataset, seeds: tuple[int, ...]) -> Run:
    """A run before its first step."""
    for seed in seeds:
        validation.number("seed", seed, at_least=0, at_most=2**40, whole=True)
    if len(set(seeds)) != len(seeds):
        raise ValueError(f"seeds are whole numbers, each once, not {list(seeds)}.")
    kept = len(dataset.train_labels) - config.validation
    if kept < 1:
        raise ValueError(f"validation={config.validation} leaves no training images of {len(dataset.train_labels):,}.")
    if not config.validation and len(dataset.test_labels) == 0:
        raise ValueError("The dataset has no test images, and validation=0 holds none out: there is nothing to judge by.")
    steps = config.steps(kept)
    compiled = config.compiled if all(one.compiles for one in config.ingredients) else "no"
    engine = Engine.choose(config.device, config.precision, compiled, steps, len(seeds))
    keep_memory()
    networks = [first_network(config, dataset.train_images[:kept], seed) for seed in seeds]
    model = engine.prepare(networks[0] if len(networks) == 1 else SideBySide(networks))
    optimizer = optimizer_of(model, config, len(seeds))
    images, labels = (part[:kept].to(engine.device) for part in (dataset.train_images, dataset.train_labels))
    held_out = (dataset.train_images[kept:], dataset.train_labels[kept:])
    scheduler = one_cycle(optimizer, config, steps)
    return Run(config, dataset, seeds, engine, model, optimizer, scheduler, images, labels, held_out, steps)


def first_network(config: TrainConfig, images: Tensor, seed: int) -> DigitNet:
    torch.manual_seed(epoch_seed(seed, 0))
    network = DigitNet(config.dropout)
    for ingredient in config.ingredients:
        network = ingredient.network(network)
    for ingredient in config.ingredients:
        ingredient.first_weights(network, images)
    return network


def optimizer_of(model: nn.Module, config: TrainConfig, members: int = 1) -> torch.optim.Optimizer:
    """SGD, or what an ingredient puts in its place, with each weight's own settings."""
    groups: dict[tuple, list[nn.Parameter]] = {}
    for name, weight in model.named_parameters():
        own = [item for one in config.ingredients for item in one.settings(name, members).items()]
        groups.setdefault(tuple(own), []).append(weight)
    kind = next((one.optimizer for one in config.ingredients if one.optimizer is not SGD), SGD)
    return kind(
        [{"params": weights, **dict(own)} for own, weights in groups.items()],
        lr=config.max_lr,
        momentum=config.momentum,
        nesterov=config.nesterov,
        weight_decay=config.weight_decay,
        fused=next(model.parameters()).device.type in ("cpu", "cuda"),  # one pass over all weights
    )


def choose_learning(run: Run) -> None:
    """Have each weight learn, or not, as the ingredients say; where none does, backward has nothing to do."""
    if run.config.ingredients:
        done = run.step / run.steps
        for name, weight in run.model.named_parameters():
            weight.requires_grad_(all(one.learns(name, done) for one in run.config.ingredients))


def stop_unless_finite(run: Run, loss: Tensor) -> None:
    if not torch.isfinite(loss).all():
        raise TrainingError(
            f"The loss is no number any more at step {run.step:,} of {run.steps:,}: the training has diverged. "
            f"Lower max_lr ({run.config.max_lr:g})."
        )


def judge(run: Run, images: Tensor, labels: Tensor) -> list[Score]:
    """What each network reaches on images that are not learned from; TrainingError if its last step was one too many."""
    scores = [evaluate(model, images, labels) for model in run.models]
    stop_unless_finite(run, torch.tensor([score.loss for score in scores]))
    return scores


def plain(values: Tensor | list) -> float | list[float]:
    """One network's number as it is, several networks' as a list."""
    values = values.tolist() if isinstance(values, Tensor) else values
    return values[0] if isinstance(values, list) and len(values) == 1 else values


def make_records(run: Run) -> list[dict]:
    """For each seed all that a reader needs to judge its number: plain values only, ready for JSON."""
    config, dataset, records = run.config, run.dataset, []
    scores = [None] * len(run.seeds) if config.validation else judge(run, dataset.test_images, dataset.test_labels)  # read once
    for k, (seed, model, score) in enumerate(zip(run.seeds, run.models, scores, strict=True)):
        history = [{key: value[k] if isinstance(value, list) else value for key, value in one.items()} for one in run.history]
        record = {
            "dataset": {
                "name": dataset.name,
                "sha256": dataset.sha256,
                "trained_on": len(dataset.train_labels) - config.validation,
                "validated_on": config.validation,
            },
            "config": replace(config, seed=seed).plain(),
            "parameters": sum(p.numel() for p in model.parameters()),
            "history": history,
            "test": None if score is None else asdict(score) | {"accuracy": score.accuracy, "epoch": len(history)},
            "seconds": round(sum(entry["seconds"] for entry in history), 1),
            **provenance(run.engine),
        }
        records.append(record | ({"together": len(run.seeds)} if len(run.seeds) > 1 else {}))
    return records
