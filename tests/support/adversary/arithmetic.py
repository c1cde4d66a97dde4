# SPDX-License-Identifier: Apache-2.0
"""Competing arithmetic, and scales at which the competitors disagree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ascmcu.ir.types import Array, DType
from ascmcu.ops import _activation, _scales
from ascmcu.ops._fixed import (
    I64,
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    round_half_away,
    scale_once,
)
from tests.support.tflite_builder import OperatorSpec, TensorSpec, build

# How a kernel may form (a · b) / c from float32 scales.
PRECISIONS: dict[str, Callable[..., float]] = {
    "float32": _scales.single,
    "float64": _scales.double,
    "float32 product, float64 quotient": lambda *factors, over: _scales.single(*factors) / over,
    "float32, by the reciprocal": lambda *factors, over: _scales.single(
        *factors, _scales.single(1.0, over=over)
    ),
    "float32, quotient first": lambda first, *factors, over: _scales.single(
        _scales.single(first, over=over), *factors
    ),
}


def _fixed_once(acc: I64, real: float) -> I64:
    """``TFLITE_SINGLE_ROUNDING``: the 62-bit product is rounded once, halves up."""
    multiplier, shift = quantize_multiplier(real)
    shift = min(shift, 30)
    return (acc * multiplier + (1 << (30 - shift))) >> (31 - shift)


# How it may scale an accumulator with the result.
ROUNDINGS: dict[str, Callable[[I64, float], I64]] = {
    "twice": lambda acc, real: multiply_by_quantized_multiplier(acc, *quantize_multiplier(real)),
    "once": _fixed_once,
    "double": scale_once,
    "double, halves to even": lambda acc, real: np.rint(acc * real).astype(np.int64),
    "float32": lambda acc, real: _half_away((acc.astype(np.float32) * np.float32(real)).astype(np.float64)),
}


def _half_away(real: Array) -> I64:
    return scale_once(real, 1.0)


@dataclass(frozen=True)
class Formula:
    """One way from an accumulator to an integer on the output's scale."""

    precision: str
    rounding: str

    def __str__(self) -> str:
        return f"scales in {self.precision}; rounded {self.rounding}"

    def __call__(self, acc: I64, *factors: float, over: float) -> I64:
        return ROUNDINGS[self.rounding](acc, PRECISIONS[self.precision](*factors, over=over))


# Those that differ where there is nothing to multiply.
_OF_ONE = ("float32", "float64", "float32, by the reciprocal")


def formulas(precision: str, rounding: str, *, factors: int = 1) -> list[Formula]:
    """The claimed formula, then all that differ from it in one of the two, for a product of so many scales."""
    precisions = PRECISIONS if factors > 1 else _OF_ONE
    others = [Formula(p, rounding) for p in precisions if p != precision]
    return [
        Formula(precision, rounding),
        *others,
        *(Formula(precision, r) for r in ROUNDINGS if r != rounding),
    ]


def clamps(activation: str, scale: float, zero_point: int, dtype: DType) -> dict[str, tuple[int, int]]:
    """Competing integer ranges of a fused activation: the claimed one, and those that differ from it."""
    low, high = dtype.integer_range
    least, most = _activation.BOUNDS[activation]
    rounds: dict[str, Callable[[float], int]] = {
        "float32": lambda v: round_half_away(_scales.single(v, over=scale)),
        "float64": lambda v: round_half_away(v / scale),
        "truncated": lambda v: int(_scales.single(v, over=scale)),
        "halves to even": lambda v: round(_scales.single(v, over=scale)),
    }
    bounds = {
        name: (
            low if least is None else max(low, zero_point + of(least)),
            high if most is None else min(high, zero_point + of(most)),
        )
        for name, of in rounds.items()
    }
    return {name: b for name, b in bounds.items() if name == "float32" or b != bounds["float32"]}


def competing(
    compute: Callable[[Formula], I64],
    candidates: Sequence[Formula],
    bounds: dict[str, tuple[int, int]],
    zero_point: int,
) -> dict[str, Array]:
    """The claimed answer first, then each candidate's, then those of the other clamps."""
    claimed, *others = candidates
    (_, clamp), *more = bounds.items()
    raw = compute(claimed) + zero_point
    answers = {str(claimed): np.clip(raw, *clamp)}
    answers |= {str(f): np.clip(compute(f) + zero_point, *clamp) for f in others}
    return answers | {f"clamp {name}": np.clip(raw, *b) for name, b in more}


@dataclass
class Trial:
    """A model, its inputs, and what each candidate answers on them.

    ``answers`` maps a formula to all outputs, one set behind the other; the first is what we claim, and without any
    nothing competes. ``oracle`` is the file that LiteRT runs, where it is not the model itself. With a ``tolerance``
    results are floats, equal within that share of the largest.
    """

    data: bytes
    sets: list[list[Array]]
    answers: dict[str, Array] = field(default_factory=dict)
    resolver: str = "BUILTIN_REF"
    oracle: bytes | None = None
    tolerance: float = 0.0

    def revealed(self) -> list[str]:
        """The candidates that answer otherwise than the claimed one."""
        if not self.answers:
            return []
        (_, claimed), *others = self.answers.items()
        return [name for name, answer in others if not np.array_equal(answer, claimed)]


SETS = 4


class Draw:
    """Random parts of a trial, for one element type of the activations."""

    def __init__(self, rng: np.random.Generator, dtype: str = "int8") -> None:
        self.rng = rng
        self.name = dtype
        self.dtype = DType[dtype.upper()]

    def pick(self, *values: Any) -> Any:
        """One of the values."""
        return values[int(self.rng.integers(len(values)))]

    def chance(self, probability: float) -> bool:
        """True that often."""
        return bool(self.rng.random() < probability)

    def scale(self, low: int = -10, high: int = 1) -> float:
        """A float32 between 2^low and 2^high, evenly in its logarithm; now and then a power of two."""
        if self.chance(0.1):
            return float(2.0 ** self.rng.integers(low, high + 1))
        return float(np.float32(2.0 ** self.rng.uniform(low, high)))

    def near(self, value: float, steps: int = 3) -> float:
        """A float32 at most ``steps`` steps from ``value``."""
        made = np.float32(value)
        for _ in range(int(self.rng.integers(steps + 1))):
            made = np.nextafter(made, np.float32(self.pick(0.0, np.inf)))
        return float(made)

    def zero_point(self) -> int:
        """Any; zero for int16, whose kernels know no other."""
        low, high = self.dtype.integer_range
        if self.name == "int16":
            return 0
        return int(self.pick(low, high, 0, self.rng.integers(low, high + 1)))

    def values(self, shape: tuple[int, ...]) -> Array:
        """Raw integers: every one of an 8-bit type before any comes twice, both ends among them."""
        low, high = self.dtype.integer_range
        count = int(np.prod(shape))
        every = np.arange(low, high + 1) if high - low < 256 else self.rng.integers(low, high + 1, size=count)
        many = np.concatenate([self.rng.permutation(every) for _ in range(-(-count // len(every)))])[:count]
        if count > 1 and self.dtype.size_bytes != 1:
            many[:2] = low, high
        return many.reshape(shape).astype(self.dtype.numpy)

    def sets(self, shape: tuple[int, ...], count: int = SETS) -> list[list[Array]]:
        """Input sets of one tensor."""
        return [[self.values(shape)] for _ in range(count)]

    def tie(self, product: float, accumulators: Array) -> float:
        """An output scale such that product · acc / scale lies within some float32 steps of a half, for one acc.

        Now and then a power of two times the product, where many lie exactly on halves; or any scale.
        """
        reached = np.abs(accumulators[accumulators != 0]).reshape(-1)
        if self.chance(0.15) or not len(reached):
            return self.near(abs(product) * 2.0 ** int(self.rng.integers(-6, 9)), 0)
        if self.chance(0.1):
            return float(np.float32(abs(product) * 2.0 ** self.rng.uniform(-12, 10)))
        steps = int(self.rng.integers(0, self.dtype.integer_range[1] + 1)) + 0.5
        return self.near(abs(product) * float(self.rng.choice(reached)) / steps)

    def output_scale(self, product: float, accumulators: Array, activation: str = "none") -> float:
        """``tie``, or a scale on which the activation's bound lies close to a half."""
        most = _activation.BOUNDS[activation][1]
        if most is not None and self.chance(0.5):
            return self.near(most / (int(self.rng.integers(0, self.dtype.integer_range[1] + 1)) + 0.5))
        return self.tie(product, accumulators)

    def tensor(
        self, name: str, shape: tuple[int, ...], scale: float, zero_point: int, **more: Any
    ) -> TensorSpec:
        """A tensor of the activations' type."""
        return TensorSpec(name, shape, self.name, (scale,), zero_point, **more)


def flat(sets: Sequence[Sequence[Array]]) -> I64:
    """All sets of the first input behind each other, as int64."""
    return np.stack([x[0] for x in sets]).astype(np.int64)


def single(builtin: str, inputs: list[TensorSpec], output: TensorSpec, **options: Any) -> bytes:
    """A model of one operator; inputs with data are constants."""
    tensors = [*inputs, output]
    runtime = [i for i, t in enumerate(inputs) if t.data is None]
    operator = OperatorSpec(builtin, list(range(len(inputs))), [len(inputs)], options)
    return build(tensors, [operator], runtime, [len(inputs)])
