"""Renders all tables and figures of the documentation from records, and inserts the tables into the pages.

    python benchmarks/publish.py        # offline, in seconds; changes nothing without new measurements

docs/measured and research/measured hold the records (.jsonl) and the files rendered from them (.md, .csv).  A page
shows a table between <!-- begin NAME --> and <!-- end NAME -->.
"""

import re
import subprocess
import sys
from pathlib import Path

import card
import results
from driftrec.evaluate.measurement import Measurements
from driftrec.evaluate.report import CONVENTIONS
from driftrec.evaluate.tables import METRICS, Row, Table, render
from driftrec.model.find import bundled_models

ROOT = Path(__file__).parents[1]
MEASURED = ROOT / "docs/measured"
FOLDERS = (MEASURED, ROOT / "research/measured")
SHOWN = ("psnr", "ssim", "lpips_alex")


def main() -> None:
    subprocess.run([sys.executable, str(ROOT / "research/render.py")], check=True)
    for path in MEASURED.glob("*.jsonl"):
        if path.name.startswith("results_"):
            results.render(path.stem.removeprefix("results_"))
        else:
            render(path)
    for model in bundled_models():
        (MEASURED / f"model_{model}.md").write_text(f"{card.table(model).markdown()}\n", encoding="utf-8")
    (MEASURED / "summary.md").write_text(summary(), encoding="utf-8")
    (MEASURED / "conventions.md").write_text(f"{CONVENTIONS}\n", encoding="utf-8")
    for page in [ROOT / "README.md", *ROOT.glob("docs/*/*.md"), *ROOT.glob("research/notes/*.md")]:
        publish(page)


def summary() -> str:
    """The table in the README: LIVE1 at quality 10, and the cost of the default model."""
    measured = Measurements.read(MEASURED / "results_live1-color.jsonl").entries
    rows = {(row.method, row.metric): row for row in map(Row.of, measured) if row.corruption == "q10" and not row.over}
    names = {
        "JPEG": "the JPEG itself",
        "driftrec faithful": "faithful",
        "driftrec natural": "natural",
        "driftrec faithful, base": "faithful, model `base`",
        "driftrec natural, base": "natural, model `base`",
    }
    cells = ((name, tuple(rows[method, metric].text for metric in SHOWN)) for method, name in names.items())
    table = Table("", tuple(METRICS[metric].heading for metric in SHOWN), tuple(cells), "LIVE1, quality 10")
    speed = {entry.what["what"]: entry.text for entry in Measurements.read(MEASURED / "speed.jsonl").entries}
    photo, large = "768×512 photo, natural, whole program", "24-megapixel photo, natural"
    cost = (
        f"On two CPU cores the default model takes {speed[photo]} for a photo of 768×512 pixels.  For one of 24 "
        f"megapixels it takes {speed[large]} and {speed[f'{large}: peak memory']} of memory."
    )
    return f"{table.markdown()}\n\n{cost}\n"


def publish(page: Path) -> None:
    """Fills the marked sections of one page."""
    text = page.read_text(encoding="utf-8")
    for name in re.findall(r"<!-- begin ([\w-]+) -->", text):
        table = fragment(name).read_text(encoding="utf-8").strip()
        section = re.compile(rf"(<!-- begin {name} -->\n).*?(<!-- end {name} -->)", re.DOTALL)
        text = section.sub(lambda found, table=table: f"{found[1]}{table}\n{found[2]}", text)
    page.write_text(text, encoding="utf-8")


def fragment(name: str) -> Path:
    """The text of a table's file.  Raises ValueError if there is none."""
    for folder in FOLDERS:
        if (path := folder / f"{name}.md").is_file():
            return path
    raise ValueError(f"there is no table {name}: measure it first")


if __name__ == "__main__":
    main()
