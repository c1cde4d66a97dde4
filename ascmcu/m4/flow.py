# SPDX-License-Identifier: Apache-2.0
"""What each register holds on every way through a listing: reading another name than it holds is an error.

The analysis goes through the listing along its branches. Where two ways meet, a register holds what it holds on both.
It finds registers that are read before they are written, overwritten while they are still wanted, not given back to
the caller, and stacks that do not fit together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ascmcu.errors import VerifyError
from ascmcu.m4.instruction import ALWAYS
from ascmcu.m4.listing import Entry, Label, Line, Listing, Renamed, Routine
from ascmcu.m4.registers import FLAGS, LR, PC, SP, Core, Fpu, Register

_KEPT_CORE = range(4, 12)
_KEPT_FPU = range(16, 32)
_OWN = "the caller's"


@dataclass(frozen=True)
class _Held:
    """A register's content and the entry that put it there; -1: the entry of the function."""

    register: Register
    since: int


@dataclass
class _Registers:
    """All registers at one place, and what lies on the stack."""

    slots: dict[int, _Held]
    stack: tuple[Register, ...] = ()

    def copy(self) -> _Registers:
        return _Registers(dict(self.slots), self.stack)

    def put(self, register: Register, since: int) -> None:
        self.slots[register.slot] = _Held(register, since)


def check(listing: Listing, routine: Routine | None = None) -> None:
    """Refuse a listing whose registers do not hold what its instructions name.

    Args:
        listing: the code; ``enters`` is held at its entry.
        routine: its own rules where it does not follow the AAPCS.

    Raises:
        VerifyError: a clash, with the instruction and what the register holds instead.
    """
    flow = _Flow(listing, routine)
    flow.settle()
    for start, registers in sorted(flow.entered.items()):
        flow.walk(start, registers.copy(), check=True)


class _Flow:
    """The analysis: the registers on entry to each stretch of code between labels."""

    def __init__(self, listing: Listing, routine: Routine | None) -> None:
        self.listing, self.routine = listing, routine
        self.entries = listing.entries
        self.places = {e.name: i for i, e in enumerate(self.entries) if isinstance(e, Label)}
        self.entered: dict[int, _Registers] = {}

    def settle(self) -> None:
        """Follow all ways until what is held at each label no longer changes."""
        waiting = [(0, self._at_entry())]
        while waiting:
            start, registers = waiting.pop()
            if self._meet(start, registers):
                waiting += self.walk(start, self.entered[start].copy(), check=False)

    def _at_entry(self) -> _Registers:
        registers = _Registers({})
        kept: list[Register] = [Core(n, f"{_OWN} r{n}") for n in _KEPT_CORE]
        kept += [Fpu(n, f"{_OWN} s{n}") for n in _KEPT_FPU]
        for register in (SP, *kept, *(() if self.routine else (LR,)), *self.listing.enters):
            registers.put(register, -1)
        return registers

    def _meet(self, start: int, new: _Registers) -> bool:
        """Join what is held on a way to ``start``; whether that changed anything."""
        old = self.entered.get(start)
        if old is None:
            self.entered[start] = new
            return True
        if len(old.stack) != len(new.stack):
            where = self.entries[start]
            raise self._error(
                "two ways meet with stacks of different height",
                where.name if isinstance(where, Label) else "the entry",
                expected=f"{len(old.stack)} words",
                found=f"{len(new.stack)} words",
            )
        same = {
            slot: held
            for slot, held in old.slots.items()
            if slot in new.slots and new.slots[slot].register == held.register
        }
        changed = len(same) != len(old.slots)
        old.slots = same
        return changed

    def walk(self, start: int, registers: _Registers, *, check: bool) -> list[tuple[int, _Registers]]:
        """From a label to the next: the places that follow, with what is held there."""
        ways: list[tuple[int, _Registers]] = []
        for index in range(start, len(self.entries)):
            entry = self.entries[index]
            if isinstance(entry, Label) and index != start:
                return [*ways, (index, registers)]
            if isinstance(entry, Renamed):
                if check:
                    self._reads(entry, entry.old, registers)
                registers.put(entry.new, index)
            if not isinstance(entry, Line):
                continue
            if check:
                self._check(entry, registers)
            self._apply(entry, index, registers)
            target = entry.back if entry.calls else entry.target if entry.branches else None
            if target is not None:
                ways.append((self._place(target, entry), registers.copy()))
            if entry.branches and entry.condition == ALWAYS:
                return ways
        if check:
            raise self._error("the code runs past its end", "the last instruction", expected="a return")
        return ways

    def _place(self, label: Label, line: Line) -> int:
        if label.name not in self.places:
            raise self._error("a branch has no target", line.text, expected=f"the label '{label.name}'")
        return self.places[label.name]

    def _apply(self, line: Line, index: int, registers: _Registers) -> None:
        if line.saves:
            saved: list[Register] = [registers.slots.get(r.slot, _Held(r, -1)).register for r in line.saves]
            registers.stack = (*saved, *registers.stack)
        for place in line.restores:
            if registers.stack:
                back, registers.stack = registers.stack[0], registers.stack[1:]
                registers.put(back if back.slot == place.slot else place, index)
        for register in line.writes:
            registers.put(register, index)
        if line.calls is not None:
            for register in (*line.calls.spoils, *line.calls.leaves, FLAGS):
                registers.slots.pop(register.slot, None)
            for register in line.calls.leaves:
                registers.put(register, index)

    def _check(self, line: Line, registers: _Registers) -> None:
        wanted = (*line.reads, *(line.calls.enters if line.calls else ()))
        for register in wanted:
            self._reads(line, register, registers)
        if line.restores:
            self._restores(line, registers)
        if line.returns:
            self._returns(line, registers)
        if self.routine is not None:
            self._keeps(line)

    def _reads(self, at: Entry, register: Register, registers: _Registers) -> None:
        held = registers.slots.get(register.slot)
        where = at.text if isinstance(at, Line) else f"{register.text} renamed"
        if held is None:
            raise self._error(
                f"{register.text} is read and holds nothing", where, expected=f"'{register.name}'"
            )
        if held.register != register:
            since = self.entries[held.since] if held.since >= 0 else None
            behind = since.text if isinstance(since, Line) else "the entry"
            raise self._error(
                f"{register.text} holds another value",
                where,
                expected=f"'{register.name}'",
                found=f"'{held.register.name}' since '{behind}'",
            )

    def _restores(self, line: Line, registers: _Registers) -> None:
        """What comes off the stack is what was pushed for the same register; a pop into pc takes the return address."""
        top = registers.stack[: len(line.restores)]
        wanted = [LR.slot if r == PC else r.slot for r in line.restores]
        returns = PC in line.restores and LR not in top
        if [r.slot for r in top] != wanted or returns:
            raise self._error(
                "the stack holds other registers",
                line.text,
                expected=" ".join(r.text for r in line.restores),
                found=" ".join(f"{r.text} ({r.name})" for r in top) or "an empty stack",
            )

    def _returns(self, line: Line, registers: _Registers) -> None:
        after = registers.copy()
        self._apply(line, 0, after)
        if after.stack:
            raise self._error(
                "the function returns with words on the stack", line.text, found=f"{len(after.stack)} words"
            )
        if self.routine is not None:
            for register in self.routine.leaves:
                self._reads(line, register, registers)
            return
        for slot, name in self._kept():
            held = after.slots.get(slot)
            if held is None or held.register.name != name:
                raise self._error(
                    f"{name} is lost",
                    line.text,
                    expected=f"'{name}' at the return",
                    found=f"'{held.register.name}'" if held else "several values",
                )

    def _kept(self) -> Iterator[tuple[int, str]]:
        for n in _KEPT_CORE:
            yield n, f"{_OWN} r{n}"
        for n in _KEPT_FPU:
            yield 32 + n, f"{_OWN} s{n}"

    def _keeps(self, line: Line) -> None:
        """A routine writes only what its rules say."""
        assert self.routine is not None
        free = {r.slot for r in (*self.routine.leaves, *self.routine.spoils, FLAGS)}
        for register in line.writes:
            if register.slot not in free:
                raise self._error(
                    f"{register.text} is written and the routine's rules keep it",
                    line.text,
                    expected="a register that it leaves or spoils",
                )

    def _error(self, what: str, at: str, *, expected: object = None, found: object = None) -> VerifyError:
        return VerifyError(what, where=f"{self.listing.name}: {at}", expected=expected, found=found)
