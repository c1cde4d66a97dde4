# SPDX-License-Identifier: Apache-2.0
"""Synthetic scenes: seeded, told apart by texture, not by level."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ascmcu.data import datasets, synth
from ascmcu.errors import DataError

SHORT = synth.SynthSpec(clips_per_scene=4, clip_seconds=0.5)


@pytest.mark.parametrize("scene", synth.SCENES)
def test_clips_are_seeded_and_differ(scene: str) -> None:
    clips = [synth.clip(scene, number, SHORT) for number in range(2)]
    assert np.array_equal(clips[0], synth.clip(scene, 0, SHORT))
    assert not np.array_equal(*clips)
    other = synth.SynthSpec(clips_per_scene=4, clip_seconds=0.5, seed=2)
    assert not np.array_equal(clips[0], synth.clip(scene, 0, other))
    for clip in clips:
        assert clip.shape == (8000,)
        assert 0.002 < np.sqrt(np.mean(clip**2)) < 0.5
        assert np.abs(clip).max() <= 1.0


def test_level_gives_no_class_away() -> None:
    spec = synth.SynthSpec(clip_seconds=0.5)
    level = np.array(
        [
            [np.log(np.mean(synth.clip(scene, 2 * number, spec) ** 2)) for number in range(16)]
            for scene in synth.SCENES
        ]
    )
    # Whoever knows each class's mean level and guesses the nearest must not do much better than chance (1/6).
    guess = np.abs(level[:, :, None] - level.mean(axis=1)).argmin(axis=2)
    assert (guess == np.arange(len(synth.SCENES))[:, None]).mean() < 0.4


def test_devices_sound_different() -> None:
    spec = synth.SynthSpec(clip_seconds=1.0)
    share_above_6khz = []
    for device in range(2):
        powers = [np.abs(np.fft.rfft(synth.clip("rain", 2 * n + device, spec))) ** 2 for n in range(4)]
        share_above_6khz.append(np.mean([p[6000:].sum() / p.sum() for p in powers]))
    assert share_above_6khz[1] < 0.6 * share_above_6khz[0]


def test_a_written_set_is_kept_and_another_replaces_it(tmp_path: Path) -> None:
    folder = synth.write(tmp_path / "scenes", SHORT)
    clip = folder / "audio" / "wind-0003-handset.wav"
    before = (clip.read_bytes(), clip.stat().st_mtime_ns)
    synth.write(folder, SHORT)
    assert clip.stat().st_mtime_ns == before[1]
    synth.write(folder, synth.SynthSpec(clips_per_scene=5, clip_seconds=0.5))
    assert clip.read_bytes() == before[0], "a larger set begins with the smaller one"
    assert len(datasets.load(folder).recordings) == 5 * len(synth.SCENES)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scenes"]


def test_foreign_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(DataError, match="holds other files"):
        synth.write(tmp_path, SHORT)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_folds_and_devices_are_balanced(scenes: datasets.Dataset) -> None:
    counts = {(r.part, r.device, r.label) for r in scenes.recordings}
    assert len(counts) == len(scenes.recordings) == 60
