"""Recipes: the settings of a training run, read from YAML and checked.  Unknown keys are errors."""

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
from driftrec.model.card import Corruption
from driftrec.train.data.chains import RandomChains
from driftrec.train.data.degrade import Chain, Degradation, RandomJpeg, Step, jpeg_mixture, only_compresses
from driftrec.train.data.graphics.fonts import find_fonts
from driftrec.train.data.graphics.mixture import WEIGHTS, Drawn, Mixture
from driftrec.train.denoiser import Denoiser, Direct, Loss, Residual, Score, Weight, process_end
from driftrec.train.nn.ncsnpp import NCSNpp, NCSNppConfig
from driftrec.train.nn.unet import UNet, UNetConfig

Decay = Annotated[float, Field(ge=0, lt=1)]


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

    With `corrupted`, the corrupted pictures are read from disk, and their corruption may be unknown.  Otherwise the
    steps of `corruption` are applied to the clean pictures in order.  With `chains`, pairs come from random chains of
    compressions and edits; {} selects the usual ones.  Without any of these, the corruption is the mixture of JPEGs
    that the shipped models train on.
    """

    folders: tuple[Path, ...] = ()  # clean pictures; other sources than folders: driftrec.train.data.sources
    weights: tuple[float, ...] = ()  # relative numbers of crops, one for each of `folders`; default: by area
    corrupted: tuple[Path, ...] = ()  # one source for each of `folders`, its pictures with the same names and sizes
    corruption: tuple[Step, ...] = ()  # steps by `kind`, see driftrec.train.data.degrade
    chains: RandomChains | None = None  # see driftrec.train.data.chains
    undoes: Corruption | None = (
        None  # what the model's card says; None: "other" for pairs from disk and for other steps
    )
    drawn: DrawnSection | None = None  # see driftrec.train.data.graphics
    held_out: float = Field(default=0.06, gt=0, lt=1)  # share of the originals that is used for validation only
    crop: int = Field(default=96, ge=16)  # pixels
    validation: tuple[Path, ...] = ()  # other clean pictures to validate on, instead of a share `held_out`
    order: Literal["area", "epochs"] = "area"  # see crops.Crops
    symmetries: bool = True  # whether crops are turned and mirrored at random
    resize: tuple[float, float] | None = None  # range of shares of the picture's area that are resized to `crop`
    post_crop: int | None = Field(default=None, ge=16)  # pixels; side of the part that is cut out after corruption
    gray: float = Field(default=0.04, ge=0, le=1)  # share of crops that are converted to gray
    power: float = Field(default=2.0, gt=0)  # above 1, low qualities are more frequent; see degrade.RandomJpeg
    shifted: float = Field(default=0.15, ge=0, le=1)  # shares of the crops, see degrade.jpeg_mixture
    double: float = Field(default=0.15, ge=0, le=1)
    double_first: float = Field(default=0.0, ge=0, le=1)
    clean: float = Field(default=0.03, ge=0, le=1)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.corrupted and self.corruption:
            raise ValueError("data.corrupted and data.corruption exclude each other: remove one of them")
        if self.chains is not None and (self.corrupted or self.corruption or self.resize or self.post_crop):
            raise ValueError(
                "chains make, size and cut the pairs: leave corrupted, corruption, resize and post_crop out"
            )
        if self.corrupted and len(self.corrupted) != len(self.folders):
            raise ValueError(f"{len(self.folders)} clean folders need as many corrupted, not {len(self.corrupted)}")
        if self.corrupted and self.validation:
            raise ValueError("data.corrupted and data.validation exclude each other: remove one of them")
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

    @property
    def undone(self) -> Corruption:
        """What a model that is trained on these pictures undoes, as its card says.

        Random chains are JPEGs that were edited, too.  Pairs from disk are taken for another corruption, even if the
        pictures are JPEG files, unless `undoes` says that they show JPEG compression.
        """
        if self.undoes is not None:
            return self.undoes
        return "jpeg" if not self.corrupted and only_compresses(self.corruption) else "other"

    def require_side(self, multiple: int, least: int = 16) -> None:
        """Raises ValueError unless the crops that a network sees have sides of at least `least` pixels that are
        multiples of `multiple` pixels."""
        name, side = ("crop", self.crop) if self.post_crop is None else ("post_crop", self.post_crop)
        if side % multiple == 0 and side >= least:
            return
        below = side // multiple * multiple
        above = max(below + multiple, -(-least // multiple) * multiple)
        raise ValueError(
            f"data.{name} is {side}, but the network needs a multiple of {multiple} pixels"
            + (f" from {least} up" if side < least else "")
            + f": set it to {f'{below} or ' if below >= least else ''}{above}"
        )

    def degradation(self) -> Degradation:
        """The corruption that training crops go through, unless `chains` are given."""
        if self.corruption:
            return Chain(self.corruption)
        return jpeg_mixture(self.shifted, self.double, self.clean, self.power, self.double_first)


class NoiseSection(Section):
    """The distribution of the noise-to-scale ratios s that a denoiser is trained on.

    A share `regression` of the batch has s = ∞.  For the rest, ln s is normal with `log_mean` and `log_std` (law
    "log-normal"), or s is the ratio of `process` at a time that is uniform between `earliest` and 1 ("time", the
    paper's).
    """

    regression: float = Field(default=0.5, ge=0, le=1)  # share of the batch at s = ∞
    law: Literal["log-normal", "time"] = "log-normal"
    log_mean: float = -3.0  # of ln s; e⁻³ = 0.05 is about the residual of a JPEG of quality 10
    log_std: float = Field(default=1.2, gt=0)
    process: dict[str, Any] = Field(default_factory=lambda: {"name": "OUVE"})
    earliest: float = Field(default=0.01, gt=0, lt=1)
    residual_std: float = Field(default=0.05, gt=0, lt=1)  # S of the preconditioning, in image units
    floor: float = Field(default=0.02, gt=0)  # lower limit of the residual that the loss is relative to, image units

    @model_validator(mode="after")
    def _has_a_process(self) -> Self:
        process_from_card(self.process)
        return self

    def build_process(self) -> Process:
        """The process of the law "time"."""
        return process_from_card(self.process)

    @property
    def range(self) -> tuple[float, float]:
        """(lowest, highest) of the finite ratios that the network is trained on."""
        if self.law == "time":
            process = self.build_process()
            return process.ratio(self.earliest), process.ratio(process_end(process))
        return math.exp(self.log_mean - 3 * self.log_std), math.exp(self.log_mean + 3 * self.log_std)


class ObjectiveSection(Section):
    """What the network learns; see `driftrec.train.denoiser`."""

    predicts: Literal["residual", "score", "clean", "change", "mask"] = "residual"
    anchor: Anchor = "corrupted"
    blind: bool = False
    inputs: Literal["state", "scaled"] | None = None  # of a score: x_t, or (E23); None: x_t for NCSN++ only
    weight: Weight = "relative"
    norm: Literal["squared", "absolute"] = "squared"
    std_exponent: float = 0.0


class FinishSection(Section):
    """A finisher for a model, see `driftrec.train.finisher`.  With this section, a run trains the finisher only."""

    model: str  # the model to finish: a checkpoint, an exported file, or the name of a shipped model
    networks: tuple[Literal["alex", "squeeze"], ...] = Field(default=("alex", "squeeze"), min_length=1)  # of LPIPS
    weights_folder: Path | None = None  # with the weights of these networks; None: the cache, or a download
    weight: float = Field(default=3.0, ge=0)  # w of (E26), for the LPIPS of each network
    pattern: float = Field(default=0.1, ge=0)  # v of (E26), for errors that repeat in all 8×8 blocks
    evaluations: tuple[Annotated[int, Field(ge=2)], ...] = Field(default=(2,), min_length=1)  # of the plans, in turn
    texture: float = Field(default=0.8, ge=0, le=1)  # of natural restorations, see `driftrec.diffusion.plan`


class TrainConfig(Section):
    """A recipe: all settings of a run."""

    data: DataSection = DataSection()
    network: NetworkConfig = UNetConfig()
    noise: NoiseSection = NoiseSection()
    objective: ObjectiveSection = ObjectiveSection()
    start: str | None = None  # the model whose weights the network starts with, as in finish.model
    finish: FinishSection | None = None
    batch: int = Field(default=16, ge=1)  # crops in a step, on all devices together
    optimizer: Literal["adamw", "muon"] = "muon"
    learning_rate: float = Field(default=2e-3, gt=0)
    betas: tuple[Decay, Decay] = (0.9, 0.99)  # of AdamW, also inside Muon
    weight_decay: float = Field(default=0.0, ge=0)
    warm_up: int = Field(default=300, ge=0)  # steps
    anneal: float = Field(default=0.6, gt=0, le=1)  # last part of the run, in which the rate falls to zero
    clip: float | None = Field(default=1.0, gt=0)  # limit of the gradient's norm; None: no limit
    ema: float = Field(default=0.999, gt=0, lt=1)
    best_by: Literal["restoration", "loss"] = "restoration"  # see validate.Validation.decision
    steps: int | None = Field(default=None, ge=1)  # length of the run in steps
    minutes: float | None = Field(default=None, gt=0)  # or in minutes of training, however often it is resumed
    validate_every: float = Field(default=5.0, gt=0)  # minutes
    save_every: float = Field(default=2.0, gt=0)  # minutes
    precision: Literal["auto", "32-true", "bf16-mixed"] = "auto"
    compile: bool | None = None  # None: on GPUs only
    workers: int = Field(default=1, ge=0)  # loader processes per device
    accumulate: int = Field(default=1, ge=1)  # parts that a batch is split into, to save memory
    recompute: bool = False  # computes activations inside blocks twice instead of keeping them, to save memory
    devices: int | Literal["auto"] = "auto"  # on each node; ignored under torchrun and `fabric run`
    nodes: int = Field(default=1, ge=1)
    seed: int = 0

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.objective.predicts == "score" and (self.noise.law != "time" or self.noise.regression):
            raise ValueError("a score has no value at s = ∞: set noise.law: time and noise.regression: 0")
        if self.objective.weight == "score" and self.noise.regression:
            raise ValueError("the score weight is 0 at s = ∞: set noise.regression: 0, or another weight")
        if isinstance(self.network, NCSNppConfig) and not self.network.conditional and self.noise.regression < 1:
            raise ValueError("a network that is not conditional does not see the state: set noise.regression: 1")
        if self.finish and self.best_by == "loss":
            raise ValueError("the loss of a finisher needs no setting: remove best_by")
        self.data.require_side(self.network.multiple)
        return self

    def denoiser(self) -> Denoiser:
        """A denoiser with a new network."""
        what, std = self.objective, self.noise.residual_std
        network = UNet(self.network) if isinstance(self.network, UNetConfig) else NCSNpp(self.network)
        if what.predicts == "residual":
            return Residual(network, std, what.anchor, what.blind)
        if what.predicts == "score":
            plain = what.inputs == "state" or (what.inputs is None and isinstance(network, NCSNpp))
            return Score(network, self.noise.build_process(), what.anchor, what.blind, None if plain else std)
        return Direct(network, what.predicts, std, what.anchor, what.blind)

    def sampling_plan(self) -> Plan:
        """How to sample with the network."""
        plan = Plan(anchor=self.objective.anchor)
        if self.finish:
            return replace(plan, evaluations=self.finish.evaluations[0], texture=self.finish.texture)
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
    """The settings of a bundled recipe or a YAML file, with `overrides` ('data.crop': 64, …) in place of the file's.

    Raises ValueError with one sentence that names the file and the first invalid setting.
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
    """Overrides for `read_recipe` from texts like 'data.crop=64'; the values are YAML."""
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
