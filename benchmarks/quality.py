"""How well driftrec restores: clean pictures are compressed, restored and compared, with the field's own metrics.

    python benchmarks/quality.py                                               # LIVE1, all qualities and modes
    python benchmarks/quality.py --quality 10 40 --images 5 --mode faithful    # a quick look
    python benchmarks/quality.py --quality 10+30 10+50     # twice: at 10, moved by 4 pixels each way, then at 30 or 50
    python benchmarks/quality.py --mode plain                                  # the JPEGs themselves; needs no model

The protocol is that of FBCNN, JDEC and CODiff: Pillow's JPEG with 4:2:0 chroma, the result rounded to 8 bits, every
metric averaged over pictures.  The rows of the plain JPEGs therefore show whether a run can be set beside published
tables; on LIVE1 they must read

    quality      10      20      30      40
    PSNR       25.69   28.06   29.37   30.28  dB
    PSNR-B     24.20   26.49   27.84   28.84  dB
    LPIPS-Alex .3013   .1799
"""

import argparse
import hashlib
import io
import json
import os
import platform
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import onnxruntime
import PIL
import torch
from numpy.typing import NDArray
from PIL import Image, features
from rich.console import Console
from rich.progress import track

import driftrec
from driftrec.evaluate import fidelity
from driftrec.evaluate.lpips import Lpips, Trunk
from driftrec.runtime import DEFAULT_MODEL, find_model

Pixels = NDArray[np.uint8]
Mode = Literal["faithful", "natural"]
Method = Literal["plain"] | Mode

MODES: tuple[Mode, ...] = get_args(Mode)
METHODS: tuple[Method, ...] = ("plain", *MODES)
SHARED = Path(__file__).parents[2] / "shared"
FIDELITY = {
    "psnr": fidelity.psnr,
    "psnr_luma": fidelity.psnr_luma,
    "psnr_b": fidelity.psnr_b,
    "psnr_b_channels": fidelity.psnr_b_channels,
    "ssim": fidelity.ssim,
}
COLUMNS = {  # heading: (field of a record, decimals)
    "PSNR ↑": ("psnr", 2),
    "PSNR-B ↑": ("psnr_b", 2),
    "SSIM ↑": ("ssim", 4),
    "LPIPS-Alex ↓": ("lpips_alex", 4),
    "LPIPS-Squeeze ↓": ("lpips_squeeze", 4),
    "s / picture": ("seconds", 2),
    "evaluations": ("evaluations", 0),
}


@dataclass(frozen=True)
class Restoration:
    """Pixels as they would be saved, seconds in network and sampler, network evaluations of the whole picture."""

    pixels: Pixels
    seconds: float | None = None
    evaluations: int | None = None


@dataclass(frozen=True)
class Record:
    """One picture, compressed once and restored by one method, with the values of the metrics."""

    picture: str
    quality: str
    method: Method
    bits_per_pixel: float
    seconds: float | None
    evaluations: int | None
    metrics: dict[str, float]

    def value(self, name: str) -> float | None:
        return self.metrics[name] if name in self.metrics else getattr(self, name, None)

    def as_json(self) -> str:
        fields = asdict(self)
        return json.dumps(fields | fields.pop("metrics"))


def main() -> None:
    options = read_options()
    if options.threads:
        torch.set_num_threads(options.threads)
    pictures = choose(options.data, options.images)
    metrics = Metrics(options.weights)
    restorer = None
    if set(options.mode) != {"plain"}:
        restorer = driftrec.Restorer(options.model, threads=options.threads)
    about = describe(options, len(pictures))
    trials = measure(pictures, options, restorer, metrics)
    total = len(pictures) * len(options.quality) * len(options.mode)
    records = []
    with Path(options.out or os.devnull).open("w", encoding="utf-8") as out:
        print(json.dumps(about, ensure_ascii=False), file=out, flush=True)
        for record in track(trials, "measuring", total, console=Console(stderr=True)):
            print(record.as_json(), file=out, flush=True)  # at once: a run that is interrupted keeps what it has
            records.append(record)
    page = f"{table(records)}\n\n{caption(about)}\n"
    print(page)
    if options.markdown:
        options.markdown.write_text(page, encoding="utf-8")


def restore(restorer: driftrec.Restorer, file: bytes, mode: Mode, steps: int | None, seed: int) -> Restoration:
    """What a user of the library does; the only place that knows its interface."""
    restored = restorer.restore(file, mode=mode, steps=steps if mode == "natural" else None, seed=seed)
    return Restoration(np.asarray(restored.picture.to_pil()), restored.seconds, restored.evaluations)


class Metrics:
    """All metrics of one pair of pictures; LPIPS only where its weights are (they are not part of driftrec)."""

    def __init__(self, weights: Path) -> None:
        self.lpips = {
            trunk: Lpips(trunk, path)
            for trunk in get_args(Trunk)
            if (path := weights / f"lpips_{trunk}_v0.1.safetensors").is_file()
        }
        if not self.lpips:
            print(f"no LPIPS weights in {weights}: those columns stay empty", file=sys.stderr)

    def __call__(self, restored: Pixels, clean: Pixels) -> dict[str, float]:
        values = {name: metric(restored, clean) for name, metric in FIDELITY.items()}
        a, b = as_batch(restored), as_batch(clean)
        return values | {f"lpips_{trunk}": float(distance(a, b)) for trunk, distance in self.lpips.items()}


def measure(
    pictures: list[Path], options: argparse.Namespace, restorer: driftrec.Restorer | None, metrics: Metrics
) -> Iterator[Record]:
    """Every picture at every quality by every method, in that order."""
    for path in pictures:
        clean = decode(path.read_bytes())
        for quality in options.quality:
            file, reference = corrupt(clean, quality)
            bits_per_pixel = 8 * len(file) / (reference.shape[0] * reference.shape[1])
            for method in options.mode:
                if method == "plain" or restorer is None:
                    result = Restoration(decode(file))
                else:
                    result = restore(restorer, file, method, options.steps, options.seed)
                values = metrics(result.pixels, reference)
                yield Record(path.stem, quality, method, bits_per_pixel, result.seconds, result.evaluations, values)


def corrupt(clean: Pixels, quality: str) -> tuple[bytes, Pixels]:
    """(the JPEG file, what it shows of the clean picture): after one compression, or two with a shift of (4, 4) pixels
    between them, as in FBCNN's protocol."""
    first, plus, second = quality.partition("+")
    if not plus:
        return compress(clean, int(first)), clean
    return compress(decode(compress(clean, int(first)))[4:, 4:], int(second)), clean[4:, 4:]


def compress(pixels: Pixels, quality: int) -> bytes:
    """The picture as a JPEG file: 4:2:0, or one channel for gray pictures."""
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "JPEG", quality=quality, subsampling="4:2:0")
    return file.getvalue()


def decode(file: bytes) -> Pixels:
    """(H, W, 3) for colour, (H, W) for gray files."""
    with Image.open(io.BytesIO(file)) as image:
        return np.asarray(image.convert("L" if image.mode in ("1", "L", "LA") else "RGB"))


def as_batch(pixels: Pixels) -> torch.Tensor:
    """(1, 3, H, W) in [0, 1]."""
    rgb = np.broadcast_to(np.atleast_3d(pixels), (*pixels.shape[:2], 3))
    return torch.from_numpy(rgb.transpose(2, 0, 1)[None].astype(np.float32) / 255)


def choose(folder: Path, count: int | None) -> list[Path]:
    """The pictures of a folder by name; `count` of them, evenly spread, if it is given."""
    pictures = sorted(folder.glob("*.png"))
    if not pictures:
        raise SystemExit(f"no PNG pictures in {folder}: name a folder of clean pictures with --data")
    kept = min(count or len(pictures), len(pictures))
    return [pictures[i * len(pictures) // kept] for i in range(kept)]


def table(records: list[Record]) -> str:
    """A Markdown table of means: one row for each quality and method, in the order in which they were measured."""
    groups = defaultdict(list)
    for record in records:
        groups[record.quality, record.method].append(record)
    rows = [
        [quality, method, *(mean(group, name, decimals) for name, decimals in COLUMNS.values())]
        for (quality, method), group in groups.items()
    ]
    head = ["quality", "", *COLUMNS]
    rule = ["---:", "---", *["---:"] * len(COLUMNS)]
    return "\n".join(f"| {' | '.join(str(cell) for cell in row)} |" for row in [head, rule, *rows])


def mean(group: list[Record], name: str, decimals: int) -> str:
    """The mean over pictures as text; a dash for what was not measured."""
    values = [value for record in group if (value := record.value(name)) is not None]
    return f"{np.mean(values):.{decimals}f}" if values else "–"


def describe(options: argparse.Namespace, pictures: int) -> dict[str, object]:
    """All that is needed to repeat the run, and to judge its seconds."""
    about: dict[str, object] = {
        "data": options.data.resolve().name,
        "pictures": pictures,
        "quality": options.quality,
        "mode": options.mode,
        "model": None,
        "steps": options.steps,
        "seed": options.seed,
        "driftrec": driftrec.__version__,
        "pillow": PIL.__version__,
        "libjpeg": features.version("libjpeg_turbo") or features.version("jpg"),
        "onnxruntime": onnxruntime.__version__,
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": options.threads or os.cpu_count(),
        "system": platform.platform(),
    }
    if set(options.mode) != {"plain"}:
        file = find_model(options.model)
        about["model"] = f"{file.stem} (sha256 {hashlib.sha256(file.read_bytes()).hexdigest()[:12]})"
    return about


def caption(about: dict[str, object]) -> str:
    """The description of a run as a paragraph under its table."""
    steps = "the model's own number of" if about["steps"] is None else about["steps"]
    model = f"Model {about['model']}, {steps} steps, seed {about['seed']}. " if about["model"] else ""
    return (
        f"{about['data']}, {about['pictures']} pictures; Pillow {about['pillow']} (libjpeg-turbo {about['libjpeg']}), "
        f"4:2:0; results rounded to 8 bits, means over pictures. PSNR over RGB in dB; PSNR-B with the blocking effect "
        f"of the luma, as FBCNN and JDEC; SSIM with a Gaussian window, mean over channels; LPIPS v0.1. "
        f"{model}driftrec {about['driftrec']}, ONNX Runtime {about['onnxruntime']}, on {about['threads']} of "
        f"{about['cores']} cores, {about['processor']}; seconds are those of network and sampler."
    )


def processor() -> str:
    """The name of the processor, as the system gives it."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--data", type=Path, default=SHARED / "data/test/live1", metavar="FOLDER", help="clean PNG pictures")
    add("--weights", type=Path, default=SHARED / "weights", metavar="FOLDER", help="LPIPS weights")
    add(
        "--quality",
        nargs="+",
        default=["5", "10", "20", "30", "40", "90", "95", "10+30", "10+50"],
        metavar="Q",
        help="Pillow's, 1 to 100; Q+Q for two compressions",
    )
    add(
        "--mode",
        action="append",
        choices=METHODS,
        help="may be repeated; plain is always measured (default: all)",
    )
    add("--steps", type=int, metavar="N", help="network evaluations of natural (default: the model's own)")
    add("--seed", type=int, default=0)
    add("--model", default=DEFAULT_MODEL, metavar="NAME|FILE", help=f"default: {DEFAULT_MODEL}")
    add("--threads", type=int, metavar="N", help="CPU threads (default: all cores)")
    add("--images", type=int, metavar="K", help="only K pictures, evenly spread over the folder")
    add("--out", type=Path, metavar="FILE", help="JSON Lines: the run, then one record for each picture")
    add("--markdown", type=Path, metavar="FILE", help="the table and its caption")
    options = parser.parse_args()
    options.mode = [method for method in METHODS if method in {"plain", *(options.mode or METHODS)}]
    numbers = [number for quality in options.quality for number in quality.split("+")]
    if not all(number.isdecimal() and 1 <= int(number) <= 100 for number in numbers):
        parser.error("qualities are 1 to 100, or two of them joined by +")
    if any(number is not None and number < 1 for number in (options.steps, options.threads, options.images)):
        parser.error("--steps, --threads and --images are at least 1")
    return options


if __name__ == "__main__":
    main()
