"""The server over HTTP: uploads, events, results, limits, and what it refuses."""

import io
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from driftrec import Restorer
from driftrec.picture import save_picture
from driftrec.web import worker
from driftrec.web.server import application
from driftrec.web.worker import PREVIEW
from serving import client_of, photo


@pytest.fixture(scope="module")
def restorer() -> Restorer:
    return Restorer(threads=1)


@pytest.fixture
def client(restorer: Restorer) -> Iterator[TestClient]:
    with client_of(restorer) as client:
        yield client


def finished(client: TestClient, job: dict) -> dict:
    end = time.monotonic() + 60
    while (state := client.get(f"/api/jobs/{job['id']}").json())["state"] in ("waiting", "running"):
        assert time.monotonic() < end
        time.sleep(0.02)
    return state


def test_a_picture_goes_in_and_comes_out_as_restore_makes_it(client: TestClient, restorer: Restorer) -> None:
    answer = client.post("/api/jobs?name=my%20photo.jpg&mode=natural&steps=3&seed=5", content=photo())
    assert answer.status_code == 202
    state = finished(client, answer.json())
    assert (state["state"], state["name"], state["error"]) == ("done", "my photo.jpg", "")
    assert state["previews"] == 3
    assert "natural, 3 evaluations" in state["summary"]
    base = f"/api/jobs/{state['id']}"
    expected = restorer.restore(photo(), steps=3, seed=5).picture.to_pil()
    for kind, name in (("png", "PNG"), ("webp", "WEBP"), ("tiff", "TIFF")):
        result = client.get(f"{base}/result?format={kind}")
        assert f"my%20photo-restored.{kind}" in result.headers["content-disposition"]
        with Image.open(io.BytesIO(result.content)) as image:
            assert image.format == name
            np.testing.assert_array_equal(np.asarray(image), np.asarray(expected))
    before = np.asarray(Image.open(io.BytesIO(client.get(f"{base}/before").content)))
    np.testing.assert_array_equal(before, np.asarray(Image.open(io.BytesIO(photo()))))
    assert client.get(f"{base}/preview").headers["content-type"] == "image/jpeg"
    assert client.get(f"{base}/deviation").status_code == 404


def test_events_tell_of_every_change_until_the_end(client: TestClient) -> None:
    job = client.post("/api/jobs?mode=faithful", content=photo()).json()
    lines = [line for line in client.get(f"/api/jobs/{job['id']}/events").text.splitlines() if line]
    states = [json.loads(line.removeprefix("data: ")) for line in lines]
    assert states[-1]["state"] == "done"
    assert states[-1]["done"] == states[-1]["total"] == 1


def test_several_samples_give_a_map_of_their_deviation(client: TestClient) -> None:
    state = finished(client, client.post("/api/jobs?samples=2&steps=2", content=photo()).json())
    assert state["deviation"]
    with Image.open(io.BytesIO(client.get(f"/api/jobs/{state['id']}/deviation").content)) as image:
        assert image.size == (64, 48)


def test_samples_of_all_that_fits_can_be_asked_for(client: TestClient) -> None:
    query = "mode=sample&steps=2&sampler=ddim&process=CosVE:gamma=2&start=0.5"
    state = finished(client, client.post(f"/api/jobs?{query}", content=photo()).json())
    assert "sample, 3 evaluations" in state["summary"]
    assert client.get(f"/api/estimate?pixels=9999&{query}").json()["seconds"] > 0
    refused = client.post("/api/jobs?mode=sample&process=OU", content=photo())
    assert (refused.status_code, refused.json()["error"][:28]) == (400, "there is no process 'OU'; kn")


def test_metadata_and_orientation_survive(client: TestClient) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x8298] = 6, "Someone"
    state = finished(client, client.post("/api/jobs?mode=decode", content=photo(exif=exif)).json())
    for kind in ("png", "tiff"):
        with Image.open(io.BytesIO(client.get(f"/api/jobs/{state['id']}/result?format={kind}").content)) as image:
            assert image.size == (48, 64)
            assert image.getexif()[0x8298] == "Someone"


def test_inspect_says_what_the_file_says(client: TestClient) -> None:
    facts = client.post("/api/inspect", content=photo()).json()
    assert (facts["width"], facts["jpeg"]["quality"], facts["verdict"]) == (64, 10, "restore")


@pytest.mark.parametrize(
    ("query", "content", "status", "sentence"),
    [
        ("", b"", 400, "send the bytes of a picture"),
        ("?mode=sharp", b"x", 400, "mode must be one of natural, faithful, sample, decode, not sharp"),
        ("?steps=0", b"x", 400, "steps must be between 1 and 1000, not 0"),
        ("?steps=many", b"x", 400, "steps must be a whole number, not many"),
        ("?strength=2", b"x", 400, "strength must be between 0 and 1, not 2"),
        ("?samples=1001", b"x", 400, "samples must be between 1 and 1000, not 1001"),
        ("?mode=faithful&samples=2", b"x", 400, "faithful has no samples to average"),
        ("?mode=faithful&steps=3", b"x", 400, "1, 2, 4 or 8 steps, not 3"),
        ("?mode=decode&steps=3", b"x", 400, "decoding takes no steps"),
        ("?bits=12", b"x", 400, "bits must be 8 or 16, not 12"),
        ("?force=perhaps", b"x", 400, "force must be true or false, not perhaps"),
        ("?speed=3", b"x", 400, "there is no option speed"),
        ("?model=/etc/passwd", b"x", 400, "there is no option model"),
        ("", b"x" * 20_001, 413, "upload is larger than 0.02 MB: send a smaller file"),
    ],
)
def test_requests_that_cannot_be_met(
    restorer: Restorer, query: str, content: bytes, status: int, sentence: str
) -> None:
    with client_of(restorer, bytes=20_000) as client:
        answer = client.post(f"/api/jobs{query}", content=content)
        assert (answer.status_code, sentence in answer.json()["error"]) == (status, True)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"text", "upload is not a picture"),
        (photo()[:400], "upload is damaged or cut short"),
        (photo(200, 300), "upload has 0.06 megapixels, more than 0.05"),
    ],
)
def test_uploads_that_are_no_good_end_in_one_sentence_without_a_path(
    restorer: Restorer, content: bytes, sentence: str
) -> None:
    with client_of(restorer, pixels=50_000) as client:
        state = finished(client, client.post("/api/jobs", content=content).json())
        assert state["state"] == "failed"
        for error in (state["error"], client.post("/api/inspect", content=content).json()["error"]):
            assert error.startswith(sentence)
            assert "/" not in error.split("(")[0]
        assert client.get(f"/api/jobs/{state['id']}/result").status_code == 409


def test_cancelled_jobs_and_unknown_ones_are_gone(client: TestClient) -> None:
    job = client.post("/api/jobs?steps=50", content=photo(400, 400)).json()
    assert client.delete(f"/api/jobs/{job['id']}").status_code == 204
    for address in (f"/api/jobs/{job['id']}", "/api/jobs/unknown", "/api/jobs/unknown/result"):
        assert client.get(address).status_code == 404
        assert "send the picture again" in client.get(address).json()["error"]


def test_uploads_are_deleted_with_their_jobs_and_the_folder_with_the_server(restorer: Restorer) -> None:
    app = application(restorer)
    with TestClient(app, base_url="http://localhost") as client:
        job = client.post("/api/jobs?mode=decode", content=photo()).json()
        finished(client, job)
        workspace = app.state.handlers.workspace
        assert len(list(workspace.jobs.iterdir())) == 1
        client.delete(f"/api/jobs/{job['id']}")
        assert list(workspace.jobs.iterdir()) == []
    assert not workspace.folder.exists()


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:8000", 200),
        ("127.0.0.1:8000", 200),
        ("[::1]:8000", 200),
        ("box.example", 200),
        ("evil.example", 400),
        ("localhost.evil.example", 400),
        ("evil.example#localhost", 400),
        ("[::1", 400),
        ("", 400),
    ],
)
def test_only_known_names_are_answered_to(restorer: Restorer, host: str, status: int) -> None:
    with TestClient(application(restorer, hosts=["Box.example"])) as client:
        answer = client.get("/api/about", headers={"host": host})
    assert answer.status_code == status
    assert status == 200 or "start it with --allow-host" in answer.json()["error"]


def test_other_sites_are_refused(client: TestClient) -> None:
    answer = client.post("/api/jobs", content=photo(), headers={"origin": "https://evil.example"})
    assert (answer.status_code, answer.json()["error"]) == (403, "requests from other sites are refused")
    assert client.post("/api/inspect", content=photo(), headers={"origin": "http://localhost"}).status_code == 200


def test_the_page_keeps_to_itself(client: TestClient) -> None:
    page = client.get("/")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "httponly" in page.headers["set-cookie"].lower()
    for address in ("page/page.js", "page/style.css", "page/icon.svg"):
        assert client.get(address).status_code == 200
        assert "https://" not in client.get(address).text
    assert "//" not in page.text.replace("<!doctype", "")
    about = client.get("/api/about").json()
    assert about["formats"] == ["png", "webp", "tiff"]


def test_no_more_wait_than_there_is_room_for(restorer: Restorer) -> None:
    with client_of(restorer, waiting=2) as client:
        answers = [client.post("/api/jobs?steps=50", content=photo(400, 400))]
        end = time.monotonic() + 60
        while client.get(f"/api/jobs/{answers[0].json()['id']}").json()["state"] == "waiting":  # until it is begun
            assert time.monotonic() < end
            time.sleep(0.005)
        answers += [client.post("/api/jobs?steps=50", content=photo(400, 400)) for _ in range(3)]
        assert [a.status_code for a in answers][:3] == [202, 202, 202]
        assert (answers[3].status_code, "too many pictures are waiting" in answers[3].json()["error"]) == (429, True)
        for answer in answers[:3]:
            client.delete(f"/api/jobs/{answer.json()['id']}")


def test_jobs_that_take_too_long_say_so(restorer: Restorer) -> None:
    with client_of(restorer, seconds=0.2) as client:
        state = finished(client, client.post("/api/jobs?steps=50", content=photo(600, 600)).json())
        assert "upload takes longer than 0 s, the limit of this server: use fewer steps" in state["error"]


def test_a_preview_is_whole_while_the_next_takes_its_place(client: TestClient) -> None:
    state = finished(client, client.post("/api/jobs?mode=decode", content=photo()).json())
    handlers = client.app.state.handlers  # pyright: ignore[reportAttributeAccessIssue]
    folder, over = handlers.queue.jobs[state["id"]].folder, threading.Event()
    versions = [bytes([65 + n]) * 1000 * (n + 1) for n in range(20)]

    def replace() -> None:
        while not over.is_set():
            for version in versions:
                (folder / "next").write_bytes(version)
                (folder / "next").replace(folder / PREVIEW)

    (folder / PREVIEW).write_bytes(versions[0])
    with ThreadPoolExecutor(1) as pool:
        replacing = pool.submit(replace)
        try:
            answers = [client.get(f"/api/jobs/{state['id']}/preview") for _ in range(100)]
        finally:
            over.set()
        replacing.result()
    assert {int(a.headers["content-length"]) == len(a.content) for a in answers} == {True}
    assert {a.content in versions for a in answers} == {True}
    assert len({a.content for a in answers}) > 1  # it was replaced meanwhile


def test_a_result_that_is_asked_for_twice_at_once_is_made_once(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = finished(client, client.post("/api/jobs?mode=decode", content=photo(300, 400)).json())
    saved = []
    monkeypatch.setattr(worker, "save_picture", lambda picture, path: (saved.append(path), save_picture(picture, path)))
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(client.get, f"/api/jobs/{state['id']}/result?format=webp") for _ in range(4)]
        answers = [future.result() for future in asked]
    assert [path.name for path in saved] == ["result.webp"]
    for answer in answers:
        with Image.open(io.BytesIO(answer.content)) as image:
            image.load()
            assert image.size == (400, 300)


def test_events_of_several_jobs_come_in_one_stream(restorer: Restorer) -> None:
    with client_of(restorer) as client:
        jobs = [client.post(f"/api/jobs?mode=decode&name={i}.jpg", content=photo()).json()["id"] for i in range(3)]
        text = client.get("/api/events", params={"job": [*jobs, "unknown"]}).text
    states = [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line]
    last = {state["id"]: state["state"] for state in states}
    assert last == {**dict.fromkeys(jobs, "done"), "unknown": "gone"}
