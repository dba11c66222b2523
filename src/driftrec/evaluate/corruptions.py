"""Corruptions of the usual protocols: one JPEG compression, or two on different block grids.

    file, clean = corruption(clean)

A corruption makes a file, and says which clean picture that file shows.  Longer histories are in
`driftrec.evaluate.chains`.  Training needs no files: its degradations
(`driftrec.train.data.degrade`) are decoded at once, and draw their parameters at random.
"""

import io
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels: TypeAlias = NDArray[np.uint8]


@dataclass(frozen=True)
class Jpeg:
    """Pillow's (libjpeg's) JPEG at `quality` 1 to 100, 4:2:0 chroma, one channel for gray pictures."""

    quality: int

    def __post_init__(self) -> None:
        if not 1 <= self.quality <= 100:
            raise ValueError(f"JPEG qualities are 1 to 100, not {self.quality}")

    @property
    def name(self) -> str:
        return f"q{self.quality}"

    def __call__(self, clean: Pixels) -> tuple[bytes, Pixels]:
        """Returns (the JPEG file, the clean picture it shows)."""
        return encode(clean, self.quality), clean


@dataclass(frozen=True)
class DoubleJpeg:
    """Two compressions, the second after `shift` rows and columns are cut off: FBCNN's protocol (arXiv 2109.14573).

    The clean picture loses the same rows and columns.
    """

    first: int
    second: int
    shift: tuple[int, int] = (4, 4)

    @property
    def name(self) -> str:
        return f"q{self.first}+q{self.second}"

    def __call__(self, clean: Pixels) -> tuple[bytes, Pixels]:
        top, left = self.shift
        once = decode(encode(clean, self.first))
        return encode(once[top:, left:], self.second), np.ascontiguousarray(clean[top:, left:])


class Corruption(Protocol):
    """Anything that makes a file of a clean picture; the records of a run name it by `name`."""

    @property
    def name(self) -> str: ...

    def __call__(self, clean: Pixels) -> tuple[bytes, Pixels]:
        """Returns (the file, the clean picture it shows)."""
        ...


def encode(pixels: Pixels, quality: int, subsampling: str = "4:2:0") -> bytes:
    """A JPEG file of uint8 (height, width, 3) or (height, width), by libjpeg at `quality` (Pillow's 1–100)."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality, subsampling=subsampling)
    return file.getvalue()


def without_colour(pixels: Pixels) -> Pixels:
    """One channel, (height, width), of a picture whose three are equal; any other picture as it is.

    Such pictures are usually stored as gray files.
    """
    if pixels.ndim == 2:
        return pixels
    for some in (pixels[::8, ::8], pixels):  # a few pixels show the colour of most pictures that have any
        if (some[..., :1] != some).any():
            return pixels
    return pixels[..., 0]


def decode(file: bytes) -> Pixels:
    """uint8 (height, width, 3), or (height, width) for gray pictures.  Raises ValueError if it is not a picture."""
    try:
        with Image.open(io.BytesIO(file)) as image:
            return np.asarray(image.convert("L" if image.mode in ("1", "L", "LA") else "RGB"))
    except OSError as error:
        raise ValueError(f"not a picture, or damaged: {error}") from error


def to_gray(pixels: Pixels) -> Pixels:
    """The luma that gray benchmarks use: BT.601 in studio range, rounded (MATLAB's rgb2ycbcr)."""
    from driftrec.evaluate.metrics.fidelity import luma  # needs scikit-image, which training does without

    return np.rint(luma(pixels)).astype(np.uint8)
