"""Records and notebooks -> the numbers and tables in the pages that are read, and figures/. The only hand that writes them."""

import io
import re
import statistics
import tomllib
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn

from course import outline
from mnist_lib.data import Dataset, load
from mnist_lib.model.digitnet import ROWS, DigitNet
from mnist_lib.model.pretrained import recorded_net
from mnist_lib.receptive_field import receptive_fields
from mnist_lib.studies import records
from mnist_lib.studies.catalogue import (
    ASSIGNMENT_STUDY,
    BEST_STUDY,
    CARD_STUDY,
    ENGINE_STUDY,
    FEWEST_LONG_STUDY,
    FEWEST_STUDY,
    QUICK_STUDY,
    SHAPES_STUDY,
    SMALL_STUDY,
)
from mnist_lib.studies.statistics import mean_interval, pairs_needed, ratio
from mnist_lib.studies.study import Records, Row, Study, accuracy, by_seed, recorded, table
from mnist_lib.support.paths import ROOT, write_whole
from mnist_lib.trainer.evaluation import evaluate
from mnist_lib.trainer.recipes import CARD, LONG, QUICK, RECIPES


class Step(NamedTuple):
    """A notebook's place on the path: its question, and what its reader writes."""

    question: str
    write: str


COURSE = {
    "01_architecture": Step("What are the 13,960 numbers?", "a convolution; a count of parameters; BatchNorm"),
    "02_receptive_field": Step("How much of the digit does one unit see?", "the field of any stack of layers; a proof by NaN"),
    "03_augmentation": Step("What is still the same digit?", "turning an image; reading between pixels; shifting a batch"),
    "04_training": Step("Does it reach 99.4 %?", "cross-entropy; SGD with momentum; OneCycle; a step of training"),
    "05_inside": Step("What did it learn, what does it get wrong?", "the evidence for a digit; what excites a map; a lesion"),
    "06_ablation": Step("Which ingredient earns its place?", "an interval of pairs; a verdict; a study of your own"),
    "07_speed": Step("Where does the time go?", "Amdahl's law, backwards; where a number lies in memory; a stopwatch"),
}

SHOWN = {  # a study's table, by the name of its markers
    "STUDY_CARD": CARD_STUDY,
    "STUDY_QUICK": QUICK_STUDY,
    "STUDY_FEWEST": FEWEST_STUDY,
    "STUDY_SMALL": SMALL_STUDY,
    "STUDY_SHAPES": SHAPES_STUDY,
    "STUDY_FEWEST_LONG": FEWEST_LONG_STUDY,
    "STUDY_BEST": BEST_STUDY,
    "STUDY_ENGINE": ENGINE_STUDY,
    "ANSWER": ASSIGNMENT_STUDY,  # in INSTRUCTOR.md
}


class ReportError(ValueError):
    """What can't be reported as it is; the message says why."""


class Spread(NamedTuple):
    """Test accuracies of several runs, in percent: their mean and its 95 % interval, and how far apart they are."""

    mean: float
    low: float
    high: float
    lowest: float
    highest: float
    deviation: float

    @classmethod
    def of(cls, runs: list[dict]) -> "Spread":
        each = [100 * run["test"]["accuracy"] for run in runs]
        return cls(*mean_interval(each), min(each), max(each), statistics.stdev(each))


def made_on(run: dict) -> str:
    """The machine of a run, and what it computed with."""
    return f"{run['machine']['device']}, {run['machine']['precision']}, torch {run['versions']['torch']}"


def latest_result(record: dict) -> str:
    """The lines between the card's LATEST_RESULT markers."""
    records.require_recipe(record)
    test, machine, versions = record["test"], record["machine"], record["versions"]
    return (
        f"Maximum Accuracy: {test['accuracy']:.2%} ({test['correct']:,} of {test['n']:,} MNIST test images, read once, "
        f"after epoch {test['epoch']} of {record['config']['epochs']})\n\n"
        f"seed {record['config']['seed']}; {record['dataset']['trained_on']:,} training images; {record['seconds']:.0f} s of "
        f"training on {machine['device']}, {machine['precision']}; "
        f"Python {versions['python']}, torch {versions['torch']}; {record['date']}"
    )


def result(card: list[dict]) -> str:
    """The one line of result that a visitor reads."""
    found, took = Spread.of(card), statistics.median(record["seconds"] for record in card)
    return (
        f"**{found.mean:.2f} %** of the 10,000 MNIST test images are read right: the mean of {len(card)} trainings of 20 "
        f"epochs that differ in their random numbers alone (95 % interval {found.low:.2f} to {found.high:.2f}), "
        f"{took / 60:.0f} minutes each on {card[0]['machine']['device']}. How it was measured: [RESULTS.md](RESULTS.md)."
    )


def seeds_result(card: list[dict]) -> str:
    """Mean over seeds with its 95 % interval, as two sentences."""
    found, (first, last) = Spread.of(card), (card[i]["config"]["seed"] for i in (0, -1))
    return (
        f"**{found.mean:.2f} %** of the 10,000 MNIST test images: the mean of {len(card)} runs (seeds {first} to {last}; "
        f"lowest {found.lowest:.2f}, highest {found.highest:.2f}, standard deviation {found.deviation:.2f}, "
        f"95 % interval of the mean {found.low:.2f} to {found.high:.2f}). Each run trains for 20 epochs on all 60,000 training "
        f"images and reads the test images once, after the last epoch. {made_on(card[0])}, "
        f"Python {card[0]['versions']['python']}."
    )


def speed_table(speed: dict) -> str:
    """Epochs of the classic script and of ours, side by side."""
    machine, versions, classic = speed["machine"], speed["versions"], speed["epochs"]["classic"]
    workers = min(speed["workers"], key=speed["workers"].get)
    text = [
        "An epoch: 60,000 images with augmentation and dropout, and the evaluation of 10,000. "
        f"Median of {speed['rounds']} rounds, the ways in turn, in one process; "
        f"the ratio is of each round's pair (lowest to highest). {machine['device']}; "
        f"Python {versions['python']}, torch {versions['torch']}, torchvision {versions['torchvision']}; {speed['date']}. "
        "On a GPU: not measured.",
        "",
        "| | seconds an epoch | images a second | times as fast as the classic script |",
        "|---|---|---|---|",
    ]
    for name, title in (
        (
            "classic",
            f"[classic script](benchmarks/classic.py), {workers} worker{'' if workers == '1' else 's'} (the best of 0, 1, 2)",
        ),
        ("ours, float32", "ours, float32"),
        ("ours", f"ours, {speed['engine'].split(', ')[1]}"),
    ):
        took = speed["epochs"][name]
        middle, lowest, highest = ratio(classic, took)
        shown = f"{middle:.1f} ({lowest:.1f} to {highest:.1f})" if name != "classic" else "1"
        text.append(f"| {title} | {statistics.median(took):.1f} | {60_000 / statistics.median(took):,.0f} | {shown} |")
    return "\n".join(text)


def quick_result(quick: list[dict], card: list[dict], speed: dict) -> str:
    """The recipe `quick` over its seeds, and how long 99.4 % takes in each way."""
    found, whole = Spread.of(quick), [record["seconds_in_all"] for record in quick]
    classic = statistics.median(speed["ladder"]["classic script"])  # training alone, as in the card's record
    return (
        f"The recipe `quick` ({QUICK.steps(60_000)} steps of {QUICK.batch_size} images, where the card takes "
        f"{CARD.steps(60_000):,} of {CARD.batch_size}; chosen on a 55,000 / 5,000 split of the training images): "
        f"**{found.mean:.2f} %** of the 10,000 test images, the mean of {len(quick)} seeds, last epoch (lowest "
        f"{found.lowest:.2f}, highest {found.highest:.2f}, standard deviation {found.deviation:.2f}, 95 % interval of the mean "
        f"{found.low:.2f} to {found.high:.2f}), in {statistics.median(whole):.1f} s from loaded data to the last test image "
        f"(median; {min(whole):.1f} to {max(whole):.1f} s). {made_on(quick[0])}, Python {quick[0]['versions']['python']}. "
        f"The card's 20 epochs took {card[0]['seconds']:.0f} s here (seed 0); with the classic script they would take about "
        f"{20 * classic / 60:.0f} minutes (20 times {classic:.1f} s, its epoch without the evaluation)."
    )


def recipes_table(runs: dict[str, list[dict]]) -> str:
    """The frozen recipes beside one another, each from the records of its seeds."""
    text = [
        "| recipe | numbers | steps | seeds | test images read right, mean (95 % interval) | lowest to highest | machine |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, own in runs.items():
        found, recipe = Spread.of(own), RECIPES[name]
        text.append(
            f"| `{name}` | {own[0]['parameters']:,} | {recipe.steps(60_000):,} of {recipe.batch_size} | {len(own)} | "
            f"**{found.mean:.2f} %** ({found.low:.2f} to {found.high:.2f}) | {found.lowest:.2f} to {found.highest:.2f} | "
            f"{made_on(own[0])} |"
        )
    return "\n".join(text)


def readings(runs: dict[str, list[dict]]) -> str:
    """How often the test images were read by recorded runs."""
    each = ", ".join(f"{len(own)} of `{name}`" for name, own in runs.items())
    return (
        f"The test images were read by {sum(map(len, runs.values()))} recorded runs in all: {each}. Notebooks 4 and 7 read "
        "them once more for each run that they show."
    )


def few_result(few: list[dict], quick: list[dict], studied: dict[str, Records]) -> str:
    """What small networks were expected to read, by held-out images and `quick`'s test result; what the frozen one reads."""
    known, read = Spread.of(quick).mean, Spread.of(few)

    def expected(study: Study, variant: str) -> str:
        """`quick`'s test result and the variant's mean difference to it on the same held-out images, with its interval."""
        pairs = [(own[variant], whole) for own, whole in same_seeds(studied[study.name], studied["quick"]) if variant in own]
        differences = [100 * (accuracy(small) - accuracy(whole["quick"])) for small, whole in pairs]
        mean, low, high = (known + one for one in mean_interval(differences))
        return f"{mean:.2f} % ({low:.2f} to {high:.2f}, n = {len(pairs)})"

    chosen = expected(FEWEST_LONG_STUDY, "4872 numbers")
    even, late = (expected(SHAPES_STUDY, name) for name in ("even", "more late"))
    return (
        f"What may be expected of the test images: the difference to `quick` on the same held-out images, seed by seed, added "
        f"to the {known:.2f} % of the test images that `quick` reads. Of 3,834 numbers (`more late`) that is {late}, of 3,967 "
        f"(`even`) {even}; of {few[0]['parameters']:,} numbers it is {chosen}. The first two intervals contain 99.4, so these "
        f"seeds cannot tell. The last one was frozen as `few`, and the test images were read, once per seed: "
        f"**{read.mean:.2f} %** (n = {len(few)}, {read.low:.2f} to {read.high:.2f})."
    )


def same_seeds(found: Records, others: Records) -> list[tuple[dict[str, dict], dict[str, dict]]]:
    """For each seed that two studies have on one machine: the runs of both, by variant."""
    both = []
    for machine in found.keys() & others.keys():
        seeds = {seed for runs in found[machine].values() for seed in runs}
        for seed in sorted(seeds & {seed for runs in others[machine].values() for seed in runs}):
            own = ({name: runs[seed] for name, runs in side[machine].items() if seed in runs} for side in (found, others))
            both.append(tuple(own))
    return both


def study_table(study: Study, found: Records, timed: dict | None = None) -> str:
    """A study's rows, from its records: n, mean, difference to the first variant by seed; with intervals where n is above 2.

    timed: the benchmark of the variants' seconds, for one more column.
    """
    rows, runs = table(study, found), [run for own in by_seed(found).values() for run in own.values()]
    if not runs:
        raise ReportError(f"There are no records of the study {study.name!r}: run `python -m course study '{study.name}'`.")
    hours = sum(run["seconds"] / run.get("together", 1) for run in runs) / 3600
    threads = {run["machine"].get("threads") for run in runs} - {None}
    cores = f" with {max(threads)} processor core{'s' * (max(threads) > 1)} each" if threads else ""
    settling = len(rows) > 1 and len(rows[0].values) > 7
    head = [study.name, "numbers", "n", "mean % (95 % interval)"]
    head += [f"against {next(iter(study.variants))}, points (95 % interval)"] * (len(rows) > 1)
    head += ["pairs that would settle it"] * settling + ["seconds"] * bool(timed)
    lines = [head, ["---"] * len(head)]
    for row in rows:
        mean = f"{row.mean:.2f}" + (f" ({row.interval[0]:.2f} to {row.interval[1]:.2f})" if len(row.values) > 2 else "")
        line = [row.variant, f"{row.parameters:,}", f"{len(row.values)}", mean]
        if len(rows) > 1:
            line.append(difference_of(row))
        if settling:
            line.append(settling_of(row, rows[0]))
        if timed:
            line.append(f"{statistics.median(timed['seconds'][row.variant]):.1f}")
        lines.append(line)
    told = (
        f"{study.name}: {study.held_out:,} held-out training images a run, the test images are not read. {len(runs)} runs, "
        f"{hours:.1f} hours of training in all{cores}. "
        f"{'; '.join(sorted({made_on(run) for run in runs}))}."
    )
    if timed:
        told += (
            f" Seconds: whole trainings in turn; median of {timed['rounds']} rounds, "
            f"{timed['machine']['threads']} threads, {timed['machine']['device']}, torch {timed['versions']['torch']}."
        )
    return "\n".join([told, "", *(f"| {' | '.join(line)} |" for line in lines)])


def difference_of(row: Row) -> str:
    """A row's difference to the first; with the number of pairs where that is not its number of runs."""
    if row.difference is None:
        return ""
    low, high = row.difference_interval
    pairs = f"n = {row.n_pairs}" if row.n_pairs < len(row.values) else ""
    around = "; ".join([f"{low:+.3f} to {high:+.3f}"] * (row.n_pairs > 2) + [pairs] * bool(pairs))
    return f"{row.difference:+.3f}" + f" ({around})" * bool(around)


def settling_of(row: Row, first: Row) -> str:
    """For a difference that its interval leaves open: how many pairs would settle it, if it were the true one."""
    if row.difference_interval is None or not row.difference_interval[0] <= 0 <= row.difference_interval[1]:
        return ""
    each = [value - first.values[seed] for seed, value in row.values.items() if seed in first.values]
    needed = pairs_needed(statistics.stdev(each), row.difference) if row.difference else 10_000
    return f"{needed}" if needed < 1000 else "over 1,000"


def summary_table(model: nn.Module) -> str:
    """The layers as the card's Model Summary prints them, from torchinfo's rows."""
    from torchinfo import summary  # here: only the report and the notebooks need it

    rows = [row for row in summary(model, (1, 1, 28, 28), depth=1, verbose=0).summary_list if row.depth == 1]
    line, double = "-" * 64, "=" * 64
    text = [line, f"{'Layer (type)':>20} {'Output Shape':>25} {'Param #':>15}", double]
    for number, row in enumerate(rows, 1):
        shape = str([-1, *row.output_size[1:]])
        text.append(f"{f'{row.class_name}-{number}':>20} {shape:>25} {row.trainable_params:>15,}")
    total = sum(p.numel() for p in model.parameters())
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    text += [double, f"Total params: {total:,}", f"Trainable params: {trainable:,}"]
    return "\n".join([*text, f"Non-trainable params: {total - trainable:,}", line])


def field_table() -> str:
    """The receptive fields of the card's ten layers, as a Markdown table."""
    fields = receptive_fields(DigitNet(), (28, 28))
    text = ["| layer | output | field | jump | first centre |", "|---|---|---|---|---|"]
    for name in ROWS:
        field = fields[name]
        cells = (f"{a}×{b}" for a, b in (field.output_size, field.size))
        text.append(f"| {name} | {' | '.join(cells)} | {field.jump[0]:g} | {field.start[0]:g} |")
    return "\n".join(text)


def repository() -> str:
    """The project's address, from pyproject.toml: the one place where it is written."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Repository"].rstrip("/")


def badge(name: str) -> str:
    """A notebook's Open In Colab."""
    colab = repository().replace("https://github.com/", "https://colab.research.google.com/github/")
    return f"[![Open In Colab](https://colab.research.google.com/assets/colab-badge.svg)]({colab}/blob/main/notebooks/{name}.ipynb)"


def path_table(course: list[outline.Lesson]) -> str:
    """The notebooks in order: question, minutes as the notebook says them, what its reader writes, Colab badge."""
    text = ["| | minutes | you will write | |", "|---|---|---|---|"]
    for lesson in course:
        step = COURSE[lesson.name]
        link = f"**{int(lesson.name[:2])}** [{step.question}](notebooks/{lesson.name}.ipynb)"
        text.append(f"| {link} | {lesson.minutes} | {step.write} | {badge(lesson.name)} |")
    return "\n".join(text)


def start(course: list[outline.Lesson]) -> str:
    """Where to begin, and how long it takes in all."""
    first, minutes = course[0], sum(lesson.minutes for lesson in course)
    return (
        f"**Start here: [{COURSE[first.name].question}](notebooks/{first.name}.ipynb)** {badge(first.name)}\n"
        f"It takes {first.minutes} minutes; all {len(course)} notebooks take about {round(minutes / 60)} hours."
    )


def teaching_table(lesson: outline.Lesson) -> str:
    """What a teacher wants to know of a notebook: sections with minutes and goals, predictions with answers, exercises."""

    def cell(text: str) -> str:
        return text.replace("|", "\\|")

    text = [f"{lesson.minutes} minutes{lesson.needs}", ""]
    if lesson.sections:
        text += ["| section | minutes | goal |", "|---|---|---|"]
        text += [f"| {cell(one.title)} | {one.minutes} | {cell(one.goal)} |" for one in lesson.sections]
    if lesson.predictions:
        text += ["", "| prediction | measured |", "|---|---|"]
        text += [f"| {cell(one.name)} | {cell(one.answer)} |" for one in lesson.predictions]
    if lesson.exercises:
        text += ["", "| exercise | hands in | what it is |", "|---|---|---|"]
        text += [f"| {one.name}{', optional' * one.optional} | `{one.handed}` | {cell(one.what)} |" for one in lesson.exercises]
    return "\n".join(text)


def reading_list(course: list[outline.Lesson]) -> str:
    """All that the notebooks name as further reading, notebook by notebook."""
    text = []
    for lesson in course:
        if lesson.reading:
            text += [f"**[{lesson.question}]({lesson.name}.ipynb)**", "", *(f"- {item}" for item in lesson.reading), ""]
    return "\n".join(text).strip()


def studies_on_record() -> dict[str, Records]:
    """The runs of every study that is shown, by its name."""
    return {study.name: recorded(study) for study in SHOWN.values()}


def pages(studied: dict[str, Records], new: dict | None = None) -> dict[str, dict[str, str]]:
    """For each page what stands between each pair of its markers; new: a card run that is to join the records."""
    frozen = {name: records.runs(name, new=new if name == "card" else None) for name in RECIPES}
    card, quick, speed = frozen["card"], frozen["quick"], records.benchmark("speed")
    course = [outline.read(ROOT / "notebooks" / f"{name}.ipynb") for name in COURSE]
    timed = {"STUDY_QUICK": records.benchmark("ingredients")}
    studies = {mark: study_table(study, studied[study.name], timed.get(mark)) for mark, study in SHOWN.items()}
    answer = studies.pop("ANSWER")
    return {
        "README.md": {
            "START": start(course),
            "PATH": path_table(course),
            "CLONE": f"```sh\ngit clone {repository()}\ncd {repository().split('/')[-1]}\n```",
            "RESULT": result(card),
            "RECIPES": recipes_table(frozen),
            "SUMMARY": f"```text\n{summary_table(DigitNet())}\n```",
            "FIELDS": field_table(),
            "LATEST_RESULT": latest_result(card[0]),
        },
        "RESULTS.md": {
            "READINGS": readings(frozen),
            "SEEDS": seeds_result(card),
            "SPEED": speed_table(speed),
            "QUICK": quick_result(quick, card, speed),
            "FEW": few_result(frozen["few"], quick, studied),
            **studies,
        },
        "INSTRUCTOR.md": {f"LESSON_{lesson.name[:2]}": teaching_table(lesson) for lesson in course} | {"ANSWER": answer},
        "notebooks/glossary.md": {"READING": reading_list(course)},
    }


def fill(text: str, parts: dict[str, str], page: str = "README.md") -> str:
    """A page's text with each part between its markers."""
    for name, part in parts.items():
        pattern = rf"(<!-- {name} -->\n).*?(\n<!-- END_{name} -->)"
        text, count = re.subn(pattern, lambda m, part=part: m[1] + part + m[2], text, flags=re.DOTALL)
        if count != 1:
            raise ReportError(f"{page} must hold the markers of {name} once, not {count} times: put them back.")
    return text


def write_report(run: Path | None = None) -> None:
    """The pages that are read, figures/, docs/index.html, and the repository's address in the notebooks' bootstrap cells.

    run: a card run's record.json that is to join the records first. All is made before anything is written.
    """
    from course.film import renew  # here: only this needs it

    new = None if run is None else records.require_recipe(records.read(run))
    dataset = load()
    if dataset.name != "MNIST":
        raise ReportError("The figures show MNIST digits: set MNIST_LIB_DATA to a folder with its four files.")
    made, net = {}, recorded_net()
    if run is not None:
        made[records.RECORDS / "card.jsonl"] = records.to_lines(records.runs("card", new=new))
        if new["config"]["seed"] == 0:  # whose weights the notebooks show
            weights, net = weights_of(run, new, dataset)
            made[records.RECORDS / "card-seed-0.pt"] = weights
    studied = studies_on_record()
    for page, parts in pages(studied, new).items():
        made[ROOT / page] = fill((ROOT / page).read_text(encoding="utf-8"), parts, page).encode()
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        text = path.read_text(encoding="utf-8")
        made[path] = re.sub(r'REPOSITORY = \\"[^"]*\\"', f'REPOSITORY = \\"{repository()}\\"', text).encode()
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    made[ROOT / "CITATION.cff"] = re.sub(r"(?m)^repository-code: .*$", f"repository-code: {repository()}", citation).encode()
    made |= figures(net, dataset, studied)
    for path, body in made.items():
        write_whole(path, body)
    renew(dataset)


def weights_of(run: Path, record: dict, dataset: Dataset) -> tuple[bytes, DigitNet]:
    """The weights beside a record, as bytes and as a network; ReportError unless they read what the record says."""
    try:
        body = (run.parent / "model.pt").read_bytes()
        net = DigitNet()
        net.load_state_dict(torch.load(io.BytesIO(body), weights_only=True, map_location="cpu"))
    except Exception as error:  # missing, damaged, refused or of another network
        raise ReportError(
            f"model.pt beside {run.name} is not a DigitNet's weights ({type(error).__name__}): keep the two together."
        ) from None
    correct = evaluate(net.eval(), dataset.test_images, dataset.test_labels).correct
    if abs(correct - record["test"]["correct"]) > 2:  # another processor may round a logit otherwise
        raise ReportError(f"model.pt beside {run.name} reads {correct:,} right, the record says {record['test']['correct']:,}.")
    return body, net


def figures(net: DigitNet, dataset: Dataset, studied: dict[str, Records]) -> dict[Path, bytes]:
    """figures/: each picture for GitHub's light and dark pages."""
    from mnist_lib import plots  # here: matplotlib is slow to import, and only this needs it

    validated, speed, made = records.held_out(), records.benchmark("speed"), {}
    quick = table(QUICK_STUDY, studied["quick"])[0].mean
    as_hard = 99.4 - (Spread.of(records.runs("quick")).mean - quick)  # held-out images are a little harder
    sizes = {
        f"{recipe.steps(55_000):,} steps": table(study, studied[study.name])
        for recipe, study in ((QUICK, FEWEST_STUDY), (LONG, FEWEST_LONG_STUDY))
    }
    for theme, colours in (("light", plots.LIGHT), ("dark", plots.DARK)):
        plots.use_theme(colours)
        pictures = {
            "architecture": plots.architecture(net, dataset.train_images[15] / 255),
            "training": plots.curves(
                validated["history"],
                "MNIST: 55,000 training images, 5,000 held out, seed 0; the test images are not read",
            ),
            "fewest": plots.accuracy_over_parameters(
                sizes, "MNIST: networks with fewer filters; 5,000 held-out images a seed", as_hard, "99.4 % on\ntest images"
            ),
            "speed": plots.step_times(speed["profile"], "MNIST: where the time of a training step goes"),
        }
        for name, figure in pictures.items():
            png = io.BytesIO()
            figure.savefig(png, dpi=150)
            made[ROOT / "figures" / f"{name}-{theme}.png"] = png.getvalue()
    plots.use_theme(plots.LIGHT)
    return made
