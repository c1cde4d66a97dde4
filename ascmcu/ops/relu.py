# SPDX-License-Identifier: Apache-2.0
"""RELU, RELU6 and RELU_N1_TO_1 as separate operators."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, Tensor
from ascmcu.ops import _scales
from ascmcu.ops._fixed import multiply_by_quantized_multiplier, to_output
from ascmcu.ops._quant import activation_range
from ascmcu.ops._unary import Unary

_KINDS = {"RELU": "relu", "RELU6": "relu6", "RELU_N1_TO_1": "relu_n1_to_1"}


@register("RELU", "RELU6", "RELU_N1_TO_1")
@dataclass(frozen=True)
class Relu(Unary):
    """Requantize, then clamp to the activation's range (tflite activations.cc QuantizedReluX)."""

    KIND = "relu"
    activation: str

    @classmethod
    def build(cls, ctx: ImportContext) -> Relu:
        """The range by the operator's name."""
        return cls(_KINDS[ctx.builtin])

    def function(self, x: Array, source: Tensor, output: Tensor) -> Array:
        """Bit-exact reference."""
        multiplier, shift = _scales.single_multiplier(source.scale, over=output.scale)
        scaled = multiply_by_quantized_multiplier(x.astype(np.int64) - source.zero_point, multiplier, shift)
        return to_output(scaled, output.zero_point, *activation_range(self.activation, output))
