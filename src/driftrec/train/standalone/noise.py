"""Standard normal noise that is a function of position: the same in every picture, on every machine.

ONNX has random numbers, but no two runtimes draw the same ones.  Here each number comes from a hash of row, column
and channel in arithmetic modulo the prime p = 2³¹ − 1, which every runtime computes exactly in 64-bit integers.  The
hash is built from the permutation

    m_k(x) = (x + k)⁵ mod p,

as in MiMC (Albrecht et al. 2016, IACR ePrint 2016/492), with random keys k.  With a hash x of the position, the numbers
u = (m_a(x) + 1)/p and v = m_b(m_a(x))/p are uniform, and

    z = √(−2 ln u) cos 2πv

is standard normal (Box and Muller 1958).  For every draw, all keys are new.
"""

import math
from dataclasses import dataclass
from itertools import count

import numpy as np

from driftrec.diffusion.types import Noise
from driftrec.train.standalone.graph import Graph

PRIME = 2**31 - 1


@dataclass(frozen=True)
class Keys:
    """The keys of one draw, each in [0, p): of the rows' and columns' hashes, of the channels, and of a and b."""

    rows: tuple[int, int]
    columns: tuple[int, int]
    channels: tuple[int, int, int]
    position: int
    a: int
    b: int

    @staticmethod
    def of(seed: int, draw: int) -> "Keys":
        """Returns the keys of draw 0, 1, … of a picture with this seed; both at least 0."""
        words = np.random.SeedSequence((seed, draw)).generate_state(10, np.uint64)
        k = [int(word % PRIME) for word in words]
        return Keys((k[0], k[1]), (k[2], k[3]), (k[4], k[5], k[6]), *k[7:])


def hashed_noise(seed: int) -> Noise:
    """Returns the noise of a seed for images of 3 channels, float32; it is the same for all images of a batch."""
    draws = count()
    return lambda shape: _draw(shape, Keys.of(seed, next(draws)))


def _draw(shape: tuple[int, ...], keys: Keys) -> np.ndarray:
    height, width = shape[-2:]
    rows, columns = np.arange(height), np.arange(width)
    for row, column in zip(keys.rows, keys.columns, strict=True):
        rows, columns = _mixed(rows, row), _mixed(columns, column)
    sums = rows[:, None] + columns + np.array(keys.channels)[:, None, None]
    first = _mixed(_mixed(sums, keys.position), keys.a)
    u, v = (first + 1) / PRIME, _mixed(first, keys.b) / PRIME
    noise = np.sqrt(-2 * np.log(u)) * np.cos(2 * math.pi * v)
    return np.broadcast_to(noise.astype(np.float32), shape).copy()


def _mixed(x: np.ndarray, key: int) -> np.ndarray:
    base = (x.astype(np.int64) + key) % PRIME
    square = base * base % PRIME
    return square * square % PRIME * base % PRIME


def noise_in(graph: Graph, height: str, width: str, keys: Keys) -> str:
    """Appends the same noise to a graph, and returns its name; its shape is (1, 3, height, width).

    Arguments: names of the height and the width, int64 scalars.
    """

    def whole(value: int) -> np.ndarray:
        return np.asarray(value, np.int64)

    def product(a: str, b: str) -> str:
        return graph("Mod", graph("Mul", a, b), whole(PRIME))

    def mixed(x: str, key: int) -> str:
        base = graph("Mod", graph("Add", x, whole(key)), whole(PRIME))
        square = product(base, base)
        return product(product(square, square), base)

    def uniform(x: str) -> str:
        return graph("Mul", graph("Cast", x, to=1), 1 / PRIME)

    rows, columns = (graph("Range", whole(0), length, whole(1)) for length in (height, width))
    for row, column in zip(keys.rows, keys.columns, strict=True):
        rows, columns = mixed(rows, row), mixed(columns, column)
    rows = graph("Unsqueeze", rows, np.array([1]))
    channels = np.array(keys.channels).reshape(1, 3, 1, 1)
    sums = graph("Add", graph("Add", rows, columns), channels)
    first = mixed(mixed(sums, keys.position), keys.a)
    u, v = uniform(graph("Add", first, whole(1))), uniform(mixed(first, keys.b))
    radius = graph("Sqrt", graph("Mul", graph("Log", u), -2.0))
    return graph("Mul", radius, graph("Cos", graph("Mul", v, 2 * math.pi)))
