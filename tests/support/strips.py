# SPDX-License-Identifier: Apache-2.0
"""Random networks, cut into random parts of random strips: LiteRT = interpreter = compiled C."""

from __future__ import annotations

import dataclasses
import zlib
from collections import Counter
from collections.abc import Sequence

import numpy as np

from ascmcu import passes
from ascmcu.errors import AscmcuError, VerifyError
from ascmcu.frontends import tflite
from ascmcu.ir import interp
from ascmcu.ir.graph import Graph
from ascmcu.ir.types import Array
from ascmcu.ir.verify import verify
from ascmcu.passes.drop_identities import drop_identities
from ascmcu.passes.strips import Part, Sweeps, cuts, in_parts, region
from ascmcu.passes.swap_axes import swap_axes
from ascmcu.schedule import ROWS
from tests.support import chain, landing, native_compilers, recipes_flat
from tests.support.host_model import HostModel
from tests.support.litert import Reference
from tests.support.recipes import Recipe

# Kinds that most often have a form for some columns: in other networks few parts can be divided.
KINDS = (
    "conv", "depthwise", "max_pool", "average_pool", "add", "sub", "mul", "relu", "concat", "slice", "pad", "logistic",
    "conv", "depthwise", "mean",
)  # fmt: skip
# Of each network so many choices of parts.
_CHOICES = 2


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
        parts.append(dataclasses.replace(part, kept=tuple(inside), staged=staged))
        source = target
    return [*parts, Part(source, graph.outputs[0])]


def _cuts_inside(graph: Graph, part: Part) -> list[str]:
    """Where the strips of a part may keep columns."""
    inside = {node.output for node in region(graph, part)} - {part.target}
    return [name for name in cuts(graph) if name in inside and len(graph.tensors[name].shape) == 4]


def feasible(graph: Graph, parts: Sequence[Part]) -> tuple[Graph, Sweeps | None, int]:
    """The network in these parts, those that cannot be in their strips without kept columns, or in one strip; and how
    many strips there are."""
    tried = list(parts)
    for index, part in enumerate(parts):
        for form in (part, Part(part.source, part.target, part.strips), Part(part.source, part.target)):
            tried[index] = form
            try:
                in_parts(graph, [*tried[: index + 1], Part(part.target, graph.outputs[0])][: len(tried)])
                break
            except VerifyError:
                continue
    made, sweeps = in_parts(graph, tried)
    return verify(drop_identities(verify(made, "strips")), "strips"), sweeps, sum(p.strips for p in tried)


def check(recipe: Recipe) -> Counter[str]:
    """Cut one network, along either axis, and compare.

    Raises:
        AssertionError: bits differ.
    """
    found: Counter[str] = Counter()
    data = recipes_flat.make(recipe)
    try:
        source = tflite.parse(data, "model")
        graph = passes.optimize(source)
        reference = Reference(data, "BUILTIN_REF")
    except (AscmcuError, RuntimeError, ValueError):
        return Counter({"refused": 1})
    if len(graph.data_inputs) != 1 or len(graph.outputs) != 1 or not graph.nodes:
        return Counter({"several ends": 1})
    rng = np.random.default_rng(zlib.crc32(f"{recipe.seed}{recipe.shape}".encode()))
    for number in range(_CHOICES):
        axes = swap_axes(graph) if number % 2 else graph
        made, sweeps, strips = feasible(axes, drawn_parts(axes, rng))
        with landing.everywhere():
            host = HostModel(made, ROWS, native=native_compilers.turn(recipe.seed), room_bytes=0)
        for x in chain.input_sets(source, 3, rng):
            (expected,) = reference(x)
            (shaped,) = chain.shaped(axes, x)
            given = pushed(shaped, sweeps)
            for link, outputs in (("interpreter", interp.run(made, [given])), (str(host), host(given))):
                problem = chain.difference([expected], [outputs[0].reshape(expected.shape)])
                assert problem is None, f"{link}, {recipe}: {problem}"
        found["in strips" if strips > len(cuts(axes)) or strips > 1 else "in one"] += 1
        found["strips"] += strips
        found["kept"] += sum(name.endswith(".halo") for name in made.tensors)
        found["landed"] += len(host.plan.landings)
    found["networks"] += 1
    return found
