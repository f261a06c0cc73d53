"""Let a run survive its own interruption: one checkpoint an epoch, and the finished run's record and weights.

Only tensors and plain values are read back (torch.load with weights_only=True): no checkpoint can execute code.
"""

import hashlib
import io
import json
import re
import shutil
from dataclasses import asdict
from pathlib import Path

import torch

from mnist_lib.files import ROOT, write_whole
from mnist_lib.model import DigitNet
from mnist_lib.trainer import Callback, Run


class CheckpointError(RuntimeError):
    """A file that is no whole checkpoint; the message says what to do."""


class Checkpoints(Callback):
    """Saves after every epoch, resumes where an interrupted run of the same configuration and data stopped.

    folder gets checkpoints/<configuration>/epoch-NN-<checksum>.pt while the run is under way (the last two), and at its
    end record.json and model.pt, the weights (a state dict).
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)

    def on_start(self, run: Run) -> None:
        same = json.dumps([asdict(run.config), run.dataset.sha256, str(run.engine)], sort_keys=True)
        self.place = self.folder / "checkpoints" / hashlib.sha256(same.encode()).hexdigest()[:12]
        for path in self.saved():
            try:
                state = load(path)
            except CheckpointError as error:
                print(error)
                continue
            run.model.load_state_dict(state["model"])
            run.optimizer.load_state_dict(state["optimizer"])
            run.scheduler.load_state_dict(state["scheduler"])
            run.history, run.step = state["history"], state["step"]
            run.first_order, run.losses = state["first_order"].to(run.losses.device), state["losses"].to(run.losses.device)
            print(f"Resumed after epoch {len(run.history)}.")
            return

    def on_epoch(self, run: Run) -> None:
        state = {
            "model": run.model.state_dict(),
            "optimizer": run.optimizer.state_dict(),
            "scheduler": run.scheduler.state_dict(),
            "history": run.history,
            "step": run.step,
            "first_order": run.first_order,
            "losses": run.losses,
        }
        save(state, self.place, len(run.history))
        for old in self.saved()[2:]:
            old.unlink(missing_ok=True)

    def on_end(self, run: Run) -> None:
        write_whole(self.folder / "model.pt", _bytes(run.model.state_dict()))
        write_whole(self.folder / "record.json", json.dumps(run.record, indent=1).encode() + b"\n")
        shutil.rmtree(self.place, ignore_errors=True)  # with what a kill may have left half written

    def saved(self) -> list[Path]:
        """The checkpoints of this run, the newest first."""
        return sorted(self.place.glob("epoch-*.pt"), reverse=True)


def recorded_net() -> DigitNet:
    """The network of the recorded run with seed 0, trained for 20 epochs on all of MNIST, in evaluation mode."""
    model = DigitNet()
    model.load_state_dict(torch.load(ROOT / "records" / "card-seed-0.pt", weights_only=True))
    return model.eval()


def save(state: dict, folder: Path, epoch: int) -> Path:
    """Write a checkpoint whose name ends in the checksum of its bytes."""
    body = _bytes(state)
    path = folder / f"epoch-{epoch:05}-{hashlib.sha256(body).hexdigest()[:16]}.pt"
    write_whole(path, body)
    return path


def load(path: Path) -> dict:
    """Read a checkpoint back; CheckpointError if one bit of it has changed."""
    body = path.read_bytes()
    named = re.fullmatch(r"epoch-\d+-([0-9a-f]{16})", path.stem)
    if not named or hashlib.sha256(body).hexdigest()[:16] != named[1]:
        raise CheckpointError(f"The checkpoint {path.name} is damaged: it is left aside for the one before it; delete it.")
    return torch.load(io.BytesIO(body), weights_only=True)


def _bytes(state: dict) -> bytes:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()
