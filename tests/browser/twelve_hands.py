"""Ten digits in twelve handwritings, as strokes for the pad: forms of the digits, and twelve hands that choose among them."""

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import make_interp_spline

# Three ways to write each digit: strokes through points (x, y), y downward, in a box of height 1; "/" lifts the pen
FORMS = {
    0: ["0.3 0 0.05 0.3 0.05 0.7 0.3 1 0.55 0.7 0.55 0.3 0.3 0",
        "0.45 0.05 0.2 0.05 0.02 0.4 0.1 0.85 0.35 1 0.58 0.65 0.55 0.25 0.4 0.02",
        "0.22 0 0.06 0.4 0.12 0.92 0.26 1 0.42 0.7 0.38 0.2 0.22 0"],
    1: ["0.1 0 0.1 0.5 0.1 1",
        "0 0.28 0.18 0.12 0.3 0 / 0.3 0 0.3 0.5 0.3 1",
        "0.02 0.25 0.15 0.13 0.26 0 / 0.26 0 0.26 0.5 0.26 1 / 0.02 1 0.26 1 0.5 1"],
    2: ["0.05 0.22 0.2 0.02 0.45 0.05 0.55 0.28 0.35 0.6 0.02 1 / 0.02 1 0.3 1 0.6 1",
        "0.05 0.2 0.25 0 0.52 0.1 0.5 0.38 0.25 0.72 0.05 0.95 0.1 0.8 0.3 0.85 0.62 1",
        "0.02 0.05 0.3 0 0.56 0.1 0.5 0.4 0.25 0.7 0 0.97 / 0 0.97 0.3 0.95 0.6 0.97"],
    3: ["0.06 0.1 0.3 0 0.52 0.16 0.42 0.4 0.22 0.47 / 0.22 0.47 0.5 0.55 0.56 0.8 0.32 1 0.02 0.92",
        "0.04 0 0.3 0.01 0.55 0 / 0.55 0 0.4 0.2 0.25 0.4 / 0.25 0.4 0.5 0.45 0.56 0.75 0.35 0.98 0.02 0.93",
        "0.05 0.15 0.25 0 0.48 0.1 0.45 0.35 0.2 0.45 0.45 0.52 0.58 0.72 0.4 0.98 0.1 0.97 0.02 0.85"],
    4: ["0.1 0 0.05 0.3 0.03 0.55 / 0.03 0.55 0.3 0.56 0.6 0.52 / 0.5 0 0.48 0.5 0.47 1",
        "0.42 0 0.2 0.32 0 0.65 / 0 0.65 0.3 0.66 0.65 0.65 / 0.45 0.35 0.45 0.7 0.44 1",
        "0.5 0 0.25 0.3 0 0.62 / 0 0.62 0.3 0.64 0.62 0.62 / 0.5 0 0.49 0.5 0.48 1"],
    5: ["0.55 0 0.35 0.01 0.12 0.02 / 0.12 0.02 0.1 0.22 0.08 0.43 / 0.08 0.43 0.38 0.38 0.57 0.62 0.42 0.95 0.03 0.93",
        "0.12 0.02 0.1 0.2 0.08 0.4 / 0.08 0.4 0.4 0.38 0.55 0.65 0.38 0.98 0.02 0.9 / 0.12 0.02 0.35 0 0.6 0.01",
        "0.5 0.02 0.3 0 0.15 0.05 / 0.15 0.05 0.08 0.25 0.05 0.45 / 0.05 0.45 0.3 0.42 0.52 0.6 0.45 0.9 0.2 1 0 0.88"],
    6: ["0.42 0 0.18 0.25 0.03 0.62 0.18 0.97 0.47 0.9 0.52 0.64 0.3 0.52 0.07 0.7",
        "0.25 0 0.08 0.35 0.04 0.7 0.25 1 0.5 0.85 0.45 0.58 0.2 0.55 0.05 0.72",
        "0.52 0.08 0.3 0.02 0.1 0.3 0.03 0.7 0.22 0.98 0.48 0.88 0.5 0.65 0.3 0.55 0.06 0.75"],
    7: ["0 0.02 0.3 0.02 0.6 0 / 0.6 0 0.42 0.45 0.25 1",
        "0 0.02 0.3 0.02 0.6 0 / 0.6 0 0.42 0.45 0.25 1 / 0.12 0.52 0.32 0.5 0.55 0.5",
        "0.03 0.16 0.05 0.06 0.08 0.02 / 0.08 0.02 0.32 0.03 0.58 0.01 / 0.58 0.01 0.36 0.45 0.28 1"],
    8: ["0.5 0.12 0.28 0 0.1 0.2 0.3 0.45 0.55 0.72 0.35 1 0.08 0.8 0.28 0.48 0.52 0.25 0.5 0.12",
        "0.3 0 0.1 0.12 0.12 0.36 0.3 0.46 0.5 0.34 0.5 0.1 0.3 0 "
        "/ 0.3 0.46 0.06 0.62 0.06 0.88 0.3 1 0.56 0.86 0.54 0.6 0.3 0.46",
        "0.42 0.04 0.18 0.05 0.12 0.28 0.32 0.48 0.5 0.75 0.3 1 0.08 0.78 0.25 0.5 0.45 0.28 0.42 0.04"],
    9: ["0.5 0.15 0.28 0 0.06 0.2 0.18 0.44 0.42 0.38 0.52 0.15 / 0.52 0.15 0.5 0.55 0.46 1",
        "0.5 0.12 0.25 0 0.04 0.22 0.2 0.46 0.45 0.35 0.52 0.1 / 0.52 0.1 0.52 0.6 0.4 0.95 0.1 0.95",
        "0.48 0.1 0.2 0.02 0.05 0.28 0.25 0.46 0.48 0.28 0.5 0.08 / 0.5 0.08 0.42 0.55 0.25 1"],
}  # fmt: skip


@dataclass(frozen=True)
class Hand:
    """A way to write: all lengths but slant and wide are in pixels of the pad's 280.

    forms: which of three for each of 0 to 9. slant: to the right, of the height. wide: of the usual width. size: the height.
    at: where the middle lies. unsteady: by how much each point is off.
    """

    forms: str
    slant: float
    wide: float
    size: int
    pen: int
    at: tuple[int, int] = (140, 140)
    unsteady: float = 0.0


HANDS = {
    "school": Hand("0000000000", 0.0, 1.0, 190, 24),
    "leaning right": Hand("0110110111", 0.25, 0.95, 190, 22),
    "leaning left": Hand("0000001010", -0.15, 1.0, 180, 24),
    "wide": Hand("0121021112", 0.05, 1.35, 170, 26),
    "narrow": Hand("2010000020", 0.05, 0.75, 210, 22),
    "thick pen": Hand("0110110110", 0.1, 1.1, 200, 34),
    "thin pen": Hand("1102202202", 0.1, 1.0, 190, 12),
    "small, above": Hand("0110110110", 0.1, 1.0, 110, 16, (90, 80)),
    "small, below": Hand("1021201021", 0.0, 1.1, 120, 18, (190, 200)),
    "large": Hand("1112222222", 0.12, 1.05, 245, 28),
    "unsteady": Hand("0011011100", 0.08, 1.0, 190, 22, unsteady=4.0),
    "hasty": Hand("1202212112", 0.3, 1.15, 170, 20, unsteady=2.0),
}


def strokes(digit: int, hand: Hand, rng: np.random.Generator) -> list[list[list[float]]]:
    """The strokes of a digit by this hand, each a list of points on the pad."""
    written = [np.array(stroke.split(), float).reshape(-1, 2) for stroke in FORMS[digit][int(hand.forms[digit])].split("/")]
    lines = []
    for points in written:
        shaped = np.stack([points[:, 0] * hand.wide + hand.slant * (0.5 - points[:, 1]), points[:, 1]], 1) * hand.size
        shaped += rng.normal(0, hand.unsteady, shaped.shape)
        along = np.linspace(0, 1, len(shaped))
        lines.append(make_interp_spline(along, shaped, k=min(3, len(shaped) - 1))(np.linspace(0, 1, 24)))
    corners = np.concatenate(lines)
    middle = (corners.min(0) + corners.max(0)) / 2
    return [(line - middle + hand.at).clip(4, 276).round(1).tolist() for line in lines]
