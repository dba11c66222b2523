"""Transforms, and quantisation cells: what a file says of the picture that it was made from."""

import io

import numpy as np
import pytest
from PIL import Image
from scipy.fft import dctn, idctn
from scipy.ndimage import gaussian_filter
from scipy.optimize import linprog

from driftrec.jpeg import Cells, JpegError, decode, read_jpeg
from driftrec.jpeg.blocks import YCBCR, box_mean, dct, idct, replicate, upsample_triangle
from support import jpeg_file, opened, psnr, scene

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
