"""What is asked of a restoration: one frozen value, which the command line, Python, HTTP, archives and the benchmark
all pass on whole."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from os import PathLike
from typing import Any, Literal, Self, TypeAlias, get_args

from driftrec.model.find import DEFAULT_MODEL
from driftrec.model.runner import Runner
from driftrec.picture import MAX_PIXELS
from driftrec.restoration.symmetry import VIEWS
from driftrec.restoration.tiling import Tiling

Mode: TypeAlias = Literal["natural", "faithful", "decode"]
Consistency: TypeAlias = Literal["auto", "on", "off"]

MOST = 1000
"""The most evaluations of the network for one sample, and the most samples."""

ENGINE = ("model", "device", "threads")
"""Options that take effect when a `Restorer` is made; the others may differ from picture to picture."""


@dataclass(frozen=True)
class Options:
    """What is asked of a restoration.

    Attributes:
        mode: "natural" samples a picture as sharp as clean ones are; "faithful" estimates the mean of all clean
            pictures that fit, closest to the truth in PSNR and softer; "decode" only decodes a JPEG better than
            usual, without the network.
        steps: natural: the most network evaluations, 1 to 1000 (default: the model card's).  The first is the
            faithful estimate, around which sampling starts; it stays alone where the file has lost so little that
            there is nothing to sample.  faithful: how many views are averaged, 1 (default), 2, 4 or 8.
        seed: same seed, same picture; at least 0.
        samples: how many natural restorations to average, 1 to 1000, of seeds `seed`, `seed` + 1, …  One is as sharp
            as clean pictures are; the more there are, the closer to the faithful estimate, and the better known is
            where the model is guessing.
        consistent: "on" keeps every coefficient within the file's quantisation cell; "auto" does so unless the file
            had been a JPEG before; "off" leaves the estimate free.
        strength: 0 gives the input, 1 the restoration, values between blend them.
        force: restore also what looks clean or nearly lossless, with the network's full weight.
        bits: bits per sample of the result, 8 or 16 (default: the input's).
        strip: leave EXIF, XMP and IPTC out of the result; colour profiles stay.
        max_pixels: larger pictures are refused before they are decoded.
        model: a bundled name, an .onnx file, a checkpoint of `train`, a hub's 'owner/model', or an open `Runner`.
        device: where the network runs, see `driftrec.model.providers`, or "auto".
        threads: CPU threads of the network (default: all cores).
        tiling: how large pictures are cut.

    Raises ValueError, in one sentence, for values outside these ranges.
    """

    mode: Mode = "natural"
    steps: int | None = None
    seed: int = 0
    samples: int = 1
    consistent: Consistency = "auto"
    strength: float = 1.0
    force: bool = False
    bits: int | None = None
    strip: bool = False
    max_pixels: int = MAX_PIXELS
    model: str | PathLike[str] | Runner = DEFAULT_MODEL
    device: str = "auto"
    threads: int | None = None
    tiling: Tiling = field(default_factory=Tiling)

    def __post_init__(self) -> None:
        _one_of("mode", self.mode, get_args(Mode))
        _one_of("consistent", self.consistent, get_args(Consistency))
        if self.mode == "decode" and self.steps is not None:
            raise ValueError("decoding takes no steps: leave steps out, or choose another mode")
        if self.mode == "faithful" and self.steps not in (None, *VIEWS):
            raise ValueError(f"a faithful restoration takes 1, 2, 4 or 8 steps, not {self.steps}")
        if self.mode == "natural" and self.steps is not None:
            _between("steps", self.steps, 1, MOST)
        _between("samples", self.samples, 1, MOST)
        if self.samples > 1 and self.mode != "natural":
            raise ValueError("only natural restorations are sampled: leave samples out, or choose the mode natural")
        _between("seed", self.seed, 0, 2**63 - 1)
        _between("strength", self.strength, 0, 1)
        if self.bits not in (None, 8, 16):
            raise ValueError(f"bits must be 8 or 16, not {self.bits}")
        _between("max_pixels", self.max_pixels, 1, 2**63 - 1)
        if self.threads is not None:
            _between("threads", self.threads, 1, 1024)

    def changed(self, **changes: Any) -> Self:  # noqa: ANN401 (of the attributes' types, which are checked)
        """The same with other values.  Raises ValueError as above, TypeError for names that are no attribute."""
        return replace(self, **changes)

    def read(self, texts: Mapping[str, str], known: tuple[str, ...] | None = None) -> Self:
        """The same with values written as text, as in the query of an address: {"steps": "4", "force": "true"}.

        `known` are the names that may be given (default: all but `tiling`).  Raises ValueError for other names and
        for values that cannot be read.
        """
        known = tuple(f.name for f in fields(self) if f.name != "tiling") if known is None else known
        if unknown := sorted(set(texts) - set(known)):
            raise ValueError(f"there is no option {unknown[0][:40]}: choose from {', '.join(sorted(known))}")
        return self.changed(**{name: _READ.get(name, _text)(name, text) for name, text in texts.items()})


def _one_of(name: str, value: object, choices: tuple[object, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(str, choices))}, not {str(value)[:40]}")


def _between(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        limits = f"at least {low}" if high > 1e9 else f"between {low} and {high}"
        raise ValueError(f"{name} must be {limits}, not {value}")


def _text(_: str, text: str) -> str:
    return text


def _whole(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise ValueError(f"{name} must be a whole number, not {text[:40]}") from error


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise ValueError(f"{name} must be a number, not {text[:40]}") from error


def _flag(name: str, text: str) -> bool:
    if text not in _FLAGS:
        raise ValueError(f"{name} must be true or false, not {text[:40]}")
    return _FLAGS[text]


_FLAGS = {"1": True, "true": True, "": False, "0": False, "false": False}
_READ = {
    **dict.fromkeys(("steps", "seed", "samples", "bits", "max_pixels", "threads"), _whole),
    "strength": _number,
    **dict.fromkeys(("force", "strip"), _flag),
}
