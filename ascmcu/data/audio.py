# SPDX-License-Identifier: Apache-2.0
"""Read recordings: decode with libsndfile and convert to the PCM of a front end."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from ascmcu.data import containers
from ascmcu.data import found as findings
from ascmcu.data.folders import NOT_READ
from ascmcu.data.found import Found
from ascmcu.errors import DataError, why
from ascmcu.features.base import ClipSpec
from ascmcu.features.pcm import Pcm, fit_clip, to_pcm

_TO_WAV = "convert it to WAV or FLAC: ffmpeg -i IN OUT.wav"


@dataclass(frozen=True)
class Sound:
    """A decoded file: float64 (samples, channels), full scale ±1; see ``found.of`` for ``cut`` and ``streamed``."""

    samples: npt.NDArray[np.float64]
    rate_hz: int
    cut: str = ""
    streamed: bool = False


def read(path: Path) -> Sound:
    """Decode a file. A WAV whose header was never finished is read to the file's end.

    Raises:
        DataError: the file cannot be read, or is no recording.
    """
    other = NOT_READ.get(path.suffix.lower())
    if other:
        raise DataError("cannot read the recording", where=str(path), found=other, hint=_TO_WAV)
    try:
        chunk = containers.data_chunk(path)
        streamed = chunk is not None and chunk.is_open
        source = containers.mended(path, chunk) if chunk is not None and streamed else path
        with soundfile.SoundFile(source) as file:
            promised, rate_hz = file.frames, int(file.samplerate)
            samples = file.read(dtype="float64", always_2d=True)
        cut = _cut(chunk, promised, len(samples)) or containers.cut_off(path)
    except soundfile.LibsndfileError as error:
        raise DataError("cannot read the recording", where=str(path), found=_reason(path, error)) from error
    except (OSError, soundfile.SoundFileError, MemoryError) as error:
        raise DataError("cannot read the recording", where=str(path), found=why(error)) from error
    return Sound(samples, rate_hz, cut, streamed)


def _reason(path: Path, error: soundfile.LibsndfileError) -> str:
    if path.stat().st_size == 0:
        return "an empty file"
    if path.suffix.lower() == ".mp3" and "MP3" not in soundfile.available_formats():
        return f"libsndfile {soundfile.__libsndfile_version__} reads no MP3, 1.1 does"
    said = str(error.error_string).rstrip(".")
    # libsndfile's words for a file that it opened and could make nothing of.
    return "format not recognised" if said.startswith(("File does not exist", "Internal error")) else said


def _cut(chunk: containers.DataChunk | None, promised: int, there: int) -> str:
    """How much is there of what the header promises, where that is less."""
    if chunk is not None and chunk.is_cut:
        return f"{chunk.there_bytes} of {chunk.promised_bytes} bytes of samples"
    return f"{there} of {promised} samples" if there < promised else ""


def examine(path: Path) -> Found:
    """What reading a file finds; a file that cannot be read is a finding too."""
    try:
        sound = read(path)
    except DataError as error:
        return findings.unreadable(str(error.found))
    return findings.of(sound.samples, sound.rate_hz, cut=sound.cut, streamed=sound.streamed)


def usable(path: Path, spec: ClipSpec | None = None) -> Sound:
    """Decode a file that can be heard, by this front end or by any.

    Raises:
        DataError: it is no recording, or none that can be heard (``found.refusals``).
    """
    sound = read(path)
    record = findings.of(sound.samples, sound.rate_hz, cut=sound.cut, streamed=sound.streamed, digest=False)
    refused = findings.refusals(record, spec)
    if refused:
        raise DataError(
            "the recording cannot be used", where=str(path), found="; ".join(one.words for one in refused)
        )
    return sound


def whole_pcm(path: Path, spec: ClipSpec) -> Pcm:
    """A whole recording at the spec's rate and channels, int16 (samples, ``spec.audio_channels``).

    Channels are mixed or doubled, then resampled (soxr, the spec's quality), then rounded to the nearest
    integer, ties to even, without dither, so that the same file always gives the same clip.

    Raises:
        DataError: the file is no recording, or none that this front end can hear.
    """
    sound = usable(path, spec)
    return to_pcm(sound.samples, sound.rate_hz, spec)


def load_pcm(path: Path, spec: ClipSpec) -> Pcm:
    """One clip as the device gets it: int16 (``spec.clip_samples``, ``spec.audio_channels``).

    Longer recordings are cut, shorter ones end in silence.

    Raises:
        DataError: the file is no recording, or none that this front end can hear.
    """
    return fit_clip(whole_pcm(path, spec), spec)
