"""Helpers of the tests of the server: servers in this process, with and without a socket, and what is sent to them."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.testclient import TestClient

from driftrec import Restorer
from driftrec.web.limits import Limits
from driftrec.web.server import application, server_of
from support import jpeg_file, scene


@contextmanager
def running(server: uvicorn.Server) -> Iterator[tuple[str, int]]:
    """(host, port) of a server that runs in a thread."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        wait_for(lambda: server.started)
        try:
            yield listener.getsockname()
        finally:
            server.should_exit = True
            thread.join(timeout=30)
    assert not thread.is_alive()


@contextmanager
def served(restorer: Restorer, proxies: tuple[str, ...] = (), **limits: Any) -> Iterator[tuple[tuple[str, int], Any]]:
    """(address, handlers) of a server with these limits."""
    app = application(restorer, Limits(**limits))
    with running(server_of(app, proxies)) as address:
        yield address, app.state.handlers


@contextmanager
def client_of(restorer: Restorer, **limits: Any) -> Iterator[TestClient]:
    with TestClient(application(restorer, Limits(**limits)), base_url="http://localhost") as client:
        yield client


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def photo(height: int = 48, width: int = 64, **options: object) -> bytes:
    return jpeg_file(scene(height, width), **{"quality": 10, **options})


def answer_to(connection: socket.socket, request: bytes = b"") -> tuple[int, bytes]:
    """(status, everything after it) of what the server says until it closes the connection; 0 if it says nothing."""
    if request:
        connection.sendall(request)
    said = b""
    with contextlib.suppress(ConnectionResetError):  # it may close while more is being sent
        while part := connection.recv(1 << 16):
            said += part
    return (int(said.split()[1]) if said else 0), said


def post(length: int, path: str = "/api/jobs", **headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "host: localhost", f"content-length: {length}", "connection: close"]
    return "\r\n".join([*lines, *(f"{k.replace('_', '-')}: {v}" for k, v in headers.items()), "", ""]).encode()
