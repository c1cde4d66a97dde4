# SPDX-License-Identifier: Apache-2.0
"""Pointers that a block makes itself: the memory that they lead to is known when the block first runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from ascmcu.sim import run
from tests.sim.programs import assemble, needs_gcc

SRAM1, SRAM2, CCM = 0x20001000, 0x2001C100, 0x10000100

PROGRAM = """
    .global reset, first, last
    .thumb_func
reset:
    ldr r0, ={here}
    ldr r1, ={there}
    movs r2, #1
    movs r3, #4
    movs r6, #3
    str r1, [r0]
    vmov s4, r1
    b begin
    .pool
    .balign 8
begin:
    mov.w r7, #1
    mov.w r7, #1
first:
    {makes}
    mov.w r7, #1
    ldr.w r7, [r0, #4]
    {loads}
    mov.w r7, #1
last:
    b finish
"""

# how the block makes r5, and what it loads with it
MADE = {
    "from the FPU": ("vmov r5, s4", "ldr.w r4, [r5]"),
    "there and back": ("vmov s5, r1\n vmov r5, s5", "ldr.w r4, [r5]"),
    "from memory": ("ldr r5, [r0]", "ldr.w r4, [r5]"),
    "base and an index that was masked": ("and r6, r6, #1\n add r5, r1, r6, lsl #2", "ldr.w r4, [r5]"),
    "base and a product": ("mla r5, r2, r3, r1", "ldr.w r4, [r5]"),
    "base and an extended byte": ("uxtab r5, r1, r3", "ldrb.w r4, [r5]"),
    "less something": ("sub r5, r1, r3", "ldr.w r4, [r5]"),
    "base and an index shifted right": ("add r5, r1, r3, lsr #1", "ldrh.w r4, [r5]"),
    "an index that was masked": ("and r5, r3, #4", "ldr.w r4, [r1, r5]"),
    "near, moved on": ("and r6, r6, #1\n add r5, r1, r6, lsl #2\n adds r5, #8", "ldr.w r4, [r5]"),
}


@needs_gcc
@pytest.mark.parametrize("made", MADE)
@pytest.mark.parametrize("there", [SRAM2, CCM])
def test_a_load_from_another_memory_does_not_overlap(made: str, there: int, tmp_path: Path) -> None:
    """PT: loads overlap within one memory only; a cycle more, wherever the pointer comes from. A pointer that is loaded
    from SRAM1 is not in the way: it is the same memory before and behind."""
    makes, loads = MADE[made]
    cycles = {}
    for to in (SRAM1 + 0x100, there):
        folder = tmp_path / f"{to:x}"
        folder.mkdir()
        elf = assemble(folder, PROGRAM.format(here=SRAM1, there=to, makes=makes, loads=loads))
        cycles[to] = run(elf, between=("first", "last"), board="stm32f4-discovery", wait_states=0).cycles
    assert cycles[there] == cycles[SRAM1 + 0x100] + 1


@needs_gcc
@pytest.mark.parametrize(
    ("loads", "sram2", "ccm"),
    [
        ("ldr.w r4, [r1]\n mov.w r7, #1\n ldr.w r4, [r0, #8]", 2, 0),
        ("ldr.w r4, [r1]\n mov.w r7, #1\n ldr.w r4, [r1, #4]\n mov.w r7, #1\n ldr.w r4, [r0, #8]", 2, 0),
        ("str.w r4, [r1]\n mov.w r7, #1\n ldr.w r4, [r0, #8]", 1, 0),
        ("ldr.w r4, [r1]\n mov.w r7, #1\n str.w r4, [r0, #8]", 1, 0),
        ("ldm.w r1, {{r4, r5}}\n mov.w r7, #1\n stm.w r0, {{r4, r5}}", 2, 0),
        ("ldr.w r4, [r1]\n ldr.w r5, [r0, #8]", 2, 1),
        ("ldr.w r4, [r0, #8]\n ldr.w r5, [r1]\n mov.w r7, #1\n ldr.w r4, [r0, #8]", 2, 1),
    ],
)
def test_a_change_of_memory_behind_the_system_bus_costs_a_cycle(
    loads: str, sram2: int, ccm: int, tmp_path: Path
) -> None:
    """V: AES on the STM32F407, its stack in SRAM2 and everything else in SRAM1: two cycles more for each
    load from the stack. CCM has a bus of its own; there only overlapped loads pay. A store waits in the write buffer
    (V: OV verification, STM32L4R5)."""
    cycles = {}
    for to in (SRAM1 + 0x100, SRAM2, CCM):
        folder = tmp_path / f"{to:x}"
        folder.mkdir()
        text = PROGRAM.format(
            here=SRAM1, there=to, makes="mov.w r7, #1", loads=f" mov.w r7, #1\n {loads.format()}"
        )
        elf = assemble(folder, text)
        cycles[to] = run(elf, between=("first", "last"), board="stm32f4-discovery", wait_states=0).cycles
    assert cycles[SRAM2] - cycles[SRAM1 + 0x100] == sram2
    assert cycles[CCM] - cycles[SRAM1 + 0x100] == ccm


# What runs, and the cycles that SRAM2 instead of SRAM1 adds where the condition holds, and where it does not.
CONDITIONAL = {
    "a load": ("it eq\n ldreq.w r4, [r1]\n mov.w r7, #1\n ldr.w r4, [r0, #8]", 2, 0),
    "a load back again": ("ldr.w r4, [r1]\n mov.w r7, #1\n it eq\n ldreq.w r4, [r0, #8]", 2, 1),
    "a multiple load": ("it eq\n ldmeq.w r1, {{r4, r5}}\n mov.w r7, #1\n ldr.w r4, [r0, #8]", 2, 0),
    "a store, then a load": ("it eq\n streq.w r4, [r1]\n mov.w r7, #1\n ldr.w r4, [r0, #8]", 1, 0),
    "one of two": ("ite eq\n ldreq.w r4, [r1]\n ldrne.w r4, [r0, #4]\n mov.w r7, #1\n ldr.w r4, [r0, #8]", 2, 0),
    "overlapped": ("ldr.w r4, [r0, #4]\n it eq\n ldreq.w r5, [r1]\n mov.w r7, #1\n ldr.w r4, [r0, #8]", 2, 0),
}  # fmt: skip


@needs_gcc
@pytest.mark.parametrize("case", CONDITIONAL)
def test_an_access_under_a_condition_goes_to_its_memory_when_it_executes(case: str, tmp_path: Path) -> None:
    """The rule of the accesses before, decided as the program runs: AES-256 key schedule on an STM32F407, whose
    loop ends in a conditional STM, STR and LDR."""
    runs, holds, fails = CONDITIONAL[case]
    for compared, expected in (("#1", holds), ("#2", fails)):
        cycles = []
        for to in (SRAM1 + 0x100, SRAM2):
            folder = tmp_path / f"{to:x}{compared[1]}"
            folder.mkdir()
            text = PROGRAM.format(
                here=SRAM1,
                there=to,
                makes=f"mov.w r7, #1\n cmp r2, {compared}\n nop",
                loads=f" mov.w r7, #1\n {runs.format()}",
            )
            elf = assemble(folder, text)
            cycles.append(
                run(elf, between=("first", "last"), board="stm32f4-discovery", wait_states=0).cycles
            )
        assert cycles[1] - cycles[0] == expected, (case, compared)


@needs_gcc
def test_a_small_number_beside_something_unknown_is_no_pointer(tmp_path: Path) -> None:
    """Flash answers at address 0 as well; an index that is known is not where the table is."""
    makes = "eor r5, r1, r2\n eor r5, r5, r2\n add r5, r5, r3"
    cycles = []
    for to in (SRAM1 + 0x100, SRAM1 + 0x200):
        folder = tmp_path / f"{to:x}"
        folder.mkdir()
        text = PROGRAM.format(here=SRAM1, there=to, makes=makes, loads="ldr.w r4, [r5]")
        cycles.append(
            run(assemble(folder, text), between=("first", "last"), board="stm32f4-discovery").cycles
        )
    folder = tmp_path / "plain"
    folder.mkdir()
    text = PROGRAM.format(here=SRAM1, there=SRAM1 + 0x100, makes=makes, loads="ldr.w r4, [r0, #8]")
    plain = run(assemble(folder, text), between=("first", "last"), board="stm32f4-discovery").cycles
    assert set(cycles) == {plain}
