"""The runs of a study, on this machine or on any Dask cluster. What is recorded is not run again.

Dask does the scheduling, restarts a dead worker and gives its run to another. What is ours: a run's record joins the
study's table as soon as the run is done, and an interrupted run continues from its checkpoint if the machine still has it.
"""

import hashlib
import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from functools import cache
from itertools import islice
from pathlib import Path

from mnist_lib.data import Dataset, load
from mnist_lib.studies import records
from mnist_lib.studies.study import Records, Study, accuracy, recorded
from mnist_lib.support import validation
from mnist_lib.support.paths import OUT, ROOT
from mnist_lib.trainer import train
from mnist_lib.trainer.checkpoints import Checkpoints
from mnist_lib.trainer.progress import duration

PATIENCE = 10  # seconds for a scheduler to answer
AGAIN = "give the same command again (what is recorded is not run again)"


class StudyError(RuntimeError):
    """A study that can't go on, or in which runs failed; the message says what to do."""


def run_study(
    study: Study,
    seeds: int | None = None,
    source: str = "auto",
    folder: Path | None = None,
    scratch: Path | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
) -> Records:
    """Run what is not recorded yet, write a line for each run that is done, and say how far it is.

    workers: processes on this machine, which share its cores; by default as many as cores. OMP_NUM_THREADS, where it is set,
    is the most threads of each. scheduler: the address of a Dask scheduler, tcp://HOST:8786, whose workers are used instead.
    folder: of the records, else records/ in the clone; without a clone, in the folder that you work in. scratch: of
    checkpoints, else out/studies.

    Raises:
        ValueError: one sentence, for an invalid number of seeds or workers.
        RecordError: one sentence, for a table that is damaged, or holds other runs than the study's.
        StudyError: one sentence, for a cluster that is not there or goes away, for workers with several threads or whose
            images differ from one another's or the records', for a study that is already running, and at the end for
            runs that failed, which are named.
    """
    for name, value in (("seeds", seeds), ("workers", workers)):
        if value is not None:
            validation.number(name, value, at_least=1, at_most=10_000, whole=True)
    folder, seeds = folder or records.RECORDS, seeds or study.seeds
    runs = recorded(study, folder)
    if all(is_done(study, runs, seed) for seed in range(seeds)):
        print(f"{study.name}: all {seeds * len(study.variants)} runs are on record.", flush=True)
        return runs
    scratch = (scratch or OUT / "studies").resolve() / study.name
    with alone(scratch), client_of(workers, scheduler) as client:
        machines = look_at(client, source)
        require_images(study, runs, machines[0]["sha256"], source)
        todo = missing(study, seeds, folder, {records.machine_of(machine) for machine in machines})
        threads = machines[0]["machine"]["threads"] or 1

        def submit(variant: str, seed: int):
            key = f"{study.name}: {variant}, seed {seed}, {time.time_ns()}"
            return client.submit(run_one, study, variant, seed, source, threads, str(scratch), key=key, pure=False)

        print(f"{study.name}: {len(todo)} runs to do, {len(machines)} at a time.", flush=True)
        began, done, failed = time.perf_counter(), 0, []
        for (variant, seed), task in in_turn(todo, submit, len(machines)):
            if task.status in ("cancelled", "lost"):
                raise StudyError(f"The Dask scheduler went away after {done} of {len(todo)} runs: {AGAIN}.")
            if task.status == "error":
                error = task.exception()
                failed.append(f"{variant}, seed {seed}: {type(error).__name__}: {error}")
                print(f"failed: {failed[-1]}", flush=True)
                continue
            record = task.result()
            keep(record, folder / study.path)
            done += 1
            left = duration((time.perf_counter() - began) / done * (len(todo) - done))
            print(f"{done} of {len(todo)}, about {left} left; {variant}, seed {seed}: {accuracy(record):.2%}", flush=True)
    if failed:
        told = "; ".join(failed)
        raise StudyError(f"{len(failed)} runs failed, all others are recorded ({told}): mend the cause, and {AGAIN}.")
    return recorded(study, folder)


def in_turn(jobs: list[tuple], submit: Callable, at_a_time: int) -> Iterator[tuple]:
    """(job, its task) as soon as it is done; submit(*job) begins a task.

    As many at a time as there are workers: what waits for one of them would go on waiting when another is free.
    """
    from distributed import as_completed  # imported here, because it is slow

    waiting, job_of, running = iter(jobs), {}, as_completed()

    def begin(some: Iterable[tuple]) -> None:
        for job in some:
            task = submit(*job)
            job_of[task] = job
            running.add(task)

    begin(islice(waiting, at_a_time))
    for task in running:
        gone = task.status in ("cancelled", "lost")  # then whoever asked may not go on
        if not gone:
            begin(islice(waiting, 1))
        yield job_of.pop(task), task
        if gone:
            begin(islice(waiting, 1))


def keep(record: dict, path: Path) -> None:
    try:
        records.append(path, record)
    except OSError as error:
        raise StudyError(f"{path.name} can't be written ({error.strerror}): free some space, and {AGAIN}.") from None


def require_images(study: Study, runs: Records, sha256: str, source: str) -> None:
    """StudyError unless the workers' images, by their checksum, are those of the runs on record."""
    for record in (record for variants in runs.values() for seeds in variants.values() for record in seeds.values()):
        if record["dataset"]["sha256"] != sha256:
            raise StudyError(
                f"The runs of {study.name} on record are of {record['dataset']['name']}, but the workers have other images for "
                f"{source!r}: give --data with the same images, or move the old records away."
            )


def is_done(study: Study, runs: Records, seed: int) -> bool:
    """Whether any one machine has all variants of a seed on record: a difference is of one machine and one seed."""
    return any(all(seed in variants.get(variant, {}) for variant in study.variants) for variants in runs.values())


def missing(study: Study, seeds: int, folder: Path, machines: set[str]) -> list[tuple[str, int]]:
    """(variant, seed) of the runs that are still to be done by these machines, seed by seed.

    Raises:
        StudyError: where the test images were read with these recipes on another machine: they are read once per seed.
    """
    runs = recorded(study, folder)
    if not study.held_out and set(runs) - machines:
        raise StudyError(
            f"The runs on record are of {'; '.join(runs)}, this is {'; '.join(machines)}: a mean needs one machine. "
            "Choose as many --workers as before, or move the old records away."
        )
    todo = []
    for seed in range(seeds):
        if not is_done(study, runs, seed):
            here = {variant for machine in machines for variant, done in runs.get(machine, {}).items() if seed in done}
            todo += [(variant, seed) for variant in study.variants if variant not in here]
    return todo


# On a worker


@cache
def images(source: str) -> Dataset:
    """Loaded by the worker itself, once: they are not sent with each task."""
    return load(source)


def look_around(source: str) -> dict:
    """What a worker has: its images' checksum, its cores, its machine and versions."""
    from mnist_lib.trainer.fast.engine import Engine, provenance  # imported here: it queries the device

    engine = Engine.choose()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return provenance(engine) | {"sha256": images(source).sha256, "cores": cores}


def run_one(study: Study, variant: str, seed: int, source: str, threads: int, scratch: str) -> dict:
    """The record of a run; an interrupted one continues from its checkpoint.

    The checkpoints lie below scratch if this machine has that folder, else where only this attempt finds them.
    """
    import torch

    torch.set_num_threads(threads)
    name = f"{hashlib.sha256(variant.encode()).hexdigest()[:12]}-seed-{seed}"  # a variant's own name may not suit a folder
    with nullcontext(scratch) if Path(scratch).is_dir() else tempfile.TemporaryDirectory() as below:
        run = train(study.config(variant, seed), study.share(images(source), seed), [Checkpoints(Path(below, name))])
        shutil.rmtree(Path(below, name), ignore_errors=True)
    return run.record | {"study": study.name, "variant": variant, "images": study.images}


# The cluster


def look_at(client, source: str) -> list[dict]:
    """What each worker has, with the number of threads that its runs will use."""
    if set(client.nthreads().values()) - {1}:  # runs of one process draw from the same random numbers
        raise StudyError("A worker does several runs at a time, so none can be repeated: start the workers with --nthreads 1.")
    try:
        machines = client.run(look_around, source)  # by the worker's address
    except ModuleNotFoundError as error:
        raise StudyError(f"The workers lack {error.name}: install what requirements.txt names on each machine.") from None
    if len({machine["sha256"] for machine in machines.values()}) > 1:
        raise StudyError(f"The workers have different images for {source!r}: give --data a folder that all of them have.")
    on_host = Counter(address.rsplit(":", 1)[0] for address in machines)
    threads = min(machine["cores"] // on_host[address.rsplit(":", 1)[0]] for address, machine in machines.items())
    if (most := os.environ.get("OMP_NUM_THREADS", "")).isdigit():  # of whoever asks: Dask sets it on each worker
        threads = min(threads, int(most))
    for machine in machines.values():
        if machine["machine"]["threads"]:
            machine["machine"]["threads"] = max(1, threads)
    return list(machines.values())


@contextmanager
def alone(scratch: Path) -> Iterator[None]:
    """Hold a study's folder, so that no run is done twice."""
    from filelock import FileLock, Timeout

    try:
        scratch.mkdir(parents=True, exist_ok=True)
        held = FileLock(scratch / ".running").acquire(timeout=0)
    except Timeout:
        raise StudyError(f"The study {scratch.name} is already running: wait for it to end.") from None
    except OSError as error:
        raise StudyError(f"{scratch} can't be written ({error.strerror}): set MNIST_LIB_OUT to a folder that can.") from None
    with held:  # outside the try: an error in here has nothing to do with this folder
        yield


def send_package(client) -> None:
    """Give scheduler and workers this package, as it is here: they need torch, and nothing of ours."""
    with tempfile.TemporaryDirectory() as folder:
        client.upload_file(shutil.make_archive(str(Path(folder, "mnist_lib")), "zip", ROOT, "mnist_lib"))


@contextmanager
def client_of(workers: int | None, scheduler: str | None, memory: str = "auto") -> Iterator:
    """A Dask client: of the scheduler that is named, else of worker processes that only this machine can reach.

    memory: of one of these processes, such as "3GB"; one that takes more is ended, and its task is not tried again.

    Dask's messages are pickles: whoever can reach the scheduler's port (on this machine, anyone who is logged in) can run code
    as you. So on a shared machine, start a scheduler with Dask's TLS and name it.
    """
    import logging

    from distributed import Client, LocalCluster

    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # we say what goes wrong, in one sentence
    with ExitStack() as stack:
        if scheduler:
            try:
                client = stack.enter_context(Client(scheduler, timeout=PATIENCE))
            except (OSError, ValueError) as error:
                raise StudyError(
                    f"No Dask scheduler answers at {scheduler} ({error}): start one there, or name no scheduler."
                ) from None
            send_package(client)
        else:
            cluster = LocalCluster(
                n_workers=workers or os.cpu_count(),
                memory_limit=memory,
                scheduler_kwargs={} if memory == "auto" else {"allowed_failures": 0},
                threads_per_worker=1,
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",
                worker_dashboard_address="127.0.0.1:0",  # which older versions would open to all
                silence_logs=logging.CRITICAL,
            )
            client = stack.enter_context(Client(stack.enter_context(cluster)))
        try:
            client.wait_for_workers(1, timeout=60)
        except TimeoutError:
            raise StudyError("The Dask scheduler has no workers: start some, and give the same command again.") from None
        yield client
