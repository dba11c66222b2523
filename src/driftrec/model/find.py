"""Finds model files by bundled name, path, or repository on a model hub."""

import os
from importlib import resources
from pathlib import Path

from driftrec.model import hub
from driftrec.model.card import ModelError, ModelNotFoundError

DEFAULT_MODEL = "small"


def bundled_models() -> dict[str, Path]:
    """Returns names and files of the models that ship with the package."""
    folder = Path(str(resources.files("driftrec.model") / "bundled"))
    return {path.stem: path for path in sorted(folder.glob("*.onnx"))}


def find_model(name: str | os.PathLike[str]) -> Path:
    """Returns the file of a bundled name, a path, or 'owner/model' on a hub.

    Raises:
        ModelError: there is no such model (then also a FileNotFoundError), or the hub does not give it.
    """
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
    raise ModelNotFoundError(
        f"there is no model '{name}': give the path of an .onnx file, owner/model of a hub, "
        f"or one of {', '.join(models)}"
    )


def lasting_name(name: str | os.PathLike[str]) -> str:
    """Returns a name that finds the same model from any folder: the absolute path of a file, or the name as it is."""
    is_file = str(name) not in bundled_models() and Path(name).is_file()
    return str(Path(name).resolve() if is_file else name)
