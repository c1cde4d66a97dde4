# SPDX-License-Identifier: Apache-2.0
"""UNIDIRECTIONAL_SEQUENCE_LSTM and BIDIRECTIONAL_SEQUENCE_LSTM on float32; weights float32, half precision or int8."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs, TensorType, present
from ascmcu.ir.registry import register_float
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.ops import _float, _lstm
from ascmcu.ops.concatenation import Concatenation
from ascmcu.ops.reshape import Reshape
from ascmcu.ops.slice import Slice

_FORWARD = range(1, 18)
_BACKWARD = range(18, 35)
_NORMS = (20, 21, 22, 23)
_STATES, _FORWARD_STATES, _BACKWARD_STATES = (18, 19), (35, 36), (37, 38)
_AUXILIARY = range(39, 48)
_VARIANCE_GUARD = 1e-8  # tensor_utils MeanStddevNormalization


@register_float("UNIDIRECTIONAL_SEQUENCE_LSTM", "BIDIRECTIONAL_SEQUENCE_LSTM")
@dataclass(frozen=True)
class FloatLstm(_lstm.StatesOp):
    """The states after each step, float32.

    Inputs: x; the state; weights (gates × cells, depth) and recurrent weights (gates × cells, outputs) of the gates
    below each other, input (unless CIFG), forget, cell, output; bias; peephole weights, normalization coefficients, and
    projection weights with bias, as far as there are any.
    """

    KIND = "float_lstm"
    FAMILY = "dense"
    activation: str
    cell_clip: float
    projection_clip: float

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the layer in one direction or both, and its state."""
        if ctx.builtin == "UNIDIRECTIONAL_SEQUENCE_LSTM":
            _import_one(ctx)
        else:
            _import_both(ctx)

    def infer(self, inputs: Inputs) -> TensorType:
        """One row of states for each of the input."""
        x = inputs[0]
        assert x is not None
        return TensorType((1, x.shape[1], self.width), DType.FLOAT32)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """In float64, states rounded to float32 after each step."""
        x, first = present(arrays[:2])
        values = [None if t is None else t.astype(np.float64) for t in arrays[2:]]
        state, rows = first.reshape(-1).astype(np.float64), []
        for vector in x[0].astype(np.float64):
            state = self._step(vector, state, values).astype(np.float32).astype(np.float64)
            rows.append(state)
        return np.array(rows, np.float32).reshape(output.shape)

    def _step(self, x: Array, state: Array, values: Sequence[Array | None]) -> Array:
        weights, recurrent, bias = present(values[:3])
        peepholes, norm, projection, projection_bias = values[3:]
        cell, hidden = state[: self.cells], state[self.cells :]
        sums = (weights @ x + recurrent @ hidden).reshape(self.gates, -1)
        offsets = bias.reshape(self.gates, -1)

        def gate(index: int, seen: Array | None = None) -> Array:
            """A gate's sum: with the cell state that its peephole sees, normalized."""
            total = sums[index] if norm is not None else sums[index] + offsets[index]
            if seen is not None and peepholes is not None:
                place = index if index < self.gates - 1 else -1
                total = total + peepholes.reshape(-1, self.cells)[place] * seen
            if norm is None:
                return np.asarray(total)
            spread = np.sqrt(((total - total.mean()) ** 2).mean() + _VARIANCE_GUARD)
            normalized = (total - total.mean()) / spread
            return np.asarray(normalized * norm.reshape(self.gates, -1)[index] + offsets[index])

        at = 1 if self.input_gate else 0
        forget = _logistic(gate(at, cell))
        into = _logistic(gate(0, cell)) if self.input_gate else 1.0 - forget
        cell = forget * cell + into * _activated(gate(at + 1), self.activation)
        if self.cell_clip > 0:
            cell = np.clip(cell, -self.cell_clip, self.cell_clip)
        hidden = _logistic(gate(self.gates - 1, cell)) * _activated(cell, self.activation)
        if projection is not None and projection_bias is not None:
            hidden = projection @ hidden + projection_bias
            if self.projection_clip > 0:
                hidden = np.clip(hidden, -self.projection_clip, self.projection_clip)
        return np.concatenate([cell, hidden])


# Activations of the schema's ActivationFunctionType, as far as the reference's LSTM has them.
ACTIVATIONS = {0: "none", 1: "relu", 3: "relu6", 4: "tanh"}


def _activated(x: Array, activation: str) -> Array:
    if activation == "tanh":
        return np.asarray(np.tanh(x))
    low, high = {"none": (None, None), "relu": (0.0, None), "relu6": (0.0, 6.0)}[activation]
    return x if low is None else np.clip(x, low, high)


def _logistic(x: Array) -> Array:
    with np.errstate(over="ignore"):
        return np.asarray(1.0 / (1.0 + np.exp(-x)))


def _import_one(ctx: ImportContext) -> None:
    time_major = bool(ctx.option("TimeMajor", False))
    rows = _lstm.rows_of_time(ctx, _input(ctx), time_major)
    operands = _lstm.import_operands(ctx, _FORWARD, _NORMS)
    y = _direction(ctx, rows, operands, _STATES, "")
    ctx.emit(Reshape(ctx.outputs[0].shape), (y,), ctx.outputs[0])


def _import_both(ctx: ImportContext) -> None:
    if any(i < len(ctx.inputs) and ctx.inputs[i] is not None for i in _AUXILIARY):
        raise ctx.error("a bidirectional LSTM with an auxiliary input is not supported", ctx.inputs[39])
    rows = _lstm.rows_of_time(ctx, _input(ctx), bool(ctx.option("TimeMajor", True)))
    forward = _direction(ctx, rows, _lstm.import_operands(ctx, _FORWARD, ()), _FORWARD_STATES, "forward.")
    turned = _reversed(ctx, rows, "turned")
    backward = _direction(
        ctx, turned, _lstm.import_operands(ctx, _BACKWARD, ()), _BACKWARD_STATES, "backward."
    )
    backward = _reversed(ctx, backward, "backward")
    if not bool(ctx.option("MergeOutputs", False)):
        for y, output in zip((forward, backward), ctx.outputs, strict=True):
            ctx.emit(Reshape(output.shape), (y,), output)
        return
    width = forward.shape[2] + backward.shape[2]
    merged = ctx.temporary(forward, (1, rows.shape[1], width), f"{ctx.outputs[0].name}.merged")
    ctx.emit(Concatenation(2), (forward, backward), merged)
    ctx.emit(Reshape(ctx.outputs[0].shape), (merged,), ctx.outputs[0])


def _input(ctx: ImportContext) -> Tensor:
    x = ctx.needed(0)
    _float.require_float(ctx, x, *ctx.outputs)
    return x


def _reversed(ctx: ImportContext, x: Tensor, stem: str) -> Tensor:
    """Time the other way round."""
    turned = ctx.temporary(x, x.shape, f"{ctx.outputs[0].name}.{stem}")
    ctx.emit(Slice((0, x.shape[1] - 1, 0), x.shape, (1, -1, 1)), (x,), turned)
    return turned


def _direction(
    ctx: ImportContext, rows: Tensor, operands: _lstm.Operands, states: tuple[int, int], stem: str
) -> Tensor:
    """Emit the layer in one direction; its output (1, time, outputs)."""
    for index in states:
        _float.require_float(ctx, ctx.needed(index))
    op = _operation(ctx, operands)
    name = f"{ctx.outputs[0].name}.{stem}"
    constants = _constants(ctx, operands, name)
    initial = np.zeros((1, 1, op.width), np.float32)
    found = _lstm.emit_states(ctx, op, rows, rows, constants, initial, name)
    y = ctx.temporary(rows, (1, rows.shape[1], op.outputs), f"{name}y")
    ctx.emit(Slice((0, 0, op.cells), y.shape, (1, 1, 1)), (found,), y)
    return y


def _operation(ctx: ImportContext, operands: _lstm.Operands) -> FloatLstm:
    code = int(ctx.option("FusedActivationFunction", 4))
    if code not in ACTIVATIONS:
        raise ctx.error("activation is not supported", expected=sorted(ACTIVATIONS.values()), found=code)
    clips = [float(ctx.option(name, 0.0)) for name in ("CellClip", "ProjClip")]
    if min(clips) < 0:
        raise ctx.error("a clip must not be negative", found=min(clips))
    return FloatLstm(operands.cells, operands.outputs, operands.input_gate, ACTIVATIONS[code], *clips)


def _constants(ctx: ImportContext, operands: _lstm.Operands, name: str) -> list[Tensor | None]:
    """Inputs of the op behind the state."""

    def constant(what: str, tensors: Sequence[Tensor]) -> Tensor | None:
        for tensor in tensors:
            if tensor.dtype not in _float.WEIGHTS:
                raise ctx.error("weights must be float32, float16 or int8", tensor, found=tensor.dtype.value)
            _float.require_scales(ctx, tensor)
        if not tensors:
            return None
        return ctx.constant(f"{name}{what}", np.concatenate([_float.values(t) for t in tensors]))

    own = [] if operands.projection is None else [operands.projection]
    offsets = constant(
        "projection_bias", [] if operands.projection_bias is None else [operands.projection_bias]
    )
    if own and offsets is None:
        offsets = ctx.constant(f"{name}projection_bias", np.zeros(operands.outputs, np.float32))
    return [
        constant("weights", operands.weights),
        constant("recurrent", operands.recurrent),
        constant("bias", operands.biases),
        constant("peepholes", operands.peepholes),
        constant("norm", operands.norms),
        constant("projection", own),
        offsets,
    ]
