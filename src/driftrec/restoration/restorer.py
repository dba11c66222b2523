"""Restores pictures: facts from the file decide what is done, and the network estimates what the file has lost."""

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from os import PathLike
from typing import Any

import numpy as np

from driftrec.diffusion.types import Noise
from driftrec.jpeg import Cells, JpegError, Report, completed, examine, is_jpeg, recovered
from driftrec.model.card import Corruption, ModelError
from driftrec.model.open import open_model
from driftrec.model.runner import Runner
from driftrec.picture import Picture, Source, open_picture
from driftrec.restoration.binding import Binding
from driftrec.restoration.blending import blend
from driftrec.restoration.chroma import Known, known_of_file, known_of_quality
from driftrec.restoration.damage import decoded_pixels, keep_absent, missing_part, require_whole
from driftrec.restoration.decision import Decision, Verdict, decide, with_history
from driftrec.restoration.estimator import Estimate, Estimator, Preview, Progress
from driftrec.restoration.judgement import change_by
from driftrec.restoration.options import ENGINE, Consistency, Options
from driftrec.restoration.resized import estimate_before
from driftrec.restoration.restored import Restored
from driftrec.restoration.uncertainty import factor_for

_log = logging.getLogger(__name__)


class Restorer:
    """A loaded model that restores any number of pictures.  For mode "decode", it is loaded only if it is needed.

    It can be pickled, for `multiprocessing` and the like; where it is unpickled, the model is opened again.

    Arguments:
        model: short for the option of that name.
        options: the defaults of `restore`.
        changes: single options by name: `Restorer("base", threads=2, device="cpu", mode="faithful")`.

    Raises:
        ModelError: the model cannot be found (then also a FileNotFoundError) or read.
        ValueError: the device is not available, or options are out of range.
        TypeError: there is no option of that name.
    """

    def __init__(
        self,
        model: str | PathLike[str] | Runner | None = None,
        *,
        options: Options | None = None,
        **changes: Any,  # noqa: ANN401 (options by name)
    ) -> None:
        if model is not None:
            changes["model"] = model
        self.options = (options or Options()).changed(**changes)
        if self.options.mode != "decode":
            _ = self.runner

    @cached_property
    def runner(self) -> Runner:
        """Returns the model, which is opened when it is first needed.

        Raises:
            ModelError, ValueError: as when the restorer is made.
        """
        options = self.options
        runner = open_model(options.model, threads=options.threads, device=options.device, finish=False)
        if runner.card.blind:
            name = runner.card.name
            raise ModelError(f"{name} is a prior that does not look at the picture: it cannot restore by itself")
        return runner

    def restore(
        self,
        source: Source | Picture,
        options: Options | None = None,
        *,
        progress: Progress | None = None,
        preview: Preview | None = None,
        **changes: Any,  # noqa: ANN401 (options by name)
    ) -> Restored:
        """Restores one picture.

        Arguments:
            source: a path, file, bytes, array, Pillow image, or an opened `Picture`.  If it is a JPEG file, its
                quantisation tables and coefficients guide the restoration.
            options: default: the restorer's options; those in `driftrec.restoration.options.ENGINE` must equal the
                restorer's.
            changes: single options by name: `restore("photo.jpg", mode="faithful")`.
            progress: called with (done, total) during the work.
            preview: called with the pixels of every estimate, the faithful one first, before the file's cells are
                enforced.

        Returns:
            The restored picture, with facts about its restoration.

        Raises:
            PictureError: the source is not a picture, or with `strict` not a whole one; see `driftrec.open_picture`.
            ValueError: options are out of range, beyond the model, or fixed in this restorer.
            JpegError: consistent="on", and the file's coefficients cannot be read or compared.
            TypeError: the source is none of the above, or there is no option of that name.
        """
        options = self._checked((options or self.options).changed(**changes))
        estimator = None
        if options.mode != "decode":
            estimator = Estimator(self.runner, options.tiling, options, progress, preview)
        picture = source
        if not isinstance(picture, Picture):
            picture = open_picture(picture, max_pixels=options.max_pixels, partial=not options.strict)
        start = time.perf_counter()
        corruption = self._undone(options)
        decoding = options.mode == "decode" and is_jpeg(picture.file)
        history = corruption == "jpeg" and not decoding
        report = with_history(examine(picture.pixels, picture.file, history=history), options.history)
        missing = missing_part(picture, report)
        if options.strict:
            require_whole(picture, missing)
        decision = decide(report, corruption, options.history)
        _log.debug("%s: %s%s: %s", picture.name, decision.verdict, ", to be judged" * decision.judged, decision.why)
        above, before = report.offset or (0, 0)
        original, inside = picture, np.s_[above:, before:]
        if above or before:
            picture = Picture(completed(picture.pixels, (above, before)))
            estimator = estimator and estimator.showing(lambda pixels: pixels[inside])
        cells = _cells(picture, report, decision, options.consistent)
        binding = None
        gray = corruption == "jpeg" and _shows_no_colour(picture.pixels)
        if estimator is not None and corruption == "jpeg":
            estimator = estimator.knowing(_known(cells, report))
            estimator = estimator.in_gray() if gray else estimator
        if cells is not None:
            follows = estimator is not None and estimator.faithful
            binding = _binding(cells, picture, report, decision, options, follows=follows)
            estimator = estimator and estimator.bound_by(binding)
        trust, why = self._trust(picture, decision, options, bound=binding is not None)
        estimate, verdict = self._estimate(picture, report, trust, estimator)
        x0, deviation = estimate.pixels, estimate.deviation
        if binding is not None and estimate.evaluations:
            if options.mode != "sample":  # each sample is bound by itself
                x0 = binding.estimate(x0)
                deviation = None if deviation is None else deviation * np.float32(binding.weight)
            if binding.doubtful:
                why = f"{why}, and it was edited or compressed before it was saved"
        if options.strength < 1:
            x0 = blend(picture.as_float(), x0, options.strength)
            deviation = None if deviation is None else deviation * np.float32(options.strength)
        if gray:  # all channels are the same but for the rounding of conversions between colour spaces
            x0 = np.repeat(x0[..., :1], 3, axis=2)
        x0 = keep_absent(x0, picture, report.file)
        share = None if cells is None or cells.earlier is not None else cells.contains(x0, rounded=True)
        seconds = time.perf_counter() - start
        decoded = verdict == "decode" or estimator is not None
        note = why if decoded else f"it cannot be decoded better: {report.unread}"
        restored = Restored(
            _as_asked(original.replace_pixels(np.ascontiguousarray(x0[inside])), options),
            options.mode,
            seconds,
            estimate.evaluations,
            verdict,
            share,
            note,
            None if deviation is None else deviation[inside],
            options.samples,
            missing,
            factor_for(options, _quality(report)) if corruption == "jpeg" else 1.0,
        )
        _log.info("%s: %s", picture.name, restored.summary())
        return restored

    def restore_pixels(
        self,
        pixels: np.ndarray,
        *,
        noise: Callable[[int], Noise] | None = None,
        **changes: Any,  # noqa: ANN401 (options by name)
    ) -> np.ndarray:
        """Estimates the clean picture with the network alone: no file guides it, and no pixels are left as they are.

        Arguments:
            pixels: RGB, uint8 (height, width, 3).
            noise: gives the noise of a seed (default: `driftrec.diffusion.samplers.seeded_noise`).
            changes: single options by name.

        Returns:
            The estimate, float32 of that shape in [0, 1].

        Raises:
            ValueError: the array has another shape or type, or options are out of range or beyond the model.
        """
        options = self._checked(self.options.changed(**changes))
        estimator = Estimator(self.runner, options.tiling, options, noise=noise)
        return estimator.estimate(Picture(pixels).as_float()).pixels

    def _checked(self, options: Options) -> Options:
        for name in ENGINE:
            if (asked := getattr(options, name)) != (there := getattr(self.options, name)):
                raise ValueError(f"this restorer has the {name} {there}, not {asked}: make another one")
        if options.consistent == "on" and self._undone(options) != "jpeg":
            name = self.runner.card.name
            raise ValueError(f"the model {name} does not undo JPEG compression: set consistent to 'auto'")
        return options

    def _undone(self, options: Options) -> Corruption:
        """What the options undo: what the model was trained for, or JPEG where only a file is decoded."""
        return "jpeg" if options.mode == "decode" else self.runner.card.corruption

    def _trust(self, picture: Picture, decision: Decision, options: Options, *, bound: bool) -> tuple[float, str]:
        """The weight of the network's estimate, and why the picture is treated so.

        Estimates that are bound to a file are weighed by that (`Binding`).
        """
        restored = decision.verdict == "restore"
        if options.force or (restored and (bound or not decision.judged)):
            return 1.0, decision.why
        if not decision.judged or options.mode == "decode" or not self.runner.card.faithful:
            return float(restored), decision.why
        judge = Estimator(self.runner, options.tiling, Options(mode="faithful"))
        change = change_by(picture.pixels, lambda window: judge.estimate(window).pixels)
        if restored or not change.trust:
            return change.trust, decision.why
        found = "but the network finds damage" if change.damage >= 0.5 else "so the network changes it only a little"
        return 1.0 if bound else change.trust, f"{decision.why}, {found}"

    @staticmethod
    def _estimate(
        picture: Picture, report: Report, trust: float, estimator: Estimator | None
    ) -> tuple[Estimate, Verdict]:
        """The network's estimate, blended by trust with the picture as it is without it; and the resulting verdict."""
        base, verdict = None, "restore"
        if trust < 1 or estimator is None:
            if report.file is not None and report.unread is None and not report.reworked:
                base, verdict = decoded_pixels(picture, report), "decode"
            else:
                base, verdict = picture.as_float(), "leave"
            if trust == 0 or estimator is None:
                return Estimate(base, 0), verdict
        if report.resized is not None:
            estimate = estimate_before(picture.as_float(), report.resized, estimator, lossy=picture.lossy)
        else:  # no variable refers to the pixels here, so the estimator can free them
            estimate = estimator.estimate(_to_restore(picture, report), report.grid)
        if base is None:
            return estimate, "restore"
        deviation = None if estimate.deviation is None else estimate.deviation * np.float32(trust)
        return replace(estimate, pixels=blend(base, estimate.pixels, trust), deviation=deviation), "restore"


def restore(
    source: Source | Picture,
    *,
    progress: Progress | None = None,
    preview: Preview | None = None,
    **options: Any,  # noqa: ANN401 (options by name)
) -> Restored:
    """Restores one picture.  `Restorer` does the same and keeps the model loaded for further pictures.

    Arguments:
        source: a path, file, bytes, array, Pillow image, or an opened `Picture`.
        progress: called with (done, total) during the work.
        preview: called with the pixels of every estimate.
        options: those of `Options`, by name: `restore("photo.jpg", mode="faithful", device="cpu")`.

    Returns:
        The restored picture, with facts about its restoration.

    Raises:
        ValueError, TypeError: as `Restorer` and `Restorer.restore` do.
    """
    return Restorer(**options).restore(source, progress=progress, preview=preview)


def _quality(report: Report) -> int | None:
    """The quality of the picture's coarsest compression; None if it is unknown."""
    traces = [report.earlier, None if report.resized is None else report.resized.trace]
    known = [trace.quality for trace in traces if trace is not None]
    if report.file is not None:
        known.append(report.file.quality[0])
    return min(known, default=None)


def _cells(picture: Picture, report: Report, decision: Decision, consistent: Consistency) -> Cells | None:
    """The quantisation cells to stay in, or None.  Raises JpegError if they are required but cannot be known."""
    if consistent == "on" and report.unread is not None:
        raise JpegError(f"{picture.name} cannot be restored consistently ({report.unread}): set consistent to 'auto'")
    if consistent == "off" or report.file is None:
        return None
    if consistent == "on" or decision.consistent:
        return Cells(report.file)
    coarser = report.coarser
    if report.unread is None and coarser is not None and coarser.shift == (0, 0):
        return Cells(report.file, coarser.quality)
    return None


def _known(cells: Cells | None, report: Report) -> Known | None:
    """What is known of the chroma of the compression that estimates are bound to, or of the picture's coarsest one."""
    if cells is not None:
        return known_of_file(cells.file)
    if report.coarser is not None:
        return known_of_quality(report.coarser.quality)
    return None if report.file is None else known_of_file(report.file)


def _shows_no_colour(pixels: np.ndarray) -> bool:
    """Whether the channels are the same everywhere; then so are those of the clean picture."""
    for part in (pixels[::64], pixels):
        if not (np.array_equal(part[..., 0], part[..., 1]) and np.array_equal(part[..., 0], part[..., 2])):
            return False
    return True


def _binding(
    cells: Cells, picture: Picture, report: Report, decision: Decision, options: Options, *, follows: bool
) -> Binding:
    """What binds estimates to the cells; it weighs those of files of high quality, unless they are forced."""
    noticing = options.consistent == options.history == "auto"
    if not decision.judged or options.force or options.mode == "decode":
        return Binding(cells, noticing=noticing, follows=follows)
    return Binding(
        cells,
        noticing=noticing,
        follows=follows,
        shown=picture.pixels,
        decoded=lambda: decoded_pixels(picture, report),
    )


def _to_restore(picture: Picture, report: Report) -> np.ndarray:
    """The picture as its coarsest compression left it; later JPEGs on the same grid took little away."""
    pixels, coarser = picture.as_float(), report.coarser
    unchanged = not picture.lossy if report.file is None else coarser is not None and coarser.shift == (0, 0)
    if coarser is None or unchanged:
        return pixels
    return recovered(pixels, coarser, report.file)


def _as_asked(picture: Picture, options: Options) -> Picture:
    """The picture with the bit depth and metadata that the options ask for."""
    picture = picture if options.bits is None else picture.with_bits(options.bits)
    return picture.stripped() if options.strip else picture
