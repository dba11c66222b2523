"""From a picture to the restored picture: the only room where files, model, sampler and tiles meet."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np

from driftrec.picture import Picture, Source, open_picture, save_picture
from driftrec.runtime import DEFAULT_MODEL, Network
from driftrec.samplers import seeded_noise
from driftrec.tiling import Tiling, pad_to_grid, tiled

Mode: TypeAlias = Literal["natural", "faithful"]

Progress: TypeAlias = Callable[[int, int], None]
"""(tiles done, tiles in all), called after every tile of every evaluation."""


@dataclass(frozen=True)
class Restored:
    """A restored picture, with what it took.

    `picture` carries pixels as float32 in [0, 1], and alpha, colour profile and EXIF of the input; `seconds` is
    the time in the network and sampler; `evaluations` counts how often the network saw the whole picture.
    """

    picture: Picture
    mode: Mode
    seconds: float
    evaluations: int

    def save(self, path: str | PathLike[str]) -> None:
        """Writes the picture, losslessly unless the name ends in .jpg; see `driftrec.picture.save_picture`."""
        save_picture(self.picture, Path(path))


class Restorer:
    """A loaded model, ready for any number of pictures.

    Arguments: `model`, a bundled name, an .onnx file or a hub's 'owner/model'; `threads`, CPU threads (default: all
    cores); `device`, where the network runs, see `driftrec.device.providers`; `tiling`, how large pictures are cut.
    Raises ModelError (a ValueError) for a model that cannot be found or read, ValueError for a missing device.
    """

    def __init__(
        self,
        model: str | PathLike[str] = DEFAULT_MODEL,
        *,
        threads: int | None = None,
        device: str = "auto",
        tiling: Tiling | None = None,
    ) -> None:
        self.network = Network(model, threads=threads, device=device)
        self.tiling = tiling or Tiling()

    def restore(
        self,
        source: Source | Picture,
        *,
        mode: Mode = "natural",
        steps: int | None = None,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> Restored:
        """Restores one picture.

        Arguments:
            source: a path, file, bytes, PIL image, or an opened `Picture`.
            mode: "natural" samples a picture as sharp as clean ones are; "faithful" estimates the mean of all
                clean pictures that fit, closest to the truth in PSNR and softer.
            steps: most network evaluations of a natural restoration, at least 1 (default: the model card's). The
                first is the faithful estimate, around which sampling starts; it stays alone where the file has
                lost so little that there is nothing to sample.
            seed: same seed, same picture.
            progress: called with (done, total) as the work goes on.

        Raises PictureError (a ValueError) for what is not a picture, ValueError for options out of range.
        """
        picture = source if isinstance(source, Picture) else open_picture(source)
        start = time.perf_counter()
        pixels, evaluations = self._pixels(picture, mode, steps, seed, progress)
        return Restored(picture.replace_pixels(pixels), mode, time.perf_counter() - start, evaluations)

    def restore_pixels(
        self, pixels: np.ndarray, *, mode: Mode = "natural", steps: int | None = None, seed: int = 0
    ) -> np.ndarray:
        """`restore` for bare arrays: uint8 (height, width, 3) in, float32 in [0, 1] of that shape out."""
        return self.restore(Picture(pixels), mode=mode, steps=steps, seed=seed).picture.pixels

    def _pixels(
        self, picture: Picture, mode: Mode, steps: int | None, seed: int, progress: Progress | None
    ) -> tuple[np.ndarray, int]:
        """(restored pixels (H, W, 3), network evaluations)."""
        evaluations = self._evaluations(mode, steps)
        height, width = picture.pixels.shape[:2]
        y = pad_to_grid(picture.as_float().transpose(2, 0, 1)[None])
        on_tile = _counter(progress, evaluations * self.tiling.count(*y.shape[-2:])) if progress else None
        x0 = tiled(self.network.regression(), self.tiling, on_tile)(y, y, 1.0)
        if evaluations > 1:
            x0, evaluations = self._sample(y, x0, evaluations, seed, on_tile)
        return np.ascontiguousarray(x0[0, :, :height, :width].clip(0, 1).transpose(1, 2, 0)), evaluations

    def _sample(
        self, y: np.ndarray, faithful: np.ndarray, most: int, seed: int, on_tile: Callable[[], None] | None
    ) -> tuple[np.ndarray, int]:
        """(natural restoration, evaluations it took, `most` at the most)."""
        plan = self.network.card.plan
        denoise = tiled(self.network.denoiser(plan.process), self.tiling, on_tile)
        noise, change = seeded_noise([seed]), _rms_difference(faithful, y)
        x0, evaluations = faithful, 0
        for x0 in plan.sample(denoise, y, faithful, change, noise=noise, evaluations=most):  # noqa: B007
            evaluations += 1
        return x0, evaluations

    def _evaluations(self, mode: Mode, steps: int | None) -> int:
        if mode == "faithful":
            if steps not in (None, 1):
                raise ValueError(
                    f"a faithful restoration takes 1 step, not {steps}: leave steps out, or ask for natural"
                )
            return 1
        if mode != "natural":
            raise ValueError(f"mode must be 'natural' or 'faithful', not {mode!r}")
        if steps is not None and not 1 <= steps <= 1000:
            raise ValueError(f"steps must be between 1 and 1000, got {steps}")
        return steps or self.network.card.plan.evaluations


def restore(
    source: Source | Picture,
    *,
    mode: Mode = "natural",
    steps: int | None = None,
    seed: int = 0,
    model: str | PathLike[str] = DEFAULT_MODEL,
    threads: int | None = None,
) -> Restored:
    """Restores one picture; `Restorer` does the same and keeps the model loaded for the next one."""
    return Restorer(model, threads=threads).restore(source, mode=mode, steps=steps, seed=seed)


def _counter(progress: Progress, total: int) -> Callable[[], None]:
    done = 0

    def count() -> None:
        nonlocal done
        done += 1
        progress(done, total)

    return count


def _rms_difference(a: np.ndarray, b: np.ndarray) -> float:
    """Root mean square difference of two images (1, channel, height, width), a channel at a time to save memory."""
    return float(np.sqrt(np.mean([np.square(p - q).mean(dtype=np.float64) for p, q in zip(a[0], b[0], strict=True)])))
