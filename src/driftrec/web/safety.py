"""Security rules that apply to every request and every answer of the server."""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

log = logging.getLogger(__name__)


LINGER = 3.0
"""Seconds for which the rest of a refused upload is read: a client that is still sending may not read the answer."""


class Safety:
    """Adds the headers of `POLICY` to every answer, and refuses requests from other sites' pages that could change
    anything.  An unexpected exception becomes an answer 500, and is logged.

    Arguments: `hosts`, names that the server answers to.  It refuses all others, so that other sites' pages cannot
    reach it by DNS rebinding.
    """

    def __init__(self, app: ASGIApp, hosts: Sequence[str]) -> None:
        self.app, self.hosts = app, frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        body = _Body(scope, receive)
        started = False

        async def with_policy(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] += [(k.lower().encode(), v.encode()) for k, v in POLICY.items()]
                if message["status"] != 408:  # the client has had its time
                    await body.discard()
            await send(message)

        if refused := self._refused(scope):
            await refused(scope, body.receive, with_policy)
            return
        try:
            await self.app(scope, body.receive, with_policy)
        except Exception:  # whatever a handler or a library raises
            if started:
                raise  # closes the connection, so that the client notices that the answer is incomplete
            log.exception("%s %s failed", scope["method"], scope["path"])
            answer = _sentence("the server failed unexpectedly: try again, and look at the server's messages", 500)
            await answer(scope, body.receive, with_policy)

    def _refused(self, scope: Scope) -> Response | None:
        """The answer to a request that is refused whatever it asks for."""
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        name = _name(host)
        if name not in self.hosts:
            known = "open it as localhost, or start it with --allow-host and this name"
            return _sentence(f"this server does not answer to the name {name[:80]}: {known}", 400)
        if scope["method"] not in ("GET", "HEAD") and origin and origin.split("//")[-1] != host:
            return _sentence("requests from other sites are refused", 403)
        return None


class _Body:
    """The body of a request; knows how much of it has been read."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._receive = receive
        self._complete = scope["method"] in ("GET", "HEAD")
        self._awaits_consent = any(name == b"expect" for name, _ in scope["headers"])  # sends nothing before it

    async def receive(self) -> Message:
        message = await self._receive()
        self._awaits_consent = False
        self._complete = self._complete or not message.get("more_body", False)
        return message

    async def discard(self) -> None:
        """Reads the rest of the body, for some seconds at most."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER):
                while not (self._complete or self._awaits_consent):
                    await self.receive()


def _sentence(text: str, status: int) -> Response:
    return JSONResponse({"error": text}, status)


async def as_sentence(_: Request, error: Exception) -> Response:
    """Turns an HTTPException into a JSON answer."""
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, headers=error.headers)


async def as_gone(_request: Request, _error: Exception) -> Response:
    """The answer to a request for a job that has been forgotten."""
    return _sentence("there is no such job, or not any more: send the picture again", 404)


def _name(host: str) -> str:
    """The name in a Host header, without the port."""
    with contextlib.suppress(ValueError):
        return urlsplit(f"//{host}").hostname or ""
    return ""
