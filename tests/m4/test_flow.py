# SPDX-License-Identifier: Apache-2.0
"""Registers that do not hold what an instruction names, on any way through the code."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from ascmcu.errors import VerifyError
from ascmcu.m4.asm import Assembly
from ascmcu.m4.listing import Label, Routine
from ascmcu.m4.registers import LR, PC, Core, Fpu

X, N = Core(0, "x"), Core(1, "n")
SUM, OTHER = Core(2, "sum"), Core(2, "other")
KEPT = Core(4, "kept")
R4, R5 = Core(4, "r4"), Core(5, "r5")
S0, BIAS = Fpu(0, "s0"), Fpu(0, "bias")
SAVED = (R4, R5, LR)
SUMS = Routine("sums", (X, N), (X, SUM), (Core(3, "spare"),))


def _undefined(a: Assembly) -> None:
    a.add(X, X, SUM)


def _overwritten(a: Assembly) -> None:
    a.mov(SUM, 0)
    a.mov(OTHER, 1)
    a.add(X, X, SUM)


def _overwritten_by_a_load(a: Assembly) -> None:
    a.ldr(Core(1, "word"), X.at())
    a.add(X, X, N)


def _base_overwritten(a: Assembly) -> None:
    a.ldr(Core(0, "word"), X.at())
    a.ldr(SUM, X.at(4))


def _scratch_overwritten(a: Assembly) -> None:
    a.vmov(S0, X)
    a.vmov(BIAS, N)
    a.vmov(SUM, S0)


def _list_overwritten(a: Assembly) -> None:
    a.mov(SUM, 0)
    a.ldm(X, (N, OTHER))
    a.add(X, X, SUM)


def _overwritten_in_a_loop(a: Assembly) -> None:
    """The second turn reads what the first has overwritten."""
    a.mov(SUM, 0)
    top = a.loop("turns")
    a.add(X, X, SUM)
    a.mov(OTHER, 0)
    a.subs(N, N, 1)
    a.b(top, "ne")


def _one_way_only(a: Assembly) -> None:
    past = a.label("past")
    a.cmp(X, N)
    a.b(past, "eq")
    a.mov(SUM, 0)
    a.place(past)
    a.add(X, X, SUM)


def _other_on_one_way(a: Assembly) -> None:
    past = a.label("past")
    a.mov(SUM, 0)
    a.cmp(X, N)
    a.b(past, "eq")
    a.mov(OTHER, 0)
    a.place(past)
    a.add(X, X, SUM)


def _no_flags(a: Assembly) -> None:
    a.mov_if("eq", X, 0)


def _flags_after_a_call(a: Assembly) -> None:
    back = a.label("back")
    a.cmp(X, N)
    a.mov(SUM, 0)
    a.call(SUMS, SUM, back)
    a.place(back)
    a.mov_if("eq", X, 0)


def _spoilt_by_a_call(a: Assembly) -> None:
    back, spare = a.label("back"), Core(3, "spare")
    a.mov(spare, 0)
    a.mov(SUM, 0)
    a.call(SUMS, SUM, back)
    a.place(back)
    a.add(X, X, spare)


def _not_what_a_routine_wants(a: Assembly) -> None:
    back = a.label("back")
    a.mov(SUM, 0)
    a.mov(Core(1, "m"), 0)
    a.call(SUMS, SUM, back)
    a.place(back)


def _conditional_over_another(a: Assembly) -> None:
    a.mov(SUM, 0)
    a.cmp(X, N)
    a.mov_if("eq", OTHER, 0)


def _renamed_what_is_not_there(a: Assembly) -> None:
    a.mov(SUM, 0)
    a.rename(OTHER, Core(2, "third"))


def _callees_register(a: Assembly) -> None:
    a.mov(KEPT, 0)


def _callees_fpu_register(a: Assembly) -> None:
    a.vmov(Fpu(16, "kept"), X)


def _callees_register_on_one_way(a: Assembly) -> None:
    past = a.label("past")
    a.cmp(X, N)
    a.b(past, "eq")
    a.mov(KEPT, 0)
    a.place(past)


def _return_address_lost(a: Assembly) -> None:
    a.mov(Core(14, "spare"), 0)


def _pushed(a: Assembly) -> None:
    a.push((R4, R5))


def _popped_in_another_order(a: Assembly) -> None:
    a.push((R5,))
    a.push((R4,))
    a.pop((R5,))


def _popped_too_much(a: Assembly) -> None:
    a.push((R4,))
    a.pop((R4, R5))


def _pushed_in_a_loop(a: Assembly) -> None:
    top = a.loop("turns")
    a.push((R4,))
    a.subs(N, N, 1)
    a.b(top, "ne")


def _no_target(a: Assembly) -> None:
    a.b(Label("nowhere"))


CLASHES: dict[str, tuple[Callable[[Assembly], None], str, str]] = {
    "undefined": (_undefined, "r2 is read and holds nothing", "'sum'"),
    "overwritten": (_overwritten, "r2 holds another value", "'other' since 'mov.w r2, #1'"),
    "by a load": (_overwritten_by_a_load, "r1 holds another value", "'word' since 'ldr.w r1, [r0]'"),
    "base": (_base_overwritten, "r0 holds another value", "'word' since 'ldr.w r0, [r0]'"),
    "FPU scratch": (_scratch_overwritten, "s0 holds another value", "'bias' since 'vmov s0, r1'"),
    "by a list": (_list_overwritten, "r2 holds another value", "'other' since 'ldm.w r0!, {r1-r2}'"),
    "in a loop": (_overwritten_in_a_loop, "r2 is read and holds nothing", "'sum'"),
    "on one way": (_one_way_only, "r2 is read and holds nothing", "'sum'"),
    "another on one way": (_other_on_one_way, "r2 is read and holds nothing", "'sum'"),
    "no flags": (_no_flags, "flags is read and holds nothing", "it eq"),
    "flags after a call": (_flags_after_a_call, "flags is read and holds nothing", "it eq"),
    "spoilt by a call": (_spoilt_by_a_call, "r3 is read and holds nothing", "'spare'"),
    "routine's entry": (_not_what_a_routine_wants, "r1 holds another value", "'m' since 'mov.w r1, #0'"),
    "conditional": (_conditional_over_another, "r2 holds another value", "'sum' since 'mov.w r2, #0'"),
    "renamed": (_renamed_what_is_not_there, "r2 holds another value", "r2 renamed"),
    "callee's register": (_callees_register, "the caller's r4 is lost", "'kept'"),
    "callee's FPU register": (_callees_fpu_register, "the caller's s16 is lost", "'kept'"),
    "callee's on one way": (_callees_register_on_one_way, "the caller's r4 is lost", "several values"),
    "return address": (_return_address_lost, "lr holds another value", "'spare' since 'mov.w lr, #0'"),
    "words left": (_pushed, "the function returns with words on the stack", "2 words"),
    "order of the stack": (_popped_in_another_order, "the stack holds other registers", "r4 (the caller's r4)"),
    "empty stack": (_popped_too_much, "the stack holds other registers", "r4 (the caller's r4)"),
    "stack in a loop": (_pushed_in_a_loop, "two ways meet with stacks of different height", "0 words"),
    "no target": (_no_target, "a branch has no target", "the label 'nowhere'"),
}  # fmt: skip


@pytest.mark.parametrize("row", CLASHES)
def test_a_clash_is_refused_with_both_values_named(row: str) -> None:
    write, message, detail = CLASHES[row]
    a = Assembly("f", enters=(X, N))
    write(a)
    a.return_()
    with pytest.raises(VerifyError, match=f"^{re.escape(message)}") as caught:
        a.finish()
    assert detail in str(caught.value)


def test_code_that_runs_past_its_end_is_refused() -> None:
    a = Assembly("f", enters=(X, N))
    a.mov(SUM, 0)
    with pytest.raises(VerifyError, match="the code runs past its end"):
        a.finish()


def test_registers_that_come_back_may_be_used() -> None:
    a = Assembly("f", enters=(X, N))
    a.push(SAVED)
    a.mov(KEPT, 0)
    a.mov(Core(14, "spare"), 0)
    a.add(X, X, KEPT)
    a.pop((R4, R5, PC))
    assert a.finish().size_bytes == 2 + 4 + 4 + 4 + 2


def test_a_pop_into_pc_takes_the_return_address_only() -> None:
    a = Assembly("f", enters=(X, N))
    a.mov(Core(14, "spare"), 0)
    a.push(SAVED)
    a.pop((R4, R5, PC))
    with pytest.raises(VerifyError, match="the stack holds other registers"):
        a.finish()


def test_a_routine_writes_only_what_its_rules_say() -> None:
    a = Assembly("sums", routine=SUMS)
    a.mov(SUM, 0)
    a.mov(KEPT, 0)
    a.return_(SUM)
    with pytest.raises(VerifyError, match="r4 is written and the routine's rules keep it"):
        a.finish()


def test_a_routine_leaves_what_its_rules_say() -> None:
    a = Assembly("sums", routine=SUMS)
    a.mov(Core(3, "spare"), 0)
    a.return_(Core(3, "spare"))
    with pytest.raises(VerifyError, match="r2 is read and holds nothing"):
        a.finish()


def test_arguments_on_the_stack_lie_behind_what_was_pushed() -> None:
    a = Assembly("f", enters=(X, N))
    a.push(SAVED)
    assert a.stack_argument(4).text == "[sp, #12]"
    assert a.stack_argument(6).text == "[sp, #20]"
