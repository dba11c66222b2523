"""Edits that change values: brightness, contrast, gamma, sharpening, blur, sensor noise and film grain."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from driftrec.evaluate.chains.geometry import Edit
from driftrec.evaluate.corruptions import Pixels, without_colour


@dataclass(frozen=True)
class Tone(Edit):
    """v ↦ contrast · (v^gamma − ½) + ½ + brightness for values v in [0, 1], rounded to levels and clipped."""

    brightness: float = 0.0
    contrast: float = 1.0
    gamma: float = 1.0

    def __call__(self, pixels: Pixels) -> Pixels:
        curve = self.contrast * ((np.arange(256) / 255) ** self.gamma - 0.5) + 0.5 + self.brightness
        return np.rint(255 * curve).clip(0, 255).astype(np.uint8)[pixels]


@dataclass(frozen=True)
class Sharpen(Edit):
    """Unsharp mask: v + amount · (v − v blurred by a Gaussian with a standard deviation of `radius` pixels)."""

    amount: float = 1.0
    radius: float = 1.0

    def __call__(self, pixels: Pixels) -> Pixels:
        mask = ImageFilter.UnsharpMask(self.radius, round(100 * self.amount), threshold=0)
        return np.asarray(Image.fromarray(pixels).filter(mask))


@dataclass(frozen=True)
class Blur(Edit):
    """A Gaussian blur with a standard deviation of `radius` pixels, as Pillow approximates it."""

    radius: float

    def __call__(self, pixels: Pixels) -> Pixels:
        return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(self.radius)))


@dataclass(frozen=True)
class Noise(Edit):
    """Noise that belongs to the picture: a camera's, or film grain.  The same seed gives the same noise.

    Attributes:
        read: standard deviation in levels of 255 where the picture is black.
        shot: variance in squared levels that each level of brightness adds; 0 for noise of equal strength everywhere.
        grain: diameter of the grains in pixels; 1 or less for white noise.
        colour: whether the channels differ; those of gray pictures never do.
    """

    read: float = 3.0
    shot: float = 0.0
    grain: float = 1.0
    colour: bool = True
    seed: int = 0

    def __call__(self, pixels: Pixels) -> Pixels:
        height, width = pixels.shape[:2]
        noise = self._unit(height, width, 3 if self.colour and without_colour(pixels).ndim == 3 else 1)
        std = np.sqrt(np.float32(self.read**2) + np.float32(self.shot) * pixels.astype(np.float32))
        return np.rint(pixels + std * noise).clip(0, 255).astype(np.uint8)

    def _unit(self, height: int, width: int, channels: int) -> NDArray[np.float32]:
        """Noise with a standard deviation of 1, (height, width, channels): white, or white noise enlarged to grains."""
        rng, size = np.random.default_rng(self.seed), max(self.grain, 1.0)
        small = math.ceil(height / size), math.ceil(width / size)
        noise = rng.standard_normal((*small, channels), np.float32)
        if size == 1:
            return noise
        planes = (Image.fromarray(plane) for plane in np.moveaxis(noise, 2, 0))
        enlarged = [np.asarray(plane.resize((width, height), Image.Resampling.BICUBIC)) for plane in planes]
        grains: NDArray[np.float32] = np.stack(enlarged, axis=2)
        return grains / np.maximum(grains.std(), np.float32(1e-6))
