"""Odd file names and odd files: nothing acts on the terminal, nothing waits for ever, and every name is found again."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from pyarrow import fs
from rich.console import Console
from typer.testing import CliRunner

from driftrec.archive.places import Place, place
from driftrec.archive.runs import Run
from driftrec.archive.sources import pieces, read
from driftrec.archive.work import ArchiveWorker, CountedAttempts
from driftrec.cli import console
from driftrec.cli.app import app
from driftrec.picture import PictureError, open_picture
from driftrec.restoration.options import Options
from driftrec.text import json_line, printable
from support import jpeg_file, scene

DATA = jpeg_file(scene(24, 32), quality=20)
ODD = {
    "not UTF-8": b"caf\xe9.jpg",
    "colours": b"\x1b[31mred\x1b[0m.jpg",
    "title": b"\x1b]0;title\x07.jpg",
    "line break": b"two\nlines.jpg",
    "C1 control": "c\x9b31m.jpg".encode(),
    "delete": b"del\x7f.jpg",
    "turned around": "a\u202egpj.exe.jpg".encode(),
    "line separator": "a\u2028b.jpg".encode(),
    "markup": b"[red]a[blink].jpg",
}
HARMLESS = ["plain.jpg", "\u6587\u4ef6.jpg", "na\u00efve.jpg", "\u0645\u06cc\u200c\u0631.jpg", "thin\u202fspace.jpg"]


@pytest.mark.parametrize("name", ODD.values(), ids=list(ODD))
def test_odd_names_are_printed_without_what_acts_and_json_gives_them_back(name: bytes) -> None:
    text = os.fsdecode(name)
    shown, line = printable(text), json_line({"file": text})
    for result in (shown, line, json_line({"file": text}, ascii_only=True)):
        assert not set(result) & {chr(code) for code in (*range(32), *range(127, 160), 0x202E, 0x2028)}
        assert result.encode()
    assert os.fsencode(json.loads(line)["file"]) == name
    assert json.loads(json_line({"file": text}, ascii_only=True)) == {"file": text}
    assert json_line({"file": text}, ascii_only=True).isascii()


@pytest.mark.skipif(not Path("/bin/bash").exists(), reason="Bash reads the escapes")
@pytest.mark.parametrize("name", [b"caf\xe9", b"\x1b[31mred", b"two\nlines\t\r", b"del\x7f", "a\u202eb".encode()])
def test_bash_reads_printed_names_back(name: bytes) -> None:
    command = f"printf %s $'{printable(os.fsdecode(name))}'"
    result = subprocess.run(["/bin/bash", "-c", command], capture_output=True, env={"LC_ALL": "C.UTF-8"}, check=True)
    assert result.stdout == name


@pytest.mark.parametrize("name", HARMLESS)
def test_other_names_stay_as_they_are(name: str) -> None:
    assert printable(name) == name
    assert json_line({"file": name}) == f'{{"file": "{name}"}}'


def test_problems_and_results_reach_the_terminal_without_escape_sequences(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = Console(file=sys.stderr)
    monkeypatch.setattr(console, "err", lambda: screen)
    console.complain("\x1b[31mred\n is damaged")
    console.say("\x1b]0;title\x07\nsecond line")
    shown = capsys.readouterr()
    assert "\x1b" not in shown.out + shown.err
    assert "\\x1b[31mred\\n is damaged\n" in shown.err
    assert "\\x1b]0;title\\x07\nsecond line\n" in shown.out


def odd_folder(folder: Path) -> list[Path]:
    folder.mkdir()
    paths = [folder / os.fsdecode(name) for name in ODD.values()]
    try:
        for path in paths:
            path.write_bytes(DATA)
    except (OSError, UnicodeError):
        pytest.skip("this file system has no such names")
    return paths


def test_every_command_takes_odd_names(tmp_path: Path) -> None:
    paths = odd_folder(tmp_path / "in")
    report = tmp_path / "report.jsonl"
    arguments = ["restore", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--mode", "decode", "--compare"]
    result = CliRunner().invoke(app, [*arguments, "--report", str(report)])
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in report.read_text(encoding="utf-8").splitlines()]
    assert {Path(line["input"]) for line in lines} == set(paths)
    assert all(Path(line["output"]).is_file() for line in lines)
    assert all(Path(line["output"]).with_suffix(".html").read_text(encoding="utf-8") for line in lines)
    assert len([line for line in result.output.splitlines() if "decoded" in line]) == len(paths)
    looked = CliRunner().invoke(app, ["inspect", "--json", str(tmp_path / "in")])
    assert {Path(json.loads(line)["file"]) for line in looked.output.splitlines()} == set(paths)
    table = CliRunner().invoke(app, ["inspect", str(tmp_path / "in")])
    assert (looked.exit_code, table.exit_code) == (0, 0)
    for output in (result.output, looked.output, table.output):
        assert not set(output) & {"\x1b", "\x07", "\x7f", "\x9b", "\u202e", "\u2028"}
        assert "two\nlines" not in output


@pytest.mark.parametrize("name", ODD.values(), ids=list(ODD))
def test_a_failure_names_an_odd_file_on_one_line(name: bytes, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(name)
    path.write_bytes(b"no picture")
    result = CliRunner().invoke(app, ["restore", str(path), "-o", str(path.with_name("out.png"))])
    assert result.exit_code == 1
    assert result.output.splitlines()[0].endswith(
        f"{printable(path.name)} is not a picture: give a JPEG, PNG, WebP, TIFF or AVIF file"
    )


def test_archives_take_names_that_are_not_utf8(tmp_path: Path) -> None:
    paths = odd_folder(tmp_path / "in")
    source, claims = place(str(tmp_path / "in")), Run(place(str(tmp_path / "out"))).claims

    items = [item for piece in pieces(source) for item in read(source, piece)]
    assert {tmp_path / "in" / item.name for item in items} == set(paths)
    worker = ArchiveWorker(source, claims, Options(mode="decode", threads=1), ".png", CountedAttempts())
    outcomes = list(worker.restore(items))
    assert [outcome["status"] for outcome in outcomes] == ["decoded"] * len(paths)
    assert [outcome["status"] for outcome in worker.restore(items)] == ["skipped"] * len(paths)
    for outcome in outcomes:
        again = json.loads(json_line(outcome))
        assert Path(again["input"]) in paths
        assert Path(again["output"]).is_file()


def pipes(folder: Path) -> list[Path]:
    """A pipe and a socket, named like pictures."""
    pipe, end = folder / "pipe.jpg", folder / "socket.jpg"
    os.mkfifo(pipe)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(end))
    return [pipe, end]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes in this file system")
def test_pipes_sockets_and_devices_are_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for path in (*pipes(tmp_path), Path(os.devnull)):
        with pytest.raises(PictureError, match="is a pipe, a socket or a device: give the file of a picture"):
            open_picture(path)
        with pytest.raises(ValueError, match="is a pipe, a socket or a device: give a file or a folder"):
            pieces(place(str(path)))
        result = CliRunner().invoke(app, ["restore", str(path), "-o", str(tmp_path / "out.png"), "--mode", "decode"])
        assert result.exit_code == 1
        assert "is a pipe, a socket or a device" in result.output
    (tmp_path / "a.jpg").write_bytes(DATA)
    here = place(str(tmp_path))
    assert [name for name, _ in here.children("")] == ["a.jpg"]


def test_folders_in_memory_are_listed_as_before(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.jpg").write_bytes(DATA)
    (tmp_path / ".hidden").write_bytes(DATA)
    wrapped = Place(fs.SubTreeFileSystem(str(tmp_path), fs.LocalFileSystem()), "", "somewhere")
    assert wrapped.children("") == place(str(tmp_path)).children("")
    assert wrapped.children("") == [("a.jpg", False), ("sub", True)]
    assert place(str(tmp_path)).read("a.jpg") == wrapped.read("a.jpg") == DATA
