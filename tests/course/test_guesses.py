"""An answer is out of sight until there is a guess, and in the text all the same."""

import re

import pytest
import torch

from course.guesses import Guesses, verdict
from mnist_lib import plots


def outside_the_fold(html: str) -> str:
    return re.sub(r"<details>.*</details>", "", re.sub(r"<summary>(.*?)</summary>", "", html, flags=re.DOTALL), flags=re.DOTALL)


def test_reveal_folds_the_answer_without_a_guess(capsys):
    guesses = Guesses()
    guesses.ask("maps", None)
    assert capsys.readouterr().out == "maps: put a number in place of None, and run the cell.\n"
    answer = guesses.reveal("maps", 1234, "Because.", plots.line([0, 1], [0, 1], "a", "b", "c"))
    assert repr(answer) == "maps: 1,234. Because."
    html = answer._repr_html_()
    assert "1,234" in html and "Because." in html and "data:image/png;base64," in html
    assert html.startswith("<details><summary>maps: guess first, then open</summary>") and not outside_the_fold(html)


def test_reveal_shows_the_answer_to_a_guess():
    guesses = Guesses()
    guesses.ask("maps", 600)
    html = guesses.reveal("maps", 1200, "2 > 1.")._repr_html_()
    assert html == "<p><b>maps: 1,200.</b> You said 600: too low by a factor of 2. 2 &gt; 1.</p>"


@pytest.mark.parametrize("guess, kept", [("A", "A"), (" b ", "B"), ("", None), ("C", None), (1, None), (["A"], None)])
def test_ask_keeps_one_of_the_choices(guess, kept, capsys):
    guesses = Guesses()
    guesses.ask("row", guess, choices=("A", "B"))
    assert guesses.guessed["row"] == kept
    assert capsys.readouterr().out == (f"row: you say {kept}.\n" if kept else "row: the guess should be one of A, B.\n")


def test_ask_takes_the_first_words_of_a_choice():
    guesses = Guesses()
    guesses.ask("way", "cosine", choices=("always", "cosine from the top", "one cycle"))
    assert guesses.guessed["way"] == "cosine from the top"


def test_ask_says_that_a_comma_makes_two_numbers(capsys):
    guesses = Guesses()
    guesses.ask("n", 4, 872)
    assert guesses.guessed["n"] is None
    assert capsys.readouterr().out == "n: type the number without a comma, as in 4872, or with a point, as in 99.4.\n"


@pytest.mark.parametrize(
    "guess, kept",
    [
        (3, 3),
        (3.0, 3),
        ("99.5", 99.5),
        ("1,000", 1000),
        ("13,960,000", 13_960_000),
        ("99,4", None),
        ("31 %", 31),
        (True, None),
        (10**400, None),
        (torch.ones(2), None),
        ("many", None),
        (float("inf"), None),
        ([], None),
    ],
)
def test_ask_keeps_a_number(guess, kept, capsys):
    guesses = Guesses()
    guesses.ask("n", guess)
    assert guesses.guessed["n"] == kept
    assert ("you say" in capsys.readouterr().out) == (kept is not None)


@pytest.mark.parametrize(
    "guess, measured, words",
    [
        (7, 7, "exactly"),
        (100, 95, "within a tenth"),
        (11, 10, "within a tenth"),
        (30, 10, "too high by a factor of 3"),
        (10, 15, "too low by 33 %"),
        (14, 10, "too high by 40 %"),
        (10, 47, "too low by a factor of 4.7"),
        (0, 4, "off by 4"),
        (-2, 4, "off by 6"),
        (-30, -10, "too low by a factor of 3"),
        (-10, -30, "too high by a factor of 3"),
        ("A", "A", "right"),
        ("B", "A", "not this time"),
        ("B", 3, "not this time"),
        (3, float("nan"), "not this time"),
    ],
)
def test_verdict_says_how_near(guess, measured, words):
    assert verdict(guess, measured) == words


@pytest.mark.parametrize(
    "name, guess, measured, words",
    [
        ("read correctly, in %", 91, 99.85, "off by 8.85 points"),
        ("read correctly, in %", 98, 99, "off by 1 point"),
        ("empty places in 100", 8, 7.6, "off by 0.4 points"),
        ("degrees clockwise, below 90 %", 30, 40, "too low by 25 %"),
        ("images read correctly", 9100, 9985, "within a tenth"),
    ],
)
def test_a_percentage_is_judged_by_its_difference(name, guess, measured, words):
    guesses = Guesses()
    guesses.ask(name, guess)
    assert f": {words}." in repr(guesses.reveal(name, measured)) and words in repr(guesses.summary())


def test_summary_holds_guesses_against_the_measurement():
    guesses = Guesses()
    for name, guess in (("one", 3), ("two", None), ("never revealed", 5)):
        guesses.ask(name, guess)
    guesses.reveal("one", 3)
    guesses.reveal("two", 0.5)
    summary = guesses.summary()
    assert repr(summary).splitlines() == [
        "question  you  measured",
        "one       3    3         exactly",
        "two       -    0.5       not guessed",
    ]
    assert "(1 of 2 not guessed)" in summary._repr_html_() and not outside_the_fold(summary._repr_html_())
    guesses.ask("two", 0.5)
    assert "<details>" not in guesses.summary()._repr_html_() and "0.5" in guesses.summary()._repr_html_()


def test_fold_hides_what_nobody_was_asked():
    folded = Guesses().fold("shares", "conv2 78 %", plots.line([0, 1], [0, 1], "a", "b", "c"))
    assert repr(folded) == "shares: conv2 78 %"
    assert "conv2 78 %" in folded._repr_html_() and not outside_the_fold(folded._repr_html_())
    assert ' width="750"' in folded._repr_html_()  # 7.5 inches, as wide as outside a fold


def test_reveal_needs_its_question():
    with pytest.raises(ValueError, match=r"run the cell with guesses.ask\('maps', ...\) first"):
        Guesses().reveal("maps", 3)


def test_reveal_escapes_names():
    guesses = Guesses()
    guesses.ask('<b>"', None)
    html = guesses.reveal('<b>"', 1, picture=plots.line([0, 1], [0, 1], "a", "b", "c"))._repr_html_()
    assert '<b>"' not in html and 'alt="&lt;b&gt;&quot;"' in html


def test_fold_shows_several_lines_as_a_table():
    folded = Guesses().fold("fields", "a  1\nb  <2>")
    assert repr(folded) == "fields:\na  1\nb  <2>"
    assert "<pre>a  1\nb  &lt;2&gt;</pre>" in folded._repr_html_() and not outside_the_fold(folded._repr_html_())
