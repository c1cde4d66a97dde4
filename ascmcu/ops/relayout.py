# SPDX-License-Identifier: Apache-2.0
"""RELAYOUT: the same values in another layout. Only passes make it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ascmcu.ir.op import Inputs, Op, TensorType, present
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, Tensor


@register()
@dataclass(frozen=True)
class Relayout(Op):
    """y = x; the layouts of the two tensors say what moves."""

    KIND = "relayout"

    def infer(self, inputs: Inputs) -> TensorType:
        """The input's."""
        (x,) = present(inputs)
        return TensorType(x.shape, x.dtype)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """The input."""
        return present(arrays)[0]
