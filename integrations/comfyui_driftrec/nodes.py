"""The node that restores pictures; its attributes and methods are those that ComfyUI looks for."""

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from driftrec.model.find import DEFAULT_MODEL, bundled_models
from driftrec.restoration.restorer import Restorer

LARGEST_SEED = 2**63 - 1


class DriftrecRestore:
    """Restores decoded JPEGs, each picture of a batch by itself and with the same seed.

    ComfyUI passes pixels, not files, so earlier compression is recognised by its traces in the pixels.
    """

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "restore"
    CATEGORY = "image/restoration"
    DESCRIPTION = "Restores pictures that were compressed too hard as JPEGs."

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict[str, tuple[Any, ...]]]:
        """The inputs, by name, and their limits."""
        natural = "natural is sharp and invents texture; faithful is softer and invents nothing"
        clean = "return pictures without traces of JPEG compression as they are"
        return {
            "required": {
                "image": ("IMAGE",),
                "model": (list(bundled_models()), {"default": DEFAULT_MODEL, "tooltip": "base is better and slower"}),
                "mode": (["natural", "faithful"], {"default": "natural", "tooltip": natural}),
                "strength": ("FLOAT", {"default": 1.0, "min": 0.0, "max": 1.0, "step": 0.05}),
                "seed": ("INT", {"default": 0, "min": 0, "max": LARGEST_SEED, "tooltip": "of natural restorations"}),
                "leave_clean": ("BOOLEAN", {"default": True, "tooltip": clean}),
            }
        }

    def restore(
        self, image: Tensor, model: str, mode: str, strength: float, seed: int, leave_clean: bool
    ) -> tuple[Tensor]:
        """Returns the restored pictures.

        Arguments: `image`, (batch, height, width, channels) in [0, 1]; channels after the third are kept as they are.
        The others are options of `driftrec.Options`; `leave_clean` is the opposite of `force`.
        """
        changes = {"mode": mode, "strength": strength, "seed": seed, "force": not leave_clean}
        restored = image.clone()
        for source, target in zip(image, restored, strict=True):
            pixels = source[..., :3].detach().cpu().float().clamp(0, 1).numpy()
            result = _restorer(model).restore(np.rint(255 * pixels).astype(np.uint8), **changes)
            if result.verdict != "leave":
                target[..., :3] = torch.from_numpy(result.pixels)
        return (restored,)


@lru_cache(maxsize=1)
def _restorer(model: str) -> Restorer:
    return Restorer(model)
