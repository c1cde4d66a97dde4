# SPDX-License-Identifier: Apache-2.0
"""Profiles add up to the cycle count, call paths are right, and the command line says the same."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from click.testing import CliRunner

from ascmcu.cli import cli
from ascmcu.sim import profile
from ascmcu.sim.session import build, finish
from tests.sim.programs import compile_c, needs_gcc

pytestmark = needs_gcc

CODE = r"""
#define REG(a) (*(volatile unsigned *)(a))
volatile int ticks;
void on_systick(void) { ticks++; }
__attribute__((noinline)) int leaf(int x)
{ volatile int s = 0; for (int i = 0; i < 50; i++) s += x / (i + 1); return s; }
__attribute__((noinline)) int mid(int x) { int r = 0; for (int i = 0; i < 10; i++) r += leaf(x + i); return r + 1; }
__attribute__((noinline)) int fib(int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
__attribute__((noinline)) int tail(int x) { return leaf(x + 1); }
__attribute__((noinline)) void bench_begin(void) { __asm__ volatile(""); }
__attribute__((noinline)) void bench_end(void) { __asm__ volatile(""); }
int main(void) {
    REG(0xE000E014) = 4999; REG(0xE000E018) = 0; REG(0xE000E010) = 7;
    int r = 0;
    bench_begin();
    for (int i = 0; i < 20; i++) r += mid(i) + leaf(i) + tail(i);
    bench_end();
    return (r + fib(10)) == 0;
}
"""


@pytest.fixture(scope="module")
def elf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_c(tmp_path_factory.mktemp("profile"), CODE, "-O2", "-fno-inline")


def test_functions_and_paths_add_up(elf: Path) -> None:
    machine = build(elf)
    machine.engine.profile(s.address for s in machine.image.functions)
    result = finish(machine)
    rows = {r.name: r for r in profile.functions(machine.engine, machine.image)}
    assert sum(r.exclusive_cycles for r in rows.values()) == result.total_cycles
    assert sum(p.cycles for p in profile.paths(machine.engine, machine.image)) == result.total_cycles
    assert rows["leaf"].calls == 20 * 12
    assert rows["mid"].calls == rows["tail"].calls == 20
    assert rows["main"].inclusive_cycles > rows["mid"].inclusive_cycles > rows["leaf"].exclusive_cycles // 2
    assert rows["on_systick"].calls == machine.interrupts_taken > 10
    names = {p.names for p in profile.paths(machine.engine, machine.image)}
    assert ("main", "mid", "leaf") in {n[-3:] for n in names}
    assert any(n[-1] == "leaf" and "tail" not in n and n[-2] == "main" for n in names)
    # Profiling watches; it does not change the count.
    plain = finish(build(elf))
    assert (plain.cycles, plain.instructions) == (result.cycles, result.instructions)


SKIPPING = r"""
__attribute__((noinline)) int leaf(int x) { volatile int s = x; for (int i = 0; i < 20; i++) s += i; return s; }
__attribute__((naked, noinline)) void inner(void) { __asm__ volatile("ldr lr, [sp, #4]\n add sp, #8\n bx lr"); }
__attribute__((naked, noinline)) void outer(void)
{ __asm__ volatile("push {r4, lr}\n bl inner\n nop\n pop {r4, pc}"); }
__attribute__((noinline)) int again(int x) { return leaf(x) + 1; }
int main(void) { outer(); int r = leaf(1); outer(); return again(r) == 0; }
"""


def test_a_return_across_functions_ends_them_all(tmp_path: Path) -> None:
    """As longjmp does: inner goes back to who called outer. What comes behind is of main, not of outer."""
    machine = build(compile_c(tmp_path, SKIPPING, "-O1", "-fno-inline"))
    machine.engine.profile(s.address for s in machine.image.functions)
    finish(machine)
    paths = {
        p.names[p.names.index("main") :]
        for p in profile.paths(machine.engine, machine.image)
        if "main" in p.names
    }
    expected = {("main",), ("main", "outer"), ("main", "outer", "inner"), ("main", "leaf"), ("main", "again")}
    assert paths == expected | {("main", "again", "leaf")}


def test_annotation_counts_every_instruction_of_the_function(elf: Path) -> None:
    machine = build(elf)
    machine.engine.profile(s.address for s in machine.image.functions)
    finish(machine)
    row = next(r for r in profile.functions(machine.engine, machine.image) if r.name == "leaf")
    lines = profile.annotate(machine.engine, machine.image, "leaf")
    assert sum(line.cycles for line in lines) == row.exclusive_cycles
    divide = next(line for line in lines if line.text.startswith("sdiv"))
    assert divide.executions == 20 * 12 * 50
    assert 3 * divide.executions < divide.cycles < 7 * divide.executions


def test_command_line(elf: Path, tmp_path: Path) -> None:
    flame = tmp_path / "flame.svg"
    arguments = [str(elf), "--json", "--between", "bench_begin", "bench_end", "--profile", "--annotate"]
    result = CliRunner().invoke(cli, ["sim", *arguments, "--flame", str(flame)], catch_exceptions=False)
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    assert 0 < report["cycles"] < report["total_cycles"]
    assert 0 < report["instructions"] < report["total_instructions"]
    assert report["exit_code"] == 0
    assert report["functions"][0]["name"] == report["annotated"]["function"] == "leaf"
    frames = [t.text for t in ElementTree.parse(flame).iter("{http://www.w3.org/2000/svg}title")]
    assert any(text is not None and text.startswith("leaf: ") for text in frames)
    text = CliRunner().invoke(cli, ["sim", str(elf), "--profile"], catch_exceptions=False).stdout
    assert f"{report['total_cycles']:,} cycles" in text
    assert "leaf" in text
