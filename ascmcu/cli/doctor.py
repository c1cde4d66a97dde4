# SPDX-License-Identifier: Apache-2.0
"""``ascmcu doctor``: which programs are installed, and the commands that install the others."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass

import click

from ascmcu import extras
from ascmcu.errors import ToolError

_PYTHON_MIN = (3, 11)
# The firmware is C11 with what GCC 10 warns of and not less.
_GCC_MIN = 10
_ROOM_MIN_BYTES = 500_000_000


@dataclass(frozen=True)
class Finding:
    """One thing to have. ``found`` is its version, None when it is missing; ``needed_for`` says who misses it."""

    name: str
    found: str | None
    needed_for: str
    install: str
    required: bool


@dataclass(frozen=True)
class Check:
    """How to look for one thing; ``look`` gives a version, or None."""

    name: str
    look: Callable[[], str | None]
    needed_for: str
    install: str
    required: bool = False


def _program(name: str, *arguments: str) -> str | None:
    path = shutil.which(name)
    if path is None:
        return None
    from ascmcu.errors import ToolError
    from ascmcu.toolchain.program import first_line

    try:
        return first_line([path, *(arguments or ("--version",))]) or path
    except ToolError:  # it hangs, or is no program
        return None


def _gcc(name: str) -> str | None:
    """The compiler's first line, if it is new enough."""
    major = (_program(name, "-dumpversion") or "").partition(".")[0]
    return _program(name) if major.isdecimal() and int(major) >= _GCC_MIN else None


def _package(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _python() -> str | None:
    return platform.python_version() if sys.version_info >= _PYTHON_MIN else None


def _name(requirement: str) -> str:
    return re.split(r"[\s<>=!~\[]", requirement, maxsplit=1)[0]


def _own_packages() -> str | None:
    """Whether everything that the package itself depends on is there; how many they are."""
    names = [_name(line) for line in extras.requirements()]
    return f"{len(names)} of {len(names)}" if names and all(_package(name) for name in names) else None


def _extra(name: str) -> Callable[[], str | None]:
    """Whether all packages of an extra are there, with their versions."""

    def look() -> str | None:
        found = {_name(line): _package(_name(line)) for line in extras.requirements(name)}
        versions = [f"{package} {version}" for package, version in found.items() if version]
        return ", ".join(versions) if versions and len(versions) == len(found) else None

    return look


def _litert() -> str | None:
    """LiteRT alone, or within TensorFlow."""
    return _package("ai-edge-litert") or _package("tensorflow")


def _sound() -> str | None:
    """libsndfile comes with the soundfile package on most machines, and not on some."""
    try:
        import soundfile
    except (ImportError, OSError):
        return None
    return str(soundfile.__libsndfile_version__)


def _newlib() -> str | None:
    """newlib's small variant, as the firmware links it; the compiler knows where its libraries are."""
    gcc = shutil.which("arm-none-eabi-gcc")
    if gcc is None:
        return None
    flags = ("-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard")
    command = [gcc, *flags, "-print-file-name=libc_nano.a"]
    path = subprocess.run(
        command, capture_output=True, encoding="utf-8", errors="replace", check=False
    ).stdout.strip()
    return "libc_nano.a" if path and path != "libc_nano.a" else None


def _cmsis_dsp() -> str | None:
    from ascmcu.toolchain import cmsis_dsp

    try:
        there = cmsis_dsp.available()
    except ToolError:
        return None
    return there.version if there else None


def _cache() -> str | None:
    """The cache, or the nearest folder above it that exists, must be writable and have room."""
    from ascmcu import paths

    folder = paths.cache()
    place = next((p for p in (folder, *folder.parents) if p.is_dir()), None)
    if place is None or not os.access(place, os.W_OK):
        return None
    free = shutil.disk_usage(place).free
    return f"{folder}, {free / 1e9:.0f} GB free" if free >= _ROOM_MIN_BYTES else None


def _usb_ports() -> list[str]:
    """Serial ports that hang on USB: a PC's own have no board behind them."""
    try:
        from serial.tools import list_ports
    except ImportError:
        return []
    return sorted(port.device for port in list_ports.comports() if port.vid is not None)


def _ports() -> str | None:
    return ", ".join(_usb_ports()) or None


def _may_open_ports() -> str | None:
    """Whether this user may open the ports that are there; without any, whether the group is right that has them."""
    ports = _usb_ports()
    if ports:
        closed = [port for port in ports if not os.access(port, os.R_OK | os.W_OK)]
        return None if closed else "may open " + ", ".join(ports)
    if os.name != "posix" or sys.platform == "darwin" or os.geteuid() == 0:
        return "not restricted for this user"
    import grp

    mine = {group.gr_name for group in grp.getgrall() if group.gr_gid in os.getgroups()}
    return f"group {', '.join(sorted(mine & _PORT_GROUPS))}" if mine & _PORT_GROUPS else None


def _probes() -> str | None:
    """Debug probes and boot loader drives, as far as the installed tools can tell."""
    from ascmcu.flash import base

    found = [f"{name} {probe}" for name in base.names() for probe in base.create(name).probes()]
    return ", ".join(found) or None


def _flash_tools() -> str | None:
    """Programs that can write a chip."""
    from ascmcu.flash import base

    found = [name for name in base.names() if base.create(name).found() is not None]
    return ", ".join(found) or None


def _renode() -> str | None:
    """Renode's version, if it is there and new enough."""
    from ascmcu.errors import ToolError
    from ascmcu.runners.renode import find_renode, renode_version

    try:
        return renode_version(find_renode())
    except ToolError:
        return None


_APT = "sudo apt-get install "
_PORT_GROUPS = {"dialout", "uucp"}
_CACHE = f"ASCMCU_CACHE=FOLDER names another; {_ROOM_MIN_BYTES // 10**6} MB are wanted"
CHECKS: tuple[Check, ...] = (
    Check("python", _python, "everything (3.11 or newer)", _APT + "python3", True),
    Check("packages", _own_packages, "everything", extras.PIP + "the wheel, or the checkout, again", True),
    Check("libsndfile", _sound, "recordings", _APT + "libsndfile1", True),
    Check("cache", _cache, "fetched sources, tuned kernels", _CACHE, True),
    Check("gcc", lambda: _gcc("gcc"), "bench --on host", _APT + "gcc libc6-dev", True),
    Check("arm-none-eabi-gcc", lambda: _gcc("arm-none-eabi-gcc"), "export", _APT + "gcc-arm-none-eabi", True),
    Check(
        "objcopy", lambda: _program("arm-none-eabi-objcopy"), "export", _APT + "binutils-arm-none-eabi", True
    ),
    Check("newlib", _newlib, "export", _APT + "libnewlib-arm-none-eabi", True),
    Check(
        "cmsis-dsp", _cmsis_dsp, "exports with a front end",
        'python -c "from ascmcu.toolchain import cmsis_dsp; cmsis_dsp.sources()"', True,
    ),
    Check("unicorn", lambda: _package("unicorn"), "bench --on sim", extras.PIP + "unicorn", True),
    Check("qemu-system-arm", lambda: _program("qemu-system-arm"), "bench --on qemu", _APT + "qemu-system-arm"),
    Check("renode", _renode, "bench --on renode", "a release of github.com/renode/renode, 1.16.1 or newer"),
    Check("flash tools", _flash_tools, "flash", extras.install("flash")),
    Check("debug probes", _probes, "flash", "connect a board; on Linux the probe's udev rules must be installed"),
    Check("serial ports", _ports, "bench --serial", "connect a board with a data cable"),
    Check("port access", _may_open_ports, "bench --serial", "sudo usermod -aG dialout $USER and log in again"),
    Check("training", _extra("train"), "train", extras.install("train")),
    Check("quantizing", _extra("quantize"), "quantize", extras.install("quantize")),
    Check("searching", _extra("tune"), "tune", extras.install("tune")),
    Check("numba", lambda: _package("numba"), "a fast simulator", extras.install("fast")),
    Check("librosa", _extra("features"), "features check", extras.install("features")),
    Check("litert", _litert, "the comparison of try with LiteRT", extras.install("litert")),
    Check("matplotlib", lambda: _package("matplotlib"), "compare --pareto FILE.png", extras.PIP + "matplotlib"),
)  # fmt: skip


def findings() -> list[Finding]:
    """The state of every tool, in the order of ``CHECKS``."""
    return [Finding(c.name, c.look(), c.needed_for, c.install, c.required) for c in CHECKS]


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(as_json: bool) -> None:
    """Show which programs and libraries are installed, and how to install the others.

    Exit status 2 when something is missing that every pipeline needs.
    """
    found = findings()
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in found], indent=2))
    else:
        _show(found)
    if any(finding.required and finding.found is None for finding in found):
        sys.exit(ToolError.exit_status)


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
    missing = [finding for finding in found if finding.found is None]
    if not any(finding.required for finding in missing):
        optional = f"; without: {', '.join(f.needed_for for f in missing)}" if missing else ""
        console.print(f"ready for export, bench and report{optional}", highlight=False, soft_wrap=True)
