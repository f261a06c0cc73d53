"""All the choices that make a training step fast on this machine. No device is queried before a run."""

import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import torch
from torch import Tensor, nn

from mnist_lib.model.layers import memory_order

COMPILE_PAYS = 4000  # steps: compiling costs about 15 s once and saves about 5 ms a step on the 2-core machine of the records


@dataclass(frozen=True)
class Engine:
    """What a run computes with: device, number format of the convolutions, and whether the step is compiled."""

    device: torch.device
    precision: str  # "float32", "bfloat16" or, to compare by hand, "float64"
    compiled: bool

    @classmethod
    def choose(cls, device: str = "auto", precision: str = "auto", compiled: str = "auto", steps: int = 0) -> "Engine":
        """The fastest choice on this machine for a run of this many steps, except for what is given.

        ValueError in one sentence for a device, or a precision of it, that is not here.
        """
        place = choose_device(device)
        has_bfloat16 = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
        if precision == "auto":  # on a CPU without instructions for bfloat16 it would be slower, not faster
            precision = "bfloat16" if place.type == "cpu" and has_bfloat16() else "float32"
        if precision == "bfloat16" and place.type == "cuda" and torch.cuda.get_device_capability(place) < (8, 0):
            raise ValueError(f'precision "bfloat16" is only emulated on {torch.cuda.get_device_name(place)}: use "float32".')
        if precision == "float64" and place.type == "mps":
            raise ValueError('precision "float64" is not available on mps: use device="cpu".')
        wanted = compiled == "yes" or (compiled == "auto" and steps >= COMPILE_PAYS)
        possible = place.type == "cpu" and precision != "float64"
        if possible and wanted:
            from mnist_lib.trainer.fast.compiled import can_compile  # imported here: only long runs need it

            return cls(place, precision, can_compile())
        return cls(place, precision, False)

    def __str__(self) -> str:
        return f"{self.device.type}, {self.precision}, {'compiled' if self.compiled else 'not compiled'}"

    def prepare(self, model: nn.Module) -> nn.Module:
        """The model on the device, its weights in the order of memory that convolutions read fastest."""
        model = model.double() if self.precision == "float64" else model
        return model.to(self.device, memory_format=memory_order(self.device))

    def to_input_format(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) as the model takes them: on its device, in its order of memory."""
        images = images.to(self.device, torch.float64 if self.precision == "float64" else None)
        return images.contiguous(memory_format=memory_order(self.device))

    def forward(self, model: nn.Module) -> Callable[[Tensor], Tensor]:
        """The model's training pass: images as `to_input_format` gives them -> logits, in float32 (or float64)."""
        dtype = getattr(torch, self.precision)

        def eager(images: Tensor) -> Tensor:
            with torch.autocast(self.device.type, torch.bfloat16, enabled=dtype == torch.bfloat16):
                return model(images).to(images.dtype)

        if not self.compiled:
            return eager
        from mnist_lib.trainer.fast.compiled import CompiledPass  # imported here: only long runs need it

        return CompiledPass(model, dtype, eager)


def choose_device(name: str) -> torch.device:
    """ "auto" -> cuda, else mps, else cpu; ValueError in one sentence for a device that is not here."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()  # where there are no numbers, as on "meta", none can be learned
    except (RuntimeError, AssertionError, NotImplementedError, TypeError):
        raise ValueError(f'device {name!r} is not available here: use "auto" or "cpu".') from None
    return device


def provenance(engine: Engine) -> dict:
    """What a measurement was made with: machine, versions, date; plain values only."""
    cpu = engine.device.type == "cpu"
    return {
        "machine": {
            "device": device_name(engine.device),
            "threads": torch.get_num_threads() if cpu else None,
            "precision": engine.precision,
            "compiled": engine.compiled,
            "system": platform.system(),
            **({"tf32": torch.backends.cudnn.allow_tf32} if engine.device.type == "cuda" else {}),
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
