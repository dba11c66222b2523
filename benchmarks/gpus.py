"""Estimates of training and restoration on GPUs, computed from measurements on CPUs.

    python benchmarks/gpus.py memory       # memory needed on a GPU; half a minute
    python benchmarks/gpus.py training     # time and cost on 8 and 64 GPUs; instant
    python benchmarks/gpus.py restoring    # archives on GPUs; half a minute

Operations, parameters and activations are counted on the networks themselves.  Each assumption about the machines is
an option and is stated below the table.  Results are stored in docs/measured.
"""

import argparse
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

import driftrec
from driftrec.evaluate.machine import PeakMemory
from driftrec.evaluate.measurement import Conditions, Fact, Measurements, facts
from driftrec.evaluate.tables import keep
from driftrec.restoration.options import Mode
from driftrec.train.nn.cost import cost
from driftrec.train.nn.ncsnpp import NCSNpp, NCSNppConfig
from driftrec.train.nn.recompute import Recomputable, set_recompute
from driftrec.train.recipe import TrainConfig, read_recipe

ROOT = Path(__file__).parents[1]
MEASURED = ROOT / "docs/measured"
Make = Callable[[], nn.Module]


def base() -> nn.Module:
    """The U-Net for GPUs, of just under 250 k multiply–adds per pixel."""
    return read_recipe("base").denoiser().network


def paper() -> NCSNpp:
    """The paper's network."""
    return NCSNpp(NCSNppConfig())


def main() -> None:
    options = read_options()
    estimates = {"memory": memory, "training": training, "restoring": restoring}
    for what in options.what:
        estimates[what](options)


def report(name: str, columns: dict[str, list[Fact]], conditions: Conditions, note: str, head: str = "what") -> None:
    """Stores a table with one column for each list of facts."""
    entries = [entry for measure, rows in columns.items() for entry in facts(rows, conditions, head, measure)]
    order = [what for what, *_ in max(columns.values(), key=len)]
    entries.sort(key=lambda entry: order.index(str(entry.what[head])))
    print(keep(MEASURED / f"{name}.jsonl", entries, note))


# ------------------------------------------------------------------------------------------------- memory

STATES = {"weights": 4, "gradients": 4, "gradients in transit": 4, "AdamW's moments": 8, "averaged weights": 4}
"""Bytes for each parameter that a device holds while it trains."""
SMALL = NCSNppConfig(features=32)
SMALL_CROP, SMALL_BATCH = 128, 4


@dataclass(frozen=True)
class Activations:
    """Bytes of activations that are kept for the backward pass of one crop, in total and in the largest block."""

    kept: int
    largest_block: int


def activations(make: Make, side: int, half: bool, recompute: bool, batch: int = 1) -> Activations:
    """Counts the bytes that autograd keeps, using tensors without content."""
    with FakeTensorMode():
        network = make()
        set_recompute(network, recompute)
        own = {p.untyped_storage()._cdata for p in network.parameters()}
        kept: dict[int, tuple[int, torch.UntypedStorage]] = {}  # holds the storages to keep their addresses
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
    """(bytes for each crop, bytes of the block that is being recomputed)."""
    found = activations(make, side, half, recompute, batch)
    again = activations(make, side, half, False, batch).largest_block if recompute else 0
    return found.kept, again


def memory(options: argparse.Namespace) -> None:
    """Computes the memory that a GPU needs, and compares the computation with a step on this machine."""
    gpu, libraries = options.memory * 1e9, [f"PyTorch {torch.__version__}"]
    columns = {
        "base, crops of 128²": memory_column(base, 128, gpu),
        "NCSN++, crops of 256²": memory_column(paper, 256, gpu),
    }
    states = ", ".join(f"{name} {size}" for name, size in STATES.items())
    note = (
        f"Bytes per parameter: {states}.  With `recompute`, the count includes the block that is being recomputed.  "
        f"base is a U-Net of {cost(base()).multiply_adds / 1e3:.0f} k multiply–adds per pixel."
    )
    counted = Conditions.now("counted on the networks", libraries=libraries)
    report("scale_memory", columns, counted, note, "per device")
    peaks = {name: measured_peak(recompute) for name, recompute in (("everything kept", False), ("recompute", True))}
    check: dict[str, list[Fact]] = {
        measure: [(name, values[i] / 1e6, "{:.0f} {unit}", "MB") for name, values in peaks.items()]
        for i, measure in enumerate(("counted", "measured"))
    }
    note = (
        f"One step of NCSN++ with {SMALL.features} features on {SMALL_BATCH} crops of {SMALL_CROP}² in single "
        f"precision, on the CPU.  The count includes activations and the gradients of weights, but not the gradients "
        f"of activations and the workspace of convolutions."
    )
    report("scale_memory_check", check, Conditions.now(libraries=libraries), note, "test of the count")


def memory_column(make: Make, side: int, gpu: float) -> list[Fact]:
    parameters = sum(p.numel() for p in make().parameters())
    states = parameters * sum(STATES.values())
    kept = {
        (half, recompute): needed(make, side, half, recompute) for half in (False, True) for recompute in (False, True)
    }

    def crops(recompute: bool) -> tuple[int, str, str]:
        one, again = kept[True, recompute]
        return int((gpu - states) / (one + again)), "{:,}", "crops"

    return [
        ("parameters", parameters / 1e6, "{:.1f} {unit}", "M"),
        ("state that is independent of the crops", *size_of(states)),
        ("activations per crop, single precision", *size_of(kept[False, False][0])),
        ("activations per crop, bfloat16", *size_of(kept[True, False][0])),
        ("… with `recompute: true`", *size_of(sum(kept[True, True]))),
        (f"maximum crops on a GPU of {gpu / 1e9:.0f} GB, bfloat16", *crops(False)),
        ("maximum crops with `recompute: true`", *crops(True)),
        ("the most that FSDP over 8 GPUs would save", *size_of(states * 7 / 8)),
        ("… as a share of GPU memory", 100 * states * 7 / 8 / gpu, "{:.1f}{unit} of a GPU", "%"),
    ]


def measured_peak(recompute: bool) -> tuple[float, float]:
    """(computed, measured) bytes of a step with a small network."""

    def make() -> NCSNpp:
        return NCSNpp(SMALL)

    kept, again = needed(make, SMALL_CROP, False, recompute, SMALL_BATCH)
    gradients = 4 * sum(p.numel() for p in make().parameters())
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return kept + again + gradients, pool.apply(step_peak, (recompute,)) * 1e6


def step_peak(recompute: bool) -> float:
    """Megabytes by which a step increases the memory of this process."""
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
    """A training run: network, side of the crops, number of crops, crops of each GPU in a step."""

    name: str
    make: Make
    side: int
    crops: float
    each: int
    sustained: float

    @property
    def operations(self) -> float:
        """Operations for a crop: forward pass and gradients of inputs and weights; two for each multiply–add."""
        return 6 * cost(self.make()).multiply_adds * self.side**2


def training(options: argparse.Namespace) -> None:
    """Estimates time and cost of training runs."""
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
    note = (
        f"Counted: operations (three times the forward pass, "
        f"{cost(paper()).multiply_adds * 256**2 / 1e9:.0f} G multiply–adds for a crop of 256² by NCSN++), parameters; "
        f"crops of the paper's trainings, from their recipes.  Measured: {pairs_per_core(128):.0f} training pairs of "
        f"128² per second and core, a quarter of that for 256².  Assumed: "
        f"{options.crops / 1e6:g} M crops for base; "
        f"{options.sustained[0]:g} · 10¹² operations per second sustained by a GPU on NCSN++, {options.sustained[1]:g} "
        f"on base; $ {options.price:g} for a GPU hour; machines of {MACHINE} GPUs that exchange "
        f"{options.inside:g} GB/s within a machine and {options.network:g} Gbit/s between machines, and not while they "
        f"compute; each machine fails once in {options.lost:,.0f} hours of work, which costs all of them "
        f"{options.restart:g} minutes until they run again and the {TrainConfig().save_every:g} minutes since the last "
        f"checkpoint; a disk of {options.disk:g} GB/s for checkpoints."
    )
    report("scale_training", columns, Conditions.now("computed from the networks and from speed"), note)


def crops_of(recipe: TrainConfig) -> float:
    """The number of crops in a recipe with a fixed number of steps."""
    assert recipe.steps is not None
    return recipe.steps * recipe.batch


def column(course: Course, gpus: int, options: argparse.Namespace) -> list[Fact]:
    """The column for one training run on a number of GPUs."""
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
    between_machines: list[Fact] = [("step: gradients, between machines", 1e3 * between, "{:.1f} {unit}", "ms")]
    return [
        ("crops", course.crops / 1e6, f"{{:.2f}} {{unit}} of {course.side}²", "M"),
        ("crops per step", batch, "{:,}", ""),
        ("steps", steps, "{:,.0f}", ""),
        ("operations per crop", course.operations / 1e12, "{:,.3f} · {unit}", "10¹²"),
        ("operations", course.crops * course.operations / 1e18, "{:,.2f} · {unit}", "10¹⁸"),
        ("step: computing", 1e3 * computing, "{:.1f} {unit}", "ms"),
        ("step: gradients, within machines", 1e3 * inside, "{:.1f} {unit}", "ms"),
        *(between_machines if machines > 1 else ()),
        ("share of the time spent computing", 100 * steps * computing / 3600 / hours, "{:.0f}{unit}", "%"),
        ("share of the time spent writing checkpoints", 100 * saving, "{:.1f}{unit}", "%"),
        ("machines that fail", losses, "{:.2f}", ""),
        ("time", hours, "{:,.1f} {unit}", "hours") if hours < 100 else ("time", hours / 24, "{:,.1f} {unit}", "days"),
        ("GPU hours", hours * gpus, "{:,.0f}", "h"),
        ("cost", hours * gpus * options.price, "{unit} {:,.0f}", "$"),
        ("crops per second", rate, "{:,.0f}", "1/s"),
        ("cores per GPU that make the crops", rate / gpus / pairs_per_core(course.side), "{:.2f}", "cores"),
    ]


def pairs_per_core(side: int) -> float:
    """Training pairs per second and core, scaled from the measurement with crops of 128²."""
    return Measurements.read(MEASURED / "speed.jsonl").value("training pairs of 128×128") * (128 / side) ** 2


# ------------------------------------------------------------------------------------------------- restoring

MODES: tuple[Mode, ...] = ("faithful", "natural")
MEGAPIXELS, PICTURES = 2.0, 1e6
PHOTO = ROOT / "examples/casa-mila.jpg"


def restoring(options: argparse.Namespace) -> None:
    """Estimates time and cost of an archive on GPUs."""
    card = driftrec.Network().card
    score = read_recipe("paper-ouve-d2kf2k").sampling_plan().evaluations
    slow, fast = options.inference[1] * 1e12, options.inference[0] * 1e12
    beside = {mode: beside_network(mode) for mode in MODES}
    once, plan = (float(card.facts[f"{name}multiply_adds_per_pixel"]) for name in ("", "plan_"))
    larger, largest = cost(base()).multiply_adds, cost(paper()).multiply_adds
    columns = {
        f"{card.name}, faithful": restored(once, 1, slow, beside["faithful"], options),
        f"{card.name}, natural": restored(plan, card.plan.evaluations, slow, beside["natural"], options),
        "base, natural": restored(2 * larger, 2, slow, beside["natural"], options),
        f"NCSN++, {score} evaluations": restored(score * largest, score, fast, beside["natural"], options),
    }
    note = (
        f"These are estimates: nothing here was measured on a GPU.  Counted: multiply–adds.  Measured: "
        f"{beside['faithful']:.2f} core seconds per megapixel for everything except the network with faithful, and "
        f"{beside['natural']:.2f} with natural (reading, the file's cells, tiles, sampler, writing PNG).  Assumed: "
        f"{options.inference[1]:g} · 10¹² operations per second sustained by a GPU on the small networks, "
        f"{options.inference[0]:g} on NCSN++; {options.cores} cores per GPU; $ {options.price:g} for a GPU "
        f"hour with these cores; pictures of {MEGAPIXELS:g} megapixels."
    )
    report("scale_gpu", columns, Conditions.now(models=[card.name]), note)


def restored(
    multiply_adds: float, evaluations: int, sustained: float, beside: float, options: argparse.Namespace
) -> list[Fact]:
    """The column for a restoration of `multiply_adds` per pixel, all evaluations together: one GPU, and an archive."""
    network = sustained / (2 * multiply_adds * 1e6)  # megapixels per second
    cores = options.cores / beside
    hours = PICTURES * MEGAPIXELS / min(network, cores) / 3600
    return [
        ("evaluations", evaluations, "{}", ""),
        ("multiply–adds per pixel", multiply_adds / 1e3, "{:,.0f} {unit}", "k"),
        ("GPU: megapixels per second", network, "{:,.1f}", "Mpx/s"),
        (f"{options.cores} cores: megapixels per second", cores, "{:,.1f}", "Mpx/s"),
        ("bottleneck", "the GPU" if network < cores else "the cores", "{}", ""),
        ("10⁶ pictures: GPU hours", hours, "{:,.0f}", "h"),
        ("10⁶ pictures: cost", hours * options.price, "{unit} {:,.0f}", "$"),
    ]


class Timed(driftrec.Network):
    """A network that adds up the processor time of its evaluations."""

    seconds = 0.0

    def __call__(self, *inputs: Any, **options: Any) -> np.ndarray:  # noqa: ANN401
        began = time.process_time()
        output = super().__call__(*inputs, **options)
        self.seconds += time.process_time() - began
        return output


def beside_network(mode: Mode) -> float:
    """Processor seconds of a restoration for each megapixel, without those of the network."""
    network = Timed(threads=1)
    restorer = driftrec.Restorer(network)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "photo.jpg"
        with Image.open(PHOTO) as image:
            photo = image.convert("RGB").resize((1024, 1024), Image.Resampling.LANCZOS)
        photo.save(path, quality=15)
        began = time.process_time()
        restorer.restore(path, mode=mode).save(Path(folder) / "out.png")
        total = time.process_time() - began
    assert network.seconds > 0
    return (total - network.seconds) / (photo.width * photo.height / 1e6)


def size_of(count: float) -> tuple[float, str, str]:
    """A number of bytes as (value, format, unit)."""
    return (count / 1e9, "{:.2f} {unit}", "GB") if count >= 1e9 else (count / 1e6, "{:.1f} {unit}", "MB")


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
