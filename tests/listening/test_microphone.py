# SPDX-License-Identifier: Apache-2.0
"""A firmware with a microphone: samples by DMA at their rate, in simulated time, and the host's scores and events."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from ascmcu import api, boards
from ascmcu.api.monitoring import Listened, listen_live, listen_on_sim
from ascmcu.cli import cli
from ascmcu.codegen.microphone import render_microphone
from ascmcu.errors import BoardError, InputError, ToolError
from ascmcu.listening.decisions import Decider, Event
from ascmcu.sim.core import FIRST_IRQ, Nvic
from ascmcu.sim.microphones import Dma, I2s, Slots
from ascmcu.sim.stm32 import RccF4
from ascmcu.toolchain.manifest import Manifest
from tests.listening.test_listen_h import DECISIONS, _audio
from tests.support import listening, recipes_flat

SECONDS = 3


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("microphone")
    (place / "net.tflite").write_bytes(recipes_flat.make(listening.keyword_network(same=True, channels=8)))
    (place / "spec.toml").write_text(listening.features(bands=40))
    (place / "decisions.toml").write_text(DECISIONS)
    api.export(
        place / "net.tflite", "nucleo-f446", place / "build", features=place / "spec.toml", listen=True, hop_s=0.1,
        decisions=place / "decisions.toml", microphone="i2s",
    )  # fmt: skip
    return place / "build"


@pytest.fixture(scope="module")
def heard(export: Path) -> tuple[np.ndarray, Listened]:
    pcm = _audio(SECONDS, seed=8)
    return pcm, listen_on_sim(export, pcm)


def test_nothing_is_lost_and_the_core_sleeps(heard: tuple[np.ndarray, Listened]) -> None:
    pcm, found = heard
    assert found.rate_hz == 16000
    assert found.taken_samples >= len(pcm) and found.lost_samples == 0
    assert [hop.hop for hop in found.hops] == list(range(len(found.hops)))
    assert found.seconds == pytest.approx(SECONDS, abs=0.1)
    busy = sum(hop.busy_cycles for hop in found.hops) / (180e6 * found.seconds)
    assert 0 < busy < 0.5 and found.slept == pytest.approx(1 - busy, abs=0.05)


def test_scores_and_events_are_those_of_the_host(export: Path, heard: tuple[np.ndarray, Listened]) -> None:
    pcm, found = heard
    right = np.asarray(api.predict(export, audio=pcm[None]))
    assert len(right) > 25
    assert [hop.scores for hop in found.hops] == [row.tobytes() for row in right]
    decisions = Manifest.load(export).decisions
    assert decisions is not None
    decider, expected, at = Decider(decisions), list[Event](), 0
    for hop, row in enumerate(right):
        end = 400 + 1440 + 1600 * hop
        expected += decider(row, int(np.sum(pcm[at:end].astype(np.int64) ** 2)))
        at = end
    assert [event for hop in found.hops for event in hop.events] == expected


def test_monitor_shows_events_and_what_was_lost(export: Path, heard: tuple[np.ndarray, Listened]) -> None:
    pcm, found = heard
    soundfile.write(export.parent / "street.wav", pcm[:24000], 16000, subtype="PCM_16")
    asked = [str(export), "--input", str(export.parent / "street.wav")]
    told = CliRunner().invoke(cli, ["monitor", *asked], catch_exceptions=False)
    assert told.exit_code == 0 and "0 samples lost" in told.stdout
    as_json = json.loads(
        CliRunner().invoke(cli, ["monitor", *asked, "--json"], catch_exceptions=False).stdout
    )
    assert as_json["lost_samples"] == 0 and len(as_json["hops"]) == 14
    for hop, known in zip(as_json["hops"], found.hops, strict=False):
        assert bytes(hop["scores"]) == known.scores
        assert len(hop["events"]) == len(known.events)
    shown = [line for line in told.stdout.splitlines() if line.startswith(" ")]
    assert len(shown) == sum(len(hop["events"]) for hop in as_json["hops"])


class _Stream:
    """A microphone of sounddevice, as far as it is called."""

    read_available = 7

    def __init__(self, pcm: np.ndarray) -> None:
        self._pcm, self._reads = pcm, 0

    def __enter__(self) -> _Stream:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def read(self, count: int) -> tuple[np.ndarray, bool]:
        if len(self._pcm) < count:
            raise KeyboardInterrupt
        part, self._pcm = self._pcm[:count], self._pcm[count:]
        self._reads += 1
        return part.reshape(-1, 1), self._reads == 3


def test_the_microphone_of_this_machine(
    export: Path, heard: tuple[np.ndarray, Listened], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same scores and events as on the simulator; Ctrl-C ends it; lost sound is told."""
    pcm, found = heard
    asked = {}

    def opened(**what: object) -> _Stream:
        asked.update(what)
        return _Stream(pcm)

    monkeypatch.setitem(
        sys.modules, "sounddevice", SimpleNamespace(InputStream=opened, PortAudioError=OSError)
    )
    told = CliRunner().invoke(cli, ["monitor", str(export), "--live", "--json"], catch_exceptions=False)
    assert asked == {"samplerate": 16000, "channels": 1, "dtype": "int16"}
    hops = json.loads(told.stdout)["hops"]
    assert [bytes(hop["scores"]) for hop in hops] == [hop.scores for hop in found.hops][: len(hops)]
    assert (
        len(hops) > 25
        and [len(h["events"]) for h in hops] == [len(h.events) for h in found.hops][: len(hops)]
    )
    assert json.loads(told.stdout)["lost_samples"] == 1600
    some = CliRunner().invoke(
        cli, ["monitor", str(export), "--live", "--seconds", "0.5"], catch_exceptions=False
    )
    assert some.stdout.splitlines()[-1].startswith("5 hops: ") and "cycles" not in some.stdout

    def refused(**what: object) -> _Stream:
        raise OSError("Error querying device -1")

    monkeypatch.setitem(
        sys.modules, "sounddevice", SimpleNamespace(InputStream=refused, PortAudioError=OSError)
    )
    with pytest.raises(ToolError, match="no microphone can be opened"):
        listen_live(export)


def test_what_has_no_microphone(export: Path, tmp_path: Path) -> None:
    with pytest.raises(BoardError, match="no i2s microphone is known"):
        render_microphone(boards.load("nucleo-l476"), "i2s", 16000, 1)
    with pytest.raises(InputError, match="listens and decides"):
        api.export(
            export.parent / "net.tflite", "nucleo-f446", tmp_path / "no", features=False, microphone="i2s"
        )


class _Memory:
    """A processor's memory, as far as the DMA writes it."""

    def __init__(self) -> None:
        self.bytes = bytearray(64)

    def store(self, address: int, data: bytes) -> None:
        self.bytes[address - 0x2000_0000 : address - 0x2000_0000 + len(data)] = data


def test_dma_goes_round_and_interrupts_after_each_half() -> None:
    """Eight half-words: four frames. A core of 64 kHz and frames of 16 kHz: four cycles a frame."""
    nvic, memory, rcc = Nvic(), _Memory(), RccF4()
    dma = Dma(nvic, memory)  # type: ignore[arg-type]
    i2s = I2s(rcc, dma)
    i2s.core_hz = 64_000
    i2s.sound = Slots([1, 2, 3, 4, 5, 6])
    rcc.values |= {0x00: 1 << 26, 0x04: 1 << 22, 0x84: 5 << 28 | 256 << 6 | 8}
    for offset, value in ((0x5C, 8), (0x64, 0x2000_0000), (0x58, 1 << 10 | 1 << 8 | 1 << 4 | 1 << 3 | 1)):
        dma.write(offset, value, 0)
    for offset, value in ((0x20, 25), (0x04, 1), (0x1C, 0xF01)):
        i2s.write(offset, value, 100)
    assert i2s.rate_hz[0] / i2s.rate_hz[1] == 16000
    assert i2s.next_event() == 108
    i2s.advance(107)
    assert not nvic.lines and memory.bytes[:4] == b"\x01\0\0\0"
    i2s.advance(108)
    assert nvic.lines == {FIRST_IRQ + 14} and dma.read(0, 108) == 1 << 26
    dma.write(0x08, 1 << 26, 109)
    assert not nvic.lines and i2s.next_event() == 116
    i2s.advance(124)
    # Frame 5 and 6 lie where 1 and 2 lay; both flags stand, as nobody came.
    assert np.frombuffer(memory.bytes[:16], "<i2").tolist() == [5, 0, 6, 0, 3, 0, 4, 0]
    assert dma.read(0, 124) == (1 << 26 | 1 << 27) and i2s.taken == 6
    dma.write(0x58, 0, 124)
    i2s.advance(132)
    assert i2s.missed == 2 and i2s.taken == 6
