"""Training on several devices, here processes on one CPU: the same run as on one, and stopped and resumed across."""

import itertools
import json
import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from driftrec.train import checkpoint
from driftrec.train.batches import loader
from driftrec.train.data.crops import open_corpus
from driftrec.train.distributed import owner
from driftrec.train.loop import BEST, LAST, LOG, SHEET, Run, train
from driftrec.train.nn.ncsnpp import NCSNpp, NCSNppConfig
from driftrec.train.nn.recompute import Recomputable, set_recompute
from driftrec.train.nn.unet import UNet, UNetConfig
from driftrec.train.recipe import TrainConfig
from support import scene

STEPS = 6


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clean pictures and, beside them, the cache."""
    folder = tmp_path_factory.mktemp("devices")
    (folder / "clean").mkdir()
    for i in range(12):
        Image.fromarray(scene(168, 176, seed=i)).save(folder / "clean" / f"{i}.png")
    return folder


def settings(folder: Path, **changed: object) -> dict[str, object]:
    # Saves and validates at every step; the rate is high, so that what differs between runs grows.
    base = {
        "data": {"folders": [str(folder / "clean")], "held_out": 0.3, "crop": 32},
        "network": {"patch": 2, "channels": [16, 24], "encoder": [1, 1], "decoder": [1]},
        "batch": 10,
        "optimizer": "adamw",
        "learning_rate": 4e-3,
        "warm_up": 0,
        "ema": 0.9,
        "steps": STEPS,
        "precision": "32-true",
        "workers": 0,
        "validate_every": 1e-9,
        "save_every": 1e-9,
    }
    return base | changed


@pytest.fixture(scope="module")
def reference(folder: Path) -> Path:
    """The run on one device."""
    list(train(TrainConfig.model_validate(settings(folder)), folder / "reference", cache=folder))
    return folder / "reference"


def run(folder: Path, *command: str) -> tuple[int, str]:
    """Status and output of a command that starts processes; none of them outlives it."""
    # Without the last one, processes that torchrun starts again may find the addresses of those that are gone.
    own = {"OMP_NUM_THREADS": "1", "DRIFTREC_CACHE": str(folder), "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
    environment = os.environ | own
    if sys.platform == "linux":
        environment["GLOO_SOCKET_IFNAME"] = "lo"
    with subprocess.Popen(
        [sys.executable, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate(timeout=180)
        except subprocess.TimeoutExpired:
            process.terminate()  # torchrun ends its processes, which are not of its group
            process.wait(timeout=60)
            raise
        finally:
            if process.poll() is None or sys.platform == "linux":
                end_group(process.pid)
    return process.returncode, output


def end_group(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return


def assert_same_run(one: Path, other: Path) -> None:
    """Weights, their averages, the optimiser's state and what the log says are equal but for rounding."""
    a, b = load_file(one / LAST), load_file(other / LAST)
    assert a.keys() == b.keys()
    for name in a:  # as wholes: AdamW moves single weights far where the sign of a gradient is but rounding
        assert (a[name] - b[name]).norm() <= 1e-3 * a[name].norm(), name
    ours, theirs = (
        {line["step"]: line for line in map(json.loads, (path / LOG).read_text().splitlines())} for path in (one, other)
    )
    assert ours.keys() == theirs.keys() == set(range(1, STEPS + 1))
    for step, line in ours.items():
        assert line.keys() == theirs[step].keys()
        for key in line.keys() - {"minutes", "crops_per_second"}:
            assert line[key] == pytest.approx(theirs[step][key], abs=3e-3), (step, key)


# Its second process has a clock of its own, by which every run is over at once; the first is killed once, at step 4.
KILLED = """
import atexit, itertools, os, signal, sys
from pathlib import Path
from types import SimpleNamespace
from torch import distributed
from driftrec.train import loop as train
atexit.register(lambda: print("left" if not distributed.is_initialized() else "still together"))
from driftrec.train.recipe import TrainConfig
if os.environ["RANK"] == "1":
    clock = itertools.count(0, 7200)
    train.time = SimpleNamespace(monotonic=lambda: next(clock))
config = TrainConfig.model_validate_json(sys.argv[1])
out = Path(sys.argv[2])
for record in train.train(config, out, time_limit=60):
    print("step", record["step"], flush=True)
    if record["step"] == 4 and not (out / "killed").exists():
        (out / "killed").touch()
        os.kill(os.getpid(), signal.SIGKILL)
"""


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.mark.skipif(sys.platform == "win32", reason="processes are killed by signals")
def test_two_devices_under_fabric_run_are_killed_and_one_goes_on(folder: Path, reference: Path, tmp_path: Path) -> None:
    pytest.importorskip("click", reason="`fabric run` needs click: pip install click")
    (tmp_path / "killed.py").write_text(KILLED)
    fabric = ("-m", "lightning_fabric.cli", "--accelerator", "cpu", "--devices", "2", "--main-port")
    command = (*fabric, str(free_port()), str(tmp_path / "killed.py"))
    # Five crops a device in four parts: parts of unequal size.
    config = TrainConfig.model_validate(settings(folder, accumulate=4))
    status, output = run(folder, *command, config.model_dump_json(), str(tmp_path / "run"))
    assert status != 0, output
    assert [line for line in output.splitlines() if line.startswith("step")] == [f"step {n}" for n in range(1, 5)]
    _, facts = checkpoint.read(tmp_path / "run" / LAST)
    assert (facts["step"], facts["hardware"].endswith("2 processes")) == (3, True)
    list(train(config, tmp_path / "run", cache=folder))
    assert_same_run(reference, tmp_path / "run")


def test_one_device_is_stopped_and_two_go_on_by_the_command(folder: Path, reference: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    stopped = train(TrainConfig.model_validate(settings(folder)), out, cache=folder)
    for _ in range(3):
        next(stopped)
    stopped.close()
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(json.dumps(settings(folder, devices=2)))
    status, output = run(folder, "-m", "driftrec", "train", str(recipe), "--out", str(out))
    assert status == 0, output
    # Saved after step 2; each step is told and logged once.
    said = [line.split()[1] for line in output.splitlines() if line.startswith("step")]
    assert said == ["3", "4", "5", "6"]
    assert [json.loads(line)["step"] for line in (out / LOG).read_text().splitlines()] == [1, 2, 3, 3, 4, 5, 6]
    assert_same_run(reference, out)
    with Image.open(out / SHEET) as sheet, Image.open(reference / SHEET) as expected:
        assert sheet.size == expected.size
    assert sorted(p.name for p in out.iterdir()) == sorted([BEST, LAST, LOG, SHEET])


@pytest.mark.skipif(sys.platform == "win32", reason="processes are killed by signals")
def test_torchrun_goes_on_by_itself_when_one_of_two_machines_fails(
    folder: Path, reference: Path, tmp_path: Path
) -> None:
    (tmp_path / "killed.py").write_text(KILLED)
    config, out = TrainConfig.model_validate(settings(folder)), tmp_path / "run"
    meeting = ("--nnodes", "2", "--nproc-per-node", "1", "--rdzv-backend", "c10d", "--rdzv-endpoint")
    torchrun = ("-m", "torch.distributed.run", *meeting, f"localhost:{free_port()}", "--max-restarts", "2")
    command = (*torchrun, str(tmp_path / "killed.py"), config.model_dump_json(), str(out))
    with ThreadPoolExecutor(2) as machines:
        outcomes = list(machines.map(lambda _: run(folder, *command), range(2)))
    assert [status for status, _ in outcomes] == [0, 0], outcomes
    # Either machine may be the first after the failure.
    said = [line.split()[1] for _, output in outcomes for line in output.splitlines() if line.startswith("step")]
    assert sorted(said) == ["1", "2", "3", "4", "4", "5", "6"]
    # A process that ends without leaving may be aborted in its last moment, and the others wait for it in vain.
    # What torchrun itself says does not count: it may find the other one gone when it closes the connection.
    said_last = [
        [line for line in output.splitlines() if line.startswith("step") or line in ("left", "still together")][-1]
        for _, output in outcomes
    ]
    assert said_last == ["left", "left"]
    assert_same_run(reference, out)


def test_a_batch_that_cannot_be_shared_is_one_sentence(folder: Path) -> None:
    two, corpus = SimpleNamespace(world_size=2), open_corpus([folder / "clean"], folder)
    for changed, sentence in (
        ({"batch": 5}, "a batch of 5 cannot be shared by 2 devices: change either"),
        ({"batch": 4, "accumulate": 3}, "a batch of 4 cannot be split into 3 parts"),
    ):
        with pytest.raises(ValueError, match=sentence):
            loader(two, TrainConfig.model_validate(settings(folder, **changed)), corpus, 0)  # pyright: ignore[reportArgumentType]


def test_machines_that_see_different_things_are_told(folder: Path, tmp_path: Path) -> None:
    one = Run(TrainConfig.model_validate(settings(folder)), tmp_path / "run", None, folder)
    corpus = open_corpus([folder / "clean"], folder)
    for other, sentence in (((1, 0), "at step 0 on one device and at 1 on"), ((0, 0), "different training pictures")):
        one.processes.of_all = lambda own, other=other: [own, other]  # pyright: ignore[reportAttributeAccessIssue]
        with pytest.raises(ValueError, match=sentence):
            one._agree(corpus)


def test_throughput_is_of_all_crops_without_the_time_of_validations(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = itertools.count(0, 6)  # seconds; whoever looks at it makes them pass
    monkeypatch.setattr("driftrec.train.loop.time", SimpleNamespace(monotonic=lambda: next(clock)))
    config = TrainConfig.model_validate(settings(folder, steps=2))
    # Ten crops a step: looked at after a step, before and after a validation, at a save.
    rates = [record["crops_per_second"] for record in train(config, tmp_path / "run", cache=folder)]
    assert rates == [round(10 / 12, 2), round(10 / 18, 2)]


def test_the_largest_piece_of_a_work_is_shared_with_nobody() -> None:
    assert [owner(n, 1) for n in range(6)] == [0] * 6
    assert [owner(n, 2) for n in range(6)] == [0, 1, 1, 1, 1, 1]
    assert [owner(n, 4) for n in range(6)] == [0, 1, 2, 3, 1, 2]


# ------------------------------------------------------------------------------------------------- memory


def kept(network: UNet | NCSNpp) -> tuple[int, dict[str, torch.Tensor]]:
    """Bytes that a network keeps for the way back, its parameters not counted, and the gradients."""
    generator = torch.Generator().manual_seed(0)
    x, y = torch.rand(2, 2, 3, 32, 32, generator=generator)
    own = {p.untyped_storage().data_ptr() for p in network.parameters()}
    bytes_of: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            bytes_of[storage.data_ptr()] = storage.nbytes()
        return tensor

    network.zero_grad()
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        output = network(x, torch.zeros(2), y)
    taken = sum(bytes_of.values())  # before the way back adds what it computes again
    output.square().sum().backward()
    return taken, {name: p.grad for name, p in network.named_parameters() if p.grad is not None}


@pytest.mark.parametrize(
    ("network", "share"),
    [
        (UNet(UNetConfig(2, (16, 24), (2, 2), (2,))), 0.8),
        (NCSNpp(NCSNppConfig(features=8, multipliers=(1, 2), blocks=1, attention=(1,))), 0.5),
    ],
    ids=["unet", "ncsnpp"],
)
def test_computing_again_keeps_less_and_changes_no_gradient(network: UNet | NCSNpp, share: float) -> None:
    for parameter in network.parameters():  # those that start at zero would hide the others' gradients
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.1, generator=torch.Generator().manual_seed(parameter.numel()))
    all_of_it, expected = kept(network)
    set_recompute(network, True)
    less, found = kept(network)
    assert 0 < less < share * all_of_it
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        assert gradient.any(), name
        torch.testing.assert_close(found[name], gradient)


def test_the_setting_reaches_the_blocks(folder: Path, tmp_path: Path) -> None:
    for wanted in (False, True):
        run = Run(TrainConfig.model_validate(settings(folder, recompute=wanted)), tmp_path / "run", None, folder)
        found = [m.recompute for m in run.model.modules() if isinstance(m, Recomputable)]
        assert found == [wanted] * 3
        run.step()
