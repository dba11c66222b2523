"""What was measured here of each sentence of the paper's abstract, from the records: research/measured/abstract.md.

    python benchmarks/results.py sampling && python research/unmet.py && python research/abstract.py

Differences are means over the same pictures, ± half of their 95 % interval; "holds" means that the interval is on the
right side of zero in all rows that are named, "partly" in some.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from driftrec.evaluate.measurement import Measurements
from driftrec.evaluate.measures import METRICS
from driftrec.evaluate.tables import SETS, Row, Table
from findings import change, values

ROOT = Path(__file__).parents[1]
QUALITIES = (5, 10, 20)
REGRESSION = "driftrec faithful, consistent off"
PAPER = "driftrec sample, 100 steps, sampler euler-maruyama, start 1.0, consistent off"
FEW = "driftrec sample, 10 steps, consistent off"
PRIOR_PSNR = 6.02
"""10 log10 4: standard Gaussian noise, on the scale on which pictures are in [−1, 1], is nowhere closer to one."""


@dataclass(frozen=True)
class Sentence:
    """A sentence of the abstract, what was compared, the figures, and what they say of it."""

    claim: str
    compared: str
    measured: str
    verdict: str
    where: str


def render() -> None:
    """Writes the table of all sentences."""
    rows = tuple((s.claim, (s.compared, s.measured, s.verdict, s.where)) for s in sentences())
    columns = ("compared", "measured", "holds here", "table")
    page = Table("", columns, rows, "the abstract", columns).markdown()
    (ROOT / "research/measured/abstract.md").write_text(f"{page}\n", encoding="utf-8")


def sentences() -> Iterator[Sentence]:
    """The abstract, in its order."""
    live1, sampling = stored("docs/measured/results_live1-color.jsonl"), stored("docs/measured/results_sampling.jsonl")
    unmet = Measurements.read(ROOT / "research/measured/unmet.jsonl")
    restored = [over(live1, "driftrec natural", f"q{q}", "lpips_alex", "JPEG") for q in QUALITIES]
    yield Sentence(
        "“blind JPEG restoration at high compression levels”",
        "natural with the file, LPIPS",
        each(restored),
        verdict(restored),
        "[LIVE1](../results/quality.md)",
    )
    sharper = [over(sampling, PAPER, f"q{q}", "spectrum", REGRESSION) for q in QUALITIES]
    yield Sentence(
        "“can escape the tendency of other methods to generate blurry images”",
        "samples (Euler–Maruyama, 100) with the regression of the same network, RMS difference of the radial spectrum, dB",
        each(sharper),
        verdict(sharper),
        SAMPLING,
    )
    kid = {m: [find(sampling, m, f"q{q}", "kid_classifier") for q in QUALITIES] for m in (PAPER, REGRESSION)}
    yield Sentence(
        "“recovers the distribution of clean images significantly more faithfully”",
        "the same, KID × 10³ of a classifier's features, against the regression's",
        "; ".join(f"{a.corruption} {a.text} against {b.text}" for a, b in zip(*kid.values(), strict=True)),
        agreement([a.mean.high < b.mean.low for a, b in zip(*kid.values(), strict=True)]),
        SAMPLING,
    )
    noise = values("denoising", "psnr")
    yield Sentence(
        "“only a dataset of clean/corrupted image pairs”",
        "the same method trained on white noise, faithful with the noisy picture, dB",
        "; ".join(
            f"σ {level} {change(noise, (level, 'driftrec faithful'), (level, 'input'), '{:+.2f}')}"
            for level in dict.fromkeys(level for level, _ in noise)
        ),
        "yes",
        "[another task](../../research/notes/experiments/denoising.md)",
    )
    close = [find(sampling, "JPEG", f"q{q}", "psnr") for q in QUALITIES]
    yield Sentence(
        "“much closer to each other than each is to the usual Gaussian prior”",
        f"PSNR of the file to the clean picture; that of standard Gaussian noise is at most {PRIOR_PSNR} dB",
        each(close),
        agreement([row.mean.value > PRIOR_PSNR for row in close]),
        SAMPLING,
    )
    few = [over(sampling, FEW, f"q{q}", "lpips_alex", REGRESSION) for q in QUALITIES]
    many = [over(sampling, PAPER, f"q{q}", "lpips_alex", REGRESSION) for q in QUALITIES]
    yield Sentence(
        "“comparatively few sampling steps”",
        "samples of 10 evaluations (multistep), and of 100 (Euler–Maruyama), with the regression, LPIPS",
        "; ".join(
            f"{a.corruption} {amount(a)} and {amount(b)}" for a, b in zip(few, many, strict=True)
        ),
        agreement([a.mean.value <= b.mean.high for a, b in zip(few, many, strict=True)]),
        SAMPLING,
    )
    yield Sentence(
        "“generalizes to … unaligned double JPEG compression … without having encountered such examples”",
        "a network that has met single JPEGs only, on two: its regression with the file, PSNR; natural with the regression, LPIPS",
        *unmet_figures(unmet, "compressed twice"),
        UNMET,
    )


def each(rows: Sequence[Row]) -> str:
    """The values of rows, by quality."""
    return "; ".join(f"{row.corruption} {amount(row)}" for row in rows)


def amount(row: Row) -> str:
    """A mean; of a difference with half of its interval."""
    decimals = METRICS[row.metric].decimals if row.metric in METRICS else 2
    half = (row.mean.high - row.mean.low) / 2
    return f"{row.mean.value:+.{decimals}f} ± {half:.{decimals}f}" if row.over else f"{row.mean.value:.{decimals}f}"


if __name__ == "__main__":
    render()
