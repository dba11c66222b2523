"""The server: its routes, the security rules that apply to all of them, and the socket."""

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib import resources

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from driftrec.restoration.restorer import Restorer
from driftrec.web.handlers import Handlers, Limits

POLICY = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def application(restorer: Restorer, limits: Limits | None = None, hosts: tuple[str, ...] = ()) -> Starlette:
    """The server as an ASGI application.

    Arguments: `restorer`, loaded; `hosts`, host names besides localhost that it answers to.  It refuses all other
    names, so other sites' pages cannot reach it by DNS rebinding.
    """
    limits = limits or Limits()
    handlers = Handlers(restorer, limits)
    routes = [
        Route("/", handlers.page),
        Route("/api/about", handlers.about),
        Route("/api/inspect", handlers.inspect, methods=["POST"]),
        Route("/api/jobs", handlers.submit, methods=["POST"]),
        Route("/api/jobs/{id}", handlers.job),
        Route("/api/jobs/{id}", handlers.cancel, methods=["DELETE"]),
        Route("/api/jobs/{id}/events", handlers.events),
        Route("/api/jobs/{id}/result", handlers.result),
        Route("/api/jobs/{id}/{picture}", handlers.picture),
        Mount("/page", StaticFiles(directory=str(resources.files("driftrec.web") / "page"))),
    ]

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(handlers.close)

    names = ["localhost", "127.0.0.1", "[::1]", *hosts]
    middleware = [Middleware(_Safety), Middleware(TrustedHostMiddleware, allowed_hosts=names, www_redirect=False)]
    return Starlette(
        routes=routes, middleware=middleware, lifespan=lifespan, exception_handlers={HTTPException: _sentence}
    )


def run(app: Starlette, host: str, port: int, ready: Callable[[str], object]) -> None:
    """Runs the application until it is interrupted.

    `ready` is called with the address once the port is open.  Raises OSError if the port cannot be opened.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family) as listener:
        shown = f"[{host}]" if ":" in host else host
        ready(f"http://{shown}:{listener.getsockname()[1]}/")
        config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False, timeout_keep_alive=30)
        uvicorn.Server(config).run(sockets=[listener])


class _Safety:
    """Adds headers that isolate the page, and refuses requests from other sites' pages that could change anything."""

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
    """Turns an HTTPException into a JSON answer."""
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code)
