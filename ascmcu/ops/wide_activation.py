# SPDX-License-Identifier: Apache-2.0
"""RELU, RELU6, LEAKY_RELU and ABS of int16."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs, present
from ascmcu.ir.registry import register_wide
from ascmcu.ir.types import Array, Tensor
from ascmcu.ops import _quant, _scales, _wide
from ascmcu.ops._elementwise import Elementwise
from ascmcu.ops._fixed import multiply_by_quantized_multiplier

Fixed = tuple[int, int]
_RANGES = {"RELU": "relu", "RELU6": "relu6", "LEAKY_RELU": "none", "ABS": "none"}


@register_wide(*_RANGES)
@dataclass(frozen=True)
class WideActivation(Elementwise):
    """clamp(requant(x)), rounded twice, with a multiplier for each sign of x; ``negated`` where the lower slope is
    negative, ``absolute`` where x loses its sign first
    (tflite activations.cc QuantizedReluX, reference_ops::QuantizeLeakyRelu, elementwise.cc AbsEvalQuantized)."""

    KIND = "wide_activation"
    ELEMENTWISE = True
    FAMILY = "activation"
    above: Fixed
    below: Fixed
    negated: bool
    absolute: bool
    clamp: tuple[int, int]

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the op."""
        x, output = ctx.needed(0), ctx.outputs[0]
        _wide.require_wide(ctx, x, output)
        alpha = float(ctx.option("Alpha", 0.0)) if ctx.builtin == "LEAKY_RELU" else 1.0
        _quant.require_scales(ctx, x, output)
        _quant.require_ratio(ctx, x.scale, max(abs(alpha), 1.0))
        above = _scales.single_multiplier(x.scale, over=output.scale)
        below = _scales.single_multiplier(x.scale, abs(alpha), over=output.scale)
        clamp = _quant.activation_range(_RANGES[ctx.builtin], output)
        ctx.emit(cls(above, below, alpha < 0, ctx.builtin == "ABS", clamp), (x,), output)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Bit-exact reference."""
        x = present(arrays)[0].astype(np.int64)
        if self.absolute:
            x = np.abs(x)
        below = multiply_by_quantized_multiplier(x, *self.below) * (-1 if self.negated else 1)
        scaled = np.where(x >= 0, multiply_by_quantized_multiplier(x, *self.above), below)
        return np.clip(scaled, *self.clamp).astype(output.dtype.numpy)
