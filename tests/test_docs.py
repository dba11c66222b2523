"""What the documents say holds: commands parse, Python runs, links lead somewhere, tables are those of the records."""

import argparse
import importlib
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import typer
from PIL import Image

from driftrec.cli.app import app, main
from driftrec.evaluate.corruptions import decode as opened
from driftrec.model.find import bundled_models
from driftrec.model.hub import is_hub_id
from support import scene

ROOT = Path(__file__).parents[1]
MEASURED = (ROOT / "docs/measured", ROOT / "research/measured")
PAGES = [
    ROOT / "README.md",
    ROOT / "docs/README.md",
    *sorted(page for page in ROOT.glob("docs/*/*.md") if page.parent not in MEASURED),
    *sorted(ROOT.glob("research/notes/*.md")),
]
SCRIPTS = sorted(path for folder in ("benchmarks", "integrations", "research") for path in ROOT.glob(f"{folder}/*.py"))


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def commands() -> Iterator[str]:
    """Calls of driftrec and of scripts in the pages and in the scripts' own docstrings."""
    texts = [block for page in PAGES for block in blocks(page, "sh")]
    texts += [path.read_text(encoding="utf-8").split('"""')[1].replace("\\\\\n", "\\\n") for path in SCRIPTS]
    texts += re.findall(r"`(python \w+/[^`…]*)`", "\n".join(page.read_text("utf-8") for page in PAGES))
    for line in "\n".join(texts).replace("\\\n", " ").splitlines():
        for part in line.split("&&"):
            if re.match(r"driftrec [a-z-]+ |driftrec \w+$|python (benchmarks|integrations|research)/", part.strip()):
                yield part.strip()


def check(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parses a command as its program would, up to the point where it would begin to work.

    Raises click's UsageError for calls that driftrec refuses, SystemExit for those that a script refuses, and
    ValueError or OSError for names of recipes, models, methods and protocols that do not exist.
    """
    words = shlex.split(command, comments=True)
    monkeypatch.chdir(ROOT)
    if words[0] == "driftrec":
        check_call(typer.main.get_command(app), words[1:])
        return
    script = ROOT / words[1]
    assert script.is_file(), f"{words[1]} does not exist"
    monkeypatch.syspath_prepend(str(script.parent))
    module = importlib.import_module(script.stem)
    if hasattr(module, "read_options"):
        monkeypatch.setattr(sys, "argv", words[1:])
        assert isinstance(module.read_options(), argparse.Namespace)
    elif hasattr(module, "app"):
        check_call(typer.main.get_command(module.app), words[2:])
    elif getattr(module, "main", None) is main:  # driftrec itself, changed
        check_call(typer.main.get_command(app), words[2:])
    else:
        assert not words[2:] or "ArgumentParser" in script.read_text(encoding="utf-8"), f"{words[1]} takes no options"


def check_call(program: Any, words: list[str]) -> None:
    context = program.context_class(program, info_name="driftrec")
    while hasattr(program, "resolve_command"):
        name, program, words = program.resolve_command(context, words)
        context = program.context_class(program, parent=context, info_name=name)
    values = program.make_context(context.info_name, list(words), context.parent).params
    check_names(str(program.name), values)


def check_names(name: str, values: dict) -> None:
    """What commands look up by name when they begin to work."""
    from driftrec.evaluate.methods import parse_method
    from driftrec.evaluate.protocols import find_protocol
    from driftrec.train.recipe import read_recipe

    if name == "train":
        read_recipe(next(str(v) for key, v in values.items() if key in ("recipe", "config")))
    if name == "benchmark":
        find_protocol(values["protocol"])
        for method in values["method"] or ():
            parse_method(method)
    model = values.get("model")
    known = model is None or is_hub_id(model) or model in bundled_models()
    assert known or Path(str(model)).suffix in (".onnx", ".safetensors"), model


@pytest.mark.parametrize("command", sorted(set(commands())))
def test_commands_in_the_documents_parse(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    check(command, monkeypatch)


@pytest.mark.parametrize(
    "command",
    [
        "driftrec restore",
        "driftrec restore photo.jpg --mode sharp",
        "driftrec restore photo.jpg --steps many",
        "driftrec restore photo.jpg --sharpen",
        "driftrec restore photo.jpg --model bsae",
        "driftrec polish photo.jpg",
        "driftrec train smal --data clean/ --out runs/mine",
        "driftrec train research/recipes/nothing.yaml --data clean/ --out runs/mine",
        "driftrec benchmark --protocol live2 --data live1",
        "driftrec benchmark --data live1 --method natrual",
        "python benchmarks/nothing.py",
        "python benchmarks/speed.py --only everything",
        "python benchmarks/jpeg.py photos --pictures many",
        "python research/experiment.py all --pictures 0",
        "python research/render.py --fast",
    ],
)
def test_commands_that_do_not_work_would_be_noticed(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises((Exception, SystemExit)) as refused:
        check(command, monkeypatch)
    kinds = {kind.__name__ for kind in refused.type.__mro__}
    assert kinds & {"UsageError", "SystemExit", "AssertionError", "ValueError", "FileNotFoundError"}


def test_the_manual_page_is_that_of_the_commands() -> None:
    script = runpy.run_path(str(ROOT / "man/write.py"))
    assert script["PAGE"].read_text(encoding="utf-8") == script["page"](), "run: python man/write.py"


def test_make_targets_in_the_readme_exist() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    used = set(re.findall(r"\bmake (\w+)", (ROOT / "README.md").read_text(encoding="utf-8")))
    assert {"restore", "test"} <= used <= targets


def test_the_first_command_of_the_readme_leaves_nothing_untracked() -> None:
    first = blocks(ROOT / "README.md", "sh")[0].splitlines()[0]
    photo = Path(re.search(r"PHOTO=(\S+)", first)[1])  # pyright: ignore[reportOptionalSubscript]
    result = photo.with_name(f"{photo.stem}-restored.png")
    assert f"writes {result}" in first
    patterns = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert any(fnmatch(f"/{result}", pattern) for pattern in patterns)
    assert ".venv/" in patterns


@pytest.mark.parametrize(
    ("page", "block"),
    [(page, block) for page in PAGES for block in blocks(page, "python")],
    ids=lambda value: value.stem if isinstance(value, Path) else "block",
)
def test_python_in_the_documents_runs(page: Path, block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(scene(48, 64)).save("photo.jpg", quality=20)
    if (file := "driftrec-small-natural.onnx") in block:
        from driftrec.train.standalone.export import export_standalone

        export_standalone("small", tmp_path / file, "natural")
    names: dict = {"__name__": "__main__"}
    if "http://127.0.0.1:8000" in block:
        from serve import server

        with server("--threads", "1") as (address, _):
            exec(compile(block.replace("http://127.0.0.1:8000", address), page, "exec"), names)
    else:
        exec(compile(block, page, "exec"), names)
    results = list(tmp_path.glob("*.png"))
    assert results or "result" in names, "the block has no result to look at"
    sizes = [opened(path.read_bytes()).shape[1::-1] for path in results]
    if "result" in names:
        height, width = names["result"].picture.pixels.shape[:2]
        sizes.append((width, height))
    assert set(sizes) == {(64, 48)}


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CHANGELOG.md"], ids=lambda page: page.stem)
def test_pictures_and_pages_that_are_linked_exist(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / link).exists(), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_sections_that_are_linked_exist(page: Path) -> None:
    for link, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", page.read_text(encoding="utf-8")):
        target = page.parent / link if link else page
        headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
        assert anchor in {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_map_leads_to_every_page_in_one_step() -> None:
    folder = ROOT / "docs"
    links = re.findall(r"\]\(([^)#:]+)\)", (folder / "README.md").read_text(encoding="utf-8"))
    assert {*PAGES, *MEASURED} - {folder / "README.md"} <= {(folder / link).resolve() for link in links}
    for page in PAGES:
        assert page.read_text(encoding="utf-8").startswith("# "), page


def test_equations_are_numbered_once_and_cited_rightly() -> None:
    theory = (ROOT / "docs/science/theory.md").read_text(encoding="utf-8")
    stated = re.findall(r"\((E\d+)\)$", theory, re.MULTILINE)
    assert stated == [f"E{i + 1}" for i in range(len(stated))]
    in_code = {
        number
        for path in (ROOT / "src").rglob("*.py")
        for number in re.findall(r"\((E\d+)\)", path.read_text(encoding="utf-8"))
    }
    assert in_code == set(stated)


def test_publishing_changes_nothing_where_nothing_was_measured(tmp_path: Path) -> None:
    parts = ("README.md", "docs", "research", "benchmarks")
    for name in parts:
        source = ROOT / name
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source, tmp_path / name, ignore=ignored) if source.is_dir() else shutil.copy(source, tmp_path)
    generated = [path for path in (tmp_path / "docs/measured").glob("*.md") if "quality" not in path.name]
    generated[0].unlink()  # is made again
    call = [sys.executable, str(tmp_path / "benchmarks/publish.py")]
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}  # for the programs that it starts, too
    result = subprocess.run(call, capture_output=True, text=True, check=False, env=environment)
    assert result.returncode == 0, result.stderr
    for path in (path for path in tmp_path.rglob("*") if path.is_file()):
        assert path.read_bytes() == (ROOT / path.relative_to(tmp_path)).read_bytes(), path
    assert generated[0].is_file()


def test_every_table_is_shown_on_a_page() -> None:
    shown = {name for page in PAGES for name in re.findall(r"<!-- begin ([\w-]+) -->", page.read_text("utf-8"))}
    assert shown == {path.stem for folder in MEASURED for path in folder.glob("*.md")}
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert text.count("<!-- begin ") == len(
            re.findall(r"<!-- begin ([\w-]+) -->\n.*?<!-- end \1 -->", text, re.DOTALL)
        )


def test_every_measurement_says_how_it_was_made() -> None:
    from driftrec.evaluate.measurement import Measurements

    for path in (path for folder in MEASURED for path in folder.glob("*.jsonl")):
        for entry in Measurements.read(path).entries:
            made = entry.conditions
            assert made.machine
            assert made.code.startswith("driftrec ")
            recorded = "source " in made.code  # values that are older than the records have neither hash nor date
            assert recorded == bool(made.date), path
            assert recorded or "before records" in made.code, path
            assert all(digest or not recorded for digest in made.weights.values()), path
