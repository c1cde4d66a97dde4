# SPDX-License-Identifier: Apache-2.0
"""Flash wait states: what the caches and the prefetch must and must not hide."""

from __future__ import annotations

from pathlib import Path

from ascmcu.sim.session import build, finish
from tests.sim.programs import assemble, needs_gcc

pytestmark = needs_gcc

# A loop of 64 bytes, run often; then 4 KB of straight code, run once.
LOOP = """
    .global reset, first, middle, last
    .thumb_func
reset:
    mov r5, #1000
    .balign 16
first:
1:
    .rept 14
    add.w r6, r6, r5
    .endr
    subs r5, #1
    bne 1b
    b middle
    .balign 16
middle:
    .rept 1024
    add.w r6, r6, r5
    .endr
last:
    b finish
"""


def cycles(elf: Path, between: tuple[str, str], wait_states: int, enter: bool = True) -> int:
    return finish(build(elf, None, wait_states, prefetched_enter=enter), between).cycles


def test_a_loop_lives_in_the_cache_and_straight_code_does_not(tmp_path: Path) -> None:
    elf = assemble(tmp_path, LOOP)
    loop, straight = ("first", "middle"), ("middle", "last")
    assert cycles(elf, loop, 0) < cycles(elf, loop, 5) < cycles(elf, loop, 0) * 1.01
    # A line of four instructions lasts four cycles and takes six to fetch: two are lost.
    none, five = cycles(elf, straight, 0), cycles(elf, straight, 5)
    assert none == 1024
    assert 256 * 2 - 8 <= five - none <= 256 * 2 + 16
    # Three wait states: a line is there when the last one has been executed.
    assert cycles(elf, straight, 3) - none < 16


def test_the_pessimistic_answer_is_not_faster(tmp_path: Path) -> None:
    elf = assemble(tmp_path, LOOP)
    loop = ("first", "middle")
    assert cycles(elf, loop, 5, enter=False) > cycles(elf, loop, 5)


def test_zero_wait_states_change_nothing(tmp_path: Path) -> None:
    elf = assemble(tmp_path, LOOP)
    assert finish(build(elf)).cycles == finish(build(elf, None, 0, prefetched_enter=False)).cycles
