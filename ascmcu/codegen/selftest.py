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
class Source:
    """An input of the network as it is pushed, and how the templates make its values."""

    tensor: Tensor

    @property
    def is_float(self) -> bool:
        """Whether the input is float32."""
        return self.tensor.dtype.numpy.kind == "f"

    @property
    def c_type(self) -> str:
        """Of an element of the input."""
        return "float" if self.is_float else f"{self.tensor.dtype.numpy}_t"

    @property
    def row_elements(self) -> int:
        """Elements of a row as it is pushed."""
        return self.tensor.row_bytes // self.tensor.dtype.numpy.itemsize

    @property
    def zero_point(self) -> int:
        """The input's value that stands for 0."""
        return self.tensor.zero_point

    @property
    def low(self) -> str:
        """The least value of an integer input, in C."""
        least = int(np.iinfo(self.tensor.dtype.numpy).min)
        return str(least) if least > -(1 << 31) else "INT32_MIN"

    @property
    def high(self) -> int:
        """The greatest value of an integer input, as far as int32 goes."""
        return min(int(np.iinfo(self.tensor.dtype.numpy).max), (1 << 31) - 1)

    @property
    def divisor(self) -> int:
        """What brings the noise into the range of the input's type."""
        return 1 << max(0, _NOISE_BITS - 8 * self.tensor.dtype.numpy.itemsize)

    def row(self, random: Iterator[int], number: int) -> Array:
        """The next row of inference ``number``."""
        bits = np.array([next(random) >> 8 for _ in range(self.row_elements)], np.int64) >> number
        noise = bits - (0x800000 >> number)
        if self.is_float:
            return (noise / 8388608).astype(np.float32)
        value = self.zero_point + np.trunc(noise / self.divisor).astype(np.int64)
        least = int(np.iinfo(self.tensor.dtype.numpy).min)
        return np.clip(value, least, self.high).astype(self.tensor.dtype.numpy)


@dataclass(frozen=True)
class SelfTest:
    """What the templates are told.

    Attributes:
        rounds: inferences, each with noise of half the range of the one before.
        sources: the network's inputs.
        has_states: the inferences are the steps of one clip.
        frontend: there is a front end to be tested, too.
        network_hash, frontend_hash: FNV-1a of all outputs, and of all rows.
    """

    rounds: int
    sources: tuple[Source, ...]
    has_states: bool
    frontend: bool
    network_hash: int = 0
    frontend_hash: int = 0

    @property
    def what(self) -> str:
        """The inputs in words."""
        integer = not any(source.is_float for source in self.sources)
        noise = "noise around the zero point" if integer else "noise"
        return f"{noise}, whose range halves each time" + (", steps of one clip" if self.has_states else "")

    def files(self) -> dict[str, str]:
        """The rendered files by name."""
        about = {"s": self, "tool_version": __version__}
        return {name: render(f"{name}.j2", **about) for name in ("selftest.c", "selftest.h")}

    def with_hashes(self, network: int, frontend: int) -> SelfTest:
        """The self-test that passes with these results."""
        return dataclasses.replace(self, network_hash=network, frontend_hash=frontend)

    def inputs(self) -> Iterator[list[Array]]:
        """The inputs of each inference in the shapes in which they are pushed."""
        random = _generator()
        for number in range(self.rounds):
            rows: list[list[Array]] = [[] for _ in self.sources]
            for push in range(max(source.tensor.rows for source in self.sources)):
                for made, source in zip(rows, self.sources, strict=True):
                    if push < source.tensor.rows:
                        made.append(source.row(random, number))
            pairs = zip(rows, self.sources, strict=True)
            yield [np.concatenate(made).reshape(source.tensor.shape) for made, source in pairs]


def of_plan(plan: Plan, *, frontend: bool) -> SelfTest:
    """The self-test of a network, its hashes not known yet."""
    graph = plan.graph
    has_states = bool(graph.states)
    rounds = next((count for macs, count in _ROUNDS if graph.macs <= macs or has_states), _LEAST_ROUNDS)
    sources = tuple(Source(graph.tensors[name]) for name in graph.data_inputs)
    return SelfTest(rounds, sources, has_states, frontend)


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
