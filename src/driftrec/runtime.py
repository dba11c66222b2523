"""Runs a trained network: an ONNX file with a card, or a checkpoint of the workshop, becomes `Denoise` functions.

The network's own coordinates are those of the theory: residual r/k, ratio s = σ/k, and y.  They belong to no
process, so one file serves all of them.
"""

import json
import math
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from driftrec import device as devices
from driftrec import hub
from driftrec.process import Process
from driftrec.sampling import Plan, plan_from_card
from driftrec.types import GRAY, REGRESSION_RATIO, Array, Denoise

DEFAULT_MODEL = "small"


class ModelError(ValueError):
    """A model cannot be found or read; the message says which, and what to do."""


@dataclass(frozen=True)
class Card:
    """What a model file says of itself.

    `multiple`: sides of its input must be multiples of this many pixels.  `ratio_min`, `ratio_max`: the finite
    ratios s it was trained for.  `plan`: how to sample with it.  `faithful`: it knows s = ∞; `natural`: it knows finite
    ratios; `blind`: it does not look at y; `finisher`: it has one for the last step of a plan.  `facts`: everything
    else (training data, licences, cost, …), for people.
    """

    name: str
    multiple: int
    ratio_min: float
    ratio_max: float
    plan: Plan
    faithful: bool
    natural: bool
    blind: bool
    finisher: bool
    facts: dict[str, Any]

    @staticmethod
    def parse(content: Mapping[str, Any], label: str) -> "Card":
        """The card that a model carries; ModelError if it lacks what the tool needs."""
        values = dict(content)
        try:
            return Card(
                name=values.pop("name"),
                multiple=values.pop("multiple"),
                ratio_min=values.pop("ratio_min"),
                ratio_max=values.pop("ratio_max"),
                plan=plan_from_card(values.pop("sampling")),
                faithful=values.pop("faithful", True),
                natural=values.pop("natural", True),
                blind=values.pop("blind", False),
                finisher=values.pop("finisher", False),
                facts=values,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"{label} has no valid driftrec card ({error}): export it again") from error


def bundled_models() -> dict[str, Path]:
    """Names and files of the models that ship with the package."""
    folder = Path(str(resources.files("driftrec") / "models"))
    return {path.stem: path for path in sorted(folder.glob("*.onnx"))}


def find_model(name: str | os.PathLike[str]) -> Path:
    """The file of a bundled name, of a path, or of a hub's 'owner/model'; ModelError when there is none."""
    models = bundled_models()
    if str(name) in models:
        return models[str(name)]
    path = Path(name)
    if path.is_file():
        return path
    if hub.is_hub_id(str(name)):
        try:
            return Path(hub.fetch(str(name)))
        except ValueError as error:
            raise ModelError(str(error)) from error
    raise ModelError(
        f"there is no model '{name}': give the path of an .onnx file, owner/model of a hub, "
        f"or one of {', '.join(models)}"
    )


class Runner(ABC):
    """A trained network, whoever computes it.

    `card` says what it is.
    """

    card: Card

    @abstractmethod
    def __call__(self, residual: np.ndarray, ratio: float, y: np.ndarray, *, finish: bool = False) -> np.ndarray:
        """The clean image's estimate from r/k at ratio s; with `finish`, the finisher's, where the card has one.

        Arguments: residual and y float32 (batch, 3, height, width), sides multiples of `card.multiple`; ratio
        in (0, ∞], at ∞ the residual is ignored.  Returns x0, same shape, not clipped.
        """

    def regression(self) -> Denoise:
        """E[x0 | y], the faithful estimate, as a `Denoise` that looks neither at the state nor at the time."""

        def denoise(xt: Array, y: Array, t: float) -> Array:  # noqa: ARG001
            return self(np.zeros_like(y), math.inf, y)

        return denoise

    def denoiser(self, process: Process) -> Denoise:
        """E[x0 | xt, y] for a state of `process`, which drifts to the card's anchor."""
        return self._of_states(process)

    def finisher(self, process: Process) -> Denoise | None:
        """What makes the last evaluation of a plan, if the model has a finisher."""
        return self._of_states(process, finish=True) if self.card.finisher else None

    def _of_states(self, process: Process, finish: bool = False) -> Denoise:
        anchored = self.card.plan.anchor == "corrupted"

        def denoise(xt: Array, y: Array, t: float) -> Array:
            residual = xt - (y if anchored else np.float32(GRAY))
            residual /= process.scale(t)
            return self(residual, process.ratio(t), y, finish=finish)

        return denoise


class Network(Runner):
    """A network in ONNX Runtime.

    Arguments: `model`, as for `find_model`; `threads`, how many CPU threads one evaluation uses (default: all
    cores); `device`, where it runs, see `driftrec.device.providers`.  Raises ModelError for files that are not
    driftrec models, ValueError for a device that is not there.
    """

    def __init__(
        self, model: str | os.PathLike[str] = DEFAULT_MODEL, *, threads: int | None = None, device: str = "auto"
    ) -> None:
        path = find_model(model)
        providers = devices.providers(device, threads)
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads or 0
        options.log_severity_level = 3
        # Waiting threads sleep: as fast on an idle machine, and faster where other programs want the cores too.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = ort.InferenceSession(str(path), options, providers=providers)
        except Exception as error:  # ONNX Runtime's own exceptions have no public base class
            raise ModelError(f"{path} is not a model that ONNX Runtime can run: {_first_line(error)}") from error
        metadata = self._session.get_modelmeta().custom_metadata_map
        self.card = Card.parse(_content(metadata.get("driftrec", "{}")), str(path))

    def __call__(self, residual: np.ndarray, ratio: float, y: np.ndarray, *, finish: bool = False) -> np.ndarray:
        feed = {
            "residual": residual,
            "ratio": np.full(len(y), min(ratio, REGRESSION_RATIO), dtype=np.float32),
            "y": y,
        }
        if self.card.finisher:
            feed["finish"] = np.asarray(finish)
        (x0,) = self._session.run(["x0"], feed)
        return np.asarray(x0)


CHECKPOINT = ".safetensors"


def open_model(
    model: str | os.PathLike[str] = DEFAULT_MODEL, *, threads: int | None = None, device: str = "auto"
) -> Runner:
    """A model ready to run: a checkpoint of the workshop in PyTorch, anything else in ONNX Runtime.

    Arguments and errors as for `Network`; a checkpoint runs on "cpu", "cuda" or "mps".
    """
    if Path(model).suffix != CHECKPOINT:
        return Network(model, threads=threads, device=device)
    if not Path(model).is_file():
        raise ModelError(f"there is no checkpoint {model}: give the path of a .safetensors file that 'train' wrote")
    try:
        from driftrec.workshop.runner import TorchRunner  # the tool's only door to the workshop
    except ModuleNotFoundError as error:
        raise ModelError(f"{model} needs {error.name}: pip install 'driftrec[train]'") from error
    try:
        return TorchRunner(Path(model), threads=threads, device=device)
    except ModelError:
        raise
    except ValueError as error:
        raise ModelError(str(error)) from error


def _content(text: str) -> dict[str, Any]:
    try:
        return dict(json.loads(text))
    except ValueError:
        return {}  # of which the card says what is missing


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
