"""Runs model files in ONNX Runtime."""

import json
import logging
import os
from functools import partial
from typing import Any

import numpy as np
import onnxruntime as ort

from driftrec.diffusion.types import REGRESSION_RATIO
from driftrec.errors import first_line
from driftrec.model.card import Card, ModelError
from driftrec.model.find import DEFAULT_MODEL, find_model, lasting_name
from driftrec.model.providers import providers
from driftrec.model.runner import Runner

_log = logging.getLogger(__name__)


class Network(Runner):
    """A network in ONNX Runtime.  It can be pickled; where it is unpickled, the model is opened again.

    Arguments:
        model: as for `find_model`.
        threads: how many CPU threads one evaluation uses (default: all cores).
        device: where it runs, see `driftrec.model.providers`.

    Raises:
        ModelError: there is no such model (then also a FileNotFoundError), or it is not a driftrec model.
        ValueError: the device is unknown or not available.
    """

    def __init__(
        self, model: str | os.PathLike[str] = DEFAULT_MODEL, *, threads: int | None = None, device: str = "auto"
    ) -> None:
        path = find_model(model)
        self._opened_as = {"model": lasting_name(model), "threads": threads, "device": device}
        chosen = providers(device, threads)
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads or 0
        options.log_severity_level = 3
        # Waiting threads sleep: equally fast on an idle machine, and faster if other programs need the cores.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = ort.InferenceSession(str(path), options, providers=chosen)
        except Exception as error:  # ONNX Runtime's own exceptions have no public base class
            raise ModelError(f"{path} is not a model that ONNX Runtime can run: {first_line(error)}") from error
        metadata = self._session.get_modelmeta().custom_metadata_map
        self.card = Card.parse(_content(metadata.get("driftrec", "{}")), str(path))
        _log.info("opened the model %s (%s) in %s", self.card.name, path, self._session.get_providers()[0])

    def __reduce__(self) -> tuple[Any, ...]:
        """Returns how to open the model again, as sessions of ONNX Runtime cannot be pickled."""
        return partial(type(self), **self._opened_as), ()

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


def _content(text: str) -> dict[str, Any]:
    try:
        return dict(json.loads(text))
    except ValueError:
        return {}  # of which the card says what is missing
