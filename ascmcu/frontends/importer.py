# SPDX-License-Identifier: Apache-2.0
"""A subgraph of a TensorFlow Lite model → Graph: its tensors, then its operators in the order of the file."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import tflite

from ascmcu.errors import DamagedError, ModelError
from ascmcu.frontends import arithmetic, loops, packed, unsigned
from ascmcu.frontends.flatbuffer import CORRUPT, buffer_of, builtin_name, indices, options_of
from ascmcu.frontends.operator_context import OperatorContext
from ascmcu.frontends.variables import BUILTINS as VARIABLE_BUILTINS
from ascmcu.frontends.variables import Carried, Variables
from ascmcu.ir import registry
from ascmcu.ir.graph import Graph, Node, State, with_tensor
from ascmcu.ir.op import Op
from ascmcu.ir.types import Array, DType, Quantization, Tensor

# Far above anything that a microcontroller runs; keeps corrupt files from asking for the host's whole memory.
_MAX_ELEMENTS = 1 << 23
_MAX_RANK = 5
# A row schedule is simulated row by row.
_MAX_EXTENT = 1 << 16
# Converters write about 1e-9 for what is always zero; products and quotients of such scales still fit a float64.
_SMALLEST_SCALE = 1e-20
# In 16x8 models, what is always zero has the smallest number there is.
_SMALLEST_WIDE_SCALE = 1e-46
_DTYPES = {
    tflite.TensorType.INT8: DType.INT8,
    tflite.TensorType.UINT8: DType.UINT8,
    tflite.TensorType.INT16: DType.INT16,
    tflite.TensorType.INT32: DType.INT32,
    tflite.TensorType.INT64: DType.INT64,
    tflite.TensorType.FLOAT32: DType.FLOAT32,
    tflite.TensorType.FLOAT16: DType.FLOAT16,
    tflite.TensorType.BOOL: DType.BOOL,
}
# 4-bit constants are kept as 8-bit ones.
_INT4 = 17
_TYPE_NAMES = {v: k for k, v in vars(tflite.TensorType).items() if k.isupper()}


class Importer:
    """Builds the graph of a subgraph, the first as a rule; one ``OperatorContext`` per operator."""

    def __init__(self, model: Any, data: bytes, name: str, subgraph: int = 0) -> None:
        self.model = model
        self.data = data
        self.name = name
        self.subgraph = model.Subgraphs(subgraph)
        self.tensors: dict[str, Tensor] = {}
        self.by_index: list[Tensor | None] = []
        self.nodes: list[Node] = []
        self.dynamic: set[int] = set()
        self.refused: dict[int, ModelError] = {}
        self.variables = Variables(name)
        self.own_states: list[Carried] = []
        # Operators that are left out.
        self.without: frozenset[int] = frozenset()
        # Values that are kept as the rows they consist of, by the tensor's index.
        self.rows: dict[int, loops.Rows] = {}
        # Of a loop's turn: behind the names of its tensors.
        self.suffix = ""
        self.number = subgraph
        self.constants: dict[tuple[int, int], Tensor] = {}
        self.signed = unsigned.Signed(self)
        # Computed tensors that depend on an input.
        self.unknown: set[str] = set()

    def run(self) -> Graph:
        """Import tensors, then operators in file order."""
        sub = self.subgraph
        return self._graph([int(sub.Inputs(i)) for i in indices(sub.InputsLength(), self.data)])

    def run_behind(self, tensor: int, without: frozenset[int]) -> Graph:
        """Import what takes a tensor, the network's input then, and leave out the operators that make it."""
        self.without = without
        return self._graph([tensor])

    def _graph(self, entries: Sequence[int]) -> Graph:
        sub = self.subgraph
        self._operators()
        inputs = [self._tensor_at(i, "graph input") for i in entries]
        outputs = [
            self._tensor_at(sub.Outputs(i), "graph output") for i in indices(sub.OutputsLength(), self.data)
        ]
        if not inputs or not outputs:
            raise ModelError("the model has no input or no output", where=self.name)
        self._check_batch(inputs, outputs)
        for name, value in self.variables.constants().items():
            self.tensors[name] = with_tensor(self.tensors[name], data=value)
        taken = {t.name for t in inputs} | {n for n, t in self.tensors.items() if t.is_const}
        carried = [*self.variables.carried(taken, self), *self.own_states]
        # ``define`` may have made an output tensor a constant since.
        graph = Graph(
            self.name,
            self.tensors,
            tuple(self.nodes),
            tuple(t.name for t in (*inputs, *(c.entry for c in carried))),
            tuple(t.name for t in (*outputs, *(c.exit for c in carried))),
            tuple(c.state for c in carried),
        )
        self._check_computed(graph)
        return graph.replace()

    def _check_batch(self, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> None:
        for x in inputs:
            whole = all(y.shape[:1] == x.shape[:1] for y in outputs)
            if len(x.shape) == 4 and x.shape[0] > 1 and whole:
                raise ModelError(
                    f"the model takes {x.shape[0]} inputs at once",
                    where=f"{self.name}: {x.describe()}",
                    expected="a batch of 1",
                    found=list(x.shape),
                    hint="convert the model with batch size 1",
                )

    def _operators(self) -> None:
        """Import the tensors, then the operators in file order."""
        sub = self.subgraph
        self.by_index = [self._tensor_or_none(i) for i in indices(sub.TensorsLength(), self.data)]
        errors: list[ModelError] = []
        # Tensors that what is refused would have computed: whoever reads them may be refused for that alone.
        missing: set[int] = set()
        for i in indices(sub.OperatorsLength(), self.data):
            if i in self.without:
                continue
            raw = sub.Operators(i)
            try:
                self._operator(i)
            except DamagedError:
                raise
            except ModelError as error:
                if missing.isdisjoint(raw.Inputs(k) for k in range(raw.InputsLength())):
                    errors.append(error)
                missing.update(raw.Outputs(k) for k in range(raw.OutputsLength()))
        if errors:
            raise _together(errors, self.name)

    def emit(self, op: Op, source: Tensor, output: Tensor, index: int) -> None:
        """Append a node of one input."""
        self.tensors[output.name] = output
        self.nodes.append(Node(output.name, op, (source.name,), output.name, index))

    def like(self, tensor: Tensor, stem: str) -> Tensor:
        """A new tensor of ``tensor``'s type, shape and quantization."""
        made = Tensor(self.fresh(stem), tensor.shape, tensor.dtype, tensor.quant)
        self.tensors[made.name] = made
        return made

    def carry(self, entry: Tensor, exit_: Tensor, initial: Array) -> None:
        """An operator's own state."""
        self.own_states.append(Carried(State(entry.name, initial), entry, exit_))

    def tensor_at(self, index: int, role: str) -> Tensor:
        """A tensor of the subgraph, as it is known by now."""
        tensor = self._tensor_at(index, role)
        return self.tensors.get(tensor.name, tensor)

    def value_at(self, index: int, role: str) -> loops.Value:
        """The same, or the rows it consists of."""
        return self.rows[index] if index in self.rows else self.tensor_at(index, role)

    def bind(self, index: int, value: loops.Value) -> None:
        """Let tensor ``index`` stand for a value."""
        if not 0 <= index < len(self.by_index):
            raise DamagedError("a loop's output is not a tensor of the file", where=self.name, found=index)
        if isinstance(value, loops.Rows):
            self.rows[index] = value
        else:
            self.by_index[index] = value
            self.refused.pop(index, None)

    def constant(self, stem: str, value: Array, like: Tensor) -> Tensor:
        """A new constant of another tensor's type."""
        made = Tensor(self.fresh(stem), tuple(value.shape), like.dtype, like.quant, value)
        self.tensors[made.name] = made
        return made

    def add(
        self, op: Op, inputs: Sequence[Tensor], like: Tensor, shape: tuple[int, ...], stem: str
    ) -> Tensor:
        """Append a node that computes a new tensor of another one's type."""
        made = Tensor(self.fresh(stem), shape, like.dtype, like.quant)
        self.tensors[made.name] = made
        self.nodes.append(Node(made.name, op, tuple(t.name for t in inputs), made.name, -1))
        return made

    def turn(self, subgraph: int, values: Sequence[loops.Value], number: int) -> list[loops.Value]:
        """Import another subgraph on these inputs, as a turn of a loop; its outputs.

        Raises:
            ModelError: there is no such subgraph, or it takes another number of inputs.
        """
        if not 0 < subgraph < self.model.SubgraphsLength():
            raise DamagedError("a loop names no subgraph of the file", where=self.name, found=subgraph)
        inner = Importer(self.model, self.data, self.name, subgraph)
        inner.tensors, inner.nodes, inner.constants = self.tensors, self.nodes, self.constants
        inner.own_states, inner.suffix = self.own_states, f"{self.suffix}@{number}"
        inner.unknown, inner.signed = self.unknown, self.signed
        return inner.inlined(values)

    def inlined(self, values: Sequence[loops.Value]) -> list[loops.Value]:
        """Import all operators on ``values``; the outputs."""
        sub = self.subgraph
        if sub.InputsLength() != len(values):
            raise DamagedError(
                "a loop's subgraph takes another number of values",
                where=self.name,
                expected=len(values),
                found=sub.InputsLength(),
            )
        given = {int(sub.Inputs(i)): value for i, value in enumerate(values)}
        self.by_index = [None if i in given else self._tensor_or_none(i) for i in range(sub.TensorsLength())]
        for index, value in given.items():
            self.bind(index, value)
        for i in indices(sub.OperatorsLength(), self.data):
            self._operator(i)
        return [self.value_at(sub.Outputs(i), "a loop's output") for i in range(sub.OutputsLength())]

    def initial_values(self, subgraph: int) -> dict[tuple[str, str], Array]:
        """What another subgraph assigns to variables, all of it known at compile time.

        Raises:
            ModelError: there is no such subgraph, or what it assigns is not known.
        """
        if not 0 < subgraph < self.model.SubgraphsLength():
            raise DamagedError("CALL_ONCE names no subgraph of the file", where=self.name, found=subgraph)
        other = Importer(self.model, self.data, self.name, subgraph)
        other._operators()
        found = {}
        for key, tensor in other.variables.current.items():
            value = other.fold(tensor)
            if value is None:
                raise ModelError(
                    "a variable's initial value is not known at compile time",
                    where=f"{self.name}: {key[1]}, {tensor.describe()}",
                )
            found[key] = value
        return found

    def fold(self, tensor: Tensor) -> Array | None:
        """A constant, or a value that earlier operators compute from constants (shape arithmetic)."""
        if tensor.data is not None:
            return tensor.data
        if tensor.name in self.unknown:
            return None
        node = next((n for n in reversed(self.nodes) if n.output == tensor.name), None)
        if node is None:
            return None
        sources = [self.tensors[name] if name else None for name in node.inputs]
        values = [None if t is None else self.fold(t) for t in sources]
        if any(t is not None and v is None for t, v in zip(sources, values, strict=True)):
            # Whoever asks again, of this tensor or of what comes behind it, follows it no further.
            self.unknown.add(tensor.name)
            return None
        return node.op.evaluate(values, sources, tensor)

    def fresh(self, stem: str) -> str:
        """A tensor name that is not taken."""
        name, number = stem, 1
        while name in self.tensors:
            name, number = f"{stem}.{number}", number + 1
        return name

    def _check_computed(self, graph: Graph) -> None:
        known = set(graph.inputs) | {n for n, t in self.tensors.items() if t.is_const}
        for node in graph.nodes:
            for name in node.inputs:
                if name and name not in known:
                    raise DamagedError(
                        "a tensor is used before any operator computes it",
                        where=f"{self.name}: {node.describe()}, {self.tensors[name].describe()}",
                    )
            if node.output in known:
                raise DamagedError(
                    "a tensor is written twice", where=f"{self.name}: {self.tensors[node.output].describe()}"
                )
            known.add(node.output)
        for name in graph.outputs:
            if name not in known:
                raise DamagedError(
                    "an output is never computed", where=f"{self.name}: {self.tensors[name].describe()}"
                )

    def _tensor_or_none(self, index: int) -> Tensor | None:
        """A tensor that cannot be had is refused only when something uses it."""
        try:
            return self._tensor(index)
        except ModelError as error:
            self.refused[index] = error
            return None

    def _tensor(self, index: int) -> Tensor | None:
        kept = self.constants.get((self.number, index))
        if kept is not None:
            return kept
        raw = self.subgraph.Tensors(index)
        name = self._unique_name((raw.Name() or b"").decode("utf-8", "replace"), index)
        where = f"{self.name}: tensor {index} '{name}'"
        dtype = DType.INT8 if self._is_int4_constant(raw, where) else _DTYPES.get(raw.Type())
        if dtype is None:
            # Refused only when an operator uses it: string and resource tensors may lie around unused.
            return None
        shape = tuple(int(raw.Shape(i)) for i in indices(raw.ShapeLength(), self.data))
        if len(shape) > 1 and shape[0] == -1:
            # A batch that the converter left open: one clip at a time.
            shape = (1, *shape[1:])
            self.dynamic.add(index)
        absurd = any(not 1 <= d <= _MAX_EXTENT for d in shape) or math.prod(shape) > _MAX_ELEMENTS
        if absurd or len(shape) > _MAX_RANK:
            raise (DamagedError if any(d < -1 for d in shape) else ModelError)(
                "tensor has a dynamic or invalid shape",
                where=where,
                expected=f"up to {_MAX_RANK} extents of 1 … {_MAX_EXTENT}, at most {_MAX_ELEMENTS} elements",
                found=list(shape[:8]),
                hint="convert the model with a fixed input shape and batch size 1",
            )
        if raw.ShapeSignatureLength() > 0 and int(np.min(raw.ShapeSignatureAsNumpy())) < 0:
            self.dynamic.add(index)
        tensor = Tensor(name, shape, dtype, self._quantization(raw, shape, where), None, index)
        constant = self._constant(raw, tensor, where)
        tensor = Tensor(name, shape, dtype, tensor.quant, constant, index)
        self.tensors[name] = tensor
        if constant is not None and self.suffix:
            self.constants[self.number, index] = tensor
        return tensor

    def _unique_name(self, raw: str, index: int) -> str:
        # Converters chain the names of fused layers with semicolons; the first one says enough.
        name = re.sub(r"[^\w./:\-]", "_", raw.split(";")[0])[:80] or f"tensor_{index}"
        name += self.suffix
        return name if name not in self.tensors else f"{name}:{index}"

    def _quantization(self, raw: Any, shape: tuple[int, ...], where: str) -> Quantization | None:
        q = raw.Quantization()
        if q is None or q.ScaleLength() == 0:
            return None
        scales = tuple(float(q.Scale(i)) for i in indices(q.ScaleLength(), self.data))
        zero_points = tuple(int(q.ZeroPoint(i)) for i in indices(q.ZeroPointLength(), self.data)) or (0,)
        axis = int(q.QuantizedDimension())
        per_axis = len(scales) > 1
        if per_axis and len(shape) == 1:
            axis = 0  # There is no other: some converters name the axis of the weights for a bias.
        fits = not per_axis or (0 <= axis < len(shape) and shape[axis] == len(scales))
        smallest = _SMALLEST_WIDE_SCALE if raw.Type() == tflite.TensorType.INT16 else _SMALLEST_SCALE
        usable = all(s == 0 or smallest < abs(s) < 1 / _SMALLEST_SCALE for s in scales)
        if not fits or not usable or len(zero_points) not in (1, len(scales)):
            raise DamagedError(
                "tensor has an invalid quantization",
                where=where,
                expected=f"scales of {_SMALLEST_SCALE:g} … {1 / _SMALLEST_SCALE:g}, one per slice of the axis",
                found=f"{len(scales)} scales from {min(scales):g}, {len(zero_points)} zero points, axis {axis}, "
                f"shape {list(shape)}",
            )
        beyond = any(abs(z) > 1 << 16 for z in zero_points)
        if beyond or len(set(zero_points)) > 1:
            raise (DamagedError if beyond else ModelError)(
                "tensor has unusable zero points", where=where, found=sorted(set(zero_points))[:8]
            )
        return Quantization(scales, (zero_points[0],), axis if per_axis else 0)

    def _constant(self, raw: Any, tensor: Tensor, where: str) -> Array | None:
        buffer = buffer_of(self.model, raw.Buffer(), where)
        if buffer is None:
            return None
        try:
            if raw.Type() == _INT4:
                buffer = packed.nibbles(buffer, tensor.elements)
            if raw.Sparsity() is not None:
                stored = np.frombuffer(buffer.tobytes(), tensor.dtype.numpy)
                return packed.dense(stored, tensor.shape, raw.Sparsity())
        except CORRUPT as error:
            raise DamagedError("a packed constant is damaged", where=where, found=error) from error
        if len(buffer) != tensor.size_bytes:
            raise DamagedError(
                "a constant's buffer does not have the tensor's size",
                where=where,
                expected=f"{tensor.size_bytes} bytes",
                found=f"{len(buffer)} bytes",
            )
        return np.frombuffer(buffer.tobytes(), tensor.dtype.numpy).reshape(tensor.shape)

    def _is_int4_constant(self, raw: Any, where: str) -> bool:
        return raw.Type() == _INT4 and buffer_of(self.model, raw.Buffer(), where) is not None

    def _tensor_at(self, index: int, role: str) -> Tensor:
        if not 0 <= index < len(self.by_index):
            raise DamagedError(
                f"{role} is not a tensor of the file",
                where=self.name,
                expected=f"< {len(self.by_index)}",
                found=index,
            )
        if index in self.rows:
            where = f"{self.name}: {role}, tensor {index}"
            self.by_index[index] = loops.joined(self.rows.pop(index), self, f"rows{self.suffix}", where)
            self.refused.pop(index, None)
        tensor = self.by_index[index]
        if index in self.refused:
            raise self.refused[index]
        if tensor is None:
            kind = _TYPE_NAMES.get(self.subgraph.Tensors(index).Type(), "unknown")
            raise ModelError(
                f"{role} has an element type that is not supported",
                where=f"{self.name}: tensor {index}",
                expected="int8, uint8, int32 or float32",
                found=kind.lower(),
            )
        return tensor

    def _intermediate(self, index: int) -> Quantization | None:
        """Such a tensor has no values, and often no extents."""
        if not 0 <= index < self.subgraph.TensorsLength():
            return None
        return self._quantization(self.subgraph.Tensors(index), (), f"{self.name}: tensor {index}")

    def _operator(self, index: int) -> None:
        raw = self.subgraph.Operators(index)
        builtin = builtin_name(self.model, raw, f"{self.name}: operator {index}")
        if builtin in VARIABLE_BUILTINS:
            self.variables.operator(builtin, index, raw, options_of(raw), self)
            return
        if builtin in loops.BUILTINS:
            loops.operator(builtin, index, raw, options_of(raw), self)
            return
        if self._as_rows(builtin, raw):
            return
        role = f"operator {index} ({builtin})"
        inputs = [
            None if raw.Inputs(i) == -1 else self._tensor_at(raw.Inputs(i), f"an input of {role}")
            for i in indices(raw.InputsLength(), self.data)
        ]
        outputs = [
            self._tensor_at(raw.Outputs(i), f"an output of {role}")
            for i in indices(raw.OutputsLength(), self.data)
        ]
        if self._computed(builtin, inputs, outputs):
            return
        floats = bool(outputs) and outputs[0].dtype is DType.FLOAT32
        wide = bool(outputs) and outputs[0].dtype is DType.INT16
        integers = bool(outputs) and outputs[0].dtype in (DType.INT32, DType.INT64)
        op = registry.importer(builtin, floats=floats, wide=wide, integers=integers)
        between = [self._intermediate(raw.Intermediates(i)) for i in range(raw.IntermediatesLength())]
        stated, signed = outputs, unsigned.handled(builtin, inputs, outputs)
        if signed:
            inputs, outputs = self.signed.inputs(builtin, inputs, outputs), self.signed.outputs(outputs)
        ctx = OperatorContext(self, builtin, index, inputs, outputs, options_of(raw), between)
        if op is None:
            # The survey speaks of the first output's type, which may be one that is not imported.
            raise ctx.error("operator is not supported", outputs[0] if outputs else None, found=builtin)
        if not outputs or not inputs:
            raise ctx.damage("operator has no inputs or no outputs")
        before = len(self.nodes)
        try:
            op.import_tflite(ctx)
        except CORRUPT as error:
            raise ctx.damage(
                "operator is malformed", outputs[0], found=f"{type(error).__name__}: {error}"
            ) from error
        if signed:
            self.signed.written(outputs, stated, before)
        if self.suffix:
            self._fold_new(before)

    def _as_rows(self, builtin: str, raw: Any) -> bool:
        """Whether the operator only moves rows of a loop's list."""
        if not (self.suffix or self.rows) or builtin not in ("SLICE", "CONCATENATION"):
            return False
        options = options_of(raw)
        axis = int(options.Axis()) if builtin == "CONCATENATION" and options is not None else -1
        return loops.take(builtin, raw, axis, self)

    def _computed(self, builtin: str, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> bool:
        """Compute an operator whose inputs are known, if it is one of counting."""
        if not outputs or not arithmetic.counts(builtin, outputs[0].dtype):
            return False
        values = [None if t is None else self.fold(self.tensors.get(t.name, t)) for t in inputs]
        known = [v for v in values if v is not None]
        if not values or len(known) != len(values):
            return False
        output = outputs[0]
        result = arithmetic.evaluate(builtin, known, output.dtype)
        self.tensors[output.name] = with_tensor(output, data=result)
        return True

    def _fold_new(self, before: int) -> None:
        """Counters of a loop become constants at once, so that nobody follows them back through its turns."""
        for node in self.nodes[before:]:
            output = self.tensors[node.output]
            if output.dtype not in (DType.INT32, DType.INT64) or output.quant is not None:
                return
            value = self.fold(output)
            if value is None:
                return
            self.tensors[node.output] = with_tensor(output, data=value)
        del self.nodes[before:]


def _together(errors: Sequence[ModelError], name: str) -> ModelError:
    """One message for all operators that are refused."""
    if len(errors) == 1:
        return errors[0]
    counts = Counter(error.what for error in errors)
    hints = dict.fromkeys(str(error.hint) for error in errors if error.hint)
    told = ModelError(
        f"{len(errors)} operators cannot be compiled",
        where=name,
        found="; ".join(f"{what} × {count}" if count > 1 else what for what, count in counts.items()),
        hint="; ".join(hints) or None,
        details="\n".join(f"  {_place(error, name)}: {error.what}" for error in errors),
    )
    told.together = tuple(errors)
    return told


def _place(error: ModelError, name: str) -> str:
    return str(error.where).removeprefix(f"{name}: ")
