# SPDX-License-Identifier: Apache-2.0
"""Recurrent layers of any shape as parts of a ``.tflite``: tensors and an operator, from a few numbers.

A case row gives them as ``recurrent = { depth = 5, cells = 7, time = 4, … }``; fuzzing draws them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.support.tflite_builder import OperatorSpec, TensorSpec, build

_GATES = 4
_PEEPHOLE_GATES = (0, 1, 3)


@dataclass(frozen=True)
class Lstm:
    """An LSTM layer; the parts that it may have are off. ``projected`` is the number of outputs of a projection, 0 for
    none; ``spread`` scales the sums of the gates."""

    depth: int
    cells: int
    time: int
    real: bool = False
    input_gate: bool = True
    peephole: bool = False
    norm: bool = False
    projected: int = 0
    projection_bias: bool = False
    time_major: bool = False
    cell_bits: int = 4
    cell_clip: float = 0.0
    projection_clip: float = 0.0
    spread: float = 1.0
    old_form: bool = False

    @property
    def outputs(self) -> int:
        """Elements of a step's output."""
        return self.projected or self.cells

    @property
    def x_shape(self) -> tuple[int, ...]:
        """Of the input."""
        return (self.time, 1, self.depth) if self.time_major else (1, self.time, self.depth)

    @property
    def y_shape(self) -> tuple[int, ...]:
        """Of the output."""
        return (*self.x_shape[:2], self.outputs)


class Parts:
    """Tensors and operators of a file, in the making."""

    def __init__(self) -> None:
        self.tensors: list[TensorSpec] = []
        self.operators: list[OperatorSpec] = []

    def add(self, name: str, shape: tuple[int, ...], dtype: str, scale: float = 0.0, **more: Any) -> int:
        """A tensor; its index."""
        scales = (scale,) if scale else ()
        self.tensors.append(TensorSpec(f"{name}{len(self.tensors)}", shape, dtype, scales, **more))
        return len(self.tensors) - 1


def built(parts: Parts, x: int, *outputs: int) -> bytes:
    """The file of the parts, from tensor ``x`` to the outputs."""
    return build(parts.tensors, parts.operators, [x], [*outputs])


def lstm(parts: Parts, spec: Lstm, x: int, rng: np.random.Generator) -> int:
    """Append UNIDIRECTIONAL_SEQUENCE_LSTM on tensor ``x``; the output's index."""
    make = _Lstm(parts, spec, rng)
    source = parts.tensors[x]
    inputs = [x, *make.weights(spec.depth, source.scales[0] if source.scales else 1.0)]
    scale, zero_point = (
        (0.0, 0) if spec.real else (float(rng.uniform(0.004, 0.02)), int(rng.integers(-20, 20)))
    )
    state, cell = make.states(scale, zero_point)
    inputs += make.recurrent(scale)
    inputs += [*make.peepholes(), *make.biases(), *make.projection(), state, cell]
    inputs += [] if spec.old_form and not spec.norm else make.norms()
    quant: dict[str, Any] = {} if spec.real else {"zero_point": zero_point}
    y = parts.add("y", spec.y_shape, make.kind, scale, **quant)
    options = {
        "fusedActivationFunction": 4,
        "cellClip": spec.cell_clip,
        "projClip": spec.projection_clip,
        "timeMajor": spec.time_major,
    }
    between = [] if spec.real else make.intermediates()
    parts.operators.append(OperatorSpec("UNIDIRECTIONAL_SEQUENCE_LSTM", inputs, [y], options, between))
    return y


class _Lstm:
    """The constants of one layer."""

    def __init__(self, parts: Parts, spec: Lstm, rng: np.random.Generator) -> None:
        self.parts, self.spec, self.rng = parts, spec, rng
        self.kind = "float32" if spec.real else "int8"
        self.hidden = float(rng.uniform(0.004, 0.01)), int(rng.integers(-10, 10))
        self.between = [float(2.0 ** -rng.integers(11, 14) * rng.uniform(1, 2)) for _ in range(_GATES)]

    def _gates(self, one: Callable[[], int], absent: bool = False) -> list[int]:
        return [-1 if absent or (gate == 0 and not self.spec.input_gate) else one() for gate in range(_GATES)]

    def _constant(self, name: str, shape: tuple[int, ...], dtype: str, scale: float, most: int) -> int:
        if self.spec.real:
            data = self.rng.normal(size=shape).astype(np.float32) * np.float32(scale * most / 2)
            return self.parts.add(name, shape, "float32", data=data)
        values = self.rng.integers(-most, most + 1, size=shape).astype(dtype)
        return self.parts.add(name, shape, dtype, scale, data=values)

    def _matrix(self, name: str, rows: int, depth: int, unit: float) -> int:
        """Weights whose sums have a spread of about ``spec.spread``."""
        scale = self.spec.spread / (unit * 127 * 40 * max(depth, 1) ** 0.5) * float(self.rng.uniform(0.5, 2))
        scale = self.spec.spread * 0.012 * float(self.rng.uniform(0.5, 1.5)) if self.spec.real else scale
        return self._constant(name, (rows, depth), "int8", scale, 127)

    def weights(self, depth: int, unit: float) -> list[int]:
        """Of the input; ``unit`` is its scale."""
        return self._gates(lambda: self._matrix("w", self.spec.cells, depth, unit))

    def recurrent(self, unit: float) -> list[int]:
        """Of the last output."""
        return self._gates(lambda: self._matrix("r", self.spec.cells, self.spec.outputs, unit or 1.0))

    def peepholes(self) -> list[int]:
        """Of the cell state."""
        cells, found = self.spec.cells, []
        for gate in _PEEPHOLE_GATES:
            there = self.spec.peephole and (gate > 0 or self.spec.input_gate)
            found.append(self._constant("p", (cells,), "int16", 2e-5, 32767) if there else -1)
        return found

    def biases(self) -> list[int]:
        """Of the gates."""
        return self._gates(lambda: self._constant("b", (self.spec.cells,), "int32", 1e-4, 4000))

    def projection(self) -> list[int]:
        """Weights and bias, as far as there are any."""
        spec = self.spec
        if not spec.projected:
            return [-1, -1]
        found = self._constant("q", (spec.projected, spec.cells), "int8", 0.004, 127)
        bias = self._constant("qb", (spec.projected,), "int32", 3e-5, 3000) if spec.projection_bias else -1
        return [found, bias]

    def norms(self) -> list[int]:
        """Coefficients of the layer normalization."""
        scale = float(self.rng.uniform(0.5e-4, 2e-4))
        return self._gates(
            lambda: self._constant("n", (self.spec.cells,), "int16", scale, 20000), not self.spec.norm
        )

    def states(self, scale: float, zero_point: int) -> list[int]:
        """The variables: output state and cell state."""
        spec = self.spec
        if spec.real:
            return [self.parts.add("s", (1, n), "float32", variable=True) for n in (spec.outputs, spec.cells)]
        output = self.parts.add("h", (1, spec.outputs), "int8", scale, zero_point=zero_point, variable=True)
        cell = self.parts.add("c", (1, spec.cells), "int16", 2.0 ** (spec.cell_bits - 15), variable=True)
        return [output, cell]

    def intermediates(self) -> list[int]:
        """Quantizations of the gates in front of a normalization, and of what a projection reads."""
        gates = [self.parts.add("g", (0,), "int16", scale) for scale in self.between]
        scale, zero_point = self.hidden
        return [*gates, self.parts.add("hidden", (0,), "int8", scale, zero_point=zero_point)]


@dataclass(frozen=True)
class Bidirectional:
    """A bidirectional LSTM layer of float32 with as many cells each way."""

    depth: int
    cells: int
    time: int
    input_gate: bool = True
    merged: bool = True

    @property
    def x_shape(self) -> tuple[int, ...]:
        """Of the input."""
        return (1, self.time, self.depth)


def bidirectional(parts: Parts, spec: Bidirectional, x: int, rng: np.random.Generator) -> list[int]:
    """Append BIDIRECTIONAL_SEQUENCE_LSTM on tensor ``x``; the outputs' indices."""
    one = Lstm(spec.depth, spec.cells, spec.time, True, spec.input_gate)
    inputs, states = [x], []
    for _ in range(2):
        make = _Lstm(parts, one, rng)
        inputs += [*make.weights(spec.depth, 1.0), *make.recurrent(0.0), -1, -1, -1, *make.biases(), -1, -1]
        states += make.states(0.0, 0)
    inputs += [*states, *[-1] * 9]
    width = 2 * spec.cells if spec.merged else spec.cells
    outputs = [parts.add("y", (1, spec.time, width), "float32") for _ in range(1 if spec.merged else 2)]
    options = {"fusedActivationFunction": 4, "mergeOutputs": spec.merged, "timeMajor": False}
    parts.operators.append(OperatorSpec("BIDIRECTIONAL_SEQUENCE_LSTM", inputs, outputs, options))
    return outputs


@dataclass(frozen=True)
class Svdf:
    """An SVDF layer; ``state`` is the type of its memory."""

    depth: int
    units: int
    memory: int
    rank: int = 1
    bias: bool = True
    real: bool = False
    state: str = "int16"
    spread: float = 1.0

    @property
    def x_shape(self) -> tuple[int, ...]:
        """Of the input."""
        return (1, self.depth)

    @property
    def y_shape(self) -> tuple[int, ...]:
        """Of the output."""
        return (1, self.units)


def svdf(parts: Parts, spec: Svdf, x: int, rng: np.random.Generator) -> int:
    """Append SVDF on tensor ``x``; the output's index."""
    filters = spec.units * spec.rank

    def constant(name: str, shape: tuple[int, ...], dtype: str, scale: float, most: int) -> int:
        if spec.real:
            data = rng.normal(size=shape).astype(np.float32)
            return parts.add(name, shape, "float32", data=data)
        return parts.add(
            name, shape, dtype, scale, data=rng.integers(-most, most + 1, size=shape).astype(dtype)
        )

    wide = spec.state == "int16"
    weights = constant("w", (filters, spec.depth), "int8", float(rng.uniform(0.003, 0.01)) * spec.spread, 127)
    time = constant("t", (filters, spec.memory), spec.state, 1e-4 if wide else 0.01, 32767 if wide else 127)
    bias = constant("b", (spec.units,), "int32", 1e-4, 5000) if spec.bias else -1
    kind, quant = ("float32", [0.0, 0.0]) if spec.real else (spec.state, [3e-4 if wide else 0.1, 0.08])
    own: dict[str, Any] = {} if spec.real or wide else {"zero_point": int(rng.integers(-30, 30))}
    state = parts.add("s", (1, filters * spec.memory), kind, quant[0], variable=True, **own)
    ends: dict[str, Any] = {} if spec.real else {"zero_point": int(rng.integers(-128, 20))}
    y = parts.add("y", spec.y_shape, "float32" if spec.real else "int8", quant[1], **ends)
    options = {"rank": spec.rank, "fusedActivationFunction": 1}
    parts.operators.append(OperatorSpec("SVDF", [x, weights, time, bias, state], [y], options))
    return y


_KINDS: Mapping[str, tuple[type[Any], Callable[..., int]]] = {
    "UNIDIRECTIONAL_SEQUENCE_LSTM": (Lstm, lstm),
    "SVDF": (Svdf, svdf),
}


def case_parts(operator: str, row: Mapping[str, Any], rng: np.random.Generator) -> tuple[Parts, int, int]:
    """One layer of a case row: the parts, the input's index and the output's."""
    kind, append = _KINDS[operator]
    spec = kind(**row)
    parts = Parts()
    quant: dict[str, Any] = {} if spec.real else {"scale": 0.031, "zero_point": 7}
    x = parts.add("x", spec.x_shape, "float32" if spec.real else "int8", **quant)
    return parts, x, append(parts, spec, x, rng)


def x_of(operator: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """The input of a case row, as its ``inputs`` would state it."""
    spec = _KINDS[operator][0](**row)
    return {"shape": list(spec.x_shape), "dtype": "float32" if spec.real else "int8"}
