"""Edits that move pixels: resizing, cropping, turning, mirroring, rotating by any angle.

`reach(side)` of an edit is the side of a square that the edit needs in order to return a square of at least `side`
pixels.
"""

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from PIL import Image

from driftrec.evaluate.corruptions import Pixels

Filter: TypeAlias = Literal["nearest", "bilinear", "bicubic", "lanczos", "area", "points"]

FILTERS: dict[Filter, Image.Resampling] = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "area": Image.Resampling.BOX,
}
"""Pillow's filters; all but the nearest pixel are widened when they reduce, so that they do not alias."""


class Edit:
    """Abstract base of what is done to a picture between two files: truth and corrupted picture go through the same."""

    def __call__(self, pixels: Pixels) -> Pixels:
        """The edited picture, uint8 (height, width, 3)."""
        raise NotImplementedError

    def reach(self, side: int) -> int:
        """The side of a square that is needed for a result of at least `side` pixels a side."""
        return side


@dataclass(frozen=True)
class Resize(Edit):
    """Resized by a factor, sides rounded to whole pixels.

    "points" interpolates between the four nearest pixels without widening the filter, as fast programs do: it aliases
    when it reduces.  When it enlarges, it is "bilinear".
    """

    factor: float
    filter: Filter = "bicubic"

    def __post_init__(self) -> None:
        if self.factor <= 0:
            raise ValueError(f"a picture is resized by a positive factor, not {self.factor}")

    def __call__(self, pixels: Pixels) -> Pixels:
        height, width = pixels.shape[:2]
        size = max(round(width * self.factor), 1), max(round(height * self.factor), 1)
        image = Image.fromarray(pixels)
        if self.filter == "points" and self.factor < 1:
            steps = (width / size[0], 0, 0, 0, height / size[1], 0)
            return np.asarray(image.transform(size, Image.Transform.AFFINE, steps, Image.Resampling.BILINEAR))
        return np.asarray(image.resize(size, FILTERS.get(self.filter, Image.Resampling.BILINEAR)))

    def reach(self, side: int) -> int:
        return math.ceil((side + 0.5) / self.factor)


@dataclass(frozen=True)
class Crop(Edit):
    """Rows and columns cut off at each side; at least one pixel stays."""

    top: int = 0
    left: int = 0
    bottom: int = 0
    right: int = 0

    def __call__(self, pixels: Pixels) -> Pixels:
        height, width = pixels.shape[:2]
        top, left = min(self.top, height - 1), min(self.left, width - 1)
        return np.ascontiguousarray(
            pixels[top : max(height - self.bottom, top + 1), left : max(width - self.right, left + 1)]
        )

    def reach(self, side: int) -> int:
        return side + max(self.top + self.bottom, self.left + self.right)


@dataclass(frozen=True)
class Turn(Edit):
    """Turned by quarters anticlockwise, then mirrored left to right if asked for; no pixel changes its value."""

    quarters: int = 0
    mirror: bool = False

    def __call__(self, pixels: Pixels) -> Pixels:
        turned = np.rot90(pixels, self.quarters)
        return np.ascontiguousarray(turned[:, ::-1] if self.mirror else turned)


@dataclass(frozen=True)
class Rotate(Edit):
    """Rotated anticlockwise by an angle in degrees around the centre, bicubic, and cut to what the picture covers."""

    degrees: float

    def __post_init__(self) -> None:
        if not -45 <= self.degrees <= 45:
            raise ValueError(f"a picture is rotated by −45° to 45°, not {self.degrees}°: turn it as well")

    def __call__(self, pixels: Pixels) -> Pixels:
        height, width = pixels.shape[:2]
        rotated = np.asarray(Image.fromarray(pixels).rotate(self.degrees, Image.Resampling.BICUBIC))
        # The largest centred rectangle of the same shape inside the rotated picture, without its interpolated border.
        share = 1 / self._spread(max(height, width) / min(height, width))
        rows, columns = (max(math.floor(n * share) - 2, 1) for n in (height, width))
        top, left = (height - rows) // 2, (width - columns) // 2
        return np.ascontiguousarray(rotated[top : top + rows, left : left + columns])

    def _spread(self, aspect: float) -> float:
        angle = abs(math.radians(self.degrees))
        return math.cos(angle) + aspect * math.sin(angle)

    def reach(self, side: int) -> int:
        return math.ceil((side + 3) * self._spread(1.0))
