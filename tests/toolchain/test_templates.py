# SPDX-License-Identifier: Apache-2.0
"""Every branch of the templates is compiled, without a warning, by every compiler that is there.

The corpus (tests/support/corpus.py) is rendered in both schedules while the templates note which conditions were true
and which false; of it, a few models that take all branches between them are compiled. What no model takes stands in
``UNTAKEN``, with the reason.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ascmcu import passes, paths
from ascmcu.codegen.model import render_model
from ascmcu.frontends import tflite
from ascmcu.ir.graph import Graph
from ascmcu.jinja import environment
from ascmcu.listening.stepping import stepping, worth_keeping
from ascmcu.passes.pair_rows import pair_rows
from ascmcu.passes.planar_maps import planar_maps
from ascmcu.passes.time_to_width import time_to_width
from ascmcu.passes.widen_maps import widen_maps
from ascmcu.schedule import LAYERS, ROWS, Plan, make_plan, plan_as_is
from ascmcu.toolchain.flags import LANGUAGE, WARNINGS
from tests.support import branches, corpus, landing, listening, on_target
from tests.support.branches import Branch

_CLANG = (
    "clang",
    "--target=arm-none-eabi",
    "-mcpu=cortex-m4",
    "-mthumb",
    "-isystem/usr/lib/arm-none-eabi/include",
)
COMPILERS = {
    "gcc": ["gcc"],
    "clang": ["clang"],
    "arm": [on_target.GCC, *on_target.CORE],
    "arm, soft float": [on_target.GCC, "-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=soft"],
    "arm, Cortex-M0+": [on_target.GCC, "-mcpu=cortex-m0plus", "-mthumb"],
    "clang for arm": [*_CLANG, "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard"],
    "clang for arm, soft float": [*_CLANG, "-mfloat-abi=soft"],
}
# What a stricter house than ours switches on.
PEDANTIC = ("-Wpedantic", "-fno-common")
LAYOUTS = (planar_maps, time_to_width, pair_rows, widen_maps)
LABELS: dict[str, tuple[str, ...]] = {LAYERS: (), ROWS: ("yes", 'the "other"')}
LEVELS = ("-O1", "-O3")
CYCLES = "#include <stdint.h>\n#define MODEL_CYCLES() ((uint32_t)0)\n"
# Conditions that no model of the corpus makes true (or false), and why, by template and by what their line holds.
_TWO_ROWS = "kernels/conv2d_two_rows.c.j2"
_TWO_ROWS_OF_INT16 = "pairs of rows in int16: 870 random networks have none since costs choose the layouts"
_TWO_ROWS_PLANAR = "an odd last row and planes: one random network in some 900 has both"
_CONSTANT_STATE = (
    "passes may make a layer's first state a constant; in networks as converters write them it is carried"
)
UNTAKEN = {
    ("kernels/lstm.c.j2", "else L.c.initial"): _CONSTANT_STATE,
    ("kernels/float_lstm.c.j2", "else L.c.initial"): _CONSTANT_STATE,
    ("kernels/conv2d_portable.c.j2", "{% if k.groups > 1 %}"): (
        "conv2d_fours takes every convolution of int8 with weights centred on zero, and no other imports"
    ),
    (_TWO_ROWS, "{% if k.alone %}"): _TWO_ROWS_OF_INT16,
    (_TWO_ROWS, "planes.begin(k, k.row_bytes"): _TWO_ROWS_PLANAR,
    ("kernels/relayout_from_time.c.j2", "{% if k.channels >= 4 %}"): (
        "planes of one to three channels that become rows again: 17,000 random networks have none"
    ),
    ("kernels/space_to_depth.c.j2", "{% if k.runs == 1 %}"): (
        "rows along the second axis: no row of these tests makes a network with it stream that way"
    ),
}


@dataclass(frozen=True)
class Rendered:
    """What became of one model in one schedule, and the branches that it took."""

    name: str
    files: dict[str, str]
    taken: frozenset[Branch]


@dataclass(frozen=True)
class Found:
    """The models that take all branches between them, and the branches that none takes."""

    chosen: tuple[Rendered, ...]
    untaken: frozenset[Branch]


@pytest.fixture(scope="module")
def found() -> Found:
    with branches.recorded() as record:
        rendered = list(_rendered(record.taken))
        for template in environment().list_templates(filter_func=_is_generated_c):
            environment().get_template(template)
        known = frozenset(branch for branch in record.known if _is_generated_c(branch.template))
    return Found(tuple(_cover(rendered)), known.difference(*(r.taken for r in rendered)))


def _is_generated_c(template: str) -> bool:
    return template.startswith("kernels/") or template in ("model.c.j2", "model.h.j2")


def _rendered(taken: set[Branch]) -> Iterator[Rendered]:
    for name, graph in _graphs():
        if not graph.nodes or not graph.data_inputs:
            continue
        for mode in (LAYERS, ROWS):
            for plan in _plans(graph, mode):
                taken.clear()
                source = render_model(plan, name="case", sha256="0" * 64, labels=LABELS[mode])
                yield Rendered(f"{name}, {mode}", dict(source.files), frozenset(taken))


def _graphs() -> Iterator[tuple[str, Graph]]:
    for name, data in corpus.models():
        yield name, passes.optimize(tflite.parse(data, name))
    for channels, bands in ((4, 12), (3, 13)):
        graph = listening.graph_of(
            listening.keyword_network(same=True, rows=30, bands=bands, channels=channels)
        )
        yield f"listening, {channels} channels", stepping(graph, 4, worth_keeping(graph, 4))


def _plans(graph: Graph, mode: str) -> Iterator[Plan]:
    """The plan that is chosen; the one in which rows land; and the one with every layout that a pass can assign: other
    costs would choose it."""
    yield make_plan(graph, mode)
    if mode == ROWS:
        with landing.everywhere():
            landed = make_plan(graph, mode, room_bytes=0)
        if landed.landings:
            yield landed
    laid = graph
    for transform in LAYOUTS:
        laid = passes.apply(transform, laid)[1]
    if laid is not graph:
        yield plan_as_is(laid, mode)


def _cover(rendered: list[Rendered]) -> Iterator[Rendered]:
    """Greedily: the one that takes the most of what is left."""
    left = frozenset().union(*(r.taken for r in rendered))
    while left:
        best = max(rendered, key=lambda r: len(r.taken & left))
        left -= best.taken
        yield best


def test_every_branch_is_taken(found: Found) -> None:
    untaken = {branch: _line(branch) for branch in found.untaken}
    unexplained = [
        f"{branch}: {line.strip()}"
        for branch, line in sorted(untaken.items())
        if not any(branch.template == t and text in line for t, text in UNTAKEN)
    ]
    assert not unexplained, "add a row to tests/toolchain/variants.toml:\n" + "\n".join(unexplained)
    idle = [key for key in UNTAKEN if not any(b.template == key[0] and key[1] in untaken[b] for b in untaken)]
    assert not idle, f"these are taken after all: {idle}"


def _line(branch: Branch) -> str:
    return (paths.templates() / branch.template).read_text().splitlines()[branch.line - 1]


@pytest.mark.parametrize("name", COMPILERS)
def test_all_compile_without_a_warning(name: str, found: Found, tmp_path: Path) -> None:
    compiler = COMPILERS[name]
    if shutil.which(compiler[0]) is None:
        pytest.skip(f"{compiler[0]} is not installed")
    (tmp_path / "cycles.h").write_text(CYCLES)
    assert found.chosen
    for number, rendered in enumerate(found.chosen):
        for file, content in rendered.files.items():
            (tmp_path / file).write_text(content)
        level = LEVELS[number % len(LEVELS)]
        counted = ['-DMODEL_CYCLES_HEADER="cycles.h"'] if number % 3 == 0 else []
        command = [
            *compiler,
            level,
            *LANGUAGE,
            *WARNINGS,
            *PEDANTIC,
            "-Werror",
            *counted,
            f"-I{paths.firmware() / 'kernels'}",
        ]
        command += ["-c", str(tmp_path / "model.c"), "-o", str(tmp_path / "model.o")]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, f"{rendered.name} at {level}:\n{done.stderr}"
