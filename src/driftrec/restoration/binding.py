"""How closely a file's cells bind an estimate, by the estimate's own evidence.

The network's estimate of a picture that was compressed once leaves few of its cells.  If it leaves more, something
happened before the last compression (sharpening, blurring, resizing), and the clean picture need not lie in the cells.
Then only the whole cells bind, not their likely parts.
"""

import numpy as np

from driftrec.jpeg import Cells

QUALITIES, INSIDE = (60, 75, 85, 92), (0.975, 0.965, 0.946, 0.92)
"""For JPEG qualities, the share of a faithful estimate's coefficients that lie in their cells from which the likely
parts bind.  Chosen on training pictures (research/binding.py).  Single compressions and edited pictures overlap, since
the share also depends on texture; on both sides of the error, whole cells bind at least."""


def within(sample: np.ndarray, cells: Cells) -> np.ndarray:
    """Returns the picture in the cells that is nearest to a sample; after two compressions, in their likely parts.

    The likely parts of other cells are those of means, and would make samples alike.  Arguments: as for `held`.
    """
    return cells.project(sample) if cells.earlier is None else cells.improve(sample)


def held(estimate: np.ndarray, cells: Cells) -> np.ndarray:
    """Returns the picture nearest to an estimate in the likely parts of the cells, or only in the cells.

    Arguments: `estimate` of the network alone, float32 (height, width, 3) in [0, 1]; `cells` of the file.
    """
    quality, _ = cells.file.quality
    likely = cells.earlier is not None or cells.contains(estimate, tolerance=0) >= np.interp(quality, QUALITIES, INSIDE)
    return cells.improve(estimate) if likely else cells.project(estimate)
