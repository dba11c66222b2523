"""The training loop, on one CPU or on the GPUs of several machines, through Lightning Fabric.

`train` is a generator of log records.  A run can be killed at any time and resumed from its last checkpoint.  Crop i,
the noise of step n and the learning rate at a given progress are pure functions, so a resumed run of a fixed number of
steps ends with exactly the weights of an uninterrupted one.  With a different number of devices, the weights differ
only by rounding.
"""

import json
import time
import zlib
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from driftrec.train import checkpoint
from driftrec.train.batches import loader
from driftrec.train.data.crops import Corpus, open_corpus
from driftrec.train.denoiser import Denoiser
from driftrec.train.distributed import Processes, hardware, launch, may_be_first, owner
from driftrec.train.dump import dump, from_dump
from driftrec.train.ema import Ema
from driftrec.train.finisher import Finishing
from driftrec.train.model import FINISHED, TrainedNetwork, load
from driftrec.train.muon import Muon
from driftrec.train.nn.recompute import set_recompute
from driftrec.train.objective import Denoising, Share
from driftrec.train.recipe import DataSection, TrainConfig
from driftrec.train.validate import SHEET_QUALITY, Validation

Note: TypeAlias = Callable[[str], None]

NOTE_EVERY = 0.5
"""Minutes between notes before the first validation."""

LOG, LAST, BEST, SHEET = "log.jsonl", "last.safetensors", "best.safetensors", "sheet.png"


def _silent(_: str) -> None:
    """A `Note` that says nothing."""


def train(
    config: TrainConfig,
    out: Path,
    time_limit: float | None = None,
    cache: Path | None = None,
    note: Note = _silent,
) -> Iterator[dict[str, Any]]:
    """Starts or resumes the run in the folder `out`; yields a record after every validation, in the first process only.

    Training stops after `time_limit` minutes and can be resumed later.  A run is `config.steps` or `config.minutes`
    long; if the recipe gives neither, `time_limit` is its length.  The learning rate falls to zero at the end of the
    run.

    The folder contains log.jsonl with all records; last.safetensors, from which the run is resumed; best.safetensors,
    the averaged weights of the best validation; and sheet.png with held-out crops: clean, corrupted, restored.
    `note` is called with a line of text whenever something begins that takes long.
    """
    run = Run(config, out, time_limit, cache, note)
    if run.finished:
        run.note(f"the run in {out} is complete: raise steps or minutes to train further")
    while not run.finished:
        run.step()
        run.tick()
        run.report_progress()
        finished = run.finished
        if finished or run.due("validate", config.validate_every):
            record = run.validate()
            if run.processes.is_first:
                yield record
        if finished or run.due("save", config.save_every):
            run.save()


class Run:
    """A run in progress, which `train` steps, validates and saves.  Its arguments are those of `train`."""

    def __init__(
        self, config: TrainConfig, out: Path, time_limit: float | None, cache: Path | None, note: Note = _silent
    ) -> None:
        self.config, self.out, self.time_limit = config, out, time_limit
        self.minutes = _length(config, time_limit)
        self.note = note if may_be_first() else _silent
        # The pictures are decoded before the processes connect, because decoding may take longer than their timeout.
        corpus, held_out = _pictures(config.data, cache, self.note)
        self.fabric = launch(config.precision, config.devices, config.nodes)
        self.processes = Processes(self.fabric)
        self.fabric.seed_everything(config.seed, verbose=False)  # the following lines draw random numbers in this order
        finishing = Finishing(config, self.fabric.device) if config.finish else None
        self.objective = finishing or Denoising(config)
        self.validation = Validation(config, held_out, finishing)
        self.model, origin = _initial(config)
        self.facts = self._facts(corpus, origin, finishing)
        # A finisher is useless without its denoiser, so every file contains both.
        self.beside = finishing.tensors(f"{FINISHED}.") if finishing else {}
        self._prepare()
        self.steps, self.before, self.best = 0, 0.0, float("-inf")
        self._resume()
        self._agree(corpus)
        self.denoise = torch.compile(self.network) if self._compiled() else self.network
        self.batches = iter(loader(self.fabric, config, corpus, self.steps))
        self._start_clock()
        self.note(self._introduction(len(corpus), len(held_out)))

    def _introduction(self, pictures: int, held_out: int) -> str:
        """What the run is going to do, in a line."""
        millions = sum(p.numel() for p in self.model.parameters()) / 1e6
        return (
            f"{'resuming after' if self.steps else 'starting at'} step {self.steps} in {self.out}: {pictures} training "
            f"and {held_out} validation pictures, {millions:.2f} M parameters on {hardware(self.processes.count)}, "
            f"a validation every {self.config.validate_every:g} minutes"
        )

    def _facts(self, corpus: Corpus, origin: TrainedNetwork | None, finishing: Finishing | None) -> dict[str, Any]:
        """Facts about the run that checkpoints store in addition to its progress."""
        return {
            "config": dump(self.config),
            "data": corpus.summary(),
            "hardware": hardware(self.processes.count),
            **(finishing.facts(FINISHED) if finishing else {}),
            **({"earlier": origin.spent()} if origin else {}),
        }

    def _prepare(self) -> None:
        """Moves the model to its device, creates its optimiser and starts the average of its weights."""
        set_recompute(self.model, self.config.recompute)
        self.model = self.model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.network, self.optimizer = self.fabric.setup(self.model, _optimizer(self.config, self.model))
        self.ema = Ema(self.model, self.config.ema)
        self.names = [name for name, _ in self.model.named_parameters()]

    def _compiled(self) -> bool:
        return self.fabric.device.type == "cuda" if self.config.compile is None else self.config.compile

    def _start_clock(self) -> None:
        self.started, self.sitting, self.validated, self.next_note = time.monotonic(), 0.0, 0.0, NOTE_EVERY
        self.last = {"validate": 0.0, "save": 0.0}
        self.losses: list[Tensor] = []

    def tick(self) -> None:
        """Updates `sitting`, the minutes since this call of `train` started, as the first process measures them."""
        self.sitting = self.processes.of_first((time.monotonic() - self.started) / 60)

    @property
    def progress(self) -> float:
        """The fraction of the run that is done, from 0 to 1."""
        by_steps = self.steps / self.config.steps if self.config.steps else 0.0
        return max(by_steps, (self.before + self.sitting) / self.minutes if self.minutes else 0.0)

    @property
    def finished(self) -> bool:
        """Whether the run is complete or the time limit is reached."""
        return self.progress >= 1 or (self.time_limit is not None and self.sitting >= self.time_limit)

    def due(self, work: str, every: float) -> bool:
        """Whether `every` minutes have passed since that work was last done."""
        return self.sitting - self.last[work] >= every

    def report_progress(self) -> None:
        """Notes the speed of the first training steps, because the first validation comes late."""
        if self.validated == 0 and self.sitting >= self.next_note:
            self.next_note = self.sitting + NOTE_EVERY
            loss = torch.stack(self.losses).mean().item()
            rate = len(self.losses) * self.config.batch / (60 * self.sitting)
            self.note(
                f"{len(self.losses)} steps in {self.sitting:.1f} minutes, {rate:.2g} crops per second, loss {loss:.4f}"
            )

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
        if config.clip is not None:
            fabric.clip_gradients(self.network, self.optimizer, max_norm=config.clip, error_if_nonfinite=False)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.steps += 1
        self.ema.update(self.model, self.steps)
        self.losses.append(value)

    def validate(self) -> dict[str, Any]:
        """Scores the averaged weights and appends the record to the log; writes best.safetensors if they are the best.

        The record also contains the mean loss and the crops per second of all devices since the last validation.
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
        self.validated = self.last["validate"] = self.sitting
        if (decision := self.validation.decision(scores)) > self.best:
            self.best = decision
            self._write(BEST, self.ema.weights)
        if self.processes.is_first:
            with (self.out / LOG).open("a") as log:
                log.write(json.dumps(record) + "\n")
        return record

    def _scores(self) -> dict[str, float]:
        """Validation scores.  The processes share the corruptions; the first takes the corruption that is sampled."""

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
        """Writes last.safetensors, which contains everything needed to resume the run."""
        weights = dict(self.model.named_parameters())
        state = {f"model.{k}": v for k, v in weights.items()} | {f"ema.{k}": v for k, v in self.ema.weights.items()}
        self.tick()
        self._write(LAST, state | checkpoint.optimizer_tensors(self.optimizer, self.names))
        self.last["save"] = self.sitting

    def _write(self, name: str, tensors: dict[str, Tensor]) -> None:
        if self.processes.is_first:
            state = {"step": self.steps, "minutes": self.before + self.sitting, "best": self.best}
            checkpoint.write(self.out / name, tensors | self.beside, self.facts | state)

    def _resume(self) -> None:
        """Loads the state of the run in the folder, if there is one."""
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
        if (before.finish, before.best_by) == (self.config.finish, self.config.best_by):  # else scores differ in kind
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
    """The length of the run in minutes; None if it is given in steps only."""
    minutes = config.minutes if config.minutes or config.steps else time_limit
    if not (minutes or config.steps):
        raise ValueError("the length of the run is not set: give steps or minutes in the recipe, or a time limit")
    return minutes


def _pictures(data: DataSection, cache: Path | None, note: Note) -> tuple[Corpus, Corpus]:
    """(training, held-out) pictures.  Raises ValueError if either has none."""
    if not data.folders:
        raise ValueError("there are no training pictures: give --data FOLDER, or data.folders in the recipe")
    note(f"reading the pictures of {', '.join(map(str, data.folders))}")
    corpus = open_corpus(list(data.folders), cache, data.corrupted, data.weights)
    if data.validation:
        return corpus, open_corpus(list(data.validation), cache)
    training, held_out = corpus.split(data.held_out)
    for part, what in ((training, "training"), (held_out, "validation")):
        if not len(part):
            raise ValueError(
                f"no picture is left for {what} ({len(corpus)} in all): add pictures, or change data.held_out"
            )
    return training, held_out


def rate_factor(config: TrainConfig, step: int, progress: float) -> float:
    """The learning rate as a fraction of its peak: a linear warm-up, then 1, then a linear fall to zero over the last
    `anneal` of the run."""
    return min(1.0, (step + 1) / max(config.warm_up, 1), max(1 - progress, 0.0) / config.anneal)


def _initial(config: TrainConfig) -> tuple[Denoiser, TrainedNetwork | None]:
    """(the denoiser or finisher to train, the network its initial weights come from or None).

    The weights come from the model that `config.start` names.  Without one, a finisher starts with the weights of the
    model that it finishes, and a denoiser with random weights.  Blocks that the model does not have add zero at first.

    Raises ValueError if the model's parameters do not fit the network of the recipe.
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
        return Muon(model.parameters(), rate, betas=config.betas, weight_decay=decay)
    return torch.optim.AdamW(model.parameters(), rate, config.betas, weight_decay=decay, fused=True)
