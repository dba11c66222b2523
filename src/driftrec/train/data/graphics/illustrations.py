"""Drawings: flat and shaded areas with and without outlines, comic panels with balloons, and glows."""

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from driftrec.train.data.graphics.common import (
    Colour,
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
from driftrec.train.data.graphics.lettering import lettering
from driftrec.train.data.graphics.shapes import blob, curve, stroke
from driftrec.train.data.graphics.tones import screened
from driftrec.train.data.graphics.words import phrase

SCALE = 3
"""Drawings are made at this multiple of their size and reduced: antialiasing."""


def illustration(scene: Scene, rng: Generator) -> Image.Image:
    """Overlapping areas in a few colours, shaded and outlined alike, as in clip art, cartoons and posters."""
    side = SCALE * scene.side
    colours = [colour(rng) for _ in range(int(rng.integers(3, 9)))]
    image = _ground(rng, side, colours)
    outline = (0, 0, 0) if chance(rng, 0.6) else shade(colours[0], 0.35)
    width = round(SCALE * between(rng, 0.7, 5)) if chance(rng, 0.7) else 0
    shading = pick(rng, ("flat", "cel", "gradient", "painted"), (4, 3, 2, 2))
    for _ in range(int(rng.integers(2, 16))):
        radius = between(rng, 0.04, 0.7) * side
        _area(image, rng, blob(rng, rng.random(2) * side, radius), pick(rng, colours), shading)
        if width:
            _contour(image, rng, outline, width)
    _pen_strokes(image, rng, outline, max(width, SCALE))
    return image.reduce(SCALE) if chance(rng, 0.8) else image.resize((scene.side, scene.side), Image.Resampling.LANCZOS)


def _ground(rng: Generator, side: int, colours: list[Colour]) -> Image.Image:
    if chance(rng, 0.6):
        return Image.new("RGB", (side, side), (255, 255, 255) if chance(rng, 0.4) else colours[0])
    return Image.fromarray(blend(gradient(rng, side), colours[:2]))


def _area(image: Image.Image, rng: Generator, outline: list[tuple[float, float]], fill: Colour, shading: str) -> None:
    """Fills an outline; the outline is kept in the image's `info` for `_contour`."""
    image.info["outline"] = outline
    if shading == "flat":
        ImageDraw.Draw(image).polygon(outline, fill=fill)
        return
    mask = Image.new("L", image.size)
    ImageDraw.Draw(mask).polygon(outline, fill=255)
    if (box := mask.getbbox()) is None:
        return
    side = max(box[2] - box[0], box[3] - box[1])
    if shading == "cel":
        paint = Image.new("RGB", image.size, fill)
        shadow = ImageChops.offset(mask, *(int(v) for v in rng.integers(-side // 3, side // 3 + 1, 2)))
        paint.paste(shade(fill, float(rng.uniform(0.5, 0.85))), mask=ImageChops.subtract(mask, shadow))
        image.paste(paint, mask=mask)
        return
    ramp = gradient(rng, side)
    if shading == "painted":
        ramp = np.clip(
            ramp + 0.15 * smooth_field(rng, side, 9) + 0.03 * smooth_field(rng, side, max(side // 6, 2)), 0, 1
        )
    paint = Image.fromarray(blend(ramp, (shade(fill, 0.5), fill, shade(fill, 2.5))))
    image.paste(paint, box[:2], mask.crop((box[0], box[1], box[0] + side, box[1] + side)))


def _contour(image: Image.Image, rng: Generator, ink: Colour, width: int) -> None:
    """Draws the outline of the last area, of one width or thicker on one side."""
    outline = image.info["outline"]
    draw = ImageDraw.Draw(image)
    closed = [*outline, outline[0], outline[1]]
    draw.line(closed, fill=ink, width=width, joint="curve")
    if chance(rng, 0.3):
        shifted = [(x + width / 2, y + width / 2) for x, y in closed[: len(closed) // 2]]
        draw.line(shifted, fill=ink, width=width, joint="curve")


def _pen_strokes(image: Image.Image, rng: Generator, ink: Colour, width: int) -> None:
    """Hair, folds, eyes, hatching and the like: strokes that end in points, single or in bundles."""
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(0, 6))):
        line = curve(rng, rng.random(2) * image.width, between(rng, 0.05, 0.8) * image.width, float(rng.uniform(0, 1)))
        step = rng.standard_normal(2) * 4 * width
        for i in range(1 if chance(rng, 0.5) else int(rng.integers(2, 14))):
            draw.polygon(stroke(line + i * step, width * float(rng.uniform(0.5, 2))), fill=ink)


def comic(scene: Scene, rng: Generator) -> Image.Image:
    """A part of a comic page: panels, drawings in colour or in black and white with screentone, and balloons."""
    drawing = illustration(scene, rng)
    if chance(rng, 0.35):
        drawing = screened(drawing.convert("L"), rng).convert("RGB")
    if chance(rng, 0.5):
        _panels(drawing, rng)
    for _ in range(int(rng.integers(0, 3))):
        _balloon(drawing, scene, rng)
    return drawing


def _panels(image: Image.Image, rng: Generator) -> None:
    """A gutter between panels with black frames."""
    draw = ImageDraw.Draw(image)
    gutter, frame = int(rng.integers(4, 14)), int(rng.integers(1, 4))
    x, y = (int(v) for v in rng.integers(0, image.width, 2))
    paper = (255, 255, 255) if chance(rng, 0.8) else (0, 0, 0)
    for box in (
        (x - frame, -frame, x + gutter + frame, image.height + frame),
        (-frame, y - frame, image.width + frame, y + gutter + frame),
    ):
        if chance(rng, 0.7):
            draw.rectangle(box, fill=paper, outline=(0, 0, 0), width=frame)


def _balloon(image: Image.Image, scene: Scene, rng: Generator) -> None:
    """A balloon or box with lines of text."""
    font, script = scene.fonts.draw(rng)
    text = lettering(rng, font, script, int(rng.integers(9, 22)))
    lines = [phrase(rng, script, int(rng.integers(1, 4))) for _ in range(int(rng.integers(1, 4)))]
    if chance(rng, 0.6):
        lines = [line.upper() for line in lines]
    wide, high = max(map(text.width, lines)), round(1.3 * text.size * len(lines))
    left, top = (int(v) for v in rng.integers(-20, image.width - 20, 2))
    margin = text.size
    box = (left - margin, top - margin, left + wide + margin, top + high + margin)
    oval = chance(rng, 0.7)
    ink, rim = (0, 0, 0), int(rng.integers(2, 2 * SCALE))
    for fill, grown in ((ink, rim), ((255, 255, 255), 0)):
        big = Image.new("L", (SCALE * image.width, SCALE * image.height))
        form = ImageDraw.Draw(big).ellipse if oval else ImageDraw.Draw(big).rectangle
        form((SCALE * box[0] - grown, SCALE * box[1] - grown, SCALE * box[2] + grown, SCALE * box[3] + grown), fill=255)
        image.paste(fill, mask=big.reduce(SCALE))
    for number, line in enumerate(lines):
        start = left + (wide - text.width(line)) // 2
        text.write(image, (start, top + round(1.3 * text.size * number)), line, ink)


def glow(scene: Scene, rng: Generator) -> Image.Image:
    """Gradients with soft lights and shadows, as in wallpapers, games and slides, and sharp things in front."""
    stops = [colour(rng) for _ in range(int(rng.integers(2, 5)))]
    image = Image.fromarray(blend(gradient(rng, scene.side), stops))
    for _ in range(int(rng.integers(1, 6))):
        mask = Image.new("L", image.size)
        form = blob(rng, rng.random(2) * scene.side, between(rng, 0.03, 0.4) * scene.side)
        ImageDraw.Draw(mask).polygon(form, fill=int(rng.integers(90, 256)))
        soft = mask.filter(ImageFilter.GaussianBlur(between(rng, 1, 0.15 * scene.side)))
        image.paste(colour(rng), mask=soft)
        if chance(rng, 0.4):
            image.paste(colour(rng), mask=mask)
    if chance(rng, 0.5):
        font, script = scene.fonts.draw(rng)
        text = lettering(rng, font, script, int(rng.integers(12, 48)))
        place = int(rng.integers(-40, scene.side // 2)), int(rng.integers(0, scene.side))
        text.write(image, place, phrase(rng, script, 3), (255, 255, 255) if chance(rng, 0.7) else (0, 0, 0))
    return image
