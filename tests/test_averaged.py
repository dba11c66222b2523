"""Averages of two denoisers."""

from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from averaged import app
from driftrec.train import checkpoint
from driftrec.train.model import FINISHED, load
from driftrec.train.nn.unet import UNetConfig
from support import random_checkpoint


def test_the_average_lies_between_the_two_denoisers(tmp_path: Path) -> None:
    before = random_checkpoint(tmp_path / "before.safetensors", UNetConfig(2, (8, 12), (1, 1), (1,)))
    tensors, facts = checkpoint.read(before)
    checkpoint.write(tmp_path / "after.safetensors", {k: 3 * v for k, v in tensors.items()}, facts)
    out = tmp_path / "mean.safetensors"
    call = [str(tmp_path / "after.safetensors"), "--start", str(before), "--share", "0.25", "--out", str(out)]
    assert CliRunner().invoke(app, call).exit_code == 0
    averaged, said = checkpoint.read(out)
    for name, value in tensors.items():
        torch.testing.assert_close(averaged[name], 2.5 * value)
    assert said["averaged"] == {"with": "before", "share": 0.25}
    assert load(out).denoiser.config == load(before).denoiser.config


@pytest.mark.parametrize("share", ["-0.1", "1.5"])
def test_shares_beyond_the_two_are_refused(share: str, tmp_path: Path) -> None:
    call = [str(tmp_path / "a"), "--start", "small", "--share", share, "--out", str(tmp_path / "b")]
    assert CliRunner().invoke(app, call).exit_code == 2


def test_a_checkpoint_with_a_finisher_is_refused(tmp_path: Path) -> None:
    network = UNetConfig(2, (8, 12), (1, 1), (1,))
    before = random_checkpoint(tmp_path / "before.safetensors", network)
    tensors, facts = checkpoint.read(before)
    checkpoint.write(tmp_path / "finished.safetensors", tensors, {**facts, FINISHED: facts})
    call = [
        str(tmp_path / "finished.safetensors"),
        "--start",
        str(before),
        "--share",
        "0.5",
        "--out",
        str(tmp_path / "b"),
    ]
    result = CliRunner().invoke(app, call)
    assert result.exit_code == 2
    assert "finisher" in result.output
    assert not (tmp_path / "b").exists()
