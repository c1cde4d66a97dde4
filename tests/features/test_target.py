# SPDX-License-Identifier: Apache-2.0
"""The generated C on an emulated Cortex-M4: the bits of the host, and cycles within budget."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from ascmcu.features import spec as specs
from ascmcu.features.pcm import Pcm
from ascmcu.features.spec import FeatureSpec
from ascmcu.toolchain.native import NativeFrontend
from tests.features import target
from tests.features.signals import (
    LOG_MEL,
    VARIANTS,
    extremes,
    fitted,
    needs_esc10,
    noise,
    recordings,
    swell,
    variant,
)

# All of the twenty clips with ASCMCU_LONG_TESTS=1.
CLIPS = 20 if os.environ.get("ASCMCU_LONG_TESTS") else 1
QUANTIZATION = {"scale": 0.05, "zero_point": -3, "dtype": "int8"}
# A frame of 2048 points and 128 bands with delta-deltas, at zero wait states.
FRAME_CYCLES_MAX = 220_000


def _same_bits(folder: Path, spec: FeatureSpec, pcm: Pcm, where: tuple[str, ...]) -> None:
    elf = target.build(folder, spec, pcm, **QUANTIZATION)  # type: ignore[arg-type]
    rows = NativeFrontend(spec, **QUANTIZATION).rows(pcm)  # type: ignore[arg-type]
    run = {"qemu": target.on_qemu, "sim": target.on_sim}
    for name in where:
        found = run[name](elf)
        assert (name, found["rows"], found["hash"]) == (name, len(rows), target.fnv1a(rows.tobytes()))


@needs_esc10
@target.needs_gcc
@target.needs_qemu
@pytest.mark.parametrize("name", LOG_MEL)
def test_recordings_on_qemu_and_sim(name: str, tmp_path: Path) -> None:
    spec = specs.load_log_mel(name)
    if spec.needs_whole_clip and spec.static_frames * spec.bands > 100_000:
        # The target of the tests has 1 MB of RAM; the clip is cut to what a clip's figures can be taken of there.
        spec = spec.replace(clip_samples=60 * spec.hop_length)
    heard = list(recordings(spec, CLIPS))
    assert len(heard) == CLIPS
    for pcm in heard:
        _same_bits(tmp_path, fitted(spec), pcm[: spec.clip_samples], ("qemu", "sim"))


@target.needs_gcc
@target.needs_qemu
@pytest.mark.parametrize("name", VARIANTS)
def test_every_choice_on_qemu(name: str, tmp_path: Path) -> None:
    spec = variant(name)
    _same_bits(tmp_path, spec, noise(spec), ("qemu",))


@target.needs_gcc
@target.needs_qemu
def test_extremes_on_qemu(tmp_path: Path) -> None:
    spec = specs.load_log_mel("tmsic")
    pcm = dict(extremes(spec))
    for signal in ("impulses", "DC", "clipping"):
        _same_bits(tmp_path, spec, pcm[signal], ("qemu",))


@target.needs_gcc
@pytest.mark.parametrize(
    ("name", "wait_states", "most"),
    [
        ("hu2020_streamed", 0, 185_000),
        ("hu2020_streamed", 5, 220_000),
        ("micro_speech", 5, 60_000),
        ("microwakeword", 5, 60_000),
    ],
)
def test_budget_of_a_frame(name: str, wait_states: int, most: int, tmp_path: Path) -> None:
    """On nucleo-f446, compiled as an export is."""
    spec = specs.load(name)
    spec = spec.replace(clip_samples=spec.frame_samples + 8 * spec.hop_length)
    is_mel = isinstance(spec, FeatureSpec)
    pcm = noise(spec) if is_mel else swell(spec.clip_samples)[:, None]
    frames = spec.frames * spec.audio_channels if is_mel else spec.shape[0]
    elf = target.build(tmp_path, spec, pcm, **QUANTIZATION, level="-O3", board="nucleo-f446")  # type: ignore[arg-type]
    found = target.on_sim(elf, "nucleo-f446", wait_states)
    cycles = sum(count for stage, count in found.items() if stage not in ("hash", "rows"))
    assert 0.5 * most < cycles / frames <= most


@target.needs_gcc
@pytest.mark.parametrize("level", ["-O2", "-O3", "-Os"])
def test_cycles_of_a_frame(level: str, tmp_path: Path) -> None:
    spec = specs.load_log_mel("zhao2021")
    spec = spec.replace(clip_samples=spec.n_fft + 12 * spec.hop_length)
    found = target.on_sim(target.build(tmp_path, spec, noise(spec), level=level, **QUANTIZATION))  # type: ignore[arg-type]
    stages = {name: cycles / spec.frames for name, cycles in found.items() if name not in ("hash", "rows")}
    assert set(stages) == {"window", "fft", "mel", "log", "deltas", "quantize"}
    assert all(cycles > 0 for cycles in stages.values())
    assert np.sum(list(stages.values())) <= FRAME_CYCLES_MAX, stages
