"""mnist_lib: a network of 13,960 numbers that reads handwriting, and what it takes to understand it.

Nothing heavy is imported here; take what you need from its modules.
"""

import os

# Import this before torch: its idle threads then sleep instead of spinning. On a quiet machine that costs nothing; on a
# busy one (a browser beside the notebook is enough) spinning threads keep the working ones waiting.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
