# SPDX-License-Identifier: Apache-2.0
"""A network alone in a minimal image, for comparisons."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from elftools.elf.elffile import ELFFile

from ascmcu import paths
from ascmcu.toolchain.flags import CORE, LANGUAGE, WARNINGS
from ascmcu.toolchain.gcc import find_tool, refused, strict

FLAGS = (
    *CORE, *LANGUAGE, "-ffunction-sections", "-fdata-sections", *WARNINGS,
)  # fmt: skip
LEVEL = "-O2"
_LINK = ("-nostartfiles", "--specs=nano.specs", "-Wl,--gc-sections", "-Wl,--no-warn-rwx-segments")


@dataclass(frozen=True)
class Harness:
    """A linked image; ``flash_bytes`` is code, constants and initial data, ``static_ram_bytes`` all but the stack."""

    elf: Path
    flash_bytes: int
    static_ram_bytes: int


def build_harness(folder: Path, *, profile: bool = False, level: str = LEVEL) -> Harness:
    """Compile ``model.c`` of ``folder`` with the harness.

    Args:
        folder: holds ``model.c`` and ``model.h``; the image is put there.
        profile: count cycles per layer too, which costs a few cycles per row.
        level: the compiler's level of optimisation.

    Raises:
        ToolError: no cross compiler.
        BuildError: it failed; its output is in the error.
    """
    gcc = find_tool("arm-none-eabi-gcc", "gcc-arm-none-eabi libnewlib-arm-none-eabi")
    home = paths.firmware() / "harness"
    elf = folder / ("harness-profile.elf" if profile else "harness.elf")
    defines = (
        ['-DMODEL_CYCLES_HEADER="harness_cycles.h"', "-include", str(home / "harness_cycles.h")]
        if profile
        else []
    )
    includes = [f"-I{p}" for p in (folder, home, paths.firmware() / "kernels")]
    sources = [str(folder / "model.c"), str(home / "harness.c")]
    command = [
        gcc,
        *FLAGS,
        level,
        *strict(),
        *_LINK,
        *defines,
        *includes,
        *sources,
        "-T",
        str(home / "harness.ld"),
        "-o",
        str(elf),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise refused(gcc, folder / "model.c", done.stderr)
    with elf.open("rb") as file:
        sizes = {s.name: int(s["sh_size"]) for s in ELFFile(file).iter_sections()}
    data = sizes.get(".data", 0)
    return Harness(elf, sizes[".text"] + data, data + sizes.get(".bss", 0))
