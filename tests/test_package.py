"""The wheel: what an installation holds, and what it leaves out.  The locked dependencies of container and CI.

The source archive, the description for an index page, the recipe of Conda and the formula of Homebrew.
"""

import re
import runpy
import tomllib
import zipfile
from collections.abc import Iterable
from contextlib import suppress
from email.parser import Parser
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
import yaml
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from driftrec import __version__
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
    assert "Paper, https://arxiv.org/abs/2211.06757" in metadata.get_all("Project-URL")


def test_the_packages_of_an_extra_are_found_in_the_metadata(wheel: zipfile.ZipFile) -> None:
    stated = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    (metadata,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    requirements = Parser().parsestr(wheel.read(metadata).decode()).get_all("Requires-Dist") or []

    def names(requirements: list[str]) -> set[str]:
        return {re.split(r"[<>=\[]", requirement)[0] for requirement in requirements}

    for extra, packages in stated.items():
        assert names(packages_of(requirements, extra)) == names(packages)


# ------------------------------------------------------------------------------------------------- other packages

DESCRIPTION = runpy.run_path(str(ROOT / "packaging/description.py"))
FORMULA = (ROOT / "packaging/homebrew/driftrec.rb").read_text("utf-8")
RECIPE = yaml.safe_load((ROOT / "packaging/conda/recipe.yaml").read_text("utf-8"))


def test_the_source_archive_holds_what_the_wheel_is_made_of_and_no_measurements() -> None:
    files = {file.distribution_path for file in SdistBuilder(str(ROOT)).recurse_included_files()}
    assert {"README.md", "man/driftrec.1", "packaging/description.py"} <= files  # hatchling adds LICENSE itself
    package = {path.relative_to(ROOT).as_posix() for path in (ROOT / "src").rglob("*.*") if "pycache" not in str(path)}
    assert package <= files
    assert {name.split("/")[0] for name in files if "/" in name} == {"locked", "man", "packaging", "src"}
    size = sum((ROOT / name).stat().st_size for name in files if not name.endswith(".onnx") and (ROOT / name).exists())
    assert size < 2e6


def test_an_index_page_gets_addresses_for_links_and_pictures() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    text = DESCRIPTION["described"](readme, "https://host.example/driftrec")
    links = re.findall(r"(!?)\[[^\]]*\]\(([^)]*)\)", text)
    assert len(links) == len(re.findall(r"\]\(", readme)) > 15
    for mark, link in links:
        assert re.match(r"https://host\.example/driftrec/raw/HEAD/" if mark else r"https://", link), link
        _, inside, path = link.partition("/HEAD/")
        assert not inside or (ROOT / path.partition("#")[0]).exists(), path
    assert set(DESCRIPTION["addresses"]("https://host.example/driftrec")) > {"Repository", "Documentation", "Paper"}


def test_without_a_repository_the_description_has_no_dead_links(wheel: zipfile.ZipFile) -> None:
    text = DESCRIPTION["described"]((ROOT / "README.md").read_text("utf-8"), "")
    assert {re.match("https?:", link) is not None for link in re.findall(r"\]\(([^)]*)\)", text)} == {True}
    assert "From left to right" not in text  # the caption of a picture that cannot be shown
    assert "The command line describes" in text
    if not PROJECT["tool"]["hatch"]["metadata"]["hooks"]["custom"]["repository"]:
        (metadata,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
        assert Parser().parsestr(wheel.read(metadata).decode()).get_payload() == text


def test_code_is_not_changed_by_new_links() -> None:
    text = "[a](b.md) and\n\n```sh\nls [a](b.md)\n```\n\n![p](p.png) its caption\n\n[c](#here) [d](https://d)\n"
    new = DESCRIPTION["relinked"](text, lambda link, picture: f"{picture}/{link}")
    assert new == text.replace("[a](b.md) and", "[a](False/b.md) and").replace("(p.png)", "(True/p.png)")


def test_recipe_and_formula_agree_with_the_project() -> None:
    project = PROJECT["project"]
    assert RECIPE["package"]["name"] == project["name"]
    assert RECIPE["context"]["version"] == __version__
    stated = [f"python {project['requires-python']}", *project["dependencies"]]
    assert sorted(RECIPE["requirements"]["run"]) == sorted(re.sub(r" ?(>=)", r" \1", one) for one in stated)
    assert re.sub(" ", "", RECIPE["requirements"]["host"][-1]) in PROJECT["build-system"]["requires"] + group("build")
    (script,) = RECIPE["build"]["python"]["entry_points"]
    assert script.split(" = ") == ["driftrec", project["scripts"]["driftrec"]]
    assert RECIPE["about"]["summary"] == project["description"]
    assert RECIPE["about"]["license"] == project["license"]

    assert "class Driftrec < Formula" in FORMULA
    assert re.findall(r'^  version "(.*)"$', FORMULA, re.MULTILINE) == [__version__]
    assert f"dist/driftrec-{__version__}.tar.gz" in FORMULA
    assert f'license "{project["license"]}"' in FORMULA
    (python,) = {*re.findall(r"python@?(3\.\d+)", FORMULA)}
    assert tuple(map(int, python.split("."))) >= (3, 11)
    files = {file.distribution_path for file in SdistBuilder(str(ROOT)).recurse_included_files()}
    assert {*re.findall(r'"(locked/[^"]+)"', FORMULA)} <= files
    assert (ROOT / "LICENSE").name == RECIPE["about"]["license_file"]


# ------------------------------------------------------------------------------------------------- dependencies

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
LOCKS = ("build", "container", "development", "docs")


def entries(lock: str) -> list[str]:
    """The entries of a list in locked/, each with its hashes."""
    text = (ROOT / f"locked/{lock}.txt").read_text("utf-8")
    return re.split(r"\n(?=[\w-])", "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#")))


def locked(lock: str) -> set[tuple[str, str]]:
    """The names and versions in a list; a package may have several versions for several versions of Python."""
    return {
        (name, version) for entry in entries(lock) for name, version in re.findall(r"^\n*([\w.-]+)==([^ ]+)", entry)
    }


def group(name: str) -> list[str]:
    """The requirements of a dependency group."""
    found = PROJECT["dependency-groups"][name]
    return [r for item in found for r in (group(item["include-group"]) if isinstance(item, dict) else [item])]


def direct(lock: str) -> list[str]:
    """What the environment of a list is made for."""
    if lock in ("build", "docs"):
        return group(lock)
    extras = PROJECT["project"]["optional-dependencies"]
    asked = ("web",) if lock == "container" else tuple(extras)
    found = [*PROJECT["project"]["dependencies"], *(requirement for extra in asked for requirement in extras[extra])]
    return found if lock == "container" else [*found, *group("test"), *group("lint")]


def with_indirect(requirements: Iterable[str]) -> set[str]:
    """The names of all packages that the requirements need here, as far as those that are installed say so."""
    found: set[tuple[str, str]] = set()
    waiting = [Requirement(text) for text in requirements]
    while waiting:
        one = waiting.pop()
        name = canonicalize_name(one.name)
        for extra in {"", *one.extras} if name != "torch" else ():
            if (name, extra) not in found:
                found.add((name, extra))
                with suppress(PackageNotFoundError):
                    needs = [Requirement(text) for text in requires(name) or ()]
                    waiting += [need for need in needs if not need.marker or need.marker.evaluate({"extra": extra})]
    return {name for name, _ in found}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_package_has_hashes(lock: str) -> None:
    listed = [entry for entry in entries(lock) if entry.strip()]
    assert len(listed) > 5
    for entry in listed:
        assert re.match(r"\n*[\w.-]+==[^ ]+( ; .*)? \\\n( +--hash=sha256:[0-9a-f]{64}( \\)?\n?)+$", entry), entry
    assert "://" not in (ROOT / f"locked/{lock}.txt").read_text("utf-8")


@pytest.mark.parametrize("lock", ["container", "development"])
def test_what_is_needed_is_locked_also_indirectly(lock: str) -> None:
    needed = with_indirect(direct(lock))
    assert {"markdown-it-py", "h11", "protobuf"} <= needed  # indirect ones
    assert needed <= {name for name, _ in locked(lock)}


def test_locked_versions_are_those_of_the_constraints() -> None:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    stated = {tuple(line.split("==")) for line in lines if line and not line.startswith("#")}
    assert {name for name, _ in stated - locked("development") - locked("docs")} == {"torch", "uv"}
    for lock in LOCKS:
        names = {name for name, _ in stated}
        assert {pair for pair in locked(lock) if pair[0] in names} <= stated


def test_the_site_is_built_with_the_versions_of_the_development_environment() -> None:
    development = locked("development")
    names = {name for name, _ in development}
    assert {pair for pair in locked("docs") if pair[0] in names} <= development
    assert {canonicalize_name(Requirement(one).name) for one in group("docs")} <= {name for name, _ in locked("docs")}


def test_the_container_installs_only_what_is_locked() -> None:
    text = (ROOT / "Containerfile").read_text("utf-8").replace("\\\n", " ")
    calls = re.findall(r"pip (?:install|wheel) [^&\n]*", text)
    assert len(calls) == 4
    for call in calls:
        assert "--no-deps" in call
        assert re.search(r"--require-hashes .*-r /source/locked/|--no-index|--no-build-isolation", call), call


def test_actions_are_pinned_by_commit() -> None:
    used = re.findall(r"uses: *(.*)", (ROOT / ".github/workflows/ci.yml").read_text("utf-8"))
    assert used
    for action in used:
        assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40}  # v[\d.]+", action), action
