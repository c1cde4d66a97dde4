# SPDX-License-Identifier: Apache-2.0
"""Random networks with several inputs of different rows: maps, a sequence and vectors, joined in several ways."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from tests.support.tflite_builder import OperatorSpec, TensorSpec, build

_WINDOW = {"padding": 0, "strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1}


def network(seed: int) -> bytes:
    """Two maps are added, a vector gates the sum, a map of other rows adds its mean; two outputs.

    The order of the inputs and the extents vary.
    """
    rng, values = random.Random(seed), np.random.default_rng(seed)
    rows, columns, channels, other = (
        rng.randint(2, 9),
        rng.randint(1, 5),
        rng.randint(1, 6),
        rng.randint(1, 12),
    )
    tensors: list[TensorSpec] = []
    operators: list[OperatorSpec] = []

    def tensor(
        name: str, shape: tuple[int, ...], scale: float = 0.05, zero: int = 3, data: Any = None
    ) -> int:
        dtype = "int8" if data is None else str(data.dtype)
        tensors.append(TensorSpec(name, shape, dtype, (scale,) if dtype == "int8" else (), zero, data=data))
        return len(tensors) - 1

    def add(builtin: str, sources: list[int], output: int, **options: Any) -> int:
        operators.append(OperatorSpec(builtin, sources, [output], options))
        return output

    a = tensor("a", (1, rows, columns, channels))
    b = tensor("b", (1, rows if rng.random() < 0.7 else 1, columns, channels), 0.07, -9)
    gate = tensor("gate", (1, 8), 0.02, 0)
    wide = tensor("wide", (1, other, 4, 3), 0.03, 5)
    inputs = [a, b, gate, wide]
    rng.shuffle(inputs)
    kernel = (channels, 3, 3, channels)
    w = tensor("w", kernel, 0.01, 0, values.integers(-127, 128, kernel, np.int8))
    bias = tensor("bias", (channels,), 1, 0, values.integers(-900, 900, channels, np.int32))
    conv = add("CONV_2D", [a, w, bias], tensor("conv", (1, rows, columns, channels), 0.2, -7), **_WINDOW)
    added = add("ADD", [conv, b], tensor("sum", (1, rows, columns, channels), 0.21, -4))
    dense = tensor("dense", (channels, 8), 0.01, 0, values.integers(-127, 128, (channels, 8), np.int8))
    factors = add("FULLY_CONNECTED", [gate, dense, -1], tensor("factors", (1, channels), 0.02, -5))
    gates = add("LOGISTIC", [factors], tensor("gates", (1, channels), 1 / 256, -128))
    shape = tensor("shape", (4,), 1, 0, np.array([1, 1, 1, channels], np.int32))
    spread = add("RESHAPE", [gates, shape], tensor("spread", (1, 1, 1, channels), 1 / 256, -128),
                 newShape=[1, 1, 1, channels])  # fmt: skip
    gated = add("MUL", [added, spread], tensor("gated", (1, rows, columns, channels), 0.1, 2))
    axes = tensor("axes", (2,), 1, 0, np.array([1, 2], np.int32))
    means = [
        add("MEAN", [gated, axes], tensor("mean", (1, channels), 0.05, 1)),
        add("MEAN", [wide, axes], tensor("mean2", (1, 3), 0.05, 1)),
    ]
    joined = add("CONCATENATION", means, tensor("joined", (1, channels + 3), 0.05, 1), axis=1)
    last = tensor("last", (4, channels + 3), 0.02, 0, values.integers(-127, 128, (4, channels + 3), np.int8))
    scores = add("FULLY_CONNECTED", [joined, last, -1], tensor("scores", (1, 4), 0.1, 0))
    outputs = [scores, gated] if rng.random() < 0.5 else [scores]
    return build(tensors, operators, inputs, outputs)
