"""The shipped model, from a picture to the restored picture."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import driftrec
from driftrec.jpeg import Cells, read_jpeg
from driftrec.model.find import bundled_models
from support import jpeg, jpeg_file, opened, psnr, scene, text_page


@pytest.fixture(scope="module")
def restorer() -> driftrec.Restorer:
    return driftrec.Restorer(threads=1)


@pytest.mark.parametrize("model", bundled_models())
@pytest.mark.parametrize("quality", [5, 10, 20, 40])
def test_faithful_restoration_comes_closer_to_the_truth(quality: int, model: str) -> None:
    clean = scene(192, 256)
    corrupted = jpeg(clean, quality)
    restored = driftrec.Restorer(model, threads=1).restore_pixels(corrupted, mode="faithful")
    assert restored.dtype == np.float32
    assert psnr(restored, clean / 255) > psnr(corrupted / 255, clean / 255) + 0.3


@pytest.mark.parametrize(("model", "closeness"), [("small", 42), ("base", 40)])
def test_good_pictures_change_little_and_for_the_better(model: str, closeness: float) -> None:
    clean = scene(128, 128)
    corrupted = jpeg(clean, 97)
    restored = driftrec.Restorer(model, threads=1).restore_pixels(corrupted, mode="faithful")
    assert psnr(restored, corrupted / 255) > closeness
    assert psnr(restored, clean / 255) > psnr(corrupted / 255, clean / 255)


def test_natural_pictures_depend_on_the_seed_alone(restorer: driftrec.Restorer) -> None:
    corrupted = jpeg(scene(64, 96), 10)
    one, same, other = (restorer.restore_pixels(corrupted, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 0.01


@pytest.mark.parametrize("model", bundled_models())
@pytest.mark.parametrize("mode", ["faithful", "natural"])
def test_tiles_leave_no_seams(mode: driftrec.restoration.options.Mode, model: str) -> None:
    corrupted = jpeg(scene(336, 400), 10)
    whole, tiles = (
        driftrec.Restorer(model, threads=1, tiling=driftrec.Tiling(tile=tile)).restore_pixels(corrupted, mode=mode)
        for tile in (640, 224)
    )
    difference = np.abs(whole - tiles)
    assert difference.max() < 1.5 / 255
    assert difference.mean() < 0.02 / 255


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (7, 9), (8, 8), (17, 33), (40, 15)])
def test_any_size_comes_back(restorer: driftrec.Restorer, size: tuple[int, int]) -> None:
    restored = restorer.restore(Image.fromarray(scene(*size)), steps=2)
    assert restored.picture.pixels.shape == (*size, 3)
    assert np.isfinite(restored.picture.pixels).all()


def test_steps_are_network_evaluations_and_progress_counts_them(restorer: driftrec.Restorer) -> None:
    picture = Image.fromarray(jpeg(scene(48, 48), 10))
    for mode, steps, evaluations in (("faithful", None, 1), ("faithful", 4, 4), ("natural", 1, 1), ("natural", 4, 4)):
        seen: list[tuple[int, int]] = []
        result = restorer.restore(picture, mode=mode, steps=steps, progress=lambda *at, seen=seen: seen.append(at))
        assert result.evaluations == evaluations
        assert seen == [(i + 1, evaluations) for i in range(evaluations)]
    one_step = restorer.restore(picture, mode="natural", steps=1).picture.pixels
    np.testing.assert_array_equal(one_step, restorer.restore(picture, mode="faithful").picture.pixels)


def test_more_views_bring_a_faithful_restoration_closer_to_the_truth(restorer: driftrec.Restorer) -> None:
    scenes = [scene(96, 128, seed) for seed in range(3)]
    one, eight = (
        [psnr(restorer.restore_pixels(jpeg(x, 10), mode="faithful", steps=views), x / 255) for x in scenes]
        for views in (1, 8)
    )
    gains = np.subtract(eight, one)
    assert gains.min() > 0
    assert gains.mean() > 0.04


def test_gray_alpha_orientation_and_profile_survive(restorer: driftrec.Restorer) -> None:
    gray = Image.fromarray(scene(40, 56)[..., 0])
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    gray.save(file, "JPEG", quality=20, exif=exif, icc_profile=b"profile")
    restored = restorer.restore(file.getvalue(), mode="faithful").picture
    image = restored.to_pil()
    assert (image.mode, image.size) == ("L", (40, 56))
    assert restored.icc_profile == b"profile"
    alpha = Image.fromarray(np.dstack([scene(20, 20), np.full((20, 20), 77, np.uint8)]))
    assert restorer.restore(alpha, mode="faithful").picture.to_pil().getchannel("A").getextrema() == (77, 77)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"mode": "sharp"}, "mode must be"), ({"steps": 0}, "steps"), ({"mode": "faithful", "steps": 3}, "1, 2, 4 or 8")],
)
def test_wrong_options_are_refused(restorer: driftrec.Restorer, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        restorer.restore(Image.new("RGB", (8, 8)), **options)


def test_shipped_models_fit_into_a_wheel_and_say_where_they_come_from() -> None:
    models = bundled_models()
    assert models[driftrec.model.find.DEFAULT_MODEL].stat().st_size < 20e6
    assert sum(path.stat().st_size for path in models.values()) < 50e6
    for name, path in models.items():
        card = driftrec.Network(path).card
        assert card.name == name
        assert card.facts["licence"]
        assert b"/driftrec/" not in path.read_bytes()
        assert card.facts["training"]["licences"]
        first, last = card.plan.process.ratio(card.plan.start), card.plan.process.ratio(card.plan.end)
        assert card.ratio_min < last < first < card.ratio_max


def test_the_shortcut_does_the_same(restorer: driftrec.Restorer) -> None:
    picture = Image.fromarray(jpeg(scene(32, 32), 10))
    a = driftrec.restore(picture, mode="faithful", threads=1).picture.pixels
    np.testing.assert_array_equal(a, restorer.restore(picture, mode="faithful").picture.pixels)


# ----------------------------------------------------------------------------------------------- with the file


def same_coefficients(data: bytes, pixels: np.ndarray, quality: int) -> float:
    """The share of a file's coefficients that a restoration gives back when it is compressed again."""
    before, after = read_jpeg(data), read_jpeg(jpeg_file(np.rint(pixels * 255).astype(np.uint8), quality=quality))
    pairs = zip(before.components, after.components, strict=True)
    return float(np.mean(np.concatenate([(a.coefficients == b.coefficients).ravel() for a, b in pairs])))


@pytest.mark.parametrize("mode", ["natural", "faithful", "decode"])
def test_consistent_restorations_compress_to_the_same_file(
    restorer: driftrec.Restorer, mode: driftrec.restoration.options.Mode
) -> None:
    data = jpeg_file(scene(128, 160), quality=30)
    restored = restorer.restore(data, mode=mode, consistent="on")
    assert restored.consistent is not None
    assert restored.consistent > 0.9995
    assert same_coefficients(data, restored.picture.pixels, 30) > 0.995
    if mode != "decode":
        free = restorer.restore(data, mode=mode, consistent="off")
        assert free.consistent is None
        assert same_coefficients(data, free.picture.pixels, 30) < same_coefficients(data, restored.picture.pixels, 30)


def test_a_turned_photo_is_consistent_in_the_files_own_orientation(restorer: driftrec.Restorer) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = jpeg_file(scene(96, 160), quality=30, exif=exif)
    restored = restorer.restore(data, mode="faithful")
    assert restored.picture.to_pil().size == (96, 160)
    assert restored.consistent is not None
    assert restored.consistent > 0.9995


def test_gray_files_and_open_files_are_consistent_too(restorer: driftrec.Restorer, tmp_path: Path) -> None:
    (tmp_path / "gray.jpg").write_bytes(jpeg_file(scene(75, 83)[..., 0], quality=20))
    with (tmp_path / "gray.jpg").open("rb") as stream:
        restored = restorer.restore(stream, mode="faithful")
    assert restored.consistent is not None
    assert restored.consistent > 0.999
    np.testing.assert_array_equal(
        restored.picture.pixels, restorer.restore(tmp_path / "gray.jpg", mode="faithful").picture.pixels
    )


def test_the_grid_of_the_compression_to_undo_is_put_where_the_network_expects_it(restorer: driftrec.Restorer) -> None:
    clean = scene(203, 245)
    once = jpeg(clean, 5)[3:, 6:]
    data = jpeg_file(once, quality=90)
    with Image.open(io.BytesIO(data)) as image:
        twice = np.asarray(image)
    for source, pixels in ((Image.fromarray(once), once), (data, twice)):
        as_it_stands = restorer.restore_pixels(pixels, mode="faithful")
        restored = restorer.restore(source, mode="faithful")
        assert restored.picture.pixels.shape == pixels.shape
        assert psnr(restored.picture.pixels, clean[3:, 6:] / 255) > psnr(as_it_stands, clean[3:, 6:] / 255) + 0.1


@pytest.mark.parametrize("mode", ["faithful", "natural"])
def test_files_saved_twice_on_one_grid_are_held_to_what_both_compressions_allow(
    restorer: driftrec.Restorer, mode: driftrec.restoration.options.Mode
) -> None:
    data = jpeg_file(opened(jpeg_file(scene(96, 128), quality=20)), quality=80)
    assert driftrec.inspect(data).report.grid == (0, 0)
    held, free, bound = (
        restorer.restore(data, mode=mode, bits=16, consistent=consistent) for consistent in ("auto", "off", "on")
    )
    cells = Cells(read_jpeg(data), 20)

    def off(result: driftrec.Restored) -> float:
        pixels = result.picture.as_float()
        return float(np.abs(cells.improve(pixels) - pixels).mean() * 255)

    assert off(held) < min(0.2, off(free) / 2)
    assert held.consistent is None
    assert bound.consistent > 0.99


def test_pictures_without_jpeg_traces_come_back_as_they_are_unless_forced(restorer: driftrec.Restorer) -> None:
    picture = Image.fromarray(scene(96, 128))
    left = restorer.restore(picture)
    assert (left.evaluations, left.consistent) == (0, None)
    assert "no trace" in left.note
    np.testing.assert_array_equal(np.asarray(left.picture.to_pil()), np.asarray(picture))
    assert restorer.restore(picture, mode="faithful", force=True).evaluations == 1


@pytest.mark.parametrize("quality", [90, 94, 97, 100])
def test_good_files_are_never_made_worse(restorer: driftrec.Restorer, quality: int) -> None:
    with Image.open(Path(__file__).parent / "data/otter.png") as image:
        clean = np.asarray(image.convert("RGB"))
    data = jpeg_file(clean, quality=quality)
    with Image.open(io.BytesIO(data)) as image:
        before = psnr(np.asarray(image), clean)
    for mode in ("natural", "faithful", "decode"):
        restored = restorer.restore(data, mode=mode)
        assert psnr(np.asarray(restored.picture.to_pil()), clean) > before - 0.05
        assert quality < 98 or restored.evaluations == 0


def test_strength_blends_with_the_input(restorer: driftrec.Restorer) -> None:
    data = jpeg_file(scene(64, 80), quality=20)
    zero, half, one = (
        restorer.restore(data, mode="faithful", strength=strength).picture.pixels for strength in (0, 0.5, 1)
    )
    with Image.open(io.BytesIO(data)) as image:
        np.testing.assert_allclose(zero * 255, np.asarray(image), atol=1e-3)
    np.testing.assert_allclose(half, (zero + one) / 2, atol=1e-5)


def test_consistency_is_refused_where_there_is_no_file(restorer: driftrec.Restorer) -> None:
    with pytest.raises(driftrec.JpegError, match="the file is not at hand"):
        restorer.restore(Image.new("RGB", (8, 8)), consistent="on")
    for options, message in (
        ({"consistent": "maybe"}, "consistent must be"),
        ({"strength": 2}, "strength must be"),
    ):
        with pytest.raises(ValueError, match=message):
            restorer.restore(Image.new("RGB", (8, 8)), **options)


@pytest.mark.parametrize("quality", [10, 96])
def test_a_picture_keeps_its_file_however_it_is_given(
    restorer: driftrec.Restorer, tmp_path: Path, quality: int
) -> None:
    path = tmp_path / "photo.jpg"
    Image.fromarray(scene(72, 88)).save(path, quality=quality)
    opened = driftrec.open_picture(path)
    assert (opened.file, opened.name) == (path.read_bytes(), str(path))
    with path.open("rb") as stream:
        made = [restorer.restore(source, seed=3) for source in (path, str(path), path.read_bytes(), stream, opened)]
    for result in made:
        assert np.array_equal(result.picture.pixels, made[0].picture.pixels)
        assert (result.consistent, result.verdict, result.note) == (made[0].consistent, made[0].verdict, made[0].note)
    assert made[0].consistent is not None
    assert made[0].picture.file is None  # its pixels are no longer those of the file
    verdicts = {driftrec.inspect(source).decision for source in (path, path.read_bytes(), opened)}
    assert len(verdicts) == 1


def test_pixels_that_were_changed_do_not_speak_for_the_file(restorer: driftrec.Restorer) -> None:
    opened = driftrec.open_picture(jpeg_file(scene(72, 88), quality=10))
    brighter = opened.replace_pixels(np.minimum(opened.as_float() + 0.1, 1))
    assert restorer.restore(brighter, mode="faithful").consistent is None


def test_a_runner_of_ones_own_can_be_the_model() -> None:
    model = driftrec.Network("small", threads=1)
    assert driftrec.Restorer(model).runner is model


def test_options_are_given_whole_or_by_name(restorer: driftrec.Restorer) -> None:
    data = jpeg_file(scene(40, 56), quality=10)
    whole = restorer.restore(data, restorer.options.changed(mode="faithful", bits=16, strip=True))
    named = restorer.restore(data, mode="faithful", bits=16, strip=True)
    assert np.array_equal(whole.picture.pixels, named.picture.pixels)
    assert whole.picture.bit_depth == named.picture.bit_depth == 16
    usual = driftrec.Restorer(threads=1, mode="faithful")
    assert np.array_equal(usual.restore(data).picture.pixels, named.picture.pixels)
    with pytest.raises(ValueError, match="this restorer has the model small, not base: make another one"):
        restorer.restore(data, model="base")
    with pytest.raises(TypeError, match="speed"):
        restorer.restore(data, speed=3)


def test_devices_are_no_pictures(restorer: driftrec.Restorer) -> None:
    with pytest.raises(
        driftrec.PictureError, match="/dev/zero is a pipe, a socket or a device: give the file of a picture"
    ):
        restorer.restore("/dev/zero")


def test_decoding_opens_no_model() -> None:
    restorer, data = driftrec.Restorer("there is no such model", mode="decode"), jpeg_file(scene(64, 96), quality=30)
    assert restorer.restore(data).verdict == "decode"
    with pytest.raises(driftrec.ModelError, match="there is no such model"):
        restorer.restore(data, mode="faithful")


@pytest.mark.parametrize("mode", ["faithful", "natural", "sample"])
def test_what_shows_no_colour_gets_none(mode: driftrec.restoration.options.Mode) -> None:
    """Files in colour whose chroma is zero, lossless copies, and pictures without a file."""
    clean = text_page(120).mean(axis=2, keepdims=True).repeat(3, axis=2).astype(np.uint8)
    file = jpeg_file(clean, "RGB", quality=20)
    shown = opened(file)
    assert len(read_jpeg(file).components) == 3
    restorer = driftrec.Restorer(mode=mode, threads=1)
    for source in (file, shown, shown[3:, 5:]):
        restored = restorer.restore(source, force=True)
        assert restored.evaluations
        assert (restored.pixels == restored.pixels[..., :1]).all()
    coloured = shown.copy()
    coloured[60:64, 60:64, 0] ^= 64
    assert (np.ptp(restorer.restore(coloured, force=True).pixels, axis=2) > 0).any()
