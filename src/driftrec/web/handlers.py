"""The server's request handlers.  docs/use/serve.md describes every route.

A request carries the picture in its body and the options in its query.  Answers are JSON; an error is one sentence
under "error".  No answer reveals anything about this machine except the pictures themselves.
"""

import asyncio
import contextlib
import json
import secrets
import shutil
from collections.abc import AsyncIterator, Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.concurrency import iterate_in_threadpool, run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from driftrec import __version__
from driftrec.picture import PictureError
from driftrec.restoration.options import MOST
from driftrec.restoration.restorer import Restorer
from driftrec.web.headers import read_header
from driftrec.web.inspections import Inspections
from driftrec.web.limits import Limits
from driftrec.web.opening import explain, is_disk_full
from driftrec.web.pace import Pace
from driftrec.web.queries import COOKIE, address_of, browser_of, name_of, number_of, options_of
from driftrec.web.queue import OVER, Forgotten, Job, JobQueue, QueueError
from driftrec.web.uploads import receive
from driftrec.web.worker import AFTER, BEFORE, DEVIATION, FORMATS, PREVIEW, UPLOAD, JobWorker, result_name
from driftrec.web.workspace import Workspace
from driftrec.web.zipped import ZipStream, distinct


class Handlers:
    """The request handlers of one server, with its queue and its folder of jobs."""

    def __init__(self, restorer: Restorer, limits: Limits) -> None:
        self.limits = limits
        self.workspace = Workspace()
        self.options = restorer.options.changed(max_pixels=limits.pixels)
        self.pace = Pace(restorer)
        self.worker = JobWorker(restorer, limits, self.pace)
        self.queue = JobQueue(
            self.worker.work,
            waiting=limits.waiting,
            share=limits.share,
            discard=_discard,
            explain=lambda error, job: explain(error, job.name, job.folder),
        )
        self.inspections = Inspections(limits, self.pace.card.corruption)
        self.stopping = False
        self._converting = asyncio.Lock()

    async def tidy(self) -> None:
        """Deletes what has expired, once a second, until it is cancelled."""
        while True:
            await asyncio.sleep(1)
            await run_in_threadpool(self.queue.forget)

    def close(self) -> None:
        self.queue.close()
        self.workspace.close()

    # ------------------------------------------------------------------------------------------------ the server

    async def page(self, request: Request) -> Response:
        """The page, with a cookie by which the queue tells the browsers behind one address apart."""
        content = (resources.files("driftrec.web") / "page" / "index.html").read_bytes()
        response = Response(content, media_type="text/html")
        if COOKIE not in request.cookies:
            response.set_cookie(COOKIE, secrets.token_urlsafe(16), httponly=True, samesite="strict")
        return response

    async def about(self, _: Request) -> Response:
        limits, card = self.limits, self.pace.card
        return JSONResponse(
            {
                "driftrec": __version__,
                "model": card.name,
                "steps": card.plan.evaluations,
                "limits": {"bytes": limits.bytes, "pixels": limits.pixels, "seconds": limits.seconds}
                | {"samples": MOST, "steps": MOST, "kept": self.queue.kept},
                "formats": list(FORMATS),
            }
        )

    async def estimate(self, request: Request) -> Response:
        """The seconds that a restoration would take; null as long as the pace of this machine is not known."""
        pixels, options = number_of(request, "pixels"), options_of(request, self.options, ("pixels",))
        try:
            return JSONResponse({"seconds": self.pace.predict(pixels, options)})
        except ValueError as error:
            raise HTTPException(400, str(error)) from error

    # ---------------------------------------------------------------------------------------- pictures that come in

    async def inspect(self, request: Request) -> Response:
        name = name_of(request)
        with _refusing(), self.inspections.place(address_of(request)), self._folder(keep=False) as folder:
            await receive(request, folder / UPLOAD, self.limits, name)
            return JSONResponse(await self.inspections.inspect(folder / UPLOAD, name))

    async def submit(self, request: Request) -> Response:
        options, name, client = options_of(request, self.options, ("name",)), name_of(request), address_of(request)
        with _refusing(), self._folder(keep=True) as folder:
            job = Job(client, name, options, folder, browser_of(request))
            with self.queue.place(client):
                await receive(request, folder / UPLOAD, self.limits, name)
                header = await run_in_threadpool(read_header, folder / UPLOAD)
            job.pixels = header.pixels if header else 0
            self.queue.submit(job)
        return JSONResponse(self._state(job), status_code=202)

    # ------------------------------------------------------------------------------------------------ jobs

    async def job(self, request: Request) -> Response:
        return JSONResponse(self._state(self._job(request)))

    async def cancel(self, request: Request) -> Response:
        await run_in_threadpool(self.queue.cancel, self._job(request))
        return Response(status_code=204)

    async def facts(self, request: Request) -> Response:
        """The same facts as those of `inspect`, about the upload of a job."""
        job = self._job(request)
        with _refusing(), self.inspections.place(address_of(request)), self.queue.reading([job]):
            return JSONResponse(await self.inspections.inspect(job.folder / UPLOAD, job.name))

    async def events(self, request: Request) -> Response:
        """Server-sent events: the state of one or several jobs whenever it changes, until all of them have ended."""
        asked = request.path_params.get("id")
        identifiers = request.query_params.getlist("job") if asked is None else [self._job(request).identifier]

        async def stream() -> AsyncIterator[str]:
            sent = dict.fromkeys(identifiers, "")  # the last state of each job that has not ended
            while sent and not self.stopping:
                for identifier in list(sent):
                    job = self.queue.find(identifier)
                    over = job is None or job.state in OVER
                    state = json.dumps({"id": identifier, "state": "gone"} if job is None else self._state(job))
                    if sent[identifier] != state:
                        sent[identifier] = state
                        yield f"data: {state}\n\n"
                    if over:
                        del sent[identifier]
                await asyncio.sleep(0.2)

        return StreamingResponse(stream(), media_type="text/event-stream")

    # -------------------------------------------------------------------------------------- pictures that go out

    async def result(self, request: Request) -> Response:
        job, kind = self._done(self._job(request)), _format(request)
        path = await self._download(job, kind)
        answer = FileResponse(path, media_type=FORMATS[kind], headers=_attachment(result_name(job, kind)))
        return _WhileReading(answer, self.queue, [job])

    async def archive(self, request: Request) -> Response:
        """Results of several jobs as one ZIP archive."""
        kind, identifiers = _format(request), request.query_params.getlist("job")
        if not identifiers:
            raise HTTPException(400, "the query names no job: add job=ID for each result")
        jobs = [self._done(self._find(identifier)) for identifier in dict.fromkeys(identifiers)]
        names = distinct([result_name(job, kind) for job in jobs])
        for job in jobs:
            if reason := job.facts["unavailable"].get(kind):
                raise HTTPException(422, reason)

        async def stream() -> AsyncIterator[bytes]:
            archive = ZipStream()
            for job, name in zip(jobs, names, strict=True):
                path = await self._download(job, kind)
                async for part in iterate_in_threadpool(archive.add(path, name)):
                    yield part
            yield archive.end()

        answer = StreamingResponse(stream(), media_type="application/zip", headers=_attachment("restored.zip"))
        return _WhileReading(answer, self.queue, jobs)

    async def picture(self, request: Request) -> Response:
        names = {"before": BEFORE, "after": AFTER, "preview": PREVIEW, "deviation": DEVIATION}
        job, name = self._job(request), names.get(request.path_params["picture"])
        if name is None or not (job.folder / name).is_file():
            raise HTTPException(404, "there is no such picture, or not yet: check the name, or wait")
        if name != PREVIEW:
            return _WhileReading(FileResponse(job.folder / name), self.queue, [job])
        # Read in one go: FileResponse gets the length first and opens the file later, when it may have been replaced.
        with self.queue.reading([job]):
            return Response(await run_in_threadpool((job.folder / name).read_bytes), media_type="image/jpeg")

    # ------------------------------------------------------------------------------------------------ helpers

    @contextlib.contextmanager
    def _folder(self, *, keep: bool) -> Iterator[Path]:
        """A folder for one upload.  It is deleted at the end, or, with `keep`, only after an exception."""
        folder = self.workspace.new()
        try:
            yield folder
        except BaseException:
            keep = False
            raise
        finally:
            if not keep:
                shutil.rmtree(folder, ignore_errors=True)

    async def _download(self, job: Job, kind: str) -> Path:
        """The result as a file.

        Raises Forgotten, and HTTPException: 422 if the format cannot hold the result, 507 if the disk is full.
        """
        if (path := self.worker.result(job, kind)).exists():
            return path
        try:
            async with self._converting:  # one at a time, and each only once
                with self.queue.reading([job]):
                    return await run_in_threadpool(self.worker.download, job, kind)
        except (PictureError, OSError, MemoryError) as error:
            status = 507 if is_disk_full(error) else 422
            raise HTTPException(status, explain(error, result_name(job, kind), job.folder)) from error

    def _job(self, request: Request) -> Job:
        return self._find(request.path_params["id"])

    def _find(self, identifier: str) -> Job:
        job = self.queue.find(identifier)
        if job is None:
            raise Forgotten
        return job

    def _done(self, job: Job) -> Job:
        if job.state != "done":
            raise HTTPException(409, f"{job.name} has no result, its job is {job.state}: wait until the state is done")
        return job

    def _state(self, job: Job) -> dict[str, Any]:
        ahead = self.queue.ahead(job)
        left = None if job.state in OVER else self.pace.left(job, ahead)
        expires = self.queue.expires(job)
        return {
            "id": job.identifier,
            "name": job.name,
            "state": job.state,
            "position": len(ahead),
            "pixels": job.pixels,
            "phase": job.phase,
            "done": job.done,
            "total": job.total,
            "left": left if left is None else round(left),
            "previews": job.previews,
            "error": job.error,
            "expires": expires if expires is None else round(expires),
            **job.facts,
        }


class _WhileReading(Response):
    """An answer that is made of the files of jobs, which are kept until it has been sent."""

    def __init__(self, answer: Response, queue: JobQueue, jobs: Sequence[Job]) -> None:
        self.answer, self.queue, self.jobs = answer, queue, jobs

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self.queue.reading(self.jobs):
            await self.answer(scope, receive, send)


@contextlib.contextmanager
def _refusing() -> Iterator[None]:
    """Turns a QueueError into an answer 429, and a full disk into 507."""
    try:
        yield
    except QueueError as error:
        raise HTTPException(429, str(error)) from error
    except OSError as error:
        if is_disk_full(error):
            raise HTTPException(507, "the server's disk is full: try again later") from error
        raise


def _format(request: Request) -> str:
    kind = request.query_params.get("format", "png")
    if kind not in FORMATS:
        raise HTTPException(400, f"format must be one of {', '.join(FORMATS)}, not {kind[:40]}")
    return kind


def _attachment(name: str) -> dict[str, str]:
    return {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}"}


def _discard(job: Job) -> None:
    shutil.rmtree(job.folder, ignore_errors=True)
