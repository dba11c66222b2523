"""What the experiments say in a few lines, from their records: research/measured/experiments_findings.md.

    python research/experiment.py all --data CLEAN_FOLDER --runs runs/experiments --out research/notes/experiments
    python research/findings.py && python benchmarks/publish.py

Differences are means over the same pictures, ± their standard error.
"""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from driftrec.evaluate.tables import Table
from experiments.report import read_records

ROOT = Path(__file__).parent
FOLDER = ROOT / "notes/experiments"
MARGIN = 0.01
"""Share by which a sampler may miss another's LPIPS and still count as there."""

Values = Mapping[tuple, np.ndarray]
"""A metric of every picture, by the values of the settings."""


def render() -> None:
    """Writes the table of all findings."""
    kinds = (trade, averages, evaluations, processes, rivals, network, doubles, starts)
    rows = tuple((question, (answer,)) for finding in kinds for question, answer in finding())
    page = Table("", ("result",), rows, "question", ("result",)).markdown()
    (ROOT / "measured/experiments_findings.md").write_text(f"{page}\n", encoding="utf-8")


def trade() -> Iterator[tuple[str, str]]:
    """What sampling costs in PSNR and wins in LPIPS."""
    psnr, lpips = values("regression", "psnr"), values("regression", "lpips")
    for rival in ("paper's objective, EM 100", "driftrec natural, 6"):
        for quality in (5, 10, 20, 40):
            here, there = (quality, rival), (quality, "L2 regression")
            yield (
                f"{rival} evaluations, compared with L2 regression, quality {quality}",
                f"{change(psnr, here, there, '{:+.2f}')} dB, LPIPS {change(lpips, here, there, '{:+.3f}')}",
            )


def averages() -> Iterator[tuple[str, str]]:
    """What averaging does."""
    psnr, lpips = values("averaging", "psnr"), values("averaging", "lpips")
    for count in (1, 4, 32, "faithful"):
        name = {1: "one natural restoration", "faithful": "the faithful estimate"}.get(count)
        name = name or f"the mean of {count} natural restorations"
        yield f"{name}, quality 10", f"{psnr[count,].mean():.2f} dB, LPIPS {lpips[count,].mean():.3f}"


def evaluations() -> Iterator[tuple[str, str]]:
    """How few evaluations are as good as a hundred of Euler–Maruyama."""
    lpips = values("samplers", "lpips")
    goal = lpips["score", "euler-maruyama", 100].mean()
    yield "the paper's objective by Euler–Maruyama with 100 evaluations, quality 10", f"LPIPS {goal:.3f}"
    for sampler in dict.fromkeys(name for network, name, _ in lpips if network == "score"):
        there = {n: v.mean() for (network, name, n), v in lpips.items() if (network, name) == ("score", sampler)}
        reached = [n for n, mean in there.items() if mean <= goal * (1 + MARGIN)]
        best = min(there.values())
        first = reached[0] if reached else "never"
        answer = f"from {first} evaluations up" if isinstance(first, int) else str(first)
        yield f"the same LPIPS, within {MARGIN:.0%}, with {sampler}", f"{answer}; best LPIPS {best:.3f}"


def processes() -> Iterator[tuple[str, str]]:
    """How far processes are apart."""
    lpips = values("processes", "lpips")
    for sampler in ("multistep", "ancestral", "euler-maruyama"):
        means = {p: v.mean() for (p, name, n), v in lpips.items() if (name, n) == (sampler, 10)}
        lowest, highest = min(means, key=means.__getitem__), max(means, key=means.__getitem__)
        yield (
            f"range over the processes, {sampler} with 10 evaluations",
            f"LPIPS {means[lowest]:.3f} ({lowest}) to {means[highest]:.3f} ({highest})",
        )


def rivals() -> Iterator[tuple[str, str]]:
    """Diffusion models at the same number of evaluations."""
    psnr, lpips = values("rivals", "psnr"), values("rivals", "lpips")
    for name in dict.fromkeys(name for n, name in lpips if n == 8):
        few, many = ((n, name) for n in (8, 50))
        yield (
            f"{name}, 8 and 50 evaluations, quality 10",
            f"{psnr[few].mean():.2f} and {psnr[many].mean():.2f} dB, "
            f"LPIPS {lpips[few].mean():.3f} and {lpips[many].mean():.3f}",
        )


def network() -> Iterator[tuple[str, str]]:
    """The trade on the paper's own kind of network."""
    psnr, lpips = values("ncsnpp", "psnr"), values("ncsnpp", "lpips")
    for quality in (10, 20):
        here, there = (quality, "score, EM 100"), (quality, "L2 regression")
        yield (
            f"small NCSN++: Euler–Maruyama with 100 evaluations, compared with L2 regression, quality {quality}",
            f"{change(psnr, here, there, '{:+.2f}')} dB, LPIPS {change(lpips, here, there, '{:+.3f}')}",
        )


def doubles() -> Iterator[tuple[str, str]]:
    """Two compressions on grids that do not agree."""
    psnr, lpips = values("double-jpeg", "psnr"), values("double-jpeg", "lpips")
    for first, second in ((10, 50), (50, 10)):
        for restorer in ("driftrec faithful", "driftrec natural"):
            here, there = (first, second, restorer), (first, second, "input")
            yield (
                f"{restorer}, compared with the file, quality {first} then {second}",
                f"{change(psnr, here, there, '{:+.2f}')} dB, LPIPS {change(lpips, here, there, '{:+.3f}')}",
            )


def starts() -> Iterator[tuple[str, str]]:
    """Whether starting around the faithful estimate pays."""
    lpips = values("start", "lpips")
    for around in ("file", "faithful estimate"):
        means = {t: v.mean() for (t, name), v in lpips.items() if name == around}
        best = min(means, key=means.__getitem__)
        yield f"best start around the {around}, 8 evaluations, quality 10", f"t = {best}, LPIPS {means[best]:.3f}"


def values(experiment: str, metric: str) -> Values:
    """The records of an experiment."""
    found: dict[tuple, list[float]] = {}
    for row in read_records(FOLDER / f"{experiment}.jsonl")[0]:
        found.setdefault(tuple(row.settings.values()), []).append(row.metrics[metric])
    return {settings: np.array(numbers) for settings, numbers in found.items()}


def change(of: Values, here: tuple, there: tuple, form: str) -> str:
    """Mean difference ± its standard error."""
    difference = of[here] - of[there]
    error = difference.std(ddof=1) / math.sqrt(len(difference))
    return f"{form.format(difference.mean())} ± {form.replace('+', '').format(error)}"


if __name__ == "__main__":
    render()
