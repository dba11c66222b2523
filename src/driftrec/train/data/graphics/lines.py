"""Line art: 1-pixel lines, plans and schematics, grids, plots, mazes and pen drawings."""

from itertools import pairwise

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw

from driftrec.train.data.graphics.common import Colour, Scene, between, chance, pick, shade, theme
from driftrec.train.data.graphics.lettering import Lettering, lettering
from driftrec.train.data.graphics.pages import readable
from driftrec.train.data.graphics.shapes import as_points, blob, curve, stroke
from driftrec.train.data.graphics.words import phrase


def line_art(scene: Scene, rng: Generator) -> Image.Image:
    """One of these kinds, drawn with or without antialiasing."""
    draw = pick(rng, (_schematic, _plot, _grid, _pen, _maze, _diagram), (3, 3, 1, 3, 1, 2))
    scale = 1 if chance(rng, 0.5) else 4
    paper, ink = theme(rng)
    image = Image.new("RGB", (scene.side * scale, scene.side * scale), paper)
    width = max(round(scale * (1 if chance(rng, 0.6) else between(rng, 0.6, 4))), 1)
    draw(image, rng, ink, width, scale)
    image = image.reduce(scale) if scale > 1 else image
    if draw in (_schematic, _plot, _diagram):
        font, script = scene.fonts.draw(rng)
        _labels(image, rng, lettering(rng, font, script, int(rng.integers(8, 16))), ink)
    return image


def _labels(image: Image.Image, rng: Generator, text: Lettering, ink: Colour) -> None:
    for _ in range(int(rng.integers(1, 9))):
        place = tuple(int(v) for v in rng.integers(-8, image.width - 8, 2))
        words = f"{'RCLQUD'[int(rng.integers(6))]}{int(rng.integers(1, 99))}" if chance(rng, 0.4) else None
        text.write(image, (place[0], place[1]), words or phrase(rng, text.script, 1), ink)


def _schematic(image: Image.Image, rng: Generator, ink: Colour, width: int, scale: int) -> None:
    """Wires on a grid, with the symbols of parts and dots where they join."""
    draw = ImageDraw.Draw(image)
    pitch = scale * int(rng.integers(6, 14))
    cells = image.width // pitch + 1
    for _ in range(int(rng.integers(6, 30))):
        x, y = (int(v) * pitch for v in rng.integers(0, cells, 2))
        length = int(rng.integers(1, 8)) * pitch
        across = chance(rng, 0.5)
        end = (x + length, y) if across else (x, y + length)
        draw.line((x, y, *end), fill=ink, width=width)
        kind = rng.random()
        middle = np.array([(x + end[0]) / 2, (y + end[1]) / 2])
        size = pitch * 0.8
        if kind < 0.3:
            half = np.array([size, size / 2.5] if across else [size / 2.5, size])
            box = (*(middle - half), *(middle + half))
            if chance(rng, 0.5):
                draw.rectangle(box, fill=image.getpixel((0, 0)), outline=ink, width=width)
            else:
                steps = np.linspace(-1, 1, 8)[:, None] * half * (1, 0 if across else 1)
                steps[:, 1 if across else 0] = half[1 if across else 0] * np.where(np.arange(8) % 2, 1, -1)
                draw.line(as_points(middle + steps), fill=ink, width=width)
        elif kind < 0.45:
            draw.ellipse((*(middle - size), *(middle + size)), outline=ink, width=width)
        elif kind < 0.6:
            for side in (-1, 1):
                at = middle + side * (np.array([size / 4, 0]) if across else np.array([0, size / 4]))
                arm = np.array([0, size / 1.5]) if across else np.array([size / 1.5, 0])
                draw.line((*(at - arm), *(at + arm)), fill=ink, width=width)
        elif kind < 0.75:
            dot = 2 * width
            draw.ellipse((x - dot, y - dot, x + dot, y + dot), fill=ink)


def _plot(image: Image.Image, rng: Generator, ink: Colour, width: int, scale: int) -> None:
    """Axes, grid lines, and curves, bars or points in colours."""
    draw = ImageDraw.Draw(image)
    side = image.width
    paper: Colour = image.getpixel((0, 0))  # pyright: ignore[reportAssignmentType]  (an RGB image)
    left, bottom = int(rng.integers(-side // 4, side // 3)), int(rng.integers(2 * side // 3, 5 * side // 4))
    step = scale * int(rng.integers(10, 40))
    grid = tuple((a + 4 * b) // 5 for a, b in zip(ink, paper, strict=True))
    for at in range(left % step, side, step):
        if chance(rng, 0.9):
            draw.line((at, 0, at, bottom), fill=grid, width=max(width // 2, 1))
            draw.line((left, at, side, at), fill=grid, width=max(width // 2, 1))
            draw.line((at, bottom, at, bottom + 4 * scale), fill=ink, width=width)
    draw.line((left, 0, left, bottom, side, bottom), fill=ink, width=width)
    for _ in range(int(rng.integers(1, 5))):
        hue = readable(rng, paper)
        x = np.linspace(left, side, 40)
        y = bottom - side * (0.4 + 0.3 * np.cumsum(rng.standard_normal(40)) / 6)
        kind = rng.random()
        if kind < 0.5:
            draw.line(as_points(np.stack([x, y], 1)), fill=hue, width=width * int(rng.integers(1, 3)))
        elif kind < 0.75:
            for a, b in zip(x[::5], y[::5], strict=True):
                draw.rectangle((a, min(b, bottom), a + step / 2, bottom), fill=hue, outline=ink)
        else:
            for a, b in zip(x[::2], y[::2], strict=True):
                draw.ellipse((a - 2 * scale, b - 2 * scale, a + 2 * scale, b + 2 * scale), fill=hue)


def _grid(image: Image.Image, rng: Generator, ink: Colour, width: int, scale: int) -> None:
    """Parallel lines, squared paper, checkerboards and rings: patterns that repeat."""
    draw = ImageDraw.Draw(image)
    pitch = scale * int(rng.integers(2, 20)) if scale == 1 else int(between(rng, 2, 20) * scale)
    kind = rng.integers(4)
    if kind == 3:
        centre = rng.random(2) * image.width
        for radius in range(pitch, 2 * image.width, pitch + width):
            draw.ellipse((*(centre - radius), *(centre + radius)), outline=ink, width=width)
        return
    for i, at in enumerate(range(0, 2 * image.width, pitch)):
        if kind == 2:
            for j in range(i % 2, image.width // pitch + 1, 2):
                draw.rectangle((at, j * pitch, at + pitch - 1, (j + 1) * pitch - 1), fill=ink)
            continue
        slant = 0 if kind == 0 else image.width
        draw.line((at, 0, at - slant, image.width), fill=ink, width=width)
        if kind == 0 and chance(rng, 0.5):
            draw.line((0, at, image.width, at), fill=ink, width=width)


def _pen(image: Image.Image, rng: Generator, ink: Colour, width: int, scale: int) -> None:
    """Contours, strokes of varying width and hatching, as in a drawing by hand."""
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(2, 10))):
        outline = blob(rng, rng.random(2) * image.width, between(rng, 0.05, 0.6) * image.width)
        draw.line([*outline, outline[0]], fill=ink, width=width, joint="curve")
    for _ in range(int(rng.integers(2, 12))):
        line = curve(rng, rng.random(2) * image.width, between(rng, 0.05, 0.7) * image.width, float(rng.uniform(0, 1)))
        shift = rng.standard_normal(2) * 3 * scale
        for i in range(1 if chance(rng, 0.6) else int(rng.integers(3, 16))):
            if chance(rng, 0.5):
                draw.line(as_points(line + i * shift), fill=ink, width=width)
            else:
                draw.polygon(stroke(line + i * shift, 2.5 * width), fill=ink)


def _maze(image: Image.Image, rng: Generator, ink: Colour, width: int, scale: int) -> None:
    """A diagonal or square labyrinth."""
    draw = ImageDraw.Draw(image)
    pitch = scale * int(rng.integers(3, 16))
    diagonal = chance(rng, 0.4)
    for y in range(0, image.width, pitch):
        for x in range(0, image.width, pitch):
            if diagonal:
                ends = (x, y, x + pitch, y + pitch) if chance(rng, 0.5) else (x, y + pitch, x + pitch, y)
            else:
                ends = (x, y, x + pitch, y) if chance(rng, 0.5) else (x, y, x, y + pitch)
            draw.line(ends, fill=ink, width=width)


def _diagram(image: Image.Image, rng: Generator, ink: Colour, width: int, scale: int) -> None:
    """Boxes and ellipses joined by arrows."""
    draw = ImageDraw.Draw(image)
    fills = [shade(readable(rng, (0, 0, 0)), 3) for _ in range(2)]
    places = rng.random((int(rng.integers(3, 8)), 2)) * image.width
    for a, b in pairwise(places):
        end = (b[0], a[1]) if chance(rng, 0.5) else tuple(b)
        draw.line((*a, *end), fill=ink, width=width)
        tip, head = np.array(end), 5 * scale
        draw.polygon(as_points(tip + np.array([[0, 0], [-head, head / 2], [-head, -head / 2]])), fill=ink)
    for place in places:
        half = np.array([between(rng, 10, 40), between(rng, 6, 20)]) * scale
        form = pick(rng, (draw.rectangle, draw.ellipse))
        form((*(place - half), *(place + half)), fill=pick(rng, fills), outline=ink, width=width)
