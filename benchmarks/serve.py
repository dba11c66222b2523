"""Measures the web page under load and takes its screenshots.

    python benchmarks/serve.py load uploads              # tables of docs/use/serve.md; minutes on an idle machine
    python benchmarks/serve.py screenshots               # docs/images/page.webp and page-phone.webp; needs chromium

Every part starts `driftrec serve` as a user would, and communicates with it over HTTP.
"""

import argparse
import io
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
from PIL import Image

from driftrec.evaluate.machine import processor
from driftrec.evaluate.measurement import Conditions, Fact, Measurement, facts
from driftrec.evaluate.tables import keep
from driftrec.model.find import DEFAULT_MODEL

ROOT = Path(__file__).parents[1]
PHOTO = ROOT / "examples/casa-mila.jpg"
CLIENTS = 20


def main() -> None:
    options = read_options()
    for what in options.what:
        if what == "screenshots":
            screenshots()
            continue
        entries = {"load": load, "uploads": uploads}[what]()
        print(keep(ROOT / f"docs/measured/serve_{what}.jsonl", entries))


@contextmanager
def server(*options: str) -> Iterator[tuple[str, int]]:
    """(address, process number) of a server of its own."""
    call = [sys.executable, "-m", "driftrec", "serve", "--port", "0", "--no-browser", *options]
    with subprocess.Popen(call, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().split()[3].rstrip("/"), process.pid
        process.terminate()


def jpeg(width: int, height: int) -> bytes:
    """The photo at another size."""
    stream = io.BytesIO()
    with Image.open(PHOTO) as photo:
        photo.convert("RGB").resize((width, height), Image.Resampling.LANCZOS).save(stream, "JPEG", quality=15)
    return stream.getvalue()


def scans(width: int, height: int, number: int) -> bytes:
    """A progressive JPEG with the size of a larger one in its header, and with its last scan repeated."""
    stream = io.BytesIO()
    Image.new("RGB", (8, 8)).save(stream, "JPEG", progressive=True)
    data = stream.getvalue()
    last = data[data.rindex(b"\xff\xda") : -2]
    data = data[:-2] + last * (number - data.count(b"\xff\xda")) + data[-2:]
    size = data.index(b"\xff\xc2") + 5
    return data[:size] + height.to_bytes(2) + width.to_bytes(2) + data[size + 4 :]


def restore(address: str, photo: bytes, query: str, client: int = 0) -> dict[str, float]:
    """Sends a picture as one client and waits for it: seconds until the first preview and until the result.

    Clients have addresses of their own if the server believes this machine to be a proxy.
    """
    headers = {"x-forwarded-for": f"192.0.2.{client}"}
    with httpx.Client(base_url=address, headers=headers, timeout=600) as http:
        began = time.perf_counter()
        job = http.post(f"/api/jobs?{query}", content=photo).raise_for_status().json()
        first = None
        with http.stream("GET", f"/api/jobs/{job['id']}/events") as events:
            for line in filter(None, events.iter_lines()):
                state = json.loads(line.removeprefix("data: "))
                if state["previews"] and first is None:
                    first = time.perf_counter() - began
        http.get(f"/api/jobs/{job['id']}/result").raise_for_status()
        return {"preview": first or 0.0, "result": time.perf_counter() - began, "end": time.perf_counter()}


def load() -> list[Measurement]:
    """Seconds for one picture of a megapixel, and what twenty clients at once find."""
    rows: list[Fact] = []
    with server() as (address, _):
        for mode in ("faithful", "natural"):
            runs = [restore(address, jpeg(1224, 816), f"mode={mode}") for _ in range(2)]
            best = min(runs, key=lambda run: run["result"])
            rows.append((f"1 megapixel, {mode}: first preview", best["preview"], "{:.1f} {unit}", "s"))
            rows.append((f"1 megapixel, {mode}: result", best["result"], "{:.1f} {unit}", "s"))
    with server("--proxy", "127.0.0.1") as (address, pid):
        restore(address, jpeg(300, 200), "mode=faithful")
        before = resident(pid, "VmRSS")
        ends, failures = together(address)
        rows.append((f"{CLIENTS} clients at once, two pictures each: failed", failures, "{}", "pictures"))
        rows.append(("… longest wait", max(ends.values()), "{:.1f} {unit}", "s"))
        firsts = [min(t for (c, _), t in ends.items() if c == client) for client in range(CLIENTS)]
        seconds = [max(t for (c, _), t in ends.items() if c == client) for client in range(CLIENTS)]
        fair = max(firsts) < min(seconds)
        rows.append(("… every first picture finished before any second one", "yes" if fair else "no", "{}", ""))
        rows.append(("… added memory at the peak", resident(pid, "VmHWM") - before, "{:.0f} {unit}", "MB"))
    data = "clients' pictures of 0.2 megapixels, faithful"
    return facts(rows, Conditions.now(f"{os.cpu_count()} cores of {processor()}", [DEFAULT_MODEL], data))


def together(address: str) -> tuple[dict[tuple[int, int], float], int]:
    """((client, picture) -> seconds from the start to its end, failures) of all clients, started at once."""
    photo, ends, failures, gate = jpeg(540, 360), {}, [], threading.Barrier(2 * CLIENTS + 1)

    def work(client: int, number: int) -> None:
        gate.wait()
        time.sleep(0.5 * number)  # the second picture after everybody's first
        try:
            ends[client, number] = restore(address, photo, "mode=faithful", client)["end"]
        except (httpx.HTTPError, KeyError) as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(c, n)) for c in range(CLIENTS) for n in range(2)]
    for thread in threads:
        thread.start()
    gate.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    return {key: end - began for key, end in ends.items()}, len(failures)


def resident(pid: int, field: str) -> float:
    """Megabytes, as Linux reports them."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1.024e-3 for line in lines if line.startswith(field))


def uploads() -> list[Measurement]:
    """Bad uploads and what the server answers."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    png = io.BytesIO()
    Image.fromarray(noise).save(png, "PNG")
    photo = jpeg(300, 200)
    frames = io.BytesIO()
    Image.fromarray(noise).save(frames, "GIF", save_all=True, append_images=[Image.fromarray(255 - noise)])
    cases = [
        ("empty body", "", b"", {}),
        ("a text file", "", b"Dear diary", {}),
        ("half a JPEG", "", photo[: len(photo) // 2], {}),
        ("half a PNG", "", png.getvalue()[: len(png.getvalue()) // 2], {}),
        ("an animation", "", frames.getvalue(), {}),
        ("a JPEG that claims 65 500 × 65 500", "", photo.replace(b"\x00\xc8\x01\x2c", b"\xff\xdc\xff\xdc", 1), {}),
        ("a small JPEG of 50 megapixels in 20 scans", "", scans(7000, 7000, 20), {}),
        ("65 MB of zeros", "", bytes(65_000_000), {}),
        ("unknown mode", "?mode=sharp", photo, {}),
        ("5000 steps", "?steps=5000", photo, {}),
        ("an option that does not exist", "?speed=1", photo, {}),
        ("request from the page of another site", "", photo, {"origin": "https://example.org"}),
        ("request under another host name", "", photo, {"host": "example.org"}),
    ]
    conditions, entries = Conditions.now(), []
    with server() as (address, _), httpx.Client(base_url=address, timeout=60) as http:
        for name, query, content, headers in cases:
            answer = http.post(f"/api/jobs{query}", content=content, headers=headers)
            sentence = answer.json()["error"] if answer.headers["content-type"] == "application/json" else answer.text
            status = str(answer.status_code)
            if answer.status_code == 202:
                with http.stream("GET", f"/api/jobs/{answer.json()['id']}/events") as events:
                    for _ in events.iter_lines():
                        pass
                state = http.get(f"/api/jobs/{answer.json()['id']}").json()
                status, sentence = f"202, then {state['state']}", state["error"]
            for measure, value in (("answer", status), ("message", sentence)):
                entries.append(Measurement({"upload": name}, measure, value, "", "{}", conditions))
    return entries


def screenshots() -> None:
    """The page with the example on a desk, and on a phone at night."""
    from playwright.sync_api import expect, sync_playwright

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    views = {
        "page": {"viewport": {"width": 1120, "height": 900}},
        "page-phone": {"viewport": {"width": 390, "height": 800}, "color_scheme": "dark"},
    }
    with server() as (address, _), sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name, view in views.items():
            page = browser.new_context(**view).new_page()
            page.goto(address)
            page.locator("#files").set_input_files(str(PHOTO))
            expect(page.locator("#downloads")).to_be_visible(timeout=120_000)
            page.wait_for_timeout(500)
            shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
            shot.save(ROOT / f"docs/images/{name}.webp", quality=85)
        browser.close()


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="+", choices=["load", "uploads", "screenshots"])
    return parser.parse_args()


if __name__ == "__main__":
    main()
