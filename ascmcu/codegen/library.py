# SPDX-License-Identifier: Apache-2.0
"""Files that turn the generated sources into a C library: headers, a build file, and instructions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ascmcu import __version__, paths
from ascmcu.codegen.packaging.cmsis_pack import archive
from ascmcu.features.spec import FeatureSpec, Spec
from ascmcu.jinja import render
from ascmcu.schedule.plan import Plan

_INCLUDE = re.compile(r'^#include "([^"]+)"', re.MULTILINE)
_C_TYPES = {"int8": "int8_t", "uint8": "uint8_t", "float32": "float", "int32": "int32_t"}


class End(Protocol):
    """An input or output as a caller sees it (a manifest's TensorSpec)."""

    @property
    def dtype(self) -> str:
        """NumPy's name of the element type."""

    @property
    def rows(self) -> int:
        """How many rows are pushed, those of all sweeps."""

    @property
    def permutation(self) -> Sequence[int]:
        """Axes by which a caller's array is transposed before it is cut into rows."""

    @property
    def sweeps(self) -> Sequence[int]:
        """Where the columns begin that are pushed each time, for an input that is pushed several times."""

    @property
    def sweep_columns(self) -> int:
        """How many columns are pushed each time."""


def files(
    name: str,
    sha256: str,
    plan: Plan,
    ends: tuple[Sequence[End], Sequence[End]],
    sizes: tuple[Mapping[str, int], Mapping[str, int]],
    features: Spec | None,
    cmsis: tuple[tuple[str, ...], str],
    sources: Iterable[str],
    *,
    prefix: str = "",
    selftest: bool = False,
    in_structs: bool = False,
    output: str = "library",
    listen_files: Sequence[str] = (),
) -> dict[str, str]:
    """Contents by file name: the kernels' headers that are included, ``CMakeLists.txt`` and ``README.md``.

    Args:
        name: the model's name; its C identifier names the CMake target.
        sha256: of the model file.
        plan: what ``model.c`` was rendered from.
        ends: the inputs and the outputs as a caller sees them.
        sizes: RAM and flash in bytes by purpose, as the manifest has them.
        features: the front end that is part of the library, if any.
        cmsis: CMSIS-DSP's source files that the front end needs, and the version that was tested.
        sources: the generated C, whose headers go into the library.
        prefix: of its names, which the CMake target then has.
        selftest: ``selftest.c`` is part of it.
        in_structs: what it remembers lies in structs of the caller's.
        output: ``library``, or the packaging that the files will get.
        listen_files: sources of a network that listens.
    """
    found = headers(sources)
    target = prefix or re.sub(r"\W", "_", name)
    inputs, outputs = ends
    transposed = list(inputs[0].permutation) != sorted(inputs[0].permutation)
    needed = cmsis[0] if isinstance(features, FeatureSpec) else ()
    context = {
        "name": name, "target": target if target[:1].isalpha() else f"model_{target}", "sha256": sha256,
        "tool_version": __version__, "frontend": features is not None, "cmsis_files": needed,
        "selftest": selftest, "instances": in_structs, "listen_files": listen_files,
        "cmsis_dsp": cmsis[1], "inputs": inputs, "outputs": outputs,
        "transposed": transposed,
        "sweep_rows": inputs[0].rows // max(len(inputs[0].sweeps), 1), "headers": sorted(found),
        "in_float": any(layer.node.op.kind().startswith("float_") for layer in plan.layers),
        "output_type": _C_TYPES.get(outputs[0].dtype, "void"), "ram_bytes": plan.arena_bytes,
        "weights_bytes": sizes[1]["weights"],
        "ram": sizes[0], "ram_parts": _parts(sizes[0]), "flash": sizes[1], "macs": plan.graph.macs,
        "state_bytes": plan.graph.state_bytes, "layers": len(plan.running), "schedule": plan.mode,
        "sample_rate_hz": features.sample_rate_hz if features else 0,
        "channels": features.channels if features else "", "clip_samples": features.clip_samples if features else 0,
        "step_samples": features.step_samples if features and features.continues else 0,
    }  # fmt: skip
    if isinstance(features, FeatureSpec) and output == "library":
        found["cmsis/cmsis_compiler.h"] = (paths.firmware() / "dsp" / "cmsis_compiler.h").read_text(
            encoding="utf-8"
        )
    if output == "library":
        found["CMakeLists.txt"] = render("CMakeLists.txt.j2", **context)
    found["README.md"] = render(
        "README.md.j2", **context, output=output, package=_Named(prefix), archive=archive(prefix)
    )
    return found


def _parts(ram_bytes: Mapping[str, int]) -> str:
    """What the RAM is for, in words; the parts add up to the total."""
    named = {"activations": "activations", "features": "the front end", "data": "variables"}
    used = {part: size for part, size in ram_bytes.items() if size and part != "total"}
    return ", ".join(f"{size} of {named.get(part, part)}" for part, size in used.items())


@dataclass(frozen=True)
class _Named:
    """A package as far as its page tells of it."""

    name: str


def headers(sources: Iterable[str]) -> dict[str, str]:
    """The kernels' headers that C sources include, directly or through each other, by file name."""
    found: dict[str, str] = {}
    waiting = list(sources)
    while waiting:
        for name in _INCLUDE.findall(waiting.pop()):
            path = paths.firmware() / "kernels" / name
            if name not in found and path.is_file():
                found[name] = path.read_text(encoding="utf-8")
                waiting.append(found[name])
    return found
