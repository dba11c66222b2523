"""Says how to install optional packages, by a command that works for the way this copy of driftrec was installed.

"driftrec[web]" alone would ask a package index for the name driftrec, which may be somebody else's package there.
"""

import json
import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any


def how_to_add(extra: str) -> str:
    """The command that installs the packages of an extra of pyproject.toml, such as "web", as a clause."""
    from importlib import metadata  # here, as it is slow to import and seldom needed

    root = Path(__file__).parents[2]
    if (root / "pyproject.toml").is_file():
        return how_to_install("-e", f"{root}[{extra}]")
    try:
        copy = metadata.distribution("driftrec")
    except metadata.PackageNotFoundError:
        return f"install the packages that driftrec's pyproject.toml lists under '{extra}'"
    source = _source(json.loads(copy.read_text("direct_url.json") or "{}"), extra)
    return how_to_install(*([source] if source else packages_of(copy.requires or (), extra)))


def how_to_install(*arguments: str) -> str:
    """The command that installs packages for the Python that runs this program; the arguments are those of pip."""
    return " ".join(map(_quoted, [*_pip(), *arguments]))


def _source(origin: dict[str, Any], extra: str) -> str:
    """What to give to pip, from the content of direct_url.json; empty if this copy came from an index or is gone.

    The format: https://packaging.python.org/en/latest/specifications/direct-url-data-structure/
    """
    from urllib.parse import urlsplit  # here, as above
    from urllib.request import url2pathname

    url = origin.get("url", "")
    if url.startswith("file:"):
        path = Path(url2pathname(urlsplit(url).path))
        known = path.exists() and "vcs_info" not in origin  # pip takes no extras for a repository on this machine
        return f"{path}[{extra}]" if known else ""
    if not url:
        return ""
    if "vcs_info" in origin:
        url = f"{origin['vcs_info']['vcs']}+{url}@{origin['vcs_info']['commit_id']}"
    if "subdirectory" in origin:
        url += f"#subdirectory={origin['subdirectory']}"
    return f"driftrec[{extra}] @ {url}"


def packages_of(requirements: Iterable[str], extra: str) -> list[str]:
    """Those of the requirements in a package's metadata that belong to an extra, without their markers."""
    parts = [requirement.partition(";") for requirement in requirements]
    return [name.strip() for name, _, marker in parts if re.fullmatch(rf"\s*extra == ['\"]{extra}['\"]\s*", marker)]


def _pip() -> list[str]:
    """How to call `pip install` for this Python: the `pip` on the PATH may belong to another one."""
    if find_spec("pip") is None and shutil.which("uv"):
        return ["uv", "pip", "install", "--python", sys.executable]
    found = shutil.which("pip")
    ours = found is not None and Path(found).parent == Path(sys.executable).parent
    return ["pip", "install"] if ours else [sys.executable, "-m", "pip", "install"]


def _quoted(word: str) -> str:
    """The word as a shell takes it; the shells of Windows know double quotes only."""
    if os.name != "nt":
        return shlex.quote(word)
    return word if re.fullmatch(r"[\w.:/\\-]+", word) else f'"{word}"'
