# SPDX-License-Identifier: Apache-2.0
"""Edits of ``.tflite`` flatbuffers: weights back to float32, and ranges into a float model.

fp16 files hold half-precision constants behind DEQUANTIZE operators; dynamic-range files hold int8 weights that
float operators take as they are (hybrid kernels). Both are float networks with rounded weights, and become such.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.lite.tools import flatbuffer_utils

from ascmcu.errors import ModelError
from ascmcu.quantize import metadata

_NUMPY = {
    schema.TensorType.FLOAT32: np.float32,
    schema.TensorType.FLOAT16: np.float16,
    schema.TensorType.INT8: np.int8,
    schema.TensorType.UINT8: np.uint8,
    schema.TensorType.INT32: np.int32,
    schema.TensorType.INT64: np.int64,
}


@dataclass(frozen=True)
class Range:
    """What a tensor's quantized values are to span; always with zero, which padding needs exactly."""

    low: float
    high: float


def parse(model: bytes, name: str = "model") -> schema.ModelT:
    """The object tree of a flatbuffer.

    Raises:
        ModelError: it is no ``.tflite``, or has several graphs.
    """
    if model[4:8] != b"TFL3":
        raise ModelError(
            "not a .tflite file", where=name, expected="file identifier TFL3", found=repr(model[4:8])
        )
    try:
        tree = metadata.object_tree(model)
    except Exception as error:  # a corrupt offset raises what flatbuffers happens to raise
        raise ModelError("the .tflite is truncated or corrupt", where=name, found=str(error)[:200]) from error
    if len(tree.subgraphs) != 1:
        raise ModelError(
            "a model with loops or variables cannot be quantized",
            where=name,
            expected="one subgraph",
            found=len(tree.subgraphs),
            hint="quantize the .keras, whose recurrent layers are unrolled, or convert with unroll=True",
        )
    return tree


def subgraphs(model: bytes) -> int:
    """How many graphs a ``.tflite`` has: loops, branches and initial values of variables have their own."""
    return int(schema.Model.GetRootAs(model, 0).SubgraphsLength())


def content(tree: schema.ModelT) -> bytes:
    """The flatbuffer of a tree."""
    return bytes(flatbuffer_utils.convert_object_to_bytearray(tree))


def input_shape(model: bytes) -> tuple[int, ...]:
    """Shape of the only input without the batch.

    Raises:
        ModelError: the model has several inputs.
    """
    graph = parse(model).subgraphs[0]
    if len(graph.inputs) != 1:
        raise ModelError("the model must have one input", expected=1, found=len(graph.inputs))
    return tuple(int(extent) for extent in graph.tensors[graph.inputs[0]].shape[1:])


def builtin(tree: schema.ModelT, operator: schema.OperatorT) -> int:
    """The operator's builtin code: the larger of the old field and the new one is valid (schema.fbs)."""
    code = tree.operatorCodes[operator.opcodeIndex]
    return max(int(code.builtinCode), int(code.deprecatedBuiltinCode))


def tensor_name(tensor: schema.TensorT) -> str:
    """A tensor's name as text."""
    return tensor.name.decode("utf-8", "replace") if isinstance(tensor.name, bytes) else str(tensor.name)


def to_float(model: bytes, name: str) -> tuple[bytes, str]:
    """The model with float32 constants only, and the format that it had: ``float``, ``fp16`` or ``dynamic``.

    Raises:
        ModelError: its activations are quantized: there is no float network left in it.
    """
    tree = parse(model, name)
    graph = tree.subgraphs[0]
    format = "float"
    kept = []
    for operator in graph.operators:
        code = builtin(tree, operator)
        if code == schema.BuiltinOperator.DEQUANTIZE and _constant(tree, operator.inputs[0]):
            stored, real = graph.tensors[operator.inputs[0]], graph.tensors[operator.outputs[0]]
            format = "fp16" if stored.type == schema.TensorType.FLOAT16 else "dynamic"
            real.buffer = _add_buffer(tree, _real_values(tree, stored))
            continue
        if code in (schema.BuiltinOperator.QUANTIZE, schema.BuiltinOperator.DEQUANTIZE):
            raise _already_quantized(name, tensor_name(graph.tensors[operator.inputs[0]]))
        for index in operator.inputs:
            if index >= 0 and _constant(tree, index) and graph.tensors[index].type == schema.TensorType.INT8:
                format = "dynamic"
                _dequantize(tree, graph.tensors[index])
        if hasattr(operator.builtinOptions, "asymmetricQuantizeInputs"):
            operator.builtinOptions.asymmetricQuantizeInputs = False
        kept.append(operator)
    graph.operators = kept
    integer = (schema.TensorType.INT8, schema.TensorType.UINT8, schema.TensorType.INT16)
    for operator in kept:
        for index in operator.outputs:
            if graph.tensors[index].type in integer:
                raise _already_quantized(name, tensor_name(graph.tensors[index]))
    return content(tree) if format != "float" else bytes(model), format


def per_layer_weights(model: bytes) -> bool:
    """Whether all int8 weights of a dynamic-range model have one scale per layer, without a zero point.

    Such weights are on an int8 grid already, and stay exactly what they are when they become int8 again by one scale
    per layer; scales per channel would round them a second time.
    """
    tree = parse(model)
    graph = tree.subgraphs[0]
    scales = [
        graph.tensors[i].quantization
        for operator in graph.operators
        for i in operator.inputs
        if i >= 0 and _constant(tree, i) and graph.tensors[i].type == schema.TensorType.INT8
    ]
    return bool(scales) and all(len(q.scale) == 1 and not any(q.zeroPoint) for q in scales)


def with_ranges(model: bytes, ranges: Mapping[int, Range]) -> bytes:
    """A float model whose tensors, by their index, state what they were seen to span."""
    tree = parse(model)
    for index, found in ranges.items():
        tensor = tree.subgraphs[0].tensors[index]
        tensor.quantization = tensor.quantization or schema.QuantizationParametersT()
        tensor.quantization.min, tensor.quantization.max = [found.low], [found.high]
    return content(tree)


def activations(model: bytes) -> dict[int, str]:
    """Index and name of every float32 tensor that is computed or fed, in the graph's order."""
    tree = parse(model)
    graph = tree.subgraphs[0]
    order = [*graph.inputs, *(index for operator in graph.operators for index in operator.outputs)]
    return {
        int(i): tensor_name(graph.tensors[i])
        for i in order
        if graph.tensors[i].type == schema.TensorType.FLOAT32
    }


def _already_quantized(name: str, tensor: str) -> ModelError:
    return ModelError(
        "the model's activations are quantized already",
        where=f"{name}: '{tensor}'",
        expected="a float, fp16 or dynamic-range model",
        hint="`ascmcu export` takes int8 models as they are",
    )


def _constant(tree: schema.ModelT, index: int) -> bool:
    data = tree.buffers[tree.subgraphs[0].tensors[index].buffer].data
    return data is not None and len(data) > 0


def _values(tree: schema.ModelT, tensor: schema.TensorT) -> npt.NDArray[np.generic]:
    raw = np.asarray(tree.buffers[tensor.buffer].data, np.uint8).tobytes()
    return np.frombuffer(raw, _NUMPY[tensor.type]).reshape(tensor.shape)


def _real_values(tree: schema.ModelT, tensor: schema.TensorT) -> npt.NDArray[np.float32]:
    values = _values(tree, tensor)
    if tensor.type == schema.TensorType.FLOAT16:
        return values.astype(np.float32)
    quantization = tensor.quantization
    scale = np.asarray(quantization.scale, np.float32)
    zero_point = np.asarray(quantization.zeroPoint, np.float32)
    if len(scale) > 1:
        along = [1] * values.ndim
        along[quantization.quantizedDimension] = len(scale)
        scale, zero_point = scale.reshape(along), zero_point.reshape(along)
    return np.asarray((values.astype(np.float32) - zero_point) * scale, np.float32)


def _dequantize(tree: schema.ModelT, tensor: schema.TensorT) -> None:
    tensor.buffer = _add_buffer(tree, _real_values(tree, tensor))
    tensor.type = schema.TensorType.FLOAT32
    tensor.quantization = None


def _add_buffer(tree: schema.ModelT, values: npt.NDArray[np.float32]) -> int:
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
    tree.buffers.append(buffer)
    return len(tree.buffers) - 1
