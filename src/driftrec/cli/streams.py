"""Pictures that come from standard input or go to standard output, which "-" stands for."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from driftrec.cli.console import output_guarded

if TYPE_CHECKING:
    from driftrec.picture import Picture


def open_source(path: Path, max_pixels: int) -> "Picture":
    """Opens the picture of a file, or of standard input for "-".  Raises PictureError as `open_picture` does."""
    from driftrec.picture import PictureError, open_picture
    from driftrec.restoration.files import STREAM

    if path != STREAM:
        return open_picture(path, max_pixels=max_pixels)
    if sys.stdin is None or sys.stdin.isatty():
        raise PictureError("standard input holds no picture: redirect a file to it")
    return open_picture(sys.stdin.buffer, max_pixels=max_pixels, name="standard input")


def print_picture(picture: "Picture", suffix: str) -> None:
    """Writes a picture to standard output, in the format of a file suffix such as ".png".

    Raises PictureError if the format cannot hold it.
    """
    from driftrec.picture import encode_picture

    data = encode_picture(picture, f"the result{suffix}")
    with output_guarded():
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
