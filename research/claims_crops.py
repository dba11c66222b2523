"""The paper's objective and its regression, enlarged: what research/claims.py measures, to look at.

    python research/claims_crops.py --data ../shared/data/train ../shared/data/train_more --out docs/images/claims.webp

The pictures are held out of the training corpus.
"""

import argparse
from pathlib import Path

import claims
import subjects
from driftrec.evaluate.corruptions import Jpeg
from driftrec.evaluate.method import Case
from driftrec.evaluate.methods import parse_method
from driftrec.train.data.crops import open_corpus
from driftrec.train.recipe import DataSection
from sheet import compared, stacked

SIZE, ZOOM = (96, 72), 2
SHOWN = 0, 3, 4
"""Which of the subjects."""


def main() -> None:
    options = read_options()
    texts = claims.methods(options, tuple(claims.SAMPLED)) | {"natural": "natural"}
    methods = {name: parse_method(text).load(2) for name, text in texts.items()}
    _, held_out = open_corpus(options.data).split(DataSection().held_out)
    rows = []
    for original, which, left, top in (subjects.SUBJECTS[index] for index in SHOWN):
        file, clean = Jpeg(options.quality)(subjects.crops_of(held_out, original)[which])
        rows.append(compared(Case(original, f"q{options.quality}", file, clean), methods, (left, top, *SIZE), ZOOM))
    stacked(rows).save(options.out, lossless=True, method=6)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    claims.add_networks(parser)
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="the training corpus")
    parser.add_argument("--quality", type=int, default=10)
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
