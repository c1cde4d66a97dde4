# SPDX-License-Identifier: Apache-2.0
"""Run the first hops of a firmware that listens on the cycle model: whether it keeps up."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ascmcu.benchmark import clips
from ascmcu.benchmark.run import connect
from ascmcu.benchmark.wire import Kind
from ascmcu.boards import Board
from ascmcu.errors import BoardError
from ascmcu.features import spec as specs
from ascmcu.listening.window import Pace
from ascmcu.runners.base import Target
from ascmcu.runners.sim import SimRunner
from ascmcu.toolchain.manifest import Manifest

# After the first, which fills the front end's first frame.
_HOPS = 2
_NOISE = 3000.0


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
