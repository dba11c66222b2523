"""Models of another corruption than JPEG: from pairs on disk to a restored picture, and what their card changes."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import driftrec
from driftrec.cli.app import app
from driftrec.diffusion.plan import Plan
from driftrec.model.card import Card, ModelError
from driftrec.model.runner import Runner
from driftrec.train.recipe import DataSection
from support import jpeg_file, psnr, scene

NOISE = 0.1
"""Standard deviation of the noise in the pairs, in image units."""

RECIPE = """
network: {patch: 2, channels: [16, 24], encoder: [1, 1], decoder: [1]}
data: {held_out: 0.3, crop: 32, gray: 0}
noise: {residual_std: 0.1}
batch: 8
learning_rate: 4.0e-3
warm_up: 5
ema: 0.9
precision: 32-true
workers: 0
steps: 150
"""


class Brighter(Runner):
    """Adds 0.1 to every picture, so that all that is done besides becomes visible."""

    def __init__(self, corruption: str) -> None:
        self.card = Card("brighter", 1, 0.01, 0.3, Plan(), natural=False, corruption=corruption)  # pyright: ignore[reportArgumentType]

    def __call__(self, residual: np.ndarray, ratio: float, y: np.ndarray, *, finish: bool = False) -> np.ndarray:  # noqa: ARG002
        return y + np.float32(0.1)


def noisy(pixels: np.ndarray, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 255 * NOISE, pixels.shape)
    return np.rint(pixels + noise).clip(0, 255).astype(np.uint8)


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_pairs_make_a_model_that_restores_pictures_without_any_trace_of_jpeg(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRIFTREC_CACHE", str(tmp_path / "cache"))
    for name in ("clean", "noisy"):
        (tmp_path / name).mkdir()
    for i in range(12):
        picture = scene(168, 176, seed=i)
        Image.fromarray(picture).save(tmp_path / f"clean/{i}.png")
        Image.fromarray(noisy(picture, i)).save(tmp_path / f"noisy/{i}.png")
    (tmp_path / "tiny.yaml").write_text(RECIPE)
    run("train", tmp_path / "tiny.yaml", *("--data", tmp_path / "clean", "--corrupted", tmp_path / "noisy"),
        *("--out", tmp_path / "run"))  # fmt: skip
    model = tmp_path / "denoiser.onnx"
    run("export", tmp_path / "run/best.safetensors", *("-o", model, "--name", "denoiser", "--licence", "CC0-1.0"))

    truth = scene(160, 144, seed=99)
    given = noisy(truth, 99)
    Image.fromarray(given).save(tmp_path / "new.png")
    said = run("restore", tmp_path / "new.png", "--model", model, "--mode", "faithful", "-o", tmp_path / "out.png")
    assert "faithful" in said
    assert "another corruption than JPEG" in said
    with Image.open(tmp_path / "out.png") as restored:
        assert psnr(np.asarray(restored), truth) > psnr(given, truth) + 3

    for source in (model, tmp_path / "run/best.safetensors"):  # the card of a checkpoint says the same
        assert driftrec.Restorer(source).runner.card.corruption == "other"
    assert "would be restored" in run("inspect", tmp_path / "new.png", "--model", model)
    assert "no trace of JPEG" in run("inspect", tmp_path / "new.png")


def test_other_corruptions_are_restored_in_full_and_bound_to_no_file() -> None:
    picture = np.full((96, 96, 3), 100, np.uint8)
    sources = {
        "file": jpeg_file(picture, quality=99),
        "array": scene(96, 96) // 2,
        "colours": jpeg_file(scene(96, 96) // 2, quality=20),
    }
    for source in sources.values():
        before = driftrec.open_picture(source).as_float()
        restored = driftrec.Restorer(Brighter("other"), mode="faithful").restore(source)
        assert (restored.verdict, restored.consistent) == ("restore", None)
        np.testing.assert_allclose(restored.picture.pixels, (before + 0.1).clip(0, 1), atol=1e-6)
    for source, why in ((sources["file"], "which is nearly lossless"), (sources["array"], "no trace of JPEG")):
        assert why in driftrec.Restorer(Brighter("jpeg"), mode="faithful").restore(source).note


def test_decoding_is_the_same_whatever_the_model() -> None:
    data = jpeg_file(scene(96, 96), quality=20)
    one, other = (driftrec.Restorer(Brighter(kind)).restore(data, mode="decode") for kind in ("jpeg", "other"))
    assert one.verdict == other.verdict == "decode"
    np.testing.assert_array_equal(one.picture.pixels, other.picture.pixels)


def test_cells_cannot_be_asked_of_a_model_of_another_corruption() -> None:
    with pytest.raises(ValueError, match="brighter does not undo JPEG compression: set consistent to 'auto'"):
        driftrec.Restorer(Brighter("other"), mode="faithful").restore(scene(32, 32), consistent="on")


def test_cards_name_a_corruption_that_there_is() -> None:
    card = {"name": "a", "multiple": 1, "ratio_min": 0.01, "ratio_max": 0.3, "sampling": Plan().card()}
    assert Card.parse(card, "a").corruption == "jpeg"
    assert Card.parse(card | {"corruption": "other"}, "a").corruption == "other"
    with pytest.raises(ModelError, match="corruption is 'rain', not one of jpeg, other"):
        Card.parse(card | {"corruption": "rain"}, "a")


@pytest.mark.parametrize(
    ("data", "undone"),
    [
        ({}, "jpeg"),
        ({"chains": {}}, "jpeg"),
        ({"corruption": [{"kind": "jpeg"}, {"kind": "clean"}]}, "jpeg"),
        ({"corruption": [{"kind": "one-of", "chains": [[{"kind": "jpeg"}], [{"kind": "clean"}]]}]}, "jpeg"),
        ({"corruption": [{"kind": "down-up"}, {"kind": "jpeg"}]}, "other"),
        ({"corruption": [{"kind": "one-of", "chains": [[{"kind": "jpeg"}], [{"kind": "noise"}]]}]}, "other"),
        ({"folders": ["a"], "corrupted": ["b"]}, "other"),
        ({"folders": ["a"], "corrupted": ["b"], "undoes": "jpeg"}, "jpeg"),
    ],
)
def test_what_a_recipe_trains_for(data: dict, undone: str) -> None:
    assert DataSection.model_validate(data).undone == undone
