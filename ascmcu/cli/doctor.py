"""``ascmcu doctor``: what this machine has, what it lacks, and the command that installs it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass

import click


@dataclass(frozen=True)
class Finding:
    """One thing to have. ``found`` is its version, None when it is missing; ``needed_for`` says who misses it."""

    name: str
    found: str | None
    needed_for: str
    install: str
    required: bool


def _program(name: str, *arguments: str) -> str | None:
    path = shutil.which(name)
    if path is None:
        return None
    done = subprocess.run([path, *(arguments or ("--version",))], capture_output=True, text=True, check=False)
    lines = (done.stdout or done.stderr).strip().splitlines()
    return lines[0] if lines else path


def _package(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _python() -> str | None:
    return platform.python_version() if sys.version_info >= (3, 11) else None


def _newlib() -> str | None:
    """newlib's small variant, as the firmware links it; the compiler knows where its libraries are."""
    gcc = shutil.which("arm-none-eabi-gcc")
    if gcc is None:
        return None
    flags = ("-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard")
    command = [gcc, *flags, "-print-file-name=libc_nano.a"]
    path = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return "libc_nano.a" if path and path != "libc_nano.a" else None


def _cmsis_dsp() -> str | None:
    from ascmcu.build import cmsis_dsp
    from ascmcu.errors import ToolError

    try:
        there = cmsis_dsp.available()
    except ToolError:
        return None
    return there.version if there else None


def _renode() -> str | None:
    import os

    return _program(os.environ.get("ASCMCU_RENODE", "renode"))


_APT = "sudo apt-get install "
_PIP = f"{sys.executable} -m pip install "
CHECKS: tuple[tuple[str, Callable[[], str | None], str, str, bool], ...] = (
    ("python", _python, "everything (3.11 or newer)", _APT + "python3", True),
    ("gcc", lambda: _program("gcc"), "bench --on host", _APT + "gcc libc6-dev", True),
    ("arm-none-eabi-gcc", lambda: _program("arm-none-eabi-gcc"), "export", _APT + "gcc-arm-none-eabi", True),
    ("newlib", _newlib, "export", _APT + "libnewlib-arm-none-eabi", True),
    (
        "cmsis-dsp",
        _cmsis_dsp,
        "exports with a front end",
        'python -c "from ascmcu.build import cmsis_dsp; cmsis_dsp.sources(1024)"',
        True,
    ),
    ("unicorn", lambda: _package("unicorn"), "bench --on sim", _PIP + "unicorn", True),
    (
        "qemu-system-arm",
        lambda: _program("qemu-system-arm"),
        "bench --on qemu",
        _APT + "qemu-system-arm",
        False,
    ),
    ("tensorflow", lambda: _package("tensorflow"), "train, quantize", _PIP + "tensorflow keras", False),
    ("pyocd", lambda: _package("pyocd"), "flash", _PIP + "pyocd", False),
    ("renode", _renode, "bench --on renode", "a release of github.com/renode/renode", False),
)


def findings() -> list[Finding]:
    """The state of every tool, in the order of ``CHECKS``."""
    return [Finding(name, check(), use, install, need) for name, check, use, install, need in CHECKS]


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Report as JSON on standard output.")
def command(as_json: bool) -> None:
    """Show what this machine has, what it lacks and how to install it.

    Exit status 1 when something is missing that every pipeline needs.
    """
    found = findings()
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in found], indent=2))
    else:
        _show(found)
    if any(finding.required and finding.found is None for finding in found):
        sys.exit(1)


def _show(found: list[Finding]) -> None:
    from rich.console import Console

    console = Console()
    for finding in found:
        if finding.found is not None:
            console.print(f"[green]✓[/] {finding.name:<18} {finding.found}", highlight=False, soft_wrap=True)
            continue
        mark = "[red]✗[/]" if finding.required else "[yellow]–[/]"
        console.print(f"{mark} {finding.name:<18} missing, for {finding.needed_for}", highlight=False)
        console.print(f"  {'':<18} {finding.install}", highlight=False, soft_wrap=True, markup=False)
