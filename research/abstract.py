"""What was measured here of each sentence of the paper's abstract, from the records: research/measured/abstract.md.

    python benchmarks/results.py live1-color sampling && python research/claims.py
    python research/abstract.py && python benchmarks/publish.py

Differences are means over the same pictures, ± half of their 95 % interval unless it says otherwise.  A sentence holds
where the interval lies on its side of zero: "yes" in all that is compared, "partly" in some, "no" in none.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import claims
from driftrec.evaluate.measurement import Measurement, Measurements
from driftrec.evaluate.measures import METRICS
from driftrec.evaluate.tables import BASELINE, Row, Table
from findings import change, values

ROOT = Path(__file__).parents[1]
QUALITIES = ("q5", "q10", "q20")
REGRESSION = "driftrec faithful, consistent off"
METHODS = (
    REGRESSION,
    "driftrec sample, 100 steps, sampler euler-maruyama, start 1.0, consistent off",
    "driftrec sample, 10 steps, consistent off",
)
PRIOR = 10 * math.log10(4)
"""No picture has a higher PSNR to standard Gaussian noise, in dB: where pictures x lie in [−1, 1], the mean squared
difference is 1 + x², and the range of values is 2."""

SAMPLING, CLAIMS = "[below](#sampling-and-regression-by-one-network)", "[below](#the-papers-objective)"


@dataclass(frozen=True)
class Finding:
    """A sentence of the abstract, what was compared, the figures, what they say of it, and where they are from."""

    claim: str
    compared: str
    measured: str
    holds: str
    where: str


def render() -> None:
    """Writes the table of all sentences."""
    rows = [astuple(finding) for finding in findings()]
    columns = ("compared", "measured", "holds", "from")
    table = Table("", columns, tuple((claim, tuple(cells)) for claim, *cells in rows), "the abstract", columns)
    (ROOT / "research/measured/abstract.md").write_text(f"{table.markdown()}\n", encoding="utf-8")


def findings() -> Iterator[Finding]:
    """The sentences of the abstract, in its order."""
    live1, sampling = (rows(f"docs/measured/results_{name}.jsonl") for name in ("live1-color", "sampling"))
    paper = Measurements.read(claims.MEASURED).entries

    natural = apart(live1, "driftrec natural", "lpips_alex", "JPEG")
    yield Finding(
        "“blind JPEG restoration at high compression levels”",
        "natural restorations less the files, LPIPS",
        series(natural),
        verdict([row.mean.high < 0 for row in natural]),
        "[LIVE1](../results/quality.md)",
    )
    spectra = [entry(paper, quality, "spectrum", claims.MANY) for quality in QUALITIES]
    yield Finding(
        "“escape the tendency of other methods to generate blurry images”",
        "samples (100 evaluations) less the regression by the same network, error of the radial spectrum in dB",
        ", ".join(f"{found.what['damage']} {found.text}" for found in spectra),
        verdict([negative(found) for found in spectra]),
        CLAIMS,
    )
    kid = {m: [row for row in sampling if (row.method, row.metric) == (m, "kid_classifier")] for m in METHODS}
    regression = kid.pop(REGRESSION)
    yield Finding(
        "“recovers the distribution of clean images significantly more faithfully”",
        "regression, samples of 100 and of 10 evaluations; KID × 10³ on features of a classifier, ± standard error",
        "; ".join(
            f"{row.corruption} {row.text}, {', '.join(some[i].text for some in kid.values())}"
            for i, row in enumerate(regression)
        ),
        verdict([a.mean.high < b.mean.low for some in kid.values() for a, b in zip(some, regression, strict=True)]),
        SAMPLING,
    )
    noise = values("denoising", "psnr")
    levels = list(dict.fromkeys(level for level, _ in noise))
    gains = [noise[level, "driftrec faithful"] - noise[level, "input"] for level in levels]
    yield Finding(
        "“only a dataset of clean/corrupted image pairs and no knowledge about the corruption operation”",
        "a network trained with white noise of σ levels: faithful less the noisy pictures, dB ± standard error",
        "; ".join(
            f"σ {level} {change(noise, (level, 'driftrec faithful'), (level, 'input'), '{:+.2f}')}" for level in levels
        ),
        verdict([bool(gain.mean() > 2 * gain.std(ddof=1) / len(gain) ** 0.5) for gain in gains]),
        "[another task](../../research/notes/experiments/denoising.md)",
    )
    files = [row for row in sampling if (row.method, row.metric, row.over) == ("JPEG", "psnr", "")]
    yield Finding(
        "“much closer to each other than each is to the usual Gaussian prior”",
        f"PSNR of the files; that of standard Gaussian noise is at most {PRIOR:.2f} dB whatever the picture",
        "; ".join(f"{row.corruption} {row.text}" for row in files),
        verdict([row.mean.low > PRIOR for row in files]),
        SAMPLING,
    )
    lpips = {method: [entry(paper, q, "lpips_alex", method) for q in QUALITIES] for method in (claims.MANY, claims.FEW)}
    yield Finding(
        "“comparatively few sampling steps”",
        "samples less the regression, LPIPS: are ten evaluations ahead of it, and no worse than a hundred?",
        "; ".join(
            f"{evaluations}: {', '.join(f'{q} {found.text}' for q, found in zip(QUALITIES, some, strict=True))}"
            for evaluations, some in zip((100, 10), lpips.values(), strict=True)
        ),
        verdict(
            [negative(few) and float(few.value) <= float(many.value) for many, few in zip(*lpips.values(), strict=True)]
        ),
        CLAIMS,
    )
    for claim, damage, metric in (
        ("“generalizes to … unaligned double JPEG compression”", "compressed twice", "lpips_alex"),
        ("“and blind restoration of JPEGs found online”", "as found", "niqe"),
    ):
        methods = BASELINE, claims.REGRESSION, claims.FEW
        file, regression, samples = (entry(paper, damage, metric, method) for method in methods)
        yield Finding(
            claim,
            f"networks that have met single JPEGs only: samples less the regression, {METRICS[metric].label}",
            f"JPEG {file.text}; regression {regression.text}; samples {samples.text}",
            verdict([below(samples, regression, file)]),
            CLAIMS,
        )


def entry(found: Sequence[Measurement], damage: str, metric: str, restoration: str) -> Measurement:
    """One value of the table of `claims`.  Raises ValueError unless there is exactly one."""
    wanted = ({"damage": damage, "restoration": restoration}, METRICS[metric].heading)
    (only,) = (each for each in found if (each.what, each.measure) == wanted)
    return only


def negative(entry: Measurement) -> bool:
    """Whether the interval of a difference lies below zero."""
    assert entry.high is not None
    return entry.high < 0


def below(entry: Measurement, regression: Measurement, file: Measurement) -> bool:
    """Whether a restoration that is given by its difference to the regression is below it, and below the file."""
    return negative(entry) and float(regression.value) + float(entry.value) < float(file.value)


def rows(path: str) -> list[Row]:
    return [Row.of(entry) for entry in Measurements.read(ROOT / path).entries]


def apart(found: Sequence[Row], method: str, metric: str, over: str) -> list[Row]:
    """The differences between two methods at the high compression levels."""
    wanted = [row for row in found if (row.method, row.metric, row.over) == (method, metric, over)]
    return [row for row in wanted if row.corruption in QUALITIES]


def series(found: Sequence[Row]) -> str:
    """Differences with half of their intervals, by quality."""
    decimals = METRICS[found[0].metric].decimals
    return ", ".join(
        f"{row.corruption} {row.mean.value:+.{decimals}f} ± {(row.mean.high - row.mean.low) / 2:.{decimals}f}"
        for row in found
    )


def verdict(holds: Sequence[bool]) -> str:
    """One word for what holds in all, some or none of the comparisons.  Raises ValueError if there are none."""
    if not holds:
        raise ValueError("nothing was compared")
    return "yes" if all(holds) else "partly" if any(holds) else "no"


if __name__ == "__main__":
    render()
