"""The terminal: lines that fit it, progress with words and times, outputs that fail, and pictures in pipes."""

import fcntl
import io
import json
import os
import pty
import re
import socket
import struct
import subprocess
import sys
import termios
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner, Result

from driftrec.cli import bars, console, options
from driftrec.cli import progress as progress_of
from driftrec.cli.app import app
from driftrec.model.providers import available
from support import jpeg_file, scene

CALL = [sys.executable, "-m", "driftrec"]


@pytest.fixture
def photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """The JPEG photo.jpg in the working folder."""
    monkeypatch.chdir(tmp_path)
    data = jpeg_file(scene(40, 56), quality=10)
    Path("photo.jpg").write_bytes(data)
    return data


def run(*arguments: str, stdin: bytes = b"", **environment: str) -> Result:
    return CliRunner().invoke(app, [*arguments], input=stdin, env=environment, prog_name="driftrec")


def in_a_terminal(columns: int, *arguments: str, **environment: str) -> str:
    """What the program prints on a terminal with this many columns."""
    outer, inner = pty.openpty()
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    known = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR")}
    environment = known | {"TERM": "xterm"} | environment
    process = subprocess.Popen([*CALL, *arguments], stdin=inner, stdout=inner, stderr=inner, env=environment)
    os.close(inner)
    shown = b""
    while True:
        try:
            shown += os.read(outer, 1 << 16)
        except OSError:  # the program has ended
            break
    process.wait()
    os.close(outer)
    return shown.decode().replace("\r\n", "\n")


# ------------------------------------------------------------------------------------------------- lines


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
def test_clauses_are_wrapped_to_the_terminal_and_nothing_is_lost(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    path = "a folder/with a name that is longer than the terminal is wide/and a name.jpg"
    clause = "56×40, would be restored: it is a JPEG of quality 60, recompressed from quality 20"
    assert console.entry(path, clause) == f"{path}\n  {clause}"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(columns))
    first, *lines = console.entry(path, clause).splitlines()
    assert first == path
    assert all(line.startswith("  ") and len(line) <= columns for line in lines)
    assert " ".join(line.strip() for line in lines) == clause
    assert len(lines) == 1 + (columns < 84)  + (columns == 40)  # fmt: skip


def test_a_narrow_terminal_shows_whole_words_and_colours_only_if_wanted(photo: bytes) -> None:
    assert photo
    shown = in_a_terminal(40, "models")
    assert all(len(line) <= 40 for line in shown.splitlines())
    assert " ".join(shown.split()) == " ".join(run("models").output.split())
    assert in_a_terminal(40, "inspect", "none.jpg", NO_COLOR="1").startswith("driftrec: none.jpg does not exist")
    assert in_a_terminal(40, "inspect", "none.jpg").startswith("\x1b[31mdriftrec: none.jpg does not exist")


@pytest.mark.parametrize("command", ["restore", "inspect", "serve", "train"])
def test_help_is_whole_on_a_narrow_terminal_and_has_a_short_name(command: str) -> None:
    narrow, wide = (run(command, "-h", COLUMNS=columns).output for columns in ("40", "120"))
    assert "".join(narrow.split()) == "".join(wide.split())
    assert run(command, "--help", COLUMNS="120").output == wide


def test_the_list_of_commands_is_whole() -> None:
    assert "..." not in run("-h", COLUMNS="80").output.replace("[ARGS]...", "")


def test_quiet_prints_problems_only(photo: bytes) -> None:
    assert photo
    result = run("restore", "photo.jpg", "none*", "-q")
    assert (result.stdout, result.stderr) == ("", "driftrec: none* does not exist: check the name\n")
    Path("bad.jpg").write_bytes(b"rubbish")
    result = run("restore", "photo.jpg", "bad.jpg", "--quiet", "--mode", "decode")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "bad.jpg is not a picture" in result.stderr
    assert Path("photo-restored.png").is_file()


# ------------------------------------------------------------------------------------------------- progress


def test_the_time_left_is_that_of_all_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder of 1, 3 and 6 parts of 100 pixels: after 4 parts in 40 s, 60 s are left."""
    paths = []
    for parts in (1, 3, 6):
        paths.append(tmp_path / f"{parts}.png")
        Image.new("L", (10 * parts, 10)).save(paths[-1])
    clock = 1000.0
    screen = Console(file=io.StringIO(), force_terminal=True, width=70)
    monkeypatch.setattr(progress_of, "on_terminal", lambda: True)
    monkeypatch.setattr(progress_of, "err", lambda: screen)
    monkeypatch.setattr(bars, "err", lambda: screen)
    monkeypatch.setattr(bars.time, "monotonic", lambda: clock)
    progress = progress_of.PictureProgress(paths)
    with progress.picture("1/3 one", paths[0]) as steps:
        steps.says("reading")
        assert progress.end() is None
        clock += 5
        steps.advance(1, 2)
        assert progress.end() == pytest.approx(clock + 95)
        clock += 5
    with progress.picture("2/3 three", paths[1]) as steps:
        assert progress.end() == pytest.approx(clock + 90)
        clock += 10
        steps.advance(1, 3)
        assert progress.end() == pytest.approx(clock + 80)
        clock += 20
        steps.advance(3, 3)
    with progress.picture("3/3 six", paths[2]) as steps:
        steps.says("reading")
        assert progress.end() == pytest.approx(clock + 60)
        clock += 30
    shown = re.sub(r"\x1b\[[\d;?]*\w", "", screen.file.getvalue())
    for words in ("reading 1/3 one", "restoring 1/3 one", "finishing 2/3 three", "reading 3/3 six"):
        assert words in shown
    assert "1 min left" in shown
    assert capsys.readouterr().out == ""


def test_damaged_pictures_count_as_one_pixel(tmp_path: Path) -> None:
    (tmp_path / "bad.jpg").write_bytes(b"rubbish")
    Image.new("L", (30, 10)).save(tmp_path / "good.png")
    names = ("bad.jpg", "none.jpg", "good.png")
    assert [progress_of.count_pixels(tmp_path / name) for name in names] == [1, 1, 300]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59.4, "59 s"), (59.6, "1 min"), (125, "2 min"), (3599, "1 h 0 min"), (7500, "2 h 5 min")],
)
def test_durations_are_in_words(seconds: float, words: str) -> None:
    assert progress_of.duration(seconds) == words


def test_a_terminal_sees_what_is_being_done(photo: bytes) -> None:
    assert photo
    shown = in_a_terminal(60, "restore", "photo.jpg", "--mode", "faithful")
    for words in ("loading the model", "reading photo.jpg", "saving photo.jpg"):
        assert words in shown
    assert re.search(r"photo\.jpg → photo-restored\.png\n  faithful, ", shown)


# ------------------------------------------------------------------------------------------------- outputs that fail


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize(
    "arguments", [["--help"], ["models"], ["inspect", "--json", "photo.jpg"], ["restore", "photo.jpg", "-o", "-"]]
)
def test_a_full_disk_behind_standard_output_is_one_sentence(photo: bytes, arguments: list[str]) -> None:
    assert photo
    with open("/dev/full", "w") as full:  # noqa: PTH123 (as a shell does)
        result = subprocess.run([*CALL, *arguments], stdout=full, stderr=subprocess.PIPE, text=True)
    assert result.returncode == 1
    assert result.stderr == "driftrec: standard output cannot be written (No space left on device)\n"


@pytest.mark.parametrize("arguments", [["--help"], ["inspect", "photo.jpg"], ["restore", "photo.jpg", "-o", "-"]])
def test_a_closed_pipe_is_no_problem_to_report(photo: bytes, arguments: list[str]) -> None:
    assert photo
    reader, writer = os.pipe()
    os.close(reader)
    result = subprocess.run([*CALL, *arguments], stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert (result.returncode, result.stderr) == (1, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_behind_the_report_stops_the_run_with_one_sentence(photo: bytes) -> None:
    Path("second.jpg").write_bytes(photo)
    result = run(
        *("restore", "photo.jpg", "second.jpg", "-o", "out"),
        *("--mode", "decode", "--threads", "1", "--report", "/dev/full"),
    )
    assert result.stderr == (
        "driftrec: /dev/full cannot be written (No space left on device); stopped after 1 of 2 pictures: "
        "add --skip-existing to resume\n"
    )
    assert isinstance(result.exception, SystemExit)
    assert result.exit_code == 1
    assert [path.name for path in Path("out").iterdir()] == ["photo.png"]


@pytest.mark.skipif(sys.platform != "linux", reason="needs file names that are not UTF-8")
def test_a_file_name_that_is_not_utf_8_survives_in_the_report(photo: bytes) -> None:
    name = os.fsdecode(b"caf\xe9.jpg")
    Path(name).write_bytes(photo)
    result = run("restore", name, "-q", "-o", "out.png", "--mode", "decode", "--report", "report.jsonl")
    assert result.exit_code == 0, result.output
    assert json.loads(Path("report.jsonl").read_text(encoding="utf-8"))["input"] == name


# ------------------------------------------------------------------------------------------------- pipes


def test_a_picture_goes_through_standard_input_and_output(photo: bytes) -> None:
    assert run("restore", "photo.jpg", "--mode", "faithful", "-o", "file.png").exit_code == 0
    for arguments, stdin in ((["-"], photo), (["-", "-o", "-"], photo), (["photo.jpg", "-o", "-"], b"")):
        result = run("restore", *arguments, "--mode", "faithful", stdin=stdin)
        assert (result.exit_code, result.stdout_bytes) == (0, Path("file.png").read_bytes())
        name = "photo.jpg" if not stdin else "standard input"
        assert re.fullmatch(rf"{name}\n  faithful, \S+ s: it is a JPEG of quality 10\n", result.stderr)
    assert run("restore", "-", "--quiet", "--mode", "faithful", stdin=photo).stderr == ""
    result = run("restore", "-", "-o", "named.webp", "--mode", "faithful", stdin=photo)
    assert result.stdout.startswith("standard input → named.webp\n")
    np.testing.assert_array_equal(np.asarray(Image.open("named.webp")), np.asarray(Image.open("file.png")))


@pytest.mark.parametrize(("name", "kind"), [("webp", "WEBP"), ("tiff", "TIFF"), ("jpeg", "JPEG")])
def test_standard_output_takes_every_format(photo: bytes, name: str, kind: str) -> None:
    result = run("restore", "-", "--format", name, "--mode", "decode", stdin=photo)
    with Image.open(io.BytesIO(result.stdout_bytes)) as image:
        assert (image.format, image.size) == (kind, (56, 40))


def test_what_pipes_cannot_do_is_one_sentence(photo: bytes) -> None:
    for arguments, stdin, sentence in (
        (["-"], b"", "standard input is damaged or cut short|standard input is not a picture"),
        (["-", "photo.jpg"], photo, "- is standard input: give no other input with it"),
        (["-", "--compare"], photo, "standard output takes one picture only"),
        (["-", "--format", "webp", "--bits", "16"], photo, "webp cannot hold 16 bits"),
    ):
        result = run("restore", *arguments, "--mode", "decode", stdin=stdin)
        assert (result.exit_code, result.stdout_bytes) == (1, b"")
        assert re.match(f"driftrec: (?:{sentence})", result.stderr)
        assert result.stderr.count("\n") == 1
    assert "standard output leads to no file or pipe: redirect it, or name a file with -o" in in_a_terminal(
        200, "restore", "photo.jpg", "-o", "-"
    )
    assert "standard input holds no picture: redirect a file to it" in in_a_terminal(200, "inspect", "-")


def test_inspect_reads_standard_input(photo: bytes) -> None:
    result = run("inspect", "-", stdin=photo)
    assert result.output == "standard input\n  56×40, would be restored: it is a JPEG of quality 10\n"


# ------------------------------------------------------------------------------------------- devices, shells, ports


def test_help_and_completion_offer_only_devices_that_can_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for command in ("restore", "restore-archive", "serve"):
        text = " ".join(run(command, "--help", COLUMNS="100").output.split())
        assert f"auto: the fastest device. Here: {', '.join(options.devices())}." in text
    assert options.devices()[:2] == ["auto", "cpu"]
    monkeypatch.setattr(sys, "platform", "linux")
    assert set(options.devices()) == {"auto", *available()}
    result = run("restore", "photo.jpg", "--device", "gpu")
    assert result.exit_code == 2
    assert f"there is no device 'gpu': choose from {', '.join(options.devices())}" in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("typed", "offered"),
    [("driftrec ins", {"inspect"}), ("driftrec restore --mo", {"--mode", "--model"}),
     ("driftrec restore --mode f", {"faithful"}), ("driftrec restore --model s", {"small"}),
     ("driftrec serve --device c", {name for name in available() if name.startswith("c")})],
)  # fmt: skip
def test_the_shell_completes_commands_options_and_values(typed: str, offered: set[str]) -> None:
    words = {"COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" ")), "_TYPER_COMPLETE_ARGS": typed}
    result = run(**words, _DRIFTREC_COMPLETE="complete_bash")
    assert set(result.output.split()) == offered


def test_a_port_in_use_is_answered_with_the_option() -> None:
    pytest.importorskip("starlette", reason="the extra web is not installed")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        result = run("serve", "--no-browser", "--port", str(port))
    sentence = f"port {port} is used by another program: choose another with --port, or let --port 0 find a free one"
    assert (result.exit_code, result.output) == (1, f"driftrec: {sentence}\n")
    result = run("serve", "--no-browser", "--host", "203.0.113.1")  # an address of no machine (RFC 5737)
    assert result.output == "driftrec: 203.0.113.1 is no address of this machine: choose another with --host\n"


def test_rich_is_not_imported_where_there_is_no_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(jpeg_file(scene(40, 56), quality=10))
    words = ["driftrec", "restore", str(photo), "--mode", "decode", "-o", str(tmp_path / "photo.png")]
    code = (
        f"import sys\nfrom driftrec.cli.app import main\nsys.argv = {words!r}\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        "print('rich.console' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"
    assert (tmp_path / "photo.png").exists()
