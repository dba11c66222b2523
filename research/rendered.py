"""Makes a folder of training pictures that are no photographs, with external programs and free art.

    python research/rendered.py --out ../shared/data/rendered --count 300
    driftrec train small --data photographs/ --data ../shared/data/rendered --out runs/mine

The folder has a manifest with the source and licence of every picture.  The programs chromium, rsvg-convert, dot and
apt-get are needed; fonts and art are unpacked from Debian packages, without installing them.  Picture n of a kind
depends on the seed, n and the versions of the programs and packages.  Sources: docs/science/graphics.md.
"""

import argparse
import csv
import sys
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from driftrec.train.data.graphics.fonts import find_fonts
from rendering import charts, clipart, painted, web
from rendering.sheet import Make

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
import debian

KINDS = ("web", "clipart", "charts", "graphs", "painted")
FONTS = (Path(__file__).parent / "rendering/fonts.txt").read_text(encoding="utf-8").split()
"""Debian's font packages; all are free."""


def main() -> None:
    options = read_options()
    options.out.mkdir(parents=True, exist_ok=True)
    rows = []
    with ExitStack() as stack:
        for kind in options.kinds:
            make = maker(kind, options.packages, stack)
            for number in range(options.count):
                name = f"{kind}-{number:05d}.png"
                sheet = make(np.random.default_rng((options.seed, KINDS.index(kind), number)))
                sheet.image.save(options.out / name, optimize=True)
                rows.append((name, "rendered", name, sheet.licence, sheet.source))
            print(f"{kind}: {options.count} pictures", flush=True)
    with (options.out / "manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "source", "path", "licence", "made from"), *rows])


def maker(kind: str, packages: Path, stack: ExitStack) -> Make:
    """The maker of a kind; programs that it starts are ended with the stack."""
    if kind == "clipart":
        debian.require(["rsvg-convert"], "librsvg2-bin")
        return clipart.maker(debian.unpacked((p.name for p in clipart.PACKAGES), packages))
    if kind == "painted":
        return painted.maker(debian.unpacked((p.name for p in painted.PACKAGES), packages))
    folder = packages / "fonts"
    debian.unpacked(FONTS, folder)
    fonts = find_fonts((folder,))
    if kind == "web":
        return stack.enter_context(web.maker(fonts, folder))
    if kind == "graphs":
        debian.require(["dot"], "graphviz")
        return charts.graphs(fonts)
    return charts.charts(fonts)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--out", type=Path, required=True, help="folder for the pictures and their manifest")
    add("--count", type=int, default=300, help="pictures of each kind")
    add("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    add("--seed", type=int, default=0)
    add("--packages", type=Path, default=Path("runs/debian"), help="keeps the packages' files")
    return parser.parse_args()


if __name__ == "__main__":
    main()
