"""Photos of handwritten digits, made here: strokes of a pen, or MNIST's training digits enlarged, on all kinds of paper."""

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage
from scipy.interpolate import make_interp_spline

# One's own way to write each digit: strokes through points (x, y), y downward, in a box of height 1; "/" lifts the pen
STROKES = {
    0: ["0.3 0 0.02 0.35 0.08 0.85 0.35 1 0.6 0.7 0.58 0.2 0.3 0"],
    1: ["0.2 0 0.18 0.5 0.15 1", "0 0.25 0.15 0.1 0.25 0 0.25 0.5 0.25 1"],
    2: ["0.03 0.25 0.15 0.04 0.4 0 0.58 0.2 0.45 0.5 0.2 0.8 0 1 / 0 1 0.3 0.98 0.65 1"],
    3: ["0.05 0.12 0.3 0 0.55 0.15 0.45 0.4 0.25 0.48 / 0.25 0.48 0.55 0.58 0.58 0.85 0.3 1 0 0.88"],
    4: ["0.35 0 0.2 0.3 0 0.62 / 0 0.62 0.35 0.6 0.65 0.6 / 0.48 0.3 0.46 0.7 0.45 1", "0.08 0 0.04 0.3 0.05 0.5 "
        "/ 0.05 0.5 0.3 0.52 0.52 0.5 / 0.52 0 0.51 0.5 0.5 1"],
    5: ["0.12 0 0.1 0.2 0.08 0.42 / 0.08 0.42 0.4 0.38 0.58 0.65 0.4 0.97 0 0.9 / 0.12 0 0.35 0.01 0.58 0",
        "0.12 0.08 0.1 0.25 0.08 0.42 / 0.08 0.42 0.4 0.38 0.58 0.65 0.4 0.97 0 0.9 / 0.22 0 0.4 0.01 0.62 0"],
    6: ["0.42 0 0.15 0.3 0.02 0.65 0.2 0.98 0.5 0.9 0.52 0.62 0.3 0.52 0.06 0.7"],
    7: ["0 0.03 0.3 0.02 0.6 0 / 0.6 0 0.42 0.4 0.25 1", "0 0.03 0.3 0.02 0.6 0 "
        "/ 0.6 0 0.42 0.4 0.25 1 / 0.2 0.5 0.35 0.48 0.55 0.47"],
    8: ["0.5 0.1 0.25 0 0.1 0.2 0.3 0.45 0.55 0.7 0.4 0.98 0.1 0.92 0.08 0.68 0.35 0.42 0.55 0.2 0.5 0.1"],
    9: ["0.52 0.15 0.25 0 0.05 0.22 0.18 0.45 0.45 0.35 0.53 0.12 / 0.53 0.12 0.5 0.5 0.42 1"],
}  # fmt: skip


def written(digit: int, height: int, pen: float, rng: np.random.Generator) -> np.ndarray:
    """A digit by a pen as thick as this share of its height: coverage (H, W) in [0, 1]."""
    slant, wide, turn = rng.uniform(-0.05, 0.25), rng.uniform(0.85, 1.15), np.radians(rng.uniform(-5, 5))
    side, at = height * 2, height / 2
    image = Image.new("L", (2 * side, 2 * side))
    draw, thick = ImageDraw.Draw(image), max(2, 2 * pen * height)
    for stroke in rng.choice(STROKES[digit]).split("/"):
        points = np.array(stroke.split(), float).reshape(-1, 2)
        points += rng.normal(0, 0.015, points.shape)
        curve = make_interp_spline(np.linspace(0, 1, len(points)), points, k=min(3, len(points) - 1))(np.linspace(0, 1, 200))
        x, y = curve[:, 0] * wide + slant * (0.5 - curve[:, 1]), curve[:, 1]
        x, y = x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)
        for px, py in 2 * (at + height * np.stack([x, y], 1)):
            draw.ellipse([px - thick / 2, py - thick / 2, px + thick / 2, py + thick / 2], fill=255)
    return trimmed(np.asarray(image.resize((side, side), Image.Resampling.BOX)) / 255)


def enlarged(image: np.ndarray, height: int) -> np.ndarray:
    """An MNIST digit (28, 28) in [0, 1], its edges as sharp as a pen's, so that it is `height` tall."""
    tall = np.ptp(np.nonzero(image > 0.5)[0]) + 1
    large = ndimage.zoom(image, height / tall, order=3, mode="grid-constant", grid_mode=True)
    return trimmed(np.clip((ndimage.gaussian_filter(large, height / 60) - 0.5) * height / 10 + 0.5, 0, 1))


def trimmed(mask: np.ndarray) -> np.ndarray:
    rows, columns = np.nonzero(mask > 0.5)
    return mask[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]


def waves(shape: tuple[int, int], size: float, rng: np.random.Generator) -> np.ndarray:
    """Smooth noise with mean 0 and standard deviation 1, changing over `size` pixels."""
    noise = ndimage.gaussian_filter(rng.normal(size=shape), size)
    return (noise - noise.mean()) / noise.std()


def light(kind: str, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """How bright the light is at each pixel, at most 1."""
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]] / max(shape)
    if kind == "gradient":
        angle = rng.uniform(0, 2 * np.pi)
        slope = x * np.cos(angle) + y * np.sin(angle)
        return 1 - rng.uniform(0.4, 0.65) * (slope - slope.min()) / np.ptp(slope)
    if kind == "vignette":
        return 1 - rng.uniform(0.6, 1.0) * ((x - x.mean()) ** 2 + (y - y.mean()) ** 2) / 0.5
    if kind == "shadow":  # of the hand that holds the phone: its edge lies anywhere, sharp or soft
        angle = rng.uniform(0, 2 * np.pi)
        far = (x - x.mean()) * np.cos(angle) + (y - y.mean()) * np.sin(angle) + rng.uniform(-0.2, 0.2)
        return 1 - rng.uniform(0.25, 0.5) / (1 + np.exp(-np.clip(far / rng.uniform(0.001, 0.05), -50, 50)))
    return np.ones(shape)


def page(kind: str, rng: np.random.Generator, writer: Callable) -> tuple[Image.Image, list[int]]:
    """A photo of this kind, and the digits on it in reading order. writer: (digit, height, rng) -> coverage (H, W)."""
    height = {"small": 26, "large": 420}.get(kind) or int(rng.integers(60, 200))
    lines = {"row": (4,), "two lines": (3, 4)}.get(kind, (1,))
    digits = [[int(rng.integers(10)) for _ in range(n)] for n in lines]
    masks = [[writer(d, int(height * rng.uniform(0.9, 1.1)), rng) for d in line] for line in digits]
    margin = 4 if kind == "near the edge" else int(height * rng.uniform(0.4, 1.2)) + {"small": 200}.get(kind, 10)
    gap, down = int(height * 0.35), int(height * rng.uniform(1.4, 1.8))
    wide = max(sum(mask.shape[1] + gap for mask in line) for line in masks) - gap
    ink = np.zeros((2 * margin + down * (len(lines) - 1) + int(1.25 * height), 2 * margin + wide))
    for row, line in enumerate(masks):
        left = margin
        for mask in line:
            top = margin + row * down + int(rng.uniform(0, 0.02) * height)
            ink[top : top + mask.shape[0], left : left + mask.shape[1]] += mask
            left += mask.shape[1] + gap
    far = {"near the edge": ((0, height * 2), (0, height * 2)), "large": ((20, 20), (20, 20))}.get(kind, ((20, 40), (30, 50)))
    ink = np.clip(np.pad(ink, far), 0, 1)
    shape = ink.shape

    paper = np.ones(3) * {"grey": 165, "blackboard": 60}.get(kind, 235) + rng.uniform(-12, 12, 3)
    pen = np.ones(3) * rng.uniform(25, 70)
    pen = {"blackboard": np.full(3, 215.0), "pencil": paper - rng.uniform(45, 80), "grey": paper - rng.uniform(60, 110),
           "blue ink": np.array([40, 60, 160.0]), "red ink": np.array([200, 40, 50.0])}.get(kind, pen)  # fmt: skip
    sheet = np.broadcast_to(paper, (*shape, 3)) + 1.5 * waves(shape, 8, rng)[..., None]
    if kind in ("ruled", "squared"):
        sheet = ruled(sheet, int(rng.uniform(0.25, 0.9) * height), kind == "squared", rng)
    strength = np.ones(shape)
    if kind in ("pencil", "blackboard"):  # grain
        strength = np.clip(1 + 0.15 * waves(shape, 1, rng), 0.5, 1.2)
    cover = (ink * strength)[..., None]
    picture = sheet * (1 - cover) + pen * cover
    picture = picture * light(kind, shape, rng)[..., None]
    picture = ndimage.gaussian_filter(picture, (0.7, 0.7, 0))
    picture += rng.normal(0, {"noise": rng.uniform(12, 20)}.get(kind, 3), shape)[..., None]
    image = Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))
    return photo(image, kind, rng), [d for line in digits for d in line]


def ruled(sheet: np.ndarray, step: int, squared: bool, rng: np.random.Generator) -> np.ndarray:
    """Lines `step` pixels apart, slightly turned, one to three pixels thick."""
    y, x = np.mgrid[0 : sheet.shape[0], 0 : sheet.shape[1]]
    turn, thick = np.radians(rng.uniform(-2, 2)), rng.uniform(1, 3)
    across = [y * np.cos(turn) + x * np.sin(turn)] + [x * np.cos(turn) - y * np.sin(turn)] * squared
    line = np.max([np.clip(thick / 2 + 0.5 - np.abs((at + step / 2) % step - step / 2), 0, 1) for at in across], 0)
    return sheet - line[..., None] * rng.uniform(0.4, 1) * np.array([110, 80, 40])


def photo(image: Image.Image, kind: str, rng: np.random.Generator) -> Image.Image:
    """The picture as a file has it: JPEG, where `kind` is "turned by EXIF" lying on its side."""
    exif = Image.Exif()
    if kind == "turned by EXIF":
        image, exif[0x0112] = image.transpose(Image.Transpose.ROTATE_90), 6
    body = io.BytesIO()
    image.save(body, "JPEG", quality=int(rng.integers(15, 30)) if kind == "JPEG" else 85, exif=exif)
    return Image.open(body)


KINDS = ("white", "grey", "gradient", "vignette", "shadow", "ruled", "squared", "blackboard", "pencil", "blue ink", "red ink",
         "noise", "JPEG", "turned by EXIF", "small", "large", "near the edge", "row", "two lines")  # fmt: skip


def pen(digit: int, height: int, rng: np.random.Generator) -> np.ndarray:
    """A writer for `page`: pens of all widths."""
    return written(digit, height, rng.uniform(0.04, 0.11), rng)


def enlarging(images, labels) -> Callable:
    """A writer for `page`: one of these digits, uint8 (N, 1, 28, 28), enlarged."""

    def writer(digit: int, height: int, rng: np.random.Generator) -> np.ndarray:
        return enlarged(images[rng.choice((labels == digit).nonzero().flatten()), 0].numpy() / 255, height)

    return writer
