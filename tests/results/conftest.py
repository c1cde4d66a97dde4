# SPDX-License-Identifier: Apache-2.0
"""Results made by hand, small enough to know every figure of."""

from __future__ import annotations

import base64
import dataclasses
from typing import Any

import pytest

from ascmcu.benchmark.counts import Counts
from ascmcu.ir.figures import Figures
from ascmcu.results import limits
from ascmcu.results.schema import (
    Benchmark,
    ClipOutcome,
    CountSummary,
    Energy,
    LayerCount,
    Mistake,
    Provenance,
    Symbol,
)

FIGURES = Figures(parameters=1000, parameter_bytes=1300, nonzero_bytes=1200, macs=40_000, int8_weights=True)


def layer(name: str, count: int | None, **changes: Any) -> LayerCount:
    """A convolution."""
    plain = LayerCount(name, "conv2d", (1, 4, 8), 20_000, 500, 600, 900, 512, count)
    return dataclasses.replace(plain, **changes)


def outcome(name: str, truth: int, *probabilities: float, device: str = "a") -> ClipOutcome:
    """A clip whose answer is the largest probability."""
    answer = probabilities.index(max(probabilities))
    return ClipOutcome(name, device, truth, answer, probabilities, Counts(100_000, 50, 700, 800))


@pytest.fixture
def benchmark_result() -> Benchmark:
    """Four clips of two classes, one of them wrong, at 100 MHz: 1.5 ms of a second each."""
    levels = bytes(range(6 * 4))
    return Benchmark(
        model="tiny", model_sha256="ab" * 32, board="nucleo-f446", board_title="ST NUCLEO-F446RE", runner="sim",
        runner_detail="a cycle model", clock_hz=100_000_000, wait_states=0, clock_state="as_configured", clips=4,
        resumed=0, source="scenes", clip_seconds=1.0, labels=("rain", "<sea> & co"), accuracy=0.75,
        macro_accuracy=0.75, log_loss=0.6, class_accuracy={"rain": 0.5, "<sea> & co": 1.0},
        device_accuracy={"a": 1.0, "b": 0.5}, confusion=((1, 1), (0, 2)), count_kind="cycles",
        counts=CountSummary(100_000, 50_000, 700, 800, 99_000, 101_000),
        energy=Energy(41.5, 46.2, 194, 216, 3000, "a lab"),
        layers=(layer("net/first/Relu:1", 60_000), layer("net/second/Relu:2", 40_000, op="softmax", macs=0)),
        network=FIGURES, limits=limits.report(FIGURES),
        ram_bytes={"total": 10_000, "activations": 6_000, "stack": 4_000, "stack_peak": 300},
        flash_bytes={"total": 20_000, "code": 15_000, "weights": 5_000},
        flash_symbols=(
            Symbol("model_push", "code", None, 14_100), Symbol("weights_0", "weights", 0, 4_500),
            Symbol("conv2d_0", "code", 0, 900),
        ),
        board_ram_bytes=131_072, board_flash_bytes=524_288, schedule="rows", compiler="gcc 12", flags="-O3",
        tool_version="0.1.0", link={"bad_frames": 0, "asked_again": 2},
        clip_results=(
            outcome("a.wav", 0, 0.9, 0.1), outcome("b.wav", 0, 0.2, 0.8, device="b"), outcome("c.wav", 1, 0.3, 0.7),
            outcome("d.wav", 1, 0.4, 0.6, device="b"),
        ),
        mistakes=(Mistake(1, 6, 4, -80.0, 0.0, base64.b64encode(levels).decode()),),
        provenance=Provenance("2026-01-02T03:04:05Z", "Linux x86_64", {"python": "3.11.2"}, 1, "cd" * 32),
    )  # fmt: skip
