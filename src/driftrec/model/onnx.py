"""Runs model files in ONNX Runtime."""

import logging
import os
from functools import partial
from typing import Any

import numpy as np
import onnxruntime as ort

from driftrec.diffusion.types import REGRESSION_RATIO
from driftrec.errors import first_line
from driftrec.model.branch import network_alone
from driftrec.model.card import Card, ModelError
from driftrec.model.check import require_evaluation, require_interface
from driftrec.model.find import DEFAULT_MODEL, find_model, lasting_name
from driftrec.model.providers import providers
from driftrec.model.runner import Runner
from driftrec.model.structure import require_no_loops
from driftrec.text import printable

STANDALONE = "driftrec.standalone"
"""Key of the metadata of files for other programs, which restore pictures by themselves."""

_log = logging.getLogger(__name__)


class Network(Runner):
    """A network in ONNX Runtime.  It can be pickled; where it is unpickled, the model is opened again.

    The file is checked: its structure, its card, its inputs and outputs, and an evaluation of a few pixels.

    Arguments:
        model: as for `find_model`.
        threads: how many CPU threads one evaluation uses (default: all cores).
        device: where it runs, see `driftrec.model.providers`.
        finish: False to open and check the model's finisher only when it is first used.

    Raises:
        ModelError: there is no such model (then also a FileNotFoundError), or it is not a driftrec model.
        ValueError: the device is unknown or not available.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] = DEFAULT_MODEL,
        *,
        threads: int | None = None,
        device: str = "auto",
        finish: bool = True,
    ) -> None:
        self._path, self._threads = find_model(model), threads
        self._opened_as = {"model": lasting_name(model), "threads": threads, "device": device, "finish": finish}
        self._providers = providers(device, threads)
        self._session, self.card = self._open(finish=False)
        self._finisher: ort.InferenceSession | None = None
        if finish and self.card.finisher:
            self._finishing()

    def _open(self, *, finish: bool) -> tuple[ort.InferenceSession, Card]:
        """Opens the denoiser or, with `finish`, the finisher; both at once if the file does not let them be parted."""
        label = printable(self._path)
        try:
            content = self._path.read_bytes()
            alone = network_alone(content, finish=finish)
            require_no_loops(alone or content)
        except (ValueError, OSError) as error:
            raise ModelError(f"{label} is not a model that driftrec can run: {first_line(error)}") from error
        options = ort.SessionOptions()
        options.intra_op_num_threads = self._threads or 0
        options.log_severity_level = 4  # errors become exceptions
        options.enable_mem_pattern = False  # tiles need a third less memory, and no more time
        # Waiting threads sleep: equally fast on an idle machine, and faster if other programs need the cores.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            session = ort.InferenceSession(alone or str(self._path), options, providers=self._providers)
            metadata = session.get_modelmeta().custom_metadata_map
        except Exception as error:  # ONNX Runtime's own exceptions have no public base class
            raise ModelError(f"{label} is not a model that driftrec can run: {first_line(error)}") from error
        if STANDALONE in metadata:
            raise ModelError(f"{label} is a file for other programs: give the model that it was made from")
        card = Card.parse(metadata.get("driftrec", "{}"), label)
        try:
            require_interface(session, finisher=card.finisher and alone is None)
            _try(session, card)
        except ValueError as error:
            raise ModelError(f"{label} is not a driftrec model ({printable(error)}): export it again") from error
        what = "the finisher of the model" if finish else "the model"
        _log.info("opened %s %s (%s) in %s", what, card.name, label, session.get_providers()[0])
        return session, card

    def _finishing(self) -> ort.InferenceSession:
        """The session that computes the finisher, opened if it is not yet."""
        if self._finisher is None:
            self._finisher = self._session if _chooses(self._session) else self._open(finish=True)[0]
        return self._finisher

    def __reduce__(self) -> tuple[Any, ...]:
        """Returns how to open the model again, as sessions of ONNX Runtime cannot be pickled."""
        return partial(type(self), **self._opened_as), ()

    def __call__(self, residual: np.ndarray, ratio: float, y: np.ndarray, *, finish: bool = False) -> np.ndarray:
        session = self._finishing() if finish and self.card.finisher else self._session
        (x0,) = session.run(["x0"], _feed(session, residual, ratio, y, finish), _sparing())
        return np.asarray(x0)


def _sparing() -> ort.RunOptions:
    """Options of an evaluation whose memory the other network, and other programs, can use after it."""
    options = ort.RunOptions()
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    return options


def _chooses(session: ort.InferenceSession) -> bool:
    """Whether the opened graph holds both networks."""
    return any(value.name == "finish" for value in session.get_inputs())


def _feed(
    session: ort.InferenceSession, residual: np.ndarray, ratio: float, y: np.ndarray, finish: bool
) -> dict[str, np.ndarray]:
    ratios = np.full(len(y), min(ratio, REGRESSION_RATIO), dtype=np.float32)
    feed = {"residual": residual, "ratio": ratios, "y": y}
    return feed | {"finish": np.asarray(finish)} if _chooses(session) else feed


def _try(session: ort.InferenceSession, card: Card) -> None:
    """Raises ValueError, with a clause that says why, if the network cannot evaluate a small picture."""
    size = (1, 3, card.multiple, 2 * card.multiple)
    y, residual = np.full(size, 0.5, np.float32), np.zeros(size, np.float32)
    for finish in (False, True)[: 1 + _chooses(session)]:
        require_evaluation(session, _feed(session, residual, card.ratio_max, y, finish))
