# SPDX-License-Identifier: Apache-2.0
"""The program that runs a library's self-tests on a bare Cortex-M (firmware/harness/prove.c)."""

from __future__ import annotations

import concurrent.futures
from pathlib import Path

from ascmcu import paths
from ascmcu.codegen import instances
from ascmcu.toolchain import cmsis_dsp
from ascmcu.toolchain.harness import FLAGS, Harness, compiled, linked

_CYCLES = "-DPROVE_CYCLES"


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


def build_proof(folder: Path, level: str) -> Harness:
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
    return linked(objects, folder / "proof.elf")
