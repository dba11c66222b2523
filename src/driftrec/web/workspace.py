"""The folder in which a running server keeps uploads and results."""

import contextlib
import os
import shutil
import tempfile
import time
from pathlib import Path

from filelock import FileLock, Timeout

PREFIX = "driftrec-serve-"
LOCK = "lock"
FRESH = 60.0
"""Seconds for which a folder without a lock is taken for one that another server is just making."""


class Workspace:
    """A new folder for one server, and a subfolder for each job.

    The server holds a lock on a file in its folder, which the operating system releases if the process is killed.
    Folders whose lock is free were left behind by killed servers, and are deleted when the next one starts.

    Arguments: `parent`, where to make the folder (default: the system's folder for temporary files).
    """

    def __init__(self, parent: Path | None = None) -> None:
        parent = parent or Path(tempfile.gettempdir())
        _sweep(parent)
        self.folder, self._lock = _made(parent)
        self.jobs = self.folder / "jobs"
        self.jobs.mkdir()

    def new(self) -> Path:
        """A new, empty folder for one upload."""
        return Path(tempfile.mkdtemp(dir=self.jobs))

    def close(self) -> None:
        """Deletes the folder with everything in it."""
        self._lock.release()
        shutil.rmtree(self.folder, ignore_errors=True)


def _made(parent: Path) -> tuple[Path, FileLock]:
    """A new folder, and its lock, held by this process."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        lock = FileLock(folder / LOCK, timeout=0, thread_local=False)  # the thread that closes is another one
        with contextlib.suppress(Timeout):  # another server sweeps at this moment, and takes the folder for abandoned
            lock.acquire()
            return folder, lock


def _sweep(parent: Path) -> None:
    """Deletes the folders of this user's servers that were killed."""
    for folder in parent.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):  # another server may sweep, too
            if _is_own(folder) and _is_abandoned(folder):
                shutil.rmtree(folder, ignore_errors=True)


def _is_own(folder: Path) -> bool:
    """Whether it is a folder, not a link, of the user who runs this process."""
    user = getattr(os, "getuid", None)  # not on Windows, where each user has a folder for temporary files
    return folder.is_dir() and not folder.is_symlink() and (user is None or folder.stat().st_uid == user())


def _is_abandoned(folder: Path) -> bool:
    """Whether no process holds the folder's lock."""
    if not (folder / LOCK).exists():
        return time.time() - folder.stat().st_mtime > FRESH
    lock = FileLock(folder / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        return False
    lock.release()
    return True
