# SPDX-License-Identifier: Apache-2.0
"""Variables of a streaming model: VAR_HANDLE, READ_VARIABLE, ASSIGN_VARIABLE, and CALL_ONCE with their initial values.

A variable becomes a state (``ascmcu.ir.graph.State``): the first reading is an input of the step, the last assigned
value an output of it. The subgraph that CALL_ONCE names is evaluated here; what it assigns is what a clip begins with.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from ascmcu.errors import ModelError
from ascmcu.ir.graph import State
from ascmcu.ir.op import Op
from ascmcu.ir.types import Array, Tensor
from ascmcu.ops.reshape import Reshape

BUILTINS = ("CALL_ONCE", "VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE")

Key = tuple[str, str]


class Importing(Protocol):
    """What variables need of the importer of their subgraph."""

    def emit(self, op: Op, source: Tensor, output: Tensor, index: int) -> None:
        """Append a node of one input."""

    def like(self, tensor: Tensor, stem: str) -> Tensor:
        """A new tensor of ``tensor``'s type, shape and quantization."""

    def tensor_at(self, index: int, role: str) -> Tensor:
        """A tensor of the subgraph."""

    def initial_values(self, subgraph: int) -> Mapping[Key, Array]:
        """What another subgraph assigns to variables."""


@dataclass(frozen=True)
class Carried:
    """A state, the tensor that brings its value into a step, and the one that takes the next value out."""

    state: State
    entry: Tensor
    exit: Tensor


@dataclass
class Variables:
    """The variables of one subgraph while it is imported.

    Attributes:
        handles: which variable a resource tensor stands for.
        entries: by variable: the tensor that was read first, before anything was assigned.
        current: by variable: its value at this place of the subgraph.
        initial: by variable: what CALL_ONCE assigned.
    """

    where: str
    handles: dict[int, Key] = field(default_factory=dict)
    entries: dict[Key, Tensor] = field(default_factory=dict)
    current: dict[Key, Tensor] = field(default_factory=dict)
    initial: dict[Key, Array] = field(default_factory=dict)

    def operator(self, builtin: str, index: int, raw: Any, options: Any, importer: Importing) -> None:
        """Take one of ``BUILTINS``.

        Raises:
            ModelError: it is malformed, or names a variable that nothing declared.
        """
        take: dict[str, Callable[[int, Any, Any, Importing], None]] = {
            "CALL_ONCE": self._call_once,
            "VAR_HANDLE": self._handle,
            "READ_VARIABLE": self._read,
            "ASSIGN_VARIABLE": self._assign,
        }
        take[builtin](index, raw, options, importer)

    def _call_once(self, index: int, raw: Any, options: Any, importer: Importing) -> None:
        if options is None:
            raise self._error("CALL_ONCE names no subgraph", index)
        self.initial.update(importer.initial_values(int(options.InitSubgraphIndex())))

    def _handle(self, index: int, raw: Any, options: Any, importer: Importing) -> None:
        names = (b"", b"") if options is None else (options.Container() or b"", options.SharedName() or b"")
        container, shared = (name.decode("utf-8", "replace") for name in names)
        self.handles[raw.Outputs(0)] = (container, shared)

    def _read(self, index: int, raw: Any, options: Any, importer: Importing) -> None:
        key, output = self._key(raw, index), importer.tensor_at(raw.Outputs(0), "the value of a variable")
        if key in self.current:
            importer.emit(Reshape(output.shape), self.current[key], output, index)
        else:
            self.entries[key] = self.current[key] = output

    def _assign(self, index: int, raw: Any, options: Any, importer: Importing) -> None:
        self.current[self._key(raw, index)] = importer.tensor_at(raw.Inputs(1), "the value of a variable")

    def _key(self, raw: Any, index: int) -> Key:
        key = self.handles.get(raw.Inputs(0))
        if key is None:
            raise self._error("a variable is used that no VAR_HANDLE declares", index, found=raw.Inputs(0))
        return key

    def carried(self, taken: set[str], importer: Importing) -> list[Carried]:
        """The states, in the order in which the variables are read; an exit is a tensor of its own.

        Args:
            taken: tensors that cannot be an exit: inputs and constants.
            importer: of the subgraph.

        Raises:
            ModelError: a variable has no initial value, or one of another size or type.
        """
        found = []
        taken = taken | {tensor.name for tensor in self.entries.values()}
        for key, entry in self.entries.items():
            exit_ = self.current[key]
            if exit_.is_const:
                raise ModelError(
                    "a variable is assigned a constant in every step", where=f"{self.where}: {key[1]}"
                )
            if exit_.name in taken:
                copy = importer.like(entry, f"{entry.name}.next")
                importer.emit(Reshape(copy.shape), exit_, copy, -1)
                exit_ = copy
            taken.add(exit_.name)
            found.append(Carried(State(self._name(key, entry), self._initial(key, entry)), entry, exit_))
        return found

    def constants(self) -> dict[str, Array]:
        """By the name of the tensor that reads it: the value of every variable that is never assigned."""
        never = {key: entry for key, entry in self.entries.items() if self.current[key] is entry}
        for key in never:
            del self.entries[key]
        return {entry.name: self._initial(key, entry) for key, entry in never.items()}

    def _name(self, key: Key, entry: Tensor) -> str:
        return re.sub(r"[^\w./:\-]", "_", key[1])[:80] or entry.name

    def _initial(self, key: Key, entry: Tensor) -> Array:
        value = self.initial.get(key)
        expected = f"{entry.dtype.numpy} {list(entry.shape)}"
        if value is None:
            raise ModelError(
                "a variable is read that has no initial value",
                where=f"{self.where}: {key[1]}, {entry.describe()}",
                expected=f"a subgraph behind CALL_ONCE that assigns {expected}",
                hint="convert the model again: the converter writes initial values for variables of tf.Module or Keras",
            )
        if value.size != entry.elements or value.dtype != entry.dtype.numpy:
            raise ModelError(
                "a variable's initial value is of another size or type",
                where=f"{self.where}: {key[1]}",
                expected=expected,
                found=f"{value.dtype} {list(value.shape)}",
            )
        return np.ascontiguousarray(value.reshape(entry.shape))

    def _error(self, what: str, index: int, **context: Any) -> ModelError:
        return ModelError(what, where=f"{self.where}: operator {index}", **context)
