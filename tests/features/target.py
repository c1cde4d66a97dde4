# SPDX-License-Identifier: Apache-2.0
"""Builds a front end into a bare-metal Cortex-M4 program, with the PCM of one clip linked in."""

from __future__ import annotations

import atexit
import functools
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pytest

from ascmcu import paths
from ascmcu.codegen.frontend import render_frontend
from ascmcu.features.pcm import Pcm
from ascmcu.features.spec import FeatureSpec, Spec
from ascmcu.toolchain import cmsis_dsp
from ascmcu.toolchain.flags import CORE, LANGUAGE, WARNINGS

GCC = "arm-none-eabi-gcc"
QEMU = "qemu-system-arm"
needs_gcc = pytest.mark.skipif(shutil.which(GCC) is None, reason=f"{GCC} is not installed")
needs_qemu = pytest.mark.skipif(shutil.which(QEMU) is None, reason=f"{QEMU} is not installed")

_HERE = Path(__file__).resolve().parent
_FLAGS = (
    *CORE,
    *(*LANGUAGE, "-ffunction-sections", "-fdata-sections"),
)
_WARNINGS = (*WARNINGS, "-Werror")
# The memory of QEMU's mps2-an386, and that of a board with its flash's wait states, whose name is that of sim.
MEMORIES = {
    "": "code (rx) : ORIGIN = 0, LENGTH = 4M  data (rw) : ORIGIN = 0x20000000, LENGTH = 1M",
    "nucleo-f446": "code (rx) : ORIGIN = 0x08000000, LENGTH = 512K  data (rw) : ORIGIN = 0x20000000, LENGTH = 128K",
}
_SCRIPT = """
MEMORY { %s }
SECTIONS {
  .text : { KEEP(*(.vectors)) *(.text*) *(.rodata*) . = ALIGN(4); pcm = .; KEEP(*(.pcm)) pcm_end = .; } > code
  .data : { *(.data*) } > data AT > code
  .bss : { bss_start = .; *(.bss*) *(COMMON) . = ALIGN(4); bss_end = .; } > data
  stack_top = ORIGIN(data) + LENGTH(data);
}
"""


def build(
    folder: Path,
    spec: Spec,
    pcm: Pcm,
    *,
    scale: float,
    zero_point: int,
    dtype: str,
    level: str = "-O2",
    board: str = "",
) -> Path:
    """The program for ``spec`` and one clip, in the memory of ``board``."""
    for name, text in render_frontend(spec, scale, zero_point, dtype).items():
        (folder / name).write_text(text)
    (folder / "target.ld").write_text(_SCRIPT % MEMORIES[board])
    np.ascontiguousarray(pcm, "<i2").tofile(folder / "pcm.bin")
    (folder / "pcm.s").write_text(f'.section .pcm, "a"\n.incbin "{folder / "pcm.bin"}"\n')
    fft = isinstance(spec, FeatureSpec)  # the integer one needs no library
    includes = [*_includes(), f"-I{folder}", f"-I{_HERE}"]
    profiled = '-DMODEL_CYCLES_HEADER="target.h"'
    objects = _fft_objects(level) if fft else []
    for source in (folder / "frontend.c", _HERE / "target.c", folder / "pcm.s"):
        objects.append(folder / f"{source.stem}.o")
        extra = _WARNINGS if source.stem == "frontend" else ()
        _run([GCC, *_FLAGS, level, *extra, *includes, profiled, "-c", str(source), "-o", str(objects[-1])])
    elf = folder / "target.elf"
    link = ["-nostartfiles", "--specs=nano.specs", "-Wl,--gc-sections", f"-Wl,-T,{folder / 'target.ld'}"]
    _run([GCC, *_FLAGS, *link, *map(str, objects), "-lm", "-o", str(elf)])
    return elf


def _includes() -> list[str]:
    """Where a front end finds the headers of CMSIS-DSP and of the kernels."""
    dsp = [f"-isystem{p}" for p in cmsis_dsp.sources().include_dirs]
    return [*dsp, f"-I{paths.firmware() / 'kernels'}"]


def _fft_objects(level: str) -> list[Path]:
    """CMSIS-DSP's part, compiled once in a session."""
    folder, dsp = _scratch(level), cmsis_dsp.sources()
    objects = [folder / f"{source.stem}.o" for source in dsp.c_files]
    for source, to in zip(dsp.c_files, objects, strict=True):
        if not to.is_file():
            includes = [f"-isystem{p}" for p in dsp.include_dirs]
            _run([GCC, *_FLAGS, level, *includes, "-c", str(source), "-o", str(to)])
    return objects


@functools.cache
def _scratch(level: str) -> Path:
    folder = Path(tempfile.mkdtemp(prefix=f"ascmcu-target{level}-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def on_qemu(elf: Path) -> dict[str, int]:
    """What the program prints on QEMU; its cycle counter stands still there."""
    done = subprocess.run(
        [
            *(QEMU, "-M", "mps2-an386", "-display", "none", "-monitor", "none", "-serial", "none"),
            *("-semihosting-config", "enable=on,target=native", "-kernel", str(elf)),
        ],
        capture_output=True,
        timeout=1800,  # of a hang
        check=False,
    )
    return parsed(done.stdout + done.stderr)


def on_sim(elf: Path, board: str = "", wait_states: int = 0) -> dict[str, int]:
    """What the program prints on the cycle model."""
    from ascmcu.sim import session

    return parsed(session.run(elf, board=board or None, wait_states=wait_states).console)


def parsed(console: bytes) -> dict[str, int]:
    """``name hex`` lines."""
    lines = [line.split() for line in console.decode().splitlines()]
    return {name: int(value, 16) for name, value in lines}


def fnv1a(data: bytes) -> int:
    """The hash that the program prints."""
    value = 2166136261
    for byte in data:
        value = ((value ^ byte) * 16777619) & 0xFFFFFFFF
    return value


def compiled(folder: Path) -> tuple[dict[str, int], set[str]]:
    """Section sizes of ``folder/frontend.c`` compiled for the target, and the symbols that it needs."""
    includes = _includes()
    out = folder / "frontend.o"
    _run([GCC, *_FLAGS, "-O2", *_WARNINGS, *includes, "-c", str(folder / "frontend.c"), "-o", str(out)])
    lines = [line.split() for line in _run(["arm-none-eabi-size", "-A", str(out)]).splitlines()]
    sizes = {words[0]: int(words[1]) for words in lines if words and words[0].startswith(".")}
    symbols = _run(["arm-none-eabi-nm", "-u", str(out)]).split()
    return sizes, {symbol for symbol in symbols if symbol != "U"}
