"""The result of a restoration: a picture, with facts about how it was made."""

from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from driftrec.picture import Picture, save_picture
from driftrec.restoration.decision import Verdict
from driftrec.restoration.options import Mode


@dataclass(frozen=True, eq=False)
class Restored:
    """A restored picture, with facts about its restoration.

    ``np.asarray(restored)`` gives the upright samples as they are saved: uint8 (height, width, 3), or uint16 for 16
    bits, or (height, width) for gray; alpha is a further channel.

    Attributes:
        picture: pixels as float32 in [0, 1], in file order, with alpha, colour profile and metadata of the input.
        mode: the mode that was asked for.
        seconds: time of all work except opening and saving.
        evaluations: number of network evaluations of the whole picture.
        verdict: whether it was restored by the network, only decoded, or left as it is.
        consistent: fraction of the file's coefficients that lie in their quantisation cells in the saved picture, one
            level of rounding allowed; None if this was not required or the file's cells are not known.
        note: a clause that says why the picture was treated as it was.
        deviation: if several samples were averaged, their standard deviation, root mean square over channels, float32
            (height, width) in image units and file order; otherwise None.
        samples: number of samples that were averaged.
        calibration: factor from `deviation` to `uncertainty`; 1 where none was measured.
        missing: a clause that says what the file lacks, because it is cut short; empty if it is whole.
    """

    picture: Picture
    mode: Mode
    seconds: float
    evaluations: int
    verdict: Verdict = "restore"
    consistent: float | None = None
    note: str = ""
    deviation: np.ndarray | None = None
    samples: int = 1
    missing: str = ""
    calibration: float = 1.0

    @property
    def uncertainty(self) -> np.ndarray | None:
        """An estimate of how far the picture is off, one standard deviation, shaped as `deviation`; None without it."""
        return None if self.deviation is None else self.deviation * np.float32(self.calibration)

    @property
    def pixels(self) -> np.ndarray:
        """The restored pixels, upright: float32 (height, width, 3) in [0, 1], in the colour space of the input."""
        return self.picture.upright().pixels.clip(0, 1)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:  # noqa: ANN401 (NumPy's protocol)
        """Returns the upright samples; see `driftrec.Picture.samples`."""
        return self.picture.__array__(dtype, copy)

    def to_pil(self, *, srgb: bool = False) -> Image.Image:
        """Returns the picture as a Pillow image, upright, with its ICC profile, EXIF and XMP.

        Arguments: `srgb`, whether to convert the colours to sRGB instead of keeping the profile; see
        `driftrec.Picture.to_pil`.

        Raises:
            PictureError: `srgb` is asked for, and the profile cannot be used.
        """
        return self.picture.to_pil(srgb=srgb)

    def summary(self, *, details: bool = True) -> str:
        """Returns one line for people: what was done, how long it took, and why.

        The details are size, cost and consistency.
        """
        height, width = self.picture.pixels.shape[:2]
        left_out = [f"left out: {what}" for what in self.picture.left_out]
        notes = "; ".join(filter(None, [self.note, self.missing, *left_out]))
        if not details:
            work = {"restore": self.mode, "decode": "decoded", "leave": "left as it is"}[self.verdict]
            return f"{work}, {self.seconds:.1f} s: {notes}"
        plural = "s" if self.evaluations > 1 else ""
        mean = f", mean of {self.samples} samples" if self.samples > 1 else ""
        work = {
            "restore": f"{self.mode}{mean}, {self.evaluations} evaluation{plural}",
            "decode": "decoded",
            "leave": "left as it is",
        }[self.verdict]
        consistent = "" if self.consistent is None else f", consistent: {100 * self.consistent:.1f} % of coefficients"
        return f"{width}×{height}  {work}, {self.seconds:.1f} s{consistent}  ({notes})"

    def save(self, path: str | PathLike[str]) -> "Restored":
        """Saves the picture upright, in the format that the extension names; see `driftrec.save_picture`.

        Returns:
            The same result; its `picture.left_out` also names metadata that the format cannot hold.

        Raises:
            PictureError: the file cannot be written, or its format cannot hold the picture.
        """
        return replace(self, picture=save_picture(self.picture, Path(path)))
