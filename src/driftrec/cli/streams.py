"""Pictures that come from standard input or go to standard output, which "-" stands for."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from driftrec.cli.console import output_guarded

if TYPE_CHECKING:
    from driftrec.picture import Picture


def open_source(path: Path, **choices: Any) -> "Picture":  # noqa: ANN401 (of open_picture's types)
    """Opens the picture of a file, or of standard input for "-".

    `choices` are arguments of `open_picture`.  Raises PictureError as it does.
    """
    from driftrec.picture import PictureError, open_picture
    from driftrec.restoration.files import STREAM

    if path != STREAM:
        return open_picture(path, **choices)
    if sys.stdin is None or sys.stdin.isatty():
        raise PictureError("standard input holds no picture: redirect a file to it")
    return open_picture(sys.stdin.buffer, name="standard input", **choices)


def print_picture(picture: "Picture", suffix: str) -> "Picture":
    """Writes a picture to standard output, in the format of a file suffix such as ".png".

    Returns the picture as it was written; its `left_out` names metadata that the format cannot hold.  Raises
    PictureError if the format cannot hold the picture.
    """
    from driftrec.picture import encode_picture, fitted

    name = f"the result{suffix}"
    written = fitted(picture, name)
    data = encode_picture(written, name)
    with output_guarded():
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    return written
