"""Writes README, RESULTS, INSTRUCTOR and the glossary between their markers, figures/, and what follows from a new record."""

import io
import re
from collections import Counter
from pathlib import Path

import torch

from course import film, outline
from course.report import ReportError, course_tables, results
from course.report.course_tables import COURSE, repository
from course.report.figures import figures
from mnist_lib.data import Dataset, load
from mnist_lib.model import DigitNet
from mnist_lib.model.pretrained import recorded_net
from mnist_lib.studies import catalogue, records
from mnist_lib.studies.study import Records, recorded
from mnist_lib.support.paths import ROOT, write_whole
from mnist_lib.trainer.evaluation import evaluate
from mnist_lib.trainer.recipes import RECIPES

# The studies' tables, by the names of their markers: of all but those that only repeat a frozen recipe
SHOWN = {f"STUDY_{name.upper().replace(' ', '_')}": study for name, study in catalogue.STUDIES.items() if study.held_out}


def studies_on_record() -> dict[str, Records]:
    """The runs of every study that is shown, by its name, and those of the earlier `quick`."""
    return {study.name: recorded(study) for study in SHOWN.values()} | {results.EARLIER: results.earlier_quick()}


def pages(studied: dict[str, Records], new: dict | None = None) -> dict[str, dict[str, str]]:
    """For each page the text between each pair of its markers; new: a card run that is to join the records."""
    runs = {name: records.runs(name, new=new if name == "card" else None) for name in RECIPES}
    card, quick, speed = runs["card"], runs["quick"], records.benchmark("speed")
    smaller, readings = recorded(catalogue.FROZEN_FRONTIER), records.readings(new)
    course = [outline.read(ROOT / "notebooks" / f"{name}.ipynb") for name in COURSE]
    timed = {"STUDY_QUICK": records.benchmark("ingredients")}
    studies = {mark: results.study_table(study, studied[study.name], timed.get(mark)) for mark, study in SHOWN.items()}
    return {
        "README.md": {
            "FILM": course_tables.film(course),
            "START": course_tables.start(course),
            "PATH": course_tables.path_table(course),
            "CLONE": f"```sh\ngit clone {repository()}\ncd {repository().split('/')[-1]}\n```",
            "RESULT": results.result(card),
            "RECIPES": results.recipes_table(runs),
            "SMALLER": results.smaller(smaller),
            "TRAINED": results.trained(readings, studied),
            "SUMMARY": f"```text\n{course_tables.summary_table(DigitNet())}\n```",
            "FIELDS": course_tables.field_table(),
            "LATEST_RESULT": results.latest_result(card[0]),
        },
        "RESULTS.md": {
            "READINGS": results.readings(Counter(run["variant"] for run in readings)),
            "SEEDS": results.seeds_result(card),
            "SPEED": results.speed_table(speed),
            "QUICK": results.quick_result(quick, card, speed),
            "NARROW": results.narrow_result(runs["narrow"], readings, studied),
            "FEW": results.few_result(runs["few"], studied["frontier"]),
            "FRONTIER_READ": results.frontier_read(smaller),
            **studies,
        },
        "INSTRUCTOR.md": {f"LESSON_{lesson.name[:2]}": course_tables.teaching_table(lesson) for lesson in course},
        "notebooks/glossary.md": {"READING": course_tables.reading_list(course)},
    }


def fill(text: str, parts: dict[str, str], page: str = "README.md") -> str:
    """A page's text with each part between its markers."""
    for name, part in parts.items():
        pattern = rf"(<!-- {name} -->\n).*?(\n<!-- END_{name} -->)"
        text, count = re.subn(pattern, lambda m, part=part: m[1] + part + m[2], text, flags=re.DOTALL)
        if count != 1:
            raise ReportError(f"{page} must hold the markers of {name} once, not {count} times: put them back.")
    return text


def write_report(record: Path | None = None) -> None:
    """The pages that are read, figures/, docs/index.html, and the repository's address in the notebooks' bootstrap cells.

    record: a card run's record.json that is to join the records first. Everything is made before anything is written.
    """
    new = None if record is None else records.require_recipe(records.read(record))
    dataset = load()
    if dataset.name != "MNIST":
        raise ReportError("The figures show MNIST digits: set MNIST_LIB_DATA to a folder with its four files.")
    made, net = {}, recorded_net()
    if record is not None:
        made[records.RECORDS / records.READINGS] = records.to_lines(records.readings(new))
        if new["config"]["seed"] == 0:  # whose weights the notebooks show
            weights, net = weights_of(record, new, dataset)
            made[records.RECORDS / "card-seed-0.pt"] = weights
    studied = studies_on_record()
    for page, parts in pages(studied, new).items():
        made[ROOT / page] = fill((ROOT / page).read_text(encoding="utf-8"), parts, page).encode()
    for path in [*sorted((ROOT / "notebooks").glob("*.ipynb")), ROOT / "CITATION.cff"]:
        made[path] = with_address(path.read_text(encoding="utf-8")).encode()
    made |= figures(net, dataset, studied)
    for path, body in made.items():
        write_changed(path, body)
    film.renew(dataset)


def write_changed(path: Path, body: bytes) -> None:
    """Write a file only if that changes it."""
    if not path.is_file() or path.read_bytes() != body:
        write_whole(path, body)


def with_address(text: str) -> str:
    """A notebook, or CITATION.cff, with the repository's address where it names it."""
    text = re.sub(r'REPOSITORY = \\"[^"]*\\"', f'REPOSITORY = \\"{repository()}\\"', text)
    return re.sub(r"(?m)^repository-code: .*$", f"repository-code: {repository()}", text)


def weights_of(path: Path, record: dict, dataset: Dataset) -> tuple[bytes, DigitNet]:
    """The weights beside a record, as bytes and as a network; ReportError unless they read what the record says."""
    beside = f"model.pt beside {path.name}"
    try:
        body = (path.parent / "model.pt").read_bytes()
        net = DigitNet()
        net.load_state_dict(torch.load(io.BytesIO(body), weights_only=True, map_location="cpu"))
    except Exception as error:  # missing, damaged, refused or of another network
        raise ReportError(f"{beside} is not a DigitNet's weights ({type(error).__name__}): keep the two together.") from None
    correct = evaluate(net.eval(), dataset.test_images, dataset.test_labels).correct
    if abs(correct - record["test"]["correct"]) > 2:  # another processor may round a logit differently
        raise ReportError(f"{beside} reads {correct:,} correctly, but the record says {record['test']['correct']:,}.")
    return body, net
