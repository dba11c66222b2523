"""Drawn training pictures: reproducible, of the right size, and drawn as screens and printers would draw them."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from driftrec.train.data.crops import Crops, open_corpus
from driftrec.train.data.degrade import Clean
from driftrec.train.data.graphics import tones
from driftrec.train.data.graphics.common import Scene
from driftrec.train.data.graphics.fonts import Font, Fonts, find_fonts
from driftrec.train.data.graphics.lettering import Lettering, Smoothing
from driftrec.train.data.graphics.mixture import KINDS, WEIGHTS, Drawn, Mixture
from driftrec.train.data.graphics.words import SCRIPTS
from driftrec.train.recipe import DataSection
from support import scene

NO_FONTS = Fonts(())


def drawn(name: str, seed: int, side: int = 60, fonts: Fonts = NO_FONTS) -> np.ndarray:
    here = Scene(side, fonts, lambda: scene(side, side))
    return np.asarray(KINDS[name](here, np.random.default_rng(seed)))


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_is_a_picture_that_the_seed_alone_decides(name: str) -> None:
    for side in (33, 60):
        pictures = [drawn(name, seed, side) for seed in range(4)]
        for seed, picture in enumerate(pictures):
            assert picture.shape == (side, side, 3)
            assert picture.dtype == np.uint8
            np.testing.assert_array_equal(picture, drawn(name, seed, side))
        assert all((a != b).any() for a, b in pairwise(pictures))
        assert any(picture.std() > 5 for picture in pictures)


def test_kinds_and_weights_have_the_same_names() -> None:
    assert list(KINDS) == list(WEIGHTS)


def letters(smoothing: Smoothing, reverse: bool = False) -> np.ndarray:
    image = Image.new("RGB", (80, 24), "white")
    text = Lettering(Font(None), SCRIPTS["latin"], 15, smoothing, reverse)
    text.write(image, (3, 2), "Wave milk", (0, 0, 0))
    return np.asarray(image).astype(int)


def test_antialiasing_is_gray_of_subpixels_or_absent() -> None:
    gray, subpixel, aliased = letters("gray"), letters("subpixel"), letters("none")
    assert (gray == gray[..., :1]).all()
    assert len(np.unique(gray)) > 10
    assert set(np.unique(aliased)) == {0, 255}
    assert np.ptp(subpixel, axis=-1).max() > 60
    # All three lay the same amount of ink, and subpixels see an edge a third of a pixel earlier or later.
    ink = [float((255 - x).mean()) for x in (gray, subpixel, aliased)]
    assert max(ink) < 1.25 * min(ink)
    place = [np.average(np.arange(80), weights=(255 - subpixel[..., i]).sum(axis=0)) for i in range(3)]
    np.testing.assert_allclose(np.diff(place), [-1 / 3, -1 / 3], atol=0.05)
    np.testing.assert_array_equal(letters("subpixel", reverse=True), subpixel[..., ::-1])


def test_text_beyond_the_picture_is_cut_off() -> None:
    image = Image.new("RGB", (20, 20), "white")
    for smoothing in ("gray", "subpixel"):
        text = Lettering(Font(None), SCRIPTS["latin"], 30, smoothing)
        for place in ((-500, 0), (0, -500), (19, 19), (-40, -10), (500, 500)):
            text.write(image, place, "Long words " * 20, (0, 0, 0))
    assert image.size == (20, 20)


@pytest.mark.parametrize("tone", [0.25, 0.5, 0.8])
def test_screens_and_dithers_keep_the_tone(tone: float) -> None:
    rng = np.random.default_rng(0)
    flat = np.full((120, 120), tone, np.float32)
    dots = tones._dots(flat, tones._screen(rng, flat.shape, 5.3, 0.6), 1000)
    assert dots.mean() == pytest.approx(tone, abs=0.02)
    level = round(255 * tone)
    for seed in range(12):
        image = tones.dithered(Image.new("RGB", (64, 64), (level,) * 3), np.random.default_rng(seed))
        assert np.asarray(image).mean() == pytest.approx(level, abs=9), seed


def test_fonts_are_drawn_with_scripts_that_they_have(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no fonts"):
        find_fonts((tmp_path,))
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    font, script = find_fonts((tmp_path,)).draw(np.random.default_rng(0))
    assert font.file is None
    assert script.words == SCRIPTS["latin"].words
    latin = Font(None).scripts()
    assert "latin" in latin
    assert not {"han", "arabic", "ethiopic"} & set(latin)


def test_kinds_of_weight_zero_are_not_drawn() -> None:
    here = Scene(24, NO_FONTS, lambda: np.zeros((24, 24, 3), np.uint8))
    mixture = Mixture((("pixels", 1.0), ("page", 0.0)), resized=0, few_colours=0)
    for seed in range(5):
        direct = np.random.default_rng(seed)
        direct.random(2)  # which kind, and whether resized
        np.testing.assert_array_equal(mixture(here, np.random.default_rng(seed)), KINDS["pixels"](here, direct))
    with pytest.raises(ValueError, match="no kind of drawing 'pagse'"):
        DataSection.model_validate({"drawn": {"kinds": {"pagse": 1}}})
    with pytest.raises(ValueError, match="must not be negative"):
        DataSection.model_validate({"drawn": {"kinds": {"page": 0}}})


def test_a_share_of_the_crops_is_drawn(tmp_path: Path) -> None:
    Image.fromarray(np.full((64, 64, 3), 77, np.uint8)).save(tmp_path / "plain.png")
    corpus = open_corpus([tmp_path], tmp_path / "cache")
    settings = Drawn(0.5, Mixture((("pixels", 1.0),)), NO_FONTS)
    crops = Crops(corpus, Clean(), 32, seed=3, drawn=settings)
    clean, _ = crops.batch(range(60))
    plain = (clean == 77).all(axis=(1, 2, 3)).mean()
    assert 0.3 < plain < 0.7
    np.testing.assert_array_equal(clean[10:12], crops.batch(range(10, 12))[0])
    # Photographs in drawings are crops of the corpus.
    over = Crops(corpus, Clean(), 32, drawn=Drawn(1.0, Mixture((("caption", 1.0),), 0, 0), NO_FONTS))
    assert ((over.batch(range(8))[0] == 77).mean(axis=(1, 2, 3)) > 0.05).sum() > 4


def test_weights_of_folders_are_shares_of_the_crops(tmp_path: Path) -> None:
    for level, side in ((10, 64), (200, 16)):
        (tmp_path / str(level)).mkdir()
        Image.fromarray(np.full((side, side, 3), level, np.uint8)).save(tmp_path / str(level) / "a.png")
    corpus = open_corpus([tmp_path / "10", tmp_path / "200"], tmp_path / "cache", weights=(1, 3))
    clean, _ = Crops(corpus, Clean(), 16).batch(range(300))
    assert (clean[:, 0, 0, 0] == 200).mean() == pytest.approx(0.75, abs=0.08)
    assert corpus.summary()["pictures"] == 2
    with pytest.raises(ValueError, match="as many positive weights"):
        DataSection.model_validate({"folders": ["a", "b"], "weights": [1]})
