"""SOFTMAX of float32 over the last axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs, Lowered, Op, RowRule, Swapped, TensorType, elementwise_rule
from ascmcu.ir.registry import register_float
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.ops import _float


@dataclass(frozen=True)
class FloatSoftmaxParams:
    """Compile-time constants: ``vectors`` of ``depth`` elements per step."""

    vectors: int
    depth: int
    beta: float


@register_float("SOFTMAX")
@dataclass(frozen=True)
class FloatSoftmax(Op):
    """exp(beta · (x − max)) / Σ exp(beta · (x − max))."""

    KIND = "float_softmax"
    beta: float

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the op."""
        x, output = ctx.inputs[0], ctx.outputs[0]
        if x is None:
            raise ctx.error("input is missing")
        _float.require_float(ctx, x, output)
        beta = float(ctx.option("Beta", 1.0))
        if not 0 < beta < 1e6:
            raise ctx.error("softmax's beta must be positive", output, found=beta)
        ctx.emit(cls(beta), (x,), output)

    def infer(self, inputs: Inputs) -> TensorType:
        """The input's shape."""
        x = inputs[0]
        assert x is not None
        return TensorType(x.shape, DType.FLOAT32)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """In float64, rounded once."""
        x = arrays[0]
        assert x is not None
        scaled = (x.astype(np.float64) - x.max(axis=-1, keepdims=True)) * self.beta
        exps = np.exp(scaled)
        return np.asarray(exps / exps.sum(axis=-1, keepdims=True), np.float32)

    def swapped(self, inputs: Inputs, output: Tensor) -> Swapped:
        """The last axis stays."""
        return Swapped(self)

    def row_rule(self, inputs: Inputs, output: Tensor) -> RowRule:
        """Row by row: the last axis never is the row axis."""
        return elementwise_rule(inputs, output)

    def lower(self, inputs: Inputs, output: Tensor) -> Lowered:
        """No constants."""
        depth = output.shape[-1]
        return Lowered(FloatSoftmaxParams(output.row_elements // depth, depth, self.beta))
