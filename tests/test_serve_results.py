"""Results that leave the server: formats that can hold them, archives, how long they are kept, how long they take."""

import contextlib
import io
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image
from starlette.testclient import TestClient

from driftrec import Restorer
from driftrec.picture import Picture, PictureError, require_format, save_picture
from driftrec.restoration.options import Options
from driftrec.restoration.uncertainty import COLOURS
from driftrec.web.handlers import _WhileReading  # pyright: ignore[reportPrivateUsage]
from driftrec.web.pace import FIXED, Pace, work_of
from driftrec.web.queue import Job, JobQueue
from driftrec.web.workspace import LOCK, PREFIX, Workspace
from driftrec.web.zipped import PART, ZipStream, distinct
from serving import client_of, photo, wait_for


@pytest.fixture(scope="module")
def restorer() -> Restorer:
    return Restorer(threads=1)


@pytest.fixture
def client(restorer: Restorer) -> Iterator[TestClient]:
    with client_of(restorer) as client:
        yield client


def restored(client: TestClient, query: str, content: bytes) -> dict:
    job = client.post(f"/api/jobs?{query}", content=content).json()
    wait_for(lambda: client.get(f"/api/jobs/{job['id']}").json()["state"] not in ("waiting", "running"))
    state = client.get(f"/api/jobs/{job['id']}").json()
    assert state["state"] == "done", state["error"]
    return state


# ------------------------------------------------------------------------------------------------ formats


def test_only_formats_that_can_hold_a_result_are_offered(client: TestClient) -> None:
    deep = restored(client, "mode=decode&bits=16&name=a.jpg", photo())
    wide = restored(client, "mode=decode&name=b.jpg", photo(8, 16_384))
    plain = restored(client, "mode=decode", photo(8, 16_383))
    assert plain["unavailable"] == {}
    reasons = {"webp": "a-restored.webp cannot be written: its format holds 8 bits, not 16; use .png or .tif"}
    assert deep["unavailable"] == reasons
    assert list(wide["unavailable"]) == ["webp"]
    assert "holds 16383 pixels per side, not 16384" in wide["unavailable"]["webp"]
    for state in (deep, wide):
        for address in (f"jobs/{state['id']}/result?format=webp", f"archive?job={state['id']}&format=webp"):
            answer = client.get(f"/api/{address}")
            assert (answer.status_code, answer.json()["error"]) == (422, state["unavailable"]["webp"])
        for kind in ("png", "tiff"):
            assert client.get(f"/api/jobs/{state['id']}/result?format={kind}").status_code == 200
    assert client.get(f"/api/jobs/{plain['id']}/result?format=webp").status_code == 200


def test_states_say_what_each_format_leaves_out(client: TestClient, tmp_path: Path) -> None:
    pixels = np.asarray(Image.open(io.BytesIO(photo())).convert("RGB"))
    save_picture(Picture(pixels, iptc=b"\x1c\x02\x78\x00\x04note"), tmp_path / "a.jpg")
    state = restored(client, "mode=decode", (tmp_path / "a.jpg").read_bytes())
    assert state["left_out"] == {"webp": ["IPTC (cannot be written as WEBP)"]}
    assert restored(client, "mode=decode", photo())["left_out"] == {}


@pytest.mark.parametrize(("kind", "side"), [("webp", 16_383), ("jpeg", 65_500), ("avif", 65_536)])
def test_the_sides_that_formats_hold(kind: str, side: int) -> None:
    require_format(Picture(np.zeros((1, side, 3), np.uint8)), f"a.{kind}")
    for shape in ((1, side + 1, 3), (side + 1, 1, 3)):
        with pytest.raises(PictureError, match=f"holds {side} pixels per side, not {side + 1}"):
            require_format(Picture(np.zeros(shape, np.uint8)), f"a.{kind}")
    Image.new("RGB", (side, 2)).save(io.BytesIO(), kind)  # and Pillow agrees
    with pytest.raises((ValueError, OSError, RuntimeError)):
        Image.new("RGB", (side + 1, 2)).save(io.BytesIO(), kind)


def test_the_map_has_a_scale_that_fits_it_and_the_legend_has_its_colours(client: TestClient) -> None:
    state = restored(client, "samples=2&steps=2", photo())
    with Image.open(io.BytesIO(client.get(f"/api/jobs/{state['id']}/deviation").content)) as image:
        shown = np.asarray(image.convert("RGB")).astype(int).sum(axis=2)
    assert 1 <= state["deviation_levels"] <= 60
    assert shown.max() > 400  # on a fixed scale for all pictures it would be nearly black
    style = client.get("/page/style.css").text
    colours = ", ".join(f"rgb({' '.join(str(round(255 * part)) for part in colour)})" for colour in COLOURS)
    assert f"linear-gradient(to right, {colours})" in style


# ------------------------------------------------------------------------------------------------ archives


def test_results_come_in_one_archive(client: TestClient) -> None:
    jobs = [restored(client, f"mode=decode&name={name}", photo(seed_height)) for name, seed_height in
            (("a.jpg", 16), ("b.jpg", 24), ("a.png", 32))]  # fmt: skip
    answer = client.get("/api/archive", params={"job": [job["id"] for job in jobs], "format": "webp"})
    assert answer.headers["content-type"] == "application/zip"
    assert "restored.zip" in answer.headers["content-disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.namelist() == ["a-restored.webp", "b-restored.webp", "a-restored (2).webp"]
        assert archive.testzip() is None
        for job, name in zip(jobs, archive.namelist(), strict=True):
            assert archive.read(name) == client.get(f"/api/jobs/{job['id']}/result?format=webp").content


@pytest.mark.parametrize(
    ("query", "status", "sentence"),
    [("", 400, "names no job"), ("job=unknown", 404, "no such job"), ("job={id}&format=gif", 400, "format must be")],
)
def test_archives_that_cannot_be_made(client: TestClient, query: str, status: int, sentence: str) -> None:
    job = restored(client, "mode=decode", photo())
    answer = client.get(f"/api/archive?{query.format(id=job['id'])}")
    assert (answer.status_code, sentence in answer.json()["error"]) == (status, True)


def test_archives_are_made_in_small_parts(tmp_path: Path) -> None:
    data = {f"{i}.bin": np.random.default_rng(i).bytes(3 * PART + i) for i in range(3)}
    stream, parts = ZipStream(), []
    for name, content in data.items():
        (tmp_path / name).write_bytes(content)
        parts += list(stream.add(tmp_path / name, name))
    parts.append(stream.end())
    assert max(map(len, parts)) < PART + 1000
    with zipfile.ZipFile(io.BytesIO(b"".join(parts))) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == data


def test_names_in_an_archive_are_distinct() -> None:
    assert distinct(["a.png", "A.png", "a.png", "b.png", "a (2).png"]) == [
        "a.png",
        "A (2).png",
        "a (3).png",
        "b.png",
        "a (2) (2).png",
    ]


# ------------------------------------------------------------------------------------------------ how long they stay


def test_results_expire_and_say_when(client: TestClient) -> None:
    handlers = client.app.state.handlers  # pyright: ignore[reportAttributeAccessIssue]
    state = restored(client, "mode=decode", photo())
    assert 890 < state["expires"] <= 900
    (folder,) = handlers.workspace.jobs.iterdir()
    job = handlers.queue.jobs[state["id"]]
    handlers.queue.kept = 0.0
    assert client.get(f"/api/jobs/{state['id']}").status_code == 404
    with handlers.queue.reading([job]):
        time.sleep(1.5)
        assert folder.exists()  # a download goes on
    wait_for(lambda: not folder.exists())


def of_a_job(client: TestClient) -> tuple[str, list[str], JobQueue]:
    """(identifier of a job that is done, addresses of its files, its queue)."""
    name = restored(client, "mode=decode", photo())["id"]
    addresses = [f"jobs/{name}/{file}" for file in ("before", "after", "result", "result?format=webp")]
    queue = client.app.state.handlers.queue  # pyright: ignore[reportAttributeAccessIssue]
    return name, [f"/api/{address}" for address in (*addresses, f"archive?job={name}")], queue


@pytest.mark.parametrize("which", range(5))
def test_a_job_that_is_deleted_when_its_file_is_about_to_be_sent_is_gone(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, which: int
) -> None:
    name, addresses, queue = of_a_job(client)
    call = _WhileReading.__call__

    async def late(self: _WhileReading, *arguments: Any) -> None:
        queue.cancel(queue.jobs[name])
        await call(self, *arguments)

    monkeypatch.setattr(_WhileReading, "__call__", late)
    answer = client.get(addresses[which])
    assert (answer.status_code, answer.json()["error"][:20]) == (404, "there is no such job")


@pytest.mark.parametrize("which", range(5))
def test_a_file_that_is_being_sent_is_sent_completely_though_its_job_is_deleted(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, which: int
) -> None:
    name, addresses, queue = of_a_job(client)
    (expected, folder), reading = (client.get(addresses[which]), queue.jobs[name].folder), queue.reading

    @contextlib.contextmanager
    def cancelled_early(jobs: list[Job]) -> Iterator[None]:
        with reading(jobs):
            queue.cancel(jobs[0])
            yield

    monkeypatch.setattr(queue, "reading", cancelled_early)
    answer = client.get(addresses[which])
    assert (answer.status_code, answer.content) == (200, expected.content)
    assert not folder.exists()


# ------------------------------------------------------------------------------------------------ how long they take


def test_the_work_of_a_restoration_is_what_its_network_does(restorer: Restorer) -> None:
    """By hand, from the card of `small`: 58 416 multiply–adds for a view, 249 648 for the finisher."""
    card, finisher = restorer.runner.card, 249_648 / 58_416
    for options, work in [
        (Options(mode="decode"), 0.0),
        (Options(mode="faithful"), 1.0),
        (Options(mode="faithful", steps=4), 4.0),
        (Options(mode="natural", steps=1), 1.0),
        (Options(mode="natural"), 1 + finisher),
        (Options(mode="natural", steps=5), 1 + 3 + finisher),
        (Options(mode="natural", samples=3), 1 + 3 * finisher),
    ]:
        assert work_of(options, card) == pytest.approx(FIXED + work), options


def test_estimates_follow_the_size_the_options_and_the_machine(restorer: Restorer) -> None:
    pace, options = Pace(restorer), Options(mode="faithful")
    assert pace.predict(1_000_000, options) is None
    pace.learn(1_000_000, FIXED + 1, 3.0)
    assert pace.predict(1_000_000, options) == pytest.approx(3.0)
    assert pace.predict(4_000_000, options) == pytest.approx(12.0)
    pace.learn(1_000_000, FIXED + 1, 5.0)
    assert pace.predict(1_000_000, options) == pytest.approx(4.0)
    running, waiting = (Job("me", "a", options, Path("nowhere"), pixels=1_000_000) for _ in range(2))
    assert pace.left(waiting, [running]) == pytest.approx(8.0)
    running.started = time.monotonic() - 3.0
    assert pace.left(running, []) == pytest.approx(1.0, abs=0.1)
    running.started, running.done, running.total = time.monotonic() - 6.0, 6, 8  # slower than expected
    assert pace.left(running, []) == pytest.approx(2.0, abs=0.1)
    waiting.pixels = 0
    assert pace.left(waiting, [running]) is None


def test_the_server_estimates_before_the_first_job(client: TestClient) -> None:
    wait_for(lambda: client.get("/api/estimate?pixels=1000000&mode=faithful").json()["seconds"] is not None)
    faithful, natural, large = (
        client.get(f"/api/estimate?{query}").json()["seconds"]
        for query in ("pixels=1000000&mode=faithful", "pixels=1000000", "pixels=3000000&mode=faithful")
    )
    assert 0.05 < faithful < natural
    assert large == pytest.approx(3 * faithful)
    for query in ("", "pixels=-1", "pixels=many", "pixels=0", "pixels=1&mode=sharp", "pixels=1&speed=2"):
        assert client.get(f"/api/estimate?{query}").status_code == 400


# ------------------------------------------------------------------------------------------------ the server's folder

SERVER = """
import sys
from pathlib import Path
from driftrec.web.workspace import Workspace
workspace = Workspace(Path(sys.argv[1]))
(workspace.new() / "upload").write_bytes(b"a picture")
print(workspace.folder, flush=True)
sys.stdin.read()
"""


def test_folders_of_killed_servers_are_swept_and_those_of_live_ones_stay(tmp_path: Path) -> None:
    call = [sys.executable, "-c", SERVER, str(tmp_path)]
    with (
        subprocess.Popen(call, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as killed,
        subprocess.Popen(call, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as alive,
    ):
        assert killed.stdout is not None
        assert alive.stdout is not None
        dead, living = Path(killed.stdout.readline().strip()), Path(alive.stdout.readline().strip())
        other = tmp_path / f"{PREFIX}just-made"  # by a server that has not locked it yet
        other.mkdir()
        link = tmp_path / f"{PREFIX}link"
        link.symlink_to(tmp_path / "elsewhere")
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "elsewhere" / LOCK).touch()
        killed.kill()
        killed.wait()
        assert list(dead.glob("jobs/*/upload"))
        workspace = Workspace(tmp_path)
        assert not dead.exists()
        assert list(living.glob("jobs/*/upload"))
        assert other.exists()
        assert (tmp_path / "elsewhere" / LOCK).exists()
        workspace.close()
        assert not workspace.folder.exists()
        alive.kill()


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files cannot be listed here")
def test_a_folder_is_closed_from_any_thread(tmp_path: Path) -> None:
    def held() -> list[Path]:
        links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
        return [link for link in links if workspace.folder.name in str(link.readlink())]

    workspace = Workspace(tmp_path)
    assert len(held()) == 1
    thread = threading.Thread(target=workspace.close)
    thread.start()
    thread.join()
    assert held() == []


def test_a_folder_that_another_server_sweeps_while_it_is_made_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, swept = [], []

    def mkdtemp(prefix: str, dir: Path) -> str:
        folder = dir / f"{prefix}{len(made)}"
        folder.mkdir()
        made.append(folder)
        if len(made) == 1:  # the other server takes the lock first
            swept.append(FileLock(folder / LOCK, timeout=0))
            swept[0].acquire()
        return str(folder)

    monkeypatch.setattr("tempfile.mkdtemp", mkdtemp)
    workspace = Workspace(tmp_path)
    assert workspace.folder == made[1]
    swept[0].release()
    workspace.close()
