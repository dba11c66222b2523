"""Advice on optional packages fits the way this copy was installed, and never asks an index for the name driftrec."""

import json
import re
import shlex
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from driftrec import extras
from driftrec.cli.console import sentences
from driftrec.extras import how_to_add, how_to_install

ROOT = Path(__file__).parents[1]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Lets the package be one that pip has copied to site-packages, with this content of direct_url.json."""
    site = tmp_path / "lib/site-packages"

    def installed(origin: dict | None) -> None:
        info = site / "driftrec-0.1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(
            "Metadata-Version: 2.4\nName: driftrec\nVersion: 0.1.0\nRequires-Dist: numpy>=1.26\n"
            "Requires-Dist: starlette>=0.45; extra == 'web'\nRequires-Dist: uvicorn>=0.34; extra == 'web'\n"
            "Requires-Dist: torch<3,>=2.5; extra == 'train'\n"
        )
        if origin is not None:
            (info / "direct_url.json").write_text(json.dumps(origin))
        monkeypatch.setattr(extras, "__file__", str(site / "driftrec/extras.py"))
        monkeypatch.setattr(metadata, "distribution", lambda _: metadata.PathDistribution(info))

    return installed


def given_to_pip(command: str) -> list[str]:
    words = shlex.split(command)
    return words[words.index("install") + 1 :]


def test_a_checkout_is_installed_again_with_the_extra() -> None:
    assert given_to_pip(how_to_add("web")) == ["-e", f"{ROOT}[web]"]


def test_a_folder_is_named_as_long_as_it_exists(install, tmp_path: Path) -> None:
    folder = tmp_path / "my source"
    folder.mkdir()
    install({"url": folder.as_uri(), "dir_info": {}})
    assert given_to_pip(how_to_add("web")) == [f"{folder}[web]"]
    folder.rmdir()
    assert given_to_pip(how_to_add("web")) == ["starlette>=0.45", "uvicorn>=0.34"]


@pytest.mark.parametrize(
    ("origin", "given"),
    [
        ({"url": "https://host/a.whl", "archive_info": {}}, "driftrec[web] @ https://host/a.whl"),
        (
            {"url": "https://host/d.git", "vcs_info": {"vcs": "git", "commit_id": "1f0", "requested_revision": "main"}},
            "driftrec[web] @ git+https://host/d.git@1f0",
        ),
        (
            {"url": "ssh://git@host/d.git", "vcs_info": {"vcs": "git", "commit_id": "1f0"}, "subdirectory": "python"},
            "driftrec[web] @ git+ssh://git@host/d.git@1f0#subdirectory=python",
        ),
    ],
)
def test_an_address_is_given_with_the_extra(install, origin: dict, given: str) -> None:
    install(origin)
    assert given_to_pip(how_to_add("web")) == [given]
    assert Requirement(given).extras == {"web"}  # pip can read it


@pytest.mark.parametrize("origin", [None, {"url": ROOT.as_uri(), "vcs_info": {"vcs": "git", "commit_id": "1f0"}}])
def test_a_copy_of_no_address_gets_the_packages_themselves(install, origin: dict | None) -> None:
    install(origin)
    assert given_to_pip(how_to_add("web")) == ["starlette>=0.45", "uvicorn>=0.34"]
    assert given_to_pip(how_to_add("train")) == ["torch<3,>=2.5"]


def test_a_copy_without_metadata_names_the_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(name: str) -> metadata.Distribution:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(extras, "__file__", str(tmp_path / "lib/site-packages/driftrec/extras.py"))
    monkeypatch.setattr(metadata, "distribution", none)
    assert how_to_add("web") == "install the packages that driftrec's pyproject.toml lists under 'web'"


def test_the_command_is_that_of_the_running_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pip", "uv", "python"):
        (tmp_path / name).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert how_to_install("one") == f"{shlex.quote(sys.executable)} -m pip install one"
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert how_to_install("one>=2") == "pip install 'one>=2'"
    monkeypatch.setattr(extras, "find_spec", lambda _: None)
    assert how_to_install("one") == f"uv pip install --python {tmp_path}/python one"


def test_windows_gets_double_quotes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "_pip", lambda: ["pip", "install"])
    monkeypatch.setattr(extras.os, "name", "nt")
    assert how_to_install("one>=2", "two") == 'pip install "one>=2" two'


def test_a_command_names_the_package_and_the_way_to_get_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="1"), sentences("web"):
        raise ModuleNotFoundError("No module named 'starlette'", name="starlette")
    assert capsys.readouterr().err == f"driftrec: this command needs starlette: {how_to_add('web')}\n"


def test_no_text_advises_to_install_the_name_from_an_index() -> None:
    folders = ("src", "tests", "docs", "benchmarks", "integrations", "research", "examples")
    texts = [path for name in folders for path in (ROOT / name).rglob("*") if path.suffix in (".py", ".md", ".html")]
    assert len(texts) > 200
    for path in [*texts, *ROOT.glob("*.md"), ROOT / "Makefile", ROOT / "Containerfile"]:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"install (-\S+ )*['\"]?driftrec\b", text), path
