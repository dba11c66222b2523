"""Measures how many training pairs one loader process makes in a second, by kind of corruption.

python benchmarks/loader.py            # half a minute; an idle machine, please
"""

import argparse
import time
from pathlib import Path

from driftrec.evaluate.machine import processor
from driftrec.evaluate.measurement import Conditions, Fact, facts
from driftrec.evaluate.tables import keep
from driftrec.train.data.chains import RandomChains
from driftrec.train.data.crops import Crops, open_corpus
from driftrec.train.data.degrade import RandomJpeg
from driftrec.train.recipe import DataSection

ROOT = Path(__file__).parents[1]
NOTE = "Processor time of one process; the median of the rounds.  A round makes the same crops for every row."


def main() -> None:
    options = read_options()
    corpus = open_corpus([options.shared / "data/train"])
    kinds = {
        "one JPEG, `{kind: jpeg}`": RandomJpeg(),
        "the mixture of JPEGs, the default": DataSection().degradation(),
        "random chains, `chains: {}`": RandomChains(),
    }
    crops = {name: Crops(corpus, kind, options.side) for name, kind in kinds.items()}
    rates: dict[str, list[float]] = {name: [] for name in crops}
    for number in range(options.rounds):
        for name, source in crops.items():
            start = time.process_time()
            for index in range(number * options.crops, (number + 1) * options.crops):
                source.pair(index)
            rates[name].append(options.crops / (time.process_time() - start))
    title = f"crops of {options.side}×{options.side} pixels, {options.rounds} rounds of {options.crops}"
    conditions = Conditions.now(f"{processor()}, 1 process", data=f"training pictures, {title}")
    rows: list[Fact] = [(name, sorted(found)[len(found) // 2], "{:.0f}", "1/s") for name, found in rates.items()]
    print(keep(ROOT / "docs/measured/loader.jsonl", facts(rows, conditions, "corruption", "pairs per second"), NOTE))


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--shared", type=Path, default=ROOT.parent / "shared", help="folder of data/train")
    add("--side", type=int, default=128, help="side of the crops in pixels")
    add("--crops", type=int, default=200, help="crops in a round")
    add("--rounds", type=int, default=9)
    return parser.parse_args()


if __name__ == "__main__":
    main()
