"""Measures the files for other programs: their size, and how closely they agree with `driftrec.Restorer`.

    python benchmarks/standalone.py            # a minute

Both restore the pixels of examples/casa-mila.jpg as a whole, with the same noise.
"""

import argparse
import math
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import numpy as np
import onnxruntime as ort
from PIL import Image

from driftrec.evaluate.measurement import Conditions, Measurement
from driftrec.evaluate.tables import keep
from driftrec.model.find import bundled_models
from driftrec.restoration.restorer import Restorer
from driftrec.train.standalone.export import BITS, WHOLE, Standalone, export_standalone
from driftrec.train.standalone.noise import hashed_noise

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "examples/casa-mila.jpg"
NOTE = (
    "With 16 bits, the network computes in half precision; it was computed on a CPU, which may hold intermediate "
    "values in single precision."
)


def main() -> None:
    read_options()
    with Image.open(PICTURE) as image:
        pixels = np.asarray(image.convert("RGB"))
    libraries = [f"ONNX Runtime {ort.__version__}"]
    conditions = Conditions.now(models=bundled_models(), data=f"examples/{PICTURE.name}", libraries=libraries)
    print(keep(ROOT / "docs/measured/standalone.jsonl", list(measured(pixels, conditions)), NOTE))


def measured(pixels: np.ndarray, conditions: Conditions) -> Iterator[Measurement]:
    for model in bundled_models():
        for mode in get_args(Standalone):
            restorer = Restorer(model, device="cpu", mode=mode, tiling=WHOLE)
            expected = restorer.restore_pixels(pixels, noise=hashed_noise)
            for bits in BITS:
                with tempfile.TemporaryDirectory() as folder:
                    file = Path(folder) / "model.onnx"
                    export_standalone(model, file, mode, bits=bits)
                    size, result = file.stat().st_size / 1e6, restored(file, pixels)
                psnr = -10 * math.log10(np.square(result - expected.astype(float)).mean())
                what = {"model": model, "mode": mode, "bits of a weight": str(bits)}
                yield Measurement(what, "size (MB)", size, "MB", "{:.1f}", conditions)
                yield Measurement(what, "PSNR to `Restorer` (dB)", psnr, "dB", "{:.0f}", conditions)


def restored(file: Path, pixels: np.ndarray) -> np.ndarray:
    session = ort.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    picture = np.float32(pixels.transpose(2, 0, 1)[None]) / 255
    (result,) = session.run(None, {"input": picture})
    return np.asarray(result)[0].transpose(1, 2, 0)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    return parser.parse_args()


if __name__ == "__main__":
    main()
