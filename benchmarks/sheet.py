"""Enlarged crops side by side: the JPEG, its restorations, and the clean picture if there is one.

python benchmarks/sheet.py examples/casa-mila.jpg --box 250 60 240 160 --out docs/before-after.png
python benchmarks/sheet.py photo.png --quality 10 --box 0 0 200 200 --out sheet.png      # compresses it first
"""

import argparse
import io
from pathlib import Path

from PIL import Image, ImageDraw

import driftrec

MARGIN = 4


def main() -> None:
    options = read_options()
    clean = None
    if options.quality:
        clean, file = Image.open(options.picture).convert("RGB"), io.BytesIO()
        clean.save(file, "JPEG", quality=options.quality, subsampling="4:2:0")
    else:
        file = io.BytesIO(options.picture.read_bytes())
    restorer = driftrec.Restorer(options.model)
    columns = {"JPEG": Image.open(file).convert("RGB")}
    for mode in options.mode:
        columns[mode] = restorer.restore(file.getvalue(), mode=mode).picture.to_pil().convert("RGB")
    if clean:
        columns["original"] = clean
    left, top, width, height = options.box or (0, 0, *columns["JPEG"].size)
    tiles = {
        name: image.crop((left, top, left + width, top + height)).resize(
            (width * options.zoom, height * options.zoom), Image.Resampling.NEAREST
        )
        for name, image in columns.items()
    }
    strip(tiles).save(options.out, optimize=True)


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
