# SPDX-License-Identifier: Apache-2.0
"""NEG: the integers negated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, Tensor
from ascmcu.ops._unary import Unary


@register("NEG")
@dataclass(frozen=True)
class Neg(Unary):
    """−q of the raw integer, scales and zero points aside, as LiteRT's reference has it: −(−128) wraps to −128."""

    KIND = "neg"

    def function(self, x: Array, source: Tensor, output: Tensor) -> Array:
        """Bit-exact reference."""
        return np.negative(x.astype(np.int64)).astype(np.int8)
