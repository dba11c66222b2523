"""Cells, expected values, traces and plans: what a file says of the picture it came from."""

import io
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy.fft import dctn, idctn
from scipy.ndimage import gaussian_filter
from scipy.optimize import linprog

import driftrec
from driftrec.jpeg import Cells, JpegError, decode, examine, read_jpeg, recovered
from driftrec.jpeg.blocks import YCBCR, box_mean, dct, idct, replicate, upsample_triangle
from driftrec.jpeg.dequantise import expected_coefficients, laplacian_theta
from driftrec.jpeg.detect import Trace
from driftrec.jpeg.file import Component
from driftrec.restoration.decision import decide
from support import jpeg_file, opened, psnr, scene


def textured(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A scene with the spectrum of a photo's texture, uint8 (height, width, 3)."""
    noise = np.random.default_rng(seed).normal(size=(height, width, 1))
    grain = sum(gaussian_filter(noise, (width, width, 0)) * width for width in (0.7, 1.5, 4, 10))
    return (scene(height, width, seed) + 8 * grain).clip(0, 255).astype(np.uint8)


# ------------------------------------------------------------------------------------------------------- algebra


def test_the_dct_is_scipys(rng: np.random.Generator) -> None:
    plane = rng.normal(size=(24, 40)).astype(np.float32)
    np.testing.assert_allclose(dct(plane)[8:16, 16:24], dctn(plane[8:16, 16:24], norm="ortho"), atol=1e-5)
    np.testing.assert_allclose(idct(plane)[16:, :8], idctn(plane[16:, :8], norm="ortho"), atol=1e-5)


def test_colour_is_pillows() -> None:
    pixels = scene(32, 32)
    ours = pixels @ YCBCR.T + [0, 128, 128]
    assert np.abs(ours - np.asarray(Image.fromarray(pixels).convert("YCbCr"))).max() < 1.1


@pytest.mark.parametrize("factors", [(1, 1), (2, 2), (1, 2), (2, 1), (1, 4)])
def test_replication_is_the_adjoint_and_the_right_inverse_of_the_mean(
    factors: tuple[int, int], rng: np.random.Generator
) -> None:
    fine, coarse = rng.normal(size=(8, 16)).astype(np.float32), rng.normal(size=(8 // factors[0], 16 // factors[1]))
    coarse = coarse.astype(np.float32)
    np.testing.assert_allclose(box_mean(replicate(coarse, *factors), *factors), coarse, rtol=1e-6)
    area = factors[0] * factors[1]
    assert np.vdot(box_mean(fine, *factors), coarse) * area == pytest.approx(
        np.vdot(fine, replicate(coarse, *factors)), rel=1e-4
    )


def test_triangle_interpolation_by_hand() -> None:
    samples = np.array([[0, 4, 8]], np.float32)
    np.testing.assert_array_equal(upsample_triangle(samples, 1, 2), [[0, 1, 3, 5, 7, 8]])
    np.testing.assert_array_equal(upsample_triangle(samples, 2, 1), [[0, 4, 8], [0, 4, 8]])


# --------------------------------------------------------------------------------------------------------- cells


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0", "gray"])
@pytest.mark.parametrize("quality", [5, 30, 80])
def test_the_clean_picture_lies_in_the_cells_and_its_negative_does_not(subsampling: str, quality: int) -> None:
    clean = scene(96, 128)
    if subsampling == "gray":
        clean = np.repeat(clean[..., :1], 3, axis=2)
        data = jpeg_file(clean[..., 0], quality=quality)
    else:
        data = jpeg_file(clean, quality=quality, subsampling=subsampling)
    cells = Cells(read_jpeg(data))
    pixels = (clean / 255).astype(np.float32)
    assert cells.contains(pixels) > 0.998
    assert cells.contains(1 - pixels) < 0.985


@pytest.mark.parametrize("size", [(96, 128), (83, 117), (9, 300), (300, 7)])
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:0"])
def test_a_projected_estimate_compresses_to_the_same_file(size: tuple[int, int], subsampling: str) -> None:
    data = jpeg_file(scene(*size), quality=30, subsampling=subsampling)
    file = read_jpeg(data)
    estimate = gaussian_filter(opened(data), (2, 2, 0)) / np.float32(255)

    def same(pixels: np.ndarray) -> float:
        again = read_jpeg(jpeg_file(np.rint(pixels * 255).astype(np.uint8), quality=30, subsampling=subsampling))
        pairs = [
            (a.coefficients == b.coefficients).ravel() for a, b in zip(file.components, again.components, strict=True)
        ]
        return float(np.concatenate(pairs).mean())

    projected = Cells(file).project(estimate)
    assert same(projected) > max(same(estimate), 0.99)
    assert Cells(file).contains(projected) == 1


def pixels_alone(pixels: np.ndarray, fill: str, side: int) -> np.ndarray:
    """The pixels inside a picture of whole blocks: beyond them black, or the pixels mirrored."""
    missing = [(0, -n % side) for n in pixels.shape[:2]] + [(0, 0)] * (pixels.ndim - 2)
    return np.pad(pixels, missing, mode="symmetric") if fill == "mirrored" else np.pad(pixels, missing)


def cut(data: bytes, height: int, width: int) -> bytes:
    """The file with another size in its header: as by an encoder that pads in its own way."""
    place = data.index(b"\xff\xc0") + 5
    return data[:place] + height.to_bytes(2) + width.to_bytes(2) + data[place + 4 :]


SMALL = [(1, 1), (3, 3), (4, 4), (2, 5), (7, 3), (8, 5), (11, 9)]


@pytest.mark.parametrize("size", SMALL)
@pytest.mark.parametrize("quality", [30, 75, 92])
@pytest.mark.parametrize("fill", ["repeated", "black", "mirrored"])
def test_no_mean_moves_beyond_what_the_cells_allow(size: tuple[int, int], quality: int, fill: str) -> None:
    """Blocks that reach beyond the picture, in gray: the lowest and highest mean are found by linear programming."""
    pixels = np.random.default_rng(sum(size)).integers(40, 216, size).astype(np.uint8)
    if fill == "repeated":
        data = jpeg_file(pixels, quality=quality)
    else:
        data = cut(jpeg_file(pixels_alone(pixels, fill, 8), quality=quality), *size)
    (luma,) = read_jpeg(data).components
    blocks = luma.coefficients.shape
    steps = np.tile(luma.table, (blocks[0] // 8, blocks[1] // 8)).ravel()
    middle = luma.coefficients.ravel() * steps

    if fill == "repeated":  # the unknowns are the pixels; np.pad repeats the last ones
        missing = [(0, most - n) for most, n in zip(blocks, size, strict=True)]
        places = np.pad(np.arange(pixels.size).reshape(size), missing, "edge")
    else:
        places = np.arange(blocks[0] * blocks[1]).reshape(blocks)
    basis = np.stack([whole_dct((places == k).astype(float)).ravel() for k in range(places.max() + 1)], axis=1)
    inside = np.bincount(places[: size[0], : size[1]].ravel(), minlength=basis.shape[1])
    limits = np.concatenate([middle + steps / 2 + 1, -(middle - steps / 2 - 1)])
    box = [(-128, 127) if counts else (-1000, 1000) for counts in inside]
    lowest, highest = (
        sign * linprog(sign * inside / pixels.size, np.vstack([basis, -basis]), limits, bounds=box).fun
        for sign in (1, -1)
    )
    cells = Cells(read_jpeg(data))
    for level in (0.2, 0.8):
        projected = cells.project(np.full((*size, 3), level, np.float32))
        assert lowest - 0.5 < 255 * projected.mean() - 128 < highest + 0.5
        assert cells.contains(projected) > 0.98


def whole_dct(plane: np.ndarray) -> np.ndarray:
    """The DCT of every block, by SciPy."""
    blocks = plane.reshape(plane.shape[0] // 8, 8, -1, 8)
    return dctn(blocks, axes=(1, 3), norm="ortho").reshape(plane.shape)


@pytest.mark.parametrize("size", SMALL)
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
def test_small_pictures_lie_in_their_cells_and_far_estimates_come_back(size: tuple[int, int], subsampling: str) -> None:
    pixels = np.random.default_rng(sum(size)).integers(40, 216, (*size, 3)).astype(np.uint8)
    cells = Cells(read_jpeg(jpeg_file(pixels, quality=92, subsampling=subsampling)))
    assert cells.contains((pixels / 255).astype(np.float32)) > 0.98
    projected = cells.project(np.full((*size, 3), 0.7, np.float32))
    assert abs(projected.mean() * 255 - pixels.mean()) < 1.5
    assert cells.contains(projected) > 0.98


def test_projection_brings_every_estimate_closer_to_the_truth(rng: np.random.Generator) -> None:
    clean = scene(96, 128)
    data = jpeg_file(clean, quality=60, subsampling="4:4:4")
    cells, truth = Cells(read_jpeg(data)), clean / np.float32(255)
    for estimate in (gaussian_filter(truth, (1, 1, 0)), (truth + rng.normal(0, 0.1, truth.shape)).astype(np.float32)):
        projected = cells.project(estimate, margin=0)
        assert np.linalg.norm(projected @ YCBCR.T - truth @ YCBCR.T) < np.linalg.norm(
            estimate @ YCBCR.T - truth @ YCBCR.T
        )
        again = cells.project(projected, margin=0)
        assert np.abs(again - projected).max() < 0.1 * np.abs(projected - estimate).max()


def test_one_pass_is_the_nearest_point_of_the_cells() -> None:
    """By the definition, block by block, in gray: clamp the DCT."""
    data = jpeg_file(scene(16, 24)[..., 0] // 2 + 60, quality=40)
    (luma,) = read_jpeg(data).components
    estimate = np.full((16, 24, 3), 0.55, np.float32)
    wanted = np.empty((16, 24))
    for top in (0, 8):
        for left in (0, 8, 16):
            block = (slice(top, top + 8), slice(left, left + 8))
            found = dctn(np.full((8, 8), 0.55 * 255 - 128), norm="ortho")
            nearest = np.clip(
                found, (luma.coefficients[block] - 0.5) * luma.table, (luma.coefficients[block] + 0.5) * luma.table
            )
            wanted[block] = (idctn(nearest, norm="ortho") + 128) / 255
    projected = Cells(read_jpeg(data)).project(estimate, passes=1, margin=0)
    np.testing.assert_allclose(projected, np.repeat(wanted[..., None], 3, axis=2).clip(0, 1), atol=1e-5)


def test_the_likely_part_is_a_clamp_around_the_middle() -> None:
    """By hand, in gray: a step of 12 has a half-width of 0.4 · 144 / 24 = 2.4 levels."""
    data = jpeg_file(np.full((8, 8), 100, np.uint8), qtables=[[12] * 64])
    (luma,) = read_jpeg(data).components
    middle = luma.coefficients[0, 0] * 12
    improved = Cells(read_jpeg(data)).improve(np.full((8, 8, 3), 0.9, np.float32), passes=1)
    found = dctn(improved[..., 0] * 255.0 - 128, norm="ortho")
    assert found[0, 0] == pytest.approx(middle + 2.4, abs=1e-3)
    assert np.abs(found).sum() == pytest.approx(abs(found[0, 0]), abs=1e-2)


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:0"])
@pytest.mark.parametrize("quality", [10, 60, 95])
def test_improved_estimates_stay_in_their_cells(quality: int, subsampling: str) -> None:
    data = jpeg_file(scene(83, 117), quality=quality, subsampling=subsampling)
    cells, blurred = Cells(read_jpeg(data)), gaussian_filter(opened(data), (2, 2, 0)) / np.float32(255)
    improved = cells.improve(blurred)
    assert cells.contains(np.rint(improved * 255) / np.float32(255)) > 0.999
    truth = scene(83, 117) / 255
    assert psnr(improved, truth) > psnr(cells.project(blurred), truth) > psnr(blurred, truth)


@pytest.mark.parametrize("last", [30, 60, 85])
def test_the_clean_picture_lies_where_both_compressions_allow(last: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole intervals: only the last compression's cells would move it."""
    monkeypatch.setattr("driftrec.jpeg.cell.NARROW", 0.5)
    monkeypatch.setattr("driftrec.jpeg.cell.SOFT", 0.0)
    clean = (scene(96, 128) // 2 + 60).astype(np.uint8)  # without clipping
    once = opened(jpeg_file(clean, quality=15))
    file = read_jpeg(jpeg_file(once, quality=last))
    truth = clean / np.float32(255)
    moved = [np.abs(Cells(file, earlier).improve(truth) - truth).mean() * 255 for earlier in (15, None)]
    assert moved[0] < 0.05
    assert moved[1] > 1


@pytest.mark.parametrize(("size", "most"), [((144, 64), 1e-5), ((150, 70), 1 / 255)])
def test_bands_make_no_difference(size: tuple[int, int], most: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """But for the passes over blocks at the edges, which stop when no coefficient of the band moves any more."""
    file = read_jpeg(jpeg_file(scene(*size), quality=20))
    estimate = np.full((*size, 3), 0.5, np.float32)
    results = []
    for height in (32, 1024):
        monkeypatch.setattr("driftrec.jpeg.layout.BAND", height)
        results.append((Cells(file).project(estimate), decode(file), Cells(file).contains(estimate)))
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, atol=most)


def test_what_cannot_be_compared_is_refused() -> None:
    file = io.BytesIO()
    Image.new("CMYK", (16, 16)).save(file, "JPEG")
    with pytest.raises(JpegError, match="CMYK"):
        Cells(read_jpeg(file.getvalue()))
    with pytest.raises(ValueError, match="as the file has them"):
        Cells(read_jpeg(jpeg_file(scene(16, 24)))).project(np.zeros((24, 16, 3), np.float32))


# ----------------------------------------------------------------------------------------------- expected values


@pytest.mark.parametrize("scale", [0.15, 0.5, 2.0])
def test_laplacian_scales_are_recovered(scale: float, rng: np.random.Generator) -> None:
    quantised = np.rint(rng.laplace(0, scale, 200_000)).astype(np.int16)
    assert laplacian_theta(quantised) == pytest.approx(np.exp(-1 / (2 * scale)), rel=0.03)
    assert laplacian_theta(np.zeros(9, np.int16)) == 0


def test_expected_values_are_the_means_of_what_was_quantised(rng: np.random.Generator) -> None:
    true = rng.laplace(0, 14, (800, 800)).astype(np.float32)
    table = np.full((8, 8), 10)
    component = Component(1, (1, 1), table, np.rint(true / 10).astype(np.int16))
    expected = expected_coefficients(component)
    one = component.coefficients == 1
    one[::8, ::8] = False  # DC has no peak at zero: it stays in the middle
    assert expected[one].mean() == pytest.approx(true[one].mean(), abs=0.1)
    assert 9 < expected[one].mean() < 9.8
    assert (expected[::8, ::8] == 10 * component.coefficients[::8, ::8]).all()


@pytest.mark.parametrize(("quality", "gain"), [(10, 0.1), (75, 0.15), (90, 0.2)])
def test_decoding_gains_over_pillows(quality: int, gain: float) -> None:
    clean = textured(256, 256)[..., 1]
    data = jpeg_file(clean, quality=quality)
    better = np.rint(decode(read_jpeg(data))[..., 0] * 255)
    assert psnr(better, clean) > psnr(opened(data)[..., 0], clean) + gain


@pytest.mark.parametrize("size", [(83, 117), (1, 1), (3, 3), (4, 4), (2, 5), (5, 2), (9, 18)])
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
def test_decoding_is_pillows_but_for_expected_values(
    size: tuple[int, int], subsampling: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("driftrec.jpeg.dequantise._shrinkage", lambda _: 0.0)
    data = jpeg_file(scene(83, 117)[20 : 20 + size[0], 40 : 40 + size[1]], quality=70, subsampling=subsampling)
    difference = np.abs(decode(read_jpeg(data)) * 255 - opened(data))
    assert difference.max() < 6  # Pillow rounds Y, Cb and Cr; a level of Cb moves blue by 1.8
    assert difference.mean() < 0.7


def black_on_white() -> np.ndarray:
    """Writing and thin lines, uint8 (192, 192)."""
    rng = np.random.default_rng(0)
    image = Image.new("L", (192, 192), 255)
    draw = ImageDraw.Draw(image)
    for x, y in rng.integers(0, 192, (14, 2)).tolist():
        draw.text((x - 30, y - 6), "Black ink on paper", 0)
    for ends in rng.integers(0, 192, (10, 4)).tolist():
        draw.line(ends, fill=0, width=1 + ends[0] % 3)
    return np.asarray(image)


def coloured_discs() -> np.ndarray:
    """Flat areas with black outlines, uint8 (192, 192, 3)."""
    rng = np.random.default_rng(1)
    image = Image.new("RGB", (192, 192), "white")
    for x, y, side, *colour in rng.integers(0, (160, 160, 60, 256, 256, 256), (16, 6)).tolist():
        box = (x, y, x + 20 + side, y + 20 + side)
        ImageDraw.Draw(image).ellipse(box, fill=tuple(colour), outline=(0, 0, 0))
    return np.asarray(image)


@pytest.mark.parametrize("quality", [10, 40, 75])
@pytest.mark.parametrize("picture", [black_on_white, coloured_discs])
def test_decoding_gains_where_contrast_is_at_its_limit(picture: Callable[[], np.ndarray], quality: int) -> None:
    # Ink that is clipped at black and white, and colours that are blurred by their interpolation.
    clean = picture()
    data = jpeg_file(clean, quality=quality, subsampling="4:2:0")
    better = np.rint(decode(read_jpeg(data)) * 255)
    rgb = np.broadcast_to(clean.reshape(192, 192, -1), better.shape)
    assert psnr(better, rgb) > psnr(opened(data), rgb)


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
