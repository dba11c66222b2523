"""Compares the speed of driftrec's NCSN++, in training and evaluation, with a plain implementation.

    python benchmarks/ncsnpp.py --keep docs/measured/paper_speed.jsonl
    python benchmarks/ncsnpp.py --features 128 --multipliers 1 1 2 2 2 2 2 --crop 256 --batch 8  # the paper's, on a GPU

The plain network (`plain_ncsnpp.py`) is trained as in the paper's program: single precision, channels first, no
compiler, AdamW and averages parameter by parameter.  driftrec's is trained as by `driftrec train`: channels last, fused
updates, and bfloat16 and compilation if the hardware supports them.  Both compute the same loss with the same weights.
They take turns, and the best of several rounds counts.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from driftrec.diffusion.process import OUVE
from driftrec.evaluate.machine import processor
from driftrec.evaluate.measurement import Conditions, Measurement
from driftrec.evaluate.tables import keep, table_of
from driftrec.train.denoiser import Loss, Score
from driftrec.train.ema import Ema
from driftrec.train.nn.ncsnpp import NCSNpp, NCSNppConfig
from driftrec.train.official import converted
from speed import in_turns

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from plain_ncsnpp import PlainNCSNpp

PROCESS = OUVE()
RATE = 1e-4


@dataclass(frozen=True)
class Batch:
    """The data of a step: clean and corrupted crops and noise, and scale, σ and ratio for each crop."""

    x0: Tensor
    y: Tensor
    z: Tensor
    scale: Tensor
    sigma: Tensor
    ratio: Tensor


def main() -> None:
    options = read_options()
    device = torch.device(options.device)
    torch.manual_seed(0)
    plain = PlainNCSNpp(NCSNppConfig(options.features, tuple(options.multipliers), 2, (len(options.multipliers) - 2,)))
    config = plain.config
    network = NCSNpp(config)
    network.load_state_dict(converted(network, plain.state_dict()))
    ours = Score(network, PROCESS).to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    half = device.type == "cuda" or torch.cpu._is_avx512_bf16_supported()
    compiled = torch.compile(ours) if device.type == "cuda" else ours
    plain = plain.to(device)
    batch = random_batch(options.batch, options.crop, device)
    lost = agree(plain, ours, batch)
    steps = {"plain": plain_step(plain, batch), "ours": our_step(ours, compiled, batch, half)}
    answers = {"plain": plain_answer(plain, batch), "ours": our_answer(compiled, batch, half)}
    seconds = [in_turns({name: waiting(work, device) for name, work in kind.items()}) for kind in (steps, answers)]
    parameters = sum(p.numel() for p in network.parameters())
    conditions = Conditions.now(where(device), libraries=[f"PyTorch {torch.__version__}"])
    entries = []
    for what, times in zip(("training step", "evaluation"), seconds, strict=True):
        plainly, here = (options.batch / times[name] for name in ("plain", "ours"))
        values = (("plain", plainly, "{:.2f}", "crops/s"), ("driftrec", here, "{:.2f}", "crops/s"))
        entries += [
            Measurement({"what": what}, measure, value, unit, form, conditions)
            for measure, value, form, unit in (*values, ("gain", here / plainly, "× {:.2f}", ""))
        ]
    note = (
        f"Crops of {options.crop}×{options.crop} per second, {options.batch} at a time; NCSN++ with {config.features} "
        f"features, {parameters / 1e6:.2f} M parameters, {'bfloat16' if half else 'single precision'}, "
        f"{'compiled' if device.type == 'cuda' else 'not compiled'}; the two losses differ by {lost:.0e} of their size."
    )
    print(keep(options.keep, entries, note) if options.keep else f"{table_of(entries).markdown()}\n\n{note}")


def random_batch(count: int, crop: int, device: torch.device) -> Batch:
    """A batch with noise in place of pictures."""
    x0, y, z = torch.rand(3, count, 3, crop, crop, device=device)
    times = torch.linspace(0.1, 0.9, count).double().numpy()
    values = (PROCESS.scale(times), PROCESS.std(times), PROCESS.ratio(times))
    return Batch(x0, y, z, *(torch.tensor(v, dtype=torch.float32, device=device) for v in values))


def plain_loss(model: PlainNCSNpp, batch: Batch) -> Tensor:
    """½ E|σ score + z|², a mean over pixels."""
    scale, sigma = (value[:, None, None, None] for value in (batch.scale, batch.sigma))
    xt = batch.y + scale * (batch.x0 - batch.y) + sigma * batch.z
    score = model(torch.cat([xt, batch.y], dim=1), batch.sigma) / sigma
    return 0.5 * (score * sigma + batch.z).square().mean()


def our_loss(model: Callable[..., Tensor], batch: Batch) -> Tensor:
    """The same loss, computed through the denoiser."""
    residual = batch.x0 - batch.y + batch.ratio[:, None, None, None] * batch.z
    y, residual = (image.contiguous(memory_format=torch.channels_last) for image in (batch.y, residual))
    return Loss("score")(batch.x0, y, model(residual, batch.ratio, y), batch.ratio).mean()


def agree(plain: PlainNCSNpp, ours: Score, batch: Batch) -> float:
    """The relative difference of the two losses.  Ends the benchmark if they are not equal up to rounding."""
    with torch.no_grad():
        a, b = plain_loss(plain, batch).item(), our_loss(ours, batch).item()
    if abs(a - b) > 1e-3 * a:
        raise SystemExit(f"the networks do not compute the same: their losses are {a} and {b}")
    return abs(a - b) / a


def plain_step(model: PlainNCSNpp, batch: Batch) -> Callable[[], None]:
    """One training step as in the paper's program."""
    optimizer = torch.optim.AdamW(model.parameters(), RATE, foreach=False)
    averages = [parameter.detach().clone() for parameter in model.parameters()]

    def step() -> None:
        loss = plain_loss(model, batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            for average, parameter in zip(averages, model.parameters(), strict=True):
                average.sub_(0.001 * (average - parameter))

    return step


def our_step(model: nn.Module, compiled: Callable[..., Tensor], batch: Batch, half: bool) -> Callable[[], None]:
    """One training step as in `driftrec train`."""
    optimizer = torch.optim.AdamW(model.parameters(), RATE, fused=True)
    average = Ema(model, 0.999)

    def step() -> None:
        with torch.autocast(batch.y.device.type, torch.bfloat16, enabled=half):
            loss = our_loss(compiled, batch)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        average.update(model, 1000)

    return step


def plain_answer(model: PlainNCSNpp, batch: Batch) -> Callable[[], None]:
    """One evaluation."""

    @torch.no_grad()
    def answer() -> None:
        model(torch.cat([batch.z, batch.y], dim=1), batch.sigma)

    return answer


def our_answer(model: Callable[..., Tensor], batch: Batch, half: bool) -> Callable[[], None]:
    """One evaluation."""
    y, z = (image.contiguous(memory_format=torch.channels_last) for image in (batch.y, batch.z))

    @torch.no_grad()
    def answer() -> None:
        with torch.autocast(y.device.type, torch.bfloat16, enabled=half):
            model(z, batch.ratio, y)

    return answer


def waiting(work: Callable[[], None], device: torch.device) -> Callable[[], None]:
    """The work, followed by a wait until the device has finished it."""

    def done() -> None:
        work()
        if device.type == "cuda":
            torch.cuda.synchronize()

    return done


def where(device: torch.device) -> str:
    """The processor or GPU, for the note below the table."""
    if device.type == "cuda":
        return torch.cuda.get_device_name()
    threads = torch.get_num_threads()
    return f"{threads} {'thread' if threads == 1 else 'threads'} of {processor()}"


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--features", type=int, default=32)
    add("--multipliers", type=int, nargs="+", default=[1, 1, 2, 2])
    add("--crop", type=int, default=64)
    add("--batch", type=int, default=4)
    add("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    add("--keep", type=Path, metavar="FILE", help="store the measurements there, and their table beside it")
    return parser.parse_args()


if __name__ == "__main__":
    main()
