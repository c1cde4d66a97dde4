# SPDX-License-Identifier: Apache-2.0
"""Operators on uint8, as TensorFlow 1 quantized them, become the same operators on int8.

An uint8 value minus 128 is an int8 value of the same scale, its zero point 128 lower: nothing is rounded. Where the
reference's arithmetic sees a value only as its distance to the zero point, the integers are the same but for those 128,
so the int8 kernels do all of it. Operators whose rounding depends on the sign (AVERAGE_POOL_2D, SUM) and functions of
one element, which become tables, stay as they are.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from ascmcu.errors import ModelError
from ascmcu.ir.graph import Node
from ascmcu.ir.op import Op
from ascmcu.ir.types import Array, DType, Quantization, Tensor
from ascmcu.ops import _scales
from ascmcu.ops._fixed import round_half_away
from ascmcu.ops.fully_connected import FullyConnected
from ascmcu.ops.lookup import Lookup
from ascmcu.ops.quantize import Quantize

_HALF = 128
_INT8 = ".int8"
# Layers with weights: their multiplier is formed from a float32 product, and a dense layer rounds twice.
WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
_ALIKE = (
    *WEIGHTED, "ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM", "PRELU", "MAX_POOL_2D", "MEAN", "REDUCE_MAX",
    "CONCATENATION", "PACK", "UNPACK", "SPLIT", "SPLIT_V", "SLICE", "STRIDED_SLICE", "GATHER", "PAD", "PADV2",
    "MIRROR_PAD", "RESHAPE", "SQUEEZE", "EXPAND_DIMS", "TRANSPOSE", "SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND", "TILE",
    "DEPTH_TO_SPACE", "SPACE_TO_DEPTH", "REVERSE_V2", "RESIZE_NEAREST_NEIGHBOR",
)  # fmt: skip


class Building(Protocol):
    """The graph so far."""

    tensors: dict[str, Tensor]
    nodes: list[Node]

    def fresh(self, stem: str) -> str:
        """A name that no tensor has."""


def handled(builtin: str, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> bool:
    """Whether the operator is one of those, on uint8; LiteRT reads weights of another type as if they were uint8."""
    weights = inputs[1] if builtin in WEIGHTED and len(inputs) > 1 else None
    if weights is not None and weights.dtype is not DType.UINT8:
        return False
    return (
        builtin in _ALIKE
        and bool(outputs)
        and outputs[0].dtype is DType.UINT8
        and outputs[0].quant is not None
    )


class Signed:
    """The int8 form of tensors, made once for each."""

    def __init__(self, graph: Building) -> None:
        self._graph = graph
        self._forms: dict[str, Tensor] = {}

    def inputs(
        self, builtin: str, tensors: Sequence[Tensor | None], outputs: Sequence[Tensor]
    ) -> list[Tensor | None]:
        """The inputs of an operator: what is uint8 becomes int8."""
        forms: list[Tensor | None] = []
        for index, tensor in enumerate(tensors):
            known = None if tensor is None else self._graph.tensors.get(tensor.name, tensor)
            if known is None or known.dtype is not DType.UINT8:
                forms.append(known)
            elif builtin == "CONCATENATION" and known.quant != outputs[0].quant and known.quant is not None:
                forms.append(self._rescaled(known, outputs[0]))
            elif builtin in WEIGHTED and index == 1 and tensors[0] is not None:
                forms.append(self._for_one_product(self._form(known), tensors[0], outputs[0]))
            else:
                forms.append(self._form(known))
        return forms

    def outputs(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Tensors for the operator to write."""
        return [self._like(t, shifted(t.quant)) for t in tensors]

    def written(self, forms: Sequence[Tensor], outputs: Sequence[Tensor], before: int) -> None:
        """Take over what the operator wrote from node ``before`` on: layers keep the names of the file's tensors, and
        each of these follows from its int8 form."""
        nodes = self._graph.nodes
        names = {form.name: output.name for form, output in zip(forms, outputs, strict=True)}
        nodes[before:] = [
            Node(names.get(n.output, n.name), _rounding_twice(n.op), n.inputs, n.output, n.source_index)
            for n in nodes[before:]
        ]
        for form, output in zip(forms, outputs, strict=True):
            form = self._graph.tensors[form.name]
            self._forms[output.name] = form
            copy = Tensor(output.name, form.shape, output.dtype, output.quant, None, output.source_index)
            self._emit(Quantize(DType.UINT8.value), form, copy, f"{output.name}.uint8")

    def _form(self, tensor: Tensor) -> Tensor:
        """A tensor's int8 form."""
        if tensor.name not in self._forms:
            data = None if tensor.data is None else (tensor.data.astype(np.int16) - _HALF).astype(np.int8)
            form = self._like(tensor, shifted(tensor.quant), data)
            self._forms[tensor.name] = form
            if data is None:
                self._emit(Quantize(DType.INT8.value), tensor, form, form.name)
        return self._forms[tensor.name]

    def _for_one_product(self, weights: Tensor, x: Tensor, output: Tensor) -> Tensor:
        """Weights with the scale that makes the int8 layer's multiplier the one of the uint8 layer.

        ``GetQuantizedConvolutionMultipler`` rounds the product of both scales to float32; per-channel layers do not.
        """
        quants = (x.quant, weights.quant, output.quant)
        if any(q is None or q.per_axis or q.scale <= 0 for q in quants):
            return weights
        scale = _scales.as_one_product(x.scale, weights.scale, over=output.scale)
        quant = Quantization((scale,), weights.quantization.zero_points)
        return self._like(weights, quant, weights.data)

    def _rescaled(self, tensor: Tensor, output: Tensor) -> Tensor:
        """A part of a concatenation that has another scale than the whole (tflite
        reference_ops::ConcatenationWithScaling)."""
        table = Tensor(
            self._graph.fresh(f"{tensor.name}.rescaled"), (256,), DType.INT8, shifted(output.quant),
            _rescaled(tensor, output),
        )  # fmt: skip
        self._graph.tensors[table.name] = table
        form = self._like(tensor, shifted(output.quant))
        self._graph.nodes.append(Node(form.name, Lookup(), (tensor.name, table.name), form.name, -1))
        return form

    def _like(self, tensor: Tensor, quant: Quantization | None, data: Array | None = None) -> Tensor:
        made = Tensor(
            self._graph.fresh(f"{tensor.name.removesuffix(_INT8)}{_INT8}"),
            tensor.shape,
            DType.INT8,
            quant,
            data,
            tensor.source_index,
        )
        self._graph.tensors[made.name] = made
        return made

    def _emit(self, op: Op, source: Tensor, output: Tensor, name: str) -> None:
        self._graph.tensors[output.name] = output
        self._graph.nodes.append(Node(name, op, (source.name,), output.name, -1))


def shifted(quant: Quantization | None) -> Quantization | None:
    """The quantization of the int8 form."""
    if quant is None:
        return None
    return Quantization(quant.scales, tuple(z - _HALF for z in quant.zero_points), quant.axis)


def _rounding_twice(op: Op) -> Op:
    return dataclasses.replace(op, once=False) if isinstance(op, FullyConnected) else op


def _rescaled(tensor: Tensor, output: Tensor) -> Array:
    """All 256 results, less 128."""
    scale = np.float32(_scales.single(tensor.scale, _scales.single(1.0, over=output.scale)))
    bias = np.float32(-tensor.zero_point) * scale
    real = np.arange(256).astype(np.float32) * scale + bias
    if not np.all(np.isfinite(real)):
        raise ModelError("a joined tensor's scale is too large", where=tensor.describe(), found=tensor.scale)
    rounded = np.array([round_half_away(float(v)) for v in real]) + output.zero_point
    table: Array = (np.clip(rounded, 0, 255) - _HALF).astype(np.int8)
    return table
