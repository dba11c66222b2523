"""Turns inputs as typed on a command line into pairs of source and target, checked before any work is done."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from glob import glob
from mimetypes import guess_type
from pathlib import Path
from typing import Literal, TypeAlias

from driftrec.picture import PICTURE_SUFFIXES, SAVE_EXTENSIONS

TAG = "-restored"

STREAM = Path("-")
"""Standard input as a source, standard output as a target."""

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

    @property
    def name(self) -> str:
        """The source, for messages."""
        return "standard input" if self.source == STREAM else str(self.source)

    def results(self, besides: Sequence[str]) -> list[Path]:
        """Returns the files that the job writes, with those of further endings."""
        return [] if self.target == STREAM else [self.target, *map(self.beside, besides)]

    def beside(self, ending: str) -> Path:
        """Returns the path of a further result: photo-restored.html beside photo-restored.png for ".html"."""
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
    """Returns the jobs for files, folders and glob patterns.

    Without `output`, photo.jpg becomes photo-restored.png beside it, and a folder's pictures go to a new folder
    photos-restored beside it, in the same subfolders; that of the current folder is made inside it.  `output` is a
    folder, made if needed, for several pictures, or if it is an existing folder or has no suffix; otherwise it is a
    file.  "-" is standard input or output; the result of standard input goes to standard output by default.

    Arguments:
        besides: the endings of further results, see `FileJob.beside`.
        suffix: that of the results that are named here.
        others: further files that will be written, such as a report.

    Raises:
        JobError: inputs do not exist, two inputs have the same output, several have one file as output, an output is
            also an input, or, with "refuse", an output exists.
    """
    found = {path: root for text in inputs for path, root in expand(text)}
    sources = {path: root for path, root in found.items() if not _made_here(path, root, output)}
    if not sources:
        raise JobError("all pictures found are results of earlier runs: give the folder of the originals")
    single = len(sources) == 1 and next(iter(sources.values())) is None
    _check_output(output, list(sources), single, besides)
    jobs = [FileJob(source, _target(source, root, output, single, suffix)) for source, root in sources.items()]
    _check(jobs, besides, others)
    return [_with_results(job, existing, besides) for job in jobs]


def expand(text: str) -> Iterable[tuple[Path, Path | None]]:
    """Returns the pairs (picture, folder that was given, or None) for one argument.

    Folders are searched with all their subfolders, except hidden ones and links to folders.

    Raises:
        JobError: there is no such file, or the folder holds no pictures.
    """
    path = Path(text)
    if path == STREAM:
        return [(path, None)]
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
    if root is None or output == STREAM:
        return False
    base = (_folder_of(root) if output is None else output).resolve()
    return base not in (root.resolve(), *root.resolve().parents) and source.resolve().is_relative_to(base)


def _folder_of(root: Path) -> Path:
    """The default folder for a folder's results: beside it, or inside it if it is or holds the current folder."""
    if Path.cwd().is_relative_to(root.resolve()):
        return root / (root.resolve().name + TAG)
    root = root.resolve() if root.name == ".." else root
    return root.with_name(root.name + TAG)


def _target(source: Path, root: Path | None, output: Path | None, single: bool, suffix: str) -> Path:
    if root is not None:
        base = _folder_of(root) if output is None else output
        return base / source.relative_to(root).with_suffix(suffix)
    if output == STREAM or (output is None and source == STREAM):
        return STREAM
    if output is None:
        return source.with_name(source.stem + TAG + suffix)
    if single and output.suffix and not output.is_dir():
        return output
    return output / (source.stem + suffix)


def _check_output(output: Path | None, sources: list[Path], single: bool, besides: Sequence[str]) -> None:
    """Raises JobError if the output is one file or stream and the inputs are many, or if streams are used wrongly."""
    if STREAM in sources and not single:
        raise JobError("- is standard input: give no other input with it")
    if (output == STREAM or (output is None and STREAM in sources)) and (besides or not single):
        raise JobError("standard output takes one picture only: name a file or a folder with -o")
    if output is None or output == STREAM:
        return
    if STREAM in sources and (output.is_dir() or not output.suffix):
        raise JobError(f"{output} is a folder, and the picture of standard input has no name: give the name of a file")
    if not single and _is_picture_name(output) and not output.is_dir():
        raise JobError(f"{output} is the name of one picture: give a folder for the results of several, or of a folder")


def _is_picture_name(path: Path) -> bool:
    kind, _ = guess_type(path.name)
    return path.suffix.lower() in PICTURE_SUFFIXES or (kind or "").startswith("image/")


def _check(jobs: list[FileJob], besides: Sequence[str], others: Sequence[Path]) -> None:
    """Raises JobError if an output is also an input or another output, or cannot be written."""
    sources = {job.source.resolve() for job in jobs if job.source != STREAM}
    taken: dict[Path, Path] = {}
    for other in others:
        if other.resolve() in sources:
            raise JobError(f"{other} is also an input: choose another output")
        taken[other.resolve()] = other
    for job in jobs:
        if job.target == STREAM:
            continue
        for result in job.results(besides):
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
    results = job.results(besides)
    there = [result for result in results if result.exists()]
    if there and existing == "refuse":
        raise JobError(f"{there[0]} exists: choose another output, or add --overwrite or --skip-existing")
    return replace(job, done=existing == "skip" and bool(results) and len(there) == len(results))
