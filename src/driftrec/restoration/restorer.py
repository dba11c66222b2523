"""From a picture to the restored picture: the only room where files, model, sampler and tiles meet."""

import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import numpy as np
from PIL import Image

from driftrec.diffusion.samplers import seeded_noise
from driftrec.jpeg import Cells, JpegError, Report, Verdict, decode, examine, recovered
from driftrec.model.card import ModelError
from driftrec.model.find import DEFAULT_MODEL
from driftrec.model.open import open_model
from driftrec.picture import MAX_PIXELS, Picture, Source, open_picture, save_picture
from driftrec.restoration.moments import Moments
from driftrec.restoration.symmetry import VIEWS, averaged
from driftrec.restoration.tiling import Tiling, margins, tiled

Mode: TypeAlias = Literal["natural", "faithful", "decode"]

Consistency: TypeAlias = Literal["auto", "on", "off"]

Progress: TypeAlias = Callable[[int, int], None]
"""(tiles done, tiles in all), called after every tile of every evaluation."""

Preview: TypeAlias = Callable[[np.ndarray], None]
"""Called with every estimate of the network, float32 (height, width, 3) in [0, 1], in file order."""


@dataclass(frozen=True)
class Restored:
    """A restored picture, with what it took.

    `picture` carries pixels as float32 in [0, 1], and alpha, colour profile and EXIF of the input; `seconds` is
    the time of all work but opening and saving; `evaluations` counts how often the network saw the whole picture;
    `verdict` says whether it was restored by the network, only decoded, or left as it is.
    `consistent` is the share of the file's coefficients that the saved picture has in their quantisation cells, one
    level of rounding allowed, or None where that was not asked for or the file does not tell; `note` says in a clause
    why the picture was treated as it was.  `deviation`, of a mean of several `samples`, is how far they differ: their
    standard deviation, root mean square over channels, float32 (height, width) in image units and file order.
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

    def summary(self) -> str:
        """One line for people: size, mode, cost, consistency, and why."""
        height, width = self.picture.pixels.shape[:2]
        plural = "s" if self.evaluations > 1 else ""
        mean = f", mean of {self.samples} samples" if self.samples > 1 else ""
        work = {
            "restore": f"{self.mode}{mean}, {self.evaluations} evaluation{plural}",
            "decode": "decoded",
            "leave": "left as it is",
        }[self.verdict]
        consistent = "" if self.consistent is None else f", consistent: {100 * self.consistent:.1f} % of coefficients"
        notes = "; ".join([self.note, *(f"left out: {what}" for what in self.picture.left_out)])
        return f"{width}×{height}  {work}, {self.seconds:.1f} s{consistent}  ({notes})"

    def prepared(self, *, bits: int | None = None, strip: bool = False) -> "Restored":
        """The same, to be saved at 8 or 16 `bits` per sample (default: the input's); `strip` leaves metadata out."""
        picture = self.picture if bits is None else self.picture.with_bits(bits)
        return replace(self, picture=picture.stripped() if strip else picture)

    def save(self, path: str | PathLike[str]) -> None:
        """Writes the picture, losslessly unless the name ends in .jpg; see `driftrec.picture.save_picture`."""
        save_picture(self.picture, Path(path))


class Restorer:
    """A loaded model, ready for any number of pictures.

    Arguments: `model`, a bundled name, an .onnx file, a checkpoint of `train` or a hub's 'owner/model'; `threads`, CPU
    threads (default: all cores); `device`, where the network runs, see `driftrec.model.open.open_model`; `tiling`, how
    large pictures are cut.
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
        self.network = open_model(model, threads=threads, device=device)
        if self.network.card.blind:
            raise ModelError(f"{model} is a prior that does not look at the picture: it cannot restore by itself")
        self.tiling = tiling or Tiling()

    def restore(
        self,
        source: Source | Picture,
        *,
        mode: Mode = "natural",
        steps: int | None = None,
        seed: int = 0,
        samples: int = 1,
        consistent: Consistency = "auto",
        strength: float = 1.0,
        force: bool = False,
        max_pixels: int = MAX_PIXELS,
        progress: Progress | None = None,
        preview: Preview | None = None,
    ) -> Restored:
        """Restores one picture.

        Arguments:
            source: a path, file, bytes, PIL image, or an opened `Picture`.  The first three hold the file itself,
                whose tables and coefficients then guide the restoration.
            mode: "natural" samples a picture as sharp as clean ones are; "faithful" estimates the mean of all
                clean pictures that fit, closest to the truth in PSNR and softer; "decode" only decodes a JPEG better
                than usual, without the network.
            steps: most network evaluations of a natural restoration, at least 1 (default: the model card's). The
                first is the faithful estimate, around which sampling starts; it stays alone where the file has
                lost so little that there is nothing to sample.
            seed: same seed, same picture.
            samples: how many natural restorations to average, of seeds `seed`, `seed` + 1, …  One is as sharp as clean
                pictures are; the more there are, the closer to the faithful estimate, and the better known is where
                the model is guessing.
            consistent: "on" keeps every coefficient within the file's quantisation cell; "auto" does so unless the
                file had been a JPEG before; "off" leaves the estimate free.
            strength: 0 gives the input, 1 the restoration, what is between blends them.
            force: restore also what looks clean or nearly lossless, with all the network's weight.
            max_pixels: larger pictures are refused before they are decoded.
            progress: called with (done, total) as the work goes on.
            preview: called with the pixels of every estimate, the faithful one first, before the file has its say.

        Raises PictureError (a ValueError) for what is not a picture, ValueError for options out of range, JpegError
        (a ValueError) for "on" where the file's coefficients cannot be read or compared.
        """
        evaluations = self._evaluations(mode, steps)
        if not 1 <= samples <= 1000 or (samples > 1 and mode != "natural"):
            raise ValueError(f"samples must be 1 to 1000, and 1 unless the mode is natural, got {samples}")
        if consistent not in get_args(Consistency):
            raise ValueError(f"consistent must be 'auto', 'on' or 'off', not {consistent!r}")
        if not 0 <= strength <= 1:
            raise ValueError(f"strength must lie between 0 and 1, got {strength}")
        picture, data = _open(source, max_pixels)
        label = os.fspath(source) if isinstance(source, str | os.PathLike) else "the picture given"
        start = time.perf_counter()
        report = examine(picture.pixels, data, history=mode != "decode")
        cells = _cells(report, consistent, label)
        seeds = range(seed, seed + samples)
        x0, taken, verdict, note, deviation = self._estimate(
            picture, report, cells, mode, evaluations, seeds, force, progress, preview
        )
        if strength < 1:
            x0 = _blend(picture.as_float(), x0, strength)
        if deviation is not None:
            deviation *= np.float32(strength)
        share = None if cells is None else cells.contains(_as_saved(x0))
        seconds = time.perf_counter() - start
        return Restored(picture.replace_pixels(x0), mode, seconds, taken, verdict, share, note, deviation, samples)

    def restore_pixels(
        self, pixels: np.ndarray, *, mode: Mode = "natural", steps: int | None = None, seed: int = 0
    ) -> np.ndarray:
        """`restore` for bare arrays: uint8 (height, width, 3) in, float32 in [0, 1] of that shape out.

        What the network says of them: there is no file to ask, and no look at whether they need it.
        """
        return self._network(Picture(pixels).as_float(), mode, self._evaluations(mode, steps), [seed])[0]

    def _estimate(
        self,
        picture: Picture,
        report: Report,
        cells: Cells | None,
        mode: Mode,
        evaluations: int,
        seeds: Sequence[int],
        force: bool,
        progress: Progress | None,
        preview: Preview | None,
    ) -> tuple[np.ndarray, int, Verdict, str, np.ndarray | None]:
        """The report's plan, carried out: (pixels (H, W, 3), network evaluations, what was done, note, deviation)."""
        plan = report.plan
        trust = 0.0 if evaluations == 0 else 1.0 if force else plan.trust
        x0, taken, verdict, deviation = None, 0, "restore", None
        if trust < 1:  # what the network's estimate, if any, is blended with
            if report.file is not None and report.unread is None and report.earlier is None:
                x0, verdict = decode(report.file), "decode"
            else:
                x0, verdict = picture.as_float(), "leave"
        if trust > 0 or x0 is None:
            # Passed on without a name, so that the network's input can be let go once it has its margins.
            estimate, taken, deviation = self._network(
                _to_restore(picture, report), mode, evaluations, seeds, report.grid, progress, preview
            )
            x0, verdict = estimate if x0 is None else _blend(x0, estimate, trust), "restore"
            if deviation is not None:
                deviation *= np.float32(trust)
        if cells is not None:
            x0 = cells.project(x0)
        note = plan.why if evaluations or verdict == "decode" else f"it cannot be decoded better: {report.unread}"
        return x0, taken, verdict, note, deviation

    def _network(
        self,
        pixels: np.ndarray,
        mode: Mode,
        evaluations: int,
        seeds: Sequence[int],
        grid: tuple[int, int] = (0, 0),
        progress: Progress | None = None,
        preview: Preview | None = None,
    ) -> tuple[np.ndarray, int, np.ndarray | None]:
        """(the network's restoration of pixels (H, W, 3), evaluations it took, deviation of several samples).

        `grid` is where the first whole block of the compression to undo starts.  A sample takes `evaluations` at the
        most, the faithful one, which all share, included.  Models that know no faithful estimate do without.
        """
        height, width = pixels.shape[:2]
        around = margins(height, width, self.network.card.multiple, grid)
        y = around.added(pixels.transpose(2, 0, 1)[None])
        del pixels  # a large picture's would be in the way
        views = evaluations if mode == "faithful" else int(self.network.card.faithful)
        most = views + len(seeds) * (evaluations - views)
        on_tile = _counter(progress, most * self.tiling.count(*y.shape[-2:])) if progress else None
        regression = tiled(self.network.regression(), self.tiling, on_tile)
        show = None if preview is None else lambda x0: preview(_pixels(around.removed(x0)))
        faithful, change, taken = None, math.inf, views
        if views:
            faithful = averaged(lambda view: regression(view, view, 1.0), y, views)
            if show:
                show(faithful)
            if evaluations == views:
                return _pixels(around.removed(faithful)), views, None
            change = _rms_difference(faithful, y)
        samples = Moments()
        for seed in seeds:
            x0, more = self._sample(y, faithful, change, evaluations, seed, on_tile, show)
            samples.add(_pixels(around.removed(x0)))
            taken += more
        return samples.mean, taken, samples.deviation() if len(seeds) > 1 else None

    def _sample(
        self,
        y: np.ndarray,
        faithful: np.ndarray | None,
        change: float,
        most: int,
        seed: int,
        on_tile: Callable[[], None] | None,
        show: Callable[[np.ndarray], None] | None,
    ) -> tuple[np.ndarray, int]:
        """(natural restoration, evaluations it took beside the faithful one)."""
        plan = self.network.card.plan
        denoise = tiled(self.network.denoiser(plan.process), self.tiling, on_tile)
        last = self.network.finisher(plan.process)
        finish = None if last is None else tiled(last, self.tiling, on_tile)
        estimates = plan.sample(
            denoise, y, faithful, change, noise=seeded_noise([seed]), evaluations=most, finish=finish
        )
        x0, evaluations = y, 0
        for evaluations, x0 in enumerate(estimates, start=1 if faithful is None else 0):
            if show and evaluations:
                show(x0)
        return x0, evaluations

    def _evaluations(self, mode: Mode, steps: int | None) -> int:
        if mode == "decode":
            if steps is not None:
                raise ValueError("decoding takes no steps: leave steps out, or ask for natural")
            return 0
        card = self.network.card
        if mode == "faithful":
            if not card.faithful:
                raise ValueError(f"the model {card.name} has no faithful estimate: take the mean of natural samples")
            if steps not in (None, *VIEWS):
                raise ValueError(f"a faithful restoration takes 1, 2, 4 or 8 steps, not {steps}: choose one of them")
            return steps or 1
        if mode != "natural":
            raise ValueError(f"mode must be 'natural', 'faithful' or 'decode', not {mode!r}")
        if not card.natural:
            raise ValueError(f"the model {card.name} is a regression and cannot sample: ask for faithful")
        if steps is not None and not 1 <= steps <= 1000:
            raise ValueError(f"steps must be between 1 and 1000, got {steps}")
        return steps or card.plan.evaluations


def restore(
    source: Source | Picture,
    *,
    mode: Mode = "natural",
    steps: int | None = None,
    seed: int = 0,
    samples: int = 1,
    consistent: Consistency = "auto",
    strength: float = 1.0,
    force: bool = False,
    model: str | PathLike[str] = DEFAULT_MODEL,
    threads: int | None = None,
) -> Restored:
    """Restores one picture; `Restorer` does the same and keeps the model loaded for the next one."""
    return Restorer(model, threads=threads).restore(
        source,
        mode=mode,
        steps=steps,
        seed=seed,
        samples=samples,
        consistent=consistent,
        strength=strength,
        force=force,
    )


def inspect(source: Source | Picture) -> Report:
    """What a picture is, what has happened to it, and what `restore` would do.  Raises PictureError as it does."""
    picture, data = _open(source)
    return examine(picture.pixels, data)


def _open(source: Source | Picture, max_pixels: int = MAX_PIXELS) -> tuple[Picture, bytes | None]:
    """(the picture, the bytes of its file where the source holds them)."""
    if isinstance(source, Picture):
        return source, None
    if isinstance(source, Image.Image):
        return open_picture(source, max_pixels=max_pixels), None
    picture = open_picture(source, max_pixels=max_pixels)
    if isinstance(source, bytes):
        return picture, source
    if isinstance(source, str | os.PathLike):
        return picture, Path(source).read_bytes()
    source.seek(0)
    return picture, source.read()


def _cells(report: Report, consistent: Consistency, label: str) -> Cells | None:
    """The cells to keep to, if any; JpegError where they are asked for and there are none."""
    if consistent == "on" and report.unread is not None:
        raise JpegError(f"{label} cannot be restored consistently ({report.unread}): leave consistent at 'auto'")
    if consistent == "off" or (consistent == "auto" and not report.plan.consistent) or report.file is None:
        return None
    return Cells(report.file)


def _to_restore(picture: Picture, report: Report) -> np.ndarray:
    """The picture as its coarsest compression left it; where later ones had the same grid, they took little away."""
    pixels = picture.as_float()
    if report.file is None or report.coarser is None or report.coarser.shift == (0, 0):
        return pixels
    return recovered(pixels, report.coarser, report.file)


def _pixels(x0: np.ndarray) -> np.ndarray:
    """An estimate (1, 3, height, width) as pixels (height, width, 3) in [0, 1]."""
    return np.ascontiguousarray(x0[0].clip(0, 1).transpose(1, 2, 0))


def _blend(start: np.ndarray, end: np.ndarray, weight: float) -> np.ndarray:
    """start + weight · (end − start), with one array more than there are."""
    if weight == 1 or end is start:
        return end
    blend = end - start
    blend *= np.float32(weight)
    blend += start
    return blend


def _as_saved(pixels: np.ndarray) -> np.ndarray:
    """The pixels after rounding to 8 bits, float32 in [0, 1]."""
    levels = pixels * np.float32(255)
    np.rint(levels, out=levels)
    levels /= np.float32(255)
    return levels


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
