"""How firmly a file's cells bind an estimate, by the estimate's own evidence.

The network's estimate of a picture that was compressed once leaves few of its cells.  If it leaves more, something
happened before the last compression (an earlier JPEG, resizing, sharpening, blurring), and the clean picture need not
lie in the cells.  How many are few depends on the quality and on the picture: where it has more texture and more
coefficients that are not zero, the estimate is less certain, too.

The chroma of faithful estimates follows their luma (`driftrec.restoration.chroma`), and estimates of drawings and text
are drawn to their solid colours (`driftrec.restoration.solid`).

Files of high quality leave little to gain and something to spoil.  There, the estimate is weighed against the decoded
file, and what it changes says whether the picture was damaged before (`driftrec.restoration.judgement`).
"""

import math
from collections.abc import Callable

import numpy as np

from driftrec.jpeg import Cells
from driftrec.jpeg.blocks import luma
from driftrec.jpeg.requantised import variety
from driftrec.restoration.blending import blend
from driftrec.restoration.chroma import ROUNDS, with_chroma_from_luma
from driftrec.restoration.judgement import change_between
from driftrec.restoration.solid import with_solid_colours

OUTSIDE, QUALITY, NONZERO, TEXTURE, CONSTANT = -2.94, 0.067, 2.16, 2.08, -13.47
"""Weights of a logistic regression on the file's quality and on three logarithms: of the share of the estimate's
coefficients outside their cells, of the share of the file's coefficients that are not zero, and of the texture in
levels.  Fitted by research/evidence.py."""

SHARP = 3.0
"""Factor of the fitted odds: cells that are likelier to hold the clean picture than not should bind nearly fully."""

LEAST_OUTSIDE, LEAST_NONZERO, LEAST_TEXTURE = 3e-4, 1e-3, 0.3
"""Added before logarithms are taken, which would be infinite at 0."""

COARSE = 20
"""Below this quality, cells are so wide that they hold edited pictures, too."""

SMALL = 128
"""Pictures with fewer pixels along a side are too small to tell: their cells bind."""

VARIED = 0.7
"""Least variety of a file's blocks: a pattern that repeats itself, which the network may well get wrong everywhere,
proves no more than one of its blocks, and a picture without texture proves nothing."""

NONE, FULL = 0.1, 0.9
"""Certainties up to which the cells do not bind at all, and from which they bind fully."""

LIKELY = 0.7
"""Weight of an estimate in the likely parts of the cells beside the decoded file, for files of high quality: where
there is little to gain, the estimate of dense texture may be worse.  Chosen by research/evidence.py."""

ROWS = 256
"""Rows that are worked on at a time, so that memory does not grow with the picture."""


def certainty(estimate: np.ndarray, cells: Cells) -> float:
    """Returns how certain it is that the clean picture lies in the cells, in [0, 1].

    Where an earlier compression on the same grid is known, it is: the likely parts allow for both.

    Arguments: `estimate`, faithful, of the network alone, float32 (height, width, 3) in [0, 1]; `cells` of the file.
    """
    quality, _ = cells.file.quality
    if cells.earlier is not None or quality < COARSE or min(estimate.shape[:2]) < SMALL:
        return 1.0
    if variety(cells.file) < VARIED:
        return 1.0
    parts = [part.coefficients for part in cells.file.components]
    nonzero = sum(np.count_nonzero(part) for part in parts) / sum(part.size for part in parts)
    odds = CONSTANT + QUALITY * quality
    odds += OUTSIDE * math.log(1 - cells.contains(estimate, tolerance=0) + LEAST_OUTSIDE)
    odds += NONZERO * math.log(nonzero + LEAST_NONZERO) + TEXTURE * math.log(texture(estimate) + LEAST_TEXTURE)
    return 1 / (1 + math.exp(-min(max(SHARP * odds, -50.0), 50.0)))


def texture(pixels: np.ndarray) -> float:
    """Returns the root mean square of the finest diagonal detail of luma, in levels.

    Arguments: `pixels`, float32 (height, width, 3) in [0, 1].
    """
    total, count = 0.0, 0
    for top in range(0, len(pixels) - 1, ROWS):
        band = luma(pixels[top : top + ROWS + 1])
        detail = band[:-1, :-1] - band[1:, :-1] - band[:-1, 1:] + band[1:, 1:]
        total += float(np.sum(np.square(detail)))
        count += detail.size
    return math.sqrt(total / count) / 2 if count else 0.0


class Binding:
    """Binds the estimates of one picture to its file's cells, as firmly as the cells are certain.

    Arguments:
        cells: those of the file.
        noticing: whether the certainty is to be found out; otherwise it is 1.
        follows: whether chroma is predicted from luma once more: natural restorations would lose the texture that they
            have made.
        shown, decoded: for files of high quality, the pixels that the file shows, uint8 (height, width, 3), and a
            function that gives those to which it decodes best, float32 (height, width, 3) in [0, 1].
    """

    def __init__(
        self,
        cells: Cells,
        *,
        noticing: bool,
        follows: bool = True,
        shown: np.ndarray | None = None,
        decoded: Callable[[], np.ndarray] | None = None,
    ) -> None:
        self.cells, self.noticing, self.follows, self.certain = cells, noticing, follows, 1.0
        self._shown, self._decoded = shown, decoded

    def notice(self, faithful: np.ndarray) -> None:
        """Learns from the faithful estimate how certain the cells are; arguments as for `certainty`."""
        self.certain = certainty(faithful, self.cells)
        if self._shown is not None:  # both witnesses must agree that the picture was damaged before
            self.certain = 1 - change_between(self._shown, faithful).damage * (1 - self.certain)

    @property
    def doubtful(self) -> bool:
        """Whether the clean picture is likelier to lie outside the cells."""
        return self.certain < 0.5

    @property
    def weight(self) -> float:
        """The weight of an estimate beside the decoded file."""
        return 1.0 if self._decoded is None else 1 - self.certain * (1 - LIKELY)

    def settle(self, faithful: np.ndarray) -> None:
        """Moves the chroma of the faithful estimate that natural restorations are made of to where faithful
        restorations have it, in place, if the cells are certain.

        Luma stays: finishers are trained to begin with the network's.  Arguments: as for `estimate`.
        """
        if self.certain > FULL:
            settled = with_chroma_from_luma(faithful, self.cells, predicted=True)
            for top in range(0, len(faithful), ROWS):
                now, then = faithful[top : top + ROWS], settled[top : top + ROWS]
                now[...] = then + ((luma(now) - luma(then)) / np.float32(255))[..., None]

    def estimate(self, x0: np.ndarray) -> np.ndarray:
        """Returns an estimate drawn towards the likely parts of the cells and its solid colours, in proportion to the
        certainty, and for files of high quality towards the decoded file.

        Arguments: `x0`, float32 (height, width, 3) in [0, 1], whose chroma was predicted once.
        """
        if self.certain < NONE and self._decoded is None:
            return x0
        if self._decoded is not None:
            bound = self._improved(x0, rounds=1)
            share = self.certain * LIKELY / self.weight
            bound = blend(self._decoded(), blend(x0, bound, share), self.weight)
            return with_solid_colours(bound, self.cells) if self.certain > FULL else bound
        bound = with_solid_colours(self._improved(x0, ROUNDS), self.cells)
        return blend(x0, bound, 1.0 if self.certain > FULL else self.certain)

    def _improved(self, x0: np.ndarray, rounds: int) -> np.ndarray:
        return with_chroma_from_luma(x0, self.cells, rounds if self.follows else 1, predicted=True)

    def sample(self, x0: np.ndarray) -> np.ndarray:
        """Returns the picture in the cells that is nearest to a sample, unless they are doubtful.

        After two compressions it is the nearest one in their likely parts.  Those of other cells are for means, and
        would make samples alike.  Arguments: as for `estimate`.
        """
        if self.doubtful:
            return x0
        return self.cells.project(x0) if self.cells.earlier is None else self.cells.improve(x0)
