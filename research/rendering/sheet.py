"""What all makers share: the pictures that they return, and where a package's files are."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from numpy.random import Generator
from PIL import Image

SIDE = 512
"""Side of the pictures, in pixels."""


@dataclass(frozen=True)
class Sheet:
    """A picture in RGB, what it was made from, and the licence of that."""

    image: Image.Image
    source: str
    licence: str


Make: TypeAlias = Callable[[Generator], Sheet]
"""Makes a picture that depends on the random generator alone."""


@dataclass(frozen=True)
class Package:
    """A Debian package of pictures: the licence of those that are used, and patterns of their paths."""

    name: str
    licence: str
    patterns: tuple[str, ...]

    def files(self, folder: Path) -> list[Path]:
        """The pictures below the folder of the package, in order of name."""
        return sorted({path for pattern in self.patterns for path in folder.glob(pattern) if path.is_file()})
