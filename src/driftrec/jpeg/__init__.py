"""JPEG files: reading coefficients, projecting onto quantisation cells, and finding earlier compressions."""

from driftrec.jpeg.cell import Cells
from driftrec.jpeg.copied import completed
from driftrec.jpeg.dequantise import decode
from driftrec.jpeg.file import Component, JpegError, JpegFile, is_jpeg, read_jpeg
from driftrec.jpeg.interpolation import resized, unresized
from driftrec.jpeg.recover import compressed_part, recovered
from driftrec.jpeg.report import Report, examine
from driftrec.jpeg.resizing import Resizing
from driftrec.jpeg.tables import ijg_quality, ijg_table

__all__ = [
    "Cells",
    "Component",
    "JpegError",
    "JpegFile",
    "Report",
    "Resizing",
    "completed",
    "compressed_part",
    "decode",
    "examine",
    "ijg_quality",
    "ijg_table",
    "is_jpeg",
    "read_jpeg",
    "recovered",
    "resized",
    "unresized",
]
