"""How much of the processor's arithmetic a training step uses, by the shape of the network.

    python research/shapes.py --out research/logs/shape-and-inputs/shapes.jsonl

A step is forward, backward and update (Muon) in bfloat16, on crops that are there already.  Its arithmetic is counted
as six operations for every multiply–add of a convolution: two on the way forward, four on the way back.  The peak is
that of a square matrix product in bfloat16, measured before every layout, since the machine may have other work.
Seconds are those of the processor, of the fastest of several steps; one thread, as two wait for each other, busily,
where the machine has other work.
"""

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from driftrec.evaluate.machine import processor
from driftrec.train.muon import Muon
from driftrec.train.nn.cost import cost
from driftrec.train.nn.unet import Block, UNet, UNetConfig


@dataclass(frozen=True)
class Layout:
    """A network and how it is trained: crops of `crop` pixels, `batch` of them a step."""

    network: UNetConfig
    crop: int = 128
    batch: int = 16
    compiled: bool = False
    channels_last: bool = True


BASE = UNetConfig(2, (48, 96, 128), (3, 6, 12), (4, 5))
EVEN = UNetConfig(2, (64, 128, 256), (2, 3, 3), (2, 3))
QUARTER = UNetConfig(2, (64, 128, 256), (1, 5, 2), (1, 4))

LAYOUTS = {
    "base": Layout(BASE),
    "base, channels first": Layout(BASE, channels_last=False),
    "base, compiled": Layout(BASE, compiled=True),
    "64-128-256, blocks spread evenly": Layout(EVEN),
    "64-128-256, most blocks at quarter resolution": Layout(QUARTER),
    "the same, compiled": Layout(QUARTER, compiled=True),
    "the same, compiled, batches of 8": Layout(QUARTER, batch=8, compiled=True),
    "the same, compiled, batches of 32": Layout(QUARTER, batch=32, compiled=True),
    "the same, compiled, crops of 256": Layout(QUARTER, crop=256, batch=4, compiled=True),
    "the same, compiled, crops of 64": Layout(QUARTER, crop=64, batch=64, compiled=True),
    "64-128, two levels, compiled": Layout(UNetConfig(2, (64, 128), (1, 10), (1,)), compiled=True),
    "64-192-256, compiled": Layout(UNetConfig(2, (64, 192, 256), (1, 2, 2), (1, 2)), compiled=True),
    "patch 4, 128-256, compiled": Layout(UNetConfig(4, (128, 256), (5, 3), (5,)), compiled=True),
    "patch 4, 256, compiled": Layout(UNetConfig(4, (256,), (3,), ()), compiled=True),
}


def peak(size: int = 2048, seconds: float = 2.0) -> float:
    """Operations per second of a matrix product in bfloat16, the best of several."""
    a, b = (torch.randn(size, size, dtype=torch.bfloat16) for _ in range(2))
    best, began = 0.0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        start = time.process_time()
        a @ b
        best = max(best, 2 * size**3 * torch.get_num_threads() / (time.process_time() - start))
    return best


def measure(layout: Layout, steps: int) -> dict[str, float]:
    """Crops per second, operations per second and share of the peak of one layout, from its fastest step."""
    torch.manual_seed(0)
    network = UNet(layout.network)
    memory = torch.channels_last if layout.channels_last else torch.contiguous_format
    network = network.to(memory_format=memory)  # pyright: ignore[reportCallIssue]
    taken = cost(network)
    optimizer = Muon(network.parameters(), 1e-4)
    shape = layout.batch, 3, layout.crop, layout.crop
    images = [torch.rand(shape).contiguous(memory_format=memory) for _ in range(3)]
    if layout.compiled:
        for module in network.modules():
            if isinstance(module, Block):  # once for each width, as blocks of one width are alike
                module.compile(dynamic=False)
    noise = torch.zeros(layout.batch)

    def step() -> float:
        start = time.process_time()
        with torch.autocast("cpu", torch.bfloat16):
            estimate = network(images[0], noise, images[1]).float()
        (estimate - images[2]).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
        return (time.process_time() - start) / torch.get_num_threads()

    for _ in range(2):
        step()
    matrix = peak()
    wall = time.perf_counter()
    seconds = min(step() for _ in range(steps))
    wall = (time.perf_counter() - wall) / steps
    rate = 6 * taken.multiply_adds * layout.crop**2 * layout.batch / seconds
    return {
        "multiply_adds": round(taken.multiply_adds),
        "parameters": taken.parameters,
        "crop": layout.crop,
        "batch": layout.batch,
        "crops_per_second": round(layout.batch / seconds, 2),
        "megapixels_per_second": round(layout.batch * layout.crop**2 / seconds / 1e6, 3),
        "compiled": layout.compiled,
        "tera_operations": round(rate / 1e12, 3),
        "peak": round(matrix / 1e12, 3),
        "share": round(rate / matrix, 3),
        "wall_over_processor": round(wall / seconds, 2),
    }


def main() -> None:
    options = read_options()
    torch.set_num_threads(options.threads)
    chosen = [name for name in LAYOUTS if not options.only or name in options.only]
    for name in chosen:
        record = {"layout": name, **measure(LAYOUTS[name], options.steps)}
        record |= {"threads": options.threads, "processor": processor(), "torch": torch.__version__}
        print(json.dumps(record), flush=True)
        with options.out.open("a", encoding="utf-8") as log:
            log.write(json.dumps(record) + "\n")


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="JSON lines, appended to")
    parser.add_argument("--only", nargs="+", help="layouts, by name")
    parser.add_argument("--steps", type=int, default=9)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
