"""The pictures of `plots`, to play with, and the network's own inside. Nothing heavy is imported until a name is used."""

from importlib import import_module

ROOMS = {"explorer": "sliders", "slider": "sliders", "Inside": "inside", "Following": "following"}


def __getattr__(name: str):
    if name not in ROOMS:
        raise AttributeError(f"mnist_lib.widgets has no {name!r}: it has {', '.join(ROOMS)}.")
    return getattr(import_module(f"mnist_lib.widgets.{ROOMS[name]}"), name)
