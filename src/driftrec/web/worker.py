"""The work on a job: turns an upload into a restored picture, previews, and facts about both."""

import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from driftrec.picture import Picture, atomic_write, open_picture, save_picture
from driftrec.restoration.decision import inspect
from driftrec.restoration.restorer import Restorer
from driftrec.restoration.uncertainty import deviation_map
from driftrec.web.queue import Job

PREVIEW_SIDE = 1600
"""Longest side of previews, in pixels."""

UPLOAD, BEFORE, AFTER, PREVIEW, DEVIATION = "upload", "before.png", "after.png", "preview.jpg", "deviation.png"

FORMATS = {"png": "image/png", "webp": "image/webp", "tiff": "image/tiff"}
"""Formats in which results can be downloaded, with their media types."""


class JobWorker:
    """Restores the pictures of jobs.  Arguments: `restorer`, loaded; `seconds`, the time limit of a job."""

    def __init__(self, restorer: Restorer, *, seconds: float) -> None:
        self.restorer, self.seconds = restorer, seconds
        self._saving = threading.Lock()

    def work(self, job: Job) -> None:
        """Writes before.png, after.png, preview.jpg and, for several samples, deviation.png into the job's folder.

        Raises PictureError or ValueError for unusable uploads or options, Cancelled, and OutOfTime.
        """
        upload = (job.folder / UPLOAD).read_bytes()
        before = open_picture(upload, max_pixels=job.options.max_pixels, name=job.name)
        save_picture(before, job.folder / BEFORE)

        def progress(done: int, total: int) -> None:
            job.check(self.seconds)
            job.done, job.total = done, total

        def preview(pixels: np.ndarray) -> None:
            _save_preview(before.replace_pixels(pixels), job.folder / PREVIEW)
            job.facts.setdefault("first_preview", round(time.monotonic() - (job.started or 0), 2))
            job.previews += 1

        restored = self.restorer.restore(before, job.options, progress=progress, preview=preview)
        job.check(self.seconds)
        save_picture(restored.picture, job.folder / AFTER)
        if restored.deviation is not None:
            save_picture(deviation_map(restored.deviation, restored.picture), job.folder / DEVIATION)
        job.facts |= {
            "summary": restored.summary(),
            "deviation": restored.deviation is not None,
            "seconds": round(time.monotonic() - (job.started or 0), 2),
        }

    def download(self, job: Job, kind: str) -> Path:
        """The result as a file of format `kind`, one of FORMATS, with the metadata of the upload."""
        path = job.folder / f"result.{kind}"
        if kind == "png":
            return job.folder / AFTER
        with self._saving:  # two requests may ask for it at the same time
            if not path.exists():
                save_picture(open_picture(job.folder / AFTER, max_pixels=job.options.max_pixels), path)
        return path


def inspect_upload(data: bytes, max_pixels: int, name: str) -> dict[str, Any]:
    """The facts that `driftrec inspect --json` prints, for an upload."""
    return inspect(open_picture(data, max_pixels=max_pixels, name=name)).facts()


def _save_preview(picture: Picture, path: Path) -> None:
    """Saves a small JPEG; replaces the previous one atomically."""
    image = picture.to_pil().convert("RGB")
    image.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE), Image.Resampling.BILINEAR)
    with atomic_write(path) as stream:
        image.save(stream, "JPEG", quality=88)
