# SPDX-License-Identifier: Apache-2.0
"""Base of dense layers of any number type: operands, shape checks, row rule."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs, Op, RowMode, RowReads, RowRule, accumulate_rule, present, whole_rule
from ascmcu.ir.types import Tensor
from ascmcu.ops import _quant


class Operands(NamedTuple):
    """The inputs of a dense layer."""

    x: Tensor
    weights: Tensor
    bias: Tensor


@dataclass(frozen=True)
class Dense(Op):
    """Base: weights (O, depth) on every vector of ``depth`` elements of x; ``output_shape`` ends in O."""

    output_shape: tuple[int, ...]

    def check(self, x: Tensor, weights: Tensor) -> None:
        """The stated shape holds as many vectors as the input.

        Raises:
            ModelError: it does not.
        """
        channels, depth = weights.shape
        vectors, rest = divmod(x.elements, depth) if depth else (0, 1)
        if rest:
            raise _quant.incompatible("input does not fit the weights", f"a multiple of {depth}", x.shape)
        if math.prod(self.output_shape) != vectors * channels or self.output_shape[-1] != channels:
            expected = f"{vectors} × {channels}"
            raise _quant.incompatible("output does not fit input and weights", expected, self.output_shape)

    def operands(self, inputs: Inputs) -> Operands:
        """The inputs, none of which may be absent."""
        return Operands(*present(inputs))

    def macs(self, inputs: Inputs, output: Tensor) -> int:
        """One per weight and vector."""
        weights = self.operands(inputs).weights
        return output.elements * weights.shape[1]

    def row_rule(self, inputs: Inputs, output: Tensor) -> RowRule:
        """Row by row where rows are vectors; accumulating where the rows together are one vector."""
        x, weights, _ = self.operands(inputs)
        depth = weights.shape[1]
        if x.rows == output.rows and x.row_elements % depth == 0:
            return RowRule(RowMode.MAP, output.rows, (RowReads(1, 0, 1), None, None))
        if x.elements == depth:
            return accumulate_rule(x.rows, x.rows, (RowReads(1, 0, 1), None, None))
        return whole_rule(inputs)


def import_operands(ctx: ImportContext) -> tuple[Tensor, Tensor, Tensor | None]:
    """Input, weights and, if there is one, bias."""
    x, weights, bias = (*ctx.inputs, None)[:3]
    if x is None or weights is None or len(weights.shape) != 2:
        raise ctx.error("weights must have two dimensions", weights)
    if int(ctx.option("WeightsFormat", 0)) != 0:
        raise ctx.error("shuffled weights are not supported", weights, expected="DEFAULT weights format")
    return x, weights, bias
