# SPDX-License-Identifier: Apache-2.0
"""WHILE loops whose trip count is known while importing, and the lists of rows that they fill.

Keras writes LSTM, GRU and RNN as a loop over time. Its body is imported once for each turn; counters become
constants, and the condition tells when to stop. A loop gathers its outputs in a tensor that it rebuilds in each turn
(rows before, the new row, rows behind), or in a list of TensorFlow's (Flex operators): such a value is kept here as
the rows it consists of, and becomes a tensor when something else reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ascmcu.errors import ModelError
from ascmcu.ir.op import Op
from ascmcu.ir.types import Array, Tensor
from ascmcu.ops.concatenation import Concatenation
from ascmcu.ops.reshape import Reshape

BUILTINS = (
    "WHILE", "custom FlexTensorListReserve", "custom FlexTensorListSetItem", "custom FlexTensorListStack",
)  # fmt: skip
# A recurrent layer of a network that fits a microcontroller takes no more steps than that.
_MOST_TURNS = 1024


@dataclass(frozen=True)
class Rows:
    """A tensor in parts that follow each other along axis 0; a part is None while a list's entry is not set."""

    parts: tuple[Tensor | None, ...]

    def along(self, begin: int, count: int) -> Rows | None:
        """``count`` rows from ``begin`` on; ``None`` where that would cut a part."""
        found, at = [], 0
        for part in self.parts:
            extent = 1 if part is None else part.shape[0]
            if at >= begin and at + extent <= begin + count:
                found.append(part)
            elif at < begin + count and at + extent > begin:
                return None
            at += extent
        return Rows(tuple(found))


Value = Tensor | Rows


class Importing(Protocol):
    """What loops need of the importer of their subgraph."""

    name: str
    rows: dict[int, Rows]

    def value_at(self, index: int, role: str) -> Value:
        """A tensor of the subgraph, or the rows it consists of."""

    def turn(self, subgraph: int, values: Sequence[Value], number: int) -> list[Value]:
        """Import another subgraph on these inputs; its outputs."""

    def bind(self, index: int, value: Value) -> None:
        """Let a tensor of the subgraph stand for a value."""

    def fold(self, tensor: Tensor) -> Array | None:
        """A value that is known."""

    def constant(self, stem: str, value: Array, like: Tensor) -> Tensor:
        """A new constant."""

    def add(
        self, op: Op, inputs: Sequence[Tensor], like: Tensor, shape: tuple[int, ...], stem: str
    ) -> Tensor:
        """Append a node that computes a new tensor."""


def operator(builtin: str, index: int, raw: Any, options: Any, importer: Importing) -> None:
    """Take one of ``BUILTINS``.

    Raises:
        ModelError: it is malformed, or its trip count is not known.
    """
    values = [importer.value_at(raw.Inputs(i), f"an input of {builtin}") for i in range(raw.InputsLength())]
    where = f"{importer.name}: operator {index} ({builtin})"
    if builtin == "WHILE":
        for place, value in enumerate(_run(options, values, importer, where)):
            importer.bind(raw.Outputs(place), value)
    elif builtin.endswith("Reserve"):
        importer.bind(raw.Outputs(0), Rows((None,) * int(_known(values[1], importer, where).reshape(-1)[0])))
    elif builtin.endswith("SetItem"):
        importer.bind(raw.Outputs(0), _with_item(values, importer, where))
    else:
        importer.bind(raw.Outputs(0), _set(values[0], importer, where))


def take(builtin: str, raw: Any, axis: int, importer: Importing) -> bool:
    """A part of a value along axis 0, or several joined there, kept as rows; whether it was such an operator."""
    if builtin == "SLICE":
        return _slice(raw, importer)
    if builtin == "CONCATENATION" and axis == 0:
        values = [importer.value_at(raw.Inputs(i), "a joined tensor") for i in range(raw.InputsLength())]
        if any(isinstance(value, Rows) for value in values):
            parts = [value.parts if isinstance(value, Rows) else (value,) for value in values]
            importer.bind(raw.Outputs(0), Rows(tuple(part for own in parts for part in own)))
            return True
    return False


def joined(value: Rows, importer: Importing, stem: str, where: str) -> Tensor:
    """The tensor that consists of the rows.

    Raises:
        ModelError: there are none, or one was never set.
    """
    parts = [part for part in value.parts if part is not None]
    if not parts or len(parts) != len(value.parts):
        raise ModelError("a list of a loop has an entry that nothing sets, or none at all", where=where)
    if len(parts) == 1:
        return parts[0]
    shape = (sum(part.shape[0] for part in parts), *parts[0].shape[1:])
    return importer.add(Concatenation(0), parts, parts[0], shape, stem)


def _run(options: Any, values: list[Value], importer: Importing, where: str) -> list[Value]:
    if options is None:
        raise ModelError("a loop names no subgraphs", where=where)
    condition, body = int(options.CondSubgraphIndex()), int(options.BodySubgraphIndex())
    for number in range(_MOST_TURNS + 1):
        (go,) = importer.turn(condition, values, number)
        if not bool(_known(go, importer, where).reshape(-1)[0]):
            return values
        values = importer.turn(body, values, number)
    raise ModelError("a loop takes too many turns", where=where, expected=f"at most {_MOST_TURNS}")


def _known(value: Value, importer: Importing, where: str) -> Array:
    found = None if isinstance(value, Rows) else importer.fold(value)
    if found is None:
        raise ModelError(
            "how often a loop runs is not known when the model is compiled",
            where=where,
            expected="a condition on counters and constants",
            hint="convert the model with a fixed number of time steps",
        )
    return found


def _with_item(values: Sequence[Value], importer: Importing, where: str) -> Rows:
    """A list with one entry replaced."""
    entries, item = values[0], values[2]
    place = int(_known(values[1], importer, where).reshape(-1)[0])
    if not isinstance(entries, Rows) or isinstance(item, Rows) or not 0 <= place < len(entries.parts):
        raise ModelError("an entry of a list of a loop is out of range", where=where, found=place)
    row = importer.add(Reshape((1, *item.shape)), [item], item, (1, *item.shape), f"{item.name}.row")
    return Rows((*entries.parts[:place], row, *entries.parts[place + 1 :]))


def _set(value: Value, importer: Importing, where: str) -> Rows:
    """A list as a tensor: what was never set is zero."""
    parts = value.parts if isinstance(value, Rows) else (value,)
    like = next((part for part in parts if part is not None), None)
    if like is None:
        raise ModelError("a list of a loop is read that nothing was put into", where=where)
    zeros = np.zeros(like.shape, like.dtype.numpy)
    return Rows(tuple(importer.constant("zero", zeros, like) if part is None else part for part in parts))


def _slice(raw: Any, importer: Importing) -> bool:
    """Whole rows of a value that consists of rows or is constant."""
    source, *ends = (importer.value_at(raw.Inputs(i), "an operand of a slice") for i in range(3))
    known = [None if isinstance(end, Rows) else importer.fold(end) for end in ends]
    if any(end is None for end in known):
        return False
    begin, size = ([int(v) for v in end.reshape(-1)] for end in known if end is not None)
    first = source.parts[0] if isinstance(source, Rows) and source.parts else source
    if not isinstance(first, Tensor) or not begin or len(first.shape) != len(begin):
        return False
    rest = zip(begin[1:], size[1:], first.shape[1:], strict=True)
    if any(b != 0 or n not in (-1, extent) for b, n, extent in rest):
        return False
    rows = source if isinstance(source, Rows) else _constant_rows(source, importer)
    if rows is None:
        return False
    extent = sum(1 if part is None else part.shape[0] for part in rows.parts)
    found = rows.along(begin[0], extent - begin[0] if size[0] == -1 else size[0])
    if found is None:
        return False
    importer.bind(raw.Outputs(0), found)
    return True


def _constant_rows(source: Tensor, importer: Importing) -> Rows | None:
    """The rows of a constant, equal ones shared."""
    value = importer.fold(source)
    if value is None or not source.shape:
        return None
    made: dict[bytes, Tensor] = {}
    for i in range(len(value)):
        row = np.ascontiguousarray(value[i : i + 1])
        if row.tobytes() not in made:
            made[row.tobytes()] = importer.constant(f"{source.name}.row", row, source)
    return Rows(tuple(made[np.ascontiguousarray(row).tobytes()] for row in value))
