# SPDX-License-Identifier: Apache-2.0
"""A kernel's instructions as they stand: their text, and what must hold for them to be right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from ascmcu.m4.instruction import ALWAYS, Instruction, Kind
from ascmcu.m4.instruction import Address as Access
from ascmcu.m4.registers import Core, Fpu, Register

_COMMENT_COLUMN = 40
_LONGEST_STRING = 4095  # characters that every C compiler takes in one literal (C11 5.2.4.1)


@dataclass(frozen=True)
class Label:
    """A place that branches go to; the name is also that of the loop which begins there."""

    name: str


@dataclass(frozen=True)
class Align:
    """The next instruction begins a word."""


@dataclass(frozen=True)
class Note:
    """A comment on a line of its own."""

    text: str


@dataclass(frozen=True)
class Renamed:
    """A register whose content goes on under another name."""

    old: Register
    new: Register


@dataclass(frozen=True)
class Routine:
    """Code that is jumped to and jumps back, by its own rules instead of the AAPCS.

    Attributes:
        name: of its function in C.
        enters: what must be held when it is entered.
        leaves: what is held behind it.
        spoils: registers that hold nothing behind it, besides those.
    """

    name: str
    enters: tuple[Register, ...]
    leaves: tuple[Register, ...]
    spoils: tuple[Register, ...] = ()


@dataclass(frozen=True)
class Line:
    """One instruction.

    Attributes:
        mnemonic: with its width and condition.
        operands: as the assembler takes them; ``{}`` stands for the target.
        names: the operands by what they hold, for the comment.
        kind: what it occupies.
        reads: registers that must hold these names.
        writes: registers that hold these names behind it.
        size_bytes: 2 or 4.
        registers: how many a multiple load or store, or a move between the files, moves.
        access: how a load or store forms its address.
        writes_back: the access advances its base.
        condition: under which it executes.
        target: of a branch; of ADR the label whose address it takes.
        leaves: the loop whose last turn takes this branch out of it.
        saves: callee's registers that go to the stack; ``restores`` those that come back.
        calls: the routine that it jumps to, which comes back to the label ``back``.
        returns: it leaves the function.
    """

    mnemonic: str
    operands: str
    names: str
    kind: Kind
    reads: tuple[Register, ...] = ()
    writes: tuple[Register, ...] = ()
    size_bytes: int = 4
    registers: int = 1
    access: Access | None = None
    writes_back: bool = False
    condition: int = ALWAYS
    target: Label | None = None
    leaves: Label | None = None
    saves: tuple[Register, ...] = ()
    restores: tuple[Register, ...] = ()
    calls: Routine | None = None
    back: Label | None = None
    returns: bool = False

    @property
    def branches(self) -> bool:
        """Whether it may leave the straight line."""
        return self.kind is Kind.BRANCH or self.returns or self.calls is not None

    @property
    def text(self) -> str:
        """The instruction as it is read in messages."""
        return f"{self.mnemonic} {self.operands}".replace(
            "{}", self.target.name if self.target else ""
        ).strip()

    def instruction(self, address: int) -> Instruction:
        """The facts for the timing rules."""
        base = self.access.base if self.access else 0
        written = sum({1 << r.number for r in (*self.writes, *self.restores) if isinstance(r, Core)})
        addressed = 0
        if self.access is not None:
            addressed = 1 << base | (1 << self.access.index if self.access.index >= 0 else 0)
        stack = 1 << 13 if self.saves or self.restores else 0
        return Instruction(
            address=address,
            size_bytes=self.size_bytes,
            text=self.text,
            kind=self.kind,
            registers=self.registers,
            writes=(written | stack) & 0x7FFF,
            base_writeback=1 << base if self.writes_back else stack,
            address_registers=addressed,
            memory=self.access,
            fp_reads=_mask((*self.reads, *self.saves)),
            fp_writes=_mask((*self.writes, *self.restores)),
            fp_addend=0,
            condition=self.condition,
            branches=self.branches,
            moves=None,
        )


def _mask(registers: Sequence[Register]) -> int:
    mask = 0
    for register in registers:
        mask |= 1 << register.number if isinstance(register, Fpu) else 0
    return mask


Entry = Line | Label | Align | Note | Renamed


@dataclass(frozen=True)
class Listing:
    """A function's code, checked.

    Attributes:
        name: of the C function.
        entries: instructions, labels and comments in their order.
        enters: what the registers hold at the entry.
    """

    name: str
    entries: tuple[Entry, ...]
    enters: tuple[Register, ...] = ()

    @cached_property
    def lines(self) -> tuple[str, ...]:
        """The text as C strings, one an instruction, each with the names of what its operands hold."""
        numbers = {e.name: 1 + i for i, e in enumerate(e for e in self.entries if isinstance(e, Label))}
        placed: set[str] = set()
        found = []
        for entry in self.entries:
            match entry:
                case Label(name):
                    placed.add(name)
                    found.append(_beside(f'"{numbers[name]}:\\n"', name))
                case Align():
                    found.append('".p2align 2\\n"')
                case Note(text):
                    found.append(f"/* {text} */")
                case Line():
                    found.append(_written(entry, numbers, placed))
        return tuple(found)

    @property
    def parts(self) -> tuple[tuple[str, ...], ...]:
        """The lines as the strings of one or more assembly statements, each short enough for every C compiler.

        An IT stays with the instruction behind it: Clang assembles each statement by itself.
        """
        found: list[list[str]] = [[]]
        length = 0
        for lines in self._together:
            characters = sum(_characters(line) for line in lines)
            if length + characters > _LONGEST_STRING:
                found.append([])
                length = 0
            length += characters
            found[-1] += lines
        return tuple(tuple(part) for part in found)

    @property
    def _together(self) -> list[list[str]]:
        """The lines, those together that one statement must hold."""
        found: list[list[str]] = []
        follows = False
        for line in self.lines:
            if follows:
                found[-1].append(line)
            else:
                found.append([line])
            follows = line.startswith('"it ')
        return found

    @cached_property
    def table(self) -> tuple[str, ...]:
        """What each register holds, by register: lines of a comment."""
        held: dict[int, tuple[str, dict[str, None]]] = {}
        for register in _named(self.enters, self.entries):
            if register.holds:
                what = held.setdefault(register.slot, (register.text, {}))[1]
                what[f"{register.name}: {register.holds}"] = None
        return tuple(f"{text:<4} {'; '.join(what)}" for _, (text, what) in sorted(held.items()))

    @property
    def size_bytes(self) -> int:
        """Bytes of code, padding aside."""
        return sum(e.size_bytes for e in self.entries if isinstance(e, Line))


def _named(enters: Sequence[Register], entries: Sequence[Entry]) -> list[Register]:
    found = dict.fromkeys(enters)
    for entry in entries:
        if isinstance(entry, Line):
            found |= dict.fromkeys((*entry.writes, *entry.reads))
        elif isinstance(entry, Renamed):
            found[entry.new] = None
    return list(found)


def _characters(line: str) -> int:
    """Of the C string of a line; a comment on a line of its own has none."""
    return len(line.split('"')[1].replace("\\n", "\n")) if line.startswith('"') else 0


def _written(line: Line, numbers: dict[str, int], placed: set[str]) -> str:
    operands = line.operands
    if line.target is not None:
        direction = "b" if line.target.name in placed else "f"
        operands = operands.replace("{}", f"{numbers[line.target.name]}{direction}")
    text = f'"{line.mnemonic} {operands}\\n"'
    return _beside(text, line.names)


def _beside(text: str, comment: str) -> str:
    return f"{text:<{_COMMENT_COLUMN}}/* {comment} */" if comment else text
