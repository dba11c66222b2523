"""Turns off Pillow's warnings and limits; this package checks what matters and raises its own errors."""

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image, ImageFile

_lock = threading.RLock()


@contextmanager
def quiet() -> Iterator[None]:
    """Suppresses warnings (large pictures, odd metadata) and `DecompressionBombError`.

    Both settings apply to the whole process, hence the lock.
    """
    with _lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


@contextmanager
def tolerant() -> Iterator[None]:
    """Lets Pillow decode files that are cut short; to be used inside `quiet`, as it applies to the whole process."""
    strict, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, True
    try:
        yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = strict
