# SPDX-License-Identifier: Apache-2.0
"""Cycles by function, by call path, and by instruction."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from ascmcu.sim import words as w
from ascmcu.sim.engine import Context, Engine
from ascmcu.sim.image import Image

UNKNOWN = "?"


@dataclass(frozen=True)
class FunctionRow:
    """A function's share: ``exclusive`` without, ``inclusive`` with the functions that it calls."""

    name: str
    calls: int
    exclusive_cycles: int
    inclusive_cycles: int


@dataclass(frozen=True)
class Path:
    """A call path, outermost first, and the cycles spent in its last function when called that way."""

    names: tuple[str, ...]
    cycles: int


@dataclass(frozen=True)
class LineRow:
    """One instruction: how often it was executed, what it cost in sum, and why it sometimes costs more."""

    address: int
    text: str
    executions: int
    cycles: int
    reasons: tuple[str, ...]


def _name(image: Image, address: int) -> str:
    function = image.function_at(address)
    return function.name if function else (f"{address:#010x}" if address else UNKNOWN)


def paths(engine: Engine, image: Image, roots: tuple[str, ...] = ()) -> list[Path]:
    """Every call path that was executed, most expensive first.

    Args:
        roots: how the names of the functions begin at which paths are to begin; what called them is left out, and
            paths without one are. All paths if empty.
    """
    contexts = engine.contexts()
    found: dict[tuple[str, ...], int] = defaultdict(int)
    for number, context in enumerate(contexts):
        names = _from_roots(_path(contexts, number, image), roots)
        if context.cycles and names:
            found[names] += context.cycles
    return sorted((Path(names, cycles) for names, cycles in found.items()), key=lambda p: -p.cycles)


def _from_roots(names: tuple[str, ...], roots: tuple[str, ...]) -> tuple[str, ...]:
    first = (n for n, name in enumerate(names) if name.startswith(roots))
    return names if not roots else names[next(first, len(names)) :]


def _path(contexts: list[Context], number: int, image: Image) -> tuple[str, ...]:
    names = []
    while number:
        names.append(_name(image, contexts[number].function))
        number = contexts[number].parent
    return tuple(reversed(names)) or ("reset",)


def functions(engine: Engine, image: Image, roots: tuple[str, ...] = ()) -> list[FunctionRow]:
    """Every function that was executed, most expensive by itself first; ``roots`` as in ``paths``."""
    contexts = engine.contexts()
    exclusive: dict[str, int] = defaultdict(int)
    inclusive: dict[str, int] = defaultdict(int)
    calls: dict[str, int] = defaultdict(int)
    for number, context in enumerate(contexts):
        path = _from_roots(_path(contexts, number, image), roots)
        if not path:
            continue
        exclusive[path[-1]] += context.cycles
        calls[path[-1]] += context.calls
        for name in set(path):  # once each, so that recursion does not count twice
            inclusive[name] += context.cycles
    rows = [FunctionRow(n, calls[n], exclusive[n], inclusive[n]) for n in inclusive if inclusive[n]]
    return sorted(rows, key=lambda r: -r.exclusive_cycles)


def annotate(engine: Engine, image: Image, function: str) -> list[LineRow]:
    """A function's instructions with their cycles, by address.

    Divides and conditional instructions carry the cycles that their operands and conditions made them take.
    What unaligned accesses add is known per block only; it is in the function table, not here.

    Raises:
        InputError: no such function.
    """
    symbol = image.symbol(function)
    end = symbol.address + (symbol.size_bytes or 1 << 20)
    counts: dict[int, int] = defaultdict(int)
    cycles: dict[int, int] = defaultdict(int)
    texts: dict[int, str] = {}
    reasons: dict[int, set[str]] = defaultdict(set)
    for edge in engine.automaton.edges:
        taken = int(engine.words[w.EDGE_COUNT + edge.index])
        block = engine.automaton.nodes[edge.node]
        if not taken or not symbol.address <= block.address < end:
            continue
        extra = edge.cycles - sum(s.cycles for s in block.steps)
        for instruction, step in zip(block.instructions, block.steps, strict=True):
            counts[instruction.address] += taken
            cycles[instruction.address] += taken * step.cycles
            texts[instruction.address] = instruction.text
            reasons[instruction.address].update(step.reasons)
        if block.instructions:  # the refill behind a taken branch belongs to the branch
            cycles[block.instructions[-1].address] += taken * extra
            if extra > 0:
                reasons[block.instructions[-1].address].add("refill")
    return [
        LineRow(
            address,
            texts[address],
            counts[address],
            cycles[address] + engine.automaton.site_cycles(address),
            tuple(sorted(reasons[address])),
        )
        for address in sorted(texts)
    ]
