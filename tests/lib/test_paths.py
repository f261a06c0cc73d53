"""Files are there whole or not at all; and folders, wherever the package lies."""

import os
import subprocess
import sys

import pytest

from mnist_lib.support import paths
from mnist_lib.support.paths import ROOT, committed, write_whole


def test_write_whole_is_on_the_disk_before_the_old_file_goes(tmp_path, monkeypatch):
    """Else a power cut just after could leave an empty file where a whole one was."""
    path, happened, real = tmp_path / "new folder" / "file", [], os.replace

    def fsync(descriptor):
        happened.append(("fsync", os.fstat(descriptor).st_size))  # all of it has left Python's buffer

    def replace(source, target):
        happened.append(("replace", target))
        real(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    write_whole(path, b"x" * 100_000)
    assert happened == [("fsync", 100_000), ("replace", path)] and path.read_bytes() == b"x" * 100_000


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_write_whole_interrupted_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, step):
    def fails(*_):
        raise KeyboardInterrupt

    path = tmp_path / "file"
    write_whole(path, b"old")
    monkeypatch.setattr(os, step, fails)
    with pytest.raises(KeyboardInterrupt):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_out_takes_a_home_that_is_not_there_as_a_folders_name():
    """Of the settings, too: a wrong one must not keep the package from being imported."""
    say = "from mnist_lib.support.paths import OUT; print(OUT)"
    env = os.environ | {"MNIST_LIB_OUT": "~nobody-of-this-name/out"}
    done = subprocess.run([sys.executable, "-c", say], cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.stdout.strip() == str(ROOT / "~nobody-of-this-name/out"), done.stderr


def test_committed_is_the_clones_in_a_clone():
    """What an installed package does: tests/test_install.py."""
    assert committed("records/card-seed-0.pt") == ROOT / "records/card-seed-0.pt" and paths.BASE == ROOT
