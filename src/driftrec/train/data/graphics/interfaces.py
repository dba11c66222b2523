"""Parts of interfaces: windows, bars, buttons, fields, lists and small icons."""

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw

from driftrec.train.data.graphics.common import Colour, Scene, blend, chance, colour, gradient, luminance, pick, shade
from driftrec.train.data.graphics.lettering import Lettering, lettering
from driftrec.train.data.graphics.shapes import blob
from driftrec.train.data.graphics.words import phrase

Box = tuple[int, int, int, int]


def interface(scene: Scene, rng: Generator) -> Image.Image:
    """Controls of one style beside and above each other."""
    style = _Style(scene, rng)
    image = Image.new("RGB", (scene.side, scene.side), style.ground)
    if chance(rng, 0.1):
        image = Image.fromarray(blend(gradient(rng, scene.side), (style.ground, shade(style.ground, 0.9))))
    y = int(rng.integers(-20, 8))
    while y < scene.side:
        height = round(style.text.size * rng.uniform(1.5, 2.6))
        x = int(rng.integers(-60, 12))
        while x < scene.side:
            width = int(rng.integers(2, 12)) * style.text.size
            control = pick(rng, (button, field, label, icon, bar, switch), (3, 2, 4, 2, 1, 1.5))
            control(image, rng, style, (x, y, x + width, y + height))
            x += width + int(rng.integers(2, 16))
        y += height + int(rng.integers(2, 12))
        if chance(rng, 0.2):
            ImageDraw.Draw(image).line((0, y - 2, scene.side, y - 2), fill=style.edge)
    if chance(rng, 0.3):
        window(image, rng, style)
    return image


class _Style:
    """Colours, corners and text that the controls of one interface share."""

    def __init__(self, scene: Scene, rng: Generator) -> None:
        dark = chance(rng, 0.35)
        level = int(rng.integers(18, 70) if dark else rng.integers(225, 256))
        self.ground: Colour = (level, level, min(level + int(rng.integers(0, 12)), 255))
        black = int(rng.integers(0, 60))
        self.ink: Colour = shade((255, 255, 255), float(rng.uniform(0.8, 1))) if dark else (black, black, black)
        self.face: Colour = shade(self.ground, 1.25 if dark else float(rng.uniform(0.88, 1)))
        self.edge: Colour = shade(self.ground, 1.6 if dark else float(rng.uniform(0.6, 0.9)))
        self.accent = colour(rng)
        self.radius = int(rng.integers(0, 9))
        self.raised = chance(rng, 0.3)
        font, script = scene.fonts.draw(rng)
        self.text: Lettering = lettering(rng, font, script, int(rng.integers(10, 18)))

    def on(self, fill: Colour) -> Colour:
        """The colour of text on a fill."""
        return self.ink if fill != self.accent else (255, 255, 255) if luminance(fill) < 140 else (0, 0, 0)


def _frame(image: Image.Image, style: _Style, box: Box, fill: Colour) -> None:
    """A rounded rectangle with an antialiased edge, or a raised one as in older interfaces."""
    if style.raised:
        draw = ImageDraw.Draw(image)
        draw.rectangle(box, fill=fill)
        left, top, right, bottom = box
        draw.line((left, bottom, left, top, right, top), fill=shade(fill, 3))
        draw.line((left, bottom, right, bottom, right, top), fill=shade(fill, 0.55))
        return
    width, height = box[2] - box[0] + 1, box[3] - box[1] + 1
    if style.radius == 0:
        ImageDraw.Draw(image).rectangle(box, fill=fill, outline=style.edge)
        return
    scale = 4
    size = (scale * width, scale * height)
    inner = Image.new("RGB", size, style.edge)
    corners = scale * style.radius
    ImageDraw.Draw(inner).rounded_rectangle(
        (scale, scale, size[0] - scale - 1, size[1] - scale - 1), max(corners - scale, 0), fill=fill
    )
    mask = Image.new("L", size)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, size[0] - 1, size[1] - 1), corners, fill=255)
    image.paste(inner.reduce(scale), box[:2], mask.reduce(scale))


def button(image: Image.Image, rng: Generator, style: _Style, box: Box) -> None:
    fill = style.accent if chance(rng, 0.25) else style.face
    _frame(image, style, box, fill)
    _caption(image, rng, style, box, style.on(fill))


def field(image: Image.Image, rng: Generator, style: _Style, box: Box) -> None:
    _frame(image, style, box, (255, 255, 255) if luminance(style.ground) > 128 else shade(style.ground, 0.7))
    if chance(rng, 0.7):
        _caption(image, rng, style, box, style.ink)


def label(image: Image.Image, rng: Generator, style: _Style, box: Box) -> None:
    _caption(image, rng, style, box, style.accent if chance(rng, 0.1) else style.ink)


def _caption(image: Image.Image, rng: Generator, style: _Style, box: Box, ink: Colour) -> None:
    text = phrase(rng, style.text.script, 3)
    room = box[2] - box[0] - 8
    while text and style.text.width(text) > room:
        text = text[: -max(len(text) // 4, 1)]
    style.text.write(image, (box[0] + 5, (box[1] + box[3] - round(1.2 * style.text.size)) // 2), text, ink)


def icon(image: Image.Image, rng: Generator, style: _Style, box: Box) -> None:
    """A small coloured drawing, as in tool bars."""
    side = min(box[3] - box[1], box[2] - box[0], 32)
    scale = 4
    big = Image.new("RGBA", (scale * side, scale * side))
    draw = ImageDraw.Draw(big)
    for _ in range(int(rng.integers(1, 4))):
        centre, radius = rng.uniform(0.3, 0.7, 2) * scale * side, rng.uniform(0.15, 0.5) * scale * side
        outline = style.ink if chance(rng, 0.5) else None
        draw.polygon(blob(rng, centre, radius), fill=(*colour(rng), 255), outline=outline, width=scale)
    small = big.reduce(scale)
    image.paste(small, box[:2], small)


def bar(image: Image.Image, rng: Generator, style: _Style, box: Box) -> None:
    """A slider, progress bar or scroll bar."""
    middle = (box[1] + box[3]) // 2
    thick = int(rng.integers(1, 5))
    draw = ImageDraw.Draw(image)
    draw.rectangle((box[0], middle - thick, box[2], middle + thick), fill=style.edge)
    end = box[0] + round((box[2] - box[0]) * rng.random())
    draw.rectangle((box[0], middle - thick, end, middle + thick), fill=style.accent)
    if chance(rng, 0.5):
        draw.ellipse((end - 2 * thick, middle - 2 * thick, end + 2 * thick, middle + 2 * thick), fill=style.face)


def switch(image: Image.Image, rng: Generator, style: _Style, box: Box) -> None:
    """A check box or radio button with its label."""
    side = round(style.text.size)
    top = (box[1] + box[3] - side) // 2
    place = (box[0], top, box[0] + side, top + side)
    draw = ImageDraw.Draw(image)
    marked = chance(rng, 0.5)
    if chance(rng, 0.5):
        draw.ellipse(place, fill=style.face, outline=style.ink)
        if marked:
            draw.ellipse((place[0] + 3, place[1] + 3, place[2] - 3, place[3] - 3), fill=style.ink)
    else:
        draw.rectangle(place, fill=style.accent if marked else style.face, outline=style.edge)
        if marked:
            points = [(place[0] + 2, top + side // 2), (place[0] + side // 2, top + side - 3), (place[2] - 2, top + 2)]
            draw.line(points, fill=style.on(style.accent), width=2)
    _caption(image, rng, style, (box[0] + side + 2, box[1], box[2] + 60, box[3]), style.ink)


def window(image: Image.Image, rng: Generator, style: _Style) -> None:
    """A window or menu over the rest, with a title bar, a shadow and lines of text."""
    side = image.width
    left, top = (int(v) for v in rng.integers(-side // 3, 2 * side // 3, 2))
    box = (left, top, left + int(rng.integers(side // 3, side)), top + int(rng.integers(side // 3, side)))
    if chance(rng, 0.6):
        depth = int(rng.integers(2, 12))
        pixels = np.asarray(image).copy()
        for i in range(depth):
            rows = slice(max(box[1] + i, 0), max(box[3] + depth - i, 0))
            columns = slice(max(box[0] + i, 0), max(box[2] + depth - i, 0))
            pixels[rows, columns] = (pixels[rows, columns] * (1 - 0.4 / depth)).astype(np.uint8)
        image.paste(Image.fromarray(pixels))
    _frame(image, style, box, style.face)
    leading = round(style.text.size * rng.uniform(1.3, 2))
    title = style.accent if chance(rng, 0.5) else shade(style.face, 0.85)
    ImageDraw.Draw(image).rectangle((box[0] + 1, box[1] + 1, box[2] - 1, box[1] + leading), fill=title)
    _caption(image, rng, style, (box[0], box[1], box[2], box[1] + leading), style.on(title))
    for y in range(box[1] + leading + 2, box[3] - leading, leading):
        if chance(rng, 0.85):
            _caption(image, rng, style, (box[0] + 4, y, box[2], y + leading), style.ink)
