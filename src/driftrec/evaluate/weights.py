"""Weights of metrics, taken from a given folder, the cache, or their authors' addresses, in this order.

The weights belong to their authors and are not part of driftrec.  A download is rejected if its SHA-256 differs from
the one given here.  It is then converted to a safetensors file without executing pickled code, and cached.  Files
already in the folder or the cache are used unchecked.
"""

import hashlib
import os
import re
import shutil
import tempfile
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

from platformdirs import user_cache_path

TIMEOUT = 30
"""Seconds without an answer after which a download fails."""


@dataclass(frozen=True)
class Download:
    """One file at its author's address.

    Attributes:
        url: the address of the file.
        sha256: all 64 digits of its SHA-256.
        rename: maps the name of a tensor to its name in the safetensors file, or to None to leave it out.

    Raises ValueError if the hash is missing or shortened; such a file must be put into the cache by hand.
    """

    url: str
    sha256: str
    rename: Callable[[str], str | None] = lambda key: key

    def __post_init__(self) -> None:
        if not re.fullmatch("[0-9a-f]{64}", self.sha256):
            raise ValueError(f"{self.url} needs a full SHA-256 to be downloaded: put the file into the cache by hand")


@dataclass(frozen=True)
class Weights:
    """The weights of one metric: the name of the file, and the downloads that it is made from."""

    file: str
    downloads: tuple[Download, ...]


def find(weights: Weights, folder: Path | None = None, cache: Path | None = None) -> Path:
    """Returns the path of a metric's weights, downloading them if necessary.

    Arguments: `folder`, searched first; `cache`, the folder for downloads (default: `cache_folder()`).  Raises
    ValueError, which says where to put the file by hand, if a download fails or has another hash.
    """
    cache = cache or cache_folder()
    for place in (folder, cache):
        if place and (place / weights.file).is_file():
            return place / weights.file
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            downloads = [_fetch(download, Path(scratch) / str(i)) for i, download in enumerate(weights.downloads)]
            made = Path(scratch) / weights.file
            _assemble(weights, downloads, made)
            made.replace(cache / weights.file)
    except (OSError, URLError) as error:
        raise ValueError(
            f"{weights.file} is not in {folder or cache}, and downloading {weights.downloads[0].url} failed ({error}): "
            f"put it into {cache}, or name its folder with --weights"
        ) from error
    return cache / weights.file


def cache_folder() -> Path:
    """Returns the folder for downloads and decoded pictures.

    It is $DRIFTREC_CACHE, or driftrec in the user's cache folder: $XDG_CACHE_HOME or ~/.cache on Linux,
    ~/Library/Caches on macOS, %LOCALAPPDATA% on Windows.
    """
    return Path(os.environ.get("DRIFTREC_CACHE") or user_cache_path("driftrec", appauthor=False))


def _fetch(download: Download, target: Path) -> Path:
    """Download one file.  Raises OSError if the download fails or its SHA-256 differs."""
    digest = hashlib.sha256()
    with urllib.request.urlopen(download.url, timeout=TIMEOUT) as source, target.open("wb") as file:
        while block := source.read(1 << 20):
            digest.update(block)
            file.write(block)
    if digest.hexdigest() != download.sha256:
        raise OSError(f"{download.url} has the SHA-256 {digest.hexdigest()[:12]}…, not {download.sha256[:12]}…")
    return target


def _assemble(weights: Weights, downloads: list[Path], target: Path) -> None:
    """Write all tensors to one safetensors file, or copy the single download of another format."""
    if not weights.file.endswith(".safetensors"):
        shutil.copyfile(downloads[0], target)
        return
    import torch
    from safetensors.torch import save_file

    tensors = {}
    for download, path in zip(weights.downloads, downloads, strict=True):
        for key, value in torch.load(path, map_location="cpu", weights_only=True).items():
            if name := download.rename(key):
                tensors[name] = value.contiguous()
    save_file(tensors, target)


def _trunk(key: str) -> str | None:
    return key if key.startswith("features.") else None


def _head(key: str) -> str | None:
    """lin0.model.1.weight → lin0.weight."""
    return re.sub(r"^(lin\d)\.model\.1\.", r"\1.", key)


def _without_classifier(key: str) -> str | None:
    return None if key.startswith(("fc.", "AuxLogits.")) else key


_TORCH = "https://download.pytorch.org/models"
_LPIPS = (
    "https://raw.githubusercontent.com/richzhang/PerceptualSimilarity/"
    "082bb24f84c091ea94de2867d34c4544f68e0963/lpips/weights/v0.1"
)

LPIPS_ALEX = Weights(
    "lpips_alex_v0.1.safetensors",
    (
        Download(
            f"{_TORCH}/alexnet-owt-7be5be79.pth",
            "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
            _trunk,
        ),
        Download(f"{_LPIPS}/alex.pth", "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0", _head),
    ),
)
LPIPS_SQUEEZE = Weights(
    "lpips_squeeze_v0.1.safetensors",
    (
        Download(
            f"{_TORCH}/squeezenet1_1-b8a52dc0.pth",
            "b8a52dc049b60e4b6ab68ad0df457362afab8b6304b2febdc1650a5dab4d7e7b",
            _trunk,
        ),
        Download(f"{_LPIPS}/squeeze.pth", "4a5350f23600cb79923ce65bb07cbf57dca461329894153e05a1346bd531cf76", _head),
    ),
)
DISTS = Weights(
    "dists.safetensors",
    (
        Download(
            f"{_TORCH}/vgg16-397923af.pth", "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0", _trunk
        ),
        Download(
            "https://raw.githubusercontent.com/dingkeyan93/DISTS/1267d8cb626c98706db3697422701c56a85ebf2e/"
            "DISTS_pytorch/weights.pt",
            "f5e65c96230b7f6ca995691647d482237e4cab8a50c5c4a5784f219ef0748218",
        ),
    ),
)
NIQE = Weights(
    "niqe_pris_params.npz",
    (
        Download(
            "https://raw.githubusercontent.com/XPixelGroup/BasicSR/8d56e3a045f9fb3e1d8872f92ee4a4f07f886b0a/"
            "basicsr/metrics/niqe_pris_params.npz",
            "2a7c182a68c9e7f1b2e2e5ec723279d6f65d912b6fcaf37eb2bf03d7367c4296",
        ),
    ),
)
INCEPTION = Weights(
    "inception_fid.safetensors",
    (
        Download(
            "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth",
            "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
            _without_classifier,
        ),
    ),
)
