# SPDX-License-Identifier: Apache-2.0
"""LOG: the natural logarithm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, Tensor
from ascmcu.ops._libm import logf
from ascmcu.ops._unary import Float32, Unary, through_float32


@register("LOG")
@dataclass(frozen=True)
class Log(Unary):
    """A table filled in float32 (tflite elementwise.cc); what is not positive gives the output's least value."""

    KIND = "log"

    def function(self, x: Array, source: Tensor, output: Tensor) -> Array:
        """Bit-exact reference."""
        return through_float32(x, source, output, _log)


def _log(x: Float32) -> Float32:
    known = x > 0
    return np.where(known, logf(np.where(known, x, np.float32(1))), np.float32(-np.inf)).astype(np.float32)
