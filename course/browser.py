"""A browser without a window, for the film and the tests."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"]


def find() -> str | None:
    """Where Chromium or Chrome is installed; None if it is not."""
    return next((path for name in ("chromium", "google-chrome", "chromium-browser") if (path := shutil.which(name))), None)


@contextmanager
def launched() -> Iterator:
    """A Playwright browser, closed at the end.

    Raises:
        RuntimeError: no browser is installed, or no Playwright.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise RuntimeError("This needs Playwright: pip install playwright.") from None
    if (path := find()) is None:
        raise RuntimeError("This needs a browser: install chromium or google-chrome.")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()
