# SPDX-License-Identifier: Apache-2.0
"""Run the first hops of a firmware that listens on the cycle model, and of the one with a microphone: whether they keep
up."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ascmcu.api.monitoring import listen_on_sim
from ascmcu.benchmark import clips
from ascmcu.benchmark.run import connect
from ascmcu.benchmark.wire import Kind
from ascmcu.boards import Board
from ascmcu.errors import BoardError
from ascmcu.features import spec as specs
from ascmcu.listening.window import Listening, Pace
from ascmcu.runners.base import Target
from ascmcu.runners.sim import SimRunner
from ascmcu.toolchain.manifest import Manifest

# After the first, which fills the front end's first frame.
_HOPS = 2
_NOISE = 3000.0
# Of the firmware with a microphone, which is still busy with the last one when the sound ends.
_HEARD_HOPS = 4


def paced(folder: Path, board: Board, manifest: Manifest, spared: float | None) -> Pace:
    """What a hop costs.

    Args:
        folder: of the firmware and its manifest.
        spared: the part of the network's work that windows share; None without windows.

    Raises:
        BoardError: it does not keep up.
    """
    heard = manifest.listening
    assert heard is not None and manifest.features is not None
    spec = specs.from_dict(manifest.features)
    samples = spec.clip_samples + _HOPS * spec.step_samples
    noise = np.random.default_rng(1).normal(0, _NOISE, (1, samples, spec.audio_channels))
    hops = clips.of_samples(noise.astype(np.int16), spec)
    with connect(SimRunner(Target(folder, board, manifest, frontend=True))) as (_, session):
        counts = [session.run(hop.load(), Kind.AUDIO, continues=hop.follows).counts for hop in hops][1:]
    pace = Pace(
        frontend_cycles=max(c.frontend for c in counts),
        network_cycles=max(c.network for c in counts),
        spared=spared,
        longest_cycles=max(c.latency for c in counts),
        hop_cycles=board.clock.sysclk_hz * heard.hop_samples // heard.sample_rate_hz,
    )
    if not pace.keeps_up:
        seconds = (pace.frontend_cycles + pace.network_cycles) / board.clock.sysclk_hz
        raise BoardError(
            "the board does not keep up",
            where=f"{board.name}, --hop {heard.hop_s:g}s",
            expected=f"at most {pace.hop_cycles:,} cycles a hop",
            found=pace.text,
            hint=f"a hop of more than {1000 * seconds:.0f} ms keeps up" if not heard.steps else None,
        )
    return pace


def listener_cycles(folder: Path, board: Board, manifest: Manifest) -> int:
    """The most cycles that ``listen.elf`` is busy in a hop, its microphone's interrupts in it.

    Args:
        folder: of ``listen.elf`` and its manifest.

    Raises:
        BoardError: it loses samples, or takes longer than a hop.
    """
    heard = manifest.listening
    assert heard is not None and manifest.features is not None
    spec = specs.from_dict(manifest.features)
    samples = spec.clip_samples + _HEARD_HOPS * spec.step_samples
    noise = np.random.default_rng(2).normal(0, _NOISE, samples).astype(np.int16)
    found = listen_on_sim(folder, noise)
    busy = [hop.busy_cycles for hop in found.hops][1:]
    check_listener(board, heard, busy, found.lost_samples, found.seconds)
    return max(busy)


def check_listener(board: Board, heard: Listening, busy: list[int], lost: int, seconds: float) -> None:
    """Refuse a firmware whose hops (their cycles without the first) do not keep up with its microphone.

    Raises:
        BoardError: it does not keep up.
    """
    room = board.clock.sysclk_hz * heard.hop_samples // heard.sample_rate_hz
    if not lost and busy and max(busy) < room:
        return
    done = f"a hop takes {max(busy):,} cycles" if busy else f"two hops were not done in {seconds:.1f} s"
    raise BoardError(
        "the firmware does not keep up with its microphone",
        where=f"{board.name}, --hop {heard.hop_s:g}s, listen.elf",
        expected=f"less than {room:,} cycles a hop, and no sample lost",
        found=f"{done}, {lost:,} samples lost",
        hint="a longer --hop, or --optimize cycles",
    )
