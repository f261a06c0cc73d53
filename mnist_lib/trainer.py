"""The card's training: its configuration, the loop, exact evaluation, and the record of what happened."""

import math
import os
import platform
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from itertools import groupby

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mnist_lib.data import Dataset
from mnist_lib.engine import Engine
from mnist_lib.model import DigitNet
from mnist_lib.muon import Muon
from mnist_lib.transforms import Augment, normalise, to_float


@dataclass(frozen=True)
class TrainConfig:
    """The card's training, unless you change it.

    epochs: above 0; with 1.5 the second epoch ends half-way. batch_size: a whole number. (The card names none; 128 is ours.)
    max_lr, pct_start, div_factor, final_div_factor: of OneCycleLR, stepped once a batch.
    momentum: of SGD, constant. (OneCycleLR would move it between 0.85 and 0.95; the card says 0.9.)
    nesterov, weight_decay: of SGD; the card uses neither.
    dropout: shares after (conv1..conv3, conv4..conv7).
    augment: the random changes to each training image, or None.
    settle: the last so many of the run's steps, as a share, see changes of half the size.
    freeze: in the last so many of its steps, as a share, the first block (conv1 to bn3, where most of the time goes) learns
        no more.
    hardest: from the second epoch on, an epoch is only this share of the images: of each batch of the first epoch, those with
        the highest losses when last seen. (One that is left out keeps its old loss, so its turn comes.) The training accuracy
        of such an epoch is that of these images.
    muon: above 0, conv1..conv7 learn by Muon (see muon.py) with this max_lr, momentum 0.6 and no weight decay; everything else
        learns by SGD as said above.
    whiten: conv1 starts with the principal directions of 3x3 patches of the training images, and their negatives.
    validation: so many of the last training images are held out, measured each epoch; the test set is then left unread.
    seed: decides the first weights and every random number after them.
    device: "auto" (cuda, else mps, else cpu) or a torch device. precision: "auto", "float32" or "bfloat16" (for the
        convolutions). compiled: "auto", "yes" or "no". What auto takes is decided in engine.py.

    Raises:
        ValueError: one sentence, for a value that has no meaning.
    """

    epochs: float = 20
    batch_size: int = 128
    max_lr: float = 0.1
    pct_start: float = 0.4
    div_factor: float = 10
    final_div_factor: float = 100
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 0
    dropout: tuple[float, float] = (0.07, 0.05)
    augment: Augment | None = Augment()
    settle: float = 0
    freeze: float = 0
    hardest: float = 1
    muon: float = 0
    whiten: bool = False
    validation: int = 0
    seed: int = 0
    device: str = "auto"
    precision: str = "auto"
    compiled: str = "auto"

    def __post_init__(self):
        for name, least in (("batch_size", 1), ("validation", 0), ("seed", 0)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise ValueError(f"{name} is a whole number, {least} or more, not {value!r}.")
        for name in ("epochs", "max_lr", "div_factor", "final_div_factor"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} is a number above 0, not {getattr(self, name)!r}.")
        for name in ("weight_decay", "muon"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} is a number, 0 or more, not {getattr(self, name)!r}.")
        if not 0 < self.hardest <= 1:
            raise ValueError(f"hardest is a share above 0, at most 1, not {self.hardest!r}.")
        for name, share in (
            ("pct_start", self.pct_start),
            ("momentum", self.momentum),
            ("settle", self.settle),
            ("freeze", self.freeze),
            *(("dropout", p) for p in self.dropout),
        ):
            if not 0 <= share < 1:
                raise ValueError(f"{name} is a share from 0 to below 1, not {share!r}.")
        if self.precision not in ("auto", "float32", "bfloat16"):
            raise ValueError(f'precision is "auto", "float32" or "bfloat16", not {self.precision!r}.')
        if self.compiled not in ("auto", "yes", "no"):
            raise ValueError(f'compiled is "auto", "yes" or "no", not {self.compiled!r}.')
        Engine.choose(self.device)

    def steps(self, images: int) -> int:
        """How many batches a run over so many training images takes; the last batch of an epoch may be short."""
        whole, rest = divmod(images, self.batch_size)
        later = whole * self.share_of(self.batch_size) + self.share_of(rest)  # images of an epoch after the first
        first, later = (math.ceil(n / self.batch_size) for n in (images, later))
        return max(1, round(min(self.epochs, 1) * first + max(self.epochs - 1, 0) * later))

    def share_of(self, images: int) -> int:
        """How many of a batch of the first epoch a later one takes."""
        return math.ceil(self.hardest * images)


CARD = TrainConfig()
# Few steps for 99.4 %; chosen by training on 55,000 training images and judging on the other 5,000
QUICK = TrainConfig(
    epochs=7,
    batch_size=256,
    max_lr=0.3,
    pct_start=0.3,
    final_div_factor=1e4,
    nesterov=True,
    weight_decay=5e-4,
    dropout=(0.0, 0.0),
    augment=Augment().times(0.7),
    settle=0.25,
    freeze=0.65,
    hardest=0.2,
    muon=0.35,
    whiten=True,
)


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
    engine: Engine
    model: nn.Module
    optimizer: torch.optim.Optimizer
    scheduler: torch.optim.lr_scheduler.LRScheduler
    steps: int  # in all
    step: int = 0  # done
    loss: Tensor | None = None  # of the last step
    first_order: Tensor | None = None  # (images,): the first epoch's order, by index
    losses: Tensor | None = None  # (images,): of each image when it was last seen
    history: list[dict] = field(default_factory=list)  # one entry an epoch
    record: dict = field(default_factory=dict)  # filled at the end


def train(config: TrainConfig, dataset: Dataset, callbacks: Sequence[Callback] = ()) -> Run:
    """Train a DigitNet. The test images are read once, after the last epoch; never if config holds out a validation set.

    Seeds torch's global generator at the start of every epoch, so that epoch 7 draws the same numbers whether or not
    the run was interrupted before it.
    """
    called = time.perf_counter()
    kept = len(dataset.train_labels) - config.validation
    if kept < 1:
        raise ValueError(f"validation={config.validation} leaves no training images of {len(dataset.train_labels):,}.")
    steps = config.steps(kept)
    engine = Engine.choose(config.device, config.precision, config.compiled, steps)
    images, labels = dataset.train_images[:kept].to(engine.device), dataset.train_labels[:kept].to(engine.device)
    validation_images, validation_labels = dataset.train_images[kept:], dataset.train_labels[kept:]

    torch.manual_seed(epoch_seed(config.seed, 0))
    model = engine.prepare(DigitNet(config.dropout))
    forward = engine.forward(model)
    if config.whiten:
        whiten(model.conv1, images)
    optimizer = optimizer_of(model, config)
    scheduler = one_cycle(optimizer, config, steps)
    run = Run(config, dataset, engine, model, optimizer, scheduler, steps)
    run.first_order, run.losses = torch.zeros_like(labels), torch.zeros(kept, device=engine.device)
    for callback in callbacks:
        callback.on_start(run)  # may bring back an interrupted run
    resumed = run.step > 0

    while run.step < steps:
        epoch = len(run.history) + 1
        torch.manual_seed(epoch_seed(config.seed, epoch))
        started, loss_sum, correct, seen = time.perf_counter(), 0.0, 0, 0
        model.train()
        if epoch == 1:
            run.first_order = torch.randperm(kept, device=engine.device)
            order = run.first_order
        else:
            order = epoch_order(run.first_order, run.losses, config)
        picks = order.split(config.batch_size)
        for picked, (batch, targets) in zip(picks, batches(images, labels, picks, augmentations(config, run.step, steps))):
            learn_first_block(model, run.step < (1 - config.freeze) * steps)
            answers = forward(batch)  # (batch_size, 10)
            losses = F.cross_entropy(answers, targets, reduction="none")
            run.loss = losses.mean()
            run.losses[picked] = losses.detach()
            optimizer.zero_grad()
            run.loss.backward()
            optimizer.step()
            run.step += 1
            if run.step < steps:
                scheduler.step()
            loss_sum += run.loss.detach() * len(targets)
            correct += (answers.argmax(1) == targets).sum()
            seen += len(targets)
            for callback in callbacks:
                callback.on_step(run)
        entry = {"epoch": epoch, "train_loss": float(loss_sum) / seen, "train_accuracy": int(correct) / seen}
        if config.validation:
            entry["validation_accuracy"] = evaluate(model, validation_images, validation_labels).accuracy
        run.history.append(entry | {"seconds": round(time.perf_counter() - started, 3)})
        for callback in callbacks:
            callback.on_epoch(run)

    learn_first_block(model, True)
    score = None if config.validation else evaluate(model, dataset.test_images, dataset.test_labels)
    run.record = make_record(run, score)
    if not resumed:
        run.record["seconds_in_all"] = round(time.perf_counter() - called, 1)  # from loaded data to the last test image
    for callback in callbacks:
        callback.on_end(run)
    return run


def augmentations(config: TrainConfig, step: int, steps: int) -> list[Augment | None]:
    """What changes the images of each step from this one to the run's end."""
    settled = config.augment.times(0.5) if config.augment else None
    return [config.augment if at < (1 - config.settle) * steps else settled for at in range(step, steps)]


@torch.no_grad()
def whiten(conv: nn.Conv2d, images: Tensor, sample: int = 2000) -> None:
    """Have the filters of conv (out, 1, k, k) be the principal directions of the images' patches, the strongest first.

    Each is followed by its negative, for what ReLU would cut off; the weakest are left out, or drawn as before, as need be.
    images: uint8 (N, 1, H, W). (After Jordan's "94 % on CIFAR-10 in 3.29 seconds", which also levels how strong the
    directions are; here BatchNorm does.)
    """
    k = conv.kernel_size[0]
    patches = F.unfold(to_float(images[:sample]), k).mT.reshape(-1, k * k)
    directions = torch.linalg.eigh(patches.T.cov())[1].T.flip(0)  # (k * k, k * k), a direction a row
    filters = torch.stack([directions, -directions], dim=1).flatten(0, 1)[: len(conv.weight)]
    conv.weight[: len(filters)] = filters.view(-1, 1, k, k)


def learn_first_block(model: nn.Module, learning: bool) -> None:
    """Let conv1 to bn3 learn, or not; where they don't, backward has nothing to do there."""
    for name in ("conv1", "bn1", "conv2", "bn2", "conv3", "bn3"):
        model.get_submodule(name).requires_grad_(learning)


def epoch_order(first_order: Tensor, losses: Tensor, config: TrainConfig, generator: torch.Generator | None = None) -> Tensor:
    """The images of an epoch after the first, by index, in random order: all, or the hardest (see TrainConfig).

    first_order: the first epoch's order (N,); losses: of each image when it was last seen (N,).
    """
    if config.hardest == 1:
        return torch.randperm(len(losses), generator=generator, device=losses.device)
    whole, picked = len(losses) // config.batch_size * config.batch_size, []
    for batches_of_first in (first_order[:whole].view(-1, config.batch_size), first_order[whole:][None]):
        hardest = losses[batches_of_first].topk(config.share_of(batches_of_first.shape[1]), dim=1).indices
        picked.append(batches_of_first.gather(1, hardest).flatten())
    picked = torch.cat(picked)
    return picked[torch.randperm(len(picked), generator=generator, device=losses.device)]


def batches(
    images: Tensor, labels: Tensor, order: Sequence[Tensor], augment_at: Sequence[Augment | None], together: int = 8
) -> Iterator[tuple[Tensor, Tensor]]:
    """uint8 (N, 1, 28, 28) -> augmented, normalised float batches with their labels; order: the images of each, by index.

    Batch number b is changed by augment_at[b]; they end with the shorter list. Neighbouring batches that are changed alike,
    up to `together`, are made in one go.
    """
    for first in range(0, len(order), together):
        group = zip(augment_at[first:], order[first : first + together])
        for augment, alike in groupby(group, key=lambda pair: pair[0]):
            picked = [indices for _, indices in alike]
            changed = to_float(images[torch.cat(picked)])
            if augment:
                changed = augment(changed)
            changed = normalise(changed).contiguous(memory_format=torch.channels_last)
            yield from zip(changed.split(len(picked[0])), (labels[indices] for indices in picked))


def optimizer_of(model: nn.Module, config: TrainConfig, networks: int = 1) -> torch.optim.Optimizer:
    """What the weights learn by; networks: how many the model holds side by side (many.py)."""
    settings = {
        "lr": config.max_lr,
        "momentum": config.momentum,
        "nesterov": config.nesterov,
        "weight_decay": config.weight_decay,
        "fused": next(model.parameters()).device.type in ("cpu", "cuda"),  # one pass over all weights
    }
    if not config.muon:
        return torch.optim.SGD(model.parameters(), **settings)
    inner = {f"conv{number}.weight" for number in range(1, 8)}
    convs = [p for name, p in model.named_parameters() if name in inner]
    others = [p for name, p in model.named_parameters() if name not in inner]
    matrices = {"params": convs, "lr": config.muon, "momentum": 0.6, "networks": networks}  # 0.6: as Jordan's runs on CIFAR-10
    return Muon([{"params": others}, matrices], **settings)


def one_cycle(optimizer: torch.optim.Optimizer, config: TrainConfig, steps: int) -> torch.optim.lr_scheduler.OneCycleLR:
    """The learning rate of every step: up from max_lr / div_factor, then down to that / final_div_factor."""
    at_once = config.pct_start * steps == 1  # the first step is the peak: torch would divide by zero
    return torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=[group["lr"] for group in optimizer.param_groups],
        total_steps=steps,
        pct_start=config.pct_start * (1 - 1e-9) if at_once else config.pct_start,
        div_factor=config.div_factor,
        final_div_factor=config.final_div_factor,
        cycle_momentum=False,
    )


def rates(config: TrainConfig, images: int) -> list[float]:
    """The learning rate of every step of a run over so many training images."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=config.max_lr)
    steps = config.steps(images)
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


def evaluate(model: nn.Module, images: Tensor, labels: Tensor, batch_size: int = 250) -> Score:
    """Count right answers over all images, uint8 or float in [0, 1] (N, 1, 28, 28); labels (N,)."""
    if len(images) != len(labels) or len(labels) == 0:
        raise ValueError(f"evaluate needs as many labels as images and at least one, not {len(labels)} and {len(images)}.")
    answers, labels = logits(model, images, batch_size), labels.cpu()
    correct = (answers.argmax(1) == labels).sum().item()
    return Score(correct, len(labels), F.cross_entropy(answers, labels).item())


@torch.no_grad()
def logits(model: nn.Module, images: Tensor, batch_size: int = 250) -> Tensor:
    """Images as for evaluate -> logits (N, 10) on the CPU, in float32 and evaluation mode, whatever mode the model is in."""
    device, was_training = next(model.parameters()).device, model.training
    model.eval()
    order = torch.channels_last
    answers = [model(normalise(batch.to(device)).contiguous(memory_format=order)).cpu() for batch in images.split(batch_size)]
    model.train(was_training)
    return torch.cat(answers)


def epoch_seed(seed: int, epoch: int) -> int:
    """The seed of an epoch's random numbers; epoch 0 is the first weights."""
    return (seed * 100_003 + epoch) % 2**63


def make_record(run: Run, score: Score | None) -> dict:
    """All that a reader needs to judge the number: plain values only, ready for JSON."""
    config, dataset, engine = run.config, run.dataset, run.engine
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
            "device": device_name(engine.device),
            "threads": torch.get_num_threads() if engine.device.type == "cpu" else None,
            "precision": engine.precision,
            "compiled": engine.compiled,
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
    """One line an epoch, after one that says with what means the run is done."""

    def on_start(self, run: Run) -> None:
        print(f"On {run.engine}: {run.steps:,} steps.", flush=True)

    def on_epoch(self, run: Run) -> None:
        last = run.history[-1]
        line = f"epoch {last['epoch']:2}/{math.ceil(run.config.epochs)}  loss {last['train_loss']:.4f}"
        line += f"  training accuracy {last['train_accuracy']:.2%}"
        if "validation_accuracy" in last:
            line += f"  validation accuracy {last['validation_accuracy']:.2%}"
        print(f"{line}  {last['seconds']:.1f} s", flush=True)
