# SPDX-License-Identifier: Apache-2.0
"""Cycles of listings, by hand and against the simulator."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from ascmcu.errors import VerifyError
from ascmcu.m4 import count
from ascmcu.m4.asm import Assembly
from ascmcu.m4.listing import Listing, Routine
from ascmcu.m4.registers import LR, PC, Core, Fpu
from ascmcu.sim import run
from tests.sim.programs import assemble, needs_gcc

X, W, N = Core(0, "x", "input"), Core(1, "w", "weights"), Core(2, "n", "turns left")
SUM, WORD, TAPS = Core(3, "sum"), Core(4, "word"), Core(5, "taps")
R4, R5 = Core(4, "r4"), Core(5, "r5")
INNER, KEPT = Core(12, "inner turns left"), Fpu(0, "turns left")
BACK, ROUTINE = Core(12, "back"), Core(14, "routine")
SUMS = Routine("sums", (X, W, SUM, Fpu(1, "back")), (X, W, SUM), (WORD, TAPS, BACK))


def _products() -> Listing:
    """Two loads and their product, as often as asked."""
    a = Assembly("products", enters=(X, W, N))
    a.push((R4, R5, LR))
    a.mov(SUM, 0)
    top = a.loop("products")
    a.ldr(WORD, X.post(4))
    a.ldr(TAPS, W.post(4))
    a.smlad(SUM, WORD, TAPS, SUM)
    a.place(a.label("summed"))
    a.subs(N, N, 1)
    a.b(top, "ne")
    a.mov(Core(0, "y"), SUM)
    a.pop((R4, R5, PC))
    return a.finish()


def _nested() -> Listing:
    """A loop of loops, each turn left by the last product."""
    a = Assembly("nested", enters=(X, W, N))
    a.push((R4, R5, LR))
    a.mov(SUM, 0)
    outer, done = a.loop("outer"), a.label("done")
    a.vmov(KEPT, N)
    a.mov(INNER, 3)
    inner = a.loop("inner")
    a.ldr(WORD, X.at())
    a.ldr(TAPS, W.at())
    a.smlad(SUM, WORD, TAPS, SUM)
    a.subs(INNER, INNER, 1)
    a.b(inner, "ne")
    a.vmov(N, KEPT)
    a.subs(N, N, 1)
    a.b(done, "eq", leaves=outer)
    a.str_(SUM, X.at(8))
    a.b(outer)
    a.place(done)
    a.pop((R4, R5, PC))
    return a.finish()


def _called() -> tuple[Listing, Listing]:
    """A function whose sums a routine makes; the caller has its address on the stack."""
    r = Assembly("sums", routine=SUMS)
    r.ldr(WORD, X.at())
    r.ldr(TAPS, W.at())
    r.smlad(SUM, WORD, TAPS, SUM)
    r.vmov(BACK, Fpu(1, "back"))
    r.return_(BACK)
    a = Assembly("calls", enters=(X, W, N))
    back, address = a.label("back"), Core(12, "address")
    a.push((R4, R5, LR))
    a.ldr(ROUTINE, a.stack_argument(4))
    a.mov(SUM, 0)
    a.adr(address, back)
    a.orr(address, address, 1)
    a.align()
    a.vmov(Fpu(1, "back"), address)
    top = a.loop("calls")
    a.call(SUMS, ROUTINE, back)
    a.align()
    a.place(back)
    a.subs(N, N, 1)
    a.b(top, "ne")
    a.pop((R4, R5, PC))
    return a.finish(), r.finish()


PROGRAM = """
    .global reset, measured, last
    .thumb_func
reset:
    ldr r0, =0x20001000
    ldr r1, =0x20002000
    mov r2, #{turns}
    ldr lr, =routine + 1
    push {{lr}}
    mov r3, #0
    bl measured
last:
    nop
    b finish
    .pool
    .balign 4
    .thumb_func
measured:
{function}
    .balign 4
    .thumb_func
routine:
{routine}
"""


def _text(listing: Listing) -> str:
    return "".join(re.findall(r'^"(.*?)"', line)[0].replace("\\n", "\n") for line in listing.lines)


def _simulated(folder: Path, turns: int, listing: Listing, routine: Listing | None = None) -> int:
    text = PROGRAM.format(
        turns=turns, function=_text(listing), routine=_text(routine) if routine else " bx lr"
    )
    return run(assemble(folder, text), between=("measured", "last")).cycles


@needs_gcc
@pytest.mark.parametrize("turns", [1, 2, 3, 4, 17])
def test_a_loop_costs_what_the_simulator_counts(turns: int, tmp_path: Path) -> None:
    listing = _products()
    assert count.cycles(listing, {"products": turns}) == _simulated(tmp_path, turns, listing)


@needs_gcc
@pytest.mark.parametrize("turns", [1, 2, 5])
def test_so_does_a_loop_of_loops(turns: int, tmp_path: Path) -> None:
    listing = _nested()
    assert count.cycles(listing, {"outer": turns, "inner": 3}) == _simulated(tmp_path, turns, listing)


@needs_gcc
@pytest.mark.parametrize("turns", [1, 2, 5])
def test_so_does_a_routine_that_is_jumped_to(turns: int, tmp_path: Path) -> None:
    listing, routine = _called()
    assert count.cycles(listing, {"calls": turns}, {"sums": routine}) == _simulated(
        tmp_path, turns, listing, routine
    )


def test_a_stretch_is_counted_between_labels() -> None:
    """TRM: two loads on two bases 3 cycles, a product 1."""
    assert count.straight(_products(), "products", "summed") == 4


WRONG: dict[str, tuple[Mapping[str, int], str]] = {
    "no such loop": ({"rows": 2}, "no loop runs so often"),
    "no turn": ({"products": 0}, "no loop runs so often"),
}


@pytest.mark.parametrize("row", WRONG)
def test_turns_of_what_is_no_loop_are_refused(row: str) -> None:
    turns, message = WRONG[row]
    with pytest.raises(VerifyError, match=message):
        count.cycles(_products(), turns)


def test_a_label_that_is_not_there_is_refused() -> None:
    with pytest.raises(VerifyError, match="the listing has no such label"):
        count.straight(_products(), "rows")


def test_a_routine_without_code_is_refused() -> None:
    with pytest.raises(VerifyError, match="a routine's code is missing"):
        count.cycles(_called()[0])


def test_code_that_never_returns_is_refused() -> None:
    a = Assembly("f", enters=(X,))
    a.b(a.loop("forever"))
    with pytest.raises(VerifyError, match="the code does not come to its return"):
        count.cycles(a.finish())
