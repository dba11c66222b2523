"""Runs checkpoints in PyTorch, on any device that it supports, without an export."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from driftrec.model.card import Card
from driftrec.model.runner import Runner
from driftrec.train.model import card, load

DEVICES = ("cuda", "mps", "cpu")


class TorchRunner(Runner):
    """A checkpoint of `driftrec train` in PyTorch, float32.  It can be pickled, and is then opened again from its path.

    Arguments: `path`, best.safetensors or last.safetensors; `threads`, CPU threads of the whole process (default:
    PyTorch's); `device`, one of `DEVICES`, or "auto" for the first that is available.  Raises ValueError for a file
    that is not a checkpoint or a device that is not available.
    """

    def __init__(self, path: Path, *, threads: int | None = None, device: str = "auto") -> None:
        there = _available()
        if device not in ("auto", *DEVICES):
            raise ValueError(f"checkpoints run in PyTorch, not on '{device}': choose auto, {', '.join(DEVICES)}")
        if device != "auto" and device not in there:
            raise ValueError(f"PyTorch has no '{device}' here: choose {', '.join(there)}")
        if threads:
            torch.set_num_threads(threads)
        self._device = torch.device(there[0] if device == "auto" else device)
        self._opened_as = {"path": path.resolve(), "threads": threads, "device": device}
        model = load(path)
        self._networks = [
            trained.network.to(self._device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
            for trained in (model.denoiser, model.finisher or model.denoiser)
        ]
        self.card = Card.parse(card(model, path.parent.name or path.stem, "not stated"), str(path))

    def __reduce__(self) -> tuple[Any, ...]:
        """Returns how to open the checkpoint again."""
        return partial(type(self), **self._opened_as), ()

    @torch.inference_mode()
    def __call__(self, residual: np.ndarray, ratio: float, y: np.ndarray, *, finish: bool = False) -> np.ndarray:
        state, condition = (
            torch.from_numpy(image).to(self._device).contiguous(memory_format=torch.channels_last)
            for image in (residual, y)
        )
        x0 = self._networks[finish](state, torch.full((len(y),), ratio, device=self._device), condition)
        return x0.contiguous().float().cpu().numpy()


def _available() -> tuple[str, ...]:
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    return tuple(name for name in DEVICES if there[name])
