"""The commands in the README and in the pages of tasks do what the pages say: they run, and write what they name."""

import re
import shlex
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

import tasks
from driftrec.cli.app import app
from support import opened, scene

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/tasks/*.md")), ROOT / "docs/use/command-line.md"]
PICTURES = ("photo.jpg", "meme.jpg", "screenshot.png", "scan.jpg", "evidence.jpg")
FOLDERS = ("holiday", "scans", "archive")
ELSEWHERE = ("driftrec serve", "driftrec --install-completion")
"""Commands that other tests run, since they do not end or change the user's shell."""


def commands() -> list[str]:
    blocks = [block for page in PAGES for block in re.findall(r"```sh\n(.*?)```", page.read_text("utf-8"), re.DOTALL)]
    lines = {re.sub(r" +#.*", "", line) for line in "\n".join(blocks).replace("\\\n", " ").splitlines()}
    return sorted(line for line in lines if line.startswith("driftrec ") and not line.startswith(ELSEWHERE))


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    for i, name in enumerate([*PICTURES, *(f"{name}/one.jpg" for name in FOLDERS)]):
        (folder / name).parent.mkdir(exist_ok=True)
        Image.fromarray(scene(48, 64, seed=i)).save(folder / name, quality=20)
    return folder


@pytest.mark.parametrize("command", commands())
def test_a_command_of_the_pages_runs(
    command: str, inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    shutil.copytree(inputs, here)
    monkeypatch.chdir(here)
    before = {path: path.read_bytes() for path in here.rglob("*") if path.is_file()}
    words = shlex.split(command)
    if {"<", ">"} & {*words}:
        call = command.replace("driftrec", f"{shlex.quote(sys.executable)} -m driftrec", 1)
        subprocess.run(["bash", "-euc", call], check=True, capture_output=True)
    else:
        result = CliRunner().invoke(app, words[1:])
        assert result.exit_code == 0, result.output
    assert {path: path.read_bytes() for path in before} == before
    if words[1] == "inspect":
        assert {path for path in here.rglob("*") if path.is_file()} == {*before}
        return
    options = {"-o", "--report", ">"}
    named = {value.rstrip("/") for flag, value in pairwise(words) if flag in options}
    for name in named - {"-"} or {"photo-restored.png"}:
        assert (here / name).exists(), name
    assert {opened(path.read_bytes()).shape[:2] for path in here.rglob("*.png")} <= {(48, 64)}


def test_there_are_commands_of_all_kinds() -> None:
    found = commands()
    assert len(found) > 25
    for part in ("restore-archive", "inspect", "--uncertainty", "--mode decode", "--format avif", "- < photo.jpg"):
        assert any(part in command for command in found), part


def test_every_picture_of_the_tasks_is_made_by_a_command_above_it() -> None:
    shown, made = set(), set()
    for page in (ROOT / "docs/tasks").glob("*.md"):
        text = page.read_text(encoding="utf-8")
        on_page = re.findall(r"images/tasks/([\w-]+)\.webp", text)
        shown |= {*on_page}
        written = set(tasks.SHOWN)
        for command, pictures in tasks.illustrated(text):
            written |= {*re.findall(r"-o ([\w-]+)\.png", command)}
            written |= {f"{name}-uncertainty" for name in written if "--uncertainty" in command}
            assert {*pictures} <= written, page
            made |= {*pictures}
    files = {path.stem for path in (ROOT / "docs/images/tasks").iterdir()}
    assert files == shown == made
    assert sum(path.stat().st_size for path in (ROOT / "docs/images/tasks").iterdir()) < 600_000
