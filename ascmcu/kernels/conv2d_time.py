# SPDX-License-Identifier: Apache-2.0
"""CONV_2D along time by the packed product, on a map whose time is folded to width: four time steps at a time."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from ascmcu.ir.graph import Graph, Node
from ascmcu.ir.layout import TIME_INT16, TIME_PLANAR, TIME_STEPS, TIME_TO_WIDTH
from ascmcu.ir.op import Inputs
from ascmcu.ir.types import DType, Tensor
from ascmcu.kernels import _packed_work
from ascmcu.kernels._along_time import along_time, first_row, folded_rule, lead_of, reach
from ascmcu.kernels._lowered import DEFAULT_TUNING, Lowered, Tuning
from ascmcu.kernels._packed_gemm import GemmParams, PackedGemm, packed_gemm
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.kernels._requant import accumulator_bounds
from ascmcu.kernels._select import lower as lowered_by_any
from ascmcu.kernels._work import Work, work
from ascmcu.kernels.conv2d_packed import column_order
from ascmcu.m4.asm import MOST_OFFSET
from ascmcu.ops.conv2d import Conv2D

_SCRATCH_BYTES = 4096


@dataclass(frozen=True)
class Params:
    """Compile-time constants of the row kernel.

    Step s widens ``words`` rows from ``s × stride + first``, ``column`` int16 a time step, one every ``pitch``; the
    first output's window begins ``lead`` time steps into them. Rows outside the input are the zero point where the
    layer pads (``pads``), and so are the ``behind`` time steps of the last row that lie behind the map. The last step
    computes ``last`` time steps. With ``int16_input`` x is int16 already, one row the operand of one step.
    """

    kernel: int
    stride: int
    first: int
    lead: int
    words: int
    steps: int
    last: int
    in_rows: int
    in_c: int
    out_c: int
    column: int
    pitch: int
    x_zero_point: int
    pads: bool
    behind: int
    planes: bool
    int16_input: bool
    gemm: GemmParams
    fold: int = TIME_STEPS

    @property
    def fours(self) -> bool:
        """Whether a time step is widened four channels at a time."""
        return self.in_c % 4 == 0

    @property
    def row(self) -> str:
        """C expression of the first input row under the windows of ``step``."""
        return first_row(self.stride, self.first)


@kernel(
    Conv2D,
    reads=(TIME_TO_WIDTH, TIME_INT16),
    writes=(TIME_TO_WIDTH, TIME_PLANAR),
    cost=Cost(mac=0.94, output=14, input=2),
)
def lower(op: Conv2D, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered | None:
    """A kernel k × 1 over all channels, without dilation, with a requantization that is exact in one multiplication."""
    x, weights, _ = op.operands(inputs)
    channels, kernel_h, _, depth = weights.shape
    if not along_time(op, x, weights, output) or depth != x.shape[3] or op.dilation[0] != 1:
        return None
    first, words = reach(op, weights)
    column, lead = -(-depth // 2) * 2, lead_of(op.padding[0])[1]
    wide = x.layout.int16
    pitch = x.layout.pitch if wide else max(column, tuning.pitch) if kernel_h == 1 else column
    if wide and (kernel_h != 1 or op.stride[0] != 1 or any(op.padding) or depth % 2):
        return None
    scratch = TIME_STEPS * words * pitch
    if 2 * scratch > _SCRATCH_BYTES or channels < TIME_STEPS:
        return None
    form = _product(op, inputs, output, column, pitch, tuning)
    if form is None:
        return None
    height = output.shape[1]
    pads = op.padding[:2] != (0, 0)
    params = Params(
        kernel=kernel_h,
        stride=op.stride[0],
        first=first,
        lead=lead,
        words=words,
        steps=output.rows,
        last=TIME_STEPS // 2 if height % TIME_STEPS in (1, 2) else TIME_STEPS,
        in_rows=x.rows,
        in_c=depth,
        out_c=channels,
        column=column,
        pitch=pitch,
        x_zero_point=x.zero_point,
        pads=pads,
        behind=-x.shape[1] % TIME_STEPS if pads else 0,
        planes=output.layout.planar,
        int16_input=wide,
        gemm=form.params,
    )
    return Lowered(
        params,
        form.arrays,
        scratch=None if wide else (DType.INT16, scratch),
        shift=form.params.shift,
        work=_work(params),
        rule=folded_rule(op, weights, output),
    )


def _work(k: Params) -> Work:
    """All steps: their time steps widened, then summed."""
    steps = TIME_STEPS * (k.steps - 1) + k.last
    found = _packed_work.pairs(k.gemm, steps // 2, k.steps) + _packed_work.tails(
        k.gemm, steps, two=True, calls=k.steps
    )
    if k.int16_input:
        return found
    rows = k.steps * k.words
    read = sum(0 <= s * k.stride + k.first + i < k.in_rows for s in range(k.steps) for i in range(k.words))
    together = k.pitch == k.in_c
    run = _packed_work.widened_bytes(k.in_c * (TIME_STEPS if together else 1))
    found += run * (read * (1 if together else TIME_STEPS))
    filled = (rows - read) * TIME_STEPS * k.pitch if k.pads else 0
    return found + work({"rows": rows, "apart": 0 if together else TIME_STEPS * read, "filled": filled})


def _product(
    op: Conv2D, inputs: Inputs, output: Tensor, column: int, pitch: int, tuning: Tuning
) -> PackedGemm | None:
    """The weights in the order of the widened time steps, if the kernel is exact and reaches all offsets."""
    x, weights, bias = op.operands(inputs)
    channels, planar = weights.shape[0], output.layout.planar
    step = TIME_STEPS if planar else 1
    if step * channels > MOST_OFFSET:
        return None
    along = column_order(weights.values.transpose(0, 2, 1, 3), column)
    return packed_gemm(
        weights.values.reshape(channels, -1) if x.layout.int16 else along,
        bias.values,
        x,
        op.requantization(inputs, output),
        accumulator_bounds(weights.values.reshape(channels, -1), bias.values, x),
        pixel_bytes=2 * pitch * op.stride[0],
        out_step=1 if planar else channels,
        channel_step=step,
        tuning=tuning,
    )


def common_pitches(graph: Graph) -> dict[str, int]:
    """By output: the distance of widened time steps at which 1x1 convolutions have the same code, where they may."""
    groups: dict[object, list[tuple[Node, Params]]] = {}
    for node in graph.nodes:
        lowered = _lowered(graph, node, DEFAULT_TUNING)
        if lowered is not None and isinstance(lowered.params, Params):
            params, d = lowered.params, lowered.params.gemm
            if params.kernel == 1 and d.blocks > 1:
                key = (d.unroll, d.rest, d.shift, d.signed, d.low, d.high, params.stride)
                groups.setdefault(key, []).append((node, params))
    found = {}
    for members in groups.values():
        pitch = max(params.pitch for _, params in members)
        tuning = dataclasses.replace(DEFAULT_TUNING, pitch=pitch)
        found.update({node.output: pitch for node, _ in members if _lowered(graph, node, tuning) is not None})
    return found


def _lowered(graph: Graph, node: Node, tuning: Tuning) -> Lowered | None:
    """A convolution of a map whose time is folded to width."""
    source = graph.tensors.get(node.inputs[0])
    if not isinstance(node.op, Conv2D) or source is None or source.layout.time_steps == 1:
        return None
    return lowered_by_any(node.op, graph.input_tensors(node), graph.output_tensor(node), tuning)
