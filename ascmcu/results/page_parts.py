# SPDX-License-Identifier: Apache-2.0
"""What the sections of the report page have in common: headlines, parts of a bar, colours of operators."""

from __future__ import annotations

from dataclasses import dataclass

import ascmcu.ops  # noqa: F401  (registers the operators)
from ascmcu.ir import registry

FRONT_END = "front end"
# Of a bar on a page 1180 or 360 pixels wide, and of a letter of its names.
_DESKTOP_PX, _PHONE_PX, _LETTER_PX, _PADDING_PX = 1020, 300, 7.2, 14


@dataclass(frozen=True)
class Fact:
    """A headline: its name, the figure, what stands below, and how much of a whole it takes (None without one)."""

    name: str
    figure: str
    unit: str
    note: str
    fraction: float | None = None
    low: float = 0.0
    high: float = 0.0
    state: str = ""


@dataclass(frozen=True)
class Slice:
    """One part of a bar, in percent of the whole; ``colour`` is a class of the style sheet."""

    name: str
    text: str
    percent: float
    colour: str

    @property
    def room(self) -> str:
        """Where its name has room, as a class of the style sheet: ``thin`` nowhere, ``narrow`` on a desktop only."""
        long = _LETTER_PX * len(self.name) + _PADDING_PX
        if self.percent * _DESKTOP_PX < 100 * long:
            return "thin"
        return "narrow" if self.percent * _PHONE_PX < 100 * long else ""


def colour_of(op: str) -> str:
    """By the operator's family; results of other versions may hold operators that are none here."""
    if op == FRONT_END:
        return "op-frontend"
    known = registry.kinds().get(op)
    return f"op-{known.FAMILY if known is not None else 'other'}"
