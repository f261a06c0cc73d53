"""Studies: what is paired with what, what is run, and real worker processes that die."""

import copy
import errno
import itertools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import distributed
import psutil
import pytest
import torch
from scipy import stats

from course import __main__
from mnist_lib.data import Dataset
from mnist_lib.data.download import ARCHIVES
from mnist_lib.model import DigitNet, layers
from mnist_lib.studies import catalogue, records, runner
from mnist_lib.studies.records import machine_of, read_table
from mnist_lib.studies.runner import StudyError, missing, run_study
from mnist_lib.studies.study import Study, accuracy, as_text, by_seed, recorded, table
from mnist_lib.support.paths import ROOT
from mnist_lib.trainer import train
from mnist_lib.trainer.config import TrainConfig
from mnist_lib.trainer.ingredients import Hardest, Ingredient, Settle
from mnist_lib.trainer.recipes import FEW, LONG, NARROW, QUICK
from mnist_lib.trainer.variants import Flatten, NoBatchNorm, NoBottleneck, TorchModules, Widths
from tests.lib.idx_files import write_idx

SMALL = TrainConfig(epochs=1, batch_size=100, device="cpu", precision="float32", compiled="no")


def small(**variants: TrainConfig) -> Study:
    return Study("small", {"first": SMALL, **variants}, seeds=2, held_out=300)


def tiny(study: Study) -> Study:
    """The same on a few images: two short steps a run."""
    variants = {name: replace(config, batch_size=20) for name, config in study.variants.items()}
    return replace(study, variants=variants, held_out=20, images=60)


@pytest.fixture(scope="module")
def one_record(digits) -> dict:
    study = small()
    return train(study.config("first", 0), study.share(digits, 0)).record


def made_up(one_record: dict, study: Study, variant: str, seed: int, share: float, device: str = "a machine") -> dict:
    """A record as such a run might have made it."""
    [epoch], dataset = one_record["history"], one_record["dataset"] | {"validated_on": study.held_out}
    config, machine = study.config(variant, seed).to_dict(), one_record["machine"] | {"device": device}
    made = one_record | {"config": config, "dataset": dataset, "machine": machine}
    if study.held_out:
        return made | {"history": [epoch | {"validation_accuracy": share}]}
    return made | {"history": [{key: epoch[key] for key in epoch if key != "validation_accuracy"}]} | TESTED


def put(folder: Path, study: Study, variant: str, record: dict) -> Path:
    path = folder / study.path
    records.append(path, record | {"variant": variant})
    return path


# What a study is


def test_study_of_twelve_seeds_holds_out_each_training_image_once(digits):
    marks = torch.zeros(1200, 1, 28, 28, dtype=torch.uint8)
    marks[:, 0, 0, 0], marks[:, 0, 0, 1] = torch.arange(1200) // 200, torch.arange(1200) % 200
    marked = replace(digits, train_images=marks, train_labels=digits.train_labels[:1200])
    study = Study("twelve", {"first": SMALL}, held_out=100)
    places = [study.share(marked, seed).train_images[:, 0, 0, :2].long() for seed in range(13)]
    shares = [200 * place[:, 0] + place[:, 1] for place in places]
    assert sorted(torch.cat([share[-100:] for share in shares[:12]]).tolist()) == list(range(1200))
    assert shares[12].equal(shares[0])
    assert [share[-100].item() for share in shares[:12]] == [*range(1000, -1, -100), 1100]  # as in all records
    assert all(sorted(share.tolist()) == list(range(1200)) for share in shares)


def test_share_keeps_images_and_their_labels_together(digits):
    study = replace(small(), images=600)
    share = study.share(digits, 3)
    assert len(share.train_labels) == 600
    for image, label in zip(share.train_images[::50], share.train_labels[::50]):
        [index] = (digits.train_images[:600] == image).flatten(1).all(1).nonzero()[:1, 0].tolist()
        assert digits.train_labels[index] == label


def test_frozen_study_keeps_all_images(digits):
    study = Study("frozen", {"first": SMALL}, held_out=0)
    assert study.share(digits, 5).train_labels.equal(digits.train_labels)
    assert study.config("first", 5).validation == 0


@pytest.mark.parametrize("name", ["", "../up", "A", "a/b", "two\nlines"])
def test_a_name_that_no_file_can_have_is_refused(name):
    with pytest.raises(ValueError, match=r"^This becomes a file's name: [^\n]+\.$"):
        Study(name, {"first": SMALL})


@pytest.mark.parametrize("name", ["", "a | b", "<b>", "two\nlines", 201 * "a"])
def test_name_of_a_variant_is_one_that_its_records_may_have(name):
    small(**{"No dropout, 5/7: Größe": SMALL, "../up": SMALL})
    with pytest.raises(ValueError, match=r"^A variant's name is one line of at most 200 characters [^\n]+\.$"):
        small(**{name: SMALL})


@pytest.mark.parametrize("odd", [{"seeds": 0}, {"held_out": -5}, {"images": 0}])
def test_study_with_a_number_that_makes_no_sense_is_refused(odd):
    with pytest.raises(ValueError, match=rf"^{next(iter(odd))} is a whole number, [^\n]+\.$"):
        Study("small", {"first": SMALL}, **odd)
    with pytest.raises(TypeError, match=r"^'first' is a TrainConfig, not NoneType\.$"):
        Study("small", {"first": None})


@pytest.mark.parametrize("odd", [{"seeds": 0}, {"workers": 0}])
def test_run_study_refuses_a_number_of_seeds_or_workers_that_is_none(odd, tmp_path):
    with pytest.raises(ValueError, match=rf"^{next(iter(odd))} is a whole number, 1 or more, [^\n]+\.$"):
        run_study(small(first=SMALL), source="digits", folder=tmp_path, scratch=tmp_path, **odd)


def test_catalogue_studies_leave_out_one_thing_each():
    card, quick = catalogue.CARD_STUDY, catalogue.QUICK_STUDY
    first = card.variants["card"].to_dict()
    changed = {
        name: [key for key, value in config.to_dict().items() if value != first[key]] for name, config in card.variants.items()
    }
    assert all(len(keys) == 1 for name, keys in changed.items() if name != "card" and "constant" not in name)
    assert all(
        set(keys) <= {"max_lr", "div_factor", "final_div_factor"} for name, keys in changed.items() if "constant" in name
    )
    assert {config.steps(55_000) for config in quick.variants.values()} == {QUICK.steps(55_000)}
    for name, config in quick.variants.items():
        whole, left = ({type(part).__name__.lower() for part in recipe.ingredients} for recipe in (catalogue.ALL_FIVE, config))
        out = {"all five": set(), "quick": {"whiten", "settle"}}
        assert len(whole) == 5 and whole - left == out.get(name, {name.removeprefix("no ")})
    assert quick.variants["no hardest"].epochs < QUICK.epochs and not any(
        isinstance(part, Hardest) for part in quick.variants["no hardest"].ingredients
    )


def test_catalogue_quick_is_what_its_records_are_of():
    epochs = {name: config.epochs for name, config in catalogue.QUICK_STUDY.variants.items()}
    assert epochs == dict.fromkeys(epochs, 4) | {"no hardest": 347 / 215}  # 4 epochs, three of them of 44 steps


def test_with_equal_steps_refuses_what_can_not_take_as_many():
    with pytest.raises(ValueError, match=r"^'short' can't be made to take 347 steps: its later epochs are"):
        catalogue.with_equal_steps({"quick": QUICK, "short": replace(QUICK, epochs=3)})


def test_frozen_recipes_have_nothing_left_to_run():
    """But for the card, which was read with five seeds: each run more would read the test images again."""
    for study, names in (
        (catalogue.FROZEN, ["quick"]),
        (catalogue.FROZEN_BEST, ["best"]),
        (catalogue.FROZEN_NARROW, ["narrow"]),
        (catalogue.FROZEN_FEW, ["few"]),
        (catalogue.FROZEN_FRONTIER, list(catalogue.FROZEN_FRONTIER.variants)),
    ):
        [runs] = recorded(study).values()
        assert all(sorted(runs[name]) == list(range(study.seeds)) for name in names)


def test_catalogue_trains_networks_of_fewer_numbers_alike():
    for study, recipe in ((catalogue.FEWEST_STUDY, QUICK), (catalogue.FEWEST_LONG_STUDY, LONG), (catalogue.SHAPES_STUDY, LONG)):
        assert {config.without(Widths) for config in study.variants.values()} == {recipe}
    for name, config in (catalogue.FEWEST_STUDY.variants | catalogue.FEWEST_LONG_STUDY.variants).items():
        network = next(part for part in config.ingredients if isinstance(part, Widths)).network(DigitNet())
        assert name == f"{sum(p.numel() for p in network.parameters())} numbers"
    assert catalogue.FEWEST_LONG_STUDY.variants["4872 numbers"] == NARROW
    assert catalogue.FRONTIER_STUDY.variants["3502"] == FEW


def test_torch_modules_are_the_network():
    """The plain way of the study `engine`: the same numbers, other layers."""
    ours = DigitNet().eval()
    plain = TorchModules().network(copy.deepcopy(ours)).eval()
    kinds = {type(layer) for layer in plain.modules()}
    assert {torch.nn.BatchNorm2d, torch.nn.Dropout} < kinds and not kinds & {layers.BatchNorm2d, layers.Dropout}
    assert [layer.p for layer in plain.modules() if isinstance(layer, torch.nn.Dropout)] == 3 * [0.07] + 4 * [0.05]
    plain.load_state_dict(ours.state_dict())
    images = torch.randn(4, 1, 28, 28)
    assert plain(images).allclose(ours(images), atol=1e-6)
    [fast, slow] = catalogue.ENGINE_STUDY.variants.values()
    changed = {key for key, value in slow.to_dict().items() if value != fast.to_dict()[key]}
    assert changed == {"precision", "compiled", "ingredients"}


@pytest.mark.parametrize(
    ("part", "numbers"),
    [
        (NoBatchNorm, 13_960 - 2 * (16 + 32 + 10 + 4 * 16)),
        (NoBottleneck, 13_960 - (32 * 10 + 10 + 2 * 10) + (32 - 10) * 16 * 9),
        (Flatten, 13_960 + (6 * 6 - 1) * 16 * 10),
    ],
)
def test_variant_without_a_part_has_it_nowhere(part, numbers):
    network = part().network(DigitNet()).eval()
    assert sum(p.numel() for p in network.parameters()) == numbers
    kinds = [type(layer) for layer in network.modules()]
    assert (layers.BatchNorm2d in kinds) == (part is not NoBatchNorm)
    assert (torch.nn.AvgPool2d in kinds) == (part is not Flatten)
    assert isinstance(network.conv3, torch.nn.Conv2d) == (part is not NoBottleneck)
    seen = {}
    network.gap.register_forward_hook(lambda module, inputs, output: seen.update(maps=inputs[0]))
    answers = network(torch.randn(2, 1, 28, 28))
    assert answers.shape == (2, 10) and seen["maps"].shape == (2, 16, 6, 6)  # all else is as it was
    assert kinds.count(layers.Dropout) == (6 if part is NoBottleneck else 7)
    if part is Flatten:  # a linear layer over all places of conv7's maps
        weight, bias = network.conv8.weight.flatten(1), network.conv8.bias
        assert torch.nn.functional.linear(seen["maps"].flatten(1), weight, bias).allclose(answers, atol=1e-5)


def test_widths_say_what_is_wrong_and_draw_no_number():
    before = torch.get_rng_state()
    Widths((8,) * 7)
    with pytest.raises(ValueError, match=r"^kernels are odd"):
        Widths((8,) * 7, (2,) * 7)
    with pytest.raises(ValueError, match=r"^widths is a tuple of 7 numbers"):
        Widths((8,))
    assert torch.get_rng_state().equal(before)


@pytest.mark.parametrize("part", [NoBatchNorm, NoBottleneck, Flatten, TorchModules])
def test_variants_together_lose_no_change_to_the_network(part, digits):
    widths = Widths((8,) * 7)
    few = digits.head(20, 10)
    run = train(replace(SMALL, batch_size=20, ingredients=(Settle(0.5), widths, part())), few)
    assert run.record["config"]["ingredients"].keys() == {"Settle", "Widths", part.__name__}
    assert str(run.model) == str(part().network(DigitNet(SMALL.dropout, widths.widths)))
    with pytest.raises(ValueError, match=r"^Widths makes a new network, .* name it first"):
        train(replace(SMALL, ingredients=(part(), widths)), few)


# What follows from records


def test_table_pairs_differences_by_seed_as_scipy_pairs_them(one_record, tmp_path):
    study = small(other=replace(SMALL, max_lr=0.2))
    shares = {"first": [0.91, 0.93, 0.90, 0.95], "other": [0.92, 0.95, 0.90, 0.94]}
    for variant, values in shares.items():
        for seed, share in enumerate(values):
            put(tmp_path, study, variant, made_up(one_record, study, variant, seed, share))
    put(tmp_path, study, "first", made_up(one_record, study, "first", 4, 0.5))  # has no partner
    first, other = table(study, recorded(study, tmp_path))
    expected = stats.ttest_rel([100 * x for x in shares["other"]], [100 * x for x in shares["first"]])
    assert other.n_pairs == 4 and len(first.values) == 5 and first.difference is None
    assert other.difference == pytest.approx(0.5)
    assert other.difference_interval == pytest.approx(tuple(expected.confidence_interval()))
    assert first.mean == pytest.approx(100 * (sum(shares["first"]) + 0.5) / 5)
    assert "+0.500" in as_text([first, other])


def test_table_has_no_pair_of_two_machines(one_record, tmp_path):
    study = small(other=replace(SMALL, max_lr=0.2))
    for device, variant, seed, share in (
        ("slow", "first", 0, 0.1),
        ("slow", "first", 1, 0.2),
        ("fast", "first", 0, 0.8),
        ("fast", "other", 0, 0.9),
        ("slow", "other", 1, 0.4),
    ):
        put(tmp_path, study, variant, made_up(one_record, study, variant, seed, share, device))
    runs = recorded(study, tmp_path)
    assert len(runs) == 2
    chosen = by_seed(runs)
    assert {seed: record["machine"]["device"] for seed, record in chosen["first"].items()} == {0: "fast", 1: "slow"}
    first, other = table(study, runs)
    assert first.values == {0: pytest.approx(80), 1: pytest.approx(20)} and other.difference == pytest.approx(15)


def test_table_has_no_difference_to_another_variant_than_the_first(one_record, tmp_path):
    study = small(other=replace(SMALL, max_lr=0.2), third=replace(SMALL, max_lr=0.3))
    for variant in ("other", "third"):
        for seed in range(2):
            put(tmp_path, study, variant, made_up(one_record, study, variant, seed, 0.5))
    assert [(row.variant, row.n_pairs, row.difference) for row in table(study, recorded(study, tmp_path))] == [
        ("other", 0, None),
        ("third", 0, None),
    ]


def of_mnist(record: dict) -> dict:
    return record | {"dataset": record["dataset"] | {"name": "MNIST", "sha256": records.MNIST_SHA256}}


TESTED = {"test": {"correct": 9, "n": 10, "loss": 1.0, "accuracy": 0.9, "epoch": 1}}


@pytest.mark.parametrize("held_out", [300, 0])
def test_recorded_runs_of_two_datasets_are_no_study(one_record, tmp_path, held_out):
    study = replace(small(), held_out=held_out)
    first, second = (made_up(one_record, study, "first", seed, 0.5) for seed in range(2))
    put(tmp_path, study, "first", of_mnist(first))
    assert len(recorded(study, tmp_path)) == 1
    put(tmp_path, study, "first", second)
    with pytest.raises(
        records.RecordError, match=r"^Line 2 of [^\n]+\.jsonl is of other images \(digits\) than runs before it \(MNIST\): take"
    ):
        recorded(study, tmp_path)


def test_recorded_runs_of_another_number_of_images_are_refused(one_record, tmp_path):
    study = replace(small(), images=700)
    put(tmp_path, study, "first", made_up(one_record, study, "first", 0, 0.5) | {"images": 700})
    assert recorded(study, tmp_path)
    for images in (600, 800, None):
        with pytest.raises(
            records.RecordError, match=rf"^Line 1 of studies/small\.jsonl is of images=700, the study of images={images}:"
        ):
            recorded(replace(study, images=images), tmp_path)


def test_missing_is_what_is_still_to_do(one_record, tmp_path):
    study = small(other=replace(SMALL, max_lr=0.2))
    here = machine_of(made_up(one_record, study, "first", 0, 0.5))
    for device, variant, seed in (
        ("a machine", "first", 0),
        ("another", "first", 1),
        ("another", "first", 2),
        ("another", "other", 2),
    ):
        put(tmp_path, study, variant, made_up(one_record, study, variant, seed, 0.5, device))
    # seed 0 goes on here, seed 1 is half done elsewhere and begins anew here, seed 2 is done elsewhere
    assert missing(study, 4, tmp_path, {here}) == [("other", 0), ("first", 1), ("other", 1), ("first", 3), ("other", 3)]


def test_frozen_recipe_stays_with_its_machine(one_record, tmp_path):
    study = Study("frozen", {"first": SMALL}, held_out=0)
    tested = made_up(one_record, study, "first", 0, 0.9)
    assert put(tmp_path, study, "first", tested) == tmp_path / "readings.jsonl" and accuracy(tested) == 0.9
    assert missing(study, 2, tmp_path, {machine_of(tested)}) == [("first", 1)]
    with pytest.raises(StudyError, match="a mean needs one machine"):
        missing(study, 2, tmp_path, {"another"})


def test_recorded_runs_are_of_todays_recipes_and_variants(one_record, tmp_path):
    study = small(other=SMALL)
    for variant in study.variants:
        put(tmp_path, study, variant, made_up(one_record, study, variant, 1, 0.5))
    [runs] = recorded(small(), tmp_path).values()
    assert runs.keys() == {"first"} and runs["first"].keys() == {1}  # the study has no `other` any more
    said = r"^Line 1 of studies/small\.jsonl is of another 'first' than today's \(max_lr differ\): take it out\.$"
    with pytest.raises(records.RecordError, match=said):
        recorded(Study("small", {"first": replace(SMALL, max_lr=0.3)}, held_out=300), tmp_path)


# On real processes


def on_record(folder: Path) -> list[tuple[str, int]]:
    """(variant, seed) of each line below a folder, in the order in which they were written."""
    lines = [line for path in folder.rglob("*.jsonl") for line in read_table(path)]
    return [(variant, record["config"]["seed"]) for _, variant, record in lines]


def test_run_study_makes_trains_own_runs_and_none_again(digits, tmp_path, capfd, monkeypatch, nearby):
    study, ticks = tiny(small(other=replace(SMALL, max_lr=0.2))), itertools.count()
    clock = SimpleNamespace(perf_counter=lambda: next(ticks), time_ns=time.time_ns)  # each run takes a second
    monkeypatch.setattr(runner, "time", clock)
    [runs] = run_study(study, source="digits", folder=tmp_path / "records", scratch=tmp_path / "scratch").values()
    assert on_record(tmp_path) == [("first", 0), ("other", 0), ("first", 1), ("other", 1)]
    said = capfd.readouterr().out
    assert "4 runs to do, 1 at a time" in said and "1 of 4, about 3 s left; " in said and "4 of 4" in said
    threads = torch.get_num_threads()
    torch.set_num_threads(runs["first"][0]["machine"]["threads"])
    alone = json.loads(json.dumps(train(study.config("other", 1), study.share(digits, 1)).record))
    torch.set_num_threads(threads)
    for key in ("config", "dataset", "parameters", "test"):
        assert runs["other"][1][key] == alone[key]
    losses = [[entry["train_loss"] for entry in record["history"]] for record in (runs["other"][1], alone)]
    assert losses[0] == losses[1]
    assert all(record["images"] == 60 for seeds in runs.values() for record in seeds.values())
    [path] = tmp_path.rglob("*.jsonl")
    before = path.read_bytes()
    run_study(study, source="digits", folder=tmp_path / "records", scratch=tmp_path / "scratch")
    assert "all 4 runs are on record" in capfd.readouterr().out
    assert path.read_bytes() == before


def test_run_is_handed_out_when_a_worker_is_free(tmp_path, monkeypatch, nearby):
    """What is bound to a worker early waits for it, though another is free. Seed by seed, so that seeds are whole early."""
    study, handed_out = replace(small(other=replace(SMALL, max_lr=0.2)), images=700), []
    dasks = distributed.Client.submit

    def submit(client, work, study, variant, seed, *means, **options):
        handed_out.append((variant, seed, len(on_record(tmp_path / "records"))))
        return dasks(client, work, study, variant, seed, *means, **options)

    monkeypatch.setattr(distributed.Client, "submit", submit)
    run_study(study, source="digits", folder=tmp_path / "records", scratch=tmp_path / "scratch")
    assert [run[:2] for run in handed_out] == [(name, seed) for seed in (0, 1) for name in ("first", "other")]
    assert [done for *_, done in handed_out] == [0, 0, 1, 2]  # one worker: each when the one before is done


def in_background(study: Study, tmp_path: Path, source: str = "digits", **means) -> tuple[threading.Thread, list]:
    outcome: list = []

    def work():
        try:
            outcome.append(run_study(study, None, source, tmp_path / "records", tmp_path / "scratch", **means))
        except StudyError as error:
            outcome.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    return thread, outcome


def wait_for(what, seconds: float = 300):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)


def written(dataset: Dataset, folder: Path) -> str:
    """Images as MNIST's files have them, which a worker reads sooner than scikit-learn's."""
    folder.mkdir()
    parts = (dataset.train_images[:, 0], dataset.train_labels, dataset.test_images[:, 0], dataset.test_labels)
    for name, part in zip(ARCHIVES, parts, strict=True):
        write_idx(folder / name, part.shape, part.to(torch.uint8).contiguous().numpy().tobytes())
    return str(folder)


def workers_of(process: psutil.Process) -> list[psutil.Process]:
    """The processes of Dask workers below this one: the nannies' children."""
    return [child for child in process.children(recursive=True) if "spawn_main" in " ".join(child.cmdline())]


def test_worker_that_is_killed_has_its_run_go_on_from_the_checkpoint_to_the_same_bits(digits, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # more would wait for other tests' threads
    go_on = tmp_path / "go on"

    @dataclass(frozen=True)
    class Waits(Ingredient):  # defined in here, it travels to the worker as it is
        file: str

        def learns(self, weight: str, done: float) -> bool:
            while done >= 0.5 and not os.path.exists(self.file):
                time.sleep(0.02)
            return True

    few = digits.head(60, 10)
    recipe = replace(SMALL, epochs=2, batch_size=20, ingredients=(Waits(str(go_on)),))
    study = Study("killed", {"first": recipe}, seeds=1, held_out=20)
    thread, outcome = in_background(study, tmp_path, written(few, tmp_path / "images"), workers=1)
    wait_for(lambda: list((tmp_path / "scratch").rglob("epoch-*.pt")))
    for process in workers_of(psutil.Process()):
        process.send_signal(signal.SIGKILL)  # in its second epoch
    go_on.touch()
    thread.join(timeout=300)
    [runs] = outcome[0].values()
    record = runs["first"][0]
    assert on_record(tmp_path / "records") == [("first", 0)]
    assert "seconds_in_all" not in record  # it was resumed
    threads = torch.get_num_threads()
    torch.set_num_threads(record["machine"]["threads"])
    alone = train(study.config("first", 0), study.share(few, 0)).record
    torch.set_num_threads(threads)
    assert len(alone["history"]) == 2
    assert [entry["train_loss"] for entry in record["history"]] == [entry["train_loss"] for entry in alone["history"]]
    assert not list((tmp_path / "scratch").rglob("*.pt"))  # nothing is left behind


def test_cluster_listens_nowhere_beyond_this_machine(tmp_path):
    heard = []

    def listening():
        here = psutil.Process()
        for process in (here, *here.children(recursive=True)):
            connections = process.net_connections if hasattr(process, "net_connections") else process.connections  # psutil 5
            heard.extend(port.laddr.ip for port in connections("inet") if port.status == psutil.CONN_LISTEN)

    with runner.client_of(1, None):
        listening()
    assert heard and set(heard) == {"127.0.0.1"}


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@pytest.fixture
def scheduler(tmp_path):
    """A Dask scheduler and a worker, by RESULTS' commands, which know nothing of us: (address, the scheduler's process)."""
    address = f"tcp://127.0.0.1:{free_port()}"
    (tmp_path / "elsewhere").mkdir()
    place = {
        "cwd": tmp_path / "elsewhere",
        "env": {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "MNIST_LIB"))},
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.DEVNULL,
    }
    first, second, _ = re.findall(r"^\.venv/bin/(\S+ .+?) +#", (ROOT / "RESULTS.md").read_text(), re.MULTILINE)
    words = [command.replace("8786", address.rsplit(":", 1)[1]).split() for command in (first, second)]
    master, worker = (subprocess.Popen([sys.executable, "-m", *command, "--no-dashboard"], **place) for command in words)
    yield address, master
    for process in (worker, master):
        process.kill()
        process.wait(timeout=20)


def test_schedulers_workers_are_used_and_its_death_is_said(digits, tmp_path, scheduler):
    address, master = scheduler
    study = Study("remote", {"first": replace(SMALL, batch_size=20)}, seeds=100, held_out=20)
    thread, outcome = in_background(study, tmp_path, written(digits.head(60, 10), tmp_path / "images"), scheduler=address)
    wait_for(lambda: len(on_record(tmp_path / "records")) >= 2)
    master.kill()
    thread.join(timeout=300)
    assert isinstance(outcome[0], StudyError) and "scheduler went away after" in str(outcome[0])
    done = on_record(tmp_path / "records")
    assert 2 <= len(done) < study.seeds
    here = set(recorded(study, tmp_path / "records"))
    assert {*missing(study, 100, tmp_path / "records", here)} == {("first", seed) for seed in range(100)} - {*done}


def test_scheduler_that_does_not_answer_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "PATIENCE", 0.3)
    with pytest.raises(StudyError, match="No Dask scheduler answers at tcp://127"):
        run_study(small(), source="digits", folder=tmp_path, scratch=tmp_path, scheduler=f"tcp://127.0.0.1:{free_port()}")


def test_run_that_raises_is_named_and_the_others_go_on(tmp_path, monkeypatch, capfd, nearby):
    study = tiny(small(**{"too fast": replace(SMALL, max_lr=1e30)}))
    monkeypatch.setitem(catalogue.STUDIES, "small", study)
    monkeypatch.setattr(records, "RECORDS", tmp_path / "records")
    monkeypatch.setattr(runner, "OUT", tmp_path)
    assert __main__.main(["study", "small", "--workers", "1", "--data", "digits"]) == 1
    said = capfd.readouterr()
    assert "failed: too fast, seed 1: TrainingError" in said.out and "2 runs failed, all others are recorded" in said.err
    assert on_record(tmp_path / "records") == [("first", 0), ("first", 1)]


def test_full_disk_is_said_and_what_was_recorded_stays(one_record, tmp_path, monkeypatch):
    def full(path, body):
        raise OSError(28, os.strerror(28))

    table = put(tmp_path, small(), "first", one_record)
    monkeypatch.setattr(records, "write_whole", full)
    with pytest.raises(StudyError, match=r"^small\.jsonl can't be written \(No space left on device\): free some space"):
        runner.keep(one_record, table)
    assert on_record(tmp_path) == [("first", 0)]


def test_study_that_runs_already_is_not_run_twice(tmp_path):
    with runner.alone(tmp_path / "small"):
        [lock] = (tmp_path / "small").iterdir()
    holder = """
import filelock, sys, time
with filelock.FileLock(sys.argv[1], timeout=0):
    print("held", flush=True)
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", holder, str(lock)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(StudyError, match="small is already running"):
            run_study(small(), source="digits", folder=tmp_path / "records", scratch=tmp_path)
        other.kill()


def test_alone_calls_nothing_that_is_raised_meanwhile_a_full_disk(tmp_path):
    with pytest.raises(BrokenPipeError, match=r"^whoever read$"), runner.alone(tmp_path / "small"):
        raise BrokenPipeError("whoever read")
    with runner.alone(tmp_path / "small"):  # it was let go
        pass
    (tmp_path / "a file").touch()
    with pytest.raises(StudyError, match=os.strerror(errno.ENOTDIR)), runner.alone(tmp_path / "a file" / "small"):
        pass


def about(cores: int = 2, sha256: str = "0") -> dict:
    """What a worker has."""
    machine = {"machine": {"device": "a", "threads": 9}, "versions": {"torch": "2"}}
    return machine | {"cores": cores, "sha256": sha256}


class Workers:
    """A Dask client, as far as it is asked what its workers have."""

    def __init__(self, nthreads: int = 1, **means: dict):
        self.means, self.threads = {f"tcp://{name[0]}:{name[1:]}": worker for name, worker in means.items()}, nthreads

    def run(self, *_) -> dict[str, dict]:
        return self.means

    def nthreads(self) -> dict[str, int]:
        return dict.fromkeys(self.means, 1) | {next(iter(self.means)): self.threads}


def test_workers_with_different_images_are_refused():
    with pytest.raises(StudyError, match="different images"):
        runner.look_at(Workers(a1=about(), a2=about(sha256="1")), "auto")


@pytest.mark.parametrize(("most", "threads"), [("", 4), ("3", 3), ("9", 4), ("0", 1), ("many", 4)])
def test_workers_of_one_host_share_its_cores(most, threads, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", most)
    machines = runner.look_at(Workers(a1=about(8), a2=about(8), b1=about(6)), "auto")
    assert [machine["machine"]["threads"] for machine in machines] == [threads] * 3


def test_worker_that_runs_several_tasks_at_a_time_is_refused():
    """They would draw from one stream of random numbers."""
    with pytest.raises(StudyError, match=r"^[^\n]*start the workers with --nthreads 1\.$"):
        runner.look_at(Workers(nthreads=2, a1=about(), a2=about()), "auto")


@pytest.mark.parametrize("held_out", [300, 0])
def test_run_study_refuses_other_images_than_those_of_the_records(one_record, tmp_path, monkeypatch, held_out):
    study = replace(small(), held_out=held_out)
    made = made_up(one_record, study, "first", 0, 0.5)
    put(tmp_path, study, "first", of_mnist(made))
    here = about(sha256=made["dataset"]["sha256"]) | {key: made[key] for key in ("machine", "versions")}
    monkeypatch.setattr(runner, "client_of", contextmanager(lambda *_: (yield Workers(a1=here))))
    with pytest.raises(
        StudyError, match=r"^The runs of small on record are of MNIST, but the workers have other images for 'auto'"
    ):
        run_study(study, folder=tmp_path, scratch=tmp_path / "scratch")
    assert on_record(tmp_path) == [("first", 0)]


def test_run_without_a_scratch_folder_leaves_nothing_behind(digits, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(runner, "images", lambda source: digits)
    threads = torch.get_num_threads()
    record = runner.run_one(tiny(small()), "first", 0, "digits", threads, str(tmp_path / "nowhere"))
    assert record["variant"] == "first" and not list(tmp_path.iterdir())


def test_run_has_the_threads_that_it_is_given(digits, tmp_path, monkeypatch):
    before = torch.get_num_threads()
    monkeypatch.setattr(runner, "images", lambda source: digits)
    monkeypatch.setattr(runner, "train", lambda *_: SimpleNamespace(record={"threads": torch.get_num_threads()}))
    record = runner.run_one(small(), "first", 0, "digits", before + 1, str(tmp_path))
    torch.set_num_threads(before)
    assert record["threads"] == before + 1


def test_run_has_a_folder_of_its_own_below_scratch_whatever_its_variants_name(digits, tmp_path, monkeypatch):
    folders, study = [], small(**dict.fromkeys(["no dropout", "no-dropout", "No dropout", "../up", 200 * "ä"], SMALL))
    monkeypatch.setattr(runner, "images", lambda source: digits)

    def trained(config, dataset, callbacks):
        folders.append(callbacks[0].folder)
        return SimpleNamespace(record={})

    monkeypatch.setattr(runner, "train", trained)
    for variant in study.variants:
        runner.run_one(study, variant, 0, "digits", torch.get_num_threads(), str(tmp_path))
    assert {folder.parent for folder in folders} == {tmp_path} and len({folder.name.lower() for folder in folders}) == 6


def test_cluster_without_a_client_is_closed(monkeypatch):
    closed = []

    class LocalCluster:
        def __init__(self, **_): ...

        def __enter__(self):
            return self

        def __exit__(self, *_):
            closed.append(self)

    def refuses(runner):
        raise OSError("no more files")

    monkeypatch.setattr(distributed, "LocalCluster", LocalCluster)
    monkeypatch.setattr(distributed, "Client", refuses)
    with pytest.raises(OSError, match="no more files"), runner.client_of(1, None):
        pass
    assert len(closed) == 1


def test_study_that_is_unknown_is_one_sentence(capsys):
    assert __main__.main(["study", "nothing"]) == 1
    assert "There is no study 'nothing': choose one of card" in capsys.readouterr().err


def test_accuracy_is_the_last_epochs_not_the_best():
    history = [{"validation_accuracy": share} for share in (0.9, 0.99, 0.95)]
    assert accuracy({"test": None, "history": history}) == 0.95
    assert accuracy({"test": {"accuracy": 0.97}, "history": history}) == 0.97
