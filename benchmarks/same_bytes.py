"""Checks whether two checkouts of the project restore the same pictures to the same samples.

    python benchmarks/same_bytes.py OLD_CHECKOUT NEW_CHECKOUT examples/*.jpg ../shared/data/test/real_jpegs/*.jpg

Both run with this Python on unusual files generated here, on the given pictures, and with --crops on crops of clean
pictures.  The exit status is 1 if any result differs.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from driftrec.picture import open_picture

OPTIONS = (
    ["--mode", "natural"],
    ["--mode", "natural", "--steps", "4", "--seed", "7"],
    ["--mode", "natural", "--samples", "2", "--uncertainty"],
    ["--mode", "faithful"],
    ["--mode", "faithful", "--steps", "2", "--consistent", "off"],
    ["--mode", "decode", "--bits", "16"],
    ["--mode", "natural", "--force", "--strength", "0.6"],
)


def odd_files(folder: Path) -> list[Path]:
    """Unusual files: gray, CMYK, turned, tiny, progressive, saved twice, high quality, with alpha, with a palette."""
    rows, columns = np.mgrid[0:96, 0:120]
    waves = 128 + 60 * np.sin(rows / 5)[..., None] * np.cos(columns[..., None] / np.array([4, 7, 11]))
    image = Image.fromarray((waves + 30 * (columns[..., None] > 60)).clip(0, 255).astype(np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    twice = BytesIO()
    image.save(twice, "JPEG", quality=15)
    again = Image.open(twice).crop((3, 5, 115, 93))
    alpha = image.copy()
    alpha.putalpha(Image.fromarray((columns * 2).astype(np.uint8)))
    made = {
        "gray.jpg": (image.convert("L"), {"quality": 20}),
        "cmyk.jpg": (image.convert("CMYK"), {"quality": 30}),
        "turned.jpg": (image, {"quality": 25, "exif": exif}),
        "tiny.jpg": (image.crop((0, 0, 5, 3)), {"quality": 10}),
        "progressive.jpg": (image, {"quality": 35, "progressive": True, "subsampling": 0}),
        "twice.jpg": (again, {"quality": 60}),
        "fine.jpg": (image, {"quality": 96}),
        "alpha.png": (alpha, {}),
        "palette.gif": (image.convert("P"), {}),
    }
    for name, (picture, settings) in made.items():
        picture.save(folder / name, **settings)
    return [folder / name for name in made]


def crops(source: Path, folder: Path, count: int) -> list[Path]:
    """Crops of clean pictures as JPEGs of several qualities."""
    made = []
    for number, path in enumerate(sorted(source.glob("*.png"))[:count]):
        window = Image.open(path).convert("RGB").crop((64, 64, 64 + 200, 64 + 176))
        made.append(folder / f"{path.stem}.jpg")
        window.save(made[-1], quality=(5, 10, 20, 40, 75, 90)[number % 6])
    return made


def results(checkout: Path, pictures: list[Path], folder: Path) -> dict[str, str]:
    """The hash of the samples of each result by name; how they are compressed does not matter."""
    environment = os.environ | {"PYTHONPATH": str(checkout / "src")}
    for number, options in enumerate(OPTIONS):
        program = [sys.executable, "-m", "driftrec", "restore", *options, "-o", str(folder / str(number)), "--compare"]
        subprocess.run([*program, *map(str, pictures)], env=environment, check=True, stdout=subprocess.DEVNULL)
    return {
        str(path.relative_to(folder)): hashlib.sha256(open_picture(path).samples().tobytes()).hexdigest()
        for path in sorted(folder.rglob("*.png"))
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("pictures", type=Path, nargs="*")
    parser.add_argument("--crops", type=Path, metavar="FOLDER", help="clean pictures, such as LIVE1")
    parser.add_argument("--count", type=int, default=6)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "in").mkdir()
        pictures = [*options.pictures, *odd_files(folder / "in")]
        if options.crops:
            pictures += crops(options.crops, folder / "in", options.count)
        old, new = (results(getattr(options, which).resolve(), pictures, folder / which) for which in ("old", "new"))
    differing = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    print(f"{len(pictures)} pictures, {len(OPTIONS)} settings: {len(old)} results, {len(differing)} differ")
    for name in differing:
        print(f"  {name}")
    sys.exit(bool(differing))


if __name__ == "__main__":
    main()
