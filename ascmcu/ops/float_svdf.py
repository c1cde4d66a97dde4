# SPDX-License-Identifier: Apache-2.0
"""SVDF on float32; weights float32, half precision or int8."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs, Op, TensorType, present
from ascmcu.ir.registry import register_float
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.ops import _float, _svdf
from ascmcu.ops._activation import import_activation
from ascmcu.ops.float_svdf_time import FloatSvdfTime


@register_float("SVDF")
@dataclass(frozen=True)
class FloatSvdf(Op):
    """The memory of all filters, one step later: (1, filters × memory), the oldest entry of each filter dropped and
    weights · x appended. Inputs: the old memory, x, weights (filters, depth)."""

    KIND = "float_svdf"
    FAMILY = "dense"
    OVERWRITES = True
    memory: int

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the step of the memory, and what is made of it."""
        operands, output = _svdf.import_operands(ctx), ctx.outputs[0]
        _float.require_float(ctx, operands.x, operands.state, operands.bias, output)
        _float.require_weights(ctx, operands.weights, None, operands.filters)
        _float.require_weights(ctx, operands.time, None, operands.filters)
        name, own = output.name, operands.bias
        weights = ctx.constant(f"{name}.weights", _float.values(operands.weights))
        time = ctx.constant(f"{name}.time", _float.values(operands.time))
        bias = np.zeros(operands.units, np.float32) if own is None else _float.values(own)
        offsets = ctx.constant(f"{name}.bias", bias)
        entry = ctx.temporary(operands.state, operands.state.shape, f"{name}.memory")
        after = ctx.temporary(operands.state, entry.shape, f"{name}.memory.next")
        ctx.emit(cls(time.shape[1]), (entry, operands.x, weights), after)
        ctx.carry(entry, after, np.zeros(entry.shape, np.float32))
        ctx.emit(FloatSvdfTime(operands.rank, import_activation(ctx)), (after, time, offsets), output)

    def infer(self, inputs: Inputs) -> TensorType:
        """The memory's."""
        return TensorType(present(inputs)[0].shape, DType.FLOAT32)

    def macs(self, inputs: Inputs, output: Tensor) -> int:
        """One per weight."""
        return present(inputs)[2].elements

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Summed in float64, rounded once."""
        state, x, weights = present(arrays)
        found = np.roll(state.reshape(-1, self.memory), -1, axis=1)
        found[:, -1] = (weights.astype(np.float64) @ x.reshape(-1).astype(np.float64)).astype(np.float32)
        return np.ascontiguousarray(found.reshape(output.shape))
