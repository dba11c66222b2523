"""Earlier compressions: traces, what is decided from them, and how they are undone."""

from dataclasses import replace

import numpy as np
import pytest

import driftrec
from driftrec.jpeg import examine, read_jpeg, recovered
from driftrec.jpeg.detect import Trace
from driftrec.restoration.decision import decide
from support import jpeg_file, opened, psnr, scene, textured

# ------------------------------------------------------------------------------------------------ traces and plans


def test_pictures_without_a_trace_are_left() -> None:
    report = examine(textured(200, 240))
    assert (decide(report).verdict, report.earlier, report.file) == ("leave", None, None)


@pytest.mark.parametrize("quality", [20, 60])
def test_the_grid_of_a_jpeg_with_noise_is_found(quality: int, rng: np.random.Generator) -> None:
    shown = opened(jpeg_file(textured(203, 245), quality=quality))[3:, 6:]
    noisy = np.rint((shown + rng.normal(0, 1.5, shown.shape)).clip(0, 255)).astype(np.uint8)
    report = examine(noisy)
    assert decide(report).verdict == "restore"
    assert not decide(report).consistent
    assert report.earlier is not None
    assert report.earlier.shift == report.grid == (5, 2)
    assert abs(report.earlier.quality - quality) <= 5


@pytest.mark.parametrize("last", [30, 60, 90])
def test_single_compressions_are_kept_consistent(last: int) -> None:
    data = jpeg_file(textured(240, 200), quality=last)
    report = examine(opened(data), data)
    assert report.earlier is None
    assert report.probability < 0.1
    assert (decide(report).verdict, decide(report).consistent, decide(report).judged) == ("restore", True, False)


@pytest.mark.parametrize("shift", [(0, 0), (4, 4), (1, 6)])
def test_files_saved_twice_are_found_and_left_free(shift: tuple[int, int]) -> None:
    once = opened(jpeg_file(textured(240, 200), quality=40))[-shift[0] % 8 :, -shift[1] % 8 :]
    data = jpeg_file(once, quality=90)
    report = examine(opened(data), data)
    assert report.earlier is not None
    assert report.earlier.shift == report.grid == shift
    assert abs(report.earlier.quality - 40) <= 5
    assert (decide(report).verdict, decide(report).consistent) == ("restore", False)


@pytest.mark.parametrize(("earlier", "grid"), [(40, (4, 4)), (60, (0, 0)), (90, (0, 0))])
def test_the_coarsest_compression_says_which_grid_to_undo(earlier: int, grid: tuple[int, int]) -> None:
    data = jpeg_file(scene(40, 48), quality=60)
    report = replace(examine(opened(data), data), earlier=Trace((4, 4), earlier, 1.0))
    assert report.grid == grid


def test_files_of_high_quality_are_judged_and_nearly_lossless_ones_only_decoded() -> None:
    pixels = textured(128, 160)
    for quality in (90, 92, 93, 97, 98, 100):
        data = jpeg_file(pixels, quality=quality)
        decision = decide(examine(opened(data), data))
        assert decision.verdict == ("decode" if quality >= 98 else "restore")
        assert decision.judged == (quality > 92)


def test_facts_can_be_written_down() -> None:
    data = jpeg_file(scene(40, 48), quality=33, progressive=True)
    facts = examine(opened(data), data).facts()
    assert (facts["width"], facts["height"], facts["bytes"]) == (48, 40, len(data))
    jpeg = facts["jpeg"]
    assert (jpeg["quality"], jpeg["quality_is_exact"], jpeg["progressive"], jpeg["subsampling"]) == (
        33,
        True,
        True,
        "4:2:0",
    )
    assert examine(opened(data), b"no JPEG").facts()["jpeg_unread"] == "it is not a JPEG file"


# ------------------------------------------------------------------------------------------ earlier compressions undone


def muted(height: int, width: int) -> np.ndarray:
    """A scene without black and white, which decoders would cut off."""
    return np.rint(40 + textured(height, width) * (170 / 255)).astype(np.uint8)


def twice(first: int, last: int, shift: tuple[int, int], **options: object) -> tuple[np.ndarray, bytes]:
    """(what a first compression left, on a grid that starts at `shift`; the file of a second one)."""
    top, left = (16 - s for s in shift)
    once = opened(jpeg_file(muted(224 + top, 272 + left), quality=first, **options))[top:, left:]
    return once, jpeg_file(once, quality=last)


@pytest.mark.parametrize("subsampling", ["4:2:0", "4:2:2", "4:4:4"])
@pytest.mark.parametrize("shift", [(4, 4), (3, 6), (0, 5)])
def test_the_first_compression_comes_back_nearly_as_it_was(shift: tuple[int, int], subsampling: str) -> None:
    once, data = twice(20, 70, shift, subsampling=subsampling)
    pixels = (opened(data) / 255).astype(np.float32)
    back = recovered(pixels, Trace(shift, 20, 1.0), read_jpeg(data))
    # Whole blocks of both grids of chroma; those at the border are cut.
    inner = np.s_[16:-16, 16:-16]
    before, after = (psnr(p[inner], once[inner] / 255) for p in (pixels, back))
    assert after > before + (1.5 if subsampling == "4:2:0" else 0.5)  # others lost much of their chroma
    assert back.dtype == np.float32


def test_gray_pictures_stay_gray() -> None:
    once = opened(jpeg_file(muted(240, 240)[..., 0], quality=15))[5:, 3:]
    data = jpeg_file(once[..., 0], quality=60)
    pixels = (opened(data) / 255).astype(np.float32)
    back = recovered(pixels, Trace((3, 5), 15, 1.0), read_jpeg(data))
    assert psnr(back, once / 255) > psnr(pixels, once / 255) + 3
    assert np.ptp(back, axis=2).max() < 1e-5


@pytest.mark.parametrize("trace", [Trace((2, 5), 20, 1.0), Trace((4, 4), 90, 1.0)])
def test_what_does_not_look_quantised_stays_as_it_is(trace: Trace) -> None:
    _, data = twice(20, 70, (4, 4))
    pixels = (opened(data) / 255).astype(np.float32)
    np.testing.assert_array_equal(recovered(pixels, trace, read_jpeg(data)), pixels)


@pytest.mark.parametrize("less_blue", [0, 100])
def test_what_decoding_cut_off_is_found_again(less_blue: int) -> None:
    bright = textured(240, 288) * 1.3 - [0, 0, less_blue]
    once = opened(jpeg_file(np.rint(bright).clip(0, 255).astype(np.uint8), quality=15))[12:, 12:]
    data = jpeg_file(once, quality=60)
    pixels = (opened(data) / 255).astype(np.float32)
    back = recovered(pixels, Trace((4, 4), 15, 1.0), read_jpeg(data))
    inner = np.s_[20:-16, 20:-16]
    assert np.mean((once[inner] == 0) | (once[inner] == 255)) > 0.1
    before, after = (psnr(p[inner], once[inner] / 255) for p in (pixels, back))
    assert after > before + 4.5


def test_what_was_pasted_after_the_first_compression_stays(rng: np.random.Generator) -> None:
    once, _ = twice(15, 70, (4, 4))
    once = once.copy()
    once[60:100, 100:140] = rng.integers(0, 256, (40, 40, 1))
    data = jpeg_file(once, quality=70)
    pixels = (opened(data) / 255).astype(np.float32)
    change = np.abs(recovered(pixels, Trace((4, 4), 15, 1.0), read_jpeg(data)) - pixels)
    assert change[64:96, 104:136].max() < 1e-5
    assert change.max() > 0.01


def test_bands_of_a_recovered_picture_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    _, data = twice(20, 70, (3, 6))
    pixels = (opened(data) / 255).astype(np.float32)
    whole = recovered(pixels, Trace((3, 6), 20, 1.0), read_jpeg(data))
    monkeypatch.setattr("driftrec.jpeg.recover.BAND", 64)
    np.testing.assert_allclose(recovered(pixels, Trace((3, 6), 20, 1.0), read_jpeg(data)), whole, atol=2e-3)


def test_small_pictures_stay_as_they_are() -> None:
    pixels = (scene(20, 30) / 255).astype(np.float32)
    np.testing.assert_allclose(recovered(pixels, Trace((4, 4), 20, 1.0)), pixels, atol=1e-6)


@pytest.mark.parametrize("first", [12, 21, 33])
def test_the_quality_of_the_first_compression_is_found_exactly(first: int) -> None:
    _, data = twice(first, 80, (4, 2))
    earlier = examine(opened(data), data).earlier
    assert earlier is not None
    assert (earlier.shift, earlier.quality) == ((4, 2), first)


@pytest.mark.parametrize("level", [0, 1, 128, 254, 255])
@pytest.mark.parametrize("quality", [None, 50, 90])
def test_flat_pictures_have_no_history(level: int, quality: int | None) -> None:
    pixels = np.full((160, 240, 3), level, np.uint8)
    data = None if quality is None else jpeg_file(pixels, quality=quality)
    report = examine(pixels if data is None else opened(data), data)
    assert (report.earlier, report.probability < 0.01) == (None, True)
    assert decide(report).verdict == ("leave" if quality is None else "restore")


def test_a_single_colour_is_restored_to_itself() -> None:
    data = jpeg_file(np.full((96, 96, 3), (250, 250, 245), np.uint8), quality=50)
    shown = opened(data).astype(int)
    for mode in ("faithful", "natural"):
        restored = driftrec.restore(data, mode=mode, threads=1)
        assert restored.consistent == 1
        assert np.abs(np.asarray(restored.picture.to_pil()).astype(int) - shown).max() <= 2
