"""What the server does to clients that ask for too much, are too slow, or are many: over real sockets where it matters."""

import asyncio
import contextlib
import errno
import io
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import uvicorn
from PIL import Image
from starlette.testclient import TestClient

from driftrec import Restorer
from driftrec.picture import PictureError
from driftrec.web import inspections, uploads, worker
from driftrec.web.connections import bounded_protocol
from driftrec.web.headers import read_header
from driftrec.web.limits import SCANS, Limits
from driftrec.web.server import application, run, server_of
from support import jpeg_file, scene


@pytest.fixture(scope="module")
def restorer() -> Restorer:
    return Restorer(threads=1)


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


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def answer_to(connection: socket.socket, request: bytes = b"") -> tuple[int, bytes]:
    """(status, everything after it) of what the server says until it closes the connection; 0 if it says nothing."""
    if request:
        connection.sendall(request)
    said = b""
    while part := connection.recv(1 << 16):
        said += part
    return (int(said.split()[1]) if said else 0), said


def post(length: int, path: str = "/api/jobs", **headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "host: localhost", f"content-length: {length}", "connection: close"]
    return "\r\n".join([*lines, *(f"{k.replace('_', '-')}: {v}" for k, v in headers.items()), "", ""]).encode()


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
        with contextlib.suppress(ConnectionResetError):
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


# ------------------------------------------------------------------------------------------------ inspections


def test_inspections_are_made_one_at_a_time_and_few_may_wait(
    restorer: Restorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_work, most, go = [0], [0], threading.Event()

    def slow(*_: object) -> dict:
        at_work[0] += 1
        most[0] = max(most[0], at_work[0])
        go.wait(30)
        time.sleep(0.02)
        at_work[0] -= 1
        return {}

    monkeypatch.setattr(inspections, "inspect_upload", slow)
    with served(restorer, inspections=8) as (address, _), ThreadPoolExecutor(6) as pool:
        asked = [
            pool.submit(httpx.post, f"http://localhost:{address[1]}/api/inspect", content=photo(), timeout=60)
            for _ in range(6)
        ]
        wait_for(lambda: sum(future.done() for future in asked) == 2)  # half of the places are for other clients
        go.set()
        statuses = sorted(future.result().status_code for future in asked)
    assert statuses == [200] * 4 + [429] * 2
    assert most == [1]


def scans_of(data: bytes, number: int) -> bytes:
    """A progressive JPEG with its last scan repeated, so that it has this many."""
    last = data.rindex(b"\xff\xda")
    return data[:-2] + data[last:-2] * (number - data.count(b"\xff\xda")) + data[-2:]


def test_the_scans_of_a_file_are_counted_without_those_of_its_thumbnail(tmp_path: Path) -> None:
    file = photo(40, 56, progressive=True)
    thumbnail = b"\xff\xe1" + (len(file) + 2).to_bytes(2) + file
    for name, data, found in [
        ("baseline", photo(40, 56), 1),
        ("progressive", file, 10),
        ("many", scans_of(file, 25), 25),
        ("thumbnail", file[:2] + thumbnail + file[2:], 10),
        ("restarts", photo(40, 56, restart_marker_blocks=1), 1),
        ("trailer", photo(40, 56) + file, 1),
    ]:
        (tmp_path / name).write_bytes(data)
        header = read_header(tmp_path / name)
        assert header is not None
        assert (header.width, header.height, header.scans) == (56, 40, found), name
    for data in (b"", b"GIF89a...", b"\xff\xd8\xff\xd9"):
        (tmp_path / "other").write_bytes(data)
        assert read_header(tmp_path / "other") is None


def test_files_that_take_too_long_to_decode_are_refused_before_they_are_decoded(
    restorer: Restorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = photo(40, 56, progressive=True)
    with client_of(restorer, pixels=40 * 56) as client:
        assert client.post("/api/inspect", content=scans_of(data, SCANS)).status_code == 200
        monkeypatch.setattr("driftrec.web.opening.open_picture", lambda *_, **__: pytest.fail("it was decoded"))
        answer = client.post("/api/inspect?name=bomb.jpg", content=scans_of(data, SCANS + 1))
        assert answer.status_code == 422
        assert answer.json()["error"] == (
            "bomb.jpg stores its pixels in 13 scans, which take too long to decode: save it again as an ordinary JPEG"
        )
        job = client.post("/api/jobs?name=bomb.jpg", content=scans_of(data, SCANS + 1)).json()
        wait_for(lambda: client.get(f"/api/jobs/{job['id']}").json()["state"] == "failed")


def test_an_inspection_without_enough_memory_is_one_sentence(
    restorer: Restorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr("driftrec.web.opening.open_picture", fails)
    with client_of(restorer) as client:
        answer = client.post("/api/inspect?name=a.jpg", content=photo())
    assert answer.status_code == 422
    assert answer.json()["error"] == "a.jpg needs more memory than this server has: send a smaller picture"


# ------------------------------------------------------------------------------------------------ the disk


def test_a_full_disk_is_a_sentence_for_the_upload_and_for_the_job(
    restorer: Restorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")

    async def no_space(*_: object) -> None:
        raise full

    def cannot_save(_: object, path: Path) -> None:
        raise PictureError(f"{path} cannot be written ({full})") from full

    with client_of(restorer) as client:
        with monkeypatch.context() as patched:
            patched.setattr(uploads, "run_in_threadpool", no_space)
            answers = [client.post(f"/api/{what}?name=a.jpg", content=photo()) for what in ("jobs", "inspect")]
        assert [a.status_code for a in answers] == [507, 507]
        assert {a.json()["error"] for a in answers} == {
            "the server's disk is full and cannot hold a.jpg: try again later"
        }
        monkeypatch.setattr(worker, "save_picture", cannot_save)
        job = client.post("/api/jobs?name=a.jpg", content=photo()).json()
        wait_for(lambda: client.get(f"/api/jobs/{job['id']}").json()["state"] == "failed")
        error = client.get(f"/api/jobs/{job['id']}").json()["error"]
        assert error == "a.jpg does not fit on the server's disk, which is full: try again later"
        handlers = client.app.state.handlers  # pyright: ignore[reportAttributeAccessIssue]
        assert len(list(handlers.workspace.jobs.iterdir())) == 1  # nothing is left of the refused ones


def test_a_result_that_cannot_be_saved_reveals_no_path(restorer: Restorer, monkeypatch: pytest.MonkeyPatch) -> None:
    def cannot_save(_: object, path: Path) -> None:
        raise PictureError(f"{path} cannot be written: try another folder")

    monkeypatch.setattr(worker, "save_picture", cannot_save)
    with client_of(restorer) as client:
        job = client.post("/api/jobs?name=a.jpg", content=photo()).json()
        wait_for(lambda: client.get(f"/api/jobs/{job['id']}").json()["state"] == "failed")
        error = client.get(f"/api/jobs/{job['id']}").json()["error"]
    assert error == "a.jpg could not be saved on the server: try again later"


def test_names_that_would_break_a_line_or_a_header_are_tamed(restorer: Restorer) -> None:
    with client_of(restorer) as client:
        names = {
            "a\nb\x1b[31m.jpg": "ab[31m.jpg",
            "../../etc/passwd": "passwd",
            "x" * 5000 + ".jpg": "x" * 150 + ".jpg",
            "": "upload",
        }
        for name, shown in names.items():
            answer = client.post("/api/inspect", params={"name": name}, content=b"no picture")
            assert answer.json()["error"].startswith(f"{shown} is not a picture")


def test_events_of_several_jobs_come_in_one_stream(restorer: Restorer) -> None:
    with client_of(restorer) as client:
        jobs = [client.post(f"/api/jobs?mode=decode&name={i}.jpg", content=photo()).json()["id"] for i in range(3)]
        text = client.get("/api/events", params={"job": [*jobs, "unknown"]}).text
    states = [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line]
    last = {state["id"]: state["state"] for state in states}
    assert last == {**dict.fromkeys(jobs, "done"), "unknown": "gone"}
