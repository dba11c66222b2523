"""From a model to one ONNX file that restores pictures by itself.

    input      (batch, 3, height, width), sRGB in [0, 1], of any height and width
    output     the restored pictures, same shape and range

Both are single precision.  The metadata hold the model's card (`driftrec`) and what the file does
(`driftrec.standalone`).
"""

import json
import math
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import onnx
import onnxruntime as ort

from driftrec.errors import first_line
from driftrec.evaluate.corruptions import decode, encode
from driftrec.model.card import Card
from driftrec.model.find import find_model
from driftrec.model.onnx import STANDALONE
from driftrec.model.open import CHECKPOINT
from driftrec.picture import atomic_write
from driftrec.restoration.estimator import evaluations_for
from driftrec.restoration.restorer import Restorer
from driftrec.restoration.tiling import Tiling
from driftrec.train.export import export
from driftrec.train.standalone.graph import shorten
from driftrec.train.standalone.networks import networks
from driftrec.train.standalone.noise import hashed_noise
from driftrec.train.standalone.restoration import Restoration
from driftrec.train.storage import pack

Standalone: TypeAlias = Literal["faithful", "natural"]
"""What a file computes."""

BITS = 32, 16, 8
"""Bits that a stored weight may have.  With 16, the network computes in half precision, with 32 and 8 in single."""

LEAST_PSNR = 50.0
"""Least agreement with `Restorer`, in dB; the larger errors are those of half precision."""

WHOLE = Tiling(tile=1 << 20)
"""Leaves pictures of up to a million pixels a side whole."""

SIZES = ((37, 53), (1, 1), (8, 200))
"""Height and width of the pictures that are compared."""


def export_standalone(
    model: str | os.PathLike[str],
    target: Path,
    mode: Standalone,
    *,
    bits: int = 32,
    seed: int = 0,
    name: str | None = None,
    licence: str | None = None,
) -> float:
    """Writes the file and verifies it; returns the lowest PSNR between its results and those of `Restorer`, in dB.

    Arguments:
        model: a bundled name, an .onnx file of `export`, or a checkpoint, which needs `name` and `licence`.
        target: the file to write.
        mode: what the file computes.
        bits: of a stored weight, one of `BITS`.
        seed: of the noise, at least 0.
        name, licence: for the card; default: those of the model's own card.

    Raises:
        ModelError: the model cannot be found or read.
        ValueError: there is no such number of bits, the model has no such mode or cannot be written so, or the file
            gives other results; then there is no file.
    """
    if bits not in BITS:
        raise ValueError(f"weights have 8, 16 or 32 bits, not {bits}")
    if Path(model).suffix != CHECKPOINT:
        return _export(find_model(model), str(model), target, mode, bits, seed, name, licence)
    if name is None or licence is None:
        raise ValueError(f"{model} is a checkpoint, which has no card yet: give --name and --licence")
    with tempfile.TemporaryDirectory() as folder:
        exported = Path(folder) / "model.onnx"
        export(Path(model), exported, name, licence)
        return _export(exported, str(model), target, mode, bits, seed, name, licence)


def _export(
    source: Path,
    label: str,
    target: Path,
    mode: Standalone,
    bits: int,
    seed: int,
    name: str | None,
    licence: str | None,
) -> float:
    restorer = Restorer(source, device="cpu", mode=mode, seed=seed, tiling=WHOLE)
    evaluations_for(restorer.options, restorer.runner.card)  # raises an error if the model does not have the mode
    proto = onnx.load(source)
    content = json.loads({p.key: p.value for p in proto.metadata_props}["driftrec"])
    content |= {key: value for key, value in (("name", name), ("licence", licence)) if value is not None}
    try:
        standalone = _graph(proto, restorer.runner.card, mode, bits, seed, content)
        onnx.checker.check_model(standalone, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ValueError(f"the network of {label} cannot be written in opset 17 ({first_line(error)})") from error
    data = standalone.SerializeToString()
    with atomic_write(target) as file:
        file.write(data)
        psnr = min(_agreements(data, label, restorer))
        if not psnr >= LEAST_PSNR:
            raise ValueError(
                f"{target} was not written: its results would agree with those of {label} to {psnr:.1f} dB only"
            )
    return psnr


def _graph(
    proto: onnx.ModelProto, card: Card, mode: Standalone, bits: int, seed: int, content: dict[str, object]
) -> onnx.ModelProto:
    graph = Restoration(card, *networks(proto, half=bits == 16), seed)
    estimate = graph.faithful() if mode == "faithful" else graph.natural()
    facts = {"mode": mode, "bits": bits, "precision": "half" if bits == 16 else "single", "seed": seed}
    metadata = {"driftrec": json.dumps(content), STANDALONE: json.dumps(facts)}
    model = graph.model(graph.finished(estimate), metadata)
    if bits == 8:
        pack(model.graph)
        shorten(model.graph)
    return model


def _agreements(data: bytes, label: str, restorer: Restorer) -> Iterator[float]:
    """PSNR in dB between the results of the file and of the restorer, with the same noise, for each test picture."""
    options = ort.SessionOptions()
    options.log_severity_level = 4  # errors become exceptions
    batches = [np.stack([_picture(*size, quality) for quality in (10, 60)]) for size in SIZES]
    feeds = [batch.transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255) for batch in batches]
    try:
        session = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        results = [np.asarray(session.run(["output"], {"input": feed})[0]) for feed in feeds]
    except Exception as error:  # ONNX Runtime's own exceptions have no public base class
        raise ValueError(f"the network of {label} does not run in opset 17 ({first_line(error)})") from error
    for batch, restored in zip(batches, results, strict=True):
        for pixels, result in zip(batch, restored, strict=True):
            expected = restorer.restore_pixels(pixels, noise=hashed_noise)
            error = np.square(result.transpose(1, 2, 0).astype(np.float64) - expected).mean()
            yield -10 * math.log10(error) if error else math.inf


def _picture(height: int, width: int, quality: int) -> np.ndarray:
    """A picture with gradients, an edge and texture after JPEG compression, uint8 (height, width, 3)."""
    rows, columns = np.mgrid[:height, :width] / 40
    waves = np.sin(40 * rows * columns) / 2 + (rows + columns > 1)
    clean = 128 + 60 * waves[..., None] * np.array([1.0, 0.8, -0.5]) + 40 * rows[..., None]
    return decode(encode(clean.clip(0, 255).astype(np.uint8), quality))
