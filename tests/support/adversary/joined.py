# SPDX-License-Identifier: Apache-2.0
"""Families of several operators, for what passes and the scheduler do between them."""

from __future__ import annotations

import numpy as np

from ascmcu.ops._fixed import I64, wrap32
from tests.support.adversary.arithmetic import Draw, Formula, Trial, clamps, flat, formulas
from tests.support.adversary.elementwise import PER_CHANNEL, SHAPE
from tests.support.adversary.families import family
from tests.support.adversary.reducing import windows
from tests.support.tflite_builder import OperatorSpec, TensorSpec, build


@family("ADD", "MUL", name="ADD + MUL, both of them outputs")
def read_later(draw: Draw) -> Trial:
    """An output that an operator behind it reads too, and must leave as it is."""
    scales, zeros = [draw.scale() for _ in range(3)], [draw.zero_point() for _ in range(3)]
    scales[1] = max(scales[1], 2.0**-12 * max(scales))
    shape = draw.pick(PER_CHANNEL, SHAPE)
    constants = [
        draw.tensor(f"c{i}", shape, draw.scale(-6, -2), draw.zero_point(), data=draw.values(shape))
        for i in range(2)
    ]
    tensors = [
        *(draw.tensor(f"t{i}", SHAPE, s, z) for i, (s, z) in enumerate(zip(scales, zeros, strict=True))),
        *constants,
    ]
    operators = [OperatorSpec("ADD", [0, 3], [1]), OperatorSpec("MUL", [1, 4], [2])]
    return Trial(build(tensors, operators, [0], draw.pick([1, 2], [2, 1])), draw.sets(SHAPE))


def _convolved(f: Formula, x: I64, spec: TensorSpec, bias: I64, scale: float, over: float, same: bool) -> I64:
    assert spec.data is not None
    kernel = (spec.data.shape[1], spec.data.shape[2])
    sums = np.einsum("snhwcyx,oyxc->snhwo", windows(x, kernel, 1, same, 0), spec.data.astype(np.int64))
    return f(wrap32(sums + bias), scale, spec.scales[0], over=over)


@family("CONV_2D", "RELU6", "CONV_2D", name="CONV_2D + RELU6 + padded CONV_2D, constant channels")
def dead_channels(draw: Draw) -> Trial:
    """A clamp that moves into the first layer, and channels without weights, which the second one might take over."""
    depth, middle, channels = 3, 5, 4
    shape, scale, zero = (1, 5, 6, depth), draw.scale(-7, -2), draw.zero_point()
    sets = draw.sets(shape)
    first = draw.rng.integers(-127, 128, size=(middle, 1, 1, depth)).astype(np.int8)
    first[draw.rng.random(middle) < 0.5] = 0
    second = draw.rng.integers(-127, 128, size=(channels, *draw.pick((3, 3), (1, 1), (3, 1)), middle))
    own = draw.scale(-9, -5), draw.scale(-9, -5)
    specs = [
        TensorSpec("w0", first.shape, "int8", own[:1], 0, 0, first),
        TensorSpec("w1", second.shape, "int8", own[1:], 0, 0, second.astype(np.int8)),
    ]
    biases = [draw.rng.integers(-9000, 9001, size=n).astype(np.int32) for n in (middle, channels)]
    # The clamp close to a half; the convolution's values within it.
    inner, inner_zero = draw.near(6 / (int(draw.rng.integers(1, 250)) + 0.5)), draw.zero_point()
    outer, outer_zero = draw.scale(-5, 1), draw.zero_point()
    same, bounds = draw.chance(0.7), clamps("relu6", inner, inner_zero, draw.dtype)
    x, limits = flat(sets) - zero, draw.dtype.integer_range

    def compute(f: Formula, clamp: tuple[int, int]) -> I64:
        raw = np.clip(_convolved(f, x, specs[0], biases[0], scale, inner, same) + inner_zero, *limits)
        clamped = np.clip(raw, *clamp) - inner_zero
        return np.clip(_convolved(f, clamped, specs[1], biases[1], inner, outer, same) + outer_zero, *limits)

    claimed, *others = formulas("float64", "twice", factors=2)
    answers = {str(f): compute(f, bounds["float32"]) for f in (claimed, *others)}
    answers |= {f"clamp {n}": compute(claimed, b) for n, b in bounds.items() if n != "float32"}
    shapes = [shape, (1, 5, 6, middle), (1, 5, 6, middle), answers[str(claimed)].shape[1:]]
    quants = [(scale, zero), (inner, inner_zero), (inner, inner_zero), (outer, outer_zero)]
    tensors = [draw.tensor(f"t{i}", s, *q) for i, (s, q) in enumerate(zip(shapes, quants, strict=True))]
    tensors += [specs[0], TensorSpec("b0", (middle,), "int32", (scale * own[0],), data=biases[0])]
    tensors += [specs[1], TensorSpec("b1", (channels,), "int32", (inner * own[1],), data=biases[1])]
    options = {"padding": 0 if same else 1, "strideH": 1, "strideW": 1}
    operators = [
        OperatorSpec("CONV_2D", [0, 4, 5], [1], options),
        OperatorSpec("RELU6", [1], [2]),
        OperatorSpec("CONV_2D", [2, 6, 7], [3], options),
    ]
    return Trial(build(tensors, operators, [0], [3]), sets, answers)
