"""Atomic writing: all of the new content or all of the old, whatever happens in between."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from driftrec.picture import atomic_write


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("error", [OSError("No space left on device"), KeyboardInterrupt(), GeneratorExit()])
def test_a_failure_in_the_middle_leaves_the_old_content_and_no_other_file(tmp_path: Path, error: BaseException) -> None:
    def fail_halfway() -> None:
        with atomic_write(target) as file:
            file.write(b"half of the new")
            raise error

    target = tmp_path / "records.jsonl"
    target.write_bytes(b"old")
    with pytest.raises(type(error)):
        fail_halfway()
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["records.jsonl"]


def test_a_failure_of_a_first_write_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), atomic_write(tmp_path / "new") as file:
        file.write(bytes(1 // 0))
    assert names(tmp_path) == []


def test_the_target_changes_at_the_end_and_only_then(tmp_path: Path) -> None:
    target = tmp_path / "model.onnx"
    target.write_bytes(b"old")
    with atomic_write(target) as file:
        file.write(b"new")
        file.flush()
        assert target.read_bytes() == b"old"
        assert Path(file.name).read_bytes() == b"new"
        assert Path(file.name).parent == tmp_path  # on the same file system, so that renaming is atomic
    assert target.read_bytes() == b"new"
    assert names(tmp_path) == ["model.onnx"]


def test_content_is_on_disk_before_the_name_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, calls = tmp_path / "file", []
    fsync, replace = os.fsync, Path.replace

    def recorded_fsync(descriptor: int) -> None:
        calls.append(("fsync", os.fstat(descriptor).st_ino, os.fstat(descriptor).st_size))
        fsync(descriptor)

    def recorded_replace(path: Path, other: Path) -> Path:
        calls.append(("replace", path.stat().st_ino, path.stat().st_size))
        return replace(path, other)

    monkeypatch.setattr(os, "fsync", recorded_fsync)
    monkeypatch.setattr(Path, "replace", recorded_replace)
    with atomic_write(target) as file:
        file.write(b"content")
    number = target.stat().st_ino
    assert calls == [("fsync", number, 7), ("replace", number, 7)]


def test_a_killed_process_leaves_the_old_content_and_the_next_write_cleans_up(tmp_path: Path) -> None:
    target = tmp_path / "checkpoint"
    target.write_bytes(b"old")
    code = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom driftrec.picture import atomic_write\n"
        "with atomic_write(Path(sys.argv[1])) as file:\n"
        "    file.write(b'half')\n    file.flush()\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    process = subprocess.run([sys.executable, "-c", code, target], check=False)
    assert process.returncode == -signal.SIGKILL
    assert target.read_bytes() == b"old"
    assert len(names(tmp_path)) == 2
    with atomic_write(target) as file:
        file.write(b"new")
    assert target.read_bytes() == b"new"
    assert names(tmp_path) == ["checkpoint"]


@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_a_new_file_gets_the_permissions_of_an_ordinary_write(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        (tmp_path / "plain").write_bytes(b"")
        with atomic_write(tmp_path / "atomic"):
            pass
    finally:
        os.umask(before)
    assert (tmp_path / "atomic").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_an_existing_file_keeps_its_permissions(tmp_path: Path) -> None:
    target = tmp_path / "private"
    target.write_bytes(b"old")
    target.chmod(0o640)
    with atomic_write(target) as file:
        file.write(b"new")
    assert stat.S_IMODE(target.stat().st_mode) == 0o640


@pytest.mark.parametrize("exists", [True, False])
def test_a_symbolic_link_stays_a_link_to_the_file_that_is_written(tmp_path: Path, exists: bool) -> None:
    folder, link = tmp_path / "elsewhere", tmp_path / "link"
    folder.mkdir()
    if exists:
        (folder / "file").write_bytes(b"old")
    link.symlink_to(Path("elsewhere/file"))
    with atomic_write(link) as file:
        file.write(b"new")
    assert link.is_symlink()
    assert (folder / "file").read_bytes() == b"new"
    assert names(folder) == ["file"]


def test_folders_pipes_and_missing_folders_are_errors(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for target in (tmp_path, tmp_path / "pipe", tmp_path / "nowhere" / "file"):
        with pytest.raises(OSError, match=r"not a regular file|No such file"), atomic_write(target):
            pass
    assert names(tmp_path) == ["pipe"]
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
