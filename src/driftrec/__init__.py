"""driftrec: restores over-compressed JPEGs by sampling clean pictures from a diffusion process.

    >>> import driftrec
    >>> driftrec.restore("photo.jpg").save("photo.png")             # doctest: +SKIP

Names are imported when they are first used, so that the command line answers at once.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from driftrec.jpeg import JpegError
    from driftrec.picture import Picture, PictureError, open_picture, save_picture
    from driftrec.process import OUVE, TSDVE, VP, Bridge, CosVE
    from driftrec.restorer import Restored, Restorer, inspect, restore
    from driftrec.runtime import ModelError, Network
    from driftrec.tiling import Tiling

__version__ = "0.1.0"

__all__ = [
    "OUVE",
    "TSDVE",
    "VP",
    "Bridge",
    "CosVE",
    "JpegError",
    "ModelError",
    "Network",
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

_ROOMS = {
    "jpeg": ("JpegError",),
    "picture": ("Picture", "PictureError", "open_picture", "save_picture"),
    "process": ("OUVE", "TSDVE", "VP", "Bridge", "CosVE"),
    "restorer": ("Restored", "Restorer", "inspect", "restore"),
    "runtime": ("ModelError", "Network"),
    "tiling": ("Tiling",),
}


def __getattr__(name: str) -> object:
    for room, names in _ROOMS.items():
        if name in names:
            return getattr(import_module(f"driftrec.{room}"), name)
    raise AttributeError(f"module 'driftrec' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
