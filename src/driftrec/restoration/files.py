"""Turns inputs as typed on a command line into pairs of source and target, checked before any work is done."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from glob import glob
from pathlib import Path
from typing import Literal, TypeAlias

from driftrec.picture import PICTURE_SUFFIXES, SAVE_EXTENSIONS

TAG = "-restored"

Existing: TypeAlias = Literal["refuse", "replace", "skip"]
"""What to do with results that already exist."""


class JobError(ValueError):
    """The given inputs and outputs do not fit together; nothing has been done yet."""


@dataclass(frozen=True)
class FileJob:
    """One picture to restore and the path of its result; `done` if the result already exists and is kept."""

    source: Path
    target: Path
    done: bool = False

    def beside(self, ending: str) -> Path:
        """The path of a further result: photo-restored.html beside photo-restored.png for ".html"."""
        return self.target.with_name(self.target.stem + ending)


def file_jobs(
    inputs: Sequence[str],
    output: Path | None,
    *,
    existing: Existing = "refuse",
    besides: Sequence[str] = (),
    suffix: str = ".png",
    others: Sequence[Path] = (),
) -> list[FileJob]:
    """The jobs for files, folders and glob patterns.

    Without `output`, photo.jpg becomes photo-restored.png beside it, and a folder's pictures go to a new folder
    beside it, in the same subfolders.  `output` is a folder, made if needed, for several pictures, or if it is an
    existing folder or has no suffix; otherwise it is a file.  `besides` are the endings of further results, see
    `FileJob.beside`; `suffix` is that of the results that are named here; `others` are further files that will be
    written, such as a report.  Raises JobError for inputs that do not
    exist, two inputs with the same output, outputs that are also inputs, and, with "refuse", existing outputs.
    """
    found = {path: root for text in inputs for path, root in expand(text)}
    sources = {path: root for path, root in found.items() if not _made_here(path, root, output)}
    single = len(sources) == 1 and next(iter(sources.values())) is None
    jobs = [FileJob(source, _target(source, root, output, single, suffix)) for source, root in sources.items()]
    _check(jobs, besides, others)
    return [_with_results(job, existing, besides) for job in jobs]


def expand(text: str) -> Iterable[tuple[Path, Path | None]]:
    """The pairs (picture, folder that was given, or None) for one argument.

    Folders are searched with all their subfolders, except hidden ones and links to folders.
    """
    path = Path(text)
    if path.is_dir():
        found = sorted(_pictures_below(path))
        if not found:
            raise JobError(f"{text} holds no pictures: give a folder with {', '.join(sorted(PICTURE_SUFFIXES))} files")
        return [(p, path) for p in found]
    if path.exists():
        return [(path, None)]
    matches = sorted(Path(match) for match in glob(text, recursive=True))  # noqa: PTH207 (patterns may be absolute)
    pictures = [(p, None) for p in matches if p.is_file()]
    if not pictures:
        raise JobError(f"{text} does not exist: check the name")
    return pictures


def _pictures_below(folder: Path) -> Iterable[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(place) / name
            if path.suffix.lower() in PICTURE_SUFFIXES and not name.startswith(".") and path.is_file():
                yield path


def _made_here(source: Path, root: Path | None, output: Path | None) -> bool:
    """Whether a picture is the result of an earlier run: in an output folder inside the searched folder."""
    if root is None or output is None or output.resolve() in (root.resolve(), *root.resolve().parents):
        return False
    return source.resolve().is_relative_to(output.resolve())


def _target(source: Path, root: Path | None, output: Path | None, single: bool, suffix: str) -> Path:
    if root is not None:
        base = root.resolve().with_name(root.resolve().name + TAG) if output is None else output
        return base / source.relative_to(root).with_suffix(suffix)
    if output is None:
        return source.with_name(source.stem + TAG + suffix)
    if single and output.suffix and not output.is_dir():
        return output
    return output / (source.stem + suffix)


def _check(jobs: list[FileJob], besides: Sequence[str], others: Sequence[Path]) -> None:
    """Raises JobError if an output is also an input or another output, or cannot be written."""
    sources = {job.source.resolve() for job in jobs}
    taken: dict[Path, Path] = {}
    for other in others:
        if other.resolve() in sources:
            raise JobError(f"{other} is also an input: choose another output")
        taken[other.resolve()] = other
    for job in jobs:
        for result in (job.target, *map(job.beside, besides)):
            if (first := taken.setdefault(result.resolve(), job.source)) != job.source:
                raise JobError(f"{first} and {job.source} would both become {result}: restore them one by one")
            if result.resolve() in sources:
                raise JobError(f"{result} is also an input: choose another output")
        if job.target.suffix.lower() not in SAVE_EXTENSIONS:
            raise JobError(f"{job.target} has an extension that cannot be written: use {', '.join(SAVE_EXTENSIONS)}")
        if job.target.is_dir() or any(parent.is_file() for parent in job.target.parents):
            raise JobError(f"{job.target} cannot be written: choose another output")


def _with_results(job: FileJob, existing: Existing, besides: Sequence[str]) -> FileJob:
    """The job, marked as done if its results exist and are to be skipped."""
    results = [job.target, *map(job.beside, besides)]
    there = [result for result in results if result.exists()]
    if there and existing == "refuse":
        raise JobError(f"{there[0]} exists: choose another output, or add --overwrite or --skip-existing")
    return replace(job, done=existing == "skip" and len(there) == len(results))
