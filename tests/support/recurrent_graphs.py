# SPDX-License-Identifier: Apache-2.0
"""Random networks with recurrent layers and other state, from a seed; ``tools/fuzz_recurrent`` runs many of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.support import recurrent
from tests.support.recurrent import Lstm, Parts, Svdf
from tests.support.tflite_builder import OperatorSpec, VariableSpec, build

_MOST_LAYERS = 3


@dataclass(frozen=True)
class Made:
    """A network: its file, whether it is float32, and what it is made of."""

    data: bytes
    real: bool
    layers: tuple[str, ...]


def draw(seed: int) -> Made:
    """One network: one to three layers of LSTM, SVDF, a dense layer, or a sum with a variable."""
    rng = np.random.default_rng(seed)
    real, time = bool(rng.random() < 0.25), int(rng.choice([1, 1, 2, 5, 9]))
    net = _Net(rng, real, time)
    for _ in range(int(rng.integers(1, _MOST_LAYERS + 1))):
        net.layer()
    if not net.stateful:
        net.lstm()
    variables, inputs = net.variables, [net.x]
    data = build(net.parts.tensors, net.parts.operators, inputs, [net.y], variables)
    return Made(data, real, tuple(net.layers))


class _Net:
    """A chain of layers in the making; ``y`` is the last tensor (1, time, depth), or (1, depth) behind a flattening."""

    def __init__(self, rng: np.random.Generator, real: bool, time: int) -> None:
        self.rng, self.real, self.time = rng, real, time
        self.parts = Parts()
        self.kind = "float32" if real else "int8"
        self.variables: list[VariableSpec] = []
        self.layers: list[str] = []
        self.stateful = False
        self.y = self.x = self._tensor("x", (1, time, int(rng.integers(1, 14))))

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the last tensor."""
        return self.parts.tensors[self.y].shape

    def _tensor(self, name: str, shape: tuple[int, ...]) -> int:
        if self.real:
            return self.parts.add(name, shape, "float32")
        scale, zero_point = float(self.rng.uniform(0.01, 0.05)), int(self.rng.integers(-30, 30))
        return self.parts.add(name, shape, "int8", scale, zero_point=zero_point)

    def layer(self) -> None:
        """Any layer that the last tensor's shape allows."""
        kinds = ["dense", "sum"] + (["lstm", "lstm", "lstm"] if len(self.shape) == 3 else ["svdf", "svdf"])
        if len(self.shape) == 3 and self.shape[1] == 1:
            kinds.append("svdf")
        getattr(self, str(self.rng.choice(kinds)))()

    def lstm(self) -> None:
        """An LSTM with any of the parts that it may have."""
        if len(self.shape) == 2:
            self._reshape((1, 1, self.shape[1]))
        rng, depth = self.rng, self.shape[2]
        cells = int(rng.integers(1, 18))
        projected = int(rng.integers(1, cells + 1)) if rng.random() < 0.3 else 0
        spec = Lstm(
            depth, cells, self.shape[1], self.real, bool(rng.random() < 0.7), bool(rng.random() < 0.3),
            bool(rng.random() < 0.3), projected, bool(rng.random() < 0.5), False, int(rng.integers(0, 7)),
            float(rng.choice([0.0, 0.0, 0.5, 3.0])), float(rng.choice([0.0, 0.4])) if projected else 0.0,
            float(rng.choice([0.3, 1.0, 4.0, 30.0])) if not self.real else float(rng.choice([0.3, 1.0, 2.0])),
        )  # fmt: skip
        self.y = recurrent.lstm(self.parts, spec, self.y, rng)
        self._made("lstm", stateful=True)

    def svdf(self) -> None:
        """An SVDF on one vector."""
        if len(self.shape) == 3:
            self._reshape((1, self.shape[2]))
        rng = self.rng
        spec = Svdf(
            self.shape[1], int(rng.integers(1, 9)), int(rng.integers(1, 9)), int(rng.integers(1, 4)),
            bool(rng.random() < 0.7), self.real, "int16", float(rng.choice([0.3, 1.0, 10.0])),
        )  # fmt: skip
        self.y = recurrent.svdf(self.parts, spec, self.y, rng)
        self._made("svdf", stateful=True)

    def dense(self) -> None:
        """A dense layer on the last axis."""
        rng, depth, width = self.rng, self.shape[-1], int(self.rng.integers(1, 12))
        if self.real:
            weights = self.parts.add(
                "w", (width, depth), "float32", data=rng.normal(size=(width, depth)).astype(np.float32)
            )
        else:
            values = rng.integers(-127, 128, size=(width, depth)).astype(np.int8)
            weights = self.parts.add(
                "w", (width, depth), "int8", float(rng.uniform(0.002, 0.02)), data=values
            )
        y = self._tensor("d", (*self.shape[:-1], width))
        options = {"keepNumDims": len(self.shape) == 3}
        self.parts.operators.append(OperatorSpec("FULLY_CONNECTED", [self.y, weights, -1], [y], options))
        self.y = y
        self._made("dense")

    def sum(self) -> None:
        """A variable that gathers: s = s + x, either of which goes on."""
        source = self.parts.tensors[self.y]
        quant: dict[str, Any] = {} if self.real else {"zero_point": source.zero_point}
        scale = 0.0 if self.real else source.scales[0]
        before = self.parts.add("s", self.shape, self.kind, scale, **quant)
        after = self.parts.add("s2", self.shape, self.kind, scale, **quant)
        self.parts.operators.append(OperatorSpec("ADD", [before, self.y], [after]))
        initial = self.rng.integers(-20, 20, size=self.shape).astype(self.kind)
        self.variables.append(VariableSpec(f"v{len(self.variables)}", before, after, initial))
        y = self._tensor("m", self.shape)
        first = before if self.rng.random() < 0.5 else after
        self.parts.operators.append(OperatorSpec("MUL", [first, self.y], [y]))
        self.y = y
        self._made("sum", stateful=True)

    def _reshape(self, shape: tuple[int, ...]) -> None:
        source = self.parts.tensors[self.y]
        quant: dict[str, Any] = {} if self.real else {"zero_point": source.zero_point}
        y = self.parts.add("r", shape, self.kind, 0.0 if self.real else source.scales[0], **quant)
        target = self.parts.add("t", (len(shape),), "int32", data=np.array(shape, np.int32))
        self.parts.operators.append(OperatorSpec("RESHAPE", [self.y, target], [y]))
        self.y = y

    def _made(self, what: str, stateful: bool = False) -> None:
        self.layers.append(what)
        self.stateful = self.stateful or stateful
