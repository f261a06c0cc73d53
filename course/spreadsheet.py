"""Tables of what others handed in: nothing in them steers a terminal, or is a formula to a spreadsheet."""

import csv
import io
from pathlib import Path

from mnist_lib.support.paths import write_whole


def printable(text: str) -> str:
    """Without what would steer a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def cell(value: object) -> object:
    """A spreadsheet takes what begins like this for a formula, so it begins with an apostrophe."""
    if not isinstance(value, str):
        return value
    return "'" + printable(value) if value.startswith(("=", "+", "-", "@")) else printable(value)


def write_csv(path: Path, rows: list[dict]) -> None:
    """One row or more, all with the keys of the first."""
    body = io.StringIO()
    table = csv.DictWriter(body, rows[0], lineterminator="\n")
    table.writeheader()
    table.writerows({name: cell(value) for name, value in row.items()} for row in rows)
    write_whole(path, body.getvalue().encode("utf-8-sig"))  # with the mark by which Excel knows the encoding
