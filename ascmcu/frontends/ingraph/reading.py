# SPDX-License-Identifier: Apache-2.0
"""What the operators behind a transform make of its bins: followed one by one, as long as features can be that."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ascmcu.frontends.ingraph import framing
from ascmcu.frontends.ingraph.framing import Framing
from ascmcu.frontends.ingraph.operators import Operator, Subgraph

_Real = npt.NDArray[np.float64]
# Names of the axes of a tensor of features; other axes have one element.
TIME, BAND = "t", "f"


@dataclass(frozen=True)
class Reading:
    """What a tensor holds.

    Attributes:
        framing: of the transform.
        axes: the meaning of each axis, empty for one of one element.
        part: ``complex``, its ``real`` or ``imag`` part, ``values`` of a spectrum or of features, or the ``peak`` of
            such values.
        power: exponent of the spectrum's magnitude.
        scale: factor on the spectrum before filters.
        matrix: filters (bins, bands), or none.
        offset, floor: added before the logarithm; least value before it.
        logarithm: factor of the natural logarithm, 0 before there is one.
        top_db: values are at least the clip's peak less this.
        below: of a ``peak``: what was taken from it.
        basis: a matrix (bands, coefficients) behind the logarithm, or none.
        gain, bias: by band or of one element, behind all this.
    """

    framing: Framing
    axes: tuple[str, ...]
    part: str
    power: float = 1.0
    scale: float = 1.0
    matrix: _Real | None = None
    offset: float = 0.0
    floor: float = 0.0
    logarithm: float = 0.0
    top_db: float | None = None
    below: float = 0.0
    basis: _Real | None = None
    gain: tuple[float, ...] = (1.0,)
    bias: tuple[float, ...] = (0.0,)

    @property
    def is_plain(self) -> bool:
        """Whether nothing stands behind the logarithm yet."""
        return self.gain == (1.0,) and self.bias == (0.0,) and self.basis is None

    def but(self, **changes: object) -> Reading:
        """The same with some fields changed."""
        return dataclasses.replace(self, **changes)  # type: ignore[arg-type]


Readings = dict[int, Reading]


def follow(graph: Subgraph, audio: int) -> Readings:
    """What each tensor behind a transform of the audio holds, in the order of the operators.

    Raises:
        NotRunError: a transform's frames cannot be computed.
    """
    found: Readings = {}
    for op in graph.operators:
        if op.name == "RFFT2D" and not found:
            frames = framing.of_transform(graph, audio, op)
        elif op.name == "CONV_2D" and op.inputs[0] not in found:
            frames = framing.of_convolution(graph, audio, op)
        else:
            made = _HANDLERS[op.name](graph, op, found) if op.name in _HANDLERS else None
            if made is not None and len(made.axes) == len(graph.shapes[op.outputs[0]]):
                found[op.outputs[0]] = made
            continue
        if frames is not None:
            axes = _axes(graph.shapes[op.outputs[0]], (TIME, BAND), (frames.frames, frames.n_fft // 2 + 1))
            if axes is not None:
                # A convolution's output is one part of the spectrum; which one makes no difference.
                found[op.outputs[0]] = Reading(frames, axes, "complex" if op.name == "RFFT2D" else "real")
    return found


def _axes(shape: tuple[int, ...], names: tuple[str, ...], sizes: tuple[int, ...]) -> tuple[str, ...] | None:
    """The names of the axes of a shape that holds axes of these sizes, and else ones; ``None`` where it does not."""
    waiting = [(name, size) for name, size in zip(names, sizes, strict=True) if size != 1]
    found = []
    for extent in shape:
        if extent == 1:
            found.append("")
        elif waiting and waiting[0][1] == extent:
            found.append(waiting.pop(0)[0])
        else:
            return None
    return None if waiting else tuple(found)


_Handler = Callable[[Subgraph, Operator, Readings], Reading | None]


def _source(op: Operator, found: Readings) -> Reading | None:
    return found.get(op.inputs[0])


def _reshaped(graph: Subgraph, op: Operator, found: Readings) -> Reading | None:
    x = _source(op, found)
    if x is None:
        return None
    before = graph.shapes[op.inputs[0]]
    kept = [(name, size) for name, size in zip(x.axes, before, strict=True) if name]
    axes = _axes(graph.shapes[op.outputs[0]], tuple(n for n, _ in kept), tuple(s for _, s in kept))
    return None if axes is None else x.but(axes=axes)


def _transposed(graph: Subgraph, op: Operator, found: Readings) -> Reading | None:
    x, order = _source(op, found), graph.constants.get(op.inputs[1])
    if x is None or order is None:
        return None
    return x.but(axes=tuple(x.axes[int(axis)] for axis in order.reshape(-1)))


def _magnitude(graph: Subgraph, op: Operator, found: Readings) -> Reading | None:
    x = _source(op, found)
    return x.but(part="values") if x is not None and x.part == "complex" else None


def _part(graph: Subgraph, op: Operator, found: Readings) -> Reading | None:
    x = _source(op, found)
    return x.but(part="real") if x is not None and x.part == "complex" else None


def _squared(graph: Subgraph, op: Operator, found: Readings) -> Reading | None:
    x = _source(op, found)
    return _to_power(x, 2.0)


def _to_power(x: Reading | None, exponent: float) -> Reading | None:
    if x is None or x.logarithm or x.matrix is not None or x.offset or x.part == "complex":
        return None
    return x.but(
        power=x.power * exponent, scale=x.scale**exponent, floor=x.floor**exponent if x.floor else 0.0
    )


def _rooted(graph: Subgraph, op: Operator, found: Readings) -> Reading | None:
    return _to_power(_source(op, found), 0.5)


def _raised(graph: Subgraph, op: Operator, found: Readings) -> Reading | None:
    exponent = graph.scalar(op.inputs[1])
    return None if exponent is None else _to_power(_source(op, found), exponent)


def _logarithm(graph: Subgraph, op: Operator, found: Readings) -> Reading | None:
    x = _source(op, found)
    if x is None or x.part != "values" or x.logarithm or not x.is_plain:
        return None
    return x.but(logarithm=1.0)


def _times(graph: Subgraph, op: Operator, found: Readings) -> Reading | None:
    if op.inputs[0] == op.inputs[1]:
        return _squared(graph, op, found)
    return _scaled(graph, op, found, lambda c: c)


def _divided(graph: Subgraph, op: Operator, found: Readings) -> Reading | None:
    return _scaled(graph, op, found, lambda c: 1 / c) if op.inputs[0] in found else None


def _scaled(
    graph: Subgraph, op: Operator, found: Readings, function: Callable[[_Real], _Real]
) -> Reading | None:
    """Values times a constant: of the spectrum, of the logarithm, or by band."""
    x, factor = _with_constant(graph, op, found)
    if x is None or factor is None or not np.all(factor):
        return None
    factor = function(factor)
    if x.part in ("complex", "real"):
        return None
    if not x.logarithm and x.matrix is None and len(factor) == 1 and not x.offset:
        return x.but(scale=x.scale * float(factor[0]))
    if x.logarithm and x.is_plain and len(factor) == 1 and x.top_db is None:
        return x.but(logarithm=x.logarithm * float(factor[0]))
    return _affine(x, factor, np.zeros(1))


def _affine(x: Reading, gain: _Real, bias: _Real) -> Reading | None:
    """Only behind a logarithm, or behind filters without one."""
    if x.part != "values":
        return None
    old_gain, old_bias = np.array(x.gain), np.array(x.bias)
    return x.but(gain=tuple(old_gain * gain), bias=tuple(old_bias * gain + bias))


def _with_constant(graph: Subgraph, op: Operator, found: Readings) -> tuple[Reading | None, _Real | None]:
    """The features that an operator takes, and its constant: by band, or of one element."""
    entry, other = op.inputs if op.inputs[0] in found else reversed(op.inputs)
    x, constant = found.get(entry), graph.constants.get(other)
    if x is None or constant is None:
        return x, None
    if constant.size == 1:
        return x, constant.reshape(1).astype(np.float64)
    if BAND not in x.axes or constant.ndim > len(x.axes):
        return x, None
    axis = x.axes.index(BAND) - (len(x.axes) - constant.ndim)
    by_band = axis >= 0 and constant.shape[axis] == constant.size == graph.shapes[entry][x.axes.index(BAND)]
    return x, constant.reshape(-1).astype(np.float64) if by_band else None


def _added(graph: Subgraph, op: Operator, found: Readings) -> Reading | None:
    left, right = (found.get(i) for i in op.inputs)
    if left is not None and right is not None:
        # re² + im²
        squares = (
            left.part == right.part == "real"
            and left.power == right.power == 2
            and op.inputs[0] != op.inputs[1]
        )
        if not squares or left.scale != right.scale:
            return None
        # The sines do not tell the window's weight where they are all zero.
        known = max(left, right, key=lambda part: bool(part.framing.name)).framing
        return max(left, right, key=lambda part: len(part.axes)).but(part="values", framing=known)
    x, term = _with_constant(graph, op, found)
    if x is None or term is None:
        return None
    if not x.logarithm and len(term) == 1 and x.is_plain and x.part == "values" and not x.floor:
        return x.but(offset=x.offset + float(term[0]))
    return _affine(x, np.ones(1), term)


def _subtracted(graph: Subgraph, op: Operator, found: Readings) -> Reading | None:
    x, term = _with_constant(graph, op, found)
    if x is None or term is None or op.inputs[0] not in found:
        return None
    if x.part == "peak":
        return x.but(below=x.below + float(term[0])) if len(term) == 1 else None
    return _affine(x, np.ones(1), -term) if x.logarithm else None


def _highest(graph: Subgraph, op: Operator, found: Readings) -> Reading | None:
    """The peak of all features."""
    x = _source(op, found)
    whole = (
        x is not None and x.logarithm and x.part == "values" and math.prod(graph.shapes[op.outputs[0]]) == 1
    )
    return (
        x.but(part="peak", axes=("",) * len(graph.shapes[op.outputs[0]])) if x is not None and whole else None
    )


def _raised_to(graph: Subgraph, op: Operator, found: Readings) -> Reading | None:
    """max(values, floor), or max(values, peak - top_db)."""
    both = [found[i] for i in op.inputs if i in found]
    if len(both) == 2:
        values, peak = sorted(both, key=lambda x: x.part != "values")
        limit = peak.part == "peak" and values.part == "values" and values.top_db is None and peak.below > 0
        same = (
            values.logarithm == peak.logarithm
            and values.bias == peak.bias
            and values.gain == peak.gain == (1.0,)
        )
        return values.but(top_db=peak.below) if limit and same else None
    x, floor = _with_constant(graph, op, found)
    if x is None or floor is None or len(floor) > 1 or x.part != "values" or x.logarithm:
        return None
    return x.but(floor=max(x.floor, float(floor[0])))


def _dense(graph: Subgraph, op: Operator, found: Readings) -> Reading | None:
    weights = graph.constants.get(op.inputs[1])
    x = _source(op, found)
    if (
        x is None
        or weights is None
        or weights.ndim != 2
        or (op.options and op.options.FusedActivationFunction())
    ):
        return None
    bias = graph.constants.get(op.inputs[2]) if len(op.inputs) > 2 and op.inputs[2] >= 0 else None
    made = _filtered(x, weights.T.astype(np.float64), bias)
    before, shape = graph.shapes[op.inputs[0]], graph.shapes[op.outputs[0]]
    if made is None or len(shape) == len(before):
        return made
    # Without its option to keep the axes the operator makes (rows, bands) of them.
    kept = [(name, size) for name, size in zip(x.axes[:-1], before[:-1], strict=True) if name]
    names, sizes = (*(n for n, _ in kept), BAND), (*(s for _, s in kept), shape[-1])
    axes = _axes(shape, names, sizes)
    return None if axes is None else made.but(axes=axes)


def _product(graph: Subgraph, op: Operator, found: Readings) -> Reading | None:
    weights, x = graph.constants.get(op.inputs[1]), _source(op, found)
    if x is None or weights is None or (op.options is not None and op.options.AdjX()):
        return None
    matrix = weights.reshape(weights.shape[-2:]).astype(np.float64)
    if weights.size != matrix.size:
        return None
    return _filtered(x, matrix.T if op.options is not None and op.options.AdjY() else matrix, None)


def _filtered(x: Reading, matrix: _Real, bias: npt.NDArray[np.float32] | None) -> Reading | None:
    """Filters before the logarithm, a transform of cepstra behind it; the last axis must be that of the bands."""
    if x.part != "values" or x.axes[-1] != BAND:
        return None
    if x.logarithm:
        plain = x.is_plain and bias is None
        return x.but(basis=matrix) if plain else None
    if x.matrix is not None or x.offset or x.floor:
        return None
    offset = 0.0 if bias is None else float(bias.reshape(-1)[0])
    even = bias is None or np.all(bias == bias.reshape(-1)[0])
    return x.but(matrix=matrix, offset=offset) if even else None


def _same(graph: Subgraph, op: Operator, found: Readings) -> Reading | None:
    """An operator that leaves the values: a cast, or the rounding to the network's integers."""
    x = _source(op, found)
    return x if x is not None and x.part == "values" and op.outputs[0] in _known_types(graph) else None


def _known_types(graph: Subgraph) -> set[int]:
    return {
        i
        for i, dtype in enumerate(graph.dtypes)
        if dtype == "float32" or (dtype and i in graph.quantizations)
    }


_HANDLERS: dict[str, _Handler] = {
    "RESHAPE": _reshaped, "EXPAND_DIMS": _reshaped, "SQUEEZE": _reshaped, "TRANSPOSE": _transposed,
    "COMPLEX_ABS": _magnitude, "REAL": _part, "IMAG": _part, "SQUARE": _squared, "SQRT": _rooted, "POW": _raised,
    "LOG": _logarithm, "MUL": _times, "DIV": _divided, "ADD": _added, "SUB": _subtracted, "MAXIMUM": _raised_to,
    "REDUCE_MAX": _highest, "FULLY_CONNECTED": _dense, "BATCH_MATMUL": _product, "CAST": _same, "QUANTIZE": _same,
}  # fmt: skip

__all__ = ["BAND", "TIME", "Reading", "Readings", "follow"]
