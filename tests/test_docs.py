"""What the documents say exists: commands parse, equations are where they are cited, tables are published whole."""

import importlib
import re
import shlex
from itertools import takewhile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from driftrec.cli.app import app
from driftrec.model.find import bundled_models

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]


def commands() -> list[str]:
    found = []
    for path in PAGES:
        for block in re.findall(r"```sh\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL):
            found += [line for line in block.splitlines() if line.startswith("driftrec ")]
    return found


@pytest.mark.parametrize("command", commands())
def test_commands_in_the_documents_parse(command: str) -> None:
    _, *arguments = shlex.split(command, comments=True)
    words = takewhile(lambda argument: not argument.startswith("-"), arguments)
    group = CliRunner().invoke(app, [*words, "--help"])
    assert group.exit_code == 0
    for option in (a for a in arguments if a.startswith("--")):
        assert option in group.output


def test_make_targets_in_the_readme_exist() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    used = set(re.findall(r"\bmake (\w+)", (ROOT / "README.md").read_text(encoding="utf-8")))
    assert {"restore", "test"} <= used <= targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_pictures_and_pages_that_are_linked_exist(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / link).exists(), link


def test_equations_are_numbered_once_and_cited_rightly() -> None:
    stated = re.findall(r"\((E\d+)\)$", (ROOT / "docs/theory.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert stated == [f"E{i + 1}" for i in range(len(stated))]
    in_code = {
        number
        for path in (ROOT / "src").rglob("*.py")
        for number in re.findall(r"\((E\d+)\)", path.read_text(encoding="utf-8"))
    }
    assert in_code == set(stated)


@pytest.mark.parametrize("name", bundled_models())
def test_the_model_card_is_that_of_the_model_that_ships(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    card = importlib.import_module("card")
    assert card.table(name) == (ROOT / f"docs/model_{name}.md").read_text(encoding="utf-8")


def test_pages_show_the_tables_that_were_measured() -> None:
    seen = set()
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        sections = re.findall(r"<!-- begin (\w+) -->\n(.*?)<!-- end \1 -->", text, re.DOTALL)
        assert len(sections) == text.count("<!-- begin "), page
        for name, shown in sections:
            assert shown.strip() == (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8").strip(), name
            seen.add(name)
    assert seen == {page.stem for page in PAGES if not page.read_text(encoding="utf-8").startswith("#")}
