# SPDX-License-Identifier: Apache-2.0
"""The runner: the firmware behind the protocol on the simulator, with cycles that are the simulator's own."""

from __future__ import annotations

import random

import pytest

from ascmcu.benchmark.session import Session
from ascmcu.benchmark.wire import ClockState, Counter, Kind
from ascmcu.runners import base
from ascmcu.runners.base import Target
from ascmcu.runners.sim import SimRunner
from ascmcu.toolchain.gcc import build_firmware
from tests.sim.programs import needs_gcc
from tests.support.mixer import CHANNELS, CLIP_SAMPLES, ROW_BYTES, ROWS, audio_rows, mixed, mixer_target

pytestmark = needs_gcc


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Target:
    made = mixer_target(tmp_path_factory.mktemp("mixer"), frontend=True)
    build_firmware(made.folder, made.board, frontend=True)
    return made


def test_answers_are_right_and_no_byte_is_lost(target: Target) -> None:
    rng = random.Random(7)
    with base.create("sim", target) as link:
        assert isinstance(link, SimRunner)
        assert link.facts.count_kind == "cycles"
        session = Session(link, response_s=link.facts.response_s)
        hello = session.hello
        assert (hello.counter, hello.clock) == (Counter.DWT, ClockState.AS_CONFIGURED)
        assert hello.clock_hz == target.board.clock.sysclk_hz
        for _ in range(2):
            tensor = rng.randbytes(ROWS * ROW_BYTES)
            assert session.run(tensor, Kind.TENSOR).outputs == mixed(tensor)
            pcm = rng.randbytes(CLIP_SAMPLES * CHANNELS * 2)
            assert session.run(pcm, Kind.AUDIO).outputs == mixed(audio_rows(pcm))
        statistics = session.statistics()
        assert (statistics.overruns, statistics.bad_frames, statistics.duplicates) == (0, 0, 0)
        assert session.repairs.asked_again == 0
        assert link.machine.port("USART2").lost_bytes == 0


def test_same_clip_same_cycles(target: Target) -> None:
    seen = set()
    for _ in range(2):
        with base.create("sim", target) as link:
            session = Session(link, response_s=link.facts.response_s, seed=1)
            result = session.run(bytes(ROWS * ROW_BYTES), Kind.TENSOR)
            seen.add((result.counts, session.layers(result)))
            assert result.disturbed == 0
    assert len(seen) == 1


def test_flash_that_is_waited_for(target: Target) -> None:
    """The same outputs, and more cycles, at the wait states of the board's own clock: the default."""
    counts: dict[int | None, int] = {}
    outputs = set()
    for states in (0, None, 7):
        runner = SimRunner(target, states)
        with runner as link:
            assert link.facts.wait_states == (target.board.clock.wait_states if states is None else states)
            assert runner.label == ("sim" if states is None else f"sim-{states}ws")
            result = Session(link, response_s=link.facts.response_s).run(bytes(ROWS * ROW_BYTES), Kind.TENSOR)
        counts[states] = result.counts.network
        outputs.add(result.outputs)
    assert len(outputs) == 1
    assert counts[0] < counts[None] < counts[7]
