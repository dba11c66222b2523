"""Downloads models from a model hub: the file model.onnx of a repository, kept in the hub's cache.

A model of a hub is named hub:owner/model@COMMIT#SHA256.  The commit fixes the version, and the hash of the file is
checked after the download, so that neither the owner nor the hub can replace what was chosen once.
"""

import hashlib
import os
import re
from pathlib import Path

from driftrec.errors import first_line
from driftrec.extras import how_to_add

FILE = "model.onnx"
PREFIX = "hub:"
FORM = f"{PREFIX}owner/model@COMMIT#SHA256"

_ID = re.compile(r"hub:(?P<repository>[\w.-]+/[\w.-]+)(@(?P<commit>[0-9a-f]{40}))?(#(?P<digest>[0-9a-f]{64}))?")


def is_hub_id(name: str) -> bool:
    """Returns whether the name asks for a model of a hub; every other name that contains "/" is a path."""
    return name.startswith(PREFIX)


def fetch(name: str) -> str:
    """Returns the path of the model with this name, downloaded unless it is cached.

    Raises:
        ValueError: the name does not have the form above, huggingface-hub is not installed, the download fails, or the
            file has another hash.
    """
    asked = _ID.fullmatch(name)
    if asked is None:
        raise ValueError(f"'{name}' is no model of a hub: give {FORM}")
    try:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.utils import disable_progress_bars
    except ModuleNotFoundError as error:
        raise ValueError(f"'{name}' is a model of a hub, which needs {error.name}: {how_to_add('hub')}") from error
    repository, commit, digest = asked["repository"], asked["commit"], asked["digest"]
    if commit is None or digest is None:
        raise ValueError(f"'{name}' does not say which file it is: give {FORM}{_newest(repository)}")
    disable_progress_bars()
    try:
        path = hf_hub_download(repository, FILE, revision=commit, endpoint=os.environ.get("HF_ENDPOINT"))
    except Exception as error:  # errors of the hub, HTTP and the file system share no other base class
        raise ValueError(
            f"the hub did not give {FILE} of '{repository}' ({first_line(error)}): check the name and the connection"
        ) from error
    with Path(path).open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != digest:
        raise ValueError(f"{FILE} of '{repository}' has the SHA-256 {found}, not {digest}: do not use it")
    return path


def _newest(repository: str) -> str:
    """The full name of the repository's newest file, as a clause; empty if the hub does not say."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    endpoint = os.environ.get("HF_ENDPOINT")
    try:
        file = get_hf_file_metadata(hf_hub_url(repository, FILE, endpoint=endpoint), endpoint=endpoint)
    except Exception:  # as in `fetch`
        return ""
    full = f"{PREFIX}{repository}@{file.commit_hash}#{file.etag}"
    return f"; the newest is {full}" if _ID.fullmatch(full) else ""
