"""Checks a session of ONNX Runtime before it is used: what it takes and gives, and one small evaluation."""

import threading
from typing import Any

import numpy as np
import onnxruntime as ort

from driftrec.errors import first_line, is_out_of_memory

SECONDS = 60.0
"""Time limit of the evaluation; driftrec's own models take some milliseconds."""

_FLOAT, _BOOL = "tensor(float)", "tensor(bool)"


def require_interface(session: ort.InferenceSession, *, finisher: bool) -> None:
    """Checks that inputs and output are those of a driftrec model.

    These are the images residual and y, (batch, 3, height, width) of any size, the ratio, (batch,), for models with a
    finisher the truth value finish, and the image x0.

    Raises:
        ValueError: they are not; the message is a clause that says why.
    """
    wanted = {"residual": (_FLOAT, 4), "ratio": (_FLOAT, 1), "y": (_FLOAT, 4)}
    if finisher:
        wanted["finish"] = (_BOOL, 0)
    inputs = {value.name: value for value in session.get_inputs()}
    if inputs.keys() != wanted.keys():
        raise ValueError(f"its inputs are {', '.join(inputs) or 'none'}, not {', '.join(wanted)}")
    outputs = {value.name: value for value in session.get_outputs()}
    if "x0" not in outputs:
        raise ValueError(f"its outputs are {', '.join(outputs) or 'none'}, not x0")
    for value, (kind, axes) in [*((inputs[name], wanted[name]) for name in wanted), (outputs["x0"], (_FLOAT, 4))]:
        if value.type != kind:
            raise ValueError(f"{value.name} is a {value.type}, not a {kind}")
        if len(value.shape) not in (axes, 0):  # 0 axes: the file does not say
            raise ValueError(f"{value.name} has {len(value.shape)} axes, not {axes}")
        fixed = [n for axis, n in enumerate(value.shape) if isinstance(n, int) and (axis, n) != (1, 3)]
        if fixed:
            raise ValueError(f"{value.name} has the fixed shape {value.shape}: pictures are of any size")


def require_evaluation(session: ort.InferenceSession, feed: dict[str, Any]) -> None:
    """Checks that the session gives a finite x0 for an input in time.

    Raises:
        ValueError: it does not; the message is a clause that says why.
    """
    shape = feed["y"].shape
    run = ort.RunOptions()
    timer = threading.Timer(SECONDS, setattr, (run, "terminate", True))
    timer.daemon = True
    timer.start()
    try:
        (x0,) = session.run(["x0"], feed, run)
    except Exception as error:  # ONNX Runtime's own exceptions have no public base class
        if run.terminate:
            raise ValueError(f"it takes more than {SECONDS:g} s for {shape[2]}×{shape[3]} pixels") from error
        if is_out_of_memory(error):
            raise ValueError(f"it needs too much memory for {shape[2]}×{shape[3]} pixels") from error
        raise ValueError(f"it cannot compute {shape[2]}×{shape[3]} pixels: {first_line(error)}") from error
    finally:
        timer.cancel()
    x0 = np.asarray(x0)
    if x0.shape != shape or x0.dtype != np.float32:
        raise ValueError(f"for an input of shape {shape}, it gives {x0.dtype} of shape {x0.shape}")
    if not np.isfinite(x0).all():
        raise ValueError("what it computes is not finite")
