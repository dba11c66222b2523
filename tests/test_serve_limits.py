"""What the server does with clients that ask for too much, are too slow, or are many: over real sockets."""

import asyncio
import contextlib
import socket
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.testclient import TestClient

from driftrec import Restorer
from driftrec.web.connections import bounded_protocol
from driftrec.web.limits import Limits
from driftrec.web.server import application, run
from serving import answer_to, photo, post, running, served, wait_for


@pytest.fixture(scope="module")
def restorer() -> Restorer:
    return Restorer(threads=1)


# ------------------------------------------------------------------------------------------------ paths and headers


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/page/page.js", 200),
        ("/page/../server.py", 404),
        ("/page/../../../../../../../../../../etc/passwd", 404),
        ("/page/%2e%2e/server.py", 404),
        ("/page/..%2fserver.py", 404),
        ("/page//etc/passwd", 404),
        ("/page/..\\server.py", 404),
        ("//etc/passwd", 404),
    ],
)
def test_only_the_files_of_the_page_are_served(restorer: Restorer, path: str, status: int) -> None:
    with served(restorer) as (address, _), socket.create_connection(address) as connection:
        request = f"GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".encode()
        found, said = answer_to(connection, request)  # sent as it is: HTTP libraries tidy such paths
    assert found == status
    assert b"root:" not in said
    assert (b"import" in said) == (status == 200)


def test_every_answer_isolates_the_page(restorer: Restorer) -> None:
    app = application(restorer)

    async def fails(_: object) -> None:
        raise RuntimeError("a secret")

    app.add_route("/fails", fails)
    with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as client:
        answers = {
            403: client.post("/api/jobs", content=b"x", headers={"origin": "https://evil.example"}),
            500: client.get("/fails"),
            404: client.get("/nothing"),
            405: client.put("/api/jobs"),
            400: client.get("/", headers={"host": "evil.example"}),
            200: client.get("/page/page.js"),
        }
    for status, answer in answers.items():
        assert answer.status_code == status
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "unexpectedly" in answers[500].json()["error"]
    assert "secret" not in answers[500].text


def test_the_documented_limits_are_those_of_the_server() -> None:
    page = Path(__file__).parents[1] / "docs/use/serve.md"
    text, limits = " ".join(page.read_text(encoding="utf-8").split()), Limits()
    for phrase in (
        f"files of more than {limits.bytes / 1e6:.0f} MB",
        f"more than {limits.pixels / 1e6:.0f} megapixels",
        f"while {limits.waiting} pictures are waiting (`--queue`), or {limits.share} of the same client",
        f"sends nothing for {limits.silence:.0f} s, or less than {limits.pace / 1e3:.0f} kB/s on average",
        f"At most {limits.connections} connections may be open, {limits.connections // 2} of one client",
    ):
        assert phrase in text


# ------------------------------------------------------------------------------------------------ connections


@pytest.mark.parametrize("sends", [b"", b"GET / HT"])
def test_connections_that_do_not_ask_are_closed(restorer: Restorer, sends: bytes) -> None:
    with served(restorer, silence=0.3) as (address, _), socket.create_connection(address, timeout=20) as connection:
        stopped = threading.Event()

        def trickle() -> None:  # a byte now and then does not keep it open
            while not stopped.wait(0.1):
                try:
                    connection.send(b"x")
                except OSError:
                    return

        connection.sendall(sends)
        began = time.monotonic()
        thread = threading.Thread(target=trickle)
        if sends:
            thread.start()
        assert answer_to(connection)[0] == 0
        assert time.monotonic() - began < 10
        stopped.set()
        if sends:
            thread.join()


@pytest.mark.parametrize("pause", [0.1, 0.8])
def test_uploads_that_are_too_slow_are_refused(restorer: Restorer, pause: float) -> None:
    """Either one part is late, or each is in time and all together are not."""
    limits = {"silence": 0.4, "bytes": 40_000, "pace": 100_000}
    with served(restorer, **limits) as (address, _), socket.create_connection(address, timeout=20) as connection:
        connection.sendall(post(30_000))

        def send() -> None:
            for _ in range(30):
                time.sleep(pause)
                try:
                    connection.sendall(bytes(1000))
                except OSError:
                    return

        thread = threading.Thread(target=send)
        thread.start()
        status, said = answer_to(connection)
        thread.join()
    assert status == 408
    assert b"arrived too slowly" in said


def test_an_upload_at_an_ordinary_pace_is_taken_and_goes_to_disk_while_it_arrives(restorer: Restorer) -> None:
    data = photo(600, 800, quality=100) + bytes(3_000_000)
    with served(restorer) as (address, handlers), socket.create_connection(address, timeout=20) as connection:
        connection.sendall(post(len(data), "/api/jobs?mode=decode"))
        connection.sendall(data[:2_500_000])
        wait_for(lambda: [p for p in handlers.workspace.jobs.glob("*/upload") if p.stat().st_size >= 2_000_000])
        connection.sendall(data[2_500_000:])
        assert answer_to(connection)[0] == 202


def test_connections_have_a_limit_and_one_client_gets_half_of_them(restorer: Restorer) -> None:
    with served(restorer, connections=6) as (address, _):
        idle = [socket.create_connection(address) for _ in range(3)]
        time.sleep(0.2)
        with socket.create_connection(address) as connection:
            status, said = answer_to(connection)
        assert (status, b"too many connections" in said, b"nosniff" in said) == (503, True, True)
        for other in idle:
            other.close()
        wait_for(lambda: httpx.get(f"http://localhost:{address[1]}/api/about").status_code == 200)


def test_requests_that_are_no_http_are_refused_safely(restorer: Restorer) -> None:
    with served(restorer) as (address, _), socket.create_connection(address, timeout=20) as connection:
        connection.sendall(b"NO HTTP\x00 AT ALL\r\n\r\n")
        status, said = answer_to(connection)
    assert (status, b"nosniff" in said, b"Invalid HTTP request" in said) == (400, True, True)


def test_clients_that_do_not_read_their_answer_are_cut_off() -> None:
    ended = threading.Event()

    async def endless(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            for _ in range(100_000):
                await send({"type": "http.response.body", "body": bytes(100_000), "more_body": True})
                await asyncio.sleep(0)
                if ended.is_set():
                    return
        finally:
            ended.set()

    config = uvicorn.Config(endless, http=bounded_protocol(10, 0.3), lifespan="off", log_level="critical")
    with running(uvicorn.Server(config)) as address, socket.create_connection(address) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
        connection.recv(1000)
        time.sleep(1.0)
        taken = 0
        with contextlib.suppress(ConnectionResetError):
            while part := connection.recv(1 << 20):
                taken += len(part)
                assert taken < 100_000_000, "it goes on"
        ended.set()


def test_a_refused_upload_gets_its_answer_although_it_is_still_being_sent(restorer: Restorer) -> None:
    with served(restorer, bytes=1_000_000) as (address, _), httpx.Client() as client:
        for _ in range(3):
            answer = client.post(f"http://localhost:{address[1]}/api/jobs?name=big.jpg", content=bytes(20_000_000))
            assert (answer.status_code, "big.jpg is larger than 1 MB" in answer.json()["error"]) == (413, True)


def test_a_server_with_an_open_page_stops_at_once(restorer: Restorer) -> None:
    with served(restorer) as (address, _):
        base = f"http://localhost:{address[1]}"
        job = httpx.post(f"{base}/api/jobs?steps=1000", content=photo(400, 400)).json()
        stream = socket.create_connection(address)
        stream.sendall(f"GET /api/jobs/{job['id']}/events HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
        assert b"200" in stream.recv(1000)
        began = time.monotonic()
    assert time.monotonic() - began < 4
    stream.close()


def test_a_server_whose_port_is_taken_leaves_nothing_behind(restorer: Restorer) -> None:
    app = application(restorer)
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        run(app, "127.0.0.1", taken.getsockname()[1], lambda _: pytest.fail("it is not ready"))
    assert not app.state.handlers.workspace.folder.exists()


# ------------------------------------------------------------------------------------------------ shares


def test_inventing_cookies_or_addresses_gains_nothing(restorer: Restorer) -> None:
    with served(restorer, share=2) as (address, _), httpx.Client(base_url=f"http://localhost:{address[1]}") as client:
        answers = []
        for i in range(5):
            headers = {"cookie": f"driftrec=invented{i}", "x-forwarded-for": f"192.0.2.{i}"}
            answers.append(client.post("/api/jobs?steps=500", content=photo(300, 300), headers=headers))
        assert [a.status_code for a in answers].count(429) >= 2
        assert "2 of your pictures are waiting already" in answers[-1].json()["error"]


def test_clients_behind_a_trusted_proxy_have_shares_of_their_own(restorer: Restorer) -> None:
    with served(restorer, ("127.0.0.1",), share=1) as (address, handlers):
        for i in range(4):
            headers = {"x-forwarded-for": f"192.0.2.{i}"}
            answer = httpx.post(
                f"http://localhost:{address[1]}/api/jobs?steps=500", content=photo(300, 300), headers=headers
            )
            assert answer.status_code == 202
        assert {job.client for job in handlers.queue.jobs.values()} == {f"192.0.2.{i}" for i in range(4)}


def test_addresses_of_one_network_are_one_client(restorer: Restorer) -> None:
    with served(restorer, ("127.0.0.1",), share=1) as (address, handlers):
        for host in ("2001:db8::1", "2001:db8::2:3", "2001:db8:0:1::1"):
            headers = {"x-forwarded-for": host}
            httpx.post(f"http://localhost:{address[1]}/api/jobs?steps=500", content=photo(300, 300), headers=headers)
        assert {job.client for job in handlers.queue.jobs.values()} == {"2001:db8::/64", "2001:db8:0:1::/64"}
