"""Security rules that apply to every request and every answer of the server."""

import asyncio
import contextlib
import logging

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
    """Adds the headers of `POLICY` to every answer and refuses requests from other sites' pages that could change
    anything.  An unexpected exception becomes an answer 500, and is logged."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

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

        if _is_from_another_site(scope):
            await _sentence("requests from other sites are refused", 403)(scope, body.receive, with_policy)
            return
        try:
            await self.app(scope, body.receive, with_policy)
        except Exception:  # whatever a handler or a library raises
            if started:
                raise  # closes the connection, so that the client notices that the answer is incomplete
            log.exception("%s %s failed", scope["method"], scope["path"])
            answer = _sentence("the server failed unexpectedly: try again, and look at the server's messages", 500)
            await answer(scope, body.receive, with_policy)


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


def _is_from_another_site(scope: Scope) -> bool:
    """Whether a request that could change something was sent by a page of another site."""
    headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
    origin = headers.get("origin")
    return scope["method"] not in ("GET", "HEAD") and bool(origin) and origin.split("//")[-1] != headers.get("host")
