"""Pillow without its warnings and its own limit of size: what matters here becomes an error of ours."""

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image

_lock = threading.Lock()


@contextmanager
def quiet() -> Iterator[None]:
    """No warnings (large pictures, odd metadata), no `DecompressionBombError`.

    Both belong to the whole process, hence the lock.
    """
    with _lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit
