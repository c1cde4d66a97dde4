# SPDX-License-Identifier: Apache-2.0
"""The program that runs a library's self-tests on a bare Cortex-M (firmware/harness/prove.c)."""

from __future__ import annotations

import concurrent.futures
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from elftools.elf.elffile import ELFFile

from ascmcu import paths
from ascmcu.codegen import instances
from ascmcu.errors import BuildError
from ascmcu.toolchain import cmsis_dsp
from ascmcu.toolchain.flags import CORE
from ascmcu.toolchain.gcc import find_tool
from ascmcu.toolchain.harness import FLAGS, Harness, compiled, linked

_CYCLES = "-DPROVE_CYCLES"
# Sections of a library's objects by what the report calls them; the first that fits counts.
_FLASH = (
    (".text", "code"), (".rodata.weights", "weights"), (".rodata.features", "feature_tables"),
    (".rodata.twiddle", "dsp_tables"), (".rodata.armBitRev", "dsp_tables"), ("", "constants"),
)  # fmt: skip
_RAM = (
    (".bss.model", "activations"), (".bss.the_model", "activations"), (".bss.frontend", "features"),
    (".bss.the_frontend", "features"), ("", "data"),
)  # fmt: skip
_ALLOCATED = 0x2  # SHF_ALLOC


@dataclass(frozen=True)
class Proof:
    """A linked image, and what the library takes in it by purpose; what it calls of the C library is not counted."""

    image: Harness
    ram_bytes: dict[str, int]
    flash_bytes: dict[str, int]


def write_single(folder: Path) -> Path:
    """A folder within ``folder`` whose headers give a program that knows no instances one of each; empty where the
    library has none."""
    one = folder / "one"
    one.mkdir(exist_ok=True)
    headers = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.h")}
    if instances.functions(headers):
        for name, text in instances.single(headers).items():
            begin = f'#include "../{name}"\n' if name.endswith(".h") else ""
            (one / name).write_text(f"{begin}{text}", encoding="utf-8")
    return one


def own_source(folder: Path, name: str) -> Path:
    """A file of the library, or the one that makes its instance."""
    return folder / "one" / name if (folder / "one" / name).is_file() else folder / name


def build_proof(folder: Path, level: str) -> Proof:
    """Compile a library's sources and the program that proves them, for the cycle model.

    Args:
        folder: holds ``model.c``, ``selftest.c``, their headers, and ``frontend.c`` where there is a front end; the
            image is put there.
        level: the compiler's level of optimisation.

    Raises:
        ToolError: no cross compiler, or no CMSIS-DSP for a front end that needs it.
        BuildError: it failed; its output is in the error.
    """
    home = paths.firmware() / "harness"
    frontend = (folder / "frontend.c").is_file()
    with_dsp = frontend and cmsis_dsp.needed_by((folder / "frontend.h").read_text(encoding="utf-8"))
    dsp = cmsis_dsp.sources() if with_dsp else cmsis_dsp.NOTHING
    one = write_single(folder)
    includes = [f"-I{p}" for p in (one, folder, home, paths.firmware() / "kernels")]
    includes += [f"-isystem{p}" for p in dsp.include_dirs]
    flags = [*FLAGS, level, _CYCLES, *(["-DPROVE_FRONTEND"] if frontend else []), *includes]
    own = [
        own_source(folder, name)
        for name in ("model.c", "frontend.c", "selftest.c")
        if (folder / name).is_file()
    ]
    units = [(source, flags) for source in (*own, home / "prove.c", home / "start.c")]
    # Third-party code is compiled as its makers do; its warnings are not ours to mend.
    units += [(Path(source), [*flags, "-w"]) for source in dsp.c_files]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        objects = list(pool.map(lambda unit: compiled(unit[0], unit[1], folder / f"{unit[0].stem}.o"), units))
    library = [
        o
        for o, (source, _) in zip(objects, units, strict=True)
        if home not in source.parents and source.stem != "selftest"
    ]
    return Proof(linked(objects, folder / "proof.elf"), *_sizes(folder, library))


def _sizes(folder: Path, objects: Sequence[Path]) -> tuple[dict[str, int], dict[str, int]]:
    """RAM and flash of the objects as far as the library's functions reach them; one instance where it has such."""
    headers = "".join(
        (folder / f"{name}.h").read_text(encoding="utf-8")
        for name in ("model", "frontend")
        if (folder / f"{name}.h").is_file()
    )
    roots = sorted(
        set(re.findall(r"^[\w *]*?\b((?:model|frontend)_\w+)\([^;{}]*\);$", headers, re.MULTILINE))
    )
    instances_of = [
        f"the_{name}" for name in ("model", "frontend") if (folder / "one" / f"{name}.c").is_file()
    ]
    whole = folder / "library.o"
    gcc = find_tool("arm-none-eabi-gcc", "gcc-arm-none-eabi libnewlib-arm-none-eabi")
    command = [
        gcc,
        *CORE,
        "-r",
        "-nostdlib",
        "-Wl,--gc-sections",
        *(f"-Wl,-u,{r}" for r in (*roots, *instances_of)),
    ]
    done = subprocess.run(
        [*command, *map(str, objects), "-o", str(whole)],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise BuildError("the library cannot be linked", where=whole.name, details=done.stderr)
    ram, flash = (
        dict.fromkeys(["total", *(n for _, n in _RAM)], 0),
        dict.fromkeys(["total", *(n for _, n in _FLASH)], 0),
    )
    with whole.open("rb") as file:
        for section in ELFFile(file).iter_sections():
            if section["sh_flags"] & _ALLOCATED:
                writable = bool(section["sh_flags"] & 1)
                for parts, names, counts in (
                    (ram, _RAM, writable),
                    (flash, _FLASH, section["sh_type"] != "SHT_NOBITS"),
                ):
                    if counts:
                        name = next(n for begin, n in names if section.name.startswith(begin))
                        parts[name] += int(section["sh_size"])
                        parts["total"] += int(section["sh_size"])
    return ram, flash
