"""Records of finished runs -> the numbers in README and the files in figures/. The only hand that writes either."""

import json
import math
import re
import statistics
import tomllib
from dataclasses import asdict
from pathlib import Path

import torch

from mnist_lib.checkpoints import recorded_net
from mnist_lib.data import MNIST_SHA256
from mnist_lib.files import ROOT, write_whole
from mnist_lib.model import DigitNet
from mnist_lib.receptive_field import receptive_fields
from mnist_lib.trainer import CARD, QUICK, TrainConfig

RECORDS = ROOT / "records"
ROWS = ("conv1", "conv2", "conv3", "pool1", "conv4", "conv5", "conv6", "conv7", "gap", "conv8")  # of the card's table
COURSE = {
    "01_architecture": "What are the 13,960 numbers?",
    "02_receptive_field": "How much of the digit does one unit see?",
    "03_augmentation": "What is still the same digit?",
    "04_training": "Does it reach 99.4 %?",
    "05_inside": "What did it learn, what does it get wrong?",
    "07_speed": "Where does the time go?",
}


class ReportError(ValueError):
    """A record that may not stand where it was to be put; the message says why."""


def read_record(path: Path) -> dict:
    """A record as train made it; ReportError if the file is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ReportError(f"{path} is no run record ({error}): give the record.json that a run wrote.") from None


def require_card_run(record: dict, recipe: TrainConfig = CARD, name: str = "the card's 20 epochs") -> None:
    """ReportError unless the record is of the recipe, the card's if none is given, on all of MNIST, read at the last epoch."""
    if not isinstance(record, dict) or not {"dataset", "config", "test", "machine", "versions"} <= record.keys():
        raise ReportError("The file is no run record: give the record.json that a run wrote.")
    free = {"seed", "device", "precision", "compiled"}
    settings, usual = (
        json.loads(json.dumps(asdict(config))) for config in (recipe, CARD)
    )  # a field a record lacks was as usual
    changed = [key for key in settings if key not in free and record["config"].get(key, usual[key]) != settings[key]]
    if record["dataset"]["sha256"] != MNIST_SHA256 or record["dataset"]["trained_on"] != 60_000:
        raise ReportError(f"The run is of {record['dataset']['name']}, not of all of MNIST: its result is not the card's.")
    if changed or (record["test"] or {}).get("epoch") != math.ceil(recipe.epochs):
        raise ReportError(f"The run is not {name} ({', '.join(changed) or 'no test result'} differ).")


def card_records(folder: Path = RECORDS) -> list[dict]:
    """The committed runs of the card, by seed."""
    return _records(folder, "card", CARD, "the card's 20 epochs")


def quick_records(folder: Path = RECORDS) -> list[dict]:
    """The committed runs of the recipe `quick`, by seed."""
    return _records(folder, "quick", QUICK, "the recipe quick")


def speed_record(folder: Path = RECORDS) -> dict:
    """The committed benchmark: what `python -m benchmarks.speed` wrote."""
    record = read_record(folder / "speed.json")
    parts = {"workers", "rounds", "epochs", "ladder", "profile", "course"}
    if record.get("dataset", {}).get("sha256") != MNIST_SHA256 or not parts <= record.keys() or not _of_quick(record):
        raise ReportError("speed.json is no whole benchmark of MNIST and today's `quick`: run `python -m benchmarks.speed`.")
    return record


def choice_record(folder: Path = RECORDS) -> dict:
    """What leaving out each ingredient of `quick` changes: what `python -m benchmarks.choice` wrote."""
    record = read_record(folder / "choice.json")
    if record.get("dataset", {}).get("sha256") != MNIST_SHA256 or "accuracy" not in record or not _of_quick(record):
        raise ReportError("choice.json is no comparison on MNIST with today's `quick`: run `python -m benchmarks.choice`.")
    return record


def _of_quick(record: dict) -> bool:
    return record.get("quick") == json.loads(json.dumps(asdict(QUICK)))


def _records(folder: Path, prefix: str, recipe: TrainConfig, name: str) -> list[dict]:
    records = [read_record(path) for path in folder.glob(f"{prefix}-seed-*.json")]
    for record in records:
        require_card_run(record, recipe, name)
    return sorted(records, key=lambda record: record["config"]["seed"])


def latest_result(record: dict) -> str:
    """The lines between the card's LATEST_RESULT markers."""
    require_card_run(record)
    test, machine, versions = record["test"], record["machine"], record["versions"]
    return (
        f"Maximum Accuracy: {test['accuracy']:.2%} ({test['correct']:,} of {test['n']:,} MNIST test images, read once, "
        f"after epoch {test['epoch']} of {record['config']['epochs']})\n\n"
        f"seed {record['config']['seed']}; {record['dataset']['trained_on']:,} training images; {record['seconds']:.0f} s of "
        f"training on {machine['device']}, {machine['precision']}; "
        f"Python {versions['python']}, torch {versions['torch']}; {record['date']}"
    )


def mean_interval(values: list[float]) -> tuple[float, float, float]:
    """The mean of two or more values, and its 95 % interval by Student's t: (mean, low, high)."""
    from scipy.stats import t  # here: slow to import

    mean = statistics.mean(values)
    margin = t.ppf(0.975, len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values))
    return mean, mean - margin, mean + margin


def seeds_result(records: list[dict]) -> str:
    """Mean over seeds with its 95 % interval, as two sentences."""
    accuracies = [100 * record["test"]["accuracy"] for record in records]
    mean, low, high = mean_interval(accuracies)
    first, last = (records[i]["config"]["seed"] for i in (0, -1))
    machine, versions = records[0]["machine"], records[0]["versions"]
    if any((record["machine"], record["versions"]) != (machine, versions) for record in records):
        raise ReportError("The records are of several machines or versions: a mean over seeds is of one.")
    return (
        f"**{mean:.2f} %** of the 10,000 MNIST test images: the mean of {len(records)} runs (seeds {first} to {last}; "
        f"lowest {min(accuracies):.2f}, highest {max(accuracies):.2f}, standard deviation {statistics.stdev(accuracies):.2f}, "
        f"95 % interval of the mean {low:.2f} to {high:.2f}). Each run trains for 20 epochs on all 60,000 training images "
        f"and reads the test images once, after the last epoch. {machine['device']}, {machine['precision']}, "
        f"Python {versions['python']}, torch {versions['torch']}."
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
        ratios = sorted(a / b for a, b in zip(classic, took, strict=True))
        shown = f"{statistics.median(ratios):.1f} ({ratios[0]:.1f} to {ratios[-1]:.1f})" if name != "classic" else "1"
        text.append(f"| {title} | {statistics.median(took):.1f} | {60_000 / statistics.median(took):,.0f} | {shown} |")
    return "\n".join(text)


def same_result(same: dict) -> str:
    """The accuracy of our engine beside that of torch's own modules in float32: what `python -m benchmarks.same` wrote."""
    from scipy.stats import ttest_ind  # here: slow to import

    if same["dataset"]["sha256"] != MNIST_SHA256:
        raise ReportError("same.json is not of MNIST: run `python -m benchmarks.same`.")
    arms, told = [[100 * accuracy for accuracy in same[name]] for name in ("fast", "plain")], []
    for accuracies in arms:
        mean, low, high = mean_interval(accuracies)
        told.append(f"{mean:.2f} % (95 % interval {low:.2f} to {high:.2f})")
    difference = statistics.mean(arms[0]) - statistics.mean(arms[1])
    low, high = ttest_ind(*arms, equal_var=False).confidence_interval()
    return (
        f"Accuracy: the card's recipe, shortened to {same['epochs']} epochs, reaches {told[0]} with all that the engine does "
        f"({same['engine'].split(', ', 1)[1]}, masks from a stock) and {told[1]} with torch's own modules in float32 "
        f"(nn.Dropout, nothing compiled); {len(same['fast'])} seeds each, test images read once a run, after the last epoch. "
        f"The difference is {difference:+.2f} points (95 % interval {low:+.2f} to {high:+.2f}, Welch). {same['machine']}; "
        f"Python {same['versions']['python']}, torch {same['versions']['torch']}; {same['date']}."
    )


def quick_result(quick: list[dict], card: list[dict], speed: dict) -> str:
    """The recipe `quick` over its seeds, and how long 99.4 % takes in each way."""
    accuracies = [100 * record["test"]["accuracy"] for record in quick]
    mean, low, high = mean_interval(accuracies)
    machine, versions = quick[0]["machine"], quick[0]["versions"]
    if any((record["machine"], record["versions"]) != (machine, versions) for record in quick):
        raise ReportError("The records are of several machines or versions: a mean over seeds is of one.")
    whole = [record["seconds_in_all"] for record in quick]
    classic = 20 * statistics.median(speed["ladder"]["classic script"])  # training alone, as in the card's record
    return (
        f"The recipe `quick` ({QUICK.steps(60_000)} steps of {QUICK.batch_size} images, where the card takes "
        f"{CARD.steps(60_000):,} of {CARD.batch_size}; chosen on a 55,000 / 5,000 split of the training images): "
        f"**{mean:.2f} %** of the 10,000 test images, "
        f"the mean of {len(quick)} seeds, last epoch (lowest {min(accuracies):.2f}, highest "
        f"{max(accuracies):.2f}, standard deviation {statistics.stdev(accuracies):.2f}, 95 % interval of the mean {low:.2f} to "
        f"{high:.2f}), in {statistics.median(whole):.1f} s from loaded data to the last test image (median; "
        f"{min(whole):.1f} to {max(whole):.1f} s). {machine['device']}, {machine['precision']}; "
        f"Python {versions['python']}, torch {versions['torch']}. "
        "(The first run of a process waits some seconds more, for PyTorch to load its optimizers.) "
        f"The card's 20 epochs took {card[0]['seconds']:.0f} s here (seed 0); with the classic script they would take about "
        f"{classic / 60:.0f} minutes (20 times its epoch)."
    )


def summary_table(model: torch.nn.Module) -> str:
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


def path_table() -> str:
    """The notebooks in order, each with its question and its Colab badge."""
    colab = repository().replace("https://github.com/", "https://colab.research.google.com/github/")
    text = ["| notebook | question | |", "|---|---|---|"]
    for name, question in COURSE.items():
        badge = f"[![Open In Colab](https://colab.research.google.com/assets/colab-badge.svg)]({colab}/blob/main/notebooks/{name}.ipynb)"
        text.append(f"| [{name}](notebooks/{name}.ipynb) | {question} | {badge} |")
    return "\n".join(text)


def sections() -> dict[str, str]:
    """What stands between each pair of markers in README."""
    records = card_records()
    return {
        "LATEST_RESULT": latest_result(records[0]),
        "SEEDS": seeds_result(records),
        "SPEED": speed_table(speed_record()),
        "SAME": same_result(read_record(RECORDS / "same.json")),
        "QUICK": quick_result(quick_records(), records, speed_record()),
        "SUMMARY": f"```text\n{summary_table(DigitNet())}\n```",
        "FIELDS": field_table(),
        "PATH": path_table(),
        "CLONE": f"```sh\ngit clone {repository()}\ncd {repository().split('/')[-1]}\nmake run\n```",
    }


def fill(text: str, parts: dict[str, str]) -> str:
    """README's text with each part between its markers."""
    for name, part in parts.items():
        pattern = rf"(<!-- {name} -->\n).*?(\n<!-- END_{name} -->)"
        text, count = re.subn(pattern, lambda m, part=part: m[1] + part + m[2], text, flags=re.DOTALL)
        if count != 1:
            raise ReportError(f"README must hold the markers of {name} once, not {count} times: put them back.")
    return text


def write_report() -> None:
    """README's sections, the pictures in figures/, and the repository's address in the notebooks' bootstrap cells."""
    readme = ROOT / "README.md"
    write_whole(readme, fill(readme.read_text(encoding="utf-8"), sections()).encode())
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        text = path.read_text(encoding="utf-8")
        write_whole(path, re.sub(r'REPOSITORY = \\"[^"]*\\"', f'REPOSITORY = \\"{repository()}\\"', text).encode())
    write_figures()


def write_figures() -> None:
    """figures/: each picture for GitHub's light and dark pages."""
    from mnist_lib import plots  # here: matplotlib is slow to import, and only this needs it
    from mnist_lib.data import load

    dataset = load()
    if dataset.name != "MNIST":
        raise ReportError("The figures show MNIST digits: set MNIST_LIB_DATA to a folder with its four files.")
    (ROOT / "figures").mkdir(exist_ok=True)
    validated = read_record(RECORDS / "validation-seed-0.json")
    for theme, colours in (("light", plots.LIGHT), ("dark", plots.DARK)):
        plots.use_theme(colours)
        pictures = {
            "architecture": plots.architecture(recorded_net(), dataset.train_images[15] / 255),
            "training": plots.curves(
                validated["history"],
                "MNIST: 55,000 training images, 5,000 held out, seed 0; the test images are not read",
            ),
            "speed": plots.step_times(speed_record()["profile"], "MNIST: where the time of a training step goes"),
        }
        for name, figure in pictures.items():
            figure.savefig(ROOT / "figures" / f"{name}-{theme}.png", dpi=150)
    plots.use_theme(plots.LIGHT)
