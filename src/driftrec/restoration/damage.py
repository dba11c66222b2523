"""Files that are cut short: what of the picture is there, and what is missing."""

import numpy as np

from driftrec.jpeg import JpegFile, Report
from driftrec.picture import Picture, PictureError


def missing_part(picture: Picture, report: Report) -> str:
    """Returns a clause that says what the picture's file lacks; empty if it is whole.

    Raises:
        PictureError: the file is cut short, and it cannot be known which part of the picture it holds.
    """
    if report.file is not None:
        return report.file.missing
    if picture.cut_short:
        raise PictureError(f"{picture.name} is damaged or cut short ({report.unread}): use an intact copy")
    return ""


def require_whole(picture: Picture, missing: str) -> None:
    """Refuses a picture of which something is missing.

    Raises:
        PictureError: something is missing.
    """
    if missing:
        raise PictureError(
            f"{picture.name} is damaged or cut short ({missing}): use an intact copy, or leave out strict"
        )


def keep_absent(restored: np.ndarray, picture: Picture, file: JpegFile | None) -> np.ndarray:
    """Returns the restored pixels, and where the file holds nothing, those of the decoder: nothing is invented.

    Arguments: `restored`, float32 (height, width, 3) in [0, 1]; the opened picture; what its file holds.
    """
    if file is None or file.absent is None:
        return restored
    height, width = restored.shape[:2]
    rows, columns = file.mcu
    absent = np.repeat(np.repeat(file.absent, rows, axis=0), columns, axis=1)[:height, :width]
    return np.where(absent[..., None], picture.as_float(), restored)
