# SPDX-License-Identifier: Apache-2.0
"""Inner kernel of depthwise convolutions along time: four time steps of one channel in a word, four outputs at a time.

SXTB16 makes E = (x0, x2) and O = (x1, x3) of a word. With P_j = (x_j, x_{j+2}) every two taps that lie two time steps
apart are one SMLAD: P_0 is E, P_1 is O, P_2 and P_3 are put together from the halves of two words by PKHTB (their
halves exchanged, which SMLADX undoes), P_4 is the next word's E. A last tap without a partner takes one SMLAxy.

Weights are stored as bytes, four taps to a word, and stand at 256 times their value once shifted and masked; so do the
sums, which is where the requantization of the packed product wants them.

This module decides which instruction comes when: words are loaded as late as possible, two are held at a time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.layout import TIME_STEPS
from ascmcu.ir.op import RowMode, RowReads, RowRule
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.m4.asm import Assembly
from ascmcu.m4.registers import Core, Fpu
from ascmcu.ops._conv import Convolution
from ascmcu.ops._fixed import I64

MOST_WORDS = 8  # their addresses wait in s8-s15
_PER_WORD = 4
_HIGH_BYTES = 0x00FF00FF  # what BIC clears to leave the upper byte of each halfword

OFFSET = Core(0, "offset", "of the channel from the ends of the rows")
CONSTANTS = Core(1, "constants", "of the channel, those that come next")
SUMS = tuple(Core(2 + i, f"sum{i}", f"256 times the accumulator of time step {i}") for i in range(TIME_STEPS))
ROWS = tuple(Fpu(8 + i, f"row {i}", "its end") for i in range(MOST_WORDS))
_BIAS = Core(SUMS[-1].number, "bias", "256 times what the sums begin with")
_TAPS = Core(12, "taps", "four bytes, or two in upper bytes")


@dataclass(frozen=True)
class Term:
    """Taps that one instruction adds: both halves of a weight register (``half`` empty) or one (``b`` or ``t``), the
    first of them ``offset`` time steps behind the output's first."""

    register: int
    half: str
    offset: int


@dataclass(frozen=True)
class Taps:
    """One word of weights: the byte of each tap, whether even and odd bytes must be parted, and what is added."""

    places: tuple[int, ...]
    parted: bool
    terms: tuple[Term, ...]


def tap_words(kernel: int, dilation: int) -> tuple[Taps, ...]:
    """The taps of a kernel, in words of four."""
    return tuple(
        _taps(min(_PER_WORD, kernel - first), first * dilation, dilation)
        for first in range(0, kernel, _PER_WORD)
    )


def _taps(count: int, at: int, dilation: int) -> Taps:
    # One or two taps lie in the upper bytes of halfwords: the word serves as it is.
    if count == 1:
        return Taps((1,), False, (Term(1, "b", at),))
    if count == 2:
        pair = (Term(1, "", at),)
        apart = (Term(1, "b", at), Term(1, "t", at + dilation))
        return Taps((1, 3), False, pair if dilation == 2 else apart)
    if dilation == 1:
        last = Term(1, "" if count == _PER_WORD else "b", at + 1)
        return Taps(tuple(range(count)), True, (Term(0, "", at), last))
    if dilation == 2:
        last = Term(1, "" if count == _PER_WORD else "b", at + 4)
        return Taps((0, 2, 1, 3)[:count], True, (Term(0, "", at), last))
    alone = tuple(Term(i % 2, "bt"[i // 2], at + i * dilation) for i in range(count))
    return Taps(tuple(range(count)), True, alone)


def packed(weights: Array, words: Sequence[Taps]) -> I64:
    """(taps, channels) int8 → (channels, words)."""
    result = np.zeros((weights.shape[1], len(words)), np.int64)
    for index, taps in enumerate(words):
        for tap, place in enumerate(taps.places):
            result[:, index] |= (weights[_PER_WORD * index + tap].astype(np.int64) & 0xFF) << 8 * place
    return result


def words_read(kernel: int, dilation: int, stride: int, lead: int) -> int:
    """Words under the windows of four outputs, the first of which begins ``lead`` time steps into the first word."""
    return (lead + (TIME_STEPS - 1) * stride + (kernel - 1) * dilation) // TIME_STEPS + 1


def sums(a: Assembly, words: Sequence[Taps], stride: int, lead: int) -> None:
    """Sum one channel's four outputs into ``SUMS``, bias included.

    ``OFFSET`` is the channel's in a row, ``CONSTANTS`` points to its own; ``ROWS`` hold the rows' addresses.
    """
    tried: list[tuple[int, bool, list[set[int]]]] = []
    for by_output in (True, False):
        whole = _Sums(Assembly("tried"), stride, lead, None)
        whole.write(words, by_output)
        lean = _Sums(Assembly("tried"), stride, lead, whole.read)
        lean.write(words, by_output)
        tried.append((lean.a.instructions, not by_output, whole.read))
    _, by_term, read = min(tried)
    _Sums(a, stride, lead, read).write(words, not by_term)


class _Sums:
    """Writes the instructions; knows which words the registers hold.

    Attributes:
        wanted: of each word that is loaded, in turn, the halves (0 even, 1 odd) that are read; ``None``: both.
        read: the same, as it turns out.
    """

    def __init__(self, a: Assembly, stride: int, lead: int, wanted: Sequence[set[int]] | None) -> None:
        self.a, self.stride, self.lead, self.wanted = a, stride, lead, wanted
        self.held = [-1, -1]
        self.read: list[set[int]] = []
        # Which of the loads the two pairs of registers hold.
        self.load = [-1, -1]
        self.paired = -1
        self.taps = [_TAPS, _TAPS]
        # What the next product of each output is added to: at first the bias, which the last output's register holds.
        self.before = [_BIAS] * TIME_STEPS

    def write(self, words: Sequence[Taps], by_output: bool) -> None:
        a = self.a
        for index, taps in enumerate(words):
            products = list(self._products(taps, by_output))
            first = dict.fromkeys(word for _, term, at in products for word in _words(term, at))
            # Of each pair of registers the word that is read first.
            ahead = {word % 2: word for word in reversed(first)}.values()
            self._load([word for word in first if word in ahead], bias=index == 0)
            self.taps = [_TAPS, _TAPS]
            if taps.parted:
                even, odd = Core(11, "even taps", "each times 256"), Core(12, "odd taps", "each times 256")
                a.lsl(even, _TAPS, 8)
                a.bic(even, even, _HIGH_BYTES)
                a.bic(odd, _TAPS, _HIGH_BYTES)
                self.taps = [even, odd]
            for output, term, at in products:
                self._product(output, term, at)

    def _products(self, taps: Taps, by_output: bool) -> Iterator[tuple[int, Term, int]]:
        """(output, term, time step of the term's first tap)."""
        pairs = [(o, t) for o in range(TIME_STEPS) for t in taps.terms]
        if not by_output:
            pairs = [(o, t) for t in taps.terms for o in range(TIME_STEPS)]
        for output, term in pairs:
            yield output, term, self.lead + output * self.stride + term.offset

    def _load(self, words: Sequence[int], *, bias: bool) -> None:
        """The next weights, with them the words that are not there yet, and before the first the bias."""
        a = self.a
        missing = [word for word in words if word not in self.held]
        for word in missing:
            a.vmov(_row(word), ROWS[word])
        # Taps first: a load right behind the move of its address waits.
        a.ldr(_TAPS, CONSTANTS.at(4) if bias else CONSTANTS.post(4))
        for word in reversed(missing):
            a.ldr(_columns(word), _row(word).at(OFFSET))
        if bias:
            a.ldr(_BIAS, CONSTANTS.post(8))
        for word in missing:
            self._widen(word)

    def _widen(self, word: int) -> None:
        wanted = {0, 1} if self.wanted is None else self.wanted[len(self.read)]
        if 1 in wanted:
            self.a.sxtb16(_half(word, 1), _columns(word), 8)
        if 0 in wanted:
            self.a.sxtb16(_half(word, 0), _columns(word))
        self.held[word % 2], self.load[word % 2] = word, len(self.read)
        self.read.append(set())

    def _reads(self, word: int, odd: int) -> Core:
        self.read[self.load[word % 2]].add(odd)
        return _half(word, odd)

    def _product(self, output: int, term: Term, at: int) -> None:
        a = self.a
        for word in _words(term, at):
            if word not in self.held:
                a.vmov(_row(word), ROWS[word])
                a.ldr(_columns(word), _row(word).at(OFFSET))
                self._widen(word)
        word, moment = divmod(at, TIME_STEPS)
        x, w, total = self._reads(word, moment % 2), self.taps[term.register], SUMS[output]
        before, self.before[output] = self.before[output], total
        if term.half:
            a.smlaxy(("b" if moment < 2 else "t") + term.half, total, x, w, before)
        elif moment < 2:
            a.smlad(total, x, w, before)
        else:
            pair = Core(10, f"x{at + 2} x{at}", "the upper half of a word and the lower half of the next")
            if self.paired != at:
                a.pkhtb(pair, x, self._reads(word + 1, moment % 2))
                self.paired = at
            a.smladx(total, pair, w, before)


def _even_register(word: int) -> int:
    """Words with an even number are in r6 and r7, the others in r8 and r9."""
    return 6 + 2 * (word % 2)


def _row(word: int) -> Core:
    return Core(_even_register(word), f"row {word}")


def _columns(word: int) -> Core:
    """A word as it is loaded: four time steps in bytes."""
    return Core(_even_register(word), f"x{TIME_STEPS * word}-{TIME_STEPS * word + 3}")


def _half(word: int, odd: int) -> Core:
    """Its even or its odd time steps in halfwords."""
    first = TIME_STEPS * word + odd
    return Core(_even_register(word) + odd, f"x{first} x{first + 2}", "time steps of a word")


def _words(term: Term, at: int) -> tuple[int, ...]:
    """The words that hold a term's time steps."""
    word, moment = divmod(at, TIME_STEPS)
    return (word,) if term.half or moment < 2 else (word, word + 1)


def lead_of(padding: int) -> tuple[int, int]:
    """(rows, time steps) from a step's own row to the first time step that its first output reads."""
    row = math.floor(-padding / TIME_STEPS)
    return row, -padding - row * TIME_STEPS


def reach(op: Convolution, weights: Tensor) -> tuple[int, int]:
    """(first, count) of the folded rows under the windows of four outputs, counted from a step's own row."""
    first, lead = lead_of(op.padding[0])
    return first, words_read(weights.shape[1], op.dilation[0], op.stride[0], lead)


def first_row(stride: int, first: int) -> str:
    """C expression of the input row at ``first`` (0 or before) from a step's own."""
    scaled = f"step * {stride}" if stride > 1 else "step"
    return f"{scaled} - {-first}" if first else scaled


def folded_rule(op: Convolution, weights: Tensor, output: Tensor) -> RowRule:
    """How rows of folded maps flow through a convolution along time."""
    first, words = reach(op, weights)
    return RowRule(RowMode.MAP, output.rows, (RowReads(op.stride[0], first, words), None, None))


def along_time(op: Convolution, x: Tensor, weights: Tensor, output: Tensor) -> bool:
    """Whether a convolution of int8 has a kernel k × 1 on a map one column wide."""
    narrow = x.shape[2] == output.shape[2] == weights.shape[2] == 1 and op.padding[2:] == (0, 0)
    return narrow and op.stride[0] <= 2 and all(t.dtype is DType.INT8 for t in (x, weights, output))
