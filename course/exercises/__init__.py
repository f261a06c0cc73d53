"""Checkers for the notebooks' exercises, a file for each notebook. Each works the answer out from the library or from PyTorch,
shows the first case that a wrong one gets wrong, and names the slip if it is a known one.

Solutions: notebooks/solutions/.
"""

from course.exercises import ablation, architecture, augmentation, fields, inside, speed, training
from course.exercises.checking import NotYet, Unwritten

# {name: (judge, hint)}; a judge takes an answer and says whether it is right, or raises NotYet
EXERCISES = {
    name: exercise
    for notebook in (architecture, fields, augmentation, training, inside, ablation, speed)
    for name, exercise in notebook.EXERCISES.items()
}


def check(name: str, answer) -> bool:
    """Say whether an answer to exercise `name` is right, and give a hint if it is not."""
    if name not in EXERCISES:
        raise ValueError(f"There is no exercise {name!r}: choose one of {', '.join(EXERCISES)}.")
    if answer is None:
        print(f"{name}: put your answer in place of None, then run the cell again.")
        return False
    judge, hint = EXERCISES[name]
    try:
        right = bool(judge(answer))
    except Unwritten as why:  # a hint would spoil the first try
        print(f"{name}: {why}")
        return False
    except NotYet as why:
        print(f"{name}: not yet. {why}\n  Hint: {hint}")
        return False
    except Exception as error:  # whatever a learner hands in, the notebook goes on
        print(f"{name}: that could not be checked ({type(error).__name__}: {error}). Hint: {hint}")
        return False
    print(f"{name}: right." if right else f"{name}: not yet. Hint: {hint}")
    return right
