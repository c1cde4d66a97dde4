# SPDX-License-Identifier: Apache-2.0
"""Microphones of chips that make the samples themselves: nRF PDM and DFSDM, from the simulated bits to the scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ascmcu import api, boards
from ascmcu.api.monitoring import listen_on_sim
from ascmcu.codegen.microphone import render_microphone
from ascmcu.listening import pdm
from ascmcu.sim.core import FIRST_IRQ, Nvic
from ascmcu.sim.dfsdm import Dfsdm, DmaL4, _Summed
from ascmcu.sim.nrf52 import Timer
from ascmcu.sim.nrf52_pdm import Pdm, Ppi, _Decimated
from ascmcu.sim.pdm import Modulator
from tests.listening.test_listen_h import DECISIONS, _audio
from tests.support import listening, recipes_flat

RATE_HZ = 16000
# Of the STM32L475 at 80 MHz and 16 kHz: bits of half a sample; a sample of the nRF has 80.
VALUE_BITS = 50


def _dfsdm(pcm: np.ndarray) -> np.ndarray:
    """Samples of the chip's filter and the firmware's."""
    bits = Modulator(pcm, RATE_HZ, 2 * VALUE_BITS).bits(2 * VALUE_BITS * len(pcm))
    return pdm.filtered(pdm.scaled(pdm.summed(bits, VALUE_BITS), VALUE_BITS))


def _nrf(pcm: np.ndarray) -> np.ndarray:
    return _Decimated(pcm, RATE_HZ, 80).take(len(pcm))


PATHS = {"nano-33-ble": _nrf, "b-l475e-iot01a": _dfsdm}


@pytest.mark.parametrize("board", PATHS)
@pytest.mark.parametrize("hz", [50, 1000, 3100, 7000])
def test_a_sine_comes_out_as_it_went_in(board: str, hz: float) -> None:
    """At -6 dBFS: within 0.5 dB, and 60 dB above all else."""
    steps = np.arange(round(1.5 * RATE_HZ))
    pcm = np.rint(16384 * np.sin(2 * np.pi * hz * steps / RATE_HZ)).astype(np.int16)
    found = PATHS[board](pcm)[RATE_HZ // 2 : -RATE_HZ // 10].astype(float)
    phase = 2 * np.pi * hz * np.arange(len(found)) / RATE_HZ
    waves = np.stack([np.sin(phase), np.cos(phase)], axis=1)
    parts = np.linalg.lstsq(waves, found, rcond=None)[0]
    rest = found - waves @ parts
    amplitude = float(np.hypot(*parts))
    assert abs(20 * np.log10(amplitude / 16384)) < 0.5
    assert 10 * np.log10(amplitude**2 / 2 / np.mean(rest**2)) > 60


@pytest.mark.parametrize("board", PATHS)
def test_no_sample_is_lost_and_scores_are_those_of_the_host(board: str, tmp_path: Path) -> None:
    (tmp_path / "net.tflite").write_bytes(recipes_flat.make(listening.keyword_network(same=True, channels=8)))
    (tmp_path / "spec.toml").write_text(listening.features(bands=40))
    (tmp_path / "decisions.toml").write_text(DECISIONS)
    export = tmp_path / "build"
    api.export(
        tmp_path / "net.tflite", board, export, features=tmp_path / "spec.toml", listen=True, hop_s=0.1,
        decisions=tmp_path / "decisions.toml", microphone="pdm",
    )  # fmt: skip
    pcm = _audio(2, seed=8)
    found = listen_on_sim(export, pcm)
    assert found.rate_hz == RATE_HZ and found.lost_samples == 0 and found.taken_samples >= len(pcm)
    assert found.seconds == pytest.approx(2, abs=0.1) and 0.2 < found.slept < 1
    right = np.asarray(api.predict(export, audio=PATHS[board](pcm)[None]))
    assert len(right) > 15 and len({row.tobytes() for row in right}) > 5
    assert [hop.scores for hop in found.hops][: len(right)] == [row.tobytes() for row in right]


def test_values_of_the_filter_come_in_parts_as_in_one() -> None:
    pcm = _audio(1, seed=3)[:3200]
    parts = _Summed(pcm, RATE_HZ, 2 * VALUE_BITS, VALUE_BITS)
    found = np.concatenate([parts.take(count) for count in (1, 160, 7, 320, 500)])
    bits = Modulator(pcm, RATE_HZ, 2 * VALUE_BITS).bits(VALUE_BITS * (len(found) + 3))
    assert np.array_equal(found, pdm.summed(bits, VALUE_BITS))
    assert np.abs(found).max() <= VALUE_BITS**4 < 2**23
    assert pdm.summed(np.ones(4 * VALUE_BITS, np.uint8), VALUE_BITS)[-1] == VALUE_BITS**4


def test_the_clocks_are_those_of_the_rate() -> None:
    nrf = render_microphone(boards.load("nano-33-ble"), "pdm", RATE_HZ, 1)["microphone_config.h"]
    assert "MICROPHONE_CLOCK_CODE 0x0A000000u" in nrf and "MICROPHONE_RATIO_80 1" in nrf
    assert "MICROPHONE_POWERED 1" in nrf and "MICROPHONE_POWER_PIN 17u" in nrf
    l475 = render_microphone(boards.load("b-l475e-iot01a"), "pdm", RATE_HZ, 1)["microphone_config.h"]
    assert "MICROPHONE_DIVIDER 50u" in l475 and f"MICROPHONE_VALUE_BITS {VALUE_BITS}u" in l475
    assert 80_000_000 / 50 / (2 * VALUE_BITS) == RATE_HZ


class _Memory:
    def __init__(self) -> None:
        self.bytes = bytearray(64)

    def store(self, address: int, data: bytes) -> None:
        self.bytes[address - 0x2000_0000 : address - 0x2000_0000 + len(data)] = data


def _writes(device: object, *pairs: tuple[int, int], cycle: int = 0) -> None:
    for offset, value in pairs:
        device.write(offset, value, cycle)  # type: ignore[attr-defined]


def test_pdm_goes_on_where_it_was_told_and_its_blocks_are_counted() -> None:
    """Blocks of four samples of 16 kHz, a core of 64 MHz: 4,000 cycles a sample."""
    nvic, memory = Nvic(), _Memory()
    timer = Timer("TIMER1", 0x40009000, 9, nvic)
    ppi = Ppi([timer])
    device = Pdm(nvic, memory, ppi)  # type: ignore[arg-type]
    _writes(timer, (0x504, 1), (0x508, 3), (0x00C, 1), (0x000, 1))
    _writes(ppi, (0x510, 0x4001D108), (0x514, 0x40009008), (0x504, 1))
    device.hear("pdm", np.full(64, 8000, np.int16), RATE_HZ)
    _writes(device, (0x504, 0x0A000000), (0x520, 1), (0x560, 0x2000_0000), (0x564, 4), (0x304, 5), (0x500, 1))
    device.write(0x000, 1, 100)
    assert nvic.lines == {FIRST_IRQ + 29} and device.read(0x100, 100) == 1
    _writes(device, (0x100, 0), (0x560, 0x2000_0020), cycle=101)
    assert not nvic.lines and device.next_event() == 100 + 16_000
    device.advance(16_100)
    assert nvic.lines == {FIRST_IRQ + 29} and device.read(0x108, 16_100) == 1 and device.taken == 4
    device.advance(100 + 12 * 4000)  # nobody told another place: the second one is written over
    timer.write(0x040, 1, 48_101)
    assert timer.read(0x540, 48_101) == 3 and device.taken == 12
    assert not any(memory.bytes[8:32]) and not any(memory.bytes[40:])


def test_dfsdm_counts_what_nobody_takes() -> None:
    """Values of 32 kHz and a core of 80 MHz: 2,500 cycles each, the first one late by three."""
    nvic, memory = Nvic(), _Memory()
    dma = DmaL4(nvic, memory)  # type: ignore[arg-type]
    device = Dfsdm(dma)
    device.clocked(80_000_000)
    device.hear("pdm", np.zeros(64, np.int16), RATE_HZ)
    _writes(dma, (0x44, 0), (0x50, 0x2000_0000), (0x48, 8), (0x44, 0x0AA6), (0x44, 0x0AA7))
    _writes(device, (0x000, 49 << 16), (0x000, 1 << 31 | 49 << 16), (0x040, 1 << 2), (0x040, 1 << 7 | 1 << 2))
    _writes(device, (0x114, 4 << 29 | 49 << 16), (0x100, 1 << 29 | 2 << 24 | 1 << 21 | 1 << 18 | 1))
    device.write(0x100, 1 << 29 | 2 << 24 | 1 << 21 | 1 << 18 | 1 << 17 | 1, 1000)
    assert device.rate_hz == (80_000_000, 2500) and device.next_event() == 1000 + 2500 * (4 + 3)
    device.advance(1000 + 2500 * 7)
    assert nvic.lines == {FIRST_IRQ + 14} and dma.read(0, 0) >> 12 == 0b101
    assert np.frombuffer(memory.bytes[:16], "<u4")[0] & 0xFF == 2
    dma.write(4, 0xF000, 0)
    assert not nvic.lines
    device.advance(1000 + 2500 * 15)
    assert dma.read(0, 0) >> 12 == 0b111 and device.taken == 12
    dma.write(0x44, 0, 0)
    device.advance(1000 + 2500 * 20)
    assert device.missed == 5
