"""Whether a setting has a meaning: one sentence that says what it must be, whatever it was."""

import math
from numbers import Real


def number(
    name: str,
    value: object,
    *,
    at_least: float = -math.inf,
    above: float = -math.inf,
    below: float = math.inf,
    at_most: float = math.inf,
    whole: bool = False,
) -> None:
    """ValueError unless value is a finite plain number (int or float, no bool) within the bounds; whole: an int."""
    fits = isinstance(value, int if whole else Real) and not isinstance(value, bool) and math.isfinite(value)
    if not fits or not (at_least <= value <= at_most and above < value < below):
        said = (("{:,g} or more", at_least), ("above {:,g}", above), ("below {:,g}", below), ("at most {:,g}", at_most))
        bounds = ", ".join(words.format(bound) for words, bound in said if math.isfinite(bound))
        then = ", " if math.isfinite(at_least) else " " if bounds else ""
        raise ValueError(f"{name} is a {'whole ' if whole else ''}number{then}{bounds}, not {value!r}.")


def share(name: str, value: object) -> None:
    """ValueError unless value is a share: 0 or more, below 1."""
    number(name, value, at_least=0, below=1)


def choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """ValueError unless value is one of the choices."""
    if not isinstance(value, str) or value not in choices:
        *others, last = (f'"{one}"' for one in choices)
        raise ValueError(f"{name} is {', '.join(others)} or {last}, not {value!r}.")
