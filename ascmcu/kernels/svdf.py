# SPDX-License-Identifier: Apache-2.0
"""SVDF on int8: the memory moves on by one entry, the filters' new ones by SMLAD."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.op import Inputs, present
from ascmcu.ir.types import DType, Tensor
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._quads import QUAD, interleaved
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.ops.svdf import Svdf


@dataclass(frozen=True)
class Params:
    """Compile-time constants; ``depth`` inputs lie in ``quads`` groups of four."""

    depth: int
    quads: int
    filters: int
    memory: int
    multiplier: int
    shift: int
    zero_point: int
    low: int
    high: int
    state_type: str

    @property
    def widened(self) -> int:
        """Elements of the input in int16, with what fills it."""
        return self.quads * QUAD


@kernel(Svdf, cost=Cost(mac=2.0, output=4))
def lower(op: Svdf, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """Weights are (filters, quads of taps)."""
    _, x, weights, bias = present(inputs)
    quads = -(-x.elements // QUAD)
    low, high = output.dtype.integer_range
    params = Params(
        x.elements, quads, weights.shape[0], op.memory, op.multiplier, op.shift, output.zero_point, low, high,
        output.dtype.c_name,
    )  # fmt: skip
    constants = (("weights", interleaved(weights.values, 1)), ("bias", bias.values))
    return Lowered(params, constants, scratch=(DType.INT16, params.widened))
