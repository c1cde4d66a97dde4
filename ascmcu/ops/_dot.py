"""The dot-product form of convolutions and dense layers: SMLAD on weights packed two channels to a halfword.

Inputs are widened to int16 once. The weights of output channels 2i (``low``) and 2i + 1 (``high``) at one tap are stored
as the single number H = 256 · w_high + w_low, so that one word holds two channels at two taps:

    A = Σ x · H = 256 · Σ x · w_high + Σ x · w_low        (SMLAD on the word as it is)
    B = Σ x · w_low                                        (SMLAD on SXTB16 of the word: the low bytes, sign-extended)
    Σ x · w_high = (A − B) / 256

which is one extension for four products instead of two, and exact modulo 2³² while |Σ x · w_high| < 2²³: the bounds
of the accumulators say so for every channel, or the form is not taken.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ascmcu.ir.types import Array, Tensor
from ascmcu.ops._fixed import I64, wrap32
from ascmcu.ops._quant import Requantization
from ascmcu.ops._requant import multiplier_for_shift

_GROUP = 4  # output channels that one pass computes
# The shift behind the high-word multiply, common to a layer; the largest that its scales allow is the most precise.
_SHIFTS = (14, 11, 8, 5, 2)
_UNROLL_MOST = 10


@dataclass(frozen=True)
class DotParams:
    """Compile-time constants of the inner kernels.

    ``pairs`` words of two taps make one pixel's vector; the loop runs ``blocks`` times over ``unroll`` of them and
    ``rest`` follow. ``pixel_bytes`` is the distance of neighbouring pixels' vectors, ``out_step`` of their outputs.
    ``half_low`` and ``half_high`` round and add the zero point before the shifts ``shift`` and ``shift`` + 8.
    """

    pairs: int
    unroll: int
    blocks: int
    rest: int
    pixel_bytes: int
    out_step: int
    groups: int
    tail: int
    shift: int
    half_low: int
    half_high: int
    low: int
    high: int

    @property
    def loop_bytes(self) -> int:
        """Bytes of a pixel's vector that the loop walks."""
        return self.blocks * self.unroll * 4

    @property
    def group_words(self) -> int:
        """Words of packed weights of one group of four channels."""
        return 2 * self.pairs

    @property
    def clamps(self) -> bool:
        """Whether saturation to int8 is not all that the activation asks for."""
        return (self.low, self.high) != (-128, 127)


@dataclass(frozen=True)
class Dot:
    """A layer in dot form: parameters, packed weights (int32 words), and per group eight constants."""

    params: DotParams
    weights: Array
    constants: Array


def pair_order(channels: int) -> Array:
    """The order in which SXTB16 leaves a pixel's channels: 0, 2, 1, 3 of each four; as they are otherwise."""
    order = np.arange(channels)
    if channels % 4 == 0:
        order = order.reshape(-1, 2, 2).transpose(0, 2, 1).reshape(-1)
    return order


def dot_form(
    weights: Array,
    bias: Array,
    x: Tensor,
    requant: Requantization,
    bounds: tuple[I64, I64],
    *,
    pixel_bytes: int,
    out_step: int,
) -> Dot | None:
    """The dot form of ``weights`` (channels, taps in kernel order, an even number), or ``None`` where it is not exact.

    Args:
        weights: int8 values centred on zero.
        bias: int32 per channel, still without the input's zero point.
        x: the input; its zero point is folded into the bias, so padded taps must hold the zero point.
        requant: accumulators to outputs.
        bounds: lowest and highest accumulator per channel, bias included.
        pixel_bytes: distance of neighbouring pixels' widened vectors.
        out_step: distance of neighbouring pixels' outputs.
    """
    channels, taps = weights.shape
    low, high = bounds
    limit = 1 << 23
    if x.dtype.integer_range[0] == 0 or min(low) <= -limit or max(high) >= limit:
        return None
    found = _common_multipliers(requant, bounds)
    padded = -(-channels // _GROUP) * _GROUP
    wide = np.zeros((padded, taps), np.int64)
    wide[:channels] = weights
    packed = 256 * wide[1::2] + wide[0::2]
    if found is None or packed.min() < -(1 << 15) or packed.max() >= 1 << 15:
        return None
    shift, multipliers = found
    params = _params(taps // 2, padded, channels, pixel_bytes, out_step, shift, requant)
    folded = np.zeros(padded, np.int64)
    folded[:channels] = bias - x.zero_point * weights.astype(np.int64).sum(axis=1)
    return Dot(params, _words(packed), _constants(folded, multipliers, padded))


def _params(
    pairs: int, padded: int, channels: int, pixel_bytes: int, out_step: int, shift: int, requant: Requantization
) -> DotParams:
    unroll, blocks, rest = _unrolling(pairs)
    return DotParams(
        pairs=pairs,
        unroll=unroll,
        blocks=blocks,
        rest=rest,
        pixel_bytes=pixel_bytes,
        out_step=out_step,
        groups=channels // _GROUP,
        tail=channels % _GROUP,
        shift=shift,
        half_low=(1 << (shift - 1)) + (requant.zero_point << shift),
        half_high=(1 << (shift + 7)) + (requant.zero_point << (shift + 8)),
        low=requant.low,
        high=requant.high,
    )


def _unrolling(pairs: int) -> tuple[int, int, int]:
    """(pairs per loop turn, turns, pairs behind the loop): few turns, no leftover where a divisor allows it."""
    if pairs <= _UNROLL_MOST:
        return pairs, 1, 0
    divisors = [u for u in range(_UNROLL_MOST, 5, -1) if pairs % u == 0]
    unroll = divisors[0] if divisors else 8
    return unroll, pairs // unroll, pairs % unroll


def _common_multipliers(requant: Requantization, bounds: tuple[I64, I64]) -> tuple[int, I64] | None:
    largest = max(requant.scales)
    for shift in _SHIFTS:
        if largest * 2.0 ** (32 + shift) >= (1 << 31) - 1:
            continue
        found = [multiplier_for_shift(requant, c, int(bounds[0][c]), int(bounds[1][c]), shift) for c in range(len(requant.scales))]
        if all(m is not None for m in found):
            return shift, np.array(found, np.int64)
    return None


def _words(packed: I64) -> Array:
    """(channel pairs, taps) → int32 words in the kernel's order: group, pair of taps, channel pair."""
    halves = packed.reshape(-1, _GROUP // 2, packed.shape[1] // 2, 2)
    words = (halves[..., 0] & 0xFFFF) | (halves[..., 1] << 16)
    return wrap32(words.transpose(0, 2, 1).reshape(-1)).astype(np.int32)


def _constants(bias: I64, multipliers: I64, padded: int) -> Array:
    """Per group: B and A of both channel pairs before the first tap, then the four multipliers."""
    low, high = bias[0::2], bias[1::2]
    start = np.stack([low, 256 * high + low], axis=1).reshape(-1, _GROUP)
    scale = np.zeros(padded, np.int64)
    scale[: len(multipliers)] = multipliers
    return wrap32(np.concatenate([start, scale.reshape(-1, _GROUP)], axis=1)).astype(np.int32)
