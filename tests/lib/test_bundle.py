"""The view's JavaScript as one module."""

import re

from mnist_lib.support.paths import ROOT
from mnist_lib.widgets.bundle import script


def test_script_makes_one_module_of_the_views_parts():
    """Each part is there once, none imports any more, and no two give one name to different things: they share a scope."""
    text = script()
    parts = sorted((ROOT / "mnist_lib/widgets/js").glob("*.js"))
    assert all(text.count(f"// -- {path.name}\n") == 1 for path in parts) and len(parts) > 10
    assert "import" not in re.findall(r"^\w+", text, re.MULTILINE) and text.rstrip().endswith("export default { render };")
    names = re.findall(r"^(?:export )?(?:async )?(?:const|let|class|function) (\w+)", text, re.MULTILINE)
    assert len(names) == len(set(names)) > 40
