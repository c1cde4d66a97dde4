# SPDX-License-Identifier: Apache-2.0
"""What a kernel does, counted: how often an inference runs each part of its code.

A kernel counts its parts from its compile-time constants; what each part costs is measured (``cycles.toml``, made by
``tools/cycles``), and the prediction is the sum of the products. The parts of code that kernels share have a common
prefix, ``packed.``; all others belong to the kernel that counts them.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ascmcu.ir.op import Inputs, Op
from ascmcu.ir.types import Tensor
from ascmcu.ops._window import WindowParams


@dataclass(frozen=True)
class Work:
    """Parts of a kernel's code, each with how often an inference runs it."""

    parts: tuple[tuple[str, int], ...] = ()

    def __add__(self, other: Work) -> Work:
        counts = dict(self.parts)
        for part, count in other.parts:
            counts[part] = counts.get(part, 0) + count
        return work(counts)

    def __mul__(self, times: int) -> Work:
        return work({part: count * times for part, count in self.parts})

    @property
    def names(self) -> tuple[str, ...]:
        """The parts that run."""
        return tuple(part for part, _ in self.parts)

    def of(self, part: str) -> int:
        """How often a part runs."""
        return next((count for name, count in self.parts if name == part), 0)


NO_WORK = Work()


def work(counts: Mapping[str, int]) -> Work:
    """The parts that run at all."""
    return Work(tuple((part, int(count)) for part, count in counts.items() if count))


def general(op: Op, inputs: Inputs, output: Tensor) -> Work:
    """What is known of any kernel: multiply-accumulates, outputs, and inputs that are computed."""
    read = sum(t.elements for t in inputs if t is not None and not t.is_const)
    return work({"macs": op.macs(inputs, output), "outputs": output.elements, "inputs": read})


@functools.lru_cache(maxsize=1024)
def inside(outputs: int, kernel: int, stride: int, dilation: int, before: int, size: int) -> tuple[int, ...]:
    """Of each window along an axis, how many of its taps lie in the map and not in the padding."""
    starts = (o * stride - before for o in range(outputs))
    return tuple(sum(0 <= start + tap * dilation < size for tap in range(kernel)) for start in starts)


def blocks(count: int, most: int) -> Iterable[tuple[int, int]]:
    """(first, how many) of what is done ``most`` at a time."""
    return ((first, min(most, count - first)) for first in range(0, count, most))


def window_loops(w: WindowParams, form: str, out_rows: int, left: int, channels: int) -> Work:
    """The loops of a plain convolution: kernel rows and columns that lie in the map, and the products there.

    Args:
        w: the window.
        form: how outputs are requantized.
        out_rows: rows of the output.
        left: columns of padding in front.
        channels: input channels that an output sums.
    """
    rows = sum(inside(out_rows, w.kernel_h, w.stride_h, w.dilation_h, w.pad_top, w.in_h))
    columns = sum(inside(w.out_w, w.kernel_w, w.stride_w, w.dilation_w, left, w.in_w))
    counts = {
        "rows": out_rows * w.kernel_h,
        "columns": out_rows * w.out_w,
        f"outputs_{form}": out_rows * w.out_w * w.out_c,
        "kernel_rows": rows * w.out_w * w.out_c,
        "outside": rows * (w.out_w * w.kernel_w - columns) * w.out_c,
        "taps": rows * columns * w.out_c,
        "products": rows * columns * w.out_c * channels,
    }
    return work(counts)
