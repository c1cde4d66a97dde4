# SPDX-License-Identifier: Apache-2.0
"""Make a library of an export's sources: contract, self-test, build file, prefix."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ascmcu.api.compiling import Compiled
from ascmcu.boards import Board
from ascmcu.codegen import instances, library
from ascmcu.codegen.contract import Contract, Measured
from ascmcu.codegen.prefix import Renaming, checked
from ascmcu.errors import InputError, ToolError
from ascmcu.schedule import Plan
from ascmcu.toolchain import cmsis_dsp, gcc
from ascmcu.toolchain.manifest import Manifest

if TYPE_CHECKING:
    from ascmcu.api.proving import Proven


@dataclass(frozen=True)
class Form:
    """How a library is wanted.

    Attributes:
        prefix: of its symbols, macros, files and CMake target; empty for ``model``.
        selftest: with ``selftest.c``.
        instances: what it remembers lies in structs of the caller's, so that tasks can run the same network.
    """

    prefix: str = ""
    selftest: bool = False
    instances: bool = False

    def check(self, output: str) -> None:
        """Refuse what the output cannot have.

        Raises:
            InputError: a firmware has no prefix and no self-test; the prefix is no name in C.
        """
        options = {
            "--prefix": self.prefix, "--selftest": self.selftest, "--instances": self.instances,
        }  # fmt: skip
        for option, given in options.items():
            if given and output != "library":
                raise InputError(
                    f"{option} is for a library", found=f"--format {output}", hint="add --format library"
                )
        if self.prefix:
            checked(self.prefix)


def write_library(
    compiled: Compiled,
    plan: Plan,
    manifest: Manifest,
    folder: Path,
    board: Board,
    optimize: gcc.Optimize,
    form: Form,
) -> Manifest:
    """Write what makes the sources of ``folder`` stand alone; the manifest that knows of it.

    Raises:
        ToolError: a self-test is wanted, and the cross compiler that works it out is missing.
    """
    sources = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.[ch]")}
    proven = _proven(sources, plan, board, optimize, form)
    contract = dataclasses.replace(_contract(manifest, plan, sources, proven), instances=form.instances)
    files = sources | contract.in_headers(sources)
    if form.selftest and proven is not None:
        files |= proven.test.files()
    if form.instances:
        files = instances.in_structs(files)
    files |= library.files(
        compiled.name, compiled.sha256, plan, (manifest.inputs, manifest.outputs), manifest.flash_bytes["weights"],
        compiled.features, (cmsis_dsp.C_FILES, cmsis_dsp.VERSION), files.values(), prefix=form.prefix,
        selftest=form.selftest, in_structs=form.instances,
        listen_files=[n for n in ("listen.c", "decisions.c") if n in sources],
    )  # fmt: skip
    if form.instances:
        files["README.md"] = instances.told(files["README.md"], files)
    if form.prefix:
        files = Renaming.of(files, form.prefix).library(files)
    for name in sources:
        (folder / name).unlink()
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    return dataclasses.replace(manifest, prefix=form.prefix, instances=form.instances)


def _proven(
    sources: dict[str, str], plan: Plan, board: Board, optimize: gcc.Optimize, form: Form
) -> Proven | None:
    """What a run of the self-tests found; nothing without a compiler, which only a self-test needs."""
    # The simulator takes as long to import as a firmware's export takes as a whole.
    from ascmcu.api.proving import prove

    try:
        return prove(sources, plan, board, optimize, in_structs=form.instances)
    except ToolError:
        if form.selftest:
            raise
        return None


def _contract(manifest: Manifest, plan: Plan, sources: dict[str, str], proven: Proven | None) -> Contract:
    figures = None
    if proven is not None:
        figures = Measured(
            proven.stack_bytes, proven.frontend_stack_bytes, proven.push_cycles, proven.conditions
        )
    return Contract(
        inputs=manifest.inputs,
        outputs=manifest.outputs,
        has_states=bool(plan.graph.states),
        code=sources["model.c"] + sources.get("frontend.c", ""),
        figures=figures,
    )
