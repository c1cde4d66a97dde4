# SPDX-License-Identifier: Apache-2.0
"""FULLY_CONNECTED by the packed product: vectors are widened to int16 one by one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ascmcu.ir.layout import ROW_MAJOR, TIME_PLANAR, TIME_TO_WIDTH
from ascmcu.ir.op import Inputs, RowMode
from ascmcu.ir.types import DType, Tensor
from ascmcu.kernels import _packed_work
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._packed_gemm import GemmParams, packed_gemm, pair_order
from ascmcu.kernels._packed_gemm_code import EIGHT_PAIRS
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.kernels._requant import accumulator_bounds
from ascmcu.kernels.dense_portable import stored_weights, vectors_per_step
from ascmcu.ops.fully_connected import FullyConnected

# A longer vector would need more scratch than the layer is worth.
_MOST_TAPS = 2048


@dataclass(frozen=True)
class Params:
    """Compile-time constants: ``batch`` vectors of ``depth`` elements per step."""

    depth: int
    taps: int
    out_c: int
    batch: int
    x_type: str
    gemm: GemmParams

    @property
    def whole_words(self) -> bool:
        """Whether a vector is widened four elements at a time."""
        return self.depth % 4 == 0


@kernel(FullyConnected, reads=(ROW_MAJOR, TIME_TO_WIDTH, TIME_PLANAR), cost=Cost(mac=1.2, output=15, input=1))
def lower(op: FullyConnected, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered | None:
    """Weights symmetric, no rows to accumulate, and a requantization that is exact in one multiplication."""
    x, weights, bias = op.operands(inputs)
    vectors = stored_weights(op, inputs)
    channels, depth = vectors.shape
    waits = op.row_rule(inputs, output).mode is RowMode.ACCUMULATE and x.rows > 1
    if waits or weights.zero_point != 0 or depth > _MOST_TAPS:
        return None
    taps, batch = depth + depth % 2, vectors_per_step(op, inputs, output)
    ordered = np.zeros((channels, taps), np.int8)
    ordered[:, :depth] = vectors[:, pair_order(depth)]
    form = packed_gemm(
        ordered,
        bias.values,
        x,
        op.requantization(inputs, output),
        accumulator_bounds(vectors, bias.values, x),
        pixel_bytes=0,
        out_step=0,
        tuning=tuning,
        eights=tuning.dense and taps % (2 * EIGHT_PAIRS) == 0,
    )
    if form is None:
        return None
    steps = op.row_rule(inputs, output).steps * batch
    return Lowered(
        Params(depth, taps, channels, batch, x.dtype.c_name, form.params),
        form.arrays,
        scratch=(DType.INT16, taps),
        shift=form.params.shift,
        work=(_packed_work.widened_bytes(depth) + _packed_work.run(form.params, 1, two=False)) * steps,
        widens_in_place=depth % 4 == 0 and batch == 1,
    )
