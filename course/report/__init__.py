"""Records and notebooks -> the numbers and tables in the pages that are read, and figures/. Nothing else writes them."""

import re
from collections.abc import Iterable


class ReportError(ValueError):
    """What can't be reported as it is; the message says why."""


def markdown_table(head: str, rows: Iterable[Iterable[object]], rule: str = "---") -> str:
    """A table as text: its head as a line such as "| a | b |", and the cells of each row; rule: what is below each head."""
    return "\n".join([head, re.sub(r"[^|]+", rule, head), *(f"| {' | '.join(map(str, cells))} |" for cells in rows)])
