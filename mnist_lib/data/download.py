"""MNIST's four archives, from the cache or a mirror, never without a time-out and a checksum."""

import errno
import hashlib
import queue
import ssl
import threading
import urllib.request
from pathlib import Path

from mnist_lib.data.idx import DataError
from mnist_lib.support.paths import write_whole

# The archives with their MD5, and the first mirror, as torchvision.datasets.MNIST has them (a test compares). The second is
# the CVDF's, which TensorFlow Datasets uses; yann.lecun.com answers with an error page.
ARCHIVES = {
    "train-images-idx3-ubyte": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte": "ec29112dd5afa0611ce80d1b7f02629c",
}
MIRRORS = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/")
CHUNK = 2**16  # bytes
PATIENCE = 4.0  # seconds a mirror may take for each chunk, and for the first answer
LARGEST = 2**25  # bytes that an archive may have; the largest of the four has 10 million


def archives(cache: Path, mirrors: list[str]) -> tuple[dict[str, bytes], str]:
    """The four archives by name, each from the cache if it is complete there, else from a mirror; and where they came from.

    Raises:
        DataError: one sentence that says what each mirror did, and what to do.
    """
    raw, failures, origin, kept = {}, [], "the cache", True
    for name, md5 in ARCHIVES.items():
        try:
            body = (cache / f"{name}.gz").read_bytes()
        except OSError:
            body = b""
        if hashlib.md5(body).hexdigest() != md5:
            origin = "a mirror"
            body = _first_good(name, md5, [mirror for mirror in mirrors if mirror not in dict(failures)], failures)
            kept = kept and _keep(cache / f"{name}.gz", body)
        raw[name] = body
    return raw, origin


def _keep(path: Path, body: bytes) -> bool:
    try:
        if path.parts[0] == "~":
            raise FileNotFoundError(errno.ENOENT, "there is no home folder")
        write_whole(path, body)
    except OSError as error:
        print(f"Downloads can't be kept in {path.parent} ({error.strerror}): set MNIST_LIB_CACHE to a writable folder.")
        return False
    return True


def _first_good(name: str, md5: str, mirrors: list[str], failures: list[tuple[str, str]]) -> bytes:
    """The archive from the first mirror that sends it whole; what the others did is added to failures."""
    certificate = False
    for mirror in mirrors:
        print(f"downloading {name}.gz from {mirror}", flush=True)
        try:
            body = _download(f"{mirror.rstrip('/')}/{name}.gz")
            if hashlib.md5(body).hexdigest() == md5:
                return body
            failures.append((mirror, "sent wrong or truncated bytes"))
        except Exception as error:  # whatever a network, a server or an address can do wrong: try the next mirror
            failures.append((mirror, str(error) or type(error).__name__))
            certificate |= isinstance(getattr(error, "reason", error), ssl.SSLError)
    told = "; ".join(f"{mirror} {what}" for mirror, what in failures) or "no mirror is named"
    mend = "connect to the internet"
    if certificate:
        mend = (
            "Python does not trust the certificate it is shown; on macOS run Install Certificates.command in Python's folder, "
            "behind a school's or company's proxy set SSL_CERT_FILE to its certificate"
        )
    raise DataError(f"MNIST could not be downloaded ({told}): {mend}, or set MNIST_LIB_DATA to a folder with its four files.")


def _download(url: str) -> bytes:
    """The body of url. A thread reads, so that looking up the name, connecting and each chunk all have a time limit."""
    chunks: queue.Queue[bytes | Exception] = queue.Queue()
    over = threading.Event()  # nobody listens any more

    def read() -> None:
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE) as response:
                while not over.is_set() and (chunk := response.read(CHUNK)):
                    chunks.put(chunk)
            chunks.put(b"")
        except Exception as error:
            chunks.put(error)

    threading.Thread(target=read, daemon=True).start()
    body = bytearray()
    try:
        while len(body) <= LARGEST:
            chunk = chunks.get(timeout=PATIENCE)
            if isinstance(chunk, Exception):
                raise chunk
            if not chunk:
                return bytes(body)
            body += chunk
        raise OSError(f"sent more than {LARGEST // 2**20} MiB")
    except queue.Empty:
        raise TimeoutError(f"sent less than {CHUNK // 1024} KiB in {PATIENCE:g} s") from None
    finally:
        over.set()
