"""Fixtures of all tests: seeded randomness, and the folders of test pictures and weights where they exist."""

import os
from pathlib import Path

import pytest

# Read when NumPy is imported.  The matrices are so small that more threads only wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
if "PYTEST_XDIST_WORKER" in os.environ:  # the processors have the other files of tests to work on
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np


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


@pytest.fixture
def half_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exported files store weights in half precision, so that their networks can be compared closely."""
    monkeypatch.setattr("driftrec.train.storage.LEAST", float("inf"))
