# SPDX-License-Identifier: Apache-2.0
"""Every case row through the differential chain: LiteRT = interpreter = passes = host C, layers and rows."""

from __future__ import annotations

import numpy as np
import pytest

from ascmcu import passes, paths
from ascmcu.frontends import tflite
from ascmcu.ir import interp, registry, text
from ascmcu.kernels._registry import kernel_names, kernels_of
from tests.support import cases, native_compilers
from tests.support.host_model import HostModel
from tests.support.litert import Reference
from tests.support.native_compilers import Native

CASES = cases.load()
SETS = 6
MODES = ("layers", "rows")


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.id)
def test_case(case: cases.Case) -> None:
    data = case.model()
    reference = Reference(data, case.row.get("resolver", "BUILTIN_REF"))
    assert ("resolver" in case.row) == ("reason" in case.row)
    graph = tflite.parse(data, case.id)
    optimized = passes.optimize(graph)
    dump = text.dump(optimized)
    assert text.dump(text.parse(dump, text.constants(optimized))) == dump
    compiled = (
        [HostModel(optimized, mode, sanitize=True) for mode in MODES]
        + [HostModel(optimized, mode, native=native) for mode, native in _turns(case)]
        if _compiles(optimized)
        else []
    )
    interpreted = {"interpreter": interp.Steps(graph), "passes": interp.Steps(optimized)}
    for number, inputs in enumerate(case.inputs(SETS)):
        if number in (0, SETS // 2) and graph.states:
            # A network with states goes on from set to set, and begins anew half way.
            reference = Reference(data)
            for state in (*interpreted.values(), *compiled):
                state.reset()
        expected = reference(inputs)
        chain = {link: steps(_shaped(steps.graph, inputs)) for link, steps in interpreted.items()}
        for model in compiled:
            chain[str(model)] = model.step(inputs) if graph.states else model(inputs)
        for link, outputs in chain.items():
            for index, (a, b) in enumerate(zip(expected, outputs, strict=True)):
                b = b.reshape(a.shape)
                different = np.flatnonzero(a.reshape(-1) != b.reshape(-1))
                assert not len(different), (
                    f"{link}, input set {number}, output {index}: {len(different)} of {a.size} differ, "
                    f"first at {different[0]}: expected {a.reshape(-1)[different[0]]}, "
                    f"found {b.reshape(-1)[different[0]]}"
                )


def _turns(case: cases.Case) -> list[tuple[str, Native]]:
    """All compilers and levels for one row of each operator, one in turn for every other."""
    number = CASES.index(case)
    if case.stem != CASES[number - 1].stem:
        return [(MODES[i % 2], native) for i, native in enumerate(native_compilers.MATRIX) if native.there]
    return [(MODES[number // len(native_compilers.MATRIX) % 2], native_compilers.turn(number))]


def _compiles(graph: object) -> bool:
    return bool(graph.nodes)  # type: ignore[attr-defined]


def _shaped(graph: object, inputs: list[object]) -> list[object]:
    names = graph.data_inputs  # type: ignore[attr-defined]
    return [x.reshape(graph.tensors[n].shape) for n, x in zip(names, inputs, strict=True)]  # type: ignore[attr-defined]


def test_stems_match() -> None:
    """Every op has its module and its case rows, every kernel its module and its template."""
    code = paths.templates().parent / "ascmcu"
    modules = {p.stem for p in (code / "ops").glob("[a-z]*.py")}
    kinds = registry.kinds()
    assert set(kinds) == modules
    # Ops that only passes make are tested with their passes.
    imported = {registry.importer(builtin).kind() for builtin in registry.supported_builtins()}  # type: ignore[union-attr]
    imported |= {registry.importer(builtin, integers=True).kind() for builtin in registry.integer_builtins()}  # type: ignore[union-attr]
    imported |= {registry.importer(builtin, wide=True).kind() for builtin in registry.wide_builtins()}  # type: ignore[union-attr]
    assert {c.stem for c in CASES} == imported
    templates = {p.name.split(".")[0] for p in (paths.templates() / "kernels").glob("[a-z]*.c.j2")}
    assert templates == kernel_names()
    assert {kind for kind, op in kinds.items() if not kernels_of(op)} == {
        kind for kind, op in kinds.items() if op.REWRITTEN
    }
    assert {p.stem for p in (code / "kernels").glob("[a-z]*.py")} == kernel_names()


def test_every_importer_has_a_row() -> None:
    assert {c.row["op"] for c in CASES} == set(registry.supported_builtins()) | set(
        registry.integer_builtins()
    )
