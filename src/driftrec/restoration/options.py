"""The options of a restoration, as one frozen value that the command line, Python, HTTP, archives and the benchmark
share."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from os import PathLike
from typing import Any, Literal, Self, TypeAlias, get_args

from driftrec.diffusion.posterior import SAMPLER
from driftrec.diffusion.process import process_from_text
from driftrec.diffusion.samplers import NAMES
from driftrec.model.find import DEFAULT_MODEL
from driftrec.model.runner import Runner
from driftrec.picture import MAX_PIXELS
from driftrec.restoration.symmetry import VIEWS
from driftrec.restoration.tiling import Tiling

Mode: TypeAlias = Literal["natural", "faithful", "sample", "decode"]
Consistency: TypeAlias = Literal["auto", "on", "off"]
History: TypeAlias = Literal["auto", "single", "resaved", "resized", "clean"]

RANDOM = ("natural", "sample")
"""Modes whose results depend on the seed."""

MOST = 1000
"""The maximum of network evaluations for one sample, and of samples."""

ENGINE = ("model", "device", "threads")
"""Options that are fixed when a `Restorer` is created; the others may differ from picture to picture."""


@dataclass(frozen=True)
class Options:
    """The options of a restoration.

    Attributes:
        mode: "natural" makes a picture nearly as sharp as clean ones, one guess with a little noise; "faithful"
            estimates the mean of all clean pictures that fit, which is softer but closest to the truth in PSNR;
            "sample" draws one of all pictures that fit, as `driftrec.diffusion.posterior` describes; "decode" only
            decodes a JPEG better than usual, without the network.
        steps: for natural, the maximum of network evaluations, 1 to 1000 (default: the model card's).  The first
            gives the faithful estimate, around which sampling starts; there are no others if the file has lost too
            little to need sampling.  For faithful, the number of averaged views, 1 (default), 2, 4 or 8.  For sample,
            the network evaluations of the sampler, 1 to 1000 (default: 20).
        seed: the same seed gives the same picture; at least 0.  Natural restorations of two seeds differ little,
            samples of two seeds as much as the file leaves open.
        samples: number of natural restorations or of samples to average, 1 to 1000, with the seeds `seed`, `seed` + 1,
            …  The mean of many natural restorations is not much softer than one of them, and their deviation is
            several times smaller than their error; the mean of many samples approaches the faithful estimate.
        sampler, process, start: for sample, a name from `driftrec.diffusion.samplers.NAMES`; a process as text, such as
            "CosVE:gamma=2" (default: the model card's); and the time in (0, 1] where sampling starts (default: early
            enough to hide what the file lost).
        consistent: "on" keeps every coefficient within the file's quantisation cell; "auto" does so unless the file
            is a recompressed JPEG; "off" does not constrain the estimate.  With models that undo another corruption
            than JPEG, "auto" is "off", and "on" is an error.
        history: what happened to the picture: "single", one compression and nothing after it; "resaved", an earlier
            compression; "resized", an earlier compression, then a change of size; "clean", nothing.  "auto" finds out.
        texture: for natural, how much texture is added to the faithful estimate: 0 for none, 1 for as much as clean
            pictures have (default: the model card's).  Less is closer to the original and looks softer.
        strength: 0 gives the input, 1 the restoration; values in between blend them.
        force: also restores what looks clean or nearly lossless, and gives the network its full weight.
        bits: bits per sample of the result, 8 or 16 (default: the input's).
        strict: refuses files that are cut short; otherwise what they hold of the picture is restored.
        strip: omits EXIF, XMP and IPTC from the result; colour profiles stay.
        max_pixels: larger pictures are refused before they are decoded.
        model: a bundled name, an .onnx file, a checkpoint of `train`, a model of a hub (`driftrec.model.hub`),
            or an open `Runner`.
        device: where the network runs: a name from `driftrec.model.providers`, or "auto".
        threads: CPU threads of the network (default: all cores).
        tiling: how large pictures are cut.

    Raises:
        ValueError: a value is outside these ranges; the message is one sentence.
    """

    mode: Mode = "natural"
    steps: int | None = None
    seed: int = 0
    samples: int = 1
    sampler: str = SAMPLER
    process: str | None = None
    start: float | None = None
    consistent: Consistency = "auto"
    history: History = "auto"
    texture: float | None = None
    strength: float = 1.0
    force: bool = False
    bits: int | None = None
    strict: bool = False
    strip: bool = False
    max_pixels: int = MAX_PIXELS
    model: str | PathLike[str] | Runner = DEFAULT_MODEL
    device: str = "auto"
    threads: int | None = None
    tiling: Tiling = field(default_factory=Tiling)

    def __post_init__(self) -> None:
        _one_of("mode", self.mode, get_args(Mode))
        _one_of("consistent", self.consistent, get_args(Consistency))
        _one_of("history", self.history, get_args(History))
        if self.mode == "decode" and self.steps is not None:
            raise ValueError("decoding takes no steps: omit steps, or choose another mode")
        if self.mode == "faithful" and self.steps not in (None, *VIEWS):
            raise ValueError(f"a faithful restoration takes 1, 2, 4 or 8 steps, not {self.steps}")
        if self.mode in RANDOM and self.steps is not None:
            _between("steps", self.steps, 1, MOST)
        _between("samples", self.samples, 1, MOST)
        if self.samples > 1 and self.mode not in RANDOM:
            raise ValueError(
                f"{self.mode} has no samples to average: omit samples, or choose the mode natural or sample"
            )
        self._check_sampling()
        _between("seed", self.seed, 0, 2**63 - 1)
        _between("strength", self.strength, 0, 1)
        if self.texture is not None:
            _between("texture", self.texture, 0, 1)
            if self.mode != "natural":
                raise ValueError("texture is for the mode natural: omit it, or choose that mode")
        if self.bits not in (None, 8, 16):
            raise ValueError(f"bits must be 8 or 16, not {self.bits}")
        _between("max_pixels", self.max_pixels, 1, 2**63 - 1)
        if self.threads is not None:
            _between("threads", self.threads, 1, 1024)

    def _check_sampling(self) -> None:
        _one_of("sampler", self.sampler, NAMES)
        if self.process is not None:
            process_from_text(self.process)
        if self.start is not None and not 0 < self.start <= 1:
            raise ValueError(f"start must be above 0 and at most 1, not {self.start}")
        if self.mode != "sample":
            given = {"sampler": self.sampler != SAMPLER, "process": self.process, "start": self.start}
            if named := [name for name, value in given.items() if value]:
                raise ValueError(f"{named[0]} is for the mode sample: omit it, or choose that mode")

    def changed(self, **changes: Any) -> Self:  # noqa: ANN401 (of the attributes' types, which are checked)
        """Returns a copy with other values.

        Raises:
            ValueError: a value is out of range, as above.
            TypeError: a name is not that of an attribute.
        """
        return replace(self, **changes)

    def read(self, texts: Mapping[str, str], known: tuple[str, ...] | None = None) -> Self:
        """Returns a copy with values given as text, as in the query of a URL: {"steps": "4", "force": "true"}.

        `known` are the names that may be given (default: all except `tiling`).

        Raises:
            ValueError: another name is given, or a value cannot be parsed.
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
    **dict.fromkeys(("strength", "start", "texture"), _number),
    **dict.fromkeys(("force", "strict", "strip"), _flag),
}
