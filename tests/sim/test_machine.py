# SPDX-License-Identifier: Apache-2.0
"""The machine around the core: semihosting, interrupts, serial port, counters, faults."""

from __future__ import annotations

import random
import re
import subprocess
from pathlib import Path

import pytest

from ascmcu.errors import AscmcuError, InputError, LimitError
from ascmcu.sim import run, session, words
from ascmcu.sim.cpu import CORE
from ascmcu.sim.faults import GuestFault
from ascmcu.sim.session import build, finish
from tests.sim.programs import FLAGS, GCC, assemble, compile_c, needs_gcc

pytestmark = needs_gcc

REGISTERS = r"""
#include <stdint.h>
#define REG(a) (*(volatile uint32_t *)(a))
#define CYCCNT REG(0xE0001004)
#define USART2_SR REG(0x40004400)
#define USART2_DR REG(0x40004404)
#define USART2_BRR REG(0x40004408)
#define USART2_CR1 REG(0x4000440C)
static inline int call(int op, const void *arg) {
    register int r0 __asm__("r0") = op;
    register const void *r1 __asm__("r1") = arg;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}
static inline void counter_on(void) { REG(0xE000EDFC) = 1 << 24; REG(0xE0001000) = 1; }
"""


SERIAL = """
static uint8_t ring[4096]; static volatile uint32_t head; static volatile uint32_t errors;
void on_irq(void) {
    uint32_t status = USART2_SR;
    if (status & 8) errors++;
    if (status & 0x20) ring[head++ & 4095] = (uint8_t)USART2_DR; else (void)USART2_DR;
}
static void start_serial(int divisor) {
    REG(0x40023830) |= 1; REG(0x40023840) |= 1 << 17; REG(0x40020000) = 0xA8000020;
    USART2_BRR = divisor; USART2_CR1 = 1 << 13 | 1 << 5 | 1 << 3 | 1 << 2;
    REG(0xE000E104) = 1 << 6;
}
static void put(uint8_t c) { while (!(USART2_SR & 0x80)) ; USART2_DR = c; }
"""


def run_c(folder: Path, code: str, *flags: str):
    return run(compile_c(folder, REGISTERS + code, "-O2", *flags))


def test_console_and_exit_code(tmp_path: Path) -> None:
    result = run_c(tmp_path, 'int main(void) { call(4, "hello\\n"); char c = 65; call(3, &c); return 7; }')
    assert result.console == b"hello\nA"
    assert result.exit_code == 7
    assert result.ended == "exit by semihosting"


def test_write_and_ticks(tmp_path: Path) -> None:
    code = """
    int main(void) {
        struct { int handle; const char *text; int bytes; } w = {1, "abc", 3};
        struct { const char *name; int mode; int bytes; } o = {":tt", 4, 3};
        uint64_t t = 0;
        if (call(1, &o) != 1 || call(5, &w) != 0) return 1;
        if (call(0x30, &t) || t == 0) return 2;
        return call(0x31, 0) == 16000000 ? 0 : 3;
    }"""
    result = run_c(tmp_path, code)
    assert (result.exit_code, result.console) == (0, b"abc")


def test_waiting_for_a_byte_that_nobody_sends_ends(tmp_path: Path) -> None:
    code = SERIAL + "int main(void) { start_serial(16); while (!(USART2_SR & 0x20)) ; return 0; }"
    result = run_c(tmp_path, code)
    assert "waits for good on 0x40004400" in result.ended


@pytest.mark.parametrize("ending", ["b .", "1: wfi\n b 1b", "bkpt 3"])
def test_endings_without_semihosting(ending: str, tmp_path: Path) -> None:
    result = run(assemble(tmp_path, f".global reset\n.thumb_func\nreset:\n nop\n{ending}\n"))
    assert result.exit_code == 0
    assert result.ended


def test_cycle_counter_is_the_simulators(tmp_path: Path) -> None:
    """Two reads differ by what lies between them, and by what the simulator counts itself."""
    body = """
    .global reset, first, last
    .thumb_func
reset:
    ldr r0, =0xE0001000
    ldr r1, =0xE000EDFC
    mov r2, #1 << 24
    str r2, [r1]
    mov r2, #1
    str r2, [r0]
    mov r5, #100
    nop
first:
    ldr r3, [r0, #4]
    nop
1:  mul r6, r5, r5
    udiv r6, r6, r2
    subs r5, #1
    bne 1b
last:
    ldr r4, [r0, #4]
    subs r0, r4, r3
    ldr r1, =block
    ldr r2, =0x20026
    str r2, [r1]
    str r0, [r1, #4]
    bkpt 1
    .pool
    .comm block, 8, 4
"""
    machine = build(assemble(tmp_path, body))
    result = finish(machine, ("first", "last"))
    counted = machine.cpu.read(CORE[0])
    assert counted == result.cycles
    # Each round: MUL 1, UDIV 2 to 12, SUBS 1, BNE 2.
    assert 100 * 6 < counted < 100 * 17


def test_same_program_same_cycles(tmp_path: Path) -> None:
    code = (
        "int main(void) { volatile int s = 0; for (int i = 1; i < 999; i++) s += 12345 / i; return s & 1; }"
    )
    elf = compile_c(tmp_path, REGISTERS + code, "-O1")
    assert len({(r.cycles, r.instructions) for r in (run(elf) for _ in range(3))}) == 1


def test_systick_interrupt_costs_and_counts(tmp_path: Path) -> None:
    code = """
    volatile uint32_t ticks;
    void on_systick(void) { ticks++; }
    int main(void) {
        counter_on();
        REG(0xE000E014) = 9999; REG(0xE000E018) = 0; REG(0xE000E010) = 7;
        uint32_t start = CYCCNT;
        while (ticks < 10) __asm__ volatile("wfi");
        uint32_t spent = CYCCNT - start;
        return spent > 99000 && spent < 100200 ? 0 : 1;
    }"""
    assert run_c(tmp_path, code).exit_code == 0


def test_interrupt_preserves_registers_flags_and_fp(tmp_path: Path) -> None:
    """A busy computation gives the same result with interrupts that clobber everything they may."""
    code = """
    volatile uint32_t ticks;
    void on_systick(void) {
        ticks++;
        __asm__ volatile("vmov.f32 s0, #2.0\\n vmov.f32 s7, #3.0\\n vmov.f32 s15, #4.0\\n cmp r0, r0"
                         ::: "s0", "s7", "s15", "cc");
    }
    volatile float seed = 1.0f;
    __attribute__((noinline)) static float work(void) {
        float a = seed, b = 0.5f; uint32_t h = 1;
        for (int i = 0; i < 20000; i++) {
            a = a * 0.999f + b; b = b + 0.25f - a * 0.001f; h = h * 31 + (h > 1000 ? 7 : 3);
        }
        return a + b + (float)(h & 0xFFFF);
    }
    int main(void) {
        REG(0xE000ED88) = 0xF << 20;
        float quiet = work();
        REG(0xE000E014) = 997; REG(0xE000E018) = 0; REG(0xE000E010) = 7;
        float disturbed = work();
        REG(0xE000E010) = 0;
        return quiet == disturbed && ticks > 100 ? 0 : 1;
    }"""
    assert run_c(tmp_path, code).exit_code == 0


def test_primask_and_pendsv_and_svc(tmp_path: Path) -> None:
    code = """
    volatile int order, svc_at, pend_at;
    void on_svc(void) { svc_at = ++order; REG(0xE000ED04) = 1 << 28; }
    void on_pendsv(void) { pend_at = ++order; }
    int main(void) {
        __asm__ volatile("svc 0" ::: "memory");
        if (svc_at != 1 || pend_at != 2) return 1;
        __asm__ volatile("cpsid i" ::: "memory");
        REG(0xE000ED04) = 1 << 28;
        for (volatile int i = 0; i < 50; i++) ;
        if (pend_at != 2) return 2;
        __asm__ volatile("cpsie i" ::: "memory");
        for (volatile int i = 0; i < 5; i++) ;
        return pend_at == 3 ? 0 : 3;
    }"""
    assert run_c(tmp_path, code).exit_code == 0


def test_entry_and_exit_cost_what_the_manual_says(tmp_path: Path) -> None:
    """TRM: 12 cycles in, 12 out: an SVC with an empty handler, against a NOP in its place."""
    body = """
    .global reset, first, last, on_svc
    .thumb_func
on_svc:
    bx lr
    .thumb_func
reset:
    nop
first:
    svc 0
last:
    nop
    b finish
"""
    # SVC 1, entry 12, BX 1, exit 12.
    assert run(assemble(tmp_path, body), between=("first", "last")).cycles == 26


@pytest.mark.parametrize(
    ("before", "inside", "expected"),
    [("nop", "nop", 27), ("vmov.f32 s0, #1.0", "nop", 27), ("nop", "vmov.f32 s1, #2.0", 27),
     ("vmov.f32 s0, #1.0", "vmov.f32 s1, #2.0", 27 + 17)],
)  # fmt: skip
def test_fp_registers_cost_where_both_sides_use_them(
    before: str, inside: str, expected: int, tmp_path: Path
) -> None:
    """Lazy stacking: 17 cycles more when the handler uses the FP unit after the interrupted code did (TRM)."""
    body = f"""
    .global reset, first, last, on_svc
    .thumb_func
on_svc:
    {inside}
    bx lr
    .thumb_func
reset:
    {before}
    nop
first:
    svc 0
last:
    nop
    b finish
"""
    assert run(assemble(tmp_path, body), between=("first", "last")).cycles == expected


def test_a_handler_behind_another_costs_what_the_manual_says(tmp_path: Path) -> None:
    """TRM: 6 cycles from one handler to the next, with nothing unstacked between."""
    body = """
    .global reset, first, last, on_svc, on_pendsv
    .balign 8
    .thumb_func
on_svc:
    str r1, [r0]
    nop
    bx lr
    .balign 8
    .thumb_func
on_pendsv:
    bx lr
    .balign 8
    .thumb_func
reset:
    ldr r0, =0xE000ED04
    mov r1, #1 << 28
    nop
first:
    svc 0
last:
    nop
    b finish
    .pool
"""
    # SVC 1, entry 12, STR, NOP and BX 3, to the next 6, BX 1, exit 12.
    assert run(assemble(tmp_path, body), between=("first", "last")).cycles == 35


def test_priorities_and_tail_chaining(tmp_path: Path) -> None:
    code = """
    volatile int log[8], n;
    void on_irq(void) {
        int irq = (REG(0xE000ED04) & 0x1FF) - 16;
        log[n++] = irq;
        if (irq == 5) { REG(0xE000E200) = 1 << 6 | 1 << 7; for (volatile int i = 0; i < 9; i++) ; log[n++] = 50; }
    }
    int main(void) {
        ((volatile uint8_t *)0xE000E400)[5] = 0x40;
        ((volatile uint8_t *)0xE000E400)[6] = 0x20;
        ((volatile uint8_t *)0xE000E400)[7] = 0x60;
        REG(0xE000E100) = 1 << 5 | 1 << 6 | 1 << 7;
        REG(0xE000E200) = 1 << 5;
        for (volatile int i = 0; i < 5; i++) ;
        /* 6 preempts 5, 7 waits until 5 has ended */
        return n == 4 && log[0] == 5 && log[1] == 6 && log[2] == 50 && log[3] == 7 ? 0 : 1 + n;
    }"""
    assert run_c(tmp_path, code).exit_code == 0


def test_serial_at_full_rate_loses_nothing(tmp_path: Path) -> None:
    code = (
        SERIAL
        + """
    int main(void) {
        start_serial(16);
        uint32_t tail = 0, sum = 0;
        while (tail < 2000) {
            while (tail != head) sum = sum * 31 + ring[tail++ & 4095];
            __asm__ volatile("cpsid i" ::: "memory");
            if (tail == head && tail < 2000) __asm__ volatile("wfi");
            __asm__ volatile("cpsie i" ::: "memory");
        }
        put((uint8_t)sum); put((uint8_t)(sum >> 8)); put((uint8_t)(sum >> 16)); put((uint8_t)(sum >> 24));
        while (!(USART2_SR & 0x40)) ;
        return (int)errors;
    }"""
    )
    machine = build(compile_c(tmp_path, REGISTERS + code, "-O2"))
    machine.run()
    assert machine.idle
    data = bytes((7 * n + n // 256) & 0xFF for n in range(2000))
    fed_at = machine.engine.cycles
    machine.feed("USART2", data)
    machine.run()
    assert machine.end is not None
    assert machine.end.exit_code == 0
    expected = 0
    for byte in data:
        expected = (expected * 31 + byte) & 0xFFFFFFFF
    assert bytes(machine.usarts[2].sent) == expected.to_bytes(4, "little")
    assert machine.usarts[2].lost_bytes == 0
    # 2000 bytes in and 4 out, ten bits of 16 cycles each.
    assert 2004 * 160 <= machine.engine.cycles - fed_at < 2004 * 160 + 2000


def test_serial_overrun_is_seen(tmp_path: Path) -> None:
    code = (
        SERIAL
        + """
    int main(void) {
        start_serial(16);
        __asm__ volatile("cpsid i");
        put(1);
        while (!(USART2_SR & 0x20)) ;
        for (volatile int i = 0; i < 200; i++) ;
        __asm__ volatile("cpsie i");
        for (volatile int i = 0; i < 200; i++) ;
        return errors ? 0 : 1;
    }"""
    )
    machine = build(compile_c(tmp_path, REGISTERS + code, "-O2"))
    machine.run(until_cycle=2000)  # the port is open, and nobody takes what it receives
    machine.feed("USART2", bytes(10))
    machine.run()
    assert machine.end is not None
    assert machine.end.exit_code == 0
    assert machine.usarts[2].lost_bytes > 0


FAULTS = {
    "wild store": ("int main(void) { REG(0x30000000) = 1; return 0; }", "write to 0x30000000"),
    "wild load": ("int main(void) { return (int)REG(0x18000000); }", "read of 0x18000000"),
    "flash write": ("int main(void) { REG(0x08000100) = 1; return 0; }", "write to read-only 0x08000100"),
    "undefined": ('int main(void) { __asm__ volatile("udf 5"); return 0; }', "undefined instruction de05"),
    "wild jump": ("int main(void) { ((void (*)(void))0x30000001)(); return 0; }", "jump to 0x30000000"),
    "unmodelled": ("int main(void) { return (int)REG(0x40001234); }", "read of 0x40001234, which"),
    "unmodelled write": ("int main(void) { REG(0x50001234) = 3; return 0; }", "write to 0x50001234, which"),
    "stack overflow": (
        "int deep(volatile int *p) { volatile int a[64]; a[0] = *p; return deep(a) + a[0]; }\n"
        "int main(void) { int x = 1; return deep(&x); }",
        "stack overflow",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_fault_is_reported_with_place_and_registers(name: str, tmp_path: Path) -> None:
    code, message = FAULTS[name]
    elf = compile_c(tmp_path, REGISTERS + "volatile int keep;\n" + code, "-O1", "-fno-optimize-sibling-calls")
    with pytest.raises(GuestFault, match=re.escape(message)) as caught:
        run(elf)
    text = str(caught.value)
    assert re.search(r"r0 [0-9a-f]{8}", text)
    if name == "wild jump":
        assert "main" in text
    else:
        assert re.search(r"main\.c:\d+", text.split("registers:")[0])
        assert ("deep" if name == "stack overflow" else "main") in text


def test_what_the_user_gets_wrong(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a readable ELF"):
        run(tmp_path / "nothing.elf")
    (tmp_path / "text.elf").write_text("hello")
    with pytest.raises(InputError, match="not a readable ELF"):
        run(tmp_path / "text.elf")
    elf = compile_c(tmp_path, REGISTERS + "void bench_begin(void) {}\nint main(void) { return 0; }", "-O1")
    with pytest.raises(InputError, match="no such symbol") as caught:
        run(elf, between=("bench_begn", "main"))
    assert "bench_begin" in str(caught.value)
    with pytest.raises(InputError, match="was never executed"):
        run(elf, between=("main", "bench_begin"))
    with pytest.raises(AscmcuError, match="unknown board"):
        run(elf, board="nucleo-f44")
    with pytest.raises(InputError, match="does not fit the machine") as caught:
        run(elf, board="nrf52840-dk")
    assert caught.value.exit_status == 2, "nothing was measured: no budget is broken"
    forever = compile_c(tmp_path, "int main(void) { for (volatile int i = 0;; i++) ; }", "-O1")
    with pytest.raises(LimitError, match="did not end"):
        run(forever, limit_cycles=100_000)


def test_a_program_with_an_entry_point_alone(tmp_path: Path) -> None:
    """No vector table: execution begins at the ELF's entry, with the stack at the end of RAM."""
    source = ".syntax unified\n.thumb\n.text\n.thumb_func\n.global _start\n_start:\n push {r0}\n pop {r1}\n bkpt 1\n"
    (tmp_path / "bare.S").write_text(source)
    (tmp_path / "bare.ld").write_text("ENTRY(_start)\nSECTIONS { . = 0x100; .text : { *(.text*) } }\n")
    command = [GCC, *FLAGS, "-T", "bare.ld", "bare.S", "-o", "bare.elf"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    result = run(tmp_path / "bare.elf")
    assert (result.instructions, result.cycles) == (3, 2 + 3 + 1)
    assert result.ended.startswith("breakpoint 1")


@pytest.mark.parametrize(
    ("stack", "machine", "extra_per_load"),
    [(0x200A0000, "stm32l4r5", 1), (0x2009FF00, "stm32l4r5", 1), (0x20020000, "generic", 0)],
)
def test_the_640_kb_part_and_its_slow_ram_are_recognised(
    stack: int, machine: str, extra_per_load: int, tmp_path: Path
) -> None:
    """Each load stands alone, so on the STM32L4R5 each waits a cycle for SRAM3."""
    loads = " ldr r3, [sp, #-16]\n nop\n" * 20
    body = (
        f".global reset, first, last\n.thumb_func\nreset:\n ldr r0, ={stack}\n mov sp, r0\n b begin\n .pool\n"
        f".balign 4\nbegin:\n nop\nfirst:\n{loads}last:\n b finish\n"
    )
    elf = assemble(tmp_path, body)
    data = bytearray(elf.read_bytes())
    at = data.index((0x20010000).to_bytes(4, "little"))
    data[at : at + 4] = stack.to_bytes(4, "little")
    elf.write_bytes(data)
    result = run(elf, between=("first", "last"))
    assert result.machine.startswith(machine)
    assert result.cycles == 20 * (3 + extra_per_load)


SEMIHOSTED = """
#include <stdio.h>
#include <stdlib.h>

int main(void)
{
    char *text = malloc(32);
    snprintf(text, 32, "%d of %d", 6, 7);
    puts(text);
    return 5;
}
"""


def test_a_program_of_the_c_library_for_semihosting_runs(tmp_path: Path) -> None:
    """It has no vector table; stack and heap come from SYS_HEAPINFO."""
    (tmp_path / "main.c").write_text(SEMIHOSTED)
    command = [GCC, "-mcpu=cortex-m4", "-mthumb", "--specs=rdimon.specs", "main.c", "-o", "main.elf"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    result = run(tmp_path / "main.elf")
    assert result.console == b"6 of 7\n"


@pytest.mark.parametrize("forever", ["b .", "1: ldr r2, [r0]\n b 1b"])
def test_a_program_that_never_ends_is_left_behind_the_measured_stretch(
    forever: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SysTick ticks on, so that the branch to itself is not for good."""
    monkeypatch.setattr(session, "GRACE_CYCLES", 50_000)
    body = f"""
        .global reset, first, last, on_systick
        .thumb_func
    on_systick:
        bx lr
        .thumb_func
    reset:
        ldr r0, =0xE000E010
        movw r1, #1000
        str r1, [r0, #4]
        movs r1, #7
        str r1, [r0]
    first:
        nop
    last:
        {forever}
        .pool
    """
    assert run(assemble(tmp_path, body), between=("first", "last")).cycles == 1


@pytest.mark.parametrize(
    ("accesses", "extra"),
    [
        ("ldr r3, [r0]", 1),
        ("ldr r3, [r0]\n ldr r4, [r0, #4]\n str r5, [r0, #8]", 1),
        ("str r3, [r0]", 0),
        ("str r3, [r0]\n nop\n str r3, [r0, #4]", 0),
        ("str r3, [r0]\n ldr r4, [r0, #4]", 0),
        ("str r3, [r0]\n str r4, [r0, #4]\n str r5, [r0, #8]", 1),
        ("push {r3, r4}", 1),
        ("pop {r3, r4}", 1),
    ],
)
def test_ram_behind_the_bus_matrix(accesses: str, extra: int, tmp_path: Path) -> None:
    """A group of accesses waits once; a lone store does not. The difference is taken between the two banks."""
    cycles = {}
    for bank in (0x20010000, 0x20050000):
        body = f"""
            .global reset, first, last
            .thumb_func
        reset:
            ldr r0, ={bank}
            mov sp, r0
            b begin
            .pool
            .balign 4
        begin:
            nop
            nop
        first:
            {accesses}
            nop
        last:
            b finish
        """
        folder = tmp_path / f"{bank:x}"
        folder.mkdir()
        result = run(assemble(folder, body), between=("first", "last"), board="stm32l4r5")
        cycles[bank] = result.cycles
    assert cycles[0x20050000] - cycles[0x20010000] == extra


@pytest.mark.parametrize(
    ("table", "size", "what"),
    [
        ("NODES", 8, "basic blocks"),
        ("EDGES", 8, "control flow"),
        ("WORDS", 8, "loads and stores"),
        ("SITES", 0, "data-dependent"),
    ],
)
def test_a_program_that_fills_a_table_is_refused(
    table: str, size: int, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The simulator's own limit is no limit of the user's: exit status 2."""
    loop = "int s = 0; for (int i = 0; i < 9; i++) s += a / b; return s - 18;"
    divides = f"volatile int a = 7, b = 3; int main(void) {{ {loop} }}"
    elf = compile_c(tmp_path, divides, "-O1")
    assert run(elf).exit_code == 0
    monkeypatch.setattr(words, table, size)
    with pytest.raises(InputError, match=what) as caught:
        run(elf)
    assert caught.value.exit_status == 2


def test_a_damaged_file_is_refused_or_runs(tmp_path: Path) -> None:
    """Cut short, or with bytes changed anywhere: a message, or the program as far as it goes; never a crash of ours."""
    elf = compile_c(tmp_path, "int main(void) { return 0; }", "-O1", "-g")
    whole, damaged = elf.read_bytes(), tmp_path / "damaged.elf"
    rng = random.Random(3)
    texts = [whole[: len(whole) * n // 12] for n in range(12)]
    for header in (52, len(whole)):
        for _ in range(12):
            text = bytearray(whole)
            for _ in range(6):
                text[rng.randrange(header)] = rng.randrange(256)
            texts.append(bytes(text))
    refused = 0
    for text in texts:
        damaged.write_bytes(text)
        try:
            run(damaged, limit_cycles=100_000)
        except AscmcuError as error:
            refused += 1
            assert error.what and error.where
    assert refused >= 12
