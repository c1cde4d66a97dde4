# SPDX-License-Identifier: Apache-2.0
"""Synthetic acoustic scenes: a seeded data set with nothing to download.

Six scenes that differ in texture: how energy moves through time and frequency. Every clip is brought to a
random loudness and a random spectral tilt, and carries a common background, so that neither level nor average
colour gives the class away. Two recording devices colour the clips as real ones do: the second has a narrow
band, a resonance, a higher noise floor and soft clipping.

A clip depends on the seed, its scene and its number alone: a larger set begins with the smaller one.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from ascmcu import paths, scratch
from ascmcu.errors import DataError

Signal = npt.NDArray[np.float64]
Generator = np.random.Generator

VERSION = 1
FOLDS = 5
DEVICES = ("studio", "handset")


@dataclass(frozen=True)
class SynthSpec:
    """What is to be synthesised; clips are dealt to the folds and devices in turn."""

    clips_per_scene: int = 60
    clip_seconds: float = 3.0
    sample_rate_hz: int = 16000
    seed: int = 1


def write(
    folder: Path, spec: SynthSpec, progress: Callable[[int, int], None] = lambda done, total: None
) -> Path:
    """Write ``audio/*.wav`` (16 bit, mono) and ``meta.csv`` to ``folder``; a set of the same spec is kept.

    ``meta.csv`` has the columns filename, fold (1…5), target, category, source_label (device). ``progress`` is
    called with the clips written and the clips in all.

    Raises:
        DataError: the folder holds something else.
    """
    recipe = json.dumps({"version": VERSION, **asdict(spec)}, indent=2) + "\n"
    marker = folder / "synth.json"
    if marker.is_file() and marker.read_text(encoding="utf-8") == recipe:
        return folder
    others = _others(folder)
    if others:
        found = ", ".join(others[:3])
        raise DataError(
            "the folder holds other files", where=str(folder), found=found, hint="name a new folder"
        )
    if folder.is_symlink() and not folder.exists():
        raise DataError("the folder is a broken link", where=str(folder), hint="name a new folder")
    target = paths.real(folder)
    target.parent.mkdir(parents=True, exist_ok=True)
    with paths.filling(folder), scratch.folder(target) as place:
        work = place / "made"
        work.mkdir()
        _write_clips(work, spec, progress)
        (work / "synth.json").write_text(recipe, encoding="utf-8")
        if target.exists():
            shutil.rmtree(target)
        work.rename(target)
    return folder


def _others(folder: Path) -> list[str]:
    """What a folder holds that an earlier call did not write.

    Raises:
        NotADirectoryError: it is a file.
    """
    if not folder.exists() or next(folder.iterdir(), None) is None:
        return []
    own: set[str] = set()
    if (folder / "synth.json").is_file():
        with (
            contextlib.suppress(OSError, UnicodeDecodeError),
            (folder / "meta.csv").open(encoding="utf-8") as file,
        ):
            own = {"synth.json", "meta.csv", *(f"audio/{line.partition(',')[0]}" for line in file)}
    files = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())
    return sorted(name for name in files if name not in own)


def _write_clips(folder: Path, spec: SynthSpec, progress: Callable[[int, int], None]) -> None:
    (folder / "audio").mkdir()
    with (folder / "meta.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["filename", "fold", "target", "category", "source_label"])
        for target, scene in enumerate(SCENES):
            for number in range(spec.clips_per_scene):
                progress(target * spec.clips_per_scene + number, len(SCENES) * spec.clips_per_scene)
                device = DEVICES[number % len(DEVICES)]
                fold = number // len(DEVICES) % FOLDS + 1
                name = f"{scene}-{number:04d}-{device}.wav"
                pcm = np.round(32767 * clip(scene, number, spec)).astype(np.int16)
                _write_wav(folder / "audio" / name, pcm, spec.sample_rate_hz)
                table.writerow([name, fold, target, scene, device])


def _write_wav(path: Path, pcm: npt.NDArray[np.int16], rate_hz: int) -> None:
    whole = io.BytesIO()  # what libsndfile says of a full disk does not say so
    soundfile.write(whole, pcm, rate_hz, subtype="PCM_16", format="WAV")
    path.write_bytes(whole.getvalue())


def clip(scene: str, number: int, spec: SynthSpec) -> Signal:
    """One clip as it would be recorded: float64 (clip_seconds · sample_rate_hz,), within ±1.

    Args:
        scene: a key of ``SCENES``.
        number: the clip's number within its scene; even ones are recorded by the first device.
    """
    rng = np.random.default_rng([spec.seed, list(SCENES).index(scene), number])
    samples = round(spec.clip_seconds * spec.sample_rate_hz)
    rate_hz = spec.sample_rate_hz
    foreground = _unit(SCENES[scene](rng, samples, rate_hz))
    background = _unit(_noise(rng, samples, rate_hz, lambda f: (f + 40.0) ** -0.5))
    scene_signal = foreground + _gain(rng.uniform(-18.0, -4.0)) * background
    tilt_db_per_octave = rng.uniform(-2.0, 2.0)
    tilted = _shape(scene_signal, rate_hz, lambda f: _gain(tilt_db_per_octave * np.log2((f + 60.0) / 1000.0)))
    loud = _gain(rng.uniform(-34.0, -18.0)) * _unit(tilted)
    return _record(DEVICES[number % len(DEVICES)], loud, rng, rate_hz)


def _record(device: str, signal: Signal, rng: Generator, rate_hz: int) -> Signal:
    """The signal as the device hears it, clipped to ±1."""
    if device == "handset":
        heard = _shape(signal, rate_hz, _handset_response)
        heard = np.tanh(3.0 * heard) / 3.0 + 1.5e-3 * rng.standard_normal(len(signal))
    else:
        heard = _shape(signal, rate_hz, lambda f: f / (f + 30.0)) + 1e-4 * rng.standard_normal(len(signal))
    return np.clip(heard, -1.0, 1.0)


def _handset_response(f: Signal) -> Signal:
    band = (f / 220.0) ** 2 / (1.0 + (f / 220.0) ** 2) / (1.0 + (f / 5200.0) ** 4)
    return np.asarray(band * (1.0 + 1.5 * np.exp(-(((f - 2900.0) / 500.0) ** 2))))


# --- building blocks ------------------------------------------------------------------------------


def _gain(db: npt.ArrayLike) -> Signal:
    return np.asarray(10.0 ** (np.asarray(db) / 20.0))


def _unit(signal: Signal) -> Signal:
    """Scaled to a root mean square of one."""
    return np.asarray(signal / np.sqrt(np.mean(signal**2) + 1e-12))


def _shape(signal: Signal, rate_hz: int, response: Callable[[Signal], Signal]) -> Signal:
    """Zero-phase filter: the spectrum times ``response(frequency_hz)``."""
    at_hz = np.asarray(np.fft.rfftfreq(len(signal), 1.0 / rate_hz), np.float64)
    spectrum = np.fft.rfft(signal) * response(at_hz)
    return np.asarray(np.fft.irfft(spectrum, len(signal)), np.float64)


def _noise(rng: Generator, samples: int, rate_hz: int, response: Callable[[Signal], Signal]) -> Signal:
    return _shape(rng.standard_normal(samples), rate_hz, response)


def _band(centre_hz: float, octaves: float) -> Callable[[Signal], Signal]:
    """A bell in log frequency, one at its centre."""
    return lambda f: np.exp(-((np.log2((f + 1.0) / centre_hz) / octaves) ** 2))


def _slow(rng: Generator, samples: int, rate_hz: int, cutoff_hz: float) -> Signal:
    """A random control curve with unit RMS and nothing above about ``cutoff_hz``."""
    return _unit(_noise(rng, samples, rate_hz, lambda f: np.exp(-((f / cutoff_hz) ** 2))))


def _add(target: Signal, start: int, event: Signal) -> None:
    """Mix an event in, cut off where the clip ends."""
    end = min(len(target), start + len(event))
    target[start:end] += event[: end - start]


# --- scenes ---------------------------------------------------------------------------------------


def _babble(rng: Generator, samples: int, rate_hz: int) -> Signal:
    """Several voices: harmonic syllables, two to five a second, each with its own formants."""
    out = np.zeros(samples)
    for _ in range(rng.integers(3, 8)):
        pitch_hz, level = rng.uniform(90.0, 240.0), rng.uniform(0.4, 1.0)
        start = -int(rng.integers(0, rate_hz // 4))
        while start < samples:
            length = int(rng.uniform(0.12, 0.35) * rate_hz)
            syllable = level * _syllable(rng, length, rate_hz, pitch_hz)
            _add(out, max(start, 0), syllable[max(-start, 0) :])
            start += length + int(rng.exponential(0.06) * rate_hz)
    return out


def _syllable(rng: Generator, samples: int, rate_hz: int, pitch_hz: float) -> Signal:
    t = np.arange(samples) / rate_hz
    glide = pitch_hz * rng.uniform(0.85, 1.2) * (1.0 + rng.uniform(-0.25, 0.15) * t / t[-1])
    phase = 2.0 * np.pi * np.cumsum(glide) / rate_hz
    formants_hz = rng.uniform([300.0, 900.0, 2300.0], [800.0, 2200.0, 3300.0])
    harmonics = np.arange(1, int(min(3800.0, 0.45 * rate_hz) / glide.max()))
    at_hz = harmonics[:, None] * pitch_hz
    weights = (
        np.sum(np.exp(-(((at_hz - formants_hz) / 180.0) ** 2)) * [1.0, 0.6, 0.3], axis=1) + 0.02 / harmonics
    )
    return np.asarray(np.hanning(samples) * (weights @ np.sin(harmonics[:, None] * phase)))


def _traffic(rng: Generator, samples: int, rate_hz: int) -> Signal:
    """A steady low rumble and vehicles that pass: brighter and louder, then gone."""
    out = _unit(_noise(rng, samples, rate_hz, lambda f: 1.0 / (1.0 + (f / 160.0) ** 2)))
    t = np.arange(samples) / rate_hz
    for _ in range(rng.integers(1, 4)):
        width_s, at_s = rng.uniform(0.25, 0.8), rng.uniform(0.0, t[-1])
        passing = np.exp(-(((t - at_s) / width_s) ** 2))
        tyres = _unit(_noise(rng, samples, rate_hz, _band(rng.uniform(600.0, 1400.0), 1.3)))
        out += rng.uniform(1.0, 2.5) * passing**2 * tyres
    return out


def _birds(rng: Generator, samples: int, rate_hz: int) -> Signal:
    """Trains of short sweeping whistles over a rustle of leaves."""
    out = 0.5 * _unit(_noise(rng, samples, rate_hz, _band(3000.0, 2.0)))
    for _ in range(rng.integers(2, 5)):
        low_hz, sweep_hz = rng.uniform(1800.0, 4500.0), rng.uniform(-1500.0, 2200.0)
        length = int(rng.uniform(0.04, 0.16) * rate_hz)
        period = int(length * rng.uniform(1.3, 3.0))
        t = np.arange(length) / length
        whistle = np.hanning(length) * np.sin(2.0 * np.pi * np.cumsum(low_hz + sweep_hz * t**1.5) / rate_hz)
        start = int(rng.uniform(0.0, 0.8) * samples)
        for call in range(rng.integers(3, 10)):
            if start + call * period < samples:
                _add(out, start + call * period, rng.uniform(1.5, 4.0) * whistle)
    return out


def _rain(rng: Generator, samples: int, rate_hz: int) -> Signal:
    """Drops: random impulses, each ringing shortly at its own pitch, over a hiss."""
    out = 0.35 * _unit(_noise(rng, samples, rate_hz, lambda f: f / (f + 1500.0)))
    ringing = np.arange(int(0.02 * rate_hz)) / rate_hz
    for _ in range(rng.poisson(rng.uniform(60.0, 220.0) * samples / rate_hz)):
        drop = np.exp(-ringing * rng.uniform(250.0, 900.0)) * np.sin(
            2.0 * np.pi * rng.uniform(900.0, 6000.0) * ringing
        )
        _add(out, int(rng.integers(samples)), rng.exponential(2.0) * drop)
    return out


def _engine(rng: Generator, samples: int, rate_hz: int) -> Signal:
    """Harmonics of an idling engine, slightly unsteady, beating at half its firing rate."""
    firing_hz = rng.uniform(40.0, 95.0)
    turning_hz = firing_hz * (1.0 + 0.012 * _slow(rng, samples, rate_hz, 2.0))
    phase = 2.0 * np.pi * np.cumsum(turning_hz) / rate_hz
    out = np.zeros(samples)
    for harmonic in range(1, int(rng.integers(14, 30))):
        out += rng.uniform(0.2, 1.0) / harmonic**0.6 * np.sin(harmonic * phase + rng.uniform(0.0, 6.28))
    out *= 1.0 + rng.uniform(0.2, 0.6) * np.sin(0.5 * phase)
    return _unit(out) + rng.uniform(0.2, 0.5) * _unit(_noise(rng, samples, rate_hz, _band(900.0, 1.5)))


def _wind(rng: Generator, samples: int, rate_hz: int) -> Signal:
    """Gusts: noise whose level and brightness swell together."""
    gust = np.exp(0.9 * _slow(rng, samples, rate_hz, rng.uniform(0.5, 1.6)))
    out = np.zeros(samples)
    for octave, centre_hz in enumerate((90.0, 180.0, 360.0, 720.0, 1440.0, 2880.0)):
        band = _unit(_noise(rng, samples, rate_hz, _band(centre_hz, 0.7)))
        out += 0.6**octave * gust ** (1.0 + 0.35 * octave) * band
    return out


SCENES: dict[str, Callable[[Generator, int, int], Signal]] = {
    "babble": _babble,
    "birds": _birds,
    "engine": _engine,
    "rain": _rain,
    "traffic": _traffic,
    "wind": _wind,
}
