"""Degradations keep size and alignment, and are libjpeg's."""

import numpy as np
import pytest

from driftrec.train.data.degrade import Clean, OneOf, RandomJpeg, jpeg, jpeg_mixture
from support import jpeg_file, opened, scene


def test_jpeg_is_what_pillow_writes() -> None:
    pixels = scene(40, 56)
    np.testing.assert_array_equal(jpeg(pixels, 30, "4:2:0"), opened(jpeg_file(pixels, quality=30, subsampling=2)))


def test_gray_pictures_become_gray_jpegs() -> None:
    gray = np.repeat(scene(32, 32)[..., :1], 3, axis=2)
    result = jpeg(gray, 20)
    assert (result[..., :1] == result).all()
    assert (result != gray).any()


@pytest.mark.parametrize("shifted", [False, True])
def test_the_grid_lies_where_it_should(shifted: bool) -> None:
    # At quality 1 a block keeps little but its mean, so differences are large at block edges only.
    noise = np.random.default_rng(0).integers(0, 256, (43, 43, 1), dtype=np.uint8)
    noise = np.kron(noise, np.ones((3, 3, 3), np.uint8))[:128, :128]
    phases = set()
    for seed in range(12):
        out = RandomJpeg(1, 1, subsampling=(1, 0, 0), shifted=shifted)(noise, np.random.default_rng(seed)).astype(float)
        assert out.shape == noise.shape
        steps = np.abs(np.diff(out[..., 1], axis=1)).mean(axis=0)
        phases.add(int(np.argmax([steps[p::8].mean() for p in range(8)])))
    assert len(phases) > 3 if shifted else phases == {7}


def test_a_shifted_jpeg_keeps_the_pictures_place() -> None:
    picture = scene(96, 96)
    for seed in range(5):
        out = RandomJpeg(100, 100, shifted=True, subsampling=(1, 0, 0))(picture, np.random.default_rng(seed))
        assert np.abs(out.astype(int) - picture).mean() < 2


def test_power_puts_weight_on_low_qualities() -> None:
    drawn: dict[float, list[float]] = {1.0: [], 3.0: []}
    picture = scene(64, 64)
    for power, errors in drawn.items():
        for seed in range(60):
            out = RandomJpeg(power=power)(picture, np.random.default_rng(seed))
            errors.append(float(((out.astype(float) - picture) ** 2).mean()))
    assert np.median(drawn[3.0]) > 1.5 * np.median(drawn[1.0])


def test_mixtures_draw_their_shares_and_chains_run_in_order() -> None:
    picture = scene(16, 16)
    mixture = OneOf(((Clean(),), (RandomJpeg(1, 1), Clean())), (3, 1))
    clean = sum((mixture(picture, np.random.default_rng(s)) == picture).all() for s in range(400))
    assert abs(clean / 400 - 0.75) < 4 * (0.75 * 0.25 / 400) ** 0.5


def test_twice_compressed_crops_are_on_the_grid_of_the_last_or_the_first_compression() -> None:
    """On a JPEG's own grid, and at its quality, another compression changes next to nothing."""
    gray = np.repeat(scene(64, 64)[..., :1], 3, axis=2)

    def change(**shares: float) -> float:
        mixture = jpeg_mixture(shifted=0, clean=0, **shares)
        crops = [mixture(gray, np.random.default_rng(seed)).astype(int) for seed in range(9)]
        return float(np.median([min(np.abs(jpeg(c.astype("u1"), q) - c).mean() for q in range(1, 91)) for c in crops]))

    assert change(double=1) < 0.2 * change(double=0, double_first=1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RandomJpeg(-1), "0 ≤ lowest"),
        (lambda: RandomJpeg(60, 50), "0 ≤ lowest"),
        (lambda: RandomJpeg(power=0), "power"),
        (lambda: RandomJpeg(subsampling=(0.5, 0.5, 0.5)), "add to 1"),
        (lambda: OneOf(()), "weights"),
        (lambda: OneOf(((Clean(),), (Clean(),)), (-1, 2)), "weights"),
    ],
)
def test_wrong_settings_are_refused(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
