"""Measures the speed and size of driftrec: seconds, peak memory, installed size, and ratios to alternatives.

    python benchmarks/speed.py                     # everything except the installation
    python benchmarks/speed.py --install           # also the size of a clean installation (needs a package index)
    python benchmarks/speed.py --only runtime      # one part: runtime, peer, programs, photo, large, start, loader,
                                                   # training

Results are written to docs/measured/speed.jsonl, which keeps those of parts that were not measured.

Times on shared machines are noisy: compared programs take turns within one run, and the best of several rounds
counts.  programs measures those decoders of others that are on the PATH (`driftrec.evaluate.methods.PROGRAMS`).
"""

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from PIL import Image

import driftrec
from driftrec.evaluate.machine import processor, run_program
from driftrec.evaluate.measurement import Conditions, Fact, facts
from driftrec.evaluate.methods import PROGRAMS
from driftrec.evaluate.tables import keep
from driftrec.model.find import bundled_models
from driftrec.train.data.crops import Corpus, Crops, Entry
from driftrec.train.data.degrade import jpeg, jpeg_mixture
from driftrec.train.denoiser import Loss, Residual
from driftrec.train.muon import Muon
from driftrec.train.nn.unet import UNet, UNetConfig
from peers import Fbcnn, NafUNet

MEASURED = Path(__file__).parents[1] / "docs/measured/speed.jsonl"
DRIFTREC = str(Path(sys.executable).with_name("driftrec"))


def main() -> None:
    options = read_options()
    parts: dict[str, Callable[[], list[Fact]]] = {
        "runtime": runtime,
        "peer": peer,
        "programs": programs,
        "photo": photo,
        "large": large,
        "start": start,
        "loader": loader,
        "training": training,
    }
    if options.install:
        parts["install"] = install
    rows = [row for name, part in parts.items() if options.only in (None, name) for row in part()]
    print(keep(MEASURED, facts(rows, conditions()), note(), partial=bool(options.only) or not options.install))


def runtime() -> list[Fact]:
    """One evaluation of the shipped network on a 512² tile: ONNX Runtime, and PyTorch eager in both layouts."""
    network = driftrec.Network()
    config = network_config(network.card.facts)
    model = Residual(UNet(config), 0.05).eval()
    last = Residual(UNet(config), 0.05).eval().to(memory_format=torch.channels_last)
    y = synthetic(512, 512).transpose(2, 0, 1)[None].astype(np.float32) / 255
    residual, ratio = np.zeros_like(y), torch.tensor([0.1])
    tensor = torch.from_numpy(y)
    tensor_last = tensor.contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        seconds = in_turns(
            {
                "ONNX Runtime": lambda: network(residual, 0.1, y),
                "PyTorch eager": lambda: model(tensor, ratio, tensor),
                "PyTorch eager, channels last": lambda: last(tensor_last, ratio, tensor_last),
            }
        )
    ours = seconds.pop("ONNX Runtime")
    megapixels = 512 * 512 / 1e6
    return [
        ("one evaluation, ONNX Runtime", ours / megapixels, "{:.2f} {unit}", "s per megapixel"),
        *((f"{name}, relative to ONNX Runtime", value / ours, "× {:.2f}", "") for name, value in seconds.items()),
    ]


def peer() -> list[Fact]:
    """One evaluation of other restorers' networks and of ours, all by ONNX Runtime, at 256²."""
    y = synthetic(256, 256).transpose(2, 0, 1)[None].astype(np.float32) / 255
    rivals = {"FBCNN's network": Fbcnn().eval(), "a NAFNet of DeJPEGNet's size": NafUNet().eval()}
    ours = {name: driftrec.Network(name) for name in bundled_models()}
    work: dict[str, Callable[[], object]] = {name: lambda net=net: net(y, 0.1, y) for name, net in ours.items()}
    for name, rival in rivals.items():
        session, feed = exported(rival, y)
        work[name] = lambda session=session, feed=feed: session.run(None, feed)
    seconds = in_turns(work, rounds=3)
    rows: list[Fact] = []
    for name, rival in rivals.items():
        size = f"{sum(p.numel() for p in rival.parameters()) / 1e6:.1f} M parameters"
        rows.append((f"{name} ({size})", seconds[name] * 1e6 / 256**2, "{:.1f} {unit}", "s per megapixel"))
        rows += [
            (f"{name}, relative to one evaluation of {model}", seconds[name] / seconds[model], "× {:.1f}", "")
            for model in ours
        ]
    return rows


def exported(network: torch.nn.Module, y: np.ndarray) -> tuple[onnxruntime.InferenceSession, dict[str, np.ndarray]]:
    """A network of one input as a session of ONNX Runtime, and what it is fed with."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "network.onnx"
        with warnings.catch_warnings(action="ignore"):  # about deprecations in the exporter itself
            torch.onnx.export(network, (torch.from_numpy(y),), file, dynamo=True, verbose=False)
        session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    return session, {session.get_inputs()[0].name: y}


def programs() -> list[Fact]:
    """Decoders of others and ours: the whole program with a 768×512 photo, in turns, and its peak memory."""
    peak: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "photo.jpg"
        Image.fromarray(synthetic(512, 768)).save(path, quality=10)

        def call(name: str, words: str, suffix: str) -> None:
            target = path.with_name(name + suffix)
            filled = [word.format(input=path, output=target) for word in shlex.split(words)]
            done = run_program([shutil.which(filled[0]) or filled[0], *filled[1:]])
            if done.status or done.megabytes is None:
                raise SystemExit(f"{name} failed, or its memory cannot be measured here")
            peak[name] = done.megabytes
            target.unlink()  # no program replaces a file of its own accord

        others = [program for program in PROGRAMS.values() if shutil.which(shlex.split(program.run)[0])]
        work = {p.name: lambda p=p: call(p.name, p.run, p.suffix) for p in others}
        for mode in ("decode", "faithful", "natural"):
            words = f"{shlex.quote(DRIFTREC)} restore {{input}} -o {{output}} --mode {mode} --quiet"
            work[f"driftrec {mode}"] = lambda mode=mode, words=words: call(f"driftrec {mode}", words, ".png")
        seconds = in_turns(work, rounds=5)
    return [
        fact
        for name, value in seconds.items()
        for fact in (
            (f"768×512 photo, {name}", value, "{:.2f} {unit}", "s"),
            (f"768×512 photo, {name}: peak memory", peak[name], "{:.0f} {unit}", "MB"),
        )
    ]


def photo() -> list[Fact]:
    """The whole program with a 768×512 photo, including start-up and files."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "photo.jpg"
        Image.fromarray(synthetic(512, 768)).save(path, quality=10)
        seconds = in_turns({mode: lambda mode=mode: run(path, mode) for mode in ("faithful", "natural")}, rounds=3)
    return [(f"768×512 photo, {mode}, whole program", value, "{:.1f} {unit}", "s") for mode, value in seconds.items()]


def large() -> list[Fact]:
    """A 24-megapixel photo: seconds and peak resident memory of the program."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "photo.jpg"
        tile = synthetic(500, 600)
        Image.fromarray(np.tile(tile, (8, 10, 1))).save(path, quality=10)
        for mode in ("faithful", "natural"):
            began = time.perf_counter()
            peak = run(path, mode)
            seconds = time.perf_counter() - began
            rows.append((f"24-megapixel photo, {mode}", seconds, "{:.0f} {unit}", "s"))
            rows.append((f"24-megapixel photo, {mode}: peak memory", peak, "{:.2f} {unit}", "GB"))
    return rows


def start() -> list[Fact]:
    """Seconds of `driftrec --help`, the start-up time of the program."""

    def ask() -> None:
        subprocess.run([DRIFTREC, "--help"], check=True, capture_output=True)

    return [("driftrec --help", in_turns({"help": ask})["help"], "{:.2f} {unit}", "s")]


def loader() -> list[Fact]:
    """Training pairs (clean and corrupted crops) that one core makes in a second."""
    pixels = np.concatenate([synthetic(512, 512, seed).ravel() for seed in range(4)])
    corpus = Corpus(pixels, tuple(Entry(i * 512 * 512 * 3, 512, 512, str(i), "") for i in range(4)))
    rows = []
    for size in (64, 128):
        crops = Crops(corpus, jpeg_mixture(0.15, 0.15, 0.03), size)
        crops.batch(range(20))
        began = time.perf_counter()
        crops.batch(range(400))
        rate = 400 / (time.perf_counter() - began)
        rows.append((f"training pairs of {size}×{size}", rate, "{:.0f} {unit}", "per second and core"))
    return rows


def training() -> list[Fact]:
    """Training steps on 16 crops of 96², in single precision and with bfloat16 convolutions."""
    card = driftrec.Network().card
    model = Residual(UNet(network_config(card.facts)), 0.05).to(memory_format=torch.channels_last)
    optimizer = Muon(model.parameters(), 1e-4)
    x0, y = torch.rand(2, 16, 3, 96, 96).unbind()
    ratio = torch.full((16,), 0.1)

    def step(half: bool) -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            estimate = model(x0 - y, ratio, y)
        Loss(floor=0.01)(x0, y, estimate, ratio).mean().backward()
        optimizer.step()
        optimizer.zero_grad()

    side = 2048
    matrix = torch.randn(side, side)
    half = matrix.bfloat16()
    seconds = in_turns({"single precision": lambda: step(False), "bfloat16": lambda: step(True)})
    products = in_turns({"single precision": lambda: matrix @ matrix, "bfloat16": lambda: half @ half})
    best = min(seconds, key=lambda name: seconds[name])
    attainable = 2 * side**3 / products[best]
    # Forward, gradient of the input, gradient of the weights: three times two operations for each multiply–add.
    used = 6 * card.facts["multiply_adds_per_pixel"] * 16 * 96**2 / seconds[best]
    return [
        *(
            (f"training in {name}", 16 / value, "{:.1f} {unit}", "crops of 96×96 per second")
            for name, value in seconds.items()
        ),
        (
            f"operations per second of training in {best}, relative to a large matrix product",
            100 * used / attainable,
            "{:.0f}{unit}",
            "%",
        ),
    ]


def network_config(facts: dict[str, Any]) -> UNetConfig:
    """The shape of the network that a model's card names."""
    return UNetConfig(**{k: tuple(v) if isinstance(v, list) else v for k, v in facts["network"].items()})


def install() -> list[Fact]:
    """The size of `pip install .` in a clean virtual environment."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        python = str(Path(folder) / "bin" / "python")
        base = size_of(Path(folder))
        project = str(Path(__file__).parents[1])
        subprocess.run([python, "-m", "pip", "install", "-q", project], check=True, capture_output=True)
        torch_there = subprocess.run([python, "-c", "import torch"], capture_output=True, check=False).returncode == 0
        size = size_of(Path(folder)) - base
        which = "with" if torch_there else "without"
        rows: list[Fact] = [(f"installed by `pip install .`, {which} PyTorch", size / 1e6, "{:.0f} {unit}", "MB")]
        for command in (["uninstall", "-q", "-y", "onnxruntime"], ["install", "-q", "onnxruntime-openvino"]):
            subprocess.run([python, "-m", "pip", *command], check=True, capture_output=True)
        ratio = subprocess.run([python, "-c", OPENVINO], check=True, capture_output=True, text=True).stdout
        over = "one evaluation on the CPU, relative to OpenVINO in bfloat16"
        return [*rows, (over, float(ratio), "× {:.2f}", "")]


OPENVINO = """
import time
import numpy as np
from driftrec import Network

y = np.random.default_rng(0).random((1, 3, 512, 512), dtype=np.float32)
networks = [Network(device=name) for name in ("cpu", "openvino")]
best = [float("inf")] * 2
for _ in range(6):
    for i, network in enumerate(networks):
        began = time.perf_counter()
        network(y, 0.1, y)
        best[i] = min(best[i], time.perf_counter() - began)
print(best[0] / best[1])
"""
"""Run with the ONNX Runtime that has OpenVINO, which also has the plain CPU."""


def run(path: Path, mode: str) -> float:
    """Restores a file with the program; returns its peak resident memory in GB."""
    target = path.with_name(f"{mode}.png")
    done = run_program([DRIFTREC, "restore", str(path), "-o", str(target), "--mode", mode, "--overwrite"])
    if done.status or done.megabytes is None:
        raise SystemExit(f"restoring {path} failed, or its memory cannot be measured here")
    return done.megabytes / 1e3


def in_turns(work: dict[str, Callable[[], object]], rounds: int = 5) -> dict[str, float]:
    """The seconds of each piece of work: the best of several rounds, in which they take turns."""
    best = dict.fromkeys(work, float("inf"))
    for _ in range(rounds):
        for name, piece in work.items():
            began = time.perf_counter()
            piece()
            best[name] = min(best[name], time.perf_counter() - began)
    return best


def synthetic(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Smooth colours with noise, uint8 (height, width, 3), since the content does not affect the speed."""
    rng = np.random.default_rng(seed)
    v, u = np.mgrid[:height, :width]
    waves = [128 + 90 * np.sin(u / (17 + 5 * c) + v / (23 - 4 * c)) for c in range(3)]
    noisy = np.stack(waves, axis=2) + 12 * rng.standard_normal((height, width, 3))
    return jpeg(noisy.clip(0, 255).astype(np.uint8), 95)


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(p.lstat().st_size for p in folder.rglob("*") if p.is_file())


def conditions() -> Conditions:
    """Machine and versions."""
    libraries = [f"ONNX Runtime {onnxruntime.__version__}", f"PyTorch {torch.__version__}"]
    return Conditions.now(f"{os.cpu_count()} cores of {processor()}", bundled_models(), "synthetic pictures", libraries)


def note() -> str:
    """The note below the table."""
    card = driftrec.Network().card
    return (
        f"Model {card.name}: {card.facts['multiply_adds_per_pixel'] / 1e3:.1f} k multiply–adds per pixel, "
        f"{card.facts['plan_multiply_adds_per_pixel'] / 1e3:.1f} k in {card.plan.evaluations} evaluations for a "
        f"natural restoration.  Best of several rounds."
    )


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--only", choices=("runtime", "peer", "programs", "photo", "large", "start", "loader", "training", "install")
    )
    parser.add_argument("--install", action="store_true", help="measure a clean installation too")
    return parser.parse_args()


if __name__ == "__main__":
    main()
