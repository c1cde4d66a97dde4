# SPDX-License-Identifier: Apache-2.0
"""The differential chain: LiteRT = interpreter = every pass = host C in layers and rows, integers equal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import tflite as tflite_schema

from ascmcu import passes
from ascmcu.frontends import tflite
from ascmcu.ir import interp, text
from ascmcu.ir.graph import Graph
from ascmcu.ir.op import SWAP, swap_pair
from ascmcu.ir.types import Array
from ascmcu.passes.swap_axes import swap_axes
from tests.support.host_model import HostModel
from tests.support.litert import Reference
from tests.support.native_compilers import DEFAULT, Native


def shaped(graph: Graph, inputs: Sequence[Array]) -> list[Array]:
    """The inputs in the shapes of a graph whose passes may have reshaped them or exchanged their axes."""
    made = []
    for name, x in zip(graph.data_inputs, inputs, strict=True):
        shape = graph.tensors[name].shape
        if name.endswith(".swapped"):
            x = x.reshape(swap_pair(shape)).transpose(SWAP)
        made.append(np.ascontiguousarray(x).reshape(shape))
    return made


def input_sets(graph: Graph, count: int, rng: np.random.Generator) -> Iterator[list[Array]]:
    """Lowest, highest, then random inputs."""
    for number in range(count):
        yield [
            _values(graph.tensors[name].shape, graph.tensors[name].dtype.numpy, number, rng)
            for name in graph.data_inputs
        ]


def _values(shape: tuple[int, ...], dtype: np.dtype, number: int, rng: np.random.Generator) -> Array:
    if dtype.kind == "f":
        return np.asarray(rng.normal(size=shape) * [0.0, 1e5, 3.0, 1.0][min(number, 3)]).astype(dtype)
    if dtype.kind == "b":
        return np.full(shape, bool(number)) if number < 2 else rng.random(shape) < 0.5
    info = np.iinfo(dtype)
    if number < 2:
        return np.full(shape, [info.min, info.max][number], dtype)
    return rng.integers(info.min, info.max + 1, size=shape).astype(dtype)


def has_float_operators(data: bytes) -> bool:
    """Whether the converter left an operator in float32, which it does where it knows no quantized form."""
    model = tflite_schema.Model.GetRootAsModel(data, 0)
    subgraph = model.Subgraphs(0)
    for i in range(subgraph.OperatorsLength()):
        op = subgraph.Operators(i)
        code = model.OperatorCodes(op.OpcodeIndex())
        kind = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        ends = kind in (tflite_schema.BuiltinOperator.QUANTIZE, tflite_schema.BuiltinOperator.DEQUANTIZE)
        tensors = [op.Inputs(k) for k in range(op.InputsLength())] + [
            op.Outputs(k) for k in range(op.OutputsLength())
        ]
        floats = [
            t for t in tensors if t >= 0 and subgraph.Tensors(t).Type() == tflite_schema.TensorType.FLOAT32
        ]
        if floats and not ends:
            return True
    return False


def difference(expected: Sequence[Array], found: Sequence[Array], tolerance: float = 0.0) -> str | None:
    """What differs first, if anything; floats by more than ``tolerance`` of the largest."""
    for index, (a, b) in enumerate(zip(expected, found, strict=True)):
        flat_a, flat_b = a.reshape(-1), b.reshape(-1)
        wrong = np.flatnonzero(flat_a != flat_b)
        if tolerance and a.dtype.kind == "f":
            # What is below the normal range is zero to some kernels of LiteRT.
            allowed = max(tolerance * float(np.abs(a).max(initial=0.0)), float(np.finfo(np.float32).tiny))
            wrong = np.flatnonzero(~(np.abs(flat_a - flat_b) <= allowed))
        if a.dtype != b.dtype or len(wrong):
            at = wrong[0] if len(wrong) else 0
            return (
                f"output {index} ({a.dtype}, {b.dtype}): {len(wrong)} of {a.size} differ, first at {at}: "
                f"expected {flat_a[at]}, found {flat_b[at]}"
            )
    return None


def check(
    data: bytes,
    *,
    sets: int = 5,
    seed: int = 0,
    resolver: str = "BUILTIN_REF",
    reference: Reference | None = None,
    native: Native = DEFAULT,
    inputs: Sequence[Sequence[Array]] | None = None,
    tolerance: float = 0.0,
    compiled: bool = True,
) -> None:
    """Run the whole chain on one model, its C by ``native`` and only if ``compiled``; ``inputs``
    replaces the drawn sets.

    Floats may differ by ``tolerance`` of the largest one; integers never.

    Raises:
        AssertionError: a link differs; it is named, with the pass that broke it.
    """
    oracle = reference or Reference(data, resolver)
    graph = tflite.parse(data, "model")
    stages = [("interpreter", graph), *((f"pass {name}", g) for name, g in passes.run(graph))]
    last = stages[-1][1]
    stages.append(("exchanged axes", swap_axes(last)))
    modes = ("layers", "rows") if compiled and last.nodes and len(last.data_inputs) == 1 else ()
    hosts = [HostModel(last, mode, native=native) for mode in modes]
    given = inputs if inputs is not None else input_sets(graph, sets, np.random.default_rng(seed))
    for number, x in enumerate(given):
        expected = oracle(x)
        for link, stage in stages:
            _equal(expected, interp.run(stage, shaped(stage, x)), link, number, tolerance)
        for model in hosts:
            _equal(expected, model(shaped(last, x)[0]), str(model), number, tolerance)


def check_steps(
    data: bytes,
    *,
    clips: int = 2,
    steps: int = 6,
    seed: int = 0,
    tolerance: float = 0.0,
    compiled: bool = True,
) -> None:
    """Run the whole chain on a network with states, step after step, each clip from the initial states; its C only if
    ``compiled``.

    Raises:
        AssertionError: a link differs; it is named, with the pass that broke it.
    """
    graph = tflite.parse(data, "model")
    stages = [("interpreter", graph), *((f"pass {name}", g) for name, g in passes.run(graph))]
    last = stages[-1][1]
    assert text.dump(text.parse(text.dump(last), text.constants(last))) == text.dump(last)
    runs = [(link, interp.Steps(stage)) for link, stage in [*stages, ("exchanged axes", swap_axes(last))]]
    hosts = [HostModel(last, mode, sanitize=True) for mode in (("layers", "rows") if compiled else ())]
    rng = np.random.default_rng(seed)
    for clip in range(clips):
        oracle = Reference(data)
        for _, run in runs:
            run.reset()
        for host in hosts:
            host.reset()
        for number, x in enumerate(input_sets(graph, steps, rng)):
            expected = oracle(x)
            for link, run in runs:
                _equal(expected, run(shaped(run.graph, x)), f"{link}, clip {clip}", number, tolerance)
            for host in hosts:
                _equal(expected, host.step(shaped(last, x)[0]), f"{host}, clip {clip}", number, tolerance)


def _equal(
    expected: Sequence[Array], found: Sequence[Array], link: str, number: int, tolerance: float
) -> None:
    problem = difference(expected, found, tolerance)
    assert problem is None, f"{link}, input set {number}: {problem}"
