"""The classifier as a judge: its size, padding and outputs against another implementation's, and its two measures."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from driftrec.evaluate.benchmark import BenchmarkTask, Settings, distances_of, run
from driftrec.evaluate.corruptions import Jpeg
from driftrec.evaluate.features import distances, load
from driftrec.evaluate.measures import Comparison, Measures, as_batch
from driftrec.evaluate.methods import parse_method
from driftrec.evaluate.metrics import classifier
from driftrec.evaluate.metrics.classifier import FEATURES, Classifier, packaged_weights
from driftrec.evaluate.tables import set_rows
from support import scene

EXAMPLE = Path(__file__).parents[1] / "examples/casa-mila.jpg"


@pytest.fixture(scope="module")
def network() -> Classifier:
    return Classifier(packaged_weights())


def test_the_logits_are_those_of_another_implementation(network: Classifier) -> None:
    # Computed with the package efficientnet_lite_pytorch 0.1.0 and the same weights.
    pixels = np.asarray(Image.open(EXAMPLE).convert("RGB"))[:224, :224]
    logits = network(as_batch(pixels))[0]
    assert logits.argsort(descending=True)[:5].tolist() == [701, 895, 502, 349, 726]
    torch.testing.assert_close(
        logits[[0, 250, 500, 750, 999]], torch.tensor([-0.4849, -0.2242, 1.9006, 0.2734, 0.2204]), atol=2e-3, rtol=0
    )


def test_it_has_the_size_of_the_original(network: Classifier) -> None:
    assert sum(p.numel() for p in network.parameters()) == 4_652_008
    assert load("classifier")(torch.rand(2, 3, 64, 80)).shape == (2, FEATURES)


@pytest.mark.parametrize(("side", "before", "after"), [(8, 0, 1), (7, 1, 1)])
def test_an_odd_pixel_of_padding_comes_last(side: int, before: int, after: int) -> None:
    torch.manual_seed(0)
    layer, picture = classifier._Same(2, 4, 3, stride=2), torch.rand(1, 2, side, side)
    padded = F.pad(picture, (before, after, before, after))
    torch.testing.assert_close(layer(picture), F.conv2d(padded, layer.weight, stride=2))
    assert layer(picture).shape[-1] == -(-side // 2)


def test_files_that_hold_no_such_network_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"missing\.pth does not hold the weights of EfficientNet-Lite0"):
        Classifier(tmp_path / "missing.pth")
    for content in (b"", b"no weights"):
        (tmp_path / "bad.pth").write_bytes(content)
        with pytest.raises(ValueError, match="does not hold the weights"):
            Classifier(tmp_path / "bad.pth")
    torch.save({"_fc.bias": torch.zeros(1000)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match="does not hold the weights"):
        Classifier(tmp_path / "other.pth")


def test_without_its_package_the_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classifier, "PACKAGE", "no_such_package")
    with pytest.raises(ValueError, match=r"needs no-such-package: .*evaluate"):
        packaged_weights()


def test_patches_that_change_their_class_are_counted() -> None:
    measures = Measures(["classes"])
    photo = np.asarray(Image.open(EXAMPLE).convert("RGB"))
    left, right = photo[:256, :256], photo[:256, 512:768]
    both = np.concatenate([left, right], axis=1)
    half = np.concatenate([left, np.full_like(right, 128)], axis=1)
    assert measures(Comparison(both, both)) == {"classes": 0}
    assert measures(Comparison(half, both)) == {"classes": 50}


def test_kid_of_its_features_grows_with_the_damage(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for seed in range(4):
        Image.fromarray(scene(96, 96, seed)).save(tmp_path / f"photos/{seed}.png")
    tasks = [BenchmarkTask(path, Jpeg(q)) for q in (3, 95) for path in sorted((tmp_path / "photos").iterdir())]
    settings = Settings(("psnr",), tmp_path / "out", features="classifier", threads=1)
    records = list(run(tasks, [parse_method("plain")], settings))
    poor, good = ([r for r in records if r.corruption == name] for name in ("q3", "q95"))
    assert distances_of(poor, settings)["kid_classifier"][0] > distances_of(good, settings)["kid_classifier"][0]
    assert [row.corruption for row in set_rows(records, settings)] == ["q3", "q95"]
    assert set_rows(poor[:2], settings) == []  # too few


def test_kid_of_equal_sets_is_that_of_the_kernel() -> None:
    # Three pictures with one orthogonal feature each: k = (1/3 + 1)³ for equal ones, 1 for others.
    features = [row[None] for row in np.eye(3)]
    found = distances("classifier", features, features)["kid_classifier"][0]
    assert found == pytest.approx(2 * 1 - 2 * (3 * (4 / 3) ** 3 + 6 * 1) / 9)
