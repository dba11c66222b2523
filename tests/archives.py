"""Helpers of the tests of archives: files, shards, stores, and runs of the command in other processes."""

import io
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from driftrec.archive.places import PARTS, Place, place
from driftrec.cli.app import app
from support import jpeg_file, scene


def photo(seed: int = 0, side: int = 64, **options: object) -> bytes:
    return jpeg_file(scene(side, side, seed), **{"quality": 10, **options})


def tar(path: Path, members: dict[str, bytes]) -> None:
    with tarfile.open(path, "w") as file:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            file.addfile(member, io.BytesIO(data))


def write(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def files(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def results(folder: Path) -> list[str]:
    """The files in a folder, without those that runs keep for themselves."""
    return [name for name in files(folder) if not name.startswith(PARTS)]


def keys(target: Place) -> list[str]:
    return sorted(name for found, _ in target.walk() for name in found) if target.kind().name != "NotFound" else []


def restore_archive(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["restore-archive", *map(str, arguments)], catch_exceptions=False)
    return result.exit_code, result.output.replace("\n", " ")


COMMAND = [sys.executable, "-m", "driftrec", "restore-archive"]


def start(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # shells let background jobs ignore it
    )


def until(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Waits until a condition holds while a process runs."""
    end = time.monotonic() + 300
    while not condition():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < end
        time.sleep(0.05)


@contextmanager
def s3_store() -> Iterator[Callable[[str], str]]:
    """Yields a function that gives the address of a folder in an S3-compatible store."""
    server_of = pytest.importorskip("moto.server")
    server = server_of.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    options = f"?endpoint_override=127.0.0.1%3A{server.get_host_and_port()[1]}&scheme=http&region=us-east-1"
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(variable, "test")
        place(f"s3://archive{options}&allow_bucket_creation=true").filesystem.create_dir("archive")
        yield lambda folder: f"s3://archive/{folder}{options}"
    server.stop()
