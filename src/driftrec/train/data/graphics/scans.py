"""Scanned and photocopied pages: paper, a slight slant, ink that has spread, and the back showing through."""

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageFilter, ImageOps

from driftrec.train.data.graphics.common import Draw, Floats, Scene, chance, gradient, pick, smooth_field
from driftrec.train.data.graphics.lines import line_art
from driftrec.train.data.graphics.pages import paragraphs, table
from driftrec.train.data.graphics.tones import halftone

MARGIN = 12
"""Pixels around the picture that turning needs."""


def scan(scene: Scene, rng: Generator) -> Image.Image:
    """A part of a scanned page."""
    larger = scene.resized(scene.side + 2 * MARGIN)
    front = pick(rng, (paragraphs, table, line_art, halftone), (5, 1, 2, 1))
    ink = _cover(front, larger, rng)
    if chance(rng, 0.4):
        behind = np.asarray(Image.fromarray(_cover(paragraphs, larger, rng)).filter(ImageFilter.GaussianBlur(1.5)))
        ink = np.maximum(ink, (behind[:, ::-1] * rng.uniform(0.03, 0.2)).astype(np.uint8))
    turned = Image.fromarray(ink).rotate(float(rng.normal(0, 1.0)), Image.Resampling.BICUBIC)
    turned = turned.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.2, 0.9))))
    box = (MARGIN, MARGIN, MARGIN + scene.side, MARGIN + scene.side)
    return _on_paper(np.asarray(turned.crop(box), np.float32) / 255, rng)


def _cover(draw: Draw, scene: Scene, rng: Generator) -> Floats:
    """How much ink a drawing has at every pixel, uint8 in [0, 255], with paper of 0."""
    gray = ImageOps.autocontrast(draw(scene, rng).convert("L"))
    values = np.asarray(gray)
    return values if np.median(values) < 128 else 255 - values


def _on_paper(ink: Floats, rng: Generator) -> Image.Image:
    """Ink in [0, 1] on coloured paper with grain, stains and a shadow; some scanners clip the tones at both ends."""
    side = ink.shape[0]
    paper = np.array([255, 255, 255]) - rng.integers(0, 60) * np.array([0.4, 0.6, 1.0]) * rng.uniform(0.3, 1)
    black = rng.integers(0, 70) + rng.integers(0, 16, 3)
    grain = rng.uniform(0, 3.5) * smooth_field(rng, side, side // int(rng.integers(1, 4)))
    stains = rng.uniform(0, 6) * smooth_field(rng, side, 4)
    light = 1 - (rng.uniform(0, 0.35) * gradient(rng, side) ** 4 if chance(rng, 0.3) else 0)
    page = (paper + (grain + stains)[..., None]) * np.asarray(light)[..., None]
    spread = ink[..., None] * np.clip(1 + 0.1 * smooth_field(rng, side, side // 2), 0, 1)[..., None]
    shown = page + spread * (black - page)
    if chance(rng, 0.3):
        low, high = rng.uniform(20, 80), rng.uniform(180, 245)
        shown = (shown - low) / (high - low) * 255
    if chance(rng, 0.4):
        shown = shown.mean(axis=-1, keepdims=True).repeat(3, axis=-1)
    return Image.fromarray(np.rint(np.clip(shown, 0, 255)).astype(np.uint8))
