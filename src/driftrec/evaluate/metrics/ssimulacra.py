"""SSIMULACRA 2 (Sneyers 2022), computed by the package ssimulacra2."""

import io
from typing import BinaryIO

from PIL import Image
from ssimulacra2 import compute_ssimulacra2

from driftrec.evaluate.corruptions import Pixels


def ssimulacra2(restored: Pixels, clean: Pixels) -> float:
    """The score of a restored picture: 100 for equal ones, below 0 for very bad ones."""
    return float(compute_ssimulacra2(_file(clean), _file(restored)))


def _file(pixels: Pixels) -> BinaryIO:
    """A picture as a file in memory, as the package reads files only."""
    file = io.BytesIO()
    Image.fromarray(pixels).convert("RGB").save(file, "PPM")
    file.seek(0)
    return file
