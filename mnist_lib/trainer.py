"""The card's training: its configuration, the loop, exact evaluation, and the record of what happened."""

import ctypes
import math
import os
import platform
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mnist_lib.data import Dataset
from mnist_lib.model import DigitNet
from mnist_lib.transforms import Augment, normalise, to_float


@dataclass(frozen=True)
class TrainConfig:
    """The card's training, unless you change it.

    epochs, batch_size: whole numbers, 1 or more. (The card names no batch size; 128 is ours.)
    max_lr, pct_start, div_factor, final_div_factor: of OneCycleLR, stepped once a batch.
    momentum: of SGD, constant. (OneCycleLR would move it between 0.85 and 0.95; the card says 0.9.)
    dropout: shares after (conv1..conv3, conv4..conv7).
    augment: the random changes to each training image, or None.
    validation: so many of the last training images are held out, measured each epoch; the test set is then left unread.
    seed: decides the first weights and every random number after them.
    device: "auto" (cuda, else mps, else cpu) or a torch device. precision: "auto", "float32" or "bfloat16"; auto takes
        bfloat16 for convolutions where the CPU computes with it.

    Raises:
        ValueError: one sentence, for a value that has no meaning.
    """

    epochs: int = 20
    batch_size: int = 128
    max_lr: float = 0.1
    pct_start: float = 0.4
    div_factor: float = 10
    final_div_factor: float = 100
    momentum: float = 0.9
    dropout: tuple[float, float] = (0.07, 0.05)
    augment: Augment | None = Augment()
    validation: int = 0
    seed: int = 0
    device: str = "auto"
    precision: str = "auto"

    def __post_init__(self):
        for name, least in (("epochs", 1), ("batch_size", 1), ("validation", 0), ("seed", 0)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise ValueError(f"{name} is a whole number, {least} or more, not {value!r}.")
        for name in ("max_lr", "div_factor", "final_div_factor"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} is a number above 0, not {getattr(self, name)!r}.")
        for name, share in (
            ("pct_start", self.pct_start),
            ("momentum", self.momentum),
            *(("dropout", p) for p in self.dropout),
        ):
            if not 0 <= share < 1:
                raise ValueError(f"{name} is a share from 0 to below 1, not {share!r}.")
        if self.precision not in ("auto", "float32", "bfloat16"):
            raise ValueError(f'precision is "auto", "float32" or "bfloat16", not {self.precision!r}.')
        choose_device(self.device)


class Callback:
    """Attach to a run from outside: bars, plots, checkpoints. Every method may be left out."""

    def on_start(self, run: "Run") -> None: ...
    def on_step(self, run: "Run") -> None: ...
    def on_epoch(self, run: "Run") -> None: ...
    def on_end(self, run: "Run") -> None: ...


@dataclass
class Run:
    """A training run: where it stands, and in the end its record."""

    config: TrainConfig
    dataset: Dataset
    model: nn.Module
    optimizer: torch.optim.Optimizer
    scheduler: torch.optim.lr_scheduler.LRScheduler
    steps: int  # in all
    step: int = 0  # done
    loss: Tensor | None = None  # of the last step
    history: list[dict] = field(default_factory=list)  # one entry an epoch
    record: dict = field(default_factory=dict)  # filled at the end


def train(config: TrainConfig, dataset: Dataset, callbacks: Sequence[Callback] = ()) -> Run:
    """Train a DigitNet. The test images are read once, after the last epoch; never if config holds out a validation set.

    Seeds torch's global generator at the start of every epoch, so that epoch 7 draws the same numbers whether or not
    the run was interrupted before it.
    """
    device, precision = choose_device(config.device), choose_precision(config)
    held_out = len(dataset.train_labels) - config.validation
    if held_out < 1:
        raise ValueError(f"validation={config.validation} leaves no training images of {len(dataset.train_labels):,}.")
    images, labels = dataset.train_images[:held_out].to(device), dataset.train_labels[:held_out].to(device)
    validation_images, validation_labels = dataset.train_images[held_out:], dataset.train_labels[held_out:]
    steps = config.epochs * math.ceil(len(labels) / config.batch_size)

    keep_memory()
    torch.manual_seed(epoch_seed(config.seed, 0))
    model = DigitNet(config.dropout).to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=config.max_lr, momentum=config.momentum)
    scheduler = one_cycle(optimizer, config, steps)
    run = Run(config, dataset, model, optimizer, scheduler, steps)
    for callback in callbacks:
        callback.on_start(run)  # may bring back an interrupted run

    for epoch in range(len(run.history) + 1, config.epochs + 1):
        torch.manual_seed(epoch_seed(config.seed, epoch))
        started, loss_sum, correct = time.perf_counter(), torch.zeros((), device=device), torch.zeros((), device=device)
        model.train()
        for batch, targets in batches(images, labels, config.batch_size, config.augment):
            with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
                answers = model(batch)  # (batch_size, 10)
            run.loss = F.cross_entropy(answers.float(), targets)
            optimizer.zero_grad()
            run.loss.backward()
            optimizer.step()
            run.step += 1
            if run.step < steps:
                scheduler.step()
            loss_sum += run.loss.detach() * len(targets)
            correct += (answers.argmax(1) == targets).sum()
            for callback in callbacks:
                callback.on_step(run)
        entry = {
            "epoch": epoch,
            "train_loss": loss_sum.item() / len(labels),
            "train_accuracy": correct.item() / len(labels),
        }
        if config.validation:
            entry["validation_accuracy"] = evaluate(model, validation_images, validation_labels).accuracy
        run.history.append(entry | {"seconds": round(time.perf_counter() - started, 3)})
        for callback in callbacks:
            callback.on_epoch(run)

    score = None if config.validation else evaluate(model, dataset.test_images, dataset.test_labels)
    run.record = make_record(run, score, precision)
    for callback in callbacks:
        callback.on_end(run)
    return run


def batches(images: Tensor, labels: Tensor, size: int, augment: Augment | None) -> Iterator[tuple[Tensor, Tensor]]:
    """One epoch in random order: uint8 (N, 1, 28, 28) -> augmented, normalised float batches with their labels."""
    for picked in torch.randperm(len(labels), device=images.device).split(size):
        batch = to_float(images[picked])
        if augment:
            batch = augment(batch)
        yield normalise(batch).contiguous(memory_format=torch.channels_last), labels[picked]


def one_cycle(optimizer: torch.optim.Optimizer, config: TrainConfig, steps: int) -> torch.optim.lr_scheduler.OneCycleLR:
    """The learning rate of every step: up from max_lr / div_factor, then down to that / final_div_factor."""
    return torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=config.max_lr,
        total_steps=steps,
        pct_start=config.pct_start,
        div_factor=config.div_factor,
        final_div_factor=config.final_div_factor,
        cycle_momentum=False,
    )


def rates(config: TrainConfig, images: int) -> list[float]:
    """The learning rate of every step of a run over so many training images."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1)
    steps = config.epochs * math.ceil(images / config.batch_size)
    scheduler, seen = one_cycle(optimizer, config, steps), []
    for _ in range(steps):
        seen.append(scheduler.get_last_lr()[0])
        optimizer.step()
        if len(seen) < steps:
            scheduler.step()
    return seen


@dataclass(frozen=True)
class Score:
    """What a model reached on n images: correct of them, and the mean cross-entropy."""

    correct: int
    n: int
    loss: float

    @property
    def accuracy(self) -> float:
        return self.correct / self.n


def evaluate(model: nn.Module, images: Tensor, labels: Tensor, batch_size: int = 1000) -> Score:
    """Count right answers over all images, uint8 or float in [0, 1] (N, 1, 28, 28); labels (N,)."""
    if len(images) != len(labels) or len(labels) == 0:
        raise ValueError(f"evaluate needs as many labels as images and at least one, not {len(labels)} and {len(images)}.")
    answers, labels = logits(model, images, batch_size), labels.cpu()
    correct = (answers.argmax(1) == labels).sum().item()
    return Score(correct, len(labels), F.cross_entropy(answers, labels).item())


@torch.no_grad()
def logits(model: nn.Module, images: Tensor, batch_size: int = 1000) -> Tensor:
    """Images as for evaluate -> logits (N, 10) on the CPU, in float32 and evaluation mode, whatever mode the model is in."""
    device, was_training = next(model.parameters()).device, model.training
    model.eval()
    answers = [model(normalise(batch.to(device))).cpu() for batch in images.split(batch_size)]
    model.train(was_training)
    return torch.cat(answers)


def choose_device(name: str) -> torch.device:
    """ "auto" -> cuda, else mps, else cpu; ValueError in one sentence for a device that is not here."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError, TypeError):
        raise ValueError(f'device {name!r} is not to be had here: use "auto" or "cpu".') from None
    return device


def choose_precision(config: TrainConfig) -> str:
    """ "auto" -> bfloat16 on a CPU with instructions for it, else float32."""
    if config.precision != "auto":
        return config.precision
    has_bfloat16 = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    return "bfloat16" if choose_device(config.device).type == "cpu" and has_bfloat16() else "float32"


def keep_memory() -> None:
    """Have glibc keep what a step frees for the next one; by default it hands large blocks back and asks for them anew."""
    libc = ctypes.CDLL(None) if platform.system() == "Linux" else None
    if hasattr(libc, "mallopt"):
        trim_threshold, mmap_threshold = -1, -3  # malloc.h
        libc.mallopt(mmap_threshold, 2**25)
        libc.mallopt(trim_threshold, 2**30)


def epoch_seed(seed: int, epoch: int) -> int:
    """The seed of an epoch's random numbers; epoch 0 is the first weights."""
    return (seed * 100_003 + epoch) % 2**63


def make_record(run: Run, score: Score | None, precision: str) -> dict:
    """All that a reader needs to judge the number: plain values only, ready for JSON."""
    config, dataset, device = run.config, run.dataset, next(run.model.parameters()).device
    return {
        "dataset": {
            "name": dataset.name,
            "sha256": dataset.sha256,
            "trained_on": len(dataset.train_labels) - config.validation,
            "validated_on": config.validation,
        },
        "config": asdict(config),
        "parameters": sum(p.numel() for p in run.model.parameters()),
        "history": run.history,
        "test": None if score is None else asdict(score) | {"accuracy": score.accuracy, "epoch": len(run.history)},
        "seconds": round(sum(entry["seconds"] for entry in run.history), 1),
        "machine": {
            "device": device_name(device),
            "threads": torch.get_num_threads() if device.type == "cpu" else None,
            "precision": precision,
            "system": platform.system(),
        },
        "versions": {"python": platform.python_version(), "torch": str(torch.__version__)},
        "date": date.today().isoformat(),
    }


def device_name(device: torch.device) -> str:
    """The name a person would look for: the GPU's, or the processor's with its number of cores."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    name = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo") as file:
            name = next(line.split(":")[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return f"{name}, {os.cpu_count()} cores" + (" (mps)" if device.type == "mps" else "")


class PrintEpochs(Callback):
    """One line an epoch."""

    def on_epoch(self, run: Run) -> None:
        last = run.history[-1]
        line = f"epoch {last['epoch']:2}/{run.config.epochs}  loss {last['train_loss']:.4f}"
        line += f"  training accuracy {last['train_accuracy']:.2%}"
        if "validation_accuracy" in last:
            line += f"  validation accuracy {last['validation_accuracy']:.2%}"
        print(f"{line}  {last['seconds']:.1f} s", flush=True)
