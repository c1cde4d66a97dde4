# SPDX-License-Identifier: Apache-2.0
"""What every kernel takes, and what it makes of it: its constants, its work, its memory and its assembly.

Of every kernel some layers of the case rows, and each of them with one change: another stride, dilation or padding,
more channels and columns, weights at their limit, other limits of code and scratch. ``snapshots`` say what comes of
it. That the bits are right is what the case rows on the emulated core show; here every other line of a kernel is held.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ascmcu import passes
from ascmcu.errors import ModelError, VerifyError
from ascmcu.frontends import tflite
from ascmcu.ir import text
from ascmcu.ir.graph import with_tensor
from ascmcu.ir.layout import Layout
from ascmcu.ir.op import Op
from ascmcu.ir.types import DType, Quantization, Tensor
from ascmcu.kernels import DEFAULT_TUNING, Lowered, Tuning
from ascmcu.kernels._registry import Kernel, kernel_names, kernels_of
from ascmcu.ops.barrier import Barrier
from ascmcu.ops.crop import Crop
from ascmcu.ops.hold import Hold
from ascmcu.ops.paste import Paste
from ascmcu.ops.relayout import Relayout
from ascmcu.ops.slide import Slide
from tests.support import cases, lowering, recurrent
from tests.support.facts import digest, facts
from tests.support.recurrent import Lstm, Svdf
from tests.support.snapshots import Snapshot

# Layers of a kernel.
LAYERS = 2


# Ops that no row has: recurrent layers of float32, what a pass fuses, and what passes and plans make for layouts and
# for memory, each with the shapes of its inputs.
RECURRENT = (
    Lstm(4, 3, 5, real=True, peephole=True), Lstm(5, 6, 4, real=True, norm=True, projected=3, projection_bias=True),
    Svdf(4, 3, 5, real=True), Svdf(5, 4, 3, rank=2, bias=False, real=True),
)  # fmt: skip
FUSED = Path(__file__).resolve().parents[1] / "passes" / "fuse_scale_shift"
QUANT = Quantization((0.05,), (3,))
MADE: list[tuple[Any, ...]] = [
    (Relayout(), (1, 10, 1, 11)), (Relayout(), (1, 12, 1, 8)), (Crop(2, 3), (1, 4, 7, 5)), (Hold(), (1, 3, 2, 5)),
    (Paste(2, 7), (1, 4, 3, 5), (1, 4, 7, 5)), (Paste(0, 4), (1, 4, 3, 5)), (Barrier(), (1, 4, 3, 5), (1, 2)),
    (Slide(2, 1, 6), (1, 8, 2, 4), (1, 1, 2, 4), (1, 2, 2, 4)), (Slide(3, 0, 4), (1, 7, 3, 5), None, (1, 3, 3, 5)),
]  # fmt: skip
# A kernel of rows that lie in pairs.
IN_PAIRS = "conv2d_two_rows"


@dataclasses.dataclass(frozen=True, eq=False)
class Layer:
    """An op with its operands."""

    op: Op
    inputs: tuple[Tensor | None, ...]
    output: Tensor

    def over(self, inputs: tuple[Tensor | None, ...], op: Op | None = None) -> Layer | None:
        """The same on other inputs; ``None`` where they have no output."""
        op = op or self.op
        try:
            found = op.infer(inputs)
        except (ModelError, VerifyError, ValueError, IndexError):
            return None
        return Layer(op, inputs, with_tensor(self.output, shape=tuple(int(n) for n in found.shape)))


@functools.cache
def _layers() -> dict[type[Op], list[tuple[str, Layer]]]:
    """Layers of the case rows as the passes leave them, and of what no row has, by the op."""
    found: dict[type[Op], list[tuple[str, Layer]]] = {}
    rows = {case.id: tflite.parse(case.model(), case.id) for case in (*cases.load(), *cases.floats())}
    recurrent_ones = {str(spec): tflite.parse(_recurrent(spec), "net") for spec in RECURRENT}
    fused = {path.stem: text.parse(path.read_text()) for path in sorted(FUSED.glob("*.after.ir"))}
    for name, graph in {**rows, **recurrent_ones, **fused}.items():
        optimized = passes.optimize(graph)
        for node in optimized.nodes:
            layer = Layer(node.op, tuple(optimized.input_tensors(node)), optimized.output_tensor(node))
            found.setdefault(type(node.op), []).append((name, layer))
    for op, *shapes in MADE:
        inputs = tuple(shape and Tensor("x", shape, DType.INT8, QUANT) for shape in shapes)
        output = Tensor("y", tuple(op.infer(inputs).shape), DType.INT8, QUANT)
        found.setdefault(type(op), []).append((str(op), Layer(op, inputs, output)))
    return found


def _recurrent(spec: Lstm | Svdf) -> bytes:
    parts = recurrent.Parts()
    x = parts.add("x", spec.x_shape, "float32")
    append = recurrent.lstm if isinstance(spec, Lstm) else recurrent.svdf
    return recurrent.built(parts, x, append(parts, spec, x, np.random.default_rng(5)))  # type: ignore[operator]


def _kernels() -> dict[str, list[Kernel]]:
    """By name, the kernel of each op."""
    ops = {op for known in Op.__subclasses__() for op in _all(known)}
    found: dict[str, list[Kernel]] = {name: [] for name in sorted(kernel_names())}
    for op in sorted(ops, key=lambda op: op.__name__):
        for kernel in kernels_of(op):
            found[kernel.name].append(kernel)
    return found


def _all(op: type[Op]) -> Iterator[type[Op]]:
    yield op
    for below in op.__subclasses__():
        yield from _all(below)


KERNELS = _kernels()
TUNINGS = {
    "little scratch": dataclasses.replace(DEFAULT_TUNING, scratch_bytes=200),
    "unroll 3": dataclasses.replace(DEFAULT_TUNING, unroll=3),
    "inside 16, shift 11": dataclasses.replace(DEFAULT_TUNING, inside=16, shift=11),
    "pitch 96, dense": dataclasses.replace(DEFAULT_TUNING, pitch=96, dense=True),
}
FIELDS: dict[str, dict[str, object]] = {
    "stride 2": {"stride": (2, 2)},
    "stride 1, 3": {"stride": (1, 3)},
    "dilation 2, 1": {"dilation": (2, 1)},
    "dilation 1, 2": {"dilation": (1, 2)},
    "no padding": {"padding": (0, 0, 0, 0)},
    "padding 1": {"padding": (1, 1, 1, 1)},
    "padding 2 below, 1 at the right": {"padding": (0, 2, 0, 1)},
    "stride 1, 2, padding 1 above, 1 at the left": {"stride": (1, 2), "padding": (1, 0, 1, 0)},
    "clamp -5 … 100": {"clamp": (-5, 100)},
}


def _changed(layer: Layer) -> Iterator[tuple[str, Layer | None, Tuning]]:
    """The layer with one change each."""
    yield "as it is", layer, DEFAULT_TUNING
    for what, tuning in TUNINGS.items():
        yield what, layer, tuning
    known = {f.name for f in dataclasses.fields(layer.op)}
    for what, fields in FIELDS.items():
        if known >= set(fields):
            op = dataclasses.replace(layer.op, **fields)  # type: ignore[arg-type]
            yield what, layer.over(layer.inputs, op), DEFAULT_TUNING
    x = layer.inputs[0]
    if x is None or x.is_const:
        return
    for axis in range(1, len(x.shape)):
        shape = (*x.shape[:axis], 2 * x.shape[axis] + 1, *x.shape[axis + 1 :])
        yield f"axis {axis} twice and one", _wider(layer, shape), DEFAULT_TUNING
    for value in (-128, 0, 127):
        yield f"weights of {value}", _weights(layer, value), DEFAULT_TUNING
    weights = layer.inputs[1] if len(layer.inputs) > 1 else None
    if weights is not None and weights.is_const and weights.quant is not None:
        other = dataclasses.replace(weights.quant, zero_points=(5,) * len(weights.quant.zero_points))
        inputs = (x, with_tensor(weights, quant=other), *layer.inputs[2:])
        yield "weights with a zero point", layer.over(inputs), DEFAULT_TUNING
    if x.quant is not None:
        other = dataclasses.replace(x.quant, zero_points=(0,) * len(x.quant.zero_points))
        yield "no zero point", layer.over((with_tensor(x, quant=other), *layer.inputs[1:])), DEFAULT_TUNING
    if x.dtype is DType.INT8:
        yield "uint8", layer.over((with_tensor(x, dtype=DType.UINT8), *layer.inputs[1:])), DEFAULT_TUNING


def _wider(layer: Layer, shape: tuple[int, ...]) -> Layer | None:
    """All inputs of the first one's shape have another."""
    x = layer.inputs[0]
    assert x is not None
    wider = (
        with_tensor(t, shape=shape) if t is not None and not t.is_const and t.shape == x.shape else t
        for t in layer.inputs
    )
    return layer.over(tuple(wider))


def _weights(layer: Layer, value: int) -> Layer | None:
    """All weights of int8 have one value."""
    inputs = tuple(
        with_tensor(t, data=np.full(t.shape, value, np.int8))
        if t is not None and t.data is not None and t.dtype is DType.INT8
        else t
        for t in layer.inputs
    )
    return layer.over(inputs) if any(a is not b for a, b in zip(inputs, layer.inputs, strict=True)) else None


def _made(lowered: Lowered | None) -> dict[str, list[str]]:
    """All of it but predictions, which change with every measurement."""
    if lowered is None:
        return {"not taken": [""]}
    memory = ("state", "holds_state", "scratch", "shift", "widens_in_place", "rule")
    return {
        "params": facts(lowered.params),
        "constants": [f"{n} {a.dtype}{list(a.shape)} ({digest(a.tobytes())})" for n, a in lowered.constants],
        "memory": [f"{name}={getattr(lowered, name)}" for name in memory],
        "work": [f"{part} {count}" for part, count in lowered.work.parts],
    }


def _layouts(kernel: Kernel, layer: Layer) -> Iterator[tuple[Layout, Layout]]:
    x = next(t for t in layer.inputs if t is not None and not t.is_const)
    for read, written in lowering.layouts(kernel, layer.op, x, layer.output, layer.inputs):
        pairs = {"row_pairs": True} if kernel.name == IN_PAIRS else {}
        yield dataclasses.replace(read, **pairs), dataclasses.replace(written, **pairs)


def _mixed(layers: list[tuple[str, Layer]]) -> list[tuple[str, Layer]]:
    """In turn those whose window covers several rows and columns, and others."""
    high = [one for one in layers if _slides(one[1])]
    flat = [one for one in layers if not _slides(one[1])]
    return [one for pair in itertools.zip_longest(high, flat) for one in pair if one is not None]


def _slides(layer: Layer) -> bool:
    window = getattr(layer.op, "kernel", None)
    weights = layer.inputs[1] if len(layer.inputs) > 1 else None
    if window is None and weights is not None and len(weights.shape) == 4:
        window = weights.shape[1:3]
    return window is not None and min(window) > 1


def _told(kernel: Kernel) -> Iterator[str]:
    """What the kernel makes of some layers; of a changed one what is not as in the layer as it is."""
    taken = 0
    for name, layer in _mixed(_layers().get(kernel.op, [])):
        if taken >= LAYERS:
            return
        x = next((t for t in layer.inputs if t is not None and not t.is_const), None)
        if x is None:
            continue
        for pair in _layouts(kernel, layer):
            if lowering.lowered(kernel, layer.op, layer.inputs, layer.output, pair) is None:
                continue
            taken += 1
            yield f"# {name}: {pair[0] or 'row-major'} → {pair[1] or 'row-major'}"
            first: dict[str, list[str]] = {}
            for what, changed, tuning in _changed(layer):
                if changed is None:
                    continue
                made = _lowered(kernel, changed, tuning, pair)
                fresh = {k: [v for v in found if v not in first.get(k, ())] for k, found in made.items()}
                first = first or made
                yield f"{what}:" + ("" if any(fresh.values()) else " the same")
                yield from (f"    {k} {', '.join(found)}".rstrip() for k, found in fresh.items() if found)


def _lowered(
    kernel: Kernel, layer: Layer, tuning: Tuning, pair: tuple[object, object]
) -> dict[str, list[str]]:
    for other in _layouts(kernel, layer):
        if (other[0].kind, other[1].kind) == (pair[0].kind, pair[1].kind):  # type: ignore[attr-defined]
            return _made(lowering.lowered(kernel, layer.op, layer.inputs, layer.output, other, tuning))
    raise AssertionError("the pair is one of the kernel's")


@pytest.mark.parametrize("name", KERNELS)
def test_lowered(name: str, snapshot: Snapshot) -> None:
    lines = [line for kernel in KERNELS[name] for line in _told(kernel)]
    assert lines, "no layer takes it: give it one"
    snapshot(name, "\n".join(lines) + "\n")
