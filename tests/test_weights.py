"""Weights of metrics: the order of places, downloads from a server of files made here, hashes, assembly."""

import hashlib
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from driftrec.evaluate.weights import DISTS, INCEPTION, LPIPS_ALEX, LPIPS_SQUEEZE, NIQE, Part, Weights, find


def published(folder: Path, name: str, tensors: dict[str, torch.Tensor]) -> Part:
    """A file at an official place."""
    torch.save(tensors, folder / name)
    return Part((folder / name).as_uri(), hashlib.sha256((folder / name).read_bytes()).hexdigest()[:8])


def test_the_given_folder_comes_first_then_the_cache(tmp_path: Path) -> None:
    weights = Weights("w.npz", (Part((tmp_path / "nowhere").as_uri(), ""),))
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
    parts = tuple(
        Part(part.url, part.sha256, official.rename)
        for part, official in zip((trunk, head), LPIPS_ALEX.parts, strict=True)
    )
    path = find(Weights("lpips.safetensors", parts), cache=tmp_path / "cache")
    assert {k: v.numel() for k, v in load_file(path).items()} == {"features.0.weight": 2, "lin0.weight": 2}
    (tmp_path / "trunk.pth").unlink()
    assert find(Weights("lpips.safetensors", parts), cache=tmp_path / "cache") == path


def test_a_file_with_another_hash_is_not_used(tmp_path: Path) -> None:
    part = published(tmp_path, "trunk.pth", {"a": torch.ones(1)})
    (tmp_path / "trunk.pth").write_bytes(b"tampered")
    with pytest.raises(ValueError, match=r"has the hash .*put it into"):
        find(Weights("w.safetensors", (part,)), cache=tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_places_that_do_not_answer_say_where_to_put_the_file(tmp_path: Path) -> None:
    weights = Weights("w.npz", (Part((tmp_path / "nowhere.npz").as_uri(), ""),))
    with pytest.raises(ValueError, match=r"w.npz is neither in .* --weights"):
        find(weights, cache=tmp_path / "cache")


def test_the_cache_is_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIFTREC_CACHE", str(tmp_path))
    (tmp_path / NIQE.file).write_bytes(b"x")
    assert find(NIQE) == tmp_path / NIQE.file


@pytest.mark.parametrize("weights", [LPIPS_ALEX, LPIPS_SQUEEZE, DISTS, NIQE, INCEPTION])
def test_official_places_are_secure_and_pinned(weights: Weights) -> None:
    for part in weights.parts:
        assert part.url.startswith("https://")
        assert part.sha256 or "1267d8cb626c98706db3697422701c56a85ebf2e" in part.url  # pinned by hash, or by commit
