"""mnist_lib: a network of 13,960 numbers that reads handwriting, and what it takes to understand it.

Nothing heavy is imported here; take what you need from its modules.
"""

import os
import sys
import warnings
from contextlib import suppress
from pathlib import Path

# torch's threads wait for one another by spinning; on a busy machine (a browser beside the notebook is enough) long spinning
# keeps the one thread from running that all the others wait for. So libgomp should soon stop spinning, and sleep. It reads
# how soon only once, when it is loaded with torch, so this must be imported before torch.
_late = "torch" in sys.modules and os.environ.keys().isdisjoint(("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"))
os.environ.setdefault("GOMP_SPINCOUNT", "10000")
if _late and os.environ.get("OMP_NUM_THREADS") != "1":
    with suppress(OSError):  # no such file: not Linux, and torch waits in another way
        if b"libgomp" in Path("/proc/self/maps").read_bytes():
            warnings.warn(
                "torch was imported before mnist_lib: nothing is wrong, but on a busy machine training may take several times "
                "as long. Import mnist_lib first, or set GOMP_SPINCOUNT=10000 before Python starts.",
                stacklevel=2,
            )

# python -m mnist_lib is answered here, so that no __main__.py is needed
if sys.argv[0] == "-m" and sys.orig_argv[-len(sys.argv)] == __name__:
    sys.exit("The commands of the clone are the course's: python -m course, from its folder.")
