"""Files for other programs compute what `Restorer` does, with ONNX Runtime alone."""

import json
import math
import shutil
import subprocess
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx.reference import ReferenceEvaluator
from PIL import Image
from scipy import stats

import static_page
from driftrec.model.card import ModelError
from driftrec.restoration.options import Mode
from driftrec.restoration.restorer import Restorer
from driftrec.restoration.tiling import Tiling
from driftrec.train.export import export
from driftrec.train.nn.ncsnpp import NCSNppConfig
from driftrec.train.nn.unet import UNetConfig
from driftrec.train.recipe import NoiseSection, ObjectiveSection
from driftrec.train.standalone.export import BITS, LEAST_PSNR, export_standalone
from driftrec.train.standalone.graph import Graph
from driftrec.train.standalone.noise import Keys, hashed_noise, noise_in
from support import CROPS, psnr, random_checkpoint

SIZES = [(37, 53), (1, 1), (8, 200), (64, 48)]
PLAN = {
    "process": {"name": "OUVE"},
    "evaluations": 4,
    "start": 0.4,
    "end": 0.02,
    "eta": 0.5,
    "level": 1e-4,  # small, so that random weights change enough to be sampled
    "around": "faithful",
    "anchor": "corrupted",
    "colour": "low-band",
}

Write = Callable[..., Path]


@pytest.fixture(scope="module")
def write(tmp_path_factory: pytest.TempPathFactory) -> Write:
    """Exports a model, once for each set of arguments, and returns the file."""
    folder, written = tmp_path_factory.mktemp("standalone"), {}

    def get(model: str | Path, mode: Mode, **options: Any) -> Path:
        key = (str(model), mode, *sorted(options.items()))
        if key not in written:
            written[key] = folder / f"{len(written)}.onnx"
            assert export_standalone(model, written[key], mode, **options) >= LEAST_PSNR
        return written[key]

    return get


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model with random weights, as a file of `export`."""
    folder = tmp_path_factory.mktemp("tiny")
    checkpoint = random_checkpoint(folder / "best.safetensors", UNetConfig(2, (8, 12), (1, 1), (1,)))
    export(checkpoint, folder / "tiny.onnx", "tiny", "CC0-1.0")
    return folder / "tiny.onnx"


def with_card(model: Path, target: Path, **changes: Any) -> Path:
    """The model with other entries on its card."""
    proto = onnx.load(model)
    card = json.loads(proto.metadata_props[0].value) | changes
    onnx.helper.set_model_props(proto, {"driftrec": json.dumps(card)})
    onnx.save(proto, target)
    return target


def pictures(height: int, width: int) -> np.ndarray:
    """Parts of two photographs of quality 10, uint8 (2, height, width, 3)."""
    parts = []
    for name in ("coneflowers-q10.jpg", "otter-q10.jpg"):
        with Image.open(CROPS / name) as image:
            pixels = np.asarray(image.convert("RGB"))
        pixels = np.tile(pixels, (1, 1 + width // pixels.shape[1], 1))
        parts.append(pixels[8 : 8 + height, 16 : 16 + width])
    return np.stack(parts)


def restored(file: Path, batch: np.ndarray) -> np.ndarray:
    """What ONNX Runtime makes of uint8 pictures (batch, height, width, 3), float32."""
    session = ort.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    feed = np.float32(batch.transpose(0, 3, 1, 2)) / 255
    (results,) = session.run(None, {session.get_inputs()[0].name: feed})
    assert results.dtype == np.float32
    return results.transpose(0, 2, 3, 1)


def agreement(a: np.ndarray, b: np.ndarray) -> float:
    """PSNR in dB; infinite for equal pictures."""
    with np.errstate(divide="ignore"):
        return psnr(a, b)


def by_restorer(model: str | Path, batch: np.ndarray, mode: Mode, seed: int = 0) -> np.ndarray:
    restorer = Restorer(model, mode=mode, seed=seed, device="cpu", threads=1, tiling=Tiling(tile=1024))
    return np.stack([restorer.restore_pixels(pixels, noise=hashed_noise) for pixels in batch])


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize(("model", "mode"), [("small", "faithful"), ("small", "natural"), ("base", "natural")])
def test_files_of_shipped_models_restore_real_pictures_as_restorer_does(
    write: Write, model: str, mode: Mode, bits: int
) -> None:
    file = write(model, mode, bits=bits)
    for size in SIZES:
        batch = pictures(*size)
        results, expected = restored(file, batch), by_restorer(model, batch, mode)
        assert results.shape == batch.shape
        assert (results.min() >= 0, results.max() <= 1) == (True, True)
        for result, other, pixels in zip(results, expected, batch, strict=True):
            assert agreement(result, other) > (60 if bits == 16 else 80)
            assert size == (1, 1) or agreement(result, pixels / 255) < 40  # it is not the picture that went in


def test_natural_differs_from_faithful_and_seeds_differ(write: Write) -> None:
    batch = pictures(64, 48)
    faithful = restored(write("small", "faithful"), batch)
    natural, other = (restored(write("small", "natural", seed=seed), batch) for seed in (0, 7))
    assert agreement(natural, faithful) < 40
    assert 20 < agreement(natural, other) < 45
    assert agreement(other, by_restorer("small", batch, "natural", seed=7)) > 80


def test_a_picture_does_not_depend_on_its_batch(write: Write) -> None:
    file, batch = write("small", "natural"), pictures(37, 53)
    batch[1] //= 8  # a darker picture, of which less is lost: its grid is another
    alone = [restored(file, batch[i : i + 1])[0] for i in range(2)]
    np.testing.assert_allclose(restored(file, batch), alone, atol=1e-5)


def test_what_has_lost_nothing_is_not_sampled(write: Write) -> None:
    gray = np.full((2, 24, 24, 3), 127, np.uint8)
    natural, faithful = (restored(write("small", mode), gray) for mode in ("natural", "faithful"))
    np.testing.assert_allclose(natural, faithful, atol=1e-6)


@pytest.mark.parametrize(("bits", "limits"), [(32, (5.2, 30)), (16, (2.7, 16)), (8, (1.4, 8.0))])
def test_the_file_is_small_and_made_of_old_operations(write: Write, bits: int, limits: tuple[float, float]) -> None:
    for mode, limit in zip(("faithful", "natural"), limits, strict=True):
        path = write("small", mode, bits=bits)
        assert path.stat().st_size < 1e6 * limit
        model = onnx.load(path)
        onnx.checker.check_model(model, full_check=True)
        assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 17)]
        assert model.ir_version == 8
        assert not {"If", "Loop", "Scan", "RandomNormal", "RandomNormalLike"} & {n.op_type for n in model.graph.node}
        for value, name in ((model.graph.input, "input"), (model.graph.output, "output")):
            (only,) = value
            axes = [axis.dim_param or axis.dim_value for axis in only.type.tensor_type.shape.dim]
            assert (only.name, axes) == (name, ["batch", 3, "height", "width"])
            assert only.type.tensor_type.elem_type == onnx.TensorProto.FLOAT


def test_half_precision_halves_the_weights(write: Write) -> None:
    kinds = {
        weight.data_type
        for weight in onnx.load(write("small", "natural", bits=16)).graph.initializer
        if len(weight.dims) == 4 and np.prod(weight.dims) > 100
    }
    assert kinds == {onnx.TensorProto.FLOAT16}


def test_weights_of_eight_bits_are_those_of_the_model(write: Write) -> None:
    batch = pictures(37, 53)
    short, long = (restored(write("small", "natural", bits=bits), batch) for bits in (8, 32))
    np.testing.assert_allclose(short, long, atol=1e-6)


def test_other_numbers_of_bits_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="8, 16 or 32 bits, not 4"):
        export_standalone("small", tmp_path / "x.onnx", "faithful", bits=4)


@pytest.mark.parametrize("bits", BITS)
def test_another_runtime_gives_the_same(write: Write, bits: int) -> None:
    # ONNX's reference implementation, in NumPy, also computes half precision as such.
    file, batch = write("small", "natural", bits=bits), pictures(19, 30)[:1]
    (result,) = ReferenceEvaluator(str(file)).run(None, {"input": np.float32(batch.transpose(0, 3, 1, 2)) / 255})
    assert agreement(result.transpose(0, 2, 3, 1), restored(file, batch)) > (55 if bits == 16 else 90)


IN_JAVASCRIPT = """
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
const [folder, model, pixels, result, ...shape] = process.argv.slice(2);
const ort = createRequire(folder)("onnxruntime-web");
ort.env.wasm.numThreads = 1;
const session = await ort.InferenceSession.create(readFileSync(model));
const numbers = new Float32Array(new Uint8Array(readFileSync(pixels)).buffer);
const input = new ort.Tensor("float32", numbers, shape.map(Number));
const { output } = await session.run({ input });
writeFileSync(result, output.data);
"""


@pytest.mark.skipif(not (shutil.which("node") and shutil.which("npm")), reason="there is no node or no npm")
@pytest.mark.parametrize("mode", ["faithful", "natural"])
@pytest.mark.parametrize("bits", BITS)
def test_onnx_runtime_web_gives_the_same(write: Write, mode: Mode, bits: int, tmp_path: Path) -> None:
    try:
        static_page.install()
    except subprocess.CalledProcessError:
        pytest.skip("npm cannot install the packages of web-app/: check the connection to its registry")
    file, batch = write("small", mode, bits=bits), pictures(37, 53)
    pixels, result = tmp_path / "pixels.bin", tmp_path / "result.bin"
    feed = np.float32(batch.transpose(0, 3, 1, 2)) / 255
    pixels.write_bytes(feed.tobytes())
    (tmp_path / "run.mjs").write_text(IN_JAVASCRIPT)
    arguments = (f"{static_page.SOURCE}/", file, pixels, result, *feed.shape)
    subprocess.run(["node", tmp_path / "run.mjs", *map(str, arguments)], check=True)
    computed = np.fromfile(result, np.float32).reshape(feed.shape).transpose(0, 2, 3, 1)
    assert agreement(computed, restored(file, batch)) > (60 if bits == 16 else 80)


def test_the_metadata_hold_the_card(write: Write) -> None:
    metadata = {p.key: p.value for p in onnx.load(write("small", "natural", seed=7)).metadata_props}
    card = json.loads(metadata["driftrec"])
    assert (card["name"], card["licence"]) == ("small", "Apache-2.0")
    assert json.loads(metadata["driftrec.standalone"]) == {
        "mode": "natural",
        "bits": 32,
        "precision": "single",
        "seed": 7,
    }


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"evaluations": 2},
        {"evaluations": 1},
        {"evaluations": 3, "eta": 0.0, "colour": "none"},
        {"evaluations": 6, "eta": 1.0, "colour": "mean", "process": {"name": "CosVE"}},
        {"around": "file", "start": 1.0},
        {"around": "file", "evaluations": 1, "colour": "mean"},
    ],
)
def test_every_plan_can_be_exported(write: Write, tiny: Path, tmp_path: Path, change: dict[str, Any]) -> None:
    model = with_card(tiny, tmp_path / "m.onnx", sampling=PLAN | change, faithful=change.get("around") != "file")
    batch = pictures(37, 53)
    results, expected = restored(write(model, "natural"), batch), by_restorer(model, batch, "natural")
    assert agreement(results, expected) > 80
    if PLAN["evaluations"] > 1 and change.get("evaluations") != 1:
        assert agreement(results, by_restorer(model, batch, "natural", seed=1)) < 60  # it was sampled


def test_a_checkpoint_can_be_exported(tmp_path: Path) -> None:
    # It drifts to gray, takes many evaluations and has no faithful estimate, as Palette does.
    network = UNetConfig(2, (8, 12), (1, 1), (1,))
    checkpoint = random_checkpoint(
        tmp_path / "best.safetensors",
        network,
        objective=ObjectiveSection(anchor="gray"),
        noise=NoiseSection(law="time", regression=0),
    )
    with pytest.raises(ValueError, match=r"best\.safetensors is a checkpoint, .*: give --name and --licence"):
        export_standalone(checkpoint, tmp_path / "x.onnx", "natural")
    export_standalone(checkpoint, tmp_path / "x.onnx", "natural", name="gray", licence="CC0-1.0")
    batch = pictures(20, 30)
    export(checkpoint, tmp_path / "m.onnx", "gray", "CC0-1.0")  # as in the file, its weights have 8 bits
    assert agreement(restored(tmp_path / "x.onnx", batch), by_restorer(tmp_path / "m.onnx", batch, "natural")) > 60
    assert '"gray"' in {p.key: p.value for p in onnx.load(tmp_path / "x.onnx").metadata_props}["driftrec"]


def test_the_papers_network_can_be_exported(tmp_path: Path) -> None:
    checkpoint = random_checkpoint(
        tmp_path / "best.safetensors", NCSNppConfig(8, (1, 2), 1, ()), noise=NoiseSection(regression=0.5)
    )
    export(checkpoint, tmp_path / "m.onnx", "ncsnpp", "CC0-1.0")
    batch = pictures(20, 30)
    for bits in BITS:
        export_standalone(tmp_path / "m.onnx", tmp_path / "x.onnx", "natural", bits=bits)
        assert agreement(restored(tmp_path / "x.onnx", batch), by_restorer(checkpoint, batch, "natural")) > 50


@pytest.mark.parametrize(
    ("card", "mode", "sentence"),
    [
        ({"natural": False}, "natural", "tiny is a regression and cannot sample: ask for faithful"),
        ({"faithful": False}, "faithful", "tiny has no faithful estimate"),
        ({"blind": True}, "faithful", "tiny is a prior that does not look at the picture"),
    ],
)
def test_what_a_model_cannot_do_is_said(
    tiny: Path, tmp_path: Path, card: dict[str, bool], mode: Mode, sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        export_standalone(with_card(tiny, tmp_path / "m.onnx", **card), tmp_path / "x.onnx", mode)
    assert not (tmp_path / "x.onnx").exists()


def test_operations_that_the_old_opset_lacks_are_said(tiny: Path, tmp_path: Path) -> None:
    proto = onnx.load(tiny)
    (head,) = [node for node in proto.graph.node if "x0" in node.output]
    head.output[0] = "before"
    proto.graph.node.append(onnx.helper.make_node("Gelu", ["before"], ["x0"]))  # since opset 20
    onnx.save(proto, tmp_path / "m.onnx")
    with pytest.raises(ValueError, match=r"the network of .*m\.onnx cannot be written in opset 17 \(.*Gelu"):
        export_standalone(tmp_path / "m.onnx", tmp_path / "x.onnx", "faithful")
    assert not (tmp_path / "x.onnx").exists()


def test_a_file_that_differs_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("driftrec.train.standalone.export.LEAST_PSNR", 400.0)
    with pytest.raises(ValueError, match=r"x\.onnx was not written: its results would agree .* to \d+\.\d dB only"):
        export_standalone("small", tmp_path / "x.onnx", "faithful")
    assert list(tmp_path.iterdir()) == []


def test_restore_refuses_a_file_for_other_programs(write: Write) -> None:
    with pytest.raises(ModelError, match="is a file for other programs: give the model that it was made from"):
        Restorer(write("small", "faithful"))


def test_the_noise_is_the_hash_of_the_position() -> None:
    p, keys = 2**31 - 1, Keys.of(3, 0)
    noise = hashed_noise(3)((2, 3, 5, 9))
    np.testing.assert_array_equal(noise[0], noise[1])

    def mixed(x: int, *ks: int) -> int:
        for k in ks:
            x = pow(x + k, 5, p)
        return x

    for channel, i, j in product(range(3), range(5), range(9)):
        position = mixed(i, *keys.rows) + mixed(j, *keys.columns) + keys.channels[channel]
        first = mixed(position, keys.position, keys.a)
        z = math.sqrt(-2 * math.log((first + 1) / p)) * math.cos(2 * math.pi * mixed(first, keys.b) / p)
        assert noise[0, channel, i, j] == pytest.approx(z, abs=1e-6)
    np.testing.assert_array_equal(noise[:, :, :3, :4], hashed_noise(3)((2, 3, 3, 4)))


def test_graphs_draw_the_same_noise() -> None:
    graph = Graph()
    height, width = (graph("Gather", graph("Shape", "input", start=2), np.asarray(axis)) for axis in (0, 1))
    model = graph.model(noise_in(graph, height, width, Keys.of(3, 0)), {})
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (noise,) = session.run(None, {"input": np.zeros((1, 3, 300, 200), np.float32)})
    np.testing.assert_allclose(noise, hashed_noise(3)((1, 3, 300, 200)), atol=2e-5)


def test_the_noise_is_standard_normal_and_white() -> None:
    # Each bound is passed with a probability of at least 1 - 1e-6 by truly random numbers.
    draw = hashed_noise(11)
    draws = [draw((1, 3, 512, 512))[0].astype(float) for _ in range(2)]
    draws.append(hashed_noise(12)((1, 3, 512, 512))[0].astype(float))
    planes = np.concatenate(draws)
    n = planes[0].size
    for plane in planes:
        assert stats.kstest(plane.ravel(), "norm").pvalue > 1e-6
        assert abs(plane.mean()) < 5 / math.sqrt(n)
        assert abs(plane.var() - 1) < 5 * math.sqrt(2 / n)
        assert abs(stats.kurtosis(plane.ravel())) < 5 * math.sqrt(24 / n)
        assert abs((plane > 4).mean() - stats.norm.sf(4)) < 6 * math.sqrt(stats.norm.sf(4) / n)
        # Between pixels: covariances at all distances of up to 256, also of squares, are those of independence.
        for values in (plane, (plane**2 - 1) / math.sqrt(2)):
            power = np.abs(np.fft.fft2(values)) ** 2 / n
            covariances = np.fft.ifft2(power).real.ravel()[1:]
            assert np.abs(covariances).max() < 6.5 / math.sqrt(n)
            assert power.ravel()[1:].max() < 40  # exponential with mean 1, apart from the mean
    between = np.corrcoef(planes.reshape(len(planes), -1)) - np.eye(len(planes))
    assert np.abs(between).max() < 5.5 / math.sqrt(n)


def test_rows_and_columns_of_noise_are_independent() -> None:
    # Hashes of sums have the same differences in all rows; after mixing nothing may be left of that.
    plane = hashed_noise(0)((1, 3, 400, 400))[0, 0].astype(float)
    differences = plane[:, 1:] - plane[:, :-1]
    for values in (plane, plane.T, differences):
        rows = np.corrcoef(values) - np.eye(len(values))
        assert np.abs(rows).max() < 6 / math.sqrt(values.shape[1])
    signs = np.sign(plane)
    fourfold = signs[1:, 1:] * signs[:-1, 1:] * signs[1:, :-1] * signs[:-1, :-1]
    assert abs(fourfold.mean()) < 5 / math.sqrt(fourfold.size)
