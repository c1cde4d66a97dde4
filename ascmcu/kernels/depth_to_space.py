# SPDX-License-Identifier: Apache-2.0
"""DEPTH_TO_SPACE: channels spread over the pixels of a block."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.op import Inputs, present
from ascmcu.ir.types import Tensor
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.ops.depth_to_space import DepthToSpace


@dataclass(frozen=True)
class Params:
    """Compile-time constants.

    Attributes:
        rows: of the output, ``block_h`` of which come from one of the input.
        in_c, channels: elements of a pixel of the input and of the output.
        row_step, column_step: in the input's pixel, from the elements of an output pixel to those of the one below it
            and of the one beside it.
        whole: input pixels whose block is not cut off; ``rest`` columns of another one follow.
        run: columns that lie side by side in the input too; ``runs`` of them make a block's row.
    """

    rows: int
    block_h: int
    in_c: int
    channels: int
    row_step: int
    column_step: int
    whole: int
    rest: int
    run: int
    runs: int
    c_type: str

    @property
    def cut(self) -> bool:
        """Whether the last rows of blocks are missing."""
        return self.rows % self.block_h != 0

    @property
    def run_elements(self) -> int:
        """Elements that are copied at once."""
        return self.run * self.channels


@kernel(DepthToSpace, cost=Cost(output=3))
def lower(op: DepthToSpace, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """Copies of runs."""
    (x,) = present(inputs)
    (block_h, block_w), channels = op.block, output.shape[3]
    row_step, column_step = (1, block_h) if op.columns_first else (block_w, 1)
    side_by_side = column_step == 1
    return Lowered(
        Params(
            rows=output.rows,
            block_h=block_h,
            in_c=x.shape[3],
            channels=channels,
            row_step=row_step * channels,
            column_step=column_step * channels,
            whole=op.size[1] // block_w,
            rest=op.size[1] % block_w,
            run=block_w if side_by_side else 1,
            runs=1 if side_by_side else block_w,
            c_type=output.dtype.c_name,
        )
    )
