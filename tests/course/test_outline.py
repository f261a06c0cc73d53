"""What is read from a notebook about itself, on one that is made here."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from course import outline
from course.outline import Exercise, Prediction, Section

CELLS = [
    new_markdown_cell("# 3. What is it?\n\n*20 minutes, and a walk. You need\nnotebook 1.*\n\nWords."),
    new_markdown_cell("## Maps\n\n*12 minutes. You will count\nmaps.*\n\n**Predict.** How many?"),
    new_code_cell('guesses.ask("maps", None)'),
    new_code_cell(
        'guesses.reveal(\n    "maps", 7)',
        outputs=[new_output("display_data", {"text/plain": text}) for text in ("maps in all: 122.", "maps: 7. Two | five.")],
    ),
    new_markdown_cell("## Exercises\n\n*8 minutes. You will write.*\n\n**Exercise 3a.** Write `turn`. It turns."),
    new_code_cell('def turn(\n    image: Tensor,\n) -> Tensor:\n    """An image, turned."""\n\n\n_ = check("3a", turn)'),
    new_markdown_cell("### Write it: 3b (optional)\n\nName the biases. Then rest."),
    new_code_cell('names = None\nright = check("3b", names)'),
    new_markdown_cell("Seven.\n\n**Further reading**\n\n- [A](https://a.org): why,\n  and how.\n- B.\n\nNext: 4."),
]


def written(folder, cells=CELLS):
    nbformat.write(new_notebook(cells=cells), folder / "03_made.ipynb")
    return folder / "03_made.ipynb"


def test_read_takes_what_a_notebook_says_of_itself(tmp_path):
    lesson = outline.read(written(tmp_path))
    assert lesson[:4] == ("03_made", "What is it?", 20, ", and a walk. You need notebook 1.")
    assert lesson.sections == [Section("Maps", 12, "You will count maps."), Section("Exercises", 8, "You will write.")]
    assert lesson.predictions == [Prediction("maps", "7. Two | five.")]
    assert lesson.exercises == [
        Exercise("3a", "turn", "An image, turned.", False),
        Exercise("3b", "names", "Name the biases.", True),
    ]
    assert lesson.reading == ["[A](https://a.org): why, and how.", "B."]


@pytest.mark.parametrize("title", ["# What is it?\n\n*20 minutes. Nothing.*", "# 3. What is it?\n\nWords.", "Words."])
def test_read_names_a_notebook_without_its_title_line(tmp_path, title):
    with pytest.raises(ValueError, match=r"03_made\.ipynb must open with"):
        outline.read(written(tmp_path, [new_markdown_cell(title)]))


def test_sections_may_take_one_minute():
    text = "## A\n\n*1 minute. You will look.*\n\n## B\n\n*2 minutes. You will see.*"
    assert outline.sections(text) == [Section("A", 1, "You will look."), Section("B", 2, "You will see.")]
