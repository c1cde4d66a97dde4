# SPDX-License-Identifier: Apache-2.0
"""FULLY_CONNECTED on float32 activations; weights float32, half precision or int8."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs, Swapped, TensorType, present, swap_pair
from ascmcu.ir.registry import register_float
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.ops import _dense, _float
from ascmcu.ops._activation import import_activation


@register_float("FULLY_CONNECTED")
@dataclass(frozen=True)
class FloatFullyConnected(_dense.Dense):
    """y = activation(b + w · x) on vectors of the weights' depth; inputs x, w (O, depth), b (O)."""

    KIND = "float_fully_connected"
    FAMILY = "dense"
    activation: str

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the layer; a missing bias becomes zeros."""
        x, weights, bias = _dense.import_operands(ctx)
        output = ctx.outputs[0]
        _float.require_float(ctx, x, output)
        _float.require_weights(ctx, weights, bias, weights.shape[0])
        if bias is None:
            bias = ctx.constant(f"{output.name}.bias", np.zeros(weights.shape[0], np.float32))
        ctx.emit(cls(output.shape, import_activation(ctx)), (x, weights, bias), output)

    def infer(self, inputs: Inputs) -> TensorType:
        """The stated shape, if it holds as many vectors as the input."""
        x, weights, _ = self.operands(inputs)
        self.check(x, weights)
        return TensorType(self.output_shape, DType.FLOAT32)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Summed in float64, rounded once."""
        x, (_, weights, bias) = present(arrays)[0], self.operands(inputs)
        vectors = x.reshape(-1, weights.shape[1]).astype(np.float64)
        total = vectors @ _float.values(weights).astype(np.float64).T + _float.values(bias)
        return _float.activated(total, self.activation).astype(np.float32).reshape(output.shape)

    def swapped(self, inputs: Inputs, output: Tensor) -> Swapped | None:
        """Vectors along the last axis stay; where height and width are within a vector, there is no such form."""
        x, weights, _ = self.operands(inputs)
        if len(x.shape) != 4 or x.shape[1] == x.shape[2] == 1:
            return Swapped(self)
        if x.shape[3] == weights.shape[1] and len(output.shape) == 4:
            return Swapped(type(self)(swap_pair(self.output_shape), self.activation))
        return None
