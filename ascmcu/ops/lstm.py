# SPDX-License-Identifier: Apache-2.0
"""UNIDIRECTIONAL_SEQUENCE_LSTM on int8: gates and cell state in int16."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs, TensorType, present
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, DType, Quantization, Tensor
from ascmcu.ops import _lstm, _quant, _scales
from ascmcu.ops._fixed import (
    I64,
    inverse_root,
    multiply_by_quantized_multiplier,
    rounding_divide_by_pot,
    wrap32,
)
from ascmcu.ops._fixed16 import ONE, logistic, saturate16, tanh, wrap16
from ascmcu.ops.lstm_output import LstmOutput
from ascmcu.ops.reshape import Reshape

Fixed = tuple[int, int]

_PLACES = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17)
_NORMS = (20, 21, 22, 23)
_OUTPUT_STATE, _CELL_STATE = 18, 19
# Q3.12: what the gates' functions read.
_GATE_SCALE = 2.0**-12
_MOST_CELL_BITS = 6


@register("UNIDIRECTIONAL_SEQUENCE_LSTM")
@dataclass(frozen=True)
class Lstm(_lstm.StatesOp):
    """The states after each step, int16.

    Arithmetic of LiteRT's ``LstmStepInteger8x8_16``. Inputs: x int8; the state int16; weights (gates × cells, depth)
    and recurrent weights (gates × cells, outputs) of the gates below each other, input (unless CIFG), forget, cell,
    output; bias and recurrent bias, int32, which hold the zero points' part of the sums; peephole weights int16,
    normalization coefficients int16 with bias, projection weights with bias, as far as there are any.

    Attributes:
        scales, recurrent_scales: mantissa and shift of each gate's sums.
        peephole_scales: of the products with the cell state, for all gates but the cell's; empty without peepholes.
        norm_scales: of each gate: mantissa, shift, variance that stands for zero; empty without normalization.
        hidden: mantissa, shift and zero point of output gate × tanh(cell state).
        projection: the same of the projection; empty without one.
        cell_bits: integer bits of the cell state.
        cell_clip, projection_clip: bounds of their magnitudes; 0 for none.
    """

    KIND = "lstm"
    FAMILY = "dense"
    scales: tuple[Fixed, ...]
    recurrent_scales: tuple[Fixed, ...]
    peephole_scales: tuple[Fixed, ...]
    norm_scales: tuple[tuple[int, int, int], ...]
    hidden: tuple[int, int, int]
    projection: tuple[int, ...]
    cell_bits: int
    cell_clip: int
    projection_clip: int

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the layer, what it gives, and its state."""
        _import(ctx)

    def infer(self, inputs: Inputs) -> TensorType:
        """One row of states for each of the input."""
        x = inputs[0]
        assert x is not None
        return TensorType((1, x.shape[1], self.width), DType.INT16)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Bit-exact reference."""
        x, first = present(arrays[:2])
        state = first.reshape(-1).astype(np.int64)
        cell, hidden = state[: self.cells], state[self.cells :]
        rows = []
        for vector in x[0].astype(np.int64):
            cell, hidden = self._step(vector, cell, hidden, arrays)
            rows.append(np.concatenate([cell, hidden]))
        return np.array(rows, np.int16).reshape(output.shape)

    def _step(self, x: I64, cell: I64, hidden: I64, arrays: Sequence[Array | None]) -> tuple[I64, I64]:
        """Cell state and output after one step."""
        sums = self._sums(x, hidden, arrays)
        forget_at = 1 if self.input_gate else 0
        forget = logistic(self._gate(forget_at, sums, cell, arrays))
        candidate = tanh(self._normalized(forget_at + 1, sums[forget_at + 1], arrays), 3)
        into = ONE - forget
        if self.input_gate:
            into = logistic(self._gate(0, sums, cell, arrays))
        kept = wrap16(rounding_divide_by_pot(forget * cell, 15))
        added = wrap16(rounding_divide_by_pot(into * candidate, 15 + self.cell_bits))
        cell = saturate16(kept + added)
        if self.cell_clip:
            cell = np.clip(cell, -self.cell_clip, self.cell_clip)
        gate = logistic(self._gate(self.gates - 1, sums, cell, arrays))
        return cell, self._output(gate * tanh(cell, self.cell_bits), arrays)

    def _sums(self, x: I64, hidden: I64, arrays: Sequence[Array | None]) -> I64:
        """What the gates get from the input and the last output: (gates, cells)."""
        found = np.zeros((self.gates, self.cells), np.int64)
        weights, bias, recurrent, recurrent_bias = present(arrays[2:6])
        parts = ((x, weights, bias, self.scales), (hidden, recurrent, recurrent_bias, self.recurrent_scales))
        for vector, matrix, offsets, scales in parts:
            acc = wrap32(matrix.astype(np.int64) @ vector + offsets).reshape(self.gates, self.cells)
            fixed = np.array(scales)[:, :, np.newaxis]
            found = saturate16(multiply_by_quantized_multiplier(acc, fixed[:, 0], fixed[:, 1]) + found)
        return found

    def _gate(self, gate: int, sums: I64, cell: I64, arrays: Sequence[Array | None]) -> I64:
        """A gate's sum with its peephole, normalized."""
        total, weights = sums[gate], arrays[6]
        if weights is not None:
            # The reference walks as many cells as there are outputs.
            reach = min(self.outputs, self.cells)
            at = gate if gate < self.gates - 1 else len(self.peephole_scales) - 1
            own = weights.astype(np.int64).reshape(-1, self.cells)[at, :reach]
            more = multiply_by_quantized_multiplier(own * cell[:reach], *self.peephole_scales[at])
            total = np.concatenate([saturate16(total[:reach] + more), total[reach:]])
        return self._normalized(gate, total, arrays)

    def _normalized(self, gate: int, total: I64, arrays: Sequence[Array | None]) -> I64:
        """``PortableApplyLayerNorm``, or the sum as it is."""
        coefficients, bias = arrays[7], arrays[8]
        if coefficients is None or bias is None:
            return total
        multiplier, shift, guard = self.norm_scales[gate]
        factors, offsets = (a.reshape(self.gates, -1)[gate].astype(np.int64) for a in (coefficients, bias))
        squares = int((total * total).sum())
        mean = _towards_zero(int(total.sum()) * 1024, self.cells)
        variance = _towards_zero(squares * ((1 << 20) // self.cells) - mean * mean, 1 << 20)
        inverse, right = inverse_root(variance if variance >= 1 else guard)
        rescaled = multiply_by_quantized_multiplier(wrap32(1024 * total - mean), inverse, -right)
        weighted = wrap32(wrap32(rescaled * factors) + offsets)
        nudged = weighted + np.where(weighted > 0, 512, -512)
        value = np.where(nudged >= 0, nudged // 1024, -(-nudged // 1024))
        return saturate16(multiply_by_quantized_multiplier(value, multiplier, shift + 12))

    def _output(self, product: I64, arrays: Sequence[Array | None]) -> I64:
        """The step's output, by the projection if there is one."""
        multiplier, shift, zero_point = self.hidden
        hidden = np.clip(multiply_by_quantized_multiplier(product, multiplier, shift) + zero_point, -128, 127)
        weights, bias = arrays[9], arrays[10]
        if weights is None or bias is None:
            return np.asarray(hidden, np.int64)
        multiplier, shift, zero_point = self.projection
        acc = wrap32(weights.astype(np.int64) @ hidden + bias)
        found = np.clip(multiply_by_quantized_multiplier(acc, multiplier, shift) + zero_point, -128, 127)
        if self.projection_clip:
            found = np.clip(found, -self.projection_clip, self.projection_clip)
        return np.asarray(found, np.int64)


def _towards_zero(value: int, divisor: int) -> int:
    return value // divisor if value >= 0 else -(-value // divisor)


def _import(ctx: ImportContext) -> None:
    x, output = ctx.needed(0), ctx.outputs[0]
    time_major = bool(ctx.option("TimeMajor", False))
    rows = _lstm.rows_of_time(ctx, x, time_major)
    operands = _lstm.import_operands(ctx, _PLACES, _NORMS)
    output_state, cell_state = ctx.needed(_OUTPUT_STATE), ctx.needed(_CELL_STATE)
    _check_types(ctx, operands, x, output, output_state, cell_state)
    op = _operation(ctx, operands, x, output, output_state, cell_state)
    constants = _constants(ctx, op, operands, x, output_state)
    initial = _initial(op, output_state.zero_point)
    like = Tensor("", (), DType.INT16)
    states = _lstm.emit_states(ctx, op, like, rows, constants, initial, f"{output.name}.")
    shape = (1, rows.shape[1], op.outputs)
    if not time_major:
        ctx.emit(LstmOutput(op.cells), (states,), output)
        return
    flat = ctx.temporary(output, shape, f"{output.name}.flat")
    ctx.emit(LstmOutput(op.cells), (states,), flat)
    ctx.emit(Reshape(output.shape), (flat,), output)


def _initial(op: Lstm, zero_point: int) -> Array:
    initial = np.zeros((1, 1, op.width), np.int16)
    initial[..., op.cells :] = zero_point
    return initial


def _check_types(
    ctx: ImportContext,
    operands: _lstm.Operands,
    x: Tensor,
    output: Tensor,
    output_state: Tensor,
    cell: Tensor,
) -> None:
    _quant.require_quantized(ctx, x, output, output_state)
    projection = () if operands.projection is None else (operands.projection,)
    for tensor in (x, output, output_state, *operands.weights, *operands.recurrent, *projection):
        ctx.require_dtype(tensor, DType.INT8)
    ctx.require_dtype(cell, DType.INT16)
    for tensor in (*operands.peepholes, *operands.norms):
        ctx.require_dtype(tensor, DType.INT16)
    for tensor in operands.biases:
        ctx.require_dtype(tensor, DType.INT32)
    constants = (*operands.weights, *operands.recurrent, *operands.peepholes, *operands.norms, *projection)
    for tensor in constants:
        if tensor.quant is None or tensor.quant.per_axis or tensor.zero_point != 0 or tensor.scale <= 0:
            raise ctx.error("weights of an LSTM have one scale and no zero point", tensor)
    if operands.peepholes and operands.outputs > operands.cells:
        raise ctx.error("an LSTM with peepholes has no more outputs than cells", output)


def _cell_bits(ctx: ImportContext, cell: Tensor) -> int:
    """Integer bits of the cell state, whose scale is a power of two."""
    scale = 0.0 if cell.quant is None or cell.quant.per_axis else cell.quant.scale
    bits = 15 + round(math.log2(scale)) if scale > 0 else -1
    # LiteRT takes what is within 0.001 of a power (CheckedLog2).
    if not 0 <= bits <= _MOST_CELL_BITS or abs(math.log2(scale) - (bits - 15)) >= 1e-3:
        raise ctx.error(
            "the cell state's scale must be a power of two",
            cell,
            expected=f"2^-15 … 2^-{15 - _MOST_CELL_BITS}",
            found=scale,
        )
    return bits


def _operation(
    ctx: ImportContext,
    operands: _lstm.Operands,
    x: Tensor,
    output: Tensor,
    output_state: Tensor,
    cell: Tensor,
) -> Lstm:
    """The fixed-point constants, in the reference's precision (``PopulateQuantizedLstmParams8x8_16``)."""
    bits = _cell_bits(ctx, cell)
    between = [_gate_scale(ctx, operands, gate) for gate in operands.gates]
    hidden = _hidden(ctx)
    ends = [w for w in zip(operands.weights, operands.recurrent, between, strict=True)]
    peepholes = [scale for gate, scale in zip(operands.gates, between, strict=True) if gate != _lstm.CELL]
    projection: tuple[int, ...] = ()
    if operands.projection is not None:
        scale = _scales.single_multiplier(operands.projection.scale, hidden.scale, over=output_state.scale)
        projection = (*scale, output_state.zero_point)
    real_hidden = _scales.double(_scales.double(2.0**-15, over=hidden.scale), 2.0**-15)
    return Lstm(
        operands.cells,
        operands.outputs,
        operands.input_gate,
        tuple(_scales.single_multiplier(w.scale, x.scale, over=scale) for w, _, scale in ends),
        tuple(_scales.single_multiplier(r.scale, output_state.scale, over=scale) for _, r, scale in ends),
        tuple(
            _scales.rounded_multiplier(2.0 ** (bits - 15), p.scale, over=scale)
            for p, scale in zip(operands.peepholes, peepholes if operands.peepholes else (), strict=True)
        ),
        tuple(
            (*_scales.single_multiplier(n.scale, over=1.0), max(1, int(_scales.single(10000.0, n.scale))))
            for n in operands.norms
        ),
        # In front of a projection, the reference takes the zero point off instead of adding it, here and in the sums.
        (*_scales.rounded_multiplier(real_hidden, over=1.0), hidden.zero_point * (-1 if projection else 1)),
        projection,
        bits,
        _clip(ctx, "CellClip", cell, 32767),
        _clip(ctx, "ProjClip", output, 127) if projection else 0,
    )


def _clip(ctx: ImportContext, name: str, tensor: Tensor, most: int) -> int:
    clip = float(ctx.option(name, 0.0))
    if clip < 0:
        raise ctx.error(f"{name} must not be negative", tensor, found=clip)
    return int(min(_scales.single(clip, over=tensor.scale), most)) if clip > 0 else 0


def _gate_scale(ctx: ImportContext, operands: _lstm.Operands, gate: int) -> float:
    """Of the sums in a gate: what its function reads, or what the normalization reads."""
    if not operands.norms:
        return _GATE_SCALE
    quant = ctx.intermediates[gate] if gate < len(ctx.intermediates) else None
    if quant is None or quant.scale <= 0:
        raise ctx.error("the file does not state the scale of a gate in front of its normalization")
    return quant.scale


def _hidden(ctx: ImportContext) -> Quantization:
    """Of output gate × tanh(cell state)."""
    quant = ctx.intermediates[4] if len(ctx.intermediates) > 4 else None
    if quant is None or quant.scale <= 0:
        raise ctx.error(
            "the file does not state the scale of the LSTM's hidden values (its fifth intermediate)"
        )
    return quant


def _constants(
    ctx: ImportContext, op: Lstm, operands: _lstm.Operands, x: Tensor, output_state: Tensor
) -> list[Tensor | None]:
    """Inputs of the op behind the state."""
    name = ctx.outputs[0].name

    def constant(what: str, value: Array) -> Tensor:
        return ctx.constant(f"{name}.{what}", np.ascontiguousarray(value))

    weights = _lstm.stacked(operands.weights, np.int8)
    recurrent = _lstm.stacked(operands.recurrent, np.int8)
    bias = _lstm.stacked(operands.biases, np.int32)
    inner = np.zeros_like(bias) if operands.norms else bias
    found: list[Tensor | None] = [
        constant("weights", weights),
        constant("bias", _with_zero_point(weights, inner, x.zero_point)),
        constant("recurrent", recurrent),
        constant("recurrent_bias", _with_zero_point(recurrent, np.zeros_like(bias), output_state.zero_point)),
        constant("peepholes", _lstm.stacked(operands.peepholes, np.int16)) if operands.peepholes else None,
        constant("norm", _lstm.stacked(operands.norms, np.int16)) if operands.norms else None,
        constant("norm_bias", bias) if operands.norms else None,
    ]
    if operands.projection is None:
        return [*found, None, None]
    own = operands.projection_bias
    offsets = np.zeros(op.outputs, np.int32) if own is None else own.values
    zero_point = op.hidden[2]
    projected = _with_zero_point(operands.projection.values, offsets, zero_point)
    return [
        *found,
        constant("projection", operands.projection.values),
        constant("projection_bias", projected),
    ]


def _with_zero_point(weights: Array, bias: Array, zero_point: int) -> Array:
    """The bias, and what the vector's zero point makes of the sums."""
    return wrap32(bias - zero_point * weights.astype(np.int64).sum(axis=1)).astype(np.int32)
