# SPDX-License-Identifier: Apache-2.0
"""Variations of recordings that are made before feature extraction.

Every version of every clip is drawn from a generator of its own, seeded by the variation's seed, the version's
number and the file's name, so that a version does not depend on the part, the order or the process it is made in.
"""

from __future__ import annotations

import functools
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ascmcu import extras
from ascmcu.data import audio as audio_files
from ascmcu.data import folders
from ascmcu.errors import InputError
from ascmcu.features.pcm import Pcm
from ascmcu.features.spec import Learned

Signal = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Variation:
    """What a version of a recording differs in; zero leaves a step out.

    Args:
        versions: how many are made of every recording, beside the original.
        speed: the widest factor, above 1, by which it is played faster or slower (pitch and tempo together).
        stretch: the widest factor, above 1, by which it is made longer or shorter at the same pitch.
        pitch_semitones: the widest shift of pitch at the same tempo.
        noise_db: white to red noise joins every other version, at this signal-to-noise ratio or up to 30 dB
            better.
        responses: a folder of impulse responses of devices, such as MicIRP's microphones: a version is what one of
            them, drawn by chance, makes of the recording, at the recording's power (Morocutti et al. 2023).
        seed: of all of it.
    """

    versions: int = 0
    speed: float = 0.0
    stretch: float = 0.0
    pitch_semitones: float = 0.0
    noise_db: float = 0.0
    responses: str = ""
    seed: int = 1


def varied(pcm: Pcm, spec: Learned, variation: Variation, version: int, name: str) -> Pcm:
    """One version of a clip, int16 (``spec.clip_samples``, channels).

    Args:
        pcm: the clip at the spec's rate, int16 (samples, channels).
        version: 1 to ``variation.versions``.
        name: what the clip is known by; its file's name without the folders.
    """
    rng = np.random.default_rng([variation.seed, version, zlib.crc32(Path(name).name.encode())])
    audio: Signal = pcm.astype(np.float64).T / 32768
    if variation.speed:
        audio = _played_at(audio, _factor(variation.speed, rng), spec)
    if variation.stretch:
        audio = _stretched(audio, _factor(variation.stretch, rng))
    if variation.pitch_semitones:
        audio = _shifted(audio, rng.uniform(-1.0, 1.0) * variation.pitch_semitones, spec)
    audio = _framed(audio, spec.clip_samples, rng)
    if variation.noise_db and rng.random() < 0.5:
        audio = _noisy(audio, variation.noise_db + rng.uniform(0.0, 30.0), rng)
    if variation.responses:
        files = tuple((p, p.stat().st_mtime_ns) for p in response_files(Path(variation.responses)))
        there = _responses(files, spec.sample_rate_hz)
        audio = _through(audio, there[int(rng.integers(len(there)))])
    return np.clip(np.rint(audio.T * 32768), -32768, 32767).astype(np.int16)


def response_files(folder: Path) -> list[Path]:
    """The impulse responses in a folder, in the order of their paths.

    Raises:
        InputError: there are none.
    """
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in folders.READ)
    if not files:
        raise InputError(
            "no impulse responses found", where=str(folder), expected="a folder of recordings of impulses"
        )
    return files


@functools.lru_cache(maxsize=2)
def _responses(files: tuple[tuple[Path, int], ...], rate_hz: int) -> tuple[Signal, ...]:
    """Impulse responses at a sample rate, mono; of files with the times of their last changes."""
    import soxr

    sounds = [audio_files.read(path) for path, _ in files]
    mono = [(sound.samples.mean(axis=1, dtype=np.float64), sound.rate_hz) for sound in sounds]
    return tuple(np.asarray(soxr.resample(x, rate, rate_hz, quality="HQ"), np.float64) for x, rate in mono)


def _through(audio: Signal, response: Signal) -> Signal:
    """The clip convolved with a response, cut to its length, at its own mean power."""
    samples = audio.shape[1]
    points = 1 << (samples + len(response) - 2).bit_length()
    spectrum = np.fft.rfft(audio, points) * np.fft.rfft(response, points)
    heard = np.fft.irfft(spectrum, points)[:, :samples]
    power, before = float(np.mean(heard**2)), float(np.mean(audio**2))
    return np.asarray(heard * np.sqrt(before / power) if power > 0 else audio)


def _factor(widest: float, rng: np.random.Generator) -> float:
    """A factor from 1 / widest to widest, as often above as below one."""
    return float(widest ** rng.uniform(-1.0, 1.0))


def _played_at(audio: Signal, factor: float, spec: Learned) -> Signal:
    import soxr

    rate_hz = spec.sample_rate_hz
    return np.asarray(soxr.resample(audio.T, rate_hz * factor, rate_hz, quality="MQ"), np.float64).T


def _stretched(audio: Signal, factor: float) -> Signal:
    librosa: Any = extras.load("librosa", "features", "this variation needs librosa")

    return np.asarray(librosa.effects.time_stretch(audio, rate=factor), np.float64)


def _shifted(audio: Signal, semitones: float, spec: Learned) -> Signal:
    librosa: Any = extras.load("librosa", "features", "this variation needs librosa")

    shifted = librosa.effects.pitch_shift(
        audio, sr=spec.sample_rate_hz, n_steps=semitones, res_type="soxr_mq"
    )
    return np.asarray(shifted, np.float64)


def _framed(audio: Signal, samples: int, rng: np.random.Generator) -> Signal:
    """Cut at random, or repeated from its start, to the clip's length."""
    if audio.shape[1] > samples:
        start = int(rng.integers(audio.shape[1] - samples + 1))
        return audio[:, start : start + samples]
    return np.asarray(np.pad(audio, ((0, 0), (0, samples - audio.shape[1])), mode="wrap"), np.float64)


def _noisy(audio: Signal, ratio_db: float, rng: np.random.Generator) -> Signal:
    """Noise with a power law between white and red, that much below the clip's own mean power."""
    samples = audio.shape[1]
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    spectrum[1:] /= np.arange(1, len(spectrum)) ** rng.uniform(0.0, 1.0)
    noise = np.fft.irfft(spectrum, samples)
    level = np.sqrt(np.mean(audio**2) / max(float(np.mean(noise**2)), 1e-20)) * 10 ** (-ratio_db / 20)
    return np.asarray(audio + level * noise)
