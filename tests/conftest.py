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
    """Holds test/live1 and test/classic5."""
    return outside("DRIFTREC_DATA", "data")


@pytest.fixture(scope="session")
def weights_folder() -> Path:
    """Holds the weights of LPIPS."""
    return outside("DRIFTREC_WEIGHTS", "weights")


def outside(variable: str, name: str) -> Path:
    """A folder that is not part of the repository: where the variable says, or in ../shared; the test is skipped
    where there is none."""
    folder = Path(os.environ.get(variable, Path(__file__).parents[1] / "../shared" / name))
    if not folder.is_dir():
        pytest.skip(f"there is no {folder}: set {variable} to the folder with the {name}")
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
