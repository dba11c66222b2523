"""How the pixels of PNG files are compressed: thoroughly in drawings, where it pays, and quickly in photographs."""

import zlib
from io import BytesIO
from typing import Any

from PIL import Image

QUICK: tuple[dict[str, Any], ...] = ({"compress_type": zlib.Z_RLE}, {"compress_level": 2})
"""A search for runs of equal bytes, and a short search for repetitions, each in a third of the time that Pillow's
default takes.  Files of photographs are about as large; those of drawings without noise may be several times as
large."""

WORTH = 0.8
"""Relative size of the file below which Pillow's default is worth its time."""

STRIPS, ROWS = 3, 16
"""Number and largest height of the strips that are compressed to find out; about a twentieth of small pictures."""


def png_compression(image: Image.Image) -> dict[str, Any]:
    """Returns the options of Pillow's PNG encoder that suit an image: one of `QUICK`, or none for its defaults."""
    width, height = image.size
    rows = min(ROWS, -(-height // (20 * STRIPS)))
    strips = Image.new(image.mode, (width, STRIPS * rows))
    for number in range(STRIPS):
        top = max(height - rows, 0) * (2 * number + 1) // (2 * STRIPS)
        strips.paste(image.crop((0, top, width, top + rows)), (0, number * rows))

    def size(options: dict[str, Any]) -> int:
        compressed = BytesIO()
        strips.save(compressed, "PNG", **options)
        return compressed.tell()

    quick = min(QUICK, key=size)
    return {} if size({}) < WORTH * size(quick) else quick
