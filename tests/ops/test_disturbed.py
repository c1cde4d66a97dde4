# SPDX-License-Identifier: Apache-2.0
"""What every operator takes and what it refuses, beside its rows: each part of a row is changed, one at a time.

Of every operator the first row of each type of its first input. A tensor is given other types, scales, zero points and
shapes, is made constant or computed, or left out; an option is one more, one less, zero, and far too much.
``snapshots`` say what comes of it: the ops with their attributes and a sum over the integers that they give, or the
first line of the refusal. That the integers are LiteRT's is what the rows themselves show.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from ascmcu.errors import ModelError
from ascmcu.frontends import tflite
from ascmcu.ir import interp
from ascmcu.ir.graph import Graph
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.ir.verify import verify
from tests.support import cases
from tests.support.cases import Parts
from tests.support.facts import digest
from tests.support.snapshots import Snapshot
from tests.support.tflite_builder import OperatorSpec, TensorSpec, build

DTYPES = ("int8", "uint8", "int16", "int32", "int64", "float16", "float32", "bool")


def _bases() -> dict[str, list[cases.Case]]:
    """By operator, the first row of each type of its first input."""
    found: dict[str, dict[str, cases.Case]] = defaultdict(dict)
    for case in (*cases.load(), *cases.floats()):
        first = case.row.get("inputs", [{}])[0]
        found[case.row["op"]].setdefault(first.get("dtype", "int8"), case)
    return {name: list(rows.values()) for name, rows in sorted(found.items())}


BASES = _bases()


def _shaped(tensor: TensorSpec, shape: tuple[int, ...]) -> TensorSpec:
    """Another shape; a constant's values begin anew where there are more."""
    data = None if tensor.data is None else np.resize(tensor.data, shape)
    return dataclasses.replace(tensor, shape=shape, data=data)


def _tensors(tensor: TensorSpec) -> Iterator[tuple[str, TensorSpec]]:
    """The tensor with one change each, and what that is."""

    def changed(**fields: Any) -> TensorSpec:
        return dataclasses.replace(tensor, **fields)

    for dtype in DTYPES:
        if dtype != tensor.dtype:
            with np.errstate(over="ignore", invalid="ignore"):
                data = None if tensor.data is None else tensor.data.astype(dtype)
            yield dtype, changed(dtype=dtype, data=data)
    if tensor.scales:
        yield "no scale", changed(scales=())
        yield "scale 0", changed(scales=(0.0,) * len(tensor.scales))
        for power in (-24, 24):
            yield f"scale × 2^{power}", changed(scales=tuple(s * 2.0**power for s in tensor.scales))
        yield "zero point + 1", changed(zero_point=tensor.zero_point + 1)
        for axis in range(len(tensor.shape)):
            count = tensor.shape[axis]
            yield f"{count} scales along axis {axis}", changed(scales=(0.01,) * count, axis=axis)
        yield "scale -1 in the last place", changed(scales=(*tensor.scales[:-1], -1.0))
    shape = tensor.shape
    yield "an axis more", _shaped(tensor, (1, *shape))
    yield "an axis less", _shaped(tensor, shape[1:])
    for axis in range(len(shape)):
        yield f"axis {axis} + 1", _shaped(tensor, (*shape[:axis], shape[axis] + 1, *shape[axis + 1 :]))
    if len(set(shape)) > 1:
        yield "axes in turn", _shaped(tensor, (*shape[1:], shape[0]))
    if tensor.data is not None and tensor.dtype in ("int32", "int64") and tensor.data.size <= 8:
        for place in range(tensor.data.size):
            for step in (-1, 1, 100, -100):
                data = tensor.data.copy()
                data.reshape(-1)[place] += step
                yield f"[{place}] {step:+d}", changed(data=data)


def _options(operator: OperatorSpec) -> Iterator[tuple[str, dict[str, Any]]]:
    """The options with one change each."""
    known = dict(operator.options)
    for key, value in known.items():
        values: tuple[object, ...] = ()
        if isinstance(value, bool):
            values = (not value,)
        elif isinstance(value, int):
            values = tuple(v for v in (value - 1, value + 1, 0, 7, -100) if v != value)
        elif isinstance(value, float):
            values = (0.0, -value, 1e30)
        for other in dict.fromkeys(values):
            yield f"{key} {other}", known | {key: other}
    if known:
        yield "without options", {}


def _disturbed(base: Parts) -> Iterator[tuple[str, Parts]]:
    """Models with one change each."""
    yield "as it is", base
    for number, tensor in enumerate(base.tensors):
        for what, other in _tensors(tensor):
            tensors = [*base.tensors[:number], other, *base.tensors[number + 1 :]]
            yield f"{tensor.name}: {what}", dataclasses.replace(base, tensors=tensors)
        if tensor.data is not None:
            computed = [
                *base.tensors[:number],
                dataclasses.replace(tensor, data=None),
                *base.tensors[number + 1 :],
            ]
            inputs = [*base.inputs, number]
            yield f"{tensor.name}: computed", dataclasses.replace(base, tensors=computed, inputs=inputs)
    (*before, last) = base.operators

    def with_operator(**fields: Any) -> Parts:
        return dataclasses.replace(base, operators=[*before, dataclasses.replace(last, **fields)])

    for what, options in _options(last):
        yield what, with_operator(options=options)
    for place, index in enumerate(last.inputs):
        if index >= 0:
            left = [-1 if p == place else i for p, i in enumerate(last.inputs)]
            yield f"{base.tensors[index].name}: absent", with_operator(inputs=left)
    for count in range(1, len(last.inputs)):
        yield f"the first {count} inputs alone", with_operator(inputs=last.inputs[:count])


def _taken(graph: Graph) -> str:
    """The ops with their attributes, and the shapes that they give."""
    ops = [
        f"{node.op.kind()}{{{', '.join(f'{k}={v}' for k, v in node.op.attributes())}}} → "
        f"{list(graph.output_tensor(node).shape)}"
        for node in graph.nodes
    ]
    return "; ".join(ops) or "nothing to compute"


def _imported(parts: Parts) -> Graph | str:
    """The graph of a model, which is a right one; or the refusal."""
    try:
        graph = tflite.parse(build(parts.tensors, parts.operators, parts.inputs, parts.outputs), "net")
        return verify(graph, "import")
    except ModelError as error:
        return f"refused: {error.what}"


def _computed(graph: Graph) -> bytes:
    """The integers that the interpreter gives for some inputs: the least, the greatest, and noise."""
    rng, found = np.random.default_rng(1), b""
    for number in range(3):
        inputs = [_values(graph.tensors[name], number, rng) for name in graph.data_inputs]
        with np.errstate(all="ignore"):  # of floats that divide by nothing
            outputs = interp.run(graph, inputs) if graph.nodes else []
        found += b"".join(np.ascontiguousarray(y).tobytes() for y in outputs if y.dtype.kind != "f")
    return found


def _values(tensor: Tensor, number: int, rng: np.random.Generator) -> Array:
    if tensor.dtype.numpy.kind == "f":
        return rng.normal(size=tensor.shape).astype(tensor.dtype.numpy)
    if tensor.dtype is DType.BOOL:
        return rng.random(tensor.shape) < 0.5
    low, high = tensor.dtype.integer_range
    if number < 2:
        return np.full(tensor.shape, (low, high)[number], tensor.dtype.numpy)
    return rng.integers(low, high + 1, tensor.shape).astype(tensor.dtype.numpy)


def _told(case: cases.Case) -> str:
    """Outcomes with the changes that have them, in the order in which they come; few a line, so that one is seen."""
    changes: dict[str, list[str]] = defaultdict(list)
    outputs: dict[str, bytes] = defaultdict(bytes)
    for what, parts in _disturbed(case.parts()):
        imported = _imported(parts)
        outcome = imported if isinstance(imported, str) else _taken(imported)
        changes[outcome].append(what)
        if isinstance(imported, Graph):
            outputs[outcome] += _computed(imported)
    lines = [f"# {case.id}"]
    for outcome, found in changes.items():
        lines.append(outcome + (f" ({digest(outputs[outcome])})" if outputs[outcome] else ""))
        lines += [f"    {', '.join(found[at : at + 6])}" for at in range(0, len(found), 6)]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("operator", BASES)
def test_outcomes(operator: str, snapshot: Snapshot) -> None:
    snapshot(operator.lower(), "\n".join(_told(case) for case in BASES[operator]))
