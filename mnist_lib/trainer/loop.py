"""The card's training: the loop, and the record of what came out. Read `train` first, then `train_epoch` and `one_step`."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mnist_lib.model import DigitNet
from mnist_lib.model.layers import tune_malloc
from mnist_lib.support import validation
from mnist_lib.trainer.batches import augments, batches, epoch_order, epoch_seed
from mnist_lib.trainer.config import TrainConfig
from mnist_lib.trainer.evaluation import Score, evaluate
from mnist_lib.trainer.fast.engine import Engine, provenance
from mnist_lib.trainer.optimizer import optimizer_of
from mnist_lib.trainer.schedule import one_cycle

if TYPE_CHECKING:  # a training is given its images, and need not find them
    from mnist_lib.data import Dataset


class TrainingError(RuntimeError):
    """A run that can't go on; the message says what to do."""


class Callback:
    """Attach to a run from outside: bars, plots, checkpoints. Every method may be left out."""

    first = False  # True: called before the others, because a run is made safe before it is shown

    def on_start(self, run: "Run") -> None: ...
    def on_step(self, run: "Run") -> None: ...
    def on_epoch(self, run: "Run") -> None: ...
    def on_end(self, run: "Run") -> None: ...


@dataclass
class Run:
    """A training run: how far it is, and in the end its record."""

    config: TrainConfig
    dataset: "Dataset"
    engine: Engine
    model: DigitNet  # or what an ingredient puts in its place
    forward: Callable[[Tensor], Tensor]  # the model's training pass
    optimizer: torch.optim.Optimizer
    scheduler: torch.optim.lr_scheduler.LRScheduler
    images: Tensor  # to train on, uint8 (N, 1, 28, 28), and their labels (N,), on the engine's device
    labels: Tensor
    held_out: tuple[Tensor, Tensor]  # images and labels to validate by
    steps: int  # in all
    step: int = 0  # done
    loss: Tensor | None = None  # of the last step
    memory: dict[str, Tensor] = field(default_factory=dict)  # what ingredients remember
    history: list[dict] = field(default_factory=list)  # one entry per epoch
    record: dict = field(default_factory=dict)  # filled at the end
    began: float = 0.0  # when train was called, in seconds of time.perf_counter
    resumed: bool = False  # a callback brought back an interrupted run


def train(config: TrainConfig, dataset: "Dataset", callbacks: Sequence[Callback] = ()) -> Run:
    """Train a DigitNet. The test images are read once, after the last epoch; never if config holds out a validation set."""
    validation.listed("callbacks", callbacks, Callback, "[PrintEpochs()]")
    run, callbacks = begin(config, dataset), sorted(callbacks, key=lambda callback: not callback.first)
    for callback in callbacks:
        callback.on_start(run)  # may bring back an interrupted run
    run.resumed = run.step > 0
    while run.step < run.steps:
        began = time.perf_counter()
        entry = {"epoch": len(run.history) + 1} | train_epoch(run, callbacks)
        if config.validation:
            entry["validation_accuracy"] = judge(run, *run.held_out).accuracy
        run.history.append(entry | {"seconds": round(time.perf_counter() - began, 3)})
        for callback in callbacks:
            callback.on_epoch(run)
    run.record = make_record(run)
    for callback in callbacks:
        callback.on_end(run)
    return run


def train_epoch(run: Run, callbacks: Sequence[Callback]) -> dict:
    """All batches of an epoch, or as many as the run still has -> mean loss and accuracy on the images as they were seen."""
    torch.manual_seed(epoch_seed(run.config.seed, len(run.history) + 1))
    run.model.train()
    loss_sum, right, seen = 0.0, 0, 0
    for indices, (images, labels) in epoch_batches(run):
        adapt_network(run, done=run.step / run.steps)
        losses, correct = one_step(run.forward, run.optimizer, images, labels)  # each (batch,)
        for ingredient in run.config.ingredients:
            ingredient.after_step(indices, losses, run.memory)
        run.step += 1
        if run.step < run.steps:
            run.scheduler.step()  # the next step's learning rate
        run.loss = losses.mean()
        loss_sum, right, seen = loss_sum + run.loss * len(labels), right + correct.sum(), seen + len(labels)
        if run.engine.device.type == "cpu":  # on a GPU, looking at every step would mean waiting for it
            stop_unless_finite(run, run.loss)
        for callback in callbacks:
            callback.on_step(run)
    adapt_network(run, done=1)  # as it is judged
    stop_unless_finite(run, loss_sum)
    return {"train_loss": loss_sum.item() / seen, "train_accuracy": right.item() / seen}


def one_step(forward: Callable, optimizer: torch.optim.Optimizer, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Learn from one batch -> its losses, and which answers were right, both (batch,)."""
    logits = forward(images)  # (batch, 10)
    losses = F.cross_entropy(logits, labels, reduction="none")
    optimizer.zero_grad()
    losses.mean().backward()
    optimizer.step()
    return losses.detach(), logits.argmax(1) == labels


def begin(config: TrainConfig, dataset: "Dataset") -> Run:
    """A run before its first step."""
    began = time.perf_counter()
    validation.instance("config", config, TrainConfig)
    kept = len(dataset.train_labels) - config.validation
    if kept < 1:
        raise ValueError(f"validation={config.validation} leaves no training images of {len(dataset.train_labels):,}.")
    if not config.validation and len(dataset.test_labels) == 0:
        raise ValueError("The dataset has no test images, and validation=0 holds none out: there is nothing to judge by.")
    steps = config.steps(kept)
    compiled = config.compiled if all(ingredient.compiles for ingredient in config.ingredients) else "no"
    engine = Engine.choose(config.device, config.precision, compiled, steps)
    tune_malloc()
    model = engine.prepare(first_network(config, dataset.train_images[:kept]))
    forward = engine.forward(model)
    if engine.compiled and not forward.works(min(config.batch_size, kept)):
        engine = replace(engine, compiled=False)
        forward = engine.forward(model)
    optimizer = optimizer_of(model, config)
    return Run(
        config,
        dataset,
        engine,
        model,
        forward,
        optimizer,
        one_cycle(optimizer, config, steps),
        dataset.train_images[:kept].to(engine.device),
        dataset.train_labels[:kept].to(engine.device),
        (dataset.train_images[kept:], dataset.train_labels[kept:]),
        steps,
        began=began,
    )


def first_network(config: TrainConfig, images: Tensor) -> nn.Module:
    """The network before its first step; images: uint8 (N, 1, 28, 28), the training images."""
    torch.manual_seed(epoch_seed(config.seed, 0))
    network = DigitNet(config.dropout)
    for ingredient in config.ingredients:
        network = ingredient.network(network)
    for ingredient in config.ingredients:
        ingredient.first_weights(network, images)
    return network


def epoch_batches(run: Run) -> Iterator[tuple[Tensor, tuple[Tensor, Tensor]]]:
    """The batches of the epoch that begins, or as many as the run still has steps: indices (batch,), (images, labels)."""
    order = epoch_order(run.config, len(run.labels), run.memory, run.engine.device).split(run.config.batch_size)
    plan = augments(run.config, run.step, min(run.steps, run.step + len(order)), run.steps)
    return zip(order, batches(run.images, run.labels, order, plan, run.engine.to_input_format))


def adapt_network(run: Run, done: float) -> None:
    """Let the network compute as the ingredients say when this share of the run is done."""
    for ingredient in run.config.ingredients:
        ingredient.adapt(run.model, done)


def stop_unless_finite(run: Run, loss: Tensor) -> None:
    if not torch.isfinite(loss):
        raise TrainingError(
            f"The loss is no longer a number at step {run.step:,} of {run.steps:,}: the training has diverged. "
            f"Lower max_lr ({run.config.max_lr:g})."
        )


def judge(run: Run, images: Tensor, labels: Tensor) -> Score:
    """What the network reaches on images that are not learned from; TrainingError if its last step made it diverge."""
    score = evaluate(run.model, images, labels)
    stop_unless_finite(run, torch.tensor(score.loss))
    return score


def make_record(run: Run) -> dict:
    """All that a reader needs to judge the run's number: plain values only, ready for JSON."""
    config, dataset = run.config, run.dataset
    score = None if config.validation else judge(run, dataset.test_images, dataset.test_labels)  # read once
    record = {
        "dataset": {
            "name": dataset.name,
            "sha256": dataset.sha256,
            "trained_on": len(dataset.train_labels) - config.validation,
            "validated_on": config.validation,
        },
        "config": config.to_dict(),
        "parameters": sum(p.numel() for p in run.model.parameters()),
        "history": run.history,
        "test": score and asdict(score) | {"accuracy": score.accuracy, "epoch": len(run.history)},
        "seconds": round(sum(entry["seconds"] for entry in run.history), 1),
        **provenance(run.engine),
    }
    if not run.resumed:
        record["seconds_in_all"] = round(time.perf_counter() - run.began, 1)  # from loaded data to the last test image
    return record
