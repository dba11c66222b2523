"""Parts of a picture that a compression did not touch."""

import io
import math

import numpy as np
import pytest
from PIL import Image

from driftrec.evaluate.chains.drawing import Screenshot
from driftrec.jpeg import recovered
from driftrec.jpeg.detect import Trace
from driftrec.jpeg.elsewhere import DECISIVE, INDIFFERENT, _evidence, elsewhere, quantised_part
from driftrec.jpeg.tables import LUMA, ijg_table
from driftrec.restoration.restorer import Restorer
from support import CROPS, jpeg, jpeg_file, opened, psnr, scene

ALL = np.ones((8, 8), bool)


def coefficients(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    """Coefficients of Laplace's distribution whose scale falls with the frequency, (8, 8, rows, columns)."""
    scale = 120 / (1 + np.add.outer(np.arange(8), np.arange(8)))
    return rng.laplace(0, scale[..., None, None], (8, 8, rows, columns)).astype(np.float32)


@pytest.mark.parametrize("noise", [0.3, 2.0])
def test_quantised_blocks_are_told_from_others(rng: np.random.Generator, noise: float) -> None:
    table = ijg_table(20, LUMA)
    values = coefficients(rng, 30, 40)
    steps = table[..., None, None].astype(np.float32)
    values[..., :25] = steps * np.rint(values[..., :25] / steps)
    values += rng.normal(0, noise, values.shape).astype(np.float32)
    outside = elsewhere(values, table, ALL)
    assert not outside[:, :24].any()
    assert outside[:, 26:].mean() > 0.95


def test_nothing_is_said_where_multiples_are_blurred(rng: np.random.Generator) -> None:
    table = np.full((8, 8), 10)
    values = coefficients(rng, 20, 20)
    values = 10 * np.rint(values / 10) + rng.normal(0, 6, values.shape).astype(np.float32)
    assert not elsewhere(values, table, ALL).any()
    assert not elsewhere(np.zeros((8, 8, 5, 5), np.float32), table, ALL).any()


@pytest.mark.parametrize("flat", [False, True])
def test_the_rectangle_that_was_quantised_is_found(rng: np.random.Generator, flat: bool) -> None:
    table = ijg_table(20, LUMA)
    values = coefficients(rng, 30, 40)
    if flat:
        values[:, :, 3:] = 0  # below a line of text
    inside, steps = np.s_[:, :, 7:21, 4:33], table[..., None, None].astype(np.float32)
    values[inside] = steps * np.rint(coefficients(rng, 14, 29) / steps)
    values[:, :, 10:13, 9:12] += 5  # as if it had been clipped
    values += rng.normal(0, 0.3, values.shape).astype(np.float32)
    assert quantised_part(values, table, ALL) == inside[2:]


def test_weak_evidence_all_over_a_picture_does_not_mean_a_rectangle(rng: np.random.Generator) -> None:
    table = ijg_table(20, LUMA)
    steps = table[..., None, None].astype(np.float32)
    values = coefficients(rng, 30, 40)
    half = rng.random((30, 40)) < 0.5
    values[..., half] = (steps * np.rint(values / steps))[..., half]
    assert quantised_part(values, table, ALL) is None


def test_the_rectangle_has_the_largest_sum_of_evidence(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("driftrec.jpeg.elsewhere.OBJECTING", math.inf)
    table = ijg_table(20, LUMA)
    values = coefficients(rng, 7, 9)
    chosen = rng.random((7, 9)) < 0.6
    steps = table[..., None, None].astype(np.float32)
    values[..., chosen] = (steps * np.rint(values / steps))[..., chosen]
    evidence = _evidence(values, table, ALL).clip(-DECISIVE, DECISIVE) - INDIFFERENT
    sums = {
        (top, bottom, left, right): evidence[top:bottom, left:right].sum()
        for top in range(7)
        for bottom in range(top + 1, 8)
        for left in range(9)
        for right in range(left + 1, 10)
    }
    top, bottom, left, right = max(sums, key=sums.__getitem__)
    assert quantised_part(values, table, ALL) == (slice(top, bottom), slice(left, right))
    assert quantised_part(values[..., :0], table, ALL) is None


def test_a_window_around_a_jpeg_stays_as_it_is() -> None:
    with Image.open(CROPS / "coneflowers.png") as image:
        photo = np.asarray(image.convert("RGB"))
    height, width = photo.shape[:2]
    window = Screenshot(41, 23, 52, 23, dark=True)
    before = window(jpeg(photo, 20))
    again = np.float32(jpeg(before, 80)) / 255
    after = recovered(again, Trace((41 % 8, 23 % 8), 20, 1.0))
    inside = np.s_[48 : 33 + height, 31 : 15 + width]
    bar = np.s_[:32]

    def gain(part: object) -> float:
        return psnr(after[part], before[part] / 255) - psnr(again[part], before[part] / 255)

    assert gain(inside) > 1
    assert gain(bar) > -0.1


def test_what_webp_added_to_a_jpeg_is_removed_before_the_restoration() -> None:
    clean = scene(256, 256, seed=4)
    file = io.BytesIO()
    Image.fromarray(jpeg(clean, 15)).save(file, "WEBP", quality=70)
    data = file.getvalue()
    as_png = io.BytesIO()
    Image.fromarray(opened(data)).save(as_png, "PNG")
    restorer = Restorer(threads=1, mode="faithful")
    lossy, lossless = (np.asarray(restorer.restore(source)) for source in (data, as_png.getvalue()))
    assert psnr(lossy / 255, clean / 255) > psnr(lossless / 255, clean / 255) + 0.05


def test_pictures_say_whether_their_format_loses_something() -> None:
    restorer = Restorer(threads=1, mode="decode")
    assert restorer.restore(jpeg_file(scene(16, 16))).picture.lossy
    for mode, expected in (("P", True), ("RGB", False)):
        file = io.BytesIO()
        Image.fromarray(scene(16, 16)).convert(mode).save(file, "PNG")
        assert restorer.restore(file.getvalue()).picture.lossy == expected
