"""Colab has nearly all that the notebooks need, torch among it; this installs the rest. Elsewhere it does nothing.

The notebooks' setup cell imports it, before torch.
"""

import importlib.util
import subprocess
import sys

MISSING = ("torchinfo", "distributed")  # of what Colab's image lacks, or may lack

if "google.colab" in sys.modules:
    for name in MISSING:  # never torch, because Colab's versions already fit one another
        if importlib.util.find_spec(name) is None:
            subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", name], check=True, timeout=300)
