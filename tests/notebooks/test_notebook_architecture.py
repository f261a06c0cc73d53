"""Notebook 01 tells no answer before it has asked, and shows the card as it is."""

import re

import nbformat
import pytest

from mnist_lib.support.paths import ROOT

NOTEBOOK = nbformat.read(ROOT / "notebooks" / "01_architecture.ipynb", as_version=4)
CARD = (ROOT / "course" / "card.txt").read_text()


def seen(cell) -> str:
    """What a reader sees of a cell without opening anything: its text, its code, its outputs that are not folded."""
    texts = [re.sub(r"<details>.*?</details>", "", cell.source, flags=re.DOTALL)]
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        shown = data.get("text/html") or ("" if "image/png" in data else data.get("text/plain", ""))
        texts.append(output.get("text") or re.sub(r"<details>.*?</details>", "", shown, flags=re.DOTALL))
    return "\n".join(texts)


def answers() -> dict[str, str]:
    """{question: the answer as the notebook measured it}."""
    found = {}
    for cell in NOTEBOOK.cells:
        asked = re.search(r'guesses\.reveal\(\s*"([^"]+)"', cell.source)
        if asked:
            [output] = cell.outputs
            found[asked[1]] = re.match(rf"{re.escape(asked[1])}: (.+?)\.(?: |$)", output["data"]["text/plain"])[1]
    return found


@pytest.mark.parametrize("question, answer", [(q, a) for q, a in answers().items() if re.fullmatch(r"[\d,]{2,}", a)])
def test_no_answer_is_told_before_its_question(question, answer):
    """Of numbers of two digits and more; one digit cannot be told from others, and a choice stands in its question."""
    place = next(i for i, cell in enumerate(NOTEBOOK.cells) if f'guesses.ask("{question}"' in cell.source)
    before = "\n".join(seen(cell) for cell in NOTEBOOK.cells[: place + 1])
    assert not re.findall(rf"(?<![\w.,]){re.escape(answer)}(?![\w]|[.,]\d)", before)


def test_the_card_is_shown_with_its_last_column_covered():
    [cover] = [
        cell.outputs[0].text for cell in NOTEBOOK.cells if "the card's table, its last column covered" in cell.source.lower()
    ]
    rows = re.findall(r"^ +(\w+-\d+ +\[.*?\]) +(\S+)$", CARD, re.MULTILINE)
    shown = re.findall(r"^ +(\w+-\d+ +\[.*?\]) +(\S+)$", cover, re.MULTILINE)
    assert len(rows) == 24 and [row for row, _ in shown] == [row for row, _ in rows]
    assert {number for _, number in shown} == {"?"}
