"""What happened to a picture before: as found out, as the network judges, and as people say."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from driftrec import Restorer
from driftrec.evaluate.metrics.fidelity import psnr
from driftrec.jpeg import Cells, decode, examine, read_jpeg
from driftrec.jpeg.blocks import luma
from driftrec.restoration.binding import LIKELY, Binding, certainty
from driftrec.restoration.chroma import decoded_with_chroma_from_luma, with_chroma_from_luma
from driftrec.restoration.decision import decide, inspect, with_history
from driftrec.restoration.judgement import AROUND, FLAT, KEPT, change_between, trust_in
from support import jpeg, jpeg_file, opened


@pytest.fixture(scope="module")
def restorer() -> Restorer:
    return Restorer(mode="faithful", threads=1)


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    """A clean photograph."""
    with Image.open(Path(__file__).parent / "data/otter.png") as image:
        return np.asarray(image.convert("RGB"))


def edited(pixels: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.UnsharpMask(2, 120, 2)))


def smaller(pixels: np.ndarray) -> np.ndarray:
    height, width = pixels.shape[:2]
    return np.asarray(Image.fromarray(pixels).resize((width * 3 // 4, height * 3 // 4), Image.Resampling.BICUBIC))


def turned(pixels: np.ndarray) -> np.ndarray:
    rotated = Image.fromarray(pixels).rotate(4, Image.Resampling.BICUBIC)
    return np.asarray(rotated.crop((8, 8, rotated.width - 8, rotated.height - 8)))


def test_cells_bind_pictures_that_were_compressed_once_only(restorer: Restorer, photo: np.ndarray) -> None:
    once, again = jpeg_file(photo, quality=85), jpeg_file(edited(jpeg(photo, 10)), quality=85)
    certain = [certainty(restorer.restore_pixels(opened(data)), Cells(read_jpeg(data))) for data in (once, again)]
    assert certain[0] > 0.8
    assert certain[1] < 0.2
    kept, changed = restorer.restore(once), restorer.restore(again)
    assert kept.consistent == 1.0
    assert kept.note == "it is a JPEG of quality 85"
    assert changed.note.endswith("and it was edited or compressed before it was saved")
    sampled = restorer.restore(again, mode="sample", steps=2)
    assert sampled.note == changed.note
    assert sampled.consistent is not None
    assert sampled.consistent < 1 == restorer.restore(once, mode="sample", steps=2).consistent
    bound = restorer.restore(again, history="single")
    truth = edited(photo)
    assert psnr(np.asarray(changed), truth) > psnr(np.asarray(bound), truth) + 0.3
    assert psnr(np.asarray(changed), truth) > psnr(opened(again), truth) + 0.5


def test_the_certainty_weighs_the_likely_parts(photo: np.ndarray, rng: np.random.Generator) -> None:
    binding = Binding(Cells(read_jpeg(jpeg_file(photo, quality=50))), noticing=True)
    estimate = (photo / 255 + rng.normal(0, 0.05, photo.shape)).clip(0, 1).astype(np.float32)
    improved = with_chroma_from_luma(estimate, binding.cells, predicted=True)
    for certain, expected in ((0.0, estimate), (0.5, (estimate + improved) / 2), (1.0, improved)):
        binding.certain = certain
        np.testing.assert_allclose(binding.estimate(estimate), expected, atol=1e-6)


def test_the_network_judges_pictures_without_a_trace(restorer: Restorer, photo: np.ndarray) -> None:
    damaged, clean = turned(jpeg(photo, 10)), turned(photo)
    assert examine(damaged).earlier is None
    found = restorer.restore(damaged)
    assert found.verdict == "restore"
    assert found.note == "it shows no trace of JPEG compression, but the network finds damage"
    assert psnr(np.asarray(found), clean) > psnr(damaged, clean) + 0.5
    left = restorer.restore(clean)
    assert (left.verdict, left.note) == ("leave", "it shows no trace of JPEG compression")
    np.testing.assert_array_equal(np.asarray(left), clean)
    # Natural restorations are judged in the same way.
    assert restorer.restore(damaged, mode="natural").note == found.note


@pytest.mark.parametrize("convert", [lambda x: x.astype(np.uint16) * 257, lambda x: x.astype(np.float32) / 255])
def test_deep_pictures_are_judged_as_others(
    restorer: Restorer, photo: np.ndarray, convert: Callable[[np.ndarray], np.ndarray]
) -> None:
    damaged = turned(jpeg(photo, 10))
    deep, shallow = restorer.restore(convert(damaged)), restorer.restore(damaged)
    assert deep.note == shallow.note == "it shows no trace of JPEG compression, but the network finds damage"
    np.testing.assert_allclose(deep.pixels, shallow.pixels, atol=1e-5)
    left = restorer.restore(convert(photo))
    assert left.verdict == "leave"


def test_what_may_be_clean_is_changed_little() -> None:
    for amount in np.arange(20, 60, 0.25):
        trust = trust_in(float(amount), damage=0)
        assert trust == 0 or amount - 20 * np.log10(trust) >= KEPT - 1e-9
    assert [trust_in(amount, damage=1) for amount in (20.0, 46.0, 47.0, 70.0, np.inf)] == [1, 1, 0, 0, 0]


def test_the_change_is_compared_with_the_detail_around(rng: np.random.Generator) -> None:
    before, after = rng.random((2, 70, 83, 3)).astype(np.float32)
    before[:25] = 0.5
    change = change_between(before, after)
    assert change.amount == pytest.approx(-10 * np.log10(np.mean(np.square(after - before))), abs=1e-3)
    squares = np.lib.stride_tricks.sliding_window_view(np.stack([luma(before), luma(after)]), (AROUND, AROUND), (1, 2))
    changed = np.mean(np.square(squares[1] - squares[0]), axis=(2, 3), dtype=np.float64)
    detail = np.var(squares[0], axis=(2, 3), dtype=np.float64)
    assert (detail > FLAT).mean() == pytest.approx(2 / 3, abs=0.1)
    assert change.spread == pytest.approx(
        10 * np.log10(np.median(changed[detail > FLAT] / detail[detail > FLAT])), abs=1e-3
    )
    deep = change_between((before * 65535).round().astype(np.uint16), after)
    assert (deep.amount, deep.spread) == pytest.approx((change.amount, change.spread), abs=1e-2)


def test_changes_at_edges_alone_are_no_damage(photo: np.ndarray, rng: np.random.Generator) -> None:
    """Two estimates that change as much."""
    clean, noise = (photo / 255).astype(np.float32), rng.normal(0, 0.02, photo.shape).astype(np.float32)
    edge = np.zeros((*photo.shape[:2], 1), np.float32)
    edge[:, :32] = np.sqrt(photo.shape[1] / 32)
    everywhere, somewhere = change_between(photo, clean + noise), change_between(photo, clean + edge * noise)
    assert everywhere.amount == pytest.approx(somewhere.amount, abs=0.2)
    assert everywhere.damage > somewhere.damage + 0.3
    assert change_between(photo[:63], photo[:63] / np.float32(255)).damage < 1e-9  # too small to judge


@pytest.mark.parametrize("quality", [94, 97, 99])
def test_files_of_high_quality_are_weighed_against_decoding(
    restorer: Restorer, photo: np.ndarray, quality: int
) -> None:
    once, again = jpeg_file(photo, quality=quality), jpeg_file(smaller(jpeg(photo, 15)), quality=quality)
    file = read_jpeg(once)
    kept, changed = restorer.restore(once), restorer.restore(again)
    assert kept.consistent is not None
    assert kept.consistent > 0.999
    assert psnr(np.asarray(kept), photo) > psnr(np.rint(decode(file) * 255).astype(np.uint8), photo) - 0.1
    if quality < 98:
        cells = Cells(file)
        bound = with_chroma_from_luma(restorer.restore_pixels(opened(once)), cells, rounds=1)
        decoded = decoded_with_chroma_from_luma(file)
        np.testing.assert_allclose(kept.pixels, (1 - LIKELY) * decoded + LIKELY * bound, atol=0.002)
    assert psnr(np.asarray(changed), smaller(photo)) > psnr(opened(again), smaller(photo)) + 0.5


@pytest.mark.parametrize("history", ["single", "resaved", "resized"])
def test_a_given_history_overrules_what_is_found(restorer: Restorer, photo: np.ndarray, history: str) -> None:
    restored = restorer.restore(smaller(photo), history=history)
    assert restored.verdict == "restore"
    assert restored.note.startswith("it is to be treated as")


def test_clean_pictures_stay_as_they_are(restorer: Restorer, photo: np.ndarray) -> None:
    data = jpeg_file(photo, quality=10)
    restored = restorer.restore(data, history="clean")
    assert (restored.verdict, restored.evaluations) == ("decode", 0)
    pixels = jpeg(photo, 10)
    left = restorer.restore(pixels, history="clean")
    assert left.verdict == "leave"
    np.testing.assert_array_equal(np.asarray(left), pixels)
    assert inspect(data, history="clean").decision.why == "it is to be treated as clean"


def test_traces_that_contradict_the_history_are_dropped(photo: np.ndarray) -> None:
    data = jpeg_file(jpeg(photo, 10)[3:, 5:], quality=80)
    report = examine(opened(data), data)
    assert report.earlier is not None
    assert with_history(report, "auto") is report
    assert with_history(report, "resaved").earlier is report.earlier
    assert with_history(report, "single").earlier is None
    assert with_history(report, "resized").earlier is None
    assert decide(with_history(report, "single"), history="single").consistent
    assert not decide(report, history="resaved").consistent
