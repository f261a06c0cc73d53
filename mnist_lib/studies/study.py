"""A study: recipes compared, each with several seeds; and what follows from its records.

Recipes are compared on held-out training images. Seeds s and s + 1 hold out different twelfths of them, and all
variants with the same seed hold out the same one, so differences are paired by seed. The test images are read only where
every recipe is frozen (held_out=0). runner.py runs what is missing.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mnist_lib.data import Dataset
from mnist_lib.studies import records
from mnist_lib.studies.statistics import mean_interval, paired_interval
from mnist_lib.support import validation
from mnist_lib.trainer.config import TrainConfig

FOLDS = 12  # of 5,000 training images each


@dataclass(frozen=True)
class Study:
    """A table of variants, recipes by name, to be run with seeds 0, 1, 2 and so on.

    variants: the first is what the others are compared with. seeds: how many, unless told otherwise.
    held_out: how many training images judge a run; 0 where all recipes are frozen, and the test images judge.
    images: how many of the first training images are used; None: all.

    Raises:
        ValueError: one sentence, for a name that its records can't have, no variants, or a number that makes no sense.
            TypeError for a variant that is not a TrainConfig.
    """

    name: str
    variants: dict[str, TrainConfig]
    seeds: int = 8
    held_out: int = 5000
    images: int | None = None

    def __post_init__(self):
        if not re.fullmatch(r"[a-z0-9][a-z0-9 .,+-]{0,60}", self.name):
            raise ValueError(f"This becomes a file's name: use only small letters, digits, spaces and .,+-, not {self.name!r}.")
        for variant in self.variants:
            if not re.fullmatch(r"[^<>|\r\n]{1,200}", variant):  # else a record's schema refuses it, when the run is done
                raise ValueError(f"A variant's name is one line of at most 200 characters without <, > and |, not {variant!r}.")
        if not self.variants:
            raise ValueError("A study needs at least one variant.")
        for variant, config in self.variants.items():
            validation.instance(f"{variant!r}", config, TrainConfig)
        validation.number("seeds", self.seeds, at_least=1, at_most=10_000, whole=True)
        validation.number("held_out", self.held_out, at_least=0, whole=True)
        if self.images is not None:
            validation.number("images", self.images, at_least=1, whole=True)

    def config(self, variant: str, seed: int) -> TrainConfig:
        return replace(self.variants[variant], seed=seed, validation=self.held_out)

    @property
    def path(self) -> Path:
        """The table of its runs, below the records' folder; what read the test images is all in one table."""
        return Path("studies", f"{self.name}.jsonl") if self.held_out else Path(records.READINGS)

    def share(self, dataset: Dataset, seed: int) -> Dataset:
        """The images of a run, ordered so that the last ones, which it holds out, are its fold."""
        end = self.images or len(dataset.train_labels)
        by = self.held_out * (seed % FOLDS + 1)
        images, labels = (part[:end].roll(by, 0) for part in (dataset.train_images, dataset.train_labels))
        return replace(dataset, train_images=images, train_labels=labels)


Records = dict[str, dict[str, dict[int, dict]]]  # by machine, variant and seed


def recorded(study: Study, folder: Path | None = None) -> Records:
    """The runs of a study that are on record, in records/ or another folder, for each machine by itself.

    Raises:
        RecordError: one sentence, for a table that is damaged, and for a run of another recipe than its variant is today, of
            another number of images than the study uses today, or of other images than the runs before it.
    """
    runs, folder, dataset = {}, folder or records.RECORDS, None
    for place, variant, record in records.read_table(folder / study.path):
        if variant not in study.variants:
            continue  # the study had it once, or it is of another frozen recipe
        seed, dataset = record["config"]["seed"], dataset or record["dataset"]
        if changed := records.differing(record, study.config(variant, seed)):
            other = f"another {variant!r} than today's ({', '.join(changed)} differ)"
        elif record.get("images") != study.images:
            other = f"images={record.get('images')}, the study of images={study.images}"
        elif record["dataset"]["sha256"] != dataset["sha256"]:
            other = f"other images ({record['dataset']['name']}) than runs before it ({dataset['name']})"
        else:
            runs.setdefault(records.machine_of(record), {}).setdefault(variant, {})[seed] = record
            continue
        raise records.RecordError(f"{place} is of {other}: take it out.")
    return runs


def accuracy(record: dict) -> float:
    """What a run is judged by, at its last epoch: on the test images if it read them, else on those it held out."""
    return record["test"]["accuracy"] if record["test"] else record["history"][-1]["validation_accuracy"]


@dataclass(frozen=True)
class Row:
    """What is known of a variant; accuracies and differences in percent and points, intervals of 95 %."""

    variant: str
    parameters: int
    values: dict[int, float]  # by seed
    mean: float
    interval: tuple[float, float] | None  # None for one seed
    n_pairs: int = 0  # seeds that the first variant has, too
    difference: float | None = None  # to the first variant, seed by seed
    difference_interval: tuple[float, float] | None = None


def by_seed(runs: Records) -> dict[str, dict[int, dict]]:
    """The runs by variant and seed; those of one seed are all of one machine, the one with most of them."""
    chosen: dict[str, dict[int, dict]] = {}
    for seed in sorted({seed for variants in runs.values() for seeds in variants.values() for seed in seeds}):
        machine = max(runs.values(), key=lambda variants: sum(seed in seeds for seeds in variants.values()))
        for variant, seeds in machine.items():
            if seed in seeds:
                chosen.setdefault(variant, {})[seed] = seeds[seed]
    return chosen


def table(study: Study, runs: Records) -> list[Row]:
    """A row for each variant that has runs. Differences are to the study's first variant, with one seed on one machine."""
    rows, chosen, first_variant = [], by_seed(runs), next(iter(study.variants))
    first = {seed: 100 * accuracy(record) for seed, record in chosen.get(first_variant, {}).items()}
    for variant in (variant for variant in study.variants if variant in chosen):
        values = {seed: 100 * accuracy(record) for seed, record in chosen[variant].items()}
        parameters = next(iter(chosen[variant].values()))["parameters"]
        mean, *ends = mean_interval(list(values.values())) if len(values) > 1 else values.values()
        row = Row(variant, parameters, values, mean, tuple(ends) or None)
        pairs = [seed for seed in values if seed in first] if variant != first_variant else []
        if len(pairs) > 1:
            difference, *ends = paired_interval([values[seed] for seed in pairs], [first[seed] for seed in pairs])
            row = replace(row, n_pairs=len(pairs), difference=difference, difference_interval=tuple(ends))
        rows.append(row)
    return rows


def as_text(rows: Sequence[Row]) -> str:
    """A study's table for a terminal."""
    width = max(len(row.variant) for row in rows)
    text = [f"{'':{width}}    n   mean %   95 % interval    to the first, points"]
    for row in rows:
        line = f"{row.variant:{width}}  {len(row.values):3}   {row.mean:.3f}"
        line += f"   {row.interval[0]:.3f} to {row.interval[1]:.3f}" if row.interval else ""
        if row.difference is not None:
            low, high = row.difference_interval
            line += f"   {row.difference:+.3f} ({low:+.3f} to {high:+.3f}, n = {row.n_pairs})"
        text.append(line)
    return "\n".join(text)
