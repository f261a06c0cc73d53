"""Checkers for the notebooks' exercises, a file for each notebook. Each works out the right answer with the library or
PyTorch, shows the first case that a wrong answer gets wrong, and names the slip if it is a known one.

Solutions: notebooks/solutions/.
"""

import io
from collections import Counter
from contextlib import nullcontext, redirect_stdout

from course.exercises import ablation, architecture, augmentation, fields, inside, speed, training
from course.exercises.checking import NotYet, Unwritten, line_of, watched
from mnist_lib.support.paths import ROOT

NOTEBOOKS = {
    "01_architecture": architecture,
    "02_receptive_field": fields,
    "03_augmentation": augmentation,
    "04_training": training,
    "05_inside": inside,
    "06_ablation": ablation,
    "07_speed": speed,
}
# {name: (judge, hint)}; a judge takes an answer and says whether it is right, or raises NotYet
EXERCISES = {name: exercise for notebook in NOTEBOOKS.values() for name, exercise in notebook.EXERCISES.items()}
# {name: functions that an answer may not call}, of those notebooks that have any
LIBRARY = {name: refused for notebook in NOTEBOOKS.values() for name, refused in getattr(notebook, "LIBRARY", {}).items()}
SOLUTION = {name: f"solutions/{stem}.md" for stem, notebook in NOTEBOOKS.items() for name in notebook.EXERCISES}

failures: Counter[str] = Counter()  # how often each exercise was answered wrong since the notebook was opened


def check(name: str, answer, quiet: bool = False) -> bool:
    """Say whether an answer to exercise `name` is right.

    For a wrong answer it prints the slip and the first case that fails, from the second failure on a hint as well, and from
    the third on where the solution is. `quiet` prints nothing and does not count as a try.
    """
    if name not in EXERCISES:
        raise ValueError(f"There is no exercise {name!r}: choose one of {', '.join(EXERCISES)}.")
    with redirect_stdout(io.StringIO()) if quiet else nullcontext():
        right, said, counts = _judged(name, answer)
    if quiet:
        return right
    if right:
        failures.pop(name, None)
    elif counts:
        failures[name] += 1
        said += _help(name)
    print(f"{name}: {said}")
    return right


def _judged(name: str, answer) -> tuple[bool, str, bool]:
    """(right, what is said, whether it counts as a try)."""
    if answer is None:
        return False, "put your answer in place of None, then run the cell again.", False
    try:
        right = bool(EXERCISES[name][0](watched(answer, LIBRARY.get(name, ()))))
    except Unwritten as why:  # a hint would spoil the first try
        return False, str(why), False
    except NotYet as why:
        place = line_of(why.__context__, answer) if why.__context__ else ""
        between = "" if str(why).startswith("\n") else " "
        return False, f"not yet.{between}{why}{place}", True
    except Exception as error:  # whatever a learner hands in, the notebook goes on
        inputs = [f"\n  input: {note}" for note in getattr(error, "__notes__", ())[-1:]]  # the last is the most telling
        stopped = f"your answer could not be checked ({type(error).__name__}: {error})."
        return False, stopped + line_of(error, answer) + "".join(inputs), True
    return right, "right." if right else "not yet.", True


def _help(name: str) -> str:
    """The hint from the second failure on, and the solution's place from the third on."""
    tries = failures[name]
    if tries < 2:
        return ""
    hint = f"\n  Hint: {EXERCISES[name][1]}"
    there = (ROOT / "notebooks" / SOLUTION[name]).is_file()  # not in a handout
    return hint + (f"\n  Solution: notebooks/{SOLUTION[name]}" if there and tries > 2 else "")
