"""Pictures without a history that a search for earlier compressions could take for evidence of one.

Each maker draws one picture, uint8 (*SIZE, 3), from a random generator and two colours, float (2, 3) in 0 to 255.
"""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw

SIZE = (168, 200)
ROWS, COLUMNS = np.mgrid[: SIZE[0], : SIZE[1]]


def painted(levels: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """A picture between two colours (2, 3), by levels in [0, 1]."""
    return np.rint(colours[0] + (colours[1] - colours[0]) * levels[..., None]).clip(0, 255).astype(np.uint8)


def flat(_: Generator, colours: np.ndarray) -> np.ndarray:
    return painted(np.zeros(SIZE), colours)


def ramp(rng: Generator, colours: np.ndarray) -> np.ndarray:
    angle = rng.uniform(0, 2 * np.pi)
    levels = np.cos(angle) * COLUMNS + np.sin(angle) * ROWS
    return painted((levels - levels.min()) / np.ptp(levels), colours)


def sky(rng: Generator, colours: np.ndarray) -> np.ndarray:
    levels = np.hypot(ROWS - rng.uniform(0, SIZE[0]), COLUMNS - rng.uniform(0, SIZE[1])) / 300
    return painted(levels + rng.normal(0, 0.01, SIZE), colours)


def night(rng: Generator, _: np.ndarray) -> np.ndarray:
    picture = (np.array([8, 10, 30]) + rng.normal(0, 3, (*SIZE, 1))).clip(0, 255)
    picture[rng.integers(0, SIZE[0], 30), rng.integers(0, SIZE[1], 30)] = 255
    return picture.astype(np.uint8)


def lines(rng: Generator, colours: np.ndarray) -> np.ndarray:
    angle, period = rng.choice([0, np.pi / 2, rng.uniform(0, np.pi)]), rng.choice([2, 3, 5, 8, rng.uniform(2, 20)])
    along = np.cos(angle) * COLUMNS + np.sin(angle) * ROWS
    return painted(
        0.5 + 0.5 * np.sin(2 * np.pi * along / period) if rng.random() < 0.5 else along % period < 1, colours
    )


def checkers(rng: Generator, colours: np.ndarray) -> np.ndarray:
    side = rng.choice([1, 2, 4, 5, 8, 16])
    return painted((ROWS // side + COLUMNS // side) % 2, colours)


def screentone(rng: Generator, _: np.ndarray) -> np.ndarray:
    period, angle = rng.uniform(3, 10), rng.uniform(0, np.pi)
    u, v = np.cos(angle) * COLUMNS + np.sin(angle) * ROWS, np.cos(angle) * ROWS - np.sin(angle) * COLUMNS
    tone = np.cos(2 * np.pi * u / period) + np.cos(2 * np.pi * v / period)
    return painted(tone > COLUMNS / SIZE[1] - 0.5, np.array([[0] * 3, [255] * 3]))


def drawing(rng: Generator, colours: np.ndarray) -> np.ndarray:
    picture = Image.new("RGB", SIZE[::-1], "white")
    draw = ImageDraw.Draw(picture)
    for _ in range(25):
        left, top = rng.integers(0, 160, 2).tolist()
        draw.line([left, top, left + int(rng.integers(8, 90)), top], fill="black")
        draw.line([left, top, left, top + int(rng.integers(8, 90))], fill="black")
        draw.text((top, left), f"R{left}", fill=tuple(colours[0].astype(int).tolist()))
    return np.asarray(picture)


MAKERS: dict[str, Callable[[Generator, np.ndarray], np.ndarray]] = {
    "one colour": flat,
    "smooth ramps": ramp,
    "skies with noise": sky,
    "night skies": night,
    "lines, gratings": lines,
    "checkerboards": checkers,
    "screentone": screentone,
    "line drawings": drawing,
}


def hard_picture(kind: str, seed: int) -> np.ndarray:
    """Picture number `seed` of a kind in `MAKERS`, uint8 (*SIZE, 3)."""
    rng = np.random.default_rng(seed)
    return MAKERS[kind](rng, rng.integers(0, 256, (2, 3)).astype(float))
