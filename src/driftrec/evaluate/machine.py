"""The processor of this machine, and the time and memory that programs use on it."""

import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def processor() -> str:
    """The name of the processor as the operating system reports it."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


@dataclass(frozen=True)
class Finished:
    """A finished program: exit status, seconds, and peak resident memory in 10^6 bytes (None if unknown)."""

    status: int
    seconds: float
    megabytes: float | None


def run_program(words: list[str], environment: dict[str, str] | None = None, errors: Path | None = None) -> Finished:
    """Runs a program to its end; discards its output, and writes its error output to the file `errors`.

    Until a program is loaded, Linux counts the memory of the process that started it towards its peak.  The program is
    therefore started from a small process, not from this one; peaks below the 10 MB of that process cannot be measured.
    """
    with tempfile.TemporaryDirectory() as folder, (errors or Path(os.devnull)).open("wb") as log:
        report = Path(folder) / "report"
        starter = [sys.executable, "-I", "-S", "-c", _STARTER, str(report)] if hasattr(os, "wait4") else []
        began = time.perf_counter()
        status = subprocess.run(
            [*starter, *words], env=environment, stdout=subprocess.DEVNULL, stderr=log, check=False
        ).returncode
        if not report.is_file():  # not measured, or the program could not be started
            return Finished(status, time.perf_counter() - began, None)
        code, seconds, size = report.read_text(encoding="ascii").split()
    return Finished(int(code), float(seconds), int(size) * (1e-6 if sys.platform == "darwin" else 1.024e-3))


_STARTER = """
import os, sys, time
began = time.perf_counter()
_, status, usage = os.wait4(os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ), 0)
with open(sys.argv[1], "w") as report:
    print(os.waitstatus_to_exitcode(status), time.perf_counter() - began, usage.ru_maxrss, file=report)
"""


class PeakMemory:
    """Measures how much the resident memory of this process grows; works on Linux only."""

    def __init__(self) -> None:
        self.before = _resident("VmRSS")

    def start(self) -> None:
        """Forgets earlier peaks."""
        if os.access(_CLEAR, os.W_OK):
            _CLEAR.write_text("5")

    def megabytes(self) -> float | None:
        """Peak since `start` minus the memory resident at construction, in 10^6 bytes; None if unknown."""
        peak = _resident("VmHWM")
        return None if peak is None or self.before is None else max(peak - self.before, 0) * 1.024e-3


def _resident(field: str) -> int | None:
    """Memory in kibibytes, as Linux reports it; None on other systems."""
    if not _STATUS.is_file():
        return None
    for line in _STATUS.read_text(encoding="ascii").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1])
    return None
