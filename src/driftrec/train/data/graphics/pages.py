"""Pages of text: paragraphs with headings and rules, program code, tables, and large letters."""

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw

from driftrec.train.data.graphics.common import Colour, Scene, between, chance, colour, luminance, pick, shade, theme
from driftrec.train.data.graphics.lettering import Lettering, lettering, reading_size
from driftrec.train.data.graphics.words import SCRIPTS, phrase


def page(scene: Scene, rng: Generator) -> Image.Image:
    """A part of a page of one of these kinds."""
    return pick(rng, (paragraphs, code, table, display), (5, 1.5, 1.5, 2))(scene, rng)


def paragraphs(scene: Scene, rng: Generator) -> Image.Image:
    """Running text with indents, spaces between paragraphs, headings, links, highlights and rules."""
    paper, ink = theme(rng)
    image = Image.new("RGB", (scene.side, scene.side), paper)
    font, script = scene.fonts.draw(rng)
    body = lettering(rng, font, script, reading_size(rng))
    leading = round(body.size * rng.uniform(1.1, 1.8))
    left = int(rng.integers(-scene.side, scene.side // 3))
    y = int(rng.integers(-leading, leading))
    accent = readable(rng, paper)
    while y < scene.side:
        kind = rng.random()
        if kind < 0.06:
            heading = body.changed(round(body.size * rng.uniform(1.2, 2.5)))
            heading.write(image, (max(left, 0), y), phrase(rng, script, 4), accent if chance(rng, 0.3) else ink)
            y += round(1.5 * heading.size)
        elif kind < 0.1:
            ImageDraw.Draw(image).line((left, y, 2 * scene.side, y), fill=accent, width=int(rng.integers(1, 4)))
            y += leading // 2
        elif kind < 0.2:
            y += leading // 2
            left = left + int(rng.integers(-2, 3)) * body.size if chance(rng, 0.3) else left
        else:
            _line(image, rng, body, (left, y), ink, accent)
            y += leading
    return image


def _line(
    image: Image.Image, rng: Generator, body: Lettering, place: tuple[int, int], ink: Colour, accent: Colour
) -> None:
    """A line of text, in which a part may be a link or highlighted."""
    x, y = place
    while x < image.width:
        text = phrase(rng, body.script, 12 if chance(rng, 0.7) else 3) + " "
        width = body.width(text)
        if x + width >= 0:
            special = rng.random()
            if special < 0.05:
                ImageDraw.Draw(image).rectangle((x, y, x + width, y + round(1.2 * body.size)), fill=accent)
                body.write(image, (x, y), text, (255, 255, 255) if luminance(accent) < 128 else (0, 0, 0))
            else:
                body.write(image, (x, y), text, accent if special < 0.12 else ink)
                if special < 0.1:
                    under = y + round(1.15 * body.size)
                    ImageDraw.Draw(image).line((x, under, x + width, under), fill=accent)
        x += width
        if chance(rng, 0.12):
            return


def code(scene: Scene, rng: Generator) -> Image.Image:
    """Indented lines of words in several colours, as editors and terminals show programs."""
    paper, ink = theme(rng)
    image = Image.new("RGB", (scene.side, scene.side), paper)
    font, _ = scene.fonts.draw(rng)
    body = lettering(rng, font, SCRIPTS["latin"], int(rng.integers(9, 18)))
    inks = (ink, *(readable(rng, paper) for _ in range(4)))
    leading = round(body.size * rng.uniform(1.1, 1.5))
    left = int(rng.integers(-scene.side // 2, scene.side // 4))
    indent = 0
    for y in range(int(rng.integers(-leading, 1)), scene.side, leading):
        indent = int(np.clip(indent + rng.integers(-1, 2), 0, 4))
        x = left + 2 * indent * body.size
        for _ in range(int(rng.integers(0, 8))):
            text = phrase(rng, body.script, 1) + " "
            body.write(image, (x, y), text, pick(rng, inks))
            x += body.width(text)
    return image


def table(scene: Scene, rng: Generator) -> Image.Image:
    """Rows and columns of words and numbers, with rules or shaded rows."""
    paper, ink = theme(rng)
    image = Image.new("RGB", (scene.side, scene.side), paper)
    draw = ImageDraw.Draw(image)
    font, script = scene.fonts.draw(rng)
    body = lettering(rng, font, script, int(rng.integers(9, 17)))
    height = round(body.size * rng.uniform(1.3, 2.2))
    edges = np.cumsum(rng.integers(30, 110, 12)) - int(rng.integers(0, 100))
    rule = shade(ink, float(rng.uniform(1, 6)))
    striped, ruled, lined = chance(rng, 0.4), chance(rng, 0.6), chance(rng, 0.5)
    tint = shade(colour(rng), 6) if luminance(paper) > 128 else shade(colour(rng), 0.25)
    offset = int(rng.integers(0, height))
    for row, y in enumerate(range(-offset, scene.side, height)):
        if striped and row % 2:
            draw.rectangle((0, y, scene.side, y + height - 1), fill=tint)
        if ruled:
            draw.line((0, y, scene.side, y), fill=rule)
        for x in edges:
            text = f"{rng.uniform(0, 1000):.{int(rng.integers(0, 3))}f}" if chance(rng, 0.6) else phrase(rng, script, 1)
            body.write(image, (int(x) + 4, y + (height - body.size) // 2), text, ink)
    if lined:
        for x in edges:
            draw.line((int(x), 0, int(x), scene.side), fill=rule)
    return image


def display(scene: Scene, rng: Generator) -> Image.Image:
    """Large letters, as on title pages, posters and logos, sometimes with an outline or a shadow."""
    paper, ink = theme(rng)
    image = Image.new("RGB", (scene.side, scene.side), paper)
    font, script = scene.fonts.draw(rng)
    size = round(between(rng, 24, 120))
    big = lettering(rng, font, script, size)
    y = int(rng.integers(-size, scene.side // 2))
    outline = int(rng.integers(1, 6)) if chance(rng, 0.25) else 0
    shadow = int(rng.integers(1, 5)) if chance(rng, 0.2) else 0
    while y < scene.side:
        place = int(rng.integers(-scene.side // 2, scene.side // 3)), y
        text = phrase(rng, script, 2)
        if shadow:
            big.write(image, (place[0] + shadow, place[1] + shadow), text, shade(paper, 0.5))
        if outline:
            ImageDraw.Draw(image).text(place, text, ink, big.face, stroke_width=outline, stroke_fill=colour(rng))
        else:
            big.write(image, place, text, ink)
        y += round(size * rng.uniform(1, 1.6))
    return image


def readable(rng: Generator, paper: Colour) -> Colour:
    """A colour that can be told from the paper."""
    ink = colour(rng)
    if abs(luminance(ink) - luminance(paper)) < 60:
        ink = shade(ink, 0.4) if luminance(paper) > 128 else shade(ink, 3)
    return ink
