"""inside.js with all that it imports, as one ES module: a notebook's widget and a page alone have room for one only."""

import re
from pathlib import Path

HERE = Path(__file__).parent
IMPORT = re.compile(r'^import \{[^}]*\} from "(\.\.?/[^"]+)";\n', re.MULTILINE)


def script(path: Path = HERE / "inside.js", seen: set[Path] | None = None) -> str:
    """A module's text, each import of a file replaced by that file's text, once. The parts share a scope, so names differ."""
    seen = set() if seen is None else seen
    seen.add(path)

    def text(imported: re.Match) -> str:
        other = (path.parent / imported[1]).resolve()
        return "" if other in seen else f"// -- {other.name}\n{script(other, seen)}\n"

    return IMPORT.sub(text, path.read_text())
