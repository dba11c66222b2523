"""A page with a before/after slider, as one self-contained HTML file."""

import base64
import html
import os
import re
from importlib import resources
from io import BytesIO
from pathlib import Path

from PIL import Image

from driftrec.picture import Picture, atomic_write

WEBP_SIDE = 16383
"""Longest side that WebP supports, in pixels; larger pictures are embedded as PNG."""


def write_comparison(before: Picture, after: Picture, path: str | os.PathLike[str], title: str, caption: str) -> None:
    """Writes the page for two pictures of the same size; `title` and `caption` are plain text.

    The page loads nothing from elsewhere: pictures, style and script are embedded.  Raises OSError if the file cannot
    be written, ValueError for pictures of different sizes.
    """
    first, second = before.to_pil(), after.to_pil()
    if first.size != second.size:
        raise ValueError(f"pictures of different sizes cannot be compared: {first.size} and {second.size}")
    files = resources.files("driftrec.web")
    template = (files / "compare.html").read_text(encoding="utf-8")
    fields = {
        "title": html.escape(title),
        "caption": html.escape(caption),
        "width": str(first.width),
        "height": str(first.height),
        "style": (files / "page" / "viewer.css").read_text(encoding="utf-8"),
        "script": (files / "page" / "viewer.js").read_text(encoding="utf-8"),
        "before": _data_address(first),
        "after": _data_address(second),
    }
    page = re.sub(r"\{\{(\w+)\}\}", lambda field: fields[field[1]], template)  # in one pass, so values are not expanded
    with atomic_write(Path(path)) as stream:
        stream.write(page.encode())


def _data_address(image: Image.Image) -> str:
    """The picture as a data: URL, losslessly encoded."""
    kind, options = ("WEBP", {"lossless": True, "method": 2}) if max(image.size) <= WEBP_SIDE else ("PNG", {})
    if image.mode == "I;16":
        kind, options = "PNG", {}
    file = BytesIO()
    image.save(file, kind, **options)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(file.getvalue()).decode()}"
