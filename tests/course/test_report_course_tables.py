"""README's path, a teacher's view of a notebook and the list of reading are what the notebooks say."""

import json
import re

from course.outline import Exercise, Lesson, Prediction, Section
from course.report.course_tables import COURSE, reading_list, start, teaching_table
from mnist_lib.support.paths import ROOT

README = (ROOT / "README.md").read_text()


def test_path_table_says_of_each_notebook_what_its_title_line_says():
    """Minutes and question, read from the files by other means than the report's."""
    path = re.search("<!-- PATH -->(.*?)<!-- END_PATH -->", README, re.DOTALL)[1]
    rows = [line for line in path.splitlines() if line.startswith("| **")]
    assert len(rows) == len(COURSE)
    total = 0
    for row, name in zip(rows, COURSE):
        first = "".join(json.loads((ROOT / f"notebooks/{name}.ipynb").read_text())["cells"][0]["source"])
        minutes = int(re.search(r"^\*(\d+) minutes", first, re.MULTILINE)[1])
        total += minutes
        question = first.splitlines()[0].split(". ", 1)[1]
        assert f"[{question}](notebooks/{name}.ipynb) | {minutes} | {COURSE[name]} |" in row
    beginning = re.search("<!-- START -->(.*?)<!-- END_START -->", README, re.DOTALL)[1]
    assert f"about {round(total / 60)} hours" in beginning


LESSON = Lesson(
    "03_made",
    "What is it?",
    20,
    ", and a walk. You need notebook 1.",
    [Section("Maps", 12, "You will count maps.")],
    [Prediction("maps", "7. Two | five.")],
    [Exercise("3a", "turn", "An image, turned.", False), Exercise("3b", "names", "Name the biases.", True)],
    ["[A](https://a.org): why, and how.", "B."],
)


def test_teaching_table_has_all_that_a_notebook_says_of_itself():
    assert teaching_table(LESSON).split("\n\n") == [
        "20 minutes, and a walk. You need notebook 1.",
        "| section | minutes | goal |\n|---|---|---|\n| Maps | 12 | You will count maps. |",
        "| prediction | measured |\n|---|---|\n| maps | 7. Two \\| five. |",
        "| exercise | hands in | what it is |\n|---|---|---|\n"
        "| 3a | `turn` | An image, turned. |\n| 3b, optional | `names` | Name the biases. |",
    ]
    assert teaching_table(LESSON._replace(sections=[], predictions=[], exercises=[])).count("\n") == 0


def test_reading_list_has_what_each_notebook_names():
    made = "**[What is it?](03_made.ipynb)**\n\n- [A](https://a.org): why, and how.\n- B."
    assert reading_list([LESSON, LESSON._replace(reading=[]), LESSON]) == f"{made}\n\n{made}"


def test_start_says_how_long_to_the_nearest_hour():
    for minutes, hours in ((75, 2), (60, 1), (220, 4)):  # and 20 of the first
        said = start([LESSON, LESSON._replace(name="04_other", minutes=minutes)])
        assert "[What is it?](notebooks/03_made.ipynb)" in said
        assert said.endswith(f"It takes 20 minutes; all 2 notebooks take about {hours} hours.")
