"""Measures the share of the package's lines that the tests run: `python benchmarks/covered.py` runs all tests.

Lines that run only in other processes (workers of Ray, torchrun and the benchmark) count as missed.
"""

import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from driftrec.evaluate.measurement import Conditions, facts
from driftrec.evaluate.tables import keep

ROOT = Path(__file__).parents[1]
RECORDS = ROOT / "docs/measured/coverage.jsonl"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "coverage.json"
        subprocess.run([sys.executable, "-m", "pytest", "--cov", f"--cov-report=json:{report}"], cwd=ROOT, check=True)
        files = json.loads(report.read_text(encoding="utf-8"))["files"]
    lines, run = Counter[str](), Counter[str]()
    for name, file in files.items():
        for part in (package_of(Path(name)), "all"):
            lines[part] += file["summary"]["num_statements"]
            run[part] += file["summary"]["covered_lines"]
    rows = [(part, 100 * run[part] / lines[part], "{:.0f} {unit}", "%") for part in sorted(lines) if lines[part]]
    conditions = Conditions.now(data="the project's tests", libraries=[f"Python {sys.version.split()[0]}"])
    print(keep(RECORDS, facts(rows, conditions, "package", "statements run by the tests")))


def package_of(path: Path) -> str:
    """The package that a file of driftrec belongs to."""
    below = path.parts[path.parts.index("driftrec") + 1 :]
    return f"`{below[0]}`" if len(below) > 1 else "modules at the top"


if __name__ == "__main__":
    main()
