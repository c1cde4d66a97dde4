# SPDX-License-Identifier: Apache-2.0
"""What ``tools/cycles`` does with networks: counts cycles of layers, fits the costs of parts, judges predictions."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ascmcu import api
from ascmcu.codegen.model import render_model
from ascmcu.ir.graph import node_macs
from ascmcu.kernels._cycles import ERROR, SCHEDULE, STEPS, Optimize, Target, around, part_of, predicted
from ascmcu.kernels._work import Work
from ascmcu.schedule import Plan
from ascmcu.sim import session
from ascmcu.toolchain import gcc
from ascmcu.toolchain.harness import build_harness

# A layer's prediction may be off by so much, a network's by so much.
LAYER, NETWORK = 0.05, 0.02
# Layers with less of their network's cycles may be off by this part of it, and everything by so many cycles: they
# decide nothing.
SMALL, CYCLES = 0.01, 1000
Levels = tuple[Optimize, ...]
Waits = tuple[int, ...]
LEVELS: Levels = ("cycles", "balanced", "flash")
WAITS: Waits = (0, 5)

HEADER = """# SPDX-License-Identifier: Apache-2.0
# What each part of each kernel costs: cycles where the compiler optimises for cycles (-O3), balanced (-O2) and
# flash (-Os), and cycles more per wait state of the flash. Made by `tools/cycles fit`; the parts are counted in the
# kernel's own file. `error` is how far nine in ten predictions of the kernel are off at most. `packed` is the
# assembly of _packed_gemm.py, `schedule` what runs around the layers.
"""
# A layer below this tells little: it weighs as much as one of this size.
_LEAST_CYCLES = 300.0
# Errors beyond this fraction count less; the fit is repeated so often with what that makes of it.
_NEAR, _ROUNDS = 0.02, 12

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
    """One network under one schedule, compiled at one level, at so many wait states. ``cycles`` is without what fills
    the input rows."""

    model: str
    mode: str
    optimize: Optimize
    wait_states: int
    around: Sequence[tuple[str, int]]
    cycles: int
    layers: Sequence[Layer]

    @property
    def around_cycles(self) -> int:
        """What the layers did not take."""
        return self.cycles - sum(layer.cycles for layer in self.layers)

    @property
    def around_parts(self) -> dict[Key, int]:
        """The parts that took it."""
        return {(SCHEDULE, part): n for part, n in self.around}


# ---- Measuring ----


def measure(path: Path, mode: str, levels: Levels = ("cycles",), waits: Waits = (0,)) -> Iterator[Measured]:
    """One network under one schedule, at some levels of the compiler; at the first also at wait states."""
    compiled = api.compile_model(path, features=False)
    if not compiled.graph.nodes:
        return
    plan = api.candidates(compiled, mode)[0].plan  # type: ignore[arg-type]
    files = render_model(plan, name=compiled.name, sha256=compiled.sha256).files
    for optimize in levels:
        with tempfile.TemporaryDirectory() as scratch:
            for name, text in files.items():
                (Path(scratch) / name).write_text(text)
            elf = build_harness(Path(scratch), profile=True, level=gcc.LEVELS[optimize]).elf
            for wait_states in waits if optimize == levels[0] else (0,):
                yield _run(path.stem, plan, elf, optimize, wait_states)


def _run(model: str, plan: Plan, elf: Path, optimize: Optimize, wait_states: int) -> Measured:
    lines = session.finish(session.build(elf, wait_states=wait_states)).console.decode().splitlines()
    counted = [int(line.split()[1]) for line in lines if line.startswith("layer ")]
    whole = next(int(line.split()[1]) for line in lines if line.startswith("network "))
    running = [layer for layer in plan.layers if not plan.moves_nothing(layer)]
    layers = [
        Layer(
            layer.node.name,
            layer.lowered.kernel,
            node_macs(plan.graph, layer.node),
            layer.rule.steps,
            layer.lowered.work.parts,
            cycles,
        )
        for layer, cycles in zip(running, counted, strict=True)
    ]
    return Measured(model, plan.mode, optimize, wait_states, plan.schedule_work.parts, whole, layers)


# ---- Fitting ----


def write(found: Sequence[Measured], path: Path) -> int:
    """Fit all columns and write the table; the number of parts."""
    columns = [_fitted([m for m in found if Target(m.optimize, m.wait_states) == Target(o)]) for o in LEVELS]
    waits = _waits([m for m in found if m.optimize == "cycles"])
    errors = [_errors(found, o, column) for o, column in zip(LEVELS, columns, strict=True)]
    kept = {section for section, _ in columns[0]}
    every = sorted({key for column in (*columns, waits) for key in column if key[0] in kept})
    compiler = gcc.compiler_version(gcc.find_tool("arm-none-eabi-gcc", "gcc-arm-none-eabi"))
    lines = [HEADER, f'compiler = "{compiler}"\n']
    for section in sorted({section for section, _ in every}):
        lines.append(f"[{section}]")
        if section in errors[0]:
            off = [(column or errors[0]).get(section, 0.0) for column in errors]
            lines.append(f"{ERROR} = [{', '.join(f'{e:.2g}' for e in off)}, 0]")
        for key in (k for k in every if k[0] == section):
            costs = [(column or columns[0]).get(key, 0.0) for column in columns] + [waits.get(key, 0.0)]
            lines.append(f"{key[1]} = [{', '.join(f'{c:.4g}' for c in costs)}]")
        lines.append("")
    path.write_text("\n".join(lines))
    return len(every)


def _fitted(found: Sequence[Measured]) -> dict[Key, float]:
    """The cost of each part; empty without measurements. Kernels of which too few different layers were measured to
    tell their parts apart are left out: their own estimate is better."""
    layers = [layer for m in found for layer in m.layers]
    different: dict[str, set[object]] = {}
    parts: dict[str, set[str]] = {}
    for layer in layers:
        different.setdefault(layer.kernel, set()).add((layer.steps, *map(tuple, layer.work)))
        parts.setdefault(layer.kernel, {STEPS}).update(part for part, _ in layer.work if "." not in part)
    layers = [x for x in layers if len(different[x.kernel]) >= len(parts[x.kernel])]
    costs = least_squares([(layer.parts, layer.cycles, layer.cycles) for layer in layers])
    return {**costs, **least_squares([(m.around_parts, m.around_cycles, m.around_cycles) for m in found])}


def _errors(found: Sequence[Measured], optimize: Optimize, costs: Mapping[Key, float]) -> dict[str, float]:
    """By kernel: how far nine in ten of its predictions are off at most, as a fraction; layers that take next to
    nothing do not count."""
    off: dict[str, list[float]] = {}
    for m in (m for m in found if Target(m.optimize, m.wait_states) == Target(optimize)):
        for layer in (layer for layer in m.layers if layer.cycles > _LEAST_CYCLES):
            guess = sum(costs.get(key, 0.0) * n for key, n in layer.parts.items())
            off.setdefault(layer.kernel, []).append(abs(guess / layer.cycles - 1))
    return {kernel: float(np.quantile(errors, 0.9)) for kernel, errors in off.items()}


def _waits(found: Sequence[Measured]) -> dict[Key, float]:
    """What each part waits per wait state: what the same layers take longer at some wait states than at none."""
    without = {(m.model, m.mode): m for m in found if not m.wait_states}
    layers: list[tuple[Parts, float, float]] = []
    around_layers: list[tuple[Parts, float, float]] = []
    for m in (m for m in found if m.wait_states and (m.model, m.mode) in without):
        fast = without[m.model, m.mode]
        for layer, same in zip(m.layers, fast.layers, strict=True):
            waited = (layer.cycles - same.cycles) / m.wait_states
            layers.append((layer.parts, waited, layer.cycles / m.wait_states))
        waited = (m.around_cycles - fast.around_cycles) / m.wait_states
        around_layers.append((m.around_parts, waited, m.around_cycles / m.wait_states))
    return {**least_squares(layers), **least_squares(around_layers)}


def least_squares(rows: Iterable[tuple[Parts, float, float]]) -> dict[Key, float]:
    """Costs of no less than zero from (parts, cycles, what an error is a fraction of)."""
    from scipy.optimize import nnls

    rows = list(rows)
    keys = sorted({key for parts, _, _ in rows for key in parts})
    if not keys:
        return {}
    place = {key: i for i, key in enumerate(keys)}
    matrix = np.zeros((len(rows), len(keys)))
    weights = np.array([1.0 / max(scale, _LEAST_CYCLES) for _, _, scale in rows])
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
        head = (
            f"{m.model}, {m.mode}: {m.cycles:,} cycles, predicted {self.whole:,} ({100 * self.error:+.1f} %)"
        )
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
    target = Target(m.optimize, m.wait_states)
    layers = [predicted(x.kernel, x.steps, Work(tuple((p, n) for p, n in x.work)), target) for x in m.layers]
    outside = around(Work(tuple((p, n) for p, n in m.around)), target)
    return Judged(m, layers, sum(x or 0 for x in layers) + outside)
