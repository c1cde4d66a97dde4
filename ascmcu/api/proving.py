# SPDX-License-Identifier: Apache-2.0
"""Run a library's self-tests on the cycle model: the hashes that are right, and what the code takes from its caller."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from ascmcu import boards, scratch
from ascmcu.codegen import instances, selftest
from ascmcu.codegen.selftest import SelfTest
from ascmcu.errors import GeneratedCodeError
from ascmcu.ir import interp
from ascmcu.ir.graph import Graph
from ascmcu.ir.types import Array
from ascmcu.schedule.plan import Plan
from ascmcu.sim import session
from ascmcu.sim.image import Image
from ascmcu.sim.layout import guessed
from ascmcu.toolchain import gcc
from ascmcu.toolchain.proof import build_proof


@dataclass(frozen=True)
class Proven:
    """What a run of the self-tests came to.

    Attributes:
        test: the self-test with the hashes of this run.
        stack_bytes: peak of the network's stack; ``frontend_stack_bytes`` that of the front end, None without one.
        push_cycles: of the longest ``model_push()`` of two inferences, at ``wait_states``.
        conditions: compiler, level and flash of these figures, in words.
        ram_bytes, flash_bytes: of the library by purpose, without the stack and without what it calls of the C library.
    """

    test: SelfTest
    stack_bytes: int
    frontend_stack_bytes: int | None
    push_cycles: int
    wait_states: int
    conditions: str
    compiler: str
    level: str
    ram_bytes: dict[str, int]
    flash_bytes: dict[str, int]


def prove(
    sources: Mapping[str, str],
    plan: Plan,
    board: boards.Board,
    optimize: gcc.Optimize,
    *,
    in_structs: bool = False,
) -> Proven:
    """Build and run the self-tests of a library's generated C, by file name.

    ``in_structs``: in its form with instances.

    Raises:
        ToolError: no cross compiler.
        GeneratedCodeError: the code does not compile, or an integer network gives other bits than the interpreter.
    """
    test = selftest.of_plan(plan, frontend="frontend.c" in sources)
    level = gcc.LEVELS[optimize]
    files = {**sources, **test.files()}
    with scratch.folder() as place:
        for name, text in (instances.in_structs(files) if in_structs else files).items():
            (place / name).write_text(text, encoding="utf-8")
        proof = build_proof(place, level)
        elf = proof.image.elf
        waits = board.clock.wait_states
        machine = dataclasses.replace(guessed(Image(elf)), wait_states=waits, cache=board.chip.flash_cache)
        said = session.run(elf, board=machine).console.decode().split()
    found = {name: int(value) for name, value in zip(said[::2], said[1::2], strict=True)}
    _check(plan.graph, test, found["network"])
    compiler = gcc.compiler_version(gcc.find_tool("arm-none-eabi-gcc", "gcc-arm-none-eabi"))
    return Proven(
        test.with_hashes(found["network"], found.get("frontend", 0)),
        found["network_stack"],
        found.get("frontend_stack"),
        found["push"],
        waits,
        f"{compiler} at {level}, on the cycle model of {board.name} at {waits} wait states",
        compiler,
        level,
        proof.ram_bytes,
        proof.flash_bytes,
    )


def _check(graph: Graph, test: SelfTest, network_hash: int) -> None:
    """An integer network's hash is that of the interpreter's outputs."""
    if any(node.op.kind().startswith("float_") for node in graph.nodes):
        return
    steps = interp.Steps(graph)
    outputs: list[Array] = []
    for pushed in test.inputs():
        outputs += steps(pushed)
        if not test.has_states:
            steps.reset()
    expected = selftest.hashed(outputs)
    if expected != network_hash:
        raise GeneratedCodeError(
            "the compiled network gives other bits than the interpreter: a defect of ascmcu or of the compiler",
            expected=f"0x{expected:08X}",
            found=f"0x{network_hash:08X}",
            hint="report it; attach the model and the command",
        )
