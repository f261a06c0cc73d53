"""The course as tables: README's path, a teacher's view of each notebook, the list of reading."""

import tomllib

from course.outline import Lesson
from course.report.markdown import markdown_table
from mnist_lib.support.paths import ROOT

COURSE = {  # the notebooks in order, and what their readers write
    "01_architecture": "a convolution; a count of parameters; BatchNorm",
    "02_receptive_field": "the field of any stack of layers; a proof by NaN",
    "03_augmentation": "turning an image; reading between pixels; shifting a batch",
    "04_training": "cross-entropy; SGD with momentum; OneCycle; a step of training",
    "05_inside": "the evidence for a digit; what excites a map; a lesion",
    "06_ablation": "an interval of pairs; a verdict; a study of your own",
    "07_speed": "Amdahl's law, backwards; where a number lies in memory; a stopwatch",
}


def repository() -> str:
    """The project's address, from pyproject.toml: the one place where it is written."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Repository"].rstrip("/")


def badge(name: str) -> str:
    """A notebook's Open In Colab."""
    colab = repository().replace("https://github.com/", "https://colab.research.google.com/github/")
    return f"[![Open In Colab](https://colab.research.google.com/assets/colab-badge.svg)]({colab}/blob/main/notebooks/{name}.ipynb)"


def start(course: list[Lesson]) -> str:
    """Where to begin, and how long it takes in all."""
    first, minutes = course[0], sum(lesson.minutes for lesson in course)
    return (
        f"**Start here: [{first.question}](notebooks/{first.name}.ipynb)** {badge(first.name)}\n"
        f"It takes {first.minutes} minutes; all {len(course)} notebooks take about {round(minutes / 60)} hours."
    )


def path_table(course: list[Lesson]) -> str:
    """The notebooks in order: question, minutes as the notebook says them, what its reader writes, Colab badge."""
    return markdown_table(
        "| | minutes | you will write | |",
        (
            (
                f"**{int(lesson.name[:2])}** [{lesson.question}](notebooks/{lesson.name}.ipynb)",
                lesson.minutes,
                COURSE[lesson.name],
                badge(lesson.name),
            )
            for lesson in course
        ),
    )


def teaching_table(lesson: Lesson) -> str:
    """What a teacher wants to know of a notebook: sections with minutes and goals, predictions with answers, exercises."""
    exercises = [
        (f"{exercise.name}, optional" if exercise.optional else exercise.name, f"`{exercise.handed}`", exercise.what)
        for exercise in lesson.exercises
    ]
    tables = [
        ("| section | minutes | goal |", lesson.sections),
        ("| prediction | measured |", lesson.predictions),
        ("| exercise | hands in | what it is |", exercises),
    ]
    text = [f"{lesson.minutes} minutes{lesson.needs}"]
    for head, rows in tables:
        if rows:
            text.append(markdown_table(head, ([str(cell).replace("|", "\\|") for cell in row] for row in rows)))
    return "\n\n".join(text)


def reading_list(course: list[Lesson]) -> str:
    """All that the notebooks name as further reading, notebook by notebook."""
    return "\n\n".join(
        "\n".join([f"**[{lesson.question}]({lesson.name}.ipynb)**", "", *(f"- {item}" for item in lesson.reading)])
        for lesson in course
        if lesson.reading
    )
