"""What five people said of each of 100 doubtful labels of the MNIST test set. Source: label_votes.csv."""

import csv
from pathlib import Path
from typing import NamedTuple


class Votes(NamedTuple):
    """Five people's judgement of one test image."""

    label: int  # as MNIST has it
    proposed: int  # the digit that a model thought more likely; where it is the label itself, no other digit was in question
    for_label: int
    for_proposed: int
    for_neither: int

    @property
    def upheld(self) -> bool:
        """At least three of the five agree with the label."""
        return self.for_label >= 3


def label_votes() -> dict[int, Votes]:
    """{index of the test image: its votes}, in the order of the test set."""
    with Path(__file__).with_name("label_votes.csv").open(encoding="utf-8", newline="") as file:
        table = csv.DictReader(line for line in file if not line.startswith("#"))
        rows = ({name: int(value) for name, value in row.items()} for row in table)
        return {
            row["index"]: Votes(row["label"], row["proposed"], row["votes_label"], row["votes_proposed"], row["votes_neither"])
            for row in rows
        }
