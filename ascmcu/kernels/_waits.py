# SPDX-License-Identifier: Apache-2.0
"""What a part of a kernel waits for the memories (``waits.toml``): measured for each flash and each number of wait
states that a shipped board runs, once with the weights in flash and once with them in RAM.

A target is a sum of measured columns: between two numbers of wait states a line, beyond the last one in proportion. A
flash that was not measured takes the costs of the one nearest to it. Code that does not wait leaves what the weights
wait: the difference of the two placements.
"""

from __future__ import annotations

import functools
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from ascmcu.boards import FlashCache
from ascmcu.errors import VerifyError

# The first column: what a part takes less at zero wait states where its weights lie in RAM, beside the activations.
# After it, for each flash and each number of wait states: what it takes more, with weights in flash and in RAM.
_PLACEMENTS = 2
# RM0390 3.4: what is assumed of a flash that nobody has described, by the simulator too where no board is named.
ASSUMED = FlashCache(read_bytes=16, prefetch=True, instruction_lines=64, data_lines=8)
# Sections of the table that hold no parts; the fraction of a kernel's cycles where its parts were not measured.
FLASHES, TYPICAL = "flashes", "typical"

Mix = tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Flash:
    """A flash that was measured, and at which numbers of wait states, ascending."""

    name: str
    cache: FlashCache
    wait_states: tuple[int, ...]


def mix(wait_states: int, cache: FlashCache, *, weights_in_ram: bool, code_in_ram: bool) -> Mix:
    """A target as (column, factor)."""
    found: dict[int, float] = {}
    for column, share in _points(wait_states, cache):
        weights, code = column, column + 1
        if not weights_in_ram:
            found[weights] = share
        if not weights_in_ram and code_in_ram:
            found[code] = -share
        if weights_in_ram and not code_in_ram:
            found[code] = share
    return ((0, -1.0), *found.items()) if weights_in_ram else tuple(found.items())


def cycles(section: str, part: str, own: float, columns: Mix) -> float:
    """Cycles more (or less) than at zero wait states with the weights in flash, each time that a part runs.

    Args:
        section: of the table.
        part: in it; one that was never measured waits as all do together.
        own: its cycles at zero wait states.
        columns: the target.
    """
    row = _table().get(section, {}).get(part)
    return own * typical(columns) if row is None else _sum(row, columns)


def typical(columns: Mix) -> float:
    """What all kernels together take more, as a fraction of their cycles."""
    row = _table().get(TYPICAL, {}).get(TYPICAL)
    return 0.0 if row is None else _sum(row, columns)


def _sum(row: Sequence[float], columns: Mix) -> float:
    return sum(factor * row[column] for column, factor in columns)


def _points(wait_states: int, cache: FlashCache) -> list[tuple[int, float]]:
    """The measured points whose sum stands for so many wait states: (column with weights in flash, share)."""
    flashes = measured()
    if not wait_states or not flashes:
        return []
    nearest = min(flashes, key=lambda flash: _distance(flash.cache, cache if cache.read_bytes else ASSUMED))
    first = 1 + _PLACEMENTS * sum(len(f.wait_states) for f in flashes[: flashes.index(nearest)])
    known = nearest.wait_states
    above = next((i for i, states in enumerate(known) if states >= wait_states), len(known) - 1)
    column = first + _PLACEMENTS * above
    if above == 0 or known[above] <= wait_states:
        return [(column, wait_states / known[above])]
    share = (wait_states - known[above - 1]) / (known[above] - known[above - 1])
    return [(column - _PLACEMENTS, 1.0 - share), (column, share)]


def _distance(one: FlashCache, other: FlashCache) -> float:
    """How unlike two are: by how many doublings their numbers differ; yes and no count as two."""
    pairs = zip(astuple(one), astuple(other), strict=True)
    return sum(2.0 * (a != b) if isinstance(a, bool) else abs(math.log2((a + 1) / (b + 1))) for a, b in pairs)


@functools.cache
def measured() -> tuple[Flash, ...]:
    """The flashes of the table, in the order of its columns."""
    flashes = _raw().get(FLASHES, {})
    return tuple(
        Flash(
            name,
            FlashCache(**{k: v for k, v in given.items() if k != "wait_states"}),
            tuple(given["wait_states"]),
        )
        for name, given in flashes.items()
    )


@functools.cache
def _table() -> Mapping[str, Mapping[str, Sequence[float]]]:
    """Section → part → columns.

    Raises:
        VerifyError: the file of this package is not what tools/cycles writes.
    """
    width = 1 + _PLACEMENTS * sum(len(f.wait_states) for f in measured())
    found = {section: parts for section, parts in _raw().items() if section != FLASHES}
    for section, parts in found.items():
        for name, row in parts.items():
            if len(row) != width:
                raise VerifyError("a part has a cost for each flash", where=f"waits.toml, {section}.{name}")
    return found


@functools.cache
def _raw() -> dict[str, dict[str, Any]]:
    path = Path(__file__).with_name("waits.toml")
    return tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
