"""The comparison under a divider, in a real browser: what is visible where, after wheel, touch, mouse and keys.

The pixels of both pictures hold their own place: red is the column and green the row.  Blue is 0 in the left picture
and 255 in the right one.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from browser import launched, needs_chromium, screen
from driftrec.picture import Picture
from driftrec.web.compare import write_comparison

pytestmark = needs_chromium
WIDTH, HEIGHT = 256, 192


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with launched() as browser:
        yield browser


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("pages") / "compared.html"
    row, column = np.mgrid[:HEIGHT, :WIDTH].astype(np.uint8)
    before, after = (Picture(np.dstack([column, row, np.full_like(row, blue)])) for blue in (0, 255))
    write_comparison(before, after, path, "a title", "a caption")
    return path.as_uri()


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 600, "height": 480}, has_touch=True)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(address)
    yield page
    context.close()
    assert errors == []


def middle(page: Any) -> tuple[float, float]:
    box = page.locator("#view").bounding_box()
    return round(box["x"] + box["width"] / 2), round(box["y"] + box["height"] / 2)


def pixel(page: Any, x: float, y: float) -> tuple[int, int]:
    """(column, row) of the picture's pixel that is visible at a point of the page."""
    red, green, _ = screen(page)[int(y), int(x)]
    return int(red), int(green)


def divider(page: Any) -> float:
    """Where in the visible picture the right one begins, from 0 to 1, read from the screen above the grip."""
    box = page.locator("#view").bounding_box()
    row = screen(page)[int(box["y"] + box["height"] / 4)]
    blue = row[int(box["x"]) + 1 : int(box["x"] + box["width"]) - 1, 2].astype(int)
    at = page.evaluate("""() => {
        const view = document.getElementById("view"), stage = document.getElementById("stage");
        const left = Math.max(stage.offsetLeft, 0);
        const right = Math.min(stage.offsetLeft + stage.offsetWidth, view.clientWidth);
        return [left, right];
    }""")
    inside = blue[int(at[0]) : int(at[1])]
    assert inside[:3].max() < 60, "the left picture is not visible"
    assert inside[-3:].min() > 200, "the right picture is not visible"
    return float(np.flatnonzero(inside > 200)[0]) / len(inside)


def enlarge(page: Any, zoom: str) -> None:
    page.get_by_role("button", name=zoom, exact=True).click()


def set_slider(page: Any, value: int) -> None:
    page.locator("#slider").fill(str(value))


def test_at_first_the_whole_picture_is_visible_with_the_divider_in_the_middle(page) -> None:
    assert page.locator("#shown").inner_text() == "100 %"
    x, y = middle(page)
    assert np.abs(np.subtract(pixel(page, x + 30, y), (WIDTH / 2 + 30, HEIGHT / 2))).max() <= 1
    assert divider(page) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize(("zoom", "value"), [("1×", 20), ("2×", 80), ("4×", 20), ("4×", 40)])
def test_buttons_keep_the_middle_and_the_divider_in_view(page, zoom: str, value: int) -> None:
    set_slider(page, value)
    before = pixel(page, *middle(page))
    enlarge(page, zoom)
    assert divider(page) == pytest.approx(value / 100, abs=0.02)
    assert np.abs(np.subtract(pixel(page, *middle(page)), before)).max() <= 1
    assert page.locator("#shown").inner_text() == f"{zoom[0]}00 %"


def test_the_wheel_zooms_to_the_pointer_and_back(page) -> None:
    x, y = middle(page)
    x, y = x + 70, y - 50
    before = pixel(page, x, y)
    page.mouse.move(x, y)
    for _ in range(6):
        page.mouse.wheel(0, -120)
    page.wait_for_function("parseInt(document.getElementById('shown').value) > 300")
    assert np.abs(np.subtract(pixel(page, x, y), before)).max() <= 1
    assert divider(page) == pytest.approx(0.5, abs=0.02)
    for _ in range(8):
        page.mouse.wheel(0, 120)
    page.wait_for_function("document.getElementById('shown').value === '100 %'")


def test_the_wheel_scrolls_the_page_where_there_is_nothing_to_zoom(page) -> None:
    page.set_viewport_size({"width": 600, "height": 300})
    page.mouse.move(*middle(page))
    page.mouse.wheel(0, 120)
    page.wait_for_function("scrollY > 0")
    assert page.locator("#shown").inner_text() == "100 %"


def test_dragging_moves_the_enlarged_picture_and_not_the_divider(page) -> None:
    set_slider(page, 40)
    enlarge(page, "4×")
    x, y = middle(page)
    before = pixel(page, x + 40, y)
    page.mouse.move(x + 40, y)
    page.mouse.down()
    page.mouse.move(x - 80, y + 60, steps=5)
    page.mouse.up()
    assert np.abs(np.subtract(pixel(page, x - 80, y + 60), before)).max() <= 1
    assert page.locator("#slider").input_value() == "40"
    assert divider(page) == pytest.approx(0.4, abs=0.02)


def test_the_picture_cannot_be_dragged_out_of_view(page) -> None:
    enlarge(page, "4×")
    x, y = middle(page)
    for _ in range(3):
        page.mouse.move(x - 100, y)
        page.mouse.down()
        page.mouse.move(x + 190, y + 150, steps=4)
        page.mouse.up()
    x, y = x - WIDTH / 2 + 2, y - HEIGHT / 2 + 2  # where the corner is at first
    assert max(pixel(page, x, y)) <= 1
    assert divider(page) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("zoom", ["Fit", "4×"])
def test_the_divider_is_dragged_by_its_grip(page, zoom: str) -> None:
    enlarge(page, zoom)
    x, y = middle(page)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 60, y + 10, steps=4)
    page.mouse.up()
    width = WIDTH if zoom == "Fit" else page.locator("#view").bounding_box()["width"]
    assert divider(page) == pytest.approx(0.5 + 60 / width, abs=0.02)


@pytest.mark.parametrize("along", [(1, 0), (0, 1)])
def test_two_fingers_zoom_to_the_point_between_them(page, along: tuple[int, int]) -> None:
    touch = page.context.new_cdp_session(page)

    def fingers(kind: str, *points: tuple[float, float]) -> None:
        listed = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(points)]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": listed})

    x, y = middle(page)
    x, y = x - 60, y + 40
    before = pixel(page, x, y)

    def pair(spread: int) -> list[tuple[float, float]]:
        return [(x + sign * spread * along[0], y + sign * spread * along[1]) for sign in (-1, 1)]

    fingers("touchStart", pair(20)[0])
    fingers("touchStart", *pair(20))
    for spread in range(20, 81, 10):
        fingers("touchMove", *pair(spread))
    fingers("touchEnd")
    assert page.locator("#shown").inner_text() == "400 %"
    assert np.abs(np.subtract(pixel(page, x, y), before)).max() <= 1
    assert divider(page) == pytest.approx(0.5, abs=0.02)
    assert page.evaluate("visualViewport.scale") == 1  # the page itself is not enlarged
    fingers("touchStart", (x, y))
    fingers("touchMove", (x + 50, y - 30))
    fingers("touchEnd")
    assert np.abs(np.subtract(pixel(page, x + 50, y - 30), before)).max() <= 1


def test_keys_zoom_and_move(page) -> None:
    x, y = middle(page)
    page.locator("#view").focus()
    page.keyboard.press("4")
    assert page.locator("#shown").inner_text() == "400 %"
    before = pixel(page, x + 60, y)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowUp")
    assert np.abs(np.subtract(pixel(page, x + 20, y + 40), before)).max() <= 1
    page.keyboard.press("-")
    assert page.locator("#shown").inner_text() == "320 %"
    page.keyboard.press("0")
    assert page.locator("#shown").inner_text() == "100 %"
    page.locator("#slider").focus()
    page.keyboard.press("End")
    assert page.locator("#slider").input_value() == "100"


def test_a_narrower_window_keeps_what_is_in_view(page) -> None:
    enlarge(page, "4×")
    page.set_viewport_size({"width": 360, "height": 480})
    page.wait_for_function("document.getElementById('view').clientWidth < 400")
    assert divider(page) == pytest.approx(0.5, abs=0.02)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
