"""How an exercise's answer is judged: the first case that fails is shown, and a known slip is named."""

import inspect
import linecache
import operator
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


def compare(answer: Callable, right: Callable, slips: Callable[..., dict], cases: list[tuple[str, tuple]]) -> bool:
    """True, or NotYet with the first failing case. A slip is named if it gives the answer's own results in every case.

    cases: (the input in words, the arguments). slips: these arguments -> {name: what a wrong implementation returns}.
    """
    results = [(words, to_tensor(right(*inputs)), to_tensor(on(answer, words, *inputs))) for words, inputs in cases]
    failed = [result for result in results if not alike(*result[1:])]
    if failed:
        wrong = [slips(*inputs) for _, inputs in cases]
        raise refused(slip_of(wrong, [got for _, _, got in results], alike), case(*failed[0]))
    return True


def slip_of(wrong: list[dict], got: list, same: Callable = operator.eq) -> str | None:
    """The first slip that gives in every case what came, if there is one. wrong: {slip: its result} for each case."""
    return next((slip for slip in wrong[0] if all(same(table[slip], result) for table, result in zip(wrong, got))), None)


def refused(slip: str | None, shown: str) -> NotYet:
    """What to raise: the slip, if it is known, and the case that shows it."""
    return NotYet(f"It looks like this slip: {slip}.{shown}" if slip else shown)


def on(answer: Callable, words: str, *arguments):
    """answer(*arguments); an exception in it carries the input in words."""
    try:
        return answer(*arguments)
    except NotYet:
        raise
    except Exception as error:
        error.add_note(words)
        raise


def attempted(answer: Callable, *arguments) -> Tensor | None:
    """What it returns, or None where it stops with an exception."""
    try:
        return to_tensor(answer(*arguments))
    except Exception:
        return None


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
    if isinstance(value, tuple | list) and any(part is None for part in value):
        raise NotYet(f"It returns {value!r}: put numbers in place of None.")
    return torch.as_tensor(value.copy() if hasattr(value, "strides") else value, dtype=torch.float64)  # [::-1] of an array


def alike(a, b) -> bool:
    a, b = to_tensor(a), to_tensor(b)
    return a.shape == b.shape and torch.allclose(a, b, rtol=1e-4, atol=1e-4)


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
        before = [argument.clone() if isinstance(argument, Tensor) else None for argument in arguments]
        result = answer(*arguments)
        for number, (argument, old) in enumerate(zip(arguments, before)):
            if old is not None and not torch.equal(argument, old):
                name = _parameter(answer, number)
                slip = f"{name} is changed in place. Whoever called your function still needs it: make a new tensor and leave "
                raise refused(f"{slip}{name} as it was", case(given(arguments), f"{name} as it was", f"{name} changed"))
        return result

    return call


def _parameter(answer: Callable, number: int) -> str:
    try:
        return list(inspect.signature(answer).parameters)[number]
    except (ValueError, TypeError, IndexError):
        return f"argument {number}"


def loaded(library: tuple[Callable | str, ...]) -> tuple[Callable, ...]:
    """The functions; of those given by name, the ones whose module has been imported."""
    functions = []
    for function in library:
        if isinstance(function, str):
            module, _, name = function.rpartition(".")
            function = getattr(sys.modules.get(module), name, None)
        functions.append(function)
    return tuple(filter(None, functions))


def watched(answer, library: tuple[Callable | str, ...] = ()):
    """The same function, whose exceptions carry their input; NotYet if its first call runs a function of `library`.

    Anything else than a plain function, such as a network or a list of names, is returned as it is.
    """
    if not callable(answer) or isinstance(answer, nn.Module | type):
        return answer
    first = True

    @wraps(answer)
    def call(*arguments, **named):
        nonlocal first
        try:
            if not (library and first):
                return answer(*arguments, **named)
            first = False
            return _refusing(library, answer, *arguments, **named)
        except NotYet:
            raise
        except Exception as error:
            if not getattr(error, "__notes__", None):
                error.add_note(given((*arguments, *named.values())))
            raise

    return call


def _refusing(library: tuple[Callable | str, ...], answer: Callable, *arguments, **named):
    """answer(...), unless it is, or calls, a function that the exercise asks for."""
    codes, called = {getattr(inspect.unwrap(answer), "__code__", answer)}, []

    def look(frame, event, argument):
        if event == "call":
            codes.add(frame.f_code)
        elif event == "c_call" and any(argument is function for function in library):
            called.append(argument)

    before = sys.getprofile()
    sys.setprofile(look)
    try:
        result = answer(*arguments, **named)
    finally:
        sys.setprofile(before)
    for function in loaded(library):  # not before: the answer may have imported them
        if getattr(inspect.unwrap(function), "__code__", function) in codes:
            called.append(function)
    if called:
        name = getattr(called[0], "__name__", called[0])
        raise NotYet(f"It calls {name}, which does the exercise for you: write that part yourself.")
    return result


def noted(calls: list[str], word: str, work: Callable) -> Callable:
    """The same function, which puts a word on the list whenever it is called."""

    @wraps(work)
    def call(*arguments, **named):
        calls.append(word)
        return work(*arguments, **named)

    return call


def given(arguments: tuple) -> str:
    """Arguments in words: tensors by their shapes, networks by their kind, the rest as it is."""
    return ", ".join(map(_given, arguments)) or "no arguments"


def _given(argument) -> str:
    if isinstance(argument, Tensor):
        return f"a tensor of shape {tuple(argument.shape)}" if argument.dim() else f"{argument.item():g}"
    if isinstance(argument, float):
        return f"{argument:g}"
    if isinstance(argument, nn.Module):
        return f"a network ({type(argument).__name__})"
    if isinstance(argument, torch.optim.Optimizer):
        return f"an optimizer ({type(argument).__name__})"
    if isinstance(argument, torch.Generator):
        return "a generator"
    if callable(argument):
        return "a function"
    shown = repr(argument)
    return shown if len(shown) <= 100 else shown[:97] + "..."


def line_of(error: BaseException, answer) -> str:
    """The last line of the reader's own code that an exception went through, or nothing if it never got there."""
    code = getattr(inspect.unwrap(answer) if callable(answer) else None, "__code__", None)
    frames = [
        seen for seen in traceback.walk_tb(error.__traceback__) if code and seen[0].f_code.co_filename == code.co_filename
    ]
    if not frames:
        return ""
    frame, number = frames[-1]
    text = linecache.getline(frame.f_code.co_filename, number).strip()
    return f"\n  line {number} of your cell{f': {text}' if text else ''}"
