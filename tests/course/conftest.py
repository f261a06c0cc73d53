"""Exercises are tried as on the second try, which is told the slip and the hint; tests of the stages begin at the first."""

import pytest


@pytest.fixture(autouse=True)
def second_try(request):
    if "test_exercises" not in request.module.__name__:
        yield
        return
    from course.exercises import EXERCISES, failures

    failures.clear()
    failures.update(dict.fromkeys(EXERCISES, 1))
    yield
    failures.clear()
