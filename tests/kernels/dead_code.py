# SPDX-License-Identifier: Apache-2.0
"""Instructions of a listing that compute what nothing reads."""

from __future__ import annotations

from ascmcu.m4.instruction import ALWAYS, STORES
from ascmcu.m4.listing import Label, Line, Listing, Renamed, Routine
from ascmcu.m4.registers import Core, Fpu, Register

# What the caller may look at behind a return: a result, and what the AAPCS keeps.
_AT_RETURN = frozenset(
    r.slot for r in (Core(0, ""), *(Core(n, "") for n in range(4, 12)), *(Fpu(n, "") for n in range(16, 32)))
)


def dead(listing: Listing, routine: Routine | None = None) -> list[str]:
    """The instructions whose results nothing reads, on any way that follows; backwards, until nothing changes."""
    entries = listing.entries
    places = {entry.name: i for i, entry in enumerate(entries) if isinstance(entry, Label)}
    at_return = _AT_RETURN if routine is None else _slots(routine.leaves)
    before: list[frozenset[int]] = [frozenset()] * (len(entries) + 1)
    found: list[str] = []
    changed = True
    while changed:
        changed, found = False, []
        for i in range(len(entries) - 1, -1, -1):
            entry, live = entries[i], before[i + 1]
            if isinstance(entry, Renamed):
                live = live | _slots([entry.old])
            elif isinstance(entry, Line):
                live = _behind(entry, live, before, places, at_return)
                written = _slots(entry.writes)
                if written and not written & live and not _acts(entry):
                    found.append(entry.text)
                kept = live if entry.condition != ALWAYS and not entry.branches else live - written
                live = kept | _slots(entry.reads) | _slots(entry.saves)
            if live != before[i]:
                before[i], changed = live, True
    return found[::-1]


def _behind(
    line: Line,
    follows: frozenset[int],
    before: list[frozenset[int]],
    places: dict[str, int],
    at_return: frozenset[int],
) -> frozenset[int]:
    """What is read behind an instruction."""
    if line.calls is not None:
        assert line.back is not None
        spoiled = _slots((*line.calls.spoils, *line.calls.leaves))
        return before[places[line.back.name]] - spoiled | _slots(line.calls.enters)
    live = frozenset() if line.branches and line.condition == ALWAYS else follows
    if line.branches and line.target is not None:
        live |= before[places[line.target.name]]
    return live | at_return if line.returns else live


def _acts(line: Line) -> bool:
    """Whether it does more than write registers."""
    return bool(line.kind in STORES or line.branches or line.saves or line.restores)


def _slots(registers: object) -> frozenset[int]:
    return frozenset(r.slot for r in registers if isinstance(r, Register))  # type: ignore[attr-defined]
