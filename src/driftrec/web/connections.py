"""The HTTP protocol of the socket, with limits on the number of connections and on those that do nothing."""

import asyncio
from collections.abc import Callable, Container
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol


def _refusal(status: HTTPStatus, sentence: str) -> bytes:
    """An answer for connections on which no request is read any more."""
    text = sentence.encode()
    return (
        f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: text/plain; charset=utf-8\r\n"
        f"x-content-type-options: nosniff\r\nconnection: close\r\ncontent-length: {len(text)}\r\n\r\n"
    ).encode() + text


_BUSY = _refusal(HTTPStatus.SERVICE_UNAVAILABLE, "this server has too many connections: try again in a minute")


class _Alarm:
    """Calls a function unless it is stopped in time."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._timer: asyncio.TimerHandle | None = None

    def start(self, action: Callable[[], object]) -> None:
        self.stop()
        self._timer = asyncio.get_running_loop().call_later(self.seconds, action)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _address(protocol: asyncio.Protocol) -> str:
    client = getattr(protocol, "client", None)
    return client[0] if client else ""


def bounded_protocol(connections: int, silence: float, proxies: Container[str] = ()) -> type[H11Protocol]:
    """The protocol class for one server.

    Arguments:
        connections: the number that may be open; further ones are answered 503 and closed.  One client may have half
            of them.
        silence: seconds after which a connection is closed if it has not sent the head of a request, or has taken
            nothing of an answer.  (`uploads.receive` limits the time between two parts of a request's body.)
        proxies: addresses that connect for many clients and may have all connections.
    """

    class BoundedProtocol(H11Protocol):
        def __init__(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401 (those of the base class)
            super().__init__(*arguments, **named)
            self._head, self._answer = _Alarm(silence), _Alarm(silence)

        def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
            super().connection_made(transport)
            if self._too_many():
                transport.write(_BUSY)
                transport.close()
            else:
                self._head.start(transport.abort)

        def connection_lost(self, exc: Exception | None) -> None:
            self._head.stop()
            self._answer.stop()
            super().connection_lost(exc)

        def handle_events(self) -> None:
            before = self.scope
            super().handle_events()
            if self.scope is not before:
                self._head.stop()

        def send_400_response(self, msg: str) -> None:
            self.transport.write(_refusal(HTTPStatus.BAD_REQUEST, msg))
            self.transport.close()

        def on_response_complete(self) -> None:
            self._head.start(self.transport.abort)  # first, since the next request may have arrived already
            super().on_response_complete()

        def pause_writing(self) -> None:
            super().pause_writing()
            self._answer.start(self.transport.abort)

        def resume_writing(self) -> None:
            super().resume_writing()
            self._answer.stop()

        def _too_many(self) -> bool:
            address = _address(self)
            own = sum(1 for other in self.connections if _address(other) == address)
            return len(self.connections) > connections or (address not in proxies and own > connections // 2)

    return BoundedProtocol
