"""A corpus is decoded once; every crop is a pure function of seed and index."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conftest import scene
from driftrec.workshop.data import Corpus, Crops, open_corpus
from driftrec.workshop.degrade import Clean, Jpeg


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    folder = tmp_path / "clean"
    folder.mkdir()
    for i in range(40):
        Image.fromarray(scene(40 + i, 70 - i, seed=i)).save(folder / f"{i:02}.png")
    return open_corpus([folder], tmp_path / "cache")


def test_pictures_come_back_and_are_not_decoded_twice(corpus: Corpus, tmp_path: Path) -> None:
    assert len(corpus) == 40
    np.testing.assert_array_equal(corpus[7], scene(47, 63, seed=7))
    stamps = {p: p.stat().st_mtime_ns for p in (tmp_path / "cache").iterdir()}
    again = open_corpus([tmp_path / "clean"], tmp_path / "cache")
    np.testing.assert_array_equal(again[39], corpus[39])
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "cache").iterdir()} == stamps


def test_a_changed_folder_is_decoded_again(corpus: Corpus, tmp_path: Path) -> None:
    Image.fromarray(scene(64, 64, seed=99)).save(tmp_path / "clean" / "00.png")
    np.testing.assert_array_equal(open_corpus([tmp_path / "clean"], tmp_path / "cache")[0], scene(64, 64, seed=99))
    np.testing.assert_array_equal(corpus[0], scene(40, 70, seed=0))


def test_the_split_keeps_originals_together_and_depends_on_names_alone(tmp_path: Path) -> None:
    folder = tmp_path / "clean"
    folder.mkdir()
    rows = ["file,source,path,licence"]
    for i in range(60):
        Image.fromarray(scene(16, 16, seed=i)).save(folder / f"{i}.png")
        rows.append(f"{i}.png,somewhere,{i // 3}.jpg,CC0")
    (folder / "manifest.csv").write_text("\n".join(rows))
    training, held_out = open_corpus([folder], tmp_path / "cache").split(0.3)
    assert len(training) + len(held_out) == 60
    ours, theirs = ([e.group for e in corpus.entries] for corpus in (training, held_out))
    assert not set(ours) & set(theirs)
    assert 0 < len(theirs) < 30
    assert all(theirs.count(group) == 3 for group in theirs)
    assert held_out.summary()["licences"] == {"CC0": len(theirs)}


def test_crops_are_pure_functions(corpus: Corpus) -> None:
    crops = Crops(corpus, Jpeg(), size=32, seed=5, gray=0.2)
    clean, corrupted = crops.batch(range(10, 14))
    assert clean.shape == corrupted.shape == (4, 3, 32, 32)
    again, _ = crops.batch(range(12, 13))
    np.testing.assert_array_equal(again[0], clean[2])
    other, _ = Crops(corpus, Jpeg(), size=32, seed=6, gray=0.2).batch(range(10, 14))
    assert (other != clean).any()


def test_small_pictures_are_mirrored_and_gray_has_its_share(corpus: Corpus) -> None:
    crops = Crops(corpus, Clean(), size=64, gray=0.5)
    clean, corrupted = crops.batch(range(100))
    np.testing.assert_array_equal(clean, corrupted)
    gray = (clean == clean[:, :1]).all(axis=(1, 2, 3)).mean()
    assert 0.3 < gray < 0.7


def test_a_folder_without_pictures_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no pictures"):
        open_corpus([tmp_path], tmp_path)
