"""One browser for the tests of a file; and one page for those that need no page of their own."""

import pytest

from course import browser
from tests.browser.opening import AS_FOUND, dressed, opened


@pytest.fixture(scope="module")
def chromium():
    pytest.importorskip("playwright.sync_api")
    with browser.launched() as it:
        yield it


@pytest.fixture(scope="module")
def shared(chromium):
    with opened(chromium, reduced_motion="reduce") as page:
        yield page


@pytest.fixture
def view(shared):
    """The page, as a visitor first finds it, with the first test digit."""
    dressed(shared, "light", 1440)
    shared.mouse.move(2, 2)
    shared.evaluate(AS_FOUND)
    return shared
