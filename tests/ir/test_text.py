# SPDX-License-Identifier: Apache-2.0
"""The textual dump: what is written is read back, to the last field; what is not of its form is told with its line."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from ascmcu.errors import InputError, VerifyError
from ascmcu.ir import registry, text
from ascmcu.ir.graph import Graph, Node, State
from ascmcu.ir.layout import Layout
from ascmcu.ir.op import Op
from ascmcu.ir.types import DType, Quantization, Tensor
from ascmcu.ops.conv2d import Conv2D
from ascmcu.ops.fully_connected import FullyConnected

CONV = Conv2D((2, 1), (1, 1), (0, 1, 2, 3), (-128, 127))


def _graph(channels: int = 3) -> Graph:
    """With all that a dump can say: names to quote, scales by channel, an absent operand, a state, a layout."""
    rng = np.random.default_rng(2)
    by_channel = Quantization(tuple(float(v) for v in rng.uniform(size=channels)), (0,) * channels, 3)
    weights = rng.integers(-128, 128, (4, 1, 1, channels)).astype(np.int8)
    tensors = [
        Tensor("x y (z)", (1, 6, 5, channels), DType.INT8, Quantization((0.1,), (-3,)), source_index=0),
        Tensor("s", (1, 2), DType.INT16, None, source_index=7),
        Tensor("w/1:0;2", weights.shape, DType.INT8, by_channel, weights),
        Tensor(
            "a", (1, 3, 5, 4), DType.INT8, Quantization((1e-9,), (127,)), layout=Layout(planar=True, width=8)
        ),
        Tensor("t", (1, 2), DType.INT16),
    ]
    nodes = (
        Node("layer one", CONV, ("x y (z)", "w/1:0;2", ""), "a", 12),
        Node("n", FullyConnected((1, 2), (-5, 6)), ("s", "w/1:0;2", ""), "t"),
    )
    states = (State("kws/ring", np.array([[3, -4]], np.int16)),)
    return Graph("g", {t.name: t for t in tensors}, nodes, ("x y (z)", "s"), ("a", "t"), states)


def _same(a: Graph, b: Graph) -> None:
    assert (a.name, a.nodes, a.inputs, a.outputs) == (b.name, b.nodes, b.inputs, b.outputs)
    assert set(a.tensors) == set(b.tensors)
    for name, tensor in a.tensors.items():
        other = b.tensors[name]
        assert (tensor.name, tensor.content, tensor.source_index) == (
            other.name,
            other.content,
            other.source_index,
        )
    for one, two in zip(a.states, b.states, strict=True):
        assert one.name == two.name and one.initial.dtype == two.initial.dtype
        assert one.initial.reshape(-1).tolist() == two.initial.reshape(-1).tolist()


@pytest.mark.parametrize("channels", [2, 3, 16, 17])
def test_what_is_written_is_read_back(channels: int) -> None:
    graph = _graph(channels)
    known = text.constants(graph)
    assert len(known) == (4 * channels > 64), "up to 64 elements stand in the text"
    dump = text.dump(graph)
    _same(text.parse(dump, known), graph)
    assert text.dump(text.parse(dump, known)) == dump
    assert text.parse(f"# a comment\n\n{dump}", known).nodes == graph.nodes


def test_a_large_state_comes_from_beside() -> None:
    large = State("s", np.arange(100, dtype=np.int16))
    graph = dataclasses.replace(_graph(), states=(large,))
    known = text.constants(graph)
    assert set(known) == {text.digest(large.initial)}
    assert text.parse(text.dump(graph), known).states[0].initial.tolist() == list(range(100))


def test_a_digest_tells_type_shape_and_bytes() -> None:
    x = np.arange(12, dtype=np.int8)
    others = [x.reshape(3, 4), x.view(np.uint8), x[::-1], x.astype(np.int16)]
    found = {text.digest(a) for a in (x, *others)}
    assert len(found) == 5 and all(len(d) == 16 for d in found)
    assert text.digest(x[::-1]) == text.digest(x[::-1].copy())


@pytest.mark.parametrize(
    ("line", "number"),
    [
        ("input x : i8[1]", 2), ("input %x i8[1]", 2), ("input %x : i9[1]", 2), ("const %x : i8[2] = [1]", 2),
        ("const %x : i8[1] = #0123456789abcdef", 2), ("%y = nothing(%x) {} : i8[1] ; y 0", 2), ("%y = relu(%x)", 2),
        ("state ring", 2), ("output y", 2), ("%y = relu(%x) {wrong=1} : i8[1] ; y 0", 2),
    ],
)  # fmt: skip
def test_a_line_that_is_not_of_the_form_is_named(line: str, number: int) -> None:
    with pytest.raises(InputError, match="dump's form") as refused:
        text.parse(f'graph "g"\n{line}\n')
    assert refused.value.where == f"line {number}: {line}"


def test_an_export_s_graph_is_read_or_refused(tmp_path: Path) -> None:
    graph = _graph(20)
    path = tmp_path / "40-last.ir"
    for content in (None, "nothing"):
        if content:
            path.write_text(text.dump(graph))
        with pytest.raises(InputError, match="cannot be read") as refused:
            text.load(path)
        assert refused.value.where == str(path)
    np.savez(tmp_path / "constants.npz", **text.constants(graph))
    _same(text.load(path), graph)


def test_an_op_has_one_name_and_an_operator_one_importer() -> None:
    before = registry.kinds()

    @dataclasses.dataclass(frozen=True)
    class Again(Op):
        KIND = "conv2d"

    with pytest.raises(VerifyError, match="'conv2d' is empty or registered twice"):
        registry.register("NEW_OPERATOR")(Again)
    with pytest.raises(VerifyError, match="'' is empty"):
        registry.register("NEW_OPERATOR")(Op)
    assert (
        registry.kinds() == before and registry.by_kind("conv2d") is Conv2D and registry.by_kind("") is None
    )
    assert registry.importer("CONV_2D") is Conv2D and registry.importer("NEW_OPERATOR") is None
    floats = registry.importer("CONV_2D", floats=True)
    assert floats is not None and floats.kind() == "float_conv2d"


@pytest.mark.parametrize(
    ("elements", "beside"), [(1, False), (63, False), (64, False), (65, True), (300, True)]
)
def test_up_to_64_elements_of_a_constant_are_written_out(elements: int, beside: bool) -> None:
    data = np.arange(elements, dtype=np.int32)
    x = Tensor("x", (elements,), DType.INT32, None, data)
    line = next(
        line for line in text.dump(Graph("g", {"x": x}, (), (), ("x",))).splitlines() if "const" in line
    )
    assert line.endswith(
        f"= #{text.digest(data)}" if beside else f"= [{', '.join(map(str, range(elements)))}]"
    )


@pytest.mark.parametrize("kind", ["i9[1]", "i8", "[1]", "i8[1] q(0.1)", "i8[1] x", "i8[a]"])
def test_what_is_no_type_is_named(kind: str) -> None:
    with pytest.raises(InputError, match="dump's form") as refused:
        text.parse(f'graph "g"\ninput %x : {kind}\n')
    assert kind in str(refused.value)
