# SPDX-License-Identifier: Apache-2.0
"""Flash wait states: what the caches and the prefetch must and must not hide."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ascmcu import boards
from ascmcu.boards import FlashCache
from ascmcu.errors import InputError
from ascmcu.sim.image import Image
from ascmcu.sim.layout import guessed, of_board, with_wait_states
from ascmcu.sim.session import build, finish
from tests.sim.programs import assemble, needs_gcc

pytestmark = needs_gcc
CHIPS = {
    chip.name: chip.flash_cache
    for chip in (
        boards.load(n).chip
        for n in ("nucleo-f446", "nucleo-f303", "nucleo-l4r5", "nrf52840-dk", "frdm-k64f", "feather-m4")
    )
}

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


def cycles(elf: Path, between: tuple[str, str], wait_states: int, cache: FlashCache | None = None) -> int:
    layout = with_wait_states(guessed(Image(elf)), wait_states)
    return finish(build(elf, layout if cache is None else replace(layout, cache=cache)), between).cycles


@pytest.mark.parametrize("chip", CHIPS)
def test_a_loop_lives_in_the_cache_and_straight_code_does_not(chip: str, tmp_path: Path) -> None:
    """A read of n instructions lasts n cycles and takes the wait states and one more: what is over is waited for."""
    elf = assemble(tmp_path, LOOP)
    cache = CHIPS[chip]
    loop, straight = ("first", "middle"), ("middle", "last")
    ideal = cycles(elf, loop, 0)
    if cache.instruction_lines:
        assert ideal < cycles(elf, loop, 5, cache) < ideal * 1.01
    else:
        assert cycles(elf, loop, 5, cache) > ideal * 1.2
    reads, held = 4096 // cache.read_bytes, cache.read_bytes // 4
    assert cycles(elf, straight, 0) == 1024
    for states in (1, 2, 3, 5, 7):
        lost = states if not cache.prefetch else max(0, states + 1 - held)
        waited = cycles(elf, straight, states, cache) - 1024
        assert abs(waited - reads * lost) <= 16, states


def test_what_is_prefetched_while_long_instructions_run_is_there(tmp_path: Path) -> None:
    """The fetch is ahead of the core by the queue, and asks for the next read while a multiple load executes."""
    body = """
    .global reset, first, last
    .thumb_func
reset:
    ldr r0, =0x20001000
    b first
    .pool
    .balign 16
first:
    .rept 64
    ldmia.w r0, {r1, r2}
    add.w r6, r6, r5
    add.w r6, r6, r5
    add.w r6, r6, r5
    .endr
last:
    b finish
"""
    elf = assemble(tmp_path, body)
    # Six cycles a line, as many as five wait states take.
    assert cycles(elf, ("first", "last"), 0) == 64 * 6
    assert cycles(elf, ("first", "last"), 5) - 64 * 6 <= 12


@pytest.mark.parametrize(
    ("cache", "misses"),
    [
        (FlashCache(read_bytes=16, data_lines=8), 64),  # each line of 16 bytes once
        (FlashCache(read_bytes=8, data_lines=8, line_bytes=32), 128),  # each read of 8 bytes once
        (FlashCache(read_bytes=8), 256),  # no cache: each load
        (FlashCache(read_bytes=16, instruction_lines=32, ways=4, unified=True), 64),
    ],
)
def test_loads_from_flash(cache: FlashCache, misses: int, tmp_path: Path) -> None:
    """A kilobyte of constants in a row: every read of the array is waited for once, behind a data cache."""
    body = """
    .global reset, first, last
    .thumb_func
reset:
    ldr r0, =data
    movs r1, #64
    b first
    .pool
    .balign 32
first:
1:  ldr.w r2, [r0], #4
    nop.w
    ldr.w r2, [r0], #4
    nop.w
    ldr.w r2, [r0], #4
    nop.w
    ldr.w r2, [r0], #4
    subs r1, #1
    bne 1b
last:
    b finish
    .balign 32
data:
    .space 1024
"""
    elf = assemble(tmp_path, body)
    with_code = replace(cache, instruction_lines=cache.instruction_lines or 64)
    waited = cycles(elf, ("first", "last"), 5, with_code) - cycles(elf, ("first", "last"), 0)
    # The first pass through the loop is waited for as well: some reads of code.
    assert misses * 5 <= waited <= misses * 5 + 40


@pytest.mark.parametrize(("round_robin", "misses"), [(False, 2), (True, 3)])
def test_which_line_goes(round_robin: bool, misses: int, tmp_path: Path) -> None:
    """Lines A, B, A, C in a set of two, again and again: A is used twice as often, which round robin does not see."""
    body = """
    .global reset, first, last
    .thumb_func
reset:
    ldr r0, =data
    movs r1, #100
    b first
    .pool
    .balign 32
first:
1:  ldr.w r2, [r0]
    nop.w
    ldr.w r2, [r0, #16]
    nop.w
    ldr.w r2, [r0]
    nop.w
    ldr.w r2, [r0, #32]
    subs r1, #1
    bne 1b
last:
    b finish
    .balign 32
data:
    .space 48
"""
    elf = assemble(tmp_path, body)
    cache = FlashCache(read_bytes=16, instruction_lines=64, data_lines=2, ways=2, round_robin=round_robin)
    waited = cycles(elf, ("first", "last"), 5, cache) - cycles(elf, ("first", "last"), 0)
    assert 100 * misses * 5 <= waited <= 100 * misses * 5 + 40


def test_a_table_through_a_pointer_from_memory_is_watched(tmp_path: Path) -> None:
    """A pointer that the block itself has loaded, and a load under a condition: they wait like others."""
    body = """
    .global reset, first, last
    .thumb_func
reset:
    ldr r0, =0x20001000
    ldr r3, =data
    str r3, [r0]
    b first
    .pool
    .balign 32
first:
    ldr r1, [r0]
    nop
    nop
    ldr r2, [r1]
    cmp r1, r3
    it eq
    ldreq r2, [r1, #64]
    nop
last:
    b finish
    .balign 32
data:
    .space 128
"""
    elf = assemble(tmp_path, body)
    ideal = FlashCache(read_bytes=16, instruction_lines=64)
    none = replace(ideal, data_lines=8)
    again = cycles(elf, ("first", "last"), 7, none)
    code_only = cycles(elf, ("first", "last"), 0)
    assert again - code_only >= 14


@pytest.mark.parametrize("swapped", [False, True])
def test_a_table_at_an_index_of_the_block_s_own_is_watched(swapped: bool, tmp_path: Path) -> None:
    """Where it begins says that it lies in flash; each load waits for the address that it really reads."""
    load = "ldrb r2, [r1, r0]" if swapped else "ldrb r2, [r0, r1]"
    body = f"""
    .global reset, first, last
    .thumb_func
reset:
    ldr r0, =data
    ldr r3, =0x20001000
    mov r4, #0
    str r4, [r3]
    b first
    .pool
    .balign 32
first:
    ldrb r1, [r3]
    {load}
    nop
    nop
    uxtb r1, r2
    {load}
    nop
last:
    b finish
    .balign 32
data:
    .byte 64
    .space 127
"""
    elf = assemble(tmp_path, body)
    cache = FlashCache(read_bytes=16, instruction_lines=64, data_lines=8)
    waited = cycles(elf, ("first", "last"), 7, cache) - cycles(elf, ("first", "last"), 0)
    other = assemble(tmp_path, body.replace("=data", "=0x20002000"))
    fetched = cycles(other, ("first", "last"), 7, cache) - cycles(other, ("first", "last"), 0)
    assert waited - fetched >= 2 * 7 - 6


def test_the_board_says_how_long_its_flash_takes(tmp_path: Path) -> None:
    elf = assemble(tmp_path, LOOP)
    own = finish(build(elf, "nucleo-f446"))
    assert own.wait_states == 5 and own.flash.startswith(
        "5 wait states (at 180 MHz), reads of 128 bits, prefetch"
    )
    none = finish(build(elf, "nucleo-f446", 0))
    assert none.flash == "0 wait states (asked for, where 5 are needed at 180 MHz)"
    assert none.cycles < own.cycles
    assert finish(build(elf)).flash == "0 wait states (assumed: no board is named)"
    assert finish(build(elf, None, 0)).cycles == finish(build(elf)).cycles == none.cycles


def test_every_chip_says_how_its_flash_is_read() -> None:
    assert boards.names()
    for name in boards.names():
        chip = boards.load(name).chip
        assert chip.flash_cache.read_bytes in (8, 16), name


def test_a_chip_that_does_not_say_is_refused(tmp_path: Path) -> None:
    board = boards.load("nucleo-l476")
    silent = replace(board, chip=replace(board.chip, flash_cache=FlashCache()))
    with pytest.raises(InputError, match="how its flash is read"):
        of_board(silent)
