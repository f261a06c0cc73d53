"""How an exercise's answer is judged: the first case that fails is shown, and a known slip is named."""

import inspect
import linecache
import sys
import traceback
from collections.abc import Callable
from functools import wraps

import torch
from torch import Tensor, nn


class NotYet(Exception):
    """The first case that an answer gets wrong, and the slip that gives just this, if it is a known one."""


class Unwritten(NotYet):
    """Nothing came back: the stub as it stands, or a return that was forgotten."""

    def __init__(self) -> None:
        super().__init__("It returns None: write it; is there a return?")


def compare(answer: Callable, right: Callable, slips: dict[str, Callable], cases: list[tuple[str, tuple]]) -> bool:
    """True, or NotYet with the first failing case. A slip is named if it gives the answer's own results in every case.

    cases: (the input in words, the arguments). slips: {name: a wrong implementation}.
    """
    results = [(words, arguments, right(*arguments), to_tensor(on(answer, words, *arguments))) for words, arguments in cases]
    failed = [(words, expected, got) for words, _, expected, got in results if not alike(expected, got)]
    if not failed:
        return True
    for slip, wrong in slips.items():
        if all(alike(to_tensor(wrong(*arguments)), got) for _, arguments, _, got in results):
            raise NotYet(f"It looks like this slip: {slip}.{case(*failed[0])}")
    raise NotYet(case(*failed[0]))


def on(answer: Callable, words: str, *arguments):
    """answer(*arguments); an exception in it carries the input in words."""
    try:
        return answer(*arguments)
    except NotYet:
        raise
    except Exception as error:
        error.add_note(words)
        raise


def case(words: str, expected, got) -> str:
    """The input, what was expected and what came, and the first place where two tensors of one shape differ."""
    return f"\n  input: {words}\n  expected: {brief(expected)}\n  got: {brief(got)}{first_difference(expected, got)}"


def first_difference(expected, got) -> str:
    """A line for two tensors of the same shape that differ somewhere, or nothing."""
    if not (isinstance(expected, Tensor) and isinstance(got, Tensor)) or expected.shape != got.shape or not expected.dim():
        return ""
    expected, got = expected.detach().double(), got.detach().double()
    for tolerance in (1e-4, 0.0):  # what `alike` calls different; or else any difference
        places = (~torch.isclose(expected, got, rtol=tolerance, atol=tolerance)).nonzero()
        if len(places):
            place = tuple(places[0].tolist())
            digits = next((d for d in range(4, 12) if f"{expected[place]:.{d}f}" != f"{got[place]:.{d}f}"), 12)
            return (
                f"\n  first difference: at [{', '.join(map(str, place))}] expected {expected[place]:.{digits}f}, "
                f"got {got[place]:.{digits}f} ({len(places):,} of {got.numel():,} differ)"
            )
    return ""


def to_tensor(value) -> Tensor:
    """What a learner returns, a tensor, an array or nested lists, in float64."""
    if value is None:
        raise Unwritten
    if isinstance(value, Tensor):
        return value.detach().double()
    if isinstance(value, tuple | list) and any(one is None for one in value):
        raise NotYet(f"It returns {value!r}: put numbers in place of None.")
    return torch.as_tensor(value.copy() if hasattr(value, "strides") else value, dtype=torch.float64)  # [::-1] of an array


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


# How the reader's function is watched while it runs


def untouched(answer: Callable) -> Callable:
    """The same function; NotYet as soon as it changes a tensor that it was given."""

    @wraps(answer)
    def call(*arguments):
        before = [one.clone() if isinstance(one, Tensor) else None for one in arguments]
        result = answer(*arguments)
        for number, (one, old) in enumerate(zip(arguments, before)):
            if old is not None and not torch.equal(one, old):
                name = _parameter(answer, number)
                raise NotYet(
                    f"It looks like this slip: {name} is changed in place. Whoever called your function still needs it: "
                    f"make a new tensor and leave {name} as it was."
                    + case(given(arguments), f"{name} as it was", f"{name} changed")
                )
        return result

    return call


def _parameter(answer: Callable, number: int) -> str:
    try:
        return list(inspect.signature(answer).parameters)[number]
    except (ValueError, TypeError, IndexError):
        return f"argument {number}"


def watched(answer, library: tuple[Callable, ...] = ()):
    """The same function, whose exceptions carry their input; NotYet if its first call runs a function of `library`.

    Anything else than a plain function, such as a network or a list of names, is returned as it is.
    """
    if not callable(answer) or isinstance(answer, nn.Module | type):
        return answer
    copied = _called_by_itself(answer, library)
    first = True

    @wraps(answer)
    def call(*arguments, **named):
        nonlocal first
        try:
            if not (library and first):
                return answer(*arguments, **named)
            first = False
            return _refusing(copied, library, answer, *arguments, **named)
        except NotYet:
            raise
        except Exception as error:
            if not getattr(error, "__notes__", None):
                error.add_note(given((*arguments, *named.values())))
            raise

    return call


def _called_by_itself(answer: Callable, library: tuple[Callable, ...]) -> Callable | None:
    return next((one for one in library if inspect.unwrap(answer) is inspect.unwrap(one)), None)


def _refusing(copied: Callable | None, library: tuple[Callable, ...], answer: Callable, *arguments, **named):
    """answer(...), unless it is, or calls, a function that the exercise asks for."""
    codes = {inspect.unwrap(one).__code__: one for one in library if hasattr(inspect.unwrap(one), "__code__")}
    builtin = {id(one): one for one in library if not hasattr(inspect.unwrap(one), "__code__")}
    found = [copied] if copied else []

    def look(frame, event, argument):
        if event == "call" and frame.f_code in codes:
            found.append(codes[frame.f_code])
        elif event == "c_call" and id(argument) in builtin:
            found.append(argument)

    before = sys.getprofile()
    sys.setprofile(look)
    try:
        result = answer(*arguments, **named)
    finally:
        sys.setprofile(before)
    if found:
        raise NotYet(
            f"It calls {getattr(found[0], '__name__', found[0])}, which does the exercise for you: write that part yourself."
        )
    return result


def given(arguments: tuple) -> str:
    """Arguments in words: tensors by their shapes, networks by their kind, the rest as it is."""
    return ", ".join(_given(one) for one in arguments) or "no arguments"


def _given(one) -> str:
    if isinstance(one, Tensor):
        return f"a tensor of shape {tuple(one.shape)}" if one.dim() else f"{one.item():g}"
    if isinstance(one, nn.Module):
        return f"a network ({type(one).__name__})"
    if isinstance(one, float):
        return f"{one:g}"
    if isinstance(one, torch.optim.Optimizer):
        return f"an optimizer ({type(one).__name__})"
    if callable(one) or isinstance(one, torch.Generator):
        return f"a {'generator' if isinstance(one, torch.Generator) else 'function'}"
    shown = repr(one)
    return shown if len(shown) <= 100 else shown[:97] + "..."


def line_of(error: BaseException, answer) -> str:
    """The last line of the reader's own code that an exception went through, or nothing if it never got there."""
    code = getattr(inspect.unwrap(answer) if callable(answer) else None, "__code__", None)
    frames = [one for one in traceback.walk_tb(error.__traceback__) if code and one[0].f_code.co_filename == code.co_filename]
    if not frames:
        return ""
    frame, number = frames[-1]
    text = linecache.getline(frame.f_code.co_filename, number).strip()
    return f"\n  line {number} of your cell{f': {text}' if text else ''}"
