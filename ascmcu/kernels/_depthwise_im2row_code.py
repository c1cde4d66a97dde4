# SPDX-License-Identifier: Apache-2.0
"""The assembly of ``depthwise_im2row``: one channel a turn, two outputs at a time along its planes of int16."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from ascmcu.kernels._saturating import Constants, Saturating, outputs
from ascmcu.m4.asm import Assembly
from ascmcu.m4.listing import Listing
from ascmcu.m4.registers import LR, PC, Core, Fpu

_SAVED = tuple(Core(n, f"r{n}") for n in range(4, 12))
_PLANE = Core(0, "plane", "columns of the first kernel row that come next")
_OUT = Core(1, "out", "of the outputs that come next")
_ARGUMENTS = _PLANE, Core(1, "first constants"), Core(2, "first out"), Core(3, "channels")
_SUMS = tuple(Core(2 + i, f"sum{i}", f"256 times the accumulator of output {i}") for i in range(2))

_F_CONSTANTS = Fpu(0, "constants", "of the next channel")
_F_BIAS = Fpu(1, "bias", "of the channel, times 256")
_F_M, _F_C, _F_D = Fpu(2, "M"), Fpu(3, "C"), Fpu(4, "D")
_F_OUT = Fpu(5, "out", "of the next channel")
_F_END = Fpu(6, "end", "of the columns that the loop takes")
_F_CHANNELS = Fpu(7, "channels", "that are left")


@dataclass(frozen=True)
class Shape(Saturating):
    """What the assembly depends on: a channel has ``rows`` planes, ``plane`` int16 long each; a row has ``out_w``
    outputs, ``channels`` bytes apart, which are ``unrolled`` where they are few."""

    rows: int
    plane: int
    stride: int
    out_w: int
    channels: int
    unrolled: bool

    @property
    def pairs(self) -> int:
        """Pairs of outputs in a row."""
        return self.out_w // 2

    @property
    def pair_bytes(self) -> int:
        """Of a plane, from a pair of outputs to the next."""
        return 4 * self.stride


@functools.lru_cache(maxsize=256)
def code(k: Shape) -> Listing:
    """The function: some channels of one output row."""
    a = Assembly("depthwise_im2row", enters=_ARGUMENTS)
    _, constants, out, channels = _ARGUMENTS
    a.push((*_SAVED, LR))
    a.vmov(_F_CONSTANTS, constants)
    a.vmov(_F_OUT, out)
    a.vmov(_F_CHANNELS, channels)
    top = a.loop("channels")
    _constants(a, k)
    if k.unrolled:
        for pair in range(k.pairs):
            _outputs(a, k, pair, 2)
        if k.out_w % 2:
            _outputs(a, k, k.pairs, 1)
        a.add(_PLANE, _PLANE, 2 * k.rows * k.plane)
    else:
        _loop(a, k)
    left = Core(2, "channels")
    a.vmov(left, _F_CHANNELS)
    a.subs(left, left, 1)
    a.vmov(_F_CHANNELS, left)
    a.b(top, "ne")
    a.pop((*_SAVED, PC))
    return a.finish()


def _constants(a: Assembly, k: Shape) -> None:
    """A channel's weights, and what its outputs need."""
    constants, bias = Core(2, "constants"), Core(3, "bias")
    m, c, d = Core(10, "M"), Core(11, "C"), Core(12, "D")
    a.vmov(constants, _F_CONSTANTS)
    a.ldm(constants, [word for row in range(k.rows) for word in _weights(row)])
    a.ldm(constants, (bias, m, c, *((d,) if k.signed else ())))
    a.vmov(_F_CONSTANTS, constants)
    a.vmov(_F_BIAS, bias)
    a.vmov(_F_M, m)
    a.vmov(_F_C, c)
    if k.signed:
        a.vmov(_F_D, d)
    next_out = Core(2, "next channel's out")
    a.vmov(_OUT, _F_OUT)
    a.add(next_out, _OUT, 1)
    a.vmov(_F_OUT, next_out)


def _weights(row: int) -> tuple[Core, Core]:
    first = Core(4 + 2 * row, f"w01 row {row}", f"left and middle tap of kernel row {row}, times 256")
    second = Core(5 + 2 * row, f"w12 row {row}", f"middle and right tap of kernel row {row}, times 256")
    return first, second


def _loop(a: Assembly, k: Shape) -> None:
    """Pairs of outputs one after the other, then an odd last one."""
    end, reached = Core(2, "end"), Core(12, "end")
    a.add(end, _PLANE, k.pairs * k.pair_bytes)
    a.vmov(_F_END, end)
    top = a.loop("pairs")
    _outputs(a, k, 0, 2)
    a.add(_PLANE, _PLANE, k.pair_bytes)
    a.add(_OUT, _OUT, 2 * k.channels)
    a.vmov(reached, _F_END)
    a.cmp(_PLANE, reached)
    a.b(top, "ne")
    if k.out_w % 2:
        _outputs(a, k, 0, 1)
    a.add(_PLANE, _PLANE, 2 * k.rows * k.plane - k.pairs * k.pair_bytes)


def _outputs(a: Assembly, k: Shape, pair: int, count: int) -> None:
    """One or both outputs of a pair, which is so many pairs ahead of the pointers."""
    y0, y1 = _SUMS
    x01, x23, x45 = Core(10, "x0 x1", "two columns"), Core(11, "x2 x3", "the next two"), Core(12, "x4 x5")
    bias = Core(_SUMS[count - 1].number, "bias")  # in the register of the last sum
    a.vmov(bias, _F_BIAS)
    for row in range(k.rows):
        w01, w12 = _weights(row)
        at = pair * k.pair_bytes + row * k.plane * 2
        a.ldr(x01, _PLANE.at(at))
        a.ldr(x23, _PLANE.at(at + 4))
        if count > 1 and k.stride == 2:
            a.ldr(x45, _PLANE.at(at + 8))
        before = (y0, y1) if row else (bias, bias)
        a.smlad(y0, x01, w01, before[0])
        a.smlaxy("bt", y0, x23, w12, y0)
        if count > 1 and k.stride == 1:
            a.smlaxy("tb", y1, x01, w01, before[1])
            a.smlad(y1, x23, w12, y1)
        elif count > 1:
            a.smlad(y1, x23, w01, before[1])
            a.smlaxy("bt", y1, x45, w12, y1)
    m, c, d = Core(12, "M"), Core(14, "C"), Core(10, "D")
    a.vmov(m, _F_M)
    a.vmov(c, _F_C)
    if k.signed:
        a.vmov(d, _F_D)
    for i, y in enumerate(outputs(a, k, _SUMS[:count], Constants(m, c, d, Core(11, "spare")))):
        a.strb(y, _OUT.at((2 * pair + i) * k.channels))
