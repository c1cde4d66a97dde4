# SPDX-License-Identifier: Apache-2.0
"""What the sections of the report page have in common: headlines, parts of a bar, colours of operators."""

from __future__ import annotations

from dataclasses import dataclass

import ascmcu.ops  # noqa: F401  (registers the operators)
from ascmcu.ir import registry

FRONT_END = "front end"


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


def colour_of(op: str) -> str:
    """By the operator's family; results of other versions may hold operators that are none here."""
    if op == FRONT_END:
        return "op-frontend"
    known = registry.kinds().get(op)
    return f"op-{known.FAMILY if known is not None else 'other'}"
