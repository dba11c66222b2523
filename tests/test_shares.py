"""Shares of ceilings: what a method gains of what it could have gained on the first files."""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from driftrec.cli.app import app
from driftrec.evaluate.benchmark import BenchmarkTask, Record, Settings, run
from driftrec.evaluate.chains.chain import Chain, Part, edited
from driftrec.evaluate.chains.formats import AsJpeg, AsWebp, shown
from driftrec.evaluate.chains.geometry import Resize
from driftrec.evaluate.chains.listed import REPORTED
from driftrec.evaluate.corruptions import Jpeg, Pixels, decode, encode
from driftrec.evaluate.measurement import Conditions
from driftrec.evaluate.methods import Case, Ceiling, Method, Restoration, Restore, parse_method
from driftrec.evaluate.shares import mean_share, shares
from driftrec.evaluate.statistics import difference, ratio_of
from support import scene


@dataclass(frozen=True)
class Known(Method):
    """A restorer that knows the clean picture: all of it, or `share` of the way there."""

    clean: tuple[Pixels, ...]
    share: float = 1.0

    @property
    def label(self) -> str:
        return f"known {self.share}"

    def fingerprint(self, case: Case) -> str:  # noqa: ARG002
        return self.label

    def load(self, threads: int | None) -> Restore:  # noqa: ARG002
        def restore(case: Case) -> Restoration:
            start, end = shown(case.file), self.clean[0] if case.clean is None else case.clean
            return Restoration(np.rint(start + self.share * (end - start.astype(float))).astype(np.uint8))

        return restore


CHAIN = Chain("chain", (Part(AsJpeg(30)),), (Resize(1.25), AsJpeg(10)))


def records_of(tmp_path: Path, methods: Iterable[Method]) -> list[Record]:
    Image.fromarray(scene(48, 64)).save(tmp_path / "a.png")
    task = BenchmarkTask(tmp_path / "a.png", CHAIN)
    return list(run([task], [*methods], Settings(("psnr",), tmp_path / "out")))


def test_a_perfect_restorer_reaches_all_of_its_ceiling_and_the_identity_nothing(tmp_path: Path) -> None:
    clean = (scene(48, 64),)
    perfect, none = Known(clean), Known(clean, 0.0)
    records = records_of(tmp_path, [parse_method("plain"), perfect, Ceiling(perfect), none, Ceiling(none)])
    found = shares(records)
    (all_of_it,), (nothing,) = found["known 1.0", "psnr"], found["known 0.0", "psnr"]
    assert all_of_it.share is not None
    assert nothing.share is not None
    assert (all_of_it.share.value, all_of_it.restored, all_of_it.ceiling) == (1.0, np.inf, np.inf)
    assert (nothing.share.value, nothing.restored) == (0.0, nothing.input)
    assert nothing.ceiling > nothing.input  # the ceiling of the identity is spared the second compression


def test_the_ceiling_works_on_the_first_file(tmp_path: Path) -> None:
    clean = scene(48, 64)
    records = {r.method: r for r in records_of(tmp_path, [parse_method("ceiling:plain")])}
    expected = edited(decode(encode(clean, 30)), CHAIN.later)
    error = np.mean((expected.astype(float) - Resize(1.25)(clean)) ** 2)
    assert records["JPEG, ceiling"].metrics["psnr"] == pytest.approx(10 * np.log10(255**2 / error), abs=1e-3)


def measured(method: str, chain: str, picture: str, psnr: float, lpips: float) -> Record:
    metrics = {"psnr": psnr, "lpips_alex": lpips}
    return Record(picture, chain, method, f"{method}{chain}{picture}", 8, 8, 1.0, None, None, None, metrics)


def test_shares_are_ratios_of_mean_gains() -> None:
    records = [
        *(measured("JPEG", "one", p, 20, 0.4) for p in "ab"),
        *(measured("ours", "one", p, psnr, 0.3) for p, psnr in (("a", 21), ("b", 22))),
        *(measured("ours, ceiling", "one", p, psnr, 0.2) for p, psnr in (("a", 22), ("b", 24))),
        measured("JPEG", "two", "a", 20, 0.4),
        measured("ours", "two", "a", 21, 0.4),
        measured("ours, ceiling", "two", "a", 20, 0.5),  # which gains nothing: there is no share of it
    ]
    found = shares(records)
    one, two = found["ours", "psnr"]
    assert (one.chain, one.input, one.restored, one.ceiling) == ("one", 20, 21.5, 23)
    assert one.share is not None
    assert (one.share.value, one.share.count) == (0.5, 2)  # (1 + 2) / (2 + 4)
    assert two.share is None
    (lower,) = [share for share in found["ours", "lpips_alex"] if share.chain == "one"]
    assert lower.share is not None
    assert lower.share.value == pytest.approx(0.5)
    conditions = Conditions("", "")
    assert [cell.measure for cell in two.measurements(conditions)] == ["input", "restored", "ceiling"]
    assert [row.value for row in mean_share([one, two], conditions)] == [0.5, 0.5]


def test_ratios_have_intervals_over_pairs() -> None:
    rng = np.random.default_rng(0)
    b = rng.random(30) + 1
    noisy = ratio_of((0.6 * b + 0.05 * rng.standard_normal(30)).tolist(), b.tolist())
    assert noisy.low < 0.6 < noisy.high
    assert 0.02 < noisy.high - noisy.low < 0.06  # about 4 · 0.05 / 1.5 / √30
    exact = ratio_of([1, 2, 5], [2, 4, 10])
    assert (exact.value, exact.low, exact.high) == (0.5, 0.5, 0.5)
    with pytest.raises(ValueError, match="3 and 2"):
        ratio_of([1, 2, 3], [1, 2])


def test_one_picture_gives_no_evidence_of_a_difference() -> None:
    found = difference([3.0], [1.0])
    assert (found.mean.value, found.p) == (2.0, 1.0)


def test_the_command_reports_shares(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    Image.fromarray(scene(64, 64)).save(tmp_path / "photos" / "a.png")
    call = ["benchmark", "--protocol", "chains", "--data", str(tmp_path / "photos"), "--out", str(tmp_path / "run")]
    call += ["--metric", "psnr", "--method", "plain", "--method", "ceiling:plain"]
    result = CliRunner().invoke(app, call)
    assert result.exit_code == 0, result.output
    page = (tmp_path / "run/tables.md").read_text()
    section = page[page.index("**JPEG: share of its ceiling's gain, PSNR (dB) ↑**") :]
    assert "| chain | input | restored | ceiling | share |" in section
    rows = {line.split(" | ")[0].removeprefix("| "): line for line in section.splitlines() if line.startswith("| ")}
    assert {chain.name for chain in REPORTED} <= set(rows)
    assert rows["q15 webp60"].endswith(" 0.00 |")
    assert rows["mean of the chains"].endswith(" 0.00 |")


def test_programs_are_given_the_extension_of_the_last_file(tmp_path: Path) -> None:
    script = (
        "import sys, shutil; name, out = sys.argv[1:]; shutil.copy(name, out) if name.endswith('.webp') else exit(3)"
    )
    (tmp_path / "copy.py").write_text(script)
    Image.fromarray(scene(32, 32)).save(tmp_path / "a.png")
    task = BenchmarkTask(tmp_path / "a.png", Chain("w", (Part(AsJpeg(20)),), (AsWebp(60),)))
    method = parse_method(f"command:run={sys.executable} {tmp_path / 'copy.py'} {{input}} {{output}}")
    ours, plain = run([task], [method, parse_method("plain")], Settings(("psnr",), tmp_path / "out"))
    assert ours.metrics == plain.metrics


def test_ceilings_are_methods_by_name_and_need_a_chain(tmp_path: Path) -> None:
    assert parse_method("ceiling:faithful:model=base").label == "driftrec faithful, base, ceiling"
    Image.fromarray(scene(32, 32)).save(tmp_path / "a.png")
    task = BenchmarkTask(tmp_path / "a.png", Jpeg(10))
    with pytest.raises(ValueError, match="needs the first file of a chain"):
        list(run([task], [parse_method("ceiling:plain")], Settings(("psnr",), tmp_path / "out")))
