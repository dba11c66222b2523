"""The usual benchmark protocols by name: corruptions, gray or colour, and metrics."""

from dataclasses import dataclass, replace
from itertools import product

from driftrec.evaluate.chains.listed import CHOOSING, REPORTED
from driftrec.evaluate.corruptions import Corruption, DoubleJpeg, Jpeg
from driftrec.evaluate.features import Network
from driftrec.evaluate.measures import FIDELITY, GRAPHICS, STANDARD
from driftrec.evaluate.tables import BASELINE, COMPARED


@dataclass(frozen=True)
class Protocol:
    """How a benchmark is run.

    Attributes:
        title: heading of its tables.
        corruptions: applied to every clean picture; empty if the pictures are JPEGs without a clean version.
        gray: whether colour pictures are converted to luma first.
        metrics: names of `driftrec.evaluate.measures.METRICS`.
        published: the set in `published.json` to show beside the results, "" for none.
        methods: the methods to compare by default.
        features: the network from whose features FID and KID are computed, see `features.distances`.
        baseline: label of the method that the others are compared with, picture by picture.
        compared: the metrics of these comparisons.
    """

    title: str
    corruptions: tuple[Corruption, ...]
    gray: bool = False
    metrics: tuple[str, ...] = STANDARD
    published: str = ""
    methods: tuple[str, ...] = ("plain", "decode", "faithful", "natural")
    features: Network | None = None
    baseline: str = BASELINE
    compared: tuple[str, ...] = COMPARED


_JUDGES = ("ssimulacra2", "niqe", "classes")
"""Metrics that no network of this project was trained for."""

_CHAINS = Protocol(
    "Chains for reports: JPEGs that were resized, edited and saved again",
    REPORTED,
    metrics=("psnr", "ssim", "lpips_alex"),
    methods=("plain", "faithful", "ceiling:faithful", "natural", "ceiling:natural"),
)


def _graphics(title: str) -> Protocol:
    """Pictures that are no photographs, compressed once."""
    ours = ("faithful", "natural", "faithful:model=base", "natural:model=base")
    corruptions = tuple(Jpeg(q) for q in (10, 20, 40, 75))
    return Protocol(title, corruptions, metrics=GRAPHICS, methods=("plain", "decode", *ours, "waifu2x"))


PROTOCOLS: dict[str, Protocol] = {
    "live1-color": Protocol(
        "LIVE1, colour, single JPEG",
        tuple(Jpeg(q) for q in (5, 10, 20, 30, 40)),
        published="live1-color",
        features="classifier",
        methods=(
            *("plain", "decode", "faithful", "faithful:steps=2", "natural", "natural:steps=6"),
            *("faithful:model=base", "faithful:model=base,steps=2", "natural:model=base"),
        ),
    ),
    "classic5": Protocol(
        "Classic5, gray, single JPEG", tuple(Jpeg(q) for q in (10, 20, 30, 40)), gray=True, published="classic5"
    ),
    "double-jpeg": Protocol(
        "Double JPEG in gray, the second grid shifted by (4, 4)",
        tuple(DoubleJpeg(a, b) for a, b in product((10, 30, 50), repeat=2)),
        gray=True,
        metrics=(*FIDELITY, "bef_shifted", "lpips_alex"),
        published="double-jpeg",
        methods=("plain", "faithful", "natural"),
    ),
    "double-jpeg-color": Protocol(
        "Double JPEG in colour, the second grid shifted by (4, 4)",
        tuple(DoubleJpeg(a, b) for a, b in product((10, 30, 50), repeat=2)),
        metrics=(*FIDELITY, "bef_shifted", "ssimulacra2", "lpips_alex"),
        methods=("plain", "faithful", "natural"),
    ),
    "high-quality": Protocol(
        "High quality in colour: do no harm",
        tuple(Jpeg(q) for q in (80, 90, 95, 100)),
        metrics=FIDELITY,
        published="high-quality",
        methods=("plain", "decode", "faithful"),
    ),
    "wild": Protocol("JPEGs as found, without clean versions", (), metrics=("niqe", "bef", "bef_shifted", "cells")),
    "sampling": Protocol(
        "Sampling and regression by one network",
        tuple(Jpeg(q) for q in (5, 10, 20)),
        metrics=("psnr", "ssim", *_JUDGES, "lpips_alex", "lpips_squeeze", "spectrum", "wavelets"),
        features="classifier",
        methods=(
            *("plain", "faithful:consistent=off"),
            "sample:sampler=euler-maruyama,start=1,steps=100,consistent=off",
            *(f"sample:steps={steps},consistent=off" for steps in (10, 5)),
        ),
        baseline="driftrec faithful, consistent off",
        compared=("psnr", *_JUDGES, "lpips_alex", "spectrum"),
    ),
    "chains": _CHAINS,
    "chains-choosing": replace(
        _CHAINS, title="Chains for choosing: JPEGs that were resized, edited and saved again", corruptions=CHOOSING
    ),
    "screens": _graphics("Screenshots, single JPEG"),
    "pages": _graphics("Pages of text and diagrams, single JPEG"),
    "drawings": _graphics("Painted and drawn game art, single JPEG"),
    "imagenet-fid": Protocol(
        "ImageNet 256×256, FID and KID of 10 000 pictures",
        tuple(Jpeg(q) for q in (5, 10, 20)),
        metrics=("psnr", "ssim", "lpips_alex", "colour_shift"),
        published="imagenet-fid",
        features="inception",
    ),
}


def find_protocol(name: str | None, qualities: tuple[int, ...] = ()) -> Protocol:
    """The protocol of that name, or a plain one; `qualities` replace its corruptions by single JPEGs.

    Raises ValueError for unknown names, and for qualities if the pictures of the protocol are already JPEGs.
    """
    if name is not None and name not in PROTOCOLS:
        raise ValueError(f"there is no protocol '{name}': choose from {', '.join(PROTOCOLS)}")
    protocol = PROTOCOLS[name] if name else Protocol("Single JPEG", tuple(Jpeg(q) for q in (5, 10, 20, 30, 40)))
    if not qualities:
        return protocol
    if not protocol.corruptions:
        raise ValueError(f"the protocol '{name}' takes JPEGs as they are: leave --quality out")
    return replace(protocol, corruptions=tuple(Jpeg(q) for q in qualities))
