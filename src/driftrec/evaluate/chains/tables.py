"""Quantisation tables of encoders other than libjpeg, for files as people find them.

The tables are data of their authors, not code:

* ``MOZJPEG``: the default of mozjpeg (``-quant-table 3``, in its ``jcparam.c``), by N. Robidoux for ImageMagick; both
  components use it.
* ``PHONE`` and ``CLIPPED``: luma tables number 344 and 970 of the 1170 that Park et al. collected from files that
  people uploaded ("Double JPEG detection in mixed JPEG quality factors using deep convolutional neural network", ECCV
  2018; ``qtables/q_table_list.mat`` of github.com/plok5308/DJPEG-torch).  The collection lists one table of each file,
  so chroma uses it, too.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from driftrec.jpeg.tables import BLOCK, CHROMA, LUMA, ijg_table


@dataclass(frozen=True)
class Tables:
    """Base tables of luma and chroma: 64 steps each, row by row, for quality 50.

    Entries above 255 are allowed: they are cut to 255 after scaling, as baseline JPEG needs it.
    """

    luma: tuple[int, ...]
    chroma: tuple[int, ...]

    def __post_init__(self) -> None:
        if any(len(table) != BLOCK**2 or min(table) < 1 for table in (self.luma, self.chroma)):
            raise ValueError(f"a quantisation table has {BLOCK**2} entries of at least 1")

    def scaled(self, quality: float) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
        """(luma, chroma) at a quality from 1 to 100 by libjpeg's rule, each (8, 8), entries 1 to 255."""
        luma, chroma = (ijg_table(quality, np.reshape(table, (BLOCK, BLOCK))) for table in (self.luma, self.chroma))
        return luma, chroma


def _pair(luma: str, chroma: str | None = None) -> Tables:
    first, second = (tuple(int(entry) for entry in text.split()) for text in (luma, chroma or luma))
    return Tables(first, second)


IJG = Tables(tuple(int(entry) for entry in LUMA.flat), tuple(int(entry) for entry in CHROMA.flat))
"""The tables of Annex K, which libjpeg and Pillow scale."""

MOZJPEG = _pair("""
    16  16  16  18  25  37  56  85
    16  17  20  27  34  40  53  75
    16  20  24  31  43  62  91 135
    18  27  31  40  53  74 106 156
    25  34  43  53  69  94 131 189
    37  40  62  74  94 124 169 238
    56  53  91 106 131 169 226 311
    85  75 135 156 189 238 311 418
""")

PHONE = _pair("""
     9   6  18  21  25  32  31  26
     7  19  19  23  27  27  27  32
    19  19  21  24  29  30  32  30
    19  22  24  24  31  37  33  25
    22  23  25  32  29  49  46  31
    24  26  32  27  34  46  51  40
    32  32  32  37  47  56  55  45
    32  40  41  43  51  44  46  43
""")

CLIPPED = _pair("""
    15  15  24  39  39  42  42  42
    15  17  23  28  37  42  42  42
    24  23  28  37  42  42  42  42
    39  28  37  42  42  42  42  42
    39  37  42  42  42  42  42  42
    42  42  42  42  42  42  42  42
    42  42  42  42  42  42  42  42
    42  42  42  42  42  42  42  42
""")
