# SPDX-License-Identifier: Apache-2.0
"""FULLY_CONNECTED on int16 with int8 weights: eight outputs at a time, by SMLAD; integers scale the sums."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.op import Inputs, RowMode
from ascmcu.ir.types import DType, Tensor
from ascmcu.kernels import _by_eights, _wide
from ascmcu.kernels._by_eights import Pass
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.kernels._work import work
from ascmcu.kernels.wide_dense import exact_factors
from ascmcu.m4 import count
from ascmcu.ops.wide_fully_connected import WideFullyConnected

# Of the C behind a call: an output, and what surrounds eight.
_OUTPUT_CYCLES, _GROUP_CYCLES = 18, 30


@dataclass(frozen=True)
class Params:
    """Compile-time constants: ``batch`` vectors of ``depth`` elements per step; ``direct`` says that they are whole
    words where they lie."""

    depth: int
    pairs: int
    out_c: int
    batch: int
    direct: bool
    passes: tuple[Pass, ...]
    low: int
    high: int


@kernel(WideFullyConnected, cost=Cost(mac=1.5, output=26))
def lower(op: WideFullyConnected, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered | None:
    """Sums that 32 bits hold, and a scale that 62 bits give exactly."""
    x, weights, bias = op.operands(inputs)
    channels, depth = weights.shape
    if not _by_eights.fits(depth) or not _wide.fits_32_bits(weights.values, bias.values):
        return None
    sums = _wide.bounds(weights.values, bias.values)
    factors = exact_factors(op.scales(inputs, output), sums, op.clamp)
    if factors is None:
        return None
    rule = op.row_rule(inputs, output)
    vectors = (x.elements if rule.mode is RowMode.WHOLE else x.row_elements) // depth
    loop = _by_eights.taps(depth, tuning.unroll)
    pairs, passes = loop.pairs, _by_eights.passes(channels, loop)
    params = Params(depth, pairs, channels, vectors, depth % 2 == 0, passes, *op.clamp)
    turns = {"taps": loop.turns} if loop.turns > 1 else {}
    cycles = sum(p.groups * (count.cycles(p.code, turns) + _GROUP_CYCLES) for p in passes)
    vectors *= rule.steps
    counts = {f"{what}_{p.width}": n * vectors for p in passes
              for what, n in (("pair_taps", p.groups * pairs), ("groups", p.groups))}  # fmt: skip
    return Lowered(
        params,
        (("weights", _by_eights.stream(weights.values, bias.values, passes)), ("scale", factors)),
        scratch=None if params.direct else (DType.INT16, 2 * pairs),
        cycles=(cycles + channels * _OUTPUT_CYCLES) * vectors,
        work=work({**counts, "outputs": output.elements}),
    )
