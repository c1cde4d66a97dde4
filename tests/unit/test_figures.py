# SPDX-License-Identifier: Apache-2.0
"""What an export says of its outputs: a distribution is one in whatever shape or type it comes."""

from __future__ import annotations

import pytest

import ascmcu.ops
from ascmcu.ir.figures import gives_probabilities
from ascmcu.ir.graph import Graph, Node
from ascmcu.ir.op import Op
from ascmcu.ir.types import DType, Quantization, Tensor
from ascmcu.ops.dequantize import Dequantize
from ascmcu.ops.logistic import Logistic
from ascmcu.ops.quantize import Quantize
from ascmcu.ops.reshape import Reshape
from ascmcu.ops.softmax import Softmax

assert ascmcu.ops is not None


def _chain(*ops: Op) -> Graph:
    tensors = [
        Tensor(f"t{n}", (1, 4), DType.INT8, Quantization((1 / 256,), (-128,))) for n in range(len(ops) + 1)
    ]
    nodes = [Node(f"n{n}", op, (f"t{n}",), f"t{n + 1}", n) for n, op in enumerate(ops)]
    return Graph("chain", {t.name: t for t in tensors}, tuple(nodes), ("t0",), (tensors[-1].name,))


@pytest.mark.parametrize(
    ("ops", "expected"),
    [
        ((Softmax(1.0),), True),
        ((Softmax(1.0), Dequantize()), True),
        ((Softmax(1.0), Reshape(shape=(1, 4)), Quantize("int8")), True),
        ((Softmax(1.0), Logistic()), False),
        ((Logistic(),), False),
        ((Dequantize(),), False),
    ],
    ids=lambda value: "-".join(op.kind() for op in value) if isinstance(value, tuple) else "",
)
def test_probabilities_are_known_behind_what_keeps_their_numbers(ops: tuple[Op, ...], expected: bool) -> None:
    graph = _chain(*ops)
    assert gives_probabilities(graph, graph.outputs[0]) is expected
