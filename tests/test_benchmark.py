"""The benchmark: one record for each picture, never measured twice; tables beside published ones; both commands."""

import csv
import hashlib
import io
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from driftrec.cli.app import app
from driftrec.evaluate import benchmark as bench
from driftrec.evaluate.benchmark import BenchmarkTask, Record, Settings, pictures_in, read_records, run
from driftrec.evaluate.corruptions import Jpeg, decode, encode
from driftrec.evaluate.measurement import Conditions, Measurement, Measurements
from driftrec.evaluate.measures import METRICS, Comparison, Measures, patches
from driftrec.evaluate.methods import Method, parse_method
from driftrec.evaluate.metrics.fidelity import psnr
from driftrec.evaluate.metrics.inception import Inception
from driftrec.evaluate.plots import hardest_crop
from driftrec.evaluate.protocols import PROTOCOLS, find_protocol
from driftrec.evaluate.published import published
from driftrec.evaluate.tables import (
    COST,
    Row,
    Table,
    cost_table,
    difference_tables,
    metric_tables,
    rows_of,
    set_rows,
    summarise,
    table_of,
)
from support import scene

CHEAP = ("psnr", "psnr_b", "cells")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of three small clean pictures."""
    (tmp_path / "photos").mkdir()
    for seed in range(3):
        Image.fromarray(scene(48, 64, seed)).save(tmp_path / "photos" / f"{seed}.png")
    return tmp_path / "photos"


def tasks_of(photos: Path, *qualities: int) -> list[BenchmarkTask]:
    return [BenchmarkTask(path, Jpeg(q)) for path in pictures_in(photos) for q in qualities]


def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is restored from now on."""
    seen: list[str] = []
    plain = bench.BenchmarkWorker.__call__

    def restore(self: bench.BenchmarkWorker, task: BenchmarkTask, key: str, keep: bool) -> Record:
        seen.append(f"{self.method.label} {task.path.stem}")
        return plain(self, task, key, keep)

    monkeypatch.setattr(bench.BenchmarkWorker, "__call__", restore)
    return seen


# ------------------------------------------------------------------------------------------------- runs


def test_records_say_what_was_measured(photos: Path, tmp_path: Path) -> None:
    settings = Settings(CHEAP, tmp_path / "out")
    records = list(run(tasks_of(photos, 10, 30), [parse_method("plain"), parse_method("faithful")], settings))
    assert [(r.method, r.picture, r.corruption) for r in records[:3]] == [
        ("JPEG", "0", "q10"),
        ("JPEG", "0", "q30"),
        ("JPEG", "1", "q10"),
    ]
    assert len(records) == 12
    first, ours = records[0], records[6]
    file = encode(scene(48, 64, 0), 10)
    assert first.metrics["psnr"] == pytest.approx(psnr(decode(file), scene(48, 64, 0)), rel=1e-5)
    assert first.bits_per_pixel == pytest.approx(8 * len(file) / (48 * 64), rel=1e-5)
    assert (first.metrics["cells"], first.seconds, first.evaluations) == (100.0, None, None)
    assert ours.evaluations == 1
    assert ours.seconds
    assert read_records(settings.out / "records.jsonl") == records


def test_a_run_that_was_stopped_goes_on(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, methods = Settings(CHEAP, tmp_path / "out"), [parse_method("plain")]
    stopped = run(tasks_of(photos, 10), methods, settings)
    first = next(stopped)
    stopped.close()
    with (settings.out / "records.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"picture": "1", "corr')  # killed while it wrote
    seen = counted(monkeypatch)
    records = list(run(tasks_of(photos, 10), methods, settings))
    assert seen == ["JPEG 1", "JPEG 2"]
    assert records[0].key == first.key
    assert len(read_records(settings.out / "records.jsonl")) == 3


def test_only_what_changed_is_measured_again(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, methods = Settings(CHEAP, tmp_path / "out"), [parse_method("plain"), parse_method("decode")]
    list(run(tasks_of(photos, 10), methods, settings))
    seen = counted(monkeypatch)
    list(run(tasks_of(photos, 10), methods, settings))
    assert seen == []
    Image.fromarray(scene(48, 64, 9)).save(photos / "1.png")
    list(run(tasks_of(photos, 10), methods, settings))
    assert seen == ["JPEG 1", "driftrec decode 1"]
    list(run(tasks_of(photos, 10), methods[:1], replace(settings, metrics=("psnr",))))
    assert seen[2:] == ["JPEG 0", "JPEG 1", "JPEG 2"]


def test_workers_side_by_side_give_the_same_figures(photos: Path, tmp_path: Path) -> None:
    methods: list[Method] = [parse_method("plain")]
    alone, together = (
        list(run(tasks_of(photos, 10, 30), methods, Settings(CHEAP, tmp_path / str(n), workers=n))) for n in (1, 2)
    )
    assert alone == together


def test_pictures_are_kept_for_sheets(photos: Path, tmp_path: Path) -> None:
    settings = Settings(("psnr",), tmp_path / "out", pictures=1)
    list(run(tasks_of(photos, 10), [parse_method("plain")], settings))
    kept = sorted(p.relative_to(settings.out).as_posix() for p in settings.out.rglob("*.png"))
    assert kept == ["pictures/q10/0/JPEG.png", "pictures/q10/0/clean.png"]


def test_features_are_kept_and_distances_come_from_them(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch
    from safetensors.torch import save_file

    from driftrec.evaluate import weights

    torch.manual_seed(0)
    save_file(Inception(None).state_dict(), tmp_path / weights.INCEPTION.file)
    settings = Settings(("psnr",), tmp_path / "out", tmp_path, features="inception")
    methods = [parse_method("plain")]
    poor, good = (list(run(tasks_of(photos, q), methods, settings)) for q in (2, 95))
    fids = [bench.distances_of(records, settings)["fid"][0] for records in (poor, good)]
    assert fids[0] > fids[1] >= 0
    rows = set_rows(poor, settings)
    assert [row.metric for row in rows] == ["fid", "kid"]
    assert [Row.of(row.measurement(Conditions.now(models=[]))).text for row in rows] == [row.text for row in rows]
    kid = metric_tables(rows, published("imagenet-fid"))[1]
    assert kid.title == "KID × 10³ ↓"
    assert "±" in kid.rows[0][1][0]
    monkeypatch.setattr(bench, "_measured", None)  # a second run must find everything
    assert len(list(run(tasks_of(photos, 2), methods, settings))) == 3


def test_folders_without_pictures_and_other_files(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no pictures"):
        pictures_in(tmp_path)
    for name in ("a.png", "a.jpg"):
        Image.fromarray(scene(8, 8)).save(tmp_path / name)
    with pytest.raises(ValueError, match="extension only"):
        pictures_in(tmp_path)
    (tmp_path / "records.jsonl").write_text('{"x": 1}\n{"y": 2}\n', encoding="utf-8")
    with pytest.raises(ValueError, match=r"line 1 .* not a record"):
        read_records(tmp_path / "records.jsonl")


# ------------------------------------------------------------------------------------------------- measures


def test_every_metric_is_perfect_for_the_picture_itself(weights_folder: Path) -> None:
    clean = scene(200, 200)
    # Without those that need further packages, and those of flat areas, white paper, and ink, which this scene lacks.
    absent = {"dists", "misread", "unevenness", "off_white", "ink_chroma"}
    there = [name for name in METRICS if name not in absent]
    values = Measures(there, weights_folder)(Comparison(clean, clean, encode(clean, 100)))
    assert set(values) == set(there)
    for name in set(there) - {"niqe", "bef", "bef_shifted", "cells", "psnr_b", "psnr_b_channels"}:
        infinite = dict.fromkeys(("psnr", "psnr_y", "psnr_chroma"), math.inf)
        best = {**infinite, "ssim": 1, "ssim_plain": 1, "ssimulacra2": 100}.get(name, 0)
        assert values[name] == pytest.approx(best, abs=1e-6), name


def test_coefficients_leave_their_cells_when_a_picture_changes() -> None:
    clean = scene(64, 64)
    measures = Measures(["cells"])
    there = [measures(Comparison(pixels, None, encode(clean, 30)))["cells"] for pixels in (clean, scene(64, 64, 1))]
    assert there[0] > 99
    assert there[1] < 90
    assert measures(Comparison(clean)) == measures(Comparison(clean, None, b"no JPEG")) == {}


def test_patches_cover_a_picture_but_for_its_rest() -> None:
    assert [p.shape for p in patches(scene(70, 100), 32)] == [(32, 32, 3)] * 6
    assert [p.shape for p in patches(scene(20, 100), 32)] == [(20, 100, 3)]


# ------------------------------------------------------------------------------------------------- tables


def record(method: str, corruption: str, picture: str, psnr: float, seconds: float | None = None) -> Record:
    metrics = {"psnr": psnr}
    return Record(picture, corruption, method, "", 1000, 500, 1.0, seconds, None, None, metrics)


def test_tables_hold_means_and_published_rows() -> None:
    records = [
        record("JPEG", "q10", "a", 25.0),
        record("JPEG", "q10", "b", 26.0),
        record("ours", "q10", "a", 27.0, 1.0),
        record("ours", "q10", "b", 27.1, 1.0),
    ]
    reported = rows_of(records)
    (table,) = metric_tables(reported, published("live1-color"))
    rows = dict(table.rows)
    assert (rows["JPEG"], rows["ours"], rows["FBCNN †"]) == (("25.50",), ("27.05",), ("27.77",))
    assert table.latex().count(r"\midrule") == 2
    (gain,) = difference_tables(reported)
    assert gain.rows[0][1][0].startswith("+1.55 [+1.10, +2.00], p = 0.500")
    (loss,) = difference_tables(rows_of(records, "ours", ["psnr"]))
    assert loss.title == "PSNR (dB), difference to ours"
    assert loss.rows[0] == ("JPEG", ("-1.55 [-2.00, -1.10], p = 0.500",))
    (cost,) = [row for row in summarise(records) if row.metric == "seconds_per_megapixel"]
    assert cost.mean.value == pytest.approx(2.0)
    assert cost_table(reported) == Table("cost", tuple(h for h, *_ in COST.values()), (("ours", ("2.00", "–", "–")),))


def test_what_is_reported_can_be_stored_and_read_again(tmp_path: Path) -> None:
    values = ((25.0, 27.0, 1.0), (26.0, 27.1, 1.5))
    records = [
        record(method, "q10", str(i), values[i][j], values[i][2] if j else None)
        for i in range(2)
        for j, method in enumerate(("JPEG", "ours"))
    ]
    reported = rows_of(records)
    conditions = Conditions("a machine", "some code", {"small": "abc"}, "two pictures", "2026-01-02")
    Measurements([row.measurement(conditions) for row in reported], "a note").write(tmp_path / "rows.jsonl")
    first = json.loads((tmp_path / "rows.jsonl").read_text(encoding="utf-8").splitlines()[1])
    assert first["what"] == {"method": "JPEG", "corruption": "q10", "over": ""}
    assert (first["measure"], first["value"], first["unit"], first["count"]) == ("psnr", 25.5, "dB", 2)
    assert (first["machine"], first["weights"], first["date"]) == ("a machine", {"small": "abc"}, "2026-01-02")
    stored = Measurements.read(tmp_path / "rows.jsonl")
    assert [Row.of(entry) for entry in stored.entries] == reported
    assert stored.note == "a note"


def test_conditions_name_the_rows_that_they_hold_for() -> None:
    here, there = Conditions("here", "driftrec 1"), Conditions("there", "driftrec 1")
    entries = [
        Measurement({"model": name}, measure, 1.0, "", "{:.1f}", conditions)
        for name, conditions in (("small", here), ("base", there), ("large", here))
        for measure in ("time", "memory")
    ]
    assert Measurements(entries[:2]).conditions() == str(here)
    assert Measurements(entries).conditions() == f"base: {there}\n\nAll other rows: {here}"
    assert Measurements([]).conditions() == ""


def test_conditions_name_models_without_their_folders(tmp_path: Path) -> None:
    mine = tmp_path / "mine.onnx"
    mine.write_bytes(b"weights")
    named = Conditions.now(models=[str(mine), "small"]).weights
    assert named["mine"] == hashlib.sha256(b"weights").hexdigest()[:12]
    assert list(named) == ["mine", "small"]


def test_measurements_are_laid_out_by_what_was_measured_and_updated_in_place(tmp_path: Path) -> None:
    conditions = Conditions("a machine", "some code")

    def one(what: str, measure: str, value: float | str, form: str) -> Measurement:
        return Measurement({"photo": what}, measure, value, "s", form, conditions)

    old = Measurements([one("small", "time", 1.25, "{:.1f} s"), one("large", "outcome", "done", "{}")])
    table = table_of(old.entries)
    assert table.markdown().splitlines() == [
        "| photo | time | outcome |",
        "| --- | ---: | --- |",
        "| small | 1.2 s | – |",
        "| large | – | done |",
    ]
    newer = old.updated(Measurements([one("small", "time", 2.5, "{:.1f} s"), one("large", "time", 9, "{} s")], "new"))
    assert [entry.text for entry in newer.entries] == ["2.5 s", "done", "9 s"]
    assert (newer.value("small", "time"), newer.note) == (2.5, "new")
    with pytest.raises(ValueError, match="'memory' of 'small'"):
        newer.value("small", "memory")
    (tmp_path / "x.jsonl").write_text('{"note": ""}\n{"what": {}}\n', encoding="utf-8")
    with pytest.raises(ValueError, match=r"x\.jsonl holds no measurements"):
        Measurements.read(tmp_path / "x.jsonl")


def test_published_figures_are_those_of_the_plain_jpegs_measured_here(data_folder: Path) -> None:
    pairs = [(np.asarray(Image.open(p)), p) for p in sorted((data_folder / "test/live1").glob("*.png"))]
    plain = next(row for row in published("live1-color") if row.method == "JPEG" and "psnr" in row.values)
    measured = np.mean([psnr(decode(encode(clean, 10)), clean) for clean, _ in pairs])
    assert measured == pytest.approx(plain.values["psnr"]["q10"], abs=0.01)


@pytest.mark.parametrize("name", [p.published for p in PROTOCOLS.values() if p.published])
def test_published_rows_name_metrics_and_corruptions_of_their_protocol(name: str) -> None:
    protocol = next(p for p in PROTOCOLS.values() if p.published == name)
    corruptions = {c.name for c in protocol.corruptions}
    for row in published(name):
        assert row.url.startswith("https://")
        assert set(row.values) <= {*METRICS, "fid", "kid"}
        assert any(set(values) & corruptions for values in row.values.values())


def test_protocols_by_name() -> None:
    assert [c.name for c in find_protocol("classic5", (10, 40)).corruptions] == ["q10", "q40"]
    assert find_protocol(None).corruptions[0].name == "q5"
    with pytest.raises(ValueError, match="live1-color"):
        find_protocol("live2")
    with pytest.raises(ValueError, match="leave --quality out"):
        find_protocol("wild", (10,))


def test_the_crop_that_is_shown_is_where_pictures_differ() -> None:
    a, b = np.zeros((2, 256, 320, 3), np.uint8)
    b[150:180, 200:230] = 255
    top, left = hardest_crop(a, b)
    assert top <= 150 < 180 <= top + 96
    assert left <= 200 < 230 <= left + 96
    assert hardest_crop(a, a) == (0, 0)


# ------------------------------------------------------------------------------------------------- commands


def invoke(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "200"})
    return result.exit_code, result.output


def test_benchmark_writes_tables_plots_and_sheets(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    call = ["benchmark", "--data", photos, "--quality", "10,40", "--method", "plain", "--method", "faithful"]
    call += ["--metric", "psnr", "--metric", "bef", "--out", out, "--sheets", 1, "--threads", 1]
    code, output = invoke(*call)
    assert code == 0, output
    assert "| JPEG |" in output
    assert "12 records" in output
    assert len(read_records(out / "records.jsonl")) == 12
    rows = list(csv.DictReader(io.StringIO((out / "tables.csv").read_text())))
    assert {(r["method"], r["corruption"], r["metric"]) for r in rows} >= {("driftrec faithful", "q40", "psnr")}
    assert r"\begin{tabular}" in (out / "tables.tex").read_text()
    assert {p.name for p in (out / "plots").iterdir()} == {"rate-psnr.png", "seconds.png"}
    assert {p.name for p in (out / "sheets").iterdir()} == {"0-q10.png", "0-q40.png"}
    first = (out / "tables.md").read_text(), (out / "plots/rate-psnr.png").read_bytes()
    assert invoke(*call)[0] == 0
    assert ((out / "tables.md").read_text(), (out / "plots/rate-psnr.png").read_bytes()) == first


def test_pictures_without_a_clean_version(tmp_path: Path) -> None:
    wild = tmp_path / "wild"
    wild.mkdir()
    (wild / "a.jpg").write_bytes(encode(scene(200, 200), 20))
    metrics = ["--metric", "bef", "--metric", "cells"]
    code, output = invoke("benchmark", "--data", wild, "--protocol", "wild", *metrics, "--out", tmp_path / "out")
    assert code == 0, output
    assert "as found" in output


def test_evaluate_compares_folders(photos: Path, tmp_path: Path) -> None:
    restored = tmp_path / "restored"
    restored.mkdir()
    for path in photos.iterdir():
        Image.fromarray(decode(encode(np.asarray(Image.open(path)), 10))).save(restored / f"{path.stem}-restored.png")
    code, output = invoke("evaluate", restored, photos, "--metric", "psnr", "-o", tmp_path / "r.jsonl")
    values = [json.loads(line)["metrics"]["psnr"] for line in (tmp_path / "r.jsonl").read_text().splitlines()]
    assert code == 0
    assert len(values) == 3
    assert f"{np.mean(values):.2f}" in output
    one = invoke("evaluate", restored / "0-restored.png", photos / "0.png", "--metric", "psnr")
    assert f"{values[0]:.2f}" in one[1]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["benchmark", "--data", "none"], "there are no pictures in none: name a folder of clean pictures with --data"),
        (["benchmark", "--data", "photos", "--quality", "x"], "--quality takes numbers such as 5,10,20, not 'x'"),
        (["benchmark", "--data", "photos", "--quality", "0"], "JPEG qualities are 1 to 100, not 0"),
        (
            ["benchmark", "--data", "photos", "--protocol", "live2"],
            "there is no protocol 'live2': choose from live1-color, classic5, ",
        ),
        (
            ["benchmark", "--data", "photos", "--method", "sharp"],
            "there is no method 'sharp': choose from plain, decode, ",
        ),
        (
            ["benchmark", "--data", "photos", "--method", "plain", "--method", "plain"],
            "two methods have the same name: leave one out",
        ),
        (
            ["benchmark", "--data", "photos", "--metric", "vmaf"],
            "vmaf is left out: there is no metric 'vmaf': choose from psnr, ",
        ),
        (["evaluate", "none.png"], "none.png does not exist: check the name"),
        (
            ["evaluate", "photos/0.png", "photos/0.png", "--metric", "psnr", "-o", "none/records.jsonl"],
            "none/records.jsonl cannot be written (No such file or directory): choose another file",
        ),
    ],
)
def test_wrong_calls_end_in_one_sentence(
    arguments: list[str], sentence: str, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photos.parent)
    before = sorted(photos.parent.rglob("*"))
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, SystemExit)  # and no other exception, which would be a traceback
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"driftrec: {sentence}")
    assert result.stderr.count("\n") == 1
    assert sorted(photos.parent.rglob("*")) == before


def test_pictures_without_a_partner(photos: Path, tmp_path: Path) -> None:
    Image.fromarray(scene(48, 64)).save(tmp_path / "extra.png")
    code, output = invoke("evaluate", tmp_path, photos)
    assert (code, "has no picture for extra.png" in output) == (1, True)
    code, output = invoke("evaluate", tmp_path / "extra.png", photos)
    assert (code, "give two pictures, or two folders" in output) == (1, True)
