"""The training loop: resumable at any kill, on one CPU or on the GPUs of several machines, through Lightning Fabric.

`train` is a generator of log records.  The last checkpoint holds the whole state of a run: crop i, the noise of step n
and the learning rate at a given progress are pure functions.  A resumed run of a fixed number of steps therefore ends
with exactly the weights of an uninterrupted one.  On another number of devices the weights differ only by rounding.
"""

import json
import os
import platform
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from driftrec.train import checkpoint
from driftrec.train.data.crops import Corpus, Crops, open_corpus
from driftrec.train.denoiser import Denoiser
from driftrec.train.distributed import Processes, launch
from driftrec.train.dump import dump, from_dump
from driftrec.train.finisher import Finishing
from driftrec.train.model import FINISHED, TrainedNetwork, load
from driftrec.train.muon import Muon
from driftrec.train.nn.recompute import set_recompute
from driftrec.train.objective import Denoising, Share
from driftrec.train.recipe import TrainConfig
from driftrec.train.validate import SHEET_QUALITY, Validation

LOG, LAST, BEST, SHEET = "log.jsonl", "last.safetensors", "best.safetensors", "sheet.png"


class Batches(Dataset[tuple[Tensor, Tensor]]):
    """Batch n of this rank as a map-style data set, so that loader processes make whole batches."""

    def __init__(self, crops: Crops, size: int, rank: int, ranks: int) -> None:
        self.crops, self.size, self.rank, self.ranks = crops, size, rank, ranks

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        first = (number * self.ranks + self.rank) * self.size
        clean, corrupted = self.crops.batch(range(first, first + self.size))
        return torch.from_numpy(clean), torch.from_numpy(corrupted)


class Ema:
    """Exponential moving average of weights, with a horizon that grows with the run until `decay`."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.weights = {name: p.detach().clone() for name, p in model.named_parameters()}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Moves towards the model's weights after step number `step` (from 1)."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(self.weights.values()), list(model.parameters()), 1 - decay)  # pyright: ignore[reportPrivateImportUsage]

    @contextmanager
    def swapped_into(self, model: nn.Module) -> Iterator[None]:
        """Gives the model the averaged weights within the context."""
        own = {name: p.detach().clone() for name, p in model.named_parameters()}
        model.load_state_dict(self.weights, strict=False)
        try:
            yield
        finally:
            model.load_state_dict(own, strict=False)


def train(
    config: TrainConfig, out: Path, time_limit: float | None = None, cache: Path | None = None
) -> Iterator[dict[str, Any]]:
    """Trains, or continues, the run in folder `out`; yields a record at every validation, in the first process only.

    `time_limit` (minutes) ends this sitting.  The run itself is `config.steps` or `config.minutes` long; where it
    states neither, `time_limit` is its length.  The learning rate falls to zero at the end of the run.  Records
    are also appended to log.jsonl; last.safetensors resumes the run, best.safetensors holds the averaged weights
    of the best validation, sheet.png shows held-out crops: clean, JPEG, faithful, natural.
    """
    run = Run(config, out, time_limit, cache)
    while not run.finished:
        run.step()
        run.tick()
        finished = run.finished
        if finished or run.due("validate", config.validate_every):
            record = run.validate()
            if run.processes.is_first:
                yield record
        if finished or run.due("save", config.save_every):
            run.save()


class Run:
    """A run in progress: what `train` steps, validates and saves.  Arguments as for `train`."""

    def __init__(self, config: TrainConfig, out: Path, time_limit: float | None, cache: Path | None) -> None:
        self.config, self.out, self.time_limit = config, out, time_limit
        self.minutes = _length(config, time_limit)
        # Before the other processes are waited for, as decoding may take longer than they would wait.
        corpus, held_out = _pictures(config, cache)
        self.fabric = launch(config.precision, config.devices, config.nodes)
        self.processes = Processes(self.fabric)
        self.fabric.seed_everything(config.seed, verbose=False)  # from here on: the order of draws is that of the lines
        finishing = Finishing(config, self.fabric.device) if config.finish else None
        self.objective = finishing or Denoising(config)
        self.validation = Validation(config, held_out, finishing)
        self.model, origin = _started(config)
        self.facts = self._facts(corpus, origin, finishing)
        # A finisher is useless without its denoiser, so both are written to every file.
        self.beside = finishing.tensors(f"{FINISHED}.") if finishing else {}
        self._prepare()
        self.steps, self.before, self.best = 0, 0.0, float("-inf")
        self._resume()
        self._agree(corpus)
        self.denoise = torch.compile(self.network) if self._compiled() else self.network
        self.batches = iter(_loader(self.fabric, config, corpus, self.steps))
        self._start_clock()

    def _facts(self, corpus: Corpus, origin: TrainedNetwork | None, finishing: Finishing | None) -> dict[str, Any]:
        """Facts that checkpoints store about the run, apart from its progress."""
        return {
            "config": dump(self.config),
            "data": corpus.summary(),
            "hardware": hardware(self.processes.count),
            **(finishing.facts(FINISHED) if finishing else {}),
            **({"earlier": origin.spent()} if origin else {}),
        }

    def _prepare(self) -> None:
        """Gives the model to its device with an optimiser, and starts the average of its weights."""
        set_recompute(self.model, self.config.recompute)
        self.model = self.model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.network, self.optimizer = self.fabric.setup(self.model, _optimizer(self.config, self.model))
        self.ema = Ema(self.model, self.config.ema)
        self.names = [name for name, _ in self.model.named_parameters()]

    def _compiled(self) -> bool:
        return self.fabric.device.type == "cuda" if self.config.compile is None else self.config.compile

    def _start_clock(self) -> None:
        self.started, self.sitting, self.validated = time.monotonic(), 0.0, 0.0
        self.last = {"validate": 0.0, "save": 0.0}
        self.losses: list[Tensor] = []

    def tick(self) -> None:
        """Reads the clock, `sitting`: minutes since this sitting's start, as the first process measures them."""
        self.sitting = self.processes.of_first((time.monotonic() - self.started) / 60)

    @property
    def progress(self) -> float:
        """The fraction of the run that is done, from 0 to 1."""
        by_steps = self.steps / self.config.steps if self.config.steps else 0.0
        return max(by_steps, (self.before + self.sitting) / self.minutes if self.minutes else 0.0)

    @property
    def finished(self) -> bool:
        """The run, or this sitting, is over."""
        return self.progress >= 1 or (self.time_limit is not None and self.sitting >= self.time_limit)

    def due(self, work: str, every: float) -> bool:
        """Whether `every` minutes have passed since that work was last due."""
        if self.sitting - self.last[work] < every:
            return False
        self.last[work] = self.sitting
        return True

    def step(self) -> None:
        """One step of the optimiser."""
        config, fabric = self.config, self.fabric
        for group in self.optimizer.param_groups:
            group["lr"] = config.learning_rate * rate_factor(config, self.steps, self.progress)
        x0, y = (image.float().div_(255).contiguous(memory_format=torch.channels_last) for image in next(self.batches))
        share = Share(self.steps, self.processes.rank * len(x0), config.batch)
        with fabric.autocast():
            residual, ratio, std = self.objective.states(x0, y, share)
        value = x0.new_zeros(())
        parts = zip(*(v.tensor_split(config.accumulate) for v in (x0, y, residual, ratio, std)), strict=True)
        for n, (clean, corrupted, noisy, s, sigma) in enumerate(parts, start=1):
            with fabric.no_backward_sync(self.network, enabled=n < config.accumulate):
                estimate = self.denoise(noisy, s, corrupted)
                with fabric.autocast():
                    losses = self.objective.loss(clean, corrupted, estimate, s, sigma, self.steps)
                one = len(clean) / len(x0) * losses.mean()
                fabric.backward(one)
            value += one.detach()
        fabric.clip_gradients(self.network, self.optimizer, max_norm=config.clip, error_if_nonfinite=False)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.steps += 1
        self.ema.update(self.model, self.steps)
        self.losses.append(value)

    def validate(self) -> dict[str, Any]:
        """Scores of the averaged weights, logged; kept as best.safetensors when they are the best so far.

        The record also gives the mean loss and the crops per second over all devices since the previous validation.
        """
        losses = self.processes.of_all(torch.stack(self.losses).mean().item())
        self.tick()
        crops, minutes = len(self.losses) * self.config.batch, self.sitting - self.validated
        with self.ema.swapped_into(self.model):
            scores = self._scores()
        self.tick()
        record = {
            "step": self.steps,
            "minutes": round(self.before + self.sitting, 2),
            "loss": round(sum(losses) / len(losses), 4),
            "crops_per_second": round(crops / (60 * minutes), 2),
            **{name: round(score, 3) for name, score in scores.items()},
        }
        self.losses.clear()
        self.validated = self.sitting
        if (decision := self.validation.decision(scores)) > self.best:
            self.best = decision
            self._write(BEST, self.ema.weights)
        if self.processes.is_first:
            with (self.out / LOG).open("a") as log:
                log.write(json.dumps(record) + "\n")
        return record

    def _scores(self) -> dict[str, float]:
        """Validation scores.  The processes divide the corruptions; the first process takes the one that is sampled."""

        def network(*inputs: Tensor) -> Tensor:
            with self.fabric.autocast():
                return self.model(*inputs)

        corrupted = self.validation.data.corrupted
        mine: dict[str, dict[str, float]] = {}
        for number, name in enumerate(sorted(corrupted, key=lambda name: name != f"jpeg_{SHEET_QUALITY}")):
            if owner(number, self.processes.count) == self.processes.rank:
                validation = copy(self.validation)
                validation.data = replace(validation.data, corrupted={name: corrupted[name]})
                mine[name] = validation(network, self.fabric.device, self.out / SHEET)
        found = {name: scores for theirs in self.processes.of_all(mine) for name, scores in theirs.items()}
        return {key: score for name in corrupted for key, score in found[name].items()}

    def save(self) -> None:
        """Writes everything that the next sitting needs."""
        weights = dict(self.model.named_parameters())
        state = {f"model.{k}": v for k, v in weights.items()} | {f"ema.{k}": v for k, v in self.ema.weights.items()}
        self.tick()
        self._write(LAST, state | checkpoint.optimizer_tensors(self.optimizer, self.names))

    def _write(self, name: str, tensors: dict[str, Tensor]) -> None:
        if self.processes.is_first:
            state = {"step": self.steps, "minutes": self.before + self.sitting, "best": self.best}
            checkpoint.write(self.out / name, tensors | self.beside, self.facts | state)

    def _resume(self) -> None:
        """Continues the run in the folder, if there is one."""
        self.out.mkdir(parents=True, exist_ok=True)
        if not (self.out / LAST).exists():
            return
        tensors, facts = checkpoint.read(self.out / LAST)
        before = from_dump(facts["config"], str(self.out / LAST))
        if (before.network, before.objective) != (self.config.network, self.config.objective):
            raise ValueError(
                f"{self.out} holds a run of another network or objective: choose another folder, or its own recipe"
            )
        self.model.load_state_dict(checkpoint.select(tensors, "model."), strict=False)
        averaged = checkpoint.select(tensors, "ema.")
        self.ema.weights = {name: averaged[name].to(self.fabric.device) for name in self.names}
        checkpoint.load_optimizer(self.optimizer, tensors, self.names)
        self.steps, self.before = facts["step"], facts["minutes"]
        self.facts |= {"earlier": facts["earlier"]} if "earlier" in facts else {}
        if before.finish == self.config.finish:  # otherwise the best score was measured differently
            self.best = facts["best"]

    def _agree(self, corpus: Corpus) -> None:
        """Raises ValueError unless all processes see the same run and the same pictures."""
        pictures = zlib.crc32(repr(corpus.entries).encode())
        for steps, theirs in self.processes.of_all((self.steps, pictures)):
            if steps != self.steps:
                raise ValueError(
                    f"the run in {self.out} is at step {self.steps} on one device and at {steps} on another: "
                    "all machines need the same folder"
                )
            if theirs != pictures:
                raise ValueError("the machines have different training pictures: give all of them the same")


def _length(config: TrainConfig, time_limit: float | None) -> float | None:
    """How many minutes the run lasts; None for one that is measured in steps alone."""
    minutes = config.minutes if config.minutes or config.steps else time_limit
    if not (minutes or config.steps):
        raise ValueError("the length of the run is not set: give steps or minutes in the recipe, or a time limit")
    return minutes


def _pictures(config: TrainConfig, cache: Path | None) -> tuple[Corpus, Corpus]:
    """(training, held-out) pictures."""
    data = config.data
    return open_corpus(list(data.folders), cache, data.corrupted, data.weights).split(data.held_out)


def owner(number: int, devices: int) -> int:
    """The device for piece `number` of the work; piece 0 is by far the largest."""
    return 0 if number == 0 or devices == 1 else 1 + (number - 1) % (devices - 1)


def hardware(devices: int) -> str:
    """The devices that train, for the model card."""
    if torch.cuda.is_available():
        return f"{devices} × {torch.cuda.get_device_name()}"
    cores = f"{os.cpu_count()} CPU cores, {platform.machine()}"
    return cores if devices == 1 else f"{cores}, {devices} processes"


def rate_factor(config: TrainConfig, step: int, progress: float) -> float:
    """Learning rate over its peak: linear warm-up, flat, linear fall to zero over the last `anneal` of the run."""
    return min(1.0, (step + 1) / max(config.warm_up, 1), max(1 - progress, 0.0) / config.anneal)


def _started(config: TrainConfig) -> tuple[Denoiser, TrainedNetwork | None]:
    """A new denoiser, or one with the weights of the model that the run starts from; a finisher starts as what it
    replaces.  Blocks that the model lacks change nothing at first.  The second value is what the weights come from.

    Raises ValueError where the model does not fit.
    """
    denoiser = config.denoiser()
    source = config.start or (config.finish.model if config.finish else None)
    if source is None:
        return denoiser, None
    model = load(source)
    theirs = (config.finish and model.finisher) or model.denoiser
    weights = theirs.network.state_dict()
    own = denoiser.state_dict()
    if odd := [name for name, value in weights.items() if name not in own or own[name].shape != value.shape]:
        raise ValueError(f"the network of {source} does not fit that of the recipe, which differs in {odd[0]}")
    denoiser.load_state_dict(weights, strict=False)
    return denoiser, theirs


def _optimizer(config: TrainConfig, model: nn.Module) -> torch.optim.Optimizer:
    rate, decay = config.learning_rate, config.weight_decay
    if config.optimizer == "muon":
        return Muon(model.parameters(), rate, weight_decay=decay)
    return torch.optim.AdamW(model.parameters(), rate, (0.9, 0.99), weight_decay=decay, fused=True)


def _loader(fabric: Fabric, config: TrainConfig, corpus: Corpus, first: int) -> DataLoader[tuple[Tensor, Tensor]]:
    if config.batch % fabric.world_size:
        raise ValueError(f"a batch of {config.batch} cannot be shared by {fabric.world_size} devices: change either")
    if config.batch // fabric.world_size < config.accumulate:
        raise ValueError(f"a batch of {config.batch} cannot be split into {config.accumulate} parts: change accumulate")
    data = config.data
    crops = Crops(
        corpus,
        data.chains or data.degradation(),
        data.crop,
        config.seed,
        data.gray,
        data.resize,
        data.post_crop,
        data.drawn and data.drawn.build(),
    )
    batches = Batches(crops, config.batch // fabric.world_size, fabric.global_rank, fabric.world_size)
    loader = DataLoader(
        batches,
        batch_size=None,
        sampler=range(first, 2**40),
        num_workers=config.workers,
        prefetch_factor=8 if config.workers else None,
        pin_memory=fabric.device.type == "cuda",
    )
    return cast(DataLoader[tuple[Tensor, Tensor]], fabric.setup_dataloaders(loader, use_distributed_sampler=False))
