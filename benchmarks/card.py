"""Prints the properties stored in a model file as a table for its model card: `python benchmarks/card.py small`.

`publish.py` writes the tables of the bundled models, straight from their files.
"""

import argparse
from typing import Any

from driftrec.evaluate.tables import Table
from driftrec.model.find import find_model
from driftrec.model.open import open_model
from driftrec.train.storage import LEVEL


def main() -> None:
    print(table(read_options().model).markdown())


def table(model: str) -> Table:
    """The card of a model, by its name or its file."""
    path, card = find_model(model), open_model(model).card
    facts, bits = card.facts, 8 if LEVEL.encode() in path.read_bytes() else 16
    rows = {
        "file": f"`{path.name}`, {path.stat().st_size / 1e6:.1f} MB: ONNX, weights in {bits} bits",
        "licence": facts["licence"],
        "parameters": f"{facts['parameters'] / 1e6:.2f} million",
        "evaluations": f"1 faithful, {card.plan.evaluations} natural",
        "multiply–adds per pixel": f"{facts['multiply_adds_per_pixel'] / 1e3:.1f} thousand faithful, "
        f"{facts['plan_multiply_adds_per_pixel'] / 1e3:.1f} thousand natural",
        "training of the denoiser": cost(facts["training"]),
    }
    if "finishing" in facts:
        rows["training of the finisher"] = cost(facts["finishing"])
    data = facts["training"]
    counts = sorted(data["licences"].items(), key=lambda item: -item[1])
    rows["training pictures"] = f"{data['pictures']}, {data['megapixels']} megapixels"
    rows["their licences"] = "; ".join(f"{licence}: {count}" for licence, count in counts)
    return Table("", ("",), tuple((name, (value,)) for name, value in rows.items()), words=("",))


def cost(run: dict[str, Any]) -> str:
    """Steps, time and hardware of a run and of the runs that its initial weights come from."""
    before = run.get("earlier", {"steps": 0, "minutes": 0})
    steps, minutes = run["steps"] + before["steps"], run["minutes"] + before["minutes"]
    last = f", of them {run['steps']} in the last run" if before["steps"] else ""
    return f"{steps} steps{last}; {minutes / 60:.1f} hours on {run['hardware']}"


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a name of a model that ships, or an exported file")
    return parser.parse_args()


if __name__ == "__main__":
    main()
