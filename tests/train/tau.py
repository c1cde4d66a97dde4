# SPDX-License-Identifier: Apache-2.0
"""TAU Urban Acoustic Scenes in miniature: official folders, tables and names, with sounds that can be told apart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

SCENES = (
    "airport",
    "bus",
    "metro",
    "metro_station",
    "park",
    "public_square",
    "shopping_mall",
    "street_pedestrian",
    "street_traffic",
    "tram",
)
GROUPS = ("indoor", "outdoor", "transportation")


def three_class(root: Path, places: int = 4) -> Path:
    """2020 3-Class: stereo, 48 kHz, device a."""
    rows = []
    for number, group in enumerate(GROUPS):
        for place in range(places + 1):
            name = f"{group}-lyon-{100 * number + place}-{place}-a.wav"
            rows.append((name, group, f"lyon-{100 * number + place}", "a", place < places))
            _write(root / "audio" / name, number, place, 48000, 2)
    return _tables(root, rows, "\r\n")


def mobile(
    root: Path,
    *,
    seconds_in_name: bool,
    places: int = 1,
    scenes: Sequence[str] = SCENES,
    tested: Sequence[str] = ("a",),
) -> Path:
    """2020 Mobile, or 2022 with its number of the second: mono, 44.1 kHz, every place by devices a, b and s1.

    The last place is tested, as the devices ``tested`` recorded it.
    """
    rows = []
    for number, scene in enumerate(scenes):
        for place in range(places + 1):
            for device in ("a", "b", "s1") if place < places else tested:
                moment = f"{scene}-vienna-{100 * number + place}-{7 * place}" + (
                    "-0" if seconds_in_name else ""
                )
                name = f"{moment}-{device}.wav"
                rows.append((name, scene, f"vienna-{100 * number + place}", device, place < places))
                _write(root / "audio" / name, number, place, 44100, 1, device)
    return _tables(root, rows, "\n")


def _tables(root: Path, rows: list[tuple[str, str, str, str, bool]], end: str) -> Path:
    setup = root / "evaluation_setup"
    setup.mkdir(parents=True)
    head = ["filename", "scene_label", "identifier", "source_label"]
    _table(root / "meta.csv", [head, *([f"audio/{n}", s, i, d] for n, s, i, d, _ in rows)], end)
    for part, wanted in (("train", True), ("evaluate", False)):
        chosen = [[f"audio/{n}", s] for n, s, _, _, trains in rows if trains is wanted]
        _table(setup / f"fold1_{part}.csv", [head[:2], *chosen], end)
    _table(setup / "fold1_test.csv", [head[:1], *([f"audio/{n}"] for n, *_, t in rows if not t)], end)
    return root


def _table(path: Path, rows: list[list[str]], end: str) -> None:
    path.write_bytes("".join("\t".join(row) + end for row in rows).encode())


def _write(path: Path, scene: int, place: int, rate_hz: int, channels: int, device: str = "a") -> None:
    """A second of a chord and noise: the scene sets the chord, the place its phases, the device its treble."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng([scene, place, channels])
    time_s = np.arange(rate_hz) / rate_hz
    pitch_hz = 120.0 * 1.5**scene
    audio = 0.02 * rng.standard_normal((rate_hz, channels))
    for harmonic in (1, 2, 3):
        phase = rng.uniform(0, 6.28, channels)
        audio += 0.1 / harmonic * np.sin(2 * np.pi * harmonic * pitch_hz * time_s[:, None] + phase)
    if device != "a":
        audio[1:] = 0.6 * audio[1:] + (0.4 if device == "b" else -0.3) * audio[:-1]
    soundfile.write(path, audio, rate_hz, subtype="PCM_24" if channels == 2 else "PCM_16")
