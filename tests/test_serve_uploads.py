"""What the server does with uploads that are costly, and when there is no memory or disk for them."""

import errno
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from driftrec import Restorer
from driftrec.picture import PictureError
from driftrec.web import inspections, uploads, worker
from driftrec.web.headers import read_header
from driftrec.web.limits import SCANS
from serving import client_of, photo, served, wait_for


@pytest.fixture(scope="module")
def restorer() -> Restorer:
    return Restorer(threads=1)


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
