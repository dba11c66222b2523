"""What 3×3 convolutions reach in bfloat16, forward and backward, by channels: one thread, channels last.

python research/convolutions.py --out research/logs/shape-and-inputs/convolutions.jsonl
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import torch

from driftrec.evaluate.machine import processor

SHAPES = ((48, 64), (64, 64), (96, 32), (128, 32), (192, 32), (256, 32), (256, 16))
"""Channels, and height and width of the maps."""

IMAGES = 8


def main() -> None:
    options = read_options()
    torch.set_num_threads(1)
    with options.out.open("w", encoding="utf-8") as log:
        for channels, size in SHAPES:
            record = {"channels": channels, "size": size, "images": IMAGES, **measure(channels, size)}
            log.write(json.dumps(record | {"processor": processor(), "torch": torch.__version__}) + "\n")


def measure(channels: int, size: int) -> dict[str, float]:
    """Tera-operations per second: forward, gradient of the inputs, of the weights, all three; of a matrix product."""
    x, gradient = (
        torch.randn(IMAGES, channels, size, size).bfloat16().contiguous(memory_format=torch.channels_last)
        for _ in range(2)
    )
    weights = torch.randn(channels, channels, 3, 3).bfloat16().contiguous(memory_format=torch.channels_last)
    matrix = torch.randn(2048, 2048).bfloat16()

    def backward(inputs: bool) -> None:
        torch.ops.aten.convolution_backward(
            gradient, x, weights, None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1, [inputs, not inputs, False]
        )

    operations = 2 * 9 * channels**2 * size**2 * IMAGES
    seconds = {
        "forward": fastest(lambda: torch.conv2d(x, weights, None, 1, 1)),
        "to_inputs": fastest(lambda: backward(True)),
        "to_weights": fastest(lambda: backward(False)),
    }
    rates = {name: operations / value for name, value in seconds.items()}
    rates["all"] = 3 * operations / sum(seconds.values())
    rates["matrix"] = 2 * 2048**3 / fastest(lambda: matrix @ matrix)
    return {name: round(value / 1e12, 2) for name, value in rates.items()}


def fastest(work: Callable[[], object], repeats: int = 20) -> float:
    """Processor seconds."""
    work()
    best = float("inf")
    for _ in range(repeats):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return best


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
