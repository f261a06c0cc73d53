"""How long an epoch takes, the classic way and ours, side by side; and the ladder of changes between the two.

python -m benchmarks.speed                   # about half an hour on 2 cores; prints, and writes records/speed.json
python -m benchmarks.speed --rounds 1 --steps 20 --out speed.json

Everything runs in one process, in turn (A B A B), so that a slow minute of the machine meets all alike. An epoch is 60,000
images with augmentation and dropout, and the evaluation of 10,000. The ladder's rungs are stretches of steps, no evaluation.
Leave the machine alone meanwhile.
"""

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import torch
import torch._inductor.config as inductor
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from benchmarks.classic import Classic, network
from mnist_lib.data import Dataset, load
from mnist_lib.engine import Engine
from mnist_lib.files import ROOT, write_whole
from mnist_lib.model import DigitNet
from mnist_lib.trainer import QUICK, TrainConfig, batches, device_name, evaluate, sgd, train
from mnist_lib.transforms import Augment, normalise, to_float

KINDS = {  # of a step's work, by the beginning of a profiler's row
    "waiting for images": ("enumerate(DataLoader)",),
    "convolution": ("aten::convolution_backward", "aten::mkldnn_convolution", "aten::_slow_conv2d"),
    "BatchNorm": ("aten::native_batch_norm", "aten::_batch_norm"),
    "ReLU": ("aten::threshold_backward", "aten::clamp_min", "aten::relu"),
    "dropout": ("aten::bernoulli_", "aten::native_dropout", "aten::random_", "aten::div_", "aten::mul"),
    "BatchNorm, ReLU, dropout as one": ("graph_",),
    "pooling": ("aten::max_pool2d", "aten::avg_pool2d"),
}


class Ours:
    """The library's epoch, one step at a time, with the means that are named."""

    def __init__(self, dataset: Dataset, precision: str = "auto", compiled: str = "yes"):
        self.dataset, self.config, self.engine = dataset, TrainConfig(), Engine.choose("cpu", precision, compiled)
        self.model = self.engine.prepare(DigitNet())
        self.forward, self.optimizer = self.engine.forward(self.model), sgd(self.model, self.config)

    def steps(self) -> Iterator[Tensor]:
        self.model.train()
        images, labels, augment = self.dataset.train_images, self.dataset.train_labels, self.config.augment
        for batch, targets in batches(images, labels, 128, [augment] * self.config.steps(len(labels))):
            yield one_step(self.forward, self.optimizer, batch, targets)

    def evaluate(self) -> float:
        return evaluate(self.model, self.dataset.test_images, self.dataset.test_labels).accuracy


class Rung:
    """A step on the way from the classic script to ours: plain modules, with some of the means."""

    def __init__(self, dataset: Dataset, model: nn.Module, channels_last: bool = False, precision: str = "float32"):
        self.dataset, self.precision = dataset, precision
        self.order = torch.channels_last if channels_last else torch.contiguous_format
        self.model = model.to(memory_format=self.order)
        self.optimizer, self.augment = torch.optim.SGD(self.model.parameters(), lr=0.1, momentum=0.9), Augment()

    def forward(self, batch: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=self.precision == "bfloat16"):
            return self.model(batch).float()

    def steps(self) -> Iterator[Tensor]:
        self.model.train()
        for picked in torch.randperm(len(self.dataset.train_labels)).split(128):
            batch = normalise(self.augment(to_float(self.dataset.train_images[picked]))).contiguous(memory_format=self.order)
            yield one_step(self.forward, self.optimizer, batch, self.dataset.train_labels[picked])


def one_step(forward: Callable[[Tensor], Tensor], optimizer: torch.optim.Optimizer, batch: Tensor, targets: Tensor) -> Tensor:
    loss = F.cross_entropy(forward(batch), targets)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach()


def ladder(dataset: Dataset, workers: int) -> dict[str, Classic | Rung | Ours]:
    """From the classic script to ours, one change a rung."""
    rungs = {
        "classic script": Classic(dataset, workers),
        "images in memory, changed a batch at a time": Rung(dataset, network()),
        "channels last": Rung(dataset, network(), channels_last=True),
        "dropout masks from a stock": Rung(dataset, DigitNet(), channels_last=True),
    }
    if Engine.choose("cpu").precision == "bfloat16":
        rungs["bfloat16"] = Rung(dataset, DigitNet(), channels_last=True, precision="bfloat16")
    rungs["eight batches changed at once, fused SGD"] = Ours(dataset, compiled="no")
    if Engine.choose("cpu", compiled="yes").compiled:
        rungs["compiled"] = Ours(dataset)
    return rungs


def epoch_seconds(way: Classic | Ours) -> float:
    """A whole epoch and the evaluation after it."""
    started = time.perf_counter()
    for _ in way.steps():
        pass
    way.evaluate()
    return time.perf_counter() - started


def stretch_seconds(way: Classic | Rung | Ours, steps: int, skip: int = 8) -> float:
    """Seconds of so many steps, after some that fill queues and caches (and in which what is compiled is compiled)."""
    running = way.steps()
    for _ in range(skip):
        next(running)
    started = time.perf_counter()
    for _ in range(steps):
        next(running)
    return time.perf_counter() - started


def profiled(way: Classic | Rung | Ours, steps: int = 40, warm_up: int = 10) -> dict[str, float]:
    """Milliseconds of a step by kind of work, from each kind's share in the profiler's time."""
    running = way.steps()
    for _ in range(warm_up):
        next(running)
    started = time.perf_counter()
    for _ in range(steps):
        next(running)
    step = 1000 * (time.perf_counter() - started) / steps
    with profile(activities=[ProfilerActivity.CPU], acc_events=True) as watch:
        started = time.perf_counter()
        for _ in range(steps):
            next(running)
        watched = time.perf_counter() - started
    took = dict.fromkeys(KINDS, 0.0)
    for row in watch.key_averages():
        kind = next((kind for kind, starts in KINDS.items() if row.key.startswith(starts)), None)
        if kind:
            took[kind] += row.self_cpu_time_total / 1e6 / watched * step
    took["the rest"] = step - sum(took.values())  # making batches, optimizer, copies, Python
    return {kind: round(ms, 2) for kind, ms in took.items() if ms >= 0.005}


def course(dataset: Dataset, workers: int, epochs: int = 4) -> dict[str, list[dict]]:
    """Seconds of training so far and accuracy on 5,000 held-out images, after each epoch of a short run, seed 0."""
    torch.manual_seed(0)
    way, classic, spent = Classic(dataset, workers, epochs, held_out=5000), [], 0.0
    for _ in range(epochs):
        started = time.perf_counter()
        for _ in way.steps():
            pass
        spent += time.perf_counter() - started
        classic.append({"seconds": round(spent, 1), "accuracy": way.evaluate()})
    courses = {"classic": classic}
    for name, config in (("ours", TrainConfig(epochs=epochs)), ("quick", QUICK)):
        history, spent = train(replace(config, validation=5000), dataset).history, 0.0
        courses[name] = []
        for entry in history:
            spent += entry["seconds"]
            courses[name].append({"seconds": round(spent, 1), "accuracy": entry["validation_accuracy"]})
    return courses


def ratio(slow: list[float], fast: list[float]) -> str:
    """How many times as fast, of each round's pair: median, lowest, highest."""
    ratios = sorted(a / b for a, b in zip(slow, fast, strict=True))
    return f"{statistics.median(ratios):.2f} times ({ratios[0]:.2f} to {ratios[-1]:.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=100, help="of a ladder's stretch (default 100)")
    parser.add_argument("--out", type=Path, default=ROOT / "records" / "speed.json")
    options = parser.parse_args()
    dataset = load()
    inductor.cpp.enable_kernel_profile = True  # so that a profile names what was compiled
    result = {
        "dataset": {"name": dataset.name, "sha256": dataset.sha256},
        "machine": {"device": device_name(torch.device("cpu")), "threads": torch.get_num_threads(), "cores": os.cpu_count()},
        "versions": {
            "python": platform.python_version(),
            "torch": str(torch.__version__),
            "torchvision": torchvision.__version__,
        },
        "date": date.today().isoformat(),
        "rounds": options.rounds,
        "steps": options.steps,
    }

    print("The classic script with 0, 1 and 2 workers, seconds an epoch of training (from a stretch of steps):")
    images = 128 * options.steps
    whole = len(dataset.train_labels) / images
    tried = {n: whole * stretch_seconds(Classic(dataset, n), options.steps) for n in (0, 1, 2)}
    result["workers"] = {str(n): round(seconds, 2) for n, seconds in tried.items()}
    workers = min(tried, key=tried.get)
    print(f"  {result['workers']}: {workers} it is\n", flush=True)

    print("Whole epochs, training and evaluation, seconds:")
    ways = {"classic": Classic(dataset, workers), "ours": Ours(dataset), "ours, float32": Ours(dataset, "float32")}
    for way in ways.values():
        stretch_seconds(way, 2)  # compiles
    result["epochs"] = {name: [] for name in ways}
    for number in range(options.rounds):
        for name, way in ways.items():
            result["epochs"][name].append(round(epoch_seconds(way), 2))
        print(
            f"  round {number + 1}: " + ", ".join(f"{name} {took[-1]:.1f}" for name, took in result["epochs"].items()),
            flush=True,
        )
    for name, took in result["epochs"].items():
        speed = len(dataset.train_labels) / statistics.median(took)
        print(f"  {name}: median {statistics.median(took):.1f} s, {speed:,.0f} images a second", end="")
        print(f", {ratio(result['epochs']['classic'], took)} the classic script" if name != "classic" else "")

    write_whole(options.out, json.dumps(result, indent=1).encode() + b"\n")  # what is measured is not lost
    print("\nThe ladder, seconds an epoch of training (from stretches of steps):", flush=True)
    rungs = ladder(dataset, workers)
    for way in rungs.values():
        stretch_seconds(way, 2)
    result["ladder"] = {name: [] for name in rungs}
    for _ in range(options.rounds):
        for name, way in rungs.items():
            result["ladder"][name].append(round(whole * stretch_seconds(way, options.steps), 2))
    before = None
    for name, took in result["ladder"].items():
        print(f"  {name:44} {statistics.median(took):6.1f}  " + (ratio(before, took) + " the rung before" if before else ""))
        before = took

    print("\nWhere the milliseconds of a step go:")
    chosen = list(rungs)
    names = {"classic": chosen[0], "ours, not compiled": chosen[-2], "ours": chosen[-1]}
    result["profile"] = {name: profiled(rungs[rung]) for name, rung in names.items()}
    for name, parts in result["profile"].items():
        print(f"  {name}: {parts}", flush=True)

    write_whole(options.out, json.dumps(result, indent=1).encode() + b"\n")
    print("\nAccuracy on 5,000 held-out images against seconds of training:", flush=True)
    result["course"] = course(dataset, workers)
    for name, points in result["course"].items():
        print(f"  {name}: " + ", ".join(f"{point['accuracy']:.2%} at {point['seconds']:.0f} s" for point in points))

    write_whole(options.out, json.dumps(result, indent=1).encode() + b"\n")
    print(f"\nWritten to {options.out.name}.")


if __name__ == "__main__":
    main()
