# SPDX-License-Identifier: Apache-2.0
"""What ``--between`` and the profiles of a stretch count."""

from __future__ import annotations

from pathlib import Path

import pytest

from ascmcu.errors import InputError
from ascmcu.sim import profile, run
from ascmcu.sim.session import build, finish
from tests.sim.programs import assemble, needs_gcc

pytestmark = needs_gcc

# work: 2 + 1 cycles of instructions and the loop; deep calls itself once.
BODY = """
    .global reset, begin, end, same, work, deep
    .type begin, %function
    .type work, %function
    .type deep, %function
    .type end, %function
    .thumb_func
    .balign 4
work:
    movs r1, #10
1:  subs r1, #1
    bne 1b
    bx lr
    .size work, . - work
    .thumb_func
    .balign 4
deep:
    push {r4, lr}
    cbz r0, 2f
    subs r0, #1
    bl deep
    nop
2:  pop {r4, pc}
    .thumb_func
    .balign 4
begin:
    bx lr
    .thumb_func
    .balign 4
end:
    bx lr
    .set same, begin
    .thumb_func
    .type same, %function
    .balign 4
    .thumb_func
reset:
    bl work
    bl begin
    bl work
    bl work
    bl begin
    bl end
    bl work
    movs r0, #3
    bl deep
    b finish
"""
WORK = 1 + 10 * 1 + 9 * 2 + 1 + 2  # MOVS; ten SUBS; nine BNE taken, one not; BX LR


@pytest.fixture(scope="module")
def elf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return assemble(tmp_path_factory.mktemp("stretch"), BODY)


def test_one_call_of_a_function(elf: Path) -> None:
    assert run(elf, between=("work", "work")).cycles == WORK
    assert run(elf, between=("begin", "begin")).cycles == 2


def test_one_call_of_a_function_that_calls_itself(elf: Path) -> None:
    """PUSH 3, CBZ 1, SUBS 1, BL 2 four deep; the last CBZ is taken, 3; NOP 1 on three ways back; POP 3 + 3 each."""
    assert run(elf, between=("deep", "deep")).cycles == 3 * (3 + 1 + 1 + 2) + 3 + 3 + 4 * 6 + 3


def test_the_first_time_behind_the_first(elf: Path) -> None:
    calls = 2 + 2  # BX LR of begin, BL of end; work twice and begin once with their calls between
    assert run(elf, between=("begin", "end")).cycles == calls + 2 * (2 + WORK) + (2 + 2)


def test_two_names_of_one_address_are_two_executions(elf: Path) -> None:
    """Compilers merge functions that do the same, which two empty marks do."""
    assert run(elf, between=("begin", "same")).cycles == 2 + 2 * (2 + WORK) + 2


@pytest.mark.parametrize("between", [("begin", "end"), ("work", "work"), ("begin", "same")])
def test_profile_is_of_the_stretch(between: tuple[str, str], elf: Path) -> None:
    machine = build(elf)
    machine.engine.profile((s.address for s in machine.image.functions), windowed=True)
    result = finish(machine, between)
    rows = {row.name: row for row in profile.functions(machine.engine, machine.image)}
    assert sum(row.exclusive_cycles for row in rows.values()) == result.cycles
    assert "deep" not in rows
    lines = profile.annotate(machine.engine, machine.image, "work")
    assert sum(line.cycles for line in lines) == rows["work"].exclusive_cycles
    assert rows["work"].exclusive_cycles == WORK * (1 if between == ("work", "work") else 2)


@pytest.mark.parametrize(
    ("between", "said"),
    [
        (("begin", "reset"), "never executed behind begin"),
        (("stop", "end"), "never executed"),
        (("reset", "reset"), "did not return"),
        (("nowhere", "end"), "no such symbol"),
    ],
)
def test_stretches_that_are_not_there(between: tuple[str, str], said: str, elf: Path) -> None:
    with pytest.raises(InputError, match=said):
        run(elf, between=between)
