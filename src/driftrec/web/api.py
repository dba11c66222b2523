"""The HTTP side: what the page, or a program, asks of the desk.  docs/serve.md describes every address.

Uploads are the bodies of requests, options their queries; answers are JSON, errors one sentence under "error".  Nothing
of this machine but the pictures themselves is ever named in an answer.
"""

import asyncio
import json
import secrets
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import quote

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from driftrec import __version__
from driftrec.restoration.restorer import Restorer
from driftrec.web.desk import OVER, Desk, DeskError, Job
from driftrec.web.studio import AFTER, BEFORE, DEVIATION, FORMATS, PREVIEW, UPLOAD, Studio

COOKIE = "driftrec"
POLICY = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
MODES, CONSISTENT = ("natural", "faithful", "decode"), ("auto", "on", "off")


@dataclass(frozen=True)
class Limits:
    """What a server takes: bytes of an upload, pixels of a picture, seconds and samples of a job, jobs that wait."""

    bytes: int = 64_000_000
    pixels: int = 50_000_000
    seconds: float = 600
    samples: int = 16
    steps: int = 50
    waiting: int = 64
    share: int = 16


def application(restorer: Restorer, limits: Limits | None = None, hosts: tuple[str, ...] = ()) -> Starlette:
    """The server as an ASGI application.

    Arguments: `restorer`, loaded; `hosts`, names besides localhost under which it answers: other names are refused, so
    that no other site's page can talk to it by a trick of names.
    """
    limits = limits or Limits()
    shop = _Shop(restorer, limits)
    routes = [
        Route("/", shop.page),
        Route("/api/about", shop.about),
        Route("/api/inspect", shop.inspect, methods=["POST"]),
        Route("/api/jobs", shop.submit, methods=["POST"]),
        Route("/api/jobs/{id}", shop.job),
        Route("/api/jobs/{id}", shop.cancel, methods=["DELETE"]),
        Route("/api/jobs/{id}/events", shop.events),
        Route("/api/jobs/{id}/result", shop.result),
        Route("/api/jobs/{id}/{picture}", shop.picture),
        Mount("/page", StaticFiles(directory=str(resources.files("driftrec.web") / "page"))),
    ]

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(shop.close)

    names = ["localhost", "127.0.0.1", "[::1]", *hosts]
    middleware = [Middleware(_Safety), Middleware(TrustedHostMiddleware, allowed_hosts=names, www_redirect=False)]
    return Starlette(
        routes=routes, middleware=middleware, lifespan=lifespan, exception_handlers={HTTPException: _sentence}
    )


class _Shop:
    """The handlers of one server, with its desk and its folder."""

    def __init__(self, restorer: Restorer, limits: Limits) -> None:
        self.limits = limits
        self.folder = Path(tempfile.mkdtemp(prefix="driftrec-"))
        self.studio = Studio(restorer, seconds=limits.seconds, max_pixels=limits.pixels)
        self.desk = Desk(self.studio.work, waiting=limits.waiting, share=limits.share, discard=_discard)
        self.card = restorer.network.card

    def close(self) -> None:
        self.desk.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    async def page(self, request: Request) -> Response:
        """The page, and a cookie that tells this browser's jobs from those of others in the queue."""
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
                | {"samples": limits.samples, "steps": limits.steps},
                "formats": list(FORMATS),
            }
        )

    async def inspect(self, request: Request) -> Response:
        data = await self._body(request)
        return JSONResponse(await run_in_threadpool(_or_refusal, self.studio.inspect, data))

    async def submit(self, request: Request) -> Response:
        options = self._options(request)
        name = PurePath(request.query_params.get("name", "picture")).name or "picture"
        data = await self._body(request)
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        (folder / UPLOAD).write_bytes(data)
        client = request.cookies.get(COOKIE) or (request.client.host if request.client else "")
        job = Job(client, options, folder, facts={"name": name})
        try:
            self.desk.submit(job)
        except DeskError as error:
            _discard(job)
            raise HTTPException(429, str(error)) from error
        return JSONResponse(self._state(job), status_code=202)

    async def job(self, request: Request) -> Response:
        return JSONResponse(self._state(self._job(request)))

    async def cancel(self, request: Request) -> Response:
        await run_in_threadpool(self.desk.cancel, self._job(request))
        return Response(status_code=204)

    async def events(self, request: Request) -> Response:
        """Server-sent events: the state whenever it changes, until the job is over."""
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
            raise HTTPException(400, f"format is one of {', '.join(FORMATS)}, not {kind}")
        if job.state != "done":
            raise HTTPException(409, "this picture is not restored yet: wait for its state to be done")
        path = await run_in_threadpool(self.studio.download, job, kind)
        name = quote(f"{PurePath(job.facts['name']).stem}-restored.{kind}")
        return FileResponse(
            path, media_type=FORMATS[kind], headers={"Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
        )

    async def picture(self, request: Request) -> Response:
        names = {"before": BEFORE, "after": AFTER, "preview": PREVIEW, "deviation": DEVIATION}
        job, name = self._job(request), names.get(request.path_params["picture"])
        if name is None or not (job.folder / name).is_file():
            raise HTTPException(404, "there is no such picture, or not yet")
        if name != PREVIEW:
            return FileResponse(job.folder / name)
        # Read at once, as work replaces it: a FileResponse asks for the length first and opens the file later.
        try:
            return Response(await run_in_threadpool((job.folder / name).read_bytes), media_type="image/jpeg")
        except FileNotFoundError as error:
            raise HTTPException(404, "this job has just been cancelled") from error

    def _job(self, request: Request) -> Job:
        job = self.desk.jobs.get(request.path_params["id"])
        if job is None:
            raise HTTPException(404, "there is no such job, or it ended long ago: send the picture again")
        return job

    def _state(self, job: Job) -> dict[str, Any]:
        return {
            "id": job.identifier,
            "state": job.state,
            "position": self.desk.position(job),
            "done": job.done,
            "total": job.total,
            "previews": job.previews,
            "error": job.error,
            **job.facts,
        }

    async def _body(self, request: Request) -> bytes:
        """The upload.  413 as soon as it is too large, whatever its header says."""
        too_large = HTTPException(413, f"files of more than {self.limits.bytes / 1e6:.0f} MB are not taken")
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

    def _options(self, request: Request) -> dict[str, Any]:
        """The options of `Restorer.restore`; 400 for what it would refuse."""
        query = request.query_params
        known = {"name", "mode", "steps", "seed", "samples", "consistent", "strength", "force"}
        if unknown := set(query) - known:
            raise HTTPException(400, f"there is no option {sorted(unknown)[0]}: choose from {', '.join(sorted(known))}")
        mode = _one_of(query.get("mode", "natural"), "mode", MODES)
        options = {
            "mode": mode,
            "seed": _number(query.get("seed", "0"), "seed", 0, 2**32 - 1),
            "samples": _number(query.get("samples", "1"), "samples", 1, self.limits.samples),
            "consistent": _one_of(query.get("consistent", "auto"), "consistent", CONSISTENT),
            "strength": _number(query.get("strength", "1"), "strength", 0, 1, float),
            "force": query.get("force", "") in ("1", "true"),
        }
        if mode == "natural" and "steps" in query:
            options["steps"] = _number(query["steps"], "steps", 1, self.limits.steps)
        if mode == "faithful" and "steps" in query:
            options["steps"] = int(_one_of(query["steps"], "steps of a faithful restoration", ("1", "2", "4", "8")))
        if mode != "natural" and options["samples"] > 1:
            raise HTTPException(400, "only natural restorations are sampled: leave samples out")
        return options


class _Safety:
    """Headers that keep the page to itself, and no requests that change something from the pages of other sites."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        origin = headers.get("origin")
        if scope["method"] not in ("GET", "HEAD") and origin and origin.split("//")[-1] != headers.get("host"):
            await JSONResponse({"error": "requests from other sites are refused"}, 403)(scope, receive, send)
            return

        async def with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] += [(k.lower().encode(), v.encode()) for k, v in POLICY.items()]
            await send(message)

        await self.app(scope, receive, with_policy)


async def _sentence(_: Request, error: Exception) -> Response:
    """An error as JSON."""
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code)


def _or_refusal(work: Callable[[bytes], dict[str, Any]], data: bytes) -> dict[str, Any]:
    try:
        return work(data)
    except (ValueError, MemoryError) as error:
        raise HTTPException(422, str(error)) from error


def _number(text: str, name: str, low: float, high: float, kind: Callable[[str], float] = int) -> Any:  # noqa: ANN401
    try:
        value = kind(text)
    except ValueError:
        value = None
    if value is None or not low <= value <= high:
        raise HTTPException(400, f"{name} is a number from {low} to {high}, not {text[:40]}")
    return value


def _one_of(text: str, name: str, choices: tuple[str, ...]) -> str:
    if text not in choices:
        raise HTTPException(400, f"{name} is one of {', '.join(choices)}, not {text[:40]}")
    return text


def _discard(job: Job) -> None:
    shutil.rmtree(job.folder, ignore_errors=True)


def run(app: Starlette, host: str, port: int, ready: Callable[[str], object]) -> None:
    """Runs the application until it is interrupted.

    `ready` is called with the address once the port is open.  Raises OSError when it cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family) as listener:
        shown = f"[{host}]" if ":" in host else host
        ready(f"http://{shown}:{listener.getsockname()[1]}/")
        config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False, timeout_keep_alive=30)
        uvicorn.Server(config).run(sockets=[listener])
