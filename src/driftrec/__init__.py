"""driftrec: restores over-compressed JPEGs by sampling clean pictures from a diffusion process.

    >>> import driftrec
    >>> driftrec.restore("photo.jpg").save("photo.png")             # doctest: +SKIP

Names are imported on first use, so the command line answers at once.
"""

import logging
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from driftrec.diffusion.process import OUVE, TSDVE, VP, Bridge, CosVE
    from driftrec.jpeg import JpegError
    from driftrec.model.card import ModelError
    from driftrec.model.onnx import Network
    from driftrec.picture import Picture, PictureError, open_picture, save_picture
    from driftrec.restoration.decision import inspect
    from driftrec.restoration.options import Options
    from driftrec.restoration.restored import Restored
    from driftrec.restoration.restorer import Restorer, restore
    from driftrec.restoration.tiling import Tiling

__version__ = "0.1.0"

logging.getLogger(__name__).addHandler(logging.NullHandler())  # silent until the program that uses it wants messages

__all__ = [
    "OUVE",
    "TSDVE",
    "VP",
    "Bridge",
    "CosVE",
    "JpegError",
    "ModelError",
    "Network",
    "Options",
    "Picture",
    "PictureError",
    "Restored",
    "Restorer",
    "Tiling",
    "inspect",
    "open_picture",
    "restore",
    "save_picture",
]

_LAZY = {
    "diffusion.process": ("OUVE", "TSDVE", "VP", "Bridge", "CosVE"),
    "jpeg": ("JpegError",),
    "model.card": ("ModelError",),
    "model.onnx": ("Network",),
    "picture": ("Picture", "PictureError", "open_picture", "save_picture"),
    "restoration.decision": ("inspect",),
    "restoration.options": ("Options",),
    "restoration.restored": ("Restored",),
    "restoration.restorer": ("Restorer", "restore"),
    "restoration.tiling": ("Tiling",),
}


def __getattr__(name: str) -> object:
    for module, names in _LAZY.items():
        if name in names:
            return getattr(import_module(f"driftrec.{module}"), name)
    raise AttributeError(f"module 'driftrec' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
