"""The page in a real browser: upload, progress, slider, zoom, downloads, errors, cancel, two people, a phone.

Screenshots are kept in $DRIFTREC_SCREENSHOTS, if it is set, to be looked at.
"""

import io
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

from support import scene

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="there is no chromium to drive: install it to run these tests")
expect = playwright.expect
expect.set_options(timeout=60_000)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of its own, started as a person starts it."""
    call = [sys.executable, "-m", "driftrec", "serve", "--port", "0", "--no-browser", "--max-megapixels", "1"]
    with subprocess.Popen(call, stdout=subprocess.PIPE, text=True, cwd=tmp_path_factory.mktemp("server")) as server:
        assert server.stdout is not None
        yield server.stdout.readline().split()[3]
        server.terminate()


@pytest.fixture(scope="module")
def browser() -> Iterator["playwright.Browser"]:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: "playwright.Browser", address: str) -> Iterator["playwright.Page"]:
    """The page, watched: no request may leave this machine, no script may fail."""
    context = browser.new_context(viewport={"width": 1100, "height": 800})
    page = context.new_page()
    strangers, errors = [], []
    page.on("request", lambda r: None if urlsplit(r.url).hostname in ("127.0.0.1", None) else strangers.append(r.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto(address)
    yield page
    context.close()
    assert strangers == []
    assert errors == []


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    Image.fromarray(scene(240, 320)).save(tmp_path / "photo.jpg", quality=10)
    return tmp_path / "photo.jpg"


def choose(page: "playwright.Page", *paths: Path) -> None:
    page.locator("#files").set_input_files([str(path) for path in paths])


def done(page: "playwright.Page") -> None:
    expect(page.locator("#downloads")).to_be_visible()
    expect(page.locator("#after")).to_have_attribute("src", lambda_suffix("/after"))
    end = time.monotonic() + 60
    while not page.evaluate("[...document.images].every(image => image.complete)"):
        assert time.monotonic() < end
        page.wait_for_timeout(50)


def lambda_suffix(ending: str):
    import re

    return re.compile(re.escape(ending) + "$")


def keep(page: "playwright.Page", name: str) -> None:
    if folder := os.environ.get("DRIFTREC_SCREENSHOTS"):
        page.screenshot(path=str(Path(folder) / f"{name}.png"))


def test_a_picture_is_restored_step_by_step_and_can_be_downloaded(page, tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    Image.fromarray(scene(800, 1000)).save(photo, quality=10)  # large enough to be seen at work
    choose(page, photo)
    expect(page.locator("#status")).to_contain_text("Estimate")
    expect(page.locator("#slider")).to_be_enabled()
    done(page)
    expect(page.locator("#status")).to_contain_text("natural, 2 evaluations")
    keep(page, "done")
    with page.expect_download() as download:
        page.get_by_role("link", name="WebP").click()
    assert download.value.suggested_filename == "photo-restored.webp"
    download.value.save_as(tmp_path / "out.webp")
    with Image.open(tmp_path / "out.webp") as image:
        assert image.size == (1000, 800)


def test_the_slider_shows_before_and_after_pixel_by_pixel(page, photo: Path) -> None:
    choose(page, photo)
    done(page)
    expect(page.locator("#before")).to_have_attribute("src", re.compile("/before$"))
    page.get_by_role("button", name="1×", exact=True).click()

    def shown(value: str) -> np.ndarray:
        page.locator("#slider").evaluate(
            "(slider, value) => { slider.value = value; slider.dispatchEvent(new Event('input')); }", value
        )
        page.evaluate("document.getElementById('line').style.visibility = 'hidden'")
        seen = np.asarray(Image.open(io.BytesIO(page.locator("#stage").screenshot())).convert("RGB"))
        return seen[:240, :320].astype(int)  # boxes may end between two pixels

    before = np.asarray(Image.open(photo)).astype(int)
    assert np.abs(shown("100") - before).max() <= 1
    after, half = shown("0"), shown("50")
    assert np.abs(after - before).mean() > 1
    np.testing.assert_array_equal(half[:, :155], before[:, :155])
    np.testing.assert_array_equal(half[:, 165:], after[:, 165:])


def test_the_keyboard_is_enough(page, photo: Path) -> None:
    choose(page, photo)
    done(page)
    page.locator("#slider").focus()
    page.keyboard.press("Home")
    assert page.locator("#stage").evaluate("s => s.style.getPropertyValue('--at')") == "0%"
    page.keyboard.press("Tab")
    page.get_by_role("radio", name="Faithful").focus()
    page.keyboard.press("Space")
    page.get_by_role("button", name="Restore again").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_contain_text("faithful, 1 evaluation")


def test_samples_show_where_the_model_guesses(page, photo: Path) -> None:
    page.get_by_text("More").click()
    page.get_by_label("Samples to average").fill("2")
    page.get_by_label("Steps").fill("2")
    choose(page, photo)
    done(page)
    page.get_by_label("show uncertainty").check()
    expect(page.locator("#deviation")).to_be_visible()
    keep(page, "guess")


def test_what_the_file_says_is_shown(page, photo: Path) -> None:
    choose(page, photo)
    page.get_by_text("About the file").click()
    expect(page.locator("#facts")).to_contain_text("quality 10, 4:2:0")
    done(page)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("diary.jpg", b"Dear diary", "is not a picture: give a JPEG"),
        ("empty.jpg", b"", "the request is empty"),
        ("large.png", None, "has 1.44 megapixels, more than 1"),
    ],
)
def test_bad_files_end_in_one_sentence(
    browser, address: str, tmp_path: Path, name: str, content: bytes | None, sentence: str
) -> None:
    page = browser.new_page()
    page.goto(address)
    if content is None:
        Image.new("RGB", (1200, 1200)).save(tmp_path / name)
    else:
        (tmp_path / name).write_bytes(content)
    choose(page, tmp_path / name)
    expect(page.get_by_role("alert")).to_contain_text(sentence)
    keep(page, f"error-{name}")
    page.close()


def test_work_can_be_cancelled_and_started_again(page, tmp_path: Path) -> None:
    Image.fromarray(scene(900, 1000)).save(tmp_path / "large.jpg", quality=10)
    page.get_by_text("More").click()
    page.get_by_label("Steps").fill("40")
    choose(page, tmp_path / "large.jpg")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#status")).to_have_text("Cancelled")
    page.get_by_label("Steps").fill("1")
    page.get_by_role("button", name="Restore again").click()
    done(page)


def test_several_pictures_and_two_people(page, browser, address: str, photo: Path, tmp_path: Path) -> None:
    second = tmp_path / "second.jpg"
    Image.fromarray(scene(160, 160, 5)).save(second, quality=20)
    other_page = browser.new_context().new_page()
    other_page.goto(address)
    choose(page, photo, second)
    choose(other_page, second)
    done(other_page)
    expect(other_page.locator("#list")).to_be_hidden()
    expect(page.locator("#list")).to_contain_text("✓ second.jpg")
    expect(page.locator("#list")).to_contain_text("✓ photo.jpg")
    page.get_by_role("button", name="✓ second.jpg").click()
    expect(page.locator("h2")).to_have_text("second.jpg")
    other_page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_needs_no_scrolling_sideways(browser, address: str, photo: Path, scheme: str) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 740}, color_scheme=scheme, device_scale_factor=2)
    page = context.new_page()
    page.goto(address)
    choose(page, photo)
    done(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    keep(page, f"phone-{scheme}")
    context.close()
