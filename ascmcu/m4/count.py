# SPDX-License-Identifier: Apache-2.0
"""Cycles of a listing at zero wait states, by the simulator's own timing rules.

A way through the code is given by how often each loop runs. A stretch without branches costs the same whenever it is
entered in the same state, so each is counted once per state; a loop settles after its first turn, so more than three
turns are the third's cycles as often as they come.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from ascmcu.errors import VerifyError
from ascmcu.m4 import timing
from ascmcu.m4.instruction import ALWAYS, Instruction, Kind
from ascmcu.m4.listing import Align, Label, Line, Listing
from ascmcu.m4.timing import State

_SETTLED = 2  # turns behind which each further one costs the same
_MOST_STEPS = 100_000


def straight(listing: Listing, begin: str = "", end: str = "") -> int:
    """Cycles from one label to another (from the beginning, to the end), nothing branching away, behind an
    instruction that leaves no trace.

    Raises:
        VerifyError: there is no such label.
    """
    found = _Code(listing)
    first = found.place(begin) if begin else 0
    last = found.place(end) if end else len(found.lines)
    state, cycles = State(), 0
    for line in found.lines[first:last]:
        step = timing.step(state, line.instruction)
        state, cycles = step.state, cycles + step.cycles
    return cycles


def cycles(
    listing: Listing, turns: Mapping[str, int] | None = None, routines: Mapping[str, Listing] | None = None
) -> int:
    """Cycles from the entry to the return, both included.

    Args:
        listing: the function.
        turns: how often each loop runs every time it is entered, by the name of its label; 1 where it is not named.
        routines: the code of the routines that it calls, by name.

    Raises:
        VerifyError: a loop, or a routine, that the code does not have; a way that never returns.
    """
    counted = _Codes(listing, dict(routines or {}))
    asked = dict(turns or {})
    counted.verify(asked)
    many = [name for name, n in asked.items() if n > _SETTLED + 1]
    total = 0
    for corner in itertools.product((_SETTLED, _SETTLED + 1), repeat=len(many)):
        at = dict(zip(many, corner, strict=True))
        # Cycles are linear in each loop's turns from the second on.
        weight = math.prod(
            asked[name] - _SETTLED if n > _SETTLED else _SETTLED + 1 - asked[name] for name, n in at.items()
        )
        total += weight * counted.walk(asked | at)
    return total


@dataclass(frozen=True)
class _At:
    """A line at its address."""

    line: Line
    instruction: Instruction


class _Code:
    """A listing laid out: instructions with addresses, the labels' places among them."""

    def __init__(self, listing: Listing) -> None:
        self.name = listing.name
        self.lines: list[_At] = []
        self.places: dict[str, int] = {}
        address = 0
        for entry in listing.entries:
            if isinstance(entry, Label):
                self.places[entry.name] = len(self.lines)
            elif isinstance(entry, Line) or (isinstance(entry, Align) and address % 4):
                line = entry if isinstance(entry, Line) else _NOP
                self.lines.append(_At(line, line.instruction(address)))
                address += line.size_bytes
        self.costs: dict[tuple[int, State], tuple[int, int, State]] = {}

    def place(self, label: str) -> int:
        if label not in self.places:
            raise VerifyError("the listing has no such label", where=self.name, found=label)
        return self.places[label]

    def run(self, start: int, state: State) -> tuple[int, int, State]:
        """(the next line that may branch, cycles up to it, the state in which it is reached)."""
        found = self.costs.get((start, state))
        if found is None:
            at, now, total = start, state, 0
            while at < len(self.lines) and not self.lines[at].instruction.branches:
                step = timing.step(now, self.lines[at].instruction)
                at, now, total = at + 1, step.state, total + step.cycles
            found = self.costs[start, state] = at, total, now
        return found


_NOP = Line("nop", "", "", Kind.ALU, size_bytes=2)


@dataclass
class _Codes:
    """A function and its routines, walked together."""

    listing: Listing
    routines: dict[str, Listing]
    laid: dict[str, _Code] = field(default_factory=dict)

    def code(self, listing: Listing) -> _Code:
        return self.laid.setdefault(listing.name, _Code(listing))

    def verify(self, turns: Mapping[str, int]) -> None:
        known = {
            e.name
            for listing in (self.listing, *self.routines.values())
            for e in listing.entries
            if isinstance(e, Label)
        }
        for name, n in turns.items():
            if name not in known or n < 1:
                raise VerifyError(
                    "no loop runs so often", where=self.listing.name, expected=sorted(known), found={name: n}
                )

    def walk(self, turns: Mapping[str, int]) -> int:
        """Follow the branches with the loops' turns counted."""
        code, at, state, total = self.code(self.listing), 0, timing.REFILLED, 0
        back: list[tuple[_Code, int]] = []
        done: dict[str, int] = {}
        for _ in range(_MOST_STEPS):
            at, cycles, state = code.run(at, state)
            total += cycles
            if at == len(code.lines):
                break
            line, instruction = code.lines[at].line, code.lines[at].instruction
            if line.calls is not None:
                back.append((code, code.place(line.back.name if line.back else "")))
                code, at = self._called(line), 0
            elif line.returns and not back:
                return total + timing.leave(state, instruction, 0)[0]
            elif line.returns:
                code, at = back.pop()
            elif line.kind is Kind.BRANCH and line.target and self._taken(line, code, at, turns, done):
                at = code.place(line.target.name)
            else:
                step = timing.step(state, instruction)
                at, state, total = at + 1, step.state, total + step.cycles
                continue
            target = code.lines[at].instruction.address if at < len(code.lines) else 0
            cycles, state = timing.leave(state, instruction, target)
            total += cycles
        raise VerifyError("the code does not come to its return", where=self.listing.name)

    def _called(self, line: Line) -> _Code:
        assert line.calls is not None
        if line.calls.name not in self.routines:
            raise VerifyError("a routine's code is missing", where=self.listing.name, found=line.calls.name)
        return self.code(self.routines[line.calls.name])

    def _taken(
        self, line: Line, code: _Code, at: int, turns: Mapping[str, int], done: dict[str, int]
    ) -> bool:
        """Whether a branch is taken: back as long as its loop has turns left, out of a loop when it has none; other
        ways ahead, for what is rare, never."""
        assert line.target is not None
        if line.condition == ALWAYS:
            return True
        back = code.place(line.target.name) <= at
        loop = line.target if back else line.leaves
        if loop is None:
            return False
        done[loop.name] = done.get(loop.name, 0) + 1
        last = done[loop.name] >= turns.get(loop.name, 1)
        if last:
            done[loop.name] = 0
        return back != last
