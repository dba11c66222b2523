"""The long description and the addresses in the package's metadata, as a hook of hatchling.

An index page shows the README without the repository around it.  Relative links and pictures therefore become addresses
in the public repository, which pyproject.toml states once.  As long as it states none, links become plain text, and
paragraphs with pictures are left out.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

PAPER = "https://arxiv.org/abs/2211.06757"


class Description(MetadataHookInterface):
    """Fills in `readme` and `urls`; its setting `repository` is the address of the public repository, or empty."""

    def update(self, metadata: dict[str, Any]) -> None:
        repository = self.config["repository"].rstrip("/")
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": described(text, repository)}
        metadata["urls"] = addresses(repository)


def addresses(repository: str) -> dict[str, str]:
    """The project's addresses, by label."""
    own = {
        "Repository": repository,
        "Documentation": f"{repository}/blob/HEAD/docs/README.md",
        "Changes": f"{repository}/blob/HEAD/CHANGELOG.md",
    }
    return (own if repository else {}) | {"Paper": PAPER}


def described(text: str, repository: str) -> str:
    """The README for a page outside the repository."""

    def address(link: str, picture: bool) -> str:
        return f"{repository}/{'raw' if picture else 'blob'}/HEAD/{link}" if repository else ""

    return relinked(text, address)


def relinked(text: str, address: Callable[[str, bool], str]) -> str:
    """Markdown with other addresses for its relative links.

    `address` gets a link and whether it is that of a picture.  If it returns "", a link becomes plain text, and the
    paragraph of a picture is left out.  Code, addresses of other hosts and links within the page stay as they are.
    """

    def replaced(found: re.Match[str]) -> str:
        mark, label, link = found.groups()
        if re.match(r"[a-z]+:|#", link):
            return found[0]
        new = address(link, bool(mark))
        return f"{mark}[{label}]({new})" if new else f"{mark}{label}"

    def outside_code(part: str) -> str:
        paragraphs = [re.sub(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)", replaced, one) for one in re.split(r"(\n\n+)", part)]
        pictures = [re.match(r"!(?!\[)", one) for one in paragraphs]
        return "".join(one for one, left_out in zip(paragraphs, pictures, strict=True) if not left_out)

    parts = re.split(r"(^```.*?^```$)", text, flags=re.DOTALL | re.MULTILINE)
    return "".join(part if part.startswith("```") else outside_code(part) for part in parts)
