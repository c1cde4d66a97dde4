# SPDX-License-Identifier: Apache-2.0
"""Programs as they are built for a NUCLEO-L4R5ZI: start-up with every ready bit that vendors' code waits for."""

from __future__ import annotations

from pathlib import Path

import pytest

from ascmcu.sim import run
from tests.sim.programs import compile_c, link, needs_gcc

pytestmark = needs_gcc

SCRIPT = """
ENTRY(reset_handler)
MEMORY
{
  rom (rx) : ORIGIN = 0x08000000, LENGTH = 2048K
  ram (rwx) : ORIGIN = 0x20000000, LENGTH = 640K
}
SECTIONS
{
  .text : { KEEP(*(.vectors)) *(.text*) *(.rodata*) . = ALIGN(4); } > rom
  .data : { data_start = .; *(.data*) . = ALIGN(4); data_end = .; } > ram AT > rom
  data_source = LOADADDR(.data);
  .bss : { bss_start = .; *(.bss*) *(COMMON) . = ALIGN(4); bss_end = .; } > ram
  stack_top = ORIGIN(ram) + LENGTH(ram);
}
"""

PROGRAM = r"""
#include <stdbool.h>
#include <stdint.h>
#define REG(a) (*(volatile uint32_t *)(a))
#define RCC 0x40021000u
#define FLASH_ACR REG(0x40022000u)
#define PWR 0x40007000u
#define GPIOG 0x48001800u
#define LPUART 0x40008000u
#define RNG 0x50060800u

extern uint32_t stack_top, data_start, data_end, data_source, bss_start, bss_end;
int main(void);
static void wait_for(uint32_t address, uint32_t mask, uint32_t value) {
    while ((REG(address) & mask) != value) { }
}

void reset_handler(void) {
    uint32_t *from = &data_source, *to = &data_start;
    while (to < &data_end) *to++ = *from++;
    for (to = &bss_start; to < &bss_end; ) *to++ = 0;
    REG(0xE000ED88u) |= 0xFu << 20;                         /* FPU on */
    __asm__ volatile("dsb\n isb");
    main();
    for (;;) { }
}
static void halt(void) { __asm__ volatile("bkpt 1"); }
static volatile uint32_t overflows;
void tick(void) { overflows++; }
__attribute__((section(".vectors"), used)) static void *const vectors[16] = {
    &stack_top, reset_handler, halt, halt, halt, halt, halt, 0, 0, 0, 0, halt, halt, 0, halt, tick,
};

static void clock_setup(bool fast) {
    REG(RCC + 0x58) |= 1u << 28;                            /* PWR */
    (void)REG(RCC + 0x58);
    REG(RCC + 0x60) |= 1;                                   /* SYSCFG */
    REG(PWR) = (REG(PWR) & ~(3u << 9)) | 1u << 9;           /* range 1 */
    wait_for(PWR + 0x14, 1u << 10, 0);
    REG(RCC) |= 1u << 8;
    wait_for(RCC, 1u << 10, 1u << 10);                      /* HSI16 */
    if (fast) {
        REG(PWR + 0x80) &= ~(1u << 8);                      /* boost */
        REG(RCC) &= ~(1u << 24);
        wait_for(RCC, 1u << 25, 0);
        REG(RCC + 0x0C) = 2 | 1u << 4 | 30u << 8 | 1u << 24;
        REG(RCC) |= 1u << 24;
        wait_for(RCC, 1u << 25, 1u << 25);                  /* PLL */
    }
    FLASH_ACR = (FLASH_ACR & ~15u) | (fast ? 5 : 0) | 7u << 8;
    while ((FLASH_ACR & 15u) != (fast ? 5u : 0u)) { }
    REG(RCC + 0x08) = (REG(RCC + 0x08) & ~3u) | (fast ? 3 : 1);
    wait_for(RCC + 0x08, 3u << 2, (fast ? 3u : 1u) << 2);
    REG(RCC + 0x98) |= 1;
    wait_for(RCC + 0x98, 2, 2);                             /* HSI48, for the RNG */
    REG(RCC + 0x4C) |= 1u << 18 | 1u << 6;                  /* RNG, GPIOG */
    REG(RNG) = 1u << 2;
}
static void serial_setup(void) {
    REG(PWR + 0x04) |= 1u << 9;                             /* IOSV */
    REG(RCC + 0x5C) |= 1;                                   /* LPUART1 */
    REG(GPIOG) = (REG(GPIOG) & ~(0xFu << 14)) | 0xAu << 14;
    REG(GPIOG + 0x20) |= 8u << 28;
    REG(GPIOG + 0x24) |= 8;
    REG(LPUART + 0x0C) = 16000000u * 256u / 115200u;
    REG(LPUART) = 0xD;                                      /* TE, RE, UE */
    wait_for(LPUART + 0x1C, 3u << 21, 3u << 21);            /* TEACK, REACK */
}
static void put(const char *text) {
    for (; *text; text++) {
        wait_for(LPUART + 0x1C, 1u << 7, 1u << 7);
        REG(LPUART + 0x28) = *text;
    }
    wait_for(LPUART + 0x1C, 1u << 6, 1u << 6);
}
static void put_number(uint32_t value) {
    char text[12], *at = text + 11;
    *at = 0;
    do *--at = '0' + value % 10; while (value /= 10);
    put(at);
    put("\n");
}
static uint64_t now(void) {
    for (;;) {
        uint32_t before = overflows, rest = REG(0xE000E018u);
        if (before == overflows) return (before + 1ull) * 0x1000000u - rest;
    }
}
static uint32_t random_word(void) {
    wait_for(RNG + 4, 1, 1);
    return REG(RNG + 8);
}
__attribute__((noinline)) uint32_t work(uint32_t rounds) {
    volatile float sum = 0;
    uint32_t state[25] = {1}, n = rounds;
    while (n--) { state[n % 25] += n * state[(n + 7) % 25]; sum += 1.5f; }
    return state[3] + (uint32_t)sum;
}
__attribute__((noinline)) void bench_begin(void) { __asm__ volatile(""); }
__attribute__((noinline)) void bench_end(void) { __asm__ volatile(""); }

int main(void) {
    clock_setup(FAST);
    serial_setup();
    REG(0xE000E014u) = 0xFFFFFF; REG(0xE000E018u) = 0; REG(0xE000E010u) = 7;   /* SysTick */
    while (!overflows) { }
    REG(0xE000EDFCu) |= 1u << 24; REG(0xE0001004u) = 0; REG(0xE0001000u) |= 1;  /* CYCCNT */
    uint32_t id = 0;
    for (int n = 0; n < 3; n++) id |= REG(0x1FFF7590u + 4 * n);
    if (!id || *(volatile uint16_t *)0x1FFF75E0u != 2048) return 1;
    uint32_t words[16], different = 0, began = REG(0xE0001004u);
    for (int n = 0; n < 16; n++) words[n] = random_word();
    uint32_t drawn = REG(0xE0001004u) - began;
    for (int n = 1; n < 16; n++) different += words[n] != words[0];
    put(different == 15 && drawn > 600 && drawn < 2000 ? "random\n" : "not random\n");
    bench_begin();
    uint64_t first = now();
    work(1000);
    uint64_t last = now();
    bench_end();
    put_number((uint32_t)(last - first));
    return 0;
}
"""


def built(folder: Path, fast: bool) -> Path:
    return link(folder, {"main.c": PROGRAM}, "-O2", f"-DFAST={int(fast)}", script=SCRIPT)


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("board", [None, "stm32l4r5", "nucleo-l4r5zi"])
def test_what_the_program_measures_is_what_the_simulator_counts(
    fast: bool, board: str | None, tmp_path: Path
) -> None:
    elf = built(tmp_path, fast)
    result = run(elf, between=("bench_begin", "bench_end"), board=board)
    assert (
        "stm32l4r5" if board != "nucleo-l4r5zi" else "nucleo-l4r5, stm32l4r5zi at 120 MHz"
    ) in result.machine
    lines = result.console.decode().split()
    assert lines[0] == "random"
    assert 0 < result.cycles - int(lines[1]) < 60  # the calls, and one reading of the clock
    assert run(elf, between=("work", "work"), board=board).cycles < int(lines[1])
    assert run(elf, between=("bench_begin", "bench_end"), board=board).cycles == result.cycles


@pytest.mark.parametrize(
    ("board", "identifier", "size", "flash_kib"),
    [
        ("nucleo-f446", 0x1FFF7A10, 0x1FFF7A22, 512),
        ("nucleo-l476", 0x1FFF7590, 0x1FFF75E0, 1024),
        ("nucleo-g474", 0x1FFF7590, 0x1FFF75E0, 512),
        ("nucleo-f303", 0x1FFFF7AC, 0x1FFFF7CC, 512),
    ],
)
def test_factory_data(board: str, identifier: int, size: int, flash_kib: int, tmp_path: Path) -> None:
    """RM0390 39, RM0351 47, RM0440 48, RM0316 34: unique identifier and flash size."""
    code = f"""
    #include <stdint.h>
    int main(void) {{
        volatile uint32_t *id = (volatile uint32_t *){identifier:#x}u;
        if (!(id[0] && id[1] && id[2]) || (id[0] & id[1] & id[2]) == 0xFFFFFFFFu) return -1;
        return *(volatile uint16_t *){size:#x}u / 16;
    }}
    """
    assert run(compile_c(tmp_path, code), board=board).exit_code == flash_kib / 16
