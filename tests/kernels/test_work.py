# SPDX-License-Identifier: Apache-2.0
"""How often a kernel's parts run, as the prediction counts them, held against the loops themselves, turn by turn."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from ascmcu import kernels, passes
from ascmcu.frontends import tflite
from ascmcu.ir.graph import Graph, Node
from ascmcu.ir.types import DType, Tensor
from ascmcu.kernels import DEFAULT_TUNING, _cycles, _loops, _packed_work, _pool, _select, conv2d_winograd
from ascmcu.kernels._packed_gemm import GemmParams
from ascmcu.kernels._registry import kernels_of
from ascmcu.kernels._saturating import Saturating
from ascmcu.kernels._work import NO_WORK, Work, blocks, general, inside, window_loops, work
from ascmcu.ops._pool import Pool
from ascmcu.ops._window import WindowParams
from tests.support import cases


def _counts(found: Work) -> dict[str, int]:
    return dict(found.parts)


def test_work_adds_up() -> None:
    a, b = work({"x": 3, "y": 0, "z": 2}), work({"z": 5, "w": 1})
    assert a.names == ("x", "z") and (a.of("x"), a.of("y"), a.of("z")) == (3, 0, 2)
    assert _counts(a + b) == {"x": 3, "z": 7, "w": 1} and _counts(a * 4) == {"x": 12, "z": 8}
    assert a * 0 == NO_WORK == work({}) and a + NO_WORK == a and (NO_WORK + b).names == ("z", "w")
    assert isinstance(work({"x": np.int64(2)}).parts[0][1], int)


@pytest.mark.parametrize("size", [1, 2, 5, 8])
def test_taps_inside_the_map(size: int) -> None:
    for outputs, kernel, stride, dilation, before in itertools.product(
        (1, 3, 6), (1, 2, 3), (1, 2), (1, 3), (0, 1, 2)
    ):
        expected = [
            sum(1 for tap in range(kernel) if o * stride - before + tap * dilation in range(size))
            for o in range(outputs)
        ]
        assert list(inside(outputs, kernel, stride, dilation, before, size)) == expected


def test_blocks_cover_all_once() -> None:
    for count, most in itertools.product(range(1, 12), range(1, 6)):
        found = list(blocks(count, most))
        assert [i for first, n in found for i in range(first, first + n)] == list(range(count))
        assert all(n == most for _, n in found[:-1]) and 1 <= found[-1][1] <= most


WINDOWS = [
    WindowParams(3, 3, 1, 1, 1, 1, 1, 1, 5, 4, 6, 4, 7), WindowParams(3, 2, 2, 3, 1, 2, 0, 1, 7, 8, 4, 3, 5),
    WindowParams(1, 1, 1, 1, 1, 1, 0, 0, 3, 4, 2, 4, 3), WindowParams(2, 4, 1, 2, 3, 1, 2, 0, 6, 9, 3, 3, 2),
]  # fmt: skip


@pytest.mark.parametrize("w", WINDOWS)
@pytest.mark.parametrize("channels", [1, 3])
def test_loops_of_a_plain_convolution(w: WindowParams, channels: int) -> None:
    out_rows = 4
    found: Counter[str] = Counter()
    for oy in range(out_rows):
        found["rows"] += w.kernel_h
        for ox in range(w.out_w):
            found["columns"] += 1
            for _ in range(w.out_c):
                found["outputs_high"] += 1
                for ky in range(w.kernel_h):
                    if oy * w.stride_h - w.pad_top + ky * w.dilation_h not in range(w.in_h):
                        continue
                    found["kernel_rows"] += 1
                    for kx in range(w.kernel_w):
                        if ox * w.stride_w - w.pad_left + kx * w.dilation_w not in range(w.in_w):
                            found["outside"] += 1
                            continue
                        found["taps"] += 1
                        found["products"] += channels
    made = window_loops(w, "high", out_rows, w.pad_left, channels)
    assert _counts(made) == {name: count for name, count in found.items() if count}


def _strided(levels: Sequence[_loops.Loop], operand: int) -> Iterator[int]:
    for turns in itertools.product(*(range(level.extent) for level in levels)):
        yield sum(turn * level.steps[operand] for turn, level in zip(turns, levels, strict=True))


@pytest.mark.parametrize(
    ("shape", "target"),
    [((2, 3, 4), (2, 3, 4)), ((1, 3, 4), (2, 3, 4)), ((2, 1, 4), (2, 3, 4)), ((2, 3, 1), (2, 3, 4)),
     ((1, 1, 4), (2, 3, 4)), ((1, 1, 1), (2, 3, 4)), ((1, 3, 1), (1, 3, 4)), ((1, 1), (1, 1)),
     ((5, 1, 1, 2), (5, 1, 1, 2))],
)  # fmt: skip
def test_loops_visit_what_broadcasting_does(shape: tuple[int, ...], target: tuple[int, ...]) -> None:
    strides = (_loops.contiguous_strides(target), _loops.broadcast_strides(shape, target))
    levels = _loops.loops(target, strides)
    places = np.arange(int(np.prod(shape))).reshape(shape)
    assert list(_strided(levels, 0)) == list(range(int(np.prod(target))))
    assert list(_strided(levels, 1)) == np.broadcast_to(places, target).reshape(-1).tolist()
    # No level could be one with its neighbour, and none turns once but the only one.
    assert all(level.extent > 1 for level in levels) or len(levels) == 1
    for outer, inner in itertools.pairwise(levels):
        assert any(a != b * inner.extent for a, b in zip(outer.steps, inner.steps, strict=True))


def test_rows_take_the_leading_axes_off() -> None:
    assert _loops.row_shape_of(Tensor("t", (1, 2, 3, 4), DType.INT8), (5, 6, 7, 8)) == (7, 8)
    assert _loops.row_shape_of(Tensor("t", (1, 2), DType.INT8), (5, 6)) == (5, 6)


def _gemm(**changed: object) -> GemmParams:
    fields: dict[str, object] = {
        "shift": 13, "signed": False, "low": -128, "high": 127, "tap_pairs": 11, "unroll": 4, "blocks": 2, "rest": 3,
        "inside": True, "pixel_bytes": 44, "out_step": 8, "channel_step": 1, "eights": 0, "groups": 3, "tail": 0,
        "two_words": False, "common": "",
    }  # fmt: skip
    return GemmParams(**(fields | changed))  # type: ignore[arg-type]


# Cycles of an output for each pair of bounds: saturation to int8 alone, a power of two above zero, zero, others; a
# bound below zero takes one more.
BOUNDS = {
    (-128, 127): 0,
    (0, 127): 0,
    (0, 63): 0,
    (0, 100): 3,
    (-5, 127): 3,
    (-128, 100): 2,
    (-5, 100): 5,
    (1, 127): 2,
}


@pytest.mark.parametrize("bounds", BOUNDS)
def test_bounds_cost_what_saturation_leaves_open(bounds: tuple[int, int]) -> None:
    assert _packed_work.open_bounds(Saturating(13, False, *bounds)) == BOUNDS[bounds]


PACKED = [
    _gemm(), _gemm(tail=2, groups=2), _gemm(tail=3, groups=0), _gemm(low=-5, high=100), _gemm(signed=True),
    _gemm(common="mc"), _gemm(common="c", two_words=True), _gemm(tap_pairs=3, unroll=3, blocks=1, rest=0),
    _gemm(inside=False), _gemm(tap_pairs=8, rest=0), _gemm(tap_pairs=8, rest=0, inside=False),
    _gemm(tap_pairs=70, unroll=8, blocks=8, rest=6), _gemm(eights=2, groups=1, tap_pairs=16, unroll=8, rest=0),
]  # fmt: skip


def _by_turns(d: GemmParams, pixels: int, *, two: bool) -> Counter[str]:
    """The calls for neighbouring pixels, one after the other."""
    found: Counter[str] = Counter()
    variant = (
        ("_signed" if d.signed else "") + ("_two_words" if d.two_words else "") + f"_{d.common or 'own'}"
    )
    bound = BOUNDS[d.low, d.high]

    def pair(turns: int, groups: int) -> None:
        found["packed.calls"] += 1
        for _ in range(turns):
            found["packed.turns"] += 1
            for _ in range(groups):
                # Inside the code the taps before the loop come first; of a routine all are alike.
                first = (d.rest if d.blocks > 1 else d.tap_pairs) if d.inside else 0
                found["packed.pair_first_taps"] += first
                found["packed.pair_taps"] += d.tap_pairs - first
                found["packed.pair_routines"] += not d.inside
                if d.blocks > 1:
                    found["packed.pair_loops"] += d.blocks
                    found["packed.pair_copies"] += d.rest == 0
                found[f"packed.pair_groups{variant}"] += 1
                found["packed.bounded"] += 2 * 4 * bound
                # A turn's code in bytes: what passes a kilobyte of cache is fetched line by line.
                lines = ((d.unroll + d.rest) * 56 + 300) // 16
                found["packed.pair_lines"] += lines if lines > 64 else 0

    def one(turns: int, groups: int, calls: int = 1) -> None:
        loop = d.one_loop
        found["packed.calls"] += calls
        for _ in range(turns):
            found["packed.turns"] += 1
            for _ in range(groups):
                runs = [loop.unroll] * (d.tap_pairs // loop.unroll) + [loop.rest]
                found["packed.one_two_taps"] += sum(n // 2 for n in runs)
                found["packed.one_taps"] += sum(n % 2 for n in runs)
                found["packed.one_loops"] += len(runs) - 1 if loop.turns else 0
                found[f"packed.one_groups{variant}"] += 1
                found["packed.bounded"] += 4 * bound

    for _ in range(pixels if d.eights else 0):
        found["packed.calls"] += 1
        found["packed.turns"] += 1
        for _ in range(d.eights):
            found["packed.eight_taps"] += d.tap_pairs
            found["packed.eight_loops"] += d.tap_pairs // 8
            found[f"packed.eight_groups{variant}"] += 1
            found["packed.bounded"] += 8 * bound
    if two and d.groups:
        if pixels > 1:
            pair(pixels // 2, d.groups)
        if pixels % 2:
            one(1, d.groups)
    elif d.groups:
        one(pixels, d.groups)
    if d.tail and not d.overlaps:
        one(pixels, 1, pixels)
        found["packed.tails"] += pixels
        found["packed.kept"] += pixels * d.tail
    elif d.tail and two:
        if pixels > 1:
            pair(pixels // 2, 1)
        if pixels % 2:
            one(1, 1)
    elif d.tail:
        one(pixels, 1)
    return found


@pytest.mark.parametrize("number", range(len(PACKED)))
def test_products_of_neighbouring_pixels(number: int) -> None:
    d = PACKED[number]
    for pixels, two in itertools.product((1, 2, 5, 6), (False, True)):
        expected = {name: count for name, count in _by_turns(d, pixels, two=two).items() if count}
        assert _counts(_packed_work.run(d, pixels, two=two)) == expected
    for width, block in ((7, 4), (8, 4), (5, 8), (3, 1)):
        total: Counter[str] = Counter()
        for _, count in blocks(width, block):
            total.update(_by_turns(d, count, two=block > 1))
        assert _counts(_packed_work.row(d, width, block)) == {
            name: count for name, count in total.items() if count
        }


def test_bytes_are_widened_by_sixteens_and_fours() -> None:
    for words, runs in itertools.product((1, 3, 5, 8, 9), (1, 2)):
        expected = {"calls": 1, "runs": runs, "fours": runs * (words // 4), "words": runs * (words % 4)}
        assert _counts(_packed_work.widened(words, runs)) == {
            f"packed.widen_{k}": v for k, v in expected.items() if v
        }
    for runs in (1, 3, 4, 9):
        by_four, single = runs // 4, runs % 4
        expected = {"calls": 1, "four_runs": by_four, "runs": single, "words": single}
        found = _counts(_packed_work.widened(1, runs, side_by_side=True))
        assert found == {f"packed.widen_{k}": v for k, v in expected.items() if v}
        assert _packed_work.widened(3, runs, side_by_side=True) == _packed_work.widened(3, runs)
    assert _counts(_packed_work.widened(4, 3)) == {"packed.widen_calls": 1, "packed.widen_short_runs": 3}
    assert _packed_work.widened(0, 3) == _packed_work.widened(3, 0) == NO_WORK
    assert _packed_work.widened_bytes(20) == _packed_work.widened(5)
    assert _counts(_packed_work.widened_bytes(7)) == {"packed.ragged_runs": 1, "packed.ragged": 7}


@functools.cache
def _nodes() -> list[tuple[Graph, Node]]:
    graphs = [passes.optimize(tflite.parse(case.model(), case.id)) for case in cases.load()]
    return [(graph, node) for graph in graphs for node in graph.nodes]


def test_loops_of_pools() -> None:
    tried = set()
    for graph, node in _nodes():
        if not isinstance(node.op, Pool):
            continue
        op, (x,), y = (
            node.op,
            [t for t in graph.input_tensors(node) if t is not None],
            graph.output_tensor(node),
        )
        for average in (False, True):
            k = _pool.params(op, [x], y)
            w, found, single = k.window, Counter[str](), Counter[str]()
            fours = k.fours and (average or op.clamp[1] == 127)
            step, at_once = ("fours", 4) if fours else ("ones", 1)
            for oy, ox in itertools.product(range(y.shape[1]), range(w.out_w)):
                rows = [r for r in range(w.kernel_h) if oy * w.stride_h - w.pad_top + r in range(w.in_h)]
                columns = [c for c in range(w.kernel_w) if ox * w.stride_w - w.pad_left + c in range(w.in_w)]
                single["outputs"] += w.in_c
                single["kernel_rows"] += len(rows) * w.in_c
                single["taps"] += len(rows) * len(columns) * w.in_c
                if k.accumulate:
                    found["columns"] += len(rows)
                    found[step] += len(rows) * (w.in_c // at_once)
                    found[f"{step}_taps"] += len(rows) * len(columns) * (w.in_c // at_once)
                    found["finished"] += w.in_c
                else:
                    found = single
            assert _counts(_pool.one_by_one(w, w.pad_left, y.shape[1])) == {
                n: c for n, c in single.items() if c
            }
            assert _counts(_pool.counted(k, op, y.shape[1], average=average)) == {
                n: c for n, c in found.items() if c
            }
            tried.add((k.accumulate, k.fours))
    assert tried == {(a, f) for a in (False, True) for f in (False, True)}


def test_of_any_kernel_products_outputs_and_inputs_are_known() -> None:
    assert _nodes()
    for graph, node in _nodes():
        inputs, output = graph.input_tensors(node), graph.output_tensor(node)
        computed = sum(int(np.prod(t.shape)) for t in inputs if t is not None and t.data is None)
        expected = {
            "macs": node.op.macs(inputs, output),
            "outputs": int(np.prod(output.shape)),
            "inputs": computed,
        }
        assert _counts(general(node.op, inputs, output)) == {
            name: count for name, count in expected.items() if count
        }


def test_the_kernel_that_is_taken_promises_the_fewest_cycles() -> None:
    compared = 0
    for graph, node in _nodes():
        inputs, output = graph.input_tensors(node), graph.output_tensor(node)
        taken, operands = kernels.select(graph, node), _select._Operands(tuple(inputs), output)
        for kernel in kernels_of(type(node.op)):
            fits = kernel.fits(inputs, output)
            other = kernel.lower(node.op, inputs, output, DEFAULT_TUNING) if fits else None
            if other is not None:
                estimate = kernel.cost.cycles(node.op, inputs, output)
                promised = _select._predicted(kernel, other, estimate, node.op, operands, DEFAULT_TUNING)
                assert promised.at_most_cycles >= promised.cycles >= 0 and promised.kernel == kernel.name
                assert taken.at_most_cycles <= promised.at_most_cycles
                assert kernel.name != taken.kernel or repr(promised) == repr(taken)
                compared += kernel.name != taken.kernel
    assert compared > 50


def test_a_part_stands_in_the_section_that_it_names() -> None:
    assert _cycles.part_of("conv2d_packed", "packed.calls") == ("packed", "calls")
    assert _cycles.part_of("conv2d_packed", "blocks") == ("conv2d_packed", "blocks")
    assert _cycles.unmeasured("no_kernel", work({"packed.calls": 1, "rows": 2})) == [_cycles.STEPS, "rows"]


WINOGRAD = [
    WindowParams(3, 3, 1, 1, 1, 1, 1, 1, 9, 20, 8, 20, 6), WindowParams(5, 4, 2, 1, 1, 1, 2, 1, 12, 11, 4, 10, 2),
    WindowParams(3, 7, 1, 1, 2, 1, 0, 0, 10, 24, 12, 18, 4), WindowParams(1, 3, 1, 1, 1, 1, 0, 1, 5, 8, 4, 8, 8),
]  # fmt: skip


@pytest.mark.parametrize("w", WINOGRAD)
@pytest.mark.parametrize(("signed", "common", "bounds"), [(False, "c", (-128, 127)), (True, "", (-5, 100))])
def test_turns_of_winograd(w: WindowParams, signed: bool, common: str, bounds: tuple[int, int]) -> None:
    """Eight outputs at a time by two channels, the last eight overlapping; columns beside the map are copied."""
    threes, single, out_rows = w.kernel_w // 3, w.kernel_w % 3, 5
    vectors = tuple(conv2d_winograd._vectors(w.kernel_h * n * w.in_c // 2) for n in (threes, threes + single))
    k = conv2d_winograd.Params(
        shift=13, signed=signed, low=bounds[0], high=bounds[1], window=w, x_zero_point=3, threes=threes, single=single,
        vectors=vectors, header=0, words=0, own_words=1, common=common,  # type: ignore[arg-type]
    )  # fmt: skip
    found: Counter[str] = Counter()
    variant = ("_signed" if signed else "") + f"_{common or 'own'}"
    starts = [min(8 * i, w.out_w - 8) for i in range((w.out_w + 7) // 8)]
    assert {ox for start in starts for ox in range(start, start + 8)} == set(range(w.out_w))
    for oy, start in itertools.product(range(out_rows), starts):
        found["groups"] += 1
        columns = range(start - w.pad_left, start - w.pad_left + w.kernel_w + 7)
        for ky in range(w.kernel_h):
            found["rows"] += 1
            found["column_calls"] += threes
            found["quads"] += threes * (w.in_c // 4)
            for _ in range(2 * single):
                found.update(_counts(_packed_work.widened(w.in_c // 4, 4)))
            row = oy * w.stride_h - w.pad_top + ky * w.dilation_h
            if row not in range(w.in_h) or columns[0] < 0 or columns[-1] >= w.in_w:
                found["edges"] += 1
                found["edge_words"] += len(columns) * w.in_c // 4
        for _ in range(w.out_c // 2):
            found[f"turns{variant}"] += 1
            found["packed.bounded"] += 2 * 8 * BOUNDS[bounds]
            for v in vectors:  # two passes of each
                found["taps"] += 2 * v.words
                found["loops"] += 2 * v.turns if v.turns > 1 else 0
    assert _counts(conv2d_winograd._work(k, out_rows)) == {n: c for n, c in found.items() if c}


def test_winograd_is_worth_some_bytes() -> None:
    """A product for every hundredth byte more, at most 32 KB, where cycles count; or where it is asked for."""
    for optimize, each in (("cycles", 100), ("balanced", 500), ("flash", None)):
        target = dataclasses.replace(DEFAULT_TUNING.target, optimize=optimize)
        tuning = dataclasses.replace(DEFAULT_TUNING, target=target)
        for growth in (1, 10, 32768, 32769):
            for less in (0, 1):
                worth = conv2d_winograd._worth(growth, (each or 100) * growth - less, tuning)
                assert worth == (each is not None and growth <= 32768 and not less)
        asked = dataclasses.replace(tuning, kernel="conv2d_winograd")
        assert conv2d_winograd._worth(1 << 20, 0, asked)
