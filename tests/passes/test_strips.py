# SPDX-License-Identifier: Apache-2.0
"""A network cut into parts and strips: the same bits, in the interpreter and in C, and less RAM."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from ascmcu import passes
from ascmcu.errors import VerifyError
from ascmcu.frontends import tflite
from ascmcu.ir import interp, text
from ascmcu.ir.graph import Graph
from ascmcu.ir.types import Array
from ascmcu.ir.verify import verify
from ascmcu.passes.drop_identities import drop_identities
from ascmcu.passes.strips import Part, Sweeps, cuts, in_parts, region, strips_of
from ascmcu.schedule import ROWS, make_plan, peak_bytes
from tests.support import landing, recipes_flat
from tests.support.host_model import HostModel
from tests.support.recipes import Recipe, Step

SHAPE = (1, 20, 24, 3)
CONV = {
    "kernel": [3, 3], "stride": [1, 1], "same": True, "act": "relu", "dilation": [1, 1], "dead": 0, "groups": 1,
}  # fmt: skip
DEPTH = {
    "kernel": [3, 3],
    "stride": [1, 1],
    "same": True,
    "act": "relu6",
    "dilation": [1, 1],
    "dead": 0,
    "multiplier": 1,
}
DENSE = {"units": 4, "flatten": False, "act": "none", "bias": True, "dead": 0}


@pytest.fixture(scope="module")
def graph() -> Graph:
    """A strided stem, an inverted residual, a pool, and a mean: what the goals' networks are made of."""
    steps = (
        Step("conv", (0,), {**CONV, "channels": 8, "stride": [2, 2]}),
        Step("conv", (1,), {**CONV, "channels": 24, "kernel": [1, 1]}),
        Step("depthwise", (2,), DEPTH),
        Step("conv", (3,), {**CONV, "channels": 8, "kernel": [1, 1], "act": "none"}),
        Step("add", (4, 1), {"act": "none"}),
        Step("conv", (5,), {**CONV, "channels": 12, "dilation": [2, 2]}),
        Step("max_pool", (6,), {"kernel": [2, 2], "stride": [2, 2], "same": False, "act": "none"}),
        Step("mean", (7,), {"axes": [1, 2], "keep": False}),
        Step("dense", (8,), DENSE),
    )
    return passes.optimize(tflite.parse(recipes_flat.make(Recipe(SHAPE, "int8", 5, steps)), "strips"))


def pushed(x: Array, sweeps: Sweeps | None) -> Array:
    """The input as a caller pushes it."""
    if sweeps is None:
        return x
    return np.concatenate([x[:, :, b : b + sweeps.columns] for b in sweeps.begins], axis=1)


def maps(graph: Graph) -> list[str]:
    return [name for name in cuts(graph) if len(graph.tensors[name].shape) == 4]


def parts(graph: Graph, *ends: tuple[int, int]) -> list[Part]:
    """From the input on: up to which cut, in how many strips; then the rest."""
    found, source = [], graph.inputs[0]
    for cut, strips in ends:
        found.append(Part(source, maps(graph)[cut], strips))
        source = maps(graph)[cut]
    return [*found, Part(source, graph.outputs[0])]


def test_cuts_are_the_tensors_that_all_behind_them_is_made_of(graph: Graph) -> None:
    """The skipped tensor is one; what lies beside it is none."""
    found = cuts(graph)
    kinds = [(graph.producer(name) or graph.nodes[0]).op.kind() for name in found[1:]]
    assert found[0] == graph.inputs[0]
    assert kinds == ["conv2d", "add", "conv2d", "max_pool2d", "mean"]


@pytest.mark.parametrize(
    "ends",
    [
        [(1, 1)], [(2, 1)], [(2, 1), (4, 1)],  # held tensors alone
        [(2, 2)], [(2, 3)], [(4, 3)], [(4, 6)],  # strips of the input
        [(1, 1), (2, 3)], [(1, 1), (3, 12)], [(2, 1), (4, 4)],  # of a held tensor
        [(1, 5), (2, 4), (4, 3)],  # of all
    ],
    ids=str,
)  # fmt: skip
def test_parts_give_the_same_bits(graph: Graph, ends: list[tuple[int, int]]) -> None:
    made, sweeps = in_parts(graph, parts(graph, *ends))
    made = verify(drop_identities(verify(made, "strips")), "strips")
    assert (sweeps is not None) == (ends[0][1] > 1)
    assert text.dump(text.parse(text.dump(made), text.constants(made))) == text.dump(made)
    host = HostModel(made, ROWS, sanitize=True)
    rng = np.random.default_rng(len(ends))
    for x in (np.full(SHAPE, -128, np.int8), *rng.integers(-128, 128, (3, *SHAPE)).astype(np.int8)):
        (expected,) = interp.run(graph, [x])
        (found,) = interp.run(made, [pushed(x, sweeps)])
        assert np.array_equal(found, expected)
        assert np.array_equal(host(pushed(x, sweeps))[0].reshape(expected.shape), expected)


@pytest.mark.parametrize("staged", [False, True], ids=["rows", "staged"])
@pytest.mark.parametrize(
    "ends", [[(2, 3)], [(4, 3)], [(4, 6)], [(3, 12)], [(1, 1), (3, 12)], [(1, 5), (4, 3)]], ids=str
)
def test_kept_columns_give_the_same_bits(graph: Graph, ends: list[tuple[int, int]], staged: bool) -> None:
    """Nothing is computed twice behind them, and rows land."""
    anew = parts(graph, *ends)
    kept = [_keeping(graph, part, staged=staged) for part in anew]
    assert any(part.kept for part in kept)
    made, sweeps = in_parts(graph, kept)
    made = verify(drop_identities(verify(made, "strips")), "strips")
    assert any(name.endswith(".halo") for name in made.tensors)
    assert made.macs < in_parts(graph, anew)[0].macs
    with landing.everywhere():
        host = HostModel(made, ROWS, sanitize=True, plan=make_plan(made, ROWS, room_bytes=0))
    rng = np.random.default_rng(len(ends))
    for x in rng.integers(-128, 128, (3, *SHAPE)).astype(np.int8):
        (expected,) = interp.run(graph, [x])
        assert np.array_equal(interp.run(made, [pushed(x, sweeps)])[0], expected)
        assert np.array_equal(host(pushed(x, sweeps))[0].reshape(expected.shape), expected)


@pytest.mark.parametrize(("before", "lands"), [(1, False), (3, True)])
@pytest.mark.parametrize("strips", [2, 3, 5, 12])
def test_strips_in_place_give_the_same_bits(graph: Graph, strips: int, before: int, lands: bool) -> None:
    """The residual's strips lie in the bytes of the map that it is made of: one map is held, not two."""
    first, residual = (maps(graph)[n] for n in (1, 2))
    sequence = [
        Part(graph.inputs[0], first, before),
        Part(first, residual, strips, kept=(first,), in_place=True),
        Part(residual, graph.outputs[0]),
    ]
    made, sweeps = in_parts(graph, sequence)
    made = verify(drop_identities(verify(made, "strips")), "strips")
    plan = make_plan(made, ROWS, room_bytes=0 if lands else None)
    held = {plan.storage[node.output] for node in made.nodes if node.op.kind() in ("hold", "paste")}
    assert len({h for h in held if not h.endswith(".halo.rows")}) == 1
    host = HostModel(made, ROWS, sanitize=True, plan=plan)
    rng = np.random.default_rng(strips)
    for x in rng.integers(-128, 128, (3, *SHAPE)).astype(np.int8):
        (expected,) = interp.run(graph, [x])
        assert np.array_equal(interp.run(made, [pushed(x, sweeps)])[0], expected)
        assert np.array_equal(host(pushed(x, sweeps))[0].reshape(expected.shape), expected)


def test_strips_in_place_ask_for_a_map_of_the_same_form(graph: Graph) -> None:
    first, residual, wider = (maps(graph)[n] for n in (1, 2, 3))
    for source, target, kept in ((residual, wider, (residual,)), (first, residual, ())):
        part = Part(source, target, 3, kept=kept, in_place=True)
        with pytest.raises(VerifyError, match="cannot lie in the map"):
            strips_of(graph, part, region(graph, part))


def _keeping(graph: Graph, part: Part, *, staged: bool) -> Part:
    """A part in strips that keeps columns wherever it may."""
    inside = {node.output for node in region(graph, part)} - {part.target}
    kept = tuple(name for name in maps(graph)[1:] if name in inside) if part.strips > 1 else ()
    return dataclasses.replace(part, kept=kept, staged=kept if staged else ())


def test_a_strip_that_keeps_columns_computes_the_others(graph: Graph) -> None:
    target, first, residual = (maps(graph)[n] for n in (3, 1, 2))
    part = Part(graph.inputs[0], target, 3, kept=(first, residual))
    strips = strips_of(graph, part, region(graph, part))
    assert [s.spans[residual] for s in strips] == [(0, 6), (2, 10), (6, 12)]
    assert [s.made[residual] for s in strips] == [(0, 6), (6, 10), (10, 12)]
    assert [s.keeps.get(residual) for s in strips] == [(2, 6), (6, 10), None]
    assert [s.made[first] for s in strips] == [(0, 7), (7, 11), (11, 12)]
    assert strips[0].kept_bytes == sum(10 * 8 * (e - b) for b, e in strips[0].keeps.values())


def test_a_strip_may_have_all_of_the_one_before(graph: Graph) -> None:
    """At the right side a window reads no further: the last strips compute nothing of what is before it."""
    target, first = (maps(graph)[n] for n in (3, 1))
    part = Part(graph.inputs[0], target, 12, kept=(first,))
    strips = strips_of(graph, part, region(graph, part))
    assert strips[-1].made[first] == (12, 12)
    assert graph.inputs[0] not in strips[-1].spans
    _, sweeps = in_parts(graph, [part, Part(target, graph.outputs[0])])
    assert sweeps is not None and len(sweeps.begins) < 12


def test_strips_take_less_ram(graph: Graph) -> None:
    """Copies and overlaps take some back: twice as many strips are not half the rings."""
    whole, two, six = (peak_bytes(in_parts(graph, parts(graph, (4, n)))[0], ROWS) for n in (1, 2, 6))
    assert six < two < min(whole, peak_bytes(graph, ROWS))


def test_a_strip_has_the_columns_that_its_windows_reach(graph: Graph) -> None:
    """A dilated window of three at twelve columns, behind a residual of three, behind a strided stem of three."""
    target = maps(graph)[3]
    part = Part(graph.inputs[0], target, 3)
    middle = strips_of(graph, part, region(graph, part))[1]
    assert middle.spans[target] == (4, 8)
    assert middle.spans[maps(graph)[2]] == (2, 10)
    assert middle.spans[maps(graph)[1]] == (1, 11)
    # Stride 2, SAME padding of none in front and one behind at an even width.
    assert middle.spans[graph.inputs[0]] == (2, 23)


def test_what_has_no_columns_runs_in_one_strip(graph: Graph) -> None:
    with pytest.raises(VerifyError, match="fewer columns than strips"):
        in_parts(graph, parts(graph, (2, 13)))
    mean = next(node for node in graph.nodes if node.op.kind() == "mean")
    with pytest.raises(VerifyError, match="fewer columns than strips"):
        in_parts(graph, [Part(graph.inputs[0], mean.output, 2), Part(mean.output, graph.outputs[0])])
