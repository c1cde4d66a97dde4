"""The dot-product form of convolutions and dense layers: SMLAD on weights packed two channels to a halfword.

Inputs are widened to int16 once. The weights of output channels 2i (``low``) and 2i + 1 (``high``) at a tap are stored
as the single number H = 256 · w_high + w_low, so that one word holds two channels at two taps:

    A = Σ x · H = 256 · Σ x · w_high + Σ x · w_low        (SMLAD on the word as it is)
    B = Σ x · w_low                                        (SMLAD on SXTB16 of the word: the low bytes, sign-extended)
    Σ x · w_high = (A − B) / 256

which is one extension for four products instead of two, and exact modulo 2³² while |Σ x · w_high| < 2²³: the bounds
of the accumulators say so for every channel, or the form is not taken.

Both sums then stand at 256 · acc, and one high-word multiply-accumulate and one saturating shift requantize them:

    y = SSAT((256 · acc · M) >> 32 + C, asr S)

The reference rounds twice: to 2^−e of an output unit, halves up, then to whole units, halves away from zero. So its
steps lie 2^−(e+1) early above zero and late below, which C holds (and, where outputs below the zero point show, a
constant D that is taken off for negative sums). M is then bounded by every step of the channel and exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ascmcu.ir.types import Array, Tensor
from ascmcu.ops._fixed import I64, wrap32
from ascmcu.ops._quant import Requantization
from ascmcu.ops._requant import Mask, exact_multipliers

_GROUP = 4  # output channels that one pass computes
_GAIN = 256
_UNROLL_MOST = 16
_MOST_ACC = 1 << 23
_COMMON_SHIFT = 13
MOST_OFFSET = 4095  # of a load, a store or an addition


@dataclass(frozen=True)
class DotParams:
    """Compile-time constants of the inner kernels.

    ``pairs`` words of two taps make one pixel's vector; the loop runs ``blocks`` times over ``unroll`` of them and
    ``rest`` follow. ``pixel_bytes`` is the distance of neighbouring pixels' vectors, ``out_step`` of their outputs,
    ``channel_step`` of neighbouring channels' outputs.
    ``signed`` says that each channel has a constant D beside M and C.
    """

    pairs: int
    unroll: int
    blocks: int
    rest: int
    pixel_bytes: int
    out_step: int
    channel_step: int
    groups: int
    tail: int
    shift: int
    signed: bool
    low: int
    high: int

    @property
    def loop_bytes(self) -> int:
        """Bytes of a pixel's vector that the loop walks."""
        return self.blocks * self.unroll * 4

    @property
    def row_step(self) -> int:
        """From behind a pixel's last whole group to the pixel's neighbour (of a pair: to the next but one)."""
        return -4 * self.groups * self.channel_step

    @property
    def group_words(self) -> int:
        """Words of packed weights of one group of four channels."""
        return 2 * self.pairs

    @property
    def constant_words(self) -> int:
        """Constants of one group: four sums before the first tap, then M, C and perhaps D of each channel."""
        return _GROUP * (4 if self.signed else 3)

    @property
    def clamps(self) -> bool:
        """Whether saturation to int8 is not all that the activation asks for."""
        return (self.low, self.high) != (-128, 127)


@dataclass(frozen=True)
class Dot:
    """A layer in dot form: parameters, packed weights (int32 words), and the constants of each group."""

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
    channel_step: int = 1,
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
        channel_step: distance of neighbouring channels' outputs.
    """
    channels, taps = weights.shape
    if x.dtype.integer_range[0] == 0:
        return None
    found = channel_constants(requant, bounds)
    padded = -(-channels // _GROUP) * _GROUP
    wide = np.zeros((padded, taps), np.int64)
    wide[:channels] = weights
    packed = 256 * wide[1::2] + wide[0::2]
    if found is None or packed.min() < -(1 << 15) or packed.max() >= 1 << 15:
        return None
    unroll, blocks, rest = _unrolling(taps // 2)
    params = DotParams(
        pairs=taps // 2,
        unroll=unroll,
        blocks=blocks,
        rest=rest,
        pixel_bytes=pixel_bytes,
        out_step=out_step,
        channel_step=channel_step,
        groups=channels // _GROUP,
        tail=channels % _GROUP,
        shift=found.shift,
        signed=found.signed,
        low=requant.low,
        high=requant.high,
    )
    folded = np.zeros(padded, np.int64)
    folded[:channels] = bias - x.zero_point * weights.astype(np.int64).sum(axis=1)
    folded[:channels][found.constant] = 0
    return Dot(params, _words(packed), _constants(folded, found, padded))


@dataclass(frozen=True)
class ChannelConstants:
    """M, C and D of every channel for one common shift. ``constant`` channels have one output whatever the input: C
    holds it, and their sums must be zero."""

    shift: int
    signed: bool
    columns: Array  # (channels, 2 or 3)
    constant: Mask


def _unrolling(pairs: int) -> tuple[int, int, int]:
    """(pairs per loop turn, turns, pairs behind the loop): few turns, no leftover where a divisor allows it. Twelve
    first, which kernels of three columns have in common, so that layers share code."""
    if pairs <= _UNROLL_MOST:
        return pairs, 1, 0
    divisors = [u for u in (12, *range(_UNROLL_MOST, 5, -1)) if pairs % u == 0]
    unroll = divisors[0] if divisors else 8
    return unroll, pairs // unroll, pairs % unroll


def channel_constants(requant: Requantization, bounds: tuple[I64, I64]) -> ChannelConstants | None:
    """Channel constants at one shift for which all channels are exact, or ``None``; so too where accumulators may pass
    the 2²³ that 256 times them has room for."""
    constant = bounds[0] == bounds[1]
    low, high = (np.where(constant, 0, bound) for bound in bounds)
    if low.min() <= -_MOST_ACC or high.max() >= _MOST_ACC:
        return None
    signed = requant.low < requant.zero_point and not requant.once
    for shift in _shifts(np.array(requant.scales)[~constant]):
        columns = _columns(requant, (low, high), shift, constant, signed=signed)
        if columns is not None:
            columns[constant, 0] = 1
            columns[constant, 1] = (requant.apply(bounds[0])[constant] << shift) + (1 << (shift - 1))
            columns[constant, 2:] = 0
            return ChannelConstants(shift, signed, columns, constant)
    return None


def _shifts(scales: npt.NDArray[np.float64]) -> list[int]:
    """The four finest shifts whose multipliers are below 2³¹, those first that most layers can have: layers with equal
    shifts share their code."""
    largest = scales.max(initial=2.0**-30)
    finest = min(int(np.floor(7 - np.log2(largest) - 1e-9)), 22)
    return sorted(range(max(finest - 3, 9), finest + 1), key=lambda shift: (shift != _COMMON_SHIFT, -shift))


def _columns(
    requant: Requantization, bounds: tuple[I64, I64], shift: int, constant: Mask, *, signed: bool
) -> I64 | None:
    """Each channel's M, C and perhaps D, if all are exact with this shift."""
    early = np.zeros(len(requant.scales), np.int64)
    if not requant.once:
        right = np.where(constant, 0, -np.array(requant.shifts, np.int64))
        if right.min() < 0 or shift < right.max() + 1:
            return None
        early = np.where(right > 0, np.int64(1) << (shift - right - 1), 0)
    half = 1 << (shift - 1)
    multipliers = exact_multipliers(
        requant,
        bounds,
        gain=_GAIN,
        shift=np.full(len(early), shift, np.int64),
        offset=half + early,
        offset_below=half - early if signed else half + early,
    )
    if np.any(multipliers[~constant] == 0):
        return None
    columns = [multipliers, half + early + (requant.zero_point << shift)]
    return np.stack([*columns, 2 * early] if signed else columns, axis=1)


def _words(packed: I64) -> Array:
    """(channel pairs, taps) → int32 words in the kernel's order: group, pair of taps, channel pair."""
    halves = packed.reshape(-1, _GROUP // 2, packed.shape[1] // 2, 2)
    words = (halves[..., 0] & 0xFFFF) | (halves[..., 1] << 16)
    return wrap32(words.transpose(0, 2, 1).reshape(-1)).astype(np.int32)


def _constants(bias: I64, requantizers: ChannelConstants, padded: int) -> Array:
    """Per group: B and A of both channel pairs before the first tap, then each channel's M, C and perhaps D."""
    low, high = bias[0::2], bias[1::2]
    start = np.stack([low, 256 * high + low], axis=1).reshape(-1, _GROUP)
    columns = np.zeros((padded, requantizers.columns.shape[1]), np.int64)
    columns[: len(requantizers.columns)] = requantizers.columns
    return wrap32(np.concatenate([start, columns.reshape(len(start), -1)], axis=1)).astype(np.int32)
