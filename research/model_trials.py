"""Short trainings on equal processor time, which tell shapes, inputs and blocks apart.

    python research/model_trials.py quarter both --data FOLDER --state FOLDER --log FOLDER --seconds 720

Every trial sees the same crops in the same order, from files in the state folder; its budget is processor seconds of
the training process, `--threads` of them, without validation.  What a file says is left out of a share of the crops.
The last line of FOLDER/NAME.jsonl holds the held-out PSNR in dB of faithful estimates (infinite ratio): of RGB, and of
Cb and Cr together (`chroma_`), with what the file says and `bare`, of its pixels alone.  A killed trial goes on from
its checkpoint in the state folder.  The logs of the trials so far are in logs/shape-and-inputs.
"""

import argparse
import io
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader

from driftrec.evaluate.machine import processor
from driftrec.jpeg.blocks import YCBCR
from driftrec.jpeg.file import read_jpeg
from driftrec.jpeg.tables import CHROMA, LUMA, ijg_table
from driftrec.train import checkpoint
from driftrec.train.data.crops import Corpus, Crops, open_corpus
from driftrec.train.data.degrade import Clean, Pixels, jpeg
from driftrec.train.ema import Ema
from driftrec.train.muon import Muon
from driftrec.train.nn.cost import Cost
from driftrec.train.validate import DOUBLE, centre_pairs
from informed.evidence import Scenes, Witness, of_file, ycc
from informed.network import STATEMENT, Block, GatedBlock, Informed, InformedConfig, statements
from informed.packed import FINE, Batch, Packed, Witnessed, batch_of, pack, rgb

S = 0.05
"""Residual's scale in the preconditioning (E23), in image units."""

QUALITIES = (10, 20, 40, 80)


@dataclass(frozen=True)
class Trial:
    """A network and how it is trained.

    `decode`: the corrupted image is what a decoder shows ("pixels") or expected values, neither rounded nor clipped.
    `dropped`: share of crops of which only pixels are shown.  `regression`: share of the batch at infinite ratio.
    """

    network: InformedConfig
    decode: Literal["pixels", "expected"] = "pixels"
    dropped: float = 0.2
    regression: float = 1.0
    batch: int = 8
    rate: float = 2e-3
    warm_up: int = 20
    anneal: float = 0.7
    ema: float = 0.97
    floor: float = 0.01
    compiled: bool = True
    seed: int = 0


BOTH = InformedConfig(colour="ycc", tables=True, grid=True)
BASE = InformedConfig(channels=(48, 96, 128), encoder=(3, 6, 12), decoder=(4, 5))
QUARTER = InformedConfig()
TRIALS = {
    "base": Trial(BASE),
    "base-seed": Trial(BASE, seed=1),
    "quarter": Trial(QUARTER),
    "quarter-seed": Trial(QUARTER, seed=1),
    "even": Trial(replace(QUARTER, encoder=(2, 3, 3), decoder=(2, 3))),
    "patch4": Trial(InformedConfig(4, (128, 256), (5, 3), (5,))),
    "expected": Trial(QUARTER, "expected"),
    "ycc": Trial(replace(QUARTER, colour="ycc"), "expected"),
    "own": Trial(replace(QUARTER, colour="own"), "expected"),
    "tables": Trial(replace(QUARTER, colour="ycc", tables=True), "expected"),
    "grid": Trial(replace(QUARTER, colour="ycc", grid=True), "expected"),
    "both": Trial(BOTH, "expected"),
    "rgb-both": Trial(replace(QUARTER, tables=True, grid=True), "expected"),
    "gated": Trial(replace(QUARTER, block="gated")),
    "gated-attention": Trial(replace(QUARTER, block="gated", attention=True)),
    "kept": Trial(BOTH, "expected", dropped=0.0),
    "noisy": Trial(QUARTER, regression=0.5),
    "rehearsal": Trial(BOTH, "expected", batch=16, warm_up=100, ema=0.999, floor=0.005),
}


@dataclass(frozen=True)
class Seen:
    """What the network and the loss see of a batch, n crops.

    Attributes: `clean`, `shown` (a decoder's pixels), `y` (what the network starts from), (n, 3, height, width) RGB;
    `chroma` (n, 2, height / 2, width / 2), white levels around 0; `statement` (n, STATEMENT).
    """

    clean: Tensor
    shown: Tensor
    y: Tensor
    chroma: Tensor
    statement: Tensor


def seen(batch: Batch, decode: str, kept: Tensor) -> Seen:
    """A batch as tensors; `kept` (n,), whether what the file says is shown."""
    clean, shown = (_image(image.float() / 255) for image in (batch.clean, batch.pixels))
    known = kept & (batch.facts[:, 0] > 0)
    matrix = torch.tensor(YCBCR[1:], dtype=torch.float32)
    of_pixels = nn.functional.avg_pool2d(torch.einsum("ij,njhw->nihw", matrix, shown), 2)
    spread = known[:, None, None, None]
    y = torch.where(spread, rgb(batch.planes.float() / FINE), shown) if decode == "expected" else shown
    chroma = torch.where(spread, batch.chroma.float() / (255 * FINE), of_pixels)
    facts = torch.cat([known[:, None].to(batch.facts.dtype), batch.facts[:, 1:]], dim=1)
    return Seen(clean, shown, _image(y), chroma, statements(batch.tables, facts))


def _image(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


def estimate(network: nn.Module, given: Seen, residual: Tensor, ratio: Tensor) -> Tensor:
    """(E22), for residuals from `given.y`; ratio (n,) in (0, ∞]."""
    s = ratio.clamp(max=1e3)[:, None, None, None]
    total = (S**2 + s**2).sqrt()
    with torch.autocast("cpu", torch.bfloat16):
        raw = network(residual / total, s.flatten().log() / 4, given.y, given.chroma, given.statement)
    return given.y + S / total * (S * residual + s * raw.float())


def loss(network: nn.Module, given: Seen, trial: Trial, step: int) -> Tensor:
    """(E24), the mean over a batch, of which the first share is at infinite ratio."""
    generator = torch.Generator().manual_seed(1_000_003 * trial.seed + step)
    count = len(given.clean)
    ratio = (-3.4 + 0.8 * torch.randn(count, generator=generator)).exp()
    ratio[: round(trial.regression * count)] = torch.inf
    z = torch.randn(given.clean.shape, generator=generator)
    finite = ratio.isfinite()[:, None, None, None]
    s = torch.where(finite, ratio[:, None, None, None], 0.0)
    residual = _image(torch.where(finite, given.clean - given.y + s * z, 0.0))
    error = (estimate(network, given, residual, ratio) - given.clean).square().mean(dim=(1, 2, 3))
    own = (given.clean - given.shown).square().mean(dim=(1, 2, 3)) + trial.floor**2
    return (error * (1 / own + 1 / ratio.square())).mean()


class Validation:
    """Held-out centre crops of 160 pixels as JPEGs of `QUALITIES`, 4:2:0, and compressed twice (`DOUBLE`)."""

    def __init__(self, corpus: Corpus, count: int = 48) -> None:
        crops = [clean for clean, _ in centre_pairs(corpus, count, 160)]
        self.batches = {f"{q}": batch_of([(crop, _witness(crop, q)) for crop in crops]) for q in QUALITIES}
        self.batches["10_30"] = batch_of([(crop, _twice(crop)) for crop in crops])
        self.coloured = torch.tensor([bool(ycc(crop)[1:].std() > 1) for crop in crops])

    @torch.no_grad()
    def __call__(self, network: nn.Module, trial: Trial) -> dict[str, float]:
        found = {}
        for name, batch in self.batches.items():
            for kind, kept in (("", True), ("bare_", False)):
                errors = []
                for first in range(0, len(batch), 8):
                    part = batch[first : first + 8]
                    given = seen(part, trial.decode, torch.full((len(part),), kept))
                    x = estimate(network, given, torch.zeros_like(given.y), torch.full((len(part),), torch.inf))
                    errors.append((_psnr(given.shown, given.clean), _psnr(x.clamp(0, 1), given.clean)))
                before, after = (torch.cat(side) for side in zip(*errors, strict=True))
                for start, end, decibels in (("", f"jpeg_{name}", before), (kind, name, after)):
                    found[f"{start}{end}"] = round(decibels[:, 0].mean().item(), 3)
                    found[f"{start}chroma_{end}"] = round(decibels[self.coloured, 1].mean().item(), 3)
        return found


def _witness(crop: Pixels, quality: int) -> Witness:
    data = io.BytesIO()
    Image.fromarray(crop).save(data, "JPEG", quality=quality, subsampling="4:2:0")
    return of_file(read_jpeg(data.getvalue()), np.asarray(Image.open(data).convert("RGB")))


def _twice(crop: Pixels) -> Witness:
    first, second = DOUBLE
    padded = np.pad(jpeg(crop, first), ((4, 0), (4, 0), (0, 0)), mode="reflect")
    data = io.BytesIO()
    Image.fromarray(padded).save(data, "JPEG", quality=second, subsampling="4:2:0")
    file = read_jpeg(data.getvalue())
    shown = np.asarray(Image.open(data).convert("RGB"))[4:, 4:]
    tables = np.stack([ijg_table(first, base).reshape(64) for base in (LUMA, CHROMA)]).astype(np.uint8)
    return replace(of_file(file, shown, 4, 4), tables=tables)


def _psnr(a: Tensor, b: Tensor) -> Tensor:
    """dB of RGB and of Cb and Cr together: (n, 2)."""
    error = a - b
    chroma = torch.einsum("ij,njhw->nihw", torch.tensor(YCBCR[1:], dtype=torch.float32), error)
    means = [e.square().mean(dim=(1, 2, 3)) for e in (error, chroma)]
    return -10 * torch.stack(means, dim=1).clamp_min(1e-10).log10()


def cost_of(config: InformedConfig) -> Cost:
    """Multiply–adds of the convolutions per pixel, and parameters."""
    size, total = 8 * config.multiple, 0

    def count(module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        if isinstance(module, nn.Conv2d):
            total += module.weight.numel() * output.shape[-2] * output.shape[-1]

    with torch.device("meta"):
        network = Informed(config)
        for module in network.modules():
            module.register_forward_hook(count)
        image, half = torch.empty(1, 3, size, size), torch.empty(1, 2, size // 2, size // 2)
        network(image, torch.empty(1), image, half, torch.empty(1, STATEMENT))
    return Cost(total / size**2, sum(p.numel() for p in network.parameters()))


class Run:
    """A trial in progress; `used` is the processor seconds of training so far, over all sittings."""

    def __init__(self, name: str, trial: Trial, options: argparse.Namespace) -> None:
        self.name, self.trial, self.options = name, trial, options
        torch.manual_seed(trial.seed)
        self.network = Informed(trial.network).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.optimizer = Muon(self.network.parameters(), trial.rate)
        self.ema = Ema(self.network, trial.ema)
        self.names = [n for n, _ in self.network.named_parameters()]
        self.steps, self.used = 0, 0.0
        self.path = options.state / "runs" / f"{name}.safetensors"
        self._resume()
        if trial.compiled:
            for module in self.network.modules():
                if isinstance(module, Block | GatedBlock):  # once for each width, as blocks of one width are alike
                    module.compile(dynamic=False)
        self.losses: list[float] = []

    @property
    def progress(self) -> float:
        """How much of the run is done, from 0 to 1."""
        return self.steps / self.options.steps if self.options.steps else self.used / self.options.seconds

    def step(self, batch: Batch) -> None:
        """One step, timed."""
        trial, start = self.trial, time.process_time()
        progress = self.progress
        rate = trial.rate * min((self.steps + 1) / trial.warm_up, 1.0, (1 - progress) / trial.anneal)
        for group in self.optimizer.param_groups:
            group["lr"] = max(rate, 0.0)
        kept = torch.rand(len(batch), generator=torch.Generator().manual_seed(self.steps)) >= trial.dropped
        value = loss(self.network, seen(batch, trial.decode, kept), trial, self.steps)
        value.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.steps += 1
        self.ema.update(self.network, self.steps)
        self.losses.append(value.item())
        if len(self.losses) > 1:  # the first step of a sitting compiles
            self.used += time.process_time() - start

    def record(self, validation: Validation) -> dict[str, object]:
        """Scores of the averaged weights, and what they took."""
        taken, pixels = cost_of(self.trial.network), self.trial.batch * self.options.crop**2
        with self.ema.swapped_into(self.network), torch.compiler.set_stance("force_eager"):
            scores = validation(self.network, self.trial)
        crops = self.steps * self.trial.batch
        return {
            "trial": self.name,
            "step": self.steps,
            "processor_seconds": round(self.used, 1),
            "threads": torch.get_num_threads(),
            "crops_per_processor_second": round(crops / self.used, 2),
            "peta_operations": round(6 * taken.multiply_adds * self.steps * pixels / 1e15, 4),
            "multiply_adds": round(taken.multiply_adds),
            "parameters": taken.parameters,
            "loss": round(float(np.mean(self.losses[-200:])), 4) if self.losses else None,
            **scores,
            "processor": processor(),
        }

    def save(self) -> None:
        """Writes all that the next sitting needs."""
        tensors = {f"model.{k}": v for k, v in self.network.named_parameters()}
        tensors |= {f"ema.{k}": v for k, v in self.ema.weights.items()}
        facts = {"step": self.steps, "used": self.used, "network": self.trial.network.card()}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        checkpoint.write(self.path, tensors | checkpoint.optimizer_tensors(self.optimizer, self.names), facts)

    def _resume(self) -> None:
        if not self.path.exists():
            return
        tensors, facts = checkpoint.read(self.path)
        self.network.load_state_dict(checkpoint.select(tensors, "model."), strict=False)
        averaged = checkpoint.select(tensors, "ema.")
        self.ema.weights = {name: torch.empty_like(p).copy_(averaged[name]) for name, p in self.ema.weights.items()}
        checkpoint.load_optimizer(self.optimizer, tensors, self.names)
        self.steps, self.used = facts["step"], facts["used"]


def batches(run: Run, training: Corpus) -> Iterator[Batch]:
    """From the state folder's files, or, with --live, made as they are needed."""
    crops = Crops(training, Clean(), run.options.crop, run.options.data_seed, 0.1)
    source = Witnessed(crops, Scenes(), run.trial.batch)
    if run.options.live:
        order = range(run.steps, 2**40)
        yield from DataLoader(source, batch_size=None, sampler=order, num_workers=1, prefetch_factor=8)
    folder = run.options.state / "packed"
    pack(source, run.options.crops, folder)
    packed = Packed(folder, run.trial.batch)
    for number in range(run.steps, 2**40):
        yield packed[number]


def main() -> None:
    options = read_options()
    torch.set_num_threads(options.threads)
    training, held_out = open_corpus(options.data, options.state / "cache").split(0.06)
    validation = Validation(held_out)
    for name in options.names:
        run = Run(name, TRIALS[name], options)
        source, saved, validated = batches(run, training), run.used, run.used
        finished = False
        while not finished:
            if run.progress < 1:  # else it was finished before, and is scored once more
                run.step(next(source))
            if run.used - saved > options.save_every:
                saved = run.used
                run.save()
            finished = run.progress >= 1
            if finished or run.used - validated > options.validate_every:
                validated = run.used
                record = run.record(validation)
                print(json.dumps(record), flush=True)
                with (options.log / f"{name}.jsonl").open("a", encoding="utf-8") as log:
                    log.write(json.dumps(record) + "\n")
        run.save()


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", choices=TRIALS, help="trials, one after the other")
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="folders of clean pictures")
    parser.add_argument("--state", type=Path, required=True, help="folder of decoded data, crops and checkpoints")
    parser.add_argument("--log", type=Path, required=True, help="folder of the logs")
    parser.add_argument("--seconds", type=float, default=720, help="of the processor, for training")
    parser.add_argument("--steps", type=int, help="the length of a run, instead of seconds")
    parser.add_argument("--validate-every", type=float, default=1e9, help="processor seconds")
    parser.add_argument("--save-every", type=float, default=120, help="processor seconds")
    parser.add_argument("--crop", type=int, default=128, help="pixels")
    parser.add_argument("--crops", type=int, default=12000, help="in the files")
    parser.add_argument("--live", action="store_true", help="make crops as they are needed")
    parser.add_argument("--data-seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
