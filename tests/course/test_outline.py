"""What is read from a notebook about itself, on one that is made here."""

import json

import pytest

from course import outline
from course.outline import Exercise, Prediction, Section
from course.report import reading_list, teaching_table

CELLS = [
    ("markdown", "# 3. What is it?\n\n*20 minutes, and a walk. You need\nnotebook 1.*\n\nWords."),
    ("markdown", "## Maps\n\n*12 minutes. You will count\nmaps.*\n\n**Predict.** How many?"),
    ("code", 'guesses.ask("maps", None)'),
    ("code", 'guesses.reveal(\n    "maps", 7)', "maps in all: 122.", "maps: 7. Two | five."),
    ("markdown", "## Exercises\n\n*8 minutes. You will write.*\n\n**Exercise 3a.** Write `turn`. It turns."),
    ("code", 'def turn(\n    image: Tensor,\n) -> Tensor:\n    """An image, turned."""\n\n\n_ = check("3a", turn)'),
    ("markdown", "### Write it: 3b (optional)\n\nName the biases. Then rest."),
    ("code", 'names = None\nright = check("3b", names)'),
    ("markdown", "Seven.\n\n**Further reading**\n\n- [A](https://a.org): why,\n  and how.\n- B.\n\nNext: 4."),
]


def written(folder, cells=CELLS):
    def cell(kind, text, *shown):
        outputs = [{"output_type": "execute_result", "data": {"text/plain": [text]}} for text in shown]
        return {"cell_type": kind, "source": text.splitlines(keepends=True), "outputs": outputs}

    path = folder / "03_made.ipynb"
    path.write_text(json.dumps({"cells": [cell(*one) for one in cells]}))
    return path


def test_what_a_notebook_says_of_itself(tmp_path):
    lesson = outline.read(written(tmp_path))
    assert lesson[:4] == ("03_made", "What is it?", 20, ", and a walk. You need notebook 1.")
    assert lesson.sections == [Section("Maps", 12, "You will count maps."), Section("Exercises", 8, "You will write.")]
    assert lesson.predictions == [Prediction("maps", "7. Two | five.")]
    assert lesson.exercises == [
        Exercise("3a", "turn", "An image, turned.", False),
        Exercise("3b", "names", "Name the biases.", True),
    ]
    assert lesson.reading == ["[A](https://a.org): why, and how.", "B."]


def test_as_tables(tmp_path):
    lesson = outline.read(written(tmp_path))
    table = teaching_table(lesson).splitlines()
    assert table[0] == "20 minutes, and a walk. You need notebook 1."
    assert "| Maps | 12 | You will count maps. |" in table and r"| maps | 7. Two \| five. |" in table
    assert "| 3b, optional | `names` | Name the biases. |" in table
    assert reading_list([lesson]).startswith("**[What is it?](03_made.ipynb)**\n\n- [A](https://a.org): why, and how.\n- B.")


@pytest.mark.parametrize("title", ["# What is it?\n\n*20 minutes. Nothing.*", "# 3. What is it?\n\nWords.", "Words."])
def test_a_notebook_without_its_title_line_is_named(tmp_path, title):
    with pytest.raises(ValueError, match=r"03_made\.ipynb must open with"):
        outline.read(written(tmp_path, [("markdown", title)]))
