"""Measures what a clean installation consists of, in bytes on disk, by package; and the files of a release.

    python benchmarks/installed.py                 # a minute; needs a package index

Compiled Python files count as parts of their packages.  pip is shown, but not part of the sum.
"""

import argparse
import json
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import onnx
from onnx import numpy_helper

from driftrec.evaluate.measurement import Conditions, Fact, facts
from driftrec.evaluate.tables import keep
from driftrec.model.find import bundled_models

ROOT = Path(__file__).parents[1]
LARGE = 2e6
"""Packages of fewer bytes are summed up."""

SIZES = """
import importlib.metadata, json, os
def size(package):
    paths = map(package.locate_file, package.files or ())
    return sum(os.path.getsize(path) for path in paths if os.path.isfile(path))
print(json.dumps({one.name: size(one) for one in importlib.metadata.distributions()}))
"""


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = [*packages(Path(folder)), *networks(), *files(Path(folder) / "dist")]
        released = list(release(Path(folder) / "release"))
    made = {"models": bundled_models(), "libraries": [f"Python {platform.python_version()}"]}
    conditions = Conditions.now(data="a new virtual environment, without extras", **made)
    for name, what, found in (("installed", "part", rows), ("release", "file", released)):
        sizes: list[Fact] = [
            (part, size / 1e6, "{:.2g} {unit}" if size < 1e5 else "{:.1f} {unit}", "MB") for part, size in found
        ]
        entries = facts(sizes, conditions if found is rows else Conditions.now(**made), what, "size")
        print(keep(ROOT / f"docs/measured/{name}.jsonl", entries, "MB: 10⁶ bytes."))


def packages(folder: Path) -> Iterator[tuple[str, float]]:
    """Installs the package, and yields the sizes of its parts and of what it needs."""
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    python = folder / "venv/bin/python"
    subprocess.run([python, "-m", "pip", "install", "-q", ROOT], check=True, capture_output=True)
    sizes = json.loads(subprocess.run([python, "-c", SIZES], check=True, capture_output=True, text=True).stdout)
    pip = sizes.pop("pip") + sizes.pop("setuptools", 0)
    own, models = sizes.pop("driftrec"), sum(path.stat().st_size for path in bundled_models().values())
    yield "driftrec: the models", models
    yield "driftrec: everything else", own - models
    large = {name: size for name, size in sizes.items() if size > LARGE}
    yield from sorted(large.items(), key=lambda item: -item[1])
    yield "smaller packages", sum(sizes.values()) - sum(large.values())
    yield "all of these", own + sum(sizes.values())
    yield "pip and setuptools, which the environment brings", pip


def networks() -> Iterator[tuple[str, float]]:
    """The weights of each network in the model files."""
    for name, path in bundled_models().items():
        (choice,) = onnx.load(path).graph.node
        for branch in sorted((attribute.g for attribute in choice.attribute), key=lambda graph: graph.name):
            size = sum(numpy_helper.to_array(weight).nbytes for weight in branch.initializer)
            yield f"weights of {name}: {branch.name}", size


def files(folder: Path) -> Iterator[tuple[str, float]]:
    """The wheel and the source archive."""
    call = [sys.executable, "-m", "hatchling", "build", "-d", folder]
    subprocess.run(call, cwd=ROOT, check=True, capture_output=True)
    for name, pattern in (("the wheel", "*.whl"), ("the source archive", "*.tar.gz")):
        (path,) = folder.glob(pattern)
        yield name, path.stat().st_size


def release(folder: Path) -> Iterator[tuple[str, float]]:
    """The files of a release for other programs."""
    subprocess.run([sys.executable, ROOT / "integrations/release.py", folder], check=True, capture_output=True)
    for path in sorted(folder.iterdir()):
        if path.name != "SHA256SUMS":
            yield f"`{path.name}`", path.stat().st_size


if __name__ == "__main__":
    main()
