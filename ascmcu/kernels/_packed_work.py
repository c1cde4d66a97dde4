# SPDX-License-Identifier: Apache-2.0
"""What the packed product does, counted (``_work``): the assembly that convolutions and dense layers share."""

from __future__ import annotations

from ascmcu.kernels._packed_gemm import GemmParams
from ascmcu.kernels._packed_gemm_code import EIGHT_PAIRS
from ascmcu.kernels._saturating import Saturating
from ascmcu.kernels._work import Work, blocks, work

_EIGHT = 8
_BOUND_CYCLES = 3
# Code of a pair of taps and of what comes behind the sums; a flash's line, and the lines of the caches measured.
_PAIR_BYTES, _FINISH_BYTES, _LINE_BYTES, _LINES = 56, 300, 16, 64
_WIDENED = 4  # groups of four bytes that one turn of the widening loop takes


def pairs(d: GemmParams, turns: int, calls: int, groups: int | None = None) -> Work:
    """``turns`` times two pixels through all whole groups of four channels, in ``calls`` calls."""
    groups = turns * (d.groups if groups is None else groups)
    if not groups:
        return Work()
    # The code of a turn: what is over the instruction cache is fetched anew each time.
    lines = ((d.unroll + d.rest) * _PAIR_BYTES + _FINISH_BYTES) // _LINE_BYTES
    # Those before a loop inside the code, or all where there is none.
    first = 0 if not d.inside else d.rest if d.blocks > 1 else d.tap_pairs
    counts = {
        "packed.calls": calls,
        "packed.turns": turns,
        "packed.pair_taps": groups * (d.tap_pairs - first),
        "packed.pair_first_taps": groups * first,
        "packed.pair_loops": groups * d.blocks if d.blocks > 1 else 0,
        "packed.pair_copies": groups if d.blocks > 1 and not d.rest else 0,
        "packed.pair_routines": 0 if d.inside else groups,
        f"packed.pair_groups{_variant(d)}": groups,
        "packed.bounded": 8 * groups * open_bounds(d),
        "packed.pair_lines": groups * lines if lines > _LINES else 0,
    }
    return work(counts)


def ones(d: GemmParams, turns: int, calls: int, groups: int | None = None) -> Work:
    """``turns`` times one pixel through ``groups`` groups of four channels, all whole ones unless given."""
    groups = turns * (d.groups if groups is None else groups)
    if not groups:
        return Work()
    loop = d.one_loop
    rounds = d.tap_pairs // loop.unroll
    counts = {
        "packed.calls": calls,
        "packed.turns": turns,
        "packed.one_two_taps": groups * (rounds * (loop.unroll // 2) + loop.rest // 2),
        "packed.one_taps": groups * (rounds * (loop.unroll % 2) + loop.rest % 2),
        "packed.one_loops": groups * rounds if loop.turns else 0,
        f"packed.one_groups{_variant(d)}": groups,
        "packed.bounded": 4 * groups * open_bounds(d),
    }
    return work(counts)


def eights(d: GemmParams, vectors: int) -> Work:
    """``vectors`` vectors through all groups of eight channels."""
    groups = vectors * d.eights
    if not groups:
        return Work()
    counts = {
        "packed.calls": vectors,
        "packed.turns": vectors,
        "packed.eight_taps": groups * d.tap_pairs,
        "packed.eight_loops": groups * (d.tap_pairs // EIGHT_PAIRS),
        f"packed.eight_groups{_variant(d)}": groups,
        "packed.bounded": _EIGHT * groups * open_bounds(d),
    }
    return work(counts)


def tails(d: GemmParams, pixels: int, *, two: bool, calls: int = 1) -> Work:
    """The channels behind the last whole group: a group of its own, by pairs of pixels where ``two``; or where there is
    none to overlap, for each pixel one of which ``tail`` are kept."""
    if not d.tail:
        return Work()
    if not d.overlaps:
        return ones(d, pixels, pixels, 1) + work({"packed.tails": pixels, "packed.kept": pixels * d.tail})
    if not two:
        return ones(d, pixels, calls, 1)
    return pairs(d, pixels // 2, calls, 1) + ones(d, pixels % 2, 1, 1)


def run(d: GemmParams, pixels: int, *, two: bool) -> Work:
    """``pixels`` pixels that lie side by side, through all channels."""
    found = eights(d, pixels) + tails(d, pixels, two=two)
    if not two:
        return found + ones(d, pixels, 1)
    return found + pairs(d, pixels // 2, 1 if pixels > 1 else 0) + ones(d, pixels % 2, 1)


def row(d: GemmParams, width: int, block: int) -> Work:
    """A row of ``width`` pixels, ``block`` at a time."""
    found = Work()
    for count in {count for _, count in blocks(width, block)}:
        times = sum(1 for _, other in blocks(width, block) if other == count)
        found += run(d, count, two=block > 1) * times
    return found


def widened(words: int, runs: int = 1, *, side_by_side: bool = False) -> Work:
    """``runs`` runs of ``words`` groups of four bytes, widened by one call; ``side_by_side`` with nothing between
    them."""
    if not words or not runs:
        return Work()
    if words == _WIDENED:
        return work({"packed.widen_calls": 1, "packed.widen_short_runs": runs})
    if words == 1 and side_by_side:
        singles = {"packed.widen_calls": 1, "packed.widen_four_runs": runs // _WIDENED}
        return work(singles | {"packed.widen_runs": runs % _WIDENED, "packed.widen_words": runs % _WIDENED})
    counts = {
        "packed.widen_calls": 1,
        "packed.widen_runs": runs,
        "packed.widen_fours": runs * (words // _WIDENED),
        "packed.widen_words": runs * (words % _WIDENED),
    }
    return work(counts)


def widened_bytes(count: int) -> Work:
    """``count`` bytes widened in their order, whatever their number."""
    return widened(count // 4) if count % 4 == 0 else work({"packed.ragged_runs": 1, "packed.ragged": count})


def open_bounds(s: Saturating) -> int:
    """Cycles of an output for the bounds of an activation that the saturation to int8 leaves open."""
    above = s.high + 1
    if s.low == 0 and above & s.high == 0:
        return 0
    lower = 1 if s.low == 0 else _bound(s.low) if s.low > -128 else 0
    return lower + (_bound(s.high) if s.high < 127 else 0)


def _bound(value: int) -> int:
    """Of one bound: the comparison with a negative number has no narrow form."""
    return _BOUND_CYCLES - (value >= 0)


def _variant(d: GemmParams) -> str:
    """The forms of the requantization, which cost differently."""
    return ("_signed" if d.signed else "") + ("_two_words" if d.two_words else "") + f"_{d.common or 'own'}"
