"""What runs on GitHub is what CONTRIBUTING says, and what the Makefile knows."""

import re

from mnist_lib.support.paths import ROOT


def test_workflows_do_what_contributing_says():
    tests, site = ((ROOT / f".github/workflows/{name}.yml").read_text() for name in ("test", "pages"))
    assert re.findall(r'python: "([\d.]+)", versions: (\w+)', tests) == [
        ("3.11", "lowest"),
        ("3.11", "newest"),
        ("3.14", "newest"),
    ]
    assert "Python 3.11 with the lowest and the newest versions and on Python 3.14 with the newest" in " ".join(
        (ROOT / "CONTRIBUTING.md").read_text().split()
    )
    assert 'requires-python = ">=3.11"' in (ROOT / "pyproject.toml").read_text()
    makefile = (ROOT / "Makefile").read_text()
    for target in [*re.findall(r"make (?:\$\{\{[^}]*\|\| ')?([.\w/]+)", tests + site), ".venv/.ready", ".venv/.book"]:
        assert re.search(rf"^{re.escape(target)}:|^\.PHONY:.*\b{target}\b", makefile.replace("$(READY)", ".venv/.ready"), re.M)
    for workflow in (tests, site):
        assert "permissions:\n  contents: read\n" in workflow and "timeout-minutes:" in workflow
    assert "schedule:" in tests and "MNIST_LIB_NIGHTLY" in tests and "actions/deploy-pages" in site
