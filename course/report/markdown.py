"""Markdown: a table, and a page's parts between their markers."""

import re
from collections.abc import Iterable

from course.report import ReportError


def markdown_table(head: str, rows: Iterable[Iterable[object]], rule: str = "---") -> str:
    """A table as text: its head as a line such as "| a | b |", and the cells of each row; rule: what stands below each head."""
    return "\n".join([head, re.sub(r"[^|]+", rule, head), *(f"| {' | '.join(map(str, cells))} |" for cells in rows)])


def fill(text: str, parts: dict[str, str], page: str = "README.md") -> str:
    """A page's text with each part between its markers."""
    for name, part in parts.items():
        pattern = rf"(<!-- {name} -->\n).*?(\n<!-- END_{name} -->)"
        text, count = re.subn(pattern, lambda m, part=part: m[1] + part + m[2], text, flags=re.DOTALL)
        if count != 1:
            raise ReportError(f"{page} must hold the markers of {name} once, not {count} times: put them back.")
    return text
