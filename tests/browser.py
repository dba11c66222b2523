"""Helpers of the tests that drive a browser: what a person does on the page, and sees there."""

import io
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from support import scene

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
expect = playwright.expect
expect.set_options(timeout=60_000)
needs_chromium = pytest.mark.skipif(not CHROMIUM, reason="there is no chromium to drive: install it to run these tests")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@contextmanager
def launched() -> Iterator[Any]:
    """A browser without a window."""
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


def screen(page: Any) -> np.ndarray:
    """What is visible of a page, uint8 (height, width, 3)."""
    return np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))


def made(path: Path, height: int = 240, width: int = 320, seed: int = 0) -> Path:
    options = {"quality": 10} if path.suffix == ".jpg" else {}
    Image.fromarray(scene(height, width, seed)).save(path, **options)
    return path


def choose(page: Any, *paths: Path) -> None:
    page.locator("#files").set_input_files([str(path) for path in paths])


def done(page: Any) -> None:
    """Waits until the restoration that is shown is done, and visible."""
    expect(page.locator("#downloads")).to_be_visible()
    expect(page.locator("#after")).to_have_attribute("data-shown", re.compile("/after$"))  # until then, a preview
    expect(page.locator("#after")).to_be_visible()
    expect(page.locator("#before")).to_have_attribute("data-shown", re.compile("/(before|after)$"))
    end = time.monotonic() + 60
    while not page.evaluate("[...document.images].every(image => image.complete)"):
        assert time.monotonic() < end
        page.wait_for_timeout(50)


def keep(page: Any, name: str) -> None:
    if folder := os.environ.get("DRIFTREC_SCREENSHOTS"):
        page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)


def divided(page: Any, at: int) -> np.ndarray:
    """The picture of 320 × 240 pixels in the view without its edges, with the divider at a percentage."""
    page.locator("#slider").fill(str(at))
    page.evaluate("document.getElementById('line').style.visibility = 'hidden'")
    box = page.evaluate("""() => {
        const view = document.getElementById("view").getBoundingClientRect(), stage = document.getElementById("stage");
        return [view.top + 1 + stage.offsetTop, view.left + 1 + stage.offsetLeft];
    }""")
    top, left = map(round, box)
    return screen(page)[top + 2 : top + 238, left + 2 : left + 318].astype(int)


def choose_options(page: Any, mode: str) -> None:
    page.get_by_role("radio", name=mode).check()
