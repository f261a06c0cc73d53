"""How long an epoch takes, the classic way and ours, side by side; and the ladder of changes from one to the other.

python -m benchmarks.speed                   # about half an hour on 2 cores; prints, and writes records/speed.json
python -m benchmarks.speed --rounds 1 --steps 20 --out speed.json

Everything runs in one process, in turn (A B A B), so that a slow minute of the machine meets all alike; the memory setting
that mnist_lib makes for its process (layers.tune_malloc) serves the classic script, too. An epoch is 60,000
images with augmentation and dropout, and the evaluation of 10,000. The ladder's rungs are stretches of steps, no evaluation.
Leave the machine alone meanwhile.
"""

import json
import os
import statistics
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain, count, islice
from pathlib import Path

import torch
import torchvision
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from benchmarks.classic import Classic, network
from benchmarks.common import arguments, mnist
from mnist_lib.data import Dataset
from mnist_lib.model import DigitNet
from mnist_lib.model.layers import Dropout, tune_malloc
from mnist_lib.studies import records
from mnist_lib.studies.statistics import ratio
from mnist_lib.support.paths import write_whole
from mnist_lib.trainer.batches import batches
from mnist_lib.trainer.config import TrainConfig
from mnist_lib.trainer.evaluation import evaluate
from mnist_lib.trainer.fast.engine import Engine, provenance
from mnist_lib.trainer.loop import one_step, train
from mnist_lib.trainer.optimizer import optimizer_of
from mnist_lib.trainer.recipes import QUICK
from mnist_lib.transforms import Augment, normalise, to_float

KINDS = {  # of a step's work: the profiler's rows
    "convolution": {"aten::convolution_backward", "aten::mkldnn_convolution"},
    "BatchNorm": {"aten::native_batch_norm", "aten::native_batch_norm_backward"},
    "ReLU": {"aten::threshold_backward", "aten::clamp_min", "aten::relu"},
    "dropout": {"aten::bernoulli_", "aten::div_", "aten::mul", "aten::random_", "aten::ge_"},
    "BatchNorm, ReLU, dropout, pooling compiled": set(),  # what the compiler made: "graph_..."
    "pooling": {
        "aten::max_pool2d_with_indices",
        "aten::max_pool2d_with_indices_backward",
        "aten::avg_pool2d",
        "aten::avg_pool2d_backward",
    },
}


class Way:
    """A way of training: its model's forward pass and optimizer, and in `made` an epoch's batches."""

    def step(self, batch: Tensor, targets: Tensor) -> Tensor:
        return one_step(self.forward, self.optimizer, batch, targets)[0].mean()


class Ours(Way):
    """The library's epoch, one step at a time, with the settings that are given."""

    def __init__(self, dataset: Dataset, precision: str = "auto", compiled: str = "yes"):
        self.dataset, self.config, self.engine = dataset, TrainConfig(), Engine.choose("cpu", precision, compiled)
        self.model = self.engine.prepare(DigitNet())
        self.forward, self.optimizer = self.engine.forward(self.model), optimizer_of(self.model, self.config)

    def made(self) -> Iterator[tuple[Tensor, Tensor]]:
        images, labels, augment = self.dataset.train_images, self.dataset.train_labels, self.config.augment
        order = torch.randperm(len(labels)).split(128)
        return batches(images, labels, order, [augment] * len(order), to_input_format=self.engine.to_input_format)

    def evaluate(self) -> float:
        return evaluate(self.model, self.dataset.test_images, self.dataset.test_labels).accuracy


class Rung(Way):
    """A step on the way from the classic script to ours: plain modules, with some of the changes."""

    def __init__(
        self, dataset: Dataset, model: nn.Module, channels_last: bool = True, precision: str = "float32", fused: bool = False
    ):
        self.dataset, self.precision, self.augment = dataset, precision, Augment()
        self.order = torch.channels_last if channels_last else torch.contiguous_format
        self.model = model.to(memory_format=self.order)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1, momentum=0.9, fused=fused)

    def forward(self, batch: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=self.precision == "bfloat16"):
            return self.model(batch).float()

    def made(self) -> Iterator[tuple[Tensor, Tensor]]:
        for picked in torch.randperm(len(self.dataset.train_labels)).split(128):
            batch = normalise(self.augment(to_float(self.dataset.train_images[picked]))).contiguous(memory_format=self.order)
            yield batch, self.dataset.train_labels[picked]


def ladder(dataset: Dataset, workers: int) -> dict[str, Classic | Way]:
    """From the classic script to ours. (From the second rung on, interpolation is bilinear, not torchvision's nearest.)"""
    stock = nn.Sequential(*(Dropout(layer.p) if isinstance(layer, nn.Dropout) else layer for layer in network()))
    precision = Engine.choose("cpu").precision
    rungs = {
        "classic script": Classic(dataset, workers),
        "images in memory, changed a batch at a time": Rung(dataset, network(), channels_last=False),
        "channels last": Rung(dataset, network()),
        "dropout's masks from a stock": Rung(dataset, stock),
        "BatchNorm of ten maps reordered (DigitNet)": Rung(dataset, DigitNet()),
    }
    if precision == "bfloat16":
        rungs["bfloat16"] = Rung(dataset, DigitNet(), precision=precision)
    rungs["fused SGD"] = Rung(dataset, DigitNet(), precision=precision, fused=True)
    rungs["eight batches changed at once"] = Ours(dataset, compiled="no")
    if Engine.choose("cpu", compiled="yes").compiled:
        rungs["compiled"] = Ours(dataset)
    return rungs


def epoch(way: Classic | Way) -> Iterator[Tensor]:
    """The loss of each step of one epoch."""
    way.model.train()
    for images, labels in way.made():
        yield way.step(images, labels)


def steps_of(way: Classic | Way) -> Iterator[Tensor]:
    """The loss of each step, one epoch after another without end: a small dataset's epoch has few steps."""
    return chain.from_iterable(epoch(way) for _ in count())


def judged_epoch(way: Classic | Ours) -> Iterator[Tensor | float]:
    """The steps of an epoch, and the evaluation after them."""
    yield from epoch(way)
    yield way.evaluate()


def seconds_of(work: Iterable) -> float:
    """How long it takes to go through it."""
    started = time.perf_counter()
    deque(work, maxlen=0)
    return time.perf_counter() - started


def stretch_seconds(way: Classic | Way, steps: int, skip: int = 8) -> float:
    """Seconds of this many steps, after some that fill queues and caches (and in which the compiler runs)."""
    running = steps_of(way)
    seconds_of(islice(running, skip))
    return seconds_of(islice(running, steps))


def profiled(way: Classic | Way, steps: int = 40, warm_up: int = 8) -> dict[str, float]:
    """Milliseconds of a step by kind of work: making the batch by the clock, the step by each kind's share in a profile."""
    made, ready = chain.from_iterable(way.made() for _ in count()), []
    way.model.train()
    for batch in islice(made, warm_up):
        way.step(*batch)
    making = seconds_of(ready.append(batch) for batch in islice(made, steps))
    step = seconds_of(way.step(*batch) for batch in ready)
    with silence(), profile(activities=[ProfilerActivity.CPU], acc_events=True) as watch:
        watched = seconds_of(way.step(*batch) for batch in ready)
    took = {"making images": 1000 * making / steps, **dict.fromkeys(KINDS, 0.0)}
    for row in watch.key_averages():
        for kind, rows in KINDS.items():
            if row.key in rows or (not rows and row.key.startswith("graph_")):
                took[kind] += row.self_cpu_time_total / 1e6 / watched * 1000 * step / steps
    took["the rest"] = 1000 * (making + step) / steps - sum(took.values())  # optimizer, loss, copies, Python
    return {kind: round(ms, 2) for kind, ms in took.items() if ms >= 0.005}


@contextmanager
def silence() -> Iterator[None]:
    """Without what the profiler's C++ writes to stderr about a GPU that is not there."""
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


def accuracy_over_time(dataset: Dataset, workers: int, epochs: int = 4) -> dict[str, list[dict]]:
    """Seconds of training so far and accuracy on 5,000 held-out images, after each epoch of a short run, seed 0.

    Ours count the evaluations, too.
    """
    torch.manual_seed(0)
    way, classic, spent = Classic(dataset, workers, epochs, held_out=5000), [], 0.0
    for _ in range(epochs):
        spent += seconds_of(epoch(way))
        classic.append({"seconds": round(spent, 1), "accuracy": way.evaluate()})
    points = {"classic": classic}
    for name, config in (("ours", TrainConfig(epochs=epochs, device="cpu")), ("quick", replace(QUICK, device="cpu"))):
        history, spent = train(replace(config, validation=5000), dataset).history, 0.0
        points[name] = []
        for entry in history:
            spent += entry["seconds"]
            points[name].append({"seconds": round(spent, 1), "accuracy": entry["validation_accuracy"]})
    return points


def gain(slow: list[float], fast: list[float]) -> str:
    """How many times as fast, of each round's pair: median, lowest, highest."""
    return "{:.2f} times ({:.2f} to {:.2f})".format(*ratio(slow, fast))


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=5, choices=range(1, 16))
    parser.add_argument("--steps", type=int, default=96, help="of each rung's measurement, best a multiple of 8 (default 96)")
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=PARTS, help="the others keep their last results")
    parser.add_argument("--out", type=Path, default=records.RECORDS / "speed.json")
    options = parser.parse_args()
    result = json.loads(options.out.read_text()) if options.out.exists() and options.parts != list(PARTS) else {}
    if "workers" not in result and options.parts[0] != "workers":
        parser.error(
            f"{options.out.name} does not say how many workers serve the classic script best: begin --parts with workers."
        )
    dataset = mnist(parser)
    import torch._inductor.config as inductor  # here: as slow as torch itself, and those who import this file don't compile

    inductor.cpp.enable_kernel_profile = True  # so that a profile names what was compiled
    tune_malloc()
    engine = Engine.choose("cpu", compiled="yes")
    here = provenance(engine)
    made_with = {
        "dataset": {"name": dataset.name, "sha256": dataset.sha256},
        "machine": {"device": here["machine"]["device"], "threads": torch.get_num_threads(), "cores": os.cpu_count()},
        "versions": here["versions"] | {"torchvision": torchvision.__version__},
        "engine": str(engine),
        "quick": QUICK.to_dict(),
    }
    made_with = json.loads(json.dumps(made_with))
    if result and any(result.get(key) != value for key, value in made_with.items()):
        parser.error(f"{options.out.name} is of another machine, version or recipe: run all parts.")
    result |= made_with | {"date": here["date"]}
    for name in options.parts:
        PARTS[name](result, dataset, options.rounds, options.steps)
        write_whole(options.out, records.to_bytes(result))  # part by part, so that half an hour is not lost
    print(f"\nWritten to {options.out.name}.")


def try_workers(result: dict, dataset: Dataset, rounds: int, steps: int) -> None:
    print("The classic script with 0, 1 and 2 workers, seconds an epoch of training (from stretches of steps):", flush=True)
    scripts, tried = {n: Classic(dataset, n) for n in (0, 1, 2)}, {0: [], 1: [], 2: []}
    for _ in range(min(3, rounds)):
        for n, script in scripts.items():
            tried[n].append(len(dataset.train_labels) / 128 / steps * stretch_seconds(script, steps))
    result["workers"] = {str(n): round(statistics.median(seconds), 2) for n, seconds in tried.items()}
    print(f"  {result['workers']}: fastest with {best_workers(result)}")


def best_workers(result: dict) -> int:
    return int(min(result["workers"], key=result["workers"].get))


def time_epochs(result: dict, dataset: Dataset, rounds: int, steps: int) -> None:
    print("\nWhole epochs, training and evaluation, seconds:", flush=True)
    classic = Classic(dataset, best_workers(result))
    ways = {"classic": classic, "ours": Ours(dataset), "ours, float32": Ours(dataset, "float32")}
    for way in ways.values():
        stretch_seconds(way, 2)  # compiles
    result |= {"rounds": rounds, "epochs": {name: [] for name in ways}}
    for number in range(rounds):
        for name, way in ways.items():
            result["epochs"][name].append(round(seconds_of(judged_epoch(way)), 2))
        took = ", ".join(f"{name} {seconds[-1]:.1f}" for name, seconds in result["epochs"].items())
        print(f"  round {number + 1}: {took}", flush=True)
    for name, took in result["epochs"].items():
        speed = len(dataset.train_labels) / statistics.median(took)
        print(f"  {name}: median {statistics.median(took):.1f} s, {speed:,.0f} images a second", end="")
        print(f", {gain(result['epochs']['classic'], took)} the classic script" if name != "classic" else "")


def climb(result: dict, dataset: Dataset, rounds: int, steps: int) -> None:
    print("\nThe ladder, seconds an epoch of training (from stretches of steps):", flush=True)
    rungs = ladder(dataset, best_workers(result))
    for way in rungs.values():
        stretch_seconds(way, 2)
    result |= {"steps": steps, "ladder": {name: [] for name in rungs}}
    for _ in range(rounds):
        for name, way in rungs.items():
            seconds = len(dataset.train_labels) / 128 / steps * stretch_seconds(way, steps)
            result["ladder"][name].append(round(seconds, 2))
    before = None
    for name, took in result["ladder"].items():
        print(f"  {name:50} {statistics.median(took):6.1f}  " + (gain(before, took) + " the rung before" if before else ""))
        before = took


def profile_steps(result: dict, dataset: Dataset, rounds: int, steps: int) -> None:
    print("\nWhere the milliseconds of a step go:", flush=True)
    ways = {
        "classic script, no workers": Classic(dataset, 0),  # with workers, making images and the step overlap
        "ours, not compiled": Ours(dataset, compiled="no"),
        "ours": Ours(dataset),
    }
    for way in ways.values():
        stretch_seconds(way, 2)
    result["profile"] = {name: profiled(way) for name, way in ways.items()}
    for name, parts in result["profile"].items():
        print(f"  {name}: {parts}")


def time_accuracy(result: dict, dataset: Dataset, rounds: int, steps: int) -> None:
    print("\nAccuracy on 5,000 held-out images against seconds of training:", flush=True)
    result["accuracy_over_time"] = accuracy_over_time(dataset, best_workers(result))
    for name, points in result["accuracy_over_time"].items():
        print(f"  {name}: " + ", ".join(f"{point['accuracy']:.2%} at {point['seconds']:.0f} s" for point in points))


PARTS = {
    "workers": try_workers,
    "epochs": time_epochs,
    "ladder": climb,
    "profile": profile_steps,
    "accuracy_over_time": time_accuracy,
}


if __name__ == "__main__":
    main()
