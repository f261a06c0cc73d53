"""The card's augmentation on whole batches: every image gets its own affine map, brightness and contrast.

torchvision's RandomAffine and ColorJitter draw once for all images of a batch; here every image has its own draw, and
for the same drawn numbers the result equals theirs (a test compares, image by image).
"""

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from mnist_lib.support import validation

RADIANS = math.pi / 180
MEAN, STD = 0.1307, 0.3081  # of all MNIST training pixels in [0, 1]: the usual figures


def normalise(images: Tensor) -> Tensor:
    """Images of any shape, uint8 from 0 to 255 or float from 0 to 1 -> float with MNIST's mean 0 and standard deviation 1.

    ValueError in one sentence for other numbers, which would silently be misread.
    """
    validation.pixels(images)
    return (to_float(images) - MEAN) / STD


def to_float(images: Tensor) -> Tensor:
    """uint8 0..255 -> float32 in [0, 1]; floats are left as they are."""
    return images.float() / 255 if images.dtype == torch.uint8 else images


class AffineParams(NamedTuple):
    """What happens to each of N images; every field is a tensor (N,)."""

    angle: Tensor  # degrees, clockwise on the screen
    shift_x: Tensor  # whole pixels, to the right
    shift_y: Tensor  # whole pixels, down
    scale: Tensor  # 1 leaves the size
    shear: Tensor  # degrees, along x
    brightness: Tensor  # 1 leaves it
    contrast: Tensor  # 1 leaves it
    contrast_first: Tensor  # bool: ColorJitter applies the two in random order

    @classmethod
    def identity(cls, n: int, **changes: float | Tensor) -> "AffineParams":
        """The draw that leaves n images as they are, except for the fields given: a number, or one for each image."""
        if unknown := changes.keys() - set(cls._fields):
            raise ValueError(f"A draw has no {', '.join(sorted(unknown))}: it has {', '.join(cls._fields)}.")
        numbers = {"scale": 1.0, "brightness": 1.0, "contrast": 1.0} | changes
        draw = cls(*(torch.zeros(n) + numbers.get(name, 0.0) for name in cls._fields))
        return draw._replace(contrast_first=draw.contrast_first > 0)


@dataclass(frozen=True)
class Augment:
    """Random affine map, then colour jitter, one draw per image: the card's values by default.

    Args:
        degrees: the angle is uniform in ±degrees.
        translate: shifts are uniform in ± this share of the side, rounded to whole pixels as torchvision does.
        scale: the range of the scale.
        shear: the shear along x is uniform in ±shear degrees (torchvision's meaning of a single number).
        brightness, contrast: factors uniform in 1 ± these.
        interpolation: "bilinear" or "nearest" (torchvision's default, coarser on 28x28).

    Raises:
        ValueError: one sentence, for a value that has no meaning.
    """

    degrees: float = 20
    translate: float = 0.1
    scale: tuple[float, float] = (0.9, 1.1)
    shear: float = 5
    brightness: float = 0.2
    contrast: float = 0.2
    interpolation: str = "bilinear"

    def __post_init__(self):
        for name in ("degrees", "translate", "shear", "brightness", "contrast"):
            if not validation.finite(getattr(self, name)):
                raise ValueError(f"{name} is a finite number, not {getattr(self, name)!r}.")
        two = isinstance(self.scale, tuple | list) and len(self.scale) == 2 and all(map(validation.finite, self.scale))
        if not two or not 0 < self.scale[0] <= self.scale[1]:
            raise ValueError(f"scale is (smallest, largest), two finite numbers above 0, not {self.scale!r}.")
        if not all(0 <= share <= 1 for share in (self.translate, self.brightness, self.contrast)):
            raise ValueError("translate, brightness and contrast are shares from 0 to 1.")
        if self.degrees < 0 or not 0 <= self.shear < 90:
            raise ValueError("degrees is 0 or more, shear from 0 to below 90.")
        validation.choice("interpolation", self.interpolation, ("bilinear", "nearest"))

    def __call__(self, images: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """float (N, 1, H, W) in [0, 1] -> the same shape and range, on the same device."""
        validation.in_unit_range(images)
        n, _, height, width = images.shape
        device = generator.device if generator else images.device
        draw = self.draw(n, height, width, generator, device)
        return apply(images, AffineParams(*(numbers.to(images.device) for numbers in draw)), self.interpolation)

    def scaled(self, strength: float) -> "Augment":
        """The same with every range multiplied by strength: 0 changes nothing, 1 is as it was."""
        validation.number("strength", strength, at_least=0)
        scale = tuple(1 + strength * (end - 1) for end in self.scale)
        ranges = {name: strength * getattr(self, name) for name in ("degrees", "translate", "shear", "brightness", "contrast")}
        return replace(self, scale=scale, **ranges)

    def draw(
        self, n: int, height: int = 28, width: int = 28, generator: torch.Generator | None = None, device="cpu"
    ) -> AffineParams:
        """The random numbers for n images of height x width."""
        u = torch.rand(8, n, generator=generator, device=device)
        spread = 2 * u - 1  # uniform in ±1
        return AffineParams(
            angle=spread[0] * self.degrees,
            shift_x=(spread[1] * self.translate * width).round(),
            shift_y=(spread[2] * self.translate * height).round(),
            scale=self.scale[0] + u[3] * (self.scale[1] - self.scale[0]),
            shear=spread[4] * self.shear,
            brightness=1 + spread[5] * self.brightness,
            contrast=1 + spread[6] * self.contrast,
            contrast_first=u[7] < 0.5,
        )


def apply(images: Tensor, draw: AffineParams, interpolation: str = "bilinear") -> Tensor:
    """Each image (N, 1, H, W) under its own drawn numbers; what comes from outside the image is 0."""
    images = affine(images, draw, interpolation)
    before = torch.where(draw.contrast_first, draw.contrast, 1)
    after = torch.where(draw.contrast_first, 1, draw.contrast)
    return adjust_contrast(adjust_brightness(adjust_contrast(images, before), draw.brightness), after)


def affine(images: Tensor, draw: AffineParams, interpolation: str = "bilinear") -> Tensor:
    """Rotate, shear, scale about the centre, then shift: torchvision's affine, with separate numbers for each image."""
    validation.in_unit_range(images)
    height, width = images.shape[-2:]
    angle, tan_shear = draw.angle * RADIANS, torch.tan(draw.shear * RADIANS)
    cos, sin = torch.cos(angle), torch.sin(angle)
    # Output pixel (x, y) takes the colour at inverse @ (x - shift_x, y - shift_y), measured from the centre.
    # inverse of scale * rotation @ [[1, -tan(shear)], [0, 1]]
    xx, xy = _beside((cos - sin * tan_shear) / draw.scale), _beside((sin + cos * tan_shear) / draw.scale)
    yx, yy = _beside(-sin / draw.scale), _beside(cos / draw.scale)
    x = torch.arange(width, device=images.device) - (width - 1) / 2 - _beside(draw.shift_x)  # (N, 1, W)
    y = torch.arange(height, device=images.device)[:, None] - (height - 1) / 2 - _beside(draw.shift_y)  # (N, H, 1)
    # grid_sample measures from -1 to 1 across the image, on each axis
    grid = torch.stack([(xx * x + xy * y) * (2 / width), (yx * x + yy * y) * (2 / height)], dim=-1)  # (N, H, W, 2)
    return F.grid_sample(images, grid.to(images.dtype), mode=interpolation, padding_mode="zeros", align_corners=False)


def _beside(numbers: Tensor) -> Tensor:
    return numbers[:, None, None]  # (N,) -> beside (N, H, W)


def adjust_brightness(images: Tensor, factor: Tensor) -> Tensor:
    """Each image times its factor (N,), kept in [0, 1]."""
    return (images * factor.view(-1, 1, 1, 1)).clamp(0, 1)


def adjust_contrast(images: Tensor, factor: Tensor) -> Tensor:
    """Each image away from its own mean by its factor (N,), kept in [0, 1]."""
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    return torch.lerp(mean, images, factor.view(-1, 1, 1, 1)).clamp(0, 1)
