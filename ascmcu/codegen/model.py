# SPDX-License-Identifier: Apache-2.0
"""Plan → ``model.c`` and ``model.h``."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ascmcu import __version__
from ascmcu.errors import VerifyError
from ascmcu.ir.graph import Graph, node_macs
from ascmcu.ir.op import RowMode, RowReads
from ascmcu.ir.types import Array, Tensor
from ascmcu.jinja import environment, render
from ascmcu.schedule.plan import PUSH, RING, ROWS, Access, Landing, Layer, Plan, scratch_name, state_name

_C_TYPES = {
    "int8": "int8_t", "uint8": "uint8_t", "int16": "int16_t", "uint16": "uint16_t", "int32": "int32_t",
    "int64": "int64_t",
    "float32": "float", "float64": "double",
}  # fmt: skip

WEIGHTS_SECTION = ".rodata.weights"


@dataclass(frozen=True)
class TensorView:
    """A run-time tensor as the templates see it; ``kept`` says that nothing else lies in its bytes from its first row
    to its last."""

    symbol: str
    tensor: Tensor
    offset: int
    ring_rows: int
    kept: bool
    landing: LandingView | None = None

    def slot_offset(self, row: str = "row") -> str:
        """C expression of the byte offset of a row in the ring."""
        if self.ring_rows == 1:
            return "0"
        slot = row if self.ring_rows >= self.tensor.rows else f"{row} % {self.ring_rows}"
        return f"({slot}) * {self.tensor.row_bytes}"

    def unfilled(self, rows_per_step: int = 1) -> str:
        """C condition that what surrounds the rows of ``step`` in their bytes is not there from an earlier step."""
        return f"step < {-(-self.ring_rows // rows_per_step)}" if self.kept else "true"

    def at(self, row: str) -> str:
        """C expression: pointer to a row."""
        return f"{self.symbol}({row})"


@dataclass(frozen=True)
class LandingView:
    """Where the newest row of a tensor lies until the step that reads it ends, as the templates see it."""

    landing: Landing
    offset: int
    rows: int

    @property
    def lands(self) -> str:
        """C condition: ``row`` is the newest of some step when it is made."""
        at = self.landing
        found = [f"row >= {at.last}"] if at.last > 0 else []
        if at.stride > 1:
            found.append(f"(row - {at.last}) % {at.stride} == 0")
        end = at.last + at.stride * at.steps
        found += [f"row < {end}"] if end < self.rows else []
        return " && ".join(found) or "true"

    @property
    def newest(self) -> str:
        """C expression: the row that moves into the ring when ``step`` ends."""
        return f"(step * {self.landing.stride} + {self.landing.last})"


@dataclass(frozen=True)
class RingView(TensorView):
    """A tensor whose rows land, as a layer sees it that finds them all in the ring."""

    def at(self, row: str) -> str:
        """C expression: pointer to a row."""
        return f"{self.symbol}_ring({row})"


@dataclass(frozen=True)
class WindowView(TensorView):
    """A tensor whose rows land, as a layer sees it that finds them in the ring but for the newest of its step."""

    access: Access | None = None

    def at(self, row: str) -> str:
        """C expression: pointer to a row in ``step``."""
        assert self.access is not None
        return f"{self.symbol}_under({row}, step * {self.access.stride} + {self.access.last})"


@dataclass(frozen=True)
class Constant:
    """An array in flash, in a section of its own: the linker script decides whether start-up copies it into RAM."""

    symbol: str
    c_type: str
    values: Array

    @property
    def section(self) -> str:
        """Where the linker puts it."""
        return f"{WEIGHTS_SECTION}.{self.symbol}"

    @property
    def count(self) -> int:
        """Elements."""
        return int(self.values.size)

    @property
    def size_bytes(self) -> int:
        """Bytes in flash."""
        return int(self.values.nbytes)

    @property
    def lines(self) -> list[str]:
        """The initialiser, wrapped."""
        flat = self.values.reshape(-1)
        words = (
            [_float_literal(v) for v in flat] if flat.dtype.kind == "f" else [str(v) for v in flat.tolist()]
        )
        per_line = {1: 24, 2: 16, 4: 10, 8: 4}[flat.dtype.itemsize]
        return [", ".join(words[i : i + per_line]) for i in range(0, len(words), per_line)]


@dataclass(frozen=True)
class LayerView:
    """A layer as the templates see it."""

    layer: Layer
    graph: Graph
    kernel: str
    views: tuple[TensorView | None, ...]
    y: TensorView
    constants: tuple[Constant, ...]
    state: str
    scratch: str
    macs: int

    @property
    def index(self) -> int:
        """Place in execution order."""
        return self.layer.index

    @property
    def op(self) -> str:
        """The op's kind."""
        return self.layer.node.op.kind()

    @property
    def template(self) -> str:
        """The kernel's name, which is that of its template."""
        return self.layer.lowered.kernel

    @property
    def k(self) -> object:
        """The kernel's compile-time constants."""
        return self.layer.lowered.params

    @property
    def steps(self) -> int:
        """How often the layer runs per clip."""
        return self.layer.rule.steps

    @cached_property
    def c(self) -> Mapping[str, str]:
        """C symbols of the constants by the kernel's names."""
        names = (name for name, _ in self.layer.lowered.constants)
        return {name: constant.symbol for name, constant in zip(names, self.constants, strict=True)}

    @property
    def x(self) -> TensorView:
        """The first run-time input."""
        return next(v for v in self.views if v is not None)

    def operand(self, index: int, row: str = "", name: str = "") -> str:
        """C expression of operand ``index`` of a step, be it a tensor's row or a constant in flash.

        A constant with rows advances with the step; a broadcast tensor stays at its only row.
        """
        view = self.views[index]
        tensor = self.graph.tensors[self.layer.node.inputs[index]]
        if view is None:
            symbol = self.c[name or "ab"[index]]
            rows = tensor.has_row_axis and self.y.tensor.has_row_axis and tensor.rows > 1
            return f"{symbol} + ({row or 'step'}) * {tensor.row_elements}" if rows else symbol
        reads = self.layer.rule.reads[index]
        assert reads is not None
        return view.at(row or ("step" if reads.stride else "0"))

    @property
    def moved(self) -> tuple[TensorView, ...]:
        """The tensors whose newest row the layer moves into the ring when a step ends."""
        views = {v.symbol: v for v in self.views if v is not None and v.landing is not None}
        return tuple(v for v in views.values() if v.landing and v.landing.landing.mover == self.index)

    @property
    def comment(self) -> str:
        """One line on what the layer does."""
        shapes = " , ".join(_dims(v.tensor) for v in self.views if v is not None)
        macs = f", {self.macs} MACs" if self.macs else ""
        return f"Layer {self.index}: {self.op} '{self.layer.node.name}', {shapes} -> {_dims(self.y.tensor)}{macs}."

    @property
    def conditions(self) -> list[str]:
        """C conditions under which the next step can run (row schedule)."""
        found = [f"done[{self.index}] < {self.steps}"]
        for view, reads in zip(self.views, self.layer.rule.reads, strict=True):
            if view is not None and reads is not None:
                found.append(_rows_are_there(view, reads, self.index, self.steps))
        return found

    @property
    def rows_done(self) -> str:
        """C expression of the output's complete rows once ``done`` steps ran."""
        rule = self.layer.rule
        if rule.group == rule.steps:
            return f"done[{self.index}] == {self.steps} ? {self.y.tensor.rows} : 0"
        done = f"done[{self.index}]" if rule.group == 1 else f"done[{self.index}] / {rule.group}"
        if rule.rows_per_step == 1:
            return done
        rows = f"{done} * {rule.rows_per_step}"
        return (
            f"clamp_i32({rows}, 0, {self.y.tensor.rows})" if self.y.tensor.rows % rule.rows_per_step else rows
        )


@dataclass(frozen=True)
class StateView:
    """A state as the templates see it: ``initial`` is an array in flash, or None where all bytes are ``fill``;
    ``exit`` holds the next value where that lies elsewhere."""

    name: str
    entry: TensorView
    exit: TensorView | None
    initial: Constant | None
    fill: int


def _rows_are_there(view: TensorView, reads: RowReads, index: int, steps: int) -> str:
    """C condition: the input's rows that step ``done`` reads are complete."""
    complete, rows = f"rows_{view.symbol}", view.tensor.rows
    ahead = reads.first + reads.count
    if reads.stride == 0:
        return f"{complete} >= {min(max(ahead, 0), rows)}"
    needed = f"done[{index}] * {reads.stride} + {ahead}"
    # Below the tensor's end there is nothing to wait for.
    ends = (steps - 1) * reads.stride + ahead <= rows
    return f"{complete} >= {needed if ends else f'min_i32({needed}, {rows})'}"


@dataclass(frozen=True)
class StreamView:
    """One entry of the row schedule: a layer, or an alias whose rows are another tensor's rows. Behind a ``cut`` a
    round may end."""

    symbol: str
    rows_done: str
    layer: LayerView | None
    cut: bool = False


@dataclass(frozen=True)
class WeightArray:
    """A constant, and the layers that read it, by their numbers in the code."""

    symbol: str
    size_bytes: int
    layers: tuple[int, ...]


@dataclass(frozen=True)
class ModelSource:
    """The rendered files and what they weigh; ``arrays`` are the constants, for choosing which go into RAM."""

    files: Mapping[str, str]
    weights_bytes: int
    layer_weights_bytes: tuple[int, ...]
    arrays: tuple[WeightArray, ...] = ()


def render_model(plan: Plan, *, name: str, sha256: str, labels: Sequence[str] = ()) -> ModelSource:
    """``model.c`` and ``model.h`` of a plan.

    Args:
        plan: the scheduled and placed network.
        name: the model's name, for comments and the hello message.
        sha256: hexadecimal SHA-256 of the source file.
        labels: the classes in the order of the first output's values.
    """
    environment().filters["c_float"] = _float_literal
    layers = _layer_views(plan)
    states = _state_views(plan)
    kernels = _kernels(layers)
    graph = plan.graph
    # Those that every layer finds in the ring, or in the ring but for the newest row, have accessors of their own.
    tensors = {v.symbol: v for v in _seen(layers) if not isinstance(v, RingView | WindowView)}
    inputs = [_tensor_view(plan, n) for n in graph.data_inputs]
    outputs = [_tensor_view(plan, n) for n in graph.data_outputs]
    for view in (*inputs, *outputs, *(v for s in states for v in (s.entry, s.exit) if v is not None)):
        tensors.setdefault(view.symbol, view)
    pooled = {c.symbol: c for layer in layers for c in layer.constants}
    pooled.update({s.initial.symbol: s.initial for s in states if s.initial is not None})
    constants = tuple(pooled.values())
    context = {
        "plan": plan,
        "name": name,
        "guard": re.sub(r"\W", "_", name).upper(),
        "sha256": sha256,
        "labels": [_string_literal(label) for label in labels],
        "tool_version": __version__,
        "layers": layers,
        "kernels": kernels,
        "rings": _unlike(layers, RingView),
        "windows": _unlike(layers, WindowView),
        "tensors": sorted(tensors.values(), key=lambda v: int(v.symbol[1:])),
        "constants": constants,
        "weights_bytes": sum(c.size_bytes for c in constants),
        "inputs": inputs,
        "pushes": max(v.tensor.rows for v in inputs),
        "push_bytes": sum(v.tensor.row_bytes for v in inputs),
        "input_bytes": sum(v.tensor.size_bytes for v in inputs),
        "outputs": outputs,
        "states": states,
        "streaming": plan.mode == ROWS,
        "stream": _stream_views(plan, layers),
        "step_table": tuple("END" if i == PUSH else str(i) for i in plan.step_table),
        "macs": graph.macs,
        "parameters": graph.parameters,
    }
    files = {"model.c": render("model.c.j2", **context), "model.h": render("model.h.j2", **context)}
    first = {c.symbol: layer.index for layer in reversed(layers) for c in layer.constants}
    per_layer = tuple(
        sum(c.size_bytes for c in layer.constants if first[c.symbol] == layer.index) for layer in layers
    )
    return ModelSource(files, sum(c.size_bytes for c in constants), per_layer, _weight_arrays(layers))


def _seen(layers: Sequence[LayerView]) -> Iterator[TensorView]:
    return (v for layer in layers for v in (*layer.views, layer.y) if v is not None)


def _unlike(layers: Sequence[LayerView], kind: type[TensorView]) -> list[TensorView]:
    """The tensors that some layer sees in this way, each once."""
    return list({v.symbol: v for v in _seen(layers) if isinstance(v, kind)}.values())


def weights_bytes(plan: Plan) -> int:
    """Bytes of a plan's weights and tables in flash."""
    return sum(array.size_bytes for array in weight_arrays(plan))


def weight_arrays(plan: Plan) -> tuple[WeightArray, ...]:
    """The constants of a plan's layers, each once."""
    return _weight_arrays(_layer_views(plan))


def _weight_arrays(layers: Sequence[LayerView]) -> tuple[WeightArray, ...]:
    readers: dict[str, list[int]] = {}
    sizes = {c.symbol: c.size_bytes for view in layers for c in view.constants}
    for view in layers:
        for symbol in dict.fromkeys(c.symbol for c in view.constants):
            readers.setdefault(symbol, []).append(view.index)
    return tuple(WeightArray(symbol, sizes[symbol], tuple(found)) for symbol, found in readers.items())


def _state_views(plan: Plan) -> tuple[StateView, ...]:
    copied = dict(plan.state_copies)
    views = []
    for number, (state, entry, _) in enumerate(plan.graph.carried):
        raw = np.frombuffer(np.ascontiguousarray(state.initial).tobytes(), np.uint8)
        uniform = bool(np.all(raw == raw[0]))
        constant = None
        if not uniform:
            constant = Constant(f"initial_{number}", _C_TYPES[str(state.initial.dtype)], state.initial)
        exit_ = _tensor_view(plan, copied[entry]) if entry in copied else None
        views.append(StateView(state.name, _tensor_view(plan, entry), exit_, constant, int(raw[0])))
    return tuple(views)


def _string_literal(text: str) -> str:
    """A C string: UTF-8, what is no printable ASCII in octal, which ends after three digits."""
    plain = [chr(b) if 32 <= b < 127 and chr(b) not in '"\\?' else f"\\{b:03o}" for b in text.encode()]
    return f'"{"".join(plain)}"'


def _stream_views(plan: Plan, layers: list[LayerView]) -> list[StreamView]:
    by_index = {layer.index: layer for layer in layers}
    views = []
    for layer in plan.layers:
        output = _tensor_view(plan, layer.node.output)
        if layer.index in by_index:
            view, cut = by_index[layer.index], layer.index in plan.cuts
            views.append(StreamView(output.symbol, view.rows_done, view, cut))
            continue
        source = _tensor_view(plan, layer.node.inputs[0])
        rows = f"rows_{source.symbol}"
        if layer.rule.mode is not RowMode.MAP:
            rows = f"{rows} == {source.tensor.rows} ? {output.tensor.rows} : 0"
        views.append(StreamView(output.symbol, rows, None))
    return views


def _layer_views(plan: Plan) -> list[LayerView]:
    kernels: dict[tuple[str, object], str] = {}
    pool: dict[tuple[str, str, bytes], Constant] = {}
    views = []
    for layer in plan.layers:
        if plan.moves_nothing(layer):
            continue
        kind = layer.lowered.kernel
        kernel = kernels.setdefault((kind, layer.lowered.params), f"{kind}_{layer.index}")
        views.append(_layer_view(plan, layer, kernel, tuple(_constants(layer, pool))))
    return views


def _constants(layer: Layer, pool: dict[tuple[str, str, bytes], Constant]) -> Iterator[Constant]:
    """A layer that is computed twice has its weights once."""
    for name, values in layer.lowered.constants:
        if values.dtype == bool:
            values = values.view(np.uint8)
        key = name, str(values.dtype), values.tobytes()
        yield pool.setdefault(key, Constant(f"{name}_{layer.index}", _C_TYPES[str(values.dtype)], values))


def _layer_view(plan: Plan, layer: Layer, kernel: str, constants: tuple[Constant, ...]) -> LayerView:
    graph = plan.graph
    inputs = tuple(
        None if t is None or t.is_const else _seen_by(plan, layer, t.name)
        for t in graph.input_tensors(layer.node)
    )
    state = ""
    if layer.lowered.state is not None:
        state = f"((model_int32 *)(void *)(arena + {plan.buffer(state_name(layer)).offset}))"
    scratch = ""
    if layer.lowered.scratch is not None:
        c_type = layer.lowered.scratch[0].c_name
        scratch = f"({c_type} *)(void *)(arena + {plan.buffer(scratch_name(layer)).offset})"
    macs = node_macs(graph, layer.node)
    return LayerView(
        layer,
        graph,
        kernel,
        inputs,
        _seen_by(plan, layer, layer.node.output),
        constants,
        state,
        scratch,
        macs,
    )


def _seen_by(plan: Plan, layer: Layer, name: str) -> TensorView:
    """A tensor as a layer finds it."""
    view = _tensor_view(plan, name)
    if view.landing is None:
        return view
    fields = {field.name: getattr(view, field.name) for field in dataclasses.fields(view)}
    for access in view.landing.landing.accesses:
        if (access.layer, access.tensor) == (layer.index, name):
            return RingView(**fields) if access.kind == RING else WindowView(**fields, access=access)
    return view


def _tensor_view(plan: Plan, name: str) -> TensorView:
    names = [*plan.graph.inputs, *(node.output for node in plan.graph.nodes)]
    tensor, buffer = plan.graph.tensors[name], plan.buffer(name)
    # A storage that a reshape shares is one run of bytes, seen by each tensor in its own rows.
    rows = tensor.rows if buffer.row_bytes != tensor.row_bytes else buffer.ring_rows
    # Where the buffer is another's scratch as well, the tensor is its second half (Lowered.widens_in_place).
    twice = buffer.ring_rows == 1 and buffer.row_bytes == 2 * tensor.row_bytes and tensor.rows == 1
    offset = buffer.offset + (tensor.row_bytes if twice else 0)
    landing = _landing_view(plan, plan.storage[name], tensor.rows)
    kept = len(buffer.live) == 1 and landing is None
    return TensorView(f"t{names.index(name)}", tensor, offset, rows, kept, landing)


def _landing_view(plan: Plan, storage: str, rows: int) -> LandingView | None:
    landing = next((found for found in plan.landings if found.owner == storage), None)
    return None if landing is None else LandingView(landing, plan.buffer(landing.name).offset, rows)


@dataclass(frozen=True)
class Kernel:
    """One specialised C function and its source."""

    name: str
    source: str


def _kernels(layers: list[LayerView]) -> list[Kernel]:
    """Every distinct kernel once, in order of first use."""
    seen: dict[str, Kernel] = {}
    for layer in layers:
        if layer.kernel not in seen:
            template = f"kernels/{layer.template}.c.j2"
            if not (environment().loader and template in environment().list_templates()):
                raise VerifyError(
                    "kernel has no template", where=layer.layer.node.describe(), expected=template
                )
            module: Any = environment().get_template(template).make_module()
            source = str(module.kernel(layer.kernel, layer.k))
            seen[layer.kernel] = Kernel(layer.kernel, source.strip())
    return list(seen.values())


def _dims(tensor: Tensor) -> str:
    return "x".join(str(d) for d in (tensor.shape[1:] if tensor.has_row_axis else tensor.shape))


def _float_literal(value: float | np.floating) -> str:
    """A C literal that reads back as the same float or double."""
    if isinstance(value, np.float64):
        return float(value).hex()
    return float(np.float32(value)).hex() + "f"
