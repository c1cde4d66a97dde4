# SPDX-License-Identifier: Apache-2.0
"""Where the packed product may be chosen: 256 times an accumulator must fit into 32 bits, so |acc| stays below 2²³."""

from __future__ import annotations

import numpy as np
import pytest

from ascmcu import passes
from ascmcu.frontends import tflite
from ascmcu.kernels import dense_packed
from ascmcu.kernels._lowered import DEFAULT_TUNING
from ascmcu.kernels._packed_gemm import channel_constants
from ascmcu.ops._fixed import quantize_multiplier
from ascmcu.ops._quant import Requantization
from ascmcu.ops.fully_connected import FullyConnected
from tests.support import chain
from tests.support.tflite_builder import OperatorSpec, TensorSpec, build

MOST = 1 << 23


def _requantization(reach: int, *, once: bool, channels: int) -> Requantization:
    """``reach`` becomes 100."""
    scale = 100 / reach
    multiplier, shift = quantize_multiplier(scale)
    return Requantization(
        (scale,) * channels, (multiplier,) * channels, (shift,) * channels, zero_point=3, low=-128, high=127, once=once
    )  # fmt: skip


@pytest.mark.parametrize("once", [False, True], ids=["rounds twice", "rounds once"])
@pytest.mark.parametrize(
    ("low", "high", "fits"),
    [
        (-1000, MOST - 1, True), (-1000, MOST, False), (-MOST + 1, 1000, True), (-MOST, 1000, False),
        (-MOST + 1, MOST - 1, True),
    ],
)  # fmt: skip
def test_accumulators_stay_below_two_to_the_23(once: bool, low: int, high: int, fits: bool) -> None:
    """Of two channels one is small: the largest decides."""
    bounds = np.array([-1000, low], np.int64), np.array([1000, high], np.int64)
    found = channel_constants(
        _requantization(MOST, once=once, channels=2), bounds, DEFAULT_TUNING, two_words=True
    )
    assert (found is not None) == fits


@pytest.mark.parametrize("value", [-(1 << 24), 1 << 24])
def test_a_constant_channel_needs_no_room(value: int) -> None:
    """Its accumulator is never multiplied."""
    bounds = np.array([-1_000_000, value], np.int64), np.array([1_000_000, value], np.int64)
    requant = _requantization(MOST, once=False, channels=2)
    found = channel_constants(requant, bounds, DEFAULT_TUNING, two_words=True)
    assert found is not None and list(found.constant) == [False, True]


@pytest.mark.parametrize("once", [False, True], ids=["rounds twice", "rounds once"])
def test_channel_constants_give_the_reference_s_bits(once: bool) -> None:
    """As the kernel applies them: ``((256·acc·M) >> 32 + C) >> shift``, less D for a negative sum, F added in."""
    rng = np.random.default_rng(4)
    checked = 0
    for _ in range(60):
        scales = tuple(float(v) for v in rng.uniform(0.2, 3.0, 2) * 100 / 20_000)
        fixed = [quantize_multiplier(s) for s in scales]
        requant = Requantization(
            scales, tuple(m for m, _ in fixed), tuple(s for _, s in fixed),
            zero_point=int(rng.integers(-128, 128)), low=-128, high=127, once=once,
        )  # fmt: skip
        low, high = np.sort(rng.integers(-20_000, 20_001, (2, 2)), axis=0)
        found = channel_constants(requant, (low, high), DEFAULT_TUNING, two_words=True)
        if found is None:
            continue
        for channel in np.flatnonzero(~found.constant):
            acc = np.arange(low[channel], high[channel] + 1)
            own = [int(v) for v in found.columns[channel]]
            product = 256 * acc * own.pop(0)
            if found.two_words:
                product += (256 * acc * own.pop(0)) >> 32
            total = (product >> 32) + own.pop(0)
            if found.signed:
                total -= np.where(acc < 0, own.pop(0), 0)
            got = np.clip(total >> found.shift, -128, 127)
            columns = np.repeat(acc[:, np.newaxis], 2, axis=1)
            assert np.array_equal(got, np.clip(requant.apply(columns)[:, channel], -128, 127))
            checked += len(acc)
    assert checked > 100_000


@pytest.mark.parametrize(("depth", "packed"), [(512, True), (1024, False)])
def test_a_dense_layer_of_many_inputs(depth: int, packed: bool) -> None:
    """With 1,024 inputs of the largest weights the sums pass 2²³; LiteRT's bits come all the same."""
    rng = np.random.default_rng(6)
    weights = np.where(rng.random((8, depth)) < 0.5, -127, 127).astype(np.int8)
    weights[0], weights[1] = 127, -127
    scale = 0.05 * 0.01 * depth * 127 * 128 / 110 / 0.0005
    tensors = [
        TensorSpec("x", (1, depth), scales=(0.05,), zero_point=0),
        TensorSpec("w", weights.shape, scales=(0.01,), data=weights),
        TensorSpec("b", (8,), "int32", scales=(0.0005,), data=rng.integers(-500, 500, 8).astype(np.int32)),
        TensorSpec("y", (1, 8), scales=(0.0005 * scale,), zero_point=-5),
    ]
    data = build(tensors, [OperatorSpec("FULLY_CONNECTED", [0, 1, 2], [3])], [0], [3])
    graph = passes.optimize(tflite.parse(data, "dense"))
    (node,) = (x for x in graph.nodes if x.op.kind() == "fully_connected")
    assert isinstance(node.op, FullyConnected)
    lowered = dense_packed.lower(
        node.op, graph.input_tensors(node), graph.output_tensor(node), DEFAULT_TUNING
    )
    assert (lowered is not None) == packed
    chain.check(data, sets=4, seed=1)
