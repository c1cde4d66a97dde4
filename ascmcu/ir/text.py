# SPDX-License-Identifier: Apache-2.0
"""The textual dump of a graph, which parses back.

::

    graph "kws"
    input %x : i8[1,49,10,1] q(0.58 : 83)
    const %w : i8[64,10,4,1] q(0.01,0.02 : 0,0 @ 0) = #3f2a9c0e11d20b7c
    state "kws/ring" = [0, 0]
    %y = conv2d(%x, %w, %b) {stride=(2, 2), ...} : i8[1,25,5,64] q(0.02 : -128) <planar=True, width=8> ; conv_0 3
    output %y

A state's value comes in by one of the last inputs and leaves by one of the last outputs (``ascmcu.ir.graph.Graph``).
A layout other than row-major stands in angle brackets (``ascmcu.ir.layout``).

Constants of up to 64 elements stand in the text; larger ones are named by their SHA-256 and come from a mapping.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ascmcu.errors import InputError, why
from ascmcu.ir import registry
from ascmcu.ir.graph import Graph, Node, State
from ascmcu.ir.layout import ROW_MAJOR, Layout
from ascmcu.ir.types import Array, DType, Quantization, Tensor

_INLINE_ELEMENTS = 64
_NAME = r'%(?:"[^"]*"|[\w.\-/:;]+)'


def dump(graph: Graph) -> str:
    """The graph as text."""
    lines = [f'graph "{graph.name}"']
    lines += [f"input {_type_line(graph.tensors[name])}" for name in graph.inputs]
    for state in graph.states:
        lines.append(f'state "{state.name}" : {state.initial.dtype} = {_data(state.initial)}')
    for tensor in graph.tensors.values():
        if tensor.data is not None:
            lines.append(f"const {_type_line(tensor)} = {_data(tensor.data)}")
    for node in graph.nodes:
        operands = ", ".join(_ref(name) if name else "_" for name in node.inputs)
        attributes = ", ".join(f"{key}={value!r}" for key, value in node.op.attributes())
        head = f"{_ref(node.output)} = {node.op.kind()}({operands}) {{{attributes}}}"
        lines.append(f"{head} : {_type(graph.output_tensor(node))} ; {node.name} {node.source_index}")
    lines += [f"output {_ref(name)}" for name in graph.outputs]
    return "\n".join(lines) + "\n"


def constants(graph: Graph) -> dict[str, Array]:
    """The constants that ``dump`` names by hash."""
    known = [t.data for t in graph.tensors.values() if t.data is not None]
    known += [state.initial for state in graph.states]
    return {digest(data): data for data in known if data.size > _INLINE_ELEMENTS}


def digest(data: Array) -> str:
    """First 16 hexadecimal digits of the SHA-256 over type, shape and bytes."""
    head = f"{data.dtype}{data.shape}".encode()
    return hashlib.sha256(head + np.ascontiguousarray(data).tobytes()).hexdigest()[:16]


def load(path: Path) -> Graph:
    """The graph that an export keeps in ``path``, with the constants beside it.

    Raises:
        InputError: there is none, or it cannot be read.
    """
    try:
        with np.load(path.with_name("constants.npz")) as stored:
            return parse(path.read_text(encoding="utf-8"), dict(stored))
    except (OSError, ValueError) as error:
        raise InputError("the export's graph cannot be read", where=str(path), found=why(error)) from error


def parse(text: str, stored: Mapping[str, Array] | None = None) -> Graph:
    """The graph that ``dump`` wrote; ``stored`` maps hashes to large constants.

    Raises:
        InputError: a line is not of the dump's form (its number is named).
    """
    name, tensors, nodes = "", {}, []
    inputs: list[str] = []
    outputs: list[str] = []
    states: list[State] = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            word = line.split(maxsplit=1)[0] if line.strip() else "#"
            if word == "graph":
                name = line.split('"')[1]
            elif word == "input":
                tensor = _parse_typed(line[6:])
                tensors[tensor.name] = tensor
                inputs.append(tensor.name)
            elif word == "const":
                head, _, value = line[6:].partition(" = ")
                tensor = _parse_const(_parse_typed(head), value, stored or {})
                tensors[tensor.name] = tensor
            elif word == "state":
                states.append(_parse_state(line, stored or {}))
            elif word == "output":
                outputs.append(_unref(line[7:].strip()))
            elif not word.startswith("#"):
                node, tensor = _parse_node(line)
                nodes.append(node)
                tensors[tensor.name] = tensor
        except (ValueError, KeyError, IndexError, SyntaxError, AttributeError, TypeError) as error:
            raise InputError(
                "line is not of the dump's form", where=f"line {number}: {line}", found=error
            ) from error
    return Graph(name, tensors, tuple(nodes), tuple(inputs), tuple(outputs), tuple(states))


def _ref(name: str) -> str:
    return f"%{name}" if re.fullmatch(r"[\w.\-/:;]+", name) else f'%"{name}"'


def _unref(token: str) -> str:
    if not token.startswith("%"):
        raise ValueError(f"expected a %name, found {token}")
    return token[1:].strip('"')


def _type(tensor: Tensor) -> str:
    text = f"{tensor.dtype.value}[{','.join(map(str, tensor.shape))}]"
    if tensor.quant is not None:
        q = tensor.quant
        axis = f" @ {q.axis}" if q.per_axis else ""
        text += f" q({','.join(map(repr, q.scales))} : {','.join(map(str, q.zero_points))}{axis})"
    text += f" t{tensor.source_index}" if tensor.source_index >= 0 else ""
    return text + ("" if tensor.layout == ROW_MAJOR else f" <{tensor.layout}>")


def _type_line(tensor: Tensor) -> str:
    return f"{_ref(tensor.name)} : {_type(tensor)}"


def _data(data: Array) -> str:
    return f"#{digest(data)}" if data.size > _INLINE_ELEMENTS else repr(data.reshape(-1).tolist())


_TYPE = re.compile(
    r"(\w+)\[([\d,]*)\](?: q\(([^:]*) : ([^@)]*)(?: @ (\d+))?\))?(?: t(\d+))?(?: <([^>]*)>)?\s*"
)


def _parse_typed(text: str) -> Tensor:
    reference, _, rest = text.strip().partition(" : ")
    return _parse_type(_unref(reference), rest)


def _parse_type(name: str, text: str) -> Tensor:
    match = _TYPE.fullmatch(text)
    if match is None:
        raise ValueError(f"not a type: {text}")
    dtype, dims, scales, zero_points, axis, index, layout = match.groups()
    quant = None
    if scales is not None:
        quant = Quantization(
            tuple(float(s) for s in scales.split(",")),
            tuple(int(z) for z in zero_points.split(",")),
            int(axis or 0),
        )
    shape = tuple(int(d) for d in dims.split(",") if d)
    source_index = -1 if index is None else int(index)
    return Tensor(name, shape, DType(dtype), quant, None, source_index, Layout.parse(layout or ""))


def _parse_const(tensor: Tensor, value: str, stored: Mapping[str, Array]) -> Tensor:
    if value.startswith("#"):
        data = np.array(stored[value[1:].strip()])
    else:
        data = np.array(ast.literal_eval(value), tensor.dtype.numpy).reshape(tensor.shape)
    return Tensor(tensor.name, tensor.shape, tensor.dtype, tensor.quant, data, tensor.source_index)


_STATE = re.compile(r'state "(.*)" : (\w+) = (.*)')


def _parse_state(line: str, stored: Mapping[str, Array]) -> State:
    match = _STATE.fullmatch(line.strip())
    if match is None:
        raise ValueError("not a state")
    name, dtype, value = match.groups()
    if value.startswith("#"):
        return State(name, np.array(stored[value[1:]]))
    return State(name, np.array(ast.literal_eval(value), dtype))


_NODE = re.compile(rf"({_NAME}) = (\w+)\(((?:{_NAME}|[^)])*)\) \{{(.*)\}} : (.*) ; (.*) (-?\d+)")


def _parse_node(line: str) -> tuple[Node, Tensor]:
    match = _NODE.fullmatch(line.strip())
    if match is None:
        raise ValueError("not a node")
    output, kind, operands, attributes, type_text, name, index = match.groups()
    op = registry.by_kind(kind)
    if op is None:
        raise ValueError(f"unknown op {kind}")
    call = ast.parse(f"f({attributes})", mode="eval").body
    assert isinstance(call, ast.Call)
    values = {str(k.arg): ast.literal_eval(k.value) for k in call.keywords}
    inputs = tuple("" if o == "_" else _unref(o) for o in re.findall(rf"{_NAME}|_", operands))
    tensor = _parse_type(_unref(output), type_text)
    return Node(name, op(**values), inputs, tensor.name, int(index)), tensor
