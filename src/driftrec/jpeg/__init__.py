"""JPEG files: reading coefficients, projecting onto quantisation cells, and finding earlier compressions."""

from driftrec.jpeg.cell import Cells
from driftrec.jpeg.dequantise import decode
from driftrec.jpeg.enlarged import Enlargement
from driftrec.jpeg.file import Component, JpegError, JpegFile, read_jpeg
from driftrec.jpeg.interpolation import enlarge, shrink
from driftrec.jpeg.recover import recovered
from driftrec.jpeg.report import Report, examine
from driftrec.jpeg.tables import ijg_quality, ijg_table

__all__ = [
    "Cells",
    "Component",
    "Enlargement",
    "JpegError",
    "JpegFile",
    "Report",
    "decode",
    "enlarge",
    "examine",
    "ijg_quality",
    "ijg_table",
    "read_jpeg",
    "recovered",
    "shrink",
]
