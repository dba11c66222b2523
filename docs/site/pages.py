"""Builds the site from the pages of the repository, as hooks of MkDocs (mkdocs.yml).

The pages stay as they read in the repository.  Pages outside docs/ are added under the names in `OUTSIDE`, and links
are changed to the places that their pages have on the site.  Links to other files of the repository lead to its public
address if pyproject.toml states one, and become plain text if not.
"""

import posixpath
import re
import sys
import tomllib
from importlib import import_module
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "packaging"), str(ROOT / "docs/site")]

import commands  # noqa: E402
from description import relinked  # noqa: E402

OUTSIDE = {
    "README.md": "index.md",
    "docs/README.md": "pages.md",
    "CONTRIBUTING.md": "contribute/contributing.md",
    "CHANGELOG.md": "contribute/changes.md",
    "research/README.md": "research/README.md",
} | {
    str(path.relative_to(ROOT)): str(path.relative_to(ROOT))
    for pattern in ("notes/*.md", "notes/experiments/*.md", "notes/**/*.png")
    for path in ROOT.glob(f"research/{pattern}")
}
"""Pages and pictures outside the folder of the site: their path in the repository, and on the site."""

SHARED = ("viewer.js", "viewer.css", "icon.svg")
"""The comparison under a divider and the icon, which the page of `driftrec serve` uses too."""

REFERENCE = {
    "python": ("driftrec", "driftrec"),
    "picture": ("Pictures and their files", "driftrec.picture"),
    "jpeg": ("JPEG files", "driftrec.jpeg"),
    "diffusion": ("Processes and samplers", "driftrec.diffusion.process", "driftrec.diffusion.samplers"),
}
"""Pages of the Python reference: name, title, and the packages whose public names they show.

A name that a package takes over from another one is shown on the page of that one.
"""

SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]
REPOSITORY = SETTINGS["metadata"]["hooks"]["custom"]["repository"].rstrip("/")


def on_config(config: MkDocsConfig) -> None:
    config.repo_url = REPOSITORY or None


def on_files(files: Files, config: MkDocsConfig) -> None:
    for source, place in OUTSIDE.items():
        files.append(File.generated(config, place, abs_src_path=str(ROOT / source)))
    for name in SHARED:
        source = ROOT / "src/driftrec/web/page" / name
        files.append(File.generated(config, f"site/{name}", abs_src_path=str(source)))
    files.append(File.generated(config, "reference/commands.md", content=commands.page()))
    for name, (title, *packages) in REFERENCE.items():
        content = "\n\n".join([f"# {title}", *(part for package in packages for part in reference(package))])
        files.append(File.generated(config, f"reference/{name}.md", content=content))


def reference(package: str) -> list[str]:
    """What a package says of itself, and requests to mkdocstrings for its public names, functions first."""
    others = (one for _, *packages in REFERENCE.values() for one in packages if one.startswith(f"{package}."))
    elsewhere = {name for one in others for name in import_module(one).__all__}
    module = import_module(package)
    names = sorted({*module.__all__} - elsewhere, key=lambda name: (not name[0].islower(), name))
    return [module.__doc__ or "", *(f"::: {package}.{name}" for name in names)]


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    del config
    place = page.file.src_uri
    source = next((path for path, other in OUTSIDE.items() if other == place), f"docs/{place}")

    def address(link: str, picture: bool) -> str:
        path, mark, anchor = link.partition("#")
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        if not (ROOT / target).exists():
            return link  # MkDocs reports it
        there = OUTSIDE.get(target, target.removeprefix("docs/"))
        if files.get_file_from_path(there):
            return posixpath.relpath(there, posixpath.dirname(place) or ".") + mark + anchor
        return f"{REPOSITORY}/{'raw' if picture else 'blob'}/HEAD/{target}" if REPOSITORY else ""

    text = re.sub(r"^<!-- (begin|end) [\w-]+ -->$", "", markdown, flags=re.MULTILINE)
    # The numbers of equations are aligned for wide windows, and would lie outside of the visible part of the code.
    return relinked(re.sub(r" {5,}(\(E\d+\))$", r"    \1", text, flags=re.MULTILINE), address)
