"""The page without a server in a real browser: results beside the command's, files, privacy, offline use, keyboard.

Screenshots are kept in $DRIFTREC_SCREENSHOTS, if it is set, to be looked at.
"""

import gzip
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image, ImageFilter

from browser import choose, expect, keep, launched, made, needs_chromium
from driftrec.restoration.restorer import Restorer
from driftrec.restoration.tiling import Tiling
from files import kinds
from support import CROPS, SRGB, jpeg_file, psnr, scene, text_page
from web_app import Server, hosted, loaded, page_files, runtime_files

static_page = pytest.importorskip("static_page")
pytestmark = [
    needs_chromium,
    pytest.mark.skipif(not (shutil.which("node") and shutil.which("npm")), reason="there is no node or no npm"),
]

LEAST_PSNR = 45.0
"""Least agreement with the command, in dB."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the page, built as `make web-app` builds it."""
    try:
        static_page.install()
    except subprocess.CalledProcessError:
        pytest.skip("npm cannot install the packages of web-app/: check the connection to its registry")
    folder = tmp_path_factory.mktemp("site") / "page"
    static_page.build(folder, quick=True)
    return folder


@pytest.fixture(scope="module")
def server(site: Path) -> Iterator[Server]:
    with hosted(site) as server:
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with launched() as browser:
        yield browser


@pytest.fixture
def visit(site: Path, browser: Any) -> Iterator[tuple[Any, Server]]:
    """The first visit of the page, for a picture that is restored faithfully, and its web server."""
    with hosted(site) as server, browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{server.address}?threads=1")
        expect(page.locator("#engine")).to_contain_text("Runs on")
        page.get_by_role("radio", name="Faithful").check()
        yield page, server


@pytest.fixture(scope="module")
def opened(server: Server, browser: Any) -> Iterator[tuple[Any, list[str]]]:
    """The page in a browser, and what went wrong in it: requests to other machines, and errors of scripts."""
    wrong: list[str] = []

    def watch(request: Any) -> None:
        if urlsplit(request.url).hostname not in ("127.0.0.1", None):
            wrong.append(request.url)

    with browser.new_context(viewport={"width": 1100, "height": 800}) as context:
        context.on("request", watch)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.goto(f"{server.address}?threads=1")
        yield page, wrong


@pytest.fixture
def page(opened: tuple[Any, list[str]]) -> Iterator[Any]:
    """The page without pictures, and with its first options."""
    page, wrong = opened
    wrong.clear()
    expect(page.locator("#engine")).to_contain_text("Runs on this device's processor (one thread)")
    yield page
    for button in ("#remove-all", "#remove"):
        if page.locator(button).is_visible():
            page.locator(button).click()
    page.get_by_role("radio", name="Natural").check()
    page.locator("#strength").fill("1")
    assert wrong == []


def restored(page: Any) -> None:
    expect(page.locator("#status")).to_contain_text("Restored")
    expect(page.locator("#downloads")).to_be_visible()


def download(page: Any, kind: str, target: Path) -> Path:
    with page.expect_download() as found:
        page.locator("#downloads").get_by_role("button", name=kind).click()
    assert found.value.suggested_filename.endswith(f"-restored.{kind.lower()}")
    found.value.save_as(target)
    return target


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def agreement(path: Path, expected: np.ndarray) -> float:
    result = pixels(path)
    assert (result.shape, result.dtype) == (expected.shape, expected.dtype)
    return psnr(result / 255, expected / 255)


def saved(path: Path, height: int, width: int, **options: Any) -> Path:
    mode = options.pop("mode", "RGB")
    Image.fromarray(scene(height, width)).convert(mode).save(path, **options)
    return path


def turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a scene"
    return exif


def test_results_are_those_of_the_command(page, tmp_path: Path) -> None:
    profile = SRGB
    photos = {
        CROPS / "otter-q10.jpg": ("Natural", "Faithful"),
        saved(tmp_path / "tiles.jpg", 90, 656, quality=20): ("Faithful",),  # two tiles
        saved(tmp_path / "turned.jpg", 67, 53, quality=40, exif=turned(), icc_profile=profile, progressive=True): (
            "Natural",
        ),
        saved(tmp_path / "gray.jpg", 40, 61, quality=15, mode="L"): ("Natural",),
        saved(tmp_path / "whole.jpg", 64, 64, quality=30): ("Faithful",),
    }
    (tmp_path / "cropped.jpg").write_bytes(  # its last blocks hold more than the picture
        (tmp_path / "whole.jpg").read_bytes().replace(b"\x00\x40\x00\x40", b"\x00\x3b\x00\x3d", 1)
    )
    photos[tmp_path / "cropped.jpg"] = ("Faithful",)
    (tmp_path / "text.jpg").write_bytes(jpeg_file(text_page(150), quality=30))  # it has solid colours
    photos[tmp_path / "text.jpg"] = ("Natural", "Faithful")
    gray = np.asarray(Image.fromarray(text_page(120)).convert("L").convert("RGB"))
    (tmp_path / "no colour.jpg").write_bytes(jpeg_file(gray, quality=20))  # in a file in colour
    photos[tmp_path / "no colour.jpg"] = ("Natural", "Faithful")
    command = Restorer(threads=1, force=True)
    for photo, modes in photos.items():
        page.get_by_role("radio", name=modes[0]).check()
        choose(page, photo)
        expect(page.locator("#name")).to_have_text(photo.name)
        for mode in modes:
            page.get_by_role("radio", name=mode).check()
            restored(page)
            expected = np.asarray(command.restore(photo, mode=mode.lower()))
            assert agreement(download(page, "PNG", tmp_path / "out.png"), expected) > LEAST_PSNR
            assert psnr(pixels(tmp_path / "out.png") / 255, upright(photo) / 255) < 42  # it is not the file
            if photo.name == "no colour.jpg":
                assert np.ptp(pixels(tmp_path / "out.png"), axis=2).max() == 0


def upright(photo: Path) -> np.ndarray:
    with Image.open(photo) as image:
        turn = Image.Transpose.ROTATE_270 if image.getexif().get(0x0112) == 6 else None
        return np.asarray(image if turn is None else image.transpose(turn))


def test_an_edited_picture_is_recognised(page, tmp_path: Path) -> None:
    with Image.open(CROPS / "otter-q10.jpg") as image:
        edited = image.convert("RGB").resize((230, 210)).rotate(6, Image.Resampling.BICUBIC).crop((40, 35, 176, 171))
    edited.filter(ImageFilter.GaussianBlur(0.6)).save(tmp_path / "edited.jpg", quality=90)
    expected = Restorer(threads=1, force=True).restore(tmp_path / "edited.jpg", mode="faithful")
    assert "edited or compressed before" in expected.note
    page.get_by_role("radio", name="Faithful").check()
    choose(page, tmp_path / "edited.jpg")
    restored(page)
    expect(page.locator("#status")).to_contain_text("It was probably edited or saved before")
    assert agreement(download(page, "PNG", tmp_path / "out.png"), np.asarray(expected)) > LEAST_PSNR


def test_metadata_and_strength(page, tmp_path: Path) -> None:
    profile = SRGB
    photo = saved(tmp_path / "photo.jpg", 60, 100, quality=10, exif=turned(), icc_profile=profile, xmp=b"<x:xmpmeta/>")
    page.get_by_role("radio", name="Faithful").check()
    choose(page, photo)
    restored(page)
    expect(page.locator("#keeps")).to_have_text("with its EXIF, XMP, colour profile")
    full = pixels(download(page, "PNG", tmp_path / "full.png")).astype(float)
    page.locator("#strength").fill("0.5")
    expect(page.locator("#strength-shown")).to_have_text("50 %")
    assert page.locator("#after").evaluate("image => getComputedStyle(image).opacity") == "0.5"
    for kind in ("PNG", "WebP"):
        with Image.open(download(page, kind, tmp_path / f"half.{kind.lower()}")) as image:
            assert (image.size, image.mode) == ((60, 100), "RGB")
            exif = image.getexif()
            assert (exif[0x0112], exif[0x010E]) == (1, "a scene")
            assert image.info["icc_profile"] == profile
            assert b"<x:xmpmeta/>" in (image.info.get("xmp") or image.info["XML:com.adobe.xmp"].encode())
            half = np.asarray(image).astype(float)
        assert np.abs(half - (full + upright(photo)) / 2).max() <= 2
    np.testing.assert_array_equal(pixels(tmp_path / "half.png"), pixels(tmp_path / "half.webp"))
    page.locator("#strength").fill("0")
    assert np.abs(pixels(download(page, "PNG", tmp_path / "none.png")).astype(float) - upright(photo)).max() <= 3


def test_the_page_says_what_it_found(page, tmp_path: Path) -> None:
    choose(page, saved(tmp_path / "photo.jpg", 64, 96, quality=35, subsampling="4:2:2", progressive=True))
    facts = page.locator("#facts")
    expect(facts).to_contain_text("96 × 64")
    expect(facts).to_contain_text("quality 35, 4:2:2, progressive")
    expect(facts).to_contain_text("in steps of 14 to 172")
    expect(facts).to_contain_text("much")


def test_odd_files_are_restored_or_refused_with_one_sentence(page, tmp_path: Path) -> None:
    page.get_by_role("radio", name="Faithful").check()
    files = {tmp_path / f"{number}-{name}": (kind, content) for number, (name, kind, content) in enumerate(kinds())}
    for path, (_, content) in files.items():
        path.write_bytes(content)
    choose(page, *files)
    entries = page.locator("#list button")
    expect(entries.filter(has_text="…")).to_have_count(0)
    outcomes = {}
    for path, (kind, _) in files.items():
        entry = page.get_by_role("button", name=re.compile(f"^{re.escape(path.name)}, "))
        if entry.get_attribute("aria-label") == f"{path.name}, restored":
            outcomes[kind] = ""
            continue
        entry.click()
        expect(page.locator("#status")).to_have_text("Not restored")
        expect(page.locator("#view")).to_be_hidden()
        error = page.locator("#error").inner_text()
        assert re.fullmatch(r"\S+ [^.]*(\.\d[^.]*)*\.", error), error
        outcomes[kind] = error.removeprefix(path.name)
    refused = {kind for kind, error in outcomes.items() if error}
    jpegs = {kind for kind in outcomes if kind.startswith("JPEG")}
    assert refused == (set(outcomes) - jpegs) | {"JPEG, CMYK", "JPEG that claims 65 500 × 65 500"}
    assert len(outcomes) >= 30
    assert outcomes["empty file"] == " is empty: choose another file."
    assert outcomes["PNG with the name of a JPEG"] == " is not a JPEG: this page restores JPEG files only."


def test_damaged_files_are_restored_as_far_as_they_go(page, tmp_path: Path) -> None:
    page.get_by_role("radio", name="Faithful").check()
    whole = saved(tmp_path / "whole.jpg", 128, 160, quality=20)
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    choose(page, cut)
    restored(page)
    expect(page.locator("#facts")).to_contain_text("only what it holds is restored")
    expect(page.locator("#status")).to_have_text("Restored. The file is cut short: a part of it is missing.")
    result = pixels(download(page, "PNG", tmp_path / "out.png"))
    assert (result[112:] == 128).all()  # nothing is invented there
    expected = np.asarray(Restorer(threads=1, force=True).restore(cut, mode="faithful"))
    assert psnr(result[:24] / 255, expected[:24] / 255) > LEAST_PSNR
    noise = np.random.default_rng(0).bytes(500)
    (tmp_path / "noise.jpg").write_bytes(whole.read_bytes()[:700] + noise + whole.read_bytes()[1200:])
    choose(page, tmp_path / "noise.jpg")
    expect(page.locator("#status")).to_have_text(re.compile(r"^(Not restored|Restored)"))


def test_several_pictures_and_cancel(page, tmp_path: Path) -> None:
    large = saved(tmp_path / "large.jpg", 320, 480, quality=10)
    small = [made(tmp_path / f"small-{i}.jpg", 48, 64, seed=i) for i in range(2)]
    choose(page, large, *small)
    expect(page.locator("#list button")).to_have_count(3)
    expect(page.locator("#status")).to_have_text(re.compile("Restoring|Adding detail"))
    page.get_by_role("button", name="Cancel").press("Enter")
    expect(page.locator("#status")).to_contain_text("Cancelled")
    expect(page.locator("#again")).to_be_focused()  # the focus is not lost with the button
    page.get_by_role("button", name="Restore again").press("Enter")
    expect(page.locator("#status")).not_to_contain_text("Cancelled")
    expect(page.locator("#view")).to_be_focused()
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#ready")).to_contain_text("2 of 3 are ready")
    names = []
    page.on("download", lambda download: names.append(download.suggested_filename))
    page.locator("#all").get_by_role("button", name="PNG").click()
    expect(page.locator("#ready")).to_be_visible()
    page.wait_for_timeout(500)
    assert sorted(names) == ["small-0-restored.png", "small-1-restored.png"]
    keep(page, "web-app-several")
    page.get_by_role("radio", name="Faithful").check()
    restored(page)
    expect(page.locator("#again")).to_be_hidden()
    page.get_by_role("button", name="Remove all").click()
    expect(page.locator("#viewer")).to_be_hidden()


def test_dropped_and_pasted_files(page, tmp_path: Path) -> None:
    for event, field in (("drop", "dataTransfer"), ("paste", "clipboardData")):
        data = list(made(tmp_path / f"{event}.jpg", 24, 32).read_bytes())
        page.evaluate(
            """([event, field, data]) => {
                const files = new DataTransfer();
                files.items.add(new File([new Uint8Array(data)], `${event}.jpg`, { type: "image/jpeg" }));
                const sent = new Event(event, { bubbles: true, cancelable: true });
                sent[field] = files;
                document.body.dispatchEvent(sent);
            }""",
            [event, field, data],
        )
        expect(page.locator("#name")).to_have_text(f"{event}.jpg")
        restored(page)


def test_keyboard_alone(page, tmp_path: Path) -> None:
    choose(page, made(tmp_path / "photo.jpg", 48, 64))
    restored(page)
    page.locator("#files").focus()
    reached = []
    for _ in range(20):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.ariaLabel"))
    for control in ("view", "slider", "Download as PNG", "Download as WebP", "strength", "remove"):
        assert control in reached
    page.get_by_role("radio", name="Natural").focus()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("radio", name="Faithful")).to_be_checked()
    restored(page)
    page.locator("#view").focus()
    page.keyboard.press("+")
    expect(page.locator("#shown")).not_to_have_text("100 %")
    nameless = page.evaluate(
        """[...document.querySelectorAll("button, input, select, progress, img")].filter(one =>
            !(one.ariaLabel || one.alt || one.labels?.length || one.textContent.trim())).map(one => one.outerHTML)"""
    )
    assert nameless == []


def test_phones_and_dark_screens(page, tmp_path: Path) -> None:
    page.get_by_role("radio", name="Faithful").check()
    choose(page, made(tmp_path / "a picture with a very long name that no phone can show in one line.jpg"))
    restored(page)
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    keep(page, "web-app-phone")
    page.emulate_media(color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light
    keep(page, "web-app-dark")
    choose(page, saved(tmp_path / f"{80 * 'x'}.jpg", 48, 64, mode="CMYK"))
    expect(page.locator("#error")).to_contain_text("four colours")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    keep(page, "web-app-refused")
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1100, "height": 800})


def test_threads_without_headers_of_the_server(page) -> None:
    assert page.evaluate("crossOriginIsolated")


def test_nothing_is_sent_and_the_page_works_offline(page, server: Server, tmp_path: Path) -> None:
    photo = made(tmp_path / "photo.jpg", 48, 64)
    choose(page, photo)
    restored(page)  # the network is there now
    assert server.asked
    assert all(line.startswith("GET /") and "photo" not in line for line in server.asked)
    server.answers = False
    try:
        page.reload()
        choose(page, photo)
        restored(page)
    finally:
        server.answers = True


def test_the_policy_forbids_other_hosts(page, opened: tuple[Any, list[str]]) -> None:
    refused = page.evaluate("fetch('http://localhost:9/').then(() => 'sent', error => error.name)")
    assert refused == "TypeError"
    said = [line for line in opened[1] if "Content Security Policy" in line]
    assert said == opened[1] != []
    opened[1].clear()
    policy = page.locator("meta[http-equiv=Content-Security-Policy]").get_attribute("content")
    assert "default-src 'none'" in policy
    assert re.findall(r"https?:", policy) == []


def test_other_files_are_not_deleted(tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(b"a photo")
    for place in (tmp_path, photo):
        with pytest.raises(SystemExit, match="holds other files"):
            static_page.build(place, quick=True)
    assert photo.read_bytes() == b"a photo"


def test_the_sources_are_well_typed(site: Path) -> None:
    assert site.is_dir()  # so the packages are installed
    checked = subprocess.run(
        ["npm", "run", "--silent", "check"], cwd=static_page.SOURCE, capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout


def test_the_page_can_be_installed(site: Path) -> None:
    manifest = json.loads((site / "manifest.webmanifest").read_text(encoding="utf-8"))
    assert (manifest["display"], manifest["start_url"]) == ("standalone", "./")
    assert all((site / icon["src"]).is_file() for icon in manifest["icons"])


def test_networks_of_the_page_are_those_of_the_model(site: Path, rng: np.random.Generator) -> None:
    import onnxruntime as ort

    from driftrec.model.onnx import Network

    model = Network("small", threads=1)
    y = (scene(64, 96).transpose(2, 0, 1)[None] / 255).astype(np.float32)
    for name, ratio in (("denoiser", 1e3), ("finisher", 0.01)):
        stored = gzip.decompress((site / f"model/{name}.onnx.gzip").read_bytes())
        session = ort.InferenceSession(stored, providers=["CPUExecutionProvider"])
        residual = np.float32(0.01) * rng.standard_normal(y.shape, np.float32)
        feed = {"residual": residual, "ratio": np.array([ratio], np.float32), "y": y}
        (result,) = session.run(None, feed)
        expected = model(residual, ratio, y, finish=name == "finisher")
        np.testing.assert_allclose(result, expected, atol=1e-5)


def test_packed_files_hold_the_same(site: Path) -> None:
    unpacked = """const z = require("node:zlib"), { readFileSync } = require("node:fs"), [, a, b] = process.argv;
        process.exit(z.gunzipSync(readFileSync(a)).equals(z.brotliDecompressSync(readFileSync(b))) ? 0 : 1)"""
    found = sorted(site.rglob("*.brotli"))
    assert found
    for file in found:
        assert subprocess.run(["node", "-e", unpacked, file.with_suffix(".gzip"), file]).returncode == 0
    assert not [*site.rglob("*.wasm"), *site.rglob("*.onnx")]


def test_tiles_are_those_of_the_command(site: Path, tmp_path: Path) -> None:
    script = "import { cut } from './tiling.mjs'; const [shape, tiling] = JSON.parse(process.argv[1]);" + (
        "const sides = cut(...shape, tiling, 16); console.log(JSON.stringify([sides.rows, sides.columns].map("
        "side => side.map(({ start, weights }) => [start, Array.from(weights)]))))"
    )
    esbuild = static_page.SOURCE / "node_modules/.bin/esbuild"
    subprocess.run([esbuild, static_page.SOURCE / "src/tiling.ts", f"--outfile={tmp_path}/tiling.mjs"], check=True)
    facts = json.loads((site / "model/facts.json").read_text())["tiling"]
    tiling = Tiling(**facts)
    for shape in ((16, 16), (512, 848), (3008, 4000), (6400, 208), (640, 656)):
        call = ["node", "--input-type=module", "-e", script, json.dumps([shape, facts])]
        found = json.loads(subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, check=True).stdout)
        for spans, side in zip(found, tiling.cut(*shape), strict=True):
            assert [start for start, _ in spans] == list(side.starts)
            for (_, weights), window in zip(spans, tiling.windows(side), strict=True):
                np.testing.assert_allclose(weights, window, atol=1e-6)


@pytest.mark.parametrize(
    ("runtime", "unpacks", "most"),
    [
        ("processor", "gzip", 12e6),
        ("graphics card", "gzip", 12e6),
        ("graphics card, without JSPI", "Brotli", 12.3e6),  # below 12e6 without `quick`
    ],
)
def test_the_download_is_small(site: Path, runtime: str, unpacks: str, most: float) -> None:
    files = {*page_files(site), *runtime_files(site, runtime), *site.glob("model/*")}
    assert loaded(files, unpacks) < most


def test_visitors_load_only_what_they_use(visit: tuple[Any, Server], tmp_path: Path) -> None:
    page, server = visit
    choose(page, made(tmp_path / "photo.jpg", 24, 32))
    restored(page)
    first = asked(server)
    page.get_by_role("radio", name="Natural").check()
    expect(page.locator("#status")).not_to_contain_text("Restored")
    restored(page)
    large = {name for name in first if name.endswith((".gzip", ".brotli"))}
    assert large == {"runtime/ort-wasm-simd-threaded.wasm.gzip", "model/denoiser.onnx.gzip"}
    assert asked(server) - first == {"model/finisher.onnx.gzip"}


def test_a_mode_that_was_not_loaded_can_be_tried_again(visit: tuple[Any, Server], tmp_path: Path) -> None:
    page, server = visit
    choose(page, made(tmp_path / "photo.jpg", 24, 32))
    restored(page)
    server.answers = False
    page.get_by_role("radio", name="Natural").check()
    expect(page.locator("#error")).to_contain_text("connect to the internet and try again")
    page.get_by_role("radio", name="Faithful").check()
    restored(page)
    expect(page.locator("#error")).to_be_hidden()
    page.get_by_role("radio", name="Natural").check()
    expect(page.locator("#error")).to_be_visible()
    server.answers = True
    page.get_by_role("button", name="Restore again").click()
    restored(page)
    expect(page.locator("#error")).to_be_hidden()


def asked(server: Server) -> set[str]:
    """The files that a server was asked for."""
    return {line.split()[1].split("?")[0].removeprefix("/") for line in server.asked}
