"""The settings of a training: the card's, unless you change them; and the hooks by which an ingredient adds to its loop."""

import math
from dataclasses import asdict, dataclass, replace

import torch
from torch import Tensor, nn

from mnist_lib.support import validation
from mnist_lib.transforms import Augment


class Ingredient:
    """What a recipe may add to the loop: hooks, each of which may be left out. These change nothing; see ingredients.py.

    A hook that depends only on the weight's name or on the share of the run that is done needs no memory: an interrupted run
    simply continues with it. What must be remembered goes into the run's `memory`, tensors by name, which checkpoints save
    without knowing whose they are.
    """

    optimizer: type[torch.optim.Optimizer] | None = None  # in place of SGD
    compiles = True  # the network stays one that compiled.py knows

    def network(self, model: nn.Module) -> nn.Module:
        """The network to train in place of a new DigitNet."""
        return model

    def first_weights(self, model: nn.Module, images: Tensor) -> None:
        """Change the weights of a new DigitNet; images: uint8 (N, 1, H, W), the training images."""

    def param_group(self, weight: str) -> dict:
        """What the optimizer does differently with this weight, such as {"lr": 0.3}."""
        return {}

    def later_images(self, n: int, batch_size: int) -> int:
        """How many of n images an epoch after the first takes."""
        return n

    def sampler(self, n: int, batch_size: int, memory: dict[str, Tensor], device: torch.device) -> Tensor | None:
        """The images of an epoch, of n, by index (m,); None leaves it to others."""

    def augment(self, augment: Augment | None, done: float) -> Augment | None:
        """How images are changed when this share of the run is done."""
        return augment

    def adapt(self, model: nn.Module, done: float) -> None:
        """Change how the network computes when this share of the run is done.

        It is 1 after each epoch, too: as the network is judged and kept. A callback's on_step meets it as the step left it.
        """

    def after_step(self, indices: Tensor, losses: Tensor, memory: dict[str, Tensor]) -> None:
        """Which images the step took, by index, and their losses, both (batch,)."""

    def to_dict(self) -> dict:
        """Its settings, for a record."""
        return asdict(self)


@dataclass(frozen=True)
class TrainConfig:
    """The card's training, unless you change it.

    epochs: above 0; with 1.5 the second epoch ends half-way. batch_size: a whole number. (The card names none; 128 is ours.)
    max_lr, pct_start, div_factor, final_div_factor: of OneCycleLR, stepped once per batch.
    momentum: of SGD, constant. (OneCycleLR would move it between 0.85 and 0.95; the card says 0.9.)
    nesterov, weight_decay: of SGD; the card uses neither.
    dropout: shares after (conv1..conv3, conv4..conv7).
    augment: the random changes to each training image, or None.
    ingredients: what is added to the plain loop (ingredients.py), each kind once.
    validation: how many of the last training images are held out and measured each epoch; the test set is then left unread.
    seed: decides the first weights and every random number after them.
    device: "auto" (cuda, else mps, else cpu) or a torch device. precision: "auto", "float32" or "bfloat16" (for the
        convolutions), or "float64". compiled: "auto", "yes" or "no". When a run starts, engine.py decides what auto takes.

    Raises:
        ValueError: one sentence, for a value that has no meaning.
    """

    epochs: float = 20
    batch_size: int = 128
    max_lr: float = 0.1
    pct_start: float = 0.4
    div_factor: float = 10
    final_div_factor: float = 100
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 0
    dropout: tuple[float, float] = (0.07, 0.05)
    augment: Augment | None = Augment()
    ingredients: tuple[Ingredient, ...] = ()
    validation: int = 0
    seed: int = 0
    device: str = "auto"
    precision: str = "auto"
    compiled: str = "auto"

    def __post_init__(self):
        validation.number("epochs", self.epochs, above=0, at_most=10_000)
        for name, least in (("batch_size", 1), ("validation", 0), ("seed", 0)):
            validation.number(name, getattr(self, name), at_least=least, at_most=2**40, whole=True)
        for name in ("max_lr", "div_factor", "final_div_factor"):
            validation.number(name, getattr(self, name), above=0)
        validation.number("weight_decay", self.weight_decay, at_least=0)
        validation.several("dropout", self.dropout, 2, at_least=0, below=1)
        validation.share("pct_start", self.pct_start)
        validation.share("momentum", self.momentum)
        if not isinstance(self.nesterov, bool) or (self.nesterov and self.momentum == 0):
            raise ValueError(f"nesterov is True or False, and needs momentum above 0, not {self.nesterov!r}.")
        if not isinstance(self.augment, Augment | None):
            raise ValueError(f"augment is an Augment or None, not {self.augment!r}.")
        if not isinstance(self.ingredients, tuple) or not all(isinstance(part, Ingredient) for part in self.ingredients):
            raise ValueError(f"ingredients is a tuple of ingredients such as (Settle(0.25),), not {self.ingredients!r}.")
        if len({type(part) for part in self.ingredients}) < len(self.ingredients):
            raise ValueError(f"ingredients must hold each kind only once, not {self.ingredients!r}.")
        validation.choice("precision", self.precision, ("auto", "float32", "bfloat16", "float64"))
        validation.choice("compiled", self.compiled, ("auto", "yes", "no"))
        validation.device(self.device)

    def without(self, kind: type[Ingredient]) -> "TrainConfig":
        """The recipe without one ingredient, such as `recipe.without(Muon)`; ValueError if it has none of the kind."""
        rest = tuple(part for part in self.ingredients if not isinstance(part, kind))
        if len(rest) == len(self.ingredients):
            raise ValueError(f"The recipe has no {kind.__name__}: it has {[type(part).__name__ for part in self.ingredients]}.")
        return replace(self, ingredients=rest)

    def steps(self, images: int) -> int:
        """How many batches a run over this many training images takes; the last batch of an epoch may be short."""
        later = images  # of an epoch after the first
        for ingredient in self.ingredients:
            later = ingredient.later_images(later, self.batch_size)
        first, later = (math.ceil(n / self.batch_size) for n in (images, later))
        return max(1, round(min(self.epochs, 1) * first + max(self.epochs - 1, 0) * later))

    def to_dict(self) -> dict:
        """The settings as plain values, each ingredient under its name: for a record."""
        named = {type(part).__name__: part.to_dict() for part in self.ingredients}
        return asdict(replace(self, ingredients=())) | {"ingredients": named}
