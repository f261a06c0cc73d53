"""What a CUDA GPU makes of it: all that this project claims nothing about until it was run on one.

python -m benchmarks.gpu [--parts suite card members quick notebook] [--out out/gpu]    # about ten minutes; needs MNIST

Each part writes out/gpu/PART.json when it is done, and goes on to the next if it fails; what is written is not measured again.
Times are of a warm process: the first run of each kind is not counted. The test images are read once a run, at its end.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from benchmarks.common import arguments, mnist
from mnist_lib.data import Dataset
from mnist_lib.support.paths import OUT, ROOT, write_whole
from mnist_lib.trainer.config import TrainConfig
from mnist_lib.trainer.fast.engine import MEMORY, Engine, provenance
from mnist_lib.trainer.loop import begin, one_step, train, train_epoch
from mnist_lib.trainer.recipes import CARD, QUICK


def suite(dataset: Dataset) -> dict:
    """The tests, with those that skip where there is no GPU; without those that need packages this machine lacks."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-rs",
        "tests",
        "--continue-on-collection-errors",
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=500)
    return {"exit_status": done.returncode, "end": done.stdout[-6000:]}


def card(dataset: Dataset) -> dict:
    """The card's 20 epochs step by step and as a graph; five seeds; what the profiler says of a step."""
    short = replace(CARD, epochs=2)
    train(short, dataset)  # what a process does once
    graph = [train(replace(CARD, seed=seed), dataset).record for seed in range(5)]
    with as_it_is():
        train(replace(short, epochs=0.2), dataset)
        plain = train(short, dataset)
    captured = train(short, dataset)
    return {
        "graph": graph,
        "seconds": statistics.median(record["seconds_in_all"] for record in graph),
        "two_epochs_plain": plain.record,
        "two_epochs_graph": captured.record,
        "largest_difference_of_a_weight": max(
            (a - b).abs().max().item() for a, b in zip(plain.model.parameters(), captured.model.parameters())
        ),
        "step": profile(dataset),
    }


def profile(dataset: Dataset) -> dict:
    """Of an epoch's steps as a graph: kernels, copies and waits of the host a step, by torch's profiler."""
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as watch

    run = begin(CARD, dataset, (0,))
    step = run.engine.repeat(partial(one_step, run.engine.forward(run.model), run.optimizer), run.model, run.optimizer)
    train_epoch(run, step, ())
    with watch(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as seen:
        train_epoch(run, step, ())
    counts = {event.key: event.count for event in seen.key_averages()}
    steps = run.steps / CARD.epochs
    waits = sum(
        count for name, count in counts.items() if "Synchronize" in name or name in ("aten::item", "aten::_local_scalar_dense")
    )
    kernels = sum(1 for event in seen.events() if event.device_type == torch.autograd.DeviceType.CUDA)
    return {
        "waits_a_step": waits / steps,
        "kernels_a_step": kernels / steps,
        "graph_launches": counts.get("cudaGraphLaunch", 0),
    }


def members(dataset: Dataset) -> dict:
    """Seconds of an epoch for each of K networks side by side, by order of memory and number format."""
    found = {}
    for layout in (torch.contiguous_format, torch.channels_last):
        for precision, tf32 in (("float32", False), ("float32", True), ("bfloat16", False)):
            for count in (1, 8, 32, 64):
                name = (
                    f"{count} {'channels last' if layout is torch.channels_last else 'contiguous'} {precision}{' tf32' * tf32}"
                )
                MEMORY["cuda"] = layout
                torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = tf32
                config = TrainConfig(epochs=2, precision=precision, validation=5000)
                try:
                    run = train(config, dataset, seeds=tuple(range(count)))
                    found[name] = {
                        "seconds_a_member": run.history[-1]["seconds"] / count,
                        "loss": run.history[-1]["train_loss"],
                    }
                except (RuntimeError, ValueError) as error:
                    found[name] = {"failed": f"{type(error).__name__}: {error}"}
                print(name, found[name], flush=True)
    del MEMORY["cuda"]
    return found


def quick(dataset: Dataset) -> dict:
    """The recipe quick with 20 seeds, one after the other and side by side."""
    train(QUICK, dataset)
    alone = [train(replace(QUICK, seed=seed), dataset).record for seed in range(20)]
    train(QUICK, dataset, seeds=tuple(range(20)))
    together = train(QUICK, dataset, seeds=tuple(range(20))).records
    return {"alone": alone, "seconds": statistics.median(record["seconds_in_all"] for record in alone), "together": together}


def notebook(dataset: Dataset) -> dict:
    """Notebook 04 through papermill; its weights lie in out/gpu-notebook, to be read on a machine without a GPU."""
    command = [sys.executable, "-m", "course", "run", "--out", str(OUT / "gpu-notebook")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=500)
    return {"exit_status": done.returncode, "end": (done.stdout + done.stderr)[-3000:]}


class as_it_is:
    """While this lasts, steps are not captured as a graph."""

    def __enter__(self) -> None:
        self.repeat, Engine.repeat = Engine.repeat, lambda engine, step, model, optimizer: step

    def __exit__(self, *_) -> None:
        Engine.repeat = self.repeat


PARTS: dict[str, Callable[[Dataset], dict]] = {
    "card": card,
    "quick": quick,
    "members": members,
    "suite": suite,
    "notebook": notebook,
}


def main() -> None:
    parser: argparse.ArgumentParser = arguments(__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--out", type=Path, default=OUT / "gpu")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        parser.error("there is no CUDA GPU here.")
    dataset = mnist(parser)
    made_with = provenance(Engine.choose())
    for name in options.parts:
        path, began = options.out / f"{name}.json", time.perf_counter()
        if path.exists():
            continue
        try:
            result = PARTS[name](dataset)
        except Exception as error:  # the time on such a machine is short: the other parts are measured all the same
            print(f"{name} failed: {type(error).__name__}: {error}", flush=True)
            continue
        result |= {"took": time.perf_counter() - began, **made_with}
        write_whole(path, json.dumps(result, indent=1).encode() + b"\n")
        print(f"{name}: {result['took']:.0f} s, {path}", flush=True)


if __name__ == "__main__":
    main()
