"""A corpus is decoded once; every crop is a pure function of seed and index."""

import io
import tarfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from driftrec.train.batches import Batches
from driftrec.train.data import crops as data
from driftrec.train.data.crops import Corpus, Crops, open_corpus
from driftrec.train.data.degrade import Clean, RandomJpeg
from support import scene


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
    crops = Crops(corpus, RandomJpeg(), size=32, seed=5, gray=0.2)
    clean, corrupted = crops.batch(range(10, 14))
    assert clean.shape == corrupted.shape == (4, 3, 32, 32)
    again, _ = crops.batch(range(12, 13))
    np.testing.assert_array_equal(again[0], clean[2])
    other, _ = Crops(corpus, RandomJpeg(), size=32, seed=6, gray=0.2).batch(range(10, 14))
    assert (other != clean).any()


def test_small_pictures_are_mirrored_and_gray_has_its_share(corpus: Corpus) -> None:
    crops = Crops(corpus, Clean(), size=64, gray=0.5)
    clean, corrupted = crops.batch(range(100))
    np.testing.assert_array_equal(clean, corrupted)
    gray = (clean == clean[:, :1]).all(axis=(1, 2, 3)).mean()
    assert 0.3 < gray < 0.7


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bits_become_8_without_clipping(suffix: str, tmp_path: Path) -> None:
    levels = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    Image.fromarray(levels).save(tmp_path / f"gray.{suffix}")
    picture = open_corpus([tmp_path], tmp_path / "cache")[0]
    np.testing.assert_array_equal(picture, np.rint(levels / 257).astype(np.uint8)[..., None].repeat(3, axis=2))


def test_alpha_is_dropped_and_pixels_stay_in_file_order(tmp_path: Path) -> None:
    pixels, exif = scene(24, 40), Image.Exif()
    exif[0x0112] = 6
    image = Image.fromarray(np.dstack([pixels, np.full((24, 40), 7, np.uint8)]))
    image.save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(open_corpus([tmp_path], tmp_path / "cache")[0], pixels)


def test_a_folder_without_pictures_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no pictures"):
        open_corpus([tmp_path], tmp_path)


def test_a_picture_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "words.png").write_bytes(b"words")
    with pytest.raises(ValueError, match=r"words\.png cannot be decoded"):
        open_corpus([tmp_path], tmp_path / "cache")


def shard(path: Path, pictures: dict[str, np.ndarray], mode: str = "w") -> None:
    """A tar file with a text beside every picture, as WebDataset has them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as file:  # pyright: ignore[reportCallIssue, reportArgumentType]
        for name, pixels in pictures.items():
            stream = io.BytesIO()
            Image.fromarray(pixels).save(stream, "PNG")
            for suffix, content in ((".png", stream.getvalue()), (".txt", b"a caption")):
                member = tarfile.TarInfo(name + suffix)
                member.size = len(content)
                file.addfile(member, io.BytesIO(content))


def test_shards_are_read_from_their_places_alone_and_in_folders(tmp_path: Path) -> None:
    pictures = [scene(24 + i, 40, seed=i) for i in range(5)]
    folder = tmp_path / "set"
    shard(folder / "b/1.tar", {"y": pictures[4], "x": pictures[3]})
    shard(folder / "0.tar", {"01": pictures[2], "00": pictures[1]})
    Image.fromarray(pictures[0]).save(folder / "loose.png")
    corpus = open_corpus([folder], tmp_path / "cache")
    assert len(corpus) == 5
    for index, picture in enumerate(pictures):
        np.testing.assert_array_equal(corpus[index], picture)
    alone = open_corpus([folder / "0.tar", folder / "b/1.tar"], tmp_path / "cache")
    assert [entry.group for entry in alone.entries] == [entry.group for entry in corpus.entries[1:]]
    np.testing.assert_array_equal(alone[3], pictures[4])


def test_pairs_may_lie_in_shards(tmp_path: Path) -> None:
    for side, step in (("clean", 0), ("theirs", 10)):
        shard(tmp_path / side / "0.tar", {f"{i}": scene(20, 20, seed=i + step) for i in range(3)})
    corpus = open_corpus([tmp_path / "clean"], tmp_path / "cache", [tmp_path / "theirs"])
    clean, theirs = corpus.pair(2)
    np.testing.assert_array_equal(clean, scene(20, 20, seed=2))
    assert theirs is not None
    np.testing.assert_array_equal(theirs, scene(20, 20, seed=12))


@pytest.mark.parametrize("mode", ["w:gz", None])
def test_what_is_no_plain_tar_is_named(tmp_path: Path, mode: str | None) -> None:
    path = tmp_path / "a.tar"
    if mode:
        shard(path, {"0": scene(16, 16)}, mode)
    else:
        path.write_bytes(b"rubbish" * 100)
    with pytest.raises(ValueError, match=r"a\.tar cannot be read as a tar file"):
        open_corpus([path], tmp_path / "cache")


def test_of_processes_that_come_at_once_one_decodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(scene(32, 32)).save(tmp_path / "0.png")
    decode, inside, calls = data._decode, threading.Event(), []

    def slow(*arguments: object) -> None:
        calls.append(arguments)
        inside.set()
        time.sleep(0.5)  # so that the others are sure to find nothing yet
        decode(*arguments)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(data, "_decode", slow)
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(open_corpus, [tmp_path], tmp_path / "cache")
        assert inside.wait(60)
        others = [pool.submit(open_corpus, [tmp_path], tmp_path / "cache") for _ in range(3)]
        for found in (first, *others):
            np.testing.assert_array_equal(found.result()[0], scene(32, 32))
    assert len(calls) == 1


class Watched(Crops):
    """Remembers which crops were made."""

    made: list[int] = []  # noqa: RUF012 (of the class, as crops are frozen)

    def pair(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        self.made.append(index)
        return super().pair(index)


def test_each_device_makes_only_its_part_of_a_batch(corpus: Corpus) -> None:
    crops = Watched(corpus, Clean(), size=16)
    whole = Batches(crops, 6, 0, 1)[2][0].numpy()
    assert crops.made == list(range(12, 18))
    for rank, part in ((0, slice(0, 3)), (1, slice(3, 6))):
        crops.made.clear()
        np.testing.assert_array_equal(Batches(crops, 3, rank, 2)[2][0].numpy(), whole[part])
        assert crops.made == list(range(12, 18))[part]
