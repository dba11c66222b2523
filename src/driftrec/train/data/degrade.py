"""Degradations of training pictures: frozen values that are called with pixels and a random generator.

    degraded = degradation(clean, rng)           clean, degraded: uint8 arrays (height, width, 3)

A degradation keeps size and alignment: pixel (i, j) of the result shows the same place as pixel (i, j) of the clean
picture.  JPEGs are made by libjpeg, through Pillow.

A recipe gives a degradation by its `kind` and its fields; see `Step`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

import numpy as np
from numpy.random import Generator
from PIL import Image
from pydantic import Field

from driftrec.evaluate.corruptions import Pixels, decode, encode, without_colour
from driftrec.jpeg.tables import MCU

Degradation: TypeAlias = Callable[[Pixels, Generator], Pixels]

SUBSAMPLINGS = ("4:4:4", "4:2:2", "4:2:0")


def jpeg(pixels: Pixels, quality: int, subsampling: str = "4:2:0") -> Pixels:
    """The picture after compression by libjpeg at `quality` (Pillow's 0–100), same shape and dtype.

    A picture whose three channels are equal is stored as a gray JPEG, as such pictures usually are.
    """
    decoded = decode(encode(without_colour(pixels), quality, subsampling))
    return np.repeat(decoded[..., None], 3, axis=2) if decoded.ndim == 2 else decoded


@dataclass(frozen=True)
class Clean:
    """No change, so that the model learns to leave good pictures as they are."""

    kind: Literal["clean"] = "clean"

    def __call__(self, pixels: Pixels, rng: Generator) -> Pixels:  # noqa: ARG002 (every degradation takes an rng)
        return pixels


@dataclass(frozen=True)
class RandomJpeg:
    """One compression at a random quality, on the picture's own grid or on a shifted one.

    Quality is lowest + ⌊(highest − lowest + 1) u^power⌋ for uniform u: `power` 1 is uniform over [lowest, highest],
    larger powers favour low qualities.  libjpeg treats quality 0 as 1.  `subsampling` holds the probabilities of
    `SUBSAMPLINGS`.
    With `shifted`, the grid starts at a random offset within one MCU, as in a crop of a larger JPEG.  With `shift`, it
    starts that many rows and columns outside the picture.
    """

    lowest: int = 1
    highest: int = 100
    power: float = 2.0
    subsampling: tuple[float, float, float] = (0.25, 0.05, 0.7)
    shifted: bool = False
    shift: tuple[int, int] = (0, 0)
    kind: Literal["jpeg"] = "jpeg"

    def __post_init__(self) -> None:
        if not 0 <= self.lowest <= self.highest <= 100:
            raise ValueError(f"qualities must satisfy 0 ≤ lowest ≤ highest ≤ 100, got {self.lowest}, {self.highest}")
        if self.power <= 0:
            raise ValueError(f"power must be positive, got {self.power}")
        if min(self.subsampling) < 0 or abs(sum(self.subsampling) - 1) > 1e-9:
            raise ValueError(f"subsampling must be three probabilities that add to 1, got {self.subsampling}")
        if min(self.shift) < 0 or (self.shifted and any(self.shift)):
            raise ValueError(f"shift must be at least 0 and cannot be combined with shifted grids, got {self.shift}")

    def __call__(self, pixels: Pixels, rng: Generator) -> Pixels:
        span = self.highest - self.lowest + 1
        quality = self.lowest + int(span * rng.random() ** self.power)
        subsampling = SUBSAMPLINGS[int(np.searchsorted(np.cumsum(self.subsampling), rng.random(), side="right"))]
        top, left = (int(v) for v in rng.integers(0, MCU, 2)) if self.shifted else self.shift
        if not (top or left):
            return jpeg(pixels, quality, subsampling)
        padded = np.pad(pixels, ((top, 0), (left, 0), (0, 0)), mode="reflect")
        return jpeg(padded, quality, subsampling)[top:, left:]


@dataclass(frozen=True)
class DownUp:
    """Downsampling by one of `factors`, with antialiasing, and upsampling, both with Pillow's bicubic filter."""

    factors: tuple[float, ...] = (2.0,)
    kind: Literal["down-up"] = "down-up"

    def __post_init__(self) -> None:
        if not self.factors or min(self.factors) < 1:
            raise ValueError(f"factors must be at least 1, got {self.factors}")

    def __call__(self, pixels: Pixels, rng: Generator) -> Pixels:
        height, width = pixels.shape[:2]
        factor = self.factors[int(rng.integers(len(self.factors)))]
        small = (max(round(width / factor), 1), max(round(height / factor), 1))
        image = Image.fromarray(pixels).resize(small, Image.Resampling.BICUBIC)
        return np.asarray(image.resize((width, height), Image.Resampling.BICUBIC))


@dataclass(frozen=True)
class GaussianNoise:
    """White noise with a standard deviation uniform in [lowest, highest], in levels of 255, rounded and clipped."""

    lowest: float = 5.0
    highest: float = 50.0
    kind: Literal["noise"] = "noise"

    def __post_init__(self) -> None:
        if not 0 <= self.lowest <= self.highest:
            raise ValueError(f"levels must satisfy 0 ≤ lowest ≤ highest, got {self.lowest}, {self.highest}")

    def __call__(self, pixels: Pixels, rng: Generator) -> Pixels:
        level = self.lowest + (self.highest - self.lowest) * rng.random()
        noisy = pixels + np.float32(level) * rng.standard_normal(pixels.shape, np.float32)
        return np.rint(noisy).clip(0, 255).astype(np.uint8)


@dataclass(frozen=True)
class Chain:
    """One degradation after the other, such as two JPEG compressions on different grids."""

    links: tuple[Degradation, ...]

    def __call__(self, pixels: Pixels, rng: Generator) -> Pixels:
        for link in self.links:
            pixels = link(pixels, rng)
        return pixels


@dataclass(frozen=True)
class OneOf:
    """One of several chains, drawn for each picture with the given weights (default: equal)."""

    chains: tuple[tuple["Step", ...], ...]
    weights: tuple[float, ...] | None = None
    kind: Literal["one-of"] = "one-of"

    def __post_init__(self) -> None:
        weights = self._weights()
        if len(weights) != len(self.chains):
            raise ValueError(f"{len(self.chains)} chains need as many weights, not {len(weights)}")
        if min(weights, default=0) < 0 or sum(weights) <= 0:
            raise ValueError("weights must not be negative, and at least one of them positive")

    def _weights(self) -> tuple[float, ...]:
        return self.weights or (1.0,) * len(self.chains)

    def __call__(self, pixels: Pixels, rng: Generator) -> Pixels:
        edges = np.cumsum(self._weights()) / np.sum(self._weights())
        return Chain(self.chains[int(np.searchsorted(edges, rng.random(), side="right"))])(pixels, rng)


Step: TypeAlias = Annotated[RandomJpeg | DownUp | GaussianNoise | Clean | OneOf, Field(discriminator="kind")]
"""The degradations that a recipe can contain."""


def only_compresses(steps: tuple[Step, ...]) -> bool:
    """Whether steps do nothing to a picture but compress it as JPEG, or leave it as it is."""
    return all(
        all(map(only_compresses, step.chains)) if isinstance(step, OneOf) else isinstance(step, RandomJpeg | Clean)
        for step in steps
    )


def jpeg_mixture(shifted: float, double: float, clean: float, power: float = 2.0, double_first: float = 0.0) -> OneOf:
    """The corruptions that the shipped models train on: JPEGs of every quality, and shares of other common cases.

    `shifted` and `clean` are the shares of crops of larger JPEGs and of uncompressed pictures.  `double` and
    `double_first` are the shares of pictures that are compressed twice, on different grids, the second time at a
    uniform quality; the crop is aligned with the grid of the second and of the first compression, respectively.  The
    rest are single JPEGs on their own grids.
    """
    single, moved = RandomJpeg(power=power), RandomJpeg(power=power, shifted=True)
    again, moved_again = RandomJpeg(power=1.0), RandomJpeg(power=1.0, shifted=True)
    chains = (single,), (moved,), (moved, again), (single, moved_again), (Clean(),)
    return OneOf(chains, (1 - shifted - double - double_first - clean, shifted, double, double_first, clean))
