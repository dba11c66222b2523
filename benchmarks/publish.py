"""Copies measured tables into the pages that show them, between <!-- begin NAME --> and <!-- end NAME -->,
from docs/NAME.md."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def main() -> None:
    for page in [ROOT / "README.md", *ROOT.glob("docs/*.md")]:
        publish(page)


def publish(page: Path) -> None:
    """Fills the marked sections of one page."""
    text = page.read_text(encoding="utf-8")
    for name in re.findall(r"<!-- begin (\w+) -->", text):
        table = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8").strip()
        section = re.compile(rf"(<!-- begin {name} -->\n).*?(<!-- end {name} -->)", re.DOTALL)
        text = section.sub(lambda found, table=table: f"{found[1]}{table}\n{found[2]}", text)
    page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
