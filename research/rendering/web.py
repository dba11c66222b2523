"""Web pages in random styles, drawn by headless Chromium with the fonts of a folder."""

import html
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.random import Generator
from PIL import Image
from playwright.sync_api import sync_playwright

from driftrec.train.data.graphics.common import Colour, between, chance, colour, luminance, pick, shade, theme
from driftrec.train.data.graphics.fonts import Fonts
from driftrec.train.data.graphics.shapes import blob
from driftrec.train.data.graphics.words import Script, phrase
from rendering.sheet import SIDE, Make, Sheet

FONTCONFIG = """<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><include ignore_missing="yes">/etc/fonts/fonts.conf</include><dir>{folder}</dir><cachedir>{cache}</cachedir>
<match target="pattern"><edit name="antialias" mode="assign"><bool>{smooth}</bool></edit>
<edit name="rgba" mode="assign"><const>{order}</const></edit>
<edit name="hinting" mode="assign"><bool>{hinted}</bool></edit>
<edit name="hintstyle" mode="assign"><const>{style}</const></edit></match></fontconfig>
"""
SCREENS = (  # antialiasing, order of subpixels, hinting
    ("true", "none", "false", "hintnone"),
    ("true", "none", "true", "hintslight"),
    ("true", "rgb", "true", "hintslight"),
    ("true", "rgb", "true", "hintfull"),
    ("false", "none", "true", "hintfull"),
)


@contextmanager
def maker(fonts: Fonts, folder: Path) -> Iterator[Make]:
    """Pages in fonts of a folder.  Raises SystemExit if there is no Chromium."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not program:
        raise SystemExit("chromium is not installed: apt-get install chromium")
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as driver:
        browsers = []
        for number, (smooth, order, hinted, style) in enumerate(SCREENS):
            config = Path(scratch) / f"fonts{number}.conf"
            values = {"smooth": smooth, "order": order, "hinted": hinted, "style": style}
            config.write_text(FONTCONFIG.format(folder=folder.resolve(), cache=f"{scratch}/cache", **values))
            arguments = ["--no-sandbox", "--enable-lcd-text" if order == "rgb" else "--disable-lcd-text"]
            environment = os.environ | {"FONTCONFIG_FILE": str(config)}
            browsers.append(driver.chromium.launch(executable_path=program, args=arguments, env=environment))

        def make(rng: Generator) -> Sheet:
            browser = pick(rng, browsers)
            scale = pick(rng, (1, 1, 1, 1.25, 1.5, 2))
            size = round(SIDE / scale)
            page = browser.new_page(viewport={"width": size, "height": size}, device_scale_factor=scale)
            page.set_content(document(rng, fonts))
            page.screenshot(path=f"{scratch}/page.png")
            page.close()
            with Image.open(f"{scratch}/page.png") as image:
                return Sheet(image.convert("RGB").crop((0, 0, SIDE, SIDE)), "pages set in free fonts", "CC0")

        yield make
        for browser in browsers:
            browser.close()


def document(rng: Generator, fonts: Fonts) -> str:
    """A page of HTML with a few parts in one style."""
    paper, ink = theme(rng)
    font, script = fonts.draw(rng)
    other, second = fonts.draw(rng)
    accent = colour(rng)
    on_accent = "#000" if luminance(accent) > 140 else "#fff"
    style = f"""
    body {{ margin: 0; padding: {rng.integers(0, 30)}px; background: {css(paper)}; color: {css(ink)};
      font: {rng.integers(10, 20)}px/{rng.uniform(1.1, 1.8):.2f} "{_name(font)}", sans-serif; }}
    h1, h2 {{ font-family: "{_name(other)}", serif; margin: .4em 0; }}
    .box {{ background: {css(shade(paper, 0.93))}; border: {rng.integers(0, 3)}px solid {css(shade(accent, 0.8))};
      border-radius: {rng.integers(0, 14)}px; padding: 8px; margin: 6px;
      box-shadow: 0 {rng.integers(0, 5)}px {rng.integers(0, 14)}px rgba(0,0,0,.3); }}
    .button {{ display: inline-block; background: {_fill(rng, accent)}; color: {on_accent};
      border-radius: {rng.integers(0, 20)}px; padding: .3em 1em; margin: 3px; }}
    a {{ color: {css(accent)}; }} .row {{ display: flex; gap: 6px; }} .row > * {{ flex: 1; min-width: 0; }}
    table {{ border-collapse: collapse; }} td {{ border: 1px solid {css(shade(ink, 2))}; padding: 2px 6px; }}
    pre {{ background: {css(shade(paper, 0.9))}; padding: 6px; }}
    hr {{ border: 0; border-top: 1px solid {css(accent)}; }}
    nav {{ background: {_fill(rng, accent)}; color: {on_accent}; padding: 6px; display: flex; gap: 14px; }}
    """
    parts = [_part(rng, script if chance(rng, 0.8) else second, accent) for _ in range(int(rng.integers(10, 24)))]
    head = f"<!DOCTYPE html><meta charset=utf-8><style>{style}</style>"
    direction = ' dir="rtl"' if any("\u0590" < c < "\u0780" for c in script.words[0]) else ""
    return f"{head}<body{direction}>{''.join(parts)}"


def _part(rng: Generator, script: Script, accent: Colour) -> str:
    def words(low: int, high: int) -> str:
        return html.escape(phrase(rng, script, int(rng.integers(low, high))))

    def many(what: str, low: int, high: int) -> str:
        return "".join(what.format(words(1, 4)) for _ in range(int(rng.integers(low, high))))

    kind = rng.integers(11)
    if kind == 0:
        return f"<nav>{many('<span>{}</span>', 3, 7)}</nav>"
    if kind == 1:
        return f"<h{1 + kind % 2}>{words(2, 6)}</h1>"
    if kind in (2, 3):
        return f"<p>{words(15, 60)} <a href=#>{words(1, 4)}</a> {words(3, 20)}</p>"
    if kind == 4:
        card = "<div class=box>{}<b>{}</b><br>{}</div>"
        cards = (card.format(drawing(rng, 60), words(1, 3), words(4, 16)) for _ in range(3))
        return f"<div class=row>{''.join(cards)}</div>"
    if kind == 5:
        rows = "".join(f"<tr>{many('<td>{}</td>', 3, 6)}</tr>" for _ in range(int(rng.integers(2, 8))))
        return f"<table>{rows}</table>"
    if kind == 6:
        return f"<p>{many('<span class=button>{}</span>', 1, 6)}</p><hr>"
    if kind == 7:
        return (
            f"<p><input value='{words(1, 4)}'> <select><option>{words(1, 3)}</select> <button>{words(1, 3)}</button>"
            f"<label><input type=checkbox checked>{words(1, 3)}</label><label><input type=radio>{words(1, 3)}</label>"
            f"<input type=range> <progress value=.{rng.integers(1, 9)}></progress></p>"
        )
    if kind == 8:
        lines = "\n".join("  " * int(rng.integers(0, 4)) + words(2, 7) for _ in range(int(rng.integers(3, 9))))
        return f"<pre>{lines}</pre>"
    if kind == 9:
        return f"<ul>{many('<li>{}</li>', 2, 7)}</ul>"
    return f"<p style='font-size:{between(rng, 9, 60):.0f}px;color:{css(accent)}'>{words(2, 6)}</p>{drawing(rng, 140)}"


def drawing(rng: Generator, side: int) -> str:
    """A small picture in SVG."""
    shapes = []
    for _ in range(int(rng.integers(1, 7))):
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in blob(rng, rng.random(2) * side, between(rng, 0.1, 0.6) * side))
        line = css(colour(rng)) if chance(rng, 0.5) else "none"
        stroke = f"stroke='{line}' stroke-width='{rng.integers(1, 4)}'"
        shapes.append(f"<polygon points='{points}' fill='{css(colour(rng))}' {stroke}/>")
    return f"<svg width={side} height={side}>{''.join(shapes)}</svg>"


def _fill(rng: Generator, base: Colour) -> str:
    if chance(rng, 0.6):
        return css(base)
    other = shade(base, float(np.exp(rng.normal(0, 0.5))))
    return f"linear-gradient({rng.integers(0, 360)}deg, {css(base)}, {css(other)})"


def css(of: Colour) -> str:
    return "rgb({},{},{})".format(*of)


def _name(font) -> str:  # noqa: ANN001 (driftrec.train.data.graphics.fonts.Font)
    return font.at(20).getname()[0]
