"""Opens an upload as a picture within the server's limits, and explains to its sender what went wrong with it."""

import contextlib
import errno
from pathlib import Path

from PIL import Image

from driftrec.errors import is_out_of_memory, why_not_restored
from driftrec.picture import Picture, PictureError, open_picture
from driftrec.picture.quiet import quiet
from driftrec.web.headers import read_header
from driftrec.web.limits import Limits


def open_upload(path: Path, limits: Limits, name: str, *, strict: bool = False) -> Picture:
    """Opens an upload.  Raises PictureError, which calls it `name`, if it is not a picture or is too large.

    With `strict`, files that are cut short are no pictures.
    """
    pixels = _pixels(path)
    if pixels > limits.pixels:
        size, limit = (f"{n / 1e6:.0f}" if n > 1e7 else f"{n / 1e6:.3g}" for n in (pixels, limits.pixels))
        raise PictureError(
            f"{name} has {size} megapixels, more than {limit}, the limit of this server: send a smaller picture"
        )
    header = read_header(path)
    if header is not None and header.pixels * header.scans > limits.decoding:
        raise PictureError(
            f"{name} stores its pixels in {header.scans} scans, which take too long to decode: save it again as an "
            "ordinary JPEG"
        )
    return open_picture(path.read_bytes(), max_pixels=limits.pixels, name=name, partial=not strict)


def explain(error: Exception, name: str, folder: Path) -> str:
    """One sentence for any error that ended the work on an upload, without the server's own paths.

    Arguments: `name`, the upload's name; `folder`, the server's folder for it.
    """
    if is_disk_full(error):
        return f"{name} does not fit on the server's disk, which is full: try again later"
    if is_out_of_memory(error):
        return f"{name} needs more memory than this server has: send a smaller picture"
    sentence = why_not_restored(error, name)
    return f"{name} could not be saved on the server: try again later" if str(folder) in sentence else sentence


def is_disk_full(error: BaseException | None) -> bool:
    """Whether an error, or one that caused it, says that there is no space left on the disk."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        error = error.__cause__
    return False


def _pixels(path: Path) -> int:
    """The number of pixels that a file's header states; 0 if it is not a picture, which `open_picture` explains."""
    with quiet(), contextlib.suppress(Exception), Image.open(path) as image:  # decoders raise errors of any class
        return image.width * image.height
    return 0
