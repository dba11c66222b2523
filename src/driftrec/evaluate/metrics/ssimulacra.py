"""SSIMULACRA 2 (Sneyers 2022), computed by the package ssimulacra2."""

import io
from collections.abc import Callable
from typing import BinaryIO

from PIL import Image

from driftrec.evaluate.corruptions import Pixels
from driftrec.extras import how_to_add


def ssimulacra2(restored: Pixels, clean: Pixels) -> float:
    """The score of a restored picture: 100 for equal ones, below 0 for very bad ones.

    Raises ValueError if the package is not installed.
    """
    return float(package()(_file(clean), _file(restored)))


def package() -> Callable[[BinaryIO, BinaryIO], float]:
    """The package's function.  Raises ValueError if it is not installed."""
    try:
        from ssimulacra2 import compute_ssimulacra2
    except ModuleNotFoundError as error:
        raise ValueError(f"SSIMULACRA 2 needs its package: {how_to_add('graphics')}") from error
    return compute_ssimulacra2


def _file(pixels: Pixels) -> BinaryIO:
    """A picture as a file in memory, as the package reads files only."""
    file = io.BytesIO()
    Image.fromarray(pixels).convert("RGB").save(file, "PPM")
    file.seek(0)
    return file
