"""The settings of a run: typed, frozen, read from YAML.  The error for an unknown key names the nearest known key."""

import difflib
import math
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError, model_validator

from driftrec.diffusion.plan import Plan
from driftrec.diffusion.process import Process, process_from_card
from driftrec.diffusion.types import Anchor
from driftrec.train.data.chains import RandomChains
from driftrec.train.data.degrade import Chain, Degradation, RandomJpeg, Step, jpeg_mixture
from driftrec.train.data.graphics.fonts import find_fonts
from driftrec.train.data.graphics.mixture import WEIGHTS, Drawn, Mixture
from driftrec.train.denoiser import Denoiser, Direct, Loss, Residual, Score, Weight, process_end
from driftrec.train.nn.ncsnpp import NCSNpp, NCSNppConfig
from driftrec.train.nn.unet import UNet, UNetConfig


class Section(BaseModel):
    """A group of settings in a recipe: frozen; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _kind(network: object) -> str:
    """The kind of network that a recipe describes; the U-Net by default."""
    return network.get("kind", "unet") if isinstance(network, dict) else getattr(network, "kind", "")


NetworkConfig = Annotated[
    Annotated[UNetConfig, Tag("unet")] | Annotated[NCSNppConfig, Tag("ncsnpp")], Discriminator(_kind)
]


class DrawnSection(Section):
    """Crops that are drawn while training runs: text, interfaces, line art, comics and the like."""

    share: float = Field(default=0.3, ge=0, le=1)  # of all crops
    kinds: dict[str, float] = Field(default_factory=lambda: dict(WEIGHTS))  # their relative numbers
    fonts: tuple[Path, ...] = ()  # folders; default: the fonts of the system

    @model_validator(mode="after")
    def _fits(self) -> Self:
        self.mixture()  # raises ValueError for unknown kinds
        return self

    def mixture(self) -> Mixture:
        """What is drawn, and how often."""
        return Mixture(tuple(self.kinds.items()))

    def build(self) -> Drawn:
        """The generator.  Raises ValueError if a folder has no fonts."""
        return Drawn(self.share, self.mixture(), find_fonts(self.fonts))


class DataSection(Section):
    """The training pictures, their crops and their corruption.

    With `corrupted`, pairs come from disk and the corruption may be unknown.  Otherwise `corruption` lists the steps
    that are applied to the clean pictures in order.  With `chains`, pairs come from random chains of compressions and
    edits; {} selects the usual ones.  Without any of these, the corruption is the mixture of JPEGs that the shipped
    models train on.
    """

    folders: tuple[Path, ...] = ()  # or other sources of pictures, see driftrec.train.data.sources
    weights: tuple[float, ...] = ()  # one for each of `folders`: relative numbers of crops; default: by area
    corrupted: tuple[Path, ...] = ()  # one for each of `folders`, with pictures of the same names and sizes
    corruption: tuple[Step, ...] = ()  # by kind, see driftrec.train.data.degrade
    chains: RandomChains | None = None
    drawn: DrawnSection | None = None
    held_out: float = Field(default=0.06, gt=0, lt=1)  # share of the originals kept for validation
    crop: int = Field(default=96, ge=16)  # pixels
    resize: tuple[float, float] | None = None  # shares of the picture's area, resized to `crop`
    post_crop: int | None = Field(default=None, ge=16)  # pixels, cut from the crop after its corruption
    gray: float = Field(default=0.04, ge=0, le=1)  # share of crops without colour
    power: float = Field(default=2.0, gt=0)  # weight on low qualities, see degrade.RandomJpeg
    shifted: float = Field(default=0.15, ge=0, le=1)  # shares of the batch, see degrade.jpeg_mixture
    double: float = Field(default=0.15, ge=0, le=1)
    double_first: float = Field(default=0.0, ge=0, le=1)
    clean: float = Field(default=0.03, ge=0, le=1)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.corrupted and self.corruption:
            raise ValueError("corrupted folders and a corruption exclude each other: leave one out")
        if self.chains is not None and (self.corrupted or self.corruption or self.resize or self.post_crop):
            raise ValueError(
                "chains make, size and cut the pairs: leave corrupted, corruption, resize and post_crop out"
            )
        if self.corrupted and len(self.corrupted) != len(self.folders):
            raise ValueError(f"{len(self.folders)} clean folders need as many corrupted, not {len(self.corrupted)}")
        if self.corrupted and self.drawn:
            raise ValueError("corrupted folders exclude drawn pictures, whose corruption is unknown: leave one out")
        if self.weights and (len(self.weights) != len(self.folders) or min(self.weights) <= 0):
            raise ValueError(f"{len(self.folders)} folders need as many positive weights, not {self.weights}")
        if self.resize is not None and not 0 < self.resize[0] <= self.resize[1] <= 1:
            raise ValueError(f"resize must be two shares 0 < low ≤ high ≤ 1, not {self.resize}")
        if self.post_crop is not None and self.post_crop > self.crop:
            raise ValueError(f"post_crop {self.post_crop} is larger than crop {self.crop}")
        self.degradation()  # raises ValueError for shares that do not fit
        return self

    @property
    def is_jpeg(self) -> bool:
        """Whether validation uses JPEGs of several qualities rather than the training corruption."""
        return not self.corrupted and all(isinstance(step, RandomJpeg) for step in self.corruption)

    def degradation(self) -> Degradation:
        """The corruption that training crops go through, unless `chains` are given."""
        if self.corruption:
            return Chain(self.corruption)
        return jpeg_mixture(self.shifted, self.double, self.clean, self.power, self.double_first)


class NoiseSection(Section):
    """How noise-to-scale ratios are drawn: a share at infinity, the rest by one of two laws.

    log-normal: ln s is normal.  time: the ratio of `process` at a time uniform between `earliest` and 1, as in the
    paper.
    """

    regression: float = Field(default=0.5, ge=0, le=1)  # share of the batch at s = ∞
    law: Literal["log-normal", "time"] = "log-normal"
    log_mean: float = -3.0  # of ln s; e⁻³ = 0.05, a JPEG of quality 10's residual
    log_std: float = Field(default=1.2, gt=0)
    process: dict[str, Any] = Field(default_factory=lambda: {"name": "OUVE"})
    earliest: float = Field(default=0.01, gt=0, lt=1)
    residual_std: float = Field(default=0.05, gt=0, lt=1)  # S of the preconditioning, in image units
    floor: float = Field(default=0.02, gt=0)  # smallest residual the loss is taken relative to, in image units

    @model_validator(mode="after")
    def _has_a_process(self) -> Self:
        process_from_card(self.process)
        return self

    def build_process(self) -> Process:
        """The process whose times are drawn."""
        return process_from_card(self.process)

    @property
    def range(self) -> tuple[float, float]:
        """The finite ratios that are trained, (lowest, highest)."""
        if self.law == "time":
            process = self.build_process()
            return process.ratio(self.earliest), process.ratio(process_end(process))
        return math.exp(self.log_mean - 3 * self.log_std), math.exp(self.log_mean + 3 * self.log_std)


class ObjectiveSection(Section):
    """What the network learns; see `driftrec.train.denoiser`."""

    predicts: Literal["residual", "score", "clean", "change", "mask"] = "residual"
    anchor: Anchor = "corrupted"
    blind: bool = False
    weight: Weight = "relative"
    norm: Literal["squared", "absolute"] = "squared"
    std_exponent: float = 0.0


class FinishSection(Section):
    """Trains a finisher for a model; see `driftrec.train.finisher`."""

    model: str  # a checkpoint, an exported file, or the name of a model that ships
    networks: tuple[Literal["alex", "squeeze"], ...] = Field(default=("alex", "squeeze"), min_length=1)  # of LPIPS
    weights_folder: Path | None = None  # where those networks' weights are; default: the cache, or downloaded into it
    weight: float = Field(default=3.0, ge=0)  # of each network's LPIPS beside the relative squared error
    pattern: float = Field(default=0.1, ge=0)  # weight of what the errors of all 8×8 blocks have in common
    evaluations: tuple[Annotated[int, Field(ge=2)], ...] = Field(default=(2,), min_length=1)  # of the plans it ends


class TrainConfig(Section):
    """A whole run."""

    data: DataSection = DataSection()
    network: NetworkConfig = UNetConfig()
    noise: NoiseSection = NoiseSection()
    objective: ObjectiveSection = ObjectiveSection()
    start: str | None = None  # a model, as for finish.model, whose weights the network starts with
    finish: FinishSection | None = None
    batch: int = Field(default=16, ge=1)  # crops in a step, over all devices
    optimizer: Literal["adamw", "muon"] = "muon"
    learning_rate: float = Field(default=2e-3, gt=0)
    weight_decay: float = Field(default=0.0, ge=0)
    warm_up: int = Field(default=300, ge=0)  # steps
    anneal: float = Field(default=0.6, gt=0, le=1)  # last part of the run, over which the rate falls to zero
    clip: float = Field(default=1.0, gt=0)  # largest gradient norm
    ema: float = Field(default=0.999, gt=0, lt=1)
    steps: int | None = Field(default=None, ge=1)  # length of the run: steps,
    minutes: float | None = Field(default=None, gt=0)  # or minutes of training over all sittings
    validate_every: float = Field(default=5.0, gt=0)  # minutes
    save_every: float = Field(default=2.0, gt=0)  # minutes
    precision: Literal["auto", "32-true", "bf16-mixed"] = "auto"
    compile: bool | None = None  # None: on a GPU only
    workers: int = Field(default=1, ge=0)  # loader processes per device
    accumulate: int = Field(default=1, ge=1)  # parts that a batch is split into where memory is short
    recompute: bool = False  # likewise: activations inside blocks are computed twice instead of being kept
    devices: int | Literal["auto"] = "auto"  # on each node; under torchrun or `fabric run`, what these were given
    nodes: int = Field(default=1, ge=1)
    seed: int = 0

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.objective.predicts == "score" and (self.noise.law != "time" or self.noise.regression):
            raise ValueError("a score needs noise.law: time and noise.regression: 0, as it has no value at s = ∞")
        if self.objective.weight == "score" and self.noise.regression:
            raise ValueError("the score weight is 0 at s = ∞: set noise.regression: 0, or another weight")
        if isinstance(self.network, NCSNppConfig) and not self.network.conditional and self.noise.regression < 1:
            raise ValueError("a network that is not conditional sees no state: set noise.regression: 1")
        return self

    def denoiser(self) -> Denoiser:
        """A new network inside its denoiser."""
        what, std = self.objective, self.noise.residual_std
        network = UNet(self.network) if isinstance(self.network, UNetConfig) else NCSNpp(self.network)
        if what.predicts == "residual":
            return Residual(network, std, what.anchor, what.blind)
        if what.predicts == "score":
            return Score(network, self.noise.build_process(), what.anchor, what.blind)
        return Direct(network, what.predicts, std, what.anchor, what.blind)

    def sampling_plan(self) -> Plan:
        """How to sample with the network."""
        plan = Plan(anchor=self.objective.anchor)
        if self.finish:
            # A finisher is trained in its low band too; only the mean of a whole picture is more than its crops show.
            return replace(plan, evaluations=self.finish.evaluations[0], colour="mean")
        if self.noise.regression:
            return plan
        process = self.noise.build_process() if self.noise.law == "time" else plan.process
        evaluations = 30 if self.objective.predicts == "score" else 10
        return replace(
            plan, process=process, around="file", evaluations=evaluations, start=process_end(process), end=0.03, eta=1.0
        )

    def loss(self) -> Loss:
        """The loss that the network is trained with."""
        what, noise = self.objective, self.noise
        return Loss(what.weight, noise.floor, noise.residual_std, what.norm == "absolute", what.std_exponent)


def bundled_recipes() -> dict[str, Path]:
    """Names and files of the recipes that ship with the package."""
    folder = Path(str(resources.files("driftrec") / "recipes"))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def read_recipe(recipe: str | Path, overrides: dict[str, Any] | None = None) -> TrainConfig:
    """The run that a bundled recipe or a YAML file describes; `overrides` ('data.crop': 64, …) win over the file.

    Raises ValueError with one sentence that names the file and the first setting that is wrong.
    """
    path = bundled_recipes().get(str(recipe), Path(recipe))
    if not path.exists() and path.suffix not in (".yaml", ".yml"):
        raise ValueError(f"there is no recipe '{recipe}': give a YAML file, or one of {', '.join(bundled_recipes())}")
    try:
        values = yaml.safe_load(path.read_text()) or {}
    except (OSError, yaml.YAMLError) as error:
        raise ValueError(f"{path} is not a readable recipe: {error}") from error
    if not isinstance(values, dict):
        raise ValueError(f"{path} is not a recipe: it must hold 'key: value' lines")
    for name, value in (overrides or {}).items():
        _put(values, name.split("."), value)
    try:
        return TrainConfig.model_validate(values)
    except ValidationError as error:
        raise ValueError(f"{path}: {sentence(error)}") from error


def parse_settings(texts: list[str]) -> dict[str, Any]:
    """'data.crop=64' and the like as overrides for `read_recipe`; values are YAML."""
    overrides = {}
    for text in texts:
        key, sign, value = text.partition("=")
        if not sign or not key:
            raise ValueError(f"'{text}' is not a setting: write KEY=VALUE, like batch=8")
        overrides[key.strip()] = yaml.safe_load(value)
    return overrides


def _put(values: dict[str, Any], keys: list[str], value: object) -> None:
    *sections, last = keys
    for section in sections:
        values = values.setdefault(section, {})
    values[last] = value


def sentence(error: ValidationError) -> str:
    """The error message for the first invalid setting of a recipe."""
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"])
    if first["type"] == "value_error":
        return (f"{name}: " if name else "") + str(first["ctx"]["error"])  # pyright: ignore[reportTypedDictNotRequiredAccess]
    if first["type"] not in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"{name}: {first['msg'].lower()}, got {first['input']!r}"
    schema = TrainConfig.model_json_schema()
    known = {key for part in (schema, *schema["$defs"].values()) for key in part.get("properties", ())}
    near = difflib.get_close_matches(name.split(".")[-1], known, n=1)
    return f"unknown setting '{name}'" + (f"; did you mean '{near[0]}'?" if near else "")
