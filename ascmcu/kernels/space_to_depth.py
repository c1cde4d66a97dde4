# SPDX-License-Identifier: Apache-2.0
"""SPACE_TO_DEPTH: the pixels of a block become channels of one."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.op import Inputs, present
from ascmcu.ir.types import Tensor
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.ops.space_to_depth import SpaceToDepth


@dataclass(frozen=True)
class Params:
    """Compile-time constants.

    Attributes:
        block_h: input rows of a step.
        blocks: output pixels of a row, each of ``out_c`` elements.
        run: elements that lie side by side in the input and in the output; ``runs`` of them make a block's row.
        row_step, run_step: in the output's pixel, from the elements of an input row to those of the next one, and from
            one run to the next.
    """

    block_h: int
    blocks: int
    out_c: int
    run: int
    runs: int
    row_step: int
    run_step: int
    c_type: str


@kernel(SpaceToDepth, cost=Cost(output=3))
def lower(op: SpaceToDepth, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """Copies of runs."""
    (x,) = present(inputs)
    (p, q), channels = op.block, x.shape[3]
    if op.columns_first:
        run, runs, row_step, run_step = channels, q, channels, p * channels
    else:
        run, runs, row_step, run_step = q * channels, 1, q * channels, 0
    _, _, blocks, out_c = output.shape
    return Lowered(Params(p, blocks, out_c, run, runs, row_step, run_step, output.dtype.c_name))
