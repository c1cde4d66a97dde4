# SPDX-License-Identifier: Apache-2.0
"""Layers given to one kernel, in each pair of layouts that it reads and writes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from ascmcu.ir.graph import with_tensor
from ascmcu.ir.layout import Layout, channel_planar, folded_time
from ascmcu.ir.op import Op
from ascmcu.ir.types import Tensor
from ascmcu.kernels import DEFAULT_TUNING, Lowered, Tuning
from ascmcu.kernels._registry import Kernel

Inputs = Sequence[Tensor | None]


def layouts(
    kernel: Kernel, op: Any, x: Tensor, output: Tensor, inputs: Inputs
) -> Iterator[tuple[Layout, Layout]]:
    """Pairs of layouts that the kernel reads and writes, with their sizes."""

    def sized(kind: Layout, shape: tuple[int, ...]) -> Layout:
        if kind.time_steps > 1:
            return dataclasses.replace(
                folded_time(planar=kind.planar), int16=kind.int16, pitch=shape[3] if kind.int16 else 0
            )
        if kind.planar:
            width = (
                inputs[1].shape[2]
                if len(inputs) > 1 and inputs[1] is not None and len(inputs[1].shape) == 4
                else 1
            )
            stride, padding = getattr(op, "stride", (1, 1)), getattr(op, "padding", (0, 0, 0, 0))
            return channel_planar(shape[2], output.shape[2], stride[1], padding[2], width)
        return kind

    for read in kernel.reads:
        for written in kernel.writes:
            yield sized(read, x.shape), sized(written, output.shape)


def lowered(
    kernel: Kernel,
    op: Op,
    inputs: Inputs,
    output: Tensor,
    pair: tuple[Layout, Layout],
    tuning: Tuning = DEFAULT_TUNING,
) -> Lowered | None:
    """The kernel's constants of a layer whose maps have these layouts; ``None`` where they do not fit, or where the
    kernel does not take it."""
    read, written = pair
    laid = [
        with_tensor(t, layout=read) if t is not None and not t.is_const and len(t.shape) == 4 else t
        for t in inputs
    ]
    y = with_tensor(output, layout=written)
    tensors = [t for t in (*laid, y) if t is not None and not t.is_const]
    if any(t.layout.problem(t.shape) for t in tensors) or not kernel.fits(laid, y):
        return None
    return kernel.lower(op, laid, y, dataclasses.replace(tuning, kernel=kernel.name))
