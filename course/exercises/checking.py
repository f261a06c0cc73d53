"""How an exercise's answer is judged: the first case that fails is shown, and a known slip is named."""

from collections.abc import Callable

import torch
from torch import Tensor


class NotYet(Exception):
    """The first case that an answer gets wrong, and the slip that gives just this, if it is a known one."""


class Unwritten(NotYet):
    """Nothing came back: the stub as it stands, or a return that was forgotten."""

    def __init__(self) -> None:
        super().__init__("It returns None: write it; is there a return?")


def compare(answer: Callable, right: Callable, slips: dict[str, Callable], cases: list[tuple[str, tuple]]) -> bool:
    """True, or NotYet with the first failing case; the slip is named whose results are the answer's own in every case.

    cases: (the input in words, the arguments). slips: {name: a wrong implementation}.
    """
    results = [(words, arguments, right(*arguments), to_tensor(answer(*arguments))) for words, arguments in cases]
    failed = [(words, expected, got) for words, _, expected, got in results if not alike(expected, got)]
    if not failed:
        return True
    for slip, wrong in slips.items():
        if all(alike(to_tensor(wrong(*arguments)), got) for _, arguments, _, got in results):
            raise NotYet(f"It looks like this slip: {slip}.{case(*failed[0])}")
    raise NotYet(case(*failed[0]))


def case(words: str, expected, got) -> str:
    return f"\n  input: {words}\n  expected: {brief(expected)}\n  got: {brief(got)}"


def to_tensor(value) -> Tensor:
    """What a learner returns, a tensor, an array or nested lists, in float64."""
    if value is None:
        raise Unwritten
    return torch.as_tensor(value).detach().double()


def alike(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and torch.allclose(a.double(), b.double(), rtol=1e-4, atol=1e-4)


def brief(value) -> str:
    """A tensor by its shape and first numbers; a single number and words as they are."""
    if isinstance(value, str):
        return value
    if value.dim() == 0:
        return f"{value.item():.10g}"
    first = ", ".join(f"{number:.4f}" for number in value.flatten()[:4].tolist())
    return f"shape {tuple(value.shape)}, {first}{', ...' if value.numel() > 4 else ''}"
