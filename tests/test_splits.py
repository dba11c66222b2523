"""The paper's data sets: the same pictures in the same parts as its recipe, and nothing half built."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from driftrec.cli.app import app
from driftrec.train.splits import DIV2K_HELD_OUT, celebahq, div2k_split, shuffled
from support import scene


def files(folder: Path, names: list[str]) -> Path:
    """Empty files: the split looks at names alone."""
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).touch()
    return folder


@pytest.mark.parametrize("count", [30_000, 2_650, 17])
def test_the_shuffle_is_the_published_one(count: int) -> None:
    # The recipe of the paper's program: sorted names, NumPy's global generator, cuts at 0.8 and 0.8 + 0.05.
    names = np.array(sorted(f"{number}.jpg" for number in range(count)))
    state = np.random.get_state()  # noqa: NPY002
    np.random.seed(102405)  # noqa: NPY002
    np.random.shuffle(names)  # noqa: NPY002
    np.random.set_state(state)  # noqa: NPY002
    parts = np.split(names, (int(count * 0.8), int(count * (0.8 + 0.05))))
    split = shuffled(Path("x") / f"{number}.jpg" for number in reversed(range(count)))
    for part, expected in zip(("train", "valid", "test"), parts, strict=True):
        assert [path.name for path in split[part]] == list(expected)
    if count == 30_000:
        assert {part: len(paths) for part, paths in split.items()} == {"train": 24000, "valid": 1500, "test": 4500}


def test_celebahq_is_split_and_shrunk(tmp_path: Path) -> None:
    (tmp_path / "all").mkdir()
    for number in range(10):
        Image.fromarray(scene(256 if number else 512, 256 if number else 512, number)).save(
            tmp_path / f"all/{number}.png"
        )
    counts = celebahq(tmp_path / "all", tmp_path / "out", count=10)
    assert counts == {"train": 8, "valid": 0, "test": 2}
    names = sorted(path.name for path in (tmp_path / "out").rglob("*.png"))
    assert names == sorted(path.name for path in (tmp_path / "all").iterdir())
    for path in (tmp_path / "out").rglob("*.png"):
        with Image.open(path) as made, Image.open(tmp_path / "all" / path.name) as source:
            assert made.size == (256, 256)
            if source.size == (256, 256):
                np.testing.assert_array_equal(np.asarray(source), np.asarray(made))
    assert celebahq(tmp_path / "all", tmp_path / "out", count=10) == counts  # what is there stays


def test_d2kf2k_by_its_command(tmp_path: Path) -> None:
    files(tmp_path / "div2k/DIV2K_train_HR", [f"{number:04}.png" for number in range(1, 801)])
    files(tmp_path / "div2k/DIV2K_valid_HR", [f"{number:04}.png" for number in range(801, 901)])
    files(tmp_path / "flickr/Flickr2K_HR", [f"{number:06}.png" for number in range(1, 2651)])
    options = ["--div2k", str(tmp_path / "div2k"), "--flickr2k", str(tmp_path / "flickr"), "--out", str(tmp_path / "o")]
    done = CliRunner().invoke(app, ["dataset", "d2kf2k", *options])
    assert done.exit_code == 0, done.output
    parts = {part: {path.name for path in (tmp_path / "o" / part).iterdir()} for part in ("train", "valid", "test")}
    assert {part: len(names) for part, names in parts.items()} == {"train": 2840, "valid": 212, "test": 498}
    assert len(set.union(*parts.values())) == 3550
    assert {f"DIV2K-{number:04}.png" for number in DIV2K_HELD_OUT} < parts["valid"]
    assert {f"DIV2K-{number:04}.png" for number in range(801, 901)} < parts["test"]


def test_80_pictures_are_held_out() -> None:
    assert len(DIV2K_HELD_OUT) == len(set(DIV2K_HELD_OUT)) == 80
    assert list(DIV2K_HELD_OUT) == sorted(DIV2K_HELD_OUT)
    assert set(DIV2K_HELD_OUT) < set(range(1, 801))


def test_folders_that_are_not_whole_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"there is no folder .*DIV2K_train_HR, which should hold DIV2K's training set"
    ):
        div2k_split(tmp_path)
    files(tmp_path / "some", ["1.jpg"])
    options = ["--pictures", str(tmp_path / "some"), "--out", str(tmp_path / "o")]
    refused = CliRunner().invoke(app, ["dataset", "celebahq", *options])
    assert refused.exit_code == 1
    assert "has 1 pictures, CelebA-HQ has 30000" in refused.output.replace("\n", " ")
    assert not (tmp_path / "o").exists()
