# SPDX-License-Identifier: Apache-2.0
"""The ``ImportContext`` of one operator of a file."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from ascmcu.errors import DamagedError, ModelError
from ascmcu.ir.graph import Node, with_tensor
from ascmcu.ir.op import Op
from ascmcu.ir.types import Array, DType, Quantization, Tensor
from ascmcu.ops._quant import way_to_int8


class Building(Protocol):
    """The graph so far, to which an operator adds: tensors by name, nodes in order.

    ``dynamic`` are the tensors, by their index in the file, whose stated shapes are placeholders.
    """

    name: str
    tensors: dict[str, Tensor]
    nodes: list[Node]
    dynamic: set[int]

    def fold(self, tensor: Tensor) -> Array | None:
        """A value that is known while importing."""

    def fresh(self, stem: str) -> str:
        """A name that no tensor has."""

    def carry(self, entry: Tensor, exit_: Tensor, initial: Array) -> None:
        """Make ``exit_`` of a step ``entry`` of the next one."""


class OperatorContext:
    """The ``ImportContext`` of one operator."""

    def __init__(
        self,
        graph: Building,
        builtin: str,
        index: int,
        inputs: Sequence[Tensor | None],
        outputs: Sequence[Tensor],
        options: Any,
        intermediates: Sequence[Quantization | None] = (),
    ) -> None:
        self._graph = graph
        self.builtin = builtin
        self._index = index
        # A tensor that an earlier operator defined as constant is seen as such.
        self.inputs = [None if t is None else graph.tensors.get(t.name, t) for t in inputs]
        self.outputs = list(outputs)
        self._options = options
        self.intermediates = intermediates

    def option(self, name: str, default: Any = None) -> Any:
        """A builtin option; numbers are finite.

        Raises:
            ModelError: the file holds an infinity or NaN.
        """
        reader: Callable[[], Any] | None = (
            getattr(self._options, name, None) if self._options is not None else None
        )
        value = default if reader is None else reader()
        if isinstance(value, float) and not math.isfinite(value):
            raise self.damage(f"option {name} is not a number", expected="a finite number", found=str(value))
        return value

    def needed(self, index: int) -> Tensor:
        """An input that must not be absent."""
        tensor = self.inputs[index]
        if tensor is None:
            raise self.damage("input is missing")
        return tensor

    def known(self, index: int) -> Array | None:
        """The value of an input that is known while importing."""
        tensor = self.inputs[index] if index < len(self.inputs) else None
        return None if tensor is None else self._graph.fold(tensor)

    def const(self, index: int) -> Array:
        """The value of a constant input."""
        tensor = self.inputs[index] if index < len(self.inputs) else None
        value = self.known(index)
        if value is None:
            raise self.error(
                "operand must be constant", tensor, expected="a constant", found="a computed tensor"
            )
        return value

    def emit(self, op: Op, inputs: Sequence[Tensor | None], output: Tensor) -> None:
        """Append a node. What a dynamic model states of its tensors are placeholders: there the op's own rule holds."""
        if output.source_index in self._graph.dynamic:
            output = with_tensor(output, shape=self._inferred(op, inputs, output))
        self._graph.tensors[output.name] = output
        names = tuple("" if t is None else t.name for t in inputs)
        self._graph.nodes.append(Node(output.name, op, names, output.name, self._index))

    def _inferred(self, op: Op, inputs: Sequence[Tensor | None], output: Tensor) -> tuple[int, ...]:
        try:
            return op.infer(inputs).shape
        except ModelError as error:
            raise self.error(error.what, output, expected=error.expected, found=error.found) from error

    def define(self, output: Tensor, value: Array) -> None:
        """Make ``output`` a constant."""
        if tuple(value.shape) != output.shape:
            raise self.error(
                "constant result has another shape", output, expected=output.shape, found=value.shape
            )
        if value.dtype != output.dtype.numpy:
            raise self.error(
                "constant result has another type",
                output,
                expected=output.dtype.value,
                found=str(value.dtype),
            )
        self._graph.tensors[output.name] = Tensor(
            output.name, output.shape, output.dtype, output.quant, value, output.source_index
        )

    def temporary(self, like: Tensor, shape: tuple[int, ...], stem: str) -> Tensor:
        """A new tensor."""
        return self._add(Tensor(self._graph.fresh(stem), shape, like.dtype, like.quant))

    def constant(self, stem: str, value: Array, like: Tensor | None = None) -> Tensor:
        """A new constant."""
        dtype = like.dtype if like is not None else DType(_numpy_name(value))
        quant = like.quant if like is not None else None
        return self._add(Tensor(self._graph.fresh(stem), tuple(value.shape), dtype, quant, value))

    def _add(self, tensor: Tensor) -> Tensor:
        self._graph.tensors[tensor.name] = tensor
        return tensor

    def carry(self, entry: Tensor, exit_: Tensor, initial: Array) -> None:
        """State of the operator's own: ``exit_`` of a step is ``entry`` of the next one."""
        self._graph.carry(entry, exit_, initial)

    def error(self, what: str, tensor: Tensor | None = None, **context: Any) -> ModelError:
        """An error at this operator."""
        return ModelError(what, where=self._where(tensor), **context)

    def damage(self, what: str, tensor: Tensor | None = None, **context: Any) -> DamagedError:
        """The same, where no converter writes such an operator."""
        return DamagedError(what, where=self._where(tensor), **context)

    def _where(self, tensor: Tensor | None) -> str:
        where = f"{self._graph.name}: {self.builtin}, operator {self._index}"
        return where if tensor is None else f"{where}, {tensor.describe()}"

    def require_dtype(self, tensor: Tensor, *allowed: DType) -> None:
        """Refuse other element types."""
        if tensor.dtype not in allowed:
            raise self.error(
                "element type is not supported here",
                tensor,
                expected=", ".join(d.name.lower() for d in allowed),
                found=tensor.dtype.name.lower(),
                hint=way_to_int8(tensor),
            )


def _numpy_name(value: Array) -> str:
    return next(d.value for d in DType if d.numpy == value.dtype)
