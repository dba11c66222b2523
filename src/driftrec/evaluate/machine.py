"""What a machine is, and what work costs it."""

import os
import platform
from pathlib import Path

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def processor() -> str:
    """The name of the processor, as the system gives it."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


class PeakMemory:
    """Watches how far this process's resident memory grows; on Linux only, elsewhere it knows nothing."""

    def __init__(self) -> None:
        self.before = _resident("VmRSS")

    def start(self) -> None:
        """Forgets earlier peaks."""
        if os.access(_CLEAR, os.W_OK):
            _CLEAR.write_text("5")

    def megabytes(self) -> float | None:
        """Peak since `start`, less what was resident when the watch was made; 10^6 bytes."""
        peak = _resident("VmHWM")
        return None if peak is None or self.before is None else max(peak - self.before, 0) * 1.024e-3


def _resident(field: str) -> int | None:
    """Kibibytes, as Linux reports them."""
    if not _STATUS.is_file():
        return None
    for line in _STATUS.read_text(encoding="ascii").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1])
    return None
