"""The archives of MNIST from mirrors of every kind, real archives on real sockets, and the cache that keeps them."""

import http.server
import os
import socketserver
import ssl
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from torchvision.datasets import MNIST

from mnist_lib.data import DataError, download, load

pytestmark = pytest.mark.usefixtures("own_surroundings")


class Mirror:
    """A server on 127.0.0.1 that sends the archives in the way its `manner` says."""

    def __init__(self, archives: dict[str, bytes], manner: str = "good"):
        self.asked, self.over, self.sent = [], threading.Event(), 0
        self.left = threading.Event()  # the other side went away, or its part is over
        self.outlasted = False  # the other side waited for a minute, which it should not
        mirror = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                name = self.path.split("/")[-1]
                mirror.asked.append(name)
                body = archives[name]
                if manner == "404":
                    return self.send_error(404)
                if manner == "stalled":
                    return self.dawdle()
                self.send_response(200)
                self.send_header("Content-Length", str(2**40 if manner == "endless" else len(body)))
                self.end_headers()
                if manner == "wrong bytes":
                    body = bytes([body[0] ^ 1]) + body[1:]
                if manner == "truncated":
                    body = body[: len(body) // 2]
                if manner == "stalls midway":
                    self.wfile.write(body[: len(body) // 2])
                    return self.dawdle()
                if manner == "trickles":
                    for byte in body[:600]:
                        self.wfile.write(bytes([byte]))
                        if mirror.over.wait(0.1):
                            return None
                    mirror.outlasted = True
                if manner == "endless":
                    return self.pour()
                self.wfile.write(body)

            def dawdle(self):
                mirror.outlasted = not mirror.over.wait(60)

            def pour(self):
                try:
                    while mirror.sent < 2**28:
                        mirror.sent += self.wfile.write(bytes(2**16))
                    mirror.outlasted = True
                except OSError:
                    pass
                mirror.left.set()

            def log_message(self, *_):
                pass

        socketserver.ThreadingTCPServer.daemon_threads = True
        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()  # it ends within so long
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/mnist/"

    def close(self):
        self.over.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def mirror(archives):
    opened = []

    def make(manner="good"):
        opened.append(Mirror(archives, manner))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


def dead_address() -> str:
    """An address on which nothing listens."""
    with socketserver.TCPServer(("127.0.0.1", 0), None) as server:
        return f"http://127.0.0.1:{server.server_address[1]}/"


def is_mnist(dataset) -> bool:
    return dataset.name == "MNIST" and dataset.train_images.shape == (60_000, 1, 28, 28) and len(dataset.test_labels) == 10_000


def kept(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir()) if cache.is_dir() else []


def test_archives_and_mirrors_are_torchvisions():
    assert {f"{name}.gz": md5 for name, md5 in download.ARCHIVES.items()} == dict(MNIST.resources)
    assert download.MIRRORS[0] in MNIST.mirrors  # their order changed between versions


def test_load_asks_a_mirror_then_the_cache(mirror, archives, tmp_path, capsys):
    good, cache = mirror(), tmp_path / "cache"
    assert is_mnist(load(cache=cache, mirrors=(good.url,)))
    assert "from a mirror" in capsys.readouterr().out
    assert kept(cache) == sorted(archives)
    assert all((cache / name).read_bytes() == body for name, body in archives.items())
    again = load(cache=cache, mirrors=(good.url,))
    assert is_mnist(again) and again.origin == "the cache"
    assert len(good.asked) == 4  # nothing twice


@pytest.mark.parametrize("manner", ["404", "stalls midway", "wrong bytes"])
def test_load_leaves_a_bad_mirror_for_the_next(mirror, tmp_path, manner):
    bad, good = mirror(manner), mirror()
    assert is_mnist(load(cache=tmp_path / "cache", mirrors=(bad.url, good.url)))
    assert len(bad.asked) == 1 and not bad.outlasted  # left soon, and not asked again


def test_load_leaves_a_mirror_that_never_ends(mirror, tmp_path, capsys):
    """Nothing more is read, for the reader's memory would hold it."""
    bad = mirror("endless")
    assert load(cache=tmp_path / "cache", mirrors=(bad.url,)).name == "digits"
    assert "sent more than 32 MiB" in capsys.readouterr().out
    assert bad.left.wait(60) and not bad.outlasted


def test_load_takes_one_mirror_as_it_is(mirror, tmp_path):
    good = mirror()
    assert is_mnist(load(cache=tmp_path / "cache", mirrors=good.url)) and len(good.asked) == 4


@pytest.mark.parametrize("manner", ["404", "stalled", "stalls midway", "trickles", "truncated", "wrong bytes", "dead"])
def test_load_ends_in_the_stand_in_or_one_sentence_if_all_mirrors_are_bad(mirror, tmp_path, manner, capsys, monkeypatch):
    monkeypatch.setattr(download, "PATIENCE", 0.3)
    bad, cache = mirror(manner if manner != "dead" else "good"), tmp_path / "cache"
    url = dead_address() if manner == "dead" else bad.url
    dataset = load(cache=cache, mirrors=(url,))
    assert dataset.name == "digits" and len(dataset.train_labels) == 1500
    assert not bad.outlasted
    said = [line for line in capsys.readouterr().out.splitlines() if "which are not MNIST" in line]
    assert len(said) == 1 and "set MNIST_LIB_DATA" in said[0]
    with pytest.raises(DataError, match=r"^MNIST could not be downloaded [^\n]+ set MNIST_LIB_DATA [^\n]+\.$"):
        load("MNIST", cache=cache, mirrors=(url,))
    assert kept(cache) == []  # never half an archive


@pytest.mark.parametrize("damage", ["half", "empty", "other"])
def test_cache_that_is_half_written_is_mended(mirror, archives, tmp_path, damage):
    cache = tmp_path / "cache"
    cache.mkdir()
    for name, body in archives.items():
        (cache / name).write_bytes(body)
    name = "t10k-images-idx3-ubyte.gz"
    (cache / name).write_bytes({"half": archives[name][: 2**16], "empty": b"", "other": b"x" * len(archives[name])}[damage])
    good = mirror()
    assert is_mnist(load(cache=cache, mirrors=(good.url,)))
    assert good.asked == [name] and (cache / name).read_bytes() == archives[name]


def test_cache_keeps_what_came_before_the_mirrors_died(mirror, archives, tmp_path, monkeypatch):
    cache, good, real = tmp_path / "cache", mirror(), download._download
    calls = []

    def dies_after_two(url):
        calls.append(url)
        if len(calls) > 2:
            raise OSError("the line went dead")
        return real(url)

    monkeypatch.setattr(download, "_download", dies_after_two)
    assert load(cache=cache, mirrors=(good.url,)).name == "digits"
    assert kept(cache) == sorted(list(archives)[:2])


@pytest.mark.parametrize("kind", ["a file in its place", "read-only"])
def test_cache_that_cant_be_written_is_said_and_the_data_are_right(mirror, tmp_path, capsys, kind):
    cache = tmp_path / "cache"
    if kind == "read-only":
        cache.mkdir()
        cache.chmod(0o555)
        if os.access(cache, os.W_OK):
            pytest.skip("this user may write into read-only folders")
    else:
        cache.write_text("not a folder")
    assert is_mnist(load(cache=cache, mirrors=(mirror().url,)))
    assert capsys.readouterr().out.count("can't be kept") == 1


@pytest.fixture
def homeless(monkeypatch):
    """A user of whom the system knows no home folder, as in many containers."""

    def none(self):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", lambda self: none(self) if self.parts[0] == "~" else self)
    monkeypatch.delenv("MNIST_LIB_CACHE")


def test_cache_needs_a_home_folder_and_the_data_do_not(mirror, homeless, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert is_mnist(load(mirrors=mirror().url))
    assert "can't be kept in ~/.cache/mnist_lib (there is no home folder): set MNIST_LIB_CACHE" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())  # no folder of the name ~
    with pytest.raises(DataError, match=r"^~/mnist cannot be found, [^\n]+: give the full path\.$"):
        load("~/mnist")


def test_load_names_a_certificate_that_is_not_trusted(tmp_path, monkeypatch):
    """The reader is connected; what helps is told."""

    def refused(url, timeout):
        raise urllib.error.URLError(ssl.SSLCertVerificationError(1, "certificate verify failed: self-signed certificate"))

    monkeypatch.setattr(urllib.request, "urlopen", refused)
    with pytest.raises(DataError, match=r"Install Certificates\.command[^\n]+SSL_CERT_FILE[^\n]+\.$") as told:
        load("MNIST", cache=tmp_path)
    assert ": connect" not in str(told.value)
