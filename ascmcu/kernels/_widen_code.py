# SPDX-License-Identifier: Apache-2.0
"""The assembly that widens runs of int8 to int16, four elements to two words in the order 0, 2, 1, 3."""

from __future__ import annotations

import functools

from ascmcu.m4.asm import Assembly
from ascmcu.m4.listing import Listing
from ascmcu.m4.registers import LR, PC, Core, Fpu

_FROM = Core(0, "from", "four elements that come next")
_TO = Core(1, "to", "of the words that come next")
_WORDS = Core(2, "words", "groups of four that are left of the run")
_RUNS = Core(3, "runs", "that are left")
_SKIP = Core(11, "skip", "bytes from a run to the next")
_NEXT = Core(12, "next to", "bytes from a run's end to the next one's begin, widened")
_F_WORDS = Fpu(0, "words", "of a run")
_SAVED = tuple(Core(n, f"r{n}") for n in range(4, 12))
_TURN = 4


@functools.cache
def code() -> Listing:
    """``simd_widen_columns(from, to, words, columns, skip, pitch)``: 25 cycles a turn of four groups; runs of
    just four have a loop of their own, and so have runs of one with nothing between them: 32 cycles four runs."""
    a = Assembly("simd_widen_columns", enters=(_FROM, _TO, _WORDS, _RUNS))
    nothing, just_four, pitch = a.label("nothing"), a.label("runs of four"), Core(12, "pitch")
    a.cmp(_RUNS, 0, narrow=True)
    a.b(nothing, "le")
    a.push((*_SAVED, LR))
    a.ldrd(_SKIP, pitch, a.stack_argument(4))
    a.lsl(pitch, pitch, 1)
    a.sub(_NEXT, pitch, _WORDS.lsl(3))
    a.cmp(_WORDS, _TURN, narrow=True)
    few, any_run = a.label("fewer than four a run"), a.label("any runs")
    a.b(just_four, "eq")
    a.b(few, "lt")
    a.place(any_run)
    a.vmov(_F_WORDS, _WORDS)
    _any_run(a)
    a.pop((*_SAVED, PC))
    a.place(few)
    a.cmp(_WORDS, 1)
    a.b(any_run, "ne", leaves=few)
    a.cmp(_SKIP, 0)
    a.b(any_run, "ne", leaves=few)
    _single_groups(a)
    a.b(any_run, "ne", leaves=few)
    a.pop((*_SAVED, PC))
    a.align()
    a.place(just_four)
    _four(a)
    _next_run(a)
    a.b(just_four, "ne", narrow=True)
    a.pop((*_SAVED, PC))
    a.place(nothing)
    a.return_()
    return a.finish()


def _any_run(a: Assembly) -> None:
    """Groups of four, four of them a turn and then one by one."""
    run, rest, end = a.loop("runs"), a.label("fewer than four"), a.label("run's end")
    a.subs(_WORDS, _WORDS, _TURN)
    a.b(rest, "lt", narrow=True)
    fours = a.loop("fours")
    _four(a)
    a.subs(_WORDS, _WORDS, _TURN)
    a.b(fours, "ge", narrow=True)
    a.place(rest)
    a.adds(_WORDS, _WORDS, _TURN)
    a.b(end, "eq", narrow=True)
    ones = a.loop("ones")
    word, even, odd = Core(4, "x0-3", "bytes"), Core(4, "x0 x2"), Core(5, "x1 x3")
    a.ldr(word, _FROM.post(4))
    a.subs(_WORDS, _WORDS, 1)
    a.sxtb16(odd, word, 8)
    a.sxtb16(even, word)
    a.strd(even, odd, _TO.post(8))
    a.b(ones, "ne")
    a.place(end)
    a.vmov(_WORDS, _F_WORDS)
    _next_run(a)
    a.b(run, "ne")


def _single_groups(a: Assembly) -> None:
    """Runs of one group, side by side: four a turn, as far as they go. The flags say whether any are left."""
    step, other = Core(2, "two runs", "bytes, widened"), Core(11, "to of the run beside")
    left = a.label("fewer than four runs")
    a.add(step, _NEXT, _NEXT)
    a.add(step, step, 16)
    a.add(other, _TO, _NEXT)
    a.add(other, other, 8)
    a.subs(_RUNS, _RUNS, _TURN)
    a.b(left, "lt")
    top = a.loop("four runs")
    halves = _extended(a)
    for i in range(_TURN):
        to = other if i % 2 else _TO
        a.strd(halves[2 * i], halves[2 * i + 1], to.at())
        a.add(to, to, step)
    a.subs(_RUNS, _RUNS, _TURN)
    a.b(top, "ge")
    a.place(left)
    a.mov(_WORDS, 1)
    a.mov(_SKIP, 0)
    a.adds(_RUNS, _RUNS, _TURN)


def _next_run(a: Assembly) -> None:
    a.add(_FROM, _FROM, _SKIP)
    a.add(_TO, _TO, _NEXT)
    a.subs(_RUNS, _RUNS, 1)


def _four(a: Assembly) -> None:
    """Four groups: each becomes two words, side by side."""
    a.stm(_TO, _extended(a))


def _extended(a: Assembly) -> list[Core]:
    """Four groups, two words of each."""
    words = [Core(n, f"x{4 * i}-{4 * i + 3}", "bytes") for i, n in enumerate((4, 6, 8, 10))]
    a.ldm(_FROM, words)
    halves = []
    for i, (word, odd_at) in enumerate(zip(words, (5, 7, 9, 14), strict=True)):
        even, odd = Core(word.number, f"x{4 * i} x{4 * i + 2}"), Core(odd_at, f"x{4 * i + 1} x{4 * i + 3}")
        a.sxtb16(odd, word, 8)
        a.sxtb16(even, word)
        halves += [even, odd]
    return halves
