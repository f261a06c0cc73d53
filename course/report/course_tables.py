"""The course as tables: README's path and its network, a teacher's view of each notebook, the list of reading."""

import re
import tomllib

from torch import nn

from course.outline import Lesson
from course.report import markdown_table
from mnist_lib.model.digitnet import ROWS, DigitNet
from mnist_lib.receptive_field import receptive_fields
from mnist_lib.support.paths import ROOT

COURSE = {  # the notebooks in order, and what their readers write
    "01_architecture": "a convolution; a count of parameters; BatchNorm",
    "02_receptive_field": "the field of any stack of layers; a proof by NaN",
    "03_augmentation": "turning an image; reading between pixels; shifting a batch",
    "04_training": "cross-entropy; its gradient by hand; SGD with momentum; a step of training",
    "05_inside": "the evidence for a digit; what excites a map; a lesion",
    "06_ablation": "an interval of pairs; a verdict; a study of your own",
    "07_speed": "Amdahl's law, backwards; where a number lies in memory; a stopwatch",
}


def repository() -> str:
    """The project's address, from pyproject.toml: the one place where it is written. Without .git, as a browser has it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project["urls"]["Repository"].rstrip("/").removesuffix(".git")


def badge(name: str) -> str:
    """A notebook's Open In Colab badge; nothing if the address is not GitHub's, the only one that Colab opens."""
    address = repository()
    if not address.startswith("https://github.com/"):
        return ""
    colab = address.replace("https://github.com/", "https://colab.research.google.com/github/")
    return f"[![Open In Colab](https://colab.research.google.com/assets/colab-badge.svg)]({colab}/blob/main/notebooks/{name}.ipynb)"


def film(course: list[Lesson]) -> str:
    """README's first picture, which leads to the page that it shows, and two ways to begin."""
    picture = """<picture>
  <source media="(prefers-reduced-motion: reduce) and (prefers-color-scheme: dark)" srcset="figures/inside-dark.png">
  <source media="(prefers-reduced-motion: reduce)" srcset="figures/inside-light.png">
  <source media="(prefers-color-scheme: dark)" srcset="figures/inside-dark.webp">
  <img src="figures/inside-light.webp" width="720" alt="A 3 is drawn by hand; every feature map answers as it grows: 3.">
</picture>"""
    address = re.fullmatch(r"https://github\.com/([^/]+)/([^/]+)", repository())
    if not address:
        return picture
    page = f"https://{address[1].lower()}.github.io/{address[2]}/draw/"
    colab = f"https://colab.research.google.com/github/{address[1]}/{address[2]}/blob/main/notebooks/{course[0].name}.ipynb"
    return f'<a href="{page}">{picture}</a>\n\n**[Draw now]({page})** · **[Start in Colab]({colab})**'


def start(course: list[Lesson]) -> str:
    """Where to begin, and how long it takes in all."""
    first, minutes = course[0], sum(lesson.minutes for lesson in course)
    return (
        f"**Start here: [{first.question}](notebooks/{first.name}.ipynb)** {badge(first.name)}\n"
        f"It takes {first.minutes} minutes; all {len(course)} notebooks take about {round(minutes / 60)} hours."
    )


def path_table(course: list[Lesson]) -> str:
    """The notebooks in order: question, minutes as the notebook says them, what its reader writes, Colab badge."""
    rows = []
    for lesson in course:
        link = f"**{int(lesson.name[:2])}** [{lesson.question}](notebooks/{lesson.name}.ipynb)"
        rows.append([link, lesson.minutes, COURSE[lesson.name], badge(lesson.name)])
    return markdown_table("| | minutes | you will write | |", rows)


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
    """The further reading of all notebooks, notebook by notebook."""
    return "\n\n".join(
        "\n".join([f"**[{lesson.question}]({lesson.name}.ipynb)**", "", *(f"- {item}" for item in lesson.reading)])
        for lesson in course
        if lesson.reading
    )


def summary_table(model: nn.Module) -> str:
    """The layers as the card's Model Summary prints them, from torchinfo's rows."""
    from torchinfo import summary  # imported here: only this table needs it

    layers = [layer for layer in summary(model, (1, 1, 28, 28), depth=1, verbose=0).summary_list if layer.depth == 1]
    line, double = "-" * 64, "=" * 64
    text = [line, f"{'Layer (type)':>20} {'Output Shape':>25} {'Param #':>15}", double]
    for number, layer in enumerate(layers, 1):
        shape = str([-1, *layer.output_size[1:]])
        text.append(f"{f'{layer.class_name}-{number}':>20} {shape:>25} {layer.trainable_params:>15,}")
    total = sum(p.numel() for p in model.parameters())
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    text += [double, f"Total params: {total:,}", f"Trainable params: {trainable:,}"]
    return "\n".join([*text, f"Non-trainable params: {total - trainable:,}", line])


def field_table() -> str:
    """The receptive fields of the card's ten layers, as a Markdown table."""
    fields = receptive_fields(DigitNet(), (28, 28))
    rows = []
    for name in ROWS:
        field = fields[name]
        sizes = (f"{height}×{width}" for height, width in (field.output_size, field.size))
        rows.append((name, *sizes, f"{field.jump[0]:g}", f"{field.start[0]:g}"))
    return markdown_table("| layer | output | field | jump | first centre |", rows)
