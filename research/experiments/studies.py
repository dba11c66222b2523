"""The experiments: each asks one question of the trained networks and yields the metrics of every picture."""

from collections.abc import Iterator
from itertools import product

import numpy as np

from driftrec.diffusion.colour import with_low_band, with_mean
from driftrec.diffusion.plan import Plan
from driftrec.diffusion.process import OUVE, TSDVE, VP, Bridge, CosVE, Process
from driftrec.diffusion.samplers import NAMES, seeded_noise
from driftrec.diffusion.samplers.named import ADAPTIVE
from driftrec.evaluate.corruptions import DoubleJpeg, Jpeg
from driftrec.train.data.degrade import DownUp, GaussianNoise
from experiments.lab import Batch, Images, Lab, Measured, faithful_estimate, projected, sampled

QUALITIES = (5, 10, 20, 40)
HARD = Jpeg(10)
"""The corruption of experiments that look at one only."""

BUDGETS = (4, 8, 16, 50)
"""Numbers of evaluations at which models are compared."""

VE = OUVE(gamma=0.0)
RATIO = 0.37
"""Noise-to-scale ratio that samples start from where nothing else is asked for: s(0.7) of the paper's OUVE."""


def input_rows(lab: Lab, batch: Batch, **settings: str | int | float) -> Iterator[Measured]:
    """The corrupted pictures themselves, for comparison."""
    yield from lab.rows({**settings, "restorer": "input"}, batch.y, batch)


def natural_sample(lab: Lab, name: str, y: Images, seed: int = 0, evaluations: int | None = None) -> Images:
    """What the tool would do with a run: its plan, the starting time of each picture its own."""
    runner = lab.runner(name)
    plan, mean = runner.card.plan, faithful_estimate(runner, y)
    denoise, parts = runner.denoiser(plan.process), []
    for number, (one, guess) in enumerate(zip(np.split(y, len(y)), np.split(mean, len(y)), strict=True)):
        change = float(np.sqrt(np.mean((guess - one) ** 2)))
        noise = seeded_noise([1000 * seed + number])
        *_, x0 = plan.sample(denoise, one, guess, change, noise=noise, evaluations=evaluations)
        parts.append(x0)
    return np.concatenate(parts)


def processes(lab: Lab) -> Iterator[Measured]:
    """One network, sampled along every process from the same ratio: is there more to a process than its grid?"""
    runner, batch = lab.runner("driftrec"), lab.batch(HARD)
    kinds: dict[str, Process] = {
        "OUVE": OUVE(),
        "TSDVE": TSDVE(),
        "CosVE": CosVE(),
        "VE": VE,
        "VP": VP(),
        "bridge": Bridge(0.4),
    }
    for (name, process), sampler, count in product(
        kinds.items(), ("euler-maruyama", "ancestral", "multistep"), (5, 10, 30)
    ):
        start, end = process.time_of_ratio(RATIO), process.time_of_ratio(0.008)
        x0 = sampled(runner, batch.y, process, count, sampler=sampler, start=start, end=end)
        yield from lab.rows({"process": name, "sampler": sampler, "N": count}, x0, batch)


def samplers(lab: Lab) -> Iterator[Measured]:
    """Every sampler at every number of evaluations, for our network and for the paper's objective."""
    batch = lab.batch(HARD)
    for name, start, counts in (("driftrec", 0.7, (4, 8, 16, 32)), ("score", 1.0, (4, 8, 16, 32, 100))):
        runner = lab.runner(name)
        for sampler in NAMES:
            for count in (0,) if sampler == ADAPTIVE else counts:
                x0 = sampled(runner, batch.y, OUVE(), count, sampler=sampler, start=start)
                yield from lab.rows({"network": name, "sampler": sampler, "N": count or "adaptive"}, x0, batch)


def averaging(lab: Lab) -> Iterator[Measured]:
    """The mean of K samples: from the sharpest picture to the closest one."""
    batch = lab.batch(HARD)
    total, count = np.zeros_like(batch.y), 0
    for k in (1, 2, 4, 8, 16, 32):
        while count < k:
            total += natural_sample(lab, "driftrec", batch.y, seed=count)
            count += 1
        yield from lab.rows({"K": k}, total / np.float32(k), batch)
    yield from lab.rows({"K": "faithful"}, faithful_estimate(lab.runner("driftrec"), batch.y), batch)


def regression(lab: Lab) -> Iterator[Measured]:
    """Regression against sampling: same network, same data, same number of steps."""
    for quality in QUALITIES:
        batch = lab.batch(Jpeg(quality))
        yield from input_rows(lab, batch, quality=quality)
        score = lab.runner("score")
        outputs = {
            "L2 regression": faithful_estimate(lab.runner("regression"), batch.y),
            "driftrec faithful": faithful_estimate(lab.runner("driftrec"), batch.y),
            "driftrec natural, 6": natural_sample(lab, "driftrec", batch.y),
            "paper's objective, EM 100": sampled(score, batch.y, OUVE(), 100, sampler="euler-maruyama"),
            "paper's objective, multistep 10": sampled(score, batch.y, OUVE(), 10),
        }
        for name, x0 in outputs.items():
            yield from lab.rows({"quality": quality, "restorer": name}, x0, batch)


def ncsnpp(lab: Lab) -> Iterator[Measured]:
    """The paper's system on its own kind of network, small: NCSN++ with its objective against its regression."""
    for quality in (10, 20):
        batch = lab.batch(Jpeg(quality))
        yield from input_rows(lab, batch, quality=quality)
        score = lab.runner("tiny-ouve")
        outputs = {
            "L2 regression": faithful_estimate(lab.runner("tiny-regression"), batch.y),
            "score, EM 30": sampled(score, batch.y, OUVE(), 30, sampler="euler-maruyama"),
            "score, EM 100": sampled(score, batch.y, OUVE(), 100, sampler="euler-maruyama"),
            "score, multistep 10": sampled(score, batch.y, OUVE(), 10),
        }
        for name, x0 in outputs.items():
            yield from lab.rows({"quality": quality, "restorer": name}, x0, batch)


def double_jpeg(lab: Lab) -> Iterator[Measured]:
    """Two compressions on grids that do not agree."""
    for first, second in product((10, 30, 50), repeat=2):
        batch = lab.batch(DoubleJpeg(first, second))
        pair = {"first": first, "second": second}
        yield from input_rows(lab, batch, **pair)
        outputs = {
            "L2 regression": faithful_estimate(lab.runner("regression"), batch.y),
            "driftrec faithful": faithful_estimate(lab.runner("driftrec"), batch.y),
            "driftrec natural": natural_sample(lab, "driftrec", batch.y),
        }
        for name, x0 in outputs.items():
            yield from lab.rows({**pair, "restorer": name}, x0, batch)


def noise(lab: Lab) -> Iterator[Measured]:
    """How much noise: OUVE with several σ_max, from its end, around the file and around the faithful estimate."""
    runner, batch = lab.runner("driftrec"), lab.batch(HARD)
    guess = faithful_estimate(runner, batch.y)
    for sigma, (around, mean) in product(
        (0.02, 0.03, 0.05, 0.1, 0.2, 0.3), (("file", None), ("faithful estimate", guess))
    ):
        process = OUVE(sigma_min=0.005, sigma_max=sigma)
        x0 = sampled(runner, batch.y, process, 10, end=process.time_of_ratio(0.008), mean=mean)
        yield from lab.rows({"σ_max": sigma, "around": around}, x0, batch)


def start(lab: Lab) -> Iterator[Measured]:
    """The gap between the process's end and the prior, and where to start: OUVE with 8 evaluations."""
    runner, batch = lab.runner("driftrec"), lab.batch(HARD)
    guess = faithful_estimate(runner, batch.y)
    for time, (around, mean) in product(
        (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8), (("file", None), ("faithful estimate", guess))
    ):
        x0 = sampled(runner, batch.y, OUVE(), 8, start=time, mean=mean)
        yield from lab.rows({"start": time, "around": around}, x0, batch)


def rivals(lab: Lab) -> Iterator[Measured]:
    """Other diffusion models on the same network, data and number of steps, at equal numbers of evaluations."""
    batch = lab.batch(HARD)
    yield from input_rows(lab, batch, N=0)
    yield from lab.rows(
        {"N": 1, "restorer": "L2 regression"}, faithful_estimate(lab.runner("regression"), batch.y), batch
    )
    ours, palette, bridge = (lab.runner(name) for name in ("driftrec", "palette", "bridge"))
    guess = faithful_estimate(ours, batch.y)
    vp, ve, own = VP(), OUVE(0.0, 0.005, 10.0), Bridge(0.2)
    for count in BUDGETS:
        outputs = {
            "driftrec, as the tool samples": natural_sample(lab, "driftrec", batch.y, evaluations=count),
            "driftrec, around the faithful": sampled(ours, batch.y, OUVE(), count - 1, start=0.4, end=0.02, mean=guess),
            "driftrec, around the file": sampled(ours, batch.y, OUVE(), count, start=0.6, end=0.02),
            "bridge (I2SB)": sampled(bridge, batch.y, own, count, sampler="ancestral", start=1 - 1e-3, end=0.05),
            "conditional, VP (Palette)": sampled(palette, batch.y, vp, count, end=vp.time_of_ratio(0.01)),
            "conditional, VE (SR3)": sampled(palette, batch.y, ve, count, end=ve.time_of_ratio(0.01)),
        }
        for name, x0 in outputs.items():
            yield from lab.rows({"N": count, "restorer": name}, x0, batch)


def cells(lab: Lab) -> Iterator[Measured]:
    """A model of clean pictures that knows nothing of JPEG, kept to the file's quantisation cells."""
    prior, batch, vp = lab.runner("prior"), lab.batch(HARD), VP()
    yield from input_rows(lab, batch, N=0)
    late, end = vp.time_of_ratio(0.1), vp.time_of_ratio(0.01)
    for count in BUDGETS:
        options = {"end": end, "wrap": projected(batch)}
        outputs = {
            "from pure noise": sampled(prior, batch.y, vp, count, **options),
            "from the file": sampled(prior, batch.y, vp, count, start=late, mean=batch.y, **options),
        }
        for name, x0 in outputs.items():
            yield from lab.rows({"N": count, "restorer": name}, x0, batch)


def colour(lab: Lab) -> Iterator[Measured]:
    """What corrections do to the shift of colour, for our network and for the paper's objective."""
    for quality in (5, 10, 20):
        batch = lab.batch(Jpeg(quality))
        ours = lab.runner("driftrec")
        guess = faithful_estimate(ours, batch.y)
        samples = {
            "driftrec": (sampled(ours, batch.y, OUVE(), 8, start=0.4, end=0.02, mean=guess), guess),
            "score": (sampled(lab.runner("score"), batch.y, OUVE(), 30), None),
        }
        for name, (x0, mean) in samples.items():
            corrected = {
                "none": x0,
                "mean of the file": with_mean(x0.copy(), batch.y),
                "low band of the file": with_low_band(x0.copy(), batch.y),
            }
            if mean is not None:
                corrected["low band of the faithful"] = with_low_band(x0.copy(), mean)
            for kind, image in corrected.items():
                yield from lab.rows({"quality": quality, "network": name, "correction": kind}, image, batch)


def _degraded(crops: list[np.ndarray], degrade: GaussianNoise | DownUp) -> Batch:
    """Crops after a corruption that leaves no file."""
    theirs = [degrade(crop, np.random.default_rng(n)) for n, crop in enumerate(crops)]
    stack = [np.stack(side).transpose(0, 3, 1, 2).astype(np.float32) / 255 for side in (crops, theirs)]
    return Batch(np.ascontiguousarray(stack[0]), np.ascontiguousarray(stack[1]), ())


def denoising(lab: Lab) -> Iterator[Measured]:
    """Another task, nothing changed but the corruption in the recipe."""
    for level in (10, 25, 50):
        batch = _degraded(lab.crops, GaussianNoise(level, level))
        yield from input_rows(lab, batch, noise=level)
        runner = lab.runner("denoise")
        guess = faithful_estimate(runner, batch.y)
        plan = Plan()
        late = sampled(runner, batch.y, plan.process, 5, start=0.5, end=plan.end, mean=guess)
        for name, x0 in {"driftrec faithful": guess, "driftrec natural": late}.items():
            yield from lab.rows({"noise": level, "restorer": name}, x0, batch)
