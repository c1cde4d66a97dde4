# SPDX-License-Identifier: Apache-2.0
"""FULLY_CONNECTED on int16 with int8 weights: eight outputs at a time, by SMLAD; integers scale the sums."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ascmcu.ir.op import Inputs, RowMode
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.kernels import _wide, _wide_pairs_code
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.kernels._wide_pairs_code import Taps
from ascmcu.kernels._work import work
from ascmcu.kernels.wide_dense import exact_factors
from ascmcu.m4 import count
from ascmcu.m4.asm import MOST_OFFSET
from ascmcu.m4.listing import Listing
from ascmcu.ops.wide_fully_connected import WideFullyConnected

_EIGHT, _FOUR = 8, 4
# Of the C behind a call: an output, and what surrounds eight.
_OUTPUT_CYCLES, _GROUP_CYCLES = 18, 30


@dataclass(frozen=True)
class Pass:
    """``groups`` groups of ``width`` channels from channel ``first`` on, ``channels`` of which are wanted; their
    weights begin at ``words``."""

    width: int
    groups: int
    first: int
    channels: int
    words: int
    pairs: int
    code: Listing

    @property
    def group_words(self) -> int:
        """Words of a group: first sums, weights."""
        return self.width + self.width // 2 * self.pairs


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
    pairs = -(-depth // 2)
    if 4 * pairs > MOST_OFFSET or not _wide.fits_32_bits(weights.values, bias.values):
        return None
    sums = _wide.bounds(weights.values, bias.values)
    factors = exact_factors(op.scales(inputs, output), sums, op.clamp)
    if factors is None:
        return None
    rule = op.row_rule(inputs, output)
    vectors = (x.elements if rule.mode is RowMode.WHOLE else x.row_elements) // depth
    unroll = min(pairs, tuning.unroll)
    loop = Taps(unroll, pairs // unroll, pairs % unroll, 0)
    passes = _passes(channels, loop)
    params = Params(depth, pairs, channels, vectors, depth % 2 == 0, passes, *op.clamp)
    words = [_words(weights.values, bias.values, p) for p in passes]
    turns = {"taps": loop.turns} if loop.turns > 1 else {}
    cycles = sum(p.groups * (count.cycles(p.code, turns) + _GROUP_CYCLES) for p in passes)
    vectors *= rule.steps
    counts = {f"{what}_{p.width}": n * vectors for p in passes
              for what, n in (("pair_taps", p.groups * pairs), ("groups", p.groups))}  # fmt: skip
    return Lowered(
        params,
        (("weights", np.concatenate(words)), ("scale", factors)),
        scratch=None if params.direct else (DType.INT16, 2 * pairs),
        cycles=(cycles + channels * _OUTPUT_CYCLES) * vectors,
        work=work({**counts, "outputs": output.elements}),
    )


def _passes(channels: int, loop: Taps) -> tuple[Pass, ...]:
    """Eight channels at a time; four where no more are left."""
    eights = channels // _EIGHT + (channels % _EIGHT > _FOUR)
    found = []
    if eights:
        taken = min(channels, _EIGHT * eights)
        found.append(Pass(_EIGHT, eights, 0, taken, 0, loop.pairs, _wide_pairs_code.one_by(_EIGHT, loop)))
    if channels > _EIGHT * eights:
        first, words = _EIGHT * eights, sum(p.groups * p.group_words for p in found)
        code = _wide_pairs_code.one_by(_FOUR, loop)
        found.append(Pass(_FOUR, 1, first, channels - first, words, loop.pairs, code))
    return tuple(found)


def _words(vectors: Array, bias: Array, taken: Pass) -> Array:
    """Group by group the first sums, then the weights by pairs of taps."""
    own = slice(taken.first, taken.first + taken.channels)
    first = np.zeros(taken.groups * taken.width, np.int32)
    first[: taken.channels] = bias[own]
    words = _wide.in_pairs(vectors[own], taken.width)
    return np.concatenate([first.reshape(-1, taken.width), words], axis=1).reshape(-1)
