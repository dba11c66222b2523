"""Opens a model by name or file as a `Runner`."""

import os
from pathlib import Path

from driftrec.errors import first_line
from driftrec.extras import how_to_add
from driftrec.model.card import ModelError, ModelNotFoundError
from driftrec.model.find import DEFAULT_MODEL
from driftrec.model.runner import Runner
from driftrec.text import printable

CHECKPOINT = ".safetensors"


def open_model(
    model: str | os.PathLike[str] | Runner = DEFAULT_MODEL,
    *,
    threads: int | None = None,
    device: str = "auto",
    finish: bool = True,
) -> Runner:
    """Returns a model ready to run: a checkpoint in PyTorch, any other file in ONNX Runtime, a `Runner` as it is.

    Arguments: as for `Network`; a checkpoint runs on "cpu", "cuda" or "mps".

    Raises:
        ModelError: as for `Network`, and if a checkpoint needs packages that are missing or a device that is not there.
        ValueError: a device for ONNX Runtime is unknown or not available.
    """
    if isinstance(model, Runner):
        return model
    if Path(model).suffix != CHECKPOINT:
        from driftrec.model.onnx import Network  # here, as decoding alone needs no ONNX Runtime

        return Network(model, threads=threads, device=device, finish=finish)
    if not Path(model).is_file():
        raise ModelNotFoundError(
            f"there is no checkpoint {model}: give the path of a .safetensors file that 'train' wrote"
        )
    try:
        from driftrec.train.runner import TorchRunner  # here, as only checkpoints need PyTorch
    except ModuleNotFoundError as error:
        raise ModelError(f"{model} needs {error.name}: {how_to_add('train')}") from error
    try:
        return TorchRunner(Path(model), threads=threads, device=device)
    except ModelError:
        raise
    except ValueError as error:
        raise ModelError(str(error)) from error
    except Exception as error:  # PyTorch, safetensors and pydantic raise errors of many classes for odd checkpoints
        what = f"it lacks {error}" if isinstance(error, KeyError) else f"{type(error).__name__}: {first_line(error)}"
        raise ModelError(f"{printable(model)} is not a checkpoint that driftrec can run ({what})") from error
