# SPDX-License-Identifier: Apache-2.0
"""Shared code of what multiplies one int16 vector by int8 weights: eight channels at a time, four where no more are
left (``_wide_pairs_code.one_by``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.types import Array
from ascmcu.kernels import _wide, _wide_pairs_code
from ascmcu.kernels._wide_pairs_code import Taps
from ascmcu.m4.listing import Listing

_EIGHT, _FOUR = 8, 4
_MOST_BYTES = 0xFFFF


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

    @property
    def all_words(self) -> int:
        """Of all groups."""
        return self.groups * self.group_words

    @property
    def sums(self) -> int:
        """Channels with those that fill the last group."""
        return self.groups * self.width


def fits(depth: int) -> bool:
    """Whether the code counts the bytes of a vector."""
    return 4 * -(-depth // 2) <= _MOST_BYTES


def taps(depth: int, unroll: int) -> Taps:
    """The loop over the pairs of taps of a vector."""
    pairs = -(-depth // 2)
    side = min(pairs, unroll)
    return Taps(side, pairs // side, pairs % side, 0)


def passes(channels: int, loop: Taps) -> tuple[Pass, ...]:
    """Eight channels at a time; four where no more are left."""
    eights = channels // _EIGHT + (channels % _EIGHT > _FOUR)
    found = []
    if eights:
        taken = min(channels, _EIGHT * eights)
        found.append(Pass(_EIGHT, eights, 0, taken, 0, loop.pairs, _wide_pairs_code.one_by(_EIGHT, loop)))
    if channels > _EIGHT * eights:
        first, words = _EIGHT * eights, sum(p.all_words for p in found)
        code = _wide_pairs_code.one_by(_FOUR, loop)
        found.append(Pass(_FOUR, 1, first, channels - first, words, loop.pairs, code))
    return tuple(found)


def stream(vectors: Array, bias: Array, taken: Sequence[Pass]) -> Array:
    """Group by group the first sums, then the weights by pairs of taps."""
    return np.concatenate([_words(vectors, bias, p) for p in taken])


def _words(vectors: Array, bias: Array, taken: Pass) -> Array:
    own = slice(taken.first, taken.first + taken.channels)
    first = np.zeros(taken.sums, np.int32)
    first[: taken.channels] = bias[own]
    words = _wide.in_pairs(vectors[own], taken.width)
    return np.concatenate([first.reshape(-1, taken.width), words], axis=1).reshape(-1)
