"""Where things are kept, and how a file is written so that no interruption leaves half of it."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]  # the checkout
OUT = ROOT / Path(os.environ.get("MNIST_LIB_OUT") or "out").expanduser()  # what runs write; git ignores it


def write_whole(path: Path, body: bytes) -> None:
    """Write a file that is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(part, "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
