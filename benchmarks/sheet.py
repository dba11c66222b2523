"""Draws enlarged crops side by side: the JPEG, its restorations, and the clean picture, if any.

python benchmarks/sheet.py examples/casa-mila.jpg --box 250 60 240 160 --out docs/images/before-after.png
python benchmarks/sheet.py photo.png --quality 10 --box 0 0 200 200 --out sheet.png      # compresses it first
"""

import argparse
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

import driftrec
from driftrec.evaluate.method import Case, Restore

MARGIN = 4


def main() -> None:
    options = read_options()
    clean = Image.open(options.picture).convert("RGB") if options.quality else None
    data = options.picture.read_bytes() if clean is None else compressed(clean, options.quality)
    columns = restored(driftrec.Restorer(options.model), data, options.mode, clean)
    strip(enlarged(columns, options.box or (0, 0, *columns["JPEG"].size), options.zoom)).save(
        options.out, optimize=True
    )


def compressed(clean: Image.Image, quality: int) -> bytes:
    """A JPEG of a picture."""
    file = io.BytesIO()
    clean.save(file, "JPEG", quality=quality, subsampling="4:2:0")
    return file.getvalue()


def restored(
    restorer: driftrec.Restorer, data: bytes, modes: Sequence[str], clean: Image.Image | None
) -> dict[str, Image.Image]:
    """The JPEG, its restorations and the clean picture, if any, by name."""
    columns = {"JPEG": Image.open(io.BytesIO(data)).convert("RGB")}
    for mode in modes:
        columns[mode] = restorer.restore(data, mode=mode).picture.to_pil().convert("RGB")
    return columns if clean is None else columns | {"original": clean}


def enlarged(columns: dict[str, Image.Image], box: tuple[int, int, int, int], zoom: int) -> dict[str, Image.Image]:
    """The part at (left, top, width, height) of every picture, every pixel a square of `zoom`."""
    left, top, width, height = box
    part = (left, top, left + width, top + height)
    size = (width * zoom, height * zoom)
    return {name: image.crop(part).resize(size, Image.Resampling.NEAREST) for name, image in columns.items()}


def strip(tiles: dict[str, Image.Image]) -> Image.Image:
    """The tiles in one row, each with its name in a corner."""
    width, height = next(iter(tiles.values())).size
    sheet = Image.new("RGB", (len(tiles) * (width + MARGIN) - MARGIN, height), "white")
    for i, (name, tile) in enumerate(tiles.items()):
        draw = ImageDraw.Draw(tile)
        box = draw.textbbox((8, 6), name, font_size=18)
        draw.rectangle((0, 0, box[2] + 8, box[3] + 6), fill="black")
        draw.text((8, 6), name, fill="white", font_size=18)
        sheet.paste(tile, (i * (width + MARGIN), 0))
    return sheet


def compared(case: Case, methods: Mapping[str, Restore], box: tuple[int, int, int, int], zoom: int) -> Image.Image:
    """A part of what each method makes of a case, and of the clean picture, enlarged, in one row."""
    pictures = {name: restore(case).pixels for name, restore in methods.items()} | {"original": case.clean}
    columns = {name: Image.fromarray(np.ascontiguousarray(pixels)) for name, pixels in pictures.items()}
    return strip(enlarged(columns, box, zoom))


def stacked(rows: list[Image.Image]) -> Image.Image:
    """Rows of the same size, one below the other."""
    width, height = rows[0].size
    sheet = Image.new("RGB", (width, len(rows) * (height + MARGIN) - MARGIN), "white")
    for i, row in enumerate(rows):
        sheet.paste(row, (0, i * (height + MARGIN)))
    return sheet


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("picture", type=Path)
    add("--quality", type=int, help="compress the picture first")
    add("--box", type=int, nargs=4, metavar=("LEFT", "TOP", "WIDTH", "HEIGHT"), help="default: the whole picture")
    add("--zoom", type=int, default=2)
    add("--mode", nargs="+", choices=("faithful", "natural"), default=["faithful", "natural"])
    add("--model", default="small")
    add("--out", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
