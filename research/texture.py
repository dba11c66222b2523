"""Regular patterns in what natural restorations add to faithful ones: peaks of the spectrum over their surroundings.

    python research/texture.py small --data ../shared/data/train ../shared/data/train_more --keep texture

research/measured/texture_before.md is of the small.onnx of commit 699664c, below a checkpoint that is lost.
A texture that repeats every 8 pixels, the worst that a restorer of JPEGs can leave, is a peak at that period.  The
pictures are held out of the training corpus.
"""

import argparse
from pathlib import Path

import numpy as np
from scipy.ndimage import median_filter

from driftrec.evaluate.measurement import Conditions, Measurement
from driftrec.evaluate.tables import keep, table_of
from driftrec.restoration.restorer import Restorer
from driftrec.train.data.crops import open_corpus
from driftrec.train.data.degrade import jpeg
from driftrec.train.recipe import DataSection
from driftrec.train.validate import centre_pairs

SIDE = 192
"""Of the crops in pixels: a multiple of the periods that are looked at."""

PERIODS = (16, 8, 4, 2)
SURROUNDINGS = 9


def main() -> None:
    options = read_options()
    _, held_out = open_corpus(options.data).split(DataSection().held_out)
    crops = [clean for clean, _ in centre_pairs(held_out, options.crops, SIDE)]
    data = f"{len(crops)} crops of held-out pictures of the training corpus"
    entries = []
    for model in options.models:
        restorer, conditions = Restorer(model), Conditions.now(models=[model], data=data)
        for quality in options.quality:
            power = np.mean([spectrum(restorer, jpeg(crop, quality)) for crop in crops], axis=0)
            ratios = power / median_filter(power, SURROUNDINGS, mode="wrap")
            what = {"model": Path(model).stem, "quality": quality}
            entries += [
                Measurement(what, f"period {period}", float(peak(ratios, period)), "", "{:.1f}", conditions)
                for period in PERIODS
            ]
            added = float(np.sqrt(power.mean()))
            entries.append(Measurement(what, "added, gray levels", added, "gray levels", "{:.2f}", conditions))
    print(table_of(entries).markdown())
    if options.keep:
        keep(Path(__file__).parent / f"measured/{options.keep}.jsonl", entries)


def spectrum(restorer: Restorer, pixels: np.ndarray) -> np.ndarray:
    """Power of the gray of what a natural restoration adds to the faithful one, (SIDE, SIDE), in squared levels of 255;
    its mean is that of the windowed difference's square."""
    faithful, natural = (restorer.restore_pixels(pixels, mode=mode) for mode in ("faithful", "natural"))
    window = np.hanning(SIDE)
    window = np.outer(window, window)
    window /= np.sqrt(np.square(window).mean())
    added = 255 * (natural - faithful).mean(axis=2) * window
    return np.abs(np.fft.fft2(added, norm="ortho")) ** 2


def peak(ratios: np.ndarray, period: int) -> float:
    """The highest ratio at frequencies of that period in one direction, and of it or none in the other."""
    step = SIDE // period
    lines = (0, step, SIDE - step)
    return max(ratios[i, j] for i in lines for j in lines if i or j)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", help="names of models, .onnx files or checkpoints")
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="the training corpus")
    parser.add_argument("--crops", type=int, default=40)
    parser.add_argument("--quality", type=int, nargs="+", default=[5, 10, 20])
    parser.add_argument("--keep", metavar="NAME", help="store the measurements in research/measured/NAME.jsonl")
    return parser.parse_args()


if __name__ == "__main__":
    main()
