"""Opens and saves pictures: one frozen value between the files of the world and the arrays of the restorer.

Two rules shape this package.

* **The 8×8 grid of a JPEG is sacred.**  The restorer must see the pixels where the encoder saw them, so a picture
  is opened *in file order*, whatever its EXIF orientation says; ``Picture.orientation`` carries the tag, and the
  pixels are turned upright, and the tag set to 1, only on the way out (``Picture.to_pil``, ``save_picture``).
* **Nothing is lost by accident.**  Alpha, EXIF, XMP, IPTC, ICC profile and all 16 bits travel with the pixels; what
  cannot travel is named in ``Picture.left_out``, or the picture is refused; the output is lossless unless its name
  asks for a lossy format; a file is complete or it is not there.
"""

from driftrec.picture.atomic import atomic_write
from driftrec.picture.opening import MAX_PIXELS, Source, open_picture
from driftrec.picture.saving import PICTURE_SUFFIXES, SAVE_EXTENSIONS, encode_picture, save_picture
from driftrec.picture.value import Picture, PictureError

__all__ = [
    "MAX_PIXELS",
    "PICTURE_SUFFIXES",
    "SAVE_EXTENSIONS",
    "Picture",
    "PictureError",
    "Source",
    "atomic_write",
    "encode_picture",
    "open_picture",
    "save_picture",
]
