# SPDX-License-Identifier: Apache-2.0
"""SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND, written out as pad, reshape, transpose and slice.

TensorFlow spells a dilated convolution as SPACE_TO_BATCH_ND, a convolution over the parts, BATCH_TO_SPACE_ND, and its
converter does not always join the three (Keras' SeparableConv1D). ``fuse_batched_dilation`` does.
"""

from __future__ import annotations

from collections.abc import Callable

from ascmcu.ir.graph import with_tensor
from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Op
from ascmcu.ir.types import Tensor
from ascmcu.ops._window import Pair
from ascmcu.ops.pad import Pad
from ascmcu.ops.reshape import Reshape
from ascmcu.ops.slice import Slice

Transposing = Callable[[tuple[int, ...]], Op]
# Between (N, rows, block, columns, block, C) and (block, block, N, rows, columns, C).
TO_BATCH = (2, 4, 0, 1, 3, 5)
TO_SPACE = (2, 3, 0, 4, 1, 5)


def import_space_to_batch(ctx: ImportContext, transpose: Transposing) -> None:
    """Pad, then every block-th row and column becomes a picture of its own (reference_ops::SpaceToBatchND)."""
    x, output = _operand(ctx), ctx.outputs[0]
    block, (rows, columns) = _block(ctx), _pairs(ctx)
    if any((*rows, *columns)):
        padded = (x.shape[0], x.shape[1] + sum(rows), x.shape[2] + sum(columns), x.shape[3])
        whole = ctx.temporary(x, padded, f"{output.name}.padded")
        ctx.emit(Pad(((0, 0), rows, columns, (0, 0)), x.zero_point), (x,), whole)
        x = whole
    n, height, width, channels = x.shape
    if height % block[0] or width % block[1]:
        raise ctx.error("the padded input is not a multiple of the block", x, expected=block, found=x.shape)
    split = (n, height // block[0], block[0], width // block[1], block[1], channels)
    parts = ctx.temporary(x, split, f"{output.name}.split")
    ctx.emit(Reshape(split), (x,), parts)
    moved = ctx.temporary(x, tuple(split[axis] for axis in TO_BATCH), f"{output.name}.moved")
    ctx.emit(transpose(TO_BATCH), (parts,), moved)
    shape = (n * block[0] * block[1], split[1], split[3], channels)
    ctx.emit(Reshape(shape), (moved,), with_tensor(output, shape=shape))


def import_batch_to_space(ctx: ImportContext, transpose: Transposing) -> None:
    """The way back, then the crop (reference_ops::BatchToSpaceND)."""
    x, output = _operand(ctx), ctx.outputs[0]
    block, crops = _block(ctx), _pairs(ctx)
    batch, height, width, channels = x.shape
    if batch % (block[0] * block[1]):
        raise ctx.error("the batch is not a multiple of the block", x, expected=block, found=batch)
    n = batch // (block[0] * block[1])
    split = (*block, n, height, width, channels)
    parts = ctx.temporary(x, split, f"{output.name}.split")
    ctx.emit(Reshape(split), (x,), parts)
    moved = ctx.temporary(x, tuple(split[axis] for axis in TO_SPACE), f"{output.name}.moved")
    ctx.emit(transpose(TO_SPACE), (parts,), moved)
    whole = (n, height * block[0], width * block[1], channels)
    if not any((*crops[0], *crops[1])):
        ctx.emit(Reshape(whole), (moved,), with_tensor(output, shape=whole))
        return
    joined = ctx.temporary(x, whole, f"{output.name}.whole")
    ctx.emit(Reshape(whole), (moved,), joined)
    begin = (0, crops[0][0], crops[1][0], 0)
    size = (n, whole[1] - sum(crops[0]), whole[2] - sum(crops[1]), channels)
    ctx.emit(Slice(begin, size, (1, 1, 1, 1)), (joined,), with_tensor(output, shape=size))


def _operand(ctx: ImportContext) -> Tensor:
    x = ctx.inputs[0]
    if x is None or len(x.shape) != 4:
        raise ctx.error("input must have four dimensions", x)
    return x


def _block(ctx: ImportContext) -> Pair:
    block = tuple(int(b) for b in ctx.const(1).reshape(-1))
    if len(block) != 2 or min(block) < 1:
        raise ctx.error("block must be two positive numbers", expected="rows, columns", found=block)
    return block[0], block[1]


def _pairs(ctx: ImportContext) -> tuple[Pair, Pair]:
    values = tuple(int(v) for v in ctx.const(2).reshape(-1))
    if len(values) != 4 or min(values) < 0:
        raise ctx.error("paddings or crops must be two pairs of numbers from 0", found=values)
    return (values[0], values[1]), (values[2], values[3])
