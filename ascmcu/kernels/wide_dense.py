# SPDX-License-Identifier: Apache-2.0
"""FULLY_CONNECTED on int16 with int8 weights: four outputs side by side, by SMLAD where 32 bits hold the sums."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.op import Inputs, RowMode
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.kernels import _wide
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._quads import QUAD
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.ops._fixed import I64, scale_once
from ascmcu.ops.wide_fully_connected import WideFullyConnected


@dataclass(frozen=True)
class Params(_wide.InQuads):
    """Compile-time constants: ``batch`` vectors of ``depth`` elements per step. ``simd`` says that 32 bits hold every
    sum, ``exact`` that integers scale it as the reference's double precision does, ``direct`` that vectors are whole
    quads at whole words."""

    depth: int
    quads: int
    out_c: int
    batch: int
    simd: bool
    exact: bool
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
    scales = op.scales(inputs, output)
    sums = _wide.bounds(weights.values, bias.values) if simd else None
    factors = None if sums is None else exact_factors(scales, sums, op.clamp)
    params = Params(
        depth, -(-depth // QUAD), channels, batch, simd, factors is not None, depth % QUAD == 0,
        "int32_t" if simd else "int64_t", *op.clamp,
    )  # fmt: skip
    stored = _wide.grouped(weights.values) if simd else weights.values
    constants = (
        ("weights", stored),
        ("bias", bias.values.astype(params.bias_type.removesuffix("_t"))),
        ("scale", factors if factors is not None else np.array(scales, np.float64)),
    )
    scratch = (DType.INT16, params.filled) if simd and not params.direct else None
    return Lowered(params, constants, scratch=scratch)


def exact_factors(scales: Sequence[float], sums: tuple[I64, I64], clamp: tuple[int, int]) -> Array | None:
    """(channels, 3) words that scale each channel's sums as ``scale_once`` does: the upper and the lower half of the
    scale's 62 bits, and the shift of the product's upper half; ``None`` where they do not for every sum in the bounds.

    Both are monotone in the sum: where they agree on both sides of each step of the output, they agree everywhere.
    """
    rows = []
    for scale, low, high in zip(scales, *sums, strict=True):
        fraction, exponent = math.frexp(scale)
        mantissa, shift = int(fraction * 2.0**62), -2 - exponent
        if not 1 <= shift <= 30:
            return None
        upper = (mantissa + (1 << 31)) >> 32
        row = np.array([upper, mantissa - (upper << 32), shift], np.int64)
        at = _steps(scale, int(low), int(high), clamp)
        high = (at * row[0] + ((at * row[1]) >> 32)) >> 32
        if not np.array_equal(
            np.clip((high + (1 << (shift - 1))) >> shift, *clamp), np.clip(scale_once(at, scale), *clamp)
        ):
            return None
        rows.append(row)
    return np.array(rows, np.int64).astype(np.int32)


def _steps(scale: float, low: int, high: int, clamp: tuple[int, int]) -> I64:
    """Sums on both sides of each step of the output, and at both ends."""
    reached = scale_once(np.array([low, high]), scale)
    first, last = np.clip(reached, clamp[0] - 1, clamp[1] + 1).tolist()
    steps = np.floor((np.arange(first, last + 1) + 0.5) / scale).astype(np.int64)
    near = (steps[:, None] + np.arange(-1, 3)).reshape(-1)
    found: I64 = np.clip(np.concatenate([near, [low, high]]), low, high)
    return found
