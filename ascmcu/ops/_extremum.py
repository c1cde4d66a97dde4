# SPDX-License-Identifier: Apache-2.0
"""Base of MAXIMUM and MINIMUM, which differ only in the comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs, present
from ascmcu.ir.types import Array, Tensor
from ascmcu.ops import _broadcast


@dataclass(frozen=True)
class Extremum(_broadcast.Broadcasting):
    """Base: the larger or the smaller of two raw integers."""

    LARGER: ClassVar[bool]

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the op on operands of equal rank and equal quantization: the reference compares raw integers."""
        a, b = _broadcast.import_operands(ctx, wide=True)
        if not a.quant == b.quant == ctx.outputs[0].quant:
            raise ctx.error(
                "operands and output must share one quantization", b, expected=a.quant, found=b.quant
            )
        ctx.emit(cls(), (a, b), ctx.outputs[0])

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Bit-exact reference."""
        a, b = present(arrays)
        return np.maximum(a, b) if self.LARGER else np.minimum(a, b)
