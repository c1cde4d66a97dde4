# SPDX-License-Identifier: Apache-2.0
"""CONV_2D with kernels three and more columns wide, by Winograd's short convolutions F(2, 3).

Two neighbouring outputs of three taps take four products instead of six (S. Winograd, Arithmetic Complexity of
Computations, 1980). With inputs d0 … d3 and weights g0, g1, g2, summed over channels and kernel rows:

    P0 = Σ (d0 - d2) · 2 g0          P1 = Σ (d1 + d2) · (g0 + g1 + g2)
    P3 = Σ (d1 - d3) · -2 g2         P2 = Σ (d2 - d1) · (g0 - g1 + g2)
    2 y0 = P0 + P1 + P2              2 y1 = P1 - P2 + P3

All are integers, so the result is exact; sums may wrap, as long as the result does not. Weights are stored times 64 as
int16, which makes the sums 128 times the accumulator: the requantization is that of the packed product, with this gain.
Wider kernels are cut into threes; a column that is left adds d · 2 g to P0, and its neighbour's d to P3. Stored weights
take 16 bits and a third more of them, so a layer of many weights is left to ``conv2d_packed``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ascmcu.ir.op import Inputs
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.kernels import _packed_work, _widen_code
from ascmcu.kernels import _winograd_code as code
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._packed_gemm import ChannelConstants, channel_constants, pair_order, unrolling
from ascmcu.kernels._packed_gemm_code import Finish
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.kernels._requant import accumulator_bounds
from ascmcu.kernels._saturating import Saturating
from ascmcu.kernels._work import Work, inside, work
from ascmcu.m4.listing import Listing
from ascmcu.ops._fixed import I64, wrap32
from ascmcu.ops._window import WindowParams
from ascmcu.ops.conv2d import Conv2D

_NAME = "conv2d_winograd"
_TAPS = 3
_WIDTH = 2 * code.PAIRS  # outputs at a time
_STORED = 64  # times the weights: the largest of them, three of an int8, fill an int16
_GAIN = 2 * _STORED
_UNROLL = 8  # pairs of taps in the code: with what requantizes, it fits the kilobyte of an STM32's instruction cache
# Weights take more bytes than in the packed product. Each of those saves about a fifth of a cycle for each product.
_MOST_GROWTH_BYTES = 32768
_LEAST_MACS_PER_BYTE = {"cycles": 100, "balanced": 500}
_MOST_SCRATCH = 9 / 4  # of what a row's working set may have


@dataclass(frozen=True)
class Params(Saturating):
    """Compile-time constants: ``threes`` times three columns of the kernel, and ``single`` ones that are left; the
    vectors of P1 and P2 are ``first``, those of P0 and P3 ``last``. Of the requantization, ``common`` is as in the
    packed product. The stream of weights has ``words`` words, of which ``header`` are of all channels and
    ``own_words`` of each."""

    window: WindowParams
    x_zero_point: int
    threes: int
    single: int
    vectors: tuple[code.Vectors, code.Vectors]
    header: int
    words: int
    own_words: int
    common: str

    @property
    def finish(self) -> Finish:
        """What the code behind the sums depends on."""
        return Finish(self.shift, self.signed, self.low, self.high, False, self.common, 1)

    @property
    def common_level(self) -> int:
        """0 where channels have nothing in common, 1 C, 2 all."""
        return len(self.common)

    @cached_property
    def code(self) -> Listing:
        """Eight outputs of all channels."""
        return code.group(self.finish, self.window.out_c, self.vectors)

    @cached_property
    def first_sums(self) -> Listing:
        """The routine of P1 and P2."""
        return code.sums(self.vectors[0])

    @cached_property
    def last_sums(self) -> Listing:
        """The routine of P0 and P3."""
        return code.sums(self.vectors[1])

    @cached_property
    def columns(self) -> Listing:
        """What transforms a row's columns."""
        return code.columns(self.window.in_c, self.vectors)

    @property
    def widening(self) -> Listing:
        """What widens the columns that are left."""
        return _widen_code.code()

    @property
    def quads(self) -> int:
        """Groups of four input channels."""
        return self.window.in_c // 4

    @property
    def groups(self) -> int:
        """Of eight outputs in a row. The last one ends where the row ends, and may overlap the one before."""
        return -(-self.window.out_w // _WIDTH)

    @property
    def last_column(self) -> int:
        """Where the last group begins."""
        return self.window.out_w - _WIDTH

    @property
    def reach(self) -> int:
        """Input columns under a group."""
        return self.window.kernel_w + _WIDTH - 1

    @property
    def inner_columns(self) -> int:
        """The first input column from which a group does not lie within the map."""
        return self.window.in_w - self.reach

    @property
    def within(self) -> bool:
        """Whether the columns under some group may lie within the map."""
        return self.inner_columns >= 0

    @property
    def edge_bytes(self) -> int:
        """Of the columns under a group."""
        return self.reach * self.window.in_c

    @property
    def first_pitch(self) -> int:
        """int16 elements from a vector of P1 or P2 to the next."""
        return 2 * self.vectors[0].words

    @property
    def last_pitch(self) -> int:
        """int16 elements from a vector of P0 or P3 to the next."""
        return 2 * self.vectors[1].words

    @property
    def last_elements(self) -> int:
        """int16 elements before the vectors of P0."""
        return 2 * code.PAIRS * self.first_pitch

    @property
    def to_p3(self) -> int:
        """int16 elements from the vectors of P0 to those of P3."""
        return code.PAIRS * self.last_pitch

    @property
    def transformed(self) -> int:
        """int16 elements of a group's vectors, behind which the edge's columns stand."""
        return self.last_elements + 2 * self.to_p3

    @property
    def single_elements(self) -> int:
        """int16 elements of a vector before its single columns."""
        return self.threes * self.window.kernel_h * self.window.in_c


@kernel(Conv2D, cost=Cost(mac=0.75, output=25, input=4))
def lower(op: Conv2D, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered | None:
    """Kernels of three columns and more, stride 1 along the row, channels by fours in and by twos out."""
    x, weights, bias = op.operands(inputs)
    channels, kernel_h, kernel_w, depth = weights.shape
    if kernel_w < _TAPS or op.stride[1] != 1 or op.dilation[1] != 1 or x.shape[3] != depth:
        return None
    if depth % 4 or channels % code.CHANNELS or output.shape[2] < _WIDTH or x.dtype.integer_range[0] == 0:
        return None
    bounds = accumulator_bounds(weights.values.reshape(channels, -1), bias.values, x)
    threes, single = divmod(kernel_w, _TAPS)
    words = kernel_h * depth // 2
    vectors = _vectors(threes * words), _vectors((threes + single) * words)
    growth = channels * sum(2 * v.size_bytes for v in vectors) - weights.elements
    if not code.reaches(vectors, depth, channels) or not _worth(growth, op.macs(inputs, output), tuning):
        return None
    found = channel_constants(op.requantization(inputs, output), bounds, tuning, gain=_GAIN)
    if found is None:
        return None
    stream = _stream(weights.values, bias.values, x.zero_point, found)
    requant = op.requantization(inputs, output)
    params = Params(
        shift=found.shift,
        signed=found.signed,
        low=requant.low,
        high=requant.high,
        window=op.window_params(x, weights, output),
        x_zero_point=x.zero_point,
        threes=threes,
        single=single,
        vectors=vectors,
        header=len(found.header),
        words=len(stream),
        own_words=found.own.shape[1],
        common=found.common,
    )
    scratch = params.transformed + -(-params.edge_bytes // 2)
    if DType.INT16.size_bytes * scratch > _MOST_SCRATCH * tuning.scratch_bytes:
        return None
    return Lowered(
        params,
        (("weights", stream),),
        scratch=(DType.INT16, scratch),
        shift=found.shift,
        work=_work(params, output.shape[1]),
    )


def _worth(growth: int, macs: int, tuning: Tuning) -> bool:
    """Whether so many bytes more of weights are worth it, or the kernel is asked for."""
    if tuning.kernel == _NAME:
        return True
    least = _LEAST_MACS_PER_BYTE.get(tuning.target.optimize)
    return least is not None and growth <= _MOST_GROWTH_BYTES and macs >= least * growth


def _vectors(words: int) -> code.Vectors:
    return code.Vectors(*unrolling(words, _UNROLL))


def _stream(weights: Array, bias: Array, zero_point: int, found: ChannelConstants) -> Array:
    """What all channels have in common, then by two channels the sums before the first tap, the weights of each pass in
    the order P1, P2, P0, P3, and what the channels have of their own, behind P0 and again behind P3."""
    w = np.where(found.constant[:, np.newaxis, np.newaxis, np.newaxis], 0, weights.astype(np.int64))
    p1, p2, p0, p3 = (_STORED * taps for taps in passes(w))
    start = bias.astype(np.int64) - zero_point * w.reshape(len(w), -1).sum(axis=1)
    start = np.where(found.constant, 0, _GAIN * start)
    own = found.own
    parts: list[I64] = [found.header]
    for i in range(0, len(w), code.CHANNELS):
        pair = slice(i, i + code.CHANNELS)
        constants = own[pair].reshape(-1)
        parts += [start[pair], _words(p1[pair]), _words(p2[pair]), _words(p0[pair]), constants]
        parts += [_words(p3[pair]), constants]
    return wrap32(np.concatenate(parts)).astype(np.int32)


def passes(weights: I64) -> tuple[I64, I64, I64, I64]:
    """(O, kernel_h, kernel_w, C) → the weights (O, taps) of P1, P2, P0 and P3 in the order of the vectors: threes of
    columns, then single ones; in each, kernel rows and channels as they are widened."""
    channels, _, kernel_w, depth = weights.shape
    threes = kernel_w // _TAPS
    ordered = weights.transpose(0, 2, 1, 3)[..., pair_order(depth)]
    g0, g1, g2 = (ordered[:, i : _TAPS * threes : _TAPS] for i in range(_TAPS))
    single = 2 * ordered[:, _TAPS * threes :]
    p0, p3 = np.concatenate([2 * g0, single], axis=1), np.concatenate([-2 * g2, single], axis=1)
    p1, p2 = g0 + g1 + g2, g0 - g1 + g2
    return tuple(p.reshape(channels, -1) for p in (p1, p2, p0, p3))  # type: ignore[return-value]


def _words(taps: I64) -> I64:
    """(channels, taps) → for each pair of taps a word of each channel."""
    halves = taps.reshape(len(taps), -1, 2)
    found: I64 = ((halves[..., 0] & 0xFFFF) | (halves[..., 1] << 16)).T.reshape(-1)
    return found


def _work(k: Params, out_rows: int) -> Work:
    """All rows: the columns under eight outputs transformed, then summed by two channels."""
    w = k.window
    kernel_rows = sum(inside(out_rows, w.kernel_h, w.stride_h, w.dilation_h, w.pad_top, w.in_h))
    groups = out_rows * k.groups
    rows, turns = groups * w.kernel_h, groups * w.out_c // code.CHANNELS
    starts = [min(_WIDTH * i, k.last_column) - w.pad_left for i in range(k.groups)]
    edges = kernel_rows * sum(not 0 <= start <= k.inner_columns for start in starts)
    edges += out_rows * k.groups * w.kernel_h - kernel_rows * k.groups
    variant = ("_signed" if k.signed else "") + f"_{k.common or 'own'}"
    counts = {
        "groups": groups,
        "rows": rows,
        f"turns{variant}": turns,
        "taps": turns * sum(2 * v.words for v in k.vectors),
        "loops": turns * sum(2 * v.turns for v in k.vectors if v.turns > 1),
        "packed.bounded": turns * 2 * _WIDTH * _packed_work.open_bounds(k),
        "column_calls": rows * k.threes,
        "quads": rows * k.threes * k.quads,
        "edges": edges,
        "edge_words": edges * k.edge_bytes // 4,
    }
    widened = _packed_work.widened(k.quads, code.PAIRS) * (2 * rows * k.single)
    return work(counts) + widened
