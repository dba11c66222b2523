"""Weights of metrics: the order of places, downloads of files made here, hashes, assembly."""

import hashlib
import re
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from driftrec.evaluate.weights import (
    DISTS,
    INCEPTION,
    LPIPS_ALEX,
    LPIPS_SQUEEZE,
    NIQE,
    Download,
    Weights,
    cache_folder,
    find,
)
from driftrec.train.data.crops import open_corpus

SOME_HASH = hashlib.sha256(b"").hexdigest()


def published(folder: Path, name: str, tensors: dict[str, torch.Tensor]) -> Download:
    """A file at its author's address."""
    torch.save(tensors, folder / name)
    return Download((folder / name).as_uri(), hashlib.sha256((folder / name).read_bytes()).hexdigest())


def test_the_given_folder_comes_first_then_the_cache(tmp_path: Path) -> None:
    weights = Weights("w.npz", (Download((tmp_path / "nowhere").as_uri(), SOME_HASH),))
    given, cache = tmp_path / "given", tmp_path / "cache"
    for folder in (cache, given):
        folder.mkdir()
        (folder / "w.npz").write_bytes(b"x")
    assert find(weights, given, cache) == given / "w.npz"
    (given / "w.npz").unlink()
    assert find(weights, given, cache) == cache / "w.npz"


def test_downloads_are_checked_joined_renamed_and_kept(tmp_path: Path) -> None:
    trunk = published(tmp_path, "trunk.pth", {"features.0.weight": torch.ones(2), "classifier.weight": torch.ones(3)})
    head = published(tmp_path, "head.pth", {"lin0.model.1.weight": torch.zeros(2)})
    downloads = tuple(
        Download(download.url, download.sha256, official.rename)
        for download, official in zip((trunk, head), LPIPS_ALEX.downloads, strict=True)
    )
    path = find(Weights("lpips.safetensors", downloads), cache=tmp_path / "cache")
    assert {k: v.numel() for k, v in load_file(path).items()} == {"features.0.weight": 2, "lin0.weight": 2}
    (tmp_path / "trunk.pth").unlink()
    assert find(Weights("lpips.safetensors", downloads), cache=tmp_path / "cache") == path


def test_a_file_with_another_hash_is_not_used(tmp_path: Path) -> None:
    download = published(tmp_path, "trunk.pth", {"a": torch.ones(1)})
    (tmp_path / "trunk.pth").write_bytes(b"tampered")
    with pytest.raises(ValueError, match=r"has the SHA-256 .*put it into"):
        find(Weights("w.safetensors", (download,)), cache=tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_places_that_do_not_answer_say_where_to_put_the_file(tmp_path: Path) -> None:
    weights = Weights("w.npz", (Download((tmp_path / "nowhere.npz").as_uri(), SOME_HASH),))
    with pytest.raises(ValueError, match=r"w.npz is not in .* failed .*put it into .* --weights"):
        find(weights, cache=tmp_path / "cache")


def test_the_cache_is_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIFTREC_CACHE", str(tmp_path))
    (tmp_path / NIQE.file).write_bytes(b"x")
    assert find(NIQE) == tmp_path / NIQE.file


def test_the_cache_is_that_of_the_system_and_one_for_weights_and_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DRIFTREC_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("sys.platform", "linux")
    assert cache_folder() == tmp_path / "driftrec"
    Image.new("RGB", (8, 8)).save(tmp_path / "one.png")
    open_corpus([tmp_path])
    assert len(list((tmp_path / "driftrec").glob("corpus-*.u8"))) == 1


@pytest.mark.parametrize("digits", ["", "7be5be79", SOME_HASH[:-1], SOME_HASH.upper(), f"{SOME_HASH}0"])
def test_nothing_can_be_downloaded_without_a_full_hash(digits: str) -> None:
    with pytest.raises(ValueError, match=r"full SHA-256 .* by hand"):
        Download("https://example.org/weights.pth", digits)


@pytest.mark.parametrize("weights", [LPIPS_ALEX, LPIPS_SQUEEZE, DISTS, NIQE, INCEPTION])
def test_official_addresses_are_encrypted_and_agree_with_the_digits_in_their_names(weights: Weights) -> None:
    for download in weights.downloads:
        assert download.url.startswith("https://")
        named = re.search(
            r"-([0-9a-f]{8})\.pth$", download.url
        )  # torchvision and pytorch-fid name files by their SHA-256
        assert named is None or download.sha256.startswith(named[1])
