# SPDX-License-Identifier: Apache-2.0
"""The instructions of depthwise convolutions along time, run one by one in Python."""

from __future__ import annotations

import re

import numpy as np
import pytest

from ascmcu.kernels._along_time import (
    CONSTANTS,
    MOST_WORDS,
    OFFSET,
    ROWS,
    SUMS,
    Taps,
    lead_of,
    packed,
    sums,
    tap_words,
    words_read,
)
from ascmcu.m4.asm import Assembly
from ascmcu.m4.listing import Routine
from ascmcu.m4.registers import LR, Core

_MASK = 0xFFFFFFFF


def _signed(value: int, bits: int) -> int:
    return (value & ((1 << bits) - 1)) - ((value & (1 << (bits - 1))) << 1)


def _half(word: int, half: str) -> int:
    return _signed(word >> (16 if half == "t" else 0), 16)


def _pack(low: int, high: int) -> int:
    return (low & 0xFFFF) | (high & 0xFFFF) << 16


def _products(a: int, b: int) -> int:
    return _half(a, "b") * _half(b, "b") + _half(a, "t") * _half(b, "t")


class _Core:
    """As much of a core as the program uses; words of input stand behind s8 and up, constants behind r1."""

    def __init__(self, inputs: list[int], constants: list[int]) -> None:
        self.inputs, self.constants = inputs, constants
        self.r: dict[str, int] = {"r0": 0, "r1": 0}

    def run(self, lines: tuple[str, ...]) -> list[int]:
        for line in lines:
            op, _, rest = line.replace(".w", "").partition(" ")
            self._step(op, re.split(r",\s*(?![^\[]*\])", rest))
        return [_signed(self.r[f"r{2 + i}"], 32) for i in range(4)]

    def _step(self, op: str, a: list[str]) -> None:
        r = self.r
        if op == "vmov":
            r[a[0]] = 1000 + int(a[1][1:]) - 8
        elif op == "ldr":
            self._load(a)
        elif op == "mov":
            r[a[0]] = r[a[1]]
        elif op == "sxtb16":
            word = r[a[1]] >> 8 if a[2:] == ["ror #8"] else r[a[1]]
            r[a[0]] = _pack(_signed(word, 8), _signed(word >> 16, 8))
        elif op == "lsl":
            r[a[0]] = r[a[1]] << int(a[2][1:]) & _MASK
        elif op == "bic":
            r[a[0]] = r[a[1]] & ~int(a[2][1:], 0) & _MASK
        elif op == "pkhtb":
            r[a[0]] = (r[a[1]] & 0xFFFF0000) | (r[a[2]] & 0xFFFF)
        elif op in ("smlad", "smladx"):
            w = r[a[2]]
            w = _pack(w >> 16, w) if op == "smladx" else w
            r[a[0]] = (r[a[3]] + _products(r[a[1]], w)) & _MASK
        else:
            assert re.fullmatch("smla[bt][bt]", op), op
            r[a[0]] = (r[a[3]] + _half(r[a[1]], op[4]) * _half(r[a[2]], op[5])) & _MASK

    def _load(self, a: list[str]) -> None:
        base, _, offset = a[1].strip("[]").partition(", ")
        if base == "r1":
            at = self.r["r1"] + (int(offset[1:]) if offset else 0)
            self.r["r1"] += int(a[2][1:]) if a[2:] else 0
            self.r[a[0]] = self.constants[at // 4]
        else:
            assert offset == "r0"
            self.r[a[0]] = self.inputs[self.r[base] - 1000]


def _program(taps: tuple[Taps, ...], stride: int, lead: int) -> tuple[str, ...]:
    spoils = tuple(Core(n, "") for n in range(1, 13))
    a = Assembly("sums", routine=Routine("sums", (OFFSET, CONSTANTS, *ROWS, LR), SUMS, spoils))
    sums(a, taps, stride, lead)
    a.return_()
    return tuple(re.findall(r'^"(.*?)\\n"', line)[0] for line in a.finish().lines[:-1])


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("dilation", [1, 2, 3, 4])
def test_program_sums_what_the_definition_does(dilation: int, stride: int) -> None:
    rng = np.random.default_rng(10 * dilation + stride)
    tried = 0
    for kernel in range(1, 29):
        for padding in range(8):
            row, lead = lead_of(padding)
            assert 4 * row + lead == -padding and 0 <= lead < 4
            words = words_read(kernel, dilation, stride, lead)
            if words > MOST_WORDS:
                continue
            tried += 1
            x = rng.integers(-128, 128, 4 * words)
            w = rng.integers(-128, 128, (kernel, 1)).astype(np.int8)
            taps = tap_words(kernel, dilation)
            inputs = [
                int.from_bytes(x[4 * i : 4 * i + 4].astype(np.int8).tobytes(), "little") for i in range(words)
            ]
            bias = int(rng.integers(-(1 << 28), 1 << 28))
            constants = [bias & _MASK, *(int(v) & _MASK for v in packed(w, taps)[0])]
            core = _Core(inputs, constants)
            found = core.run(_program(taps, stride, lead))
            windows = [x[lead + o * stride :: dilation][:kernel] for o in range(4)]
            expected = [bias + 256 * int(np.dot(window, w[:, 0].astype(np.int64))) for window in windows]
            assert found == expected, (kernel, padding)
            assert core.r["r1"] == 4 * len(constants)
    assert tried > 20
