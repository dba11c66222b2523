"""Builds the page that restores JPEGs in the browser, as a folder of static files.

    python integrations/static_page.py build/web-app

Needs Node 20 or newer, with npm.  The folder holds the page, ONNX Runtime Web, and the networks of the model `small`,
whose weights are stored in 8 bits.  Any web server can offer it.
"""

import argparse
import json
import math
import shutil
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from driftrec.diffusion import colour
from driftrec.diffusion.types import REGRESSION_RATIO
from driftrec.jpeg import cell, requantised, tables
from driftrec.model.card import Card
from driftrec.model.find import find_model
from driftrec.model.onnx import Network
from driftrec.picture import atomic_write
from driftrec.restoration import binding, chroma, solid, texture
from driftrec.restoration.tiling import Tiling
from driftrec.train.standalone.graph import IR_VERSION, OPSET
from driftrec.train.standalone.networks import networks
from driftrec.train.storage import pack

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "web-app"
MODEL = "small"

TILING = Tiling(tile=640)
"""Smaller tiles than those of the command: browsers give a page less memory than programs get."""

FACTS = "model/facts.json"
"""What the page knows about the model; its place in the folder."""


def main() -> None:
    options = read_options()
    folder = options.folder
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            raise SystemExit(f"{program} is missing: install Node 20 or newer, with npm")
    build(folder, quick=options.quick)
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    print(f"{folder}  {size / 1e6:.0f} MB: let a web server offer this folder")


def build(folder: Path, *, quick: bool = False) -> None:
    """Writes the page to a folder, which is created; what an earlier build left there is deleted first.

    Arguments: `quick`, whether to compress a little less, which saves a minute.

    Raises:
        SystemExit: the folder holds something else.
        subprocess.CalledProcessError: npm or the bundler failed.
    """
    require_own(folder)
    install()
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "model").mkdir(parents=True)
    write_model(folder / "model")
    call = ["npm", "run", "--silent", "build", "--", str(folder.resolve()), *(["--quick"] if quick else [])]
    subprocess.run(call, cwd=SOURCE, check=True)


def require_own(folder: Path) -> None:
    """Raises SystemExit if a folder holds anything but an earlier build, which has this file."""
    if folder.exists() and not (folder.is_dir() and ((folder / FACTS).is_file() or not any(folder.iterdir()))):
        raise SystemExit(f"{folder} holds other files, which would be deleted: give a new or an empty folder")


def install() -> None:
    """Installs the packages of web-app/package-lock.json, unless they are there.

    Raises:
        subprocess.CalledProcessError: npm failed, for example because it cannot reach its registry.
    """
    lock, installed = SOURCE / "package-lock.json", SOURCE / "node_modules/.package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        subprocess.run(["npm", "ci", "--silent"], cwd=SOURCE, check=True)


def write_model(folder: Path) -> None:
    """Writes denoiser.onnx, finisher.onnx, and facts.json (FACTS), which says how `driftrec` uses them."""
    proto = onnx.load(find_model(MODEL))
    for name, graph in zip(("denoiser", "finisher"), networks(proto, half=False), strict=True):
        if graph is None:
            raise ValueError(f"the model {MODEL} has no {name}")
        with atomic_write(folder / f"{name}.onnx") as file:
            file.write(packed(graph).SerializeToString())
    with atomic_write(folder / Path(FACTS).name) as file:
        file.write(json.dumps(facts(Network(MODEL).card)).encode())


def packed(graph: onnx.GraphProto) -> onnx.ModelProto:
    """Returns the network with weights of 8 bits, which are widened when it is loaded."""
    pack(graph)
    shape = ["batch", 3, "height", "width"]
    shapes = {"residual": shape, "ratio": ["batch"], "y": shape, graph.output[0].name: shape}
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, sides) for name, sides in shapes.items()]
    whole = helper.make_graph(graph.node, "driftrec", ends[:3], ends[3:], graph.initializer)
    return helper.make_model(
        whole, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="driftrec"
    )


def facts(card: Card) -> dict[str, Any]:
    """Returns the values that the page takes from the package, for JSON.

    Raises ValueError for a model whose plan the page does not know.
    """
    plan = card.plan
    if (plan.evaluations, plan.around, plan.anchor, plan.colour) != (2, "faithful", "corrupted", "low-band"):
        raise ValueError(f"the page does not know the plan of {card.name}")
    lowest, highest = (math.log(min(plan.process.ratio(t), REGRESSION_RATIO)) for t in (plan.end, plan.start))
    once = card.facts["multiply_adds_per_pixel"]
    state = np.random.default_rng(0).bit_generator.state["state"]
    return {
        "name": card.name,
        "multiple": math.lcm(tables.MCU, card.multiple),
        "regression": REGRESSION_RATIO,
        "plan": {"level": plan.level, "lowest": lowest, "highest": highest, "texture": plan.texture},
        "cost": {"denoiser": once, "finisher": card.facts["plan_multiply_adds_per_pixel"] - once},
        "noise": {key: f"{state[key]:032x}" for key in ("state", "inc")},
        "tiling": asdict(TILING),
        "low_band": colour.DISTANCES,
        "flat": {"side": texture.SIDE, "flat": texture.FLAT, "textured": texture.TEXTURED},
        "cells": {
            name.lower(): getattr(cell, name)
            for name in ("MARGIN", "NARROW", "SOFT", "EDGE_PASSES", "MISFITS", "ROUNDING")
        },
        "binding": {
            name.lower(): getattr(binding, name)
            for name in (
                *("OUTSIDE", "QUALITY", "NONZERO", "TEXTURE", "CONSTANT", "SHARP"),
                *("LEAST_OUTSIDE", "LEAST_NONZERO", "LEAST_TEXTURE", "COARSE", "SMALL", "VARIED", "NONE", "FULL"),
            )
        }
        | {"blocks": requantised.MAX_BLOCKS, "frequencies": [int(k) for k in requantised.FREQUENCIES]},
        "chroma": {name.lower(): getattr(chroma, name) for name in ("SIDES", "LEAST_CONTRAST", "LEAST_LEFT", "ROUNDS")}
        | {"weights": chroma.WEIGHTS.astype(float).round(3).tolist()},
        "solid": {
            name.lower(): getattr(solid, name)
            for name in (
                *("TILE", "FLAT", "LEAST_SHARE", "LEAST", "MOST", "LOOKED_AT", "SAME", "DIFFERENT", "AROUND", "STEADY"),
                *("END", "ROUNDED", "CLOSE", "NEAR", "FAR", "SIDES", "NEAR_SIDE", "SHARP", "LEAST_CERTAIN", "ROUNDS"),
            )
        }
        | {name.lower(): getattr(solid, name).tolist() for name in ("COLOUR_WEIGHTS", "PIXEL_WEIGHTS")},
        "luma": tables.LUMA.ravel().tolist(),
        "natural": tables.NATURAL.tolist(),
    }


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the folder to write: new, empty, or from an earlier build")
    parser.add_argument("--quick", action="store_true", help="compress a little less, which saves a minute")
    return parser.parse_args()


if __name__ == "__main__":
    main()
