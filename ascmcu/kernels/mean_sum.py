# SPDX-License-Identifier: Apache-2.0
"""MEAN and SUM: integer sums, then one requantization (tflite reference_ops::QuantizedMeanOrSum)."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.op import Inputs, present
from ascmcu.ir.types import DType, Tensor
from ascmcu.kernels import _reduce
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.kernels._work import Work, work
from ascmcu.ops._mean_sum import MeanOrSum, real_scale
from ascmcu.ops.mean import Mean
from ascmcu.ops.sum import Sum


@dataclass(frozen=True)
class Params:
    """Compile-time constants. In the ``fixed`` form a whole sum is centred by ``offset`` and scaled by multiplier and
    shift; in the other the result is sum × ``scale`` + ``bias`` in float32."""

    geometry: _reduce.Geometry
    fixed: bool
    offset: int
    multiplier: int
    shift: int
    scale: float
    bias: float
    y_zero_point: int
    low: int
    high: int
    x_type: str
    y_type: str


@kernel(Mean, Sum, cost=Cost(input=4, output=40))
def lower(op: MeanOrSum, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """Accumulators, int32, live from the first row to the last."""
    params = sums_params(op, inputs, output)
    return Lowered(
        params, state=(DType.INT32, params.geometry.outputs), work=_work(params, op, inputs, output)
    )


def sums_params(op: MeanOrSum, inputs: Inputs, output: Tensor) -> Params:
    """The loops, and how a whole sum becomes an output."""
    (x,) = present(inputs)
    geometry = _reduce.geometry(op, inputs, output)
    count, fixed = geometry.count, op.fixed_point(x)
    integers = (-x.zero_point * count, *op.multiplier(x, output)) if fixed else (0, 0, 0)
    scale, bias = (0.0, 0.0) if fixed else real_scale(x, output, count)
    return Params(
        geometry,
        fixed,
        *integers,
        float(scale),
        float(bias),
        output.zero_point,
        *output.dtype.integer_range,
        x.dtype.c_name,
        output.dtype.c_name,
    )


def _work(k: Params, op: MeanOrSum, inputs: Inputs, output: Tensor) -> Work:
    """All steps: elements, by whether the innermost loop stays at one sum, then the outputs."""
    (x,) = present(inputs)
    inner = k.geometry.loops[-1]
    form = "along" if inner.steps[1] == 0 else "across"
    ends = op.row_rule(inputs, output).steps // k.geometry.steps
    counts = {
        f"elements_{form}": x.elements,
        f"loops_{form}": x.elements // inner.extent,
        f"outputs_{'fixed' if k.fixed else 'float'}": ends * k.geometry.outputs,
    }
    return work(counts)
