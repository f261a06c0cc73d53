"""mnist_lib: a network of 13,960 numbers that reads handwriting, and what it takes to understand it.

Nothing heavy is imported here; take what you need from its modules.
"""

import os

# Import this before torch. Its threads wait for one another by spinning; on a busy machine (a browser beside the notebook
# is enough) long spinning keeps the very thread from running that all wait for. libgomp: give up soon, and sleep.
os.environ.setdefault("GOMP_SPINCOUNT", "10000")
