"""Let a run survive its own interruption: one checkpoint per epoch, and the finished run's record and weights.

Only tensors and plain values are read back (torch.load with weights_only=True): no checkpoint can execute code.
"""

import copy
import hashlib
import io
import json
import re
import shutil
from pathlib import Path

import torch
from torch import Tensor

from mnist_lib.support.paths import write_whole
from mnist_lib.trainer.evaluation import logits
from mnist_lib.trainer.loop import Callback, Run


class CheckpointError(RuntimeError):
    """A file from which this run can't continue; the message says why, and what to do."""


class Checkpoints(Callback):
    """Saves after every epoch, resumes where an interrupted run of the same configuration and data stopped.

    folder gets checkpoints/<configuration>/epoch-NN-<checksum>.pt while the run is under way (the last two), and at its
    end record.json and model.pt, the weights (a state dict).
    """

    first = True  # an epoch is saved before it is announced

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)

    def on_start(self, run: Run) -> None:
        same = json.dumps([run.config.to_dict(), run.dataset.sha256], sort_keys=True)
        self.place = self.folder / "checkpoints" / hashlib.sha256(same.encode()).hexdigest()[:12]
        self.made_with = {"engine": str(run.engine), "network": str(run.model)}
        # its answers before the first step tell the network from another one with the same layers
        self.first_answers = logits(run.model, run.dataset.train_images[:8])
        try:
            self.place.mkdir(parents=True, exist_ok=True)  # now, not when the first epoch is done and can't be kept
        except OSError as error:
            raise CheckpointError(f"{self.place} can't be written ({error.strerror}): choose another folder.") from None
        for path in self.saved():
            try:
                self._bring_back(run, load(path))
            except CheckpointError as error:
                print(f"{path.name} {error}")
                continue
            print(f"Resumed after epoch {len(run.history)}.")
            return

    def _bring_back(self, run: Run, state: dict) -> None:
        expected = self.state(run)
        if state.keys() != expected.keys():
            raise CheckpointError("is of another version of this code: the run starts over.")
        if state["engine"] != expected["engine"]:
            raise CheckpointError(f"is of a run on {state['engine']}: on {expected['engine']} the run starts over.")
        if state["network"] != expected["network"] or not _alike(state["first_answers"], expected["first_answers"]):
            raise CheckpointError("is of another network than today's DigitNet: the run starts over.")
        before = copy.deepcopy(expected)
        try:
            if state["scheduler"].keys() != before["scheduler"].keys() or not 0 < state["step"] <= run.steps:
                raise CheckpointError
            _put(run, state)
        except Exception:  # whatever other code may have kept under these names; half of it may be in place
            _put(run, before)
            raise CheckpointError("is of another version of this code: the run starts over.") from None

    def state(self, run: Run) -> dict:
        """All that the run needs to continue, and how to tell whether it is this run."""
        return self.made_with | {
            "first_answers": self.first_answers,
            "model": run.model.state_dict(),
            "optimizer": run.optimizer.state_dict(),
            "scheduler": run.scheduler.state_dict(),
            "memory": run.memory,
            "history": run.history,
            "step": run.step,
        }

    def on_epoch(self, run: Run) -> None:
        newest = save(self.state(run), self.place, len(run.history))
        whole = [newest, *(path for path in self.saved() if path.name < newest.name and path.is_file())]
        for old in whole[2:]:
            old.unlink(missing_ok=True)

    def on_end(self, run: Run) -> None:
        write_whole(self.folder / "model.pt", _bytes({name: value.cpu() for name, value in run.model.state_dict().items()}))
        write_whole(self.folder / "record.json", json.dumps(run.record, indent=1, allow_nan=False).encode() + b"\n")
        for half in self.folder.glob(".*.part"):  # as a kill may have left it
            half.unlink(missing_ok=True)
        shutil.rmtree(self.place, ignore_errors=True)  # with what a kill may have left half written

    def saved(self) -> list[Path]:
        """The checkpoints of this run, the newest first."""
        return sorted(self.place.glob("epoch-*.pt"), reverse=True)


def _put(run: Run, state: dict) -> None:
    run.model.load_state_dict(state["model"])
    run.optimizer.load_state_dict(state["optimizer"])
    run.scheduler.load_state_dict(state["scheduler"])
    run.memory = {name: value.to(run.engine.device) for name, value in state["memory"].items()}
    run.history, run.step = list(state["history"]), int(state["step"])


def _alike(answers: Tensor, expected: Tensor) -> bool:
    """Equal but for another machine's rounding."""
    return (
        isinstance(answers, Tensor)
        and answers.shape == expected.shape
        and torch.allclose(answers, expected, rtol=1e-3, atol=1e-3)
    )


def save(state: dict, folder: Path, epoch: int) -> Path:
    """Write a checkpoint whose name ends in the checksum of its bytes."""
    body = _bytes(state)
    path = folder / f"epoch-{epoch:05}-{hashlib.sha256(body).hexdigest()[:16]}.pt"
    write_whole(path, body)
    return path


def load(path: Path) -> dict:
    """Read a checkpoint back, onto the CPU; CheckpointError if one bit of it has changed, or it is not one."""
    try:
        body = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"can't be read ({error.strerror}): the one before it is used; remove it.") from None
    named = re.fullmatch(r"epoch-\d+-([0-9a-f]{16})", path.stem)
    if not named or hashlib.sha256(body).hexdigest()[:16] != named[1]:
        raise CheckpointError("is damaged: the one before it is used; delete it.")
    try:
        state = torch.load(io.BytesIO(body), weights_only=True, map_location="cpu")
    except Exception:  # whatever the bytes are; nothing of them is executed
        state = None
    if not isinstance(state, dict):
        raise CheckpointError("is not a checkpoint: the one before it is used; delete it.")
    return state


def _bytes(state: dict) -> bytes:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()
