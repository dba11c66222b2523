"""SSIMULACRA 2 (Sneyers 2022), computed by the package ssimulacra2."""

import io
from typing import BinaryIO

from PIL import Image

from driftrec.evaluate.corruptions import Pixels


def ssimulacra2(restored: Pixels, clean: Pixels) -> float:
    """The score of a restored picture: 100 for equal ones, below 0 for very bad ones.

    Raises ValueError if the package is not installed.
    """
    return float(_package()(_file(clean), _file(restored)))


def _package():  # noqa: ANN202 (a function of the package)
    try:
        from ssimulacra2 import compute_ssimulacra2
    except ModuleNotFoundError as error:
        raise ValueError("SSIMULACRA 2 needs its package: pip install ssimulacra2") from error
    return compute_ssimulacra2


def _file(pixels: Pixels) -> BinaryIO:
    """A picture as a file in memory, as the package reads files only."""
    file = io.BytesIO()
    Image.fromarray(pixels).convert("RGB").save(file, "PPM")
    file.seek(0)
    return file
