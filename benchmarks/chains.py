"""Measures the shipped models on chains: JPEGs that were resized, edited and saved again.

    python benchmarks/chains.py                    # both halves of the chains, in some minutes; resumes
    python benchmarks/chains.py chains             # only those for reports
    python benchmarks/publish.py                   # the tables, and the pages that show them

The pictures are centre crops of pictures that training holds out: one half of the originals for choosing, the other for
reports.  Tables are stored in docs/measured/chains_PURPOSE_MODE.jsonl.
"""

import argparse
from pathlib import Path

from PIL import Image

import results
from driftrec.evaluate.measurement import Measurements
from driftrec.evaluate.shares import mean_share, shares
from driftrec.train.data.crops import Corpus, open_corpus
from driftrec.train.recipe import DataSection
from driftrec.train.validate import centre_pairs

PROTOCOLS = {"chains": "reports", "chains-choosing": "choosing"}
"""What the halves of the chains, and of the pictures, are for."""

SHOWN = {"faithful": "psnr", "natural": "lpips_alex"}
"""The metric that each mode is judged by."""
NOTE = {
    "psnr": "PSNR in dB.",
    "lpips_alex": "LPIPS, AlexNet: lower is better.",
}


def main() -> None:
    options = read_options()
    pictures = write_pictures(options)
    for name in options.protocols:
        records, _, measured = results.run(
            name, pictures[name], f"{pictures[name].name}, {options.side}×{options.side}", options
        )
        found = shares(records)
        for mode, metric in SHOWN.items():
            rows = found[f"driftrec {mode}", metric]
            cells = [cell for row in rows for cell in row.measurements(measured)]
            target = results.MEASURED / f"chains_{PROTOCOLS[name]}_{mode}.jsonl"
            Measurements([*cells, *mean_share(rows, measured)], NOTE[metric]).write(target)


def write_pictures(options: argparse.Namespace) -> dict[str, Path]:
    """A folder of PNG files for each protocol, with crops of held-out pictures; no original is in two of them."""
    corpus = open_corpus([options.shared / "data/train"])
    _, held_out = corpus.split(DataSection().held_out)
    groups = sorted({entry.group for entry in held_out.entries})
    folders = {}
    for number, (name, purpose) in enumerate(PROTOCOLS.items()):
        own = set(groups[number :: len(PROTOCOLS)])
        half = Corpus(held_out.pixels, tuple(entry for entry in held_out.entries if entry.group in own))
        folders[name] = options.out / f"held-out training pictures, {purpose}"
        folders[name].mkdir(parents=True, exist_ok=True)
        for old in folders[name].glob("*.png"):
            old.unlink()
        for index, (crop, _) in enumerate(centre_pairs(half, options.pictures, options.side)):
            Image.fromarray(crop).save(folders[name] / f"{index:02}.png")
    return folders


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("protocols", nargs="*", default=list(PROTOCOLS), metavar="PROTOCOL", help=" or ".join(PROTOCOLS))
    add("--shared", type=Path, default=results.ROOT.parent / "shared", help="folder of data/train and weights")
    add("--out", type=Path, default=results.ROOT / "runs/chains", help="pictures, records, plots")
    add("--pictures", type=int, default=8, help="pictures of each protocol")
    add("--side", type=int, default=256, help="side of the crops in pixels")
    add("--workers", type=int, default=1, help="pictures at a time")
    add("--threads", type=int, default=2)
    options = parser.parse_args()
    if unknown := set(options.protocols) - set(PROTOCOLS):
        parser.error(f"no protocol {', '.join(unknown)} here: choose from {', '.join(PROTOCOLS)}")
    return options


if __name__ == "__main__":
    main()
