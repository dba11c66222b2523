"""The report of a benchmark run: tables as Markdown, LaTeX and CSV, plots, and contact sheets."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import onnxruntime
import PIL
from PIL import features

from driftrec.evaluate.benchmark import Record, Settings
from driftrec.evaluate.machine import processor
from driftrec.evaluate.measurement import Conditions
from driftrec.evaluate.measures import METRICS
from driftrec.evaluate.protocols import Protocol
from driftrec.evaluate.published import published
from driftrec.evaluate.shares import mean_share, shares
from driftrec.evaluate.tables import (
    Row,
    Table,
    as_csv,
    cost_table,
    difference_tables,
    metric_tables,
    rows_of,
    set_rows,
    sources,
    table_of,
)

CONVENTIONS = """\
JPEGs have 4:2:0 chroma, except for some in chains.  Every figure is computed for each picture after rounding to 8 bits,
then averaged over the pictures.  PSNR uses all channels.  PSNR-B adds the blocking effect factor (BEF) of the luma in
studio range to the mean squared error of all channels, as FBCNN and JDEC do; "mean over channels" is the mean of the
PSNR-B of each channel, as in torchjpeg.  SSIM with a Gaussian window uses 11×11 pixels and σ 1.5, as in SwinIR and
FBCNN; with an 8×8 window, equal weights, as in QGAC and JDEC.  LPIPS is version 0.1.  Radial spectrum and wavelet
marginals compare how strong the texture of the luma is, not where it is.  Coefficients count as in the file's cells up
to a difference of one level of rounding.  Colour shift is the distance between the mean colours.  Intervals are 95 %
bootstrap intervals over pictures; p is from a sign-flip test of the paired differences.  The share compares the gain
with that of the same method before a chain's later steps, its ceiling."""

SET_NOTES = {
    "fid": """\
FID is biased upwards, more so with fewer pictures, so compare only values for equal numbers of pictures.  KID is not
biased; ± is its jackknife standard error over pictures.""",
    "kid_classifier": """\
KID compares the features of all patches of 256×256 pixels with those of the clean pictures; it is not biased, and ± is
its jackknife standard error over pictures.""",
}


TRAINED = """\
The finishers, which make the last evaluation of natural restorations, were trained for LPIPS with both networks.
SSIMULACRA 2, NIQE, EfficientNet-Lite0, spectrum and wavelets had no part in the training, but the default share of
texture was chosen by SSIMULACRA 2 on other pictures."""


def page(records: Sequence[Record], protocol: Protocol, settings: Settings, data: str) -> str:
    """The Markdown page of a run: its conditions, tables and conventions."""
    note = caption(conditions(records, settings, data))
    rows = all_rows(records, protocol, settings)
    text = section(rows, protocol, note, share_tables(records, settings))
    return f"# {protocol.title}\n\n{text}\n\n{CONVENTIONS}\n"


def all_rows(records: Sequence[Record], protocol: Protocol, settings: Settings) -> list[Row]:
    """All rows that are reported for a run of a protocol: those of its pictures, and those of its sets of pictures."""
    return [*rows_of(records, protocol.baseline, protocol.compared), *set_rows(records, settings)]


def section(rows: Sequence[Row], protocol: Protocol, note: str, shared: Sequence[Table] = ()) -> str:
    """The tables of a run in Markdown, below a note, with the sources of published rows."""
    others = published(protocol.published)
    parts = [note, *(table.markdown() for table in [*tables(rows, protocol, shared), *difference_tables(rows)])]
    if any("natural" in row.method and row.metric.startswith("lpips") for row in rows):
        parts.insert(1, TRAINED)
    parts += [text for name, text in SET_NOTES.items() if any(row.metric == name for row in rows)]
    if others:
        parts.append(f"Rows marked † are published figures, not measured here:\n\n{sources(others)}")
    return "\n\n".join(parts)


def tables(rows: Sequence[Row], protocol: Protocol, shared: Sequence[Table] = ()) -> list[Table]:
    """All tables of a run except the differences."""
    cost = cost_table(rows)
    return [*metric_tables(rows, published(protocol.published)), *shared, *([cost] if cost else [])]


def share_tables(records: Sequence[Record], settings: Settings) -> list[Table]:
    """The tables of the shares of ceilings, for chains."""
    measured = conditions(records, settings, "")
    return [
        table_of(
            [*(cell for one in found for cell in one.measurements(measured)), *mean_share(found, measured)],
            f"{method}: share of its ceiling's gain, {METRICS[metric].heading}",
        )
        for (method, metric), found in shares(records).items()
    ]


def conditions(records: Sequence[Record], settings: Settings, data: str, models: Iterable[str] = ()) -> Conditions:
    """The conditions needed to repeat a run and to judge its seconds."""
    count = len({r.picture for r in records})
    threads = settings.threads or os.cpu_count() or 1
    workers = f", {settings.workers} pictures at a time" if settings.workers > 1 else ""
    codec = features.version("libjpeg_turbo") or features.version("jpg")
    return Conditions.now(
        f"{processor()}, {threads} CPU thread{'s' if threads > 1 else ''} for each picture{workers}",
        models,
        f"{data}, {count} pictures; Pillow {PIL.__version__} (libjpeg-turbo {codec})",
        [f"ONNX Runtime {onnxruntime.__version__}"],
    )


def caption(measured: Conditions) -> str:
    """The conditions in words, with the meaning of seconds and memory."""
    return f"{measured}  Seconds count the restoration only; memory is its peak increase, including the model."


def write(records: Sequence[Record], protocol: Protocol, settings: Settings, data: str) -> Path:
    """Writes tables.md, tables.tex, tables.csv, plots/ and sheets/ into the run's folder; returns tables.md's path."""
    from driftrec.evaluate.plots import all_plots, sheet

    out, rows = settings.out, all_rows(records, protocol, settings)
    target = out / "tables.md"
    target.write_text(page(records, protocol, settings, data), encoding="utf-8")
    latex = "\n\n".join(t.latex() for t in tables(rows, protocol, share_tables(records, settings)))
    (out / "tables.tex").write_text(latex + "\n", encoding="utf-8")
    (out / "tables.csv").write_text(as_csv(rows, published(protocol.published)), encoding="utf-8")
    all_plots(records, out / "plots")
    for picture, corruption in dict.fromkeys((r.picture, r.corruption) for r in records):
        group = [r for r in records if (r.picture, r.corruption) == (picture, corruption)]
        sheet(group, out, out / "sheets" / f"{picture}-{corruption.replace(' ', '-')}.png")
    return target
