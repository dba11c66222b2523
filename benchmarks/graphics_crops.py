"""Enlarged crops of screenshots, pages and drawings, as restored by driftrec and waifu2x.

python benchmarks/graphics_crops.py --out docs/images/graphics.webp     # after graphics_pictures.py
"""

import argparse
from pathlib import Path

from driftrec.evaluate.corruptions import Jpeg, decode
from driftrec.evaluate.method import Case
from driftrec.evaluate.methods import parse_method
from sheet import compared, stacked

SIZE, ZOOM = (80, 56), 3
SUBJECTS = (  # picture, left and top of what is shown
    ("screens/reader-bookmarks", 100, 120),
    ("pages/manual", 10, 60),
    ("pages/circuit", 40, 80),
    ("drawings/ship", 20, 80),
)
COLUMNS = {
    "JPEG": "plain",
    "faithful": "faithful:model=base",
    "natural": "natural:model=base",
    "waifu2x": "waifu2x",
}


def main() -> None:
    options = read_options()
    methods = {name: parse_method(method).load(options.threads) for name, method in COLUMNS.items()}
    rows = []
    for name, left, top in SUBJECTS:
        file, clean = Jpeg(options.quality)(decode((options.graphics / f"{name}.png").read_bytes()))
        case = Case(name, f"q{options.quality}", file, clean)
        rows.append(compared(case, methods, (left, top, *SIZE), ZOOM))
    stacked(rows).save(options.out, lossless=True, method=6)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--graphics", type=Path, default=Path("runs/graphics"), help="graphics_pictures.py's folder")
    parser.add_argument("--quality", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
