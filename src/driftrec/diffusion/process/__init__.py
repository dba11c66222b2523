"""Forward processes, which turn a clean image into noise around a corrupted one, and the clock that samplers use."""

from driftrec.diffusion.process.base import Process, Time, Times
from driftrec.diffusion.process.cards import process_from_card, process_from_text
from driftrec.diffusion.process.paper import OUVE, TSDVE, CosVE, Growth, PaperProcess
from driftrec.diffusion.process.rivals import VP, Bridge

__all__ = [
    "OUVE",
    "TSDVE",
    "VP",
    "Bridge",
    "CosVE",
    "Growth",
    "PaperProcess",
    "Process",
    "Time",
    "Times",
    "process_from_card",
    "process_from_text",
]
