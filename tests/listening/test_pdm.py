# SPDX-License-Identifier: Apache-2.0
"""A microphone with PDM: its bits become samples, in C as in the reference; on the simulator the host's scores."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from ascmcu import api, boards, paths
from ascmcu.api.monitoring import listen_on_sim
from ascmcu.boards import Board
from ascmcu.codegen.microphone import PERIPHERALS, i2s_clock, peripheral, render_filter, render_microphone
from ascmcu.errors import BoardError
from ascmcu.listening import pdm
from ascmcu.sim import session
from ascmcu.sim.microphones import Bits
from ascmcu.sim.pdm import LOUDEST, Modulator, modulate
from tests.listening.test_listen_h import DECISIONS, _audio
from tests.support import listening, recipes_flat
from tests.support.host_model import FLAGS

RATE_HZ, BLOCK = 16000, 160
_PROGRAM = """
#include <stdio.h>
#include "received.h"
int main(void)
{
    static uint16_t words[RECEIVED_WORDS];
    static int16_t samples[MICROPHONE_BLOCK];
    received_reset();
    while (fread(words, sizeof words, 1, stdin) == 1) {
        received_block(words, samples);
        fwrite(samples, sizeof samples, 1, stdout);
    }
    return 0;
}
"""


def _sine(hz: float, dbfs: float, seconds: float) -> np.ndarray:
    steps = np.arange(round(seconds * RATE_HZ))
    return np.rint(10 ** (dbfs / 20) * 32767 * np.sin(2 * np.pi * hz * steps / RATE_HZ)).astype(np.int16)


def _words(pcm: np.ndarray) -> np.ndarray:
    return Modulator(pcm, RATE_HZ).words(4 * len(pcm))


@pytest.mark.parametrize("dbfs", [-4, -20])
@pytest.mark.parametrize("hz", [50, 300, 1000, 3100, 5000, 7000])
def test_a_sine_comes_out_as_it_went_in(hz: float, dbfs: float) -> None:
    """Within 0.5 dB, and 60 dB above all else in the band of 0 to 8 kHz."""
    pcm = _sine(hz, dbfs, 1.5)
    found = pdm.decimated(_words(pcm))[RATE_HZ // 2 :].astype(float)
    phase = 2 * np.pi * hz * np.arange(len(found)) / RATE_HZ
    waves = np.stack([np.sin(phase), np.cos(phase)], axis=1)
    parts = np.linalg.lstsq(waves, found, rcond=None)[0]
    rest = found - waves @ parts
    amplitude = float(np.hypot(*parts))
    assert abs(20 * np.log10(amplitude / 32767) - dbfs) < 0.5
    assert 10 * np.log10(amplitude**2 / 2 / np.mean(rest**2)) > 60


@pytest.mark.parametrize("hz", [9000, 12000, 20000, 25000, 31000, 57000, 64000 - 500])
def test_what_would_fold_into_the_band_is_stopped(hz: float) -> None:
    """Sound that a converter of 16 kHz would hear as another one; no lower than the integrators alone leave it."""
    steps = np.arange(64 * RATE_HZ // 2)
    bits = np.zeros(len(steps), np.uint8)
    modulate(0.6 * np.sin(2 * np.pi * hz * steps / (64 * RATE_HZ)), bits, np.zeros(6))
    words = np.packbits(bits).view(">u2").astype(np.uint16)
    found = pdm.decimated(words)[2000:].astype(float)
    assert 20 * np.log10(np.sqrt(2 * np.mean(found**2)) / (0.6 * 32768)) < -40


def test_loud_sound_is_clipped_and_the_offset_goes() -> None:
    loud = pdm.decimated(_words(_sine(200, 0, 0.5)))
    assert abs(int(np.abs(loud[2000:]).max()) / 32768 - LOUDEST) < 0.1
    steady = pdm.decimated(_words(np.full(RATE_HZ, 8000, np.int16)))
    assert abs(steady[RATE_HZ // 2 :].mean()) < 1 and np.abs(steady[:400].astype(int)).max() > 4000


def _inputs() -> list[np.ndarray]:
    rng = np.random.default_rng(4)
    count = 4 * BLOCK * 5
    return [
        rng.integers(0, 1 << 16, count).astype(np.uint16),
        np.full(count, 0xFFFF, np.uint16),
        np.zeros(count, np.uint16),
        np.repeat(rng.choice([0, 0xFFFF], count // 16), 16).astype(np.uint16),
        _words(_sine(440, -6, count / 4 / RATE_HZ)),
    ]


def test_the_firmware_does_as_the_reference(tmp_path: Path) -> None:
    """Bits that no modulator gives included; under the checks for undefined behaviour."""
    board = boards.load("stm32f4-discovery")
    for name, text in render_microphone(board, "pdm", RATE_HZ, 1).items():
        (tmp_path / name).write_text(text)
    (tmp_path / "program.c").write_text(_PROGRAM)
    firmware = paths.firmware()
    built = subprocess.run(
        [
            *("gcc", *FLAGS, "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"),
            *(f"-I{p}" for p in (tmp_path, firmware / "microphones", firmware / "kernels")),
            *(str(firmware / "microphones" / name) for name in ("pdm.c", "filter.c")),
            *(str(tmp_path / "program.c"), "-o", str(tmp_path / "program")),
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    for words in _inputs():
        ran = subprocess.run(
            [tmp_path / "program"], input=words.astype("<u2").tobytes(), capture_output=True, check=False
        )
        assert ran.returncode == 0, ran.stderr.decode()
        assert np.array_equal(np.frombuffer(ran.stdout, "<i2"), pdm.decimated(words))


def test_the_filter_cannot_overflow() -> None:
    taps = np.array(pdm.taps())
    assert np.array_equal(taps, taps[::-1]) and len(taps) == pdm.TAPS
    assert np.abs(taps).sum() * 32768 + 2**13 < 2**31 and np.abs(taps).max() < 2**15
    assert f"#define PDM_TAPS {pdm.TAPS}u" in render_filter()


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("pdm")
    (place / "net.tflite").write_bytes(recipes_flat.make(listening.keyword_network(same=True, channels=8)))
    (place / "spec.toml").write_text(listening.features(bands=40))
    (place / "decisions.toml").write_text(DECISIONS)
    api.export(
        place / "net.tflite", "stm32f4-discovery", place / "build", features=place / "spec.toml", listen=True,
        hop_s=0.1, decisions=place / "decisions.toml", microphone="pdm",
    )  # fmt: skip
    return place / "build"


def test_scores_are_those_of_the_host_for_what_the_microphone_hears(export: Path) -> None:
    pcm = _audio(2, seed=8)
    found = listen_on_sim(export, pcm)
    assert found.rate_hz == RATE_HZ and found.lost_samples == 0 and found.taken_samples >= len(pcm)
    heard = pdm.decimated(Bits(pcm, RATE_HZ).frames(2 * len(pcm)).reshape(-1))
    right = np.asarray(api.predict(export, audio=heard[None]))
    assert len(right) > 15 and len({row.tobytes() for row in right}) > 5
    assert [hop.scores for hop in found.hops] == [row.tobytes() for row in right]


def test_samples_take_little_of_the_core(export: Path) -> None:
    """3 % at 16 kHz: the first block, for which nothing is in the caches."""
    found = session.run(export / "listen.elf", between=("received_block",) * 2, board="stm32f4-discovery")
    assert 0 < found.cycles <= 0.03 * boards.load("stm32f4-discovery").clock.sysclk_hz * BLOCK / RATE_HZ


def _known() -> list[tuple[Board, str]]:
    every = [boards.load(name) for name in boards.names()]
    return [(board, p.kind) for board in every for p in PERIPHERALS if board.chip.name in p.chips]


@pytest.mark.parametrize(("board", "kind"), [pytest.param(b, k, id=f"{b.name} {k}") for b, k in _known()])
@pytest.mark.parametrize("rate_hz", [8000, 16000])
def test_boards_with_a_microphone(board: Board, kind: str, rate_hz: int) -> None:
    nearest = {"nrf52840": "12,500.0", "stm32l475vg": "9,434.0"}.get(board.chip.name, "")
    if nearest and rate_hz == 8000:  # a microphone needs 1 MHz, and these parts add up no more bits
        with pytest.raises(BoardError, match="no such rate") as refused:
            render_microphone(board, kind, rate_hz, 1)
        assert f"{nearest} is the nearest" in str(refused.value)
        return
    files = render_microphone(board, kind, rate_hz, 1)
    header = files["microphone_config.h"]
    assert f"#define MICROPHONE_BLOCK {rate_hz // 100}u" in header
    assert ("pdm_filter.h" in files) == ("filter.c" in peripheral(board, kind).sources)
    with pytest.raises(BoardError, match="one channel"):
        render_microphone(board, kind, rate_hz, 2)


@pytest.mark.parametrize("bit_hz", [64 * rate for rate in (8000, 16000, 22050, 32000, 44100, 48000)])
@pytest.mark.parametrize("input_hz", [1_000_000, 2_000_000])
def test_the_clock_of_a_microphone(bit_hz: int, input_hz: int) -> None:
    clock = i2s_clock(bit_hz, input_hz)
    assert float(clock.bit_hz) == pytest.approx(bit_hz, rel=1e-3)
    assert 4 <= 2 * clock.half + clock.odd <= 511 and clock.divider == 2 * clock.half + clock.odd
    assert 192e6 <= clock.n * input_hz <= 432e6
    if bit_hz in (64 * 8000, 64 * 16000, 64 * 32000):
        assert clock.bit_hz == bit_hz
