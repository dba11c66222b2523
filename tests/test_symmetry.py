"""Averages over turned and mirrored views: group properties, and functions whose mean is known."""

import numpy as np
import pytest

from driftrec.restoration.symmetry import VIEWS, averaged


def seen(image: np.ndarray, views: int) -> list[np.ndarray]:
    """What the estimate is given."""
    found = []
    averaged(lambda x: found.append(x) or x, image, views)
    return found


@pytest.mark.parametrize("views", VIEWS)
def test_every_view_is_another_one_and_comes_back_as_it_was(rng: np.random.Generator, views: int) -> None:
    image = rng.random((1, 3, 8, 8), dtype=np.float32)
    assert len({view.tobytes() for view in seen(image, views)}) == views
    np.testing.assert_allclose(averaged(lambda x: x, image, views), image, rtol=1e-6)


@pytest.mark.parametrize("views", [2, 4, 8])
def test_the_mean_no_longer_prefers_a_direction(rng: np.random.Generator, views: int) -> None:
    # A filter that looks at the pixel to the left; two views look right as well, eight up and down, too.
    image = rng.random((1, 1, 16, 24), dtype=np.float32)
    mean = averaged(lambda x: np.roll(x, 1, axis=-1), image, views)
    horizontal = (np.roll(image, 1, -1) + np.roll(image, -1, -1)) / 2
    vertical = (np.roll(image, 1, -2) + np.roll(image, -1, -2)) / 2
    np.testing.assert_allclose(mean, (horizontal + vertical) / 2 if views == 8 else horizontal, rtol=1e-6)


def test_one_view_is_the_estimate_itself(rng: np.random.Generator) -> None:
    image = rng.random((2, 3, 8, 16), dtype=np.float32)
    np.testing.assert_array_equal(averaged(np.square, image, 1), np.square(image))


def test_other_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="1, 2, 4 or 8"):
        averaged(np.square, np.zeros((1, 8, 8), np.float32), 3)
