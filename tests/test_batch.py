"""Many pictures on the command line: structure, reports, going on after a stop, formats, and hostile input."""

import json
import os
import resource
import signal
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from driftrec import Picture, Restorer
from driftrec.cli.app import app
from driftrec.restoration.batch import Lookahead
from driftrec.restoration.files import FileJob
from driftrec.restoration.restored import Restored
from support import scene


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """photos/0.jpg, photos/sub/1.jpg and photos/sub/bad.jpg, in the working folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos/sub").mkdir(parents=True)
    Image.fromarray(scene(40, 56)).save(tmp_path / "photos/0.jpg", quality=10)
    Image.fromarray(scene(40, 56, 1)).save(tmp_path / "photos/sub/1.jpg", quality=10)
    (tmp_path / "photos/sub/bad.jpg").write_bytes(b"rubbish")
    return tmp_path


def restore(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["restore", *map(str, arguments)], catch_exceptions=False)
    return result.exit_code, result.output


def files(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


# ------------------------------------------------------------------------------------------------- folders


def test_one_bad_file_does_not_stop_the_rest_and_the_report_says_all(photos: Path) -> None:
    code, output = restore("photos", "-o", "out", "--mode", "faithful", "--report", "report.jsonl")
    assert code == 1
    assert "bad.jpg is not a picture" in output
    assert "1 of 3 pictures could not be restored" in output
    assert files(photos / "out") == ["0.png", "sub/1.png"]
    lines = [json.loads(line) for line in (photos / "report.jsonl").read_text().splitlines()]
    assert [(line["input"], line["status"]) for line in lines] == [
        ("photos/0.jpg", "restored"),
        ("photos/sub/1.jpg", "restored"),
        ("photos/sub/bad.jpg", "failed"),
    ]
    assert lines[0]["output"] == "out/0.png"
    assert (lines[0]["width"], lines[0]["evaluations"], lines[0]["left_out"]) == (56, 1, [])
    assert "not a picture" in lines[2]["error"]


def named(path: Path, height: int, width: int) -> FileJob:
    Image.fromarray(scene(height, width)).save(path)
    return FileJob(path, path.with_suffix(".png"))


def test_small_pictures_are_restored_two_at_a_time_and_come_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("driftrec.restoration.batch.SMALL", 40 * 40)
    small = [named(tmp_path / f"{number}.jpg", 40, 40) for number in range(2)]
    jobs = [*small, named(tmp_path / "large.jpg", 41, 40), named(tmp_path / "last.jpg", 8, 8)]
    together, seen = threading.Barrier(2, timeout=60), []
    facts = Restorer().restore(Picture(scene(8, 8)), force=True)

    def ahead(job: FileJob) -> Restored:
        together.wait()  # raises an error where the other small picture is not begun
        if job is small[0]:
            time.sleep(0.2)
        seen.append(job.source.stem)
        return facts

    def alone(job: FileJob) -> Restored:
        assert threading.current_thread() is threading.main_thread()
        seen.append(job.source.stem)
        return facts

    with Lookahead(jobs, ahead) as outcomes:
        found = [outcomes.outcome(number, alone) for number in range(len(jobs))]
    assert [outcome.job for outcome in found] == jobs
    assert [outcome.error for outcome in found] == [""] * len(jobs)
    assert seen == ["1", "0", "large", "last"]


def test_results_do_not_depend_on_what_is_restored_beside_them(tmp_path: Path) -> None:
    for number in range(5):
        Image.fromarray(scene(48, 56, seed=number)).save(tmp_path / f"{number}.jpg", quality=10)
    for name, threads in (("one", ("--threads", 1)), ("two", ())):
        assert restore(tmp_path, "-o", tmp_path / name, *threads)[0] == 0
    for number in range(5):
        one, two = (np.asarray(Image.open(tmp_path / name / f"{number}.png")) for name in ("one", "two"))
        np.testing.assert_allclose(one.astype(int), two, atol=1)


def test_a_stopped_run_goes_on(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (photos / "photos/sub/bad.jpg").unlink()
    asked: list[str] = []
    honest = Restorer.restore

    def once(self: Restorer, source: Picture, **options: object) -> object:
        asked.append(Path(source.name).name)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return honest(self, source, **options)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(Restorer, "restore", once)
    call = ("photos", "-o", "out", "--mode", "faithful", "--skip-existing", "--report", "report.jsonl")
    code, output = restore(*call)
    assert (code, "stopped after 1 of 2 pictures: add --skip-existing" in output) == (130, True)
    assert files(photos / "out") == ["0.png"]
    code, output = restore(*call)
    assert (code, "1 of 2 results already existed" in output) == (0, True)
    assert asked == ["0.jpg", "1.jpg", "1.jpg"]
    statuses = [json.loads(line)["status"] for line in (photos / "report.jsonl").read_text().splitlines()]
    assert statuses == ["skipped", "restored"]


def test_a_killed_run_leaves_whole_results_and_goes_on(photos: Path) -> None:
    (photos / "photos/sub/bad.jpg").unlink()
    for i in range(2, 14):
        Image.fromarray(scene(400, 400, i)).save(photos / f"photos/{i:02}.jpg", quality=10)
    call = [sys.executable, "-m", "driftrec", "restore", "photos", "-o", "out", "--mode", "faithful", "--skip-existing"]
    process = subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout is not None
    process.stdout.readline()  # the first one is done
    process.send_signal(signal.SIGKILL)
    process.communicate()
    there = [p for p in files(photos / "out") if p.endswith(".png")]
    assert 1 <= len(there) < 14
    for name in there:
        Image.open(photos / "out" / name).verify()
    again = subprocess.run(call, capture_output=True, text=True, check=True)
    assert f"{len(there)} of 14 results already existed" in again.stdout
    assert len(files(photos / "out")) == 14  # and nothing half-written beside them


def test_ctrl_c_ends_in_one_sentence(photos: Path) -> None:
    Image.fromarray(scene(1500, 1500)).save(photos / "large.jpg", quality=10)
    call = [sys.executable, "-m", "driftrec", "restore", "large.jpg", "--report", "report.jsonl"]
    process = subprocess.Popen(
        call,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # shells let background jobs ignore it
    )
    while process.poll() is None and not Path("report.jsonl").exists():  # written just before work starts
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.strip() == "driftrec: stopped after 0 of 1 pictures: add --skip-existing to resume"
    assert [p for p in files(photos) if "photos" not in p] == ["large.jpg", "report.jsonl"]


# ------------------------------------------------------------------------------------------------- formats


@pytest.mark.usefixtures("photos")
@pytest.mark.parametrize(("name", "kind"), [("webp", "WEBP"), ("tiff", "TIFF"), ("avif", "AVIF"), ("jpeg", "JPEG")])
def test_the_format_of_results_can_be_chosen(name: str, kind: str) -> None:
    assert restore("photos/0.jpg", "--mode", "decode", "--format", name)[0] == 0
    with Image.open(f"photos/0-restored.{name}") as image:
        assert image.format == kind


@pytest.mark.usefixtures("photos")
def test_sixteen_bits_hold_what_the_tool_computed() -> None:
    assert restore("photos/0.jpg", "-o", "a.png", "--mode", "faithful", "--bits", "16")[0] == 0
    assert restore("photos/0.jpg", "-o", "b.png", "--mode", "faithful")[0] == 0
    from driftrec.picture import open_picture

    deep, flat = (open_picture(name).pixels for name in ("a.png", "b.png"))
    assert deep.dtype == np.uint16
    assert len(np.unique(deep % 257)) > 200  # not eight bits padded: those are multiples of 257
    np.testing.assert_array_equal(np.rint(deep / 257), flat)


@pytest.mark.usefixtures("photos")
@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["-o", "a.webp", "--bits", "16"], "webp cannot hold 16 bits: use png or tiff"),
        (["-o", "a.webp", "--format", "png"], "a.webp is not a png file name: omit --format, or change it"),
        (["--bits", "12"], "bits must be 8 or 16, not 12"),
        (
            ["--overwrite", "--skip-existing"],
            "--overwrite and --skip-existing exclude each other: give only one of them",
        ),
        (
            ["--report", "none/report.jsonl"],
            "none/report.jsonl cannot be written (No such file or directory): choose another file",
        ),
        (
            ["--max-megapixels", "0.002"],
            "photos/0.jpg has 0.00224 megapixels, more than 0.002: raise the limit, or split the picture",
        ),
        (["--model", "notes.onnx"], "notes.onnx is not a model that driftrec can run: "),
        (["--model", "photos/0.jpg"], "photos/0.jpg is not a model that driftrec can run: "),
        (["--model", "owner/model/of/other/kind"], "there is no model 'owner/model/of/other/kind': give the path of "),
        (["-o", "photos/0.jpg/out.png"], "photos/0.jpg/out.png cannot be written: choose another output"),
        (["-o", "/proc/out.png"], "photos/0.jpg: /proc/out.png cannot be written ("),
        (["--device", "cuda"], "the installed ONNX Runtime cannot use 'cuda': replace the package onnxruntime by "),
    ],
)
def test_options_that_cannot_be_met_end_in_one_sentence(options: list[str], sentence: str) -> None:
    from driftrec.model.providers import available

    if options[-1] in available():
        pytest.skip(f"{options[-1]} can be used here")
    Path("notes.onnx").write_text("not a model")
    before = files(Path.cwd())
    result = CliRunner().invoke(app, ["restore", "photos/0.jpg", "--mode", "faithful", *options])
    assert isinstance(result.exception, SystemExit)  # and no other exception, which would be a traceback
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"driftrec: {sentence}")
    assert result.stderr.count("\n") == 1
    assert files(Path.cwd()) == before


# ------------------------------------------------------------------------------------------------- hostile


@pytest.mark.usefixtures("photos")
@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (7, 65500)])
def test_strange_sizes(size: tuple[int, int]) -> None:
    Image.fromarray(scene(*size)).save("strange.jpg", quality=20)
    assert restore("strange.jpg", "--mode", "faithful")[0] == 0
    with Image.open("strange-restored.png") as image:
        assert image.size == size[::-1]


@pytest.mark.usefixtures("photos")
def test_wrong_extensions_do_not_matter() -> None:
    Image.fromarray(scene(24, 24)).save("real.png")
    Path("lie.jpg").write_bytes(Path("real.png").read_bytes())
    assert restore("lie.jpg", "--mode", "decode")[0] == 0


def test_a_full_disk_leaves_nothing(photos: Path) -> None:
    def small_files() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

    result = subprocess.run(
        [sys.executable, "-m", "driftrec", "restore", "photos/0.jpg", "--mode", "decode"],
        preexec_fn=small_files, capture_output=True, text=True, env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert result.returncode == 1
    assert "0-restored.png cannot be written ([Errno 27] File too large)" in result.stderr.replace("\n", " ")
    assert files(photos / "photos") == ["0.jpg", "sub/1.jpg", "sub/bad.jpg"]


def test_damaged_files_end_in_a_picture_or_in_one_sentence(tmp_path: Path) -> None:
    pytest.importorskip("platformdirs", reason="the extra evaluate is not installed")
    script = Path(__file__).parents[1] / "benchmarks/files.py"
    call = [sys.executable, str(script), "fuzz", "--count", "280", "--seed", "7", "--docs", str(tmp_path)]
    result = subprocess.run(call, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "280 damaged files, seed 7" in (tmp_path / "files_fuzz.md").read_text(encoding="utf-8")


class Strange(Exception):
    """An exception of a library, with a base class of its own."""


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (Strange("no\nreason"), "photos/0.jpg could not be restored (Strange: no)"),
        (Strange("BFCArena: Failed to allocate memory for requested buffer"), "photos/0.jpg needs more memory"),
        (MemoryError(), "photos/0.jpg needs more memory than is available: cut it into parts"),
        (struct.error("short"), "photos/0.jpg could not be restored (error: short)"),
        (OSError("disk full"), "photos/0.jpg: disk full"),
    ],
)
def test_an_unexpected_error_ends_its_own_picture_only(
    photos: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, sentence: str
) -> None:
    (photos / "photos/sub/bad.jpg").unlink()
    honest = Restorer.restore

    def broken(self: Restorer, source: Picture, **options: object) -> object:
        if source.name.endswith("0.jpg"):
            raise error
        return honest(self, source, **options)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(Restorer, "restore", broken)
    code, output = restore("photos", "-o", "out", "--mode", "decode", "--report", "report.jsonl")
    assert (code, sentence in output, "1 of 2 pictures could not be restored" in output) == (1, True, True)
    report = Path("report.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["status"] for line in report] == ["failed", "decoded"]
    assert files(photos / "out") == ["sub/1.png"]


@pytest.mark.parametrize("encoding", ["cp1252", "cp850", "ascii"])
def test_output_that_is_not_utf_8_is_written_all_the_same(photos: Path, encoding: str) -> None:
    environment = os.environ | {"PYTHONIOENCODING": encoding, "COLUMNS": "160"}

    def call(*arguments: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run([sys.executable, "-m", "driftrec", *arguments], capture_output=True, env=environment)

    result = call("restore", "photos", "-o", "out", "--mode", "decode")
    assert (result.returncode, b"Traceback" in result.stderr) == (1, False)  # photos holds a bad picture
    first, second, *_ = result.stdout.decode(encoding).splitlines()
    assert first == "photos/0.jpg -> out/0.png"
    assert second.startswith("  decoded, ")
    assert files(photos / "out") == ["0.png", "sub/1.png"]
    for arguments in (("models",), ("inspect", "photos/0.jpg")):
        result = call(*arguments)
        assert (result.returncode, result.stderr) == (0, b"")
        assert result.stdout.strip()
