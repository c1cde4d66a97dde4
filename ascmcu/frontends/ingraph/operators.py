# SPDX-License-Identifier: Apache-2.0
"""The operators of a file's first subgraph as plain records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import tflite

from ascmcu.frontends.flatbuffer import buffer_of, builtin_name, options_of
from ascmcu.ir.types import Array

_NUMPY = {
    tflite.TensorType.FLOAT32: np.float32, tflite.TensorType.INT32: np.int32, tflite.TensorType.INT16: np.int16,
    tflite.TensorType.INT8: np.int8, tflite.TensorType.UINT8: np.uint8, tflite.TensorType.INT64: np.int64,
    tflite.TensorType.UINT32: np.uint32, tflite.TensorType.UINT64: np.uint64,
    tflite.TensorType.COMPLEX64: np.complex64, tflite.TensorType.BOOL: np.bool_,
}  # fmt: skip


@dataclass(frozen=True)
class Operator:
    """An operator; tensors by their index, -1 for one that is left out.

    Attributes:
        name: the builtin's, or ``custom`` and what the file calls it.
        options: its table of builtin options, or ``None``.
        custom: the bytes of a custom operator's options.
    """

    index: int
    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Any
    custom: bytes


@dataclass(frozen=True)
class Subgraph:
    """The first subgraph of a file.

    Attributes:
        shapes: of every tensor.
        dtypes: NumPy's name of every tensor's type, empty where it has none.
        constants: the values of those tensors that have some.
        quantizations: (scale, zero point) of tensors that have one pair.
    """

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    operators: tuple[Operator, ...]
    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[str, ...]
    constants: dict[int, Array]
    quantizations: dict[int, tuple[float, int]]

    def consumers(self, tensor: int) -> list[Operator]:
        """The operators that take a tensor."""
        return [op for op in self.operators if tensor in op.inputs]

    def scalar(self, tensor: int) -> float | None:
        """The value of a constant of one element."""
        value = self.constants.get(tensor)
        return None if value is None or value.size != 1 else float(value.reshape(-1)[0])


def read(model: Any, name: str) -> Subgraph:
    """The first subgraph of a ``tflite.Model``; a batch that the converter left open is 1."""
    graph = model.Subgraphs(0)
    tensors = [graph.Tensors(i) for i in range(graph.TensorsLength())]
    shapes = tuple(tuple(abs(int(t.Shape(k))) for k in range(t.ShapeLength())) for t in tensors)
    dtypes = tuple(np.dtype(_NUMPY[t.Type()]).name if t.Type() in _NUMPY else "" for t in tensors)
    constants, quantizations = {}, {}
    for i, tensor in enumerate(tensors):
        q = tensor.Quantization()
        if q is not None and q.ScaleLength() == 1:
            quantizations[i] = (float(q.Scale(0)), int(q.ZeroPoint(0)) if q.ZeroPointLength() else 0)
        content = buffer_of(model, tensor.Buffer(), name) if dtypes[i] else None
        if content is not None and len(content) == np.dtype(dtypes[i]).itemsize * int(np.prod(shapes[i])):
            constants[i] = np.frombuffer(content.tobytes(), dtypes[i]).reshape(shapes[i])
    return Subgraph(
        name,
        tuple(int(graph.Inputs(i)) for i in range(graph.InputsLength())),
        tuple(int(graph.Outputs(i)) for i in range(graph.OutputsLength())),
        tuple(_operator(model, graph.Operators(i), i) for i in range(graph.OperatorsLength())),
        tuple((t.Name() or b"").decode("utf-8", "replace").split(";")[0][:80] for t in tensors),
        shapes, dtypes, constants, quantizations,
    )  # fmt: skip


def _operator(model: Any, raw: Any, index: int) -> Operator:
    custom = raw.CustomOptionsAsNumpy()
    return Operator(
        index,
        builtin_name(model, raw, f"operator {index}"),
        tuple(int(raw.Inputs(k)) for k in range(raw.InputsLength())),
        tuple(int(raw.Outputs(k)) for k in range(raw.OutputsLength())),
        options_of(raw),
        b"" if isinstance(custom, int) else bytes(custom),
    )
