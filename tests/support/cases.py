# SPDX-License-Identifier: Apache-2.0
"""Case rows: ``tests/ops/<op>.toml`` → models and inputs, from fixed seeds.

A row names the TFLite operator, its options, its inputs and its outputs::

    [[case]]
    name = "3x3, same, stride 2"
    op = "CONV_2D"
    options = { padding = 0, strideH = 2, strideW = 2 }
    inputs = [ {shape = [1, 9, 7, 3]}, {weights = [8, 3, 3, 3], axis = 0}, {bias = 8} ]
    output = { shape = [1, 5, 4, 8] }

Inputs: ``shape`` an activation; ``weights`` random constants, all alike with ``fill``, with ``axis`` quantized per
slice of it; ``bias`` int32, ``wide_bias`` int64; ``values`` given int32 constants (axes, shapes); ``const`` a random
quantized constant, without a scale where ``unscaled``; ``real`` a random float32 one; ``none`` an absent one;
``again`` the input of that number once more.
``dtype``, ``scale`` and ``zero_point`` may be given; ``positive`` keeps an activation's integers from 0 up; ``outputs``
lists several outputs. ``resolver`` names another
resolver of LiteRT where BUILTIN_REF itself is at fault, with ``reason``. ``recurrent`` describes a recurrent layer
(tests/support/recurrent.py) in place of inputs and output. ``then`` is an operator behind, of one input, whose output
has the quantization of what it reads::

    then = { op = "MAX_POOL_2D", options = { … }, shape = [1, 2, 2, 8] }
"""

from __future__ import annotations

import dataclasses
import tomllib
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ascmcu.ir.types import Array
from tests.support import recurrent
from tests.support.tflite_builder import OperatorSpec, TensorSpec, build

_UNREAD = (1, 2)
# Types of tensors that have a scale only where a row gives one.
_PLAIN = ("float32", "bool", "int32", "int64")
FOLDER = Path(__file__).resolve().parents[1] / "ops"


@dataclass(frozen=True)
class Parts:
    """A model: its tensors, its operators, and which tensors go in and out."""

    tensors: list[TensorSpec]
    operators: list[OperatorSpec]
    inputs: list[int]
    outputs: list[int]


@dataclass(frozen=True)
class Case:
    """One row."""

    stem: str
    name: str
    row: dict[str, Any]

    @property
    def id(self) -> str:
        """Test id."""
        return f"{self.stem}: {self.name}"

    def rng(self) -> np.random.Generator:
        """Seeded by the row's name."""
        return np.random.default_rng(zlib.crc32(self.id.encode()))

    def model(self) -> bytes:
        """The model of one operator, or of two."""
        parts = self.parts()
        return build(parts.tensors, parts.operators, parts.inputs, parts.outputs)

    def parts(self) -> Parts:
        """What the model is built of; made anew by every call."""
        rng = self.rng()
        if "recurrent" in self.row:
            layer, x, y = recurrent.case_parts(self.row["op"], self.row["recurrent"], rng)
            return Parts(layer.tensors, layer.operators, [x], [y])
        tensors: list[TensorSpec] = []
        indices: list[int] = []
        for spec in self.row["inputs"]:
            if spec.get("none"):
                indices.append(-1)
                continue
            if "again" in spec:
                indices.append(indices[spec["again"]])
                continue
            indices.append(len(tensors))
            tensors.append(_input(spec, tensors, rng))
        outputs = self.row.get("outputs") or [self.row["output"]]
        if all(t.data is not None for t in tensors):
            # Arithmetic on shapes: LiteRT and the front end want an input, so there is one that nothing reads.
            tensors.append(TensorSpec("unread", _UNREAD, "int8", (0.05,)))
        first = len(tensors)
        source = next(t for t in tensors if t.data is None)
        tensors += [_output(spec, i, source) for i, spec in enumerate(outputs)]
        produced = list(range(first, len(tensors)))
        operator = OperatorSpec(self.row["op"], indices, produced, self.row.get("options", {}))
        runtime = [i for i, t in enumerate(tensors[:first]) if t.data is None]
        operators = [operator]
        if "then" in self.row:
            behind, read = self.row["then"], tensors[-1]
            tensors.append(dataclasses.replace(read, name=f"{read.name} then", shape=tuple(behind["shape"])))
            operators.append(
                OperatorSpec(behind["op"], produced, [len(tensors) - 1], behind.get("options", {}))
            )
            produced = [len(tensors) - 1]
        return Parts(tensors, operators, runtime, produced)

    def inputs(self, count: int) -> list[list[Array]]:
        """Input sets: extremes first, then random ones."""
        rng = self.rng()
        if "recurrent" in self.row:
            specs = [recurrent.x_of(self.row["op"], self.row["recurrent"])]
        else:
            specs = [s for s in self.row["inputs"] if "shape" in s] or [{"shape": _UNREAD}]
        sets = []
        for i in range(count):
            sets.append([_values(spec, i, rng) for spec in specs])
        return sets


def load() -> list[Case]:
    """All rows."""
    cases = []
    for path in sorted(FOLDER.glob("*.toml")):
        for row in tomllib.loads(path.read_text())["case"]:
            cases.append(Case(path.stem, row["name"], row))
    return cases


def floats() -> list[Case]:
    """The rows of operators on float32, which no generated C is compared with bit by bit."""
    rows = tomllib.loads((FOLDER / "floats" / "rows.toml").read_text())["case"]
    return [Case(f"float {row['op'].lower()}", row["name"], row) for row in rows]


def _values(spec: dict[str, Any], number: int, rng: np.random.Generator) -> Array:
    dtype, shape = np.dtype(spec.get("dtype", "int8")), tuple(spec["shape"])
    if dtype.kind == "b":
        return rng.random(shape) < 0.5
    if dtype.kind == "f":
        return (rng.normal(size=shape) * [0.0, 1e5, 3.0, 1.0][min(number, 3)]).astype(dtype)
    info = np.iinfo(dtype)
    least = 0 if spec.get("positive") else info.min
    if number < 2:
        return np.full(shape, [least, info.max][number], dtype)
    return rng.integers(least, info.max + 1, size=shape).astype(dtype)


def _quantized(
    spec: dict[str, Any], default_scale: float, default_zero: int
) -> tuple[tuple[float, ...], int]:
    return (float(spec.get("scale", default_scale)),), int(spec.get("zero_point", default_zero))


def _input(spec: dict[str, Any], before: list[TensorSpec], rng: np.random.Generator) -> TensorSpec:
    index = len(before)
    name, dtype = f"in{index}", spec.get("dtype", "int8")
    if "shape" in spec:
        if dtype in _PLAIN and "scale" not in spec:
            return TensorSpec(name, tuple(spec["shape"]), dtype)
        scales, zero = _quantized(
            spec, 0.047 + 0.011 * index, (3, -7, 12)[index % 3] + (128 if dtype == "uint8" else 0)
        )
        return TensorSpec(name, tuple(spec["shape"]), dtype, scales, zero)
    if "real" in spec:
        return TensorSpec(
            name, tuple(spec["real"]), "float32", data=rng.normal(size=spec["real"]).astype(np.float32)
        )
    if "weights" in spec:
        shape = tuple(spec["weights"])
        count = shape[spec["axis"]] if "axis" in spec else 1
        scales = tuple(float(v) for v in rng.uniform(0.0005, 0.01, size=count))
        data = rng.integers(-127, 128, size=shape).astype(np.int8)
        data = np.full(shape, spec["fill"], np.int8) if "fill" in spec else data
        return TensorSpec(name, shape, "int8", scales, 0, spec.get("axis", 0), data)
    if "bias" in spec:
        data = rng.integers(-2000, 2000, size=spec["bias"]).astype(np.int32)
        scale = _bias_scale(before)
        return TensorSpec(name, (spec["bias"],), "int32", (scale,), 0, 0, data)
    if "wide_bias" in spec:
        data = rng.integers(-(1 << 24), 1 << 24, size=spec["wide_bias"])
        scale = _bias_scale(before)
        return TensorSpec(name, (spec["wide_bias"],), "int64", (scale,), 0, 0, data)
    if "const" in spec:
        scales, zero = ((), 0) if spec.get("unscaled") else _quantized(spec, 0.031, -5)
        info = np.iinfo(dtype)
        data = rng.integers(info.min, info.max + 1, size=tuple(spec["const"])).astype(dtype)
        return TensorSpec(name, tuple(spec["const"]), dtype, scales, zero, 0, data)
    data = np.array(spec["values"], np.dtype(spec.get("dtype", "int32")))
    quant = _quantized(spec, 0.047, 3) if data.dtype == np.int8 or "scale" in spec else ((), 0)
    return TensorSpec(name, tuple(data.shape), str(data.dtype), quant[0], quant[1], 0, data)


def _bias_scale(before: list[TensorSpec]) -> float:
    """Of the first two inputs that have one: activations and weights, in either order."""
    a, b = [tensor.scales[0] for tensor in before if tensor.scales][:2]
    return a * b


def _output(spec: dict[str, Any], index: int, source: TensorSpec) -> TensorSpec:
    name, dtype, shape = f"out{index}", spec.get("dtype", source.dtype), tuple(spec["shape"])
    if dtype in _PLAIN and "scale" not in spec:
        return TensorSpec(name, shape, dtype)
    if spec.get("like_input"):
        return TensorSpec(name, shape, dtype, source.scales, source.zero_point)
    scales, zero = _quantized(spec, 0.063, -11 + (128 if dtype == "uint8" else 0))
    return TensorSpec(name, shape, dtype, scales, zero)
