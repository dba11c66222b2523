"""GPUs that were not there: what training and restoring would take on them, computed from what could be measured here.

    python benchmarks/gpus.py memory       # docs/scale_memory.md: what a GPU must hold; half a minute
    python benchmarks/gpus.py training     # docs/scale_training.md: time and cost on 8 and 64 GPUs; at once
    python benchmarks/gpus.py restoring    # docs/scale_gpu.md: archives on GPUs; half a minute

Arithmetic, parameters and activations are counted on the networks themselves.  What is assumed of the machines is an
option each, and is said below the table.
"""

import argparse
import multiprocessing
import os
import re
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

import driftrec
from driftrec.evaluate.machine import PeakMemory, processor
from driftrec.train.nn.cost import cost
from driftrec.train.nn.ncsnpp import NCSNpp, NCSNppConfig
from driftrec.train.nn.recompute import Recomputable, set_recompute
from driftrec.train.recipe import TrainConfig, read_recipe

ROOT = Path(__file__).parents[1]
Make = Callable[[], nn.Module]


def base() -> nn.Module:
    """The U-Net for GPUs, of just under 250 k multiply–adds per pixel."""
    return read_recipe("base").denoiser().network


def paper() -> NCSNpp:
    """The paper's network."""
    return NCSNpp(NCSNppConfig())


def main() -> None:
    options = read_options()
    pages: dict[str, tuple[str, Callable[[argparse.Namespace], str]]] = {
        "memory": ("scale_memory", memory_page),
        "training": ("scale_training", training_page),
        "restoring": ("scale_gpu", restoring_page),
    }
    for what in options.what:
        name, make = pages[what]
        page = make(options)
        print(page)
        (ROOT / f"docs/{name}.md").write_text(page, encoding="utf-8")


# ------------------------------------------------------------------------------------------------- memory

STATES = {"weights": 4, "gradients": 4, "gradients on their way": 4, "AdamW's moments": 8, "averaged weights": 4}
"""Bytes for each parameter that a device holds while it trains."""
SMALL = NCSNppConfig(features=32)
SMALL_CROP, SMALL_BATCH = 128, 4


@dataclass(frozen=True)
class Activations:
    """Bytes that a crop leaves for the way back, and those inside the block that leaves most."""

    kept: int
    largest_block: int


def activations(make: Make, side: int, half: bool, recompute: bool, batch: int = 1) -> Activations:
    """Counts what autograd keeps, on tensors that have a shape and no content."""
    with FakeTensorMode():
        network = make()
        set_recompute(network, recompute)
        own = {p.untyped_storage()._cdata for p in network.parameters()}
        kept: dict[int, tuple[int, torch.UntypedStorage]] = {}  # storages are held, so that numbers stay theirs
        inside: list[int] = []

        def keep(tensor: Tensor) -> Tensor:
            storage = tensor.untyped_storage()
            if storage._cdata not in own:
                kept[storage._cdata] = storage.nbytes(), storage
            return tensor

        def total() -> int:
            return sum(size for size, _ in kept.values())

        for module in network.modules():
            if isinstance(module, Recomputable):
                module.register_forward_pre_hook(lambda *_: inside.append(-total()))
                module.register_forward_hook(lambda *_: inside.append(inside.pop() + total()))
        image = torch.rand(batch, 3, side, side)
        with (
            torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
            torch.autocast("cpu", torch.bfloat16, enabled=half),
        ):
            output = network(image, torch.zeros(batch), image.clone())
        assert output.shape == image.shape
        return Activations(total(), max(inside))


def needed(make: Make, side: int, half: bool, recompute: bool, batch: int = 1) -> tuple[int, int]:
    """Bytes for each crop, and beside it those of the block that is being computed again."""
    found = activations(make, side, half, recompute, batch)
    again = activations(make, side, half, False, batch).largest_block if recompute else 0
    return found.kept, again


def memory_page(options: argparse.Namespace) -> str:
    gpu = options.memory * 1e9
    columns = [memory_column(make, side, gpu) for make, side in ((base, 128), (paper, 256))]
    rows = [(what, *(column[what] for column in columns)) for what in columns[0]]
    head = ("each device", "base, crops of 128²", "NCSN++, crops of 256²")
    measured = [
        (name, *(f"{value / 1e6:.0f} MB" for value in measured_peak(recompute)))
        for name, recompute in (("all kept", False), ("recompute", True))
    ]
    states = ", ".join(f"{name} {size}" for name, size in STATES.items())
    return (
        f"{table(head, rows)}\nBytes for each parameter: {states}.  With `recompute` the block that is being computed "
        f"again is counted as well.  base is a U-Net of {cost(base()).multiply_adds / 1e3:.0f} k multiply–adds per "
        f"pixel.\n\n"
        f"{table(('the count, tried out', 'counted', 'measured'), measured)}\nA step of NCSN++ with {SMALL.features} "
        f"features on {SMALL_BATCH} crops of {SMALL_CROP}² in single precision, on the CPU (PyTorch "
        f"{torch.__version__}).  Counted are activations and the gradients of weights; those of activations and what "
        f"convolutions work in come on top.\n"
    )


def memory_column(make: Make, side: int, gpu: float) -> dict[str, str]:
    parameters = sum(p.numel() for p in make().parameters())
    states = parameters * sum(STATES.values())
    kept = {
        (half, recompute): needed(make, side, half, recompute) for half in (False, True) for recompute in (False, True)
    }

    def crops(recompute: bool) -> str:
        one, again = kept[True, recompute]
        return f"{int((gpu - states) / (one + again)):,}"

    return {
        "parameters": f"{parameters / 1e6:.1f} M",
        "states that do not grow with the crops": size_of(states),
        "activations of a crop, single precision": size_of(kept[False, False][0]),
        "activations of a crop, bfloat16": size_of(kept[True, False][0]),
        "… with `recompute: true`": size_of(sum(kept[True, True])),
        f"crops on a GPU of {gpu / 1e9:.0f} GB, bfloat16, at most": crops(False),
        "… with `recompute: true`, at most": crops(True),
        "the most that FSDP over 8 GPUs would spare": f"{size_of(states * 7 / 8)}, {states * 7 / 8 / gpu:.1%} of a GPU",
    }


def measured_peak(recompute: bool) -> tuple[float, float]:
    """(counted, measured) bytes of a step on a small network."""

    def make() -> NCSNpp:
        return NCSNpp(SMALL)

    kept, again = needed(make, SMALL_CROP, False, recompute, SMALL_BATCH)
    gradients = 4 * sum(p.numel() for p in make().parameters())
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return kept + again + gradients, pool.apply(step_peak, (recompute,)) * 1e6


def step_peak(recompute: bool) -> float:
    """Megabytes by which a step makes this process grow."""
    network = NCSNpp(SMALL)
    set_recompute(network, recompute)
    image = torch.rand(SMALL_BATCH, 3, SMALL_CROP, SMALL_CROP)
    memory = PeakMemory()
    memory.start()
    network(image, torch.zeros(SMALL_BATCH), image).square().mean().backward()
    grown = memory.megabytes()
    assert grown is not None, "memory is measured on Linux only"
    return grown


# ------------------------------------------------------------------------------------------------- training

MACHINE = 8
"""GPUs of a machine."""


@dataclass(frozen=True)
class Course:
    """A training: a network, the side of its crops, how many of them, how many each GPU has in a step."""

    name: str
    make: Make
    side: int
    crops: float
    each: int
    sustained: float

    @property
    def operations(self) -> float:
        """Of a crop: forward, gradient of the input, gradient of the weights; two for each multiply–add."""
        return 6 * cost(self.make()).multiply_adds * self.side**2


def training_page(options: argparse.Namespace) -> str:
    celeba, d2kf2k = (read_recipe(f"paper-{name}") for name in ("cosve-celebahq", "ouve-d2kf2k"))
    fast, slow = (rate * 1e12 for rate in options.sustained)
    courses = [
        Course("base", base, 128, options.crops, 32, slow),
        Course("NCSN++, D2KF2K", paper, d2kf2k.data.crop, crops_of(d2kf2k), 1, fast),
        Course("NCSN++, CelebA-HQ", paper, celeba.data.crop, crops_of(celeba), 2, fast),
    ]
    columns = {
        f"{course.name}, {gpus} GPUs": column(course, gpus, options) for course in courses for gpus in (MACHINE, 64)
    }
    first = next(iter(columns.values()))
    rows = [(what, *(facts[what] for facts in columns.values())) for what in first]
    return (
        f"{table(('what', *columns), rows)}\nCounted: operations (three times the forward pass, "
        f"{cost(paper()).multiply_adds * 256**2 / 1e9:.0f} G multiply–adds for a crop of 256² by NCSN++), parameters; "
        f"crops of the paper's trainings, from their recipes.  Measured: {pairs_per_core(128):.0f} training pairs of "
        f"128² per second and core ([speed.md](speed.md)), a quarter of it for 256².  Assumed: "
        f"{options.crops / 1e6:g} M crops for base; "
        f"{options.sustained[0]:g} · 10¹² operations per second sustained by a GPU on NCSN++, {options.sustained[1]:g} "
        f"on base; $ {options.price:g} for a GPU hour; machines of {MACHINE} GPUs that exchange "
        f"{options.inside:g} GB/s inside and {options.network:g} Gbit/s between each other, none of it while they "
        f"compute; one machine of them lost in {options.lost:,.0f} hours of its work, with {options.restart:g} minutes "
        f"of all until they are back and the {TrainConfig().save_every:g} minutes since the last checkpoint; a disk of "
        f"{options.disk:g} GB/s for checkpoints.\n"
    )


def crops_of(recipe: TrainConfig) -> float:
    """Crops that a recipe of a fixed number of steps trains on."""
    assert recipe.steps is not None
    return recipe.steps * recipe.batch


def column(course: Course, gpus: int, options: argparse.Namespace) -> dict[str, str]:
    """One training on so many GPUs."""
    parameters = sum(p.numel() for p in course.make().parameters())
    machines, batch = gpus // MACHINE, course.each * gpus
    steps = course.crops / batch
    computing = course.each * course.operations / course.sustained
    gradient = 4 * parameters
    inside = 2 * (MACHINE - 1) / MACHINE * gradient / (options.inside * 1e9)
    between = 2 * (machines - 1) / machines * gradient / (options.network * 1e9 / 8)
    config = TrainConfig()
    saving = 16 * parameters / (options.disk * 1e9) / (60 * config.save_every)
    hours = steps * (computing + inside + between) * (1 + saving) / 3600
    losses = hours * machines / options.lost
    hours += losses * (options.restart + config.save_every) / 60
    rate = course.crops / hours / 3600
    return {
        "crops": f"{course.crops / 1e6:.2f} M of {course.side}²",
        "crops in a step": f"{batch:,}",
        "steps": f"{steps:,.0f}",
        "operations of a crop": f"{course.operations / 1e12:,.3f} · 10¹²",
        "operations": f"{course.crops * course.operations / 1e18:,.2f} · 10¹⁸",
        "a step: computing": milliseconds(computing),
        "a step: gradients, inside machines": milliseconds(inside),
        "a step: gradients, between machines": milliseconds(between) if machines > 1 else "–",
        "share of the time that is computing": f"{steps * computing / 3600 / hours:.0%}",
        "writing checkpoints": f"{saving:.1%}",
        "machines lost": f"{losses:.2f}",
        "time": f"{hours:,.1f} hours" if hours < 100 else f"{hours / 24:,.1f} days",
        "GPU hours": f"{hours * gpus:,.0f}",
        "cost": f"$ {hours * gpus * options.price:,.0f}",
        "crops per second": f"{rate:,.0f}",
        "cores that make them, for each GPU": f"{rate / gpus / pairs_per_core(course.side):.2f}",
    }


def pairs_per_core(side: int) -> float:
    """Training pairs per second and core, by the measured ones of 128²."""
    page = (ROOT / "docs/speed.md").read_text(encoding="utf-8")
    found = re.search(r"training pairs of 128×128 \| (\d+) per second", page)
    assert found
    return float(found[1]) * (128 / side) ** 2


# ------------------------------------------------------------------------------------------------- restoring

MEGAPIXELS, PICTURES = 2.0, 1e6
PHOTO = ROOT / "examples/casa-mila.jpg"


def restoring_page(options: argparse.Namespace) -> str:
    card = driftrec.Network().card
    score = read_recipe("paper-ouve-d2kf2k").sampling_plan().evaluations
    slow, fast = options.inference[1] * 1e12, options.inference[0] * 1e12
    beside = {mode: beside_network(mode) for mode in ("faithful", "natural")}
    once, plan = (float(card.facts[f"{name}multiply_adds_per_pixel"]) for name in ("", "plan_"))
    larger, largest = cost(base()).multiply_adds, cost(paper()).multiply_adds
    columns = {
        f"{card.name}, faithful": restored(once, 1, slow, beside["faithful"], options),
        f"{card.name}, natural": restored(plan, card.plan.evaluations, slow, beside["natural"], options),
        "base, natural": restored(2 * larger, 2, slow, beside["natural"], options),
        f"NCSN++, {score} evaluations": restored(score * largest, score, fast, beside["natural"], options),
    }
    rows = [(what, *(facts[what] for facts in columns.values())) for what in next(iter(columns.values()))]
    faithful, natural = (f"{beside[mode]:.2f}" for mode in ("faithful", "natural"))
    unet, large = options.inference[1], options.inference[0]
    return (
        f"{table(('what', *columns), rows)}\nNo GPU was at hand: nothing of this was measured on one.  Counted: "
        f"multiply–adds.  Measured on {processor()}: {faithful} core seconds for a megapixel for all but the network, "
        f"faithful, and {natural}, natural (reading, the file's cells, tiles, sampler, writing PNG).  Assumed: "
        f"{unet:g} · 10¹² operations per second sustained by a GPU on the small networks, {large:g} on NCSN++; "
        f"{options.cores} cores beside each GPU; $ {options.price:g} for a GPU hour with these cores; pictures of "
        f"{MEGAPIXELS:g} megapixels.\n"
    )


def restored(
    multiply_adds: float, evaluations: int, sustained: float, beside: float, options: argparse.Namespace
) -> dict[str, str]:
    """A restoration's `multiply_adds` per pixel, in all its evaluations, on one GPU, and what an archive takes."""
    network = sustained / (2 * multiply_adds * 1e6)  # megapixels per second
    cores = options.cores / beside
    hours = PICTURES * MEGAPIXELS / min(network, cores) / 3600
    return {
        "evaluations": f"{evaluations}",
        "multiply–adds per pixel": f"{multiply_adds / 1e3:,.0f} k",
        "the GPU's share: megapixels per second": f"{network:,.1f}",
        f"the share of {options.cores} cores: megapixels per second": f"{cores:,.1f}",
        "what is waited for": "the GPU" if network < cores else "the cores",
        "10⁶ pictures: GPU hours": f"{hours:,.0f}",
        "10⁶ pictures: cost": f"$ {hours * options.price:,.0f}",
    }


def beside_network(mode: str) -> float:
    """Core seconds for a megapixel of a restoration, without the network's."""
    restorer = driftrec.Restorer(threads=1)
    network, spent = restorer.network, [0.0]
    call = type(network).__call__

    def timed(*inputs: object, **options: object) -> np.ndarray:
        began = time.process_time()
        output = call(*inputs, **options)  # pyright: ignore[reportArgumentType, reportCallIssue]
        spent[0] += time.process_time() - began
        return output

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "photo.jpg"
        with Image.open(PHOTO) as image:
            photo = image.convert("RGB").resize((1024, 1024), Image.Resampling.LANCZOS)
        photo.save(path, quality=15)
        type(network).__call__ = timed  # pyright: ignore[reportAttributeAccessIssue]
        try:
            began = time.process_time()
            restorer.restore(path, mode=mode).save(Path(folder) / "out.png")  # pyright: ignore[reportArgumentType]
            total = time.process_time() - began
        finally:
            type(network).__call__ = call
    assert spent[0] > 0
    return (total - spent[0]) / (photo.width * photo.height / 1e6)


# ------------------------------------------------------------------------------------------------- pages


def size_of(count: float) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def milliseconds(seconds: float) -> str:
    return f"{1e3 * seconds:.1f} ms"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="+", choices=["memory", "training", "restoring"])
    parser.add_argument("--memory", type=float, default=80, help="GB of a GPU")
    parser.add_argument("--price", type=float, default=3, help="dollars for an hour of a GPU")
    parser.add_argument("--crops", type=float, default=30e6, help="crops that base is trained on")
    pair = {"nargs": 2, "type": float, "metavar": ("NCSNPP", "UNET")}
    parser.add_argument("--sustained", default=(60, 20), help="10^12 operations per second, training", **pair)
    parser.add_argument("--inference", default=(60, 20), help="the same, restoring", **pair)
    parser.add_argument("--inside", type=float, default=200, help="GB/s that a GPU exchanges within its machine")
    parser.add_argument("--network", type=float, default=100, help="Gbit/s of a machine")
    parser.add_argument("--disk", type=float, default=1, help="GB/s for checkpoints")
    parser.add_argument("--lost", type=float, default=1000, help="hours of a machine until it is lost")
    parser.add_argument("--restart", type=float, default=10, help="minutes until a lost machine is replaced")
    parser.add_argument("--cores", type=int, default=24, help="cores beside each GPU, restoring")
    return parser.parse_args()


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "2")
    main()
