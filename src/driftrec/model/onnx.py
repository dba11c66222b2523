"""Runs model files in ONNX Runtime."""

import json
import os
from typing import Any

import numpy as np
import onnxruntime as ort

from driftrec.diffusion.types import REGRESSION_RATIO
from driftrec.errors import first_line
from driftrec.model.card import Card, ModelError
from driftrec.model.find import DEFAULT_MODEL, find_model
from driftrec.model.providers import providers
from driftrec.model.runner import Runner


class Network(Runner):
    """A network in ONNX Runtime.

    Arguments: `model`, as for `find_model`; `threads`, how many CPU threads one evaluation uses (default: all
    cores); `device`, where it runs, see `driftrec.model.providers`.  Raises ModelError for files that are not
    driftrec models, ValueError for a device that is not there.
    """

    def __init__(
        self, model: str | os.PathLike[str] = DEFAULT_MODEL, *, threads: int | None = None, device: str = "auto"
    ) -> None:
        path = find_model(model)
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
