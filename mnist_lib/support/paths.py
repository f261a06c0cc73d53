"""Where things are kept, and how a file is written so that no interruption leaves half of it."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]  # the clone; or, of an installed package, the folder that holds it
CLONE = (ROOT / "pyproject.toml").is_file()
BASE = ROOT if CLONE else Path.cwd()  # what relative folders start from
OUT = BASE / os.path.expanduser(os.environ.get("MNIST_LIB_OUT") or "out")  # what runs write; git ignores it


def committed(name: str) -> Path:
    """The path of a file or folder of the clone, such as "records/card-seed-0.pt".

    Raises:
        FileNotFoundError: one sentence, where the package was installed without its clone.
    """
    if not CLONE:
        from importlib.metadata import metadata  # imported here: only this sentence needs it

        address = metadata("mnist_lib")["Project-URL"].split(", ")[-1]
        raise FileNotFoundError(f"{name} is not installed with mnist_lib: clone {address} and work there.")
    return ROOT / name


def write_whole(path: Path, body: bytes) -> None:
    """Write a file so that it is there whole or not at all."""
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
