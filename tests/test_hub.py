"""Models from a hub, against a small server that answers as the hub does."""

import hashlib
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from driftrec.extras import how_to_add
from driftrec.model.card import ModelError
from driftrec.model.find import bundled_models, find_model
from driftrec.model.onnx import Network

CONTENT = bundled_models()["small"].read_bytes()
DIGEST = hashlib.sha256(CONTENT).hexdigest()
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(BaseHTTPRequestHandler):
    """One repository, someone/photos, with one file."""

    asked: ClassVar[list[str]] = []

    def do_HEAD(self) -> None:
        self.answer(b"")

    def do_GET(self) -> None:
        self.answer(CONTENT)

    def answer(self, body: bytes) -> None:
        self.asked.append(self.path)
        if self.path not in [f"/someone/photos/resolve/{revision}/model.onnx" for revision in ("main", COMMIT)]:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{DIGEST}"')
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadingHTTPServer]:
    constants = pytest.importorskip("huggingface_hub.constants")
    Hub.asked.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        yield server
        server.shutdown()
        thread.join()


def pinned(repository: str = "someone/photos", commit: str = COMMIT, digest: str = DIGEST) -> str:
    return f"hub:{repository}@{commit}#{digest}"


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(
    "name", ["someone/photos", "runs/typo", "folder/model.onnx", "../model", "a/b/c", "some-one/p.1"]
)
def test_what_looks_like_a_path_is_not_asked_of_the_hub(name: str) -> None:
    with pytest.raises(ModelError, match=f"there is no model '{name}': give the path of an .onnx file"):
        find_model(name)
    assert Hub.asked == []


@pytest.mark.usefixtures("server")
def test_a_model_is_fetched_once_and_runs() -> None:
    assert Network(pinned()).card.name == "small"
    before = len(Hub.asked)
    assert find_model(pinned()).read_bytes() == CONTENT
    assert before == len(Hub.asked) > 0


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("name", ["hub:someone/photos", f"hub:someone/photos@{COMMIT}", f"hub:someone/photos#{DIGEST}"])
def test_a_model_that_is_not_pinned_is_refused_with_the_newest_pins(name: str) -> None:
    with pytest.raises(ModelError, match="does not say which file it is") as caught:
        find_model(name)
    assert str(caught.value).endswith(f"the newest is {pinned()}")
    assert find_model(pinned()).read_bytes() == CONTENT


@pytest.mark.usefixtures("server")
def test_a_file_with_another_hash_is_refused() -> None:
    with pytest.raises(ModelError, match=rf"has the SHA-256 {DIGEST}, not {'0' * 64}: do not use it"):
        find_model(pinned(digest="0" * 64))


@pytest.mark.parametrize(
    "name", ["hub:", "hub:photos", "hub:a/b/c", f"hub:a/b@main#{DIGEST}", f"hub:a/b@{COMMIT}#12", "hub:a b/c"]
)
def test_names_that_only_look_like_those_of_a_hub(name: str) -> None:
    with pytest.raises(ModelError, match=r"is no model of a hub: give hub:owner/model@COMMIT#SHA256"):
        find_model(name)


@pytest.mark.usefixtures("server")
def test_what_the_hub_has_not_is_one_sentence() -> None:
    for name in (pinned("someone/else"), pinned(commit="f" * 40)):
        with pytest.raises(ModelError, match=r"did not give model\.onnx of 'someone/") as caught:
            find_model(name)
        assert "\n" not in str(caught.value)
    with pytest.raises(ModelError, match="does not say which file it is") as caught:
        find_model("hub:someone/else")
    assert "newest" not in str(caught.value)


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    with pytest.raises(ModelError, match=re.escape(how_to_add("hub"))):
        find_model(pinned())
