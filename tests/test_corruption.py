"""Pairs from disk, crops, and corruptions as recipes state them, each against what it promises."""

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from driftrec.evaluate.corruptions import Pixels
from driftrec.train.data.crops import Crops, open_corpus, resized_square
from driftrec.train.data.degrade import Chain, Clean, DownUp, GaussianNoise, RandomJpeg, jpeg
from driftrec.train.recipe import DataSection
from support import scene


def folder(path: Path, pictures: dict[str, Pixels]) -> Path:
    path.mkdir(parents=True)
    for name, pixels in pictures.items():
        Image.fromarray(pixels).save(path / name)
    return path


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


# ------------------------------------------------------------------------------------------------- pairs from disk


def test_pairs_belong_together_by_name_and_are_cut_alike(tmp_path: Path) -> None:
    pictures = {f"{i}.png": scene(40, 48, seed=i) for i in range(6)}
    clean = folder(tmp_path / "clean", pictures)
    theirs = folder(tmp_path / "theirs", {name.replace("png", "bmp"): 255 - p for name, p in pictures.items()})
    crops = Crops(open_corpus([clean], tmp_path / "cache", [theirs]), Clean(), 32, resize=(0.3, 0.9), post_crop=16)
    ours, corrupted = crops.batch(range(40))
    assert ours.shape == corrupted.shape == (40, 3, 16, 16)
    # The complement survives cropping, turning and resizing, up to rounding twice; misplaced crops would not fit.
    assert np.abs(ours.astype(int) + corrupted - 255).max() <= 2
    assert len({crop.tobytes() for crop in ours}) == 40


def test_pairs_of_two_sources_do_not_mix(tmp_path: Path) -> None:
    first, second = scene(32, 32, 1), scene(32, 40, 2)
    sources = [folder(tmp_path / "a", {"x.png": first}), folder(tmp_path / "b", {"x.png": second})]
    theirs = [folder(tmp_path / "c", {"x.png": first // 2}), folder(tmp_path / "d", {"x.png": second // 2})]
    corpus = open_corpus(sources, tmp_path / "cache", theirs)
    for index, picture in enumerate((first, second)):
        clean, corrupted = corpus.pair(index)
        np.testing.assert_array_equal(clean, picture)
        np.testing.assert_array_equal(corrupted, picture // 2)


def test_pairs_that_are_none_are_named(tmp_path: Path) -> None:
    clean = folder(tmp_path / "clean", {"a.png": scene(32, 32), "b.png": scene(32, 40)})
    alone = folder(tmp_path / "alone", {"a.png": scene(32, 32)})
    with pytest.raises(ValueError, match=r"alone has no picture 'b', which .*clean has: give complete pairs"):
        open_corpus([clean], tmp_path / "cache", [alone])
    other = folder(tmp_path / "other", {"a.png": scene(32, 32), "b.png": scene(40, 32)})
    with pytest.raises(ValueError, match=r"b\.png is 40×32 pixels clean and 32×40 corrupted: pairs need one size"):
        open_corpus([clean], tmp_path / "cache", [other])


# ------------------------------------------------------------------------------------------------- Hugging Face


class Table:
    """As much of a data set of Hugging Face as is asked for."""

    def __init__(self, images: list[Image.Image]) -> None:
        self.images, self._fingerprint = images, "abc"

    def __len__(self) -> int:
        return len(self.images)

    def cast_column(self, column: str, kind: object) -> dict[str, list[Image.Image]]:  # noqa: ARG002
        return {column: self.images}


@pytest.fixture
def datasets(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """A stand-in for the package; what was asked of it."""
    asked: list[tuple[str, str]] = []

    def load(name: str, split: str) -> Table:
        if name == "none":
            raise RuntimeError("no such data set")
        asked.append((name, split))
        return Table([Image.fromarray(scene(20, 24, seed=i)) for i in range(3)])

    module = ModuleType("datasets")
    module.load_dataset, module.Image = load, object  # pyright: ignore[reportAttributeAccessIssue]
    monkeypatch.setitem(sys.modules, "datasets", module)
    return asked


def test_data_sets_of_hugging_face(datasets: list[tuple[str, str]], tmp_path: Path) -> None:
    corpus = open_corpus([Path("hf:owner/name"), Path("hf:owner/other:test:photo")], tmp_path)
    assert datasets == [("owner/name", "train"), ("owner/other", "test")]
    assert len(corpus) == 6
    for index in range(6):
        np.testing.assert_array_equal(corpus[index], scene(20, 24, seed=index % 3))
    assert len({entry.group for entry in corpus.entries}) == 6
    with pytest.raises(ValueError, match="hf:none cannot be loaded: no such data set"):
        open_corpus([Path("hf:none")], tmp_path)


def test_data_sets_need_their_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ValueError, match=r"needs Hugging Face's datasets: .*pip install datasets"):
        open_corpus([Path("hf:owner/name")], tmp_path)


# ------------------------------------------------------------------------------------------------- crops


def test_resized_crops_show_the_shares_that_were_asked_for(tmp_path: Path) -> None:
    # On a ramp of one level a pixel, the range of a crop says how large the square was that it shows.
    ramp = np.broadcast_to(np.arange(200, dtype=np.uint8)[None, :, None], (200, 200, 3))
    corpus = open_corpus([folder(tmp_path / "clean", {"ramp.png": ramp})], tmp_path / "cache")
    crops, _ = Crops(corpus, Clean(), 50, resize=(0.2, 0.8)).batch(range(200))
    sides = np.array([int(crop.max()) - int(crop.min()) for crop in crops])
    shares = (sides / 200) ** 2
    assert 0.17 < shares.min() < 0.25
    assert 0.70 < shares.max() < 0.81
    assert np.mean(shares) == pytest.approx(0.5, abs=0.06)


def test_squares_that_do_not_fit_are_drawn_again() -> None:
    # As by torchvision: of 1356/2040 = 66 % of the area, a square fits; its share is uniform below, not cut off there.
    shares = np.empty(4000)
    rng = generator()
    for number in range(len(shares)):
        top, left, side = resized_square(rng, 1356, 2040, (0.2, 1.0))
        assert 0 <= top <= 1356 - side
        assert 0 <= left <= 2040 - side
        shares[number] = side**2 / (1356 * 2040)
    assert np.mean(shares > 0.66) < 0.02
    assert np.mean(shares) == pytest.approx((0.2 + 1356 / 2040) / 2, abs=0.01)
    assert resized_square(rng, 100, 1000, (0.9, 1.0)) == (0, 450, 100)


def test_without_symmetries_a_crop_of_the_whole_picture_is_the_picture(tmp_path: Path) -> None:
    picture = scene(64, 64)
    corpus = open_corpus([folder(tmp_path / "clean", {"a.png": picture})], tmp_path / "cache")
    for symmetries, expected in ((False, 1), (True, 8)):
        crops, _ = Crops(corpus, Clean(), 64, symmetries=symmetries).batch(range(60))
        assert len({crop.tobytes() for crop in crops}) == expected
        assert any((crop.transpose(1, 2, 0) == picture).all() for crop in crops)


def test_epochs_take_every_picture_once_and_areas_do_not(tmp_path: Path) -> None:
    pictures = {f"{i}.png": np.full((32 + 32 * i, 32, 3), i, np.uint8) for i in range(5)}
    corpus = open_corpus([folder(tmp_path / "clean", pictures)], tmp_path / "cache")
    crops = Crops(corpus, Clean(), 32, order="epochs")
    shown, _ = crops.batch(range(40))
    orders = [tuple(int(crop.min()) for crop in shown[first : first + 5]) for first in range(0, 40, 5)]
    assert {tuple(sorted(order)) for order in orders} == {(0, 1, 2, 3, 4)}
    assert len(set(orders)) > 4
    again, _ = crops.batch(range(23, 24))
    np.testing.assert_array_equal(again[0], shown[23])
    drawn, _ = Crops(corpus, Clean(), 32).batch(range(600))
    counts = np.bincount(drawn[:, 0, 0, 0], minlength=5)
    np.testing.assert_allclose(counts / 600, np.arange(1, 6) / 15, atol=0.06)


def test_a_crop_after_the_corruption_moves_the_grid(tmp_path: Path) -> None:
    noise = np.kron(generator().integers(0, 256, (60, 60, 1), dtype=np.uint8), np.ones((3, 3, 3), np.uint8))
    corpus = open_corpus([folder(tmp_path / "clean", {"n.png": noise})], tmp_path / "cache")
    grid = {None: set(), 64: set()}
    for post_crop, phases in grid.items():
        _, crops = Crops(corpus, RandomJpeg(1, 1, subsampling=(1, 0, 0)), 128, post_crop=post_crop).batch(range(16))
        for crop in crops.astype(float):
            steps = np.abs(np.diff(crop[1], axis=1)).mean(axis=0)
            phases.add(int(np.argmax([steps[phase::8].mean() for phase in range(8)])))
    assert grid[None] == {7}
    assert len(grid[64]) > 3


# ------------------------------------------------------------------------------------------------- corruptions


@pytest.mark.parametrize("bounds", [(30, 34), (77, 77)])
def test_jpeg_draws_every_quality_of_its_range(bounds: tuple[int, int]) -> None:
    lowest, highest = bounds
    picture = scene(24, 24)
    made = {jpeg(picture, quality).tobytes(): quality for quality in range(1, 101)}
    drawn = {made[RandomJpeg(lowest, highest, 1.0, (0, 0, 1))(picture, generator(s)).tobytes()] for s in range(60)}
    assert drawn == set(range(lowest, highest + 1))


def test_a_fixed_shift_puts_the_grid_where_it_says() -> None:
    picture = scene(64, 64)
    out = RandomJpeg(10, 10, subsampling=(1, 0, 0), shift=(3, 5))(picture, generator())
    padded = np.pad(picture, ((3, 0), (5, 0), (0, 0)), mode="reflect")
    np.testing.assert_array_equal(out, jpeg(padded, 10, "4:4:4")[3:, 5:])
    assert (out != RandomJpeg(10, 10, subsampling=(1, 0, 0))(picture, generator())).any()


def test_down_up_loses_what_is_finer_than_its_factor() -> None:
    coarse = (128 + 60 * np.sin(2 * np.pi * np.arange(96) / 24))[None, :, None] * np.ones((96, 1, 3))
    fine = np.where(np.arange(96) % 2, 228, 28)[None, :, None] * np.ones((96, 1, 3))
    kept, lost = (DownUp((2.0,))(p.astype(np.uint8), generator()).astype(float) for p in (coarse, fine))
    assert np.abs(kept - coarse)[:, 4:-4].max() < 8
    assert lost[:, 4:-4].std() < 5
    assert len({DownUp((1.0, 2.0, 4.0))(scene(48, 48), generator(s)).tobytes() for s in range(20)}) == 3
    assert DownUp((3.0,))(scene(37, 41), generator()).shape == (37, 41, 3)


def test_noise_has_its_level() -> None:
    gray = np.full((200, 200, 3), 128, np.uint8)
    for level in (3.0, 20.0):
        noise = GaussianNoise(level, level)(gray, generator()).astype(float) - 128
        assert noise.std() == pytest.approx(np.hypot(level, 12**-0.5), rel=0.02)  # of rounding: 1/√12
        assert abs(noise.mean()) < 0.2
        assert abs(np.corrcoef(noise[:, 1:].ravel(), noise[:, :-1].ravel())[0, 1]) < 0.02
    levels = [GaussianNoise(5, 50)(gray, generator(s)).std() for s in range(60)]
    assert 5 <= min(levels) < 12
    assert 40 < max(levels) <= 51


def test_chains_run_in_order() -> None:
    picture = scene(48, 48)
    links = (
        DownUp((4.0,)),
        RandomJpeg(10, 10, subsampling=(0, 0, 1), shift=(4, 4)),
        RandomJpeg(50, 50, subsampling=(0, 0, 1)),
    )
    rng = generator(3)
    expected = picture
    for link in links:
        expected = link(expected, rng)
    np.testing.assert_array_equal(Chain(links)(picture, generator(3)), expected)
    assert (Chain(links[::-1])(picture, generator(3)) != expected).any()


# ------------------------------------------------------------------------------------------------- in recipes

RECIPES = {
    "jpeg": (
        [{"kind": "jpeg", "lowest": 5, "highest": 40, "power": 1, "subsampling": [0, 0, 1], "shifted": True}],
        (RandomJpeg(5, 40, 1, (0, 0, 1), True),),
    ),
    "double": (
        [{"kind": "jpeg", "shift": [4, 4]}, {"kind": "jpeg"}],
        (RandomJpeg(shift=(4, 4)), RandomJpeg()),
    ),
    "others": (
        [{"kind": "down-up", "factors": [2, 3]}, {"kind": "noise", "lowest": 1, "highest": 9}, {"kind": "clean"}],
        (DownUp((2, 3)), GaussianNoise(1, 9), Clean()),
    ),
}


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_build_what_they_state(name: str) -> None:
    stated, expected = RECIPES[name]
    section = DataSection.model_validate({"corruption": stated})
    assert section.corruption == expected
    assert section.degradation() == Chain(expected)
    assert DataSection.model_validate_json(section.model_dump_json()) == section


def test_one_of_several_chains_by_weight() -> None:
    stated = [{"kind": "one-of", "weights": [3, 1], "chains": [[{"kind": "clean"}], [{"kind": "down-up"}]]}]
    built = DataSection.model_validate({"corruption": stated}).degradation()
    picture = scene(16, 16)
    clean = sum((built(picture, generator(s)) == picture).all() for s in range(400))
    assert abs(clean / 400 - 0.75) < 4 * (0.75 * 0.25 / 400) ** 0.5


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"corruption": [{"kind": "jpeg", "lowest": -1}]}, "0 ≤ lowest"),
        ({"corruption": [{"kind": "jpeg", "shifted": True, "shift": [1, 0]}]}, "cannot be combined with shifted grids"),
        ({"corruption": [{"kind": "down-up", "factors": [0.5]}]}, "factors must be at least 1"),
        ({"corruption": [{"kind": "noise", "lowest": 9, "highest": 1}]}, "0 ≤ lowest ≤ highest"),
        ({"corruption": [{"kind": "one-of", "chains": [[]], "weights": [1, 2]}]}, "1 chains need as many weights"),
        ({"corrupted": ["a"], "folders": []}, "0 clean folders need as many corrupted, not 1"),
        ({"corrupted": ["a"], "folders": ["b"], "corruption": [{"kind": "clean"}]}, "exclude each other"),
        ({"crop": 64, "post_crop": 65}, "post_crop 65 is larger than crop 64"),
        ({"resize": [0.5, 0.2]}, "resize must be two shares"),
        ({"corrupted": ["a"], "folders": ["b"], "validation": ["c"]}, "data.corrupted and data.validation exclude"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DataSection.model_validate(settings)
