# SPDX-License-Identifier: Apache-2.0
"""Two programs side by side: figures are those of each alone, functions of one name stand together."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner

from ascmcu.cli import cli
from ascmcu.errors import InputError
from ascmcu.sim import pair, session
from ascmcu.sim.faults import GuestFault
from ascmcu.toolchain import cmsis_dsp
from tests.sim.programs import compile_c, needs_gcc

pytestmark = needs_gcc
CODE = r"""
__attribute__((noinline)) int shared(int n) { volatile int s = 0; for (int i = 0; i < n; i++) s += i; return s; }
__attribute__((noinline)) int own_%s(int n) { return shared(n) + shared(n / 2); }
int main(void) { return own_%s(%d) == 0; }
"""


@pytest.fixture(scope="module")
def elfs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    made = []
    for name, n in (("a", 100), ("b", 50)):
        elf = compile_c(tmp_path_factory.mktemp(name), CODE % (name, name, n), "-O1")
        made.append(elf.rename(elf.with_name(f"{name}.elf")))
    return made[0], made[1]


def test_the_figures_are_those_of_each_alone(elfs: tuple[Path, Path]) -> None:
    symbols = (("own_a", "own_a"), ("own_b", "own_b"))
    found = pair.run(elfs, symbols, board="nucleo-f446")
    alone = [session.run(elf, between=s, board="nucleo-f446") for elf, s in zip(elfs, symbols, strict=True)]
    assert [r.result.cycles for r in (found.first, found.second)] == [r.cycles for r in alone]
    assert found.ratio == alone[1].cycles / alone[0].cycles < 1
    rows = {row.name: row for row in found.rows}
    assert rows["shared"].calls == (2, 2)
    first, second = rows["shared"].cycles
    assert first is not None and second is not None and first > second
    assert rows["own_a"].cycles[1] is None and rows["own_b"].cycles[0] is None
    assert [row.most for row in found.rows] == sorted((row.most for row in found.rows), reverse=True)
    ideal = pair.run(elfs, symbols, board="nucleo-f446", wait_states=0)
    for run in (ideal.first, ideal.second):
        assert sum(row.exclusive_cycles for row in run.functions) == run.result.cycles


@pytest.mark.parametrize("faulty", [0, 1])
def test_a_fault_says_in_which_program(elfs: tuple[Path, Path], tmp_path: Path, faulty: int) -> None:
    bad = compile_c(tmp_path, "int main(void) { return *(volatile int *)0x60000000; }", "-O1")
    both = (bad, elfs[1]) if faulty == 0 else (elfs[0], bad)
    with pytest.raises(GuestFault) as caught:
        pair.run(both, (None, None), board="nucleo-f446")
    assert str(caught.value.where).startswith(f"{bad}: 0x")
    with pytest.raises(InputError, match="never executed") as never:
        pair.run(elfs, (("on_svc", "on_svc"), None), board="nucleo-f446")
    assert str(never.value.where) == str(elfs[0])


def test_functions_and_what_is_in_none_add_up(elfs: tuple[Path, Path]) -> None:
    words = [str(elfs[0]), "--between", "own_a", "own_a", "--board", "nucleo-f446", "--profile"]
    report = json.loads(CliRunner().invoke(cli, ["sim", *words, "--json"]).stdout)
    own = sum(row["exclusive_cycles"] for row in report["functions"])
    assert own + report["unattributed_cycles"] == report["cycles"]
    assert own != report["cycles"], "wait states at the edges of the stretch"
    shown = CliRunner().invoke(cli, ["sim", *words]).stdout
    (line,) = [line.split() for line in shown.splitlines() if "(in no function" in line]
    assert line[0] == f"{report['unattributed_cycles']:,}"


def test_an_endless_loop_is_no_exit(elfs: tuple[Path, Path], tmp_path: Path) -> None:
    loop = compile_c(tmp_path, "int main(void) { for (;;); }", "-O1")
    said = [CliRunner().invoke(cli, ["sim", str(elf)]).stdout for elf in (elfs[0], loop)]
    assert "ended: exit by semihosting (exit code 0)" in said[0]
    assert "branches to itself for good" in said[1] and "without an exit code" in said[1]
    assert "(exit code" not in said[1]


def test_programs_of_two_machines_are_refused(elfs: tuple[Path, Path], tmp_path: Path) -> None:
    code = "const volatile unsigned port = 0x48000014u; int main(void) { return port == 0; }"
    other = compile_c(tmp_path, code, "-O1")
    with pytest.raises(InputError, match="different machines"):
        pair.run((elfs[0], other), (None, None))


def test_the_command_line_says_the_same(elfs: tuple[Path, Path], tmp_path: Path) -> None:
    page = tmp_path / "pair.html"
    words = [*map(str, elfs), "--between", "own_a", "own_a", "--between-other", "own_b", "own_b"]
    done = CliRunner().invoke(cli, ["sim", *words, "--html", str(page)])
    assert done.exit_code == 0, done.output
    raw = CliRunner().invoke(cli, ["sim", *words, "--json"])
    told = json.loads(raw.stdout)
    assert told["first"]["elf"] == "a.elf" and told["second"]["elf"] == "b.elf"
    assert f"b.elf takes {told['ratio']:.3f} times the cycles of a.elf" in done.output
    text = page.read_text()
    for side in ("first", "second"):
        assert f"<td>{told[side]['cycles']:,}</td>" in text
    assert not re.search(r'(src|href)="http', text)
    assert text.count("<td>–</td>") == 2


@pytest.mark.parametrize("words", [["--flame", "x.svg"], ["--annotate"]])
def test_options_of_one_program_are_refused(words: list[str], elfs: tuple[Path, Path]) -> None:
    assert CliRunner().invoke(cli, ["sim", *map(str, elfs), *words]).exit_code == 2
    assert CliRunner().invoke(cli, ["sim", str(elfs[0]), "--html", "x.html"]).exit_code == 2


def _example() -> ModuleType:
    path = Path(__file__).resolve().parents[2] / "tools" / "sim_example"
    spec = importlib.util.spec_from_loader(
        "sim_example", importlib.machinery.SourceFileLoader("sim_example", str(path))
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_example_of_the_timing_model_s_page(tmp_path: Path) -> None:
    if cmsis_dsp.available() is None:
        pytest.skip("CMSIS-DSP is not on this machine")
    library, textbook = _example().build(tmp_path)
    both = (("fft", "fft"), ("fft", "fft"))
    found = pair.run((textbook, library), both, board="nucleo-f446")
    assert found.first.result.exit_code == found.second.result.exit_code == 0
    assert 0.3 < found.ratio < 0.9
    assert any("radix8" in row.name for row in found.rows)
