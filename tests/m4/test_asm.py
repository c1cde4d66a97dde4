# SPDX-License-Identifier: Apache-2.0
"""What the emitter writes is what the assemblers read, and what it refuses."""

from __future__ import annotations

import inspect
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ascmcu.errors import VerifyError
from ascmcu.m4 import asm, count
from ascmcu.m4.asm import Assembly
from ascmcu.m4.instruction import ALWAYS, Kind
from ascmcu.m4.listing import Align, Line, Listing, Routine
from ascmcu.m4.registers import LR, PC, SP, Core, Fpu, encodable
from ascmcu.sim.decode import decode
from tests.sim.programs import GCC, needs_gcc

A, B, C, D = (Core(n, name) for n, name in ((0, "a"), (1, "b"), (9, "c"), (12, "d")))
LOW, HIGH, X, Y, Z = (Core(n, name) for n, name in ((2, "low"), (3, "high"), (4, "x"), (5, "y"), (6, "z")))
OUT = Core(14, "out")
ALL = (A, B, C, D, LOW, HIGH, X, Y, Z, OUT)
S0, S1, S2 = Fpu(0, "s0"), Fpu(1, "s1"), Fpu(2, "s2")
ROUTINE = Routine("sums", (A, B), (A, B, D))

# One row writes one instruction, or the instruction at the edges of its encoding.
INSTRUCTIONS: dict[str, Callable[[Assembly], None]] = {
    "ldr": lambda a: [a.ldr(X, p) for p in (A.at(), A.at(4095), A.at(-255), A.post(255), A.pre(-255), A.at(B, lsl=3))],
    "ldrb": lambda a: [a.ldrb(X, p) for p in (A.at(4095), A.at(-1), A.post(-255), A.at(B))],
    "ldrsb": lambda a: [a.ldrsb(X, p) for p in (A.at(4095), A.at(-255), A.pre(1), A.at(B))],
    "ldrh": lambda a: [a.ldrh(C, p) for p in (C.at(2), A.at(-2), A.post(2), A.at(C, lsl=1))],
    "ldrsh": lambda a: [a.ldrsh(X, p) for p in (A.at(4095), A.at(-255), A.post(255), A.at(D))],
    "str_": lambda a: [a.str_(X, p) for p in (A.at(4095), A.at(-255), A.post(255), A.pre(255), A.at(B, lsl=2))],
    "strb": lambda a: [a.strb(X, p) for p in (OUT.at(), OUT.at(-1), OUT.post(1), A.at(B))],
    "strh": lambda a: [a.strh(LOW, p) for p in (OUT.at(4095), OUT.post(2), OUT.pre(-2), A.at(B, lsl=1))],
    "ldrd": lambda a: [a.ldrd(X, Y, p) for p in (A.at(1020), A.at(-1020), A.post(8))],
    "strd": lambda a: [a.strd(X, Y, p) for p in (A.at(1020), A.pre(-1020), B.post(8))],
    "ldm": lambda a: (a.ldm(A, (X, Y, C, D)), a.ldm(A, (LOW, HIGH), advance=False)),
    "stm": lambda a: (a.stm(B, (X, Y, OUT)), a.stm(B, (LOW, HIGH), advance=False)),
    "push": lambda a: (a.push((X, Y)), a.pop((X, Y)), a.push((X, C)), a.pop((X, C))),
    "pop": lambda a: (a.push((X,)), a.pop((X,))),
    "vldr": lambda a: (a.vldr(S0, A.at(1020)), a.vldr(S1, A.at(-4))),
    "vldm": lambda a: (a.vldm(A, (S0, S1, S2)), a.vldm(B, (S1,)), a.vldm(C, (S0, S1), advance=True)),
    "vpush": lambda a: (a.vpush((S0, S1)), a.vpop((S0, S1))),
    "vpop": lambda a: (a.vpush((S1,)), a.vpop((S1,))),
    "vmul": lambda a: (a.vldm(A, (S0, S1)), a.vmul(S2, S0, S1)),
    "vcvt_fixed": lambda a: (a.vldr(S0, A.at()), a.vcvt_fixed(S0, S0, 1), a.vcvt_fixed(S0, S0, 32)),
    "vmov": lambda a: (a.vmov(S1, X), a.vmov(X, S1)),
    "mov": lambda a: [a.mov(X, v) for v in (Y, 0, 255, -1, -128, 0x80808080, 0xFF000000, 0x00010000)],
    "movw": lambda a: (a.movw(X, 0), a.movw(D, 65535)),
    "add": lambda a: [a.add(X, Y, v) for v in (Z, Z.lsl(31), Z.asr(32), 255, -8, 0x1000, 0xFF0, 257, -257)],
    "addw": lambda a: (a.addw(X, Y, 0), a.addw(X, Y, 4095)),
    "adds": lambda a: [a.adds(X, Y, v) for v in (Z, 4, -4)],
    "qadd": lambda a: a.qadd(X, Y, Z),
    "sub": lambda a: [a.sub(X, Y, v) for v in (Z, Z.lsl(1), Z.ror(7), 1, -1, 4095, -4095)],
    "subs": lambda a: [a.subs(X, Y, v) for v in (Z, 1, -1)],
    "rsb": lambda a: [a.rsb(X, Y, v) for v in (Z, 0, Z.lsr(32))],
    "and_": lambda a: [a.and_(X, Y, v) for v in (Z.asr(31), 0xFF, ~0xFF, 0x00FF00FF)],
    "orr": lambda a: [a.orr(X, Y, v) for v in (Z, 1, Z.lsl(16))],
    "eor": lambda a: [a.eor(X, Y, v) for v in (Z, 0x80808080)],
    "bic": lambda a: [a.bic(X, Y, v) for v in (Z, 0x00FF00FF, ~0xFF)],
    "lsl": lambda a: (a.lsl(X, Y, 1), a.lsl(C, D, 31)),
    "lsr": lambda a: (a.lsr(X, Y, 1), a.lsr(C, D, 32)),
    "asr": lambda a: (a.asr(X, Y, 1), a.asr(C, D, 32)),
    "cmp": lambda a: [a.cmp(X, v) for v in (Y, 0, 127, -128, -5, D.lsl(2))]
    + [a.cmp(r, v, narrow=True) for r, v in ((X, 255), (X, -5), (C, 5), (X, 256), (X, Y), (X, C), (C, D))],
    "tst": lambda a: [a.tst(X, v) for v in (Y, D, 255, Y.lsl(3))],
    "sxtb16": lambda a: [a.sxtb16(X, Y, ror) for ror in (0, 8, 16, 24)],
    "uxtb16": lambda a: (a.uxtb16(X, Y), a.uxtb16(X, D, 8)),
    "sxtb": lambda a: (a.sxtb(X, Y), a.sxtb(X, D, 24)),
    "uxtb": lambda a: (a.uxtb(X, Y), a.uxtb(C, Y, 16)),
    "sxth": lambda a: (a.sxth(X, Y), a.sxth(X, Y, 16)),
    "sxtab16": lambda a: (a.sxtab16(X, Y, Z), a.sxtab16(X, X, D, 8)),
    "ssub16": lambda a: a.ssub16(X, Y, Z),
    "sadd16": lambda a: a.sadd16(X, Y, Z),
    "pkhbt": lambda a: (a.pkhbt(X, Y, Z), a.pkhbt(X, Y, Z, 31)),
    "pkhtb": lambda a: (a.pkhtb(X, Y, Z), a.pkhtb(X, Y, Z, 32)),
    "ssat": lambda a: (a.ssat(X, 1, Y), a.ssat(X, 32, Y), a.ssat(X, 8, X, 31)),
    "usat": lambda a: (a.usat(X, 0, Y), a.usat(X, 31, Y, 1)),
    "mul": lambda a: a.mul(X, Y, D),
    "mla": lambda a: a.mla(X, Y, Z, D),
    "smlad": lambda a: a.smlad(X, Y, Z, X),
    "smladx": lambda a: a.smladx(X, Y, Z, X),
    "smuad": lambda a: a.smuad(X, Y, Z),
    "smuadx": lambda a: a.smuadx(X, Y, Z),
    "smlaxy": lambda a: [a.smlaxy(h, X, Y, Z, X) for h in ("bb", "bt", "tb", "tt")],
    "smulxy": lambda a: [a.smulxy(h, X, Y, Z) for h in ("bb", "bt", "tb", "tt")],
    "smlaw": lambda a: [a.smlaw(h, X, Y, Z, X) for h in "bt"],
    "smulw": lambda a: [a.smulw(h, X, Y, Z) for h in "bt"],
    "smmul": lambda a: a.smmul(X, Y, Z),
    "smmla": lambda a: a.smmla(X, X, Y, Z),
    "smull": lambda a: a.smull(X, Y, Z, D),
    "smlal": lambda a: a.smlal(X, Y, Z, D),
    "mov_if": lambda a: (a.cmp(X, 1), *(a.mov_if(c, X, v) for c, v in (("lt", 5), ("gt", -5), ("ls", 255), ("ge", D)))),
    "b": lambda a: [
        a.cmp(X, Y),
        *(a.b(a.place(a.label(f"to {c}")), c, narrow=n) for n in (0, 1) for c in asm.CONDITIONS[n::2]),
    ],
    "adr": lambda a: (a.adr(X, at := a.label("at")), a.align(), a.place(at)),
    "call": lambda a: (a.mov(X, 0), a.call(ROUTINE, X, at := a.label("back")), a.place(at)),
    "return_": lambda a: None,
}  # fmt: skip
NOT_INSTRUCTIONS = {
    "finish",
    "note",
    "align",
    "label",
    "place",
    "loop",
    "rename",
    "stack_argument",
    "stretch",
    "bytes_since",
}


def _listing(write: Callable[[Assembly], object], *, enters: tuple[Core, ...] = ALL) -> Listing:
    """A function without the AAPCS's rules around some instructions."""
    a = Assembly(
        "f", routine=Routine("f", (*enters, LR if OUT not in enters else OUT), (), (*ALL, S0, S1, S2))
    )
    write(a)
    a.return_(OUT if OUT in enters else LR)
    return a.finish()


def _assembled(lines: tuple[str, ...], path: Path, command: list[str]) -> bytes:
    """The code of C strings, by an assembler."""
    text = "".join(
        re.findall(r'^"(.*?)"', line)[0].replace("\\n", "\n") for line in lines if line.startswith('"')
    )
    (path / "a.s").write_text(f".syntax unified\n.thumb\n.text\n{text}")
    subprocess.run([*command, "-c", "a.s", "-o", "a.o"], cwd=path, check=True, capture_output=True, text=True)
    subprocess.run(
        ["arm-none-eabi-objcopy", "-O", "binary", "-j", ".text", "a.o", "a.bin"], cwd=path, check=True
    )
    return (path / "a.bin").read_bytes()


_CORE = ["-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"]


def test_every_instruction_has_a_row() -> None:
    public = {n for n, _ in inspect.getmembers(Assembly, inspect.isfunction) if not n.startswith("_")}
    assert public - NOT_INSTRUCTIONS == set(INSTRUCTIONS)


@needs_gcc
@pytest.mark.parametrize("name", INSTRUCTIONS)
def test_gnu_as_reads_what_is_written_and_the_decoder_agrees_on_its_facts(name: str, tmp_path: Path) -> None:
    listing = _listing(INSTRUCTIONS[name])
    code = _assembled(listing.lines, tmp_path, [GCC, *_CORE])
    decoded = {i.address: i for i in decode(code, 0)}
    address = 0
    for entry in listing.entries:
        if isinstance(entry, Align):
            address = (address + 3) // 4 * 4
        if not isinstance(entry, Line):
            continue
        ours, theirs = entry.instruction(address), decoded[address]
        address += entry.size_bytes
        assert (ours.size_bytes, ours.kind, ours.condition) == (
            theirs.size_bytes,
            theirs.kind,
            theirs.condition,
        ), entry.text
        if ours.kind in (Kind.LOAD_MULTIPLE, Kind.STORE_MULTIPLE, Kind.FP_MOVE, Kind.FP_LOAD):
            assert ours.registers == theirs.registers, entry.text
        assert ours.writes | ours.base_writeback == (theirs.writes | theirs.base_writeback) & 0x7FFF, (
            entry.text
        )
        assert (ours.base_writeback, ours.address_registers) == (
            theirs.base_writeback,
            theirs.address_registers,
        )
        assert (ours.memory, ours.branches) == (theirs.memory, theirs.branches), entry.text
        # The decoder does not say what VLDM writes, and that VPUSH only reads; no rule asks.
        if ours.kind not in (Kind.LOAD_MULTIPLE, Kind.STORE_MULTIPLE):
            assert (ours.fp_reads, ours.fp_writes) == (theirs.fp_reads, theirs.fp_writes), entry.text
    assert 0 <= len(code) - address < 4  # the section ends at a word where it was aligned


@needs_gcc
@pytest.mark.skipif(shutil.which("clang") is None, reason="clang is not installed")
def test_clang_makes_the_same_code(tmp_path: Path) -> None:
    lines: list[str] = []
    for write in INSTRUCTIONS.values():
        lines += _listing(write).lines
    clang = ["clang", "--target=arm-none-eabi", *_CORE]
    assert _assembled(tuple(lines), tmp_path, [GCC, *_CORE]) == _assembled(tuple(lines), tmp_path, clang)


@pytest.mark.parametrize("lead", range(4))
def test_a_statement_ends_on_no_it(lead: int) -> None:
    """Clang assembles every statement by itself, and wants an IT in front of what it predicates."""

    def write(a: Assembly) -> None:
        for _ in range(1 + lead):
            a.cmp(X, 1)
        for _ in range(400):
            a.mov_if("lt", X, 5)

    listing = _listing(write)
    parts = listing.parts
    texts = [[line.split('"')[1] for line in part] for part in parts]
    assert len(parts) > 1
    assert sum(parts, ()) == listing.lines
    assert not [part[-1] for part in texts if part[-1].startswith("it ")]
    assert all(sum(len(line) - len("\\n") + 1 for line in part) <= 4095 for part in texts)


REFUSED: dict[str, tuple[Callable[[Assembly], object], str]] = {
    "offset too long": (lambda a: a.ldr(X, A.at(4096)), "ldr's offset is out of its encoding's range"),
    "offset too low": (lambda a: a.strb(X, A.at(-256)), "strb's offset is out of its encoding's range"),
    "step too long": (lambda a: a.ldr(X, A.post(256)), "ldr's step is out of its encoding's range"),
    "step back too long": (lambda a: a.strh(X, A.pre(-256)), "strh's step is out of its encoding's range"),
    "index shift": (lambda a: a.ldr(X, A.at(B, lsl=4)), "ldr's index shift is out of its encoding's range"),
    "base is loaded": (lambda a: a.ldr(A, A.post(4)), "the base is the register"),
    "base is stored": (lambda a: a.str_(A, A.pre(4)), "the base is the register"),
    "pc as base": (lambda a: a.ldr(X, PC.at(4)), "pc is no base"),
    "sp loaded": (lambda a: a.ldr(SP, A.at()), "sp is no operand"),
    "pc as index": (lambda a: a.ldr(X, A.at(PC)), "pc is no operand"),
    "double offset": (lambda a: a.ldrd(X, Y, A.at(1024)), "ldrd's offset is out of its encoding's range"),
    "double by bytes": (lambda a: a.ldrd(X, Y, A.at(2)), "ldrd's offset is in words"),
    "double indexed": (lambda a: a.strd(X, Y, A.at(B)), "strd has no index register"),
    "double into one": (lambda a: a.ldrd(X, X, A.at()), "ldrd takes two registers"),
    "double over its base": (lambda a: a.ldrd(A, X, A.post(8)), "the base is among the registers"),
    "multiple of one": (lambda a: a.ldm(A, (X,)), "a multiple load or store takes two or more registers"),
    "multiple descending": (lambda a: a.stm(A, (Y, X)), "a multiple load or store takes two or more registers"),
    "multiple over its base": (lambda a: a.ldm(A, (A, X)), "the base is among the registers"),
    "multiple with sp": (lambda a: a.ldm(A, (X, SP)), "sp is in no list of registers"),
    "push pc": (lambda a: a.push((X, PC)), "pc is in no list of registers"),
    "pop sp": (lambda a: a.pop((X, SP)), "sp is in no list of registers"),
    "pop lr and pc": (lambda a: a.pop((LR, PC)), "a pop takes lr or pc"),
    "argument in a register": (lambda a: a.stack_argument(3), "the first four arguments are in registers"),
    "vldr post": (lambda a: a.vldr(S0, A.post(4)), "vldr has no write-back"),
    "vldr offset": (lambda a: a.vldr(S0, A.at(1024)), "vldr's offset is out of its encoding's range"),
    "vldm with a gap": (lambda a: a.vldm(A, (S0, S2)), "vldm takes neighbours"),
    "vmov within a file": (lambda a: a.vmov(X, Y), "vmov moves between the register files"),
    "vmov at an odd halfword": (
        lambda a: (a.cmp(X, 1, narrow=True), a.vmov(S0, X)),
        "an FP instruction at an odd halfword loses cycles",
    ),
    "vmov pc": (lambda a: a.vmov(PC, S0), "pc is no operand"),
    "mov shifted": (lambda a: a.mov(X, Y.lsl(1)), "a shift is an instruction of its own"),
    "movw too large": (lambda a: a.movw(X, 65536), "movw is out of its encoding's range"),
    "immediate": (lambda a: a.add(X, Y, 4097), "no encoding has this immediate"),
    "immediate of cmp": (lambda a: a.cmp(X, 0x101), "no encoding has this immediate"),
    "immediate of 33 bits": (lambda a: a.mov(X, 1 << 32), "an immediate has 32 bits"),
    "addw too large": (lambda a: a.addw(X, Y, 4096), "addw is out of its encoding's range"),
    "addw back": (lambda a: a.addw(X, Y, -1), "addw is out of its encoding's range"),
    "shift by 0": (lambda a: a.lsl(X, Y, 0), "lsl is out of its encoding's range"),
    "shift by 32": (lambda a: a.lsl(X, Y, 32), "lsl is out of its encoding's range"),
    "operand shifted by 33": (lambda a: a.add(X, Y, Z.asr(33)), "asr is out of its encoding's range"),
    "operand rotated by 32": (lambda a: a.add(X, Y, Z.ror(32)), "ror is out of its encoding's range"),
    "rotation by bits": (lambda a: a.sxtb16(X, Y, 4), "sxtb16 rotates by whole bytes"),
    "added rotation by bits": (lambda a: a.sxtab16(X, Y, Z, 12), "sxtab16 rotates by whole bytes"),
    "pack shift": (lambda a: a.pkhbt(X, Y, Z, 32), "pkhbt's shift is out of its encoding's range"),
    "saturate to none": (lambda a: a.ssat(X, 0, Y), "ssat's bits is out of its encoding's range"),
    "saturate to 32 unsigned": (lambda a: a.usat(X, 32, Y), "usat's bits is out of its encoding's range"),
    "saturate shift": (lambda a: a.ssat(X, 8, Y, 32), "ssat's shift is out of its encoding's range"),
    "product of sp": (lambda a: a.smlad(X, SP, Y, X), "sp is no operand"),
    "halves": (lambda a: a.smlaxy("bx", X, Y, Z, X), "smla takes the bottom or the top"),
    "half": (lambda a: a.smlaw("tb", X, Y, Z, X), "smlaw takes the bottom or the top"),
    "long product into one": (lambda a: a.smull(X, X, Y, Z), "a long product takes two registers"),
    "condition": (lambda a: a.mov_if("xx", X, 1), "there is no such condition"),
    "label twice": (lambda a: (a.label("l"), a.label("l")), "two labels have one name"),
    "placed twice": (lambda a: a.place(a.place(a.label("l"))), "a label is placed twice"),
    "renamed elsewhere": (lambda a: a.rename(X, Core(5, "z")), "a value keeps its register"),
}  # fmt: skip


@pytest.mark.parametrize("row", REFUSED)
def test_what_no_encoding_has_is_refused_at_once(row: str) -> None:
    write, message = REFUSED[row]
    with pytest.raises(VerifyError, match=f"^{re.escape(message)}"):
        write(Assembly("f", enters=ALL))


def test_immediates_are_those_of_the_manual() -> None:
    """A5.3.2: 0 to 255, a byte repeated in three ways, or eight bits with the upper one set, rotated."""
    known = {v for b in range(256) for v in (b, b * 0x00010001, b * 0x01000100, b * 0x01010101)}
    known |= {(b << n) & 0xFFFFFFFF for b in range(128, 256) for n in range(25)}
    tried = (
        known
        | {v + d & 0xFFFFFFFF for v in known for d in (-1, 1)}
        | {v ^ 1 << n for v in (0, 255) for n in range(32)}
    )
    assert {v for v in tried if encodable(v)} == {v for v in tried if v in known}


def test_a_value_under_a_condition_keeps_words_together() -> None:
    """IT is the upper half of a word: behind a NOP, or behind the narrow comparison, where the bound costs a cycle
    less."""
    cycles = {}
    for value in (5, -5):
        a = Assembly("f", enters=ALL)
        a.cmp(X, value, narrow=True)
        a.mov_if("lt", X, value)
        a.vmov(S0, X)
        cycles[value] = count.straight(a.stretch())
    assert cycles == {5: 3, -5: 4}


def test_bytes_are_counted_from_a_label() -> None:
    a = Assembly("f", enters=ALL)
    a.cmp(X, 1, narrow=True)
    here = a.place(a.label("here"))
    assert a.bytes_since(here) == 0
    a.align()
    a.add(X, X, 1)
    a.cmp(X, 1, narrow=True)
    assert a.bytes_since(here) == 8


def test_lines_name_what_registers_hold() -> None:
    x, sums = Core(0, "x", "the pixel"), Core(2, "sums", "of four taps")

    def write(a: Assembly) -> None:
        a.note("Two taps.")
        a.ldr(Core(3, "taps"), x.post(4))
        a.smlad(sums, Core(3, "taps"), Core(3, "taps"), sums)

    listing = _listing(write, enters=(x, sums))
    assert listing.lines[0] == "/* Two taps. */"
    assert listing.lines[1].split("/*") == ['"ldr r3, [r0], #4\\n"'.ljust(40), " taps, [x], #4 */"]
    assert listing.table == ("r0   x: the pixel", "r2   sums: of four taps")
    assert [e.kind for e in listing.entries if isinstance(e, Line)][:2] == [Kind.LOAD, Kind.MULTIPLY]
    assert all(e.condition == ALWAYS for e in listing.entries if isinstance(e, Line))
