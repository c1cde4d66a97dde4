# SPDX-License-Identifier: Apache-2.0
"""State that a network takes as a further input and gives back as a further output becomes state of its own.

Networks exported for a caller who carries the state (a GRU's ``prev_state`` in, its new state out) have no variables.
An input and the output that belongs to it are named, or found: same type and quantization, as many elements, and no
other output that would fit.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from ascmcu.errors import ModelError, near
from ascmcu.ir.graph import Graph, State
from ascmcu.ir.types import Tensor

Pair = tuple[str, str]
# Scales of both ends are calibrated apart and differ in the last digits.
_SAME_SCALE = 1e-5
_NAMED_LIKE_STATE = re.compile(
    r"state|hidden|prev|memory|cache|carry|context|buffer|(^|[_/])[hc]\d*([_:/]|$)", re.I
)


def chosen(graph: Graph, wanted: Sequence[str]) -> tuple[Pair, ...]:
    """The pairs that a user named as ``INPUT:OUTPUT``, by name or by number from 0.

    Raises:
        ModelError: no such input or output, or they do not fit each other.
    """
    pairs = tuple(_pair(graph, text) for text in wanted)
    for entry, exit_ in pairs:
        if not _fit(graph.tensors[entry], graph.tensors[exit_]):
            raise ModelError(
                "an output cannot carry this input's state on: they need one type, quantization and size",
                where=f"{graph.name}: {graph.tensors[entry].describe()}",
                expected=_what(graph.tensors[entry]),
                found=_what(graph.tensors[exit_]),
            )
    ends = [name for pair in pairs for name in pair]
    if len(set(ends)) != len(ends) or len(pairs) == len(graph.data_inputs):
        raise ModelError(
            "a state needs an input and an output of its own, and one input must be left for data",
            where=graph.name,
            found=", ".join(wanted),
        )
    return pairs


def inferred(graph: Graph) -> tuple[Pair, ...]:
    """The inputs that are named like a state, each with the only output that fits it; none if no input were left."""
    found: list[Pair] = []
    for entry in graph.data_inputs:
        x = graph.tensors[entry]
        fitting = [name for name in graph.data_outputs if _fit(x, graph.tensors[name])]
        if len(fitting) == 1 and _NAMED_LIKE_STATE.search(entry) and fitting[0] not in [e for _, e in found]:
            found.append((entry, fitting[0]))
    return tuple(found) if len(found) < len(graph.data_inputs) else ()


def with_states(graph: Graph, pairs: Sequence[Pair]) -> Graph:
    """The graph in which each pair is a state; it begins with zeros (the zero point of integers)."""
    entries, exits = [entry for entry, _ in pairs], [exit_ for _, exit_ in pairs]
    if not pairs:
        return graph
    states = tuple(State(entry, _zeros(graph.tensors[entry])) for entry in entries)
    carried = graph.carried
    return Graph(
        graph.name,
        graph.tensors,
        graph.nodes,
        (*(n for n in graph.data_inputs if n not in entries), *(e for _, e, _ in carried), *entries),
        (*(n for n in graph.data_outputs if n not in exits), *(e for _, _, e in carried), *exits),
        (*graph.states, *states),
    )


def _zeros(tensor: Tensor) -> np.ndarray:
    return np.full(tensor.shape, tensor.zero_point, tensor.dtype.numpy)


def _fit(x: Tensor, y: Tensor) -> bool:
    return x.dtype is y.dtype and x.elements == y.elements and not y.is_const and _alike(x, y)


def _alike(x: Tensor, y: Tensor) -> bool:
    """Whether the same integers mean the same numbers, up to what a converter's rounding makes of a scale."""
    if x.quant is None or y.quant is None:
        return x.quant is y.quant
    return x.zero_point == y.zero_point and abs(x.scale - y.scale) <= _SAME_SCALE * x.scale


def _what(tensor: Tensor) -> str:
    quant = "" if tensor.quant is None else f", scale {tensor.scale:g}, zero point {tensor.zero_point}"
    return f"{tensor.describe()}, {tensor.elements} elements{quant}"


def _pair(graph: Graph, text: str) -> Pair:
    """Names hold colons themselves: the one is taken at which both sides are known."""
    for at in [i for i, letter in enumerate(text) if letter == ":"]:
        entry, exit_ = _end(graph.data_inputs, text[:at]), _end(graph.data_outputs, text[at + 1 :])
        if entry is not None and exit_ is not None:
            return entry, exit_
    known = [f"{i} {name}" for i, name in enumerate(graph.data_inputs)]
    outputs = [f"{i} {name}" for i, name in enumerate(graph.data_outputs)]
    raise ModelError(
        "no such pair of an input and an output",
        where=graph.name,
        expected=f"INPUT:OUTPUT by name or number; inputs {', '.join(known)}; outputs {', '.join(outputs)}",
        found=text,
        hint=near(text.partition(":")[0], graph.data_inputs),
    )


def _end(names: Sequence[str], word: str) -> str | None:
    if word in names:
        return word
    return names[int(word)] if word.isdecimal() and int(word) < len(names) else None
