# SPDX-License-Identifier: Apache-2.0
"""A network alone in a minimal image, for comparisons."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from elftools.elf.elffile import ELFFile

from ascmcu import paths
from ascmcu.toolchain.flags import CORE, LANGUAGE, WARNINGS
from ascmcu.toolchain.gcc import find_tool, refused, strict

FLAGS = (
    *CORE, *LANGUAGE, "-ffunction-sections", "-fdata-sections", *WARNINGS,
)  # fmt: skip
LEVEL = "-O2"
Weights = Literal["flash", "ram"]
_LINK = ("-nostartfiles", "--specs=nano.specs", "-Wl,--gc-sections", "-Wl,--no-warn-rwx-segments")


@dataclass(frozen=True)
class Harness:
    """A linked image; ``flash_bytes`` is code, constants and initial data, ``static_ram_bytes`` all but the stack."""

    elf: Path
    flash_bytes: int
    static_ram_bytes: int


def build_harness(
    folder: Path, *, profile: bool = False, level: str = LEVEL, weights: Weights = "flash"
) -> Harness:
    """Compile ``model.c`` of ``folder`` with the harness.

    Args:
        folder: holds ``model.c`` and ``model.h``; the image is put there.
        profile: count cycles per layer too, which costs a few cycles per row.
        level: the compiler's level of optimisation.
        weights: the memory that the network reads its constants from.

    Raises:
        ToolError: no cross compiler.
        BuildError: it failed; its output is in the error.
    """
    return link_harness(folder, compile_harness(folder, profile=profile, level=level), weights)


def compile_harness(folder: Path, *, profile: bool = False, level: str = LEVEL) -> tuple[Path, ...]:
    """The objects of ``build_harness``, which do not depend on where the weights lie."""
    home = paths.firmware() / "harness"
    counting = ('-DMODEL_CYCLES_HEADER="harness_cycles.h"',)
    includes = [f"-I{p}" for p in (folder, home, paths.firmware() / "kernels")]
    flags = [*FLAGS, level, *(counting if profile else ()), *includes]
    suffix = "-profile.o" if profile else ".o"
    sources = (folder / "model.c", home / "harness.c", home / "start.c")
    return tuple(compiled(source, flags, folder / f"{source.stem}{suffix}") for source in sources)


def link_harness(folder: Path, objects: Sequence[Path], weights: Weights = "flash") -> Harness:
    """The image of compiled objects."""
    name = f"{objects[0].stem.replace('model', 'harness')}{'' if weights == 'flash' else '-ram'}.elf"
    return linked(objects, folder / name, weights)


def compiled(source: Path, flags: Sequence[str], to: Path) -> Path:
    """The object file of one source.

    Raises:
        ToolError: no cross compiler.
        BuildError: it failed; its output is in the error.
    """
    _run([*flags, *strict(), "-c", str(source), "-o", str(to)], source)
    return to


def linked(objects: Sequence[Path], elf: Path, weights: Weights = "flash") -> Harness:
    """The image of any objects with a start of their own, in a part that is large enough."""
    (elf.parent / "weights.ld").write_text(f'REGION_ALIAS("WEIGHTS", {weights})\n', encoding="utf-8")
    script = paths.firmware() / "harness" / "harness.ld"
    places = [f"-L{elf.parent}", "-T", str(script), "-o", str(elf)]
    _run([*CORE, *_LINK, *map(str, objects), *places], elf)
    with elf.open("rb") as file:
        sizes = {s.name: int(s["sh_size"]) for s in ELFFile(file).iter_sections()}
    copied = sizes.get(".data", 0)
    flash_bytes = copied + sum(sizes.get(name, 0) for name in (".text", ".weights", ".rodata"))
    copied += sizes.get(".weights", 0) if weights == "ram" else 0
    return Harness(elf, flash_bytes, copied + sizes.get(".bss", 0))


def _run(arguments: Sequence[str], source: Path) -> None:
    gcc = find_tool("arm-none-eabi-gcc", "gcc-arm-none-eabi libnewlib-arm-none-eabi")
    done = subprocess.run(
        [gcc, *arguments], capture_output=True, encoding="utf-8", errors="replace", check=False
    )
    if done.returncode != 0:
        raise refused(gcc, source, done.stderr)
