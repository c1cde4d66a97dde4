# SPDX-License-Identifier: Apache-2.0
"""What an op says of itself, held against what it computes: rows, channels, ranges, identities, products, classes.

The scheduler, the passes and the pages believe these answers. Each is tried on the nodes of all case rows, by changing
what by the answer cannot matter and what must.
"""

from __future__ import annotations

import functools
import itertools
import math
import zlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from ascmcu import passes
from ascmcu.frontends import tflite
from ascmcu.ir import interp, registry, text
from ascmcu.ir.graph import Graph, Node, with_tensor
from ascmcu.ir.op import RowMode, RowRule, whole_rule
from ascmcu.ir.ranges import Range, full_range
from ascmcu.ir.types import Array, DType, Tensor
from tests.support import cases

# The reference of a huge map takes a while; what it says does not depend on its size.
MOST_ELEMENTS = 20_000
# Graphs with what no import emits.
FUSED = Path(__file__).resolve().parents[1] / "passes" / "fuse_scale_shift"


@dataclass(frozen=True, eq=False)
class Drawn:
    """A node with its tensors and with one set of inputs."""

    graph: Graph
    node: Node
    arrays: tuple[Array | None, ...]

    @property
    def tensors(self) -> tuple[Tensor | None, ...]:
        return self.graph.input_tensors(self.node)

    @property
    def output(self) -> Tensor:
        return self.graph.output_tensor(self.node)

    def __call__(self, changed: dict[int, Array] | None = None) -> Array:
        """The output, with some inputs in the place of the drawn ones."""
        arrays = [(changed or {}).get(i, a) for i, a in enumerate(self.arrays)]
        return self.node.op.evaluate(arrays, self.tensors, self.output)

    @property
    def computed(self) -> list[int]:
        """Inputs that are computed at run time, by their place."""
        return [i for i, t in enumerate(self.tensors) if t is not None and not t.is_const]

    def rng(self) -> np.random.Generator:
        return np.random.default_rng(zlib.crc32(f"{self.graph.name} {self.node.name}".encode()))


def _random(tensor: Tensor, rng: np.random.Generator) -> Array:
    if tensor.dtype.numpy.kind == "f":
        return rng.normal(size=tensor.shape).astype(tensor.dtype.numpy)
    if tensor.dtype is DType.BOOL:
        return rng.random(tensor.shape) < 0.5
    low, high = tensor.dtype.integer_range
    return rng.integers(low, high + 1, tensor.shape).astype(tensor.dtype.numpy)


@functools.cache
def _nodes() -> dict[str, list[Drawn]]:
    """Nodes of all rows by kind, as imported and as the passes leave them."""
    found = defaultdict(list)
    imported = [tflite.parse(case.model(), case.id) for case in (*cases.load(), *cases.floats())]
    made = [text.parse(path.read_text()) for path in sorted(FUSED.glob("*.after.ir"))]
    for before in (*imported, *made):
        for graph in (before, passes.optimize(before)):
            rng = np.random.default_rng(zlib.crc32(graph.name.encode()))
            inputs = [_random(graph.tensors[name], rng) for name in graph.inputs]
            values = interp.run_all(graph, inputs)
            for node in graph.nodes:
                arrays = tuple(values[name] if name else None for name in node.inputs)
                if all(a is None or a.size <= MOST_ELEMENTS for a in arrays):
                    found[node.op.kind()].append(Drawn(graph, node, arrays))
    return dict(found)


# Ops that passes make for layouts and for memory, and what an import emits as something else or works out.
WITHOUT = {
    "barrier",
    "crop",
    "hold",
    "paste",
    "relayout",
    "slide",
    "gather",
    "shape",
    "reduce_prod",
    "transpose_conv",
    "float_lstm",
    "float_svdf",
    "float_svdf_time",
}
# What runs from row to row: all rows before are read through what it keeps. Their products are counted in their tests.
RECURRENT = {"lstm"}
WITH_OTHER_PRODUCTS = {"lstm", "svdf", "svdf_time"}
# Windows. Some layers have weights of nothing or clamps that hide what is read: one in ten may.
WINDOWS = {
    "conv2d",
    "depthwise_conv2d",
    "average_pool2d",
    "max_pool2d",
    "float_conv2d",
    "float_depthwise_conv2d",
    "float_pool",
    "wide_conv2d",
    "wide_depthwise_conv2d",
    "wide_pool",
}
KINDS = sorted({*registry.kinds()} - WITHOUT)
each_kind = pytest.mark.parametrize("kind", KINDS)


def test_all_other_kinds_have_nodes() -> None:
    assert sorted(_nodes()) == KINDS


def test_contracts_have_something_to_hold() -> None:
    """Kinds of whose answers each contract is tried."""
    kept, ranged, same, clamped = set(), set(), set(), set()
    for kind, nodes in _nodes().items():
        for drawn in nodes:
            x, op = drawn.tensors[0], drawn.node.op
            full = [None if t is None or t.is_const else full_range(t) for t in drawn.tensors]
            kept |= {kind} if x is not None and x.shape and op.keeps_channels(x) else set()
            if drawn.output.dtype.size_bytes == 1 and drawn.output.shape:
                ranged |= {kind} if op.channel_range(full, drawn.tensors, drawn.output) is not None else set()
            same |= {kind} if x is not None and op.is_identity(x, drawn.output) else set()
            clamped |= {kind} if op.clamped(0, 1) is not None else set()
    assert kept >= {"lookup", "max_pool2d", "average_pool2d", "mean", "sum", "reduce_max", "pad"}
    assert ranged >= {"conv2d", "depthwise_conv2d", "fully_connected", "lookup", "max_pool2d", "mean", "pad"}
    assert same >= {"reshape", "slice", "pad", "concatenation"}
    assert clamped >= {"conv2d", "fully_connected", "add", "mul", "average_pool2d"}


def _rows(array: Array, tensor: Tensor) -> Array:
    """One row after the other, each flat; no copy."""
    return array.reshape(tensor.rows, -1)


def _other(array: Array, rng: np.random.Generator) -> Array:
    """Values of the same type, all of them others."""
    if array.dtype.kind == "f":
        return array + rng.normal(1.0, 0.1, array.shape).astype(array.dtype)
    if array.dtype.kind == "b":
        return ~array
    width = 1 << (8 * array.dtype.itemsize)
    moved = array.astype(np.int64) + rng.integers(1, min(width, 256), array.shape)
    return moved.astype(array.dtype)  # wraps


def _steps(rule: RowRule) -> Iterator[range]:
    """Steps that together finish rows: the first, some in the middle, the last."""
    groups = range(rule.steps // rule.group)
    for number in sorted({0, 1, len(groups) // 2, len(groups) - 1} & set(groups)):
        yield range(number * rule.group, (number + 1) * rule.group)


@each_kind
def test_rows_come_from_the_rows_that_are_read(kind: str) -> None:
    """All others may be anything; the first and the last of those that are read matter."""
    tried = 0
    mattered: defaultdict[str, set[bool]] = defaultdict(set)
    for number, drawn in enumerate(_nodes()[kind]):
        # A window is as high as it is said to be in each layer, also where it is not cut off; of other kinds some
        # node shows it.
        apart = kind in WINDOWS
        rule = drawn.node.op.row_rule(drawn.tensors, drawn.output)
        assert len(rule.reads) == len(drawn.tensors)
        for index, (tensor, reads) in enumerate(zip(drawn.tensors, rule.reads, strict=True)):
            assert (reads is None) == (index not in drawn.computed), (
                "only what is computed has rows to wait for"
            )
            assert tensor is None or reads is not None or tensor.is_const
        if rule.mode is RowMode.WHOLE:
            assert rule == whole_rule(drawn.tensors)
            continue
        tried += 1
        assert rule.rows_done(rule.steps, drawn.output.rows) == drawn.output.rows
        before, rng = _rows(drawn(), drawn.output), drawn.rng()
        for steps in _steps(rule):
            made = list(rule.output_rows(steps[-1], drawn.output.rows))
            others = {i: _outside(drawn, rule, i, steps, rng) for i in drawn.computed}
            assert np.array_equal(_rows(drawn(others), drawn.output)[made], before[made])
            for i in drawn.computed:
                for end in ("first", "last"):
                    edge = _edge(drawn, rule, i, steps, end, rng)
                    if edge is not None:
                        changed = _rows(drawn({i: edge}), drawn.output)[made]
                        of = (
                            f"{number}, {len(_read(rule, i, steps, drawn.tensors[i]))} rows, "
                            if apart
                            else ""
                        )
                        mattered[f"{of}{i} {end}"].add(not np.array_equal(changed, before[made]))
    hidden = [of for of, seen in mattered.items() if True not in seen]
    assert len(hidden) <= (len(mattered) // 10 if kind in WINDOWS else 0), hidden
    assert tried == 0 or mattered


def _read(rule: RowRule, index: int, steps: range, tensor: Tensor) -> set[int]:
    reads = rule.reads[index]
    assert reads is not None
    return {row for step in steps for row in range(*reads.span(step, tensor.rows))}


def _outside(drawn: Drawn, rule: RowRule, index: int, steps: range, rng: np.random.Generator) -> Array:
    """Other values in all rows that the steps do not read."""
    tensor, array = drawn.tensors[index], drawn.arrays[index]
    assert tensor is not None and array is not None
    keep = sorted(_read(rule, index, steps, tensor))
    keep = list(range(keep[-1] + 1)) if drawn.node.op.kind() in RECURRENT and keep else keep
    changed = _rows(_other(array, rng), tensor).copy()
    changed[keep] = _rows(array, tensor)[keep]
    return changed.reshape(array.shape)


def _edge(
    drawn: Drawn, rule: RowRule, index: int, steps: range, end: str, rng: np.random.Generator
) -> Array | None:
    """Other values in the first or the last row that the steps read."""
    tensor, array = drawn.tensors[index], drawn.arrays[index]
    assert tensor is not None and array is not None
    read = sorted(_read(rule, index, steps, tensor))
    if not read:
        return None
    changed = _rows(array.copy(), tensor)
    row = read[0 if end == "first" else -1]
    changed[row] = _rows(_other(array, rng), tensor)[row]
    return changed.reshape(array.shape)


# Ops with a form for some columns of their output.
IN_COLUMNS = {
    "add", "average_pool2d", "concatenation", "conv2d", "conv2d_max_pool", "depthwise_conv2d", "lookup",
    "max_pool2d", "mul", "scale_shift", "slice", "sub",
}  # fmt: skip


# Of these, each column that is read is seen: no weight or clamp hides it.
READ_WITHOUT_GAPS = {"add", "concatenation", "lookup", "mul", "slice", "sub"}


@each_kind
def test_some_columns_are_what_the_whole_has_there(kind: str) -> None:
    tried = 0
    for drawn in _nodes()[kind]:
        y = drawn.output
        if len(y.shape) != 4 or y.shape[0] != 1:
            continue
        width = y.shape[2]
        for span in sorted(
            {(0, width), (0, -(-width // 2)), (width // 2, width), (width // 3, width // 3 + 1)}
        ):
            tried += _tried_in_columns(drawn, span)
    assert tried or kind not in IN_COLUMNS


def _tried_in_columns(drawn: Drawn, span: tuple[int, int]) -> bool:
    """Whether the op has a form for these columns, which then gives them."""
    form = drawn.node.op.in_columns(drawn.tensors, drawn.output, span)
    if form is None:
        return False
    arrays, tensors = [], []
    for index in form.kept:
        array, tensor, read = drawn.arrays[index], drawn.tensors[index], form.reads[index]
        if array is not None and tensor is not None and read is not None:
            array = array[:, :, read[0] : read[1]]
            data = None if tensor.data is None else array.copy()
            tensor = with_tensor(tensor, shape=array.shape, **({} if data is None else {"data": data}))
        arrays.append(array)
        tensors.append(tensor)
    expected = drawn()[:, :, span[0] : span[1]]
    output = with_tensor(drawn.output, shape=expected.shape)
    assert form.op.infer(tensors).shape == expected.shape
    assert np.array_equal(form.op.evaluate(arrays, tensors, output), expected)
    if drawn.node.op.kind() in READ_WITHOUT_GAPS:
        for index in form.kept:
            read, array = form.reads[index], drawn.arrays[index]
            if read is None or array is None or index not in drawn.computed:
                continue
            for column in (read[0], read[1] - 1):  # the outermost columns matter
                changed = array.copy()
                changed[:, :, column] = _other(array, drawn.rng())[:, :, column]
                there = drawn({index: changed})[:, :, span[0] : span[1]]
                assert not np.array_equal(there, expected), (drawn.graph.name, span, column)
    return True


@each_kind
def test_channels_that_are_kept_are_apart(kind: str) -> None:
    assert _nodes()[kind]
    for drawn in _nodes()[kind]:
        x, array = drawn.tensors[0], drawn.arrays[0]
        if x is None or array is None or not x.shape or not drawn.node.op.keeps_channels(x):
            continue
        before, rng = drawn(), drawn.rng()
        assert before.shape[-1] == x.shape[-1]
        for channel in {0, x.shape[-1] - 1}:
            changed = array.copy()
            changed[..., channel] = _other(array, rng)[..., channel]
            others = [c for c in range(x.shape[-1]) if c != channel]
            assert np.array_equal(drawn({0: changed})[..., others], before[..., others])


@each_kind
def test_ranges_hold_and_meet_where_a_channel_is_constant(kind: str) -> None:
    assert _nodes()[kind]
    for drawn in _nodes()[kind]:
        if drawn.output.dtype.size_bytes != 1 or not drawn.output.shape:
            continue
        rng = drawn.rng()
        for width in (None, 40, 0):
            ranges = [_drawn_range(drawn, i, width, rng) for i in range(len(drawn.tensors))]
            found = drawn.node.op.channel_range(ranges, drawn.tensors, drawn.output)
            if found is None:
                break
            assert found.low.shape == found.high.shape == (drawn.output.shape[-1],)
            results = [
                drawn(_within(drawn, ranges, rng, end)).astype(np.int64) for end in ("low", "high", "", "")
            ]
            for result in results:
                assert np.all((result >= found.low) & (result <= found.high)), drawn.graph.name
            if width == 0 and all(np.ptp(r.reshape(-1, r.shape[-1]), axis=0).max() == 0 for r in results):
                # No border shows, and so the bounds are the value.
                padded = any(getattr(drawn.node.op, "padding", ())) or kind == "pad"
                assert padded or np.array_equal(found.low, results[0].reshape(-1, results[0].shape[-1])[0])
                assert padded or np.array_equal(found.constant, np.full(len(found.low), True))


def _drawn_range(drawn: Drawn, index: int, width: int | None, rng: np.random.Generator) -> Range | None:
    tensor = drawn.tensors[index]
    if tensor is None or tensor.is_const or not tensor.shape or tensor.dtype.size_bytes != 1:
        return None
    every = full_range(tensor)
    if width is None:
        return every
    low = rng.integers(every.low, every.high + 1)
    return Range(low, np.minimum(low + width, every.high))


def _within(drawn: Drawn, ranges: list[Range | None], rng: np.random.Generator, end: str) -> dict[int, Array]:
    """Inputs in their ranges: all at one end, or anywhere."""
    made = {}
    for i, found in enumerate(ranges):
        tensor = drawn.tensors[i]
        if found is not None and tensor is not None:
            low, high = (found.low, found.low) if end == "low" else (found.low, found.high)
            low = found.high if end == "high" else low
            made[i] = rng.integers(low, high + 1, tensor.shape).astype(tensor.dtype.numpy)
    return made


# Ops that only move elements.
MOVES = {
    "concatenation", "crop", "depth_to_space", "mirror_pad", "pad", "reshape", "slice", "space_to_depth", "tile",
    "transpose",
}  # fmt: skip


@each_kind
def test_identities_change_nothing(kind: str) -> None:
    """Asked where shape, type and quantization are those of the input."""
    assert _nodes()[kind]
    for drawn in _nodes()[kind]:
        x, output = drawn.tensors[0], drawn.output
        if (
            x is None
            or x.is_const
            or (x.shape, x.dtype, x.quant) != (output.shape, output.dtype, output.quant)
        ):
            continue
        same = np.array_equal(drawn(), drawn.arrays[0])  # type: ignore[arg-type]
        assert same or not drawn.node.op.is_identity(x, output), drawn.graph.name
        if same and kind in MOVES and x.elements > 8:
            assert drawn.node.op.is_identity(x, output), (
                f"{drawn.graph.name} moves nothing and does not say so"
            )


@each_kind
def test_what_a_class_says_of_all_its_ops(kind: str) -> None:
    assert _nodes()[kind]
    for drawn in _nodes()[kind]:
        op, first, rng = drawn.node.op, drawn.arrays[0], drawn.rng()
        before = drawn()
        if op.MOVES_NOTHING:
            assert first is not None and np.array_equal(before.reshape(-1), first.reshape(-1))
        if op.PROBABILITIES:
            assert np.abs(_real(before, drawn.output).sum(-1) - 1).max() < 0.1
        if op.KEEPS_NUMBERS and first is not None and drawn.tensors[0] is not None:
            a, b = _real(first, drawn.tensors[0]).reshape(-1), _real(before, drawn.output).reshape(-1)
            low, high = (
                _real(np.array(drawn.output.dtype.integer_range), drawn.output)
                if (drawn.output.dtype.numpy.kind in "iu")
                else (-math.inf, math.inf)
            )
            step = drawn.output.scale if drawn.output.quant else 1e-6
            assert np.all(np.abs(np.clip(a, low, high) - b) <= step)
        if op.ELEMENTWISE:
            for i in drawn.computed:
                array, tensor = drawn.arrays[i], drawn.tensors[i]
                assert array is not None and tensor is not None
                if array.shape != before.shape:
                    continue
                flat = array.copy().reshape(-1)
                place = int(rng.integers(flat.size))
                flat[place] = _other(array, rng).reshape(-1)[place]
                after = drawn({i: flat.reshape(array.shape)})
                assert set(np.flatnonzero(after.reshape(-1) != before.reshape(-1))) <= {place}


def _real(values: Array, tensor: Tensor) -> Array:
    if tensor.quant is None:
        return values.astype(np.float64)
    return np.asarray(tensor.scale * (values.astype(np.float64) - tensor.zero_point))


@each_kind
def test_a_clamp_clips_the_same_integers(kind: str) -> None:
    assert _nodes()[kind]
    for drawn in _nodes()[kind]:
        clamped = drawn.node.op.clamped(-5, 60)
        own = dict(drawn.node.op.attributes()).get("clamp")
        assert (clamped is None) == (own is None)
        if clamped is not None:
            found = clamped.evaluate(drawn.arrays, drawn.tensors, drawn.output)
            assert np.array_equal(found, np.clip(drawn(), -5, 60).astype(found.dtype))


@each_kind
def test_a_transpose_may_come_behind(kind: str) -> None:
    """Where all operands have the same axes: in other orders, the op gives its old output transposed."""
    tried = 0
    for drawn in _nodes()[kind]:
        ranks = {len(t.shape) for t in drawn.tensors if t is not None and not t.is_const}
        constants = [i for i, t in enumerate(drawn.tensors) if t is not None and t.is_const]
        if len(ranks) != 1 or any(drawn.node.op.has_axes(i) for i in constants):
            continue
        for permutation in list(itertools.permutations(range(*ranks)))[1::5]:
            moved = drawn.node.op.permuted(permutation)
            if moved is None:
                continue
            tried += 1
            # The inputs are transposes by ``permutation`` of these.
            back = np.argsort(permutation)
            arrays, tensors = list(drawn.arrays), list(drawn.tensors)
            for i in drawn.computed:
                array, tensor = drawn.arrays[i], drawn.tensors[i]
                assert array is not None and tensor is not None
                arrays[i] = np.ascontiguousarray(array.transpose(back))
                tensors[i] = with_tensor(tensor, shape=arrays[i].shape)
            inferred = moved.op.infer(tensors)
            untransposed = moved.op.evaluate(arrays, tensors, with_tensor(drawn.output, shape=inferred.shape))
            assert np.array_equal(untransposed.transpose(moved.permutation), drawn())
    assert tried or kind not in {"lookup", "relu", "mean", "sum", "reduce_max", "concatenation"}


def _products(drawn: Drawn) -> int:
    """Multiplications by a weight, from the shapes alone: each output element is a sum over its window."""
    out = math.prod(drawn.output.shape)
    shapes = [t.shape for t in drawn.tensors if t is not None]
    match drawn.node.op.kind().removeprefix("float_").removeprefix("wide_"):
        case "conv2d_max_pool":
            return out * math.prod(drawn.node.op.pool) * math.prod(shapes[1][1:])
        case "conv2d":
            return out * math.prod(shapes[1][1:])
        case "depthwise_conv2d":
            return out * shapes[1][1] * shapes[1][2]
        case "fully_connected":
            return out * shapes[1][1]
        case "batch_matmul":
            return out * shapes[1][-1]
    return 0


@pytest.mark.parametrize("kind", sorted({*KINDS} - WITH_OTHER_PRODUCTS))
def test_products_are_counted(kind: str) -> None:
    assert _nodes()[kind]
    for drawn in _nodes()[kind]:
        assert drawn.node.op.macs(drawn.tensors, drawn.output) == _products(drawn)
        named = drawn.node.op.parameter_inputs(drawn.node.inputs)
        assert named == (() if kind in {"lookup", "wide_table"} else drawn.node.inputs)


@each_kind
def test_what_acts_on_single_elements_says_so(kind: str) -> None:
    """Each element of the output depends on the input's element at its place, and on nothing else."""
    ops = [drawn.node.op for drawn in _nodes()[kind]]
    said = any(op.ELEMENTWISE or op.MOVES_NOTHING for op in ops)
    assert said or any(_acts_on_others(drawn) for drawn in _nodes()[kind]), f"{kind} is ELEMENTWISE"


def _acts_on_others(drawn: Drawn) -> bool:
    """Whether another shape comes out, or some element changes one at another place."""
    before, rng = drawn(), drawn.rng()
    for i in drawn.computed:
        array = drawn.arrays[i]
        assert array is not None
        if array.shape != before.shape or array.size < 4:
            return True
        for place in rng.choice(array.size, 4, replace=False):
            flat = array.copy().reshape(-1)
            flat[place] = _other(array, rng).reshape(-1)[place]
            after = drawn({i: flat.reshape(array.shape)})
            if set(np.flatnonzero(after.reshape(-1) != before.reshape(-1))) - {place}:
                return True
    return False
