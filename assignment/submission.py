"""My submission. Check it with `python -m mnist_lib assignment assignment/submission.py` (with .venv/bin/python after make)."""

from dataclasses import replace

from mnist_lib.recipes import CARD
from mnist_lib.surgery import Widths

# The card's recipe with the card's widths: 13,960 numbers, too many. Change what you like: the filters and kernel sides of
# conv1 to conv7 (Widths), every setting of a TrainConfig (mnist_lib/config.py), the ingredients (mnist_lib/ingredients.py).
RECIPE = replace(
    CARD,
    epochs=20,
    ingredients=(Widths(widths=(16, 32, 10, 16, 16, 16, 16), kernels=(3, 3, 1, 3, 3, 3, 3)),),
)

# At least 50 words: what you changed, why you expected it to work, what the interval says, and what it does not say.
PARAGRAPH = """

"""
