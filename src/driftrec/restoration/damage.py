"""Parts of a picture of which its file says nothing: those that are cut off, and those that were changed later."""

import numpy as np

from driftrec.jpeg import JpegFile, Report
from driftrec.picture import Picture, PictureError
from driftrec.restoration.chroma import decoded_with_chroma_from_luma


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
    return restored if file is None else _with_mcus(restored, picture, file.absent, file)


def decoded_pixels(picture: Picture, report: Report) -> np.ndarray:
    """Returns the picture that the report's file holds, float32 (height, width, 3) in [0, 1], by expected values, with
    chroma that follows luma, in the file's cells.

    A lossless copy of a JPEG keeps its own pixels where it was changed later.
    """
    assert report.file is not None
    return _with_mcus(decoded_with_chroma_from_luma(report.file), picture, report.edited, report.file)


def _with_mcus(pixels: np.ndarray, picture: Picture, chosen: np.ndarray | None, file: JpegFile) -> np.ndarray:
    """The pixels, with those of the opened picture in the chosen MCUs, bool (rows, columns)."""
    if chosen is None:
        return pixels
    height, width = pixels.shape[:2]
    rows, columns = file.mcu
    part = np.repeat(np.repeat(chosen, rows, axis=0), columns, axis=1)[:height, :width]
    return np.where(part[..., None], picture.as_float(), pixels)
