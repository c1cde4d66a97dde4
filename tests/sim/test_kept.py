# SPDX-License-Identifier: Apache-2.0
"""Analysed blocks are kept between runs: the same cycles, and nothing analysed twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from ascmcu.sim import automaton, kept
from ascmcu.sim.session import build, finish
from tests.sim.programs import assemble, needs_gcc

pytestmark = needs_gcc

# Two hundred blocks, each entered once.
MANY = """
    .global reset
    .thumb_func
reset:
    mov r5, #7
    .rept 200
    add r6, r6, r5
    cmp r6, r5
    beq 1f
    nop
1:
    .endr
    b finish
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ASCMCU_CACHE", str(tmp_path / "cache"))
    return assemble(tmp_path, MANY)


def test_a_second_run_analyses_nothing(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = finish(build(program))
    assert kept.file_of(program).is_file()

    def refuse(*arguments: object) -> None:
        raise AssertionError("analysed again")

    monkeypatch.setattr(automaton, "analyse", refuse)
    second = finish(build(program, None, 5))  # the flash is no part of a block
    assert second.total_instructions == first.total_instructions
    assert second.total_cycles > first.total_cycles
    assert finish(build(program)).total_cycles == first.total_cycles


@pytest.mark.parametrize("damage", [b"", b"not a pickle", b"\x80\x04N."])
def test_a_damaged_file_is_no_file(damage: bytes, program: Path) -> None:
    cycles = finish(build(program)).total_cycles
    kept.file_of(program).write_bytes(damage)
    assert finish(build(program)).total_cycles == cycles


def test_another_program_or_another_rule_is_another_file(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = kept.file_of(program)
    other = tmp_path / "other.elf"
    other.write_bytes(program.read_bytes() + b"\0")
    assert kept.file_of(other) != own
    monkeypatch.setattr(kept, "_rules_sha256", lambda: "other rules")
    assert kept.file_of(program) != own


def test_what_has_few_blocks_is_not_kept(program: Path, tmp_path: Path) -> None:
    (tmp_path / "small").mkdir()
    small = assemble(tmp_path / "small", "    .global reset\n    .thumb_func\nreset:\n    b finish\n")
    finish(build(small))
    assert not kept.file_of(small).exists()


def test_the_oldest_go(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finish(build(program))
    blocks = kept.load(kept.file_of(program))
    folder = kept.file_of(program).parent
    monkeypatch.setattr(kept, "MOST_FILES", 3)
    for number in range(5):
        kept.save(folder / f"{number}", blocks)
    assert len(list(folder.iterdir())) == 3
    assert (folder / "4").is_file()


def test_a_cache_that_cannot_be_written_is_done_without(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ASCMCU_CACHE", str(tmp_path / "file"))
    assert finish(build(program)).exit_code == 0
