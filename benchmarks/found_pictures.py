"""Collects JPEGs as people made them, from documentation, themes and games in Debian packages, for the protocol wild.

    python benchmarks/found_pictures.py --out runs/found        # needs apt-get and dpkg-deb; downloads 0.7 GB

Files are copied as they are.  manifest.csv names the package of each, its version, and the file there; its licence is
in usr/share/doc/PACKAGE/copyright.  None of these packages is used for training.
"""

import argparse
import csv
import math
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

import debian
from driftrec.evaluate.metrics.niqe import BLOCK
from driftrec.jpeg import JpegError, read_jpeg
from driftrec.jpeg.tables import ijg_quality

PACKAGES = (
    "argyll-doc",
    "cimg-doc",
    "endless-sky-data",
    "eyes17",
    "fotoxx-common",
    "gimp-help-en",
    "hugin-data",
    "imagemagick-6-doc",
    "kalzium-data",
    "kphotoalbum",
    "labelme-examples",
    "libvisp-doc",
    "marble-qt-data",
    "mayavi2",
    "opencv-doc",
    "openuniverse-common",
    "psychtoolbox-3-common",
    "pysiogame",
    "python3-pattern",
    "stellarium-data",
    "tdiary-theme",
    "trackballs-data",
    "zaz-data",
)

EACH, TRIED = 8, 24
"""Pictures of a package, and files that are looked at, evenly spaced by name, at most."""

FINEST, LARGEST = 85, 400_000
"""Quality that the luma table is closest to, and pixels, at most."""

LEAST_TEXTURE = 0.8
"""Share of the blocks that have more than a mean, at least: NIQE is for photographs."""


def main() -> None:
    options = read_options()
    options.out.mkdir(parents=True, exist_ok=True)
    rows = []
    for package, folder in debian.unpacked(PACKAGES, options.packages).items():
        files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg") and suits(path))
        version = debian.version(package)
        spread = (files[index * len(files) // TRIED] for index in range(TRIED)) if len(files) > TRIED else iter(files)
        for number, path in enumerate(islice(filter(has_texture, spread), EACH)):
            name = f"{package}-{number}-{path.stem}.jpg"
            (options.out / name).write_bytes(path.read_bytes())
            rows.append((name, package, version, str(path.relative_to(folder))))
    with (options.out / "manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "package", "version", "path"), *rows])
    print(f"{options.out}  {len(rows)} pictures of {len({package for _, package, *_ in rows})} packages")


def suits(path: Path) -> bool:
    """Whether the file is a JPEG of moderate size, in colour or gray, that has lost something."""
    try:
        with Image.open(path, formats=["JPEG"]) as picture:
            sides, mode, tables = picture.size, picture.mode, picture.quantization
    except OSError:
        return False
    return (
        mode in ("L", "RGB")
        and min(sides) >= 2 * BLOCK
        and math.prod(sides) <= LARGEST
        and ijg_quality(np.reshape(tables[0], (8, 8)))[0] <= FINEST
    )


def has_texture(path: Path) -> bool:
    """Whether nearly all blocks of a JPEG file have texture."""
    try:
        luma = read_jpeg(path.read_bytes()).components[0]
    except JpegError:
        return False
    return float(np.any(blocks_of(luma.coefficients)[:, 1:], axis=1).mean()) >= LEAST_TEXTURE


def blocks_of(coefficients: np.ndarray) -> np.ndarray:
    """The coefficients of every block, (blocks, 64)."""
    height, width = coefficients.shape
    return coefficients.reshape(height // 8, 8, width // 8, 8).swapaxes(1, 2).reshape(-1, 64)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/found"), help="receives the pictures")
    parser.add_argument("--packages", type=Path, default=Path("runs/debian"), help="keeps the packages' files")
    return parser.parse_args()


if __name__ == "__main__":
    main()
