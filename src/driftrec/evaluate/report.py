"""What a run leaves behind: a page of tables with its conventions, the same as LaTeX and CSV, plots and sheets."""

import os
from collections.abc import Sequence
from pathlib import Path

import onnxruntime
import PIL
from PIL import features

from driftrec import __version__
from driftrec.evaluate.benchmark import Record, Settings, distances
from driftrec.evaluate.machine import processor
from driftrec.evaluate.protocols import Protocol
from driftrec.evaluate.published import published
from driftrec.evaluate.tables import (
    Table,
    as_csv,
    cost_table,
    difference_tables,
    metric_tables,
    set_table,
    sources,
)

CONVENTIONS = """\
Every figure is the mean over pictures of the picture's own figure, of results rounded to 8 bits.  PSNR: over all
channels.  PSNR-B: the error of all channels plus the blocking effect factor (BEF) of the luma in studio range, as FBCNN
and JDEC; "mean over channels": that of each channel, as torchjpeg.  SSIM, Gaussian window: 11×11, σ 1.5, as SwinIR and
FBCNN; 8×8 window: equal weights, as QGAC and JDEC.  LPIPS is version 0.1.  Radial spectrum and wavelet marginals
compare the strength of texture of the luma, not its place.  Coefficients in the file's cells: one level of rounding
allowed.  Colour shift: distance of the mean colours.  Intervals are 95 % bootstrap intervals over pictures; p is that
of a sign-flip test of paired differences."""

FID_NOTE = """\
FID is biased upwards, the more so the fewer samples there are: compare at equal numbers only.  KID is not; ± is a
jackknife standard error over pictures."""


def page(records: Sequence[Record], protocol: Protocol, settings: Settings, data: str) -> str:
    """The Markdown page of a run: its section, and the conventions."""
    return f"# {protocol.title}\n\n{section(records, protocol, settings, data)}\n\n{CONVENTIONS}\n"


def section(records: Sequence[Record], protocol: Protocol, settings: Settings, data: str) -> str:
    """The tables of a run in Markdown, with machine, data, and sources of published rows."""
    parts = [caption(records, settings, data)]
    parts += [table.markdown() for table in tables(records, protocol, settings)]
    if any(r.method == "JPEG" for r in records):
        parts += [table.markdown() for table in difference_tables(records, "JPEG")]
    if protocol.features:
        parts.append(FID_NOTE)
    if rows := published(protocol.published):
        parts.append(f"Rows marked † are published figures, not measured here:\n\n{sources(rows)}")
    return "\n\n".join(parts)


def tables(records: Sequence[Record], protocol: Protocol, settings: Settings) -> list[Table]:
    """All tables of a run but the differences."""
    others = published(protocol.published)
    found = metric_tables(records, others)
    if protocol.features:
        groups: dict[tuple[str, str], list[Record]] = {}
        for record in records:
            groups.setdefault((record.method, record.corruption), []).append(record)
        found += set_table({key: distances(group, settings.out) for key, group in groups.items()}, others)
    cost = cost_table(records)
    return [*found, cost] if cost else found


def caption(records: Sequence[Record], settings: Settings, data: str) -> str:
    """All that is needed to repeat the run and to judge its seconds."""
    count = len({r.picture for r in records})
    threads = settings.threads or os.cpu_count() or 1
    workers = f", {settings.workers} pictures at a time" if settings.workers > 1 else ""
    return (
        f"{data}, {count} pictures; Pillow {PIL.__version__} (libjpeg-turbo "
        f"{features.version('libjpeg_turbo') or features.version('jpg')}), 4:2:0. driftrec {__version__}, ONNX Runtime "
        f"{onnxruntime.__version__}, {threads} CPU thread{'s' if threads > 1 else ''} for each picture{workers}, "
        f"{processor()}. Seconds are the restorer's own; memory is what it adds at its peak, model included."
    )


def write(records: Sequence[Record], protocol: Protocol, settings: Settings, data: str) -> Path:
    """Writes tables.md, tables.tex, tables.csv, plots/ and sheets/ into the run's folder; gives the page's path."""
    from driftrec.evaluate.plots import all_plots, sheet

    out = settings.out
    target = out / "tables.md"
    target.write_text(page(records, protocol, settings, data), encoding="utf-8")
    latex = "\n\n".join(table.latex() for table in tables(records, protocol, settings))
    (out / "tables.tex").write_text(latex + "\n", encoding="utf-8")
    (out / "tables.csv").write_text(as_csv(records, published(protocol.published)), encoding="utf-8")
    all_plots(records, out / "plots")
    for picture, corruption in dict.fromkeys((r.picture, r.corruption) for r in records):
        group = [r for r in records if (r.picture, r.corruption) == (picture, corruption)]
        sheet(group, out, out / "sheets" / f"{picture}-{corruption.replace(' ', '-')}.png")
    return target
