"""Fonts for the generators: found in folders, opened through Pillow, and matched with the scripts that they have."""

import os
import sys
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path

from numpy.random import Generator
from PIL import Image, ImageDraw, ImageFont
from PIL.ImageFont import FreeTypeFont

from driftrec.train.data.graphics.words import SCRIPTS, Script

SUFFIXES = (".ttf", ".otf", ".ttc")
SYMBOLS = ("icon", "symbol", "emoji", "awesome", "dingbat", "lastresort", "braille", "d050000l")
"""Parts of file names of fonts that hold pictures instead of letters."""


@dataclass(frozen=True)
class Fonts:
    """The font files that text is set in, by folder; without any, Pillow's own font.

    A folder is drawn first and a file of it second: families of many weights are not drawn more often than others.
    """

    folders: tuple[tuple[Path, ...], ...]

    def draw(self, rng: Generator) -> tuple["Font", Script]:
        """A random font, and one of the scripts that it has, with the words that it can show."""
        for _ in range(20 if self.folders else 0):
            folder = self.folders[int(rng.integers(len(self.folders)))]
            font = Font(folder[int(rng.integers(len(folder)))])
            if scripts := font.scripts():
                # Most fonts have Latin letters besides those of the script that they were made for.
                others = [name for name in scripts if name != "latin"]
                name = others[int(rng.integers(len(others)))] if others and rng.random() < 0.4 else scripts[0]
                return font, font.script(name)
        return Font(None), SCRIPTS["latin"]


@dataclass(frozen=True)
class Font:
    """A font file; None stands for the font that Pillow contains."""

    file: Path | None

    def at(self, size: int) -> FreeTypeFont:
        """The font at a size in pixels."""
        return _opened(self.file, size)

    def scripts(self) -> tuple[str, ...]:
        """Names of `SCRIPTS` whose letters the font has, in their order; none for files that cannot be opened."""
        return _scripts(self.file)

    def script(self, name: str) -> Script:
        """A script with the words that the font has all letters of; it has at least one letter of each."""
        return _script(self.file, name)


def find_fonts(folders: tuple[Path, ...] = ()) -> Fonts:
    """The fonts in folders and their subfolders, in order of name; in the system's folders if none are given.

    Raises ValueError if a given folder has no fonts.
    """
    found: dict[Path, list[Path]] = {}
    for folder in folders or _system_folders():
        here = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
        if folders and not here:
            raise ValueError(f"{folder} has no fonts: give a folder with {', '.join(SUFFIXES)} files")
        for path in here:
            if not any(part in path.name.lower() for part in SYMBOLS):
                found.setdefault(path.parent, []).append(path)
    return Fonts(tuple(map(tuple, found.values())))


def _system_folders() -> tuple[Path, ...]:
    if sys.platform == "win32":
        return (Path(os.environ.get("WINDIR", "C:/Windows")) / "Fonts",)
    if sys.platform == "darwin":
        return Path("/System/Library/Fonts"), Path("/Library/Fonts")
    return Path("/usr/share/fonts"), Path("/usr/local/share/fonts")


@lru_cache(512)
def _opened(file: Path | None, size: int) -> FreeTypeFont:
    if file is None:
        font = ImageFont.load_default(size)
        assert isinstance(font, FreeTypeFont)  # Pillow without FreeType is not supported
        return font
    return ImageFont.truetype(file, size)


@cache
def _scripts(file: Path | None) -> tuple[str, ...]:
    try:
        return tuple(name for name, script in SCRIPTS.items() if all(_has(file, c) for c in script.probe))
    except (OSError, ValueError):
        return ()


@cache
def _script(file: Path | None, name: str) -> Script:
    script = SCRIPTS[name]
    words = tuple(word for word in script.words if all(_has(file, c) for c in word))
    return replace(script, words=words or tuple(script.probe), mixed="latin" in _scripts(file))


@cache
def _has(file: Path | None, character: str) -> bool:
    """Whether a font has a character: all that it lacks look the same."""
    return _shape(file, character) not in (_shape(file, "\U000f1234"), _shape(file, "\uffff"), bytes(1600))


@lru_cache(64)
def _shape(file: Path | None, character: str) -> bytes:
    image = Image.new("L", (40, 40))
    ImageDraw.Draw(image).text((8, 8), character, 255, _opened(file, 16))
    return image.tobytes()
