"""Cheaper integer forms of a requantization, proven equal to the reference at export.

A requantization is a monotone step function of the accumulator with at most 256 steps. So whether
``((acc × M) >> 32 + offset) >> s`` gives the reference's bits for *every* reachable accumulator can be decided
by looking at both sides of each step only. Each step bounds M by a linear inequality; if the bounds leave an integer,
that M is exact, although the reference rounds twice (convolutions) or in double precision (dense layers).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ascmcu.ir.types import Array, Tensor
from ascmcu.ops._fixed import I64, multiply_by_quantized_multiplier, scale_once
from ascmcu.ops._quant import Requantization

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
    found = [
        _high_word_form(requant, c, int(low), int(high))
        for c, (low, high) in enumerate(zip(*bounds, strict=True))
    ]
    limits = (requant.zero_point, requant.low, requant.high)
    if all(form is not None for form in found):
        multipliers = np.array([form[0] for form in found if form], np.int32)
        shifts = np.array([form[1] for form in found if form], np.uint8)
        return RequantParams("high", requant.once, *limits), (("multiplier", multipliers), ("shift", shifts))
    if requant.once:
        return RequantParams("reference", True, *limits), (("scale", np.array(requant.scales, np.float64)),)
    fixed = (
        ("multiplier", np.array(requant.multipliers, np.int32)),
        ("shift", np.array(requant.shifts, np.int8)),
    )
    return RequantParams("reference", False, *limits), fixed


def _channel_function(requant: Requantization, channel: int) -> Callable[[I64], I64]:
    """acc → scaled value before zero point and clamp, for one channel."""
    if requant.once:
        scale = requant.scales[channel]
        return lambda acc: scale_once(acc, scale)
    multiplier, shift = requant.multipliers[channel], requant.shifts[channel]
    return lambda acc: multiply_by_quantized_multiplier(acc, multiplier, shift)


def _high_word_form(requant: Requantization, channel: int, low: int, high: int) -> tuple[int, int] | None:
    """M and s with ``((acc·M) >> 32 + 2^(s−1)) >> s`` = the reference wherever the clamp lets it show."""
    scale = requant.scales[channel]
    if not 0 < scale < 0.24:
        return None
    # M = scale × 2^(32 + s) below 2³¹ with s ≥ 1, so that the rounding constant has no low word.
    shift = min(int(np.floor(30.999999 - np.log2(scale) - 32)), 30)
    multiplier = multiplier_for_shift(requant, channel, low, high, shift)
    return None if multiplier is None else (multiplier, shift)


def multiplier_for_shift(
    requant: Requantization, channel: int, low: int, high: int, shift: int
) -> int | None:
    """The M that makes ``((acc·M) >> 32 + 2^(shift−1)) >> shift`` exact for accumulators ``low`` … ``high``, if any."""
    half = 1 << (shift - 1)
    return exact_multiplier(requant, channel, low, high, gain=1, shift=shift, offset=half, offset_below=half)


def exact_multiplier(
    requant: Requantization,
    channel: int,
    low: int,
    high: int,
    *,
    gain: int,
    shift: int,
    offset: int,
    offset_below: int,
) -> int | None:
    """The int32 M that makes ``((gain·acc·M) >> 32 + o) >> shift`` exact for accumulators ``low`` … ``high``, if any;
    o is ``offset`` for acc ≥ 0 and ``offset_below`` under it."""
    scale = requant.scales[channel]
    if low < -_INT32_LIMIT or high >= _INT32_LIMIT or scale <= 0 or shift < 1:
        return None
    values, first = _steps(_channel_function(requant, channel), scale, low, high, requant)
    # gain·acc·M ≥ (v·2^shift − o)·2^32 must hold at each step's first accumulator, and not at the one before.
    acc = np.concatenate([first, first - 1])
    at_least = np.concatenate([np.ones(len(first), bool), np.zeros(len(first), bool)])
    edge = (np.concatenate([values, values]) << shift) - np.where(acc >= 0, offset, offset_below)
    reachable = (acc >= low) & (acc <= high)
    lower, upper = _multiplier_bounds(gain * acc[reachable], edge[reachable] << 32, at_least[reachable])
    nominal = round(scale * 2.0 ** (32 + shift) / gain)
    return min(max(nominal, lower), upper) if lower <= upper else None


def _multiplier_bounds(acc: I64, edge: I64, at_least: npt.NDArray[np.bool_]) -> tuple[int, int]:
    """The integers 0 < M < 2³¹ with acc·M ≥ edge where ``at_least``, and acc·M < edge elsewhere."""
    zero = acc == 0
    if np.any(zero & (at_least == (edge > 0))):
        return 1, 0
    acc, edge, at_least = acc[~zero], edge[~zero], at_least[~zero]
    floor = edge // acc
    ceiling = -((-edge) // acc)
    positive = acc > 0
    # M ≥ edge/acc and M > edge/acc, by the sign of acc; then M ≤ edge/acc and M < edge/acc.
    lower = np.concatenate([ceiling[positive & at_least], floor[~positive & ~at_least] + 1, [1]])
    upper = np.concatenate(
        [floor[~positive & at_least], ceiling[positive & ~at_least] - 1, [_INT32_LIMIT - 1]]
    )
    return int(lower.max()), int(upper.min())


def _steps(
    function: Callable[[I64], I64], scale: float, low: int, high: int, requant: Requantization
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Values v and for each the smallest accumulator in [low, high + 1] with function(acc) ≥ v."""
    v = np.arange(requant.low - requant.zero_point + 1, requant.high - requant.zero_point + 1, dtype=np.int64)
    reach = function(np.array([low, high], np.int64))
    v = v[(v > reach[0]) & (v <= reach[1])]
    guess = np.ceil((v - 0.5) / scale).astype(np.int64)
    below, above = np.clip(guess - 4, low, high), np.clip(guess + 4, low, high)
    widen = 4
    while np.any(function(above) < v) or np.any((function(below) >= v) & (below > low)):
        widen *= 4
        below, above = np.clip(guess - widen, low, high), np.clip(guess + widen, low, high)
    while np.any(above - below > 1):
        middle = (below + above) // 2
        reached = function(middle) >= v
        above = np.where(reached, middle, above)
        below = np.where(reached, below, middle)
    return v, above
