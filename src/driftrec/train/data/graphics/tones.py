"""Tones made of dots: screentone, halftone, ordered and diffused dithering, palettes, and pixel art."""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

from driftrec.train.data.graphics.common import (
    Floats,
    Scene,
    between,
    blend,
    chance,
    colour,
    gradient,
    pick,
    shade,
    smooth_field,
)

BAYER = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]], np.float32) / 16
"""The ordered-dither matrix of order 4 (Bayer, 1973)."""


def _screen(rng: Generator, shape: tuple[int, int], pitch: float, angle: float) -> Floats:
    """Thresholds in [0, 1] of a screen of round dots: float32 (height, width)."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    u = (x * np.cos(angle) + y * np.sin(angle)) * (2 * np.pi / pitch) + rng.random() * 6
    v = (y * np.cos(angle) - x * np.sin(angle)) * (2 * np.pi / pitch) + rng.random() * 6
    thresholds = 0.5 + 0.25 * (np.cos(u) + np.cos(v))
    ranks = np.interp(thresholds, np.quantile(thresholds, np.linspace(0, 1, 33)), np.linspace(0, 1, 33))
    return ranks.astype(np.float32)  # ranks, so that the share of ink is the tone


def _dots(tone: Floats, thresholds: Floats, sharp: float) -> Floats:
    """Paper in [0, 1] where the tone is above the threshold, with edges of a width that `sharp` gives."""
    return np.clip((tone - thresholds) * sharp + 0.5, 0, 1)


def screened(gray: Image.Image, rng: Generator) -> Image.Image:
    """A gray drawing in black and white with screentone: dark and light areas stay full, tones become dots."""
    # Comics are mostly paper and lines: tones are lightened.
    tone = (np.asarray(gray, np.float32) / 255) ** np.float32(rng.uniform(0.3, 1))
    levels = int(rng.integers(2, 5))
    tone = np.rint(tone * levels) / levels if chance(rng, 0.7) else tone
    thresholds = _screen(rng, tone.shape, between(rng, 2.2, 6), pick(rng, (np.pi / 4, np.pi / 4, 0.0, 0.3, 1.2)))
    inked = _dots(tone, 0.02 + 0.96 * thresholds, 1000 if chance(rng, 0.3) else float(rng.uniform(2, 8)))
    inked = np.where(tone < 0.2, 0, np.where(tone > 0.9, 1, inked))
    return Image.fromarray(np.rint(255 * inked).astype(np.uint8))


def halftone(scene: Scene, rng: Generator) -> Image.Image:
    """A photograph or gradient printed in cyan, magenta, yellow and black, or in one ink, with visible dots."""
    picture = _picture(scene, rng)
    pitch, sharp = between(rng, 2.5, 8), float(rng.uniform(1.5, 10))
    if chance(rng, 0.3):
        tone = np.asarray(picture.convert("L"), np.float32) / 255
        paper = _dots(tone, _screen(rng, tone.shape, pitch, np.pi / 4), sharp)
        return Image.fromarray(blend(paper, ((0, 0, 0) if chance(rng, 0.6) else colour(rng), (255, 255, 255))))
    inks = 1 - np.asarray(picture, np.float32) / 255
    black = inks.min(axis=-1)
    printed = np.ones_like(inks)
    for channel, angle in enumerate(np.radians((15, 75, 0))):
        tone = 1 - inks[..., channel] + 0.6 * black
        printed[..., channel] = _dots(tone, _screen(rng, black.shape, pitch, angle), sharp)
    key = _dots(1 - 0.6 * black, _screen(rng, black.shape, pitch, np.pi / 4), sharp)
    return Image.fromarray(np.rint(255 * (0.06 + 0.94 * printed * key[..., None])).astype(np.uint8))


def _picture(scene: Scene, rng: Generator) -> Image.Image:
    """Something with tones: a photograph, or a gradient with clouds."""
    if chance(rng, 0.5):
        return Image.fromarray(scene.photograph())
    ramp = np.clip(gradient(rng, scene.side) + 0.1 * smooth_field(rng, scene.side, 5), 0, 1)
    return Image.fromarray(blend(ramp, [colour(rng) for _ in range(3)]))


def dithered(image: Image.Image, rng: Generator) -> Image.Image:
    """An RGB image in few colours, as GIFs and old programs show it: diffused, ordered or without dithering."""
    count = int(between(rng, 2, 128))
    kind = rng.integers(3)
    if kind < 2:
        dither = Image.Dither.FLOYDSTEINBERG if kind == 0 else Image.Dither.NONE
        palette = image.quantize(count, Image.Quantize.MEDIANCUT)
        return image.quantize(palette=palette, dither=dither).convert("RGB")
    steps = pick(rng, (1, 2, 3, 5, 7))
    height, width = image.height, image.width
    pattern = np.tile(BAYER, (height // 4 + 1, width // 4 + 1))[:height, :width, None]
    values = np.floor(np.asarray(image, np.float32) / 255 * steps + pattern + 1 / 32)
    return Image.fromarray(np.rint(255 / steps * np.clip(values, 0, steps)).astype(np.uint8))


def dither(scene: Scene, rng: Generator) -> Image.Image:
    """A photograph or gradient in few colours."""
    return dithered(_picture(scene, rng), rng)


def pixel_art(scene: Scene, rng: Generator) -> Image.Image:
    """Sprites and tiles of a small palette, every pixel enlarged to a square."""
    factor = pick(rng, (1, 2, 3, 4, 6, 8), (2, 3, 2, 2, 1, 1))
    side = scene.side // factor + 2
    hues = [colour(rng) for _ in range(int(rng.integers(1, 5)))]
    palette = np.array([shade(hue, factor) for hue in hues for factor in (0.4, 0.7, 1, 2)], np.uint8)
    tile = int(rng.integers(6, 17))
    pixels = _tiles(rng, side, tile, len(palette))
    for _ in range(side * side // 250 + 1):
        sprite = _sprite(rng, int(rng.integers(5, 13)), len(palette))
        top, left = (int(v) for v in rng.integers(-4, side, 2))
        rows = slice(max(top, 0), min(top + sprite.shape[0], side))
        columns = slice(max(left, 0), min(left + sprite.shape[1], side))
        part = sprite[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
        if part.size:
            pixels[rows, columns] = np.where(part >= 0, part, pixels[rows, columns])
    shown = np.repeat(np.repeat(palette[pixels], factor, axis=0), factor, axis=1)
    top, left = (int(v) for v in rng.integers(0, factor, 2))
    return Image.fromarray(np.ascontiguousarray(shown[top : top + scene.side, left : left + scene.side]))


def _tiles(rng: Generator, side: int, tile: int, colours: int) -> NDArray[np.int64]:
    """A ground of few repeated tiles, in ordered dither or with random grain."""
    kinds = rng.integers(0, colours, (3, 2))
    share = rng.random(3)
    pattern = rng.random((3, tile, tile)) if chance(rng, 0.5) else np.tile(BAYER, (1, 5, 5))[:, :tile, :tile]
    tiles = np.where(pattern > share[:, None, None], kinds[:, :1, None], kinds[:, 1:, None])
    chosen = rng.integers(0, 3, (side // tile + 1, side // tile + 1))
    ground = tiles[chosen].transpose(0, 2, 1, 3)
    return ground.reshape(chosen.shape[0] * tile, -1)[:side, :side].copy()


def _sprite(rng: Generator, size: int, colours: int) -> NDArray[np.int64]:
    """A figure with mirror symmetry and an outline; −1 where it is transparent."""
    half = rng.random((size, (size + 1) // 2)) < 0.55
    figure = np.pad(np.concatenate([half, half[:, : size // 2][:, ::-1]], axis=1), 1)
    fill = rng.integers(0, colours, 3)
    shades = fill[np.minimum((np.arange(size + 2) * 3) // (size + 2), 2)][:, None]
    near = figure.copy()
    near[1:] |= figure[:-1]
    near[:-1] |= figure[1:]
    near[:, 1:] |= figure[:, :-1]
    near[:, :-1] |= figure[:, 1:]
    return np.where(figure, shades, np.where(near, 0, -1))
