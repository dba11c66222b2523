"""A face, writing, an interface, flowers, stone and shadows, enlarged: the JPEG, its restorations and the original.

    python research/subjects.py small --data ../shared/data/train ../shared/data/train_more \\
        --out docs/images/subjects.webp

The pictures are in the public domain or free of conditions, and held out of the training corpus.
"""

import argparse
import sys
from pathlib import Path

from PIL import Image

import driftrec
from driftrec.train.data.crops import Corpus, open_corpus
from driftrec.train.recipe import DataSection

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
from sheet import compressed, enlarged, restored, stacked, strip

SIZE, ZOOM = (132, 90), 3
SUBJECTS = (  # original, which of its crops, left and top of what is shown
    ("18F/18f.gsa.gov/assets/blog/labor-handbook/field-team.jpg", 1, 60, 0),
    ("18F/18f.gsa.gov/assets/blog/new-jekyll-site/header.png", 0, 0, 90),
    ("elementary/website/_images/screenshots/appcenter.png", -4, 40, 150),
    ("WordPress/twentytwentyfour/assets/images/tt4_product_1-scaled-1.jpg", -1, 150, 60),
    ("WordPress/twentytwentyfour/assets/images/tt4_portfolio_4-scaled-1.jpg", 1, 140, 350),
    ("WordPress/twentytwentyfour/assets/images/tt4_portfolio_4-scaled-1.jpg", 0, 180, 294),
)


def main() -> None:
    options = read_options()
    _, held_out = open_corpus(options.data).split(DataSection().held_out)
    restorer = driftrec.Restorer(options.model)
    rows = []
    for original, which, left, top in SUBJECTS:
        clean = Image.fromarray(crops_of(held_out, original)[which])
        columns = restored(restorer, compressed(clean, options.quality), ("faithful", "natural"), clean)
        rows.append(strip(enlarged(columns, (left, top, *SIZE), ZOOM)))
    stacked(rows).save(options.out, lossless=True, method=6)


def crops_of(corpus: Corpus, original: str) -> list:
    """The pictures of the corpus that were cut from one original."""
    return [corpus[i] for i, entry in enumerate(corpus.entries) if entry.group == original]


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="the training corpus")
    parser.add_argument("--quality", type=int, default=10)
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
