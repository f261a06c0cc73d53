"""A notebook's predictions: asked, kept out of sight until the reader has guessed, and compared with what was measured.

    guesses = Guesses()
    guesses.ask("images misread", None)          # the reader puts a guess in place of None
    guesses.reveal("images misread", 44)         # folded while there is no guess
    guesses.summary()                               # you against the measurement

Notebooks are committed with their outputs, so a printed answer would be read before anyone has guessed. What `reveal`
returns shows as a folded <details> (JupyterLab, Colab, GitHub); its text, which tests compare, always has the answer.
"""

import base64
import html
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

Value = float | str


class Guesses:
    """The questions of one notebook, in their order."""

    def __init__(self) -> None:
        self.guessed: dict[str, Value | None] = {}
        self.choices: dict[str, Sequence[str]] = {}
        self.measured: dict[str, Value] = {}

    def ask(self, name: str, guess: Value | None, *rest: int, choices: Sequence[str] = ()) -> None:
        """Keep a guess, a number or one of the choices, and say so. Anything else is refused, and the notebook goes on.

        A choice may be shortened to its first words. rest: what follows a comma inside of a number, to Python a second number.
        """
        self.guessed[name], self.choices[name] = None, choices
        wanted = f"one of {', '.join(choices)}" if choices else "a number"
        if rest:
            print(f"{name}: type the number without a comma, as in 4872, or with a point, as in 99.4.")
        elif guess is None:
            print(f"{name}: put {wanted} in place of None, and run the cell.")
        elif (guess := _taken(guess, choices)) is None:
            print(f"{name}: the guess should be {wanted}.")
        else:
            self.guessed[name] = guess
            print(f"{name}: you say {_shown(guess)}.")

    def reveal(self, name: str, measured: Value, because: str = "", picture=None) -> "Shown":
        """What was measured, with the reason (plain text) and perhaps a matplotlib Figure; folded unless there was a guess."""
        if name not in self.guessed:
            raise ValueError(f"{name!r} has not been asked yet: run the cell with guesses.ask({name!r}, ...) first.")
        self.measured[name], guess = measured, self.guessed[name]
        sentences = [f"{name}: {_shown(measured)}."]
        if guess is not None:
            sentences.append(f"You said {_shown(guess)}: {verdict(guess, measured, is_percent(name))}.")
        if because:
            sentences.append(because)
        first, *others = map(html.escape, sentences)
        inside = f"<p><b>{first}</b> {' '.join(others)}</p>{_png(picture, name)}"
        return Shown(" ".join(sentences), _folded(f"{name}: guess first, then open", inside) if guess is None else inside)

    def fold(self, name: str, text: str, picture=None) -> "Shown":
        """Something measured that would give an answer away: out of sight until the reader opens it."""
        between, tag = ("\n", "pre") if "\n" in text else (" ", "p")  # what has several lines is a table
        inside = f"<{tag}>{html.escape(text)}</{tag}>{_png(picture, name)}"
        return Shown(f"{name}:{between}{text}", _folded(name, inside))

    def summary(self) -> "Shown":
        """You against the measurement: every question whose answer has been revealed; folded while a guess is missing."""
        rows = []
        for name, measured in self.measured.items():
            guess = self.guessed[name]
            said = ("-", "not guessed") if guess is None else (_shown(guess), verdict(guess, measured, is_percent(name)))
            rows.append((name, said[0], _shown(measured), said[1]))
        head = ("question", "you", "measured", "")
        widths = [max(map(len, column)) for column in zip(head, *rows)]
        text = "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in (head, *rows))
        table = f"<table>{_row('th', head)}{''.join(_row('td', row) for row in rows)}</table>"
        missing = sum(self.guessed[name] is None for name in self.measured)
        told = f"You against the measurement ({missing} of {len(rows)} not guessed)"
        return Shown(text, _folded(told, table) if missing else table)


@dataclass(frozen=True)
class Shown:
    """What Jupyter shows as HTML; whole as text."""

    text: str
    html: str

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return self.html


def verdict(guess: Value, measured: Value, percent: bool = False) -> str:
    """How near a guess came, in words: for a percentage by the difference, for any other number by the ratio."""
    if isinstance(measured, str):
        return "right" if _same(guess, measured) else "not this time"
    if guess == measured:
        return "exactly"
    if isinstance(guess, str) or not math.isfinite(measured):  # how near cannot be said
        return "not this time"
    if guess * measured <= 0:  # one of them is 0, or they have different signs
        return f"off by {_shown(abs(guess - measured))}"
    if percent:  # 91 for 99.85: near as a ratio, and far from it as a share
        off = float(f"{abs(guess - measured):.3g}")
        return f"off by {_shown(off)} {'point' if off == 1 else 'points'}"
    factor, way = max(guess / measured, measured / guess), "high" if guess > measured else "low"
    if factor <= 1.1:
        return "within a tenth"
    if factor < 1.95:
        return f"too {way} by {100 * abs(guess / measured - 1):.0f} %"
    return f"too {way} by a factor of {_shown(float(f'{factor:.2g}'))}"


def is_percent(name: str) -> bool:
    """Whether a question asks for a percentage: one says so."""
    return "in %" in name or "in 100" in name


def _taken(guess, choices: Sequence[str]) -> Value | None:
    """A guess as it is kept, or None if it is not a valid one."""
    if choices:
        begin = [choice for choice in choices if choice.casefold().startswith(str(guess).strip().casefold())]
        return next((choice for choice in choices if _same(guess, choice)), begin[0] if len(begin) == 1 else None)
    try:
        if isinstance(guess, str):
            guess = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", guess).rstrip("% ")  # 13,960; but 99,4 is none
        number = float(guess) if not isinstance(guess, bool) else math.nan
    except Exception:  # whatever was put in place of None
        return None
    return (int(number) if number.is_integer() else number) if math.isfinite(number) else None


def _same(guess, choice: str) -> bool:
    return str(guess).strip().casefold() == choice.casefold()


def _shown(value: Value) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.6g}" if isinstance(value, float) else str(value)


def _row(tag: str, cells: Sequence[str]) -> str:
    return f"<tr>{''.join(f'<{tag}>{html.escape(cell)}</{tag}>' for cell in cells)}</tr>"


def _folded(summary: str, inside: str) -> str:
    return f"<details><summary>{html.escape(summary)}</summary>{inside}</details>"


def _png(figure, name: str) -> str:
    """A figure as an <img> that carries its bytes, so that it folds with the answer; as wide as outside a fold, and sharp.

    A palette of 256 colours takes less than half the bytes, and GitHub does not show notebooks that are too large.
    """
    if figure is None:
        return ""
    drawn, png = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=150)
    Image.open(drawn).convert("RGB").quantize(dither=Image.Dither.NONE).save(png, "png", optimize=True)
    picture, width = base64.b64encode(png.getvalue()).decode(), round(100 * figure.get_figwidth())
    alt = html.escape(name, quote=True)
    return f'<img alt="{alt}" width="{width}" style="max-width: 100%" src="data:image/png;base64,{picture}">'
