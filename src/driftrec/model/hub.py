"""Downloads models from a model hub: the file model.onnx of a repository, kept in the hub's cache."""

import os
import re

from driftrec.errors import first_line
from driftrec.extras import how_to_add

FILE = "model.onnx"

_NAME = re.compile(r"[\w.-]+/[\w.-]+")


def is_hub_id(name: str) -> bool:
    """Returns whether the name has the form 'owner/model' and is not a file name."""
    return bool(_NAME.fullmatch(name)) and not name.endswith(".onnx") and not name.startswith(".")


def fetch(name: str) -> str:
    """Returns the path of the model 'owner/model', downloaded unless it is cached.

    Raises:
        ValueError: huggingface-hub is not installed, or the download fails.
    """
    try:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.utils import disable_progress_bars
    except ModuleNotFoundError as error:
        raise ValueError(f"'{name}' is a model of a hub, which needs {error.name}: {how_to_add('hub')}") from error
    disable_progress_bars()
    try:
        return hf_hub_download(name, FILE, endpoint=os.environ.get("HF_ENDPOINT"))
    except Exception as error:  # errors of the hub, HTTP and the file system share no other base class
        raise ValueError(
            f"the hub did not give {FILE} of '{name}' ({first_line(error)}): check the name and the connection"
        ) from error
