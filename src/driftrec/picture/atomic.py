"""Atomic writing: a file appears with all its content, or stays as it was."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO


@contextlib.contextmanager
def atomic_write(target: Path, temporary: Path | None = None) -> Iterator[IO[bytes]]:
    """Opens a binary stream whose content replaces `target` when the block ends without an exception.

    The content is written under a temporary name, flushed to disk and then renamed.  If the block fails or is
    interrupted, the target is left unchanged and the temporary file is deleted.  As with an ordinary write, a symbolic
    link keeps pointing to the file that is written, and an existing file keeps its permissions.

    Arguments:
        target: the file to write; its folder must exist.
        temporary: the temporary name, on the same file system.  The default is a hidden name beside the target, so that
            the next write removes what a killed process left behind; if two processes may write one target at the same
            time, each needs a name of its own.

    Yields:
        The stream, for writing and reading.

    Raises:
        OSError: the file cannot be written, or the target is a folder, a device or a pipe.
    """
    target = Path(os.path.realpath(target))
    if target.exists() and not target.is_file():
        raise OSError(f"{target} is not a regular file")
    temporary = temporary or target.with_name(f".driftrec-{target.name}.part")
    temporary.unlink(missing_ok=True)
    try:
        with temporary.open("x+b") as stream:
            if target.exists():
                shutil.copymode(target, temporary)
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
