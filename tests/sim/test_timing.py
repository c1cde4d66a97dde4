# SPDX-License-Identifier: Apache-2.0
"""Each timing rule as an assembly snippet with the cycles that its source states.

A snippet stands between two marks, word-aligned, behind plain ALU instructions. r0 and r1 point to RAM,
r2 = 4, r3 = 0, r4 = 1000, r5 = 7, the FP registers hold 1.0.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from ascmcu.m4.costs import divide_cycles
from ascmcu.m4.timing import State
from ascmcu.sim import run
from tests.sim.programs import assemble, needs_gcc

PROGRAM = """
    .global reset, first, last
    .thumb_func
reset:
    ldr r0, =0x20001000
    add r1, r0, #256
    mov r2, #4
    mov r3, #0
    mov r4, #1000
    mov r5, #7
    ldr r6, =callee + 1
    ldr r8, =0x20001001
    ldr r9, =0x20001002
    ldr r12, =resume + 1
    str r12, [r0, #128]
    vmov.f32 s0, #1.0
    vmov.f32 s1, #1.0
    vmov.f32 s2, #1.0
    vmov.f32 s3, #1.0
    cmp r3, #0
    b begin
    .balign 8
begin:
    mov.w r7, #1
    mov.w r7, #1
first:
{snippet}
last:
    nop
    b finish
    .pool
    .balign 4
callee:
    bx lr
    .balign 4
{tail}
    .ifndef resume
    .thumb_func
resume:
    b last
    .endif
"""

# snippet, cycles, source
RULES = {
    # TRM, instruction set summary.
    "alu": ("add r7, r4, r5\n eor r7, r7, r5\n sub.w r7, r7, #1", 3, "TRM"),
    "multiplies": ("mul r7, r4, r5\n mla r7, r4, r5, r7\n smull r7, r12, r4, r5\n umaal r7, r12, r4, r5", 4, "TRM"),
    "dsp": ("smlad r7, r4, r5, r7\n sxtb16 r12, r4\n pkhbt r7, r4, r5\n ssat r7, #8, r7\n sel r7, r4, r5", 5, "TRM"),
    "bit field": ("bfi r7, r4, #3, #5\n clz r7, r7\n ubfx r7, r4, #1, #3", 3, "TRM"),
    "load alone": ("ldr r7, [r0]\n add r12, r4, r5", 3, "TRM"),
    "two loads": ("ldr r7, [r0]\n ldr r12, [r1]", 3, "TRM: three cycles total"),
    "three loads": ("ldr r7, [r0, r2]\n ldr r12, [r1]\n ldr r14, [r1, #4]", 4, "TRM: four cycles total"),
    "load, register store": ("ldr r7, [r0, r2]\n str r7, [r1, r2]", 3, "TRM: three cycles total"),
    "load, immediate store": ("ldr r7, [r0]\n str r7, [r1]", 2, "PT: one instruction per cycle"),
    "three loads, store": ("ldr r7, [r0]\n ldr r12, [r0, #4]\n ldr r14, [r0, #8]\n str r7, [r1]", 4, "PT"),
    "literal, then a load": ("ldr r7, =0x12345678\n ldr r12, [r0]", 4, "PT: pipelined within one memory only"),
    "load, then a literal": ("ldr r7, [r0]\n ldr r12, =0x12345678", 4, "PT"),
    "literal, then a store": ("ldr r7, =0x12345678\n str r4, [r0]", 3, "PT"),
    "two literals": ("ldr r7, =0x12345678\n ldr r12, =0x12345679", 3, "PT"),
    "dependent loads": ("ldr r7, [r0, #128]\n ldr r7, [r7, #-1]", 4, "TRM: not pipelined"),
    "write-back chain": ("ldr r7, [r0], #4\n ldr r12, [r0], #4", 4, "PT: not on the same base"),
    "write-back chain of three": ("ldr r7, [r0], #4\n ldr r12, [r0], #4\n ldr r14, [r0], #4", 6, "PT"),
    "write-back chain behind a load": (
        "ldr.w r7, [r1]\n ldr r12, [r0], #4\n ldr r14, [r0], #4\n ldr r7, [r0], #4", 5,
        "V: AES encryption, STM32F407; the base is there when the load itself overlaps"),
    "write-back on two bases": ("ldr r7, [r0], #4\n ldr r12, [r1], #4", 3, "PT"),
    "byte loads": ("ldrb r7, [r0]\n ldrsh r12, [r0, #2]", 3, "TRM"),
    "store": ("str r4, [r0]\n add r7, r4, r5", 2, "TRM: write buffer"),
    "store, register offset": ("str r4, [r0, r2]\n add r7, r4, r5", 3, "TRM"),
    "two stores": ("str r4, [r0]\n str r5, [r0, #4]", 2, "TRM"),
    "load after store": ("str r4, [r0]\n ldr r7, [r0, #4]", 4, "TRM: nothing pipelines after a store"),
    "load after two": ("str r4, [r0]\n ldr r7, [r0, #4]\n ldr r12, [r0, #8]", 5, "TRM"),
    "address just computed": ("add r7, r0, #4\n ldr r12, [r7]", 4, "TRM: no forwarding into addresses"),
    "address computed before": ("add r7, r0, #4\n mov r12, r4\n ldr r12, [r7]", 4, "TRM"),
    "store address just computed": ("add r7, r0, #4\n str r4, [r7]", 3, "TRM"),
    "index just computed": ("add r7, r2, #4\n ldr r12, [r0, r7]", 4, "TRM"),
    "load multiple": ("ldm r0, {{r7, r12, r14}}", 4, "TRM: 1 + N"),
    "store multiple": ("stm r0, {{r4, r5, r7}}", 4, "TRM: 1 + N"),
    "push and pop": ("push {{r4, r5}}\n mov r7, r4\n pop {{r4, r5}}", 7, "TRM: 1 + N each"),
    "pop after push": ("push {{r4, r5}}\n pop {{r4, r5}}", 7, "TRM: nothing pipelines after a store"),
    "load double": ("ldrd r7, r12, [r0]", 3, "TRM: 1 + N"),
    "store double": ("strd r4, r5, [r0]", 3, "TRM: 1 + N"),
    "load, load multiple": ("ldr r7, [r0]\n ldm r1, {{r12, r14}}", 5, "TRM: not overlapped"),
    "store multiple, load": ("stm r0, {{r4, r5}}\n ldr r7, [r0, #16]", 6, "V: also after STM"),
    "branch": ("b last", 2, "V: 1 + 1"),
    "branch not taken": ("bne last\n nop", 2, "TRM"),
    "branch taken": ("beq 1f\n nop\n1:", 2, "V: 1 + 1"),
    "compare and branch": ("cbz r3, 1f\n nop\n1:", 3, "DDI 0337G table 15-3: decided in execute"),
    "compare and branch, not taken": ("cbnz r3, 1f\n nop\n1:", 2, "TRM"),
    "call and return": ("bl callee", 4, "DDI 0337G table 15-3: BL and BX LR are decided in decode"),
    "call by register": ("blx r6", 5, "DDI 0337G table 15-3: BLX in execute"),
    "return, LR written just before": ("mov lr, r12\n bx lr\n.thumb_func\nresume:", 4, "DDI 0337G table 15-3"),
    "return, LR written before that": ("mov lr, r12\n nop\n bx lr\n.thumb_func\nresume:", 4, "DDI 0337G table 15-3"),
    "branch behind a load": ("ldr r7, [r0]\n b last", 3, "DDI 0337G 15.3: in one cycle; CM: held in decode"),
    "branch behind a load multiple": ("ldm r0, {{r7, r12}}\n b last", 4, "CM"),
    "branch behind a store": ("str r4, [r0]\n b last", 3, "CM: a buffered store is over at once"),
    "branch behind a store multiple": ("stm r0, {{r4, r5}}\n b last", 5, "V: AES key schedules, STM32F407 and F103"),
    "conditional branch behind a store double": ("strd r4, r5, [r0]\n beq last\n nop", 5, "V: the same"),
    "branch behind a store, register offset": ("str r4, [r0, r2]\n b last", 4, "V: HAETAE, AIMer, L4R5"),
    "conditional branch behind a load": ("ldr r7, [r0]\n beq last\n nop", 3, "CM: speculative, then held"),
    "call behind a load": ("ldr r7, [r0]\n bl callee", 5, "CM"),
    "load pc": ("ldr pc, [r0, #128]\n.thumb_func\nresume:", 5, "TRM: 2 + P"),
    "pop pc": ("add.w r7, r0, #128\n mov sp, r7\n nop\n pop {{pc}}\n.thumb_func\nresume:", 8, "TRM: 1 + N + P"),
    "table branch": ("tbb [pc, r3]\n.byte (1f - .) / 2, 0\n.balign 2\n1:", 6, "TRM: at least six"),
    "it folded": ("mov r7, r4\n it eq\n moveq r7, r5", 2, "TRM: folded into the 16-bit instruction before"),
    "it not folded": ("mov.w r7, r4\n it eq\n moveq r7, r5", 3, "V: first half of a word, behind a wide one"),
    "condition failed": ("mov.w r7, r4\n it ne\n ldrne r7, [r0]", 3, "TRM: 1 when the condition fails"),
    "condition holds": ("mov.w r7, r4\n it eq\n ldreq r7, [r0]", 4, "TRM"),
    "unaligned word": ("ldr r7, [r9]", 3, "TRM: two accesses"),
    "odd word": ("ldr r7, [r8]", 4, "TRM: three accesses"),
    "odd half word": ("ldrh r7, [r8]", 3, "TRM: two accesses"),
    "unaligned store": ("str r4, [r9, #1]", 3, "TRM: three accesses"),
    "unaligned stores": ("nop\n" + " str.w r4, [r0]\n" * 3 + " nop", 5, "i0: no penalty up to three"),
    "four unaligned stores": ("str r4, [r0]\n" + " str.w r4, [r0]\n" * 4 + " nop", 7, "i0: from a length of four"),
    "three unaligned stores": ("str r4, [r0]\n" + " str.w r4, [r0]\n" * 3 + " nop", 5, "i0: no penalty up to three"),
    "unaligned multiplies": ("nop\n" + " mul r7, r4, r5\n" * 4 + " nop", 6, "V: X25519; one cycle on the M4"),
    "three unaligned additions": ("ldr r7, [r0]\n" + " add.w r7, r4, r5\n" * 3 + " nop", 7, "i0: from three on"),
    "two unaligned additions": ("ldr r7, [r0]\n" + " add.w r7, r4, r5\n" * 2 + " nop", 5, "i0: from three on"),
    "a store among unaligned ones": (
        "ldr r7, [r0]\n add.w r7, r4, r5\n str.w r4, [r0]\n add.w r7, r4, r5\n add.w r12, r4, r5\n"
        " add.w r7, r4, r5\n nop", 9, "V: X25519; a store alone is over in one cycle"),
    "unaligned loads": ("nop\n" + " ldr.w r7, [r0]\n" * 4 + " nop", 8, "PT: may fail to pipeline; CM"),
    "aligned loads": (" ldr.w r7, [r0]\n" * 4, 5, "PT"),
    "unaligned additions": ("nop\n" + " add.w r7, r4, r5\n" * 8 + " nop", 10, "CM: fetched ahead"),
    "wide aligned": ("smlad.w r7, r4, r5, r7\n smlad.w r12, r4, r5, r12\n smlad.w r14, r4, r5, r14", 3, "i0"),
    "fp": ("vadd.f32 s4, s0, s1\n vmul.f32 s5, s2, s3", 2, "TRM"),
    "aligned fp": (" vadd.f32 s4, s0, s1\n" * 12, 12, "ka006138: only at odd halfwords"),
    "unaligned fp": ("nop\n" + " vadd.f32 s4, s0, s1\n" * 12 + " nop", 17, "ka006138: a stall for every three"),
    "unaligned fp of every kind": (
        "nop\n" + " vadd.f32 s4, s0, s1\n vmov s5, r4\n vcmp.f32 s0, s1\n" * 4 + " nop", 17, "ka006138"),
    "fp result used": ("vadd.f32 s4, s0, s1\n vmul.f32 s5, s4, s3", 3, "TRM: one more when consumed at once"),
    "fp result used later": ("vadd.f32 s4, s0, s1\n mov r7, r4\n vmul.f32 s5, s4, s3", 3, "TRM"),
    "fp accumulate": ("vfma.f32 s4, s0, s1", 3, "TRM"),
    "fp accumulate, addend just computed": ("vadd.f32 s4, s0, s1\n vfma.f32 s4, s2, s3", 4, "TRM: read late"),
    "fp accumulate, factor just computed": ("vadd.f32 s5, s0, s1\n vfma.f32 s4, s5, s3", 5, "TRM"),
    "fp divide": ("vdiv.f32 s4, s0, s1\n vadd.f32 s5, s2, s3", 15, "TRM: 14, and the next waits"),
    "fp divide beside integers": ("vdiv.f32 s4, s0, s1\n" + " add r7, r4, r5\n" * 13, 14, "TRM: integer code goes on"),
    "fp load": ("vldr s4, [r0]\n vldr s5, [r0, #4]", 3, "TRM: pipelines like LDR"),
    "fp store": ("vstr s0, [r0]\n nop", 3, "TRM"),
    "two fp stores": ("vstr s0, [r0]\n vstr s1, [r0, #4]", 3, "V: LPC4370"),
    "two unaligned fp stores": (
        "nop\n vstr s0, [r0]\n vstr s1, [r0, #4]\n nop", 6, "TRM: may not pipeline; V: LPC4370, four take eight"),
    "fp store of a result": ("vadd.f32 s4, s0, s1\n vstr s4, [r0]", 3, "V: LPC4370; the data is read a cycle later"),
    "integer behind accumulate": ("vfma.f32 s4, s0, s1\n add r7, r4, r5", 3, "V: LPC4370; runs beside the addition"),
    "two integers behind accumulate": ("vfma.f32 s4, s0, s1\n add r7, r4, r5\n add r7, r4, r5", 4, "V: LPC4370"),
    "accumulate used behind an integer": (
        "vfma.f32 s4, s0, s1\n add r7, r4, r5\n vmul.f32 s5, s4, s3", 5, "TRM: one more when consumed at once"),
    "fp load, fp store": ("vldr s4, [r0]\n vstr s0, [r1]", 3, "TRM"),
    "fp load multiple": ("vldmia r0, {{s4-s7}}", 5, "TRM: 1 + N"),
    "fp move": ("vmov s4, r4\n vmov r7, s4", 2, "TRM"),
    "fp move two": ("vmov r7, r12, s0, s1", 2, "i0: two cycles"),
    "udiv zero": ("udiv r7, r3, r5", 2, "TRM: 2 to 12"),
    "udiv 1000 / 7": ("udiv r7, r4, r5", 6, "CM: 5 + (9 - 2) / 4"),
    "udiv small": ("udiv r7, r5, r4", 3, "CM"),
    "udiv largest": ("mvn r7, #0\n mov r12, #1\n udiv r7, r7, r12", 14, "TRM: 12"),
}  # fmt: skip


def cycles_of(folder: Path, snippet: str, tail: str = "") -> int:
    elf = assemble(folder, PROGRAM.format(snippet=snippet.format(), tail=tail))
    return run(elf, between=("first", "last")).cycles


@needs_gcc
@pytest.mark.parametrize("name", RULES)
def test_rule(name: str, tmp_path: Path) -> None:
    snippet, expected, source = RULES[name]
    assert cycles_of(tmp_path, snippet) == expected, source


@needs_gcc
@pytest.mark.parametrize(
    ("before", "offset", "expected"),
    [
        ("", 0, 3),
        ("", 2, 4),
        ("ldr r7, [r0]", 0, 4),
        ("ldr r7, [r0]", 2, 5),
        ("ldm r0, {{r7, r12}}", 2, 5),
    ],
)
def test_branch_to_a_wide_instruction_across_words(
    before: str, offset: int, expected: int, tmp_path: Path
) -> None:
    """TRM: a branch to an unaligned 32-bit instruction costs a cycle more; under a long instruction it hides (CM)."""
    pad = " nop\n" * (offset // 2)
    snippet = f" {before}\n b 1f\n .balign 4\n{pad}1: add.w r7, r4, r5"
    assert cycles_of(tmp_path, snippet) == expected


@needs_gcc
@pytest.mark.parametrize(
    ("branch", "follows", "expected"),
    [
        ("nop", "add.w r7, r4, r5", 6),
        ("bne 2f", "add.w r7, r4, r5", 7),
        ("cbnz r3, 2f", "add.w r7, r4, r5", 6),
        ("bne 2f", "nop", 6),
    ],
)
def test_branch_not_taken_behind_a_taken_one(
    branch: str, follows: str, expected: int, tmp_path: Path
) -> None:
    """DDI 0337G 15.3, CM: a conditional branch asks for its target in vain, and the next word comes a cycle later.

    That shows only where the queue is not ahead yet and 32-bit instructions use it up.
    """
    run_of = f" {follows}\n" * 3
    assert cycles_of(tmp_path, f" b 1f\n .balign 4\n1: {branch}\n{run_of}2:") == expected


@needs_gcc
def test_state_passes_through_a_branch_not_taken(tmp_path: Path) -> None:
    """The pipeline state crosses basic blocks: a load behind a store, with a branch not taken ahead of both."""
    assert cycles_of(tmp_path, " bne last\n str r4, [r0]\n ldr r7, [r0, #4]") == 5


def test_behind_a_reset_nothing_of_the_past_matters() -> None:
    """No access, no result, no divide that runs, no prefetch: every field of the first state says so."""
    assert not any(getattr(State(), field.name) for field in dataclasses.fields(State))


def test_divide_range() -> None:
    """TRM: 2 to 12 cycles."""
    values = [0, 1, 2, 7, 255, 65536, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]
    counts = {divide_cycles(a, b, signed) for a in values for b in values for signed in (False, True)}
    assert min(counts) == 2
    assert max(counts) == 12
