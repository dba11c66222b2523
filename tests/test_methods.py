"""Corruptions and restorers by name: what protocols state, what programs and folders give, sentences for the rest."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from driftrec import Options
from driftrec.evaluate import measurement
from driftrec.evaluate.corruptions import DoubleJpeg, Jpeg, decode, encode, to_gray
from driftrec.evaluate.methods import Case, Driftrec, parse_method
from support import scene

CLEAN = scene(64, 80)


def case(quality: int = 10) -> Case:
    return Case("scene", f"q{quality}", encode(CLEAN, quality), CLEAN)


# ------------------------------------------------------------------------------------------------- corruptions


def test_one_compression_is_pillows() -> None:
    file, clean = Jpeg(30)(CLEAN)
    assert clean is CLEAN
    np.testing.assert_array_equal(decode(file), decode(encode(CLEAN, 30)))
    assert decode(encode(to_gray(CLEAN), 30)).ndim == 2


def test_the_second_compression_is_on_another_grid() -> None:
    file, clean = DoubleJpeg(10, 50)(CLEAN)
    np.testing.assert_array_equal(clean, CLEAN[4:, 4:])
    np.testing.assert_array_equal(decode(file), decode(encode(decode(encode(CLEAN, 10))[4:, 4:], 50)))
    assert (Jpeg(10).name, DoubleJpeg(10, 50).name) == ("q10", "q10+q50")


def test_gray_is_the_studio_luma() -> None:
    assert to_gray(np.full((8, 8, 3), 255, np.uint8))[0, 0] == 235
    assert to_gray(np.full((8, 8, 3), 0, np.uint8))[0, 0] == 16


def test_what_cannot_be_corrupted() -> None:
    with pytest.raises(ValueError, match="1 to 100"):
        Jpeg(0)
    with pytest.raises(ValueError, match="not a picture"):
        decode(b"text")


# ------------------------------------------------------------------------------------------------- methods


def test_plain_is_the_file_and_decoding_comes_closer_to_the_truth() -> None:
    plain, better = (parse_method(name).load(1)(case(80)).pixels.astype(float) for name in ("plain", "decode"))
    np.testing.assert_array_equal(plain, decode(encode(CLEAN, 80)))
    assert np.square(better - CLEAN).mean() < np.square(plain - CLEAN).mean()


@pytest.mark.parametrize(
    ("text", "label", "evaluations"),
    [
        ("faithful", "driftrec faithful", 1),
        ("faithful:steps=2", "driftrec faithful, 2 steps", 2),
        ("natural:steps=3,seed=1", "driftrec natural, 3 steps, seed 1", 3),
        ("average:samples=2,steps=3", "driftrec average of 2, 3 steps", 5),
        ("faithful:consistent=off", "driftrec faithful, consistent off", 1),
    ],
)
def test_our_own_restorer_with_its_options(text: str, label: str, evaluations: int) -> None:
    method = parse_method(text)
    result = method.load(1)(case())
    assert method.label == label
    assert (result.evaluations, result.pixels.shape, result.pixels.dtype) == (evaluations, CLEAN.shape, np.uint8)
    assert result.seconds is not None
    assert result.seconds > 0


def test_gray_files_give_gray_pictures() -> None:
    gray = to_gray(CLEAN)
    result = parse_method("faithful").load(1)(Case("gray", "q10", encode(gray, 10), gray))
    assert result.pixels.shape == gray.shape


def test_a_restoration_is_known_again_by_all_that_decides_on_it() -> None:
    prints = [parse_method(text).fingerprint(case()) for text in ("natural", "natural:seed=1", "natural:steps=3")]
    assert len(set(prints)) == 3
    assert (
        parse_method("natural").fingerprint(case())
        == prints[0]
        == Driftrec(Options(mode="natural")).fingerprint(case())
    )


@pytest.mark.parametrize(
    ("file", "changes"),
    [
        ("restoration/tiling.py", True),
        ("jpeg/recover.py", True),
        ("cli/app.py", False),
        ("web/handlers.py", False),
        ("train/loop.py", False),
    ],
)
def test_a_fingerprint_changes_with_the_code_that_restores(
    file: str, changes: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "driftrec"
    shutil.copytree(measurement.PACKAGE, package, ignore=shutil.ignore_patterns("*.onnx", "__pycache__"))
    monkeypatch.setattr(measurement, "PACKAGE", package)
    before = parse_method("natural").fingerprint(case())
    content = (package / file).read_bytes()
    (package / file).write_bytes(content[:-1] + b" ")  # one byte
    assert (parse_method("natural").fingerprint(case()) != before) == changes
    (package / file).write_bytes(content)
    assert parse_method("natural").fingerprint(case()) == before


def test_a_fingerprint_changes_with_the_weights_and_of_checkpoints_with_the_networks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package, prints = tmp_path / "driftrec", {}
    shutil.copytree(measurement.PACKAGE, package, ignore=shutil.ignore_patterns("*.onnx", "__pycache__"))
    monkeypatch.setattr(measurement, "PACKAGE", package)
    for name in ("mine.onnx", "mine.safetensors"):
        method = parse_method(f"natural:model={tmp_path / name}")
        (tmp_path / name).write_bytes(b"weights")
        prints[name] = [method.fingerprint(case())]
        (tmp_path / name).write_bytes(b"Weights")
        prints[name].append(method.fingerprint(case()))
        assert len(set(prints[name])) == 2
    network = package / "train/nn/unet.py"
    network.write_bytes(network.read_bytes() + b"\n")
    assert parse_method(f"natural:model={tmp_path / 'mine.onnx'}").fingerprint(case()) == prints["mine.onnx"][1]
    checkpoint = parse_method(f"natural:model={tmp_path / 'mine.safetensors'}")
    assert checkpoint.fingerprint(case()) != prints["mine.safetensors"][1]


TOOL = """
import sys, time
from PIL import Image
block = b"x" * 150_000_000
time.sleep(0.2)
Image.open(sys.argv[1]).transpose(0).save(sys.argv[2])
"""


def test_a_program_is_run_timed_and_its_memory_measured(tmp_path: Path) -> None:
    script = tmp_path / "tool.py"
    script.write_text(TOOL, encoding="utf-8")
    ours = np.ones(600_000_000, np.uint8)  # what this process has is not the program's
    method = parse_method(f"command:run={sys.executable} {script} {{input}} {{output}}")
    result = method.load(None)(case())
    np.testing.assert_array_equal(result.pixels, decode(case().file)[:, ::-1])
    assert ours.all()
    assert result.seconds is not None
    assert result.seconds > 0.2
    if sys.platform != "win32":
        assert result.megabytes is not None
        assert 150 < result.megabytes < 400


@pytest.mark.parametrize(
    ("run", "message"),
    [
        ("no-such-program {input} {output}", "'no-such-program' is not installed"),
        (f"{sys.executable} -c pass", "must contain {input} and {output}"),
        (f"{sys.executable} -c pass {{input}} {{output}}", "wrote no output.png for scene"),
        (f"{sys.executable} -c \"raise SystemExit('out of paint')\" {{input}} {{output}}", "out of paint"),
    ],
)
def test_programs_that_fail(run: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_method(f"command:run={run}").load(None)(case())


def test_a_folder_of_results(tmp_path: Path) -> None:
    (tmp_path / "q10").mkdir()
    Image.fromarray(CLEAN).save(tmp_path / "q10" / "scene.png")
    method = parse_method(f"folder:path={tmp_path},name=theirs")
    np.testing.assert_array_equal(method.load(None)(case()).pixels, CLEAN)
    assert method.label == "theirs"
    with pytest.raises(ValueError, match=r"there is no scene.png"):
        parse_method(f"folder:path={tmp_path}").load(None)(case(20))
    with pytest.raises(ValueError, match="no folder"):
        parse_method(f"folder:path={tmp_path / 'none'}").load(None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sharp", "choose from plain, decode, faithful"),
        ("natural:speed=3", "there is no option speed"),
        ("natural:steps", "must read option=value"),
        ("folder", "lacks an option"),
        ("jpeg2png:x=1", "it has none"),
    ],
)
def test_methods_that_do_not_exist(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_method(text)


@pytest.mark.parametrize("name", ["jpeg2png", "jpegqs", "knusperli", "djpegli"])
def test_programs_that_are_not_installed_say_where_to_get_them(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ValueError, match=r"https://github\.com/.* onto the PATH"):
        parse_method(name).load(None)


def test_networks_of_others_need_their_weights(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="download it from the authors"):
        parse_method("fbcnn:weights=fbcnn_color.pth").load(None)
    (tmp_path / "weights.pth").write_bytes(b"")
    with pytest.raises(ValueError, match="spandrel"):
        parse_method(f"fbcnn:weights={tmp_path / 'weights.pth'}").load(None)
