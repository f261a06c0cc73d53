"""Records of finished runs and benchmarks: the one source that README, figures and notebooks quote. Read, check, write.

The runs of a study are a table: a file of JSON lines, one per run. So are those of the frozen recipes, which read the test
images. Everything is checked before it is written.
"""

import json
import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path

from mnist_lib.data import MNIST_SHA256
from mnist_lib.support.paths import BASE, committed, write_whole
from mnist_lib.trainer.config import TrainConfig
from mnist_lib.trainer.recipes import CARD, QUICK, RECIPES

READINGS = "readings.jsonl"  # below the records' folder: all runs that read the test images
RECORDS = BASE / "records"  # where studies write: in the clone; without one, in the folder that the reader works in
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
    {**_object(**{name: {} for name in CARD.to_dict()}), "additionalProperties": False},
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
    study=_TEXT,
    variant=_TEXT,
)
_LISTED = {"type": "array", "items": _SECONDS, "minItems": 1}
_SPLIT = {"type": "object", "minProperties": 1, "additionalProperties": _SECONDS}


def _times(*names: str) -> dict:
    return {"type": "object", "required": list(names), "additionalProperties": _LISTED}


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
        seconds=_times("all five", *(f"no {name}" for name in ("muon", "whiten", "hardest", "coarse", "settle")), "quick"),
        **_PROVENANCE,
    ),
}


class RecordError(ValueError):
    """A record that can't be used where it is; the message says why."""


def read(path: Path) -> dict:
    """A run's record as train made it; RecordError in one sentence if the file is not one."""
    return check_run(_load(path), path.name)


def read_table(path: Path) -> list[tuple[str, str, dict]]:
    """The runs of a table, in its order: place, as in "Line 3 of studies/quick.jsonl", variant, record. [] if there is no file.

    Raises:
        RecordError: one sentence that names file and line, for a line that is not a whole record, or repeats the variant,
            seed and machine of an earlier one.
    """
    runs, numbers = [], {}
    for number, line in enumerate(path.read_bytes().splitlines() if path.is_file() else [], 1):
        place = f"Line {number} of {path.parent.name}/{path.name}"
        record = check_run(_parse(line, place), place)
        if "variant" not in record:
            raise RecordError(f"{place} names no variant: give the one that a run wrote.")
        variant, seed = record["variant"], record["config"]["seed"]
        if (other := numbers.setdefault((variant, seed, machine_of(record)), number)) != number:
            raise RecordError(f"{place} is of the same run as line {other} ({variant}, seed {seed}): remove one of the two.")
        runs.append((place, variant, record))
    return runs


def check_run(record: object, name: str = "The record") -> dict:
    """The record, if it is one of a run and adds up; else RecordError."""
    _check(record, "run", name)
    test, history, held_out = record["test"], record["history"], record["config"]["validation"]
    if [entry["epoch"] for entry in history] != list(range(1, len(history) + 1)):
        raise RecordError(
            f"{name} is not a run record (its epochs are not 1 to {len(history)}): give the one that a run wrote."
        )
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
    return [key for key, value in json.loads(json.dumps(config.to_dict())).items() if record["config"][key] != value]


def machine_of(record: dict) -> str:
    """What must be equal for two runs to be compared: processor or GPU, threads, torch."""
    machine, versions = record["machine"], record["versions"]
    threads = f"{machine['threads']} threads, " if machine.get("threads") else ""
    return f"{machine['device']}, {threads}torch {versions['torch']}"


def runs(recipe: str, folder: Path | None = None, new: dict | None = None) -> list[dict]:
    """The committed runs of a recipe (a name in RECIPES) by seed; a new one takes the place of its seed's.

    folder: with the table, else the clone's records/. Raises RecordError, one sentence, for a table that is damaged,
    or holds runs of another recipe or of several machines; FileNotFoundError where the package is installed without a clone.
    """
    name = {"card": "the card's 20 epochs"}.get(recipe, f"the recipe {recipe}")
    table = read_table((folder or committed("records/")) / READINGS)
    records = [record for _, variant, record in table if variant == recipe]
    if new is not None:
        records = [record for record in records if record["config"]["seed"] != new["config"]["seed"]] + [new]
    for record in records:
        require_recipe(record, RECIPES[recipe], name)
    if any((record["machine"], record["versions"]) != (records[0]["machine"], records[0]["versions"]) for record in records):
        raise RecordError("The records are of several machines or versions: a mean over seeds needs one.")
    return sorted(records, key=lambda record: record["config"]["seed"])


def readings(new: dict | None = None) -> list[dict]:
    """All committed runs that read the test images; a new one of the card takes the place of its seed's."""
    kept = [record for _, _, record in read_table(committed("records/") / READINGS)]
    if new is None:
        return kept
    seeds = [record["config"]["seed"] if record["variant"] == "card" else None for record in kept]
    place = seeds.index(new["config"]["seed"]) if new["config"]["seed"] in seeds else len(kept)
    return [*kept[:place], new | {"variant": "card"}, *kept[place + 1 :]]


def held_out(folder: Path | None = None) -> dict:
    """The committed run of the card with 5,000 training images held out. Raises as `runs` does."""
    record = read((folder or committed("records/")) / "validation-seed-0.json")
    recipe, given = (json.loads(json.dumps(config)) for config in (replace(CARD, validation=5000).to_dict(), record["config"]))
    if record["dataset"]["sha256"] != MNIST_SHA256 or given != recipe or len(record["history"]) != CARD.epochs:
        raise RecordError("validation-seed-0.json is not the card's 20 epochs on MNIST with 5,000 images held out.")
    return record


def benchmark(name: str, folder: Path | None = None) -> dict:
    """What `python -m benchmarks.NAME` wrote: "speed" or "ingredients". Raises as `runs` does."""
    record = _load((folder or committed("records/")) / f"{name}.json")
    _check(record, name, f"{name}.json", f"run `python -m benchmarks.{name}`")
    if record["dataset"]["sha256"] != MNIST_SHA256:
        raise RecordError(f"{name}.json is not of MNIST: run `python -m benchmarks.{name}`.")
    if record["quick"] != json.loads(json.dumps(QUICK.to_dict())):
        raise RecordError(f"{name}.json is of another `quick` than today's: run `python -m benchmarks.{name}`.")
    return record


def append(path: Path, record: dict) -> None:
    """Add a run to a table. The file is whole at every moment, and runs that other processes append meanwhile are kept.

    Raises RecordError, one sentence, for a record that is not whole; OSError where the file can't be written.
    """
    from filelock import FileLock  # imported here: only those who run studies need it

    run = to_lines([check_run(record)])
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.parent / ".lock"):
        lines = path.read_bytes().splitlines() if path.is_file() else []  # not parsed: a damaged line loses no other run
        write_whole(path, b"\n".join([*lines, run]))


def write(path: Path, record: dict) -> None:
    """Write a benchmark's record, checked, whole or not at all."""
    _check(record, path.stem, path.name)
    write_whole(path, to_bytes(record))


def to_bytes(record: dict) -> bytes:
    """A record as it lies in a file of its own: JSON, which has no NaN."""
    return json.dumps(record, indent=1, allow_nan=False).encode() + b"\n"


def to_lines(records: Iterable[dict]) -> bytes:
    """Records as they lie in a table."""
    return b"".join(json.dumps(record, allow_nan=False).encode() + b"\n" for record in records)


def _load(path: Path) -> object:
    try:
        return _parse(path.read_bytes(), f"{path}")
    except OSError as error:
        raise RecordError(f"{path} is not a record ({error}): give the one that a run wrote.") from None


def _parse(text: bytes, name: str) -> object:
    def refuse(constant: str) -> None:
        raise ValueError(f"it holds {constant}")

    def number(digits: str) -> float:
        if not math.isfinite(float(digits)):  # 1e999 is infinite, too
            refuse(digits[:20])
        return int(digits) if digits.lstrip("-").isdigit() else float(digits)

    try:
        return json.loads(text.decode("utf-8"), parse_constant=refuse, parse_float=number, parse_int=number)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{name} is not a record ({error}): give the one that a run wrote.") from None


def _check(record: object, kind: str, name: str, mend: str = "give the one that a run wrote") -> None:
    from fastjsonschema import JsonSchemaValueException  # imported here: only those who read records need it

    try:
        _validator(kind)(record)
    except JsonSchemaValueException as error:
        what = error.message.removeprefix("data.")
        raise RecordError(f"{name} is not a whole record ({what if len(what) < 80 else f'{what[:77]}...'}): {mend}.") from None


@cache
def _validator(kind: str) -> Callable[[object], object]:
    import fastjsonschema

    draft = {"$schema": "http://json-schema.org/draft-04/schema"}  # to later ones 20.0 is an integer, to what is printed not
    return fastjsonschema.compile(draft | {"run": RUN, **BENCHMARKS}[kind])
