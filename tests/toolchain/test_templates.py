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
from ascmcu.jinja import environment
from ascmcu.schedule import LAYERS, ROWS, make_plan
from ascmcu.toolchain.flags import LANGUAGE, WARNINGS
from tests.support import branches, corpus, on_target
from tests.support.branches import Branch

COMPILERS = {
    "gcc": ["gcc"],
    "clang": ["clang"],
    "arm": [on_target.GCC, *on_target.CORE],
}
LABELS: dict[str, tuple[str, ...]] = {LAYERS: (), ROWS: ("yes", 'the "other"')}
LEVELS = ("-O1", "-O3")
CYCLES = "#include <stdint.h>\n#define MODEL_CYCLES() ((uint32_t)0)\n"
# Conditions that no model of the corpus makes true (or false), and why, by template and by what their line holds.
UNTAKEN = {
    ("kernels/relayout_from_time.c.j2", "{% if k.channels >= 4 %}"): (
        "planes of one to three channels that become rows again: 17,000 random networks have none"
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
    for name, data in corpus.models():
        graph = passes.optimize(tflite.parse(data, name))
        if not graph.nodes or len(graph.inputs) != 1:
            continue
        for mode in (LAYERS, ROWS):
            taken.clear()
            source = render_model(make_plan(graph, mode), name="case", sha256="0" * 64, labels=LABELS[mode])
            yield Rendered(f"{name}, {mode}", dict(source.files), frozenset(taken))


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
            "-Werror",
            *counted,
            f"-I{paths.firmware() / 'kernels'}",
        ]
        command += ["-c", str(tmp_path / "model.c"), "-o", str(tmp_path / "model.o")]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, f"{rendered.name} at {level}:\n{done.stderr}"
