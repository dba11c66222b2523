"""The work on a job: turns an upload into a restored picture, previews, and facts about both."""

import math
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from driftrec.model.card import Corruption
from driftrec.picture import Picture, PictureError, atomic_write, fitted, open_picture, require_format, save_picture
from driftrec.restoration.decision import inspect
from driftrec.restoration.restorer import Restorer
from driftrec.restoration.uncertainty import deviation_map
from driftrec.web.limits import Limits
from driftrec.web.opening import open_upload
from driftrec.web.pace import Pace, work_of
from driftrec.web.queue import Job

PREVIEW_SIDE = 1600
"""Longest side of previews, in pixels."""

UPLOAD, BEFORE, AFTER, PREVIEW, DEVIATION = "upload", "before.png", "after.png", "preview.jpg", "deviation.png"

FORMATS = {"png": "image/png", "webp": "image/webp", "tiff": "image/tiff"}
"""Formats in which results can be downloaded, with their media types."""

SCALES = (1, 2, 3, 5, 10, 15, 30, 60)
"""Full scales of the map of the uncertainty, in levels of 255."""


class JobWorker:
    """Restores the pictures of jobs.  Arguments: `restorer`, loaded; `limits`; `pace`, which learns from every job."""

    def __init__(self, restorer: Restorer, limits: Limits, pace: Pace) -> None:
        self.restorer, self.limits, self.pace = restorer, limits, pace

    def work(self, job: Job) -> None:
        """Writes before.png, after.png, preview.jpg and, for several samples, deviation.png into the job's folder.

        Raises PictureError or ValueError for unusable uploads or options, Cancelled, and OutOfTime.
        """
        job.phase = "reading"
        before = open_upload(job.folder / UPLOAD, self.limits, job.name, strict=job.options.strict)
        job.pixels = before.pixels.shape[0] * before.pixels.shape[1]
        save_picture(before, job.folder / BEFORE)
        job.check(self.limits.seconds)

        def progress(done: int, total: int) -> None:
            job.check(self.limits.seconds)
            job.phase, job.done, job.total = "restoring", done, total

        def preview(pixels: np.ndarray) -> None:
            _save_preview(before.replace_pixels(pixels), job.folder / PREVIEW)
            job.facts.setdefault("first_preview", round(time.monotonic() - (job.started or 0), 2))
            job.previews += 1

        restored = self.restorer.restore(before, job.options, progress=progress, preview=preview)
        job.check(self.limits.seconds)
        job.phase = "saving"
        restored = restored.save(job.folder / AFTER)
        job.facts |= {"summary": restored.summary(), "deviation": restored.deviation is not None}
        job.facts["unavailable"], job.facts["left_out"] = _formats(restored.picture, job)
        if restored.uncertainty is not None:
            levels = _scale(restored.uncertainty)
            save_picture(deviation_map(restored.uncertainty, restored.picture, levels / 255), job.folder / DEVIATION)
            job.facts["deviation_levels"] = levels
        seconds = time.monotonic() - (job.started or 0)
        job.facts["seconds"] = round(seconds, 2)
        if restored.verdict == "restore":
            self.pace.learn(job.pixels, work_of(job.options, self.pace.card), seconds)

    def result(self, job: Job, kind: str) -> Path:
        """Where the result is kept as a file of format `kind`, one of FORMATS, once it has been made."""
        return job.folder / (AFTER if kind == "png" else f"result.{kind}")

    def download(self, job: Job, kind: str) -> Path:
        """Makes the result as a file of format `kind`, with the metadata of the upload, unless it has been made.

        Raises PictureError if the format cannot hold the result.
        """
        path = self.result(job, kind)
        if not path.exists():
            result = open_picture(job.folder / AFTER, max_pixels=self.limits.pixels)
            require_format(result, result_name(job, kind))
            save_picture(result, path)
        return path


def result_name(job: Job, kind: str) -> str:
    """What a downloaded result is called."""
    return f"{Path(job.name).stem}-restored.{kind}"


def inspect_upload(path: Path, limits: Limits, name: str, corruption: Corruption) -> dict[str, Any]:
    """The facts that `driftrec inspect --json` prints, for an upload and a model that undoes `corruption`.

    Raises PictureError if it is not a picture.
    """
    return inspect(open_upload(path, limits, name), corruption).facts()


def _formats(picture: Picture, job: Job) -> tuple[dict[str, str], dict[str, list[str]]]:
    """The formats that cannot hold a result, each with a sentence that says why, and for those that can hold it only
    in part, what of its metadata they leave out."""
    reasons, left_out = {}, {}
    for kind in FORMATS:
        try:
            lost = fitted(picture, result_name(job, kind)).left_out[len(picture.left_out) :]
        except PictureError as error:
            reasons[kind] = str(error)
        else:
            if lost:
                left_out[kind] = list(lost)
    return reasons, left_out


def _scale(deviation: np.ndarray) -> int:
    """The full scale of a map in levels of 255: the smallest of SCALES that only 1 % of the pixels exceed."""
    high = 255 * float(np.percentile(deviation, 99))
    return next((scale for scale in SCALES if scale >= high), math.ceil(high))


def _save_preview(picture: Picture, path: Path) -> None:
    """Saves a small JPEG; replaces the previous one atomically."""
    image = picture.to_pil().convert("RGB")
    image.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE), Image.Resampling.BILINEAR)
    with atomic_write(path) as stream:
        image.save(stream, "JPEG", quality=88)
