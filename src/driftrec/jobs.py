"""Which file becomes which: inputs as typed on a command line become (source, target) pairs, checked before work."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from glob import glob
from pathlib import Path

from driftrec.picture import SAVE_EXTENSIONS

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".tif", ".tiff", ".bmp", ".avif"})
"""What is taken for a picture when a folder is given; files given by name may have any suffix."""

TAG = "-restored"


class JobError(ValueError):
    """The inputs and outputs asked for do not fit together; nothing has been done yet."""


@dataclass(frozen=True)
class Job:
    """One picture to restore, and where the result goes."""

    source: Path
    target: Path

    def beside(self, ending: str) -> Path:
        """A further result: photo-restored.html beside photo-restored.png for ".html"."""
        return self.target.with_name(self.target.stem + ending)


def plan(
    inputs: Sequence[str], output: Path | None, *, overwrite: bool = False, besides: Sequence[str] = ()
) -> list[Job]:
    """The jobs for files, folders and glob patterns.

    Without `output`, photo.jpg becomes photo-restored.png beside it, and a folder's pictures go to a new folder
    beside it.  `output` is a file for one picture, a folder (made when needed) for several or when it exists or
    has no suffix.  `besides` are the endings of further results, see `Job.beside`.  Raises JobError for inputs that do
    not exist, for two inputs with one output, for outputs that are also inputs, and for existing outputs unless
    `overwrite`.
    """
    sources = [(path, root) for text in inputs for path, root in expand(text)]
    single = len(sources) == 1 and sources[0][1] is None
    jobs = [Job(source, _target(source, root, output, single)) for source, root in dict(sources).items()]
    _check(jobs, overwrite, besides)
    return jobs


def expand(text: str) -> Iterable[tuple[Path, Path | None]]:
    """(picture, folder it was found in when a folder was given) for one argument."""
    path = Path(text)
    if path.is_dir():
        found = sorted(p for p in path.iterdir() if p.suffix.lower() in PICTURE_SUFFIXES and p.is_file())
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


def _target(source: Path, root: Path | None, output: Path | None, single: bool) -> Path:
    if output is None:
        if root is None:
            return source.with_name(source.stem + TAG + ".png")
        return root.resolve().with_name(root.resolve().name + TAG) / (source.stem + ".png")
    if single and output.suffix and not output.is_dir():
        return output
    return output / (source.stem + ".png")


def _check(jobs: list[Job], overwrite: bool, besides: Sequence[str]) -> None:
    sources = {job.source.resolve() for job in jobs}
    taken: dict[Path, Path] = {}
    for job in jobs:
        target = job.target.resolve()
        if target in taken:
            raise JobError(f"{taken[target]} and {job.source} would both become {job.target}: restore them one by one")
        if target in sources:
            raise JobError(f"{job.target} is also an input: choose another output")
        if job.target.suffix.lower() not in SAVE_EXTENSIONS:
            raise JobError(f"{job.target} has an extension that cannot be written: use {', '.join(SAVE_EXTENSIONS)}")
        if job.target.is_dir() or job.target.parent.is_file():
            raise JobError(f"{job.target} cannot be written: choose another output")
        for result in (job.target, *map(job.beside, besides)):
            if result.exists() and not overwrite:
                raise JobError(f"{result} exists: choose another output, or say --overwrite")
        taken[target] = job.source
