"""The server's request handlers.  docs/use/serve.md describes every route.

A request carries the picture in its body and the options in its query.  Answers are JSON; an error is one sentence
under "error".  No answer reveals anything about this machine except the pictures themselves.
"""

import asyncio
import json
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse

from driftrec import __version__
from driftrec.restoration.options import MOST, Options
from driftrec.restoration.restorer import Restorer
from driftrec.web.queue import OVER, Job, JobQueue, QueueError
from driftrec.web.worker import AFTER, BEFORE, DEVIATION, FORMATS, PREVIEW, UPLOAD, JobWorker, inspect_upload

COOKIE = "driftrec"

FOR_A_PICTURE = ("mode", "steps", "seed", "samples", "consistent", "strength", "force", "bits", "strip")
"""Options that a request may set; the server sets the others."""


@dataclass(frozen=True)
class Limits:
    """What a server accepts: bytes of an upload, pixels of a picture, seconds of work on a job, and the number of
    waiting jobs, of all clients together (`waiting`) and of each client (`share`)."""

    bytes: int = 64_000_000
    pixels: int = 50_000_000
    seconds: float = 600
    waiting: int = 64
    share: int = 16


class Handlers:
    """The request handlers of one server, with its queue and its folder of jobs."""

    def __init__(self, restorer: Restorer, limits: Limits) -> None:
        self.limits = limits
        self.folder = Path(tempfile.mkdtemp(prefix="driftrec-"))
        self.options = restorer.options.changed(max_pixels=limits.pixels)
        self.worker = JobWorker(restorer, seconds=limits.seconds)
        self.queue = JobQueue(self.worker.work, waiting=limits.waiting, share=limits.share, discard=_discard)
        self.card = restorer.runner.card

    def close(self) -> None:
        self.queue.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    async def page(self, request: Request) -> Response:
        """The page, with a cookie by which the queue recognises this browser's jobs."""
        content = (resources.files("driftrec.web") / "page" / "index.html").read_bytes()
        response = Response(content, media_type="text/html")
        if COOKIE not in request.cookies:
            response.set_cookie(COOKIE, secrets.token_urlsafe(16), httponly=True, samesite="strict")
        return response

    async def about(self, _: Request) -> Response:
        limits = self.limits
        return JSONResponse(
            {
                "driftrec": __version__,
                "model": self.card.name,
                "steps": self.card.plan.evaluations,
                "limits": {"bytes": limits.bytes, "pixels": limits.pixels, "seconds": limits.seconds}
                | {"samples": MOST, "steps": MOST},
                "formats": list(FORMATS),
            }
        )

    async def inspect(self, request: Request) -> Response:
        data = await self._body(request)
        return JSONResponse(await run_in_threadpool(_inspected, data, self.limits.pixels, _name(request)))

    async def submit(self, request: Request) -> Response:
        options = self._options(request)
        name = _name(request)
        data = await self._body(request)
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        (folder / UPLOAD).write_bytes(data)
        client = request.cookies.get(COOKIE) or (request.client.host if request.client else "")
        job = Job(client, name, options, folder)
        try:
            self.queue.submit(job)
        except QueueError as error:
            _discard(job)
            raise HTTPException(429, str(error)) from error
        return JSONResponse(self._state(job), status_code=202)

    async def job(self, request: Request) -> Response:
        return JSONResponse(self._state(self._job(request)))

    async def cancel(self, request: Request) -> Response:
        await run_in_threadpool(self.queue.cancel, self._job(request))
        return Response(status_code=204)

    async def events(self, request: Request) -> Response:
        """Server-sent events: the job's state whenever it changes, until the job ends."""
        job = self._job(request)

        async def stream() -> AsyncIterator[str]:
            last = ""
            while True:
                state = json.dumps(self._state(job))
                if state != last:
                    yield f"data: {state}\n\n"
                    last = state
                if job.state in OVER:
                    return
                await asyncio.sleep(0.1)

        return StreamingResponse(stream(), media_type="text/event-stream")

    async def result(self, request: Request) -> Response:
        job, kind = self._job(request), request.query_params.get("format", "png")
        if kind not in FORMATS:
            raise HTTPException(400, f"format must be one of {', '.join(FORMATS)}, not {kind}")
        if job.state != "done":
            raise HTTPException(409, "this picture is not restored yet: wait until the job's state is done")
        path = await run_in_threadpool(self.worker.download, job, kind)
        name = quote(f"{PurePath(job.name).stem}-restored.{kind}")
        return FileResponse(
            path, media_type=FORMATS[kind], headers={"Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
        )

    async def picture(self, request: Request) -> Response:
        names = {"before": BEFORE, "after": AFTER, "preview": PREVIEW, "deviation": DEVIATION}
        job, name = self._job(request), names.get(request.path_params["picture"])
        if name is None or not (job.folder / name).is_file():
            raise HTTPException(404, "there is no such picture, or not yet: check the name, or wait")
        if name != PREVIEW:
            return FileResponse(job.folder / name)
        # Read in one go: FileResponse gets the length first and opens the file later, when it may have been replaced.
        try:
            return Response(await run_in_threadpool((job.folder / name).read_bytes), media_type="image/jpeg")
        except FileNotFoundError as error:
            raise HTTPException(404, "this job has just been cancelled") from error

    def _job(self, request: Request) -> Job:
        job = self.queue.jobs.get(request.path_params["id"])
        if job is None:
            raise HTTPException(404, "there is no such job, or it ended long ago: send the picture again")
        return job

    def _state(self, job: Job) -> dict[str, Any]:
        return {
            "id": job.identifier,
            "name": job.name,
            "state": job.state,
            "position": self.queue.position(job),
            "done": job.done,
            "total": job.total,
            "previews": job.previews,
            "error": job.error,
            **job.facts,
        }

    async def _body(self, request: Request) -> bytes:
        """The bytes of the upload.  Answers 413 as soon as they exceed the limit, whatever the header says."""
        too_large = HTTPException(413, f"the file is larger than {self.limits.bytes / 1e6:.0f} MB: send a smaller one")
        if int(request.headers.get("content-length", 0)) > self.limits.bytes:
            raise too_large
        data = bytearray()
        try:
            async for part in request.stream():
                data += part
                if len(data) > self.limits.bytes:
                    raise too_large
        except ClientDisconnect as error:
            raise HTTPException(400, "the upload was cut short: send it again") from error
        if not data:
            raise HTTPException(400, "the request is empty: send the bytes of a picture as its body")
        return bytes(data)

    def _options(self, request: Request) -> Options:
        """The options in the query.  Answers 400 if `Options` rejects them."""
        query = {name: value for name, value in request.query_params.items() if name != "name"}
        try:
            return self.options.read(query, FOR_A_PICTURE)
        except ValueError as error:
            raise HTTPException(400, str(error)) from error


def _name(request: Request) -> str:
    """What messages and downloads call the upload."""
    return PurePath(request.query_params.get("name", "")).name or "upload"


def _inspected(data: bytes, max_pixels: int, name: str) -> dict[str, Any]:
    try:
        return inspect_upload(data, max_pixels, name)
    except (ValueError, MemoryError) as error:
        raise HTTPException(422, str(error)) from error


def _discard(job: Job) -> None:
    shutil.rmtree(job.folder, ignore_errors=True)
