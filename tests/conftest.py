"""Shared by all tests: seeded randomness, pictures made on the spot, the folder of test pictures if there is one."""

import os
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20221113)


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """LIVE1 and the other pictures; they are not part of the repository."""
    folder = Path(os.environ.get("DRIFTREC_DATA", Path(__file__).parents[1] / "../shared/data"))
    if not folder.is_dir():
        pytest.skip(f"no test pictures in {folder}; set DRIFTREC_DATA to the folder that holds test/live1")
    return folder


def scene(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A picture with edges, gradients and texture, uint8 (height, width, 3)."""
    rng = np.random.default_rng(seed)
    v, u = np.mgrid[:height, :width] / max(height, width)
    image = np.stack([u, v, 1 - u], axis=2) * 160 + 40
    for _ in range(6):
        (a, b), radius, colour = rng.random(2), 0.05 + 0.2 * rng.random(), rng.random(3) * 255
        image[(u - a) ** 2 + (v - b) ** 2 < radius**2] = colour
    image += 12 * np.sin(90 * u + 60 * v)[..., None]
    return image.clip(0, 255).astype(np.uint8)
