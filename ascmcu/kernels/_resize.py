# SPDX-License-Identifier: Apache-2.0
"""Shared code of the kernels that resize maps: tables of where rows and columns come from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ascmcu.ir.op import Inputs, RowMode, present
from ascmcu.ir.types import Array, Tensor
from ascmcu.ops._resize import Along, Resize


@dataclass(frozen=True)
class Params:
    """Compile-time constants: ``rows`` of the output are made in a step, each of ``width`` pixels of ``channels``."""

    rows: int
    width: int
    channels: int
    c_type: str
    sum_type: str


def params(op: Resize, inputs: Inputs, output: Tensor, sum_type: str = "") -> Params:
    """The constants of a step."""
    rule = op.row_rule(inputs, output)
    rows = rule.rows_per_step if rule.mode is RowMode.MAP else output.rows
    return Params(rows, output.shape[2], output.shape[3], output.dtype.c_name, sum_type)


def tables(op: Resize, inputs: Inputs) -> tuple[Along, Along]:
    """Rows, and columns in elements."""
    x = present(inputs)[0]
    rows, columns = (op.along(old, new) for old, new in zip(x.shape[1:3], op.size, strict=True))
    return rows, Along(columns.low * x.shape[3], columns.high * x.shape[3], columns.weight)


def short(values: Array) -> Array:
    """Rows and weights fit 16 bits: no axis is longer."""
    return values.astype(np.int16)
