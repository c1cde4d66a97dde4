# SPDX-License-Identifier: Apache-2.0
"""Recordings of every kind that goes wrong, made in a line each: bytes of WAV files, and files by libsndfile."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

Signal = npt.NDArray[np.float64]
Make = Callable[[Path], object]
RATE_HZ = 16000


def noise(seconds: float = 1.0, rate_hz: int = RATE_HZ, seed: int = 1) -> Signal:
    """Noise that never clips, in steps of 16 bits, so that every lossless file holds it exactly."""
    drawn = np.random.default_rng(seed).uniform(-0.4, 0.4, round(seconds * rate_hz))
    return np.asarray(np.rint(drawn * 32768) / 32768)


def pcm16(samples: Signal) -> bytes:
    """The samples as a WAV holds them."""
    return np.rint(samples * 32768).astype("<i2").tobytes()


FMT = struct.pack("<HHIIHH", 1, 1, RATE_HZ, 2 * RATE_HZ, 2, 16)


def chunk(name: bytes, content: bytes) -> bytes:
    """A RIFF chunk, padded to an even size."""
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def wav(
    samples: bytes,
    *,
    riff: int | None = None,
    size: int | None = None,
    before: bytes = b"",
    after: bytes = b"",
    fmt: bytes = FMT,
) -> bytes:
    """A WAV file; ``riff`` and ``size`` are what its header says in place of the true sizes."""
    head = b"data" + struct.pack("<I", len(samples) if size is None else size)
    padding = b"\0" * (len(samples) % 2)
    body = b"WAVE" + chunk(b"fmt ", fmt) + before + head + samples + padding + after
    return b"RIFF" + struct.pack("<I", len(body) if riff is None else riff) + body


def encoded(samples: Signal, form: str, subtype: str | None = None, rate_hz: int = RATE_HZ) -> bytes:
    """What libsndfile writes."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, format=form, subtype=subtype)
    return file.getvalue()


def raw(content: bytes) -> Make:
    """A file of these bytes."""
    return lambda path: path.write_bytes(content)


def sound(samples: Signal, form: str = "WAV", subtype: str | None = None, rate_hz: int = RATE_HZ) -> Make:
    """A file of these samples."""
    return raw(encoded(samples, form, subtype, rate_hz))


def stereo(*channels: Signal) -> Signal:
    """Channels side by side."""
    return np.stack(channels, axis=1)


def put(path: Path, make: Make | None = None) -> Path:
    """Make a recording where ``path`` says; a second of noise of its own without ``make``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    seed = sum(ord(letter) * (place + 1) for place, letter in enumerate(str(path)))
    (make or sound(noise(seed=seed)))(path)
    return path
