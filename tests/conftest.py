"""What several tests need: the stand-in, and the real MNIST where it is available."""

from __future__ import annotations

import gc
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import mnist_lib  # noqa: F401  before torch, whose waiting threads then give up soon

gc.set_threshold(50_000, 20, 100)  # torch and matplotlib are a million objects: they are not looked through again and again

# What is heavy, each fixture imports for itself: pytest-xdist's own process reads this file, and runs no test
if TYPE_CHECKING:
    from mnist_lib import data

NO_MNIST = "needs the real MNIST: set MNIST_LIB_DATA to a folder with its four files"
# What waits longest for other processes begins first, so that no worker ends long after the others
FIRST = {
    "test_run_notebooks.py",
    "test_study.py",
    "test_checkpoints.py",
    "test_benchmarks.py",
    "test_inside_browser.py",
    "test_page_browser.py",
    "test_photos.py",
    "test_jupyterlab.py",
}


WHY = {  # a test of this mark is skipped
    "daily": "the nightly run does more of it",
    "nightly": "long: set MNIST_LIB_NIGHTLY=1",
    "browser": "needs a browser: install chromium or google-chrome",
    "gpu": "no cuda here",
}


def skipped() -> set[str]:
    """The marks whose tests are skipped here."""
    import torch

    from course import browser

    here = {
        "daily": bool(os.environ.get("MNIST_LIB_NIGHTLY")),
        "nightly": not os.environ.get("MNIST_LIB_NIGHTLY"),
        "browser": browser.find() is None,
        "gpu": not torch.cuda.is_available(),
    }
    return {mark for mark, skip in here.items() if skip}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    marks = skipped()
    for item in items:
        if {"mnist", "archives"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.mnist)
        for mark in marks & {mark.name for mark in item.iter_markers()}:
            item.add_marker(pytest.mark.skip(reason=WHY[mark]))
    items.sort(key=lambda item: item.path.name not in FIRST)


def pytest_collection_finish() -> None:
    gc.freeze()


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """The last line says what was not tested here, and how to have it tested."""
    gc.unfreeze()
    reporter = config.pluginmanager.getplugin("terminalreporter")
    if reporter is None or hasattr(config, "workerinput"):
        return
    reasons = [report.longrepr[2].removeprefix("Skipped: ") for report in reporter.stats.get("skipped", [])]
    counts = {why: reasons.count(why) for why in (*WHY.values(), NO_MNIST) if why in reasons}
    if counts:
        reporter.write_line("Not tested here: " + "; ".join(f"{count} ({why})" for why, count in counts.items()))


# Files whose tests share what is made once, and at some cost: one worker takes them all, as it does a notebook's cells
TOGETHER = (
    "_browser.py",
    "test_clicked.py",
    "test_photos.py",
    "test_learning.py",
    "test_jupyterlab.py",
    "test_install.py",
    "test_book.py",
    "test_student.py",
    "test_engine.py",
    "test_report_pages.py",
    ".ipynb",
)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log):
    """Every other test goes to the worker that is free. (pytest 9.2 does not hear of xdist 3.8's own groups.)"""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.split("::")[0]
            return file if file.endswith(TOGETHER) else nodeid

    return Scheduling(config, log)


@pytest.fixture(scope="session")
def digits() -> data.Dataset:
    from mnist_lib import data

    return data.load("digits")


@pytest.fixture
def nearby(monkeypatch) -> None:
    """A study's worker is a thread of this process: Dask as it is, without the seconds that a process takes to start.

    It sees one core, so that the runs of several tests don't wait for one another's threads.
    """
    import torch
    from distributed import Client

    from mnist_lib.studies import runner

    @contextmanager
    def client_of(*_):
        before = torch.get_num_threads()
        with Client(processes=False, n_workers=1, threads_per_worker=1, dashboard_address=None) as client:
            try:
                yield client
            finally:
                torch.set_num_threads(before)

    monkeypatch.setattr(runner, "client_of", client_of)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0}, raising=False)


@pytest.fixture(scope="session")
def mnist() -> data.Dataset:
    """The real MNIST, from MNIST_LIB_DATA or the cache; never downloaded for a test."""
    from mnist_lib import data

    try:
        return data.load("MNIST", mirrors=())
    except data.DataError:
        pytest.skip(NO_MNIST)


@pytest.fixture(scope="session")
def archives() -> dict[str, bytes]:
    """The four original archives, as bytes."""
    from mnist_lib.data import download

    for folder in (os.environ.get("MNIST_LIB_DATA"), os.environ.get("MNIST_LIB_CACHE"), "~/.cache/mnist_lib"):
        paths = [Path(folder or "").expanduser() / f"{name}.gz" for name in download.ARCHIVES]
        if folder and all(path.is_file() for path in paths):
            return {path.name: path.read_bytes() for path in paths}
    pytest.skip("needs the real MNIST archives (.gz): set MNIST_LIB_DATA to a folder with them")


@pytest.fixture(scope="session")
def compiler() -> None:
    """Where torch.compile works."""
    from mnist_lib.trainer.fast.compiled import can_compile

    if not can_compile():
        pytest.skip("torch.compile needs a C++ compiler and Python's headers")
