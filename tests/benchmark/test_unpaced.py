# SPDX-License-Identifier: Apache-2.0
"""Links that deliver bursts without pacing: whole clips go through, on every family, and nothing is asked twice.

The line offers each byte as soon as the handler has taken the one before, so that the main loop does not run before
the burst's end: Renode's way, and that of any link without a rate. On a wire that is faster than the handler bytes
are lost, as in hardware; what was lost is asked for again or reported, never scored.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from ascmcu import api, boards, paths
from ascmcu.benchmark import clips as clip_sources
from ascmcu.benchmark import run as bench
from ascmcu.benchmark import wire
from ascmcu.benchmark.clips import Clips
from ascmcu.benchmark.session import Session
from ascmcu.benchmark.wire import Kind
from ascmcu.errors import LinkError
from ascmcu.runners.base import Target
from ascmcu.runners.host import HostRunner
from ascmcu.runners.sim import SimRunner
from ascmcu.sim.stm32 import BURST, Line
from ascmcu.toolchain.gcc import build_firmware
from tests.support import audio, outside
from tests.support.mixer import CHANNELS, CLIP_SAMPLES, ROW_BYTES, ROWS, audio_rows, mixed, mixer_target
from tests.support.patience import Clock, OnSimulatedTime

KWS, RESNET8 = (
    outside.model("mlperf_tiny_kws_int8.tflite"),
    outside.model("mlperf_tiny_ic_resnet8_int8.tflite"),
)
# One of each family that has a serial port of its own kind, and one of each kind of STM32 port.
BOARDS = ("nucleo-f446", "nrf52840-dk", "nucleo-l476", "frdm-k64f")
# Cycles from byte to byte that every handler follows, masked sections of the main loop included; at the boards' rates a
# byte takes 640 to 2604. At 120, behind the wait states of the flash, the handler takes nearly all the time there is.
GAPS_CYCLES = (120, 200, 300)

pytestmark = pytest.mark.skipif(not shutil.which("arm-none-eabi-gcc"), reason="no cross compiler")


def _protocol(name: str) -> int:
    text = (paths.firmware() / "app" / "protocol.h").read_text()
    return int(text.partition(f"#define {name} ")[2].split()[0])


def _target(export: api.Export) -> Target:
    manifest = export.manifest
    return Target(export.folder, boards.load(manifest.board), manifest, manifest.features is not None)


def _goes_through(target: Target, clips: Clips) -> None:
    """The clips give the host's outputs over a burst, undisturbed, and at most one chunk of each was sent again."""
    found = bench.run(target, SimRunner(target, line=BURST), clips)
    wanted = bench.run(target, HostRunner(target), clips)
    assert [c.outputs for c in found.clips] == [c.outputs for c in wanted.clips]
    assert all(c.disturbed == 0 for c in found.clips)
    assert (found.statistics.overruns, found.statistics.bad_frames) == (0, 0)
    assert found.statistics.rerequests <= len(clips.clips)
    assert found.repairs.sent_again <= len(clips.clips) and found.repairs.clips_repeated == 0


@outside.needs(audio.ESC10)
@pytest.mark.parametrize("board", BOARDS)
def test_a_recording_of_five_seconds(board: str, tmp_path: Path) -> None:
    model, spec = audio.write(tmp_path, seconds=5.0)
    target = _target(api.export(model, board, tmp_path / "build", features=spec))
    clips = clip_sources.from_data(target.manifest, audio.ESC10, None, limit=1)
    assert len(clips.clips[0].load()) == 5 * 8000 * 2 > 50 * _protocol("PROTOCOL_RECEIVE_BYTES")
    _goes_through(target, clips)


@outside.needs(KWS, RESNET8)
@pytest.mark.parametrize("model", [KWS, RESNET8], ids=lambda path: path.stem)
@pytest.mark.parametrize("board", BOARDS)
def test_published_networks(board: str, model: Path, tmp_path: Path) -> None:
    target = _target(api.export(model, board, tmp_path / "build", features=False))
    spec = target.manifest.inputs[0]
    assert model is KWS or spec.rows * spec.row_bytes > 2 * _protocol("PROTOCOL_CHUNK_BYTES")
    np.save(tmp_path / "in.npy", np.random.default_rng(3).integers(-128, 128, (2, *spec.shape), np.int8))
    clips = clip_sources.from_tensors(target.manifest, tmp_path / "in.npy", None)
    _goes_through(target, clips)


def _mixer(board: str, folder: Path) -> Target:
    target = mixer_target(folder, board, frontend=True)
    build_firmware(folder, target.board, frontend=True)
    return target


@pytest.mark.parametrize("board", BOARDS)
def test_a_wire_as_fast_as_the_handler(board: str, tmp_path: Path) -> None:
    """The main loop gets little time, or none before the burst's end."""
    rows = np.random.default_rng(1).bytes(ROWS * ROW_BYTES)
    target = _mixer(board, tmp_path)
    assert len(rows) > _protocol("PROTOCOL_RECEIVE_BYTES")
    for gap_cycles in GAPS_CYCLES:
        with SimRunner(target, line=Line(gap_cycles)) as link:
            session = Session(link, response_s=link.facts.response_s)
            result = session.run(rows, Kind.TENSOR)
            statistics = session.statistics()
        assert (result.outputs, result.disturbed) == (mixed(rows), 0)
        assert (statistics.overruns, statistics.rerequests, session.repairs.sent_again) == (0, 0, 0), (
            gap_cycles
        )


@pytest.mark.parametrize("board", BOARDS)
def test_a_wire_faster_than_the_handler_is_reported(
    board: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = OnSimulatedTime(_mixer(board, tmp_path), line=Line(gap_cycles=20))
    link.clock = Clock(monkeypatch)
    with link:
        session = Session(link, response_s=1.0)
        with pytest.raises(LinkError, match="does not answer"):
            session.statistics()
        assert link.machine.usarts[link.machine.layout.console].lost_bytes > 0


class Jumpy(SimRunner):
    """A burst in which the link loses every seventh chunk's middle, once."""

    chunks = 0

    def write(self, data: bytes, timeout_s: float) -> None:
        if len(data) > 100:
            self.chunks += 1
            if self.chunks % 7 == 0:
                data = data[:50] + data[60:]
        super().write(data, timeout_s)


@pytest.mark.parametrize("board", ["nucleo-f446", "nrf52840-dk"])
def test_a_lost_chunk_is_sent_once_more_and_no_oftener(board: str, tmp_path: Path) -> None:
    pcm = np.random.default_rng(1).bytes(CLIP_SAMPLES * CHANNELS * 2)
    with Jumpy(_mixer(board, tmp_path), line=BURST) as link:
        session = Session(link, response_s=link.facts.response_s)
        result = session.run(pcm, Kind.AUDIO)
        statistics = session.statistics()
    chunks = -(-len(pcm) // session.hello.chunk_bytes)
    assert result.outputs == mixed(audio_rows(pcm))
    assert session.repairs.sent_again == statistics.bad_frames == link.chunks - chunks > 1
    assert (statistics.overruns, statistics.duplicates) == (0, 0)


def test_what_may_be_under_way_has_room() -> None:
    """The largest frame that the host makes is what it counts with, whatever the data are."""
    chunk = _protocol("PROTOCOL_CHUNK_BYTES")
    sizes = {
        len(wire.encode(wire.Type.DATA, 0, 0xFFFF, wire.data_body(0xFFFFFFFF, 0xFFFFFFFF, filler * chunk)))
        for filler in (b"\x00", b"\x01", b"\xff")
    }
    assert max(sizes) <= wire.data_frame_bytes(chunk)
    spare = _protocol("PROTOCOL_RECEIVE_BYTES") - _protocol("PROTOCOL_CREDITS") * wire.data_frame_bytes(chunk)
    question = wire.encode(wire.Type.DATA, 0, 0xFFFF, wire.data_body(0xFFFFFFFF, 0xFFFFFFFF, b""))
    hello = wire.encode(wire.Type.HELLO, 0, 0xFFFF)
    assert spare >= len(question) + 4 * len(hello)
