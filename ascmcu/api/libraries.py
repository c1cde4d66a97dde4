# SPDX-License-Identifier: Apache-2.0
"""Make a library of an export's sources: contract, self-test, build file, prefix."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ascmcu import __version__, paths
from ascmcu.api.compiling import Compiled
from ascmcu.boards import Board
from ascmcu.codegen import instances, library, licence, packaging
from ascmcu.codegen.contract import Contract, Measured
from ascmcu.codegen.packaging import cmsis_pack
from ascmcu.codegen.prefix import Renaming, checked
from ascmcu.errors import InputError, ToolError
from ascmcu.features.spec import FeatureSpec
from ascmcu.schedule import Plan
from ascmcu.toolchain import cmsis_dsp, gcc
from ascmcu.toolchain.flags import CORE, LANGUAGE
from ascmcu.toolchain.manifest import Manifest

if TYPE_CHECKING:
    from ascmcu.api.proving import Proven


Format = Literal["firmware", "library", "cmake", "zephyr", "arduino", "platformio", "cmsis-pack", "cube"]


@dataclass(frozen=True)
class Form:
    """How a library is wanted.

    Attributes:
        prefix: of its symbols, macros, files and CMake target; empty for ``model``.
        selftest: with ``selftest.c``.
        instances: what it remembers lies in structs of the caller's, so that tasks can run the same network.
        output: ``library``, or the ecosystem whose package it becomes. ``firmware`` is none.
    """

    prefix: str = ""
    selftest: bool = False
    instances: bool = False
    output: Format = "library"

    def check(self) -> None:
        """Refuse what the output cannot have.

        Raises:
            InputError: a firmware has no prefix and no self-test; the prefix is no name in C.
        """
        options = {
            "--prefix": self.prefix, "--selftest": self.selftest, "--instances": self.instances,
        }  # fmt: skip
        for option, given in options.items():
            if given and self.output == "firmware":
                raise InputError(
                    f"{option} is for a library", found=f"--format {self.output}", hint="add --format library"
                )
        if self.prefix:
            checked(self.prefix)

    def named(self, model: str) -> Form:
        """With a prefix where the output needs one: a package shares its project with others."""
        if self.prefix or self.output in ("firmware", "library"):
            return self
        name = re.sub(r"\W", "_", model, flags=re.ASCII)[:30]
        for prefix in (name, f"{name}_net", f"net_{name}"):
            with contextlib.suppress(InputError):
                return dataclasses.replace(self, prefix=checked(prefix))
        raise AssertionError(name)


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
        ToolError: a self-test is wanted, and the cross compiler that works it out is missing; a package needs
            CMSIS-DSP, and this machine cannot get it.
    """
    form = form.named(compiled.name)
    sources = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.[ch]")}
    proven = _proven(sources, plan, board, optimize, form)
    if proven is not None:
        manifest = dataclasses.replace(
            manifest, ram_bytes=_by_purpose(proven.ram_bytes, plan), flash_bytes=proven.flash_bytes,
            compiler=proven.compiler, flags=" ".join((*CORE, *LANGUAGE, proven.level)),
        )  # fmt: skip
    contract = dataclasses.replace(_contract(manifest, plan, sources, proven), instances=form.instances)
    files = sources | contract.in_headers(sources)
    if form.selftest and proven is not None:
        files |= proven.test.files()
    if form.instances:
        files = instances.in_structs(files)
    files |= library.files(
        compiled.name, compiled.sha256, plan, (manifest.inputs, manifest.outputs),
        (manifest.ram_bytes, manifest.flash_bytes),
        compiled.features, (cmsis_dsp.C_FILES, cmsis_dsp.VERSION), files.values(), prefix=form.prefix,
        selftest=form.selftest, in_structs=form.instances, output=form.output,
        listen_files=[n for n in ("listen.c", "decisions.c") if n in sources],
    )  # fmt: skip
    if form.instances:
        files["README.md"] = instances.told(files["README.md"], files)
    if form.prefix:
        files = Renaming.of(files, form.prefix).library(files)
    if form.output != "library":
        files = _packaged(compiled, files, form)
    for name in sources:
        (folder / name).unlink()
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    if form.output == "cmsis-pack":
        _zip(folder / cmsis_pack.archive(form.prefix), files)
    where = "" if form.output == "library" else packaging.code_folder(form.output, form.prefix)
    return dataclasses.replace(manifest, prefix=form.prefix, instances=form.instances, code=where)


def _by_purpose(ram_bytes: Mapping[str, int], plan: Plan) -> dict[str, int]:
    """RAM by purpose; of an instance, one variable for the linker, the activations by themselves."""
    beside = ram_bytes["activations"] - plan.arena_bytes
    return {**ram_bytes, "activations": plan.arena_bytes, "data": ram_bytes["data"] + beside}


def _packaged(compiled: Compiled, files: Mapping[str, str], form: Form) -> dict[str, str]:
    """The library in the form of its ecosystem."""
    with_dsp = isinstance(compiled.features, FeatureSpec)
    dsp: dict[str, str] = {}
    if with_dsp:
        found = cmsis_dsp.sources()
        stand_in = paths.firmware() / "dsp" / "cmsis_compiler.h"
        dsp = packaging.vendored(found.root, cmsis_dsp.C_FILES, stand_in, files.values())
    texts = licence.files(compiled.name, compiled.sha256, cmsis=with_dsp, firmware=False, vendored=with_dsp)
    package = packaging.Package(
        name=form.prefix,
        title=compiled.name,
        sha256=compiled.sha256,
        tool_version=__version__,
        code={name: text for name, text in files.items() if name.endswith((".c", ".h"))},
        texts=texts,
        dsp=dsp,
    )
    return packaging.FORMATS[form.output](package) | {"README.md": files["README.md"]}


def _zip(archive: Path, files: Mapping[str, str]) -> None:
    """The same bytes for the same files: nothing of the time of day enters."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as made:
        for name, text in sorted(files.items()):
            made.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), text, zipfile.ZIP_DEFLATED)


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
