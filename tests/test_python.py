"""The Python interface: what it takes, what it returns, and what it says while it works."""

import ast
import io
import logging
import multiprocessing
import os
import pickle
import re
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

import driftrec
from driftrec.model.find import bundled_models
from driftrec.model.open import open_model
from support import SRGB, jpeg_file, scene

PACKAGE = Path(driftrec.__file__).parent


@pytest.fixture(scope="module")
def restorer() -> driftrec.Restorer:
    return driftrec.Restorer(threads=1, mode="faithful")


# ------------------------------------------------------------------------------------------------- what it takes


def test_every_kind_of_source_gives_the_same_picture(restorer: driftrec.Restorer, tmp_path: Path) -> None:
    data = jpeg_file(scene(40, 56), quality=30)
    path = tmp_path / "a.jpg"
    path.write_bytes(data)
    with path.open("rb") as file:
        sources = [path, str(path), data, bytearray(data), memoryview(data), io.BytesIO(data), file]
        results = [np.asarray(restorer.restore(source)) for source in [*sources, driftrec.open_picture(path)]]
    assert all(np.array_equal(result, results[0]) for result in results)
    with Image.open(path) as image:  # decoded pixels, without the file's cells
        from_image, from_array = restorer.restore(image), restorer.restore(np.asarray(image))
    assert from_image.consistent is from_array.consistent is None
    np.testing.assert_array_equal(np.asarray(from_array), np.asarray(from_image))


@pytest.mark.parametrize("channels", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32, np.float64])
def test_arrays_of_every_layout_are_pictures(channels: int, kind: type) -> None:
    levels = np.random.default_rng(1).integers(0, 256, (6, 9, channels) if channels else (6, 9))
    scale = {np.uint8: 1, np.uint16: 257}.get(kind, 1 / 255)
    picture = driftrec.open_picture((levels * scale).astype(kind))
    assert picture.gray == (channels < 3)
    assert (picture.alpha is not None) == (channels in (2, 4))
    assert picture.bit_depth == (16 if kind is np.uint16 else 8)
    expected = levels[..., 0] if channels == 1 else levels
    samples = picture.samples()
    np.testing.assert_array_equal(samples, expected * (257 if kind is np.uint16 else 1))


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((3, 20, 30), np.uint8), r"shape \(3, 20, 30\): give \(height, width\)"),
        (np.zeros(20, np.uint8), "shape"),
        (np.zeros((1, 20, 30, 3), np.uint8), "shape"),
        (np.zeros((0, 30, 3), np.uint8), "30 × 0 pixels"),
        (np.zeros((20, 30, 3), np.int64), "array of int64: convert it to uint8"),
        (np.zeros((20, 30), bool), "array of bool"),
        (np.full((20, 30, 3), 200.0), "outside 0 to 1"),
        (np.full((20, 30, 3), np.nan), "outside 0 to 1"),
        (np.full((20, 30, 3), -0.1, np.float32), "outside 0 to 1"),
    ],
)
def test_other_arrays_are_refused_with_what_to_give(array: np.ndarray, words: str) -> None:
    with pytest.raises(driftrec.PictureError, match=words):
        driftrec.open_picture(array)


def test_large_arrays_are_refused_as_large_files_are(restorer: driftrec.Restorer) -> None:
    with pytest.raises(driftrec.PictureError, match=r"has 0\.0006 megapixels, more than 0\.0005"):
        restorer.restore(np.zeros((20, 30, 3), np.uint8), max_pixels=500)


def test_what_is_no_picture_is_a_type_error(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg_file(scene(8, 8)))
    with (
        (tmp_path / "a.jpg").open(encoding="latin-1") as text,
        pytest.raises(TypeError, match="open it with mode 'rb'"),
    ):
        driftrec.open_picture(text)  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="an array or a Pillow image, not list"):
        driftrec.open_picture([1, 2])  # pyright: ignore[reportArgumentType]


def test_a_missing_file_is_what_python_calls_it(tmp_path: Path) -> None:
    for expected in (FileNotFoundError, driftrec.PictureError, ValueError):
        with pytest.raises(expected, match=r"gone\.jpg does not exist"):
            driftrec.restore(tmp_path / "gone.jpg", mode="decode")
    with pytest.raises(IsADirectoryError, match="is a folder"):
        driftrec.inspect(tmp_path)
    picture = driftrec.open_picture(scene(8, 8))
    with pytest.raises(FileNotFoundError, match="make the folder"):
        driftrec.save_picture(picture, tmp_path / "none/a.png")
    for name in ("gone.onnx", "gone.safetensors"):
        for expected in (FileNotFoundError, driftrec.ModelError):
            with pytest.raises(expected, match=name):
                driftrec.Restorer(tmp_path / name)
    with pytest.raises(FileNotFoundError) as caught:
        driftrec.open_picture("gone.jpg")
    again = pickle.loads(pickle.dumps(caught.value))  # as pools of processes pass it on
    assert (type(again), str(again)) == (caught.type, str(caught.value))


# ------------------------------------------------------------------------------------------------- what it returns


def sideways(**options: object) -> bytes:
    exif = Image.Exif()
    exif[0x0112], exif[0x8298] = 6, "Someone"
    return jpeg_file(scene(40, 56), quality=30, exif=exif, **options)


def swapped_profile() -> bytes:
    """sRGB's ICC profile with the primaries red and blue exchanged."""
    profile = bytearray(SRGB)
    entries = range(132, 132 + 12 * int.from_bytes(profile[128:132]), 12)
    at = {bytes(profile[entry : entry + 4]): entry + 4 for entry in entries}
    red, blue = (struct.unpack_from(">II", profile, at[name]) for name in (b"rXYZ", b"bXYZ"))
    struct.pack_into(">II", profile, at[b"rXYZ"], *blue)
    struct.pack_into(">II", profile, at[b"bXYZ"], *red)
    return bytes(profile)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("options", [{}, {"bits": 16}])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_the_array_of_a_result_is_what_its_file_holds(
    restorer: driftrec.Restorer, tmp_path: Path, mode: str, options: dict, suffix: str
) -> None:
    with Image.open(io.BytesIO(sideways())) as image:
        result = restorer.restore(
            jpeg_file(np.asarray(image.convert(mode)), quality=30, exif=image.getexif()), **options
        )
    result.save(tmp_path / f"a{suffix}")
    array = np.asarray(result)
    assert array.shape == (56, 40, 3)[: 3 if mode == "RGB" else 2]  # turned upright
    assert array.dtype == (np.uint16 if options else np.uint8)
    np.testing.assert_array_equal(array, driftrec.open_picture(tmp_path / f"a{suffix}").samples())
    assert np.abs(result.pixels - np.asarray(result.picture.with_bits(8)).reshape(56, 40, -1) / 255).max() < 0.01
    assert result.pixels.min() >= 0
    assert result.pixels.max() <= 1


def test_arrays_follow_numpys_protocol(restorer: driftrec.Restorer) -> None:
    result = restorer.restore(scene(24, 32))
    assert np.asarray(result, dtype=np.float64).dtype == np.float64
    assert not np.shares_memory(np.array(result), np.array(result))
    picture = driftrec.Picture(scene(24, 32))
    assert np.shares_memory(picture.__array__(copy=False), picture.pixels)
    assert not np.shares_memory(picture.__array__(copy=True), picture.pixels)
    with pytest.raises(ValueError, match="without a copy"):
        result.__array__(copy=False)


def test_alpha_is_the_last_channel(restorer: driftrec.Restorer) -> None:
    picture = np.dstack([scene(20, 28), np.full((20, 28), 77, np.uint8)])
    array = np.asarray(restorer.restore(picture))
    assert array.shape == (20, 28, 4)
    assert (array[..., 3] == 77).all()


def test_images_are_upright_once_and_keep_profile_and_metadata(restorer: driftrec.Restorer, tmp_path: Path) -> None:
    profile = swapped_profile()
    result = restorer.restore(sideways(icc_profile=profile, xmp=b'<x:xmpmeta tiff:Orientation="6"/>'))
    image = result.to_pil()
    np.testing.assert_array_equal(np.asarray(image), np.asarray(result))
    assert (image.size, image.info["icc_profile"], image.getexif()[0x8298]) == ((40, 56), profile, "Someone")
    np.testing.assert_array_equal(np.asarray(ImageOps.exif_transpose(image)), np.asarray(image))
    image.save(tmp_path / "a.jpg", exif=image.info["exif"], icc_profile=profile)
    with Image.open(tmp_path / "a.jpg") as saved:
        assert (saved.size, saved.getexif()[0x0112], saved.info["icc_profile"]) == ((40, 56), 1, profile)
        assert ImageOps.exif_transpose(saved).size == (40, 56)
    again = driftrec.open_picture(image)
    assert (again.orientation, again.icc_profile, again.exif) == (1, profile, result.picture.exif)
    assert result.picture.to_pil(metadata=False).info == {}


@pytest.mark.parametrize("alpha", [False, True])
def test_colours_are_converted_to_srgb_on_request(alpha: bool) -> None:
    pixels = scene(16, 24)
    picture = driftrec.Picture(
        pixels, icc_profile=swapped_profile(), alpha=np.full((16, 24), 9, np.uint8) if alpha else None
    )
    image = picture.to_pil(srgb=True)
    assert "icc_profile" not in image.info
    converted = np.asarray(image).astype(int)
    assert np.abs(converted[..., :3] - pixels[..., ::-1]).max() <= 1  # the exchanged primaries are exchanged back
    assert not alpha or (converted[..., 3] == 9).all()
    assert np.array_equal(driftrec.Picture(pixels).to_pil(srgb=True), pixels)
    gray = driftrec.Picture(
        np.repeat(pixels[..., :1], 3, 2), gray=True, icc_profile=swapped_profile(), alpha=picture.alpha
    )
    levels = np.asarray(gray.to_pil(srgb=True))[..., : 1 if alpha else None].reshape(16, 24).astype(int)
    assert np.abs(levels - pixels[..., 0]).max() <= 1
    with pytest.raises(driftrec.PictureError, match="colour profile that cannot be used"):
        driftrec.Picture(pixels, icc_profile=b"rubbish").to_pil(srgb=True)


# ------------------------------------------------------------------------------------------------- other processes


def test_a_restorer_works_in_another_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if its model was named by a path that is relative to a folder the other process is not in."""
    (tmp_path / "mine.onnx").write_bytes(bundled_models()["small"].read_bytes())
    monkeypatch.chdir(tmp_path)
    restorer = driftrec.Restorer("mine.onnx", threads=1, mode="faithful")
    monkeypatch.chdir("/")
    data = jpeg_file(scene(24, 32), quality=20)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        result = pool.submit(restorer.restore, data).result()
        with pytest.raises(FileNotFoundError, match="does not exist"):
            pool.submit(restorer.restore, "gone.jpg").result()
    np.testing.assert_array_equal(np.asarray(result), np.asarray(restorer.restore(data)))
    assert len(pickle.dumps(restorer)) < 10_000  # the name of the model, not its weights


# ------------------------------------------------------------------------------------------------- messages


def test_it_is_silent_unless_asked(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg_file(scene(24, 32), quality=20))
    script = "import driftrec; driftrec.restore('a.jpg', threads=1).save('a.png')"
    asked = "import logging; logging.basicConfig(level='DEBUG', format='%(name)s %(levelname)s %(message)s'); "
    outputs = [
        subprocess.run(
            [sys.executable, "-c", prefix + script],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(PACKAGE.parent)},
            capture_output=True,
            text=True,
            check=True,
        )
        for prefix in ("", asked)
    ]
    assert (outputs[0].stdout, outputs[0].stderr) == ("", "")
    lines = [line for line in outputs[1].stderr.splitlines() if line.startswith("driftrec.")]
    assert [line.split()[1] for line in lines] == ["INFO", "DEBUG", "DEBUG", "INFO", "INFO", "DEBUG"]
    for line, words in zip(
        lines,
        [
            "opened the model small",
            "opened a.jpg: 32 × 24",
            "a.jpg: restore: it is a JPEG of quality 20",
            "opened the finisher of the model small",
            "a.jpg: 32×24",
            "saved a.png",
        ],
        strict=True,
    ):
        assert words in line


def test_messages_reach_the_handlers_of_the_program(
    restorer: driftrec.Restorer, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "driftrec"):
        restorer.restore(jpeg_file(scene(24, 32), quality=20))
    assert [record.levelname for record in caplog.records] == ["INFO"]
    assert "faithful, 1 evaluation" in caplog.text


# ------------------------------------------------------------------------------------------------- devices


@pytest.mark.parametrize(
    "make",
    [driftrec.Network, driftrec.Restorer, open_model, lambda **options: driftrec.restore(scene(8, 8), **options)],
)
def test_everything_that_runs_a_network_takes_a_device(make: Callable[..., object]) -> None:
    make(device="cpu", threads=1)
    with pytest.raises(ValueError, match="there is no device 'tpu'"):
        make(device="tpu")


def test_restore_tells_how_far_it_is() -> None:
    seen, previews = [], []
    driftrec.restore(
        scene(24, 32), threads=1, force=True, progress=lambda *at: seen.append(at), preview=previews.append, steps=2
    )
    assert seen[0] == (1, 2)
    assert previews[0].shape == (24, 32, 3)


# ------------------------------------------------------------------------------------------------- docstrings


def public_definitions() -> Iterator[tuple[str, ast.FunctionDef | ast.ClassDef]]:
    files = [
        PACKAGE / "__init__.py",
        *(f for name in ("restoration", "picture", "model") for f in PACKAGE.glob(f"{name}/*.py")),
    ]
    for file in files:
        yield from definitions(ast.parse(file.read_text("utf-8")).body, str(file.relative_to(PACKAGE)))


def definitions(body: list[ast.stmt], prefix: str) -> Iterator[tuple[str, ast.FunctionDef | ast.ClassDef]]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield f"{prefix}:{node.name}", node
            if isinstance(node, ast.ClassDef):
                yield from definitions(node.body, f"{prefix}:{node.name}")


def decorators(node: ast.FunctionDef) -> set[str]:
    return {ast.unparse(decorator) for decorator in node.decorator_list}


@pytest.mark.parametrize(("name", "node"), [pytest.param(name, node, id=name) for name, node in public_definitions()])
def test_docstrings_say_what_comes_back_and_what_is_raised(name: str, node: ast.FunctionDef | ast.ClassDef) -> None:
    text = ast.get_docstring(node) or ""
    assert len(text.split()) >= 3, f"{name} has no docstring"
    if isinstance(node, ast.ClassDef):
        start = [
            item
            for item in node.body
            if isinstance(item, ast.FunctionDef) and item.name in ("__init__", "__post_init__")
        ]
        raises = any(isinstance(inner, ast.Raise) for item in start for inner in ast.walk(item))
    else:
        raises = any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
        gives = node.returns is not None and ast.unparse(node.returns) not in ("None", "Iterator[None]")
        if gives and "property" not in decorators(node):
            assert re.search(r"\b(Returns|Yields)\b", text), f"{name} does not say what it returns"
    assert not raises or "Raises:" in text, f"{name} does not say what it raises"
