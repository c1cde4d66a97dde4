# SPDX-License-Identifier: Apache-2.0
"""Cheaper integer forms of a requantization, proven equal to the reference at export.

A requantization is a monotone step function of the accumulator with at most 256 steps. So whether
``((acc × M) >> 32 + offset) >> s`` gives the reference's bits for *every* reachable accumulator can be decided
by looking at both sides of each step, and at both ends, only. Each of them bounds M by a linear inequality; if the
bounds leave an integer, that M is exact, although the reference rounds twice (convolutions) or in double precision
(dense layers).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ascmcu.ir.types import Array, Tensor
from ascmcu.ops._fixed import I64, multiply_by_quantized_multiplier, scale_once
from ascmcu.ops._quant import Requantization

Mask = npt.NDArray[np.bool_]

_INT32_LIMIT = 1 << 31


@dataclass(frozen=True)
class RequantParams:
    """How the C kernel requantizes: ``form`` is ``high`` (one high-word multiply, proven exact) or ``reference``
    (the reference's own arithmetic: ``once`` in double precision, else rounding twice)."""

    form: str
    once: bool
    zero_point: int
    low: int
    high: int


def accumulator_bounds(weights: Array, bias: Array, x: Tensor) -> tuple[I64, I64]:
    """Lowest and highest accumulator per channel over all inputs; ``weights`` is (channels, taps).

    A tap outside the input contributes zero, so zero is always among a tap's values.
    """
    x_low, x_high = (v - x.zero_point for v in x.dtype.integer_range)
    w = weights.astype(np.int64)
    products = np.stack([w * x_low, w * x_high, np.zeros_like(w)])
    low = products.min(axis=0).sum(axis=1) + bias
    high = products.max(axis=0).sum(axis=1) + bias
    return low.astype(np.int64), high.astype(np.int64)


def lower_requantization(
    requant: Requantization, bounds: tuple[I64, I64]
) -> tuple[RequantParams, tuple[tuple[str, Array], ...]]:
    """The parameters and per-channel constants of the cheapest exact form."""
    limits = (requant.zero_point, requant.low, requant.high)
    found = _high_word_form(requant, bounds)
    if found is not None:
        constants = (("multiplier", found[0].astype(np.int32)), ("shift", found[1].astype(np.uint8)))
        return RequantParams("high", requant.once, *limits), constants
    if requant.once:
        return RequantParams("reference", True, *limits), (("scale", np.array(requant.scales, np.float64)),)
    fixed = (
        ("multiplier", np.array(requant.multipliers, np.int32)),
        ("shift", np.array(requant.shifts, np.int8)),
    )
    return RequantParams("reference", False, *limits), fixed


def _scaled(requant: Requantization, accumulators: I64) -> I64:
    """Accumulators (channels, …) as the reference scales them, before zero point and clamp."""
    columns = (len(requant.scales), *[1] * (accumulators.ndim - 1))
    if requant.once:
        return scale_once(accumulators, np.array(requant.scales).reshape(columns))
    multipliers = np.array(requant.multipliers, np.int64).reshape(columns)
    return multiply_by_quantized_multiplier(
        accumulators, multipliers, np.array(requant.shifts, np.int64).reshape(columns)
    )


def _high_word_form(requant: Requantization, bounds: tuple[I64, I64]) -> tuple[I64, I64] | None:
    """M and s with ``((acc·M) >> 32 + 2^(s−1)) >> s`` = the reference wherever the clamp lets it show, per channel."""
    scales = np.array(requant.scales)
    if not np.all((scales > 0) & (scales < 0.24)):
        return None
    # M = scale × 2^(32 + s) below 2³¹ with s ≥ 1, so that the rounding constant has no low word.
    shifts = np.minimum(np.floor(30.999999 - np.log2(scales) - 32), 30).astype(np.int64)
    half = np.int64(1) << np.maximum(shifts - 1, 0)
    multipliers = exact_multipliers(requant, bounds, gain=1, shift=shifts, offset=half, offset_below=half)
    return (multipliers, shifts) if np.all(multipliers > 0) else None


def exact_multipliers(
    requant: Requantization,
    bounds: tuple[I64, I64],
    *,
    gain: int,
    shift: I64,
    offset: I64,
    offset_below: I64,
    shared: bool = False,
) -> I64:
    """Per channel the int32 M > 0 that makes ``((gain·acc·M) >> 32 + o) >> shift`` exact for all accumulators within
    ``bounds``, or 0 where there is none; o is ``offset`` for acc ≥ 0 and ``offset_below`` under it. With ``shared``
    one M serves all channels.

    A network is planned along both axes and in several ways, with the same channels each time: results are kept.
    """
    columns = np.stack([*bounds, shift, offset, offset_below]).astype(np.int64)
    return np.frombuffer(_exact_multipliers(requant, gain, columns.tobytes(), shared), np.int64)


@functools.lru_cache(maxsize=1024)
def _exact_multipliers(requant: Requantization, gain: int, columns: bytes, shared: bool) -> bytes:
    low, high, shift, offset, offset_below = np.frombuffer(columns, np.int64).reshape(5, -1)
    return _proven(requant, gain, low, high, shift, offset, offset_below, shared).tobytes()


def _proven(
    requant: Requantization,
    gain: int,
    low: I64,
    high: I64,
    shift: I64,
    offset: I64,
    offset_below: I64,
    shared: bool,
) -> I64:
    scales = np.array(requant.scales)
    if low.min() < -_INT32_LIMIT or high.max() >= _INT32_LIMIT or scales.min() <= 0 or shift.min() < 1:
        return np.zeros(len(scales), np.int64)
    if (np.maximum(-low, high) * scales).max() > _INT32_LIMIT / 2:
        return np.zeros(len(scales), np.int64)
    acc, edge, at_least, reachable = _edges(requant, low, high, shift, offset, offset_below)
    lower, upper = _multiplier_bounds(gain * acc, edge << 32, at_least, reachable)
    if shared:
        lower, upper = (np.full_like(lower, bound) for bound in (lower.max(), upper.min()))
    nominal = np.rint(scales * 2.0 ** (32 + shift) / gain)
    chosen = np.clip(nominal, lower, np.maximum(upper, lower)).astype(np.int64)
    return np.where(lower <= upper, chosen, 0)


def exact_wide_multipliers(
    requant: Requantization,
    bounds: tuple[I64, I64],
    *,
    gain: int,
    shift: int,
    offset: I64,
    offset_below: I64,
) -> tuple[I64, I64] | None:
    """Per channel M and F with ``((gain·acc·M + (gain·acc·F >> 32)) >> 32 + o) >> shift`` exact for all accumulators
    within ``bounds``, or ``None``; M is an int32 > 0, F an int32. Arguments are those of ``exact_multipliers``."""
    low, high = bounds
    if (np.maximum(-low, high) * np.array(requant.scales)).max() > _INT32_LIMIT / 2:
        return None
    wide = [_wide_multiplier(requant, channel, 64 + shift, gain) for channel in range(len(requant.scales))]
    if max(wide) >> 63:
        return None
    upper = np.array([(q + (1 << 31)) >> 32 for q in wide], np.int64)
    lower = np.array([q - (int(m) << 32) for q, m in zip(wide, upper, strict=True)], np.int64)
    shifts = np.full(len(wide), shift, np.int64)
    acc, edge, at_least, reachable = _edges(requant, low, high, shifts, offset, offset_below)
    m, f = upper[:, np.newaxis], lower[:, np.newaxis]
    passed = gain * acc * m + ((gain * acc * f) >> 32) >= edge << 32
    exact = np.all((passed == at_least) | ~reachable)
    return (upper, lower) if exact and upper.min() > 0 and upper.max() < _INT32_LIMIT else None


def _wide_multiplier(requant: Requantization, channel: int, exponent: int, gain: int) -> int:
    """The channel's scale × 2^exponent / gain, rounded: the exact double, or the fixed-point form."""
    if requant.once:
        numerator, denominator = requant.scales[channel].as_integer_ratio()
    else:
        numerator, denominator = requant.multipliers[channel], 1 << (31 - requant.shifts[channel])
    denominator *= gain
    return ((numerator << exponent) + denominator // 2) // denominator


def _edges(
    requant: Requantization, low: I64, high: I64, shift: I64, offset: I64, offset_below: I64
) -> tuple[I64, I64, Mask, Mask]:
    """Accumulators on both sides of each channel's steps, and at both ends of what it reaches; the edge in 2^−shift of
    an output unit; whether the product must reach it there; and whether it shows at all."""
    values, first, shows = _steps(requant, low, high)
    ends, limits, limited = _ends(requant, low, high)
    # gain·acc·M ≥ (v·2^shift − o)·2^32 must hold at each step's first accumulator, and not at the one before.
    acc = np.concatenate([first, first - 1, ends], axis=1)
    always = np.ones_like(shows)
    at_least = np.concatenate([always, ~always, np.tile([True, False], (len(low), 1))], axis=1)
    below = np.where(acc >= 0, offset[:, np.newaxis], offset_below[:, np.newaxis])
    edge = (np.concatenate([values, values, limits], axis=1) << shift[:, np.newaxis]) - below
    reachable = np.concatenate([shows, shows, limited], axis=1)
    reachable &= (acc >= low[:, np.newaxis]) & (acc <= high[:, np.newaxis])
    return acc, edge, at_least, reachable


def _ends(requant: Requantization, low: I64, high: I64) -> tuple[I64, I64, Mask]:
    """Each channel's lowest and highest accumulator; the value that the result must reach at the one and must not at
    the other; and whether that shows behind the clamp. Steps do not tell: there may be none between the two."""
    first, last = requant.low - requant.zero_point + 1, requant.high - requant.zero_point
    ends = np.stack([low, high], axis=1)
    least, above = _scaled(requant, ends)[:, 0], _scaled(requant, ends)[:, 1] + 1
    limits = np.stack([np.minimum(least, last), np.maximum(above, first)], axis=1)
    return ends, limits, np.stack([least >= first, above <= last], axis=1)


def _multiplier_bounds(acc: I64, edge: I64, at_least: Mask, reachable: Mask) -> tuple[I64, I64]:
    """Per row the integers 0 < M < 2³¹ with acc·M ≥ edge where ``at_least``, and acc·M < edge elsewhere."""
    zero = acc == 0
    divisor = np.where(zero, 1, acc)
    floor = edge // divisor
    ceiling = -((-edge) // divisor)
    up, down = reachable & (acc > 0), reachable & (acc < 0)
    # M ≥ edge/acc and M > edge/acc, by the sign of acc; then M ≤ edge/acc and M < edge/acc.
    least = np.where(up & at_least, ceiling, np.where(down & ~at_least, floor + 1, 1)).max(axis=1, initial=1)
    limit = _INT32_LIMIT - 1
    most = np.where(down & at_least, floor, np.where(up & ~at_least, ceiling - 1, limit))
    contradiction = np.any(reachable & zero & (at_least == (edge > 0)), axis=1)
    return least, np.where(contradiction, 0, most.min(axis=1, initial=limit))


def _steps(requant: Requantization, low: I64, high: I64) -> tuple[I64, I64, Mask]:
    """Values v (1, steps); per channel the smallest accumulator in [low, high + 1] with a result ≥ v; and whether
    the channel's accumulators cross that step at all.

    All forms of a layer are proven at the same ones: they are kept.
    """
    return _found_steps(requant, low.tobytes(), high.tobytes())


@functools.lru_cache(maxsize=16)
def _found_steps(requant: Requantization, lowest: bytes, highest: bytes) -> tuple[I64, I64, Mask]:
    low, high = np.frombuffer(lowest, np.int64), np.frombuffer(highest, np.int64)
    v = np.arange(requant.low - requant.zero_point + 1, requant.high - requant.zero_point + 1, dtype=np.int64)
    low, high = low[:, np.newaxis], high[:, np.newaxis]
    least, most = _scaled(requant, low), _scaled(requant, high)
    shows = (v > least) & (v <= most)
    wanted = np.clip(v, least, most)
    guess = np.ceil((wanted - 0.5) / np.array(requant.scales)[:, np.newaxis])
    guess = np.clip(guess, low, high).astype(np.int64)
    first = _near_steps(requant, wanted, guess, low, high)
    if first is None:
        first = _bisected(requant, wanted, guess, low, high)
    return np.broadcast_to(v, shows.shape), first, shows


_NEAR = np.arange(-2, 3, dtype=np.int64)


def _near_steps(requant: Requantization, wanted: I64, guess: I64, low: I64, high: I64) -> I64 | None:
    """The steps, if all lie within two of where the scale says: one call tells."""
    tried = np.clip(guess[..., np.newaxis] + _NEAR, low[..., np.newaxis], high[..., np.newaxis])
    reached = _scaled(requant, tried) >= wanted[..., np.newaxis]
    if not np.all(reached[..., -1]) or np.any(reached[..., 0] & (tried[..., 0] > low)):
        return None
    first: I64 = np.take_along_axis(tried, reached.argmax(axis=-1)[..., np.newaxis], axis=-1)[..., 0]
    return first


def _bisected(requant: Requantization, wanted: I64, guess: I64, low: I64, high: I64) -> I64:
    widen = 4
    below, above = np.clip(guess - widen, low, high), np.clip(guess + widen, low, high)
    while widen < _INT32_LIMIT and (
        np.any(_scaled(requant, above) < wanted)
        or np.any((_scaled(requant, below) >= wanted) & (below > low))
    ):
        widen *= 4
        below, above = np.clip(guess - widen, low, high), np.clip(guess + widen, low, high)
    above = np.where(_scaled(requant, below) >= wanted, below, above)
    while np.any(above - below > 1):
        middle = (below + above) // 2
        reached = _scaled(requant, middle) >= wanted
        above = np.where(reached, middle, above)
        below = np.where(reached, below, middle)
    return above
