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
from driftrec.model import hub
from driftrec.model.card import ModelError
from driftrec.model.find import bundled_models, find_model
from driftrec.model.onnx import Network

CONTENT = bundled_models()["small"].read_bytes()


class Hub(BaseHTTPRequestHandler):
    """One repository, someone/photos, with one file."""

    asked: ClassVar[list[str]] = []

    def do_HEAD(self) -> None:
        self.answer(b"")

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.answer(CONTENT)

    def answer(self, body: bytes) -> None:
        if self.path != "/someone/photos/resolve/main/model.onnx":
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("X-Repo-Commit", "0" * 40)
        self.send_header("ETag", f'"{hashlib.sha256(CONTENT).hexdigest()}"')
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


@pytest.mark.parametrize("name", ["someone/photos", "some-one/photos_2.1"])
def test_names_of_a_hub(name: str) -> None:
    assert hub.is_hub_id(name)


@pytest.mark.parametrize("name", ["small", "folder/model.onnx", "../model", "/tmp/model", "a/b/c", "a b/c", "a/", ""])
def test_what_is_no_name_of_a_hub(name: str) -> None:
    assert not hub.is_hub_id(name)


@pytest.mark.usefixtures("server")
def test_a_model_is_fetched_once_and_runs() -> None:
    assert Network("someone/photos").card.name == "small"
    assert find_model("someone/photos").read_bytes() == CONTENT
    assert len(Hub.asked) == 1


@pytest.mark.usefixtures("server")
def test_what_the_hub_has_not_is_one_sentence() -> None:
    with pytest.raises(ModelError, match=r"did not give model\.onnx of 'someone/else'") as caught:
        find_model("someone/else")
    assert "\n" not in str(caught.value)


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    with pytest.raises(ModelError, match=re.escape(how_to_add("hub"))):
        find_model("someone/photos")
