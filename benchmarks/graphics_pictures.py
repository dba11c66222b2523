"""Makes the pictures of the protocols screens, pages and drawings, from documents and games in Debian packages.

    python benchmarks/graphics_pictures.py --out runs/graphics        # needs apt-get, dpkg-deb and pdftoppm

The pictures are crops of screenshots in manuals, of pages of manuals set by TeX, of diagrams, and of painted game art.
None of these sources, fonts and programs is used for training.  Licences: docs/science/graphics.md.
"""

import argparse
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

import debian

SIDE = 256
"""Largest width and height of a picture, in pixels."""


@dataclass(frozen=True)
class Source:
    """A picture: its package, the file below the package's folder, and the left top corner of the crop.

    Of a PDF file, `page` is shown at `dpi`.  Pictures are cropped to `SIDE`; transparent parts become white.
    """

    package: str
    file: str
    left: int = 0
    top: int = 0
    page: int = 0
    dpi: int = 96


OKULAR, GNOME = "usr/share/doc/HTML/en/okular", "usr/share/help/C/gnome-help/figures"
SPICE = "usr/share/doc/ngspice-doc/html"
SPICE_STEM = "build_ngspice-2zZkIS_ngspice-39_3+ds_doc_Images"
FROZEN, TUX = "usr/share/games/frozen-bubble/gfx", "usr/share/games/supertux2/images"
FISH = "usr/share/games/fillets-ng/images"


def guide(language: str, page: int, dpi: int) -> Source:
    package = f"maint-guide-{language}"
    return Source(package, f"usr/share/doc/{package}/maint-guide.{language}.pdf", 120, 200, page, dpi)


PICTURES: dict[str, dict[str, Source]] = {
    "screens": {
        "reader-notes": Source("okular", f"{OKULAR}/annotations.png", 500, 160),
        "reader-bookmarks": Source("okular", f"{OKULAR}/bookmark-management.png", 30, 110),
        "turtle": Source("kturtle", "usr/share/doc/HTML/en/kturtle/mainwindow_flower_nrs.png", 20, 60),
        "calendar-dark": Source("gnome-user-docs", f"{GNOME}/shell-appts.png", 470, 60),
        "menu-light": Source("gnome-user-docs", f"{GNOME}/shell-exit-classic.png", 22, 60),
        "activities": Source("gcompris-qt-data", "usr/share/doc/HTML/en/gcompris-qt/gcompris-main-menu.png", 0, 80),
    },
    "pages": {
        "japanese": guide("ja", 20, 96),
        "russian": guide("ru", 20, 110),
        "chinese": guide("zh-cn", 15, 80),
        "manual": Source("gnuplot-doc", "usr/share/doc/gnuplot/gnuplot.pdf", 160, 140, 40, 90),
        "transistor": Source("ngspice-doc", f"{SPICE}/27_{SPICE_STEM}_hicum_manual.png", 650, 400),
        "circuit": Source("ngspice-doc", f"{SPICE}/43_{SPICE_STEM}_Example_Circuit_C3.png", 150, 20),
    },
    "drawings": {
        "penguins": Source("frozen-bubble-data", f"{FROZEN}/back_netgame.png", 230, 150),
        "start": Source("frozen-bubble-data", f"{FROZEN}/menu/back_start.png", 256, 210),
        "lamp": Source("frozen-bubble-data", f"{FROZEN}/back_paused.png", 100, 200),
        "billboard": Source("supertux-data", f"{TUX}/decal/explanations/billboard-backflip.png", 0, 0),
        "mountains": Source("supertux-data", f"{TUX}/background/bluemountain/bluemountain-middle.png", 60, 150),
        "ship": Source("fillets-ng-data", f"{FISH}/viking1/drakar1-w.png", 30, 51),
    },
}


def main() -> None:
    options = read_options()
    debian.require(["pdftoppm"], "poppler-utils")
    packages = dict.fromkeys(source.package for sources in PICTURES.values() for source in sources.values())
    places = debian.unpacked(packages, options.packages)
    for kind, sources in PICTURES.items():
        (options.out / kind).mkdir(parents=True, exist_ok=True)
        for name, source in sources.items():
            picture(source, places[source.package]).save(options.out / kind / f"{name}.png", optimize=True)
    for package in packages:
        print(package, debian.version(package))
    print(f"{options.out}  {sum(map(len, PICTURES.values()))} pictures")


def picture(source: Source, folder: Path) -> Image.Image:
    """The crop, in RGB.  Raises SystemExit if the package has no such file."""
    path = folder / source.file
    if not path.is_file():
        raise SystemExit(f"{source.package} has no file {source.file}: its version here is another one")
    whole = page(path, source) if source.page else opened(path)
    box = (source.left, source.top, min(source.left + SIDE, whole.width), min(source.top + SIDE, whole.height))
    return whole.crop(box)


def opened(path: Path) -> Image.Image:
    """A picture in RGB, on white."""
    layer = Image.open(path).convert("RGBA")
    whole = Image.new("RGB", layer.size, "white")
    whole.paste(layer, mask=layer)
    return whole


def page(path: Path, source: Source) -> Image.Image:
    """A page of a PDF file, drawn by poppler."""
    with tempfile.TemporaryDirectory() as scratch:
        numbers = ["-f", str(source.page), "-l", str(source.page), "-r", str(source.dpi)]
        subprocess.run(["pdftoppm", *numbers, "-png", str(path), f"{scratch}/page"], check=True)
        return opened(next(Path(scratch).glob("*.png")))


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/graphics"), help="receives screens, pages and drawings")
    parser.add_argument("--packages", type=Path, default=Path("runs/debian"), help="keeps the packages' files")
    return parser.parse_args()


if __name__ == "__main__":
    main()
