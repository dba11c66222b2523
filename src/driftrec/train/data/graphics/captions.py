"""Photographs with something drawn over them: memes, subtitles, stickers, arrows, stamps and frames."""

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageFilter

from driftrec.train.data.graphics.common import Scene, between, chance, colour, pick
from driftrec.train.data.graphics.lettering import lettering
from driftrec.train.data.graphics.shapes import as_points, blob, curve
from driftrec.train.data.graphics.words import phrase


def captioned(scene: Scene, rng: Generator) -> Image.Image:
    """A photograph with one to three of these things over it."""
    image = Image.fromarray(scene.photograph())
    for _ in range(int(rng.integers(1, 4))):
        pick(rng, (_meme, _subtitle, _sticker, _marks, _stamp, _border), (4, 3, 3, 2, 1, 1))(image, scene, rng)
    return image


def _meme(image: Image.Image, scene: Scene, rng: Generator) -> None:
    """Large white letters with a black outline."""
    font, script = scene.fonts.draw(rng)
    face = font.at(round(between(rng, 14, 72)))
    width = max(round(face.size * rng.uniform(0.03, 0.12)), 1)
    place = int(rng.integers(-60, scene.side // 3)), int(rng.integers(-10, scene.side))
    text = phrase(rng, script, 4).upper()
    ImageDraw.Draw(image).text(place, text, (255, 255, 255), face, stroke_width=width, stroke_fill=(0, 0, 0))


def _subtitle(image: Image.Image, scene: Scene, rng: Generator) -> None:
    """A line of text in white or yellow: outlined, with a shadow, or on a box."""
    font, script = scene.fonts.draw(rng)
    text = lettering(rng, font, script, int(rng.integers(11, 30)))
    words = phrase(rng, script, 5)
    x, y = int(rng.integers(-60, 20)), int(rng.integers(0, scene.side))
    ink = (255, 255, 255) if chance(rng, 0.7) else (255, 255, 0)
    kind = rng.random()
    if kind < 0.4:
        box = (x - 4, y - 2, x + text.width(words) + 4, y + round(1.3 * text.size))
        veil = Image.new("L", image.size)
        ImageDraw.Draw(veil).rectangle(box, fill=int(rng.integers(120, 256)))
        image.paste((0, 0, 0), mask=veil)
    elif kind < 0.7:
        soft = Image.new("L", image.size)
        ImageDraw.Draw(soft).text((x + 1, y + 1), words, 255, text.face)
        image.paste((0, 0, 0), mask=soft.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.5, 3)))))
    else:
        ImageDraw.Draw(image).text((x, y), words, ink, text.face, stroke_width=1, stroke_fill=(0, 0, 0))
        return
    text.write(image, (x, y), words, ink)


def _sticker(image: Image.Image, scene: Scene, rng: Generator) -> None:
    """A flat drawing with a white rim."""
    scale = 3
    form = blob(rng, rng.random(2) * scale * scene.side, between(rng, 0.08, 0.4) * scale * scene.side)
    mask = Image.new("L", (scale * scene.side, scale * scene.side))
    ImageDraw.Draw(mask).polygon(form, fill=255)
    if chance(rng, 0.6):
        rim = mask.copy()
        ImageDraw.Draw(rim).line([*form, form[0], form[1]], 255, scale * int(rng.integers(2, 8)), "curve")
        image.paste((255, 255, 255), mask=rim.reduce(scale))
    image.paste(colour(rng), mask=mask.reduce(scale))
    inner = [(0.5 * x + 0.5 * form[0][0], 0.5 * y + 0.5 * form[0][1]) for x, y in form]
    eyes = Image.new("L", mask.size)
    ImageDraw.Draw(eyes).polygon(inner, fill=255)
    image.paste(colour(rng), mask=eyes.reduce(scale))


def _marks(image: Image.Image, scene: Scene, rng: Generator) -> None:
    """A circle, an arrow or a scribble in a strong colour."""
    scale = 3
    layer = Image.new("L", (scale * scene.side, scale * scene.side))
    draw = ImageDraw.Draw(layer)
    width = scale * int(rng.integers(2, 7))
    centre, radius = rng.random(2) * layer.width, between(rng, 0.08, 0.4) * layer.width
    kind = rng.random()
    if kind < 0.4:
        draw.ellipse((*(centre - radius), *(centre + radius)), outline=255, width=width)
    else:
        line = curve(rng, centre, 2 * radius, 0.0 if kind < 0.7 else 1.5)
        draw.line(as_points(line), fill=255, width=width, joint="curve")
        if kind < 0.7:
            ahead = (line[-1] - line[-2]) / max(np.hypot(*(line[-1] - line[-2])), 1e-9)
            side = np.array([-ahead[1], ahead[0]])
            tip = line[-1] + 3 * width * ahead
            draw.polygon(as_points(np.array([tip, line[-1] + 2 * width * side, line[-1] - 2 * width * side])), fill=255)
    image.paste(
        pick(rng, ((255, 0, 0), (255, 255, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255))), mask=layer.reduce(scale)
    )


def _stamp(image: Image.Image, scene: Scene, rng: Generator) -> None:
    """Repeated or single translucent words, as agencies put over their pictures."""
    font, script = scene.fonts.draw(rng)
    face = font.at(int(rng.integers(10, 48)))
    layer = Image.new("L", image.size)
    words = phrase(rng, script, 2)
    step = max(int(rng.integers(2, 6)) * int(face.size), 20) if chance(rng, 0.5) else scene.side
    for y in range(int(rng.integers(0, step)), scene.side, step):
        ImageDraw.Draw(layer).text((int(rng.integers(-40, 60)), y), words, int(rng.integers(40, 200)), face)
    layer = layer.rotate(float(pick(rng, (0, 0, 30, 45))), Image.Resampling.BICUBIC)
    image.paste((255, 255, 255) if chance(rng, 0.8) else (0, 0, 0), mask=layer)


def _border(image: Image.Image, scene: Scene, rng: Generator) -> None:
    """A plain frame on one or two sides, with text, as around memes and slides."""
    paper = (255, 255, 255) if chance(rng, 0.6) else (0, 0, 0)
    edge = int(rng.integers(scene.side // 6, scene.side // 2))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, scene.side, edge) if chance(rng, 0.7) else (0, 0, edge, scene.side), fill=paper)
    font, script = scene.fonts.draw(rng)
    text = lettering(rng, font, script, int(rng.integers(12, 32)))
    ink = (0, 0, 0) if paper[0] else (255, 255, 255)
    for y in range(4, edge - text.size, round(1.3 * text.size)):
        text.write(image, (int(rng.integers(-20, 10)), y), phrase(rng, script, 4), ink)
