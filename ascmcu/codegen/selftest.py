# SPDX-License-Identifier: Apache-2.0
"""``selftest.c`` and ``selftest.h``: inputs that a few lines of C make, and the hashes of what comes of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ascmcu import __version__
from ascmcu.ir.types import Array, Tensor
from ascmcu.jinja import render
from ascmcu.schedule.plan import Plan

_NOISE_BITS = 24
# Inferences of a self-test by what one costs; a network with states takes all of its steps.
_ROUNDS = ((1_000_000, 8), (5_000_000, 4))
_LEAST_ROUNDS = 2
_FNV_OFFSET, _FNV_PRIME = 2166136261, 16777619


@dataclass(frozen=True)
class SelfTest:
    """What the templates are told.

    Attributes:
        rounds: inferences, each with noise of half the range of the one before.
        input: the network's input as it is pushed.
        has_states: the inferences are the steps of one clip.
        frontend: there is a front end to be tested, too.
        network_hash, frontend_hash: FNV-1a of all outputs, and of all rows.
    """

    rounds: int
    input: Tensor
    has_states: bool
    frontend: bool
    network_hash: int = 0
    frontend_hash: int = 0

    @property
    def what(self) -> str:
        """The inputs in words."""
        noise = "noise around the zero point" if not self.is_float else "noise"
        return f"{noise}, whose range halves each time" + (", steps of one clip" if self.has_states else "")

    @property
    def is_float(self) -> bool:
        """Whether the input is float32."""
        return self.input.dtype.numpy.kind == "f"

    @property
    def c_type(self) -> str:
        """Of an element of the input."""
        return "float" if self.is_float else f"{self.input.dtype.numpy}_t"

    @property
    def row_elements(self) -> int:
        """Elements of a row as it is pushed."""
        return self.input.row_bytes // self.input.dtype.numpy.itemsize

    @property
    def zero_point(self) -> int:
        """The input's value that stands for 0."""
        return self.input.zero_point

    @property
    def low(self) -> str:
        """The least value of an integer input, in C."""
        least = int(np.iinfo(self.input.dtype.numpy).min)
        return str(least) if least > -(1 << 31) else "INT32_MIN"

    @property
    def high(self) -> int:
        """The greatest value of an integer input, as far as int32 goes."""
        return min(int(np.iinfo(self.input.dtype.numpy).max), (1 << 31) - 1)

    @property
    def divisor(self) -> int:
        """What brings the noise into the range of the input's type."""
        return 1 << max(0, _NOISE_BITS - 8 * self.input.dtype.numpy.itemsize)

    def files(self) -> dict[str, str]:
        """The rendered files by name."""
        about = {"s": self, "tool_version": __version__}
        return {name: render(f"{name}.j2", **about) for name in ("selftest.c", "selftest.h")}

    def with_hashes(self, network: int, frontend: int) -> SelfTest:
        """The self-test that passes with these results."""
        return dataclasses.replace(self, network_hash=network, frontend_hash=frontend)

    def inputs(self) -> Iterator[Array]:
        """The inputs as they are pushed, one an inference, each flat."""
        random = _generator()
        elements = self.row_elements * self.input.rows
        for number in range(self.rounds):
            bits = np.array([next(random) >> 8 for _ in range(elements)], np.int64) >> number
            noise = bits - (0x800000 >> number)
            if self.is_float:
                yield (noise / 8388608).astype(np.float32)
            else:
                value = self.zero_point + np.trunc(noise / self.divisor).astype(np.int64)
                least = int(np.iinfo(self.input.dtype.numpy).min)
                yield np.clip(value, least, self.high).astype(self.input.dtype.numpy)


def of_plan(plan: Plan, *, frontend: bool) -> SelfTest:
    """The self-test of a network, its hashes not known yet."""
    graph = plan.graph
    has_states = bool(graph.states)
    rounds = next((count for macs, count in _ROUNDS if graph.macs <= macs or has_states), _LEAST_ROUNDS)
    return SelfTest(rounds, graph.tensors[graph.data_inputs[0]], has_states, frontend)


def hashed(arrays: Sequence[npt.NDArray[np.generic]]) -> int:
    """FNV-1a of the bytes of all arrays, 32 bits."""
    value = _FNV_OFFSET
    for byte in b"".join(np.ascontiguousarray(a).tobytes() for a in arrays):
        value = (value ^ byte) * _FNV_PRIME & 0xFFFFFFFF
    return value


def _generator() -> Iterator[int]:
    seed = 1
    while True:
        seed = (seed * 1664525 + 1013904223) & 0xFFFFFFFF
        yield seed
