# SPDX-License-Identifier: Apache-2.0
"""FULLY_CONNECTED: a dense layer over the last axis, or over a whole feature map row by row."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs, Swapped, TensorType, present, swap_pair
from ascmcu.ir.ranges import Range
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, Tensor
from ascmcu.ops import _dense, _quant
from ascmcu.ops._weighted import weighted_range


@register("FULLY_CONNECTED")
@dataclass(frozen=True)
class FullyConnected(_dense.Dense):
    """y[…,o] = clamp(requant(b[o] + Σ (w[o,i] − w zero point) · (x[…,i] − zero point))); inputs x, w, b.

    With ``flatten`` all of x is one vector (the shape is (1, O)); else the last axis is the vector and
    ``keep_dims`` tells whether the leading axes stay. The reference kernel rounds ``once``, in double precision
    (tflite reference_integer_ops::FullyConnected with scales; CMSIS-NN and the optimised resolver round twice); that of
    uint8 layers rounds twice (reference_ops::FullyConnected).
    """

    KIND = "fully_connected"
    READS_FLAT = True
    FAMILY = "dense"
    clamp: tuple[int, int]
    once: bool = True

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the layer; a missing bias becomes zeros."""
        x, weights, bias = _dense.import_operands(ctx)
        output = ctx.outputs[0]
        _quant.require_quantized(ctx, x, output)
        weights = _quant.centred(ctx, weights)
        _quant.require_weights(ctx, x, weights, bias, weights.shape[0])
        _quant.require_ratio(ctx, x.scale, _quant.largest_scale(weights))
        if bias is None:
            bias = ctx.constant(f"{output.name}.bias", _quant.zero_bias(weights.shape[0]))
        ctx.emit(cls(output.shape, _quant.import_activation(ctx, output)), (x, weights, bias), output)

    def infer(self, inputs: Inputs) -> TensorType:
        """The stated shape, if it holds as many vectors as the input."""
        x, weights, _ = self.operands(inputs)
        self.check(x, weights)
        return TensorType(self.output_shape, x.dtype)

    def requantization(self, inputs: Inputs, output: Tensor) -> _quant.Requantization:
        """Accumulator → output."""
        x, weights, _ = self.operands(inputs)
        return _quant.requantization(x, weights, output, weights.shape[0], self.clamp, once=self.once)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Products are summed in float64, which is exact below 2⁵³."""
        x, weights, bias = present(arrays)
        source, taps, _ = self.operands(inputs)
        centred = x.astype(np.float64).reshape(-1, weights.shape[1]) - source.zero_point
        acc = (centred @ (weights.astype(np.float64) - taps.zero_point).T).astype(np.int64) + bias
        return self.requantization(inputs, output).apply(acc).astype(output.dtype.numpy).reshape(output.shape)

    def swapped(self, inputs: Inputs, output: Tensor) -> Swapped | None:
        """A flattened map's weights follow its elements; a layer on the last axis alone stays."""
        x, weights, _ = self.operands(inputs)
        if len(x.shape) != 4:
            return Swapped(self) if len(output.shape) != 4 else None
        if x.elements == weights.shape[1] and len(output.shape) != 4:
            data = weights.values.reshape(-1, *x.shape[1:]).transpose(0, 2, 1, 3)
            return Swapped(self, ((1, np.ascontiguousarray(data).reshape(weights.shape)),))
        if x.shape[3] == weights.shape[1] and len(output.shape) == 4:
            return Swapped(dataclasses.replace(self, output_shape=swap_pair(self.output_shape)))
        return None

    def channel_range(self, ranges: Sequence[Range | None], inputs: Inputs, output: Tensor) -> Range | None:
        """From the products of every weight with both ends of its input channel."""
        x, weights, bias = self.operands(inputs)
        source, repeats = ranges[0], weights.shape[1] // x.shape[-1]
        if source is None or repeats * x.shape[-1] != weights.shape[1]:
            return None
        w = weights.values.astype(np.int64) - weights.zero_point
        low, high = (w * (np.tile(bound, repeats) - x.zero_point) for bound in (source.low, source.high))
        return weighted_range((low, high), bias.values, self.requantization(inputs, output))
