"""Values of the command line that are converted without pydantic, compared with what Typer makes of them."""

import subprocess
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from driftrec.cli.values import PlainCommand, PlainGroup, Unusual, convert
from support import jpeg_file, scene

TEXTS = ("", "1", "-1", "0", "007", "+3", "3.0", "2.5", "1e3", "1_0", " 4 ", "٣", "inf", "nan", "9" * 400, "one", "Two",
         "two", "a/b.png", ".", "-", "äöü")  # fmt: skip
"""Plain and unusual values."""


class Choice(StrEnum):
    """Values of which one is given."""

    one = "one"
    two = "two"


KINDS: dict[str, Any] = {
    "text": (str | None, {}),
    "texts": (list[str] | None, {}),
    "paths": (list[Path] | None, {}),
    "path": (Path | None, {}),
    "choice": (Choice | None, {}),
    "number": (int | None, {"min": 0, "max": 1000}),
    "free": (int | None, {}),
    "share": (float | None, {"min": 0, "max": 2.5}),
}


def program(kind: str, received: list[Any], **classes: Any) -> typer.Typer:
    """A program with one command `work`, whose option --value is of that kind."""
    annotation, limits = KINDS[kind]
    made = typer.Typer(rich_markup_mode=None, cls=classes.get("group"))

    def work(value: Annotated[annotation, typer.Option("--value", **limits)] = None) -> None:
        received.append(value)

    made.callback()(lambda: None)
    made.command(cls=classes.get("command"))(work)
    return made


@pytest.mark.parametrize("kind", KINDS)
def test_values_and_errors_are_those_of_typer(kind: str) -> None:
    plain, of_typer = [], []
    ours, theirs = program(kind, plain, command=PlainCommand, group=PlainGroup), program(kind, of_typer)
    for words in ([], *(["--value", text] for text in TEXTS), ["--value", "1", "--value", "two"]):
        results = [CliRunner().invoke(one, ["work", *words]) for one in (ours, theirs)]
        assert [result.exit_code for result in results] in ([0, 0], [2, 2]), words
        assert results[0].output == results[1].output, words
    assert list(map(repr, plain)) == list(map(repr, of_typer)), kind
    assert plain


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [("photo.jpg", str, "photo.jpg"), ("12", int, 12), ("0.5", float, 0.5), ("two", Choice, Choice.two),
     ("a/b.png", Path, Path("a/b.png"))],
)  # fmt: skip
def test_plain_values_are_converted_here(text: str, kind: type, value: object) -> None:
    assert convert(text, kind, None, None) == value
    assert convert((text, text), list[kind], None, None) == [value, value]  # type: ignore[valid-type]


@pytest.mark.parametrize(
    ("text", "kind"), [("x", int), ("11", int), ("-1", float), ("nan", float), ("three", Choice), ("1", bool)]
)
def test_other_values_are_left_to_typer(text: str, kind: type) -> None:
    with pytest.raises(Unusual):
        convert(text, kind, 0, 10)


def test_unreadable_paths_are_left_to_typer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("os.access", lambda *_: False)
    assert convert(str(tmp_path / "new"), Path, None, None) == tmp_path / "new"
    with pytest.raises(Unusual):
        convert(str(tmp_path), Path, None, None)


def test_restoring_imports_neither_pydantic_nor_rich(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(jpeg_file(scene(40, 56), quality=10))
    words = f"restore {photo} --mode decode --threads 1 --strength 0.5 -o {tmp_path}/x".split()
    code = (
        "import sys\nfrom driftrec.cli.app import main\n"
        f"sys.argv = ['driftrec', *{words!r}]\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        "print({'pydantic', 'rich.console'} & sys.modules.keys() or 'neither')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "neither"
    assert (tmp_path / "x" / "photo.png").exists()
