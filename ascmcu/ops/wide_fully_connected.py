# SPDX-License-Identifier: Apache-2.0
"""FULLY_CONNECTED on int16 activations with int8 weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs, RowMode, RowReads, RowRule, TensorType, present, whole_rule
from ascmcu.ir.registry import register_wide
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.ops import _dense, _quant, _scales, _wide
from ascmcu.ops._fixed import scale_once


@register_wide("FULLY_CONNECTED")
@dataclass(frozen=True)
class WideFullyConnected(_dense.Dense):
    """y[…,o] = clamp(round((b[o] + Σ w[o,i] · x[…,i]) × scale)): rounded once, in double precision.

    Inputs x int16, w (O, depth) int8, b int64 (O) (tflite reference_integer_ops::FullyConnected with scales).
    """

    KIND = "wide_fully_connected"
    FAMILY = "dense"
    clamp: tuple[int, int]

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the layer; a missing bias becomes zeros."""
        x, weights, bias = _dense.import_operands(ctx)
        output = ctx.outputs[0]
        bias = _wide.require_weights(ctx, x, weights, bias, weights.shape[0], _scales.MOST)
        ctx.emit(cls(output.shape, _quant.import_activation(ctx, output)), (x, weights, bias), output)

    def infer(self, inputs: Inputs) -> TensorType:
        """The stated shape, if it holds as many vectors as the input."""
        x, weights, _ = self.operands(inputs)
        self.check(x, weights)
        return TensorType(self.output_shape, DType.INT16)

    def row_rule(self, inputs: Inputs, output: Tensor) -> RowRule:
        """Row by row where rows are vectors."""
        x, weights, _ = self.operands(inputs)
        if x.rows == output.rows and x.row_elements % weights.shape[1] == 0:
            return RowRule(RowMode.MAP, output.rows, (RowReads(1, 0, 1), None, None))
        return whole_rule(inputs)

    def scales(self, inputs: Inputs, output: Tensor) -> tuple[float, ...]:
        """From accumulators to the output, per channel."""
        x, weights, _ = self.operands(inputs)
        quant = weights.quantization
        own = quant.scales if quant.per_axis else quant.scales * weights.shape[0]
        return tuple(_scales.double(x.scale, w, over=output.scale) for w in own)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Bit-exact reference; sums are exact in float64 below 2⁵³."""
        x, weights, bias = present(arrays)
        sums = x.astype(np.float64).reshape(-1, weights.shape[1]) @ weights.astype(np.float64).T
        acc = sums.astype(np.int64) + bias
        scaled = scale_once(acc, np.array(self.scales(inputs, output)))
        return np.clip(scaled, *self.clamp).astype(np.int16).reshape(output.shape)
