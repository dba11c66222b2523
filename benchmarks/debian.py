"""Files of Debian packages, without installing them: downloaded with apt-get, unpacked with dpkg-deb."""

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

PROGRAMS = ("apt-get", "dpkg-deb")


def unpacked(packages: Iterable[str], folder: Path) -> dict[str, Path]:
    """Where the files of each package are, below `folder`; those that are not there yet are downloaded.

    Raises SystemExit if a program is missing or a package cannot be had.
    """
    require(PROGRAMS)
    places = {}
    for package in packages:
        places[package] = folder / package
        if not places[package].is_dir():
            _fetch(package, folder)
    return places


def require(programs: Iterable[str], package: str = "") -> None:
    """Raises SystemExit, naming the first program that is not installed and the package that has it."""
    if missing := next((program for program in programs if not shutil.which(program)), None):
        hint = f"apt-get install {package}" if package else "run this on Debian or Ubuntu"
        raise SystemExit(f"{missing} is not installed: {hint}")


def version(package: str) -> str:
    """The version of a package that apt-get would download."""
    shown = subprocess.run(["apt-cache", "show", package], capture_output=True, text=True, check=False).stdout
    return next((line.removeprefix("Version: ") for line in shown.splitlines() if line.startswith("Version: ")), "?")


def _fetch(package: str, folder: Path) -> None:
    scratch = folder / f"{package}.part"
    shutil.rmtree(scratch, ignore_errors=True)
    (scratch / "files").mkdir(parents=True)
    command = ["apt-get", "download", "-q", package]
    done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, check=False)
    archive = next(scratch.glob("*.deb"), None)
    if done.returncode or archive is None:
        said = done.stderr.strip().splitlines()
        raise SystemExit(f"{package} cannot be downloaded ({said[-1] if said else 'no reason given'}): apt-get update")
    subprocess.run(["dpkg-deb", "-x", archive.name, "files"], cwd=scratch, check=True)
    (scratch / "files").replace(folder / package)
    shutil.rmtree(scratch)
