# SPDX-License-Identifier: Apache-2.0
"""Forms of an operator in fewer instructions: exact for every pair of inputs where they are taken, and taken up to
their limits. The generated assembly does the same, on the case rows alone."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from ascmcu.ir.types import DType, Quantization, Tensor
from ascmcu.kernels import DEFAULT_TUNING, _packed_gemm, add_sub, depthwise_window, mul_fours
from ascmcu.kernels._packed_gemm import packed_gemm, unrolling
from ascmcu.kernels._requant import accumulator_bounds
from ascmcu.kernels._two_mac_add import two_mac_add
from ascmcu.m4.asm import MOST_OFFSET
from ascmcu.ops._fixed import quantize_multiplier
from ascmcu.ops._quant import Requantization
from ascmcu.ops._sum import evaluate
from ascmcu.ops.mul import Mul

BYTES = np.arange(-128, 128, dtype=np.int64)


def _quantization(rng: np.random.Generator) -> Quantization:
    return Quantization((float(np.exp(rng.uniform(-5, 0))),), (int(rng.integers(-128, 128)),))


def _as_the_code_adds(form: object, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """SMLAW twice, of bytes in the upper halves of halfwords, in 32 bits; then the shift and the saturation."""
    total = form.offset + ((form.b_factor * 256 * b) >> 16)  # type: ignore[attr-defined]
    assert np.abs(total).max() < 1 << 31
    total = total + ((form.a_factor * 256 * a) >> 16)  # type: ignore[attr-defined]
    assert np.abs(total).max() < 1 << 31
    return np.clip(total >> form.shift, -128, 127)  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize("subtract", [False, True])
def test_two_multiply_accumulates_give_every_sum(subtract: bool) -> None:
    rng = np.random.default_rng(21)
    taken = 0
    for number in range(16):
        a, b, y = (_quantization(rng) for _ in range(3))
        if number % 4 == 0:  # so coarse an output that an operand moves it by many steps
            y = Quantization((min(a.scales[0], b.scales[0]) / 60,), y.zero_points)
        operands = tuple(Tensor("", (), DType.INT8, quant) for quant in (a, b))
        table = evaluate(
            BYTES[:, None],
            BYTES[None, :],
            operands,
            Tensor("", (), DType.INT8, y),
            (-128, 127),
            subtract=subtract,
        )
        form = add_sub._proven_two_mac(a, b, y, (-128, 127), subtract=subtract)
        assert add_sub._proven_two_mac(a, b, y, (-127, 127), subtract=subtract) is None, "it only saturates"
        if form is None:
            continue
        taken += 1
        assert np.array_equal(_as_the_code_adds(form, BYTES[:, None], BYTES[None, :]), table)
    assert taken > 8


def test_a_table_that_no_two_factors_give_is_refused() -> None:
    table = np.clip(BYTES[:, None] + BYTES[None, :], -128, 127)
    assert two_mac_add(table, 1.0, 1.0, -128, 127) is not None
    for place in ((0, 0), (255, 255), (128, 128), (3, 200)):
        other = table.copy()
        other[place] = -other[place] - 1 if abs(other[place]) > 20 else other[place] + 30
        assert two_mac_add(other, 1.0, 1.0, -128, 127) is None


def test_products_of_fours_are_exact_for_every_pair() -> None:
    rng = np.random.default_rng(22)
    taken = 0
    for number in range(40):
        quants = [_quantization(rng) for _ in range(3)]
        clamp = (-128, 127) if number % 3 else (int(rng.integers(-128, 0)), int(rng.integers(1, 128)))
        a, b, y = (Tensor(n, (1, 8), DType.INT8, q) for n, q in zip("aby", quants, strict=True))
        op = Mul(clamp)
        lowered = mul_fours.lower(op, (a, b), y, DEFAULT_TUNING)
        if lowered is None:
            continue
        taken += 1
        k = lowered.params
        assert isinstance(k, mul_fours.Params)
        product = (BYTES[:, None] - a.zero_point) * (BYTES[None, :] - b.zero_point)
        total = ((product * 256 * k.multiplier) >> 32) + k.offset - np.where(product < 0, k.below, 0)
        wide = [Tensor(t.name, (256, 256), DType.INT8, t.quant) for t in (a, b, y)]
        grids = np.broadcast_arrays(BYTES.astype(np.int8)[:, None], BYTES.astype(np.int8)[None, :])
        expected = op.evaluate([np.ascontiguousarray(g) for g in grids], wide[:2], wide[2])
        assert np.array_equal(np.clip(total >> k.shift, *clamp), expected)
    assert taken > 20


@pytest.mark.parametrize("count", range(1, 14))
@pytest.mark.parametrize("steps", [(1, 1), (1, 0), (0, 1)])
def test_products_run_in_fours_and_single_ones(count: int, steps: tuple[int, int]) -> None:
    """Each element once, and the assembly only where both operands advance by whole fours."""
    quant = Quantization((0.05,), (3,))
    shapes = [(2, 1, count) if step else (2, 1, 1) for step in steps]
    a, b = (Tensor(n, s, DType.INT8, quant) for n, s in zip("ab", shapes, strict=True))
    y = Tensor("y", (2, 1, count), DType.INT8, Quantization((0.3,), (-4,)))
    lowered = mul_fours.lower(Mul((-128, 127)), (a, b), y, DEFAULT_TUNING)
    assert lowered is not None and isinstance(lowered.params, mul_fours.Params)
    k, runs = lowered.params, dict(lowered.work.parts)
    assert 4 * k.fours + k.rest == k.count and k.fours_elements == 4 * k.fours and 0 <= k.rest < 4
    turns = np.prod([loop.extent for loop in k.outer], dtype=int)
    assert turns * k.count == y.row_elements
    assert (k.code is not None) == (k.a_step == k.b_step == 1 and k.fours > 0 and not k.signed)
    counted = sum(
        n * (4 if "fours" in name else 1) for name, n in runs.items() if name[:4] in ("four", "rest")
    )
    assert counted == y.elements and runs["runs"] == y.elements // k.count


def _packed(weights: np.ndarray, pixel_bytes: int = 400, unroll: int = 8, zero_point: int = 3) -> object:
    channels, taps = weights.shape
    x = Tensor("x", (1, 4, 4, taps), DType.INT8, Quantization((0.05,), (zero_point,)))
    bias = np.arange(channels) * 7
    scale = 100 / (taps * 40 * 128)
    multiplier, shift = quantize_multiplier(scale)
    requant = Requantization(
        (scale,) * channels, (multiplier,) * channels, (shift,) * channels, -4, -128, 127, True
    )
    tuning = dataclasses.replace(DEFAULT_TUNING, unroll=unroll)
    bounds = accumulator_bounds(weights, bias, x)
    return packed_gemm(
        weights, bias, x, requant, bounds, pixel_bytes=pixel_bytes, out_step=channels, tuning=tuning
    )


@pytest.mark.parametrize(
    "pair", [(low, high) for high in (-128, -127, 126, 127) for low in (-128, -1, 0, 1, 127)]
)
def test_two_weights_are_packed_where_they_fit_a_halfword(pair: tuple[int, int]) -> None:
    """256 times the one and the other; for every place of the channels that are packed together."""
    low, high = pair
    rng = np.random.default_rng(23)
    weights = rng.integers(-60, 61, (8, 6)).astype(np.int8)
    halves = _packed_gemm._order(8).reshape(
        -1, 2
    )  # the channels in the lower and the upper half of each word
    assert len(halves) == 4
    for below, above in halves:
        changed = weights.copy()
        changed[below, 2], changed[above, 2] = low, high
        assert (_packed(changed) is not None) == (-(1 << 15) <= 256 * high + low < 1 << 15)


@pytest.mark.parametrize("unroll", [4, 8])
@pytest.mark.parametrize("taps", [6, 24, 70])
def test_the_second_pixel_is_within_an_instruction_s_reach(unroll: int, taps: int) -> None:
    """The code of two pixels reads the second one at an offset, behind the pairs of taps of a turn."""
    weights = np.random.default_rng(24).integers(-60, 61, (8, taps)).astype(np.int8)
    turn, _, _ = unrolling(taps // 2, unroll + unroll // 2)
    for pixel_bytes in range(MOST_OFFSET - 4 * turn - 8, MOST_OFFSET + 5, 4):
        reaches = pixel_bytes + 4 * turn <= MOST_OFFSET
        assert (_packed(weights, pixel_bytes, unroll) is not None) == reaches


def test_the_order_of_pairs_and_the_unrolling_cover_all() -> None:
    for channels in range(1, 20):
        assert sorted(_packed_gemm.pair_order(channels)) == list(range(channels))
        quads = _packed_gemm.pair_order(4 * channels).reshape(-1, 4)
        assert (quads == np.arange(4 * channels).reshape(-1, 4)[:, [0, 2, 1, 3]]).all()
    for pairs in range(1, 120):
        for most in range(1, 17):
            turn, turns, rest = unrolling(pairs, most)
            assert turn * turns + rest == pairs and turn > 0 and turns > 0 and rest >= 0
            assert turns == 1 or turn + rest <= most or most < 2


def test_groups_of_four_channels_cover_all_and_none_twice_in_vain() -> None:
    for channels in range(4, 40):
        found = [range(channels)[group] for group in depthwise_window._groups(channels)]
        assert sorted({c for group in found for c in group}) == list(range(channels))
        assert len(found) == -(-channels // 4) and all(len(group) == 4 for group in found)
