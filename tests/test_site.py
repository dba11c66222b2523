"""The documentation as a site: its map, the reference of commands, and a build that finds no fault."""

import os
import re
import runpy
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import typer
import yaml

from driftrec.cli.app import app

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
SETTINGS = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))


def named(nav: str | list | dict) -> list[str]:
    """The pages of a part of the map."""
    if isinstance(nav, str):
        return [nav]
    return [page for part in (nav.values() if isinstance(nav, dict) else nav) for page in named(part)]


def test_the_map_names_every_page_once() -> None:
    pages = named(SETTINGS["nav"])
    assert len(pages) == len({*pages})
    found = {path.relative_to(DOCS).as_posix() for path in DOCS.glob("*/*.md") if path.parent.name != "measured"}
    assert len(found) > 25
    assert found <= {*pages}


def test_the_reference_of_commands_holds_every_option() -> None:
    page = runpy.run_path(str(DOCS / "site/commands.py"))["page"]()
    sections = dict(re.findall(r"^## driftrec ([\w -]+)\n(.*?)(?=^## |\Z)", page, re.DOTALL | re.MULTILINE))
    program = typer.main.get_command(app)
    assert set(program.commands) - {"dataset"} <= {*sections}
    for name, command in program.commands.items():
        for parameter in command.params:
            for flag in parameter.opts if parameter.param_type_name == "option" else ():
                assert f"`{flag}`" in sections[name], flag
    for row in re.findall(r"^\|.*$", page, re.MULTILINE):
        assert len(re.findall(r"(?<!\\)\|", row)) == 3, row


class Addresses(HTMLParser):
    """What a page loads, where it links to, and the names of its places."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.places: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.places |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag in ("script", "img", "iframe", "source"):
            self.loaded.append(given.get("src", ""))
        if tag == "link" and given.get("rel") in ("stylesheet", "icon", "preconnect", "preload"):
            self.loaded.append(given["href"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Addresses]:
    """The pages of a new build, strict, so that a link or a page that is wrong ends it."""
    pytest.importorskip("mkdocs", reason="the site needs the packages of locked/docs.txt: make docs")
    folder = tmp_path_factory.mktemp("site").resolve()
    call = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    built = subprocess.run(
        call, cwd=ROOT, capture_output=True, text=True, check=False, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    )
    assert built.returncode == 0, built.stderr
    return {path: Addresses(path.read_text("utf-8")) for path in folder.rglob("index.html")}


def test_the_site_loads_nothing_from_other_hosts(site: dict[Path, Addresses]) -> None:
    assert len(site) > 40
    for page, addresses in site.items():
        for address in addresses.loaded:
            parts = urlsplit(address)
            assert not parts.netloc, f"{page}: {address}"
            assert parts.scheme == "data" or not parts.path or (page.parent / unquote(parts.path)).is_file(), address


def test_links_on_the_site_lead_somewhere(site: dict[Path, Addresses]) -> None:
    for page, addresses in site.items():
        for link in addresses.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            target = target / "index.html" if target.is_dir() else target
            assert target.is_file(), f"{page}: {link}"
            if parts.fragment and target in site:
                assert unquote(parts.fragment) in site[target].places | {"__skip", "_top"}, f"{page}: {link}"


def test_pages_outside_the_folder_are_part_of_it(site: dict[Path, Addresses]) -> None:
    root = min((page.parent for page in site), key=lambda path: len(path.parts))
    assert "Restores JPEGs that were compressed too hard" in (root / "index.html").read_text("utf-8")
    for name in ("contribute/contributing", "research/notes/model-notes", "reference/commands", "reference/python"):
        assert root / name / "index.html" in site
    assert "restore_pixels" in (root / "reference/python/index.html").read_text("utf-8")
    assert (root / "site/viewer.js").read_bytes() == (ROOT / "src/driftrec/web/page/viewer.js").read_bytes()
