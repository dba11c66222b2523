"""Measures the page that needs no server, in headless Chromium: download, time, agreement with the command, memory.

    python benchmarks/web_app.py download results memory      # all tables of docs/use/web-page.md; an hour

results restores examples/casa-mila.jpg in the page and by `driftrec.Restorer`, in turn, with one thread and with two;
and a crop with WebGPU, emulated by the processor, to see that the results are right (its times say nothing).  memory
restores a picture of 12 megapixels.
"""

import argparse
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import onnxruntime as ort
from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

from driftrec.evaluate.machine import processor
from driftrec.evaluate.measurement import Conditions, Measurement
from driftrec.evaluate.tables import keep
from driftrec.model.find import DEFAULT_MODEL
from driftrec.restoration.restorer import Restorer

ROOT = Path(__file__).parents[1]
PHOTO = ROOT / "examples/casa-mila.jpg"
RUNTIMES = {
    "processor": ("ort.wasm.*.js", "runtime/ort-wasm-simd-threaded.[mw]*"),
    "graphics card": ("ort.jspi.*.js", "runtime/ort-wasm-simd-threaded.jspi.*"),
    "graphics card, without JSPI": ("ort.webgpu.*.js", "runtime/ort-wasm-simd-threaded.asyncify.*"),
}
"""The files of ONNX Runtime Web that a browser loads, by what it computes with; it loads those of one of them."""
FORMATS = {"gzip": ".brotli", "Brotli": ".gzip"}
"""How a browser unpacks large files: for each format, the end of the names that it does not load if it has a choice."""
FLAGS = ["--headless=new", "--no-sandbox", "--disable-background-networking"]
EMULATED = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--enable-features=Vulkan"]
MODES = ["faithful", "natural"]
LONG = 3_600_000
"""Milliseconds that a restoration may take."""


def main() -> None:
    options = read_options()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "page"
        subprocess.run([sys.executable, str(ROOT / "integrations/static_page.py"), str(folder)], check=True)
        for what in options.what:
            measure = {"download": download, "results": results, "memory": partial(memory, modes=options.mode)}[what]
            entries = measure(folder)
            print(keep(ROOT / f"docs/measured/web_app_{what}.jsonl", entries, NOTES[what]))


NOTES = {
    "download": "Rows that begin with “all” hold everything that a visitor loads; the web server compresses nothing.",
    "results": "The machine had other work, too: compare times within this table only.",
    "memory": "",
}


# ------------------------------------------------------------------------------------------------------ the page


class Files(SimpleHTTPRequestHandler):
    """A plain web server, without the headers that isolate pages; it notes what it is asked for."""

    def log_message(self, *_: object) -> None:
        assert isinstance(self.server, Server)
        self.server.asked.append(self.requestline)


class Server(ThreadingHTTPServer):
    """Can stop answering; stays silent about browsers that hang up.  `asked` holds the first lines of all requests."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), partial(Files, directory=str(folder)))
        self.answers, self.asked = True, list[str]()
        self.address = f"http://127.0.0.1:{self.server_port}/"

    def verify_request(self, *_: object) -> bool:
        return self.answers

    def handle_error(self, *_: object) -> None:
        pass


@contextmanager
def hosted(folder: Path) -> Iterator[Server]:
    """A web server with the files of a folder."""
    with Server(folder) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@contextmanager
def opened(folder: Path, query: str, flags: list[str]) -> Iterator[Page]:
    """The page in a browser, ready to restore."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with hosted(folder) as server, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=[*FLAGS, *flags])
        page = browser.new_page()
        page.goto(f"{server.address}?{query}")
        expect(page.locator("#engine")).to_contain_text("Runs on", timeout=60_000)
        yield page
        browser.close()


def restored(page: Page, photo: Path, mode: str) -> float:
    """Restores a file in the page; returns the seconds that it took."""
    page.get_by_role("radio", name=mode.capitalize()).check()
    began = time.perf_counter()
    page.locator("#files").set_input_files(str(photo))
    expect(page.locator("#name")).to_have_text(photo.name)
    expect(page.locator("#status")).to_have_text(re.compile("^(Restored|Not restored)"), timeout=LONG)
    if page.locator("#error").is_visible():
        raise ValueError(page.locator("#error").inner_text())
    return time.perf_counter() - began


def saved(page: Page) -> np.ndarray:
    """The pixels of the result as the page saves them."""
    with page.expect_download() as download:
        page.locator("#downloads").get_by_role("button", name="PNG").click()
    with Image.open(download.value.path()) as image:
        return np.asarray(image)


# ------------------------------------------------------------------------------------------------------ measurements


def download(folder: Path) -> list[Measurement]:
    """Bytes of what a visitor loads from a web server that compresses nothing."""
    conditions = Conditions.now(models=[DEFAULT_MODEL])
    model = {file for file in folder.glob("model/*") if not file.name.startswith("finisher")}
    parts = {"page": page_files(folder), "model, faithful": model, "model, natural": set(folder.glob("model/*"))}
    runtimes = {f"ONNX Runtime Web, {name}": runtime_files(folder, name) for name in RUNTIMES}
    both = parts["page"] | parts["model, natural"]
    wholes = {f"all, {name}": both | runtime_files(folder, name) for name in RUNTIMES}
    entries = []
    for name, files in (parts | runtimes | wholes).items():
        for unpacks in FORMATS:
            measure = f"if the browser unpacks {unpacks} (MB)"
            entries.append(
                Measurement({"files": name}, measure, loaded(files, unpacks) / 1e6, "MB", "{:.2f}", conditions)
            )
    return entries


def loaded(files: set[Path], unpacks: str) -> int:
    """The bytes that a browser loads of some files, where it unpacks a format of `FORMATS`."""
    other = FORMATS[unpacks]
    chosen = {file for file in files if file.suffix != other or file.with_suffix(f".{unpacks.lower()}") not in files}
    return sum(file.stat().st_size for file in chosen)


def runtime_files(folder: Path, name: str) -> set[Path]:
    """The files of ONNX Runtime Web for a key of `RUNTIMES`."""
    return {file for pattern in RUNTIMES[name] for file in folder.glob(pattern)}


def page_files(folder: Path) -> set[Path]:
    """The page's own files that a visitor loads."""
    found = {file for pattern in ("*.html", "*.css", "*.js", "*.svg", "*.webmanifest") for file in folder.glob(pattern)}
    return found - set().union(*(runtime_files(folder, name) for name in RUNTIMES))


def results(folder: Path) -> list[Measurement]:
    """Seconds per megapixel in the page and by the package, and how closely their results agree."""
    libraries = [f"ONNX Runtime {ort.__version__}", f"ONNX Runtime Web {runtime_version()}"]
    machine = f"{os.cpu_count()} cores of {processor()}"
    conditions = Conditions.now(machine, [DEFAULT_MODEL], f"examples/{PHOTO.name}", libraries)
    with Image.open(PHOTO) as image:
        megapixels = image.width * image.height / 1e6
    entries, time_measure = [], "s per megapixel"
    for threads in (1, 2):
        restorer = Restorer(threads=threads, device="cpu", force=True)
        with opened(folder, f"device=cpu&threads={threads}", []) as page:
            for mode in MODES:
                row = {"computed by": f"page, {threads} thread{'s' * (threads > 1)}", "mode": mode}
                restored(page, crop(64), mode)  # opens the networks
                seconds, agreement = restored(page, PHOTO, mode), saved(page)
                page.get_by_role("button", name="Remove all").click()
                expected = restorer.restore(PHOTO, mode=mode)
                entries.append(Measurement(row, time_measure, seconds / megapixels, "s", "{:.1f}", conditions))
                entries.append(agreement_of(row, agreement, np.asarray(expected), conditions))
                row = {"computed by": f"package, {threads} thread{'s' * (threads > 1)}", "mode": mode}
                native = expected.seconds / megapixels
                entries.append(Measurement(row, time_measure, native, "s", "{:.1f}", conditions))
    small = crop(128)
    with opened(folder, "device=gpu", EMULATED) as page:
        row = {"computed by": "page, WebGPU (emulated; 128×128 pixels)", "mode": "natural"}
        restored(page, small, "natural")
        expected = np.asarray(Restorer(device="cpu", force=True).restore(small))
        entries.append(agreement_of(row, saved(page), expected, conditions))
    return entries


def agreement_of(row: dict[str, str], result: np.ndarray, expected: np.ndarray, conditions: Conditions) -> Measurement:
    psnr = 10 * math.log10(255**2 / np.square(result.astype(float) - expected).mean())
    return Measurement(row, "PSNR to the package (dB)", psnr, "dB", "{:.1f}", conditions)


def crop(side: int) -> Path:
    """A JPEG of quality 10 of the middle of the photo, in a temporary file."""
    path = Path(tempfile.gettempdir()) / f"driftrec-crop-{side}.jpg"
    with Image.open(PHOTO) as image:
        left, top = (image.width - side) // 2, (image.height - side) // 2
        image.crop((left, top, left + side, top + side)).save(path, quality=10)
    return path


def memory(folder: Path, modes: list[str]) -> list[Measurement]:
    """The peak of the page's process while it restores a picture of 12 megapixels, the photo mirrored at its edges."""
    conditions = Conditions.now(f"{os.cpu_count()} cores of {processor()}", [DEFAULT_MODEL])
    entries = []
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "large.jpg"
        with Image.open(PHOTO) as image:
            pixels = np.asarray(image.convert("RGB"))
        added = [(0, 3000 - pixels.shape[0]), (0, 4000 - pixels.shape[1]), (0, 0)]
        Image.fromarray(np.pad(pixels, added, mode="symmetric")).save(path, quality=60)
        for mode in modes:
            with opened(folder, "device=cpu&threads=1", []) as page:
                restored(page, path, mode)
                row = {"picture": "4000×3000 pixels, one thread", "mode": mode}
                entries.append(Measurement(row, "memory (GB)", peak() / 1e6, "GB", "{:.2f}", conditions))
    return entries


def peak() -> float:
    """The largest peak of the browser's page processes, in kB."""
    parents, peaks = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status = dict(re.findall(r"(\w+):\s+(\d+)", (folder / "status").read_text()))
            command = (folder / "cmdline").read_bytes()
        except OSError:  # it has ended
            continue
        number = int(folder.name)
        parents[number] = int(status["PPid"])
        if b"--type=renderer" in command:
            peaks[number] = float(status["VmHWM"])
    return max(kilobytes for number, kilobytes in peaks.items() if descends(number, parents))


def descends(number: int, parents: dict[int, int]) -> bool:
    """Whether a process was started by this one."""
    while number in parents:
        if number == os.getpid():
            return True
        number = parents[number]
    return False


def runtime_version() -> str:
    found = re.search(r'"onnxruntime-web": "([\d.]+)"', (ROOT / "web-app/package.json").read_text(encoding="utf-8"))
    assert found
    return found[1]


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="+", choices=("download", "results", "memory"), help="what to measure")
    parser.add_argument(
        "--mode", nargs="+", choices=MODES, default=MODES, help="the modes whose memory is measured (default: both)"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
