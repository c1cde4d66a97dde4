# SPDX-License-Identifier: Apache-2.0
"""FULLY_CONNECTED on int16 with int8 weights: four outputs side by side, by SMLAD where 32 bits hold the sums."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ascmcu.ir.op import Inputs, RowMode
from ascmcu.ir.types import DType, Tensor
from ascmcu.kernels import _wide
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._quads import QUAD
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.ops.wide_fully_connected import WideFullyConnected


@dataclass(frozen=True)
class Params(_wide.InQuads):
    """Compile-time constants: ``batch`` vectors of ``depth`` elements per step. ``simd`` says that 32 bits hold every
    sum, ``direct`` that vectors are whole quads at whole words."""

    depth: int
    quads: int
    out_c: int
    batch: int
    simd: bool
    direct: bool
    bias_type: str
    low: int
    high: int


@kernel(WideFullyConnected, cost=Cost(mac=1.6, output=150))
def lower(op: WideFullyConnected, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """Weights are (O / 4, quads, 4), or (O, depth) for sums of 64 bits."""
    x, weights, bias = op.operands(inputs)
    channels, depth = weights.shape
    mode = op.row_rule(inputs, output).mode
    batch = (x.elements if mode is RowMode.WHOLE else x.row_elements) // depth
    simd = _wide.fits_32_bits(weights.values, bias.values)
    params = Params(
        depth, -(-depth // QUAD), channels, batch, simd, depth % QUAD == 0,
        "int32_t" if simd else "int64_t", *op.clamp,
    )  # fmt: skip
    stored = _wide.grouped(weights.values) if simd else weights.values
    constants = (
        ("weights", stored),
        ("bias", bias.values.astype(params.bias_type.removesuffix("_t"))),
        ("scale", np.array(op.scales(inputs, output), np.float64)),
    )
    scratch = (DType.INT16, params.filled) if simd and not params.direct else None
    return Lowered(params, constants, scratch=scratch)
