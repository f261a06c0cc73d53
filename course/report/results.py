"""What the frozen recipes reach on the test images, and how fast, as the texts and tables of README and RESULTS."""

import statistics
from typing import NamedTuple

from course.report.markdown import markdown_table
from mnist_lib.studies import records
from mnist_lib.studies.statistics import mean_interval, ratio
from mnist_lib.trainer.recipes import CARD, QUICK, RECIPES


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
        accuracies = [100 * run["test"]["accuracy"] for run in runs]
        return cls(*mean_interval(accuracies), min(accuracies), max(accuracies), statistics.stdev(accuracies))


def made_on(run: dict) -> str:
    """The machine of a run, and what it computed with."""
    return f"{run['machine']['device']}, {run['machine']['precision']}, torch {run['versions']['torch']}"


def latest_result(run: dict) -> str:
    """The lines between the card's LATEST_RESULT markers."""
    records.require_recipe(run)
    test, machine, versions = run["test"], run["machine"], run["versions"]
    return (
        f"Maximum Accuracy: {test['accuracy']:.2%} ({test['correct']:,} of {test['n']:,} MNIST test images, read once, "
        f"after epoch {test['epoch']} of {run['config']['epochs']})\n\n"
        f"seed {run['config']['seed']}; {run['dataset']['trained_on']:,} training images; {run['seconds']:.0f} s of "
        f"training on {machine['device']}, {machine['precision']}; "
        f"Python {versions['python']}, torch {versions['torch']}; {run['date']}"
    )


def result(card: list[dict]) -> str:
    """The one line of result that a visitor reads."""
    spread, seconds = Spread.of(card), statistics.median(run["seconds"] for run in card)
    return (
        f"**{spread.mean:.2f} %** of the 10,000 MNIST test images are read right: the mean of {len(card)} trainings of 20 "
        f"epochs that differ in their random numbers alone (95 % interval {spread.low:.2f} to {spread.high:.2f}), "
        f"{seconds / 60:.0f} minutes each on {card[0]['machine']['device']}. How it was measured: [RESULTS.md](RESULTS.md)."
    )


def seeds_result(card: list[dict]) -> str:
    """Mean over seeds with its 95 % interval, as two sentences."""
    spread, (first, last) = Spread.of(card), (card[i]["config"]["seed"] for i in (0, -1))
    return (
        f"**{spread.mean:.2f} %** of the 10,000 MNIST test images: the mean of {len(card)} runs (seeds {first} to {last}; "
        f"lowest {spread.lowest:.2f}, highest {spread.highest:.2f}, standard deviation {spread.deviation:.2f}, "
        f"95 % interval of the mean {spread.low:.2f} to {spread.high:.2f}). Each run trains for 20 epochs on all 60,000 "
        f"training images and reads the test images once, after the last epoch. {made_on(card[0])}, "
        f"Python {card[0]['versions']['python']}."
    )


def speed_table(speed: dict) -> str:
    """Epochs of the classic script and of ours, side by side."""
    machine, versions, epochs = speed["machine"], speed["versions"], speed["epochs"]
    workers = min(speed["workers"], key=speed["workers"].get)
    text = (
        "An epoch: 60,000 images with augmentation and dropout, and the evaluation of 10,000. "
        f"Median of {speed['rounds']} rounds, the ways in turn, in one process; "
        f"the ratio is of each round's pair (lowest to highest). {machine['device']}; "
        f"Python {versions['python']}, torch {versions['torch']}, torchvision {versions['torchvision']}; {speed['date']}. "
        "On a GPU: not measured."
    )
    titles = {
        "classic": f"[classic script](benchmarks/classic.py), {workers} worker{'' if workers == '1' else 's'} "
        "(the best of 0, 1, 2)",
        "ours, float32": "ours, float32",
        "ours": f"ours, {speed['engine'].split(', ')[1]}",
    }
    rows = []
    for name, title in titles.items():
        seconds, (middle, lowest, highest) = statistics.median(epochs[name]), ratio(epochs["classic"], epochs[name])
        faster = f"{middle:.1f} ({lowest:.1f} to {highest:.1f})" if name != "classic" else "1"
        rows.append((title, f"{seconds:.1f}", f"{60_000 / seconds:,.0f}", faster))
    head = "| | seconds an epoch | images a second | times as fast as the classic script |"
    return f"{text}\n\n{markdown_table(head, rows)}"


def quick_result(quick: list[dict], card: list[dict], speed: dict) -> str:
    """The recipe `quick` over its seeds, and how long 99.4 % takes in each way."""
    spread, seconds = Spread.of(quick), [run["seconds_in_all"] for run in quick]
    classic = statistics.median(speed["ladder"]["classic script"])  # training alone, as in the card's record
    return (
        f"The recipe `quick` ({QUICK.steps(60_000)} steps of {QUICK.batch_size} images, where the card takes "
        f"{CARD.steps(60_000):,} of {CARD.batch_size}; chosen on a 55,000 / 5,000 split of the training images): "
        f"**{spread.mean:.2f} %** of the 10,000 test images, the mean of {len(quick)} seeds, last epoch (lowest "
        f"{spread.lowest:.2f}, highest {spread.highest:.2f}, standard deviation {spread.deviation:.2f}, 95 % interval of the "
        f"mean {spread.low:.2f} to {spread.high:.2f}), in {statistics.median(seconds):.1f} s from loaded data to the last test "
        f"image (median; {min(seconds):.1f} to {max(seconds):.1f} s). {made_on(quick[0])}, "
        f"Python {quick[0]['versions']['python']}. "
        f"The card's 20 epochs took {card[0]['seconds']:.0f} s here (seed 0); with the classic script they would take about "
        f"{20 * classic / 60:.0f} minutes (20 times {classic:.1f} s, its epoch without the evaluation)."
    )


def recipes_table(runs_by_recipe: dict[str, list[dict]]) -> str:
    """The frozen recipes beside one another, each from the records of its seeds."""
    rows = []
    for name, runs in runs_by_recipe.items():
        spread, recipe = Spread.of(runs), RECIPES[name]
        rows.append(
            (
                f"`{name}`",
                f"{runs[0]['parameters']:,}",
                f"{recipe.steps(60_000):,} of {recipe.batch_size}",
                len(runs),
                f"**{spread.mean:.2f} %** ({spread.low:.2f} to {spread.high:.2f})",
                f"{spread.lowest:.2f} to {spread.highest:.2f}",
                made_on(runs[0]),
            )
        )
    head = "| recipe | numbers | steps | seeds | test images read right, mean (95 % interval) | lowest to highest | machine |"
    return markdown_table(head, rows)


def readings(runs_by_recipe: dict[str, list[dict]]) -> str:
    """How often the test images were read by recorded runs."""
    counts = ", ".join(f"{len(runs)} of `{name}`" for name, runs in runs_by_recipe.items())
    return (
        f"The test images were read by {sum(map(len, runs_by_recipe.values()))} recorded runs in all: {counts}. Notebooks "
        "4 and 7 read them once more for each run that they show."
    )
