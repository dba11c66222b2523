"""Choices that several commands offer."""

from enum import StrEnum


class ModeOption(StrEnum):
    """What kind of restoration: as sharp as clean pictures are, the safest guess, or no network at all."""

    natural = "natural"
    faithful = "faithful"
    decode = "decode"


class ConsistencyOption(StrEnum):
    """Whether the result must be a picture that the file could have come from."""

    auto = "auto"
    on = "on"
    off = "off"


class FormatOption(StrEnum):
    """File formats of results."""

    png = "png"
    webp = "webp"
    tiff = "tiff"
    avif = "avif"
    jpeg = "jpeg"


class DeviceOption(StrEnum):
    """The names of `driftrec.model.providers`, and auto."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"
    openvino = "openvino"
    directml = "directml"
    coreml = "coreml"
    mps = "mps"
