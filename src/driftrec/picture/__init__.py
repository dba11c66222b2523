"""Opens and saves pictures: one frozen value between picture files and the arrays of the restorer.

Two rules shape this package.

* **The 8×8 grid of a JPEG never moves.**  The restorer must see the pixels where the encoder saw them, so a picture
  is opened *in file order*, whatever its EXIF orientation says, and ``Picture.orientation`` keeps the tag.  Only
  ``Picture.to_pil`` and ``save_picture`` turn the pixels upright and set the tag to 1.
* **Nothing is lost by accident.**  Alpha, EXIF, XMP, IPTC, ICC profile and all 16 bits are kept with the pixels; what
  cannot be kept is named in ``Picture.left_out``, or the picture is refused.  The output is lossless unless its
  extension asks for a lossy format.  A file is written completely or not at all.
"""

from driftrec.picture.atomic import atomic_write
from driftrec.picture.opening import MAX_PIXELS, Source, open_picture
from driftrec.picture.saving import (
    PICTURE_SUFFIXES,
    SAVE_EXTENSIONS,
    encode_picture,
    fitted,
    require_format,
    save_picture,
)
from driftrec.picture.value import (
    Picture,
    PictureError,
    PictureIsFolderError,
    PictureNotFoundError,
    PicturePermissionError,
    as_float,
)

__all__ = [
    "MAX_PIXELS",
    "PICTURE_SUFFIXES",
    "SAVE_EXTENSIONS",
    "Picture",
    "PictureError",
    "PictureIsFolderError",
    "PictureNotFoundError",
    "PicturePermissionError",
    "Source",
    "as_float",
    "atomic_write",
    "encode_picture",
    "fitted",
    "open_picture",
    "require_format",
    "save_picture",
]
