# SPDX-License-Identifier: Apache-2.0
"""Random networks in random parts of random strips, and in whatever the compiler chooses for a random limit of RAM:
LiteRT = interpreter = compiled C on host, cycle model and QEMU."""

from __future__ import annotations

import dataclasses
import tempfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ascmcu import api, passes
from ascmcu.api import fronts
from ascmcu.api.choices import candidates
from ascmcu.api.sources import input_specs
from ascmcu.benchmark import pushes
from ascmcu.errors import AscmcuError, VerifyError
from ascmcu.frontends import tflite
from ascmcu.ir import interp
from ascmcu.ir.graph import Graph
from ascmcu.ir.types import Array
from ascmcu.ir.verify import verify
from ascmcu.passes.drop_identities import drop_identities
from ascmcu.passes.strips import Part, Sweeps, cuts, fits_in_place, in_parts, region
from ascmcu.passes.swap_axes import swap_axes
from ascmcu.schedule import ROWS, Plan, make_plan, peak_bytes
from tests.support import chain, landing, native_compilers, on_target, recipes_flat
from tests.support.host_model import HostModel
from tests.support.litert import Reference
from tests.support.on_target import Network
from tests.support.recipes import Recipe

# Kinds that most often have a form for some columns: in other networks few parts can be divided.
KINDS = (
    "conv", "depthwise", "max_pool", "average_pool", "add", "sub", "mul", "relu", "concat", "slice", "pad", "logistic",
    "conv", "depthwise", "mean",
)  # fmt: skip
# Of each network so many choices of parts, and so many limits.
_CHOICES = 2
_LIMITS = 1
_SETS = 3


@dataclass(frozen=True)
class Case:
    """One plan of a network, what is pushed into it, and what comes out.

    Attributes:
        strips: of all parts; 0 where the compiler chose.
        in_place: parts whose strips lie in the bytes of the map that they are made of.
        inputs: in the shape of the plan's graph.
        expected: LiteRT's, per input.
    """

    recipe: Recipe
    plan: Plan
    strips: int
    in_place: int
    inputs: tuple[Array, ...]
    expected: tuple[Array, ...]

    @property
    def counted(self) -> Counter[str]:
        """What the record tells of it."""
        kept = sum(name.endswith(".halo") for name in self.plan.graph.tensors)
        found = Counter({"kept": kept, "landed": len(self.plan.landings), "strips": self.strips})
        found["in place"] = self.in_place
        found["in strips" if self.strips > 1 else "in one" if self.strips else "within a limit"] += 1
        return found


def pushed(x: Array, sweeps: Sweeps | None) -> Array:
    """The input as a caller pushes it."""
    if sweeps is None:
        return x
    return np.concatenate([x[:, :, b : b + sweeps.columns] for b in sweeps.begins], axis=1)


def drawn_parts(graph: Graph, rng: np.random.Generator) -> list[Part]:
    """Parts between some of the cuts, each in a random number of strips of those that it has columns for."""
    ends = [name for name in cuts(graph)[1:] if name not in graph.outputs]
    chosen = [name for name in ends if rng.random() < 0.35]
    parts, source = [], graph.inputs[0]
    for target in chosen:
        shape = graph.tensors[target].shape
        most = shape[2] if len(shape) == 4 else 1
        part = Part(source, target, int(rng.integers(1, min(most, 9) + 1)))
        inside = [name for name in _cuts_inside(graph, part) if rng.random() < 0.7]
        staged = tuple(name for name in inside if rng.random() < 0.4)
        part = dataclasses.replace(part, kept=tuple(inside), staged=staged)
        if part.strips > 1 and fits_in_place(graph, part) and rng.random() < 0.6:
            part = dataclasses.replace(part, kept=(part.source, *part.kept), in_place=True)
        parts.append(part)
        source = target
    return [*parts, Part(source, graph.outputs[0])]


def _cuts_inside(graph: Graph, part: Part) -> list[str]:
    """Where the strips of a part may keep columns."""
    inside = {node.output for node in region(graph, part)} - {part.target}
    return [name for name in cuts(graph) if name in inside and len(graph.tensors[name].shape) == 4]


def feasible(graph: Graph, parts: Sequence[Part]) -> tuple[Graph, Sweeps | None, tuple[Part, ...]]:
    """The network in these parts, those that cannot be in their strips without kept columns, or in one strip; and the
    parts as they are."""
    tried = list(parts)
    for index, part in enumerate(parts):
        for form in (part, Part(part.source, part.target, part.strips), Part(part.source, part.target)):
            tried[index] = form
            try:
                rest = Part(part.target, graph.outputs[0])
                made, _ = in_parts(graph, [*tried[: index + 1], rest][: len(tried)])
                if form.in_place:
                    peak_bytes(drop_identities(made), ROWS)  # every row is read before another lies there
                break
            except VerifyError:
                continue
    made, sweeps = in_parts(graph, tried)
    return verify(drop_identities(verify(made, "strips")), "strips"), sweeps, tuple(tried)


def drawn(recipe: Recipe) -> tuple[Counter[str], list[Case]]:
    """The cases of one network; none where LiteRT, or we, refuse it, or where it has several ends."""
    data = recipes_flat.make(recipe)
    try:
        source = tflite.parse(data, "model")
        graph = passes.optimize(source)
        reference = Reference(data, "BUILTIN_REF")
    except (AscmcuError, RuntimeError, ValueError):
        return Counter({"refused": 1}), []
    if len(graph.data_inputs) != 1 or len(graph.outputs) != 1 or not graph.nodes:
        return Counter({"several ends": 1}), []
    rng = np.random.default_rng(zlib.crc32(f"{recipe.seed}{recipe.shape}".encode()))
    sets = list(chain.input_sets(source, _SETS, rng))
    expected = tuple(reference(x)[0] for x in sets)
    cases = []
    for number in range(_CHOICES):
        axes = swap_axes(graph) if number % 2 else graph
        made, sweeps, parts = feasible(axes, drawn_parts(axes, rng))
        strips, in_place = sum(p.strips for p in parts), sum(p.in_place for p in parts)
        with landing.everywhere():
            plan = make_plan(made, ROWS, room_bytes=0)
        given = tuple(pushed(chain.shaped(axes, x)[0], sweeps) for x in sets)
        cases.append(Case(recipe, plan, max(strips, 1), in_place, given, expected))
    cases += [
        Case(recipe, plan, 0, 0, given, expected) for plan, given in _within(data, [x[0] for x in sets], rng)
    ]
    return Counter({"networks": 1}), cases


def _within(
    data: bytes, inputs: Sequence[Array], rng: np.random.Generator
) -> Iterator[tuple[Plan, tuple[Array, ...]]]:
    """What ``--max-ram`` takes for random limits, and the inputs as a device gets them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.tflite"
        path.write_bytes(data)
        compiled = api.compile_model(path, features=False)
        (streamed,) = candidates(compiled, "rows")
        least = fronts.within(compiled, 0)[0].plan.arena_bytes
        for _ in range(_LIMITS):
            limit = int(rng.integers(least, max(least, streamed.plan.arena_bytes) + 1))
            chosen = fronts.within(compiled, limit)[0]
            assert chosen.plan.arena_bytes <= limit, f"{chosen.plan.arena_bytes} bytes, of {limit}"
            entry = chosen.plan.graph.tensors[chosen.plan.graph.inputs[0]]
            specs = input_specs(compiled, chosen.variant)
            rows = (pushes.pushed([x], specs) for x in inputs)
            yield chosen.plan, tuple(np.frombuffer(r, entry.dtype.numpy).reshape(entry.shape) for r in rows)


def check(case: Case) -> None:
    """The interpreter and the compiled C, input by input.

    Raises:
        AssertionError: bits differ.
    """
    graph, native = case.plan.graph, native_compilers.turn(case.recipe.seed)
    host = HostModel(graph, ROWS, native=native, plan=case.plan)
    for x, expected in zip(case.inputs, case.expected, strict=True):
        for link, outputs in (("interpreter", interp.run(graph, [x])), (str(host), host(x))):
            problem = chain.difference([expected], [outputs[0].reshape(expected.shape)])
            assert problem is None, f"{link}, {case.recipe}: {problem}"


def check_on_targets(cases: Sequence[Case], folder: Path) -> None:
    """All cases in one program, on the cycle model and on QEMU.

    Raises:
        AssertionError: bits differ.
    """
    networks = [Network(case.plan.graph, ROWS, case.inputs, plan=case.plan) for case in cases]
    elf = on_target.build(folder, networks)
    for name, run in (("sim", on_target.on_sim), ("qemu", on_target.on_qemu)):
        for case, found in zip(cases, run(elf, networks), strict=True):
            wanted = [np.ascontiguousarray(x).tobytes() for x in case.expected]
            assert found == wanted, f"{name}, {case.recipe}"
