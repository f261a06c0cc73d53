"""Colab has nearly all that the notebooks need, torch among it; this installs the rest. Elsewhere it does nothing.

The notebooks' setup cell imports it, before torch.
"""

import importlib.util
import subprocess
import sys

MISSING = ("torchinfo", "distributed")  # of what Colab's image lacks, or may lack


def install_missing() -> None:
    """Install what is not there, but never torch, because Colab's versions already fit one another."""
    for name in MISSING:
        if importlib.util.find_spec(name) is None:
            subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", name], check=True, timeout=300)


if "google.colab" in sys.modules:
    install_missing()
