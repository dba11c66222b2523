"""The page in a real browser: upload, progress, comparison, downloads, errors, many pictures, two people, a phone.

Screenshots are kept in $DRIFTREC_SCREENSHOTS, if it is set, to be looked at.
"""

import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

from browser import choose, choose_options, divided, done, expect, keep, launched, made, needs_chromium

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of its own, started as a person starts it."""
    call = [sys.executable, "-m", "driftrec", "serve", "--port", "0", "--no-browser", "--max-megapixels", "1"]
    with subprocess.Popen(call, stdout=subprocess.PIPE, text=True, cwd=tmp_path_factory.mktemp("server")) as server:
        assert server.stdout is not None
        yield server.stdout.readline().split()[3]
        server.terminate()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with launched() as browser:
        yield browser


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
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
    assert [error for error in errors if "status of 40" not in error] == []  # what the server refuses or no longer has


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return made(tmp_path / "photo.jpg")


RECORD = """ids => {
    window.shown = Object.fromEntries(ids.map(id => [id, []]));
    for (const id of ids) {
        const element = document.getElementById(id);
        new MutationObserver(() => shown[id].push(element.textContent)).observe(element, {childList: true});
    }
}"""
"""Records all texts of elements in the variable `shown`."""


def test_a_picture_is_restored_step_by_step_and_can_be_downloaded(page, tmp_path: Path) -> None:
    page.evaluate(RECORD, ["status", "time"])  # they change too quickly to be asked for
    choose(page, made(tmp_path / "photo.jpg", 480, 640))
    expect(page.locator("#cost")).to_contain_text(re.compile(r"^About \d+ (s|min) for this picture"))
    expect(page.locator("#slider")).to_be_enabled()  # with the first estimate
    done(page)
    shown = page.evaluate("shown")
    assert "Restoring …" in shown["status"]
    assert any(re.search(r"about \d+ (s|min) left", text) for text in shown["time"])
    expect(page.locator("#status")).to_contain_text("natural, 2 evaluations")
    expect(page.locator("#time")).to_have_text("")
    expect(page.locator("#expiry")).to_contain_text(re.compile(r"deletes its copies .* at \d+:\d\d"))
    keep(page, "done")
    with page.expect_download() as download:
        page.locator("#downloads").get_by_role("button", name="WebP").click()
    assert download.value.suggested_filename == "photo-restored.webp"
    download.value.save_as(tmp_path / "out.webp")
    with Image.open(tmp_path / "out.webp") as image:
        assert image.size == (640, 480)


def test_the_slider_shows_before_and_after_pixel_by_pixel(page, photo: Path) -> None:
    choose(page, photo)
    done(page)
    page.get_by_role("button", name="1×", exact=True).click()
    before = np.asarray(Image.open(photo)).astype(int)[2:238, 2:318]
    assert np.abs(divided(page, 100) - before).max() <= 1
    after, half = divided(page, 0), divided(page, 50)
    assert np.abs(after - before).mean() > 1
    np.testing.assert_array_equal(half[:, :153], before[:, :153])
    np.testing.assert_array_equal(half[:, 163:], after[:, 163:])


def test_two_restorations_of_one_picture_are_compared_with_each_other(page, photo: Path) -> None:
    choose(page, photo)
    done(page)
    natural = divided(page, 0)
    choose_options(page, "Faithful")
    page.get_by_role("button", name="Restore with these options").click()
    expect(page.locator("#status")).to_contain_text("faithful, 1 evaluation")
    done(page)
    assert page.get_by_label("Picture right of the divider").locator("option").all_inner_texts() == [
        "Natural",
        "Faithful",
    ]
    expect(page.get_by_role("button", name="Restored with these options")).to_be_visible()
    faithful = divided(page, 0)
    page.get_by_label("Picture left of the divider").select_option("Natural")
    expect(page.locator("#before")).to_have_attribute("data-shown", re.compile("/after$"))
    page.wait_for_timeout(300)
    keep(page, "compared")
    np.testing.assert_array_equal(divided(page, 100), natural)
    np.testing.assert_array_equal(divided(page, 0), faithful)
    assert np.abs(natural - faithful).mean() > 0.5
    choose_options(page, "Natural")  # is there already, and is not computed again
    page.get_by_role("button", name="Show this restoration").click()
    expect(page.locator("#status")).to_contain_text("natural, 2 evaluations")
    assert page.get_by_label("Picture right of the divider").locator("option").count() == 2


def test_the_keyboard_is_enough(page, photo: Path) -> None:
    choose(page, photo)
    done(page)
    page.locator("#slider").focus()
    page.keyboard.press("Home")
    assert page.locator("#slider").input_value() == "0"
    page.locator("#view").focus()
    page.keyboard.press("4")
    expect(page.locator("#shown")).to_have_text("400 %")
    page.get_by_role("radio", name="Faithful").focus()
    page.keyboard.press("Space")
    page.get_by_role("button", name="Restore with these options").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_contain_text("faithful, 1 evaluation")


def test_samples_show_where_the_model_guesses_on_a_scale(page, photo: Path) -> None:
    page.get_by_text("More").click()
    page.get_by_label("Samples to average").fill("2")
    page.get_by_label("Steps").fill("2")
    choose(page, photo)
    done(page)
    expect(page.locator("#legend")).to_be_hidden()
    page.get_by_label("show uncertainty").check()
    expect(page.locator("#deviation")).to_be_visible()
    expect(page.locator("#legend")).to_contain_text(re.compile(r"in levels of 255.*0\s*≥ \d+", re.DOTALL))
    keep(page, "guess")


def test_what_the_file_says_is_shown(page, photo: Path) -> None:
    choose(page, photo)
    done(page)
    page.get_by_text("About the file").click()
    expect(page.locator("#facts")).to_contain_text("quality 10, 4:2:0")


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("diary.jpg", b"Dear diary", "diary.jpg is not a picture: give a JPEG"),
        ("empty.jpg", b"", "empty.jpg is empty: choose another file"),
        ("large.png", None, "large.png has 1.44 megapixels, more than 1, the limit of this server"),
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


def test_no_picture_is_shown_under_the_name_of_another(page, photo: Path, tmp_path: Path) -> None:
    (tmp_path / "diary.jpg").write_bytes(b"Dear diary")
    choose(page, photo, tmp_path / "diary.jpg")
    done(page)
    page.locator("#list button", has_text="diary.jpg").click()
    expect(page.locator("h2")).to_have_text("diary.jpg")
    expect(page.get_by_role("alert")).to_contain_text("diary.jpg is not a picture")
    expect(page.locator("#before")).to_be_hidden()
    expect(page.locator("#after")).to_be_hidden()
    page.mouse.move(400, 400)
    page.mouse.wheel(0, -100)  # with nothing to zoom
    page.locator("#list button", has_text="photo.jpg").click()
    done(page)


def test_files_chosen_before_the_page_is_ready_are_taken(browser, address: str, photo: Path) -> None:
    page = browser.new_page()
    page.route("**/api/about", lambda route: (page.wait_for_timeout(500), route.continue_()))
    page.goto(address, wait_until="domcontentloaded")
    choose(page, photo)
    done(page)
    page.close()


def test_work_can_be_cancelled_and_started_again(page, tmp_path: Path) -> None:
    page.get_by_text("More").click()
    page.get_by_label("Steps").fill("40")
    choose(page, made(tmp_path / "large.jpg", 480, 640))
    page.get_by_role("button", name="Cancel").press("Enter")
    expect(page.locator("#status")).to_have_text("Cancelled")
    expect(page.locator("#view")).to_be_focused()  # not lost with the button
    expect(page.get_by_role("button", name="Restore again")).to_be_visible()
    page.get_by_label("Steps").fill("1")
    page.get_by_role("button", name="Restore with these options").click()
    done(page)


def test_a_job_that_would_be_stopped_is_announced(page, photo: Path) -> None:
    choose(page, photo)
    done(page)
    page.get_by_text("More").click()
    page.get_by_label("Steps").fill("1000")
    page.get_by_label("Samples to average").fill("16")
    expect(page.locator("#cost")).to_contain_text("This server stops after 10 min")
    choose_options(page, "Faithful")
    expect(page.locator("#cost")).to_have_text("A faithful restoration takes 1, 2, 4 or 8 steps, not 1000.")


def test_many_pictures_are_restored_downloaded_changed_and_removed(page, tmp_path: Path) -> None:
    names = [f"{i:02}.jpg" for i in range(20)]  # more than the server takes of one client at a time
    choose_options(page, "Decode")
    choose(page, *(made(tmp_path / name, 24, 32, seed) for seed, name in enumerate(names)))
    expect(page.locator("#ready")).to_have_text("Download all (20 of 20 are ready)")
    keep(page, "many")
    with page.expect_download() as download:
        page.locator("#all").get_by_role("button", name="PNG").click()
    assert download.value.suggested_filename == "restored.zip"
    download.value.save_as(tmp_path / "all.zip")
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        assert archive.namelist() == [f"{i:02}-restored.png" for i in range(20)]
        assert archive.testzip() is None
    page.get_by_text("More").click()
    page.get_by_label("also restore pictures that look clean").check()
    page.get_by_role("button", name="Restore all 20").click()
    expect(page.get_by_label("Picture right of the divider").locator("option")).to_have_text(
        ["Decode", "Decode, forced"]
    )
    expect(page.locator("#list [aria-current=true]")).to_have_text("✓ 00.jpg")
    page.get_by_role("button", name="Remove", exact=True).click()
    expect(page.locator("h2")).to_have_text("01.jpg")
    expect(page.locator("#list li")).to_have_count(19)
    page.get_by_role("button", name="Remove all").click()
    expect(page.locator("#viewer")).to_be_hidden()


def test_the_focus_stays_in_the_list_while_pictures_are_restored(page, photo: Path, tmp_path: Path) -> None:
    choose(page, made(tmp_path / "large.jpg", 320, 400), photo)
    entry = page.locator("#list button", has_text="photo.jpg")
    entry.focus()
    expect(entry).to_contain_text("✓")  # it has changed several times
    assert page.evaluate("document.activeElement.textContent.includes('photo.jpg')")
    page.keyboard.press("Enter")
    expect(page.locator("h2")).to_have_text("photo.jpg")


def test_two_people_do_not_see_each_others_pictures(page, browser, address: str, photo: Path, tmp_path: Path) -> None:
    second = made(tmp_path / "second.jpg", 160, 160, 5)
    other_page = browser.new_context().new_page()
    other_page.goto(address)
    choose(page, photo, second)
    choose(other_page, second)
    done(other_page)
    expect(other_page.locator("#list")).to_be_hidden()
    expect(page.locator("#list")).to_contain_text("✓ second.jpg")
    expect(page.locator("#list")).to_contain_text("✓ photo.jpg")
    page.locator("#list button", has_text="second.jpg").click()
    expect(page.locator("h2")).to_have_text("second.jpg")
    other_page.context.close()


def test_a_result_that_the_server_has_deleted_is_not_downloaded(page, photo: Path) -> None:
    choose(page, photo)
    done(page)
    shown = divided(page, 0)
    job = page.locator("#after").get_attribute("data-source").removesuffix("/after")
    page.request.delete(page.url + job)
    downloads: list[object] = []
    page.on("download", lambda download: downloads.append(download))
    page.locator("#downloads").get_by_role("button", name="PNG").click()
    expect(page.locator("#status")).to_contain_text("The server has deleted its copy of this restoration")
    expect(page.locator("#downloads")).to_be_hidden()
    np.testing.assert_array_equal(divided(page, 0), shown)  # it can still be seen
    page.get_by_role("button", name="Restore again").click()
    done(page)
    assert downloads == []


def test_results_expire_on_the_page_when_they_do_on_the_server(browser, address: str, photo: Path) -> None:
    page = browser.new_page()
    page.clock.install()
    page.goto(address)
    choose_options(page, "Decode")
    choose(page, photo)
    done(page)
    page.clock.fast_forward("14:00")
    page.wait_for_timeout(100)
    expect(page.locator("#downloads")).to_be_visible()
    page.clock.fast_forward("01:30")
    expect(page.locator("#status")).to_contain_text("The server has deleted its copy of this restoration")
    expect(page.locator("#downloads")).to_be_hidden()
    page.close()


def test_formats_that_cannot_hold_the_result_are_not_offered(page, tmp_path: Path) -> None:
    levels = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64) * 16
    Image.fromarray(levels).save(tmp_path / "deep.png")
    choose(page, tmp_path / "deep.png")
    done(page)
    expect(page.locator("#downloads").get_by_role("button", name="WebP")).to_be_disabled()
    expect(page.locator("#unavailable")).to_contain_text("its format holds 8 bits, not 16; use .png or .tif")
    expect(page.locator("#downloads").get_by_role("button", name="PNG")).to_be_enabled()


def test_every_control_has_a_name_of_its_own_for_screen_readers(page, photo: Path, tmp_path: Path) -> None:
    choose_options(page, "Decode")
    choose(page, photo, made(tmp_path / "second.jpg", 24, 32))
    expect(page.locator("#ready")).to_have_text("Download all (2 of 2 are ready)")
    page.get_by_text("More").click()
    tree = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
    names: dict[str, list[str]] = {}
    for node in tree:
        kept = not node["ignored"] and any(p["name"] == "focusable" for p in node.get("properties", []))
        if kept and node["role"]["value"] not in ("RootWebArea", "option", "MenuListPopup", "menuListOption"):
            names.setdefault(node["role"]["value"], []).append(node["name"]["value"].strip())
    assert {"button", "radio", "slider", "spinbutton", "checkbox", "group"} <= set(names)
    assert all(name for found in names.values() for name in found), names
    assert "✓" not in "".join(names["button"])  # the state is said in words
    assert {"photo.jpg, restored", "second.jpg, restored"} <= set(names["button"]), sorted(names["button"])
    repeated = {name for name in names["button"] if names["button"].count(name) > 1}
    assert repeated == set(), "one name for different actions"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_needs_no_scrolling_sideways(browser, address: str, photo: Path, scheme: str, tmp_path: Path) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 740}, color_scheme=scheme, device_scale_factor=2)
    page = context.new_page()
    page.goto(address)
    choose(page, photo, photo)
    done(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    keep(page, f"phone-{scheme}")
    refused = tmp_path / f"{80 * 'x'}.jpg"
    refused.write_bytes(b"no picture")
    choose(page, refused)
    expect(page.locator("#error")).to_contain_text(refused.name)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    context.close()
