"""The program as a person types it."""

import base64
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

import driftrec
from driftrec.cli.app import app
from driftrec.model.find import bundled_models
from driftrec.model.onnx import Network
from support import scene


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for i in range(2):
        Image.fromarray(scene(40, 56, seed=i)).save(tmp_path / f"{i}.jpg", quality=10)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments], catch_exceptions=False)


def test_a_photo_becomes_a_png_beside_it(photos: Path) -> None:
    before = (photos / "0.jpg").read_bytes()
    result = run("restore", "0.jpg")
    assert result.exit_code == 0
    assert re.fullmatch(r"0.jpg → 0-restored.png\n  natural, \d+\.\d s: it is a JPEG of quality 10\n", result.output)
    with Image.open(photos / "0-restored.png") as image:
        assert (image.format, image.size) == ("PNG", (56, 40))
    assert (photos / "0.jpg").read_bytes() == before


def test_options_reach_the_restorer(photos: Path) -> None:
    def pixels(name: str, *options: str) -> np.ndarray:
        assert run("restore", "0.jpg", "-o", name, "--threads", "1", *options).exit_code == 0
        return np.asarray(Image.open(photos / name))

    natural, again = pixels("a.png"), pixels("b.tif")
    np.testing.assert_array_equal(natural, again)
    for i, options in enumerate([("--seed", "1"), ("--steps", "3"), ("--mode", "faithful")]):
        assert (pixels(f"c{i}.png", *options) != natural).any()


def test_where_the_model_guesses_and_what_changed_can_be_seen(photos: Path) -> None:
    asked = ("restore", "0.jpg", "--steps", "2", "--uncertainty", "--compare", "--verbose")
    result = run(*asked)
    assert "mean of 8 samples, 9 evaluations" in result.output
    made = {p.name for p in photos.iterdir()} - {"0.jpg", "1.jpg"}
    assert made == {f"0-restored{ending}" for ending in (".png", "-deviation.png", "-uncertainty.png", ".html")}
    with Image.open("0-restored-deviation.png") as deviation:
        assert deviation.mode == "I;16"
        assert np.asarray(deviation).max() > 50
    page = Path("0-restored.html").read_text(encoding="utf-8")
    assert "{{" not in page
    # Nothing is fetched: every address is a picture within the page.
    addresses = re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?([^"')>]{0,30})""", page)
    assert len(addresses) == 2
    assert all(address.startswith("data:image/") for address in addresses)
    assert not re.search(r"""[:="'(]//""", re.sub(r"base64,[\w+/=]+", "", page))  # comments are not addresses
    shown = [base64.b64decode(code) for code in re.findall(r"base64,([\w+/=]+)", page)]
    for code, name in zip(shown, ("0.jpg", "0-restored.png"), strict=True):
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(code))), np.asarray(Image.open(name)))
    Path("0-restored.png").unlink()
    assert "0-restored-deviation.png exists" in run(*asked).output


@pytest.mark.usefixtures("photos")
def test_one_bad_file_does_not_stop_the_rest() -> None:
    Path("broken.jpg").write_bytes(Path("0.jpg").read_bytes()[:200])
    result = run("restore", "broken.jpg", "0.jpg", "1.jpg", "-o", "out", "--mode", "faithful")
    assert result.exit_code == 1
    assert sorted(p.name for p in Path("out").iterdir()) == ["0.png", "1.png"]
    assert "driftrec: broken.jpg is damaged or cut short" in result.output
    assert "1 of 3 pictures could not be restored" in result.output


@pytest.mark.usefixtures("photos")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.jpg"], "driftrec: missing.jpg does not exist: check the name"),
        (["0.jpg", "--model", "huge"], "driftrec: there is no model 'huge'"),
        (
            ["0.jpg", "--mode", "faithful", "--steps", "3"],
            "driftrec: a faithful restoration takes 1, 2, 4 or 8",
        ),
        (["0.jpg", "--uncertainty", "--samples", "1"], "driftrec: --uncertainty compares samples: give --samples 2"),
        (["0.jpg", "--mode", "faithful", "--samples", "2"], "driftrec: faithful has no samples to average"),
        (["0.jpg", "-o", "x.gif"], "driftrec: x.gif has an extension that cannot be written"),
        (["0.jpg", "1.jpg", "-o", "0.jpg"], "driftrec: 0.jpg is the name of one picture: give a folder"),
        (["0.jpg", "1.jpg", "-o", "one.png"], "driftrec: one.png is the name of one picture: give a folder"),
    ],
)
def test_mistakes_get_one_sentence_and_leave_nothing(arguments: list[str], message: str) -> None:
    before = sorted(Path().iterdir())
    result = run("restore", *arguments)
    assert result.exit_code == 1
    assert message in result.output.replace("\n", " ")
    assert sorted(Path().iterdir()) == before


@pytest.mark.usefixtures("photos")
def test_results_are_replaced_only_when_asked() -> None:
    assert run("restore", "0.jpg", "--mode", "faithful").exit_code == 0
    assert "add --overwrite" in run("restore", "0.jpg", "--mode", "faithful").output
    assert run("restore", "0.jpg", "--mode", "faithful", "--overwrite").exit_code == 0


def test_the_version_is_printed() -> None:
    assert run("--version").output == f"driftrec {driftrec.__version__}\n"


def test_models_are_compared_with_the_default_one() -> None:
    first, choice, _, second, slower, _ = run("models").output.splitlines()
    assert (first, choice) == ("small (the default)", "  choose it first, and for many pictures")
    assert second == "base"
    cards = {name: Network(path).card.facts for name, path in bundled_models().items()}
    natural, faithful = (
        cards["base"][key] / cards["small"][key] for key in ("plan_multiply_adds_per_pixel", "multiply_adds_per_pixel")
    )
    assert f"about {natural:.1f} times as long as with small, faithful ones {faithful:.1f} times" in slower


def test_training_and_export_by_command(photos: Path) -> None:
    (photos / "clean").mkdir()
    for i in range(12):
        Image.fromarray(scene(168, 168, seed=i)).save(photos / "clean" / f"{i}.png")
    (photos / "tiny.yaml").write_text(
        "network: {channels: [8, 8], encoder: [1, 1], decoder: [1]}\nprecision: 32-true\nworkers: 0\n"
        "steps: 2\nbatch: 2\ndata: {held_out: 0.3, crop: 32}\n"
    )
    environment = ("train", "tiny.yaml", "--data", "clean", "--out", "run")
    result = run(*environment, "--set", "data.crop=16")
    assert result.exit_code == 0, result.output
    assert "step 2 " in result.output
    result = run("export", "run/best.safetensors", "-o", "tiny.onnx", "--name", "tiny", "--licence", "CC0-1.0")
    assert result.exit_code == 0, result.output
    assert run("restore", "0.jpg", "--model", "tiny.onnx").exit_code == 0
    result = run("export", "tiny.onnx", "--standalone", "natural", "--bits", "16", "--seed", "3", "-o", "alone.onnx")
    assert (result.exit_code, "agrees with 'restore' to " in result.output) == (0, True), result.output
    for arguments, message in [
        (("train", "none.yaml", "--out", "x"), "none.yaml is not a readable recipe"),
        (("train", "tiny.yaml", "--out", "x", "--data", "clean", "--set", "crop=1"), "unknown setting 'crop'"),
        (("export", "0.jpg", "-o", "y.onnx", "--name", "y", "--licence", "z"), "cannot be read as a checkpoint"),
        (("export", "run/best.safetensors", "-o", "y.onnx", "--name", "y"), "give --name and --licence"),
        (("export", "tiny.onnx", "-o", "y.onnx", "--bits", "8"), "--bits is for files for other programs"),
        (("export", "tiny.onnx", "-o", "y.onnx", "--standalone", "faithful", "--seed", "1"), "omit --seed"),
        (("export", "no.onnx", "-o", "y.onnx", "--standalone", "faithful"), "there is no model 'no.onnx'"),
        (("export", "alone.onnx", "-o", "y.onnx", "--standalone", "faithful"), "give the model that it was made from"),
    ]:
        result = run(*arguments)
        assert result.exit_code == 1
        assert message in result.output.replace("\n", " ")


def test_the_tool_imports_neither_pytorch_nor_training() -> None:
    code = (
        "import sys, driftrec, driftrec.cli.app; driftrec.Restorer(threads=1);"
        "heavy = {'torch', 'lightning_fabric', 'pydantic', 'driftrec.train', 'driftrec.evaluate'};"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_every_public_name_resolves() -> None:
    for name in driftrec.__all__:
        assert getattr(driftrec, name) is not None
    assert set(driftrec.__all__) <= set(dir(driftrec))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        driftrec.nothing  # noqa: B018


@pytest.mark.usefixtures("photos")
def test_the_summary_says_whether_the_file_could_have_come_from_the_result() -> None:
    def output(*arguments: str) -> str:
        return run("restore", *arguments, "--overwrite").output

    assert "consistent: 100.0 % of coefficients" in output("0.jpg", "-v")
    assert "consistent" not in output("0.jpg", "-v", "--consistent", "off")
    assert "consistent" not in output("0.jpg")
    assert "56×40  decoded, " in output("0.jpg", "-v", "--mode", "decode")
    assert "\n  decoded, " in output("0.jpg", "--mode", "decode")
    Image.fromarray(scene(160, 160)).save("clean.png")
    assert "160×160  left as it is, " in output("clean.png", "--verbose")
    assert "\n  left as it is, " in output("clean.png")


@pytest.mark.usefixtures("photos")
def test_inspect_shows_a_clause_or_all_facts_or_json() -> None:
    result = run("inspect", "0.jpg", "1.jpg")
    clause = "  56×40, would be restored: it is a JPEG of quality 10\n"
    assert (result.exit_code, result.output) == (0, f"0.jpg\n{clause}1.jpg\n{clause}")
    size = Path("0.jpg").stat().st_size / (56 * 40)
    facts = f"  quality: 10, sampling: 4:2:0, bytes per pixel: {size:.2f}, saved before: no "
    assert run("inspect", "-v", "0.jpg").output.startswith(f"0.jpg\n{clause}{facts}")
    lines = run("inspect", "--json", "*.jpg").output.splitlines()
    facts = [json.loads(line) for line in lines]
    assert [(fact["file"], fact["jpeg"]["quality"], fact["verdict"]) for fact in facts] == [
        ("0.jpg", 10, "restore"),
        ("1.jpg", 10, "restore"),
    ]
    assert "missing.jpg does not exist" in run("inspect", "missing.jpg").output
    Path("broken.jpg").write_bytes(b"nothing")
    assert run("inspect", "broken.jpg").exit_code == 1


@pytest.mark.usefixtures("photos")
def test_no_command_writes_over_its_input() -> None:
    pytest.importorskip("torch", reason="the extras train and evaluate are not installed")
    for command in (
        ("restore", "0.jpg", "--report", "0.jpg"),
        ("evaluate", "0.jpg", "1.jpg", "--metric", "psnr", "-o", "0.jpg"),
        ("export", "0.jpg", "-o", "0.jpg", "--name", "x", "--licence", "CC0-1.0"),
        ("import-official", "0.jpg", "small", "-o", "0.jpg"),
    ):
        before = Path("0.jpg").read_bytes()
        result = run(*command)
        assert (result.exit_code, "0.jpg is also an input: choose another output" in result.output) == (1, True), (
            command
        )
        assert Path("0.jpg").read_bytes() == before
