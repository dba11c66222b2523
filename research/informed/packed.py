"""Witnessed crops as tensors, made as they are needed or kept in files of their own for trials that share them."""

import json
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from driftrec.jpeg.blocks import OFFSET, RGB
from driftrec.train.data.crops import Crops
from driftrec.train.data.degrade import Pixels
from informed.evidence import Scenes, Witness

FINE = 64
"""Planes are stored in whole numbers of 1/FINE levels, which loses nothing that matters."""


@dataclass(frozen=True)
class Batch:
    """Crops with their witnesses; sizes in pixels, n crops.

    Attributes:
        clean, pixels: uint8 (n, 3, height, width), RGB.
        planes: int16 (n, 3, height, width); chroma: int16 (n, 2, height / 2, width / 2), in 1/FINE levels around 0.
        tables: uint8 (n, 2, 64); facts: uint8 (n, 3): stated, chroma halved vertically, horizontally.
    """

    clean: Tensor
    pixels: Tensor
    planes: Tensor
    chroma: Tensor
    tables: Tensor
    facts: Tensor

    def __getitem__(self, part: slice) -> "Batch":
        return Batch(*(getattr(self, field.name)[part] for field in fields(self)))

    def __len__(self) -> int:
        return len(self.clean)


def batch_of(pairs: list[tuple[Pixels, Witness]]) -> Batch:
    """(clean, witness) of equally large crops as tensors."""
    return Batch(*(torch.from_numpy(np.ascontiguousarray(values)) for values in _arrays(pairs).values()))


def _arrays(pairs: list[tuple[Pixels, Witness]]) -> dict[str, NDArray]:
    witnesses = [witness for _, witness in pairs]
    return {
        "clean": np.stack([clean for clean, _ in pairs]).transpose(0, 3, 1, 2),
        "pixels": np.stack([w.pixels for w in witnesses]).transpose(0, 3, 1, 2),
        "planes": _fine([w.planes for w in witnesses]),
        "chroma": _fine([w.chroma for w in witnesses]),
        "tables": np.stack([w.tables for w in witnesses]),
        "facts": np.array([(w.stated, *w.halved) for w in witnesses], np.uint8),
    }


def _fine(planes: list[NDArray[np.float32]]) -> NDArray[np.int16]:
    return np.rint(np.stack(planes) * FINE).clip(-32768, 32767).astype(np.int16)


class Witnessed(Dataset[Batch]):
    """Batch n of crops n · size … of a training corpus; every crop a pure function of (seed, its number)."""

    def __init__(self, crops: Crops, scenes: Scenes, size: int) -> None:
        self.crops, self.scenes, self.size = crops, scenes, size

    def __getitem__(self, number: int) -> Batch:
        return batch_of([self.pair(i) for i in range(number * self.size, (number + 1) * self.size)])

    def pair(self, index: int) -> tuple[Pixels, Witness]:
        """(clean, witness) of one crop."""
        clean = self.crops.pair(index)[0]
        return clean, self.scenes(clean, np.random.default_rng((self.crops.seed, index, 1)))


class Packed(Dataset[Batch]):
    """The same from files: `folder` holds one array for each part of a batch, written by `pack`."""

    def __init__(self, folder: Path, size: int) -> None:
        self.parts = [np.load(folder / f"{field.name}.npy", mmap_mode="r") for field in fields(Batch)]
        self.size = size
        self.count = len(self.parts[0]) // size

    def __getitem__(self, number: int) -> Batch:
        first = number % self.count * self.size
        return Batch(*(torch.from_numpy(part[first : first + self.size].copy()) for part in self.parts))


def pack(source: Witnessed, count: int, folder: Path) -> None:
    """Writes the first `count` crops, unless they are there."""
    done = folder / "done.json"
    if done.exists() and json.loads(done.read_text())["count"] == count:
        return
    folder.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, NDArray] = {}
    for index in range(count):
        for name, values in _arrays([source.pair(index)]).items():
            if name not in arrays:
                path, shape = folder / f"{name}.npy", (count, *values.shape[1:])
                arrays[name] = np.lib.format.open_memmap(path, "w+", values.dtype, shape)
            arrays[name][index] = values[0]
    for array in arrays.values():
        array.flush()
    done.write_text(json.dumps({"count": count}))


def rgb(planes: Tensor) -> Tensor:
    """RGB in units of the white level, not clipped, of planes in levels: float (n, 3, height, width)."""
    matrix = torch.tensor(RGB, dtype=planes.dtype, device=planes.device)
    mixed = torch.einsum("ij,njhw->nihw", matrix, planes)
    return (mixed + float(OFFSET)) / 255
