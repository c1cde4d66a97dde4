# SPDX-License-Identifier: Apache-2.0
"""What ``tools/cycles`` does with networks: counts cycles of layers, fits the costs of parts, judges predictions."""

from __future__ import annotations

import functools
import json
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ascmcu import api, boards
from ascmcu.boards import FlashCache
from ascmcu.codegen.model import render_model
from ascmcu.ir.graph import node_macs
from ascmcu.kernels import DEFAULT_TUNING
from ascmcu.kernels._cycles import ERROR, SCHEDULE, STEPS, Optimize, Target, around, part_of, predicted
from ascmcu.kernels._registry import kernel_names
from ascmcu.kernels._waits import ASSUMED, FLASHES, TYPICAL, Flash
from ascmcu.kernels._work import Work
from ascmcu.schedule import Plan, make_plan
from ascmcu.sim import session
from ascmcu.sim.image import Image
from ascmcu.sim.layout import guessed
from ascmcu.toolchain import gcc
from ascmcu.toolchain.harness import Weights, compile_harness, link_harness

# A layer's prediction may be off by so much, a network's by so much.
LAYER, NETWORK = 0.05, 0.02
# Layers with less of their network's cycles may be off by this part of it, and everything by so many cycles: they
# decide nothing.
SMALL, CYCLES = 0.01, 1000
Levels = tuple[Optimize, ...]
LEVELS: Levels = ("cycles", "balanced", "flash")
# How a model is called that was written for a kernel.
SINGLE = "layer-"
TABLE = Path(__file__).resolve().parents[1] / "ascmcu" / "kernels" / "cycles.toml"
# The section of the assembly that kernels share.
PACKED = "packed"
PLACEMENTS: tuple[Weights, ...] = ("flash", "ram")

HEADER = """# SPDX-License-Identifier: Apache-2.0
# What each part of each kernel costs at zero wait states: cycles where the compiler optimises for cycles (-O3),
# balanced (-O2) and flash (-Os). Made by `tools/cycles fit`; waits.toml has what a flash adds. The parts are counted in
# the kernel's own file. `error` is how far nine in ten predictions of the kernel are off at most. `packed` is the
# assembly of _packed_gemm.py, `schedule` what runs around the layers.
"""
WAITS_HEADER = """# SPDX-License-Identifier: Apache-2.0
# What each part of each kernel takes more behind a flash, at -O3. Made by `tools/cycles waits`. The first column is
# what it takes less at zero wait states with its weights in RAM; then, for each flash in the order of [flashes] and
# each of its wait states, what it takes more with the weights in flash, and with them in RAM. `typical` is all waits as
# a fraction of all cycles, for kernels that were never measured.
"""
# A layer below this tells little: it weighs as much as one of this size.
_LEAST_CYCLES = 300.0
# Errors beyond this fraction count less; the fit is repeated so often with what that makes of it.
_NEAR, _ROUNDS = 0.02, 12
# What is known of a part beforehand counts as one measurement: a cost twice as high is an error of this fraction. It
# decides only where the measured layers cannot tell parts apart.
_KNOWN = 0.02
_FEW = 12  # layers, of which nine in ten say nothing

Key = tuple[str, str]
Parts = Mapping[Key, int]


@dataclass(frozen=True)
class Layer:
    """One layer of one network: what it does, and the cycles that it took."""

    name: str
    kernel: str
    macs: int
    steps: int
    work: Sequence[tuple[str, int]]
    cycles: int

    @property
    def parts(self) -> dict[Key, int]:
        """How often each part runs, by its place in the table."""
        return {part_of(self.kernel, part): n for part, n in [(STEPS, self.steps), *self.work]}


@dataclass(frozen=True)
class Measured:
    """One network under one schedule, compiled at one level, with its weights in one memory, behind one flash at so
    many wait states. ``cycles`` is without what fills the input rows."""

    model: str
    mode: str
    optimize: Optimize
    wait_states: int
    around: Sequence[tuple[str, int]]
    cycles: int
    layers: Sequence[Layer]
    flash: str = ""
    weights: Weights = "flash"

    @property
    def target(self) -> Target:
        """For what its cycles would be predicted."""
        return Target(
            self.optimize, self.wait_states, caches().get(self.flash, ASSUMED), self.weights == "ram"
        )

    @property
    def written_for(self) -> str:
        """The kernel whose layers alone it tells of; empty where it is a network."""
        return self.model.removeprefix(SINGLE).rpartition("-")[0] if self.model.startswith(SINGLE) else ""

    @property
    def around_cycles(self) -> int:
        """What the layers did not take."""
        return self.cycles - sum(layer.cycles for layer in self.layers)

    @property
    def around_parts(self) -> dict[Key, int]:
        """The parts that took it."""
        return {(SCHEDULE, part): n for part, n in self.around}


# ---- Measuring ----


@functools.cache
def flashes() -> tuple[Flash, ...]:
    """The flashes of the shipped boards, each with all wait states that one of them runs."""
    found: dict[FlashCache, tuple[str, set[int]]] = {}
    for board in map(boards.load, boards.names()):
        _, waits = found.setdefault(board.chip.flash_cache, (board.chip.family, set()))
        waits.add(board.clock.wait_states)
    return tuple(Flash(name, cache, tuple(sorted(waits))) for cache, (name, waits) in found.items())


def caches() -> dict[str, FlashCache]:
    """The same by name."""
    return {flash.name: flash.cache for flash in flashes()}


def measure(
    path: Path,
    mode: str,
    levels: Levels = ("cycles",),
    points: Sequence[tuple[str, int]] = (),
    *,
    kernel: str = "",
) -> Iterator[Measured]:
    """One network under one schedule at zero wait states, at some levels of the compiler; at the first also behind
    flashes, as (name, wait states), with its weights in flash and in RAM. ``kernel`` is taken wherever it is exact."""
    compiled = api.compile_model(path, features=False)
    if not compiled.graph.nodes:
        return
    plan = _plan(compiled, mode, kernel)
    files = render_model(plan, name=compiled.name, sha256=compiled.sha256).files
    for optimize in levels:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            for name, text in files.items():
                (folder / name).write_text(text)
            objects = compile_harness(folder, profile=True, level=gcc.LEVELS[optimize])
            wanted = points if optimize == levels[0] else ()
            for weights in PLACEMENTS if wanted else PLACEMENTS[:1]:
                elf = link_harness(folder, objects, weights).elf
                for flash, wait_states in (("", 0), *wanted):
                    yield _run(path.stem, plan, elf, optimize, (flash, wait_states), weights)


def _plan(compiled: api.Compiled, mode: str, kernel: str) -> Plan:
    if not kernel:
        return api.candidates(compiled, mode)[0].plan  # type: ignore[arg-type]
    return make_plan(compiled.graph, mode, replace(DEFAULT_TUNING, kernel=kernel))


def _run(
    model: str, plan: Plan, elf: Path, optimize: Optimize, point: tuple[str, int], weights: Weights
) -> Measured:
    flash, wait_states = point
    machine = replace(guessed(Image(elf)), wait_states=wait_states, cache=caches().get(flash, FlashCache()))
    lines = session.finish(session.build(elf, machine)).console.decode().splitlines()
    counted = [int(line.split()[1]) for line in lines if line.startswith("layer ")]
    whole = next(int(line.split()[1]) for line in lines if line.startswith("network "))
    layers = [
        Layer(
            layer.node.name,
            layer.lowered.kernel,
            node_macs(plan.graph, layer.node),
            layer.rule.steps,
            layer.lowered.work.parts,
            cycles,
        )
        for layer, cycles in zip(plan.running, counted, strict=True)
    ]
    return Measured(
        model, plan.mode, optimize, wait_states, plan.schedule_work.parts, whole, layers, flash, weights
    )


# ---- Fitting ----


def write(found: Sequence[Measured], path: Path) -> int:
    """Fit the cycles at zero wait states and write the table; the number of parts. Kernels and parts that no layer ran
    keep what the table has of them, and so do those that the measured layers cannot tell apart."""
    stored = _stored(path)
    columns = []
    for level, optimize in enumerate(LEVELS):
        known = {key: costs[level] for key, costs in stored.items() if key[1] != ERROR}
        columns.append(_fitted([m for m in found if m.target == Target(optimize)], known))
    errors = [_errors(found, o, column) for o, column in zip(LEVELS, columns, strict=True)]
    kept = {section for section, _ in columns[0]}
    for (section, part), costs in stored.items():
        filled: list[dict[Any, float]] = [*errors] if part == ERROR else [*columns]
        key = section if part == ERROR else (section, part)
        if key not in filled[0]:
            kept.add(section)
            for column, cost in zip(filled, costs, strict=True):
                column.setdefault(key, cost)
    every = sorted({key for column in columns for key in column if key[0] in kept})
    compiler = gcc.compiler_version(gcc.find_tool("arm-none-eabi-gcc", "gcc-arm-none-eabi"))
    lines = [HEADER, f'compiler = "{compiler}"\n']
    for section in sorted({section for section, _ in every}):
        lines.append(f"[{section}]")
        if section in errors[0]:
            off = [column.get(section, errors[0][section]) for column in errors]
            lines.append(f"{ERROR} = [{', '.join(f'{e:.2g}' for e in off)}]")
        for key in (k for k in every if k[0] == section):
            # What was not measured at a level takes what it takes at the first.
            costs = [column.get(key, columns[0].get(key, 0.0)) for column in columns]
            lines.append(f"{key[1]} = [{', '.join(f'{c:.4g}' for c in costs)}]")
        lines.append("")
    path.write_text("\n".join(lines))
    return len(every)


def _stored(path: Path) -> dict[Key, Sequence[float]]:
    """What a table has of kernels that are still there, by part; ``ERROR`` is one. A level at which all of a kernel
    costs nothing was not measured: it takes the first level's."""
    table = tomllib.loads(path.read_text()) if path.is_file() else {}
    found: dict[Key, Sequence[float]] = {}
    for section in (kernel_names() | {SCHEDULE, PACKED}) & set(table):
        parts = table[section]
        costs = [costs for part, costs in parts.items() if part != ERROR]
        levels = [level if any(c[level] for c in costs) else 0 for level in range(len(LEVELS))]
        found |= {(section, part): [each[level] for level in levels] for part, each in parts.items()}
    return found


def _fitted(found: Sequence[Measured], known: Mapping[Key, float]) -> dict[Key, float]:
    """The cost of each part; empty without measurements. New kernels of which too few different layers were measured to
    tell their parts apart are left out: their own estimate is better. Of others it is ``known`` what parts cost."""
    layers = [layer for m in found for layer in m.layers if m.written_for in ("", layer.kernel)]
    different: dict[str, set[object]] = {}
    parts: dict[str, set[str]] = {}
    for layer in layers:
        different.setdefault(layer.kernel, set()).add((layer.steps, *map(tuple, layer.work)))
        parts.setdefault(layer.kernel, {STEPS}).update(part for part, _ in layer.work if "." not in part)
    old = {section for section, _ in known}
    layers = [x for x in layers if x.kernel in old or len(different[x.kernel]) >= len(parts[x.kernel])]
    costs = least_squares([(layer.parts, layer.cycles, layer.cycles) for layer in layers], known)
    around = [(m.around_parts, m.around_cycles, m.around_cycles) for m in found if not m.written_for]
    return {**costs, **least_squares(around, known)}


def _errors(found: Sequence[Measured], optimize: Optimize, costs: Mapping[Key, float]) -> dict[str, float]:
    """By kernel: how far nine in ten of its predictions are off at most, as a fraction; layers that take next to
    nothing do not count, nor do kernels of which few layers were measured."""
    fitted = {section for section, _ in costs}
    off: dict[str, list[float]] = {}
    for m in (m for m in found if m.target == Target(optimize)):
        for layer in (layer for layer in m.layers if layer.cycles > _LEAST_CYCLES):
            if m.written_for not in ("", layer.kernel) or layer.kernel not in fitted:
                continue
            guess = sum(costs.get(key, 0.0) * n for key, n in layer.parts.items())
            off.setdefault(layer.kernel, []).append(abs(guess / layer.cycles - 1))
    return {kernel: float(np.quantile(errors, 0.9)) for kernel, errors in off.items() if len(errors) >= _FEW}


def write_waits(found: Sequence[Measured], path: Path) -> int:
    """Fit what the flashes add and write the table; the number of parts. A part that the measured layers cannot tell
    from others waits as all do on average; one that no layer ran keeps its row, or has none where the flashes changed.
    """
    ideal, ideal_ram = _at(found, "", 0, "flash"), _at(found, "", 0, "ram")
    columns = [_more(ideal_ram, ideal)]
    for flash in flashes():
        for wait_states in flash.wait_states:
            columns.append(_more(ideal, _at(found, flash.name, wait_states, "flash")))
            columns.append(_more(ideal_ram, _at(found, flash.name, wait_states, "ram")))
    lines = [WAITS_HEADER]
    for flash in flashes():
        told = {"wait_states": list(flash.wait_states), **asdict(flash.cache)}
        lines += [
            f"[{FLASHES}.{flash.name}]",
            *(f"{key} = {json.dumps(value)}" for key, value in told.items()),
            "",
        ]
    rows = _kept_waits(path)
    for key in {key for _, parts in columns for key in parts}:
        rows[key] = [costs.get(key, 0.0) for _, costs in columns]
    written = {(TYPICAL, TYPICAL): [share for share, _ in columns], **dict(sorted(rows.items()))}
    for section in dict.fromkeys(section for section, _ in written):
        lines.append(f"[{section}]")
        for (own, part), row in written.items():
            if own == section:
                lines.append(f"{part} = [{', '.join(f'{c:.3g}' for c in row)}]")
        lines.append("")
    path.write_text("\n".join(lines))
    return len(rows)


def _kept_waits(path: Path) -> dict[Key, list[float]]:
    """The rows of kernels that are still there, of a table of the same flashes."""
    table = tomllib.loads(path.read_text()) if path.is_file() else {}
    told = {f.name: {"wait_states": list(f.wait_states), **asdict(f.cache)} for f in flashes()}
    if table.get(FLASHES) != told:
        return {}
    sections = (kernel_names() | {SCHEDULE, PACKED}) & set(table)
    return {(section, part): row for section in sections for part, row in table[section].items()}


def _at(found: Sequence[Measured], flash: str, wait_states: int, weights: Weights) -> dict[Key, Measured]:
    """Measurements of one flash and placement, by network and schedule."""
    return {
        (m.model, m.mode): m
        for m in found
        if m.optimize == "cycles" and (m.flash, m.wait_states, m.weights) == (flash, wait_states, weights)
    }


def _more(less: Mapping[Key, Measured], more: Mapping[Key, Measured]) -> tuple[float, dict[Key, float]]:
    """What each part takes more in one of two measurements of the same networks: as a fraction of all cycles, and
    by part."""
    pairs = [(m, less[key]) for key, m in more.items() if key in less]
    layers = [
        (layer.parts, layer.cycles - same.cycles, layer.cycles)
        for m, other in pairs
        for layer, same in zip(m.layers, other.layers, strict=True)
    ]
    outside = [(m.around_parts, m.around_cycles - other.around_cycles, m.around_cycles) for m, other in pairs]
    share = sum(m.cycles for m, _ in pairs) / max(sum(other.cycles for _, other in pairs), 1) - 1
    known = {key: costs[0] * share for key, costs in _stored(TABLE).items() if key[1] != ERROR}
    return share, {**least_squares(layers, known), **least_squares(outside, known)}


def least_squares(rows: Iterable[tuple[Parts, float, float]], known: Mapping[Key, float]) -> dict[Key, float]:
    """Costs of no less than zero from (parts, cycles, what an error is a fraction of), and from what is ``known`` of
    parts that take cycles."""
    from scipy.optimize import nnls

    rows = [(parts, cycles, max(scale, _LEAST_CYCLES)) for parts, cycles, scale in rows]
    keys = sorted({key for parts, _, _ in rows for key in parts})
    if not keys:
        return {}
    rows += [({k: 1}, known[k], known[k] / _KNOWN) for k in keys if known.get(k, 0.0) > 0.0]
    place = {key: i for i, key in enumerate(keys)}
    matrix = np.zeros((len(rows), len(keys)))
    weights = np.array([1.0 / scale for _, _, scale in rows])
    for row, (parts, _, _) in enumerate(rows):
        for key, n in parts.items():
            matrix[row, place[key]] = n
    matrix *= weights[:, np.newaxis]
    size = np.maximum(np.linalg.norm(matrix, axis=0), 1e-12)
    wanted = np.array([cycles for _, cycles, _ in rows]) * weights
    matrix /= size
    trust = np.ones(len(rows))
    for _ in range(_ROUNDS):
        costs, _ = nnls(matrix * trust[:, np.newaxis], wanted * trust, maxiter=100 * len(keys))
        # What is far off says nothing of the rest: its pull no longer grows (Huber's loss).
        trust = np.sqrt(_NEAR / np.maximum(np.abs(matrix @ costs - wanted), _NEAR))
    return {key: float(costs[i] / size[i]) for key, i in place.items()}


# ---- Judging ----


@dataclass(frozen=True)
class Judged:
    """A network's predictions beside what was measured; a layer's is ``None`` where its kernel was never measured."""

    measured: Measured
    layers: Sequence[int | None]
    whole: int

    @property
    def holds(self) -> bool:
        """Whether all lie within the tolerance."""
        off, allowed = abs(self.whole - self.measured.cycles), max(NETWORK * self.measured.cycles, CYCLES)
        return all(self.fits(i) for i in range(len(self.layers))) and off <= allowed

    @property
    def error(self) -> float:
        """Of the whole, as a fraction."""
        return self.whole / self.measured.cycles - 1

    def fits(self, index: int) -> bool:
        """Whether a layer's prediction is within the tolerance."""
        cycles, found = self.measured.layers[index].cycles, self.layers[index]
        allowed = max(LAYER * cycles, SMALL * self.measured.cycles, CYCLES)
        return abs((found or 0) - cycles) <= allowed

    def lines(self, *, show_all: bool) -> list[str]:
        """A table: the layers beyond the tolerance, or all."""
        m = self.measured
        behind = f", {m.flash} at {m.wait_states}, weights in {m.weights}" if m.flash else ""
        head = f"{m.model}, {m.mode}{behind}: {m.cycles:,} cycles, predicted {self.whole:,} ({100 * self.error:+.1f} %)"
        found = [head]
        for index, (layer, guess) in enumerate(zip(m.layers, self.layers, strict=True)):
            if not show_all and self.fits(index):
                continue
            error = "not measured" if guess is None else f"{100 * (guess / max(layer.cycles, 1) - 1):+6.1f} %"
            part = f"{100 * layer.cycles / m.cycles:5.1f} % of all"
            mark = " " if self.fits(index) else "!"
            found.append(
                f" {mark}{layer.kernel:24} {layer.cycles:12,} {guess or 0:12,} {error} {part}  {layer.name[:40]}"
            )
        return found


def judge(m: Measured) -> Judged:
    """Predict what was measured."""
    target = m.target
    layers = [predicted(x.kernel, x.steps, Work(tuple((p, n) for p, n in x.work)), target) for x in m.layers]
    outside = around(Work(tuple((p, n) for p, n in m.around)), target)
    return Judged(m, layers, sum(x or 0 for x in layers) + outside)
