# SPDX-License-Identifier: Apache-2.0
"""Speech without recordings: espeak-ng, a Debian package, says it."""

from __future__ import annotations

import io
import shutil
import subprocess
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from ascmcu.features.resample import resample

PROGRAM = "espeak-ng"
needs_speech = pytest.mark.skipif(shutil.which(PROGRAM) is None, reason=f"{PROGRAM} is not installed")


@dataclass(frozen=True)
class Voice:
    """A speaker of espeak-ng: voice with variant, words a minute, pitch from 0 to 99."""

    name: str
    speed: int = 150
    pitch: int = 50


VOICES = (
    Voice("en-us"),
    Voice("en-gb+f3", 130, 60),
    Voice("en-gb-scotland+m4", 170, 35),
    Voice("en-us+f2", 160, 70),
)


def say(text: str, voice: Voice, rate_hz: int = 16000) -> npt.NDArray[np.int16]:
    """What a voice says, int16 (samples,)."""
    options = ["-v", voice.name, "-s", str(voice.speed), "-p", str(voice.pitch)]
    done = subprocess.run([PROGRAM, *options, "--stdout", text], capture_output=True, check=True)
    samples, rate = soundfile.read(io.BytesIO(done.stdout), dtype="float64", always_2d=True)
    heard = resample(samples, rate, rate_hz, "soxr_hq")[:, 0]
    return np.clip(np.rint(heard * 32768), -32768, 32767).astype(np.int16)
