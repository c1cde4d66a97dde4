# SPDX-License-Identifier: Apache-2.0
"""The timing rules as pure functions: cycles, the reasons that ``ascmcu sim --profile`` prints, and what is handed on.

``tests/sim/test_timing.py`` has the rules' cycles and their sources; here stands what a run alone would not show.
"""

from __future__ import annotations

import dataclasses
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from ascmcu.m4 import timing
from ascmcu.m4.fetch import at_target
from ascmcu.m4.instruction import Instruction, Kind
from ascmcu.m4.timing import REFILLED, State, Step
from ascmcu.sim.decode import decode
from tests.sim.programs import FLAGS, GCC, needs_gcc

pytestmark = needs_gcc


@dataclass(frozen=True)
class Row:
    """Instructions, and what of the last one's step is expected: cycles, reasons; ``leads`` a group of accesses,
    ``chained`` to the one before. ``then``: what an IT stands for."""

    code: str
    cycles: int
    reasons: tuple[str, ...] = ()
    leads: bool = False
    chained: bool = False
    then: str = ""


COMPUTED = "address from the instruction before"
ROWS = {
    "alu": Row("add r3, r4, r5", 1),
    "load": Row("ldr r3, [r0]", 2, leads=True),
    "load behind a load": Row("ldr r3, [r0]; ldr r4, [r1]", 1, ("pipelined",), chained=True),
    "load of what was loaded": Row("ldr r3, [r0]; ldr r4, [r3]", 2),
    "load behind a load through the same base": Row("ldr r3, [r0], #4; ldr r4, [r0], #4", 2),
    "load behind a store": Row("str r3, [r0]; ldr r4, [r1]", 3, ("load after store",)),
    "load behind an fp store": Row("vstr s0, [r0]; ldr r4, [r1]", 3, ("load after store",)),
    "load multiple behind a store": Row("str r3, [r0]; ldm r1, {r4, r5}", 4, ("load after store",)),
    "load multiple behind a load": Row("ldr r3, [r0]; ldm r1, {r4, r5}", 3),
    "load multiple alone": Row("ldm r1, {r4, r5}", 3, leads=True),
    "store multiple behind a store": Row("str r3, [r0]; stm r1, {r4, r5}", 3, leads=True),
    "load behind a load multiple": Row("ldm r1, {r4, r5}; ldr r3, [r4]", 2, leads=True),
    "load of a computed address": Row("add r3, r0, r1; ldr r4, [r3]", 3, (COMPUTED,), True),
    "load of a computed address, behind a store": Row("str r3, [r0, #4]!; ldr r4, [r0]", 3, ("load after store",)),
    "store": Row("str r3, [r0]", 1),
    "store to a computed address": Row("add r0, r1, r2; str r3, [r0]", 2, (COMPUTED,)),
    "store behind a store": Row("str r3, [r0]; str r4, [r1]", 1, leads=True),
    "third store": Row("str r3, [r0]; str r4, [r1]; str r5, [r1]", 1),
    "store behind a load": Row("ldr r3, [r0]; str r4, [r1]", 0, ("in the load's second cycle",), chained=True),
    "store behind a load of its address": Row("ldr r3, [r0]; str r4, [r3]", 1),
    "store to what a store wrote back": Row("str r3, [r0], #4; str r4, [r0]", 2, (COMPUTED,), leads=True),
    "store to what a store multiple wrote back": Row("stm r0!, {r3, r4}; str r5, [r0]", 1),
    "store by index": Row("str r3, [r0, r1]", 2),
    "store by index behind a load": Row("ldr r3, [r0]; str r4, [r1, r2]", 1, ("pipelined",), chained=True),
    "fp store behind an fp store": Row("vstr s0, [r0]; vstr s1, [r1]", 1, ("pipelined",), leads=True),
    "fp store behind a store": Row("str r3, [r0]; vstr s1, [r1]", 2, leads=True),
    "literal behind a load": Row("ldr r3, [r0]; ldr r4, [pc]", 2),
    "load behind a literal": Row("ldr r3, [pc]; ldr r4, [r0]", 2, leads=True),
    "store behind a literal": Row("ldr r3, [pc]; str r4, [r0]", 1),
    "it behind a narrow one": Row("adds r3, r3, r4; it eq; moveq r3, r4", 1),
    "it": Row("adds r3, r3, r4; it eq", 0, ("folded",), then="moveq r3, r4"),
    "it behind a wide one": Row("add.w r3, r4, r5; it eq", 1, then="moveq r3, r4"),
    "it in a word's second half behind a wide one": Row("nop; add.w r3, r4, r5; it eq", 1, then="moveq r3, r4"),
    "it behind an it": Row("nop; it eq; moveq r3, r4; it ne", 0, ("folded",), then="movne r3, r4"),
    "use of an fp result": Row("vadd.f32 s0, s1, s2; vmul.f32 s3, s0, s1", 2, ("FP result used at once",)),
    "use of an fp result by a move": Row("vadd.f32 s0, s1, s2; vmov r3, s0", 2, ("FP result used at once",)),
    "use of what was loaded": Row("vldr s0, [r0]; vmul.f32 s3, s0, s1", 1),
    "add to an fp result": Row("vadd.f32 s0, s1, s2; vfma.f32 s0, s3, s4", 3),
    "store of an fp result": Row("vadd.f32 s0, s1, s2; vstr s0, [r0]", 2),
    "fp behind a divide": Row("vdiv.f32 s0, s1, s2; vadd.f32 s3, s4, s5", 14, ("FP divide still running",)),
    "integers behind a divide": Row("vdiv.f32 s0, s1, s2; add r3, r4, r5", 1),
    "result of a divide": Row(
        "vdiv.f32 s0, s1, s2; vadd.f32 s3, s0, s5", 15, ("FP divide still running", "FP result used at once")
    ),
    "integer behind an accumulation": Row("vfma.f32 s0, s1, s2; add r3, r4, r5", 0, ("beside the accumulation",)),
    "second integer behind it": Row("vfma.f32 s0, s1, s2; add r3, r4, r5; add r3, r4, r5", 1),
    "load behind an accumulation": Row("vfma.f32 s0, s1, s2; ldr r3, [r0]", 2, leads=True),
    "fp load": Row("vldr s0, [r0]", 2, leads=True),
    "fp load of two words": Row("vldr d0, [r0]", 3, leads=True),
    "fp load of two words behind a load": Row("ldr r3, [r0]; vldr d0, [r1]", 2, ("pipelined",), chained=True),
    "double load": Row("ldrd r3, r4, [r0]", 3, leads=True),
    "table branch": Row("tbb [r0, r1]", 3),
    "table branch of a computed index": Row("add r1, r2, r3; tbb [r0, r1]", 4, (COMPUTED,)),
}  # fmt: skip


@pytest.fixture(scope="module")
def decoded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Instruction, ...]]:
    """The rows' instructions; the first of each is at a word's beginning, behind what fills the queue."""
    folder = tmp_path_factory.mktemp("rules")
    text, marks = [".syntax unified", ".thumb"], []
    for row in ROWS.values():
        marks.append(row.code)
        text += [".balign 64", *row.code.split(";"), row.then]
    (folder / "a.s").write_text("\n".join(text) + "\n .balign 64\n")
    subprocess.run([GCC, *FLAGS, "-c", "a.s", "-o", "a.o"], cwd=folder, check=True, capture_output=True)
    command = ["arm-none-eabi-objcopy", "-O", "binary", "-j", ".text", "a.o", "a.bin"]
    subprocess.run(command, cwd=folder, check=True)
    code = (folder / "a.bin").read_bytes()
    found = {}
    for number, (name, row) in enumerate(ROWS.items()):
        part = code[64 * number : 64 * (number + 1)]
        found[name] = decode(part, 0x08000000 + 64 * number)[: row.code.count(";") + 1]
    return found


def _steps(instructions: Sequence[Instruction], state: State) -> list[Step]:
    steps = []
    for instruction in instructions:
        steps.append(timing.step(state, instruction))
        state = steps[-1].state
    return steps


@pytest.mark.parametrize("name", ROWS)
def test_step(name: str, decoded: dict[str, tuple[Instruction, ...]]) -> None:
    row, instructions = ROWS[name], decoded[name]
    step = _steps(instructions, REFILLED)[-1]
    fetched = "waits for its fetch"
    reasons = tuple(r for r in step.reasons if r != fetched)
    assert (reasons, step.leads_group, step.chained) == (row.reasons, row.leads, row.chained)
    assert (step.cycles > row.cycles) == (fetched in step.reasons)
    if fetched not in step.reasons:
        assert step.cycles == row.cycles


def test_an_instruction_that_is_not_there_yet_is_waited_for(
    decoded: dict[str, tuple[Instruction, ...]],
) -> None:
    """Behind a branch to a word's second half a wide instruction lacks its other half for a cycle (TRM)."""
    (add,) = decoded["alu"]
    there, split = (dataclasses.replace(add, address=add.address + offset) for offset in (0, 2))
    assert (timing.step(REFILLED, there).cycles, timing.step(REFILLED, there).reasons) == (1, ())
    assert (timing.step(REFILLED, split).cycles, timing.step(REFILLED, split).reasons) == (
        2,
        ("waits for its fetch",),
    )


def test_a_skipped_instruction_is_waited_for_too(decoded: dict[str, tuple[Instruction, ...]]) -> None:
    (add,) = decoded["alu"]
    split = dataclasses.replace(add, address=add.address + 2)
    assert (timing.skipped(REFILLED, add).cycles, timing.skipped(REFILLED, split).cycles) == (1, 2)


def test_only_a_branch_asks_for_its_target_in_vain(decoded: dict[str, tuple[Instruction, ...]]) -> None:
    """A conditional branch that is not taken has asked for its target in the place of a word behind it."""
    (add,) = decoded["alu"]

    def asked(**changes: object) -> tuple[int, ...]:
        arrival = timing.step(REFILLED, dataclasses.replace(add, **changes)).arrival
        assert arrival is not None
        return arrival.asked

    assert asked(condition=0) == asked()
    beq = {"text": "beq", "kind": Kind.BRANCH, "branches": True}
    assert asked(**beq, condition=0) == asked()[1:]
    assert asked(**beq) == asked()
    cbz = {**beq, "text": "cbz"}
    assert asked(**cbz, condition=0) == asked(), "it decides when it executes"


@pytest.mark.parametrize(
    ("name", "blind"),
    [
        ("alu", [False]), ("load", [True]), ("store", [False]), ("store behind a store", [False, True]),
        ("store behind a load", [True, True]), ("store by index", [True]), ("fp behind a divide", [False, True]),
        ("it", [False, False]), ("fp store behind a store", [False, True]),
    ],
)  # fmt: skip
def test_what_keeps_the_core_from_seeing_whether_the_next_moves_on(
    name: str, blind: list[bool], decoded: dict[str, tuple[Instruction, ...]]
) -> None:
    """A store alone is over for certain; an access behind another one may have to wait. FP: Arm ka006138."""
    steps = _steps(decoded[name], REFILLED)
    assert [step.state.fetch.blind for step in steps if step.state.fetch is not None] == blind


def test_nothing_folds_behind_a_branch(decoded: dict[str, tuple[Instruction, ...]]) -> None:
    """IT folds into the instruction that was fetched with it; at a branch's target there is none."""
    narrow, it = decoded["it"]
    assert it.address % 4 == 2
    assert timing.step(timing.step(REFILLED, narrow).state, it).cycles == 0
    assert timing.step(REFILLED, it).cycles == 1
    assert timing.step(timing.leave(REFILLED, narrow, it.address)[1], it).cycles == 1


def test_a_failed_condition_does_nothing_for_a_cycle(decoded: dict[str, tuple[Instruction, ...]]) -> None:
    load, other = decoded["load behind a load"]
    divide, beside = decoded["fp behind a divide"]
    step = timing.skipped(timing.step(REFILLED, load).state, other)
    assert (step.cycles, step.reasons, step.leads_group, step.chained) == (
        1,
        ("condition failed",),
        False,
        False,
    )
    assert timing.step(step.state, load).leads_group, "no access went before"
    assert step.state.narrow and not timing.skipped(REFILLED, divide).state.narrow
    running = timing.step(REFILLED, divide).state
    assert timing.step(timing.skipped(running, other).state, beside).cycles == 13
    idle = timing.skipped(timing.skipped(REFILLED, divide).state, other).state
    assert idle.fp_busy_cycles == 0


def test_a_divide_goes_on_across_a_branch(decoded: dict[str, tuple[Instruction, ...]]) -> None:
    divide, behind = decoded["fp behind a divide"]
    branch = dataclasses.replace(
        decoded["alu"][0], text="b", kind=Kind.BRANCH, size_bytes=2, writes=0, branches=True
    )
    state = timing.step(REFILLED, divide).state
    cycles, there = timing.leave(state, branch, 0x08000100)
    assert cycles == 2 and there.fp_busy_cycles == 13 - cycles
    assert timing.step(there, behind).cycles == 14 - cycles
    assert timing.leave(REFILLED, branch, 0x08000100)[1].fp_busy_cycles == 0
    assert there.fetch == timing.leave(REFILLED, branch, 0x08000100)[1].fetch


def test_what_an_exception_leaves_is_as_behind_a_branch(decoded: dict[str, tuple[Instruction, ...]]) -> None:
    (add,) = decoded["alu"]
    assert timing.step(REFILLED, add) == timing.step(State(fetch=at_target(add.address)), add)
