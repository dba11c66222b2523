"""The wheel: what an installation holds, and what it leaves out."""

import re
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

from driftrec.extras import packages_of

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    (path,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path_factory.mktemp("wheel")), versions=["standard"])
    return zipfile.ZipFile(path)


def test_recipes_models_and_pages_are_part_of_the_package(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    recipes = {path.name for path in (ROOT / "src/driftrec/recipes").iterdir()}
    assert {"small.yaml", "base.yaml", "small-finish.yaml", "paper-ouve-d2kf2k.yaml"} <= recipes
    assert {f"driftrec/recipes/{name}" for name in recipes} <= names
    assert {f"driftrec/model/bundled/{name}.onnx" for name in ("small", "base")} <= names
    assert {"driftrec/web/page/index.html", "driftrec/web/compare.html", "driftrec/py.typed"} <= names


def test_nothing_else_is(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top.rpartition(".")[2] for top in tops} == {"driftrec", "dist-info", "data"}
    assert [name for name in wheel.namelist() if ".data/" in name] == [
        "driftrec-0.1.0.data/data/share/man/man1/driftrec.1"
    ]
    endings = {Path(name).suffix for name in wheel.namelist() if name.startswith("driftrec/")}
    assert endings == {".py", ".typed", ".yaml", ".onnx", ".json", ".html", ".css", ".js", ".svg"}
    assert sum(entry.compress_size for entry in wheel.infolist()) < 50e6


def test_the_command_the_licence_and_the_address_are_stated(wheel: zipfile.ZipFile) -> None:
    (folder,) = {name.split("/")[0] for name in wheel.namelist() if ".dist-info/" in name}
    assert b"driftrec = driftrec.cli.app:main" in wheel.read(f"{folder}/entry_points.txt")
    assert wheel.read(f"{folder}/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()
    metadata = Parser().parsestr(wheel.read(f"{folder}/METADATA").decode())
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata.get_all("Project-URL") == ["Paper, https://arxiv.org/abs/2211.06757"]


def test_the_packages_of_an_extra_are_found_in_the_metadata(wheel: zipfile.ZipFile) -> None:
    stated = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    (metadata,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    requirements = Parser().parsestr(wheel.read(metadata).decode()).get_all("Requires-Dist") or []

    def names(requirements: list[str]) -> set[str]:
        return {re.split(r"[<>=\[]", requirement)[0] for requirement in requirements}

    for extra, packages in stated.items():
        assert names(packages_of(requirements, extra)) == names(packages)
