# SPDX-License-Identifier: Apache-2.0
"""The end of the differential chain: every case row as Cortex-M4 code, on QEMU and on the cycle model."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from ascmcu import passes
from ascmcu.frontends import tflite
from ascmcu.ir.types import Array
from ascmcu.passes.swap_axes import swap_axes
from ascmcu.schedule import LAYERS, ROWS
from tests.support import cases, chain, on_target, outside
from tests.support.cases import Case
from tests.support.litert import Reference
from tests.support.on_target import Network

pytestmark = pytest.mark.skipif(
    not (shutil.which(on_target.GCC) and shutil.which(on_target.QEMU)), reason="no cross compiler or no QEMU"
)
SETS = 3
# Of a program, at least; a small one is quickly built again when one kernel has changed.
PROGRAM_ROWS = 20


def _bytes(outputs: Sequence[Array]) -> bytes:
    return b"".join(np.ascontiguousarray(y).tobytes() for y in outputs)


def _programs() -> dict[str, list[Case]]:
    """The rows of a few operators each, which one program holds."""
    found: list[list[Case]] = [[]]
    for _, rows in itertools.groupby(cases.load(), key=lambda case: case.stem):
        if len(found[-1]) >= PROGRAM_ROWS:
            found.append([])
        found[-1] += rows
    return {f"{rows[0].stem} to {rows[-1].stem}": rows for rows in found}


PROGRAMS = _programs()


@pytest.mark.parametrize("name", PROGRAMS)
def test_case_rows(name: str, tmp_path: Path, pytestconfig: pytest.Config) -> None:
    """All rows of the program, or those of ``--op``, against LiteRT's results."""
    names, networks, expected = [], [], []
    only = pytestconfig.getoption("--op")
    for number, case in enumerate(PROGRAMS[name]):
        if only and case.id.partition(":")[0] != only:
            continue
        graph = passes.optimize(tflite.parse(case.model(), case.id))
        if len(graph.data_inputs) != 1 or not graph.nodes:
            continue
        reference = Reference(case.model(), case.row.get("resolver", "BUILTIN_REF"))
        inputs = case.inputs(SETS)
        names.append(case.id)
        shaped = [chain.shaped(graph, x)[0] for x in inputs]
        networks.append(Network(graph, (LAYERS, ROWS)[number % 2], shaped, SETS))
        expected.append([_bytes(reference(x)) for x in inputs])
    if not networks:
        pytest.skip(f"no row of --op {only}")
    elf = on_target.build(tmp_path, networks)
    for run in (on_target.on_qemu, on_target.on_sim):
        found = run(elf, networks)
        different = [n for n, a, b in zip(names, expected, found, strict=True) if a != b]
        assert not different, run.__name__


@pytest.mark.parametrize("name", ["mlperf_tiny_kws_int8", "mlperf_tiny_ic_resnet8_int8"])
def test_published_models(name: str, tmp_path: Path, pytestconfig: pytest.Config) -> None:
    """Layers, rows, and rows along the other axis; random inputs and the boundaries of the range."""
    path = outside.model(f"{name}.tflite")
    outside.require(path)
    count = int(pytestconfig.getoption("--inputs"))
    data = path.read_bytes()
    source = tflite.parse(data, name)
    graph, reference = passes.optimize(source), Reference(data)
    inputs = list(chain.input_sets(source, count, np.random.default_rng(7)))
    expected = [_bytes(reference(x)) for x in inputs]
    variants = ((graph, LAYERS), (graph, ROWS), (swap_axes(graph), ROWS))
    networks = [Network(g, mode, [chain.shaped(g, x)[0] for x in inputs]) for g, mode in variants]
    found = on_target.on_qemu(on_target.build(tmp_path, networks), networks)
    assert found == [expected] * len(variants)


STEPS, CLIP = 50, 20


@pytest.mark.parametrize("name", ["tflm_mnist_lstm_int8", "microwakeword_v2_vad", "ambiq_nnid_int16x8"])
def test_fifty_steps(name: str, tmp_path: Path) -> None:
    """Published step models, and one of 16x8, begun anew behind every twentieth step: QEMU, cycle model, LiteRT."""
    path = outside.model(f"{name}.tflite")
    outside.require(path)
    data = path.read_bytes()
    source = tflite.parse(data, name)
    graph = passes.optimize(source)
    inputs = list(chain.input_sets(source, STEPS, np.random.default_rng(3)))
    expected, reference = [], Reference(data)
    for number, x in enumerate(inputs):
        reference = Reference(data) if number % CLIP == 0 else reference
        expected.append(_bytes(reference(x)))
    networks = [
        Network(graph, mode, [chain.shaped(graph, x)[0] for x in inputs], CLIP) for mode in (LAYERS, ROWS)
    ]
    elf = on_target.build(tmp_path, networks)
    assert on_target.on_qemu(elf, networks) == [expected] * 2
    assert on_target.on_sim(elf, networks) == [expected] * 2
