"""The server: its routes, and the socket."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from importlib import resources

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from driftrec.restoration.restorer import Restorer
from driftrec.web.connections import bounded_protocol
from driftrec.web.handlers import Handlers
from driftrec.web.limits import Limits
from driftrec.web.queue import Forgotten
from driftrec.web.safety import Safety, as_gone, as_sentence

GRACE = 5
"""Seconds for which a server that is stopped waits for downloads to end."""

log = logging.getLogger(__name__)


def application(restorer: Restorer, limits: Limits | None = None, hosts: Sequence[str] = ()) -> Starlette:
    """The server as an ASGI application; its `state.handlers` are the `Handlers`.

    Arguments: `restorer`, loaded; `hosts`, host names besides localhost that it answers to, see `Safety`.
    """
    handlers = Handlers(restorer, limits or Limits())
    routes = [
        Route("/", handlers.page),
        Route("/api/about", handlers.about),
        Route("/api/estimate", handlers.estimate),
        Route("/api/inspect", handlers.inspect, methods=["POST"]),
        Route("/api/events", handlers.events),
        Route("/api/archive", handlers.archive),
        Route("/api/jobs", handlers.submit, methods=["POST"]),
        Route("/api/jobs/{id}", handlers.job),
        Route("/api/jobs/{id}", handlers.cancel, methods=["DELETE"]),
        Route("/api/jobs/{id}/inspect", handlers.facts),
        Route("/api/jobs/{id}/events", handlers.events),
        Route("/api/jobs/{id}/result", handlers.result),
        Route("/api/jobs/{id}/{picture}", handlers.picture),
        Mount("/page", StaticFiles(directory=str(resources.files("driftrec.web") / "page"))),
    ]

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(handlers.tidy()), asyncio.create_task(run_in_threadpool(_try_out, handlers))]
        try:
            yield
        finally:
            tasks[0].cancel()
            await asyncio.wait(tasks)
            await run_in_threadpool(handlers.close)

    app = Starlette(
        routes=routes,
        middleware=[Middleware(Safety, hosts=["localhost", "127.0.0.1", "::1", *hosts])],
        lifespan=lifespan,
        exception_handlers={HTTPException: as_sentence, Forgotten: as_gone},
    )
    app.state.handlers = handlers
    return app


def run(app: Starlette, host: str, port: int, ready: Callable[[str], object], proxies: Sequence[str] = ()) -> None:
    """Runs the application until it is interrupted.

    Arguments:
        ready: called with the address once the port is open.
        proxies: addresses of web servers in front of this one, whose X-Forwarded-For header says who the client is.

    Raises OSError if the port cannot be opened.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family)
    except OSError:
        app.state.handlers.close()
        raise
    with listener:
        shown = f"[{host}]" if ":" in host else host
        ready(f"http://{shown}:{listener.getsockname()[1]}/")
        server_of(app, proxies).run(sockets=[listener])


def server_of(app: Starlette, proxies: Sequence[str] = ()) -> uvicorn.Server:
    """The HTTP server for an `application`, with the limits of its handlers.  Arguments as above."""
    handlers: Handlers = app.state.handlers
    limits = handlers.limits
    config = uvicorn.Config(
        app,
        http=bounded_protocol(limits.connections, limits.silence, proxies),
        ws="none",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=max(round(limits.silence), 1),
        timeout_graceful_shutdown=GRACE,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=list(proxies),
    )
    return _Server(config, handlers)


class _Server(uvicorn.Server):
    """A server that ends its event streams first when it is stopped: it would wait for them."""

    def __init__(self, config: uvicorn.Config, handlers: Handlers) -> None:
        super().__init__(config)
        self.handlers = handlers

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.handlers.stopping = True
        await super().shutdown(sockets)


def _try_out(handlers: Handlers) -> None:
    """Measures the pace of this machine; if that fails, the server gives no estimates until a job has ended."""
    try:
        handlers.pace.try_out()
    except Exception:  # libraries raise exceptions of every class
        log.warning("the pace of this machine cannot be measured", exc_info=True)
