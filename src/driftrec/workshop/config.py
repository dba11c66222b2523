"""What a run is made of: typed, frozen, read from a YAML recipe; an unknown key is an error that names the nearest."""

import difflib
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError

from driftrec.workshop.degrade import Mixture, jpeg_mixture
from driftrec.workshop.nn.ncsnpp import NCSNpp, NCSNppConfig
from driftrec.workshop.nn.unet import UNet, UNetConfig


class Section(BaseModel):
    """A frozen group of settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class UNetSection(Section):
    """Shape of the efficient U-Net; see `driftrec.workshop.nn.unet.UNetConfig`."""

    kind: Literal["unet"] = "unet"
    patch: int = Field(default=2, ge=1)
    channels: tuple[int, ...] = (48, 96, 160)
    encoder: tuple[int, ...] = (1, 1, 2)
    decoder: tuple[int, ...] = (1, 1)

    def build(self) -> UNet:
        """A new network of that shape."""
        return UNet(UNetConfig(self.patch, self.channels, self.encoder, self.decoder))


class NCSNppSection(Section):
    """Shape of the paper's network; see `driftrec.workshop.nn.ncsnpp.NCSNppConfig`."""

    kind: Literal["ncsnpp"]
    features: int = 128
    multipliers: tuple[int, ...] = (1, 1, 2, 2, 2, 2, 2)
    blocks: int = 2
    attention: tuple[int, ...] = (4,)
    fourier_scale: float = 16.0
    rescale: bool = False
    window: int | None = None

    def build(self) -> NCSNpp:
        """A new network of that shape."""
        return NCSNpp(NCSNppConfig(**self.model_dump(exclude={"kind"})))


def _kind(section: object) -> str:
    """Which network a section describes; the U-Net where it does not say."""
    return section.get("kind", "unet") if isinstance(section, dict) else getattr(section, "kind", "unet")


NetworkSection = Annotated[
    Annotated[UNetSection, Tag("unet")] | Annotated[NCSNppSection, Tag("ncsnpp")], Discriminator(_kind)
]


class DataSection(Section):
    """Which pictures, cut how, corrupted how."""

    folders: tuple[Path, ...] = ()
    held_out: float = Field(default=0.06, gt=0, lt=1)  # share of the originals kept for validation
    crop: int = Field(default=96, ge=16)  # pixels
    gray: float = Field(default=0.04, ge=0, le=1)  # share of crops without colour
    power: float = Field(default=2.0, gt=0)  # weight on low qualities, see degrade.Jpeg
    shifted: float = Field(default=0.15, ge=0, le=1)  # shares of the batch, see degrade.jpeg_mixture
    double: float = Field(default=0.15, ge=0, le=1)
    clean: float = Field(default=0.03, ge=0, le=1)

    def degradation(self) -> Mixture:
        """The corruption that training crops go through."""
        return jpeg_mixture(self.shifted, self.double, self.clean, self.power)


class NoiseSection(Section):
    """How noise-to-scale ratios are drawn: a share at infinity, the rest with ln s normal."""

    regression: float = Field(default=0.5, ge=0, le=1)  # share of the batch at s = ∞
    log_mean: float = -3.0  # of ln s; e⁻³ = 0.05, a JPEG of quality 10's residual
    log_std: float = Field(default=1.2, gt=0)
    residual_std: float = Field(default=0.05, gt=0, lt=1)  # S of the preconditioning, in image units
    floor: float = Field(default=0.02, gt=0)  # smallest residual the loss is taken relative to, in image units


class TrainConfig(Section):
    """A whole run."""

    data: DataSection = DataSection()
    network: NetworkSection = UNetSection()
    noise: NoiseSection = NoiseSection()
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
    seed: int = 0


def read_recipe(path: Path, overrides: dict[str, Any] | None = None) -> TrainConfig:
    """The run that a YAML file describes; `overrides` ('data.crop': 64, …) win over the file.

    Raises ValueError with one sentence that names the file and the first setting that is wrong.
    """
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
        raise ValueError(f"{path}: {_sentence(error)}") from error


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


def _sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"])
    if first["type"] != "extra_forbidden":
        return f"{name}: {first['msg'].lower()}, got {first['input']!r}"
    near = difflib.get_close_matches(name.split(".")[-1], _known(), n=1)
    return f"unknown setting '{name}'" + (f"; did you mean '{near[0]}'?" if near else "")


def _known() -> list[str]:
    sections = (TrainConfig, DataSection, UNetSection, NCSNppSection, NoiseSection)
    return [name for section in sections for name in section.model_fields]
