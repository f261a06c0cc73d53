"""Pictures as people have them, from a phone, a scanner or a program, as plain grey arrays."""

import os
import warnings
from pathlib import Path

import numpy as np

LONGEST = 1000  # pixels; longer pictures are made smaller
LARGEST = 100_000_000  # pixels
TOO_LARGE = "The picture has over 100 million pixels: make it smaller, or crop it to the digits."


def grey_picture(source) -> tuple[np.ndarray, tuple[int, int]]:
    """Luminance, float (H, W) of 0..255, at most 1,000 pixels long; and the picture's own height and width.

    A photo is turned upright first, as its EXIF says, and made smaller by Pillow's BOX filter.
    Transparent pixels are put on white, or on black if the opaque ones are lighter than 127.5 on average.

    Args:
        source: a path or open file, a PIL image, or an array, as `read_picture` takes them.

    Raises:
        ValueError: one sentence that says what to do, if this is not a picture.
        ImportError: if Pillow is missing.
    """
    try:
        from PIL import Image, ImageOps
    except ImportError:
        raise ImportError("Reading a picture needs Pillow: pip install pillow.") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit is ours
            image, size = _opened(source)
    except Image.DecompressionBombError:
        raise ValueError(TOO_LARGE) from None
    upright = ImageOps.exif_transpose(image)
    width, height = size if upright.size == image.size else size[::-1]
    if upright.mode[0] in "IF":  # 16 bits or more
        upright = Image.fromarray(_as_bytes(np.asarray(upright)))
    clear = upright.has_transparency_data
    upright = upright.convert("RGBA") if clear else upright.convert("RGB").convert("L")
    if max(height, width) > LONGEST:
        small = tuple(max(1, round(side * LONGEST / max(height, width))) for side in (width, height))
        upright = upright.resize(small, Image.Resampling.BOX)
    grey = np.asarray(upright.convert("L"), float)
    if clear:
        opacity = np.asarray(upright.getchannel("A")) / 255
        grey = grey * opacity + (0 if (grey * opacity).sum() > 127.5 * opacity.sum() else 255) * (1 - opacity)
    return grey, (height, width)


def _opened(source):
    """A PIL image, and its width and height; of a JPEG only as many pixels as needed are decoded."""
    from PIL import Image

    if isinstance(source, Image.Image):
        return source, source.size
    if not isinstance(source, str | os.PathLike) and not hasattr(source, "read"):
        return (image := Image.fromarray(_as_bytes(source))), image.size
    name = "The picture" if hasattr(source, "read") else Path(source).name
    try:
        image = Image.open(source)
        size = image.size
        if image.width * image.height > LARGEST:
            raise Image.DecompressionBombError
        image.draft("L" if image.mode == "RGB" else None, (LONGEST, LONGEST))
        image.load()
        return image, size
    except FileNotFoundError:
        why = f"There is no file {source}: correct the path."
    except Image.UnidentifiedImageError:
        why = f"{name} is not a picture: use a JPEG or PNG file."
        if str(source).lower().endswith((".heic", ".heif")):
            why = f"{name} is HEIC, which cannot be read here: save it as JPEG or PNG and use that."
    except (OSError, SyntaxError) as error:
        why = f"{name} can't be read ({error}): copy it again, or use another."
    raise ValueError(why)


def _as_bytes(values) -> np.ndarray:
    array = np.asarray(values)
    array = array[0] if array.ndim == 3 and len(array) == 1 else array
    if array.dtype.kind not in "buif" or not array.size or (array.ndim != 2 and array.shape[2:] not in ((3,), (4,))):
        kinds = "(H, W), (1, H, W), (H, W, 3) or (H, W, 4)"
        raise ValueError(f"An array is a picture if it is {kinds} and not empty: this is {array.dtype} {array.shape}.")
    if array.size > LARGEST:
        raise ValueError(TOO_LARGE)
    least, most = float(array.min()), float(array.max())
    if not 0 <= least <= most <= 65535:
        raise ValueError(f"An array's values are 0..1, 0..255 or 0..65535, not {least:g} to {most:g}: undo the normalisation.")
    return (array * (255 if most <= 1 else 1 if most <= 255 else 1 / 257)).round().astype(np.uint8)
