"""Records of finished runs and benchmarks: the one truth that README, figures and notebooks quote. Read, check, write.

Everything is checked before anything is written.
"""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from mnist_lib.data import MNIST_SHA256
from mnist_lib.support.paths import ROOT, write_whole
from mnist_lib.trainer.config import TrainConfig
from mnist_lib.trainer.recipes import CARD, QUICK, RECIPES

RECORDS = ROOT / "records"
_SHARE = {"type": "number", "minimum": 0, "maximum": 1}
_COUNT = {"type": "integer", "minimum": 0}
_POSITIVE = {"type": "integer", "minimum": 1}
_SECONDS = {"type": "number", "minimum": 0}
_TEXT = {"type": "string", "minLength": 1, "maxLength": 200, "pattern": r"^[^<>|\r\n]*\Z"}  # it is put into README


def _object(**properties: dict) -> dict:
    return {"type": "object", "required": list(properties), "properties": properties}


def _with(schema: dict, **optional: dict) -> dict:
    return {**schema, "properties": schema["properties"] | optional}


_PROVENANCE = {
    "machine": _with(
        _object(device=_TEXT, precision={"enum": ["float32", "bfloat16", "float64"]}),
        compiled={"type": "boolean"},
        threads={"type": ["integer", "null"]},
        system=_TEXT,
    ),
    "versions": _object(python=_TEXT, torch=_TEXT),
    "date": {"type": "string", "pattern": r"^\d{4}-(0\d|1[012])-[0-3]\d\Z"},
}
_DATASET = _object(name=_TEXT, sha256={"type": "string", "pattern": r"^[0-9a-f]{64}\Z"})
_EPOCH = _with(
    _object(epoch=_POSITIVE, train_loss={"type": "number"}, train_accuracy=_SHARE, seconds=_SECONDS), validation_accuracy=_SHARE
)
_TEST = _object(correct=_COUNT, n=_POSITIVE, loss={"type": "number"}, accuracy=_SHARE, epoch=_POSITIVE)
_CONFIG = _with(
    {**_object(**{name: {} for name in CARD.plain()}), "additionalProperties": False},
    seed={"type": "integer", "minimum": 0, "maximum": 2**40},
    validation=_COUNT,
    ingredients={"type": "object"},
)
RUN = _with(
    _object(
        dataset=_object(**_DATASET["properties"], trained_on=_POSITIVE, validated_on=_COUNT),
        config=_CONFIG,
        parameters=_POSITIVE,
        history={"type": "array", "minItems": 1, "items": _EPOCH},
        test=_TEST | {"type": ["object", "null"]},
        seconds=_SECONDS,
        **_PROVENANCE,
    ),
    seconds_in_all=_SECONDS,
    together=_POSITIVE,
    study=_TEXT,
    variant=_TEXT,
)
_LISTED = {"type": "array", "items": _SECONDS, "minItems": 1}
_SPLIT = {"type": "object", "minProperties": 1, "additionalProperties": _SECONDS}


def _times(*names: str) -> dict:
    return {"type": "object", "required": list(names), "additionalProperties": _LISTED}


_VARIANTS = ("quick", *(f"no {type(one).__name__.lower()}" for one in QUICK.ingredients))  # of the study `quick`
BENCHMARKS = {
    "speed": _object(
        dataset=_DATASET,
        machine=_object(device=_TEXT),
        versions=_object(python=_TEXT, torch=_TEXT, torchvision=_TEXT),
        date=_PROVENANCE["date"],
        engine=_TEXT,
        quick=_CONFIG,
        rounds=_POSITIVE,
        workers=_SPLIT,
        epochs=_times("classic", "ours", "ours, float32"),
        ladder=_times("classic script"),
        profile={"type": "object", "minProperties": 1, "additionalProperties": _SPLIT},
        accuracy_over_time={"type": "object"},
    ),
    "ingredients": _object(
        dataset=_DATASET,
        quick=_CONFIG,
        rounds=_POSITIVE,
        seconds=_object(**dict.fromkeys(_VARIANTS, _LISTED)),
        **_PROVENANCE,
    ),
}


class RecordError(ValueError):
    """A record that may not stand where it was to be put; the message says why."""


def read(path: Path) -> dict:
    """A run's record as train made it; RecordError in one sentence if the file is none."""
    return check_run(_parse(path), path.name)


def check_run(record: object, name: str = "The record") -> dict:
    """The record, if it is one of a run and adds up; else RecordError."""
    _check(record, "run", name)
    test, history, held_out = record["test"], record["history"], record["config"]["validation"]
    if [entry["epoch"] for entry in history] != list(range(1, len(history) + 1)):
        raise RecordError(f"{name} is no run record (its epochs are not 1 to {len(history)}): give the one that a run wrote.")
    if test and (test["accuracy"] != test["correct"] / test["n"] or test["epoch"] != len(history)):
        raise RecordError(f"{name} does not add up (accuracy, correct, n or epoch of its test): give the one that a run wrote.")
    by_test_images = {bool(test), *("validation_accuracy" not in entry for entry in history)}
    if by_test_images != {not held_out} or record["dataset"]["validated_on"] != held_out:
        raise RecordError(f"{name} does not add up (what it held out, what it was judged by): give the one that a run wrote.")
    return record


def require_recipe(record: dict, recipe: TrainConfig = CARD, name: str = "the card's 20 epochs") -> dict:
    """The record, if it is of the recipe on all of MNIST, read at the last epoch; else RecordError."""
    check_run(record)
    changed = [key for key in differing(record, recipe) if key not in ("seed", "device", "precision", "compiled")]
    dataset, test = record["dataset"], record["test"]
    if dataset["sha256"] != MNIST_SHA256 or dataset["trained_on"] != 60_000:
        raise RecordError(f"The run is of {dataset['name']}, not of all of MNIST: its result is not that of {name}.")
    if changed or not test or test["epoch"] != math.ceil(recipe.epochs) or test["n"] != 10_000:
        raise RecordError(f"The run is not {name} ({', '.join(changed) or 'no test result'} differ).")
    return record


def differing(record: dict, config: TrainConfig) -> list[str]:
    """The settings in which a record's run was not this configuration."""
    return [key for key, value in json.loads(json.dumps(config.plain())).items() if record["config"][key] != value]


def runs(recipe: str, folder: Path = RECORDS, new: dict | None = None) -> list[dict]:
    """The committed runs of a recipe, "card", "quick", "best" or "few", by seed; a new one takes the place of its seed's."""
    name = {"card": "the card's 20 epochs"}.get(recipe, f"the recipe {recipe}")
    records = []
    for path in folder.glob(f"{recipe}-seed-*.json"):
        records.append(read(path))
        if path.stem != f"{recipe}-seed-{records[-1]['config']['seed']}":  # a copy would count one run twice
            raise RecordError(f"{path.name} is of seed {records[-1]['config']['seed']}: name it so, or remove it.")
    if new is not None:
        records = [record for record in records if record["config"]["seed"] != new["config"]["seed"]] + [new]
    for record in records:
        require_recipe(record, RECIPES[recipe], name)
    require_one_machine(records)
    return sorted(records, key=lambda record: record["config"]["seed"])


def require_one_machine(records: Sequence[dict]) -> None:
    """RecordError if they are of several machines or versions: a mean over seeds is of one."""
    if any((record["machine"], record["versions"]) != (records[0]["machine"], records[0]["versions"]) for record in records):
        raise RecordError("The records are of several machines or versions: a mean over seeds is of one.")


def held_out(folder: Path = RECORDS) -> dict:
    """The committed run of the card with 5,000 training images held out."""
    record = read(folder / "validation-seed-0.json")
    recipe, given = (json.loads(json.dumps(config)) for config in (replace(CARD, validation=5000).plain(), record["config"]))
    if record["dataset"]["sha256"] != MNIST_SHA256 or given != recipe or len(record["history"]) != CARD.epochs:
        raise RecordError("validation-seed-0.json is not the card's 20 epochs on MNIST with 5,000 images held out.")
    return record


def benchmark(name: str, folder: Path = RECORDS) -> dict:
    """What `python -m benchmarks.NAME` wrote: "speed" or "ingredients"; RecordError if it is not whole."""
    record = _parse(folder / f"{name}.json")
    _check(record, name, f"{name}.json", f"run `python -m benchmarks.{name}`")
    if record["dataset"]["sha256"] != MNIST_SHA256:
        raise RecordError(f"{name}.json is not of MNIST: run `python -m benchmarks.{name}`.")
    if record["quick"] != json.loads(json.dumps(QUICK.plain())):
        raise RecordError(f"{name}.json is of another `quick` than today's: run `python -m benchmarks.{name}`.")
    return record


def write(path: Path, record: dict) -> None:
    """Write a run's or a benchmark's record, checked, whole or not at all."""
    if path.stem in BENCHMARKS:
        _check(record, path.stem, path.name)
    else:
        check_run(record, path.name)
    write_whole(path, to_bytes(record))


def to_bytes(record: dict) -> bytes:
    """As it lies in its file: JSON, which has no NaN."""
    return json.dumps(record, indent=1, allow_nan=False).encode() + b"\n"


def _parse(path: Path) -> object:
    def refuse(constant: str) -> None:
        raise ValueError(f"it holds {constant}")

    def number(digits: str) -> float:
        if not math.isfinite(float(digits)):  # 1e999 is none either
            refuse(digits[:20])
        return int(digits) if digits.lstrip("-").isdigit() else float(digits)

    try:
        return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse, parse_float=number, parse_int=number)
    except (OSError, ValueError, RecursionError) as error:
        raise RecordError(f"{path} is no record ({error}): give the record.json that a run wrote.") from None


def _check(record: object, kind: str, name: str, mend: str = "give the record.json that a run wrote") -> None:
    from fastjsonschema import JsonSchemaValueException  # here: only those who read records need it

    try:
        _validator(kind)(record)
    except JsonSchemaValueException as error:
        what = error.message.removeprefix("data.")
        raise RecordError(f"{name} is no whole record ({what if len(what) < 80 else f'{what[:77]}...'}): {mend}.") from None


@cache
def _validator(kind: str) -> Callable[[object], object]:
    import fastjsonschema

    draft = {"$schema": "http://json-schema.org/draft-04/schema"}  # to later ones 20.0 is an integer, to what is printed not
    return fastjsonschema.compile(draft | {"run": RUN, **BENCHMARKS}[kind])
