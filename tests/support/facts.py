# SPDX-License-Identifier: Apache-2.0
"""What a frozen dataclass says of itself, for snapshots: its fields and what it makes of them, as short texts."""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Iterable

from ascmcu.m4.listing import Line, Listing

_LONGEST = 160


def facts(thing: object, without: Iterable[str] = ()) -> list[str]:
    """``name=value`` of each field and of each property but some."""
    fields = [f.name for f in dataclasses.fields(thing)] if dataclasses.is_dataclass(thing) else []
    made = [n for n in dir(type(thing)) if not n.startswith("_") and n not in fields]
    values = {n: _asked(thing, n) for n in (*fields, *made) if n not in {*without}}
    return [f"{name}={short(value)}" for name, value in values.items() if not callable(value)]


def _asked(thing: object, name: str) -> object:
    """A value; of a property that has none for this thing what it raises."""
    try:
        return getattr(thing, name)
    except (ArithmeticError, AssertionError, LookupError, TypeError, ValueError) as error:
        return type(error).__name__


def short(value: object) -> str:
    """A value, or where that is long a sum over it."""
    if isinstance(value, Listing):
        instructions = sum(isinstance(entry, Line) for entry in value.entries)
        return f"{value.name} of {instructions} ({digest(chr(10).join(value.lines).encode())})"
    text = f"{value:.7g}" if isinstance(value, float) else repr(value)
    return text if len(text) < _LONGEST else f"({digest(text.encode())})"


def digest(data: bytes) -> str:
    """A sum over bytes."""
    return f"{zlib.crc32(data):08x}"
