"""Training pairs from random chains: reproducible, aligned, of one size, with the file that they show."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from driftrec.evaluate.chains.chain import Patchwork
from driftrec.evaluate.chains.formats import AsAvif, AsJpeg, AsPalette, AsWebp, Format
from driftrec.evaluate.chains.geometry import FILTERS, Resize
from driftrec.jpeg import read_jpeg
from driftrec.train.data.chains import OTHERS, DrawnChain, RandomChains, Window
from driftrec.train.data.crops import Corpus, Crops, open_corpus
from driftrec.train.data.degrade import Clean
from driftrec.train.loop import train
from driftrec.train.recipe import DataSection, TrainConfig
from informed.evidence import of_file
from support import opened, scene

SIDE = 48


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    folder = tmp_path_factory.mktemp("clean")
    for seed in range(4):
        Image.fromarray(scene(150, 170, seed)).save(folder / f"{seed}.png")
    return open_corpus([folder], folder / "cache")


def drawn(count: int, chains: RandomChains | None = None) -> list[DrawnChain]:
    return [(chains or RandomChains()).draw(SIDE, np.random.default_rng(seed)) for seed in range(count)]


def test_every_pair_has_the_size_that_was_asked_for(corpus: Corpus) -> None:
    clean, corrupted = Crops(corpus, RandomChains(), SIDE, seed=3).batch(range(60))
    assert clean.shape == corrupted.shape == (60, 3, SIDE, SIDE)
    assert len({crop.tobytes() for crop in clean}) == 60


def test_pairs_depend_on_seed_and_index_alone(corpus: Corpus) -> None:
    first, again = (Crops(corpus, RandomChains(), SIDE, seed=5) for _ in range(2))
    backwards = {index: again.pair(index) for index in reversed(range(12))}
    for index in range(12):
        for ours, theirs in zip(first.pair(index), backwards[index], strict=True):
            np.testing.assert_array_equal(ours, theirs)
    other = Crops(corpus, RandomChains(), SIDE, seed=6)
    assert sum((other.pair(i)[0] == first.pair(i)[0]).all() for i in range(12)) < 3


def test_truth_and_corrupted_show_the_same_at_each_pixel(corpus: Corpus) -> None:
    """Moved by a pixel in any direction, a corrupted crop fits its truth worse, whatever happened to it."""
    crops = Crops(corpus, RandomChains(power=0.3), 64, seed=1)  # high qualities: what is left is geometry
    inner, errors = slice(4, -4), []
    for index in range(70):
        truth, corrupted = (pixels.astype(float) for pixels in crops.pair(index))
        moves = [(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)]
        errors.append([np.abs(np.roll(corrupted, m, (0, 1)) - truth)[inner, inner].mean() for m in moves])
    found = np.array(errors)
    textured = found[:, 1:].max(axis=1) > 1
    assert textured.sum() > 40
    assert (found.argmin(axis=1) == 0)[textured].mean() > 0.98


def test_shares_and_kinds_are_drawn() -> None:
    chains = drawn(1500)
    lossy = [[step for step in chain.steps if isinstance(step, Format | Patchwork)] for chain in chains]
    counts = np.bincount([len(steps) for steps in lossy], minlength=6) / len(chains)
    # Clean: .06; once: .34 and a fifth of the rest, .12; each further number of compressions another .12.
    np.testing.assert_allclose(counts, (0.06, 0.46, 0.12, 0.12, 0.12, 0.12), atol=0.04)
    steps = [step for chain in chains for step in (*chain.content, *chain.steps)]
    kinds = {type(step) for step in steps}
    assert {AsJpeg, AsWebp, AsAvif, AsPalette, Patchwork, Resize} <= kinds
    assert len(kinds) == 6 + 10 + 1  # those, ten other edits, the window
    resized = [step for step in steps if isinstance(step, Resize)]
    assert {step.filter for step in resized} == {*FILTERS, "points"}
    factors = [step.factor for step in resized]
    assert 0.4 <= min(factors) < 0.5
    assert 2.0 < max(factors) <= 2.5
    assert len(set(factors)) == len(factors)
    totals = [np.prod([s.factor for s in chain.steps if isinstance(s, Resize)]) for chain in chains]
    assert 0.4 - 1e-9 <= min(totals) <= max(totals) <= 2.5 + 1e-9
    assert sum(OTHERS.values()) == pytest.approx(1)


def test_shares_of_one_select_one_kind(corpus: Corpus) -> None:
    never = Crops(corpus, RandomChains(clean=1, single=0), SIDE)
    for index in range(20):
        example = never.example(index)
        np.testing.assert_array_equal(example.clean, example.corrupted)
        assert example.file is None
    once = drawn(40, RandomChains(clean=0, single=1, noise=0, graphics=0))
    assert all(isinstance(a, Window) and isinstance(b, AsJpeg) for a, b in (chain.steps for chain in once))
    assert not any(chain.content for chain in once)
    patched = drawn(40, RandomChains(clean=0, single=0, patched=1, generations=1))
    assert all(isinstance(chain.steps[0], Patchwork) for chain in patched)


def test_crops_have_one_size_after_every_chain() -> None:
    """Chain 46473 of seed 0 crops, then rotates, which leaves a row too few."""
    chains = RandomChains(clean=0.04, single=0.42, realigned=0.22, generations=4)
    chain = chains.draw(128, np.random.default_rng((0, 46473)))
    example = chain(np.zeros((chain.source, chain.source, 3), np.uint8))
    assert example.clean.shape == example.corrupted.shape == (128, 128, 3)


def test_realigned_crops_start_at_the_grid_of_the_first_compression() -> None:
    rng, step = np.random.default_rng(4), 0
    for _ in range(20):
        chain = RandomChains(clean=0, single=0, realigned=1, graphics=0, noise=0, power=9).draw(SIDE, rng)
        ramp = np.linspace(0, 255, chain.source, dtype=np.uint8)[None, :, None]
        example = chain(np.repeat(np.repeat(ramp, chain.source, axis=0), 3, axis=2))
        assert example.clean.shape == example.corrupted.shape == (SIDE, SIDE, 3)
        assert example.file is None
        if chain.steps[1].quality < 4 and chain.steps[3].quality > 50:
            # At the lowest qualities each block of a ramp keeps its mean only, so all steps are at edges of blocks.
            jumps = np.abs(np.diff(example.corrupted[..., 1].astype(float), axis=1)).mean(axis=0)
            assert jumps.reshape(-1)[7::8].mean() > 3 * np.delete(jumps, np.s_[7::8]).mean()
            step += 1
    assert step > 4


def test_files_are_those_that_the_crops_show(corpus: Corpus) -> None:
    crops, files = Crops(corpus, RandomChains(), SIDE, gray=0.2), 0
    for index in range(40):
        example = crops.example(index)
        np.testing.assert_array_equal(example.clean, crops.pair(index)[0])
        np.testing.assert_array_equal(example.corrupted, crops.pair(index)[1])
        if example.file is not None:
            files += 1
            np.testing.assert_array_equal(opened(example.file), example.corrupted)
            witness = of_file(read_jpeg(example.file), example.corrupted)  # what a network may see of a file
            assert witness.planes.shape == (3, SIDE, SIDE)
            luma = example.corrupted @ (0.299, 0.587, 0.114) - 128
            assert np.abs(witness.planes[0] - luma).mean() < 12
    assert 15 < files < 35


def test_gray_crops_stay_gray_through_jpeg_and_noise(corpus: Corpus) -> None:
    crops = Crops(corpus, RandomChains(clean=0, single=1, graphics=0, noise=1), SIDE, gray=1)
    for index in range(10):
        assert all(np.ptp(pixels, axis=2).max() == 0 for pixels in crops.pair(index))


def test_recipes_select_chains() -> None:
    assert DataSection.model_validate({"chains": {}}).chains == RandomChains()
    section = DataSection.model_validate({"chains": {"clean": 0.1, "power": 1}})
    assert section.chains == RandomChains(clean=0.1, power=1)
    assert DataSection.model_validate_json(section.model_dump_json()) == section
    assert section.is_jpeg  # validation stays comparable with other recipes


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"chains": {}, "corruption": [{"kind": "clean"}]}, "leave corrupted, corruption, resize and post_crop out"),
        ({"chains": {}, "post_crop": 32}, "leave corrupted, corruption, resize and post_crop out"),
        ({"chains": {"clean": 0.7, "single": 0.4}}, "1.1 > 1"),
        ({"chains": {"single": 0.7, "realigned": 0.4}}, "clean, single and realigned are shares of the same crops"),
        ({"chains": {"lossless": 2}}, "lossless is a share between 0 and 1, not 2"),
        ({"chains": {"generations": 0}}, "generations must be 1 to 9"),
        ({"chains": {"power": 0}}, "power must be positive"),
        ({"chains": {"factors": [0.4, 0.9]}}, "least ≤ 1 ≤ greatest"),
        ({"chains": {"qualty": 3}}, "qualty"),
    ],
)
def test_wrong_chains_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        DataSection.model_validate(settings)


def test_other_degradations_have_no_files(corpus: Corpus) -> None:
    with pytest.raises(ValueError, match=r"set data\.chains"):
        Crops(corpus, Clean(), SIDE).example(0)


def test_a_run_trains_on_chains(tmp_path: Path) -> None:
    (tmp_path / "clean").mkdir()
    for seed in range(6):
        Image.fromarray(scene(160, 160, seed)).save(tmp_path / "clean" / f"{seed}.png")
    settings = {
        "data": {"folders": [str(tmp_path / "clean")], "held_out": 0.3, "crop": 32, "chains": {}},
        "network": {"patch": 2, "channels": [8, 8], "encoder": [1, 1], "decoder": [1]},
        "noise": {"regression": 1},  # nothing is sampled
        **{"batch": 4, "steps": 2, "workers": 0, "precision": "32-true"},
    }
    *_, record = train(TrainConfig.model_validate(settings), tmp_path / "run", cache=tmp_path)
    assert record["step"] == 2
    assert np.isfinite(record["loss"])
