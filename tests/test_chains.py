"""Chains with their ceilings, and the benchmark's list of chains."""

import numpy as np
import pytest

from driftrec.evaluate.chains.chain import Chain, Part
from driftrec.evaluate.chains.drawing import Border, Caption, Screenshot
from driftrec.evaluate.chains.formats import AsAvif, AsJpeg, AsPalette, AsWebp, shown
from driftrec.evaluate.chains.geometry import FILTERS, Crop, Resize, Rotate, Turn
from driftrec.evaluate.chains.listed import CHOOSING, REPORTED
from driftrec.evaluate.chains.tables import CLIPPED, MOZJPEG, PHONE
from driftrec.evaluate.chains.tone import Blur, Noise, Sharpen, Tone
from driftrec.evaluate.corruptions import decode, encode
from support import scene

HALVES = (Part(AsJpeg(10), (0, 0, 1, 0.5)), Part(AsJpeg(90), (0, 0.5, 1, 1)))


def test_parts_are_files_of_their_own_and_the_rest_is_clean() -> None:
    clean = scene(50, 60)
    file, truth = Chain("", (Part(AsJpeg(10), (0.2, 0.1, 0.8, 0.5)),), ())(clean)
    pasted = shown(file)
    np.testing.assert_array_equal(truth, clean)
    np.testing.assert_array_equal(pasted[10:40, 6:30], decode(encode(clean[10:40, 6:30], 10)))
    pasted = pasted.copy()
    pasted[10:40, 6:30] = clean[10:40, 6:30]
    np.testing.assert_array_equal(pasted, clean)
    halves = shown(Chain("", HALVES, ())(clean)[0])
    np.testing.assert_array_equal(halves[:, :30], decode(encode(clean[:, :30], 10)))
    np.testing.assert_array_equal(halves[:, 30:], decode(encode(clean[:, 30:], 90)))


def test_steps_run_in_order_and_the_truth_is_spared_their_losses() -> None:
    clean = scene(48, 64)
    later = Resize(1.5), AsJpeg(60), Crop(3, 5), AsWebp(70)
    file, truth = Chain("", (Part(AsJpeg(20)),), later)(clean)
    np.testing.assert_array_equal(truth, Crop(3, 5)(Resize(1.5)(clean)))
    once = decode(encode(clean, 20))
    assert file == AsWebp(70).encode(Crop(3, 5)(decode(encode(Resize(1.5)(once), 60))))
    lossless, _ = Chain("", (Part(AsJpeg(20)),), later[:3])(clean)
    assert lossless.startswith(b"\x89PNG")


def test_gray_pictures_go_through_chains_too() -> None:
    gray = scene(40, 40)[..., 0]
    file, truth = Chain("", (Part(AsJpeg(30)),), (Resize(0.5), AsJpeg(80)))(gray)
    assert decode(file).shape == (20, 20)
    assert truth.shape == (20, 20, 3)


@pytest.mark.parametrize("chain", [*REPORTED, *CHOOSING], ids=lambda chain: chain.name)
def test_the_first_files_restored_perfectly_become_the_truth(chain: Chain) -> None:
    clean = scene(64, 80)
    file, truth = chain(clean)
    before = chain.before(clean)
    assert shown(file).shape == truth.shape
    parts = [clean[part.area(clean)] for part in chain.parts]
    assert [shown(one).shape for one in before.files] == [part.shape for part in parts]
    np.testing.assert_array_equal(before.finish(parts), truth)
    assert (before.finish([shown(one) for one in before.files]) != truth).any()


def test_the_lists_cover_what_happens_to_pictures_in_halves_of_their_own() -> None:
    names = [chain.name for chain in (*REPORTED, *CHOOSING)]
    assert len(set(names)) == len(names) >= 20
    everything: list[object] = []
    for half in (REPORTED, CHOOSING):
        assert len(half) >= 10
        steps = [step for chain in half for step in (*chain.later, *(part.jpeg for part in chain.parts))]
        everything += steps
        for kind in (Resize, Crop, Rotate, Turn, AsJpeg, AsWebp, AsPalette, Screenshot):
            assert any(isinstance(step, kind) for step in steps), kind
        assert any(part.box != (0, 0, 1, 1) for chain in half for part in chain.parts)
        assert any(len(chain.later) >= 6 for chain in half)
        assert any(not isinstance(chain.later[-1] if chain.later else None, AsJpeg) for chain in half)
    resized = [step for step in everything if isinstance(step, Resize)]
    assert {step.filter for step in resized} == {*FILTERS, "points"}
    assert (min(s.factor for s in resized), max(s.factor for s in resized)) == (0.4, 2.5)
    jpegs = [step for step in everything if isinstance(step, AsJpeg)]
    assert {step.subsampling for step in jpegs} == {"4:4:4", "4:2:2", "4:2:0"}
    assert {MOZJPEG, PHONE, CLIPPED} <= {step.tables for step in jpegs}
    kinds = {type(step) for step in everything}
    assert {Tone, Sharpen, Blur, Noise, Border, Caption, AsAvif} <= kinds
    assert {step.container for step in everything if isinstance(step, AsPalette)} == {"PNG", "GIF"}
