# SPDX-License-Identifier: Apache-2.0
"""Files that others bring: for another core, no ELF at all, cut short; what start-up code does on Nordic's part."""

from __future__ import annotations

from pathlib import Path

import pytest

from ascmcu.errors import InputError
from ascmcu.sim import run
from ascmcu.sim.layout import named
from tests.sim.programs import LINKER_SCRIPT, assemble, compile_c, needs_gcc

pytestmark = needs_gcc

PLAIN = "int main(void) { return 0; }"


def damaged(folder: Path, kind: str) -> Path:
    content = compile_c(folder, PLAIN).read_bytes()
    made = {
        "a hex file": b":020000040800F2\n",
        "a raw image": bytes.fromhex("00000220c5010008"),
        "an empty file": b"",
        "cut short": content[: len(content) // 2],
        "big-endian": content[:5]
        + b"\x02"
        + content[6:16]
        + content[17:15:-1]
        + content[19:17:-1]
        + content[20:],
    }
    file = folder / "other.elf"
    file.write_bytes(made[kind])
    return file


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("a hex file", ("not a readable ELF file", "3a 30 32 30", "not a .bin or .hex")),
        ("a raw image", ("not a readable ELF file", "00 00 02 20", "not a .bin or .hex")),
        ("an empty file", ("not a readable ELF file", "an empty file")),
        ("cut short", ("not a readable ELF file", "cut short")),
        ("big-endian", ("not a program for a Cortex-M4", "32-bit big-endian", "little-endian")),
    ],
)
def test_a_file_that_is_no_program_says_what_it_is(kind: str, said: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        run(damaged(tmp_path, kind))
    for words in said:
        assert words in str(caught.value)


def test_double_precision_is_named(tmp_path: Path) -> None:
    """A program for a Cortex-M7: the instruction is undefined here, and the file's attributes tell why."""
    code = "int main(void) { volatile double a = 1.5; a = a * a; return (int)a; }"
    elf = compile_c(tmp_path, code, "-mcpu=cortex-m7", "-mfpu=fpv5-d16")
    with pytest.raises(InputError, match="undefined instruction") as caught:
        run(elf)
    assert "double precision" in str(caught.value)


def test_a_deliberate_trap_is_not_blamed_on_the_compiler(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="undefined instruction") as caught:
        run(compile_c(tmp_path, "int main(void) { __builtin_trap(); }"))
    assert caught.value.hint is None


@pytest.mark.parametrize(
    ("name", "wait_states"),
    [("nucleo-l4r5zi", 5), ("NUCLEO-L4R5ZI", 5), ("stm32f407vg", 5), ("stm32l4r5", 0)],
)
def test_a_board_by_another_name_has_its_own_clock(name: str, wait_states: int) -> None:
    """Only the bare part has no clock that would need wait states, and the report says so."""
    layout = named(name)
    assert layout.wait_states == wait_states
    assert "no board is named" not in layout.flash_text


NORDIC = r"""
#include <stdint.h>
#define REG(a) (*(volatile uint32_t *)(a))
static volatile uint32_t ticks;
void on_systick(void) { ticks++; }
int main(void) {
    if (REG(0x10000130) != 8 || REG(0x10000100) != 0x52840) return 1; /* which part, which errata: SystemInit */
    if (REG(0x10001200) != 18 || REG(0x10001204) != 18) return 2;     /* CONFIG_GPIO_AS_PINRESET: else it resets */
    if (REG(0x10001208) != 0xFFFFFFFF) return 3;                      /* erased */
    REG(0x4000C520) = REG(0x10000404);                                /* trim values: errata 66 */
    REG(0x40000100) = 0;
    REG(0x40000000) = 1;
    while (!REG(0x40000100)) { }                                      /* the crystal */
    REG(0x4000250C) = 6;
    REG(0x40002524) = 0x01D7E000;
    REG(0x40002500) = 4;                                              /* UART, not UARTE */
    REG(0x40002008) = 1;
    for (const char *c = "by bytes"; *c; c++) {
        REG(0x4000211C) = 0;
        REG(0x4000251C) = *c;
        while (!REG(0x4000211C)) { }
    }
    REG(0x40009508) = 3;
    REG(0x40009510) = 0;
    REG(0x40009000) = 1;                                              /* TIMER1 counts at 16 MHz */
    REG(0xE000E014) = 999;
    REG(0xE000E010) = 7;
    while (ticks < 3) __asm__ volatile("wfe");
    REG(0x40009044) = 1;
    uint32_t counted = REG(0x40009544);
    return counted > 3 * 1000 / 4 - 5 && counted < 3 * 1000 / 4 + 60 ? 0 : 4;
}
"""


def test_what_nordics_start_up_code_and_drivers_touch(tmp_path: Path) -> None:
    script = LINKER_SCRIPT.replace("0x08000000", "0x00000000")
    result = run(compile_c(tmp_path, NORDIC, script=script), board="nrf52840-dk")
    assert result.exit_code == 0
    assert result.console == b"by bytes"


def test_what_follows_a_wfe_is_undefined_or_not(tmp_path: Path) -> None:
    """A loop that begins with WFE goes on behind it; an undefined instruction there is still one."""
    loop = "    .global reset\n    .thumb_func\nreset: movs r0, #3\n1: wfe\n    subs r0, #1\n    bne 1b\n    b finish\n"
    folder = tmp_path / "loop"
    folder.mkdir()
    assert run(assemble(folder, loop)).exit_code == 0
    bad = "    .global reset\n    .thumb_func\nreset: b 1f\n1: wfe\n    udf #1\n"
    folder = tmp_path / "bad"
    folder.mkdir()
    with pytest.raises(InputError, match="undefined instruction de01"):
        run(assemble(folder, bad))
