# SPDX-License-Identifier: Apache-2.0
"""Builds small ``.tflite`` files from plain descriptions, for case rows and fuzzing.

The flatbuffer object API is TensorFlow's generated schema, loaded without importing TensorFlow.
"""

from __future__ import annotations

import functools
import importlib.util
import io
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import flatbuffers
import numpy as np
from flatbuffers import flexbuffers

from ascmcu.ir.types import Array


@functools.cache
def schema() -> ModuleType:
    """TensorFlow's schema module."""
    spec = importlib.util.find_spec("tensorflow")
    assert spec is not None and spec.origin is not None
    path = Path(spec.origin).parent / "lite" / "python" / "schema_py_generated.py"
    loaded = importlib.util.spec_from_file_location("_tflite_schema", path)
    assert loaded is not None and loaded.loader is not None
    module = importlib.util.module_from_spec(loaded)
    sys.modules["_tflite_schema"] = module
    loaded.loader.exec_module(module)
    return module


@dataclass
class TensorSpec:
    """A tensor of the file; ``data`` makes it constant, ``signature`` says with −1 which extents are not known."""

    name: str
    shape: tuple[int, ...]
    dtype: str = "int8"
    scales: tuple[float, ...] = ()
    zero_point: int = 0
    axis: int = 0
    data: Array | None = None
    variable: bool = False
    signature: tuple[int, ...] = ()


@dataclass
class OperatorSpec:
    """An operator; ``options`` are fields of its options table by their object-API names; ``intermediates`` are
    tensors that it only takes quantizations from. ``custom`` are the options of a custom operator, whose name is then
    ``builtin``."""

    builtin: str
    inputs: list[int]
    outputs: list[int]
    options: dict[str, Any] = field(default_factory=dict)
    intermediates: list[int] = field(default_factory=list)
    custom: dict[str, Any] | None = None


@dataclass
class VariableSpec:
    """A variable: tensor ``read`` is its value at the start of a step, ``assigned`` the value at the end of it."""

    name: str
    read: int
    assigned: int
    initial: Array


_OPTIONS = {
    "ARG_MAX": "ArgMaxOptions",
    "ARG_MIN": "ArgMinOptions",
    "CAST": "CastOptions",
    "CUMSUM": "CumsumOptions",
    "REDUCE_ANY": "ReducerOptions",
    "REDUCE_ALL": "ReducerOptions",
    "FLOOR_DIV": "FloorDivOptions",
    "FLOOR_MOD": "FloorModOptions",
    "LOG_SOFTMAX": "LogSoftmaxOptions",
    "REVERSE_V2": "ReverseV2Options",
    "LOGICAL_AND": "LogicalAndOptions",
    "LOGICAL_OR": "LogicalOrOptions",
    "LOGICAL_NOT": "LogicalNotOptions",
    "CALL_ONCE": "CallOnceOptions", "VAR_HANDLE": "VarHandleOptions",
    "CONV_2D": "Conv2DOptions", "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    "FULLY_CONNECTED": "FullyConnectedOptions", "AVERAGE_POOL_2D": "Pool2DOptions", "MAX_POOL_2D": "Pool2DOptions",
    "ADD": "AddOptions", "SUB": "SubOptions", "MUL": "MulOptions", "MEAN": "ReducerOptions", "SUM": "ReducerOptions",
    "REDUCE_MAX": "ReducerOptions", "MAXIMUM": "MaximumMinimumOptions", "MINIMUM": "MaximumMinimumOptions",
    "CONCATENATION": "ConcatenationOptions", "SPLIT": "SplitOptions", "SPLIT_V": "SplitVOptions",
    "SLICE": "SliceOptions", "STRIDED_SLICE": "StridedSliceOptions", "PAD": "PadOptions", "PADV2": "PadV2Options",
    "MIRROR_PAD": "MirrorPadOptions", "RESHAPE": "ReshapeOptions", "SQUEEZE": "SqueezeOptions",
    "EXPAND_DIMS": "ExpandDimsOptions", "TRANSPOSE": "TransposeOptions", "PACK": "PackOptions",
    "UNPACK": "UnpackOptions", "SHAPE": "ShapeOptions", "SOFTMAX": "SoftmaxOptions", "LEAKY_RELU": "LeakyReluOptions",
    "HARD_SWISH": "HardSwishOptions", "ABS": "AbsOptions", "QUANTIZE": "QuantizeOptions",
    "DEQUANTIZE": "DequantizeOptions", "GATHER": "GatherOptions", "REDUCE_PROD": "ReducerOptions", "DIV": "DivOptions",
    "EXP": "ExpOptions", "GELU": "GeluOptions", "NEG": "NegOptions", "SQUARE": "SquareOptions",
    "SQUARED_DIFFERENCE": "SquaredDifferenceOptions", "FILL": "FillOptions", "TILE": "TileOptions",
    "DEPTH_TO_SPACE": "DepthToSpaceOptions", "SPACE_TO_DEPTH": "SpaceToDepthOptions",
    "RESIZE_NEAREST_NEIGHBOR": "ResizeNearestNeighborOptions", "L2_NORMALIZATION": "L2NormOptions",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "UnidirectionalSequenceLSTMOptions",
    "BIDIRECTIONAL_SEQUENCE_LSTM": "BidirectionalSequenceLSTMOptions", "SVDF": "SVDFOptions",
    "TRANSPOSE_CONV": "TransposeConvOptions", "BATCH_MATMUL": "BatchMatMulOptions",
    "RESIZE_BILINEAR": "ResizeBilinearOptions", "BROADCAST_TO": "BroadcastToOptions",
    "GREATER": "GreaterOptions", "GREATER_EQUAL": "GreaterEqualOptions", "LESS_EQUAL": "LessEqualOptions",
    "EQUAL": "EqualOptions", "NOT_EQUAL": "NotEqualOptions", "SELECT": "SelectOptions", "SELECT_V2": "SelectV2Options",
    "REDUCE_MIN": "ReducerOptions",
     "WHILE": "WhileOptions", "LESS": "LessOptions",
}  # fmt: skip


# Of operators whose first version LiteRT never had.
_VERSIONS = {"BROADCAST_TO": 2}


def build(
    tensors: list[TensorSpec],
    operators: list[OperatorSpec],
    inputs: list[int],
    outputs: list[int],
    variables: Sequence[VariableSpec] = (),
    others: Sequence[tuple[list[TensorSpec], list[OperatorSpec], list[int], list[int]]] = (),
) -> bytes:
    """The file's bytes; initial values of variables stand in a subgraph of their own, as TensorFlow writes them, and
    ``others`` are further subgraphs: conditions and bodies of loops."""
    s = schema()
    model = s.ModelT()
    model.version = 3
    model.description = b"case"
    model.buffers = [s.BufferT()]
    codes: list[str] = []
    graphs = [(tensors, operators, inputs, outputs)]
    if variables:
        graphs = _with_variables(tensors, operators, inputs, outputs, variables)
    model.subgraphs = [_subgraph(model, codes, *graph) for graph in (*graphs, *others)]
    model.operatorCodes = [_code(name) for name in codes]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _subgraph(
    model: Any,
    codes: list[str],
    tensors: list[TensorSpec],
    operators: list[OperatorSpec],
    inputs: list[int],
    outputs: list[int],
) -> Any:
    graph = schema().SubGraphT()
    graph.inputs, graph.outputs = np.array(inputs, np.int32), np.array(outputs, np.int32)
    graph.tensors = [_tensor(model, spec) for spec in tensors]
    graph.operators = []
    for spec in operators:
        if spec.builtin not in codes:
            codes.append(spec.builtin)
        graph.operators.append(_operator(spec, codes.index(spec.builtin)))
    return graph


def _with_variables(
    tensors: list[TensorSpec],
    operators: list[OperatorSpec],
    inputs: list[int],
    outputs: list[int],
    variables: Sequence[VariableSpec],
) -> list[tuple[list[TensorSpec], list[OperatorSpec], list[int], list[int]]]:
    main, begin, end = list(tensors), [OperatorSpec("CALL_ONCE", [], [], {"initSubgraphIndex": 1})], []
    initial: list[TensorSpec] = []
    assignments: list[OperatorSpec] = []
    for v in variables:
        handle, options = len(main), {"sharedName": v.name}
        main.append(TensorSpec(v.name, (), "resource"))
        begin += [
            OperatorSpec("VAR_HANDLE", [], [handle], options),
            OperatorSpec("READ_VARIABLE", [handle], [v.read]),
        ]
        end.append(OperatorSpec("ASSIGN_VARIABLE", [handle, v.assigned], []))
        there, like = len(initial), tensors[v.read]
        initial.append(TensorSpec(v.name, (), "resource"))
        initial.append(
            TensorSpec(
                f"{v.name}/initial", like.shape, like.dtype, like.scales, like.zero_point, data=v.initial
            )
        )
        assignments.append(OperatorSpec("VAR_HANDLE", [], [there], options))
        assignments.append(OperatorSpec("ASSIGN_VARIABLE", [there, there + 1], []))
    return [(main, [*begin, *operators, *end], inputs, outputs), (initial, assignments, [], [])]


def _tensor(model: Any, spec: TensorSpec) -> Any:
    s = schema()
    t = s.TensorT()
    t.name = spec.name.encode()
    t.isVariable = spec.variable
    if spec.signature:
        t.shapeSignature = np.array(spec.signature, np.int32)
    t.shape = np.array(spec.shape, np.int32)
    t.type = getattr(s.TensorType, spec.dtype.upper())
    if spec.scales:
        q = s.QuantizationParametersT()
        q.scale = np.array(spec.scales, np.float32)
        q.zeroPoint = np.full(len(spec.scales), spec.zero_point, np.int64)
        q.quantizedDimension = spec.axis
        t.quantization = q
    if spec.data is not None:
        buffer = s.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(spec.data).tobytes(), np.uint8)
        model.buffers.append(buffer)
        t.buffer = len(model.buffers) - 1
    return t


def _code(name: str) -> Any:
    s = schema()
    code = s.OperatorCodeT()
    value = getattr(s.BuiltinOperator, name, s.BuiltinOperator.CUSTOM)
    if value == s.BuiltinOperator.CUSTOM:
        code.customCode = name.encode()
    code.builtinCode = value
    code.deprecatedBuiltinCode = min(value, 127)
    code.version = _VERSIONS.get(name, 1)
    return code


def _operator(spec: OperatorSpec, code: int) -> Any:
    s = schema()
    op = s.OperatorT()
    op.opcodeIndex = code
    op.inputs, op.outputs = np.array(spec.inputs, np.int32), np.array(spec.outputs, np.int32)
    if spec.intermediates:
        op.intermediates = np.array(spec.intermediates, np.int32)
    if spec.custom is not None:
        op.customOptions = np.frombuffer(flexbuffers.Dumps(spec.custom), np.uint8)
    class_name = _OPTIONS.get(spec.builtin)
    assert class_name is not None or not spec.options, f"{spec.builtin}: no options table is known here"
    if class_name is not None:
        op.builtinOptionsType = getattr(s.BuiltinOptions, class_name)
        op.builtinOptions = getattr(s, class_name + "T")()
        for key, value in spec.options.items():
            assert hasattr(op.builtinOptions, key), f"{class_name} has no field {key}"
            setattr(op.builtinOptions, key, value)
    return op


def with_files(model: bytes, files: dict[str, str]) -> bytes:
    """The model with a zip archive behind it, as TensorFlow Lite's metadata writer puts it."""
    packed = io.BytesIO()
    packed.write(model)
    with zipfile.ZipFile(packed, "a") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return packed.getvalue()
